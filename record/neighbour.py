"""PMUs of one bus that different gateways hear: whether their clocks agree, by what the grid itself
tells (drivers.pmu.beside). Two on one gateway are that gateway's to compare.

1. Compared are streams whose voltages name the same node, of different devices, over the instants
   of one stretch of the log; of each the first such phasor of a block, its frequency and ROCOF.
2. A sample that is worth less than PLACE_UNCHECKED by its receipt is compared with nothing: what is
   known to be wrong would make its neighbour look so.
3. Of two clocks that are apart nobody knows which is wrong: both ranges are TIME_DOUBTFUL. Where
   more are in step with each other, and apart from one, it is that one.
4. Where too little has moved to tell the log says so (NOT_SEPARABLE): it makes nothing worth less,
   and nothing better.
5. STREAMS_MAX streams of a stretch are compared, NODE_MAX of one bus and DEVICE_MAX of one device
   there, the first that come; of each READINGS_MAX readings. A step is PAIRS_STEP readings of two
   streams.

It reads what it is given, writes nothing, and asks no clock.
"""

import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, islice
from typing import NamedTuple

from drivers.pmu.beside import (
    SAME_NS,
    STEP_NS,
    WINDOW_S,
    Beside,
    Reading,
    State,
    paired,
    step_of,
    together,
)
from drivers.values import Slot, Values
from evidence.classification import Finding
from evidence.code import Class, Kind, Reason
from evidence.descriptor import Descriptor
from evidence.leap import NS
from record.channel import channels_of
from record.continuity import Doubt
from record.known import KnownDescriptor
from record.schema import INT_MAX

STREAMS_MAX = 128  # in memory: 200 KiB each
NODE_MAX = 6
DEVICE_MAX = 3  # each start of a gateway makes streams of a new run: none takes all the places
READINGS_MAX = WINDOW_S * NS // STEP_NS  # as many as the comparison looks at
PAIRS_STEP = 256  # some ms
PMU_KINDS = frozenset({Kind.C37118, Kind.IEEE1344, Kind.MCU_C37118})
_APART = (int(Class.TIME_DOUBTFUL), int(Reason.TIME_CONTRADICTED))
_OPEN = (int(Class.SETTLEABLE), int(Reason.NOT_SEPARABLE))
_PARTS = {"magnitude": "angle", "real": "imaginary"}
Key = tuple[int, int]  # run id and stream


class Places(NamedTuple):
    """Where in a frame's values the readings of a bus are."""

    node: bytes
    phasor: int  # its first place
    polar: bool
    frequency: int
    rocof: int

    def reading(self, tai: int, values: Values) -> Reading:
        first, second, frequency, rocof = (
            _number(values[at]) for at in (self.phasor, self.phasor + 1, self.frequency, self.rocof)
        )
        if self.polar:
            angle = second if first > 0 else math.nan
        else:
            angle = math.atan2(second, first) if first or second else math.nan
        return Reading(tai, angle, frequency, rocof)


def nodes_of(of: Descriptor) -> frozenset[bytes]:
    """The buses whose voltages a stream of PMUs tells."""
    if of.kind not in PMU_KINDS:
        return frozenset()
    return frozenset(
        channel.node
        for channel in of.channels
        if channel.node is not None and channel.quantity == "voltage"
    )


def places_of(known: KnownDescriptor, slots: Sequence[Slot]) -> tuple[Places, ...]:
    """One bus a row: its first voltage that stands beside a frequency of its block."""
    if known.descriptor.kind not in PMU_KINDS:
        return ()
    found: dict[bytes, Places] = {}
    of_block = {(slot.block, slot.quantity): at for at, slot in reversed([*enumerate(slots)])}
    channels = channels_of(known, slots)
    for at, slot in enumerate(slots[:-1]):
        channel = channels[at]
        node = None if channel is None else known.descriptor.channels[channel].node
        whole = slot.part in _PARTS and slots[at + 1].part == _PARTS[slot.part]
        beside = [of_block.get((slot.block, what)) for what in ("frequency", "rocof")]
        if node is None or slot.quantity != "voltage" or not whole or None in beside:
            continue
        frequency, rocof = (one or 0 for one in beside)
        found.setdefault(node, Places(node, at, slot.part == "magnitude", frequency, rocof))
    return tuple(found.values())


@dataclass(slots=True)
class _Stream:
    """One stream at one bus: its readings, and the range that they are of."""

    key: Key
    device: bytes
    run: bytes
    rate: tuple[int, int]
    first: int = -1
    last: int = -1
    begins: bytes = b""
    ends: bytes = b""
    tai: "array[int]" = field(default_factory=lambda: array("q"))
    said: "array[float]" = field(default_factory=lambda: array("d"))

    def readings(self) -> Iterator[Reading]:
        """In order of time: a backlog comes late."""
        said = self.said
        for at in sorted(range(len(self.tai)), key=self.tai.__getitem__):
            yield Reading(self.tai[at], *said[3 * at : 3 * at + 3])


class Neighbours:
    """The buses of one stretch. `meet` all streams first, then `add` readings, then `step`."""

    def __init__(self) -> None:
        self._met: dict[bytes, dict[Key, bytes]] = {}  # by node: streams, and their device
        self._streams: dict[tuple[bytes, Key], _Stream] = {}
        self._pairs: Iterator[None] | None = None
        self._apart: dict[tuple[bytes, Key], set[Key]] = {}
        self._in_step: dict[tuple[bytes, Key], set[Key]] = {}
        self._open: set[tuple[bytes, Key]] = set()

    def meet(self, known: KnownDescriptor) -> None:
        """A stream is in the stretch, under this descriptor."""
        key = (known.run.id, known.descriptor.stream)
        for node in nodes_of(known.descriptor):
            met = self._met.setdefault(node, {})
            device = known.run.device
            if len(met) < NODE_MAX and [*met.values()].count(device) < DEVICE_MAX:
                met.setdefault(key, device)

    def shared(self, known: KnownDescriptor) -> bool:
        """Whether a stream is at a bus that another device is at as well."""
        key = (known.run.id, known.descriptor.stream)
        return any(self._is_shared(node, key) for node in nodes_of(known.descriptor))

    def add(
        self,
        known: KnownDescriptor,
        places: Sequence[Places],
        values: Values,
        tai: int,
        seq: int,
        subject: bytes,
    ) -> None:
        """A sample of a stream that is shared, at an instant that is compared, in the entry with
        this subject."""
        key = (known.run.id, known.descriptor.stream)
        for place in places:
            if not self._is_shared(place.node, key):
                continue
            stream = self._streams.get((place.node, key))
            if stream is None:
                if len(self._streams) >= STREAMS_MAX:
                    continue
                run, rate = known.run, known.descriptor.rate
                stream = self._streams[place.node, key] = _Stream(key, run.device, run.name, rate)
            if len(stream.tai) < READINGS_MAX:
                _keep(stream, place.reading(tai, values), seq, subject)

    def step(self) -> bool:
        """Compares on; whether there is more."""
        if self._pairs is None:
            self._pairs = self._compare()
        return next(self._pairs, True) is None

    def doubts(self) -> list[Doubt]:
        """What was found, once `step` has nothing more."""
        found: list[Doubt] = []
        for place in sorted(self._streams):
            apart = self._apart.get(place)
            if apart is not None and not self._outvoted(place):
                found.append(_doubt(self._streams[place], _APART))
            elif place in self._open:
                found.append(_doubt(self._streams[place], _OPEN))
        return found

    def _is_shared(self, node: bytes, key: Key) -> bool:
        met = self._met.get(node, {})
        return key in met and len(set(met.values())) > 1

    def _compare(self) -> Iterator[None]:
        """A value whenever PAIRS_STEP readings have been compared."""
        by_node: dict[bytes, list[_Stream]] = {}
        for (node, _), stream in sorted(self._streams.items()):
            by_node.setdefault(node, []).append(stream)
        for node, streams in by_node.items():
            for first, second in combinations(streams, 2):
                if first.device == second.device:
                    continue
                step_ns = step_of(first.rate, second.rate)
                if step_ns is None:
                    self._tell(node, first.key, second.key, State.NOT_SEPARABLE)
                    continue
                beside = Beside(step_ns)
                pairs = paired(first.readings(), second.readings())
                while some := list(islice(pairs, PAIRS_STEP)):
                    for one, other in some:
                        if (one.tai + SAME_NS) % step_ns <= 2 * SAME_NS:
                            beside.add(one, other)
                    yield None
                found = together(beside.by_angle(), beside.by_rate())
                self._tell(node, first.key, second.key, found.state)

    def _tell(self, node: bytes, first: Key, second: Key, state: State) -> None:
        told = {State.OFF: self._apart, State.IN_STEP: self._in_step}.get(state)
        for one, other in ((first, second), (second, first)):
            if told is None:
                self._open.add((node, one))
            else:
                told.setdefault((node, one), set()).add(other)

    def _outvoted(self, place: tuple[bytes, Key]) -> bool:
        """Whether each that a stream is apart from is apart from one that it is in step with too,
        and has fewer such friends itself."""
        node, _ = place
        friends = self._in_step.get(place, set())
        for key in self._apart[place]:
            other = (node, key)
            both = friends & self._apart.get(other, set())
            if not both or len(self._in_step.get(other, set())) >= len(friends):
                return False
        return True


def is_compared(tai: int) -> bool:
    """Whether an instant is one of those that devices of different rates have in common. No clock
    counts beyond INT_MAX, though it may be signed.
    """
    return tai <= INT_MAX and (tai + SAME_NS) % STEP_NS <= 2 * SAME_NS


def _keep(stream: _Stream, one: Reading, seq: int, subject: bytes) -> None:
    if stream.first < 0 or seq < stream.first:
        stream.first, stream.begins = seq, subject
    if seq > stream.last:
        stream.last, stream.ends = seq, subject
    stream.tai.append(one.tai)
    stream.said.extend(one[1:])


def _doubt(stream: _Stream, grade: tuple[int, int]) -> Doubt:
    _, number = stream.key
    finding = Finding(stream.run, None, number, stream.first, stream.last, *grade)
    return Doubt(finding, tuple(dict.fromkeys((stream.begins, stream.ends))))


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
