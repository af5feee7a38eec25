"""What leans on an evaluation that does not hold: steps of handoffs, and decisions.

1. A record leans on an evaluation where it names it as a parent, or names a record that leans on
   it. A later step of a handoff names the step before, so it leans, too.
2. Nothing is refused and nothing is edited: an evaluation is its author's word. What leans on one
   that does not hold is shown with EVALUATED_OTHERWISE beside the flags that the log has.
3. The walk is bounded by LINKS_MAX, as that of evidence.joint.lineage; lines name NAMED_MAX.

It evaluates nothing: that is record.handoff.evaluate's.
"""

from collections.abc import Iterator
from typing import NamedTuple

from evidence import cose
from evidence.code import Matter
from evidence.joint import handoff, record
from evidence.joint.lineage import DECISIONS, LINKS_MAX
from record.handoff.evaluate import NAMED_MAX, Again, Effort, again, again_of, said_in
from record.known import Known
from record.log import Log
from record.store import Store, StoreError

LEANS = frozenset({Matter.HANDOFF, *DECISIONS})


class Leaning(NamedTuple):
    """A record that leans on another. `what`: its matter, of a handoff its step, in words."""

    idx: int
    name: bytes
    author: str
    what: str


def leaning(store: Store, name: bytes) -> list[Leaning]:
    """What leans on a record, in the order of the log. Raises StoreError."""
    found: dict[bytes, Leaning] = {}
    met, waiting = {name}, [name]
    while waiting and len(met) < LINKS_MAX:
        for child in store.children(waiting.pop()):
            if child in met:
                continue
            met.add(child)
            waiting.append(child)
            one = _leaning(store, child)
            if one is not None:
                found[child] = one
    return sorted(found.values())


def _leaning(store: Store, name: bytes) -> Leaning | None:
    row = store.joint(name)
    if row is None or row.matter not in LEANS:
        return None
    entry = store.entry(row.idx)
    if entry is None:
        raise StoreError(f"entry {row.idx} is missing")
    says = record.read(cose.read(entry.encoded).payload)
    what = says.matter.name.lower()
    if says.matter == Matter.HANDOFF:
        what += f" {handoff.read(says.body).step.name.lower()}"
    return Leaning(row.idx, name, says.author, what)


def reason_of(store: Store, one: Again) -> str:
    """Why an evaluation does not hold, and what leans on it, in a line. Raises StoreError."""
    name = "" if one.reason is None else one.reason.name.lower()
    text = f"entry {one.idx}: {name}: evaluation {one.name.hex()[:16]} of {one.author}: {one.text}"
    return text + told(leaning(store, one.name))


def told(found: list[Leaning]) -> str:
    """What leans, as it ends a line; empty where nothing does."""
    if not found:
        return ""
    rows = [f"entry {one.idx}, {one.what} of {one.author}" for one in found[:NAMED_MAX]]
    more = f"; and {len(found) - NAMED_MAX} more" if len(found) > NAMED_MAX else ""
    return f"; on it lean: {'; '.join(rows)}{more}"


def reasons(store: Store, known: Known, log: Log, effort: Effort | None) -> Iterator[str]:
    """Of every evaluation of a store that does not hold, as far as an effort allows, in the order
    of its log. Raises StoreError, EvidenceError."""
    for one in again(store, known, log, effort):
        if one.reason is not None:
            yield reason_of(store, one)


class Doubts:
    """Which records lean on an evaluation that does not hold, or are one; each evaluated once, as
    far as `effort` allows: what is beyond it is taken to hold."""

    def __init__(self, store: Store, known: Known) -> None:
        self._store, self._known, self._log = store, known, Log(store)
        self.effort = Effort()
        self._holds: dict[bytes, bool] = {}  # evaluations; LINKS_MAX of one walk at most

    def of(self, name: bytes) -> bool:
        """Raises StoreError, EvidenceError."""
        met, waiting = {name}, [name]
        while waiting and len(met) < LINKS_MAX:
            one = waiting.pop()
            row = self._store.joint(one)
            entry = None if row is None else self._store.entry(row.idx)
            if row is None or entry is None:
                continue
            if row.matter == Matter.EVALUATION and not self._is_held(one, row.idx):
                return True
            says = record.read(cose.read(entry.encoded).payload)
            fresh = {parent for parent in says.parents if isinstance(parent, bytes)} - met
            met |= fresh
            waiting += fresh
        return False

    def _is_held(self, name: bytes, idx: int) -> bool:
        if name not in self._holds:
            self._holds[name] = (
                not self.effort.spend(idx, *said_in(self._store, idx)[1:])
                or again_of(self._store, self._known, self._log, idx).reason is None
            )
        return self._holds[name]
