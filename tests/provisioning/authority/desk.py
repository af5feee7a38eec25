"""A utility's desk and a gateway that asks it, for tests: requests are made by evidence alone, as a
gateway of another make could.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from drivers.keystore import file as keyfile
from evidence import cose, credential, enrolment, rotation
from evidence.code import Typ
from evidence.enrolment import Answer, Request
from evidence.key import Ed25519Key
from evidence.leap import BUILT_IN, NS
from provisioning.authority import folder, issue, opening, request
from provisioning.authority.folder import AuthorityFile, RecordTable, TlsTable
from provisioning.authority.issue import Keys
from provisioning.authority.issued import Row
from provisioning.authority.request import Terms
from provisioning.enrol import parcel

NOW_S = 1_800_000_000
BUS, OTHER_BUS = "123e4567-e89b-12d3-a456-426614174001", "123e4567-e89b-12d3-a456-426614174002"
PLAN = f"""
[site]
name = "Oklaunion"
[[bus]]
name = "North 345"
mrid = "{BUS}"
"""
LOG = Ed25519Key(bytes(31) + b"L")
CHALLENGES = Random(5)  # of all gateways: none asks with another's


def tai(now_s: int = NOW_S) -> int:
    return BUILT_IN.tai_ns(now_s)


@dataclass
class Asker:
    """A gateway."""

    name: str = "gw-7"
    seed: int = 1
    plan: str = PLAN
    random: Random = field(default_factory=lambda: CHALLENGES)
    tls: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    @property
    def key(self) -> Ed25519Key:
        return Ed25519Key(bytes([self.seed]) * 32)

    def request(self, now_s: int = NOW_S, **changes: object) -> Request:
        told = Request(
            self.random.randbytes(16), self.name, "gateway", self.key.public, self.plan.encode(),
            None, None, None, tai(now_s), "gridseal 0.1.0",
        )  # fmt: skip
        return replace(told, **changes)  # type: ignore[arg-type]

    def file(self, now_s: int = NOW_S, **changes: object) -> bytes:
        """A request as a file."""
        payload = self.request(now_s, **changes).payload()
        return parcel.pack(cose.sign(Typ.REQUEST, payload, self.key))

    def csr(self, name: str = "anything") -> bytes:
        """A request for a certificate; what it says of a name nobody is to believe."""
        builder = x509.CertificateSigningRequestBuilder(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        ).add_extension(x509.BasicConstraints(True, None), critical=True)
        return builder.sign(self.tls, hashes.SHA256()).public_bytes(Encoding.DER)

    def tls_pem(self) -> bytes:
        return self.tls.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def rotated(self, seed: int, before: bytes, now_s: int = NOW_S) -> "tuple[Asker, bytes]":
        """The same gateway with its next key, and the file by which that asks."""
        new = Asker(self.name, seed, self.plan, self.random, self.tls)
        over = rotation.rotation(before, new.key, tai(now_s))
        signed = cose.sign(Typ.ROTATION, over.payload(), self.key)
        return new, new.file(now_s, credential=before, rotation=signed)


@dataclass
class Desk:
    """An authority's folder with its keys in memory."""

    place: Path
    root: Ed25519Key
    tls: Ed25519Key
    random: Random

    @property
    def keys(self) -> Keys:
        return Keys(self.root, self.tls)

    def answer(
        self, data: bytes, now_s: int = NOW_S, days: int = 365, terms: Terms | None = None
    ) -> Row:
        """What `authority issue` does, without a terminal."""
        found = request.read(data)
        with folder.writing(self.place, self.root, tai(now_s)) as of:
            return issue.answered(
                of, found, terms or Terms(), self.keys, (now_s, days), self.random.randbytes
            )

    def read(self) -> folder.Authority:
        return folder.read(self.place)


def desk(
    place: Path, now_s: int = NOW_S, roles: tuple[str, ...] = ("gateway",), mark: bytes = b"A"
) -> Desk:
    """An authority with its keys in files, a TLS authority, and anchors. `mark`: of its keys."""
    place.mkdir(mode=0o700, parents=True)
    root = keyfile.create(place / "root.key", lambda size: mark * (size - 1) + b"R")
    tls = keyfile.create(place / "tls-ca.key", lambda size: mark * (size - 1) + b"T")
    random = Random(3)
    file = AuthorityFile(
        *("Utility A", "file:root.key", root.public.raw.hex(), roles, 365, ""),
        *(RecordTable("https://record.example", "", "anchors.toml"), TlsTable("file:tls-ca.key")),
    )
    anchors = f'[log]\nname = "log-1"\nkey = "{LOG.public.raw.hex()}"\n'
    what = opening.Opening(place, file, anchors)
    opening.opened(what, (root, tls), now_s * NS, random.randbytes)
    return Desk(place, root, tls, random)


def answer_in(data: bytes) -> tuple[Answer, credential.Credential]:
    """What an answer's file says."""
    message = cose.read_statement(parcel.unpack(data), Typ.ANSWER)
    found = enrolment.read_answer(message.payload)
    return found, credential.read(cose.read(found.credential).payload)
