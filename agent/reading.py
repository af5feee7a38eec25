"""What a line said, as a person reads it and as a program does: setups, frames, faults, in words
and as objects.

1. A name or a text that a device sent is shown with what cannot be printed escaped: a terminal
   obeys bytes, and a device's are not to be obeyed.
2. A value is shown as drivers.decode gives it, with the name and unit of its slot. Only an angle in
   radians is shown to people in degrees, and words of bits in hexadecimal.
3. Missing stays missing: "-" for people, null for programs.

It decides nothing, and writes nowhere.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import degrees, isfinite
from typing import Any, NamedTuple

from agent import sighting
from drivers import decode
from drivers.gnss.fix import Fix
from drivers.line import Block, Channel, Frame, FrameError, Setup
from drivers.values import Compiled, Slot, Value
from evidence import event, instant
from evidence.code import SILENT, Flag, Kind, Reason, TimeSource
from evidence.leap import NS, LeapTable
from evidence.refusal import EvidenceError

RAW_BYTES_SHOWN = 64  # of a frame that is bad
PARTS_SHOWN = 6  # of a value that is many values
BITS = frozenset(("stat", "digital", "quality"))  # quantities whose integers are bits
NOT_ANSWERED = Reason.NOT_ANSWERED.name.lower()
NAMES_MAX = 64  # of faults, of one stream: names are ours, yet a counter without a bound is a leak


class Reading(NamedTuple):
    """One value with its name: `block` is empty where there is one block only."""

    block: str
    name: str
    part: str
    quantity: str
    unit: str
    value: Value

    @property
    def label(self) -> str:
        return " ".join(word for word in (self.block, self.name, self.part) if word)


class Stream:
    """One stream that was heard: what rules it, and what was counted."""

    def __init__(self, key: str, table: LeapTable) -> None:
        self.key, self._table = key, table
        self.setup: Setup | None = None
        self.compiled: Compiled | None = None
        self.unnamed = ""  # why its values have no names
        self.kinds: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.latest: Frame | Fix | None = None  # that measured
        self.measured = 0
        self.unanswered = 0  # asked for, and not said
        self.unsaid = ""  # why the last of those was not
        self._judged: tuple[Frame | None, list[str]] = (None, [])
        self._first_tai = self._last_tai = 0  # of arrivals

    def rule(self, setup: Setup) -> None:
        """A setup that rules from here on."""
        self.setup, self.compiled, self.unnamed = setup, None, ""
        if setup.kind in SILENT:
            return
        try:
            self.compiled = decode.compiled(setup.kind, setup.configuration)
        except FrameError as fault:
            self.unnamed = str(fault)

    def count(self, frame: Frame | Fix) -> bool:
        """Whether the device said something in it."""
        if isinstance(frame, Fix):
            return self._measure(frame, "epoch")
        if frame.fault is not None:
            name = frame.fault.fault
            known = name in self.faults or len(self.faults) < NAMES_MAX
            self.faults[name if known else "other"] += 1
            return False
        if NOT_ANSWERED in self.quality(frame):
            self.unanswered += 1
            self.unsaid = self.words(frame)
            return False
        if frame.kind not in SILENT:
            return self._measure(frame, kind_name(frame.kind))
        self.kinds[kind_name(frame.kind)] += 1
        return True

    def _measure(self, item: Frame | Fix, kind: str) -> bool:
        self._last_tai, self.latest = item.heard.tai, item
        self._first_tai = self._first_tai if self.measured else item.heard.tai
        self.measured += 1
        self.kinds[kind] += 1
        return True

    @property
    def rate(self) -> float | None:
        """Frames that measure, a second, as they arrive; None before there is an interval."""
        span = self._last_tai - self._first_tai
        return (self.measured - 1) * NS / span if self.measured > 1 and span > 0 else None

    def values(self, frame: Frame) -> list[Reading]:
        """What a frame measured. Raises FrameError."""
        if self.compiled is None:
            return []
        found = self.compiled.decode(frame.raw)
        slots = self.compiled.slots
        blocks = self.setup.blocks if self.setup else ()
        return [_reading(slot, value, blocks) for slot, value in zip(slots, found, strict=True)]

    def quality(self, frame: Frame) -> list[str]:
        """What is known of the clock, and what the frame says against itself."""
        if frame is self._judged[0]:
            return self._judged[1]
        found = [flag.name.lower() for flag in Flag if frame.flags & flag and flag.name]
        if self.compiled is not None and frame.kind not in SILENT:
            judge = self.compiled.judge
            verdicts = judge(tuple(frame.raw[at : at + size] for at, size in judge.slices))
            found += [reason.name.lower() for _, reason in verdicts]
        self._judged = (frame, list(dict.fromkeys(found)))
        return self._judged[1]

    def words(self, frame: Frame) -> str:
        """What the frame says instead of values, as its protocol has it; mostly nothing."""
        return printable(self.compiled.words(frame.raw)) if self.compiled else ""

    # --- for people

    def headline(self) -> list[str]:
        """What the stream is."""
        setup = self.setup
        if setup is None:
            return [f"{printable(self.key)}: not described yet"]
        lines = [f"{printable(self.key)}: {kind_name(setup.kind)}, {rate_words(setup.rate)}"]
        for block in setup.blocks:
            channels = ", ".join(
                " ".join(word for word in (printable(one.name), one.unit or one.quantity) if word)
                for one in block.channels
            )
            about = [f"ID {block.idcode}"] if block.idcode else []
            about += [f"class {block.service_class}"] if block.service_class else []
            inside = f" ({', '.join(about)})" if about else ""
            lines.append(f"  {printable(block.station) or '-'}{inside}: {channels or 'no channel'}")
        if self.unnamed:
            lines.append(f"  values without names: {self.unnamed}")
        return lines

    def line(self, frame: Frame | Fix) -> str:
        """A frame, or an epoch, on one line."""
        if isinstance(frame, Fix):
            return f"{printable(self.key)} {'; '.join(sighting.rows(frame, self._table))}"
        head = f"{self.when(frame)} {printable(self.key)}"
        if frame.fault is not None:
            shown = frame.raw[:RAW_BYTES_SHOWN].hex()
            return f"{head} FAULT {printable(str(frame.fault))} [{len(frame.raw)} bytes {shown}]"
        if frame.kind in SILENT:
            said = _told(frame)
            words = f": {said['event']}, {printable(said['text'])}" if said else ""
            return f"{head} {kind_name(frame.kind)}{words}, {len(frame.raw)} bytes"
        return f"{head} [{self.quality_words(frame)}] {'  '.join(self.rows(frame))}"

    def when(self, frame: Frame) -> str:
        """The instant of a frame, UTC."""
        return instant.words(frame.tai, self._table)

    def quality_words(self, frame: Frame) -> str:
        return ",".join(self.quality(frame)) or "-"

    def _head(self, frame: Frame) -> str:
        return f"{self.when(frame)}  [{self.quality_words(frame)}]"

    def block(self) -> list[str]:
        """What was measured last, a row a fact."""
        last = self.latest
        if isinstance(last, Fix):
            return sighting.rows(last, self._table)
        return [] if last is None else [self._head(last), *self.rows(last)]

    def rows(self, frame: Frame) -> list[str]:
        """Each channel of a frame in words; a phasor's two places in one."""
        if self.words(frame):
            return [self.words(frame)]
        try:
            found = self.values(frame)
        except FrameError as fault:
            return [f"cannot be decoded: {printable(str(fault))}"]
        if not found:
            return [f"{len(frame.raw)} bytes {frame.raw[:RAW_BYTES_SHOWN].hex()}"]
        return [_row(group) for group in _channels(found)]

    # --- for programs

    def description(self) -> dict[str, Any]:
        """The stream as an object."""
        setup = self.setup
        return {
            "what": "stream",
            "key": self.key,
            "kind": kind_name(setup.kind) if setup else None,
            "rate": list(setup.rate) if setup and setup.rate[0] else None,
            "unnamed": self.unnamed or None,
            "blocks": [
                {
                    "station": block.station,
                    "idcode": block.idcode,
                    "service_class": block.service_class or None,
                    "channels": [_channel(one) for one in block.channels],
                }
                for block in (setup.blocks if setup else ())
            ],
        }

    def object(self, frame: Frame | Fix) -> dict[str, Any]:
        """A frame, or an epoch, as an object."""
        if isinstance(frame, Fix):
            return {"what": "epoch", "key": self.key} | sighting.told(frame, self._table)
        said: dict[str, Any] = {
            "what": "frame" if frame.fault is None else "fault",
            "key": self.key,
            "kind": kind_name(frame.kind),
            "utc": self.when(frame),
            "bound_ns": frame.bound,
            "clock": TimeSource(frame.source).name.lower(),
            "arrived_utc": instant.words(frame.heard.tai, self._table),
            "quality": self.quality(frame),
            "bytes": len(frame.raw),
        }
        if frame.fault is not None:
            said |= {"fault": frame.fault.fault, "text": str(frame.fault)}
            return said | {"raw": frame.raw[:RAW_BYTES_SHOWN].hex()}
        if frame.kind in SILENT:
            return said | _told(frame)
        try:
            said["values"] = _named(self.values(frame))
        except FrameError as fault:
            said |= {"values": {}, "undecoded": str(fault)}
        words = self.words(frame)
        return said | {"text": words} if words else said

    def summary(self) -> dict[str, Any]:
        """What was counted, as an object."""
        return {
            "frames": dict(self.kinds),
            "unanswered": self.unanswered,
            "rate_measured": self.rate and round(self.rate, 3),
            "rate_stated": list(self.setup.rate) if self.setup and self.setup.rate[0] else None,
            "faults": dict(self.faults),
        }

    def ending(self) -> str:
        """What was counted, in words."""
        counted = ", ".join(f"{count} {name}" for name, count in self.kinds.items()) or "no frame"
        words = f"{printable(self.key)}: {counted}"
        if self.rate is not None:
            words += f", {self.rate:.2f} a second"
            stated = self.setup.rate if self.setup and isinstance(self.latest, Frame) else (0, 0)
            words += f" (stated: {rate_words(stated)})" if stated[0] else ""
        words += f"; {self.unanswered} not answered" if self.unanswered else ""
        faults = ", ".join(f"{count} {name}" for name, count in self.faults.items())
        return f"{words}; faults: {faults or 'none'}"


def kind_name(kind: int) -> str:
    """A kind by its name, a number that has none as it is."""
    return Kind(kind).name.lower() if kind in Kind._value2member_map_ else f"kind {kind}"


def rate_words(rate: tuple[int, int]) -> str:
    """Frames in so many seconds."""
    frames, seconds = rate
    if not frames:
        return "no rate stated"
    return f"{frames} a second" if seconds == 1 else f"{frames} in {seconds} s"


def noticed_words(noticed: Mapping[str, int]) -> str:
    """What a driver noticed, by name."""
    return f"noticed: {', '.join(f'{count} {name}' for name, count in noticed.items())}"


def printable(text: str) -> str:
    """A text of a device's, harmless to a terminal."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def _channel(channel: Channel) -> dict[str, str]:
    return {"name": channel.name, "quantity": channel.quantity, "unit": channel.unit}


def _reading(slot: Slot, value: Value, blocks: Sequence[Block]) -> Reading:
    named = len(blocks) > 1 and slot.block < len(blocks)
    block = (blocks[slot.block].station or str(slot.block)) if named else ""
    return Reading(block, slot.name, slot.part, slot.quantity, slot.unit, value)


def _channels(found: Sequence[Reading]) -> Iterator[list[Reading]]:
    """Places that stand together and have one name are one channel."""
    group: list[Reading] = []
    for one in found:
        if group and (one.block, one.name) != (group[0].block, group[0].name):
            yield group
            group = []
        if group and one.part in (other.part for other in group):
            yield group  # the same name again is another channel
            group = []
        group.append(one)
    if group:
        yield group


def _row(group: Sequence[Reading]) -> str:
    first = group[0]
    name = printable(" ".join(word for word in (first.block, first.name) if word))
    words = []
    for one in group:
        said = _value_words(one)
        plain = one.part in ("", "magnitude", "angle", "real", "imaginary") or len(group) == 1
        words.append(said if plain else f"{printable(one.part)} {said}")
    return f"{name} {' '.join(words)}"


def _value_words(one: Reading) -> str:
    value, unit = one.value, one.unit
    if one.part == "angle" and unit == "rad" and isinstance(value, float):
        return f"at {degrees(value):.3f} deg" if isfinite(value) else "at -"
    said = words_of(value)
    if one.quantity in BITS and said.isdigit():
        return f"0x{int(said):04x}"
    if one.part == "imaginary":
        said = f"{said}j" if said.startswith("-") else f"+{said}j"
    return f"{said} {printable(unit)}" if unit and one.part != "real" else said


def words_of(value: Value) -> str:
    """A value without its unit."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value:.7g}" if isfinite(value) else "-"
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, str):
        return f'"{printable(value)}"'
    return _several(value)


def _several(values: tuple[Value, ...]) -> str:
    """Many values in few words."""
    if len(values) <= PARTS_SHOWN:
        return f"({', '.join(map(words_of, values))})"
    if len(set(values)) == 1:
        return f"{words_of(values[0])} ({len(values)} times)"
    numbers = [one for one in values if isinstance(one, float | int) and isfinite(one)]
    if len(numbers) < len(values):
        return f"({', '.join(map(words_of, values[:PARTS_SHOWN]))}, ... {len(values)} in all)"
    return f"{words_of(min(numbers))} to {words_of(max(numbers))} ({len(values)})"


def _told(frame: Frame) -> dict[str, Any]:
    """What an event says; nothing where it is none."""
    if frame.kind != Kind.EVENT:
        return {}
    try:
        found = event.read(frame.raw)
    except EvidenceError:
        return {}
    return {"event": found.event.name.lower(), "text": found.text, "count": found.count}


def _named(found: Sequence[Reading]) -> dict[str, dict[str, Any]]:
    """Values by name; one that is there again gets a number."""
    said: dict[str, dict[str, Any]] = {}
    seen: Counter[str] = Counter()
    for one in found:
        label = one.label
        seen[label] += 1
        if seen[label] > 1:
            label = f"{label} #{seen[label]}"
        said[label] = {"value": _json(one.value), "unit": one.unit}
    return said


def _json(value: Value) -> Any:
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, bytes):
        return value.hex()
    return [_json(part) for part in value] if isinstance(value, tuple) else value
