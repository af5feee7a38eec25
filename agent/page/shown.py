"""One stream as the page shows it: its devices with their phasors, or the words of its frames.

1. A frame is decoded when it is asked for, the latest alone, and once: by `drivers.decode`, as
   anywhere else.
2. A phasor is magnitude and angle (rad), whatever the device sends; a frequency is in Hz. What the
   device gave no value for is null.
3. A device's texts are printable (agent.reading), and bounded.

It hears nothing.
"""

from collections.abc import Sequence
from math import atan2, hypot
from typing import Any, NamedTuple

from agent import reading
from agent.hole import BEFORE_ALL
from agent.lane import Lane
from drivers.line import Frame, FrameError
from drivers.values import Slot, Value
from evidence.code import SILENT, Flag, TimeSource
from evidence.leap import NS, LeapTable

MS = 1_000_000
ROWS_MAX = 24  # words of one frame: more is for `listen`
NAME_CHARS_MAX = 64
PHASORS_MAX = 64  # of one device: the standard has no limit, a screen has
QUIET_NS = 2 * NS  # a stream that says nothing for so long, and two of its periods, is quiet
_DOUBTED = int(Flag.TIME_DOUBTED)


class Pair(NamedTuple):
    """A phasor's two places."""

    first: int
    second: int
    polar: bool

    def of(self, values: Sequence[Any]) -> tuple[float | None, float | None]:
        one, other = values[self.first], values[self.second]
        if not isinstance(one, float | int) or not isinstance(other, float | int):
            return None, None
        if not self.polar:
            one, other = hypot(one, other), atan2(other, one)
        return round(one, 4), round(other, 5)


class Device(NamedTuple):
    """One device of a stream: where its values stand."""

    name: str
    phasors: tuple[tuple[str, str, str], ...]  # name, quantity, unit
    pairs: tuple[Pair, ...]
    frequency: int | None
    rocof: int | None

    def told(self) -> dict[str, Any]:
        return {"name": self.name, "phasors": self.phasors}

    def values(self, found: Sequence[Value]) -> list[Any]:
        """[Hz, Hz/s, magnitude, angle, magnitude, ...]; what is no number becomes null in JSON."""
        said: list[Any] = [_number(found, self.frequency), _number(found, self.rocof)]
        for pair in self.pairs:
            said += pair.of(found)
        return said


class Shown:
    """One stream, as long as its setup rules."""

    __slots__ = ("_devices", "_table", "lane", "_latest", "_reading", "_said", "setup")

    def __init__(self, lane: Lane, table: LeapTable) -> None:
        self.lane, self.setup, self._table = lane, lane.setup, table
        self._latest: Frame | None = None
        self._said: tuple[Frame | None, dict[str, Any]] = (None, {})
        self._reading = reading.Stream(lane.key, table)
        if lane.setup is not None:
            self._reading.rule(lane.setup)
        slots = self._reading.compiled.slots if self._reading.compiled is not None else ()
        self._devices = _devices(
            slots, [one.station for one in lane.setup.blocks] if lane.setup else []
        )

    def hear(self, frame: Frame) -> None:
        if frame.kind not in SILENT:
            self._latest = frame

    def told(self) -> dict[str, Any]:
        """What it is."""
        setup = self.setup
        return {
            "source": self.lane.source,
            "key": _short(self.lane.key),
            "kind": reading.kind_name(setup.kind) if setup else None,
            "rate": reading.rate_words(setup.rate) if setup else None,
            "devices": [one.told() for one in self._devices],
        }

    def now(self, tai: int) -> dict[str, Any]:
        """What it measured last; nothing before there is something. `tai`: of this moment.

        Of a stream that fell silent before anybody looked only how long ago that was is known.
        """
        frame, last = self._latest, self.lane.newest
        if frame is None and last == BEFORE_ALL:
            return {}
        age_ns = tai - (last if frame is None else frame.heard.tai)
        quiet = age_ns > QUIET_NS + 2 * self.lane.period_ns
        if frame is None:
            return {"age_ms": age_ns // MS, "quiet": True} if quiet else {}
        if frame is not self._said[0]:
            self._said = (frame, self._said_of(frame))
        return self._said[1] | {"age_ms": max(age_ns, 0) // MS, "quiet": quiet}

    def _said_of(self, frame: Frame) -> dict[str, Any]:
        quality = self._reading.quality(frame)
        if self.lane.marks & _DOUBTED:
            quality = [*quality, "time_doubted"]
        said: dict[str, Any] = {
            "utc_ms": self._table.utc_ns(frame.tai) // MS,
            "late_us": (frame.heard.tai - frame.tai) // 1000,
            "bound_ns": frame.bound,
            "clock": TimeSource(frame.source).name.lower(),
            "quality": quality,
        }
        if not self._devices:
            return said | {"rows": [_short(row) for row in self._reading.rows(frame)[:ROWS_MAX]]}
        compiled = self._reading.compiled
        try:
            found = compiled.decode(frame.raw) if compiled is not None else ()
        except FrameError as fault:
            return said | {"rows": [_short(reading.printable(str(fault)))]}
        return said | {"devices": [one.values(found) for one in self._devices]}


def _devices(slots: Sequence[Slot], stations: Sequence[str]) -> tuple[Device, ...]:
    """Of those slots that are phasors and frequencies; none where no phasor is."""
    blocks: dict[int, list[int]] = {}
    for at, slot in enumerate(slots):
        blocks.setdefault(slot.block, []).append(at)
    found = []
    for block, places in blocks.items():
        name = stations[block] if block < len(stations) else ""
        pairs = [
            Pair(at, at + 1, slots[at].part == "magnitude")
            for at in places
            if slots[at].part in ("magnitude", "real") and at + 1 in places
        ][:PHASORS_MAX]
        names = tuple(
            (_short(slots[one.first].name), slots[one.first].quantity, slots[one.first].unit)
            for one in pairs
        )
        first = {slots[at].quantity: at for at in reversed(places) if not slots[at].part}
        frequency, rocof = first.get("frequency"), first.get("rocof")
        found.append(Device(_short(name), names, tuple(pairs), frequency, rocof))
    return tuple(found) if any(one.pairs for one in found) else ()


def _number(found: Sequence[Value], at: int | None) -> float | None:
    value = None if at is None else found[at]
    return round(value, 5) if isinstance(value, float | int) else None


def _short(text: str) -> str:
    return reading.printable(text)[:NAME_CHARS_MAX]
