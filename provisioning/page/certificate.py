"""The page's own TLS certificate, made at every start, for whoever compares its fingerprint.

1. The key lives in memory: the library that loads it takes files only, and is given one that is on
   no disk (memfd_create(2)), and gone when it is loaded.
2. Its dates say nothing: a gateway whose clock was never set must be reachable, and what vouches
   for the certificate is the fingerprint on the console. RFC 5280 4.1.2.5: no well-defined end.

It opens no socket.
"""

import hashlib
import ipaddress
import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_FROM = datetime(2020, 1, 1, tzinfo=UTC)
_TO = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """`fingerprint`: SHA-256 of the certificate (DER), as browsers show it, in hexadecimal."""

    context: ssl.SSLContext
    fingerprint: str

    def shown(self) -> str:
        """As browsers show it: pairs with colons."""
        digits = self.fingerprint.upper()
        return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


def made(host: str) -> OwnCertificate:
    """For a server at this address, or `localhost`."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _signed(key, host)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with os.fdopen(os.memfd_create("page"), "w+b", buffering=0) as file:
        file.write(pem + certificate.public_bytes(Encoding.PEM))
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
    der = certificate.public_bytes(Encoding.DER)
    return OwnCertificate(context, hashlib.sha256(der).hexdigest())


def _signed(key: ec.EllipticCurvePrivateKey, host: str) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Gridseal provisioning page")])
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=False, crl_sign=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_FROM)
        .not_valid_after(_TO)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(_names(host)), critical=False)
    )
    return builder.sign(key, hashes.SHA256())


def _names(host: str) -> list[x509.GeneralName]:
    if host == "localhost":
        return [x509.DNSName(host)]
    address = ipaddress.ip_address(host)
    names: list[x509.GeneralName] = [x509.IPAddress(address)]
    return [*names, x509.DNSName("localhost")] if address.is_loopback else names
