"""What differs between two site plans, and between a plan and what runs, in words that a technician
acts on.

1. Each difference says what follows: a new credential, new descriptors, a line that is opened anew,
   or nothing that is signed. Nothing of it happens before the agent is started again.
2. Objects are the same by mRID, sources, channels and devices by name: a bus that is called
   otherwise is one difference, and not one of each channel at it.
3. What runs is what was signed last (the descriptors in the spool), what the authority granted (the
   credential), and what the agent says that it listens to. What cannot be told is not `same`.

Pure: plans, credential, descriptors and account are brought to it.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from agent.config import HeldCredential
from agent.description import OWN_SOURCE, planned
from evidence import cbor, disclosure, plant, siteplan
from evidence.credential import Terminal
from evidence.descriptor import Channel, Descriptor
from evidence.siteplan import Bus, SitePlan, Stream
from provisioning.plan import plate

_NONE = "(nothing)"


class Consequence(StrEnum):
    """The first rules: what has to be done before anything else can."""

    CREDENTIAL = "needs a new credential"
    DESCRIPTOR = "makes new descriptors"
    LINE = "line would be opened anew"
    NOTHING = "for people and pre-flight only"


class Difference(NamedTuple):
    """`of`: such as "bus 'North 345'" or "pmu-a/IA"; `key`: as site.toml has it."""

    of: str
    key: str
    before: str
    after: str
    means: tuple[Consequence, ...]

    def told(self) -> dict[str, Any]:
        """As an object for programs."""
        return self._asdict() | {"means": [str(one) for one in self.means]}


_CREDENTIAL, _DESCRIPTOR = Consequence.CREDENTIAL, Consequence.DESCRIPTOR
_BOTH = (_CREDENTIAL, _DESCRIPTOR)
_FOR_PEOPLE = (Consequence.NOTHING,)
# What follows from a change of a key; of every other: nothing that is signed.
_SITE = {"name": (_CREDENTIAL,), "survey": _BOTH, "antenna": _BOTH}
_BUS = dict.fromkeys(("name", "psse", "eic", "aliases", "offset_mm"), _BOTH)
_STREAM = {
    **dict.fromkeys(("bus", "origin", "wait_ms", "path_ms", "time_document"), (_DESCRIPTOR,)),
    "time_bound_ns": (_DESCRIPTOR, Consequence.LINE),  # the driver is handed it
}
_CHANNEL = dict.fromkeys(
    (
        *("bus", "phase", "ratio", "accuracy", "core", "burden", "correction"),
        *("rated_burden_va", "burden_va", "burden_power_factor", "rating_factor", "figures"),
    ),
    (_DESCRIPTOR,),
)
_PLACED = ("terminal", "direction")


def plans(before: SitePlan, after: SitePlan) -> list[Difference]:
    """What a plan says otherwise than another."""
    before, after = (_in_one_spelling(plan) for plan in (before, after))
    found = list(_fields("site", before.site, after.site, _SITE))
    old = {bus.mrid: bus for bus in before.bus}
    new = {bus.mrid: bus for bus in after.bus}
    for mrid, one, other in _pairs(old, new):
        if one is None or other is None:
            # A credential that grants a bus too many grants this plan all the same.
            means = (_CREDENTIAL,) if one is None else _FOR_PEOPLE
            found.append(_whole(f"bus {mrid}", one and one.name, other and other.name, means))
        else:
            found += _fields(f"bus {other.name!r}", one, other, _BUS)
    found += _streams(before, after)
    for table in ("line", "tie", "equipment", "device"):
        key = "name" if table == "device" else "mrid"
        found += _tables(table, key, getattr(before, table), getattr(after, table))
    return found


def credential(plan: SitePlan, held: HeldCredential | None) -> list[Difference]:
    """What the authority has not granted, or knows otherwise. None: no credential yet. Raises
    EvidenceError.
    """
    if held is None:
        return [Difference("credential", "", _NONE, "for this plan", (_CREDENTIAL,))]
    says = held.says
    told = disclosure.match(held.pairs, says.digests)
    found: list[Difference] = []

    def compare(of: str, key: str, before: str, after: str) -> None:
        if before != after:
            found.append(Difference(of, key, before, after, (_CREDENTIAL,)))

    def hidden(digest: bytes | None) -> bytes | None:
        return None if digest is None else told.get(digest)

    granted = {bus.mrid for bus in plan.bus if bus.node() in says.buses}
    for bus in plan.bus:
        if bus.mrid not in granted:
            compare(f"bus {bus.name!r}", "mrid", "not granted", bus.mrid)
    for terminal in plan.terminals():
        if terminal.node in says.buses and says.refusal([terminal]) is not None:
            compare(f"terminal {UUID(bytes=terminal.terminal)}", "direction", "not granted",
                    _SENSE[terminal.direction])  # fmt: skip
    compare("site", "name", _text(hidden(says.site)), plan.site.name)
    survey, antenna = plan.site.survey, plan.site.antenna
    for key, digest, value in (
        ("survey", says.position, survey.position() if survey else None),
        ("survey.method", says.survey, survey.found() if survey else None),
        ("antenna", says.antenna, antenna.value() if antenna else None),
    ):
        compare("site", key, _decoded(hidden(digest)), _decoded(value))
    named = {item.node: item for item in says.named}
    for bus in plan.bus:
        item = named.get(bus.node())
        if bus.mrid in granted and item is not None:
            compare(f"bus {bus.name!r}", "name", _decoded(hidden(item.names)),
                    _decoded(bus.names()))  # fmt: skip
            compare(f"bus {bus.name!r}", "offset_mm", _decoded(hidden(item.offset)),
                    _decoded(bus.offset()))  # fmt: skip
    return found


class Signed(NamedTuple):
    """A descriptor that was signed, and what it hides, by digest."""

    says: Descriptor
    told: Mapping[bytes, bytes]


def descriptors(plan: SitePlan, signed: Sequence[Signed]) -> list[Difference]:
    """What was signed last otherwise than the plan is now."""
    found: list[Difference] = []
    for one in signed:
        source = _source(one)
        stream = plan.stream_of(source) or siteplan.Stream(source)
        if source != OWN_SOURCE:
            before, after = _of_stream(one.says), _of_plan(stream)
            found += _words(source, before, after, (_DESCRIPTOR,))
        survey, antenna = plan.site.survey, plan.site.antenna
        place = {
            "survey": (one.says.position, survey.position() if survey else None),
            "survey.method": (one.says.survey, survey.found() if survey else None),
            "antenna": (one.says.antenna, antenna.value() if antenna else None),
        }
        told = {key: _decoded(one.told.get(digest or b"")) for key, (digest, _) in place.items()}
        wanted = {key: _decoded(value) for key, (_, value) in place.items()}
        found += _words(source, told, wanted, (_DESCRIPTOR,))
        for channel in one.says.channels:
            name = _text(one.told.get(channel.name))
            known = planned(stream, one.says.blocks[channel.block].idcode, name)
            bus = plan.bus_of(stream, known)
            before = _of_signed(channel, plan)
            found += _words(f"{source}/{name}", before, _of_known(known, bus), (_DESCRIPTOR,))
    return list(dict.fromkeys(found))


def account(sources: Sequence[str], told: Mapping[str, Any]) -> list[Difference]:
    """Sources that gateway.toml has and the running agent has not, and the other way round."""
    running = told.get("sources")
    names = set(running) if isinstance(running, dict) else set()
    names.discard(OWN_SOURCE)
    line = (Consequence.LINE,)
    found = [
        Difference(f"source {name!r}", "", "not listened to", "in gateway.toml", line)
        for name in sources
        if name not in names
    ]
    return found + [
        Difference(f"source {name!r}", "", "listened to", "not in gateway.toml", line)
        for name in sorted(names - set(sources))
    ]


# --- two plans --------------------------------------------------------------------------------


def _streams(before: SitePlan, after: SitePlan) -> Iterator[Difference]:
    claimed = set(before.terminals())
    old = {stream.source: stream for stream in before.stream}
    new = {stream.source: stream for stream in after.stream}
    for source, one, other in _pairs(old, new):
        first, last = one or Stream(source), other or Stream(source)
        if one is None or other is None:
            yield _whole(f"stream {source!r}", one and source, other and source, (_DESCRIPTOR,))
        claims = {_claim(after, last, channel) for channel in last.channel} - {None}
        means = _STREAM if claims <= claimed else {**_STREAM, "bus": _BOTH}
        yield from _fields(
            source, _settled(before, first), _settled(after, last), means, passed=("channel",)
        )
        olds = {(channel.name, channel.idcode): channel for channel in first.channel}
        news = {(channel.name, channel.idcode): channel for channel in last.channel}
        for key, mine, yours in _pairs(olds, news):
            name, idcode = key
            of = f"{source}/{name}" + ("" if idcode is None else f" of {idcode}")
            blank = siteplan.Channel(name, idcode=idcode)
            claim = _claim(after, last, yours or blank)
            placed = (_DESCRIPTOR,) if claim is None or claim in claimed else _BOTH
            follows = {**_CHANNEL, **dict.fromkeys(_PLACED, placed)}
            yield from _fields(
                of,
                _placed(before, mine or blank),
                _placed(after, yours or blank),
                follows,
            )


def _settled(plan: SitePlan, stream: Stream) -> Stream:
    """With its bus by mRID (rule 2)."""
    return msgspec.structs.replace(stream, bus=_mrid(plan.bus_named(stream.bus)))


def _placed(plan: SitePlan, channel: siteplan.Channel) -> siteplan.Channel:
    """With its own bus by mRID, where it has one."""
    bus = _mrid(plan.bus_named(channel.bus)) if channel.bus else ""
    return msgspec.structs.replace(channel, bus=bus)


def _in_one_spelling(found: Any) -> Any:
    """With every mRID in small letters: it is the same in capitals."""
    if isinstance(found, list):
        return [_in_one_spelling(one) for one in found]
    if not isinstance(found, msgspec.Struct):
        return found
    changed: dict[str, Any] = {}
    for name in found.__struct_fields__:
        value = getattr(found, name)
        lowered = name in ("mrid", "terminal") and isinstance(value, str)
        changed[name] = value.lower() if lowered else _in_one_spelling(value)
    return msgspec.structs.replace(found, **changed)


def _claim(plan: SitePlan, stream: Stream, channel: siteplan.Channel) -> Terminal | None:
    bus = plan.bus_of(stream, channel)
    if not channel.terminal or bus is None:
        return None
    return Terminal(UUID(channel.terminal).bytes, bus.node(), channel.sense())


def _tables(
    table: str, key: str, before: Sequence[Any], after: Sequence[Any]
) -> Iterator[Difference]:
    old, new = ({getattr(one, key): one for one in items} for items in (before, after))
    for _, one, other in _pairs(old, new):
        if one is None or other is None:
            name = (one or other).name
            yield _whole(f"{table} {name!r}", one and name, other and name, _FOR_PEOPLE)
        else:
            yield from _fields(f"{table} {other.name!r}", one, other, {})


def _fields(
    of: str,
    before: Any,
    after: Any,
    means: Mapping[str, tuple[Consequence, ...]],
    passed: Sequence[str] = (),
) -> Iterator[Difference]:
    for field in msgspec.structs.fields(before):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old != new and field.name not in passed:
            follows = means.get(field.name, _FOR_PEOPLE)
            yield Difference(of, field.encode_name, shown(old), shown(new), follows)


def _whole(
    of: str, before: str | None, after: str | None, means: tuple[Consequence, ...]
) -> Difference:
    return Difference(of, "", before or _NONE, after or _NONE, means)


def _pairs(old: Mapping[Any, Any], new: Mapping[Any, Any]) -> Iterator[tuple[Any, Any, Any]]:
    for key in dict.fromkeys((*old, *new)):
        yield key, old.get(key), new.get(key)


# --- what was signed --------------------------------------------------------------------------

_SENSE = {0: "unknown", 1: "in", -1: "out"}


def _of_stream(says: Descriptor) -> dict[str, Any]:
    return {
        "origin": says.origin,
        "wait_ms": says.wait_ms,
        "path_ms": says.path_ms,
        "time_bound_ns": says.time_bound_ns,
        "time_document": says.time_document,
    }


def _of_plan(stream: Stream) -> dict[str, Any]:
    return {
        "origin": stream.origin,
        "wait_ms": stream.wait_ms,
        "path_ms": stream.path_ms,
        "time_bound_ns": stream.time_bound_ns,
        "time_document": stream.time_document,
    }


def _of_signed(channel: Channel, plan: SitePlan) -> dict[str, Any]:
    names = {bus.node(): bus.name for bus in plan.bus}
    node = channel.node
    return {
        "bus": None if node is None else names.get(node, str(UUID(bytes=node))),
        "terminal": None if channel.terminal is None else str(UUID(bytes=channel.terminal)),
        "phase": channel.phase,
        "direction": _SENSE[channel.direction],
        "ratio": channel.ratio,
        "accuracy": channel.accuracy,
        "core": channel.core,
        "burden": channel.burden,
        "correction": channel.correction.hex() if channel.correction else None,
        "figures": plate.words(channel.figures),
    }


def _of_known(known: siteplan.Channel, bus: Bus | None) -> dict[str, Any]:
    return {
        "bus": bus.name if bus else None,
        "terminal": known.terminal.lower() or None,
        "phase": known.phase,
        "direction": known.direction,
        "ratio": known.ratio,
        "accuracy": known.accuracy,
        "core": known.core,
        "burden": known.burden,
        "correction": known.correction.sha256 if known.correction else None,
        "figures": plate.words(known.figures()),
    }


def _words(
    of: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    means: tuple[Consequence, ...],
) -> Iterator[Difference]:
    for key, old in before.items():
        if old != after[key]:
            yield Difference(of, key, shown(old), shown(after[key]), means)


def _source(signed: Signed) -> str:
    hidden = signed.told.get(signed.says.source)
    value = None if hidden is None else cbor.decode(hidden)
    return str(value[0]) if isinstance(value, tuple) and value else "?"


def _mrid(bus: Bus | None) -> str:
    return bus.mrid.lower() if bus else ""


def shown(value: Any) -> str:
    """A value as people read it."""
    if value is None or value in ("", [], ()):
        return _NONE
    if isinstance(value, plant.End | plant.At):
        return " ".join(filter(None, (value.terminal, value.bus, getattr(value, "owner", ""))))
    if isinstance(value, msgspec.Struct):
        stated = {key: one for key, one in msgspec.structs.asdict(value).items() if one is not None}
        return ", ".join(f"{key} {shown(one)}" for key, one in stated.items())
    if isinstance(value, list | tuple):
        return " / ".join(shown(one) for one in value)
    return str(value)


def _decoded(value: bytes | None) -> str:
    """Of what is signed in CBOR; of a position its numbers."""
    if value is None:
        return _NONE
    found = cbor.decode(value)
    return shown(list(found.values()) if isinstance(found, dict) else found)


def _text(value: bytes | None) -> str:
    return "(hidden)" if value is None else value.decode(errors="replace")
