"""Which source of time is believed, how far, and what contradicts it: opinions in, a Ruling out.

1. Pure: what is now, it is told. The same opinions at the same moments give the same rulings.
2. An opinion is an interval in which this machine's offset lies (weight.py), and its bound the
   farther end of it. The least bound rules; who rules is left only for one that is better by a
   quarter for RETURN_NS on end, or when its own bound is AWAY times the oscillator's.
3. Intervals that do not meet contradict each other, at once, and until they have met for CALM_NS.
   Then the bound is the farthest end of all that contradict, and CLOCK_DOUBTED is set. One that
   contradicts two sources of two other kinds, which agree, is left out. Sources of one kind are one
   witness: receivers of one sky, and a daemon that follows them.
4. The oscillator is a witness too. A source that it contradicts has jumped: it is not chosen, and
   counts as one that contradicts, until another kind has jumped to the same place, or the
   oscillator's own interval has grown to meet it, or is WITNESS_NS old. It learns from nobody who
   is contradicted.
5. A source that says itself that it may be deceived vouches for nothing, nor does any other of its
   kind, or one that may follow it unseen. When it says so no more they may contradict at once, but
   not each other, and vouch after CALM_NS only, for who follows one is late to leave what it was
   told. What contradicted meanwhile is heard on, whatever is said of it. Without a source, or where
   it does AWAY times better than those that are left, the oscillator carries on (HOLDOVER) until
   its bound is BOUND_NS_MAX; for HELD_NS at least.
6. A word that is repeated, mark included, is as old as when it was said first; after AGE_NS_MAX it
   is none. Where the mark has not risen since, the oscillator's wander is added.

It asks nobody, sets nothing and corrects nothing.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from agent.timing.drift import Course, Drift, Point
from agent.timing.opinion import Opinion, Ruling
from agent.timing.oscillator import PPB, UNMEASURED_PPT, Oscillator, up
from agent.timing.round import Round, words_ns
from agent.timing.trail import Trail
from agent.timing.weight import Weighed, apart, carried, confirmed, weigh, witnesses
from evidence.code import Flag, TimeSource
from evidence.leap import NS

# An NTP daemon's polls begin at 64 s; three questions of 16 s may go unanswered.
AGE_NS_MAX = 64 * NS
RETURN_NS = 10 * NS
CALM_NS = 10 * NS
HELD_NS = 10 * NS
AWAY = 4
# Half a second: from there on nobody can say which second it is, nor to which a pulse belongs.
BOUND_NS_MAX = NS // 2
# A rubidium oscillator would contradict for years a source that somebody has set right.
WITNESS_NS = 86_400 * NS
COURSE_NS = 16 * NS  # a course is kept each so often: a slow pull shows in a minute
COURSES = 4
SOURCES_MAX = 64  # whose last words are kept


class _Heard(NamedTuple):
    """A source's last word, since when it says the same, and since when its mark is this one."""

    word: tuple[object, ...]
    since_ns: int
    mark: int
    marked_ns: int


class Chooser:
    """The one place where sources are compared. `stamping_ns` may be renewed at any time."""

    def __init__(self, oscillator: Oscillator, stamping_ns: int) -> None:
        self.stamping_ns = stamping_ns
        self._oscillator = oscillator
        self._chosen: str | None = None
        self._kind = TimeSource.UNKNOWN
        self._deceived: dict[TimeSource, int] = {}  # when one of a kind last said that it may be
        self._against: dict[str, int] = {}  # when one of such a kind last contradicted another
        self.forget()

    def forget(self) -> None:
        """The machine slept, or was copied: what its oscillator did meanwhile nobody knows."""
        self._trail = Trail()
        self._drift = Drift(self._oscillator)
        self._courses: deque[Course] = deque(maxlen=COURSES)
        self._heard: dict[str, _Heard] = {}
        self._apart: dict[frozenset[str], int] = {}  # when two last did not meet
        self._better: tuple[str, int] | None = None  # who is better than the chosen, since when
        self._held_from_ns: int | None = None

    def rule(
        self, opinions: Sequence[Opinion], now_ns: int, tai_ns: int, raw_ns: int | None = None
    ) -> Ruling:
        """What is made of all opinions now: by the clock of durations, this machine's TAI and
        CLOCK_MONOTONIC_RAW, read at one moment. Without the last, whatever slews the clock is taken
        for the oscillator's doing.
        """
        self._trail.note(now_ns, tai_ns - (now_ns if raw_ns is None else raw_ns))
        course = self._course(now_ns)
        held = None
        if course is not None:
            held = carried(course, now_ns, self._trail, self.stamping_ns)
        turn = Round(now_ns, tuple(opinions), held)
        self._weigh(turn, course)
        self._find_jumped(turn)
        self._find_apart(turn)
        self._against |= dict.fromkeys(turn.calming.keys() & turn.against(), now_ns)
        self._choose(turn)
        if turn.chosen is not None and turn.chosen.opinion is not None and not turn.doubted:
            self._learn(turn, turn.chosen.opinion)
        return self._ruling(turn)

    def _course(self, now_ns: int) -> Course | None:
        """The oscillator's, while it is worth anything."""
        course = self._drift.course
        if course is None:
            return None
        if course.reach(now_ns).error_ns > BOUND_NS_MAX:
            self._drift.forget()
            self._courses.clear()
            return None
        return course

    def _weigh(self, turn: Round, course: Course | None) -> None:
        """Invariants 5 and 6."""
        for one in turn.opinions:
            if one.suspect:
                self._deceived[one.source] = turn.now_ns
        for name, at_ns in list(self._against.items()):
            if turn.now_ns - at_ns >= CALM_NS:
                del self._against[name]
        for opinion in turn.opinions:
            heard = self._hear(opinion)
            since_ns = heard.since_ns
            idle_ns = turn.now_ns - heard.marked_ns if heard.mark else 0
            idle_ns = self._oscillator.wander_ns(max(idle_ns, 0))
            made = weigh(
                opinion, since_ns, turn.now_ns, self._trail, course, self.stamping_ns, idle_ns
            )
            age_ns = turn.now_ns - since_ns
            doubt, calm_ns = self._suspicion(opinion, turn.now_ns)
            if made is None:
                turn.silent[opinion.name] = opinion.fault or "states no bound"
            elif doubt and calm_ns == 0 and opinion.name not in self._against:
                turn.silent[opinion.name] = doubt
            elif age_ns > AGE_NS_MAX:
                turn.silent[opinion.name] = f"has said nothing new for {age_ns // NS} s"
            else:
                turn.weighed[opinion.name] = made
                turn.since[opinion.name] = since_ns
                turn.idle_ns[opinion.name] = idle_ns
                if doubt:
                    since = f", until {calm_ns // NS} s ago" if calm_ns else ""
                    turn.calming[opinion.name] = doubt + since

    def _suspicion(self, opinion: Opinion, now_ns: int) -> tuple[str, int]:
        """Why it may be deceived, and for how long nobody has said so; empty after CALM_NS."""
        calm_ns = {
            kind: now_ns - at_ns
            for kind, at_ns in self._deceived.items()
            if now_ns - at_ns < CALM_NS
        }
        if opinion.suspect:
            return "says that it may be deceived", 0
        if opinion.source in calm_ns:
            return "of the kind that may be deceived", calm_ns[opinion.source]
        if calm_ns and (opinion.second_hand or opinion.source is TimeSource.UNKNOWN):
            return "may follow one that may be deceived", min(calm_ns.values())
        return "", 0

    def _hear(self, opinion: Opinion) -> _Heard:
        """Invariant 6."""
        word = (opinion.offset_ns, opinion.error_ns, opinion.mark, opinion.fault)
        at_ns, before = opinion.at_ns, self._heard.get(opinion.name)
        if before is None:
            heard = _Heard(word, at_ns, opinion.mark, at_ns)
        else:
            # Who has no mark says by at_ns alone when it measured.
            same = word == before.word and opinion.mark != 0
            heard = _Heard(
                *(word, before.since_ns if same else at_ns, opinion.mark),
                at_ns if opinion.mark > before.mark else before.marked_ns,
            )
        if before is not None or len(self._heard) < SOURCES_MAX:
            self._heard[opinion.name] = heard
        return heard

    def _find_jumped(self, turn: Round) -> None:
        """Invariant 4."""
        courses = [*list(self._courses)[:1], *([self._drift.course] if self._drift.course else ())]
        for course in courses:
            if turn.now_ns - course.point.mono_ns > WITNESS_NS:
                continue
            reach = carried(course, turn.now_ns, self._trail, self.stamping_ns)
            for one in turn.weighed.values():
                if apart(one, reach):
                    turn.jumped.setdefault(one.name, reach)
        if confirmed([one for one in turn.trusted() if one.name in turn.jumped]):
            turn.jumped.clear()
            turn.held = None
            self._drift.forget()
            self._courses.clear()

    def _find_apart(self, turn: Round) -> None:
        """Invariant 3."""
        weighed = list(turn.weighed.values())
        for one in weighed:
            against = [other for other in turn.trusted() if other.name not in turn.jumped]
            found = witnesses(one, against)
            if found is not None:
                turn.left_out[one.name] = found
        # Two kinds against two others: nobody is the outlier.
        split = {who.name for found in turn.left_out.values() for who in found}
        outliers = [one for one in weighed if one.name in turn.left_out]
        if split & set(turn.left_out) or confirmed(outliers):
            turn.left_out.clear()
        left = [one for one in weighed if one.name not in turn.left_out]
        for at, one in enumerate(left):
            for other in left[at + 1 :]:
                if one.name in turn.calming and other.name in turn.calming:
                    continue
                pair = frozenset((one.name, other.name))
                if apart(one, other):
                    self._apart[pair] = turn.now_ns
                elif turn.now_ns - self._apart.get(pair, -CALM_NS) >= CALM_NS:
                    self._apart.pop(pair, None)
                if pair in self._apart:
                    turn.pairs.append((one, other))

    def _choose(self, turn: Round) -> None:
        """Invariants 2 and 5."""
        free = [
            one
            for one in turn.trusted()
            if one.name not in turn.jumped and one.name not in turn.left_out
        ]
        best = min(free, key=lambda one: one.bound_ns, default=None)
        current = next((one for one in free if one.name == self._chosen), None)
        held = turn.held
        if current is not None and held is not None and current.bound_ns > AWAY * held.bound_ns:
            current = None
        if current is None:
            turn.chosen = self._without(turn, best)
        else:
            turn.chosen = self._keep(turn.now_ns, current, best or current)
        self._chosen = None
        if turn.chosen is not None and turn.chosen.opinion is not None:
            self._chosen, self._kind = turn.chosen.name, turn.chosen.kind
            self._held_from_ns = None
        elif self._held_from_ns is None:
            self._held_from_ns = turn.now_ns

    def _without(self, turn: Round, best: Weighed | None) -> Weighed | None:
        """Whom to choose when the one that ruled is gone."""
        self._better = None
        held = turn.held
        if held is None or best is None:
            return best or held
        since_ns = self._held_from_ns
        fresh = since_ns is not None and turn.now_ns - since_ns < HELD_NS
        return held if fresh or held.bound_ns * AWAY < best.bound_ns else best

    def _keep(self, now_ns: int, current: Weighed, best: Weighed) -> Weighed:
        """Whom to choose while the one that ruled is there."""
        if best.bound_ns * 4 >= current.bound_ns * 3:
            self._better = None
            return current
        if self._better is None or self._better[0] != best.name:
            self._better = (best.name, now_ns)
        if now_ns - self._better[1] < RETURN_NS:
            return current
        self._better = None
        return best

    def _learn(self, turn: Round, opinion: Opinion) -> None:
        """A point of the oscillator's course, from a word that nobody contradicts."""
        if opinion.offset_ns is None or opinion.error_ns is None:
            return
        since_ns = turn.since[opinion.name]
        lead_ns, doubt_ns = self._trail.at(since_ns, self.stamping_ns)
        error_ns = opinion.error_ns + turn.idle_ns[opinion.name] + doubt_ns + self.stamping_ns
        self._drift.measured(Point(since_ns, opinion.offset_ns - lead_ns, error_ns))
        course = self._drift.course
        if course is not None and (
            not self._courses or course.point.mono_ns - self._courses[-1].point.mono_ns >= COURSE_NS
        ):
            self._courses.append(course)

    def _growth_ppb(self, turn: Round) -> int:
        """How fast the bound grows until the next ruling: by what the clock does at present. That
        has no limit of its own: chronyd slews by 8 % where it is far off (maxslewrate).
        """
        course = self._drift.course
        rate_ppt = course.rate_ppt if course is not None else 0
        unsure_ppt = course.unsure_ppt(turn.now_ns) if course is not None else UNMEASURED_PPT
        moving_ppt = abs(self._trail.slope_ppt() + rate_ppt) + unsure_ppt
        said = [one.opinion.growth_ppb for one in turn.vouching() if one.opinion is not None]
        return max(up(moving_ppt, PPB), 0, *said)

    def _ruling(self, turn: Round) -> Ruling:
        chosen = turn.chosen
        flags = turn.flags()
        bound_ns = turn.bound_ns() if chosen is not None else None
        if bound_ns is not None and flags & Flag.HOLDOVER and bound_ns > BOUND_NS_MAX:
            # Where sources contradict, what they say is not the oscillator's to limit.
            bound_ns = bound_ns if turn.doubted else None
        return Ruling(
            at_ns=turn.now_ns,
            bound_ns=bound_ns,
            growth_ppb=self._growth_ppb(turn) if bound_ns is not None else 0,
            source=self._kind if bound_ns is not None else TimeSource.UNKNOWN,
            flags=int(flags) if bound_ns is not None else int(flags & ~Flag.HOLDOVER),
            chosen=self._chosen,
            why=self._why(turn, bound_ns),
            terms=turn.terms() if bound_ns is not None else (),
            held_from_ns=self._held_from_ns,
            judged=tuple(map(turn.judge, turn.opinions)),
            tai_utc_s=turn.tai_utc_s(),
        )

    def _why(self, turn: Round, bound_ns: int | None) -> str:
        chosen = turn.chosen
        if chosen is not None and bound_ns is None:
            return f"the oscillator's bound is beyond {words_ns(BOUND_NS_MAX)}; {turn.missing()}"
        if chosen is None or bound_ns is None:
            return turn.missing()
        trusted = len(turn.trusted())
        if chosen.opinion is None:
            held_ns = turn.now_ns - (self._held_from_ns or turn.now_ns)
            what = f"{chosen.name} has carried it for {held_ns // NS} s"
            if trusted and not turn.doubted:
                what += ", better than what is left"
        elif trusted == 1:
            what = "the only one that vouches"
        else:
            what = f"the least bound of {trusted}: {words_ns(chosen.bound_ns)}"
        return what + ("; contradicted, so the bound spans all" if turn.doubted else "")
