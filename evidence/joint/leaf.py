"""Which leaves of a log something was computed from: an explicit list at a stated tree size, so
that anyone computes it again from the same.

    leaves = [tree size, [* step]]

1. The first step is the first leaf's index; each that follows is how far its leaf is beyond the one
   before. So leaves rise, each is there once, there is one encoding, and batches that came in turn
   take a byte each.
2. All are in the tree: below its size.
3. LEAVES_MAX bounds them; a record holds what an entry of the log does, ENTRY_BYTES_MAX, which is
   less where the steps are long.

It fetches nothing.
"""

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from evidence import shape

LEAVES_MAX = 65_535  # a byte each would fill an entry of the log


@dataclass(frozen=True, slots=True)
class Leaves:
    """Indexes, rising, in a tree of so many."""

    tree_size: int
    indexes: tuple[int, ...]

    def array(self) -> list[object]:
        """As it stands in a body; `read` says what is wrong with it."""
        first = self.indexes[:1]
        return [
            self.tree_size,
            [*first, *(after - one for one, after in pairwise(self.indexes))],
        ]


def read(value: Any, field: str = "leaves") -> Leaves:
    """The leaves in an array. Raises EvidenceError(SHAPE)."""
    size, steps = shape.array(value, field, 2)
    tree_size = shape.uint(size, "tree size")
    if len(shape.array(steps, field)) > LEAVES_MAX:
        shape.fail(field, len(steps), f"at most {LEAVES_MAX}")
    for at, step in enumerate(steps):
        if shape.uint(step, "step") == 0 and at > 0:
            shape.fail("step", step, "above 0: leaves rise")
    indexes = tuple(accumulate(steps))
    if indexes and indexes[-1] >= tree_size:
        shape.fail("leaf", indexes[-1], f"in a tree of {tree_size}")
    return Leaves(tree_size, indexes)
