"""What became of every frame that was sent, from who sent what and who holds what.

1. Each frame sent on a line is counted once: in the record, else on the disk, else in a stated gap
   of its line, else lost. The four add up to what was sent. A device whose clock was set back sends
   an instant as often as that; so often may it be there.
2. A gap counts wherever it is kept, record or disk, and only for the line that it speaks of.
3. A frame under two runs is no duplicate where the later run, or one before it in an unbroken
   chain, names the earlier as uncertain. Anything else that is there twice is one.
4. What a gap says is missing and is there all the same is excess. A restart may state as much as
   arrives in one commit interval and one fsync too many, in each of its gaps; nothing else may.

5. A line is gone through once, from its first instant to its last, what was sent beside what is
   there: besides what hil.faults.sighting keeps, it takes 8 octets a frame, of one line at a time.

Pure: it opens no file and asks nobody. A line is one device at one gateway, by any name.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple, TypeVar

from evidence.code import Cause
from evidence.leap import NS
from hil.faults.sighting import Place, Seen, Sighted, Sightings, together
from hil.instant import Lanes

__all__ = ["Continued", "Held", "Hole", "Lost", "Place", "Seen", "beyond", "excess_max", "judge"]

T = TypeVar("T")
SPANS_MAX = 8  # stretches of lost frames that are told, line by line


class Hole(NamedTuple):
    """One stated gap. `first` and `last`: ns TAI, both in it."""

    line: str
    cause: int
    first: int
    last: int
    place: Place  # the same gap in record and spool is one


class Continued(NamedTuple):
    """Why a run began, and what it says of the one before it."""

    cause: int
    predecessor: bytes | None
    uncertain: bool


@dataclass(slots=True)
class Held:
    """What one file holds, or several."""

    frames: Iterable[Seen] = field(default_factory=Sightings)
    holes: list[Hole] = field(default_factory=list)
    runs: dict[bytes, Continued] = field(default_factory=dict)

    def only(self, line: str) -> "Held":
        """What is of one line, with all runs."""
        holes = [hole for hole in self.holes if hole.line == line]
        return Held(Sightings.of(self.frames).only(line), holes, self.runs)


class Lost(NamedTuple):
    """Frames of one line, one after another, that are nowhere."""

    line: str
    first: int
    last: int
    frames: int


class Excess(NamedTuple):
    """A gap, and how many frames in it are there all the same."""

    hole: Hole
    frames: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The figures. `sent` = in_record + on_disk + in_gaps + lost."""

    sent: int
    in_record: int
    on_disk: int
    in_gaps: int
    lost: int
    duplicated: int
    gap_excess: int
    gap_excess_max: int
    twins: int  # places that bear two contents
    unsent: int  # frames held that nobody sent
    lost_spans: tuple[Lost, ...]
    excess: tuple[Excess, ...]
    gaps: dict[str, int]  # by cause
    runs: dict[str, int]  # by cause


def judge(sent: Mapping[str, Iterable[int]], record: Held, disk: Held, most: int = 0) -> Verdict:
    """`sent`: by line, the instants (ns TAI) of the data frames sent on it; `most`: what a gap of a
    restart may state too many (excess_max).
    """
    runs = {**disk.runs, **record.runs}
    holes = list({hole.place: hole for hole in (*record.holes, *disk.holes)}.values())
    there, twins = together(Sightings.of(record.frames), Sightings.of(disk.frames))
    count: Counter[str] = Counter()
    spans: list[Lost] = []
    stated: dict[int, int] = {}  # frames that are there, by the gap that says they are not
    for line in sorted({*sent, *there}):
        sweep = _Sweep(line, holes, runs)
        for instant in _instants(sent.get(line, ()), there.get(line, ())):
            sweep.take(instant)
        count += sweep.count
        spans += sweep.ended()
        stated |= sweep.stated
    return Verdict(
        sent=count["sent"],
        in_record=count["in_record"],
        on_disk=count["sent"] - count["missing"] - count["in_record"],
        in_gaps=count["missing"] - count["lost"],
        lost=count["lost"],
        duplicated=count["duplicated"],
        gap_excess=count["excess"],
        gap_excess_max=sum(most for hole in holes if hole.cause == Cause.RESTART),
        twins=twins,
        unsent=count["unsent"],
        lost_spans=tuple(spans),
        excess=tuple(Excess(holes[at], stated[at]) for at in sorted(stated)),
        gaps=_causes(hole.cause for hole in holes),
        runs=_causes(says.cause for says in runs.values()),
    )


def excess_max(rate: int, commit_ns: int, fsync_ns: int) -> int:
    """Frames of one line that a restart may state as missing although they are there: those of one
    commit interval and one fsync, and the one that is under way."""
    return rate * (commit_ns + fsync_ns) // NS + 1


def beyond(verdict: Verdict, most: int) -> list[Excess]:
    """The gaps that state more too many than they may."""
    return [
        item
        for item in verdict.excess
        if item.frames > (most if item.hole.cause == Cause.RESTART else 0)
    ]


class _Instant(NamedTuple):
    """One of a line: how often it was sent, and where it is. `there`: run, and whether in the
    record."""

    tai: int
    sent: int
    there: list[tuple[bytes, bool]]


def _instants(sent: Iterable[int], there: Iterable[Sighted]) -> Iterator[_Instant]:
    """Those of a line, rising."""
    frames, sightings = Lanes[None](), Lanes[tuple[bytes, bool]]()
    for tai in sent:
        frames.add(tai, None)
    for one in there:
        mark = (one.run, one.kept)
        for tai in one.block.instants():
            sightings.add(tai, mark)
    ours, theirs = _grouped(frames), _grouped(sightings)
    mine, other = next(ours, None), next(theirs, None)
    while mine is not None or other is not None:
        tai = min(each[0] for each in (mine, other) if each is not None)
        times, marks = 0, list[tuple[bytes, bool]]()
        if mine is not None and mine[0] == tai:
            times = len(mine[1])
            mine = next(ours, None)
        if other is not None and other[0] == tai:
            marks = other[1]
            other = next(theirs, None)
        yield _Instant(tai, times, marks)


def _grouped(lanes: Lanes[T]) -> Iterator[tuple[int, list[T]]]:
    """Rising, each instant once, with the marks of all that are equal."""
    for tai, some in groupby(lanes.rising(), itemgetter(0)):
        yield tai, [mark for _, mark in some]


class _Sweep:
    """One line, from its first instant on."""

    def __init__(self, line: str, holes: Sequence[Hole], runs: Mapping[bytes, Continued]) -> None:
        self.count: Counter[str] = Counter()
        self.stated: dict[int, int] = {}
        self._line, self._holes, self._runs = line, holes, runs
        numbers = (at for at, hole in enumerate(holes) if hole.line == line)
        self._coming = sorted(numbers, key=lambda at: holes[at].first, reverse=True)
        self._in: list[int] = []  # gaps that an instant lies in
        self._lost: list[Lost] = []
        self._goes_on = False  # what is lost

    def take(self, one: _Instant) -> None:
        """The next instant."""
        sent, there = one.sent, len(one.there)
        holes, count = self._around(one.tai), self.count
        missing = max(sent - there, 0)
        count["sent"] += sent
        count["in_record"] += min(sent, sum(kept for _, kept in one.there))
        count["missing"] += missing
        count["unsent"] += there > 0 and not sent
        if there > max(sent, 1):
            count["duplicated"] += not _one_chain([run for run, _ in one.there], self._runs)
        if holes and there:
            count["excess"] += 1
            for at in holes:
                self.stated[at] = self.stated.get(at, 0) + 1
        if missing and not holes:
            count["lost"] += missing
            self._lose(one.tai, missing)
        elif sent:
            self._goes_on = False

    def ended(self) -> list[Lost]:
        """Lost frames with none between them that was sent and is accounted for."""
        return self._lost

    def _around(self, tai: int) -> list[int]:
        """The gaps that it lies in."""
        while self._coming and self._holes[self._coming[-1]].first <= tai:
            self._in.append(self._coming.pop())
        if self._in:
            self._in = [at for at in self._in if self._holes[at].last >= tai]
        return self._in

    def _lose(self, tai: int, frames: int) -> None:
        if self._goes_on:
            before = self._lost[-1]
            self._lost[-1] = before._replace(last=tai, frames=before.frames + frames)
        else:
            self._lost.append(Lost(self._line, tai, tai, frames))
        self._goes_on = True


def _one_chain(names: Sequence[bytes], runs: Mapping[bytes, Continued]) -> bool:
    """Whether the runs are different ones, each doubted by the next of them."""
    if len(set(names)) < len(names):
        return False
    return any(set(names) <= set(_doubted(name, runs)) for name in names)


def _doubted(name: bytes, runs: Mapping[bytes, Continued]) -> Iterable[bytes]:
    """The run, and those before it of which each is uncertain to the next."""
    seen = [name]
    says = runs.get(name)
    while says is not None and says.uncertain and says.predecessor is not None:
        if says.predecessor in seen:  # a circle: no honest agent makes one
            break
        seen.append(says.predecessor)
        says = runs.get(says.predecessor)
    return seen


def _causes(causes: Iterable[int]) -> dict[str, int]:
    """How often each, by name."""
    return dict(Counter(Cause(cause).name.lower() for cause in causes))
