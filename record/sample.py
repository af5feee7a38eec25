"""One sample with all that the record knows of it, as one object for JSON; record.words has it as
lines for people.

1. What it is worth now, and since when: by its receipt, and by each later finding.
2. What it says: instant, bound, arrival, flags, values by name with bus and terminal.
3. What it leans on: descriptor, credential, the gateway's verdict and the receivers' fixes.
4. A value that the device did not give is null, and says so; nothing is made up for it.

It shows what the record was told, hidden names and positions too: it is for whoever keeps the
record. It checks nothing: that is `verify`.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from drivers.decode import compiled
from drivers.gnss.fix import Fix
from drivers.line import FrameError
from drivers.values import Value, missing
from evidence import cbor, event, gap, instant, position
from evidence.code import SILENT, Act, Check, Class, Flag, Kind, Reason, TimeSource
from evidence.leap import BUILT_IN
from evidence.refusal import EvidenceError
from evidence.verdict import Verdict
from record.booked import booked
from record.channel import channels_of, names_of
from record.known import Known, KnownDescriptor
from record.leaning import Leaning, fixes_of, test_of, verdict_of
from record.lookup import Lookup, Seen, name_of
from record.standing import Grade, standing
from record.store import Store
from record.vouching import revocation_of

_DIRECTIONS = {0: "", 1: "in", -1: "out"}
Told = dict[str, Any]


def told(store: Store, known: Known, seen: Seen) -> Told:
    """All of it. Raises StoreError, EvidenceError."""
    lookup, sample = Lookup(store, known), seen.sample
    worth = standing(store, known, seen)
    names = names_of(seen.known)
    kid, run = seen.run.credential.key.kid.hex(), seen.run.name.hex()[:16]
    leaning, test = verdict_of(lookup, seen), test_of(lookup, seen)
    return {
        "sample": f"{kid}/{sample.stream}/{sample.seq}@{run}",
        "gateway": seen.run.credential.subject,
        "stream": name_of(seen.known),
        "kind": _name(Kind, sample.kind),
        "bytes": len(sample.raw),
        "copies": seen.copies,
        **_grade(worth.now),
        "receipt": {"entry": seen.entry.idx, **_grade(worth.receipt)},
        "vouched": None if worth.vouched is None else booked(store, worth.vouched),
        "findings": [
            {
                "entry": one.idx,
                "found": instant.words(one.tai),
                **_grade((one.finding.klass, one.finding.reason)),
                "channels": _channel_names(names, one.finding.channels),
            }
            for one in worth.later
        ],
        **_time(seen),
        "flags": flag_words(sample.flags),
        "test": None if test is None else test.text,
        **_values(seen, worth.channels),
        "descriptor": _descriptor(seen.known),
        "credential": _credential(store, seen),
        "verdict": None if leaning is None else _verdict(leaning, seen),
        "fixes": [] if leaning is None else _fixes(lookup, leaning),
    }


def flag_words(flags: int) -> list[str]:
    """The names of flags; a bit that has none is its number."""
    found = [str(flag.name).lower() for flag in Flag if flags & flag]
    rest = flags & ~sum(Flag)
    return found + ([hex(rest)] if rest else [])


# --- what it says ---------------------------------------------------------------------------------


def _time(seen: Seen) -> Told:
    sample = seen.sample
    return {
        "tai": sample.tai,
        "instant": instant.words(sample.tai),
        "bound_ns": sample.bound,
        "clock": _name(TimeSource, sample.source),
        "heard_ns": sample.heard,
        "heard_bound_ns": sample.heard_bound,
    }


def _values(seen: Seen, less: Mapping[int, Grade]) -> Told:
    """Values by channel; or in words why there are none."""
    sample, of = seen.sample, seen.known
    words = _own_words(sample.kind, sample.raw)
    if words is not None:
        return {"says": words, "values": []}
    try:
        frames = compiled(sample.kind, of.configuration or b"")
        values = frames.decode(sample.raw)
    except FrameError as fault:
        return {"says": f"nobody can read it: {fault}", "values": []}
    gone, names = set(missing(values)), names_of(of)
    channels = channels_of(of, frames.slots)
    rows = []
    for at, (slot, value) in enumerate(zip(frames.slots, values, strict=True)):
        channel = channels[at]
        row: Told = {
            "name": slot.name if channel is None else names[channel],
            "quantity": slot.quantity,
            "part": slot.part,
            "unit": slot.unit,
            "value": _plain(value),
            "missing": at in gone,
        }
        if channel is not None:
            row |= _channel(of, channel)
            if channel in less:
                row |= _grade(less[channel])
        rows.append(row)
    return {"says": frames.words(sample.raw), "values": rows}


def _own_words(kind: int, raw: bytes) -> str | None:
    """What the gateway itself says; None of what a device says."""
    try:
        if kind == Kind.EVENT:
            noticed = event.read(raw)
            check = "" if noticed.check is None else f" ({noticed.check.name.lower()})"
            return f"{noticed.event.name.lower()}{check}: {noticed.text}"
        if kind == Kind.GAP:
            hole = gap.read(raw)
            first, last = instant.words(hole.first), instant.words(hole.last)
            return f"{hole.cause.name.lower()}, {first} to {last}"
    except EvidenceError as fault:
        return f"nobody can read it: {fault}"
    if kind in SILENT:
        return "it measures nothing"
    return None


def _channel(of: KnownDescriptor, at: int) -> Told:
    channel = of.descriptor.channels[at]
    return {
        "phase": channel.phase,
        "bus": _bus(of.told.get(channel.aliases or b"")),
        "node": None if channel.node is None else str(UUID(bytes=channel.node)),
        "terminal": None if channel.terminal is None else str(UUID(bytes=channel.terminal)),
        "direction": _DIRECTIONS[channel.direction],
    }


def _bus(value: bytes | None) -> str:
    """What people call it: the first of its names (evidence.siteplan.Bus)."""
    try:
        names = () if value is None else cbor.decode(value)
    except EvidenceError:
        return ""
    return names[0] if type(names) is tuple and names and type(names[0]) is str else ""


def _plain(value: Value) -> Any:
    """As JSON has it."""
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, bytes):
        return value.hex()
    return None if isinstance(value, float) and not math.isfinite(value) else value


# --- what it leans on -----------------------------------------------------------------------------


def _descriptor(of: KnownDescriptor) -> Told:
    found = of.descriptor
    return {
        "name": of.name.hex(),
        "seq": found.seq,
        "since": instant.words(found.tai),
        "origin": found.origin,
        "wait_ms": found.wait_ms,
        "path_ms": found.path_ms,
        "time_bound_ns": found.time_bound_ns,
        "time_document": found.time_document,
        "rate": list(found.rate),
        "position": _position(of.told.get(found.position or b"")),
        "stations": [
            {
                "name": of.told.get(block.station, b"").decode(errors="replace"),
                "idcode": block.idcode,
                "class": block.service_class,
            }
            for block in found.blocks
        ],
    }


def _position(value: bytes | None) -> Told | None:
    try:
        found = None if value is None else position.read(value)
    except EvidenceError:
        return None
    if found is None:
        return None
    return {
        "latitude": found.latitude,
        "longitude": found.longitude,
        "altitude_m": found.altitude_m,
        "accuracy_m": found.accuracy_m,
    }


def _credential(store: Store, seen: Seen) -> Told:
    found = seen.run.credential
    issued = store.books_on(seen.run.run.credential, Act.ISSUED)
    issuer = seen.run.holder[0]
    own = next((row for row in issued if row.issuer == issuer), None)
    revoked = revocation_of(store, seen.run.holder)
    return {
        "issued": None if own is None else booked(store, own),
        "revoked": None if revoked is None else booked(store, revoked),
        "subject": found.subject,
        "issuer": found.issuer,
        "kid": found.key.kid.hex(),
        "role": found.role,
        "from": instant.words(BUILT_IN.tai_ns(found.not_before_s)),
        "until": instant.words(BUILT_IN.tai_ns(found.expires_s)),
    }


def _verdict(leaning: Leaning, seen: Seen) -> Told:
    where = {
        "seq": leaning.seen.sample.seq,
        "run": leaning.seen.run.name.hex()[:16],
        "before_ns": seen.heard - leaning.seen.heard,
    }
    if leaning.verdict is None:
        return where | {"words": "nobody can read it"}
    return where | _verdict_words(leaning.verdict)


def _verdict_words(found: Verdict) -> Told:
    clock, place = found.clock, found.place
    return {
        "chosen": clock.chosen,
        "why": clock.why,
        "bound_ns": clock.bound,
        "growth_ppb": clock.growth_ppb,
        "clock": clock.source.name.lower(),
        "flags": flag_words(clock.flags),
        "tai_utc_s": clock.tai_utc_s,
        "sources": [
            {
                "name": one.name,
                "state": one.state.name.lower(),
                "words": one.words,
                "offset_ns": one.offset,
                "error_ns": one.error,
            }
            for one in found.sources
        ],
        "place": place.state.name.lower(),
        "distance_mm": place.distance_mm,
        "allowed_mm": place.allowed_mm,
        "tripped": [
            {
                "check": Check(one.check).name.lower(),
                "stream": one.stream,
                "since": instant.words(one.since),
            }
            for one in found.tripped
        ],
    }


def _fixes(lookup: Lookup, leaning: Leaning) -> list[Told]:
    rows: list[Told] = []
    for stream, one in fixes_of(lookup, leaning).items():
        row: Told = {"stream": stream, "name": lookup.stream_name(leaning.seen.run, stream)}
        if one is None:
            row |= {"seq": None, "words": "not found"}
        else:
            row |= {"seq": one.seen.sample.seq, "run": one.seen.run.name.hex()[:16]}
            row |= {"before_ns": leaning.seen.heard - one.seen.heard, "exact": one.exact}
            row |= _fix(one.fix) if one.fix is not None else {"words": "no epoch in its bytes"}
        rows.append(row)
    return rows


def _fix(fix: Fix) -> Told:
    place, signals = fix.place, fix.signals
    return {
        "fix": fix.fix_type.name.lower(),
        "mode": fix.mode.value,
        "speech": fix.speech.value,
        "instant": None if fix.tai is None else instant.words(fix.tai),
        "bound_ns": fix.bound_ns,
        "latitude": None if place is None else place.latitude_e7 / 1e7,
        "longitude": None if place is None else place.longitude_e7 / 1e7,
        "accuracy_mm": None if place is None else place.horizontal_mm,
        "satellites": None if signals is None else signals.used,
        "cn0": None if signals is None else signals.cn0_mean,
        "antenna": None if fix.rf is None else fix.rf.antenna.name.lower(),
        "spoofing": fix.spoofing.name.lower(),
        "jamming": fix.jamming.name.lower(),
        "doubts": sorted(doubt.value for doubt in fix.doubts),
    }


# --- names ----------------------------------------------------------------------------------------


def _grade(grade: Grade) -> Told:
    klass, reason = grade
    return {"class": _name(Class, klass), "reason": _name(Reason, reason) if reason else None}


def _name(kind: Any, number: int) -> str:
    return str(kind(number).name).lower() if number in list(kind) else str(number)


def _channel_names(names: tuple[str, ...], channels: Iterable[int] | None) -> list[str] | None:
    if channels is None:
        return None
    return [names[at] if at < len(names) and names[at] else str(at) for at in channels]
