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

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from evidence import classification, cose, head, receipt
from evidence.classification import LOWERING, Finding
from evidence.code import Class, Reason
from evidence.receipt import Classed
from record.known import Known
from record.lookup import Seen
from record.overlay import by_range
from record.schema import BookRow
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
    channels: dict[int, Grade] = {}
    for finding in (one.finding for one in later):
        grade = (finding.klass, finding.reason)
        if finding.channels is not None:
            channels |= dict.fromkeys(finding.channels, grade)
        elif finding.reason in lifted:
            continue
        elif finding.reason not in LOWERING or finding.klass > now[0]:
            now = grade
    less = {at: grade for at, grade in sorted(channels.items()) if grade[0] > now[0]}
    return Standing(first, now, less, later, vouched)


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
    if by is None or not doubts & LIFTED:
        return frozenset(), None
    vouchings = Vouchings(store)
    row = vouchings.of(seen.entry, by)
    if row is None or row.issuer != seen.run.holder[0]:  # a batch may hold another's leftovers
        return frozenset(), None
    decided = all(vouchings.decides(run) for run in (by, seen.run))
    lifted = LIFTED if decided else LIFTED - {Reason.CLONE}
    return lifted, row if doubts & lifted else None


def _by_receipt(seen: Seen) -> Grade:
    return _in(seen, receipt.read(cose.read(seen.entry.receipt).payload).classed)


def _in(seen: Seen, classed: Sequence[Classed]) -> Grade:
    for row in by_range(seen.ranges, classed)[seen.at]:
        if row.first_seq <= seen.sample.seq <= row.last_seq:
            return row.klass, row.reason
    return int(Class.SETTLEABLE), 0


def _is_of(finding: Finding, seen: Seen) -> bool:
    seq = seen.sample.seq
    return (
        finding.run == seen.run.name
        and finding.subject in (None, seen.entry.subject)
        and finding.stream in (None, seen.sample.stream)
        and (finding.first_seq is None or finding.first_seq <= seq)
        and (finding.last_seq is None or seq <= finding.last_seq)
    )
