"""A hand-over report put together: from a gateway's folder, what its sources say, and what was
checked; then drawn, signed, and bound into one PDF.

1. Facts come in by argument: instant, outcomes, snapshots, versions. The same facts, drawn by the
   same software and signed by an Ed25519 key, give the same bytes.
2. The key that signs is the one that the credential is for, or nothing is signed.
3. A gateway that has no credential yet has a report all the same, which says so.

It measures nothing and writes nothing.
"""

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import msgspec

from agent import config as agent_config
from agent.config import HeldCredential, Sketch
from drivers.keystore import uri
from drivers.keystore.uri import KeyStoreError
from evidence import anchor, cbor, cose, disclosure, handover, instant, position, shape
from evidence.anchor import Anchors, Authorities
from evidence.code import ALG_ED25519, Flag
from evidence.config import ConfigError
from evidence.key import PublicKey, Signer
from evidence.leap import BUILT_IN, NS
from evidence.refusal import EvidenceError
from provisioning import credential as words
from provisioning.argument import content
from provisioning.preflight.outcome import Outcome
from provisioning.report import attachment, document, sheet
from provisioning.report.document import (
    Authority,
    Bus,
    Credential,
    Fault,
    Gateway,
    Key,
    Made,
    PaperName,
    Phasor,
    Report,
    Sheet,
    Site,
    Software,
    Source,
    Survey,
    Terminal,
    Value,
    decimal,
    exact,
)
from provisioning.snapshot import Snapshot

GATEWAY = "gateway.toml"
# What a value's correctness leans on, beside this software itself; those that are installed.
PACKAGES = (
    *("gridseal", "apsw", "cbor2", "msgspec", "PyNaCl", "h11", "pyserial", "pymodbus"),
    *("pysunspec2", "pynmeagps", "pyubx2", "python-pkcs11", "tpm2-pytss", "reportlab", "segno"),
)
_SENSE = {0: "unknown", 1: "in", -1: "out"}


@dataclass(frozen=True, slots=True)
class Standing:
    """A gateway as its folder has it. `plan`: the bytes of its site plan; `credential`, `anchors`:
    None where there are none yet.
    """

    sketch: Sketch
    plan: bytes
    credential: HeldCredential | None
    anchors: Anchors | None

    @property
    def key(self) -> str:
        """The URI of the device key."""
        return self.sketch.file.gateway.key


class Papers(NamedTuple):
    """What is handed over: the report, its PDF, and the JSON that is in it too."""

    report: Report
    pdf: bytes
    text: bytes


def standing(folder: Path) -> Standing:
    """What stands in a gateway's folder. Raises ConfigError."""
    sketch = agent_config.sketch(folder / GATEWAY)
    file = sketch.file
    plan = content(sketch.path(file.gateway.plan)).encode()
    held, anchors = None, None
    if sketch.path(file.gateway.credential).exists():
        held = agent_config.read_credential(sketch.path(file.gateway.credential))
    if sketch.path(file.record.anchors).exists():
        anchors = anchor.read(content(sketch.path(file.record.anchors)), file.record.anchors)
    return Standing(sketch, plan, held, anchors)


def check_key(stands: Standing, key: PublicKey) -> None:
    """Whether the credential is for this key (rule 2). Raises KeyStoreError."""
    if stands.credential is not None and stands.credential.says.key != key:
        text = f"is not the key that {stands.sketch.file.gateway.credential} is for; nothing signed"
        raise KeyStoreError(uri.shown(stands.key), text)


def report(
    stands: Standing,
    key: PublicKey,
    snapshots: Sequence[Snapshot],
    outcomes: Sequence[Outcome],
    technician: str,
    now: int,
    software: Sequence[tuple[str, str]],
) -> Report:
    """All of it but the sheet. `now`: ns since 1970, UTC. Raises EvidenceError for what no report
    can say.
    """
    utc_s, ns = divmod(now, NS)
    tai = BUILT_IN.tai_ns(utc_s, ns)
    held, file = stands.credential, stands.sketch.file
    made = Report(
        1,
        Made(technician, str(tai), instant.words(tai), BUILT_IN.known(utc_s)),
        _site(stands),
        Gateway(file.gateway.name, uri.shown(stands.key), file.record.url),
        _key(key),
        None if held is None else credential(held.encoded, held.pairs),
        None if held is None or stands.anchors is None else authority(held, stands.anchors),
        [source(one) for one in snapshots],
        [document.check(one) for one in outcomes],
        [Software(name, version) for name, version in software],
    )
    made.told()
    return made


def bound(made: Report, paper: PaperName, signer: Signer) -> Papers:
    """Drawn, signed and bound. May block, as signing may. Raises EvidenceError, KeyStoreError."""
    pages = sheet.drawn(made, paper)
    drawn = Sheet(paper, len(pages), hashlib.sha256(pages).hexdigest())
    whole = msgspec.structs.replace(made, sheet=drawn)
    text = handover.signed(whole.told(), signer)
    return Papers(whole, attachment.attach(pages, text), text)


def installed() -> list[tuple[str, str]]:
    """The versions of what runs here."""
    import apsw

    found = [("Python", ".".join(map(str, sys.version_info[:3])))]
    found.append(("SQLite, in apsw", apsw.sqlite_lib_version()))
    for name in PACKAGES:
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        # PyNaCl does not tell the version of the libsodium that it is built with.
        found.append((f"{name}, and its libsodium" if name == "PyNaCl" else name, version))
    return found


def credential(encoded: bytes, pairs: Sequence[tuple[bytes, bytes]]) -> Credential:
    """What a credential says, from what was signed and what that hides: verify-report asks it too.

    Raises EvidenceError.
    """
    message = cose.read(encoded)
    says = words.read(HeldCredential(encoded, message.name, tuple(pairs), _says(message)), None)
    told = says.says
    return Credential(
        *(message.name.hex(), told.issuer, told.subject, told.role),
        *(words.instant(told.not_before_s), words.instant(told.expires_s)),
        None if told.rotation is None else told.rotation.hex(),
        says.site or "",
        [Bus(str(UUID(bytes=bus)), says.names.get(bus, "")) for bus in told.buses],
        [
            Terminal(str(UUID(bytes=one.terminal)), str(UUID(bytes=one.node)), _SENSE[one.direction])  # type: ignore[arg-type]
            for one in told.terminals
        ],
        encoded.hex(),
        [(salt.hex(), value.hex()) for salt, value in pairs],
    )
