"""What the gateway derives of its own time and place: what `raw` holds when the kind is VERDICT.

    verdict = [clock, [* source], place, [* receiver], [* tripped]]
    clock = [chosen / null, why, bound / null, growth, source, flags, [* [term, ns]],
             held from / null, TAI - UTC / null]
    source = [name, time source, state, offset / null, error / null, words]
    place = [state, distance / null, allowed / null]
    receiver = [stream, instant / null, mode, antenna, spoofing, jamming, used / null, C/N0 / null]
    tripped = [check, stream / null, since]

1. It stands in stream 0, every so often and at every change of state. What it says holds for all
   samples heard until the next one; each carries its gist in its own flags.
2. Instants are ns TAI, by the gateway's clock; offsets, errors, bounds and terms ns; growth ppb;
   lengths mm; C/N0 in hundredths of dB-Hz. An offset is this machine's clock less the source.
3. `clock.bound` holds at the verdict's own instant, and grows by `growth` until the next.
4. A receiver is named by its stream, where its own bytes are, and by the instant that it claimed:
   the fix that the verdict leans on is the epoch of that instant.

How it is derived is the agent's; what it is worth, the record's.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

from evidence import cbor, shape
from evidence.code import Check, TimeSource

TEXT_MAX = 200  # characters of words, of a name
SOURCES_MAX = 16
RECEIVERS_MAX = 8
TERMS_MAX = 16
TRIPPED_MAX = 256


class State(IntEnum):
    """What became of a source of time."""

    CHOSEN = 0
    AGREES = 1
    APART = 2  # it contradicts another
    NO_WORD = 3  # it vouches for nothing, or is not there


class PlaceState(IntEnum):
    """Of the antenna against its survey."""

    UNCHECKED = 0  # nobody can say
    CHECKED = 1
    DOUBTED = 2


class Term(NamedTuple):
    """One summand of the bound."""

    name: str
    ns: int


class Clock(NamedTuple):
    """The gateway's clock. `bound` None: nothing vouches for it, and `why` says what is missing."""

    chosen: str | None
    why: str
    bound: int | None
    growth_ppb: int
    source: TimeSource
    flags: int  # evidence.code.Flag, of CLOCK_FLAGS and MOMENT_FLAGS
    terms: tuple[Term, ...]
    held_from: int | None  # since when no source measures it
    tai_utc_s: int | None


class Source(NamedTuple):
    """One source of time, as it was heard last."""

    name: str
    source: TimeSource
    state: State
    offset: int | None
    error: int | None
    words: str


class Place(NamedTuple):
    """The antenna's place. `distance` from the survey, and how far it may be."""

    state: PlaceState
    distance_mm: int | None
    allowed_mm: int | None


class Receiver(NamedTuple):
    """One receiver; mode, antenna and suspicions as drivers.gnss.fix numbers them."""

    stream: int
    tai: int | None  # the instant that it claimed last
    mode: int  # 0 unknown, 1 navigation, 2 survey, 3 fixed
    antenna: int
    spoofing: int
    jamming: int
    used: int | None  # satellites
    cn0: int | None


class Tripped(NamedTuple):
    """A cross-check that finds a contradiction. `stream` None: of the gateway."""

    check: Check
    stream: int | None
    since: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """One verdict."""

    clock: Clock
    sources: tuple[Source, ...]
    place: Place
    receivers: tuple[Receiver, ...]
    tripped: tuple[Tripped, ...]

    def raw(self) -> bytes:
        clock = self.clock
        terms = [[term.name[:TEXT_MAX], term.ns] for term in clock.terms[:TERMS_MAX]]
        of_clock = [
            *(clock.chosen, clock.why[:TEXT_MAX], clock.bound, clock.growth_ppb),
            *(int(clock.source), clock.flags, terms, clock.held_from, clock.tai_utc_s),
        ]
        sources = [
            [one.name, int(one.source), int(one.state), *one[3:5], one.words[:TEXT_MAX]]
            for one in self.sources[:SOURCES_MAX]
        ]
        place = [int(self.place.state), *self.place[1:]]
        receivers = [list(one) for one in self.receivers[:RECEIVERS_MAX]]
        tripped = [[int(one.check), *one[1:]] for one in self.tripped[:TRIPPED_MAX]]
        return cbor.encode([of_clock, sources, place, receivers, tripped])


def read(raw: bytes) -> Verdict:
    """The verdict in a raw. Raises EvidenceError."""
    clock, sources, place, receivers, tripped = shape.array(cbor.decode(raw), "verdict", 5)
    state, distance, allowed = shape.array(place, "place", 3)
    return Verdict(
        _read_clock(clock),
        tuple(_read_source(one) for one in _rows(sources, "sources", SOURCES_MAX)),
        Place(
            PlaceState(shape.uint(state, "place", len(PlaceState) - 1)),
            shape.optional(distance, shape.uint, "distance"),
            shape.optional(allowed, shape.uint, "allowed distance"),
        ),
        tuple(_read_receiver(one) for one in _rows(receivers, "receivers", RECEIVERS_MAX)),
        tuple(_read_tripped(one) for one in _rows(tripped, "tripped", TRIPPED_MAX)),
    )


def _rows(value: Any, field: str, most: int) -> list[Any]:
    rows = list(shape.array(value, field))
    if len(rows) > most:
        shape.fail(field, len(rows), f"at most {most}")
    return rows


def _words(value: Any, field: str) -> str:
    found = shape.text(value, field)
    if len(found) > TEXT_MAX:
        shape.fail(field, found, f"at most {TEXT_MAX} characters")
    return found


def _source(value: Any) -> TimeSource:
    return TimeSource(shape.uint(value, "time source", max(TimeSource)))


def _read_clock(value: Any) -> Clock:
    item = shape.array(value, "clock", 9)
    return Clock(
        shape.optional(item[0], _words, "chosen"),
        _words(item[1], "why"),
        shape.optional(item[2], shape.uint, "bound"),
        shape.uint(item[3], "growth"),
        _source(item[4]),
        shape.uint(item[5], "flags"),
        tuple(_read_term(term) for term in _rows(item[6], "terms", TERMS_MAX)),
        shape.optional(item[7], shape.uint, "held from"),
        shape.optional(item[8], shape.integer, "TAI - UTC"),
    )


def _read_term(value: Any) -> Term:
    name, ns = shape.array(value, "term", 2)
    return Term(_words(name, "term"), shape.uint(ns, "term"))


def _read_source(value: Any) -> Source:
    name, source, state, offset, error, words = shape.array(value, "source", 6)
    return Source(
        _words(name, "source"),
        _source(source),
        State(shape.uint(state, "state", len(State) - 1)),
        shape.optional(offset, shape.integer, "offset"),
        shape.optional(error, shape.uint, "error"),
        _words(words, "words"),
    )


def _read_receiver(value: Any) -> Receiver:
    item = shape.array(value, "receiver", 8)
    return Receiver(
        shape.uint(item[0], "stream"),
        shape.optional(item[1], shape.uint, "instant"),
        shape.uint(item[2], "mode"),
        shape.uint(item[3], "antenna"),
        shape.uint(item[4], "spoofing"),
        shape.uint(item[5], "jamming"),
        shape.optional(item[6], shape.uint, "satellites"),
        shape.optional(item[7], shape.uint, "C/N0"),
    )


def _read_tripped(value: Any) -> Tripped:
    check, stream, since = shape.array(value, "tripped", 3)
    if shape.uint(check, "check") not in list(Check):
        shape.fail("check", check, "a check")
    return Tripped(
        Check(check), shape.optional(stream, shape.uint, "stream"), shape.uint(since, "since")
    )
