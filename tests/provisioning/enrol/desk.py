"""An authority for tests of the gateway's side: its root key, and what it answers to a request.

Credentials and certificates are made by the shipped code; what an authority decides is not asked.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evidence import cose, enrolment, siteplan
from evidence.code import Typ
from evidence.enrolment import Answer
from evidence.key import Ed25519Key
from evidence.leap import NS
from provisioning import grant, template
from provisioning.authority import certificate
from provisioning.enrol import parcel

NAME = "Utility A"
NOW = 1_795_000_000 * NS  # 2026-11-18
DAYS = 365


@dataclass
class Desk:
    """`root`: whose answers; `ca`: whose certificates; `log`: of the record that it names."""

    root: Ed25519Key
    ca: Ed25519Key
    log: Ed25519Key

    def anchors(self) -> str:
        return template.anchors(("log-1", self.log.public), (NAME, self.root.public))

    def ca_certificate(self, now_ns: int = NOW) -> bytes:
        return certificate.authority(NAME, self.ca, now_ns // NS, os.urandom(16))

    def answer(self, packed: bytes, now_ns: int = NOW, **changes: Any) -> bytes:
        """The file that answers a request's file. `changes`: of the credential; of the answer those
        of its names; `_root`: who signs.
        """
        message, asks = enrolment.asked(parcel.unpack(packed))
        plan = siteplan.read(asks.plan.decode(), "site.toml")
        rotation = changes.pop("rotation", _rotation(asks.rotation))
        holder = grant.Holder(NAME, asks.subject, asks.key, asks.role, rotation)
        made = grant.credential(holder, plan, now_ns // NS, DAYS, os.urandom)
        own = {key: changes.pop(key) for key in list(changes) if key in Answer.__slots__}
        root = changes.pop("_root", self.root)
        says = replace(made.says, **changes)
        ca = self.ca_certificate(now_ns)
        certificates: tuple[bytes, ...] = ()
        if asks.tls is not None:
            key = certificate.asked(asks.tls, asks.key)
            until = now_ns // NS + 90 * 86_400
            named = (asks.subject, key, ca, self.ca, now_ns // NS, until, os.urandom(16))
            certificates = (certificate.client(*named),)
        whole = Answer(
            request=message.name,
            credential=cose.sign(Typ.CREDENTIAL, says.payload(), root),
            pairs=made.pairs,
            certificates=certificates,
            ca=(ca,),
            anchors=self.anchors().encode(),
            url="https://record.example:8443",
        )
        whole = replace(whole, **own)
        return parcel.pack(cose.sign(Typ.ANSWER, whole.payload(), root))


def _rotation(encoded: bytes | None) -> bytes | None:
    return None if encoded is None else cose.read_statement(encoded, Typ.ROTATION).name


def desk() -> Desk:
    return Desk(*(Ed25519Key(os.urandom(32)) for _ in range(3)))


def files(folder: Path) -> dict[str, bytes]:
    """All that stands in a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
