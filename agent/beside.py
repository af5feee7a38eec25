"""Devices of one bus, two by two, as far as this gateway hears both: what their angles say of their
clocks (drivers.pmu.beside).

1. Which devices share a bus the site plan says. Of each one voltage is looked at: the positive
   sequence, else phase A, else the first; which it is makes no difference but a constant. What is
   heard of a source in a test (agent.trial) is looked at by nobody.
2. It decodes what was heard and sealed already, ten frames a second of each, and only those that
   say of themselves that value and time are good: a device that admits that it is not synchronised
   contradicts nobody.
3. Two clocks that are apart at two looks on end trip PAIR_ANGLE or PAIR_RATE. Who is doubted: the
   one that a third device of the bus, in step with the other, is apart from as well; else the one
   that its arrivals speak against (agent.guard); else both, for the grid cannot tell.
4. What stands is over when a window that began after it was found shows them in step, and not when
   nothing can be told. `not separable` is no alarm, and never "in step".
5. Memory is bounded: MEMBERS_MAX devices of a bus, HOLD readings of each that wait for the other's.

It seals nothing itself, and asks no clock: time is that of the devices.
"""

import logging
import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from agent.description import planned
from agent.guard import OF_ARRIVAL, Change
from agent.hearing import Hearing
from drivers import decode
from drivers.line import Block, Frame, FrameError, Setup
from drivers.pmu.beside import SAME_NS, STEP_NS, Beside, Finding, Reading, State, step_of, together
from drivers.values import Compiled, Slot, Values
from evidence.code import Check, Kind
from evidence.leap import NS
from evidence.misset import span
from evidence.siteplan import SitePlan, Stream

MEMBERS_MAX = 8  # of one bus: 28 pairs
HOLD = 100  # readings, ten seconds: longer than a concentrator waits
EVERY_NS = 10 * NS  # between two looks at what a pair says
_KINDS = frozenset({Kind.C37118, Kind.IEEE1344, Kind.MCU_C37118})
_PHASES = ("1", "A", "")  # of the voltages, best first
log = logging.getLogger("gridseal.beside")

Of = tuple[str, str]  # source and key of a stream


class _View(NamedTuple):
    """Where in a frame's values one device's voltage, frequency and ROCOF stand."""

    angle: tuple[int, int] | int  # real and imaginary, or the angle
    frequency: int | None
    rocof: int | None

    def reading(self, tai: int, values: Values) -> Reading:
        if isinstance(self.angle, int):
            angle = _number(values, self.angle)
        else:
            real, imaginary = (_number(values, at) for at in self.angle)
            angle = math.atan2(imaginary, real) if real or imaginary else math.nan
        return Reading(tai, angle, _number(values, self.frequency), _number(values, self.rocof))


class _Member:
    """One device of a bus."""

    __slots__ = ("block", "bus", "name", "of", "readings", "setup", "view")

    def __init__(self, of: Of, setup: Setup, block: Block, bus: str, view: _View) -> None:
        self.of, self.setup, self.block, self.bus, self.view = of, setup, block, bus, view
        self.name = f"{of[0]} {block.station or of[1]}"
        self.readings: OrderedDict[int, Reading] = OrderedDict()  # by place


class _Pair:
    """Two of them, and what is found."""

    __slots__ = (
        *("angle", "beside", "first", "looked", "off", "rate", "second", "seen", "step_ns", "told"),
    )

    def __init__(self, first: _Member, second: _Member, step_ns: int) -> None:
        self.first, self.second, self.step_ns = first, second, step_ns
        self.looked = 0  # at which instant of the devices
        self.off: Check | None = None  # what stands
        self.seen: Check | None = None  # what the last look found
        self.angle = self.rate = Finding(State.NOT_SEPARABLE, None, None, "heard too briefly")
        self.told = self.angle  # what it was that stands
        self._begin()

    def _begin(self) -> None:
        self.beside = Beside(self.step_ns, _slack_ns(self.first.block, self.second.block))

    def add(self, first: Reading, second: Reading) -> bool:
        """Whether it was time for a look."""
        self.beside.add(first, second)
        if abs(first.tai - self.looked) < EVERY_NS:
            return False
        self.looked = first.tai
        self.angle, self.rate = self.beside.by_angle(), self.beside.by_rate()
        found = self._found()
        if found is not None and found == self.seen:
            self.off, self.told = found, together(self.angle, self.rate)
            self._begin()  # rule 4: what is over is over in a window of its own
        elif self.off is not None and self.angle.state is State.IN_STEP:
            self.off = None
        self.seen = found
        return True

    def _found(self) -> Check | None:
        if self.angle.state is State.OFF:
            return Check.PAIR_ANGLE
        return Check.PAIR_RATE if together(self.angle, self.rate) is self.rate else None

    @property
    def in_step(self) -> bool:
        return self.off is None and self.angle.state is State.IN_STEP

    def words(self, member: _Member) -> str:
        """What stands, of one of the two."""
        other, off_ns = self.first, self.told.off_ns or 0
        if member is self.first:
            other, off_ns = self.second, -off_ns
        by = f"{span(off_ns)} {'ahead of' if off_ns > 0 else 'behind'} that of {other.name}"
        good = span(self.told.uncertainty_ns or 0)
        return f"on bus {member.bus} its clock is {by}, good to {good}"


class Neighbours:
    """All pairs of the gateway. To be shown what a source's driver brought, once it is sealed."""

    def __init__(self, plan: SitePlan, hearing: Hearing) -> None:
        self._hearing = hearing
        self._sources = {one.source: one for one in plan.stream if _buses(one)}
        self._members: dict[Of, list[_Member]] = {}
        self._pairs: dict[str, list[_Pair]] = {}  # by bus
        self._tripped: set[tuple[Of, Check]] = set()

    def hear(self, source: str, items: Sequence[Frame | Setup]) -> None:
        """What one read brought, in order."""
        stream = self._sources.get(source)
        if stream is None:
            return
        tested = source in self._hearing.trials and self._hearing.trials[source].marks
        for item in items:
            if isinstance(item, Setup):
                self._set_up(stream, item)
            elif tested:
                continue  # what is injected contradicts nobody
            elif (item.tai + SAME_NS) % STEP_NS <= 2 * SAME_NS and item.fault is None:
                for member in self._members.get((source, item.key), ()):
                    if item.kind == member.setup.kind:
                        self._read(member, item)

    def report(self) -> list[dict[str, Any]]:
        """Each pair, for status."""
        return [
            {
                "bus": bus,
                "devices": [pair.first.name, pair.second.name],
                "state": str(State.OFF if pair.off else together(pair.angle, pair.rate).state),
                "angle": _told(pair.angle),
                "rate": _told(pair.rate),
            }
            for bus, pairs in self._pairs.items()
            for pair in pairs
        ]

    def _set_up(self, stream: Stream, setup: Setup) -> None:
        of = (stream.source, setup.key)
        before = self._members.get(of, [])
        if any(one.setup == setup for one in before) or not self._hearing.hears(of):
            return
        try:
            found = list(_members(of, setup, stream)) if setup.kind in _KINDS else []
        except FrameError as fault:
            log.warning("%s: not compared with others of its bus: %s", stream.source, fault)
            found = []
        if found or before:
            self._members[of] = found
            self._pair()

    def _pair(self) -> None:
        """Pairs anew, and those that stay as they are."""
        there = {
            (pair.first, pair.second): pair for pairs in self._pairs.values() for pair in pairs
        }
        buses: dict[str, list[_Member]] = {}
        for members in self._members.values():
            for one in members:
                buses.setdefault(one.bus, []).append(one)
        self._pairs = {}
        for bus, members in buses.items():
            if len(members) > MEMBERS_MAX:
                log.warning("bus %s: of %d devices %d are compared", bus, len(members), MEMBERS_MAX)
            for two in combinations(members[:MEMBERS_MAX], 2):
                step_ns = step_of(two[0].setup.rate, two[1].setup.rate)
                if step_ns is not None:
                    pair = there.get(two) or _Pair(*two, step_ns)
                    self._pairs.setdefault(bus, []).append(pair)
        self._judge()

    def _read(self, member: _Member, frame: Frame) -> None:
        try:
            compiled = decode.compiled(member.setup.kind, member.setup.configuration)
            if compiled.judge(_slices(compiled, frame.raw)):
                return  # rule 2
            reading = member.view.reading(frame.tai, compiled.decode(frame.raw))
        except FrameError:
            return  # the record says so of it; here it is no reading
        place = (frame.tai + SAME_NS) // STEP_NS
        member.readings[place] = reading
        if len(member.readings) > HOLD:
            member.readings.popitem(last=False)
        looked = False
        for pair in self._pairs.get(member.bus, ()):
            if place * STEP_NS % pair.step_ns == 0 and member in (pair.first, pair.second):
                first, second = pair.first.readings.get(place), pair.second.readings.get(place)
                if first is not None and second is not None:
                    looked = pair.add(first, second) or looked
        if looked:
            self._judge()

    def _judge(self) -> None:
        """Rule 3, over all buses: each stream and check once."""
        found: dict[tuple[Of, Check], str] = {}
        for pairs in self._pairs.values():
            for pair in pairs:
                if pair.off is not None:
                    guilty = self._guilty(pair, pairs)
                    which = "; which of the two is off the grid does not tell"
                    for member in guilty:
                        words = pair.words(member) + which * (len(guilty) - 1)
                        found.setdefault((member.of, pair.off), words)
        for of, check in sorted(self._tripped - found.keys()):
            self._hearing.doubt(of, [Change(check, False, "in step, or heard no more")])
        for (of, check), words in found.items():
            self._hearing.doubt(of, [Change(check, True, words)])
        self._tripped = set(found)

    def _guilty(self, pair: _Pair, pairs: list[_Pair]) -> list[_Member]:
        two = (pair.first, pair.second)
        outvoted = [one for one, other in (two, two[::-1]) if _outvoted(one, other, pairs)]
        late = [one for one in two if self._hearing.checks.tripped(one.of, *OF_ARRIVAL)]
        return next((few for few in (outvoted, late) if len(few) == 1), [*two])


def _outvoted(one: _Member, other: _Member, pairs: Sequence[_Pair]) -> bool:
    """Whether a third device is in step with the other, and apart from this one."""
    with_one = dict(_thirds(one, pairs))
    return any(
        pair.in_step and third in with_one and with_one[third].off is not None
        for third, pair in _thirds(other, pairs)
    )


def _thirds(one: _Member, pairs: Sequence[_Pair]) -> Iterator[tuple[_Member, _Pair]]:
    for pair in pairs:
        if one in (pair.first, pair.second):
            yield (pair.second if pair.first is one else pair.first), pair


def _buses(stream: Stream) -> bool:
    return bool(stream.bus) or any(channel.bus for channel in stream.channel)


def _members(of: Of, setup: Setup, stream: Stream) -> Iterator[_Member]:
    """One a bus and device: the best voltage there. Raises FrameError."""
    slots = decode.compiled(setup.kind, setup.configuration).slots
    for number, block in enumerate(setup.blocks):
        best: dict[str, tuple[int, str]] = {}
        for channel in block.channels:
            known = planned(stream, block.idcode, channel.name)
            bus = known.bus or stream.bus
            if channel.quantity == "voltage" and bus and known.phase in _PHASES:
                rank = _PHASES.index(known.phase)
                if bus not in best or rank < best[bus][0]:
                    best[bus] = (rank, channel.name)
        for bus, (_, name) in best.items():
            view = _view([slot if slot.block == number else None for slot in slots], name)
            if view is not None:
                yield _Member(of, setup, block, bus, view)


def _view(slots: Sequence[Slot | None], voltage: str) -> _View | None:
    """`slots`: of one device, None in place of the others'."""
    places = {
        (slot.name if slot.quantity == "voltage" else "", slot.quantity, slot.part): at
        for at, slot in reversed([*enumerate(slots)])  # of two alike the first
        if slot is not None
    }
    angle: int | tuple[int, int] | None = places.get((voltage, "voltage", "angle"))
    if angle is None and (voltage, "voltage", "real") in places:
        real = places[voltage, "voltage", "real"]
        angle = (real, real + 1)
    if angle is None:
        return None
    return _View(angle, places.get(("", "frequency", "")), places.get(("", "rocof", "")))


def _slack_ns(first: Block, second: Block) -> int:
    """What two frequencies may be shifted by their filters, where both say so: group delays that
    are not taken out, and windows of two classes.
    """
    delays = (first.group_delay_us or 0, second.group_delay_us or 0)
    windows = (first.window_us or 0, second.window_us or 0)
    return (abs(delays[0] - delays[1]) + abs(windows[0] - windows[1]) // 2) * 1000


def _slices(compiled: Compiled, raw: bytes) -> tuple[bytes, ...]:
    return tuple(raw[at : at + length] for at, length in compiled.judge.slices)


def _number(values: Values, at: int | None) -> float:
    value = values[at] if at is not None else None
    return float(value) if isinstance(value, int | float) else math.nan


def _told(finding: Finding) -> dict[str, Any]:
    return {**finding._asdict(), "state": str(finding.state)}
