"""What each record is worth at each place of the log: pending, joint, disputed or expired.

1. What one record is worth follows from the words about it: evidence.joint.case.
2. What rules others (policy, registry, seam) comes into force at the place where it is joint, if
   what it replaces is still what it replaced when it was logged; else it is joint, SUPERSEDED, and
   without effect; and so it is, LOCKOUT, where nobody could change the law after it any more
   (evidence.joint.lockout). A dissent afterwards disputes the record, and takes nothing out of
   force: what was decided by it stands until another is joint.
3. A key that its own authority revokes signs nothing more from that record on, joint or not.
4. A record logged later after its interval than the policy lets it is BACK_DATED: joint it may
   become, with that flag beside it.
5. Words of others than those who must sign are kept, and count for nothing.

It reads no file and no database: what must be remembered lies on a Shelf (evidence.joint.shelf for
memory, record.joint for a record).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from evidence import cose
from evidence.code import Matter, Reason, Typ
from evidence.joint import asked, countersignature, lockout, policy, record, registry, seam
from evidence.joint.asked import Need, Parties
from evidence.joint.before import Looked, Sold
from evidence.joint.case import Case as Case
from evidence.joint.case import Said as Said
from evidence.joint.case import Standing as Standing
from evidence.joint.case import State as State
from evidence.joint.case import standing as standing
from evidence.joint.countersignature import Countersignature
from evidence.joint.matter import BODIES, EXAMINERS
from evidence.joint.policy import Policy, Rule
from evidence.joint.record import Record
from evidence.joint.registry import Listing
from evidence.joint.seam import Seam
from evidence.refusal import EvidenceError
from evidence.trust import Authority

RULING = (Matter.POLICY, Matter.REGISTRY, Matter.SEAM)
NOWHERE = -1  # the place of what the anchors say, and of what nothing says


class Law(NamedTuple):
    """A record that rules from a place on; not `whole`: by the keys that it revokes, alone."""

    place: int
    record: Record
    whole: bool


class Shelf(Protocol):
    """What is remembered of records and words. What was put is there for the next question."""

    def case(self, name: bytes) -> Case | None: ...

    def record(self, name: bytes) -> Record | None: ...

    def steps(self, name: bytes) -> Sequence[bytes]: ...

    def words(self, name: bytes) -> Sequence[Said]:
        """About one record, in the order of the log."""

    def sellers(self, digest: bytes, begins: int, ends: int) -> Sequence[tuple[bytes, Sold]]:
        """The records that have what one alone may have (evidence.joint.sold) within a time, by
        name."""

    def laws(self) -> Iterable[Law]:
        """In the order of the log."""

    def add_case(self, case: Case, of: Record, state: State) -> None: ...

    def add_word(self, said: Said) -> None: ...

    def add_law(self, place: int, of: Case, whole: bool) -> None: ...

    def change(self, case: Case, state: State, since: int) -> None:
        """A record's state or flags are others now."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What may be entered: a record with its case, or a countersignature."""

    tai: int
    name: bytes
    value: Record | Countersignature
    case: Case | None


class Docket:
    """The shared record as it stands after the entry that was entered last."""

    def __init__(self, founders: Iterable[Authority], shelf: Shelf) -> None:
        self._founders, self._shelf = tuple(founders), shelf
        self.reset()

    def reset(self) -> None:
        """Goes back to what the shelf holds."""
        self.registry = registry.founded(self._founders)
        self.policy: Policy | None = None
        self.seams: dict[str, Seam] = {}
        self._places: dict[tuple[Matter, str], int] = {}
        for law in self._shelf.laws():
            self._follow(law)

    # --- asking -------------------------------------------------------------------------------

    def standing(self, name: bytes, size: int, tai: int) -> Standing | None:
        """What a record is worth in a log of so many entries, whose clock says so; None: it is not
        among them."""
        case = self._shelf.case(name)
        if case is None or case.idx >= size:
            return None
        found = standing(case, self._shelf.words(name), size, tai, self.registry)
        if found.state in (State.PENDING, State.EXPIRED):  # it came too late when it was joint
            flags = tuple(flag for flag in case.flags if flag != Reason.SUPERSEDED)
            found = replace(found, case=replace(case, flags=flags))
        return found

    def judge(self, message: cose.Sign1, idx: int, tai: int) -> Judged:
        """Whether a record or a countersignature may be the next entry, of this place and instant
        of the log's clock. Raises EvidenceError."""
        by = self.registry.signer(message, tai)
        if message.typ == Typ.COUNTERSIGNATURE:
            said = countersignature.read(message.payload)
            _check_author(said.author, by)
            return Judged(tai, message.name, said, None)
        says = record.read(cose.stated(message, Typ.RECORD).payload)
        _check_author(says.author, by)
        there = self._shelf.case(message.name)
        if there is not None:  # the same payload signed once more: an entry without effect
            return Judged(tai, message.name, says, None)
        return Judged(tai, message.name, says, self._case(says, message.name, idx, tai))

    # --- entering -----------------------------------------------------------------------------

    def enter(self, judged: Judged, idx: int) -> None:
        """What was judged has its place in the log, and nothing came between."""
        if isinstance(judged.value, Countersignature):
            self._say(judged.value, idx, judged.tai)
        elif judged.case is not None:
            self._open(judged.case, judged.value)

    def _open(self, case: Case, says: Record) -> None:
        self._shelf.add_case(case, says, State.PENDING)
        if says.matter == Matter.REGISTRY and says.author == registry.read(says.body).name:
            law = Law(case.idx, says, False)
            if registry.read(says.body).revoked:
                self._shelf.add_law(case.idx, case, False)
                self._follow(law)
        self._settle(case, State.PENDING, case.idx, case.tai)

    def _say(self, said: Countersignature, idx: int, tai: int) -> None:
        words = self._shelf.words(said.record)
        if any(one.author == said.author and one.word == said.word for one in words):
            return
        case = self._shelf.case(said.record)
        before = None
        if case is not None:
            before = standing(case, words, idx, tai, self.registry).state
        self._shelf.add_word(Said(said.record, said.author, said.word, idx, tai))
        if case is not None and before is not None:
            self._settle(case, before, idx, tai)

    def _settle(self, case: Case, before: State, idx: int, tai: int) -> None:
        """A record's state after an entry that is about it."""
        found = standing(case, self._shelf.words(case.name), idx + 1, tai, self.registry)
        comes_in = found.state == State.JOINT and before != State.JOINT
        if comes_in and case.matter in RULING:
            case = self._rule(case, idx, tai)
        self._shelf.change(case, found.state, found.since)

    def _rule(self, case: Case, idx: int, tai: int) -> Case:
        """Rule 2: brings a record into force, or flags why it does not come in."""
        says = self._shelf.record(case.name)
        if says is None:
            return case
        why = self._hindrance(says, case.base, idx, tai)
        if why is not None:
            return replace(case, flags=(*case.flags, why))
        self._shelf.add_law(idx, case, True)
        self._follow(Law(idx, says, True))
        return case

    def _hindrance(self, says: Record, base: int, idx: int, tai: int) -> Reason | None:
        """Why a joint record does not come into force: the law is another than when it was logged.
        Its keys need not sign again."""
        if self._places.get(_ruled(says), NOWHERE) != base:
            return Reason.SUPERSEDED
        try:
            if says.matter == Matter.REGISTRY:
                self._check_listing(registry.read(says.body), idx, tai)
            elif says.matter == Matter.POLICY:
                self._check_policy(policy.read(says.body), tai)
        except EvidenceError as fault:
            return Reason.LOCKOUT if fault.reason == Reason.LOCKOUT else Reason.SUPERSEDED
        return None

    def _follow(self, law: Law) -> None:
        body = law.record.body
        if not law.whole:
            self.registry.revoke(registry.read(body), law.place)
            return
        self._places[_ruled(law.record)] = law.place
        if law.record.matter == Matter.POLICY:
            self.policy = policy.read(body)
        elif law.record.matter == Matter.REGISTRY:
            self.registry.follow(registry.read(body), law.place)
        else:
            found = seam.read(body)
            self.seams[found.name] = found

    # --- judging ------------------------------------------------------------------------------

    def _case(self, says: Record, name: bytes, idx: int, tai: int) -> Case:
        reader = BODIES.get(says.matter)
        if reader is not None:
            reader(says.body)
        flags = self._check_law(says, idx, tai)
        touches, subjects = self._touches(says), _subjects(says)
        looked = self._looked(says, touches, idx, tai)
        rule = self._rule_of(says, looked)
        found = self._parties(rule, says, touches, subjects, tai)
        within = None if rule is None else rule.logged_within
        late = within is not None and tai - says.ends > within
        return Case(
            name, idx, tai, says.matter, says.author, says.begins, says.ends,
            None if rule is None or rule.expires is None else tai + rule.expires,
            found.needs, found.notified,
            (
                *((Reason.BACK_DATED,) if late else ()),
                *((Reason.KEYLESS,) if found.keyless else ()),
                *(*flags, *looked.flags),
            ),
            self._places.get(_ruled(says), NOWHERE) if says.matter in RULING else NOWHERE,
        )  # fmt: skip

    def _looked(self, says: Record, touches: frozenset[str], idx: int, tai: int) -> Looked:
        examine = EXAMINERS.get(says.matter)
        if examine is None:
            return Looked()
        return examine(says, touches, _Before(self, self._shelf, idx, tai))

    def _rule_of(self, says: Record, looked: Looked) -> Rule | None:
        """None: the first policy, which takes all founders. Raises EvidenceError(ROLE)."""
        if self.policy is None:
            if says.matter == Matter.POLICY and says.author in self.registry.founding:
                return None
            text = "no policy is in force: the first takes the signature of every founder"
            raise EvidenceError(Reason.ROLE, text)
        rule = self.policy.rule(says.matter, looked.step)
        if rule is None:
            text = f"the policy in force has no rule of {says.matter.name.lower()}"
            raise EvidenceError(Reason.ROLE, text)
        return rule

    def _parties(
        self,
        rule: Rule | None,
        says: Record,
        touches: frozenset[str],
        subjects: Sequence[str],
        tai: int,
    ) -> Parties:
        if rule is None:
            names = dict.fromkeys([says.author, *sorted(self.registry.founding)])
            return Parties(tuple(Need(name, "founder") for name in names), ())
        if rule.seam and not (says.elements and set(says.elements) <= self.seams.keys()):
            unknown = [name for name in says.elements if name not in self.seams]
            text = f"no seam in force: {', '.join(unknown)}" if unknown else "names no seam"
            raise EvidenceError(Reason.SEAM_UNKNOWN, text)
        return asked.parties(rule, says, touches, self.registry, subjects, tai)

    def _check_law(self, says: Record, idx: int, tai: int) -> tuple[Reason, ...]:
        """What is flagged of a record that would rule others. Raises EvidenceError where it can
        never come in, or nobody could change the law after it."""
        if says.matter == Matter.POLICY:
            found = policy.read(says.body)
            self._check_policy(found, tai)
            return lockout.flags(found, self.registry)
        if says.matter == Matter.REGISTRY:
            listing = registry.read(says.body)
            self._check_listing(listing, idx, tai)
            self.registry.check_possession(listing)
        return ()

    def _check_policy(self, found: Policy, tai: int) -> None:
        lockout.check(found, self.registry, tai)
        lockout.check_seams(found, self.seams)

    def _check_listing(self, listing: Listing, idx: int, tai: int) -> None:
        self.registry.check(listing)
        if self.policy is not None:
            lockout.check(self.policy, self.registry.after(listing, idx), tai)

    def _touches(self, says: Record) -> frozenset[str]:
        more = frozenset[str]()
        if says.matter == Matter.SEAM:
            found = seam.read(says.body)
            known = self.seams.get(found.name)
            more = found.footprints | (known.footprints if known else frozenset())
        return asked.touched(says, self.seams, more)


class _Before:
    """What an examiner may ask."""

    def __init__(self, docket: Docket, shelf: Shelf, size: int, tai: int) -> None:
        self._docket, self._shelf, self.size, self.tai = docket, shelf, size, tai
        self.registry, self.policy, self.seams = docket.registry, docket.policy, docket.seams
        self.record, self.steps, self.sold = shelf.record, shelf.steps, shelf.sellers
        self._states: dict[bytes, State | None] = {}

    def is_joint(self, name: bytes) -> bool:
        return self._state(name) == State.JOINT

    def is_gone(self, name: bytes) -> bool:
        return self._state(name) in (State.DISPUTED, State.EXPIRED)

    def _state(self, name: bytes) -> State | None:
        if name not in self._states:
            found = self._docket.standing(name, self.size, self.tai)
            self._states[name] = None if found is None else found.state
        return self._states[name]


def _ruled(says: Record) -> tuple[Matter, str]:
    """What a record that rules is about."""
    if says.matter == Matter.REGISTRY:
        return says.matter, registry.read(says.body).name
    return says.matter, seam.read(says.body).name if says.matter == Matter.SEAM else ""


def _subjects(says: Record) -> tuple[str, ...]:
    """Whom a registry record is about, the one that it lists first."""
    if says.matter != Matter.REGISTRY:
        return ()
    listing = registry.read(says.body)
    return (listing.name, *filter(None, (listing.successor_of,)))


def _check_author(author: str, by: str) -> None:
    if author != by:
        text = f"said in the name of {author!r} by a key of {by!r}"
        raise EvidenceError(Reason.UNKNOWN_AUTHORITY, text)


def replayed(
    docket: Docket, entries: Iterable[tuple[int, int, bytes]]
) -> Iterator[tuple[int, EvidenceError | None]]:
    """Enters what of a log is a record or a countersignature: of each (place, log's clock, encoded)
    the place, and why it has none. Whatever else an entry is, is passed over."""
    for idx, tai, encoded in entries:
        message = cose.read(encoded)
        if message.typ not in (Typ.RECORD, Typ.COUNTERSIGNATURE):
            continue
        try:
            docket.enter(docket.judge(message, idx, tai), idx)
        except EvidenceError as fault:
            yield idx, fault
        else:
            yield idx, None
