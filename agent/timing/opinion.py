"""What a source of time says of this machine's clock at one moment, and what is made of them all.

1. An offset is this machine's TAI less the source's: positive where this machine is ahead. The
   error is a maximum of how far that offset may be off; both hold at `at_ns`, by the clock of
   durations, and the error grows by `growth_ppb` from there.
2. None is "it does not say". A source that vouches for nothing has error None and says why.
3. Integers only: ns, ppb. Nobody here asks a clock.
"""

from typing import NamedTuple, Protocol

from evidence.code import TimeSource
from evidence.verdict import State, Term


class Opinion(NamedTuple):
    """One source's word."""

    name: str  # as it is configured
    source: TimeSource
    at_ns: int  # monotonic
    offset_ns: int | None
    error_ns: int | None
    growth_ppb: int
    terms: tuple[Term, ...]  # whose sum error_ns is
    locked: bool = False
    traceable: bool = False
    leap_pending: bool = False
    tai_utc_s: int | None = None  # where it says
    mark: int = 0  # rises when whoever disciplines this machine's clock has corrected it
    suspect: bool = False  # it says of itself that it may be deceived
    fault: str = ""  # why it vouches for nothing
    note: str = ""  # what it says of itself, for a person
    second_hand: bool = False  # it repeats what another source says, whichever: no witness


class Judged(NamedTuple):
    """An opinion, and what became of it among the others."""

    opinion: Opinion
    state: State
    words: str  # for a person; `leap` is among them
    contradicts: bool = False  # another source, or the oscillator; the chosen one may, too
    jumped: bool = False  # it contradicts the oscillator
    leap: str = ""  # what of leap seconds another says otherwise


class Ruling(NamedTuple):
    """What is made of all opinions. The bound is of this machine's clock, at `at_ns`."""

    at_ns: int
    bound_ns: int | None  # None: nothing vouches for the clock, and `why` says what is missing
    growth_ppb: int
    source: TimeSource
    flags: int  # evidence.code.Flag: LOCKED, TRACEABLE, HOLDOVER, LEAP, CLOCK_DOUBTED
    chosen: str | None
    why: str
    terms: tuple[Term, ...]  # whose sum bound_ns is
    held_from_ns: int | None  # monotonic: since when no source measures it
    judged: tuple[Judged, ...]
    tai_utc_s: int | None = None


class TimeKeeper(Protocol):
    """A source that is asked. One that tells by itself (a receiver) is heard instead."""

    name: str

    async def ask(self) -> Opinion:
        """Never raises but when cancelled, and is bounded in time: a source that does not answer
        has an opinion with a fault.
        """
        ...

    async def close(self) -> None:
        """Ends what it runs. Idempotent, bounded, never raises."""
        ...
