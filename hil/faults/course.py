"""What a record says of each measurement, and of each cross-check, in the order of its log: read
while it is written, or after.

1. Only what the record has committed counts, and it is read from its file alone: the class by the
   receipt of each position, and the finding about it where that is worse.
2. Arrivals are put on the bench's clock where the gateway's was set (`true_ns`).
3. Frames that measure nothing, and the gateway's own words, are no measurements; of those, events
   of checks are told.
4. Who looks while it is written keeps all measurements of a trial, for a finding may come later
   (`look`, `told`). Who reads a record that is whole knows all findings from the beginning, takes
   one measurement after the other (`taken`) and keeps none.

It checks no signature, and judges nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from drivers.c37118.frame import parse_header
from drivers.c37118.stream import key_of
from evidence import classification, cose, descriptor, event, receipt
from evidence.classification import Finding
from evidence.code import SILENT, Event, Kind, Typ
from evidence.event import Noticed
from evidence.observation import Sample
from hil.faults.doubt import Change, Told
from hil.faults.holding import Lines, line_name
from hil.faults.judge import Place
from hil.faults.step import Step, steps
from record.store import Store, open_reader

_CHECKS = {Event.CHECK_TRIPPED: True, Event.CHECK_CLEARED: False}
_PLAIN = (0, 0)
_STRETCH = 1024  # numbers of a stream whose findings are looked up at once
Claims = Mapping[str, Mapping[int, list[int]]]  # by line and claimed instant: how wrong it was


class Read(NamedTuple):
    """One measurement, and where it stands."""

    run: bytes
    descriptor: bytes
    subject: bytes
    sample: Sample
    line: str
    klass: int  # by its receipt
    reason: int


class Findings:
    """What was found of measurements after their receipt, by where they stand."""

    def __init__(self, some: Iterable[Finding] = ()) -> None:
        self._by_place: dict[tuple[bytes, int | None], list[Finding]] = {}
        self._near: dict[tuple[bytes, int], tuple[int, list[Finding]]] = {}
        for one in some:
            self._by_place.setdefault((one.run, one.stream), []).append(one)

    @classmethod
    def of(cls, store: Store) -> "Findings":
        """All of a record. Raises StoreError, EvidenceError."""
        entries = store.findings()
        return cls(one for entry in entries for one in _findings(cose.read(entry.encoded).payload))

    def grade(self, one: Read) -> tuple[int, int]:
        """Class and reason of a measurement: by its receipt, or what is worse."""
        grade, seq = (one.klass, one.reason), one.sample.seq
        for finding in self._about(one.run, one.sample.stream, seq):
            first, last = finding.first_seq or 0, finding.last_seq
            inside = first <= seq and (last is None or seq <= last)
            if inside and finding.subject in (None, one.subject) and finding.klass > grade[0]:
                grade = (finding.klass, finding.reason)
        return grade

    def _about(self, run: bytes, stream: int, seq: int) -> list[Finding]:
        """Those of the stretch of a stream in which a number lies."""
        near = self._near.get((run, stream))
        if near is None or near[0] != seq // _STRETCH:
            number = seq // _STRETCH
            begins, ends = number * _STRETCH, (number + 1) * _STRETCH
            some = [
                finding
                for of in (stream, None)
                for finding in self._by_place.get((run, of), ())
                if (finding.first_seq or 0) < ends
                and (finding.last_seq is None or finding.last_seq >= begins)
            ]
            near = self._near[run, stream] = (number, some)
        return near[1]


def _findings(payload: bytes) -> Iterable[Finding]:
    return classification.read(payload).findings


class Happened(NamedTuple):
    """Something that a gateway noticed. `at`: when it was sealed, ns TAI."""

    line: str
    at: int
    noticed: Noticed


class Course:
    """One record. `keys`: of the gateway's streams by number, where they are known; a PMU's frames
    say it themselves. `lines`: of all gateways, where there are several. `close` lets go of the
    file.
    """

    def __init__(
        self,
        path: Path,
        gateway: str,
        keys: Mapping[int, str] | None = None,
        lines: Lines | None = None,
    ) -> None:
        self.changes: list[tuple[Change, str]] = []  # with the words
        self.events: list[Happened] = []
        self._lines = lines
        self._path, self._gateway = path, gateway
        self._keys = dict(keys or {})
        self._store: Store | None = None
        self._next = 0
        self._reads: list[Read] = []
        self._findings: list[Finding] = []
        self._runs: dict[bytes, bytes] = {}  # by descriptor

    def look(self, live: bool = True) -> None:
        """Reads on. Raises StoreError, EvidenceError."""
        if self._store is None:
            self._store = open_reader(self._path, live)
        self._store.snapshot()
        try:
            for step in steps(self._store, self._next):
                self._reads += self.taken(step)
        finally:
            self._store.rollback()

    def close(self) -> None:
        """Idempotent; the next look goes on from there."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def told(
        self, claims: Claims | None = None, true_ns: Callable[[int], int] = lambda tai: tai
    ) -> list[Told]:
        """Every measurement read so far. `claims`: what PMUs say of how wrong they were."""
        findings = Findings(self._findings)
        return [self._told(one, findings, claims or {}, true_ns) for one in self._reads]

    def _told(
        self, one: Read, findings: Findings, claims: Claims, true_ns: Callable[[int], int]
    ) -> Told:
        sample, grade = one.sample, findings.grade(one)
        arrived = true_ns(sample.tai + sample.heard)
        late_ns = arrived - sample.tai
        offs = claims.get(one.line, {}).get(sample.tai, [0])
        off_ns = min(offs, key=lambda off: abs(late_ns + off))
        return Told(one.line, sample.tai, arrived, sample.bound, sample.flags, *grade, off_ns)

    # --- the log

    def taken(self, step: Step) -> Iterator[Read]:
        """The measurements of the next entry, by whoever reads the log for several. Raises
        EvidenceError."""
        entry, message = step.entry, step.message
        if entry.typ == Typ.DESCRIPTOR:
            self._runs[message.name] = descriptor.read(message.payload).run
        elif entry.typ == Typ.CLASSIFICATION:
            self._findings += _findings(message.payload)
        elif entry.typ == Typ.HEAD:
            yield from self._batch(step)
        self._next = entry.idx + 1

    def _batch(self, step: Step) -> Iterator[Read]:
        entry = step.entry
        classed = receipt.read(cose.read(entry.receipt).payload).classed
        for part, samples in step.parts:
            rows = [row for row in classed if row.stream == part.stream]
            for seq, (sample, _, _) in enumerate(samples, part.first_seq):
                grade = next(
                    (row[3:5] for row in rows if row.first_seq <= seq <= row.last_seq), _PLAIN
                )
                run = self._runs[part.descriptor]
                if sample.kind == Kind.EVENT:
                    self._event(sample, run)
                elif sample.kind not in SILENT:
                    of = (part.descriptor, entry.subject, sample, self._line(sample, run))
                    yield Read(run, *of, *grade)

    def _line(self, sample: Sample, run: bytes) -> str:
        if self._lines is not None:
            return self._lines.of(Place(run, sample.stream, sample.seq))
        if sample.kind == Kind.C37118:
            self._keys.setdefault(sample.stream, key_of(parse_header(sample.raw).idcode))
        return line_name(self._gateway, self._keys.get(sample.stream, "?"))

    def _event(self, sample: Sample, run: bytes) -> None:
        noticed = event.read(sample.raw)
        if self._lines is not None:
            where = self._lines.of(Place(run, sample.stream, sample.seq))
            self.events.append(Happened(where, sample.tai, noticed))
        if noticed.check is None:
            return
        key = self._keys.get(sample.stream, "") if sample.stream else ""
        line = line_name(self._gateway, key) if key else None
        change = Change(noticed.check, _CHECKS[noticed.event], sample.tai, line)
        self.changes.append((change, noticed.text))
