"""Text as it may leave a site: without secrets, and without names that what is signed hides.

1. What carries a secret by its form is masked: user and password of a URL, what stands behind its
   # (an invitation's code), the value of a word that is called pin, password, passphrase, secret or
   token, what may be a key in PEM.
2. Hidden names give way to others, the same everywhere, so that one can still be told from another:
   "bus 1", "source 2".

It is the second line: what goes into a bundle is chosen first (provisioning.account), and free text
is the little of it that nobody chose word by word.
"""

import re
from collections.abc import Mapping

from drivers.keystore import uri

SHOWN = "***"
TEXT_MAX = 2000  # characters of one text
EITHER_MIN = 5  # characters of a name that is found in upper and lower case
NAME_MIN = 3  # a shorter name is found in the midst of every other word
# RFC 3986 3.2.1: userinfo; up to the last @, for whoever typed a password with a / in it.
_USER = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,31}://)[^\s\"'<>]*@")
_FRAGMENT = re.compile(r"(://[^\s\"'<>#]*#)[^\s\"'<>]+")
_NAMED = re.compile(
    r"((?<![A-Za-z])(?:pin|pass|password|passwd|passphrase|pwd|secret|token|code)"
    r"(?:[-_ ]?(?:value|code|word))?[\"']?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s;&,\"']+)",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"pkcs11:token=", re.IGNORECASE)  # RFC 7512: there a token is a name
_PEM = re.compile(r"-----BEGIN.*?(?:-----END[^\n]*|\Z)", re.DOTALL)
_BEARER = re.compile(r"((?:bearer|basic)\s+)\S+", re.IGNORECASE)
# Base64 of 30 bytes and more, which a key may be; what is lower case and digits alone is a hash.
# One in thousands has no digit: it has more capitals than a path or a name.
_LONG = re.compile(
    r"(?<![\w+/-])(?=[a-z0-9+/]*[A-Z])(?=[A-Za-z+/]*[0-9]|(?:[a-z+/]*[A-Z]){8})"
    r"[A-Za-z0-9+/]{40,}={0,2}(?![\w+/-])"
)


class Mask:
    """What is hidden, by what stands for it."""

    def __init__(self, hidden: Mapping[str, str]) -> None:
        kept = {name: shown for name, shown in hidden.items() if len(name) >= NAME_MIN}
        self._hidden = {name.casefold(): shown for name, shown in kept.items()}
        either = "|".join(map(_form, sorted(kept, key=len, reverse=True)))
        self._names = re.compile(rf"(?<![^\W_])(?:{either})(?![^\W_])") if kept else None

    def text(self, text: str) -> str:
        """As it may be shown."""
        text = secretless(text[:TEXT_MAX])
        if self._names is None:
            return text
        return self._names.sub(lambda it: self._hidden.get(it[0].casefold(), SHOWN), text)


def _form(name: str) -> str:
    """However it is written: a host or a control block is often called like its site. A short name
    may be another word in other letters: "gps".
    """
    exact = re.escape(name)
    return exact if len(name) < EITHER_MIN else f"(?i:{exact})"


def secretless(text: str) -> str:
    """Invariant 1."""
    text = _PEM.sub(SHOWN, text)
    text = _FRAGMENT.sub(rf"\g<1>{SHOWN}", _USER.sub(rf"\g<1>{SHOWN}@", text))
    text = _PLAIN.sub("pkcs11:%", text)
    text = _BEARER.sub(rf"\g<1>{SHOWN}", _NAMED.sub(rf"\g<1>{SHOWN}", text))
    return _LONG.sub(SHOWN, text).replace("pkcs11:%", "pkcs11:token=")


def key_uri(text: str) -> str:
    """The URI of a key, as it may be shown."""
    return secretless(uri.shown(text))
