"""Certificates for connections (X.509, RFC 5280): the authority's own, a gateway's, a record's.

1. They authorise a connection and nothing else. Who measured what is said by batch heads, and who
   may say so by credentials; nothing here is asked for either.
2. Of a request (PKCS #10, RFC 2986) only the key is believed, once its own signature holds: name,
   use and time are the authority's to say. A device key is refused: it signs runs, and no sessions.
3. A gateway's is for clients only and short-lived, and never outlives its credential.
4. The key that signs lives in a key store as every other (drivers.keystore). It signs the bytes of
   the certificate as any message; `cryptography` makes those bytes and checks the result.

The only file here that loads `cryptography`.
"""

import ipaddress
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from evidence.code import ALG_ED25519
from evidence.key import PublicKey, Signer
from provisioning.authority.refusal import RefusedError

BACKDATED_S = 300  # as a credential's: clocks may be a little behind
CA_DAYS = 3650
SERVER_DAYS = 397  # what others' programs take of a server's at most
_DAY_S = 86_400
_SERIAL_BYTES = 16  # RFC 5280 4.1.2.2: 20 at most
_DNS = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9_-]{1,63})*")
_P256_BYTES = 32
_COMMON_NAME_BYTES_MAX = 64
TlsKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


def authority(name: str, signer: Signer, now_s: int, serial: bytes) -> bytes:
    """The certificate of the authority's TLS key, by itself, in DER."""
    key = _public(signer.public)
    builder = _builder(_name(name), _name(name), key, now_s, now_s + CA_DAYS * _DAY_S, serial)
    builder = builder.add_extension(x509.BasicConstraints(True, 0), critical=True)
    builder = builder.add_extension(_usage(signs=False), critical=True)
    return _signed(builder, signer, key)


def client(
    subject: str, key: TlsKey, ca: bytes, signer: Signer, now_s: int, until_s: int, serial: bytes
) -> bytes:
    """A gateway's certificate, in DER. `ca`: the authority's own."""
    alternative = x509.SubjectAlternativeName([_alternative(subject)])
    use = ExtendedKeyUsageOID.CLIENT_AUTH
    return _leaf(subject, alternative, use, key, ca, signer, (now_s, until_s), serial)


def server(
    name: str,
    hosts: Sequence[str],
    key: TlsKey,
    ca: bytes,
    signer: Signer,
    now_s: int,
    serial: bytes,
    days: int = SERVER_DAYS,
) -> bytes:
    """A server's certificate, in DER. `hosts`: names and addresses."""
    told = x509.SubjectAlternativeName([_host(host) for host in hosts])
    use = ExtendedKeyUsageOID.SERVER_AUTH
    until_s = min(now_s + days * _DAY_S, ends_s(ca))
    return _leaf(name, told, use, key, ca, signer, (now_s, until_s), serial)


def asked(der: bytes, device: PublicKey) -> TlsKey:
    """The key of a request, which has signed it. Raises RefusedError."""
    try:
        request = x509.load_der_x509_csr(der)
        key = request.public_key()
        good = request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm) as fault:
        raise RefusedError("tls_request", "its request for a certificate cannot be read") from fault
    if not good:
        raise RefusedError("tls_request", "its request for a certificate is not signed by its key")
    if isinstance(key, ed25519.Ed25519PublicKey):
        raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    elif isinstance(key, ec.EllipticCurvePublicKey) and isinstance(
        key.curve, ec.SECP256R1 | ec.SECP384R1
    ):
        raw = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
    else:
        text = "its request for a certificate is of another key than P-256, P-384 or Ed25519"
        raise RefusedError("tls_request", text)
    if raw == device.raw:
        raise RefusedError("tls_request", "it asks for a certificate of its device key")
    return key


def new_key() -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    """A server's new key, and its file (PKCS#8 in PEM)."""
    key = ec.generate_private_key(ec.SECP256R1())
    plain = serialization.NoEncryption()
    return key, key.private_bytes(Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


def pem(*certificates: bytes) -> bytes:
    """Certificates as programs read them."""
    return b"".join(
        x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in certificates
    )


def ders(path: Path) -> tuple[bytes, ...]:
    """The certificates in a PEM file. Raises RefusedError."""
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as fault:
        raise RefusedError("certificate", f"{path}: {fault.strerror}") from fault
    except ValueError as fault:
        raise RefusedError("certificate", f"{path}: holds no certificate in PEM") from fault
    return tuple(one.public_bytes(Encoding.DER) for one in found)


def check_issuer(ca: bytes, public: PublicKey, now_s: int) -> None:
    """Whether this key is the certificate's, and it is in force. Raises RefusedError."""
    found = x509.load_der_x509_certificate(ca)
    if found.public_key() != _public(public):
        text = "the TLS key is another than that of the authority's certificate"
        raise RefusedError("certificate", text)
    if now_s >= ends_s(ca):
        text = f"the authority's certificate ended at {found.not_valid_after_utc:%Y-%m-%d}"
        raise RefusedError("certificate", text)


def ends_s(der: bytes) -> int:
    """When a certificate ends: s, UTC since 1970."""
    return int(x509.load_der_x509_certificate(der).not_valid_after_utc.timestamp())


def _leaf(
    subject: str,
    alternative: x509.SubjectAlternativeName,
    use: x509.ObjectIdentifier,
    key: TlsKey,
    ca: bytes,
    signer: Signer,
    span_s: tuple[int, int],
    serial: bytes,
) -> bytes:
    issuer = x509.load_der_x509_certificate(ca)
    check_issuer(ca, signer.public, span_s[0])
    until_s = min(span_s[1], ends_s(ca))
    builder = _builder(_name(subject), issuer.subject, key, span_s[0], until_s, serial)
    builder = builder.add_extension(alternative, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(False, None), critical=True)
    builder = builder.add_extension(_usage(signs=True), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(_public(signer.public))
    builder = builder.add_extension(identifier, critical=False)
    return _signed(builder, signer, _public(signer.public))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: TlsKey, now_s: int, until_s: int, serial: bytes
) -> x509.CertificateBuilder:
    number = int.from_bytes(serial[:_SERIAL_BYTES], "big") >> 1 or 1  # RFC 5280: above zero
    builder = x509.CertificateBuilder(issuer, subject, key, number)
    builder = builder.not_valid_before(datetime.fromtimestamp(now_s - BACKDATED_S, UTC))
    builder = builder.not_valid_after(datetime.fromtimestamp(until_s, UTC))
    identifier = x509.SubjectKeyIdentifier.from_public_key(key)
    return builder.add_extension(identifier, critical=False)


def _signed(builder: x509.CertificateBuilder, signer: Signer, public: TlsKey) -> bytes:
    """Rule 4. A key of the same kind, thrown away at once, gives the shape; the signer signs the
    part that is signed (RFC 5280 4.1), which names the algorithm and not who signed.
    """
    ed = signer.public.alg == ALG_ED25519
    if ed:
        draft = builder.sign(ed25519.Ed25519PrivateKey.generate(), None)
    else:
        draft = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    signature = signer.sign(draft.tbs_certificate_bytes)
    if not ed:  # RFC 5480: R and S as two integers
        numbers = (signature[:_P256_BYTES], signature[_P256_BYTES:])
        signature = encode_dss_signature(*(int.from_bytes(one, "big") for one in numbers))
    algorithm = bytes.fromhex("06032b6570" if ed else "06082a8648ce3d040302")  # RFC 8410, RFC 5758
    parts = (draft.tbs_certificate_bytes, _der(0x30, algorithm), _der(0x03, b"\0" + signature))
    made = _der(0x30, b"".join(parts))
    found = x509.load_der_x509_certificate(made)
    try:
        if isinstance(public, ed25519.Ed25519PublicKey):
            public.verify(found.signature, found.tbs_certificate_bytes)
        else:
            public.verify(found.signature, found.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as fault:
        raise RefusedError("certificate", "the TLS key did not sign what it was given") from fault
    return made


def _der(tag: int, content: bytes) -> bytes:
    """X.690 8.1: tag, length, content."""
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + content


def _public(key: PublicKey) -> TlsKey:
    if key.alg == ALG_ED25519:
        return ed25519.Ed25519PublicKey.from_public_bytes(key.raw)
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + key.raw)


def _name(text: str) -> x509.Name:
    """RFC 5280 appendix A.1: a common name has 64 characters at most, and `cryptography` counts
    them as bytes. One that is longer ends there: the whole stands in the alternative name.
    """
    text = text.encode()[:_COMMON_NAME_BYTES_MAX].decode(errors="ignore")
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative(subject: str) -> x509.GeneralName:
    """A gateway's name, where it can stand there as it is; elsewhere as a URN (RFC 8141)."""
    if _DNS.fullmatch(subject):
        return x509.DNSName(subject)
    return x509.UniformResourceIdentifier(f"urn:gridseal:gateway:{quote(subject, safe='')}")


def _host(text: str) -> x509.GeneralName:
    """A server's name or address. Raises RefusedError."""
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        if not _DNS.fullmatch(text):
            text = f"{text[:80]!r} is neither the name of a machine nor an address"
            raise RefusedError("certificate", text) from None
        return x509.DNSName(text)


def _usage(signs: bool) -> x509.KeyUsage:
    """Of a leaf (digital signatures: TLS 1.3 needs no more), or of the authority's own."""
    return x509.KeyUsage(
        digital_signature=signs,
        key_cert_sign=not signs,
        crl_sign=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
