"""What a bundle needs beside the observations of its interval: batches that records of it lean on.

1. Records of the interval are those whose own interval touches it; with a seam, those that name it,
   and what they lead to.
2. From each the parents are followed to the end: a parent that is an observation names its batch,
   an evaluation or a settlement the leaves that it was computed from. A hash leads to nothing that
   came later, so there is an end.

What is named and not in the log is left to whoever checks.
"""

from collections.abc import Collection, Iterator

from evidence import cose
from evidence.code import Matter, Typ
from evidence.joint import evaluation, record, settlement
from evidence.joint.record import Observed, Record
from record.store import Store


def leaves_of(says: Record) -> tuple[int, ...]:
    """The batches from which a record was computed, by their indexes. Raises EvidenceError."""
    if says.matter == Matter.EVALUATION:
        return evaluation.read(says.body).leaves.indexes
    if says.matter == Matter.SETTLEMENT:
        one, other = settlement.read(says.body).leaves
        return (*one.indexes, *other.indexes)
    return ()


def sizes_of(says: Record) -> tuple[int, ...]:
    """The sizes of the tree as at which it was computed. Raises EvidenceError."""
    if says.matter == Matter.EVALUATION:
        return (evaluation.read(says.body).leaves.tree_size,)
    if says.matter == Matter.SETTLEMENT:
        return tuple(one.tree_size for one in settlement.read(says.body).leaves)
    return ()


class Closure:
    """The records of one interval, and what they lead to, in a log of one size."""

    def __init__(self, store: Store, size: int, begins: int, ends: int, seam: str | None) -> None:
        self._store, self._size = store, size
        self.leaves: set[int] = set()
        self._computed: dict[int, tuple[Matter, frozenset[int]]] = {}  # by the record's index
        self.sizes: set[int] = set()
        self._met: set[bytes] = set()
        for row in store.joints():
            if row.idx >= size or row.begins >= ends or row.ends <= begins:
                continue
            says = self._record(row.idx)
            if seam is None or seam in says.elements:
                self._follow(row.idx, says)

    def leaning(self, withheld: Collection[int]) -> Iterator[str]:
        """Of each record that was computed from batches of which something is withheld: who has the
        bundle cannot compute it again."""
        for idx, (matter, leaves) in sorted(self._computed.items()):
            if lacking := len(leaves.intersection(withheld)):
                name = matter.name.lower()
                yield f"{name}, entry {idx}: of {lacking} of its {len(leaves)} batches"

    def _record(self, idx: int) -> Record:
        found = self._store.entry(idx)
        return record.read(cose.read(found.encoded if found else b"").payload)

    def _follow(self, at: int, says: Record) -> None:
        waiting = [(at, says)]
        while waiting:
            idx, one = waiting.pop()
            if leaves := frozenset(self._batches(leaves_of(one))):
                self._computed[idx] = one.matter, leaves
                self.leaves |= leaves
            self.sizes.update(size for size in sizes_of(one) if size <= self._size)
            for parent in one.parents:
                name = parent.batch if isinstance(parent, Observed) else parent
                if name in self._met:
                    continue
                self._met.add(name)
                if isinstance(parent, Observed):
                    found = self._store.entry_of(name)
                    if found is not None and found.typ == Typ.HEAD:
                        self.leaves.update(self._batches((found.idx,)))
                    continue
                case = self._store.joint(name)
                if case is not None and case.idx < self._size:
                    waiting.append((case.idx, self._record(case.idx)))

    def _batches(self, indexes: tuple[int, ...]) -> Iterator[int]:
        """Those that are batches of the log."""
        for idx in indexes:
            found = self._store.entry(idx) if idx < self._size else None
            if found is not None and found.typ == Typ.HEAD:
                yield idx
