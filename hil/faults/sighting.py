"""What somebody holds of data frames: where each stands, whose it is, its instant, and a hash of
what it says. Kept in FRAME_BYTES each, by stream and in the order of its numbers.

1. A block is BLOCK numbers of one stream of one run, aligned: blocks of two who hold the same begin
   alike, and what is beside the other in it is all that is looked at together.
2. What was kept already with the same content is not kept again (`beside`): a spool and the record
   that has what is in it take the place of one.
3. Of a content HASH_BYTES are kept: two contents of one place are taken for one once in 2^64.

Pure: it opens no file and asks nobody.
"""

import hashlib
from array import array
from collections.abc import Iterable, Iterator
from itertools import accumulate, pairwise
from typing import NamedTuple

BLOCK = 1024  # numbers: 17 s of 60 a second
HASH_BYTES = 8
FRAME_BYTES = HASH_BYTES + 4  # 4: from one instant to the next; 8 where that is beyond 4.29 s
Track = tuple[bytes, int]  # a run, and a stream of it


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


class Block:
    """Frames of one line that follow each other in one stream."""

    __slots__ = ("base", "first", "hashes", "line", "steps")

    def __init__(self, line: str, first: int) -> None:
        self.line, self.first = line, first
        self.base = 0  # the first instant
        self.steps: array[int] = array("q")  # instants as they are, until it is packed
        self.hashes = array("Q")

    def __len__(self) -> int:
        return len(self.hashes)

    def pack(self) -> None:
        """Nothing is added any more: each instant by how far it is from the one before."""
        self.base = self.steps[0]
        steps = [0, *(after - one for one, after in pairwise(self.steps))]
        try:
            self.steps = array("I", steps)
        except OverflowError:  # a clock was set back, or hours lie between
            self.steps = array("q", steps)
        self.hashes = array("Q", self.hashes)  # without room to grow

    def instants(self) -> list[int]:
        return list(accumulate(self.steps, initial=self.base))[1:]

    def is_as(self, other: "Block") -> bool:
        """Whether both hold the same."""
        return (self.line, self.first, self.base) == (other.line, other.first, other.base) and (
            self.hashes == other.hashes and self.steps == other.steps
        )


class Sighted(NamedTuple):
    """A block, of which nothing is there twice."""

    run: bytes
    kept: bool  # whether it is in the first of two
    block: Block


class Sightings:
    """All that one holds. `beside`: what another does, which is full by then."""

    def __init__(self, beside: "Sightings | None" = None) -> None:
        self._beside = beside
        self._open: dict[tuple[Track, int], Block] = {}
        self._blocks: dict[Track, dict[int, list[Block]]] = {}

    @classmethod
    def of(cls, frames: Iterable[Seen]) -> "Sightings":
        if isinstance(frames, Sightings):
            return frames
        made = cls()
        for one in frames:
            made.add(one.line, one.tai, one.place, hashlib.sha256(one.content).digest())
        return made

    def add(self, line: str, tai: int, place: Place, content: bytes) -> None:
        """`content`: a hash, of HASH_BYTES at least."""
        run, stream, seq = place
        key = ((run, stream), seq // BLOCK)
        block = self._open.get(key)
        if block is None or block.line != line or block.first + len(block.hashes) != seq:
            if block is not None:
                self._close(key, block)
            block = self._open[key] = Block(line, seq)
        block.steps.append(tai)
        block.hashes.append(int.from_bytes(content[:HASH_BYTES]))
        if seq % BLOCK == BLOCK - 1:
            self._close(key, self._open.pop(key))

    def lines(self) -> set[str]:
        return {block.line for _, _, block in self._each()}

    def first(self, line: str) -> int | None:
        """The least instant of a line."""
        found = (min(block.instants()) for _, _, block in self._each() if block.line == line)
        return min(found, default=None)

    def only(self, line: str) -> "Sightings":
        """Those of one line."""
        made = Sightings()
        for track, number, block in self._each():
            if block.line == line:
                made._put(track, number, block)
        return made

    def drop(self, line: str) -> None:
        """Nobody asks for those of a line any more."""
        self._finish()
        for numbers in self._blocks.values():
            for number in list(numbers):
                numbers[number] = [one for one in numbers[number] if one.line != line]
                if not numbers[number]:
                    del numbers[number]

    def __iter__(self) -> Iterator[Seen]:
        for (run, stream), _, block in self._each():
            for at, tai in enumerate(block.instants()):
                content = block.hashes[at].to_bytes(HASH_BYTES)
                yield Seen(block.line, tai, Place(run, stream, block.first + at), content)

    def tracks(self) -> dict[Track, dict[int, list[Block]]]:
        """Blocks by their number in their stream."""
        self._finish()
        return self._blocks

    def _each(self) -> Iterator[tuple[Track, int, Block]]:
        for track, numbers in self.tracks().items():
            for number, blocks in numbers.items():
                for block in blocks:
                    yield track, number, block

    def _finish(self) -> None:
        for key, block in self._open.items():
            self._close(key, block)
        self._open.clear()

    def _close(self, key: tuple[Track, int], block: Block) -> None:
        block.pack()
        if self._beside is not None:
            others = self._beside.tracks().get(key[0], {}).get(key[1], ())
            block = next((one for one in others if block.is_as(one)), block)
        self._put(*key, block)

    def _put(self, track: Track, number: int, block: Block) -> None:
        self._blocks.setdefault(track, {}).setdefault(number, []).append(block)


def together(ours: Sightings, theirs: Sightings) -> tuple[dict[str, list[Sighted]], int]:
    """By line, each content of each place once; and how many places bear two contents."""
    found: dict[str, list[Sighted]] = {}
    twins = 0
    these, those = ours.tracks(), theirs.tracks()
    for track in {**these, **those}:
        mine, other = these.get(track, {}), those.get(track, {})
        for number in sorted({*mine, *other}):
            once, twice = _once(track[0], mine.get(number, []), other.get(number, []))
            twins += twice
            for one in once:
                found.setdefault(one.block.line, []).append(one)
    return found, twins


def _once(run: bytes, mine: list[Block], other: list[Block]) -> tuple[list[Sighted], int]:
    """Of the same numbers; and how many of these bear two contents."""
    if len(mine) == 1 and (not other or (len(other) == 1 and mine[0].is_as(other[0]))):
        return [Sighted(run, True, mine[0])], 0
    if not mine and len(other) == 1:
        return [Sighted(run, False, other[0])], 0
    contents: dict[int, dict[int, tuple[str, bool, int]]] = {}  # by number, by hash
    for kept, blocks in ((True, mine), (False, other)):
        for block in blocks:
            for at, tai in enumerate(block.instants()):
                there = contents.setdefault(block.first + at, {})
                there.setdefault(block.hashes[at], (block.line, kept, tai))
    made: dict[tuple[str, bool], Block] = {}
    for number in sorted(contents):
        for content, (line, kept, tai) in contents[number].items():
            block = made.setdefault((line, kept), Block(line, number))
            block.steps.append(tai)
            block.hashes.append(content)
    for block in made.values():
        block.pack()
    twins = sum(len(there) > 1 for there in contents.values())
    return [Sighted(run, kept, block) for (_, kept), block in made.items()], twins
