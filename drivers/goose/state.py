"""The sequence of one GOOSE stream: what each message is, seen after those before it. Facts in,
verdicts out.

    IEC 61850-8-1 18.1.2.5, IEC 61850-7-2 18.2.3: stNum counts changes, sqNum the messages of one
    state from 0 on, both roll over to 1; t is the instant of the change; the next message comes
    within timeAllowedtoLive ms.

1. The first message after a start is a state found, whatever its numbers.
2. The same message again within COPY_NS is the same message heard twice: by two LANs, around a
   ring, from a mirror port. Never a replay, and no sign of life either.
3. A new stNum is a change; more than one ahead, the ones between were not heard. Values, t, confRev
   or ndsCom that differ under the stNum of before are a change, too: unannounced.
4. What lies behind is taken in two cases. It was passed over, and comes within COPY_NS: reordered.
   Or the sender has begun anew: t is later than before, or, where its clock cannot tell, its
   messages go on in order (RIVALS of them) while nothing else was heard for timeAllowedtoLive, or
   QUIET_NS if that is shorter. All else that lies behind is a replay, and changes nothing: not what
   is expected next, and not for how long.
5. Memory is bounded: RECENT_MAX messages for rule 2, HOLES_MAX holes for rule 4.

The clock comes in with each message; it knows no frame and no octet. Simulated messages are a
sequence of their own, kept apart by whoever feeds this.
"""

from enum import Enum, auto
from typing import NamedTuple

from drivers.goose.data import UtcTime
from evidence.code import Event

NS_PER_MS = 1_000_000
# IEC 62439-3 Table 8: EntryForgetTime, after which a duplicate is none any more.
COPY_NS = 400 * NS_PER_MS
RECENT_MAX = 4096  # messages within COPY_NS: ten a millisecond
HOLES_MAX = 64  # within COPY_NS
QUIET_NS = 60_000 * NS_PER_MS  # a message that allows more must not shut out the true sender
RIVALS = 3  # in order, before a sender without a clock is believed to have begun anew
INT32U_MAX = (1 << 32) - 1
JUMP_MAX = 1000  # changes in one hole; a number further ahead is a forged or a foreign one


class Facts(NamedTuple):
    """One message, as far as the sequence is concerned."""

    stNum: int
    sqNum: int
    t: UtcTime
    time_allowed_ms: int
    confRev: int
    ndsCom: bool
    entries: int  # numDatSetEntries
    data: bytes  # allData
    identity: tuple[object, ...]  # datSet, goID, APPID, destination
    sender: bytes  # source address; empty where there is none
    content: int  # a hash of all octets that two copies have in common
    heard: int  # ns

    def same_state(self, other: "Facts") -> bool:
        """Whether both are messages of one state."""
        return (
            self.data == other.data
            and self.t[:2] == other.t[:2]
            and self.confRev == other.confRev
            and self.ndsCom == other.ndsCom
            and self.entries == other.entries
        )


class Sight(Enum):
    """What a message is."""

    FOUND = auto()  # a state, and not a change
    CHANGED = auto()  # a state that begins
    LATE = auto()  # a state that began and ended before one that was heard
    REPEATED = auto()
    COPY = auto()
    REFUSED = auto()


class Note(NamedTuple):
    """Something noticed on the way. `at`: ns, where that is not when the message was heard."""

    event: Event
    text: str
    at: int | None = None


class Verdict(NamedTuple):
    """What a message is, and what it shows.

    `lost`: changes not heard before it, None where nobody can say. `missed`: messages not heard of
    its own state.
    """

    sight: Sight
    notes: list[Note]
    lost: int | None = 0
    missed: int = 0
    timed: bool = True  # whether t is the instant of this change


class _Hole(NamedTuple):
    """Numbers that were passed over, and until when one of them is late rather than old."""

    states: range  # of stNum
    messages: range  # of sqNum
    until: int
    state: Facts | None  # what they must tell; None where that was never heard


_ALL_MESSAGES = range(INT32U_MAX + 1)


class Machine:
    """One sequence."""

    __slots__ = ("_holes", "_last", "_recent", "_rival", "_rivals", "expires", "silent")

    def __init__(self) -> None:
        self._last: Facts | None = None
        self._holes: list[_Hole] = []
        self._recent: dict[tuple[int, int], tuple[int, int]] = {}  # when heard, content
        self._rival: Facts | None = None
        self._rivals = 0
        self.expires: int | None = None  # when the next message must have been heard, ns
        self.silent = False

    def watch(self, now: int) -> list[Note]:
        """What time alone shows: a sender that has been silent for too long, once."""
        if self.expires is None or self.silent or now <= self.expires:
            return []
        self.silent = True
        return [Note(Event.SILENT, "timeAllowedtoLive is over", self.expires)]

    def see(self, facts: Facts) -> Verdict:
        """The next message."""
        notes = self.watch(facts.heard)
        self._forget(facts.heard)
        key = facts.stNum, facts.sqNum
        known = self._recent.get(key)
        if known is not None and known[1] == facts.content:
            return Verdict(Sight.COPY, notes)
        self._recent.pop(key, None)  # the newest stands last
        self._recent[key] = facts.heard, facts.content
        last = self._last
        if last is None:
            self._adopt(facts, None)
            found = Verdict(Sight.FOUND, [Note(Event.STATE_FOUND, _numbers(facts))])
        else:
            ahead = _ahead(facts.stNum, last.stNum)
            if ahead == 0:
                found = self._same(facts, last)
            elif ahead > 0:
                found = self._forward(facts, last, ahead)
            else:
                found = self._behind(facts, last)
        return found._replace(notes=notes + found.notes)

    def _forget(self, now: int) -> None:
        """Messages that are no copies' originals any more, oldest first."""
        recent = self._recent
        while recent:
            key = next(iter(recent))
            if 0 <= now - recent[key][0] <= COPY_NS and len(recent) < RECENT_MAX:
                return
            del recent[key]

    # --- where a message stands

    def _forward(self, facts: Facts, last: Facts, ahead: int) -> Verdict:
        """A new stNum."""
        notes, lost = list[Note](), ahead - 1
        if lost:
            notes.append(Note(Event.STATES_LOST, f"stNum {facts.stNum} after {last.stNum}"))
        if facts.t[:2] < last.t[:2]:
            notes.append(Note(Event.TIME_WENT_BACK, f"t {_time(facts.t)} after {_time(last.t)}"))
        # The first state of all begins with sqNum 1 (IEC 61850-7-2 18.2.3.5).
        missed = facts.sqNum - (facts.stNum == 1 and facts.sqNum > 0)
        if missed:
            notes.append(
                Note(Event.MESSAGES_LOST, f"sqNum {facts.sqNum} is the first of its state")
            )
        known = facts.stNum > last.stNum and lost <= JUMP_MAX
        passed = range(last.stNum + 1, facts.stNum if known else 0)
        self._pass_over(passed, _ALL_MESSAGES, facts.heard, None)
        self._pass_over(_one(last), range(last.sqNum + 1, INT32U_MAX + 1), facts.heard, last)
        self._pass_over(_one(facts), range(facts.sqNum), facts.heard, facts)
        notes += self._adopt(facts, last)
        return Verdict(Sight.CHANGED, notes, lost if lost <= JUMP_MAX else None, missed)

    def _same(self, facts: Facts, last: Facts) -> Verdict:
        """The stNum of before."""
        step = _ahead(facts.sqNum, last.sqNum)
        if not facts.same_state(last):
            return self._altered(facts, last, step)
        if step <= 0:
            return self._behind(facts, last)
        notes, missed = list[Note](), step - 1
        if missed:
            text = f"sqNum {facts.sqNum} after {last.sqNum}"
            notes.append(Note(Event.MESSAGES_LOST, text))
            self._pass_over(_one(last), range(last.sqNum + 1, facts.sqNum), facts.heard, last)
        notes += self._adopt(facts, last)
        return Verdict(Sight.REPEATED, notes, missed=missed)

    def _altered(self, facts: Facts, last: Facts, step: int) -> Verdict:
        """Another state under the stNum of before."""
        if facts.t[:2] < last.t[:2]:
            return self._behind(facts, last)
        later = facts.t[:2] > last.t[:2]
        if later and facts.sqNum <= 1 and step <= 0:
            return self._begun_anew(facts, last)
        notes, missed = list[Note](), max(step - 1, 0)
        if facts.data != last.data or facts.entries != last.entries or later:
            text = "later t" if later else "other values, the same t"
            notes.append(Note(Event.UNANNOUNCED, f"{_numbers(facts)} again: {text}"))
        if facts.ndsCom != last.ndsCom:
            notes.append(Note(Event.MODE_CHANGED, f"ndsCom is now {facts.ndsCom}"))
        notes += self._adopt(facts, last)
        return Verdict(Sight.CHANGED, notes, missed=missed, timed=later)

    def _behind(self, facts: Facts, last: Facts) -> Verdict:
        """Numbers that lie behind: late, begun anew, or a replay."""
        text = f"{_numbers(facts)} after {_numbers(last)}"
        hole = self._hole_of(facts)
        if hole is not None:
            late = [Note(Event.REORDERED, text)]
            if hole.state is not None:
                return Verdict(Sight.REPEATED, late)
            heard = sum(stNum == facts.stNum for stNum, _ in self._recent)  # itself among them
            return Verdict(Sight.LATE if heard == 1 else Sight.REPEATED, late)
        if facts.t[:2] > last.t[:2] or self._rivalled(facts, last):
            return self._begun_anew(facts, last)
        return Verdict(Sight.REFUSED, [Note(Event.REPLAYED, text)])

    def _begun_anew(self, facts: Facts, last: Facts) -> Verdict:
        text = f"{_numbers(facts)} after {_numbers(last)}"
        notes = [Note(Event.RESTARTED, text), *self._adopt(facts, last)]
        self._holes = []
        return Verdict(Sight.CHANGED, notes, 0 if facts.stNum <= 1 else None)

    def _rivalled(self, facts: Facts, last: Facts) -> bool:
        """Whether what lies behind goes on in order for long enough to be believed."""
        rival, self._rival = self._rival, facts
        goes_on = rival is not None and (rival.stNum, rival.sqNum) < (facts.stNum, facts.sqNum)
        self._rivals = self._rivals + 1 if goes_on else 1
        allowed = min(last.time_allowed_ms * NS_PER_MS, QUIET_NS) or QUIET_NS
        return self._rivals >= RIVALS and facts.heard - last.heard > allowed

    def _pass_over(self, states: range, messages: range, now: int, state: Facts | None) -> None:
        holes = [hole for hole in self._holes if hole.until >= now][-HOLES_MAX + 1 :]
        if states and messages:
            holes.append(_Hole(states, messages, now + COPY_NS, state))
        self._holes = holes

    def _hole_of(self, facts: Facts) -> _Hole | None:
        """The hole that a message fills which comes late."""
        for hole in self._holes:
            known = facts.stNum in hole.states and facts.sqNum in hole.messages
            as_told = hole.state is None or facts.same_state(hole.state)
            if known and as_told and facts.heard <= hole.until:
                return hole
        return None

    def _adopt(self, facts: Facts, last: Facts | None) -> list[Note]:
        """This is the last message from now on. What differs in who sent it."""
        notes: list[Note] = []
        if self.silent:
            notes.append(Note(Event.HEARD_AGAIN, _numbers(facts)))
        if last is not None:
            notes += _differences(facts, last)
        self._last, self._rival, self._rivals, self.silent = facts, None, 0, False
        allowed = facts.time_allowed_ms * NS_PER_MS
        self.expires = facts.heard + allowed if allowed else None
        return notes


def _differences(facts: Facts, last: Facts) -> list[Note]:
    found: list[Note] = []
    if facts.confRev != last.confRev:
        text = f"confRev {facts.confRev} after {last.confRev}"
        found.append(Note(Event.REVISION_CHANGED, text))
    if facts.sender != last.sender:
        text = f"sent by {facts.sender.hex(':')} after {last.sender.hex(':')}"
        found.append(Note(Event.SENDER_CHANGED, text))
    if facts.identity != last.identity:
        text = f"{_words(facts.identity)} after {_words(last.identity)}"
        found.append(Note(Event.ADDRESS_CHANGED, text))
    return found


def _ahead(number: int, last: int) -> int:
    """How far a number lies ahead of another, below zero where it lies behind.

    1 follows the greatest: only what has gone over there within JUMP_MAX is taken to be ahead.
    """
    over = max(number, 1) + INT32U_MAX - last
    return over if number < last and over <= JUMP_MAX else number - last


def _one(facts: Facts) -> range:
    return range(facts.stNum, facts.stNum + 1)


def _numbers(facts: Facts) -> str:
    return f"stNum {facts.stNum} sqNum {facts.sqNum}"


def _time(t: UtcTime) -> str:
    return f"{t.seconds}.{t.fraction:06x}"


def _words(identity: tuple[object, ...]) -> str:
    return " ".join(each.hex(":") if isinstance(each, bytes) else str(each) for each in identity)
