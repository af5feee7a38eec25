"""What a record admitted of each line, frame by frame, with the values that anyone with the record
decodes: descriptor, disclosed configuration, raw.

1. Only what is committed counts, read from the file alone, in the order of the log.
2. When a frame was admitted is what the checkpoint over it says: the log's own clock.
3. A frame that cannot be decoded is told without values, and counted by whoever asks.

It checks no signature: `gridseal-record verify` does.
"""

import cmath
import math
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple, Protocol

from drivers import decode
from drivers.line import FrameError
from drivers.values import Compiled, Values
from evidence import checkpoint, cose, descriptor
from evidence.code import SILENT, Kind, Typ
from hil.faults.holding import Lines
from hil.faults.judge import Place
from hil.faults.step import Step, steps
from record.known import Known
from record.store import Store

PHASOR_PARTS = ("magnitude", "angle"), ("real", "imaginary")


class Described(Protocol):
    """What is asked of a descriptor."""

    @property
    def configuration(self) -> bytes | None: ...


class Lookup(Protocol):
    """Descriptors by name."""

    def descriptor(self, name: bytes) -> Described | None: ...


class Phasor(NamedTuple):
    """Where a phasor stands among the values: its first place; the second follows it."""

    name: str
    current: bool
    at: int
    polar: bool


class Shape(NamedTuple):
    """Which of the values are what, of the frames of one descriptor. None: there is none."""

    compiled: Compiled
    phasors: tuple[Phasor, ...]
    hz: int | None
    rocof: int | None


class Admitted(NamedTuple):
    """One measurement. `values`: None where they cannot be had. Instants ns TAI; `arrived` by the
    gateway's clock, `logged` by the log's."""

    line: str
    tai: int
    arrived: int
    logged: int
    shape: Shape | None
    values: Values | None


class Contents:
    """How much of what there is: filled while it is read."""

    def __init__(self) -> None:
        self.entries: Counter[str] = Counter()
        self.observations: Counter[str] = Counter()
        self.undecoded = 0


class Admission:
    """One record."""

    def __init__(self, store: Store, lines: Lines) -> None:
        self.contents = Contents()
        self._store, self._lines, self._known = store, lines, Known(store)
        self._shapes: dict[bytes, Shape | None] = {}
        self._runs: dict[bytes, bytes] = {}  # by descriptor
        self._instants = self._sizes()
        self._size, self._logged = next(self._instants, (0, 0))

    def frames(self) -> Iterator[Admitted]:
        """Every measurement. Raises StoreError, EvidenceError."""
        for step in steps(self._store):
            yield from self.taken(step)

    def taken(self, step: Step) -> Iterator[Admitted]:
        """Those of the next entry, by whoever reads the log for several. Raises StoreError,
        EvidenceError."""
        idx, typ = step.entry.idx, step.entry.typ
        while idx >= self._size:
            self._size, self._logged = next(self._instants, (idx + 1, self._logged))
        self.contents.entries[Typ(typ).name.lower()] += 1
        if typ == Typ.DESCRIPTOR:
            self._runs[step.message.name] = descriptor.read(step.message.payload).run
        for part, samples in step.parts:
            run = self._runs[part.descriptor]
            line = self._lines.of(Place(run, part.stream, part.first_seq))
            for sample, _, _ in samples:
                self.contents.observations[Kind(sample.kind).name.lower()] += 1
                if sample.kind not in SILENT:
                    shape = self._shape(part.descriptor, sample.kind)
                    values = self._values(shape, sample.raw)
                    arrived = sample.tai + sample.heard
                    yield Admitted(line, sample.tai, arrived, self._logged, shape, values)

    def _sizes(self) -> Iterator[tuple[int, int]]:
        """Sizes of the log, rising, and when it was so large."""
        for size in self._store.checkpoints():
            encoded = self._store.checkpoint(size)
            if encoded is not None:
                yield size, checkpoint.read(cose.read(encoded).payload).tai

    def _shape(self, name: bytes, kind: int) -> Shape | None:
        if name not in self._shapes:
            self._shapes[name] = shape_of(self._known, name, kind)
        return self._shapes[name]

    def _values(self, shape: Shape | None, raw: bytes) -> Values | None:
        try:
            if shape is not None:
                return shape.compiled.decode(raw)
        except FrameError:
            pass
        self.contents.undecoded += 1
        return None


def shape_of(known: Lookup, name: bytes, kind: int) -> Shape | None:
    """Of the frames of a descriptor; None where its configuration is not there, or is none.

    Raises what the look-up raises.
    """
    of = known.descriptor(name)
    try:
        return shaped(decode.compiled(kind, (of.configuration if of else None) or b""))
    except FrameError:
        return None


def shaped(compiled: Compiled) -> Shape:
    """What stands where. Of several devices in a frame, the first's frequency."""
    phasors, hz, rocof = [], None, None
    slots = compiled.slots
    for at, (slot, after) in enumerate(pairwise(slots)):
        if (slot.part, after.part) in PHASOR_PARTS and slot.name == after.name:
            current = slot.quantity == "current"
            phasors.append(Phasor(slot.name.strip(), current, at, slot.part == "magnitude"))
    for at, slot in reversed(list(enumerate(slots))):
        if slot.quantity == "frequency":
            hz = at
        elif slot.quantity == "rocof":
            rocof = at
    return Shape(compiled, tuple(phasors), hz, rocof)


def number(values: Values, at: int | None) -> float | None:
    """A finite number at a place; None where the device gave none."""
    value = None if at is None else values[at]
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def phasor(values: Values, of: Phasor) -> complex | None:
    """A phasor among the values; None where the device gave none."""
    one, two = values[of.at], values[of.at + 1]
    if not isinstance(one, int | float) or not isinstance(two, int | float):
        return None
    if not math.isfinite(one + two):
        return None
    return cmath.rect(one, two) if of.polar else complex(one, two)
