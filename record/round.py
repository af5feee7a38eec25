"""One look over a stretch of the log after admission: everything that is found by value, a bit at a
time.

1. What is found depends on the entries from `start` until before `upto`, and on nothing else:
   record.audit makes the same round again, and must come to the same.
   What boards signed (record.refuted) may tell of entries before `start`, and is told once: in the
   round in which the last of what shows it stands.
2. First the heads, for which streams share a bus; then the bodies; then pairs of streams, and what
   boards signed. A step is HEADS_STEP heads, one body, or some readings of a pair: whoever has
   other work does it in between.

It writes nothing: the sequencer does (Appraised).
"""

from collections.abc import Iterator

from drivers.line import FrameError
from evidence import cose, head, observation
from evidence.code import OF_BOARDS, Class, Typ
from evidence.observation import Sample
from record.appraisal import Looked, Readings, Values, is_in, looked_at
from record.neighbour import Neighbours, is_compared
from record.refuted import Refuted
from record.schema import Entry
from record.sequencer import Appraised
from record.store import Store, StoreError

# Of one round; a record that is far behind makes several. 256 batches a second for ten minutes.
ENTRIES_MAX = 160_000
HEADS_STEP = 64


class Round:
    """A look at the entries from `start` until before `upto`."""

    def __init__(self, store: Store, readings: Readings, start: int, upto: int) -> None:
        self._store, self._readings = store, readings
        self._start, self._upto = start, upto
        self._values, self._neighbours = Values(), Neighbours()
        self._refuted = Refuted(store, readings.known, start, upto)
        self._work = self._steps()

    def step(self) -> Appraised | None:
        """Goes on; what was found, when that was the last. Raises StoreError."""
        if next(self._work, self) is None:
            return None
        found = (self._values, self._neighbours, self._refuted)
        return Appraised(self._upto, [doubt for one in found for doubt in one.doubts()])

    def run(self) -> Appraised:
        """All of it at once. Raises StoreError."""
        while True:
            found = self.step()
            if found is not None:
                return found

    def _steps(self) -> Iterator[None]:
        for idx in range(self._start, self._upto):
            self._meet(self._entry(idx))
            if idx % HEADS_STEP == 0:
                yield None
        for idx in range(self._start, self._upto):
            looked = looked_at(self._store, self._readings, self._entry(idx))
            self._values.take(looked)
            for one in looked:
                if one.reading.places and self._neighbours.shared(one.reading.known):
                    self._compare(one)
            if looked:
                yield None
        while self._neighbours.step():
            yield None
        yield from self._refuted.steps()

    def _meet(self, entry: Entry) -> None:
        if entry.typ != Typ.HEAD:
            return
        of = head.read(cose.read(entry.encoded).payload)
        for part in of.ranges:
            reading = self._readings.of(part.descriptor)
            if reading is not None and reading.places:
                self._neighbours.meet(reading.known)
            if reading is not None and reading.known.descriptor.kind in OF_BOARDS:
                self._refuted.meet(of)

    def _compare(self, looked: Looked) -> None:
        """Gives what is worth it to the comparison."""
        reading, over = looked.reading, looked.without(Class.PLACE_DOUBTFUL)
        for sample in _samples(looked):
            doubted = is_in(sample.seq, over)
            other = sample.kind != reading.known.descriptor.kind
            if reading.frames is None or doubted or other or not is_compared(sample.tai):
                continue
            try:
                values = reading.frames.decode(sample.raw)
            except FrameError:
                continue
            at = (sample.tai, sample.seq, looked.entry.subject)
            self._neighbours.add(reading.known, reading.places, values, *at)

    def _entry(self, idx: int) -> Entry:
        entry = self._store.entry(idx)
        if entry is None:
            raise StoreError(f"entry {idx} is missing")
        return entry


def _samples(looked: Looked) -> Iterator[Sample]:
    """The observations of a range whose links held."""
    at = looked.start
    for _ in range(looked.part.count):
        sample, _, at = observation.read_at(looked.body, at)
        yield sample
