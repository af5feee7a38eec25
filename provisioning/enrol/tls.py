"""The key of a gateway's connections, what it asks a certificate with, and whether one fits.

1. It authorises a connection and nothing else, and is never the device key: it lives in memory of
   whatever speaks TLS. So it is a file of its own (PKCS#8 in PEM, mode 0600).
2. A certificate is for that key, in force now, and issued by those that come with it.

The only file of this folder that loads `cryptography`.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from drivers.keystore import private
from evidence.leap import NS
from provisioning import credential
from provisioning.source import RequestError

_KEY_BYTES_MAX = 4096  # such a key takes 241
_COMMON_NAME_MAX = 64  # RFC 5280 A.1, ub-common-name
_Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def new_key() -> bytes:
    """A P-256 key, which every TLS library speaks; the text of its file."""
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, form, plain)


def request(path: Path, subject: str) -> bytes:
    """What asks for a certificate of the key in a file (PKCS #10, RFC 2986), in DER.

    Raises RequestError, KeyStoreError.
    """
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject[:_COMMON_NAME_MAX])])
    key = _key(path)
    by = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    made = x509.CertificateSigningRequestBuilder(name).sign(key, by)
    return made.public_bytes(Encoding.DER)


def check(path: Path, certificates: Sequence[bytes], now_ns: int) -> None:
    """Whether the first is for the key in a file, and all are in force; each is issued by the next.

    `now_ns`: since 1970, UTC. Raises RequestError, KeyStoreError.
    """
    found = [_certificate(der) for der in certificates]
    key = _key(path)
    if found[0].public_key() != key.public_key():
        raise RequestError(f"the certificate in the answer is for another key than {path}")
    now_s = now_ns // NS
    for one in found:
        first, last = (
            int(at.timestamp()) for at in (one.not_valid_before_utc, one.not_valid_after_utc)
        )
        if not first <= now_s <= last:
            span = f"{credential.instant(first)} to {credential.instant(last)}"
            here = f"this machine's clock says {credential.instant(now_s)}"
            raise RequestError(f"a certificate in the answer is for {span}; {here}")
    for one, issuer in pairwise(found):
        try:
            one.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature) as fault:
            text = "the certificates in the answer were not issued one by the next"
            raise RequestError(text) from fault


def pem(certificates: Sequence[bytes]) -> bytes:
    """Certificates as programs read them. Raises RequestError."""
    return b"".join(_certificate(der).public_bytes(Encoding.PEM) for der in certificates)


def _certificate(der: bytes) -> x509.Certificate:
    try:
        found = x509.load_der_x509_certificate(der)
        found.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm) as fault:
        raise RequestError("a certificate in the answer cannot be read") from fault
    return found


def _key(path: Path) -> _Key:
    text = private.content(path, _KEY_BYTES_MAX)
    try:
        found = serialization.load_pem_private_key(text, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as fault:
        raise RequestError(f"{path}: holds no private key in PEM without a passphrase") from fault
    if not isinstance(found, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise RequestError(f"{path}: holds another key than one of P-256 or Ed25519")
    return found
