"""One connection of a PMU in a capture, whatever it speaks: a splitter for each direction, one
session for both.

It judges nothing: see hil.replay.c37118 and hil.replay.ieee1344.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Protocol

from drivers.c37118.splitter import Bad
from drivers.line import Instant
from hil.capture import Chunk, Flow
from hil.replay.reader import Item


class Splits(Protocol):
    """A protocol's Splitter."""

    def feed(self, data: bytes) -> list[bytes | Bad]: ...
    def flush(self) -> list[bytes | Bad]: ...


class Session(Protocol):
    """A protocol's Session, as far as a replay needs it."""

    counts: Counter[str]

    def datagram(self, data: bytes, heard: Instant) -> list[Item]: ...
    def accept(self, items: Iterable[bytes | Bad], heard: Instant) -> list[Item]: ...
    def flush(self, heard: Instant) -> list[Item]: ...


class PmuConversation:
    """hil.replay.reader.Conversation of a PMU."""

    __slots__ = ("_session", "_splitters", "source")

    def __init__(self, flow: Flow, session: Session, splitters: tuple[Splits, Splits]) -> None:
        self._session, self._splitters = session, splitters
        self.source = flow.words()

    @property
    def counts(self) -> Counter[str]:
        return self._session.counts

    def feed(self, chunk: Chunk, heard: Instant) -> list[Item]:
        if chunk.kind == "udp":
            return self._session.datagram(chunk.payload, heard)
        splitter = self._splitters[chunk.direction]
        lost = splitter.flush() if chunk.fresh else []  # nothing before goes on in it
        return self._session.accept(lost + splitter.feed(chunk.payload), heard)

    def flush(self, heard: Instant) -> list[Item]:
        left = [item for splitter in self._splitters for item in splitter.flush()]
        return self._session.accept(left, heard) + self._session.flush(heard)
