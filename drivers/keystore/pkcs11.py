"""Keys in PKCS#11 tokens, by their URI (RFC 7512):

    pkcs11:token=gateway;object=device?module-path=/usr/lib/softhsm/libsofthsm2.so
        &pin-source=credential:device-pin

1. A token is named by what it says of itself (token, serial, manufacturer, model), never by a slot:
   slots change with every plug. A key is named by object (its label), id, or both.
2. No PIN is in a URI: pin-value (RFC 7512 2.3) is refused, as its own section 6 advises.
3. What the URI says is checked here, before any module is loaded; drivers.keystore.token loads it.
"""

from pathlib import Path

from drivers.keystore import query
from drivers.keystore.held import HeldKey, Store
from drivers.keystore.secret import Secret
from drivers.keystore.uri import Ask, KeyStoreError
from evidence.key import PublicKey

_TOKEN = ("token", "serial", "manufacturer", "model")
_OBJECT = ("object", "id", "type")
_QUERY = ("module-path", "pin-source")
_EXAMPLE = "pkcs11:token=NAME;object=NAME?module-path=/usr/lib/softhsm/libsofthsm2.so"


def open_signer(rest: str, base: Path, ask: Ask | None, often: bool) -> HeldKey:
    return HeldKey(_store(rest, base, ask), None, often)


def later(rest: str, base: Path, public: PublicKey) -> HeldKey:
    return HeldKey(_store(rest, base, None), public)


def show(rest: str, base: Path, ask: Ask | None) -> PublicKey:
    return _store(rest, base, ask).show()


def make(rest: str, base: Path, ask: Ask | None) -> PublicKey:
    """A new Ed25519 key, which never leaves the token."""
    store = _store(rest, base, ask)
    if not query.parts(rest.partition("?")[0], ";", (*_TOKEN, *_OBJECT), store.place).get("object"):
        raise KeyStoreError(store.place, "a new key needs a name: object=NAME")
    return store.make()


def _store(rest: str, base: Path, ask: Ask | None) -> Store:
    """What the URI names. Raises KeyStoreError."""
    path, _, after = rest.partition("?")
    place = f"pkcs11:{path}"
    named = query.parts(path, ";", (*_TOKEN, *_OBJECT), place)
    asked = query.parts(after, "&", _QUERY, place)
    module = query.text(asked, "module-path", place)
    if not module:
        text = "names no PKCS#11 module; which library speaks to the token? Such as"
        raise KeyStoreError(place, f"{text} '{_EXAMPLE}'")
    if not module.startswith("/"):
        raise KeyStoreError(place, f"module-path={module}: expected a path from the root, /...")
    if query.text(named, "type", place) not in ("", "private"):
        raise KeyStoreError(place, "type: what signs is a private key; leave it out")
    if not any(named.get(name) for name in _TOKEN):
        raise KeyStoreError(place, f"names no token, such as '{_EXAMPLE}'")
    if not (named.get("object") or named.get("id")):
        raise KeyStoreError(place, f"names no object in the token, such as '{_EXAMPLE}'")
    secret = Secret(place, "PIN", query.text(asked, "pin-source", place), base, ask)
    token = [query.text(named, name, place) for name in _TOKEN]
    told = [module, token, query.text(named, "object", place), named.get("id", b"")]
    return Store(place, "drivers.keystore.token", told, secret)
