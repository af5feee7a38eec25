"""What one record is worth, by what was said of it: pending, joint, disputed or expired.

    who must sign  by the policy and the registry in force where the record is logged
    joint          all of them have assented, in whatever order that came, the last of them before
                   the record expires; a countersignature may come before its record
    disputed       one of them has dissented, before or after all have assented
    expired        not all have assented, none has dissented, and the policy's time is over

1. A pure function of the entries up to a place, their log clocks, and the anchors. Of n authorities
   n - 1 are never enough, in any order: the states follow from the first assent and the first
   dissent of each, and from nothing else.
2. A dissent is for good. Who assented before has dissented since; who assents afterwards is kept,
   and changes nothing: to agree after all is a new record, with the old one as its parent.
3. A word logged after the time is over neither makes a record joint nor disputes what expired. One
   logged after it was joint disputes it, at any time.
4. An author's record is its assent; a dissent of its own disputes it.
5. The word of somebody who need not sign is told apart: it counts for nothing, makes nothing joint
   and disputes nothing.

Whose word it is, and what may be logged at all, is evidence.joint.state's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from evidence.code import Matter, Reason, Word
from evidence.joint.asked import Need
from evidence.joint.registry import Registry


class State(IntEnum):
    PENDING = 1
    JOINT = 2
    DISPUTED = 3
    EXPIRED = 4


class Said(NamedTuple):
    """A word that counts: the first of its kind, of one authority about one record."""

    record: bytes
    author: str
    word: Word
    idx: int
    tai: int  # the log's clock there


@dataclass(frozen=True, slots=True)
class Case:
    """A record as it was logged. `tai`: the log's clock there; `deadline`: until when it may become
    joint; `base`: the place of what it would replace."""

    name: bytes
    idx: int
    tai: int
    matter: Matter
    author: str
    begins: int
    ends: int
    deadline: int | None
    needs: tuple[Need, ...]
    notified: tuple[str, ...]
    flags: tuple[Reason, ...]
    base: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What a record is worth. `since`: the place of the entry that made it so; of what expired the
    record's own. Of those who must sign: who has assented, who dissented, of whom nothing is here.
    `unasked`: the words of others.
    """

    case: Case
    state: State
    since: int
    signed: tuple[Need, ...]
    dissent: tuple[Need, ...]
    missing: tuple[Need, ...]
    unasked: tuple[Said, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether it is joint, and nothing is flagged."""
        return self.state == State.JOINT and not self.case.flags


def standing(case: Case, words: Sequence[Said], size: int, tai: int, known: Registry) -> Standing:
    """What a record is worth in a log of so many entries, whose clock says so."""
    yes: dict[str, tuple[int, int]] = {case.author: (case.idx, case.tai)}
    no: dict[str, tuple[int, int]] = {}
    here = [said for said in words if said.idx < size]
    aside = dict.fromkeys(here)
    for need in case.needs:
        for said in here:
            if known.stands_for(said.author, need.authority, said.idx, case.idx):
                aside.pop(said, None)
                # What came before its record says nothing of anything until that is here.
                at = max(said.idx, case.idx), max(said.tai, case.tai)
                of = yes if said.word == Word.ASSENT else no
                of[need.authority] = min(of.get(need.authority, at), at)
    state, since = _state(case, yes, no, tai)
    return Standing(
        case, state, since,
        tuple(need for need in case.needs if need.authority in yes and need.authority not in no),
        tuple(need for need in case.needs if need.authority in no),
        tuple(need for need in case.needs if need.authority not in {*yes, *no}),
        tuple(aside),
    )  # fmt: skip


def _state(
    case: Case, yes: dict[str, tuple[int, int]], no: dict[str, tuple[int, int]], tai: int
) -> tuple[State, int]:
    """Rules 1 to 4. Instants are of the log's clock, which may be set back: each word's own."""
    against = min(no.values(), default=None)
    if all(need.authority in yes for need in case.needs):
        whole, last = max(yes.values())[0], max(when for _, when in yes.values())
        if _in_time(case, last) and (against is None or whole < against[0]):
            return (State.JOINT, whole) if against is None else (State.DISPUTED, against[0])
    disputes = [idx for idx, when in no.values() if _in_time(case, when)]
    if disputes:
        return State.DISPUTED, min(disputes)
    return (State.PENDING if _in_time(case, tai) else State.EXPIRED), case.idx


def _in_time(case: Case, tai: int) -> bool:
    return case.deadline is None or tai <= case.deadline
