"""A scope of authority is lent to one at a time: what two handoffs of it are, and who is flagged.

1. Lent is from the begin of the step ACTIVE until before that of the joint step which ended it, or
   before the request's `expires`, whichever is earlier: half open, so that who takes over where
   another gave back overlaps with nobody. Instants are those that the steps claim.
2. Two lend the same where the same authority releases (or one that succeeded it), the scopes have
   one spelling (evidence.joint.spelling), and they share an element; where one names none, a
   footprint that they touch; where one touches none, the scope alone tells.
3. It is found where the later ACTIVE is logged, in whatever order steps of both came, and flagged
   there: LENT_TWICE. A step that waits for a signature counts; what was disputed or expired
   unsigned does not, and nothing that was built on it. Both stay.
4. What was lent on by who had it is another's to release: it is not lent twice.

An end that is logged afterwards takes no flag back: where it was taken, two had it by the record.
"""

import hashlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from evidence import cbor
from evidence.code import Matter, Part, Reason, Step
from evidence.joint import asked, handoff
from evidence.joint.before import Before, Looked, Sold
from evidence.joint.handoff import STEPS_MAX, Request, Taken
from evidence.joint.record import TAI_MAX, Record
from evidence.joint.spelling import folded

ENDS = (Step.RETURNED, Step.EXPIRED, Step.REVOKED)
Records = Callable[[bytes], Record | None]


class _Lending(NamedTuple):
    """An ACTIVE step and its request."""

    record: Record
    says: Taken
    request: Record
    asks: Request

    @property
    def lender(self) -> str:
        return self.record.who(Part.RELEASING) or ""

    def digest(self, lender: str) -> bytes:
        """What the scope is found by, as somebody's."""
        return hashlib.sha256(cbor.encode(["lent", lender, folded(self.asks.scope)])).digest()

    @property
    def sold(self) -> Sold:
        expires = TAI_MAX if self.asks.expires is None else self.asks.expires
        return Sold(self.says.request, self.record.begins, expires)


def rows(of: Record, record_of: Records) -> list[tuple[bytes, Sold]]:
    """What a step of a handoff lends, to be found again: of ACTIVE its scope, of others nothing."""
    found = _lending(of, record_of)
    return [] if found is None else [(found.digest(found.lender), found.sold)]


def look(record: Record, touches: frozenset[str], before: Before) -> Looked:
    """A step of a handoff where it is logged: as evidence.joint.handoff does, and rule 3. Raises
    EvidenceError as that does."""
    looked = handoff.look(record, touches, before)
    mine = _lending(record, before.record)
    if mine is None or not any(
        _twice(mine, touches, *row, before) for row in _others(mine, before)
    ):
        return looked
    return looked._replace(flags=(*looked.flags, Reason.LENT_TWICE))


def _lending(of: Record, record_of: Records) -> _Lending | None:
    says = handoff.read(of.body)
    if not isinstance(says, Taken) or says.step != Step.ACTIVE:
        return None
    request = record_of(says.request)
    asks = None if request is None else handoff.read(request.body)
    if request is None or not isinstance(asks, Request):
        return None
    return _Lending(of, says, request, asks)


def _lent(mine: _Lending, before: Before) -> Iterator[tuple[bytes, Sold]]:
    """The scope, as lent within its time by the same authority, or one that it stands for."""
    known, size = before.registry, before.size
    for name in sorted({mine.lender, *known.members}):
        if known.stands_for(mine.lender, name, size, size):
            for row in before.sold(mine.digest(name), mine.sold.begins, mine.sold.ends):
                if not before.is_gone(row[0]):
                    yield row


def _others(mine: _Lending, before: Before) -> Iterator[tuple[bytes, _Lending]]:
    """Steps that lend the scope in another handoff, and on which one may rely."""
    for name, sold in _lent(mine, before):
        record = before.record(name)
        if record is None or record.matter != Matter.HANDOFF or sold.by == mine.says.request:
            continue
        other = _lending(record, before.record)
        if other is not None and not _is_broken(other.says, before):
            yield name, other


def _is_broken(says: Taken, before: Before) -> bool:
    """Whether a step that it was built on is disputed or expired unsigned."""
    name = says.before
    for _ in range(STEPS_MAX):
        found = before.record(name)
        if found is None or before.is_gone(name):
            return True
        of = handoff.read(found.body)
        if isinstance(of, Request):
            return False
        name = of.before
    return True


def _twice(
    mine: _Lending, touches: frozenset[str], name: bytes, other: _Lending, before: Before
) -> bool:
    one, two = mine.record, other.record
    if one.elements and two.elements:
        if not set(one.elements) & set(two.elements):
            return False
    else:
        theirs = asked.touched(two, before.seams, ())
        if touches and theirs and not touches & theirs:
            return False
    ends = min(other.sold.ends, _ended(name, before))
    return max(one.begins, two.begins) < min(mine.sold.ends, ends)


def _ended(name: bytes, before: Before) -> int:
    """Where the step that ended it says so."""
    found = [TAI_MAX]
    for child in before.steps(name):
        record = before.record(child)
        if record is None or not before.is_joint(child):
            continue
        says = handoff.read(record.body)
        if isinstance(says, Taken) and says.before == name and says.step in ENDS:
            found.append(record.begins)
    return min(found)
