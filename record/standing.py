"""What a sample is worth now: what its receipt says, and what the log found later.

1. Of findings about all of a sample the latest by log index rules, and its receipt where there is
   none; one of evidence.classification.LOWERING where it is the lesser class. Of findings about
   some channels the same, for each of them; of a channel and its sample the lesser class.
2. A finding holds for a sample when it names its run, and neither another entry, stream nor range.
3. Where its authority vouched for its batch, a revoked key and a clone are no reason to doubt it
   (record.vouching): where its receipt gives nothing else, it begins with what that would say
   without them; what was found besides rules over that as ever.

It checks no signature: that is `verify`.
"""

from bisect import bisect_right
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise
from typing import NamedTuple

from evidence import classification, cose, head, receipt
from evidence.classification import LOWERING, Finding
from evidence.code import Class, Reason
from evidence.head import Head, Range
from evidence.receipt import Classed
from record.known import Known, KnownRun
from record.lookup import Seen
from record.overlay import by_range
from record.schema import INT_MAX, BookRow, Entry
from record.store import Store
from record.vouching import Vouchings, unrevoked

Grade = tuple[int, int]  # Class, Reason
LIFTED = frozenset({Reason.CREDENTIAL_REVOKED, Reason.CLONE})  # by who vouches for a batch


class Later(NamedTuple):
    """A finding, its entry in the log, and when it was found, ns TAI."""

    finding: Finding
    idx: int
    tai: int


class Standing(NamedTuple):
    """What a sample is worth. `channels`: those that are worth less than the sample; `vouched`: the
    entry of a book that lifts a doubt of its key from it."""

    receipt: Grade
    now: Grade
    channels: dict[int, Grade]
    later: tuple[Later, ...]  # in the order of the log
    vouched: BookRow | None


def standing(store: Store, known: Known, seen: Seen) -> Standing:
    """Raises StoreError, EvidenceError."""
    first = now = _by_receipt(seen)
    later = _later(store, seen)
    doubts = {first[1], *(one.finding.reason for one in later)}
    lifted, vouched = _lifted(store, known, seen, doubts)
    if first[1] in lifted:
        of = head.read(cose.read(seen.entry.encoded).payload)
        now = _in(seen, unrevoked(known, store, seen.entry, of))
    now, less = _ruled(now, [one.finding for one in later], lifted)
    return Standing(first, now, less, later, vouched)


class Worth(NamedTuple):
    """What consecutive samples of a stream are worth. `channels`: those that are worth less."""

    first_seq: int
    last_seq: int
    grade: Grade
    channels: dict[int, Grade]


class _Batch(NamedTuple):
    """What a receipt says, for each range of its head; of the batch that was asked for last."""

    entry: Entry
    rows: list[list[Classed]]


class Worths:
    """What ranges are worth by what a log says below a size: the same rules, a range at a time.

    A batch has many ranges and one receipt, which is read once where they are asked for one after
    another."""

    def __init__(self, store: Store, known: Known, size: int) -> None:
        self._store, self._known = store, known
        self._vouchings = Vouchings(store, size)
        self._batch: _Batch | None = None
        self._findings: dict[bytes, list[Finding]] = {}  # by run, in the order of the log
        for entry in store.findings():
            if entry.idx >= size:
                break
            for finding in classification.read(cose.read(entry.encoded).payload).findings:
                self._findings.setdefault(finding.run, []).append(finding)

    def of(self, entry: Entry, of: Head, at: int, run: KnownRun) -> list[Worth]:
        """Of a range of a batch, by its place in the head; `run`: its descriptor's. They rise, and
        leave nothing out. Raises StoreError, EvidenceError."""
        part = of.ranges[at]
        rows = self._by_receipt(entry, of)[at]
        findings = [one for one in self._findings.get(run.name, ()) if _touches(one, entry, part)]
        if not rows and not findings:
            return [Worth(part.first_seq, part.last_seq, (int(Class.SETTLEABLE), 0), {})]
        doubts = {row.reason for row in rows} | {one.reason for one in findings}
        lifted = self._lifted(entry, of, run, doubts)
        without = rows
        if any(row.reason in lifted for row in rows):
            without = by_range(of.ranges, unrevoked(self._known, self._store, entry, of))[at]
        return _worths(part, rows, without, findings, lifted)

    def _by_receipt(self, entry: Entry, of: Head) -> list[list[Classed]]:
        """Its classes, for each range of its head."""
        if self._batch is None or self._batch.entry is not entry:
            classed = receipt.read(cose.read(entry.receipt).payload).classed
            self._batch = _Batch(entry, by_range(of.ranges, classed))
        return self._batch.rows

    def _lifted(
        self, entry: Entry, of: Head, run: KnownRun, doubts: AbstractSet[int]
    ) -> frozenset[Reason]:
        return _lifting(self._vouchings, entry, self._known.run(of.run), run, doubts)[0]


def _worths(
    part: Range,
    rows: Sequence[Classed],
    without: Sequence[Classed],
    findings: Sequence[Finding],
    lifted: AbstractSet[int],
) -> list[Worth]:
    """`without`: the classes where a reason of `rows` is lifted."""
    edges = {part.first_seq, part.last_seq + 1}
    for first, last in (
        *((row.first_seq, row.last_seq) for row in (*rows, *without)),
        *((_first(one), _last(one)) for one in findings),
    ):
        edges |= {max(first, part.first_seq), min(last, part.last_seq) + 1}
    found = []
    for low, after in pairwise(sorted(edges)):
        grade = _at(rows, low)
        if grade[1] in lifted:
            grade = _at(without, low)
        here = [one for one in findings if _first(one) <= low <= _last(one)]
        found.append(Worth(low, after - 1, *_ruled(grade, here, lifted)))
    return found


def _ruled(
    now: Grade, findings: Sequence[Finding], lifted: AbstractSet[int]
) -> tuple[Grade, dict[int, Grade]]:
    """What findings, in the order of the log, make of a grade; and the channels that are worth
    less."""
    channels: dict[int, Grade] = {}
    for finding in findings:
        grade = (finding.klass, finding.reason)
        if finding.channels is not None:
            channels |= dict.fromkeys(finding.channels, grade)
        elif finding.reason in lifted:
            continue
        elif finding.reason not in LOWERING or finding.klass > now[0]:
            now = grade
    return now, {at: grade for at, grade in sorted(channels.items()) if grade[0] > now[0]}


def _later(store: Store, seen: Seen) -> tuple[Later, ...]:
    """What the log found of a sample, in its order."""
    found: list[Later] = []
    for entry in store.findings():
        told = classification.read(cose.read(entry.encoded).payload)
        rows = (finding for finding in told.findings if _is_of(finding, seen))
        found += [Later(finding, entry.idx, told.tai) for finding in rows]
    return tuple(found)


def _lifted(
    store: Store, known: Known, seen: Seen, doubts: AbstractSet[int]
) -> tuple[frozenset[Reason], BookRow | None]:
    """The reasons that an authority lifts from a sample, and the entry that does; of those doubts
    that are there."""
    by = known.run(head.read(cose.read(seen.entry.encoded).payload).run)
    return _lifting(Vouchings(store), seen.entry, by, seen.run, doubts)


def _lifting(
    vouchings: Vouchings, entry: Entry, by: KnownRun | None, run: KnownRun, doubts: AbstractSet[int]
) -> tuple[frozenset[Reason], BookRow | None]:
    """`by`: the run of the batch; `run`: that of the range."""
    if by is None or not doubts & LIFTED:
        return frozenset(), None
    row = vouchings.of(entry, by)
    if row is None or row.issuer != run.holder[0]:  # a batch may hold another's leftovers
        return frozenset(), None
    decided = all(vouchings.decides(one) for one in (by, run))
    lifted = LIFTED if decided else LIFTED - {Reason.CLONE}
    return lifted, row if doubts & lifted else None


def _by_receipt(seen: Seen) -> Grade:
    return _in(seen, receipt.read(cose.read(seen.entry.receipt).payload).classed)


def _in(seen: Seen, classed: Sequence[Classed]) -> Grade:
    return _at(by_range(seen.ranges, classed)[seen.at], seen.sample.seq)


def _at(rows: Sequence[Classed], seq: int) -> Grade:
    """Of rows that rise."""
    at = bisect_right(rows, seq, key=lambda row: row.first_seq)
    if at and seq <= rows[at - 1].last_seq:
        return rows[at - 1].klass, rows[at - 1].reason
    return int(Class.SETTLEABLE), 0


def _touches(finding: Finding, entry: Entry, part: Range) -> bool:
    """Whether a finding about its run holds for some of a range."""
    return (
        finding.subject in (None, entry.subject)
        and finding.stream in (None, part.stream)
        and _first(finding) <= part.last_seq
        and part.first_seq <= _last(finding)
    )


def _first(finding: Finding) -> int:
    return 0 if finding.first_seq is None else finding.first_seq


def _last(finding: Finding) -> int:
    return INT_MAX if finding.last_seq is None else finding.last_seq


def _is_of(finding: Finding, seen: Seen) -> bool:
    seq = seen.sample.seq
    return (
        finding.run == seen.run.name
        and finding.subject in (None, seen.entry.subject)
        and finding.stream in (None, seen.sample.stream)
        and (finding.first_seq is None or finding.first_seq <= seq)
        and (finding.last_seq is None or seq <= finding.last_seq)
    )
