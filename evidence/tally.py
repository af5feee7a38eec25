"""What a check of an export has seen, in numbers, and in words for people.

It checks nothing: evidence.verifier adds what it found to hold.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from evidence import cbor, instant
from evidence.code import Class, Reason
from evidence.export import Opening
from evidence.gap import Gap
from evidence.receipt import Classed
from evidence.refusal import EvidenceError
from evidence.run import STREAMS_MAX

NAME_MAX = 80  # characters of a stream's name that are shown


@dataclass(slots=True)
class Seen:
    """One stream. `first`, `last`: its earliest and latest instant, ns TAI."""

    name: str = ""
    observations: int = 0
    first: int = 1 << 64
    last: int = 0


@dataclass(slots=True)
class Tally:
    """One file."""

    opening: Opening
    items: int = 0
    statements: int = 0
    disclosed: bool = False
    hidden: int = 0  # values of which only the salted hash is there
    withheld: Counter[int] = field(default_factory=Counter)  # observations, by stream
    batches: int = 0
    receipted: int = 0
    unread: int = 0  # batches of which only the head is there
    loose: int = 0  # observations that no head covers
    passed: int = 0  # batches that are not in the file, by who wrote it
    open: int = 0  # holes, likewise
    given_up: int = 0  # holes that a gap statement stands for
    refused: Counter[str] = field(default_factory=Counter)  # batches, by reason
    gaps: Counter[str] = field(default_factory=Counter)  # by cause
    unreadable: int = 0  # gap statements that are none
    missed: Counter[str] = field(default_factory=Counter)  # samples that they count
    classes: Counter[str] = field(default_factory=Counter)  # observations
    streams: dict[int, Seen] = field(default_factory=dict)

    @property
    def observations(self) -> int:
        return sum(seen.observations for seen in self.streams.values())

    def seen(self, stream: int) -> Seen:
        """Raises EvidenceError(TOO_LONG)."""
        found = self.streams.get(stream)
        if found is None:
            if len(self.streams) >= STREAMS_MAX:
                raise EvidenceError(Reason.TOO_LONG, f"more than {STREAMS_MAX} streams")
            found = self.streams[stream] = Seen()
        return found

    def add(self, stream: int, count: int, instants: tuple[int, int]) -> None:
        seen = self.seen(stream)
        seen.observations += count
        seen.first, seen.last = min(seen.first, *instants), max(seen.last, *instants)

    def name(self, stream: int, source: bytes | None) -> None:
        """What the stream's descriptor discloses of its source: [source, key], encoded."""
        if source is None:
            return
        try:
            words = cbor.decode(source)
        except EvidenceError:
            words = ()  # of a gateway that names its sources otherwise
        if type(words) is tuple and all(type(word) is str for word in words):
            self.seen(stream).name = "/".join(words)[:NAME_MAX]

    def state(self, found: Gap) -> None:
        cause = found.cause.name.lower()
        self.gaps[cause] += 1
        self.missed[cause] += found.count or 0

    def classify(self, classed: Sequence[Classed], count: int) -> None:
        """Of a batch with a receipt."""
        for one in classed:
            many = one.last_seq - one.first_seq + 1
            self.classes[Class(one.klass).name.lower()] += many
            count -= many
        if count > 0:
            self.classes[Class.SETTLEABLE.name.lower()] += count

    def lines(self, every: bool) -> Iterator[str]:
        """What was checked, for people."""
        opening = self.opening
        chosen = "every stream" if opening.streams is None else _numbers(opening.streams)
        first, end = instant.words(opening.first), instant.words(opening.end)
        yield f"asked for  {first} until before {end}, {chosen}, in whole batches"
        own = "by its own signature" if every else "by its batch (--every: by its own signature)"
        yield f"checked    {self.statements} statements; each observation {own}"
        waiting = self.batches - self.receipted - sum(self.refused.values())
        yield (
            f"batches    {self.batches}: {self.receipted} with a receipt of the log,"
            f" {waiting} without"
        )
        for reason, count in sorted(self.refused.items()):
            yield f"           {count} refused by the record: {reason}"
        if self.unread:
            yield f"           {self.unread} by the head alone: damaged where they were kept"
        if self.loose:
            yield f"           {self.loose} observations under no head yet: by own signatures"
        yield from self._streams()
        for cause, count in sorted(self.gaps.items()):
            yield f"gaps       {cause}: {count}, which count {self.missed[cause]} samples"
        if self.unreadable:
            yield f"           {self.unreadable} that nobody can read, and that state nothing"
        if self.given_up:
            yield f"           {self.given_up} holes in chains, each named by gap statements"
        for klass, count in sorted(self.classes.items()):
            yield f"class      {klass}: {count}, by the receipts"
        if self.passed or self.open:
            yield (
                f"left out   {self.passed} batches and more, by the word of who exported;"
                f" {self.open} chains open there"
            )
        yield (
            "not shown  that the trees of the receipts are one that grew, what the record found"
            " later, and whether a key was revoked: ask the record"
        )

    def _streams(self) -> Iterator[str]:
        for number, seen in sorted(self.streams.items()):
            if not seen.observations:
                continue
            name = f" ({seen.name})" if seen.name.isprintable() and seen.name else ""
            first, last = instant.words(seen.first), instant.words(seen.last)
            yield f"stream {number:<3} {seen.observations} observations{name}, {first} to {last}"


def _numbers(streams: tuple[int, ...]) -> str:
    shown = ", ".join(str(one) for one in streams[:8])
    return f"stream {shown}" + (f" and {len(streams) - 8} more" if len(streams) > 8 else "")
