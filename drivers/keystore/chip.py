"""What is asked of a TPM 2.0, by tpm2-pytss: in the store's program, never in an agent.

1. A key is made in the TPM and stays there: fixedTPM, fixedParent, sensitiveDataOrigin (TPM 2.0
   Part 1 23.2). One that is not so is refused.
2. A PIN is proved to the TPM and never sent: an HMAC session, salted by a key of the null
   hierarchy, so that who listens on the bus learns nothing to try PINs against (Part 1 17.6). Who
   stands in between could; no endorsement certificate is checked.
3. A key with a PIN is under the TPM's guard against guessing (Part 1 17.8), which locks it for all
   its keys, other people's too: the last try is never ours, unless a person typed it. A key without
   a PIN is outside that guard, and so not locked by what others guess.
4. What was loaded is flushed, also after a fault: a TPM without a resource manager has 3 slots.
5. What tpm2-pytss gives is held whole for as long as a part of it is looked at: parts of parts do
   not keep its memory.

No policy: no PCRs. They change with every firmware, and a gateway that cannot sign after an update
is what a technician drives out for. Each function takes what Store told.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from drivers.keystore.uri import AwayError, KeyStoreError, PinError
from evidence.code import ALG_ESP256
from evidence.key import PublicKey

try:
    import tpm2_pytss as tss
    from tpm2_pytss import TPM2_ALG, TPM2_RH, TPMA_OBJECT, TSS2_Exception
    from tpm2_pytss.tsskey import TSSPrivKey
except ModuleNotFoundError as missing:
    text = f"needs {missing.name}, which is not installed: gridseal[tpm] brings it"
    raise KeyStoreError("", text) from missing
except ImportError as missing:
    text = f"needs the TPM2 Software Stack (Debian: libtss2-esys-3.0.2-0): {missing}"
    raise KeyStoreError("", text) from missing

_TRIAL_BYTES = 32
PIN_BYTES_MAX = 32  # Part 1 13.9: no longer than the digest of the key's name
_SRK = 0x81000001  # TCG TPM v2.0 Provisioning Guidance 7.8: where the storage root key stays
_NEEDED = TPMA_OBJECT.FIXEDTPM | TPMA_OBJECT.FIXEDPARENT | TPMA_OBJECT.SENSITIVEDATAORIGIN
_ATTRIBUTES = _NEEDED | TPMA_OBJECT.USERWITHAUTH | TPMA_OBJECT.SIGN_ENCRYPT
# Part 2 6.6.3: what the TPM says, without the number of handle, session or parameter.
_AUTH_FAIL, _BAD_AUTH, _LOCKOUT = 0x08E, 0x0A2, 0x921
_HANDLE, _INTEGRITY, _VALUE, _SIZE = 0x08B, 0x09F, 0x084, 0x095
_NO_ROOM = {0x902, 0x903, 0x904}  # object memory, session memory, memory
_PASSING = {0x908, 0x909, 0x920, 0x922, 0x923, 0x100}  # yielded ... rate, retry; not initialized
_LAYER_SHIFT, _TCTI_LAYER, _LAYERS = 16, 10, 0xFF  # TSS 2.0 Overview 3.3: who says it
# Of those: what is wrongly named, and not away: not implemented, bad reference or value, not
# supported (TSS 2.0 Overview 3.3, base error codes).
_TCTI_NAMED = {0x02, 0x05, 0x0B, 0x15}
_KERNELS = "device"  # its TCTI takes a path


class _Asked(NamedTuple):
    """What Store told: how to reach the TPM, handle or blob, and whether a person typed the PIN."""

    tcti: str
    handle: int
    blob: bytes
    typed: bool


def prove(told: list[Any], pin: bytes | None) -> list[Any]:
    """`told`: and what is to be signed. Algorithm, public key, signature."""
    asked, (trial,) = _Asked(*told[:4]), told[4:]
    with _tpm(asked) as tpm, _key(tpm, asked) as (key, half):
        public = _public_of(half)
        return [public.alg, public.raw, _signed(tpm, key, half, asked, pin, trial)]


def sign(told: list[Any], pin: bytes | None) -> bytes:
    """`told`: and algorithm, raw public key, and what is to be signed."""
    asked, (alg, raw, message) = _Asked(*told[:4]), told[4:]
    with _tpm(asked) as tpm, _key(tpm, asked) as (key, half):
        if _public_of(half) != PublicKey(alg, raw):
            kid = PublicKey(alg, raw).kid.hex()
            raise KeyStoreError("", f"is another key than the one expected, {kid}")
        return _signed(tpm, key, half, asked, pin, message)


def show(told: list[Any], pin: bytes | None) -> list[Any]:
    """Algorithm and public key; neither takes a PIN."""
    asked = _Asked(*told[:4])
    with _tpm(asked) as tpm, _key(tpm, asked) as (_, half):
        public = _public_of(half)
        return [public.alg, public.raw]


def make(told: list[Any], pin: bytes | None) -> list[Any]:
    """Algorithm, public key and blob of a new key; with a handle it stays in the TPM, no blob."""
    asked = _Asked(*told[:4])
    if pin is not None and len(pin) > PIN_BYTES_MAX:
        raise KeyStoreError("", f"a PIN of a TPM has at most {PIN_BYTES_MAX} bytes")
    with _tpm(asked) as tpm:
        if asked.handle and _there(tpm, asked.handle):
            raise KeyStoreError("", "a key is there already; name another handle")
        named = _SRK if not asked.handle and _there(tpm, _SRK) else int(TPM2_RH.OWNER)
        with _parent(tpm, named) as parent, _session(tpm, pin) as session:
            closed = tss.TPMS_SENSITIVE_CREATE(userAuth=pin or b"")
            private_half, public_half, *_ = tpm.create(
                parent, tss.TPM2B_SENSITIVE_CREATE(closed), _new(pin), session1=session
            )
            public = _public_of(public_half)
            with _loaded(tpm, parent, private_half, public_half) as key:
                trial = os.urandom(_TRIAL_BYTES)
                signature = _signed(tpm, key, public_half, asked, pin, trial)
                if not public.verify(trial, signature):
                    raise KeyStoreError("", "makes keys whose signatures do not hold")
                if asked.handle:
                    tpm.tr_close(tpm.evict_control(tss.ESYS_TR.OWNER, key, asked.handle))
                    return [public.alg, public.raw, b""]
        blob = TSSPrivKey(private_half, public_half, pin is None, named).to_pem()
        return [public.alg, public.raw, blob]


def _new(pin: bytes | None) -> Any:
    """The public area of a new key: signs, by ECDSA with SHA-256 alone."""
    attributes = _ATTRIBUTES if pin else _ATTRIBUTES | TPMA_OBJECT.NODA
    scheme = tss.TPMT_ECC_SCHEME(
        scheme=TPM2_ALG.ECDSA,
        details=tss.TPMU_ASYM_SCHEME(ecdsa=tss.TPMS_SCHEME_HASH(hashAlg=TPM2_ALG.SHA256)),
    )
    return tss.TPM2B_PUBLIC(_ecc_area(attributes, scheme, None))


def _ecc_area(attributes: Any, scheme: Any, symmetric: Any) -> Any:
    detail = tss.TPMS_ECC_PARMS(
        symmetric=symmetric or tss.TPMT_SYM_DEF_OBJECT(algorithm=TPM2_ALG.NULL),
        scheme=scheme,
        curveID=tss.TPM2_ECC.NIST_P256,
        kdf=tss.TPMT_KDF_SCHEME(scheme=TPM2_ALG.NULL),
    )
    return tss.TPMT_PUBLIC(
        type=TPM2_ALG.ECC,
        nameAlg=TPM2_ALG.SHA256,
        objectAttributes=attributes,
        authPolicy=b"",
        parameters=tss.TPMU_PUBLIC_PARMS(eccDetail=detail),
    )


@contextlib.contextmanager
def _tpm(asked: _Asked) -> Iterator[Any]:
    """The TPM, in words where there is none. Raises KeyStoreError."""
    name, _, how = asked.tcti.partition(":")
    if name == _KERNELS and how:
        _check_device(how)
    try:
        with tss.TCTILdr(name, how or None) as tcti, tss.ESAPI(tcti) as tpm:
            yield tpm
    except TSS2_Exception as fault:
        raise _explained(fault, asked) from fault


def _check_device(path: str) -> None:
    """Whether the kernel has a TPM there, and this user may use it. Raises KeyStoreError."""
    if not os.path.exists(path):
        raise AwayError("", f"no TPM is here: the kernel has no {path}")
    if not os.access(path, os.R_OK | os.W_OK):
        text = f"this user may not use {path}; on Debian: adduser USER tss, and log in anew"
        raise KeyStoreError("", text)


@contextlib.contextmanager
def _key(tpm: Any, asked: _Asked) -> Iterator[tuple[Any, Any]]:
    """The key that is meant, and its public half."""
    if asked.handle:
        key = tpm.tr_from_tpmpublic(asked.handle)
        try:
            half, *_ = tpm.read_public(key)
            yield key, _checked(half)
        finally:
            tpm.tr_close(key)
        return
    try:
        blob = TSSPrivKey.from_pem(asked.blob)
    except (ValueError, TypeError, RuntimeError) as fault:
        raise KeyStoreError("", "is no key blob (TSS2 PRIVATE KEY), or damaged") from fault
    half = _checked(blob.public)
    with (
        _parent(tpm, blob.parent) as parent,
        _loaded(tpm, parent, blob.private, half) as key,
    ):
        yield key, half


@contextlib.contextmanager
def _loaded(tpm: Any, parent: Any, private_half: Any, public_half: Any) -> Iterator[Any]:
    key = tpm.load(parent, private_half, public_half)
    try:
        yield key
    finally:
        _flush(tpm, key)


@contextlib.contextmanager
def _parent(tpm: Any, named: int) -> Iterator[Any]:
    """The key above ours: at a persistent handle, or the owner's primary key, made anew."""
    if named == TPM2_RH.OWNER:
        with _primary(tpm, tss.ESYS_TR.OWNER) as key:
            yield key
        return
    key = tpm.tr_from_tpmpublic(named)
    try:
        yield key
    finally:
        tpm.tr_close(key)


@contextlib.contextmanager
def _primary(tpm: Any, hierarchy: Any) -> Iterator[Any]:
    """A storage key that the TPM makes of its seed, the same each time (Part 1 14.4). Of the
    template that tpm2-openssl takes, so that its blobs and ours have one parent.
    """
    attributes = _NEEDED | TPMA_OBJECT.USERWITHAUTH | TPMA_OBJECT.RESTRICTED | TPMA_OBJECT.DECRYPT
    symmetric = tss.TPMT_SYM_DEF_OBJECT(
        algorithm=TPM2_ALG.AES,
        keyBits=tss.TPMU_SYM_KEY_BITS(aes=128),
        mode=tss.TPMU_SYM_MODE(aes=TPM2_ALG.CFB),
    )
    scheme = tss.TPMT_ECC_SCHEME(scheme=TPM2_ALG.NULL)
    area = _ecc_area(attributes | TPMA_OBJECT.NODA, scheme, symmetric)
    key, *_ = tpm.create_primary(None, tss.TPM2B_PUBLIC(area), hierarchy)
    try:
        yield key
    finally:
        _flush(tpm, key)


@contextlib.contextmanager
def _session(tpm: Any, pin: bytes | None) -> Iterator[Any]:
    """How the PIN is proved; without one, an empty password."""
    if pin is None:
        yield tss.ESYS_TR.PASSWORD
        return
    symmetric = tss.TPMT_SYM_DEF(
        algorithm=TPM2_ALG.AES,
        keyBits=tss.TPMU_SYM_KEY_BITS(sym=128),
        mode=tss.TPMU_SYM_MODE(sym=TPM2_ALG.CFB),
    )
    with _primary(tpm, tss.ESYS_TR.NULL) as salt:
        session = tpm.start_auth_session(
            salt, tss.ESYS_TR.NONE, tss.TPM2_SE.HMAC, symmetric, TPM2_ALG.SHA256
        )
    try:
        # DECRYPT: what goes to the TPM first, as a new PIN, is encrypted (Part 1 21).
        tpm.trsess_set_attributes(
            session, tss.TPMA_SESSION.CONTINUESESSION | tss.TPMA_SESSION.DECRYPT
        )
        yield session
    finally:
        _flush(tpm, session)


def _signed(
    tpm: Any, key: Any, half: Any, asked: _Asked, pin: bytes | None, message: bytes
) -> bytes:
    """R || S."""
    if not half.publicArea.objectAttributes & TPMA_OBJECT.NODA:
        if pin is None:  # an empty one would be a wrong one, and counted
            text = "is under the TPM's guard against guessing, so it has a PIN, and none is named:"
            raise KeyStoreError("", f"{text} pin-source=credential:NAME or pin-source=file:PATH")
        _check_tries(tpm, asked)
    scheme = tss.TPMT_SIG_SCHEME(
        scheme=TPM2_ALG.ECDSA,
        details=tss.TPMU_SIG_SCHEME(any=tss.TPMS_SCHEME_HASH(hashAlg=TPM2_ALG.SHA256)),
    )
    unticketed = tss.TPMT_TK_HASHCHECK(
        tag=tss.TPM2_ST.HASHCHECK, hierarchy=TPM2_RH.NULL, digest=b""
    )
    digest = tss.TPM2B_DIGEST(hashlib.sha256(message).digest())
    with _session(tpm, pin) as session:
        tpm.tr_set_auth(key, pin or b"")
        found = tpm.sign(key, digest, scheme, unticketed, session1=session)
    halves = found.signature.ecdsa
    return b"".join(bytes(part).rjust(32, b"\0") for part in (halves.signatureR, halves.signatureS))


def _check_tries(tpm: Any, asked: _Asked) -> None:
    """Whether one more wrong PIN would lock the TPM. Raises AwayError: it forgets in time."""
    failed = _property(tpm, tss.TPM2_PT.LOCKOUT_COUNTER)
    most = _property(tpm, tss.TPM2_PT.MAX_AUTH_FAIL)
    if failed == most - 1 and not asked.typed:
        wait_s = _property(tpm, tss.TPM2_PT.LOCKOUT_INTERVAL)
        text = f"{failed} wrong PINs of the {most} that lock this TPM: none is tried. One is"
        raise AwayError("", f"{text} forgotten every {wait_s} s; a person may type the right one")


def _property(tpm: Any, which: Any) -> int:
    _, found = tpm.get_capability(tss.TPM2_CAP.TPM_PROPERTIES, which, 1)
    return int(found.data.tpmProperties.tpmProperty[0].value)


def _there(tpm: Any, handle: int) -> bool:
    """Whether something stands at a persistent handle."""
    _, found = tpm.get_capability(tss.TPM2_CAP.HANDLES, handle, 1)
    handles = found.data.handles
    return bool(handles.count) and int(handles.handle[0]) == handle


def _checked(half: Any) -> Any:
    """A public half, if its key may sign for us. Raises KeyStoreError."""
    area = half.publicArea
    if area.type != TPM2_ALG.ECC or area.parameters.eccDetail.curveID != tss.TPM2_ECC.NIST_P256:
        raise KeyStoreError("", "is another kind of key; expected ECC on P-256")
    attributes, scheme = area.objectAttributes, area.parameters.eccDetail.scheme
    if attributes & TPMA_OBJECT.RESTRICTED or not attributes & TPMA_OBJECT.SIGN_ENCRYPT:
        raise KeyStoreError("", "is no key that signs what it is given (sign, not restricted)")
    if scheme.scheme not in (TPM2_ALG.NULL, TPM2_ALG.ECDSA):
        raise KeyStoreError("", "signs by another scheme than ECDSA with SHA-256")
    if attributes & _NEEDED != _NEEDED:
        raise KeyStoreError("", "may leave its TPM, or was made outside: make one in it")
    return half


def _public_of(half: Any) -> PublicKey:
    point = half.publicArea.unique.ecc
    raw = b"".join(bytes(part).rjust(32, b"\0") for part in (point.x, point.y))
    return PublicKey(ALG_ESP256, raw)


def _flush(tpm: Any, held: Any) -> None:
    """What a TPM that is away held is gone with it."""
    with contextlib.suppress(TSS2_Exception):
        tpm.flush_context(held)


def _explained(fault: Any, asked: _Asked) -> KeyStoreError:
    """What the TPM, or what is in between, said."""
    if (fault.rc >> _LAYER_SHIFT) & _LAYERS == _TCTI_LAYER:
        if fault.rc & 0xFF in _TCTI_NAMED:
            return KeyStoreError("", f"no TPM is reached by {asked.tcti!r}: {fault}")
        return AwayError("", f"no TPM answers at {asked.tcti!r}: {fault}")
    error = fault.error
    if error in (_AUTH_FAIL, _BAD_AUTH) and fault.session == 1:
        return PinError("", "the PIN is wrong")
    if error == _LOCKOUT:
        text = "the TPM has locked itself after wrong PINs; it opens by itself after a while, or by"
        return AwayError("", f"{text} tpm2_dictionarylockout --clear-lockout")
    if error in _NO_ROOM:
        text = "the TPM has no room left: other programs left keys or sessions loaded"
        return AwayError("", f"{text} (tpm2_flushcontext), or take the kernel's /dev/tpmrm0")
    if error in _PASSING:
        return AwayError("", f"the TPM does not answer: {fault}")
    if error == _HANDLE:
        return KeyStoreError("", "no key is there (the handle), or its parent is gone")
    if error == _INTEGRITY:
        return KeyStoreError("", "is not of this TPM, or its owner was cleared, or it is damaged")
    return KeyStoreError("", f"the TPM refuses: {fault}")
