"""What is asked of a PKCS#11 token, by python-pkcs11: in the store's program, never in an agent.

1. The last try at a PIN is never ours: where the token says that one more wrong PIN locks it, only
   what a person typed is given to it (PKCS#11 v2.40 4.3, CKF_USER_PIN_FINAL_TRY). What a person
   typed goes as it is.
2. A key that could be read out of its token is refused: it must be CKA_SENSITIVE and not
   CKA_EXTRACTABLE. Keys that are made here are born so.
3. A new key has a name that no key of the token has; one that does not sign is removed again.

Each function here takes what Store told and gives what drivers.keystore.message can carry.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from drivers.keystore.uri import AwayError, KeyStoreError, PinError
from evidence.code import ALG_ED25519, ALG_ESP256
from evidence.key import PublicKey

try:
    import pkcs11
    from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, TokenFlag, exceptions
    from pkcs11.util.ec import encode_named_curve_parameters
except ModuleNotFoundError as missing:
    text = f"needs {missing.name}, which is not installed: gridseal[pkcs11] brings it"
    raise KeyStoreError("", text) from missing

_ID_BYTES = 16
_NAMED_MAX = 8  # how many names of what is there are told
_ED25519 = encode_named_curve_parameters("1.3.101.112")  # RFC 8410 3
# PKCS#11 v3.0 2.3.10 also names the curve in words, a PrintableString.
_ED25519_WORDS = b"\x13\x0cedwards25519"
_P256 = encode_named_curve_parameters("1.2.840.10045.3.1.7")
_KINDS = {
    (KeyType.EC_EDWARDS, _ED25519): ALG_ED25519,
    (KeyType.EC_EDWARDS, _ED25519_WORDS): ALG_ED25519,
    (KeyType.EC, _P256): ALG_ESP256,
}
# What may pass: unplugged, busy, out of memory, or a module whose token has gone.
_PASSING = (
    exceptions.DeviceError,
    exceptions.DeviceMemory,
    exceptions.DeviceRemoved,
    exceptions.FunctionFailed,
    exceptions.GeneralError,
    exceptions.HostMemory,
    exceptions.SessionClosed,
    exceptions.SessionCount,
    exceptions.SessionHandleInvalid,
    exceptions.SlotIDInvalid,
    exceptions.TokenNotPresent,
    exceptions.TokenNotRecognised,
)


class _Asked(NamedTuple):
    """What Store told: the module, the token by what it says of itself, the object, and whether a
    person typed the PIN.
    """

    module: str
    token: tuple[str, str, str, str]  # label, serial, manufacturer, model
    label: str
    id: bytes
    typed: bool


def prove(told: list[Any], pin: bytes | None) -> list[Any]:
    """`told`: and what is to be signed. Algorithm, public key, signature."""
    asked, (trial,) = _Asked(*told[:5]), told[5:]
    with _session(asked, pin) as session:
        key = _private_key(session, asked)
        public = _public_of(session, key)
        return [public.alg, public.raw, _signed(key, public.alg, trial)]


def sign(told: list[Any], pin: bytes | None) -> bytes:
    """`told`: and algorithm, raw public key, and what is to be signed."""
    asked, (alg, raw, message) = _Asked(*told[:5]), told[5:]
    with _session(asked, pin) as session:
        key = _private_key(session, asked)
        if _alg_of(key) != alg or _public_of(session, key).raw != raw:
            kid = PublicKey(alg, raw).kid.hex()
            raise KeyStoreError("", f"holds another key of this name than the one expected, {kid}")
        return _signed(key, alg, message)


def show(told: list[Any], pin: bytes | None) -> list[Any]:
    """Algorithm and public key; without a PIN where the token shows public keys to all."""
    asked = _Asked(*told[:5])
    with _session(asked, pin, login=pin is not None) as session:
        found = list(session.get_objects(_template(asked, ObjectClass.PUBLIC_KEY)))
        if len(found) > 1 and pin is None:
            raise _several(found, asked)
        if not found and pin is None:
            there = _names(session, ObjectClass.PUBLIC_KEY)
            text = f"no public key {_words(asked)} is shown without a PIN; there: {there}"
            raise KeyStoreError("", f"{text}. With its PIN: pin-source=ask")
        key = found[0] if len(found) == 1 else _private_key(session, asked)
        public = _public_of(session, key)
        return [public.alg, public.raw]


def make(told: list[Any], pin: bytes | None) -> list[Any]:
    """Algorithm and public key of a new Ed25519 key."""
    asked = _Asked(*told[:5])
    with _session(asked, pin, write=True) as session:
        for kind in (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY):
            if any(session.get_objects({Attribute.CLASS: kind, Attribute.LABEL: asked.label})):
                text = f"a key {asked.label!r} is there already; name another, or remove it first"
                raise KeyStoreError("", text)
        parameters = session.create_domain_parameters(
            KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: _ED25519}, local=True
        )
        closed = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True}
        try:
            pair = parameters.generate_keypair(
                mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
                store=True,
                label=asked.label,
                id=asked.id or os.urandom(_ID_BYTES),
                private_template=closed,
            )
        except (exceptions.MechanismInvalid, exceptions.DomainParamsInvalid) as fault:
            text = "makes no Ed25519 keys; make one of P-256 by its own tool, and name it here"
            raise KeyStoreError("", text) from fault
        return _tried(session, pair)


def _tried(session: Any, pair: Any) -> list[Any]:
    """A new pair, if it signs; else it is removed."""
    trial, (public_half, private_half) = os.urandom(32), pair
    try:
        _check_closed(private_half)
        public = _public_of(session, public_half)
        if public.verify(trial, _signed(private_half, public.alg, trial)):
            return [public.alg, public.raw]
        raise KeyStoreError("", "made a key whose signatures do not hold; it was removed again")
    except (KeyStoreError, exceptions.PKCS11Error):
        private_half.destroy()
        public_half.destroy()
        raise


@contextlib.contextmanager
def _session(
    asked: _Asked, pin: bytes | None, login: bool = True, write: bool = False
) -> Iterator[Any]:
    """A session with the token, in words where there is none. Raises KeyStoreError."""
    try:
        token = _token(asked)
        given = _pin(token, asked, pin) if login else None
        session = token.open(rw=write, user_pin=given)
    except exceptions.PinLocked as fault:
        raise AwayError("", _LOCKED) from fault
    except (exceptions.PinIncorrect, exceptions.PinInvalid, exceptions.PinLenRange) as fault:
        raise PinError("", "the PIN is wrong") from fault
    except exceptions.PKCS11Error as fault:
        raise _explained(fault) from fault
    try:
        yield session
    except exceptions.PKCS11Error as fault:
        raise _explained(fault) from fault
    finally:
        with contextlib.suppress(exceptions.PKCS11Error):
            session.close()


_LOCKED = "the token has locked itself after wrong PINs; its security officer (SO PIN) unlocks it"


def _token(asked: _Asked) -> Any:
    """The one token that is meant."""
    if not os.path.isfile(asked.module):
        text = f"the module {asked.module} is not there; install it, or correct module-path"
        raise KeyStoreError("", text)
    try:
        module = pkcs11.lib(asked.module)
    except RuntimeError as fault:
        if isinstance(fault, exceptions.PKCS11Error) and type(fault) is not exceptions.PKCS11Error:
            raise  # a code of the module's
        raise KeyStoreError("", f"the module {asked.module} cannot be loaded: {fault}") from fault
    tokens = [slot.get_token() for slot in module.get_slots(token_present=True)]
    found = [token for token in tokens if _meant(token, asked)]
    if len(found) > 1:
        raise KeyStoreError("", "several tokens answer to that; add serial=")
    if not found:
        labels = ", ".join(repr(token.label) for token in tokens[:_NAMED_MAX] if token.label)
        raise AwayError("", f"no such token is plugged in; there: {labels or 'none'}")
    return found[0]


def _meant(token: Any, asked: _Asked) -> bool:
    says = (token.label, token.serial.decode(errors="replace"), token.manufacturer_id, token.model)
    return all(want in ("", have) for want, have in zip(asked.token, says, strict=True))


def _pin(token: Any, asked: _Asked, pin: bytes | None) -> str | None:
    """The PIN as the token may have it; None where it wants none."""
    flags = token.flags
    if not flags & TokenFlag.LOGIN_REQUIRED:
        return None
    if flags & TokenFlag.USER_PIN_LOCKED:
        raise AwayError("", _LOCKED)
    if not flags & TokenFlag.USER_PIN_INITIALIZED:
        raise KeyStoreError("", "the token has no user PIN yet; its own tool sets one")
    if pin is None:
        text = "the token wants a PIN, and none is named: pin-source=credential:NAME"
        raise KeyStoreError("", f"{text} or pin-source=file:PATH")
    if flags & TokenFlag.USER_PIN_FINAL_TRY and not asked.typed:
        text = "one more wrong PIN locks the token, so none is tried; where a person types the"
        raise AwayError("", f"{text} right one, it counts anew: key show --prove, pin-source=ask")
    try:
        return pin.decode()
    except UnicodeDecodeError as fault:
        raise PinError("", "the PIN is not UTF-8") from fault


def _template(asked: _Asked, kind: Any) -> dict[Any, Any]:
    wanted = {Attribute.CLASS: kind, Attribute.LABEL: asked.label, Attribute.ID: asked.id}
    return {name: value for name, value in wanted.items() if value not in ("", b"")}


def _private_key(session: Any, asked: _Asked) -> Any:
    """The one private key that is meant, and may be used."""
    found = list(session.get_objects(_template(asked, ObjectClass.PRIVATE_KEY)))
    if not found:
        there = _names(session, ObjectClass.PRIVATE_KEY)
        raise KeyStoreError("", f"the token has no private key {_words(asked)}; there: {there}")
    if len(found) > 1:
        raise _several(found, asked)
    key = found[0]
    _alg_of(key)
    _check_closed(key)
    if not _attribute(key, Attribute.SIGN, True):
        raise KeyStoreError("", f"the key {_words(asked)} may not sign (CKA_SIGN)")
    if _attribute(key, Attribute.ALWAYS_AUTHENTICATE, False):
        text = "wants its PIN at each signature (CKA_ALWAYS_AUTHENTICATE): take another key"
        raise KeyStoreError("", f"the key {_words(asked)} {text}")
    return key


def _several(found: list[Any], asked: _Asked) -> KeyStoreError:
    """RFC 7512 2.3 writes an id percent-encoded."""
    ids = sorted(_attribute(key, Attribute.ID, b"") for key in found)[:_NAMED_MAX]
    named = ", ".join("".join(f"%{byte:02x}" for byte in each) or "none" for each in ids)
    return KeyStoreError("", f"{len(found)} keys are {_words(asked)}; add id=, one of {named}")


def _check_closed(key: Any) -> None:
    if _attribute(key, Attribute.EXTRACTABLE, True) or not _attribute(
        key, Attribute.SENSITIVE, False
    ):
        text = "can be read out of its token (CKA_EXTRACTABLE, CKA_SENSITIVE): make one that cannot"
        raise KeyStoreError("", f"the key {text}")


def _alg_of(key: Any) -> int:
    """The algorithm of a key. Raises KeyStoreError."""
    kind = key[Attribute.KEY_TYPE]
    parameters = _attribute(key, Attribute.EC_PARAMS, b"")
    alg = _KINDS.get((kind, parameters))
    if alg is None:
        name = getattr(kind, "name", kind)
        text = f"another kind of key ({name}); expected Ed25519, or EC on P-256"
        raise KeyStoreError("", f"the token has there {text}")
    return alg


def _public_of(session: Any, key: Any) -> PublicKey:
    """The public half, of the object itself or of the public key with its id."""
    alg, size = _alg_of(key), {ALG_ED25519: 32, ALG_ESP256: 65}
    point = _attribute(key, Attribute.EC_POINT, b"")
    if not point:
        beside = {
            Attribute.CLASS: ObjectClass.PUBLIC_KEY,
            Attribute.ID: _attribute(key, Attribute.ID, b""),
        }
        halves = list(session.get_objects(beside))
        point = _attribute(halves[0], Attribute.EC_POINT, b"") if len(halves) == 1 else b""
    # PKCS#11 v2.40 2.3.3: a DER OCTET STRING; some tokens give what is in it.
    wrapped = bytes([0x04, size[alg]])
    if len(point) == size[alg] + 2 and point.startswith(wrapped):
        point = point[2:]
    if len(point) != size[alg] or (alg == ALG_ESP256 and point[0] != 0x04):
        text = "no public key with the private key's id beside it: bring it into the token"
        raise KeyStoreError("", f"the token has {text}")
    return PublicKey(alg, point[1:] if alg == ALG_ESP256 else point)


def _signed(key: Any, alg: int, message: bytes) -> bytes:
    """R || S."""
    if alg == ALG_ED25519:
        return bytes(key.sign(message, mechanism=Mechanism.EDDSA))
    return bytes(key.sign(hashlib.sha256(message).digest(), mechanism=Mechanism.ECDSA))


def _attribute(held: Any, name: Any, absent: Any) -> Any:
    try:
        return held[name]
    except (exceptions.AttributeTypeInvalid, exceptions.AttributeSensitive):
        return absent


def _names(session: Any, kind: Any) -> str:
    """What is there of that kind, for whoever mistyped."""
    found = session.get_objects({Attribute.CLASS: kind})
    labels = [repr(_attribute(one, Attribute.LABEL, "")) for one in found]
    return ", ".join(labels[:_NAMED_MAX]) or "none"


def _words(asked: _Asked) -> str:
    named = [repr(asked.label)] if asked.label else []
    return " ".join([*named, *([f"of id {asked.id.hex()}"] if asked.id else [])])


def _explained(fault: Exception) -> KeyStoreError:
    words = " ".join(filter(None, [type(fault).__name__, str(fault)]))
    if isinstance(fault, _PASSING):
        return AwayError("", f"the token does not answer: {words}")
    return KeyStoreError("", f"the token refuses: {words}")
