"""What became of every frame that was sent, from who sent what and who holds what.

1. Each frame sent on a line is counted once: in the record, else on the disk, else in a stated gap
   of its line, else lost. The four add up to what was sent. A device whose clock was set back sends
   an instant as often as that; so often may it be there.
2. A gap counts wherever it is kept, record or disk, and only for the line that it speaks of.
3. A frame under two runs is no duplicate where the later run, or one before it in an unbroken
   chain, names the earlier as uncertain. Anything else that is there twice is one.
4. What a gap says is missing and is there all the same is excess. A restart may state as much as
   arrives in one commit interval and one fsync too many, in each of its gaps; nothing else may.

Pure: it opens no file and asks nobody. A line is one device at one gateway, by any name.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from evidence.code import Cause
from evidence.leap import NS

SPANS_MAX = 8  # stretches of lost frames that are told, line by line


class Place(NamedTuple):
    """Where a link stands."""

    run: bytes
    stream: int
    seq: int


class Seen(NamedTuple):
    """One data frame that somebody holds."""

    line: str
    tai: int
    place: Place
    content: bytes  # a hash of the whole observation


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
    """What one file holds."""

    frames: list[Seen] = field(default_factory=list)
    holes: list[Hole] = field(default_factory=list)
    runs: dict[bytes, Continued] = field(default_factory=dict)


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
    places, twins = _places((*record.frames, *disk.frames))
    admitted = _counted(_places(record.frames)[0])
    there = _counted(places)
    everything = Counter((line, tai) for line, instants in sent.items() for tai in instants)
    nowhere = _by_line((everything - there).elements())
    lost = {line: _outside(instants, holes, line) for line, instants in nowhere.items()}
    lost_count = sum(map(len, lost.values()))
    in_record = (everything & admitted).total()
    missing = sum(map(len, nowhere.values()))
    present = _by_line(there)
    counted = (Excess(hole, _within(present.get(hole.line, []), hole)) for hole in holes)
    excess = tuple(item for item in counted if item.frames)
    return Verdict(
        sent=everything.total(),
        in_record=in_record,
        on_disk=everything.total() - missing - in_record,
        in_gaps=missing - lost_count,
        lost=lost_count,
        duplicated=_duplicated(places, runs, everything),
        gap_excess=sum(len(_inside(there, holes, line)) for line, there in present.items()),
        gap_excess_max=sum(most for hole in holes if hole.cause == Cause.RESTART),
        twins=twins,
        unsent=len(there.keys() - everything.keys()),
        lost_spans=tuple(_spans(lost, sent)),
        excess=excess,
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


def _within(instants: Sequence[int], hole: Hole) -> int:
    """How many of a line's instants lie in a gap of it. `instants` rise."""
    return bisect_right(instants, hole.last) - bisect_left(instants, hole.first)


def _places(frames: Iterable[Seen]) -> tuple[list[Seen], int]:
    """Each frame at its place, once; and how many places bear two contents."""
    found: dict[Place, dict[bytes, Seen]] = {}
    for frame in frames:
        found.setdefault(frame.place, {}).setdefault(frame.content, frame)
    places = [frame for contents in found.values() for frame in contents.values()]
    return places, sum(len(contents) > 1 for contents in found.values())


def _counted(places: Iterable[Seen]) -> Counter[tuple[str, int]]:
    """How often each instant of each line is there."""
    return Counter((frame.line, frame.tai) for frame in places)


def _duplicated(
    places: Iterable[Seen], runs: Mapping[bytes, Continued], sent: Mapping[tuple[str, int], int]
) -> int:
    """How many instants are there more often than they may be."""
    bearing: dict[tuple[str, int], list[bytes]] = {}
    for frame in places:
        bearing.setdefault((frame.line, frame.tai), []).append(frame.place.run)
    return sum(
        not _one_chain(names, runs)
        for instant, names in bearing.items()
        if len(names) > max(sent.get(instant, 1), 1)
    )


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


def _by_line(instants: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for line, tai in sorted(instants):
        found.setdefault(line, []).append(tai)
    return found


def _inside(instants: Sequence[int], holes: Iterable[Hole], line: str) -> set[int]:
    """Those of a line's instants that lie in a gap of it. `instants` rise."""
    found: set[int] = set()
    for hole in holes:
        if hole.line == line:
            first, after = bisect_left(instants, hole.first), bisect_right(instants, hole.last)
            found.update(instants[first:after])
    return found


def _outside(instants: Sequence[int], holes: Iterable[Hole], line: str) -> list[int]:
    inside = _inside(instants, holes, line)
    return [tai for tai in instants if tai not in inside]


def _spans(lost: Mapping[str, Sequence[int]], sent: Mapping[str, Iterable[int]]) -> Iterable[Lost]:
    """Lost frames with none between them that was sent and is accounted for."""
    for line, instants in lost.items():
        missing = Counter(instants)
        begun: list[int] = []
        for tai in sorted(set(sent[line])):
            if tai in missing:
                begun += [tai] * missing[tai]
            elif begun:
                yield Lost(line, begun[0], begun[-1], len(begun))
                begun = []
        if begun:
            yield Lost(line, begun[0], begun[-1], len(begun))


def _causes(causes: Iterable[int]) -> dict[str, int]:
    """How often each, by name."""
    return dict(Counter(Cause(cause).name.lower() for cause in causes))
