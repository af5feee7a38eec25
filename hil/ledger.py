"""What a record holds, read from its database while it is written: counts, and the last values.

1. Only what the record has committed counts, and it is read from its file alone: no word of the
   agent's goes in.
2. Each entry is read once; what is kept is bounded by the number of streams, and INSTANTS_MAX.
3. Values are decoded as anyone with the record would: descriptor, disclosed configuration, raw.

It checks no signature: `gridseal-record verify` does.
"""

from collections import Counter, OrderedDict
from pathlib import Path
from typing import NamedTuple

from drivers import decode
from drivers.c37118.frame import parse_header
from drivers.line import FrameError
from evidence import cose, head, observation
from evidence.code import Kind, Typ
from evidence.head import Range
from hil.devices.unit import INSTANTS_MAX
from record.known import Known
from record.store import Store, open_reader

LAST_MAX = 32  # data frames of one device that are held to find an instant that all have


class Reading(NamedTuple):
    """The last values of one device, in Hz and rad; None where its frames do not say."""

    tai: int
    frequency_hz: float | None
    angle_rad: float | None


class _Last(NamedTuple):
    """One data frame as it stands in the record."""

    place: Range
    kind: int
    raw: bytes


class Ledger:
    """One record. `look` reads on; `close` lets go of the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._store: Store | None = None
        self._known: Known | None = None
        self._next = 0
        self.kinds: Counter[int] = Counter()  # observations by kind
        self.data: Counter[int] = Counter()  # data frames by IDCODE
        # SOC and FRACSEC of data frames by IDCODE, up to INSTANTS_MAX of each; and how often one
        # came a second time.
        self.instants: dict[int, set[tuple[int, int]]] = {}
        self.repeated = 0
        self.last_batch: int | None = None  # log index of the last batch: each has its receipt
        self.batches = 0
        self._last: dict[int, OrderedDict[int, _Last]] = {}  # by IDCODE and instant

    @property
    def size(self) -> int:
        """Entries of the log."""
        return self._next

    @property
    def observations(self) -> int:
        return sum(self.kinds.values())

    def look(self, live: bool = True) -> None:
        """Reads what is new; `live`: while it is written. Raises StoreError."""
        if self._store is None:
            self._store = open_reader(self._path, live)
            self._known = Known(self._store)
        self._store.snapshot()
        try:
            for entry in self._store.entries(self._next):
                if entry.typ == Typ.HEAD:
                    self._batch(entry.encoded, self._store.body(entry.idx) or b"")
                    self.last_batch = entry.idx
                    self.batches += 1
                self._next = entry.idx + 1
        finally:
            self._store.rollback()

    def close(self) -> None:
        """Idempotent; the next look opens it again."""
        if self._store is not None:
            self._store.close()
            self._store = self._known = None

    def readings(self) -> dict[int, Reading]:
        """The last values by IDCODE, as the record's own statements let anyone decode them.

        Those of the last instant that all have, so that angles can be compared; else each its last.
        """
        held = [set(frames) for frames in self._last.values()]
        alike = max(set.intersection(*held), default=None) if held else None
        found: dict[int, Reading] = {}
        for idcode, frames in self._last.items():
            tai = next(reversed(frames)) if alike is None else alike
            reading = self._reading(tai, frames[tai])
            if reading is not None:
                found[idcode] = reading
        return found

    def last_instants(self) -> dict[int, int]:
        """The latest instant of a data frame by IDCODE, ns TAI."""
        return {idcode: max(frames) for idcode, frames in self._last.items()}

    def _reading(self, tai: int, last: _Last) -> Reading | None:
        known = self._known.descriptor(last.place.descriptor) if self._known else None
        try:
            found = decode.compiled(last.kind, (known.configuration if known else None) or b"")
            values = found.decode(last.raw)
        except FrameError:
            return None
        frequency = angle = None
        for slot, value in zip(found.slots, values, strict=True):
            if not isinstance(value, float):
                continue
            if slot.quantity == "frequency":
                frequency = value
            elif angle is None and slot.quantity == "voltage" and slot.part == "angle":
                angle = value
        return Reading(tai, frequency, angle)

    def _batch(self, encoded: bytes, body: bytes) -> None:
        at = 0
        for place in head.read(cose.read(encoded).payload).ranges:
            for _ in range(place.count):
                sample, _, at = observation.read_at(body, at)
                self.kinds[sample.kind] += 1
                if sample.kind == Kind.C37118:
                    self._data(place, sample.kind, sample.tai, sample.raw)

    def _data(self, place: Range, kind: int, tai: int, raw: bytes) -> None:
        header = parse_header(raw)
        self.data[header.idcode] += 1
        last = self._last.setdefault(header.idcode, OrderedDict())
        last[tai] = _Last(place, kind, raw)
        if len(last) > LAST_MAX:
            last.popitem(last=False)
        instants = self.instants.setdefault(header.idcode, set())
        instant = (header.soc, header.fracsec)
        if instant in instants:
            self.repeated += 1
        elif len(instants) < INSTANTS_MAX:
            instants.add(instant)
