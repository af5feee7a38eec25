"""`gateway.toml` and the files it names: everything the agent is told, typed and checked before
anything starts.

1. A file that is wrong is refused with file, line, key, found and expected
   (evidence.config.ConfigError); nothing is guessed and no default hides a typing error.
2. Paths are relative to the folder of gateway.toml.
3. What the site says of a device's clock stands in the site plan, beside its document, since that
   is what is signed; its driver is handed it from there, and gateway.toml is not asked.

It starts nothing and opens no line.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from agent.timing import uri
from agent.timing.uri import PpsOptions, Told
from drivers import registry
from drivers.line import Source
from evidence import anchor, cbor, config, cose, credential, disclosure, position, shape, siteplan
from evidence.anchor import Anchors
from evidence.code import Typ
from evidence.config import ConfigError
from evidence.credential import Credential, Terminal
from evidence.refusal import EvidenceError
from evidence.siteplan import SitePlan

TIMEKEEPERS_MAX = 8  # with the receivers below the 16 that a verdict has room for
CREDENTIAL_BYTES_MAX = 1024 * 1024
HANDOVERS_MAX = 4  # one after another, of keys that a record may not have heard of yet
BOUND = "time_bound_ns"  # an option of those schemes whose frames may not say it
NOT_GRANTED = (
    "not granted by the credential; the authority makes a new one of this plan:"
    " gridseal-provision authority renew"
)
_NO_FOLDER = "is not there; expected a gateway's folder, with gateway.toml in it"
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class GatewaySection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: _Name
    plan: str = "site.toml"
    credential: str = "credential.cbor"
    key: str = "file:device.key"
    # Newest first: of keys that handed over to this one, for runs that they have yet to sign.
    key_before: Annotated[tuple[str, ...], msgspec.Meta(max_length=HANDOVERS_MAX)] = ()


class RecordSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str  # https://, or tls:// of a NATS broker; in the clear on this machine only
    region: str = ""  # of a broker: whose stream takes the requests
    anchors: str = "anchors.toml"
    ca: str = ""
    certificate: str = ""
    certificate_key: str = ""


class ClockSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    # Beside every receiver among [[source]]: agent/timing/uri.py says what may stand here.
    sources: Annotated[tuple[str, ...], msgspec.Meta(max_length=TIMEKEEPERS_MAX)] = ("kernel:",)
    oscillator: Literal["xo", "tcxo", "ocxo", "rubidium"] = "xo"
    verdict_s: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 10  # what is concluded is sealed
    leap_seconds: str = ""


class SpoolSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    path: str = "spool.db"
    commit_ms: Annotated[int, msgspec.Meta(ge=5, le=5000)] = 50
    pending_bytes_max: Annotated[int, msgspec.Meta(ge=1 << 20)] = 4 << 30
    keep_days: Annotated[int, msgspec.Meta(ge=0, le=3650)] = 10
    when_full: Literal["stop", "drop_oldest"] = "stop"
    durability: Literal["always", "spill"] = "always"
    spill_s: Annotated[int, msgspec.Meta(ge=1, le=60)] = 10


class UplinkSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    batch_ms: Annotated[int, msgspec.Meta(ge=10, le=60_000)] = 250
    batch_bytes: Annotated[int, msgspec.Meta(ge=1024, le=4 << 20)] = 32768
    in_flight: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    # Percent, of `in_flight` and of `max_kbps`, that a backlog has while live batches come.
    backlog_share: Annotated[int, msgspec.Meta(ge=1, le=99)] = 25
    max_kbps: Annotated[int, msgspec.Meta(ge=0, le=10_000_000)] = 0  # 0: no cap
    dscp: Annotated[int, msgspec.Meta(ge=0, le=63)] = 0  # RFC 2474; 0: as any other traffic


class PageSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    listen: str = "127.0.0.1:8460"  # of this machine only: agent/page/address.py


class SourceSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: _Name
    scheme: str
    simulated: bool = False
    options: dict[str, Any] = {}


class GatewayFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    gateway: GatewaySection
    record: RecordSection
    clock: ClockSection = ClockSection()
    spool: SpoolSection = SpoolSection()
    uplink: UplinkSection = UplinkSection()
    page: PageSection | None = None  # at an address; beside the spool it always is
    source: list[SourceSection] = []


@dataclass(frozen=True, slots=True)
class HeldCredential:
    """The credential as it is sent, and what it says."""

    encoded: bytes
    name: bytes
    pairs: tuple[tuple[bytes, bytes], ...]
    says: Credential
    before: tuple["Handover", ...] = ()  # by which the keys before led to this one, newest first

    def position(self) -> bytes | None:
        """The position that the authority granted, as it is signed; None where it vouches for none.

        Raises EvidenceError.
        """
        if self.says.position is None:
            return None
        return disclosure.match(self.pairs, self.says.digests).get(self.says.position)


@dataclass(frozen=True, slots=True)
class Handover:
    """How one key led to the next: the rotation, as it is sent, and what the key before had."""

    encoded: bytes
    name: bytes
    held: HeldCredential


@dataclass(frozen=True, slots=True)
class Sketch:
    """What a gateway is told before an authority knows it: no credential yet, and nobody to
    believe.
    """

    file: GatewayFile
    folder: Path
    plan: SitePlan
    sources: tuple[Source, ...]  # of [[source]], and the receivers that [clock] declares
    timekeepers: tuple[Told, ...]

    def path(self, name: str) -> Path:
        return self.folder / name


@dataclass(frozen=True, slots=True)
class Gateway(Sketch):
    """All that the agent is told, read and checked."""

    credential: HeldCredential
    anchors: Anchors

    def place_refusal(self) -> str:
        """Why the record will not take what the plan says of its place; empty when it will."""
        surveyed = self.plan.site.survey
        try:
            said = surveyed.position() if surveyed else None
            return position.refusal(said, self.credential.position())
        except EvidenceError as fault:
            return str(fault)


def sketch(path: Path) -> Sketch:
    """Reads gateway.toml and its plan. Raises ConfigError."""
    if not path.exists():  # of a folder that was mistyped, say: so where it was looked for is told
        raise ConfigError(str(path), "", _NO_FOLDER)
    text = _text(path, path.name)
    file = config.read(text, GatewayFile, path.name)
    folder = path.resolve().parent
    site = _text(folder / file.gateway.plan, file.gateway.plan)
    plan = siteplan.read(site, file.gateway.plan)
    sources = [_source(path, text, at, section) for at, section in enumerate(file.source)]
    timekeepers = _clock(path, text, file.clock, sources)
    vouched = tuple(_vouched(plan, source) for source in sources)
    found = Sketch(file, folder, plan, vouched, timekeepers)
    _check_names(found, path.name, text)
    _check_sources(found, site)
    _check_page(path.name, text, file.page)
    return found


def load(path: Path) -> Gateway:
    """Reads gateway.toml and what it names. Raises ConfigError."""
    sketched = sketch(path)
    file, folder = sketched.file, sketched.folder
    anchors = _text(folder / file.record.anchors, file.record.anchors)
    gateway = Gateway(
        file,
        folder,
        sketched.plan,
        sketched.sources,
        sketched.timekeepers,
        read_credential(folder / file.gateway.credential),
        anchor.read(anchors, file.record.anchors),
    )
    held = gateway.credential
    if disclosure.match(held.pairs, held.says.digests).keys() < set(held.says.digests):
        text = "does not tell all that it hides: the record takes it whole, or not at all"
        raise ConfigError(file.gateway.credential, "", text)
    _check_granted(gateway, _text(folder / file.gateway.plan, file.gateway.plan))
    return gateway


def read_credential(path: Path) -> HeldCredential:
    """The credential file: [statement, [[salt, value], ...]]; where another key handed over to this
    one, then [[rotation, statement before, [[salt, value], ...]], ...]. Raises ConfigError.

    Whether the authority signed it is for whoever relies on it to check; the agent only has to know
    what it says.
    """
    try:
        with path.open("rb") as file:
            data = file.read(CREDENTIAL_BYTES_MAX + 1)
        found = shape.array(cbor.decode(data), "credential file")
        held = held_credential(*shape.array(found[:2], "credential file", 2))
        if len(found) > 2:
            from agent import handover  # a gateway whose first key it is carries nothing of it

            held = replace(held, before=handover.read(held.says, found[2:]))
    except OSError as fault:
        raise ConfigError(path.name, "", f"cannot be read: {fault.strerror}") from fault
    except EvidenceError as fault:
        raise ConfigError(path.name, "", f"is no credential file: {fault}") from fault
    return held


def held_credential(encoded: object, pairs: object) -> HeldCredential:
    """A credential and what it hides, as a file has them. Raises EvidenceError."""
    message = cose.read_statement(shape.blob(encoded, "credential"), Typ.CREDENTIAL)
    says = credential.read(message.payload)
    matched = disclosure.read_pairs(pairs)
    disclosure.match(matched, says.digests)
    return HeldCredential(message.encoded, message.name, matched, says)


def _text(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as fault:
        raise ConfigError(name, "", f"cannot be read: {fault.strerror}") from fault
    except UnicodeDecodeError as fault:
        raise ConfigError(name, "", "is not UTF-8 text") from fault
    except ValueError as fault:
        raise ConfigError(repr(name), "", f"cannot be a file: {fault}") from fault


def _source(path: Path, text: str, at: int, section: SourceSection) -> Source:
    file = path.name
    if section.scheme not in registry.SCHEMES:
        reason = f"{section.scheme!r} is {config.nearest(section.scheme, list(registry.SCHEMES))}"
        raise config.fault_at(text, file, ("source", at, "scheme"), reason)
    options = dict(section.options)
    if section.simulated:
        options["simulated"] = True
    if BOUND in options:
        reason = f"stands in the site plan, beside its document: [[stream]] {BOUND}"
        raise config.fault_at(text, file, ("source", at, "options", BOUND), reason)
    source = Source(section.name, section.scheme, options, str(path.resolve().parent))
    try:
        registry.options_of(source)
    except ConfigError as fault:
        steps: list[str | int] = ["source", at, "options", *([fault.key] if fault.key else [])]
        raise config.fault_at(text, file, steps, fault.text) from fault
    return source


def _vouched(plan: SitePlan, source: Source) -> Source:
    """The source, with what the plan says of its device's clock."""
    stream = plan.stream_of(source.name)
    if stream is None or stream.time_bound_ns is None or not _takes_bound(source.scheme):
        return source
    return replace(source, options={**source.options, BOUND: stream.time_bound_ns})


def _takes_bound(scheme: str) -> bool:
    """Whether a figure of the site can say how good its devices' clocks are."""
    return BOUND in registry.options_type(scheme).__struct_fields__


def _clock(path: Path, text: str, section: ClockSection, sources: list[Source]) -> tuple[Told, ...]:
    """The sources of time that are asked; a receiver goes to the sources. Raises ConfigError."""
    told: list[Told] = []
    for at, one in enumerate(section.sources):

        def fault(reason: str, at: int = at) -> ConfigError:
            return config.fault_at(text, path.name, ("clock", "sources", at), reason)

        try:
            found = uri.read(one, str(path.resolve().parent))
        except ConfigError as said:
            raise fault(f"{said.key}: {said.text}" if said.key else said.text) from said
        if found.name in [source.name for source in sources] + [other.name for other in told]:
            raise fault(f"{found.name!r} is there already; give it a name of its own: ?name=NAME")
        if isinstance(found, Source):
            sources.append(found)
        else:
            told.append(found)
    receivers = [source.name for source in sources if source.scheme in registry.RECEIVERS]
    for pulse in told:
        named = pulse.options.receiver if isinstance(pulse.options, PpsOptions) else ""
        if named and named not in receivers:
            reason = f"{pulse.name}: receiver {named!r} is {config.nearest(named, receivers)}"
            raise config.fault_at(text, path.name, ("clock", "sources"), reason)
    return tuple(told)


def _check_names(of: Sketch, file: str, text: str) -> None:
    names = [source.name for source in of.sources]
    for at, name in enumerate(names):
        first = names.index(name)
        if first != at:
            reason = f"{name!r} is the name of source[{first}] too"
            raise config.fault_at(text, file, ("source", at, "name"), reason)


def _check_sources(of: Sketch, text: str) -> None:
    """The plan names sources that there are."""
    file = of.file.gateway.plan
    schemes = {source.name: source.scheme for source in of.sources}
    names = list(schemes)
    for at, stream in enumerate(of.plan.stream):
        if stream.source not in names:
            reason = f"{stream.source!r} is {config.nearest(stream.source, names)}"
            raise config.fault_at(text, file, ("stream", at, "source"), reason)
        if stream.time_bound_ns is not None and not _takes_bound(schemes[stream.source]):
            reason = f"a source of {schemes[stream.source]!r} takes no such figure; expected: none"
            raise config.fault_at(text, file, ("stream", at, BOUND), reason)


def _check_page(file: str, text: str, page: PageSection | None) -> None:
    if page is None:
        return
    from agent.page import address  # a gateway without a page at an address carries nothing of it

    try:
        address.read(page.listen)
    except ValueError as fault:
        raise config.fault_at(text, file, ("page", "listen"), str(fault)) from fault


def _check_granted(gateway: Gateway, text: str) -> None:
    """The credential grants the plan's buses and terminals, each with its bus and direction."""
    file = gateway.file.gateway.plan
    plan = gateway.plan
    for at, mrid in enumerate(plan.mrids()):
        if mrid not in gateway.credential.says.buses:
            reason = f"{plan.bus[at].mrid} is {NOT_GRANTED}"
            raise config.fault_at(text, file, ("bus", at, "mrid"), reason)
    for at, stream in enumerate(plan.stream):
        for number, channel in enumerate(stream.channel):
            bus = plan.bus_of(stream, channel)
            if not channel.terminal or bus is None:
                continue
            claim = Terminal(UUID(channel.terminal).bytes, bus.node(), channel.sense())
            if gateway.credential.says.refusal([claim]) is not None:
                reason = f"{channel.terminal} at {bus.name!r}, direction {channel.direction!r}, is"
                steps = ("stream", at, "channel", number, "terminal")
                raise config.fault_at(text, file, steps, f"{reason} {NOT_GRANTED}")
