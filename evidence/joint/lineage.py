"""From a decision to what it rests on: all records and observations that lead to it, each once, and
by name what is missing.

1. A parent is named by its hash, so no record can be among its own ancestors: its name would have
   to be in its own bytes. Where a source gives one all the same, the source lies: that is named.
2. An evaluation rests on the leaves that it states, too.
3. The walk is bounded by LINKS_MAX; what is met again is named, and not walked again.
4. A decision that names nothing is named: see evidence.joint.decision.

It checks no signature, and says nothing of what is behind an observation: that is its batch's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Protocol

from evidence.code import Matter, Reason
from evidence.joint import evaluation
from evidence.joint.record import Observed, Parent, Record
from evidence.refusal import EvidenceError

LINKS_MAX = 65_536  # parents met in one walk; a record has 1,024 at most
DECISIONS = (Matter.DISPATCH, Matter.CURTAILMENT, Matter.LOAD_SHED, Matter.RELAY_OPERATION)


class Presence(IntEnum):
    """Whether something is there."""

    HERE = 1
    WITHHELD = 2  # its hash stands in for it
    MISSING = 3


class Source(Protocol):
    """What is there, of a record or a bundle."""

    def record(self, name: bytes) -> Record | None: ...

    def statement(self, name: bytes) -> Presence:
        """Of a statement that is no record."""

    def observed(self, observed: Observed) -> Presence:
        """Of an observation."""

    def leaf(self, idx: int) -> Presence:
        """Of a batch, by its place in the log."""


class Kin(NamedTuple):
    """Something that was met. `depth`: 0 of what was asked for; `of`: its name, or the indexes of
    leaves; `again`: it was met before; `presence`: of leaves, of the worst of them."""

    depth: int
    of: Parent | tuple[int, ...]
    record: Record | None
    presence: Presence
    again: bool = False

    @property
    def unfounded(self) -> bool:
        """Whether it is a decision that rests on nothing."""
        return bool(self.record and self.record.matter in DECISIONS and not self.record.parents)


@dataclass(frozen=True, slots=True)
class Lineage:
    """All that was met, in the order of a walk that goes deep first, parents in their order."""

    kin: tuple[Kin, ...]

    @property
    def missing(self) -> tuple[Kin, ...]:
        return tuple(one for one in self.kin if one.presence == Presence.MISSING)

    @property
    def unfounded(self) -> tuple[Kin, ...]:
        return tuple(one for one in self.kin if one.unfounded and not one.again)


def lineage(name: Parent, source: Source) -> Lineage:
    """Raises EvidenceError(PARENT) where a source gives something as its own ancestor, TOO_LONG
    beyond LINKS_MAX."""
    return Lineage(tuple(_walk(name, source)))


def _walk(name: Parent, source: Source) -> Iterator[Kin]:
    met: set[Parent] = set()
    above: dict[Parent, None] = {}  # from what was asked for down to where the walk is
    waiting: list[tuple[int, Parent]] = [(0, name)]
    count = 0
    while waiting:
        depth, one = waiting.pop()
        while len(above) > depth:
            above.popitem()
        if one in above:
            raise EvidenceError(Reason.PARENT, f"{words(one)} is given as its own ancestor")
        above[one] = None
        count += 1
        if count > LINKS_MAX:
            raise EvidenceError(Reason.TOO_LONG, f"more than {LINKS_MAX} parents to follow")
        kin = _met(depth, one, source)._replace(again=one in met)
        yield kin
        if kin.again or kin.record is None:
            continue
        met.add(one)
        yield from _leaves(depth + 1, kin.record, source)
        waiting += [(depth + 1, parent) for parent in reversed(kin.record.parents)]


def _met(depth: int, one: Parent, source: Source) -> Kin:
    if isinstance(one, Observed):
        return Kin(depth, one, None, source.observed(one))
    record = source.record(one)
    return Kin(depth, one, record, Presence.HERE if record else source.statement(one))


def _leaves(depth: int, record: Record, source: Source) -> Iterator[Kin]:
    if record.matter == Matter.EVALUATION:
        leaves = evaluation.read(record.body).leaves.indexes
        yield Kin(depth, leaves, None, max(source.leaf(idx) for idx in leaves))


def words(of: Parent | tuple[int, ...]) -> str:
    """A name as people type it: in hex, an observation as BATCH/PLACE."""
    if isinstance(of, Observed):
        return f"{of.batch.hex()}/{of.place}"
    if isinstance(of, bytes):
        return of.hex()
    return f"{len(of)} leaves, {of[0]} to {of[-1]}"
