"""What a report says of a gateway: from its folder, what its sources say, and what was checked.

1. Facts come in by argument: instant, outcomes, snapshots, versions. The same give the same report.
2. A gateway that has no credential yet has a report all the same, which says so.
3. What a credential says is told from what was signed, so that whoever has the report tells the
   same again (provisioning.report.verify).

It measures nothing, draws nothing and writes nothing.
"""

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal
from uuid import UUID

from agent import config as agent_config
from agent.config import HeldCredential, Sketch
from drivers.keystore import uri
from drivers.keystore.uri import KeyStoreError
from evidence import anchor, cose, disclosure, instant
from evidence import credential as claims
from evidence.anchor import Anchors
from evidence.code import ALG_ED25519, Flag, Typ
from evidence.config import ConfigError
from evidence.key import PublicKey
from evidence.leap import BUILT_IN, NS
from evidence.refusal import EvidenceError
from provisioning import credential as words
from provisioning import snapshot
from provisioning.argument import content
from provisioning.preflight.outcome import Outcome
from provisioning.report import document
from provisioning.report.document import (
    Authority,
    Bus,
    Credential,
    Fault,
    Gateway,
    Key,
    Made,
    Phasor,
    Report,
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
_SENSE: dict[int, Literal["unknown", "in", "out"]] = {0: "unknown", 1: "in", -1: "out"}


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


def standing(folder: Path) -> Standing:
    """What stands in a gateway's folder. Raises ConfigError."""
    sketch = agent_config.sketch(folder / GATEWAY)
    file = sketch.file
    held, anchors = None, None
    if sketch.path(file.gateway.credential).exists():
        held = agent_config.read_credential(sketch.path(file.gateway.credential))
        if held.says.subject != file.gateway.name:
            text = f"{file.gateway.name!r} is not whom its credential is for: {held.says.subject!r}"
            raise ConfigError(GATEWAY, "gateway.name", text)
    if sketch.path(file.record.anchors).exists():
        anchors = anchor.read(content(sketch.path(file.record.anchors)), file.record.anchors)
    return Standing(sketch, _plan(sketch.path(file.gateway.plan)), held, anchors)


def _plan(path: Path) -> bytes:
    """The plan to the byte: what is hashed is the file. Raises ConfigError."""
    try:
        return path.read_bytes()
    except OSError as fault:
        raise ConfigError(path.name, "", f"cannot be read: {fault.strerror}") from fault


def check_key(stands: Standing, key: PublicKey) -> None:
    """Whether the credential is for this key. Raises KeyStoreError."""
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
        site(stands),
        Gateway(file.gateway.name, uri.shown(stands.key), file.record.url),
        key_of(key),
        None if held is None else credential(held.encoded, held.pairs),
        None if held is None or stands.anchors is None else authority(held, stands.anchors),
        [source(one) for one in snapshots],
        [document.check(one) for one in outcomes],
        [Software(name, version) for name, version in software],
    )
    made.told()
    return made


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
    message = cose.read_statement(encoded, Typ.CREDENTIAL)
    told = claims.read(message.payload)
    disclosure.match(pairs, told.digests)  # nothing stands beside it that it does not hide
    says = words.read(HeldCredential(encoded, message.name, tuple(pairs), told), None)
    return Credential(
        *(message.name.hex(), told.issuer, told.subject, told.role),
        *(words.instant(told.not_before_s), words.instant(told.expires_s)),
        None if told.rotation is None else told.rotation.hex(),
        says.site or "",
        [Bus(str(UUID(bytes=bus)), says.names.get(bus, "")) for bus in told.buses],
        [
            Terminal(
                str(UUID(bytes=one.terminal)), str(UUID(bytes=one.node)), _SENSE[one.direction]
            )
            for one in told.terminals
        ],
        encoded.hex(),
        [(salt.hex(), value.hex()) for salt, value in pairs],
    )


def authority(held: HeldCredential, anchors: Anchors) -> Authority | None:
    """Who of the anchors signed a credential, in its own name; None: nobody of them."""
    try:
        message = cose.read(held.encoded)
        anchor.vouched(message, anchors.authorities)
    except EvidenceError:
        return None
    by = anchors.authorities[message.kid]
    return Authority(by.name, by.key.fingerprint)


def source(found: Snapshot) -> Source:
    """A snapshot as a report has it."""
    return Source(
        *(found.source, found.key, found.scheme, found.station, found.idcode),
        None if found.tai is None else str(found.tai),
        "" if found.tai is None else instant.words(found.tai),
        found.bound_ns,
        _flags(found.flags),
        found.rate,
        *(_measured(found.heard_rate), _measured(found.frequency_hz), _measured(found.rocof_hz_s)),
        [_phasor(one) for one in found.phasors],
        [Value(label, decimal(value), unit) for label, unit, value in found.values],
        found.frames,
        [Fault(name, count) for name, count in sorted(found.faults.items())],
        found.trouble,
    )


def site(stands: Standing) -> Site:
    """The plan, as the credential's authority will compare it."""
    plan = stands.sketch.plan.site
    where = plan.survey
    return Site(
        plan.name,
        stands.sketch.file.gateway.plan,
        hashlib.sha256(stands.plan).hexdigest(),
        None
        if where is None
        else Survey(
            *(exact(where.latitude), exact(where.longitude)),
            *(exact(where.altitude_m), exact(where.accuracy_m), where.method),
        ),
    )


def key_of(public: PublicKey) -> Key:
    """A device key as a report has it."""
    algorithm: Literal["Ed25519", "P-256"] = "Ed25519" if public.alg == ALG_ED25519 else "P-256"
    return Key(algorithm, public.raw.hex(), public.kid.hex(), public.fingerprint)


def _flags(flags: int) -> list[str]:
    """Of a sample (evidence.code.Flag), in words."""
    return [(flag.name or "").lower().replace("_", " ") for flag in Flag if flags & flag]


def _measured(value: float | None) -> str | None:
    return None if value is None else decimal(value)


def _phasor(found: snapshot.Phasor) -> Phasor:
    voltage = found.quantity == "voltage"
    return Phasor(
        found.name,
        "voltage" if voltage else "current",
        found.phase,
        decimal(found.magnitude),
        "V" if voltage else "A",
        decimal(found.degrees),
        *(found.bus, found.terminal),
    )
