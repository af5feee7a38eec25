"""Cuts batches: whole pieces, oldest first, under one head signed by the run key.

1. A batch holds whole pieces, at least one; its head rides in the same commit as its last piece, so
   that it is durable before it is offered, and what was cut is never cut again.
2. Pieces of an earlier run, left without a head, are cut by the run that finds them (evidence.head,
   rule 4).

It reads no disk and sends nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from agent.sealer import BODY_BYTES_MAX, Stretch
from evidence import merkle
from evidence.head import COUNT_MAX, RANGES_MAX, Head, Range, batch_id
from evidence.merkle import HASH_BYTES

BACKLOG_OBSERVATIONS = 600  # of one batch at most: the record admits batches of this size fastest
BACKLOG_AGES = 8  # while live batches queue up, one may be this many times older when it is cut


class Cut(NamedTuple):
    """A batch that was cut: the pieces from `first` to `last`, in the order of `descriptors`."""

    id: bytes
    run: bytes
    number: int
    head: bytes
    first: int
    last: int
    observations: int
    size: int


@dataclass(frozen=True, slots=True)
class Limits:
    """When a live batch is due: its age in ns, or its size in bytes."""

    age_ns: int
    size: int


class Cutter:
    """The open batch of a run."""

    def __init__(self, run: bytes, limits: Limits) -> None:
        self._run, self._limits = run, limits
        self._number, self._previous = 0, bytes(HASH_BYTES)
        self._stretches: dict[bytes, list[Stretch]] = {}  # by descriptor, in the order of sight
        self._ranges = 0  # as many has the head
        self._first: int | None = None
        self._last = self._since = self._observations = self._size = 0

    @property
    def open(self) -> bool:
        """Whether there is anything to cut."""
        return self._first is not None

    def fits(self, stretches: tuple[Stretch, ...], observations: int, size: int) -> bool:
        """Whether the open batch can take a piece: if not, it is cut first.

        A head with more ranges than it may have, or a batch too long, is refused for ever.
        """
        return self._first is None or (
            self._ranges + sum(map(self._is_new, stretches)) <= RANGES_MAX
            and self._observations + observations <= COUNT_MAX
            and self._size + size <= BODY_BYTES_MAX
        )

    def add(
        self,
        piece_id: int,
        stretches: tuple[Stretch, ...],
        observations: int,
        size: int,
        now_ns: int,
    ) -> None:
        """Takes a piece into the open batch."""
        if not stretches:
            return
        if self._first is None:
            self._first, self._since = piece_id, now_ns
        self._last = piece_id
        self._observations += observations
        self._size += size
        for stretch in stretches:
            self._ranges += self._is_new(stretch)
            self._stretches.setdefault(stretch.descriptor, []).append(stretch)

    def _is_new(self, stretch: Stretch) -> bool:
        """Whether it needs a range of its own: another descriptor, or a piece between was lost."""
        there = self._stretches.get(stretch.descriptor)
        return there is None or stretch.first_seq != there[-1].last_seq + 1

    def due(self, now_ns: int, backlog: bool) -> bool:
        """Whether to cut now; `backlog`: live ones queue up, so a fuller serves better."""
        if self._first is None:
            return False
        if self._ranges > RANGES_MAX // 2 or self._observations >= BACKLOG_OBSERVATIONS:
            return True
        age_ns = now_ns - self._since
        if backlog:
            return age_ns >= BACKLOG_AGES * self._limits.age_ns
        return self._size >= self._limits.size or age_ns >= self._limits.age_ns

    def cut(self, sign_head: Callable[[bytes], bytes]) -> Cut | None:
        """The open batch under a signed head; None when it is empty."""
        if self._first is None:
            return None
        parts = self._stretches.values()
        leaves = [leaf for part in parts for stretch in part for leaf in stretch.leaves]
        ranges = tuple(_range(whole) for part in parts for whole in _unbroken(part))
        root = merkle.root(leaves)
        head = Head(self._run, self._number, self._previous, len(leaves), root, ranges)
        encoded = sign_head(head.payload())
        cut = Cut(
            batch_id(encoded),
            self._run,
            self._number,
            encoded,
            self._first,
            self._last,
            self._observations,
            self._size + len(encoded),
        )
        self._number, self._previous = self._number + 1, cut.id
        self._stretches, self._first = {}, None
        self._observations = self._size = self._ranges = 0
        return cut


def _unbroken(parts: list[Stretch]) -> Iterator[list[Stretch]]:
    """Stretches under one descriptor, in groups whose seq rises without a break."""
    whole = parts[:1]
    for one, two in pairwise(parts):
        if two.first_seq != one.last_seq + 1:
            yield whole
            whole = []
        whole.append(two)
    yield whole


def _range(parts: list[Stretch]) -> Range:
    first, last = parts[0], parts[-1]
    return Range(
        first.stream,
        first.descriptor,
        first.first_seq,
        last.last_seq,
        first.first_prev,
        last.leaves[-1],
    )
