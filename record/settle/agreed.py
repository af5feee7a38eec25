"""What authorities agreed on that a settlement takes: seams in force, standing residuals, claims;
as at a size of the tree.

1. A seam is in force from where its record is joint until another of its name is.
2. A standing residual counts when its record is joint, whatever is said of it after that size; of
   several the last. One side's word of how far the other may be off would be worth nothing.
3. A claim counts for its author, as the side of a seam that is the author's, over the very interval
   that it claims; of several the last.
4. A side is the authority's that the seam names, whatever it was called before, and from the place
   of the log where another succeeded it that one's too.

It reads rows and statements, and checks no signature.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from evidence import cose
from evidence.code import Matter
from evidence.joint import case, claim, record, residual, seam
from evidence.joint.case import State
from evidence.joint.claim import Claim
from evidence.joint.record import Record
from evidence.joint.registry import Member
from evidence.joint.residual import Residual
from evidence.joint.seam import Seam
from evidence.joint.state import Docket
from record.joint import Shelf, case_of
from record.lookup import NotFoundError
from record.schema import JointRow
from record.settle import standing
from record.settle.standing import Standing
from record.store import Store, StoreError

LINE_MAX = 4096  # standing residuals, each drifted from the one before


Heirs = tuple[tuple[str, int], ...]
Claimed = tuple[bytes, Claim]  # the name of the record that says it


class InForce(NamedTuple):
    """A seam, and the name of the record that says so. `heirs`, of each side: who speaks for its
    authority, too, and from which place of the log on."""

    name: bytes
    seam: Seam
    heirs: tuple[Heirs, Heirs] = ((), ())

    def speaks(self, at: int, author: str, place: int) -> bool:
        """Whether what an author says at a place of the log is a side's word."""
        return author == self.seam.sides[at].authority or any(
            name == author and place >= since for name, since in self.heirs[at]
        )


def in_force(store: Store, name: bytes, of: Seam, sizes: tuple[int, int]) -> InForce:
    """A seam with who speaks for each side, as in trees of these sizes."""
    return _in_force(_members(store), name, of, sizes)


def _members(store: Store) -> Mapping[str, Member]:
    return Docket((), Shelf(store)).registry.members


def _in_force(
    members: Mapping[str, Member], name: bytes, of: Seam, sizes: tuple[int, int]
) -> InForce:
    one, other = (
        _heirs(members, side.authority, size) for side, size in zip(of.sides, sizes, strict=True)
    )
    return InForce(name, of, (one, other))


def _heirs(members: Mapping[str, Member], authority: str, size: int) -> Heirs:
    after = {
        name: member.succeeded
        for name, member in sorted(members.items())
        if member.succeeded is not None and member.succeeded[1] < size
    }
    found: dict[str, int] = {}
    # The registry lets nobody succeed whom he is succeeded by: neither way has a circle.
    name, since = authority, 0
    while name in after:
        name, place = after[name]
        since = max(since, place)
        found[name] = since
    before = [authority]
    for name in before:
        before += [one for one, (next_, _) in after.items() if next_ == name]
    return tuple(sorted((found | dict.fromkeys(before[1:], 0)).items()))


def seams(store: Store, size: int) -> dict[str, InForce]:
    """Those in force, by name."""
    laws: dict[str, tuple[bytes, Seam]] = {}
    for law in Shelf(store).laws():
        if law.place < size and law.whole and law.record.matter == Matter.SEAM:
            says = seam.read(law.record.body)
            laws[says.name] = cose.name(law.record.payload()), says
    members = _members(store)
    return {name: _in_force(members, of, says, (size, size)) for name, (of, says) in laws.items()}


def seam_called(store: Store, name: str, size: int) -> InForce:
    """Raises NotFoundError."""
    found = seams(store, size)
    if name not in found:
        there = ", ".join(sorted(found)) or "none"
        raise NotFoundError(f"no seam {name!r} is in force; there are: {there}")
    return found[name]


def seam_of(store: Store, name: bytes) -> Seam:
    """The seam that a record says, in force or not. Raises NotFoundError."""
    says = record_of(store, name, Matter.SEAM)
    return seam.read(says.body)


def place_of(store: Store, name: bytes) -> int:
    """Where a record stands in the log. Raises NotFoundError."""
    row = store.joint(name)
    if row is None:
        raise NotFoundError(f"no record {name.hex()[:16]} is here")
    return row.idx


def record_of(store: Store, name: bytes, matter: Matter) -> Record:
    """A record by its name. Raises NotFoundError."""
    says = Shelf(store).record(name)
    if says is None or says.matter != matter:
        raise NotFoundError(f"no record {name.hex()[:16]} of matter {matter.name.lower()} is here")
    return says


def records(store: Store, matter: Matter, size: int) -> Iterator[tuple[JointRow, Record]]:
    """Those of one matter below a size, in the order of the log."""
    for row in store.joints():
        if row.idx >= size:
            return
        if row.matter == matter:
            entry = store.entry(row.idx)
            if entry is None:
                raise StoreError(f"entry {row.idx} is missing")
            yield row, record.read(cose.read(entry.encoded).payload)


def standing_of(store: Store, of: InForce, size: int) -> Standing | None:
    """What the pair was last agreed to differ by."""
    last: Standing | None = None
    for row, says in records(store, Matter.STANDING_RESIDUAL, size):
        body = residual.read(says.body)
        if body.seam == of.name and _is_joint(store, row, size):
            last = standing.of(body, row.name)
    return last


def residual_of(store: Store, name: bytes) -> Residual:
    """Raises NotFoundError."""
    return residual.read(record_of(store, name, Matter.STANDING_RESIDUAL).body)


def first_of(store: Store, name: bytes) -> Standing:
    """The one that began the line. Raises NotFoundError."""
    for _ in range(LINE_MAX):
        body = residual_of(store, name)
        if body.before is None:
            return standing.of(body, name)
        name = body.before
    raise NotFoundError(f"more than {LINE_MAX} standing residuals, each from the one before")


def claims_of(store: Store, of: InForce, begins: int, ends: int, size: int) -> list[Claimed | None]:
    """The last claim of each side over an interval of this seam."""
    found: list[Claimed | None] = [None, None]
    for row, says in records(store, Matter.CLAIM, size):
        if (says.begins, says.ends) == (begins, ends) and says.elements == (of.seam.name,):
            body = claim.read(says.body)
            if body.figure(claim.NET_ENERGY) is None:
                continue
            for at in (0, 1):
                if of.speaks(at, says.author, row.idx):
                    found[at] = row.name, body
    return found


def _is_joint(store: Store, row: JointRow, size: int) -> bool:
    shelf = Shelf(store)
    registry = Docket((), shelf).registry
    found = case.standing(case_of(row), shelf.words(row.name), size, row.tai, registry)
    return found.state == State.JOINT
