"""An invitation as one string: where to ask, by which code, and whom to find there.

    https://HOST:PORT/#CODE.FINGERPRINT

1. CODE: 80 random bits in Crockford's base32, four groups of four. FINGERPRINT: the first 128 bits
   of the SHA-256 of the server's certificate (DER), in the same letters. Who types may type small
   letters, O for 0, and I or L for 1; dashes are for the eye.
2. The certificate is pinned, not verified by names and dates: the gateway's clock may never have
   been set, and it believes no authority yet. Whoever asks compares it before a byte of the request
   goes out.
3. The code stands behind #, which no client sends to a server as part of an address (RFC 3986 3.5),
   and goes into no log.

    POST /v1/enrol    Authorization: Bearer CODE    the request's file (provisioning.enrol.parcel)
    200               the answer's file
    4xx, 503          {"reason": "...", "text": "..."}

Pure. Who is invited is provisioning.authority.invitation's.
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

from provisioning.source import RequestError

CODE_BYTES = 10  # 80 bits: 16 letters
FINGERPRINT_BYTES = 16
PATH = "/v1/enrol"
TEXT_MAX = 512  # a host's name has 253 characters at most (RFC 1035 2.3.4)
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U
_READ = str.maketrans("OIL", "011")
_GROUP = 4
_CODE = re.compile(f"[{_LETTERS}]{{{CODE_BYTES * 8 // 5}}}")


class Link(NamedTuple):
    """`code`: 16 letters; `fingerprint`: of the server's certificate."""

    host: str
    port: int
    code: str
    fingerprint: bytes

    def text(self) -> str:
        """As it is handed over."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}/#{grouped(self.code)}.{_letters(self.fingerprint)}"

    def finds(self, certificate: bytes) -> bool:
        """Whether this certificate (DER) is that of the server that invited."""
        return hmac.compare_digest(fingerprint(certificate), self.fingerprint)


def new_code(random: Callable[[int], bytes]) -> str:
    """A code that nobody knows yet."""
    return _letters(random(CODE_BYTES))


def code(text: str) -> str:
    """A code as it was typed. Raises RequestError, without it."""
    found = re.sub(r"[-\s]", "", text[:TEXT_MAX]).upper().translate(_READ)
    if not _CODE.fullmatch(found):
        raise RequestError("a code has 16 letters and digits, in groups of four")
    return found


def grouped(text: str) -> str:
    """A code for the eye."""
    return "-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def fingerprint(certificate: bytes) -> bytes:
    """Of a certificate in DER."""
    return hashlib.sha256(certificate).digest()[:FINGERPRINT_BYTES]


def read(text: str) -> Link:
    """An invitation as it was typed or scanned. Raises RequestError, without its code."""
    expected = "expected https://HOST:PORT/#CODE.FINGERPRINT, as `authority invite` printed it"
    if len(text) > TEXT_MAX:
        raise RequestError(f"no invitation: {len(text)} characters; {expected}")
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname or "", parts.port or 443
    except ValueError as fault:
        raise RequestError(f"no invitation: {expected}") from fault
    typed, dot, pinned = parts.fragment.partition(".")
    if parts.scheme != "https" or not host or parts.path not in ("", "/") or not dot:
        raise RequestError(f"no invitation: {expected}")
    if parts.query or "@" in parts.netloc or not host.isascii():
        raise RequestError(f"no invitation: {expected}")
    return Link(host, port, code(typed), _bytes(pinned))


def _letters(data: bytes) -> str:
    """Crockford's base32 of whole bytes: bits from the left, zeros behind the last."""
    count = -(-len(data) * 8 // 5)
    number = int.from_bytes(data, "big") << (count * 5 - len(data) * 8)
    return "".join(_LETTERS[number >> 5 * at & 31] for at in reversed(range(count)))


def _bytes(text: str) -> bytes:
    """A fingerprint in letters. Raises RequestError."""
    found = re.sub(r"[-\s]", "", text).upper().translate(_READ)
    number = 0
    for letter in found:
        at = _LETTERS.find(letter)
        if at < 0:
            raise RequestError("the fingerprint in the invitation is damaged")
        number = number << 5 | at
    count = -(-FINGERPRINT_BYTES * 8 // 5)
    spare = count * 5 - FINGERPRINT_BYTES * 8
    if len(found) != count or number & ((1 << spare) - 1):
        raise RequestError("the fingerprint in the invitation is damaged")
    return (number >> spare).to_bytes(FINGERPRINT_BYTES, "big")
