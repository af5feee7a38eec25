"""Where a private key lives, by URI, and the signer that it names.

1. The part before the first colon is the scheme, and a scheme is one module, loaded when it is
   first asked for: a gateway with a key in a file never loads what speaks to tokens.
2. What a URI cannot give is a KeyStoreError that names the URI and the mend, and never a key, a PIN
   or a passphrase.
3. A store that may come back is told from one that never will (AwayError): whoever has time waits.

It holds no key and reads no file.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from evidence import config
from evidence.key import PublicKey, Signer

SCHEMES = {
    "file": "drivers.keystore.file",
    "pkcs11": "drivers.keystore.pkcs11",
    "tpm": "drivers.keystore.tpm",
}
# Asks whoever sits there: words to a secret. None in its place: nobody sits there.
Ask = Callable[[str], str]


class KeyStoreError(Exception):
    """A key that cannot be had: missing, unsafe, damaged, or of a store that is not here.

    `place`: path or URI; `text`: what is wrong, and the mend.
    """

    def __init__(self, place: str, text: str) -> None:
        super().__init__(f"{place}: {text}")
        self.place = place
        self.text = text


class AwayError(KeyStoreError):
    """The store gives nothing now, and may later: unplugged, busy, restarting, hung, or one wrong
    PIN from locking itself, or locked, until somebody sees to it.
    """


class PinError(KeyStoreError):
    """The PIN or passphrase is wrong. Never to be tried again as it is: a token locks itself after
    a few.
    """


class Store(Protocol):
    """What a scheme's module offers. `rest`: the URI after the colon; `base`: of relative paths.

    Each raises KeyStoreError and may block: never called from a loop.
    """

    def open_signer(self, rest: str, base: Path, ask: Ask | None, often: bool) -> Signer:
        """The key's signer; it has signed once, so that what is wrong is known."""

    def later(self, rest: str, base: Path, public: PublicKey) -> Signer:
        """The signer of a store that is away, whose key is known: it opens when it signs."""

    def show(self, rest: str, base: Path, ask: Ask | None) -> PublicKey:
        """The public key, without the PIN or passphrase wherever the store tells it so."""

    def make(self, rest: str, base: Path, ask: Ask | None) -> PublicKey:
        """Makes a new key in the store, and overwrites none. All of it is there, or nothing."""


def open_signer(uri: str, base: Path, ask: Ask | None = None, often: bool = False) -> Signer:
    """The signer that a URI such as `file:device.key` names. Raises KeyStoreError.

    May block, as signing may: never called from a loop. `often`: it signs many times an hour, so a
    store's program and its session stay.
    """
    store, rest = _store(uri)
    return store.open_signer(rest, base, ask, often)


def later(uri: str, base: Path, public: PublicKey) -> Signer:
    """The signer of a store that was found to be away: it is opened when it is to sign, and then
    must hold the key with this public half. Raises KeyStoreError.
    """
    store, rest = _store(uri)
    return store.later(rest, base, public)


def show(uri: str, base: Path, ask: Ask | None = None) -> PublicKey:
    """The public half of the key that a URI names. Raises KeyStoreError. May block."""
    store, rest = _store(uri)
    return store.show(rest, base, ask)


def make(uri: str, base: Path, ask: Ask | None = None) -> PublicKey:
    """A new key where a URI says, never over another; its public half. Raises KeyStoreError.

    May block.
    """
    store, rest = _store(uri)
    return store.make(rest, base, ask)


def _store(uri: str) -> tuple[Store, str]:
    """The module of a URI's scheme, and what comes after the colon."""
    scheme, colon, rest = uri.partition(":")
    if not colon:
        raise KeyStoreError(
            uri, f"no scheme; a key is named by URI, such as 'file:{uri or 'device.key'}'"
        )
    if not uri.isprintable():
        raise KeyStoreError(repr(shown(uri)), "has characters that cannot be shown; name it anew")
    module = SCHEMES.get(scheme)
    if module is None:
        raise KeyStoreError(
            shown(uri), f"key store {scheme!r} is {config.nearest(scheme, sorted(SCHEMES))}"
        )
    return cast(Store, import_module(module)), rest


def shown(uri: str) -> str:
    """A URI as it may be printed: what comes after its ? may hold a PIN that does not belong."""
    return uri.partition("?")[0]
