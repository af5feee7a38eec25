"""What authorities agreed on that a settlement takes: seams in force, standing residuals, claims;
as at a size of the tree.

1. A seam is in force from where its record is joint until another of its name is.
2. A standing residual counts when its record is joint, whatever is said of it after that size; of
   several the last. One side's word of how far the other may be off would be worth nothing.
3. A claim counts for its author: as a side of a seam, where the seam names that authority's
   footprint, over the very interval that it claims.

It reads rows and statements, and checks no signature.
"""

from collections.abc import Iterator
from typing import NamedTuple

from evidence import cose
from evidence.code import Matter
from evidence.joint import case, claim, record, residual, seam
from evidence.joint.case import State
from evidence.joint.claim import Claim
from evidence.joint.record import Record
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


class InForce(NamedTuple):
    """A seam, and the name of the record that says so."""

    name: bytes
    seam: Seam


def seams(store: Store, size: int) -> dict[str, InForce]:
    """Those in force, by name."""
    found: dict[str, InForce] = {}
    for law in Shelf(store).laws():
        if law.place < size and law.whole and law.record.matter == Matter.SEAM:
            says = seam.read(law.record.body)
            found[says.name] = InForce(cose.name(law.record.payload()), says)
    return found


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


def claims_of(
    store: Store, of: Seam, begins: int, ends: int, size: int
) -> dict[str, tuple[bytes, Claim]]:
    """The last claim of each side's authority over an interval of this seam, by authority."""
    found: dict[str, tuple[bytes, Claim]] = {}
    for row, says in records(store, Matter.CLAIM, size):
        if (says.begins, says.ends) == (begins, ends) and says.elements == (of.name,):
            body = claim.read(says.body)
            if body.figure(claim.NET_ENERGY) is not None:
                found[says.author] = (row.name, body)
    return found


def _is_joint(store: Store, row: JointRow, size: int) -> bool:
    shelf = Shelf(store)
    registry = Docket((), shelf).registry
    found = case.standing(case_of(row), shelf.words(row.name), size, row.tai, registry)
    return found.state == State.JOINT
