"""What a sample is worth now: what its receipt says, and what the log found later.

1. Of findings about all of a sample the latest by log index rules, and its receipt where there is
   none; one of evidence.classification.LOWERING where it is the lesser class. Of findings about
   some channels the same, for each of them; of a channel and its sample the lesser class.
2. A finding holds for a sample when it names its run, and neither another entry, stream nor range.
3. Where its receipt doubts it for nothing but a revoked key, and the authority vouched for its
   batch, it begins with what its receipt would say without the revocation (record.vouching); what
   was found rules over that as ever.

It checks no signature: that is `verify`.
"""

from collections.abc import Sequence
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
REVOKED: Grade = (int(Class.KEY_DOUBTFUL), int(Reason.CREDENTIAL_REVOKED))


class Later(NamedTuple):
    """A finding, its entry in the log, and when it was found, ns TAI."""

    finding: Finding
    idx: int
    tai: int


class Standing(NamedTuple):
    """What a sample is worth. `channels`: those that are worth less than the sample; `vouched`: the
    entry of a book that lifts a revocation from it."""

    receipt: Grade
    now: Grade
    channels: dict[int, Grade]
    later: tuple[Later, ...]  # in the order of the log
    vouched: BookRow | None


def standing(store: Store, known: Known, seen: Seen) -> Standing:
    """Raises StoreError, EvidenceError."""
    first = now = _by_receipt(seen)
    vouched = None
    if first == REVOKED:
        of = head.read(cose.read(seen.entry.encoded).payload)
        by = known.run(of.run)
        vouched = None if by is None else Vouchings(store).of(seen.entry, by)
        if vouched is not None:
            now = _in(seen, unrevoked(known, store, seen.entry, of))
    channels: dict[int, Grade] = {}
    later: list[Later] = []
    for entry in store.findings():
        told = classification.read(cose.read(entry.encoded).payload)
        for finding in told.findings:
            if not _is_of(finding, seen):
                continue
            later.append(Later(finding, entry.idx, told.tai))
            grade = (finding.klass, finding.reason)
            if finding.channels is not None:
                channels |= dict.fromkeys(finding.channels, grade)
            elif finding.reason not in LOWERING or finding.klass > now[0]:
                now = grade
    less = {at: grade for at, grade in sorted(channels.items()) if grade[0] > now[0]}
    return Standing(first, now, less, tuple(later), vouched)


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
