"""Where an entry of a bundle stands in the log, and when the log saw it.

1. One tree, that of the checkpoint, proves every entry (evidence.bundle.tree).
2. Each commit of the log has its own signed checkpoint, and a receipt names the commit of its
   entry; so when an entry was seen is that checkpoint's instant, by the log's own clock. All
   checkpoints that are there are of the one tree as it grew.
3. A commit is the first whose tree has the entry: no receipt names a later one, and so another
   instant.
4. The log's clock never goes back.
"""

import bisect
from collections.abc import Iterable, Iterator
from copy import copy
from itertools import pairwise
from typing import NamedTuple

from evidence import checkpoint, cose, receipt
from evidence.bundle.tree import Tree
from evidence.checkpoint import Checkpoint
from evidence.code import Reason, Typ
from evidence.head import batch_id
from evidence.key import PublicKey
from evidence.receipt import Receipt
from evidence.refusal import EvidenceError


class Placed(NamedTuple):
    """An entry of the log. `tai`: when the log saw it, by its own clock."""

    idx: int
    tai: int
    receipt: Receipt


class Places:
    """The log, as far as a bundle has it."""

    def __init__(self, tree: Tree, log_key: PublicKey) -> None:
        self._tree, self._key = tree, log_key
        self._instants: dict[int, int] = {}  # by size
        self._sizes: list[int] = []  # of those, rising
        self._met: set[int] = set()

    def see(self, encoded: bytes) -> Checkpoint:
        """A checkpoint of the log. Raises EvidenceError."""
        message = cose.read_statement(encoded, Typ.CHECKPOINT)
        cose.check(message, self._key)
        found = checkpoint.read(message.payload)
        if found.size in self._instants:
            raise EvidenceError(Reason.SHAPE, f"the checkpoint of {found.size} is there twice")
        if self._tree.root_at(found.size) != found.root:
            text = f"the tree of {self._tree.size} does not continue the tree of {found.size}"
            raise EvidenceError(Reason.CONSISTENCY, text)
        self._instants[found.size] = found.tai
        bisect.insort(self._sizes, found.size)
        return found

    def set_back(self) -> Iterator[str]:
        """Where the log's clock went back, in words."""
        for one, after in pairwise(self._sizes):
            gone = self._instants[one] - self._instants[after]
            if gone > 0:
                yield f"entries {one} to {after - 1} were logged {gone} ns before those before them"

    def unseen(self) -> Iterable[int]:
        """The sizes for which the tree expects a checkpoint that is not there."""
        return [size for size in self._tree.seen if size not in self._instants]

    def meet(self, entry: bytes) -> int:
        """An entry's place. Raises EvidenceError(INCLUSION)."""
        idx = self._tree.index(entry)
        if idx in self._met:
            raise EvidenceError(Reason.SHAPE, f"entry {idx} is there twice")
        self._met.add(idx)
        return idx

    def apart(self) -> "Places":
        """The same log, and no entry that was met."""
        found = copy(self)
        found._met = set()
        return found

    def join(self, others: Iterable["Places"]) -> bool:
        """Takes what was met apart as met. False, and nothing is taken, where anything was met
        twice."""
        met = [self._met, *(other._met for other in others)]
        together = set().union(*met)
        if len(together) < sum(map(len, met)):
            return False
        self._met = together
        return True

    def answered(self, entry: bytes, answer: bytes) -> Placed:
        """An entry by its receipt. Raises EvidenceError."""
        message = cose.read_statement(answer, Typ.RECEIPT)
        cose.check(message, self._key)
        found = receipt.read(message.payload)
        found.check(entry, batch_id(entry))
        return self.placed(entry, found)

    def placed(self, entry: bytes, found: Receipt) -> Placed:
        """An entry by a receipt whose signature and path held. Raises EvidenceError."""
        idx = self.meet(entry)
        if idx != found.index:
            text = f"a receipt for entry {found.index}, and the tree has it at {idx}"
            raise EvidenceError(Reason.INCLUSION, text)
        tai = self._instants.get(found.size)
        if tai is None or self._tree.root_at(found.size) != found.root:
            text = f"no checkpoint for the commit of entry {idx}, of size {found.size}"
            raise EvidenceError(Reason.CONSISTENCY, text)
        first = self._sizes[bisect.bisect_right(self._sizes, idx)]
        if first != found.size:
            text = f"a receipt of the commit of {found.size}; that of {first} has entry {idx} too"
            raise EvidenceError(Reason.CONSISTENCY, text)
        return Placed(idx, tai, found)

    def unmet(self) -> int:
        """How many entries the tree proves that are not there."""
        return len(self._tree) - len(self._met)

    def whole(self) -> bool:
        """Whether every entry of the log is there."""
        return len(self._met) == self._tree.size
