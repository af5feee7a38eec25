"""Where a private key lives, by URI, and the signer that it names.

1. The part before the first colon is the scheme, and a scheme is one module, loaded when it is
   first asked for: a gateway with a key in a file never loads what speaks to tokens.
2. What a URI cannot give is a KeyStoreError that names the URI and the mend, and never a key.

It holds no key and reads no file.
"""

from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from evidence import config
from evidence.key import Signer

SCHEMES = {"file": "drivers.keystore.file"}
# Other software names stores so (RFC 7512): to be told that it is a typing error would mislead.
_NOT_HERE = {"pkcs11": "a key in a PKCS#11 token", "tpm": "a key in a TPM"}


class KeyStoreError(Exception):
    """A key that cannot be had: missing, unsafe, damaged, or of a store that is not here.

    `place`: path or URI; `text`: what is wrong, and the mend.
    """

    def __init__(self, place: str, text: str) -> None:
        super().__init__(f"{place}: {text}")
        self.place = place
        self.text = text


class Store(Protocol):
    """What a scheme's module offers. `rest`: the URI after the colon; `base`: of relative paths."""

    def open_signer(self, rest: str, base: Path) -> Signer: ...


def open_signer(uri: str, base: Path) -> Signer:
    """The signer that a URI such as `file:device.key` names. Raises KeyStoreError.

    May block, as signing may: never called from a loop.
    """
    scheme, colon, rest = uri.partition(":")
    if not colon:
        raise KeyStoreError(
            uri, f"no scheme; a key is named by URI, such as 'file:{uri or 'device.key'}'"
        )
    if scheme in _NOT_HERE:
        raise KeyStoreError(uri, f"{_NOT_HERE[scheme]} cannot be used by this version; known: file")
    module = SCHEMES.get(scheme)
    if module is None:
        raise KeyStoreError(
            uri, f"key store {scheme!r} is {config.nearest(scheme, sorted(SCHEMES))}"
        )
    return cast(Store, import_module(module)).open_signer(rest, base)
