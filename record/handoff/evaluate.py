"""Evaluates a predicate over stated leaves of a store, and evaluates again what others did.

1. Values come by record.series alone, from the leaves that are named, each with its class as at the
   size that is named; and go into evidence.joint.truth as they are.
2. A channel counts where the device's own unit is the one that the table names. A part of a phasor
   that the device does not send counts where no cosine or arc tangent is needed for it: those
   differ in their last bit from machine to machine.
3. What was said of a leaf that is no batch here, or of a root that this log does not have, is
   refused by name: nothing is made of less than was named.
4. Leaves are read some at a time, and no more samples are kept than evidence.joint.truth bears.
5. Anybody may name all leaves in an evaluation a minute. What each author's take to evaluate again
   is bounded where somebody waits (Effort): who names much uses up its own share, nobody else's.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from evidence import cose
from evidence.code import Matter, Reason, Typ
from evidence.descriptor import PHASES, QUANTITIES
from evidence.joint import evaluation
from evidence.joint import leaf as joint_leaf
from evidence.joint import record as joint
from evidence.joint.evaluation import Evaluation
from evidence.joint.predicate import PARTS, Predicate, Quantity, nodes
from evidence.joint.trace import Sample
from evidence.joint.truth import SAMPLES_MAX, Found
from evidence.joint.truth import evaluate as judged
from evidence.refusal import EvidenceError
from record.known import Known
from record.leaf import Leaves
from record.log import Log
from record.lookup import NotFoundError
from record.series import Origin, Series, passing
from record.store import Store
from record.wanted import Wanted, frames_of

# Leaves times nodes: a leaf takes some ms, and a node of the predicate a look at all that it holds.
# 200 evaluations over 120 leaves of a condition such as "freq_hz < 59.4 for 60 s".
EFFORT_MAX = 100_000
NAMED_MAX = 16  # in one line; of more the number is told
# A part, and the part that a device sends from which a root alone leads to it.
_ROOTED = {"magnitude": "real"}


def evaluated(
    store: Store, known: Known, predicate: Predicate, leaves: Sequence[int], size: int, at: int
) -> Found:
    """What it comes to at an instant, ns TAI. Raises NotFoundError for a leaf that is no batch
    below `size`, and StoreError."""
    samples: list[list[Sample]] = [[] for _ in predicate.quantities]
    for part in passing(store, known, leaves, size, wanted(predicate)):
        left = SAMPLES_MAX
        for kept, series, row in zip(samples, part, predicate.quantities, strict=True):
            kept += _samples(series, row)
            del kept[left + 1 :]  # one more than it bears: it is too many, whatever follows
            left = max(left - len(kept), -1)
    return judged(predicate, samples, at)


def evaluation_of(
    store: Store, known: Known, predicate: Predicate, at: int, leaves: Sequence[int] = (),
    size: int | None = None,
) -> Evaluation:  # fmt: skip
    """An evaluation, ready to be said; `leaves`: none: all that may hold what it asks for. Raises
    NotFoundError, StoreError, EvidenceError."""
    whole = store.size() if size is None else size
    if not 0 < whole <= store.size():
        raise NotFoundError(f"the log has {store.size()} entries, not {whole}")
    hole = max(row.hole for row in predicate.quantities)
    begins = max(at - predicate.reach - hole, 0)
    named = sorted(set(leaves)) or Leaves(store, known, whole).of(wanted(predicate), begins, at)
    if not named:
        raise NotFoundError("no leaf holds what the predicate asks for")
    found = evaluated(store, known, predicate, named, whole, at)
    leaves_of = joint_leaf.Leaves(whole, tuple(named))
    return Evaluation(predicate, leaves_of, Log(store).root_at(whole), found)


def wanted(predicate: Predicate) -> tuple[Wanted, ...]:
    """The channels of its table's rows."""
    return tuple(_wanted(row) for row in predicate.quantities)


def _wanted(row: Quantity) -> Wanted:
    at_bus = row.place.kind == "bus"
    return Wanted(
        node=row.mrid if at_bus else None,
        terminal=None if at_bus else row.mrid,
        quantity=QUANTITIES[row.quantity],
        phase=PHASES[row.phase],
        part=PARTS[row.part],
        issuer=row.issuer,
    )


def _samples(series: Series, row: Quantity) -> Iterator[Sample]:
    counts = {_key(origin): _is_meant(origin, row) for origin in series.origins}
    for one in series:
        if counts[_key(one.origin)]:
            yield Sample(one.tai, one.bound, one.klass, one.value)


def _key(origin: Origin) -> tuple[bytes, int | None, int, str]:
    return origin.known.name, origin.channel, origin.block, origin.name


def _is_meant(origin: Origin, row: Quantity) -> bool:
    """Rule 2."""
    part, frames = PARTS[row.part], frames_of(origin.known)
    of = [] if frames is None else frames.slots
    units = {
        slot.part: slot.unit
        for slot in of
        if (slot.block, slot.name) == (origin.block, origin.name)
    }
    return row.unit in (units.get(part), units.get(_ROOTED.get(part, part)))


# --- again ----------------------------------------------------------------------------------------


class Again(NamedTuple):
    """An evaluation of the log, evaluated again. `reason`, `text`: why it does not hold; None and
    empty where it does."""

    idx: int
    name: bytes
    author: str
    says: Evaluation
    reason: Reason | None
    text: str


class Effort:
    """What evaluating again may take: of each author EFFORT_MAX. `skipped`: the entries that would
    have taken more."""

    def __init__(self) -> None:
        self.skipped: list[int] = []
        self._left: dict[str, int] = {}

    def spend(self, idx: int, of: joint.Record, says: Evaluation) -> bool:
        """Whether there is enough left for one more."""
        cost = len(says.leaves.indexes) * sum(1 for _ in nodes(says.predicate.claim))
        left = self._left.get(of.author, EFFORT_MAX) - cost
        if left < 0:
            self.skipped.append(idx)
            return False
        self._left[of.author] = left
        return True

    def told(self) -> str:
        """What was not evaluated again; empty where all was."""
        if not self.skipped:
            return ""
        some = ", ".join(map(str, self.skipped[:NAMED_MAX]))
        more = len(self.skipped) - NAMED_MAX
        rest = f" and {more} more" if more > 0 else ""
        return f"not evaluated again, for it would take long: entries {some}{rest}"


def again(store: Store, known: Known, log: Log, effort: Effort | None = None) -> Iterator[Again]:
    """Every evaluation of a store, in the order of its log, or those that an effort allows. Raises
    StoreError."""
    for row in store.joints():
        if row.matter == Matter.EVALUATION and (
            effort is None or effort.spend(row.idx, *said_in(store, row.idx)[1:])
        ):
            yield again_of(store, known, log, row.idx)


def again_of(store: Store, known: Known, log: Log, idx: int) -> Again:
    """The evaluation that is this entry. Raises StoreError."""
    name, record, says = said_in(store, idx)
    try:
        _check(store, known, log, says, record.ends, idx)
    except EvidenceError as fault:
        return Again(idx, name, record.author, says, fault.reason, fault.text)
    return Again(idx, name, record.author, says, None, "")


def said_in(store: Store, idx: int) -> tuple[bytes, joint.Record, Evaluation]:
    """Name, record and body of the evaluation that is this entry. Raises StoreError."""
    entry = store.entry(idx)
    if entry is None:
        raise NotFoundError(f"entry {idx} is missing")
    message = cose.stated(cose.read(entry.encoded), Typ.RECORD)
    record = joint.read(message.payload)
    return message.name, record, evaluation.read_record(record)


def _check(store: Store, known: Known, log: Log, says: Evaluation, at: int, idx: int) -> None:
    """Raises EvidenceError(TREE_SIZE, ROOT, PARENT, EVALUATED_OTHERWISE)."""
    size = says.leaves.tree_size
    if size > idx:
        raise EvidenceError(
            Reason.TREE_SIZE, f"of a tree of {size} entries, said when there were {idx}"
        )
    if log.root_at(size) != says.root:
        raise EvidenceError(Reason.ROOT, f"another root at {size} entries")
    try:
        found = evaluated(store, known, says.predicate, says.leaves.indexes, size, at)
    except NotFoundError as fault:
        raise EvidenceError(Reason.PARENT, str(fault)) from fault
    text = evaluation.differs(says, found)
    if text:
        raise EvidenceError(Reason.EVALUATED_OTHERWISE, text)
