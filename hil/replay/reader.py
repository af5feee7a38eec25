"""What a protocol brings to a replay: how it is told from other traffic, what it makes of bytes,
and what it counts.

1. A Talk says which connections are its own (Judge) and hears each of them (Conversation). A Wire
   hears whole Ethernet frames, told apart by EtherType.
2. What is heard is handed on to be sealed, or counted by name under `unsealed`, or a fault by name.
   `reasons` finds what is none of these: it counts again what stands in the bytes that were handed
   on, by another way than the session that made them.
3. A reader bounds what it keeps, whatever the bytes: captures are untrusted.

It seals nothing and opens nothing.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from drivers.line import Frame, Instant, Setup
from evidence.code import Kind
from hil.capture import Chunk, EthernetFrame, Flow

FAULT_NAMES_MAX = 64

Item = Frame | Setup
Heard = tuple[str, Sequence[Item]]  # the source, and what was heard of it


class Judge(Protocol):
    """Hears one connection until it is known whether it speaks this protocol."""

    def weigh(self, chunk: Chunk) -> bool:
        """Whether it certainly does, now that this was heard too."""
        ...

    def looks(self) -> bool:
        """Whether what was heard looks like it, spoiled though it may be."""
        ...


class Conversation(Protocol):
    """One connection that speaks the protocol, both directions."""

    source: str

    @property
    def counts(self) -> Counter[str]:
        """What happened, by name."""
        ...

    def feed(self, chunk: Chunk, heard: Instant) -> Sequence[Item]: ...

    def flush(self, heard: Instant) -> Sequence[Item]:
        """The connection has ended: what waited."""
        ...


class Reader(ABC):
    """The counts of one protocol in one capture."""

    name: str  # as the report has it
    title: str  # as people have it

    def __init__(self) -> None:
        self.frames: Counter[str] = Counter()  # good frames as they were on the wire, by type
        self.extra: Counter[str] = Counter()  # what else is worth telling: ASDUs, exchanges
        self.unsealed: Counter[str] = Counter()  # good frames that were not sealed, and why
        self.faults: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.met = False  # whether anything of it was in the capture, good or bad
        self.handed = 0  # to be sealed
        self.contained = 0  # good frames in what was handed on

    @property
    def heard(self) -> int:
        """Good frames."""
        return self.frames.total()

    def account(self, items: Sequence[Item]) -> None:
        """Counts what is handed on, and the faults among it."""
        for item in items:
            if type(item) is not Frame or item.kind == Kind.GAP:
                continue
            if item.fault is None and item.kind == Kind.EVENT:
                self.extra["event"] += 1  # of a stream; no frame of it
            elif item.fault is None:
                self.handed += 1
                self.contained += self.inside(item)
            else:
                self.fault(item.fault.fault)

    def unplace(self, item: Item) -> None:
        """There is no stream left for this."""
        if isinstance(item, Frame) and item.kind not in (Kind.GAP, Kind.EVENT):
            self.unsealed["streams"] += self.inside(item)

    def fault(self, name: str) -> None:
        """Counts one, under a name of its own as long as there are not too many names."""
        if name not in self.faults and len(self.faults) >= FAULT_NAMES_MAX:
            name = "other"
        self.faults[name] += 1

    @abstractmethod
    def inside(self, frame: Frame) -> int:
        """How many frames of the wire stand in what is to be sealed; it may count them by type."""

    def reasons(self) -> list[str]:
        """What was heard and is not accounted for."""
        known = self.contained + self.unsealed.total()
        if known == self.heard:
            return []
        text = f"{self.contained} handed on, {self.unsealed.total()} named"
        return [f"{self.title}: {self.heard} frames heard, {text}"]


class Talk(Reader):
    """A protocol of connections."""

    @abstractmethod
    def judge(self) -> Judge: ...

    @abstractmethod
    def opens(self, chunk: Chunk) -> bool:
        """Whether this payload alone shows that its connection speaks it."""

    @abstractmethod
    def open(self, flow: Flow) -> Conversation: ...


class Wire(Reader):
    """A protocol of Ethernet frames, all of one capture under one source."""

    ethertypes: frozenset[int]

    @abstractmethod
    def feed(self, frame: EthernetFrame, heard: Instant) -> Sequence[Heard]: ...

    @abstractmethod
    def flush(self, heard: Instant) -> Sequence[Heard]:
        """The capture is over: what waited."""
