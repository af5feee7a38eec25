"""What every driver takes and gives: Source in, Setup and Frame out, and the two faults that a line
can have.

1. A Frame carries the device's own bytes; whatever a driver derives from them (instant, bound,
   flags) stands beside, never instead.
2. A Setup rules the Frames of its key that come after it, until the next Setup of that key.
3. LinkError: the line failed, try again later. FrameError: these bytes are bad, go on with the
   next.

It opens nothing, retries nothing, and knows no protocol.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

from evidence.leap import LeapTable
from evidence.position import Position

READ_FRAMES_MAX = 512  # of one read: bounds what a burst can hold up in the loop
STREAMS_MAX = 64  # of one source: a peer that invents IDCODEs must not fill the memory
Item = TypeVar("Item")


class LinkError(Exception):
    """The line failed.

    Not there, refused, closed, silent. Retried with backoff, for ever, visibly.
    """


class FrameError(Exception):
    """Bytes from a peer that are not a frame, or not one for us.

    `fault` is its name for counting; the text explains.
    """

    def __init__(self, fault: str, text: str) -> None:
        super().__init__(f"{fault}: {text}")
        self.fault = fault


class Instant(NamedTuple):
    """A reading of the gateway's clock.

    Ns TAI since 1970, and its bound in ns; None when it is not synchronised.
    """

    tai: int
    bound: int | None


class Clock(Protocol):
    """The gateway's clock as a driver sees it."""

    def now(self) -> Instant: ...

    @property
    def table(self) -> LeapTable:
        """TAI - UTC, as far as this gateway knows it."""


@dataclass(frozen=True, slots=True)
class Source:
    """One connection, as configured.

    Its name, its scheme (a row of drivers.registry) and that scheme's own options; `folder` is
    where relative paths in them begin.
    """

    name: str
    scheme: str
    options: Mapping[str, object]
    folder: str = ""


class Frame(NamedTuple):
    """One frame as it arrived.

    With a `fault` it is counted and kept in the ring, and never sealed.
    """

    key: str  # which stream of the source
    kind: int  # evidence.code.Kind
    raw: bytes
    tai: int  # the instant measured, ns TAI, by the clock that stamped it
    bound: int | None  # of that clock, ns
    source: int  # evidence.code.TimeSource
    flags: int  # evidence.code.Flag
    heard: Instant
    fault: FrameError | None = None


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel as the device names it.

    `quantity` is a word of evidence.descriptor.QUANTITIES.
    """

    name: str
    quantity: str
    unit: str


@dataclass(frozen=True, slots=True)
class Block:
    """One measuring device inside a frame (a PMU of a concentrator's frame).

    `position` is the device's own word, as its configuration has it; None: it says none.
    """

    station: str
    idcode: int
    service_class: str  # "P", "M" or "" when the configuration does not say
    window_us: int | None
    group_delay_us: int | None
    channels: tuple[Channel, ...]
    position: Position | None = None


@dataclass(frozen=True, slots=True)
class Setup:
    """What a stream is, in the device's own words.

    `configuration` is empty while nothing is known.
    """

    key: str
    kind: int  # evidence.code.Kind of the frames it rules
    configuration: bytes  # CFG frame, point map, SCL data set: as `decode` takes it
    # frames, seconds: (60, 1), or (1, 10) for one in ten seconds; (0, 0) unknown
    rate: tuple[int, int]
    blocks: tuple[Block, ...]


def one_read(waiting: deque[Item]) -> list[Item]:
    """What a read gives of what waits, in order, READ_FRAMES_MAX at most."""
    if len(waiting) <= READ_FRAMES_MAX:
        items = list(waiting)
        waiting.clear()
        return items
    return [waiting.popleft() for _ in range(READ_FRAMES_MAX)]


@runtime_checkable
class Filed(Protocol):
    """A driver whose device's configuration may be in a file."""

    def on_file(self) -> Sequence[Setup]:
        """What the file says of each stream; nothing without one. Raises ConfigError."""
        ...


@runtime_checkable
class Keeping(Protocol):
    """A driver whose device keeps what it said until it is told that it is kept elsewhere, and says
    the rest again. A bookmark is where a device stands in what it says, in the driver's own form.

    Who opens such a driver and never calls `kept` takes nothing from the device.
    """

    def resume(self, bookmark: bytes) -> None:
        """Before it is opened: what was given up to there is no news. One that is none of this
        device's, as after another pairing, says nothing."""
        ...

    def bookmark(self) -> bytes:
        """Where all that `read` gave by now ends; empty while that is nowhere. Cheap."""
        ...

    def kept(self, bookmark: bytes) -> None:
        """All that was given up to there is durable, as the spool promises it. Cheap."""
        ...


class Driver(Protocol):
    """One connection to one source, of one or more streams.

    Retry, backoff, counting, logging and sealing are the runner's.
    """

    def __init__(self, source: Source, clock: Clock) -> None: ...

    @property
    def counts(self) -> Mapping[str, int]:
        """What happened since it was opened, by name, beside the frames themselves."""
        ...

    def expected(self) -> tuple[int, tuple[int, int]] | None:
        """Bytes of a frame, and frames in so many seconds, as far as files tell before opening.

        None where only the device can tell. Raises ConfigError.
        """
        ...

    async def open(self) -> Sequence[Setup]:
        """Connects and learns the configuration: one Setup a stream. Raises LinkError."""
        ...

    async def read(self) -> Sequence[Frame | Setup]:
        """Waits for at least one, returns all that has arrived, in order, READ_FRAMES_MAX at most.

        Cancel-safe. A bad frame is a Frame with its fault named; the line failing is LinkError.
        """
        ...

    async def close(self) -> None:
        """Idempotent, bounded, never raises."""
        ...
