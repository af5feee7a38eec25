"""Turns what drivers heard into sealed links: one lane a stream, and every hole stated in it.

1. One good frame, one observation. A bad frame is counted, kept in the ring, and never sealed.
2. A lane's first link in a run is its descriptor; a new Setup is a new descriptor.
3. Two measurements further apart than the rate allows have a gap between them, stated before the
   second is sealed.
4. With no sealer attached (the disk takes nothing) frames are counted, and stated as a gap when
   there is one again.

It knows no disk and no line.
"""

import logging
from collections.abc import Callable, Sequence

from agent import description
from agent.description import OWN_KEY, OWN_SOURCE, Place
from agent.health import Health
from agent.sealer import Chain, Piece, Sealer
from drivers.line import Clock, Frame, Setup
from evidence import cbor
from evidence.code import Cause, Flag, Kind, TimeSource
from evidence.descriptor import Descriptor
from evidence.disclosure import Discloser
from evidence.gap import Gap
from evidence.siteplan import SitePlan

STREAMS_MAX = (
    400  # of one gateway: as many ranges as a head can have, and more than a core can seal
)
NS = 1_000_000_000
log = logging.getLogger("gridseal.hearing")


class Lane:
    """One stream: what it is, its chain in this run, and where its measurements stand."""

    __slots__ = (
        "number",
        "source",
        "key",
        "setup",
        "chain",
        "period_ns",
        "patience_ns",
        "last",
        "down",
        "unkept",
    )

    def __init__(self, number: int, source: str, key: str) -> None:
        self.number, self.source, self.key = number, source, key
        self.setup: Setup | None = None
        self.chain: Chain | None = None
        self.period_ns = 0
        self.patience_ns = 1 << 63  # no rate known: no hole can be seen
        self.last: int | None = None  # instant of the last measurement
        self.down = False  # the line was lost since
        self.unkept: tuple[int, int, int] | None = (
            None  # first, last and count of frames heard and not sealed
        )

    def set_up(self, setup: Setup) -> None:
        self.setup = setup
        frames, seconds = setup.rate
        if frames and seconds:
            self.period_ns = seconds * NS // frames
            self.patience_ns = (
                self.period_ns * 3 // 2
            )  # FRACSEC rounds, and no honest instant is off by half a period


class Hearing:
    """All lanes of the gateway. `random(n)` salts what descriptors hide."""

    def __init__(
        self, plan: SitePlan, clock: Clock, random: Callable[[int], bytes], health: Health
    ) -> None:
        self._plan, self._clock, self._random, self._health = plan, clock, random, health
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._new: list[tuple[int, str, str]] = []
        self._held: list[tuple[Lane, int, Frame]] = []
        self._sealer: Sealer | None = None

    @property
    def sealing(self) -> bool:
        return self._sealer is not None

    @property
    def size(self) -> int:
        """Bytes sealed and not yet taken."""
        return self._sealer.size if self._sealer else 0

    def attach(self, sealer: Sealer, on_disk: dict[tuple[str, str], int] | None = None) -> None:
        """From now on, seal in this run.

        Every known lane gets its descriptor. `on_disk`: the streams that the spool has.
        """
        self._sealer = sealer
        if on_disk is not None:
            self._numbers.update(on_disk)
            self._new = [
                (number, *name) for name, number in self._numbers.items() if name not in on_disk
            ]
        for lane in (self._lane(OWN_SOURCE, OWN_KEY), *self._lanes.values()):
            lane.chain = None
        self._describe_own(sealer)
        for lane in self._lanes.values():
            if lane.setup is not None:
                self._describe(sealer, lane, lane.setup)

    def detach(self) -> list[tuple[Lane, int, Frame]]:
        """Seal no more; gives back what was sealed and not taken: lane, seq, frame."""
        self._sealer = None
        held, self._held = self._held, []
        self._health.sealed -= len(held)
        return held

    def take(self) -> tuple[Piece, list[tuple[int, str, str]], list[tuple[Lane, int, Frame]]]:
        """What was sealed since the last call, the streams new in it, the frames it is made of."""
        if self._sealer is None:
            return Piece((), (), (), 0, 0), [], []
        held, self._held = self._held, []
        new, self._new = self._new, []
        return self._sealer.take(), new, held

    def again(self, frames: Sequence[tuple[Lane, Frame]]) -> None:
        """Seals frames anew that were sealed in a run whose commit failed."""
        for lane, frame in frames:
            self._seal(lane, frame)

    def lost(self, source: str) -> None:
        """The line of a source is down: what comes next comes after a hole."""
        for lane in self._lanes.values():
            if lane.source == source:
                lane.down = True

    def hear(self, source: str, items: Sequence[Frame | Setup]) -> None:
        """Seals what one read of a source's driver brought, in order."""
        health = self._health.source(source)
        lane: Lane | None = None
        for item in items:
            if isinstance(item, Setup):
                self._set_up(source, item)
                continue
            health.heard += 1
            if item.fault is not None:
                self._health.bad_frame(
                    source, item.fault.fault, str(item.fault), item.raw, item.heard.tai
                )
                continue
            if lane is None or lane.key != item.key:
                lane = self._lane(source, item.key)
            if item.kind == (lane.setup and lane.setup.kind):
                if lane.last is not None and item.tai - lane.last > lane.patience_ns:
                    self._hole(lane, item, lane.last)
                lane.last = item.tai
            self._seal(lane, item)
            health.sealed += 1
            health.last_tai = item.tai

    def _seal(self, lane: Lane, frame: Frame) -> None:
        sealer = self._sealer
        if sealer is None or lane.chain is None:
            self._count_unkept(lane, frame)
            return
        if lane.unkept is not None:
            first, last, count = lane.unkept
            lane.unkept = None
            self._state(lane, frame, Gap(Cause.NOT_KEPT, first, last, count))
        self._held.append((lane, lane.chain.seq, frame))
        sealer.seal(lane.chain, frame)
        self._health.sealed += 1

    def _hole(self, lane: Lane, frame: Frame, before: int) -> None:
        """Measurements are missing between `before` and this frame."""
        missed = (frame.tai - before + lane.period_ns // 2) // lane.period_ns - 1
        cause = Cause.DRIVER_DOWN if lane.down else Cause.NOT_HEARD
        lane.down = False
        self._state(lane, frame, Gap(cause, before + 1, frame.tai - 1, missed))

    def _state(self, lane: Lane, frame: Frame, gap: Gap) -> None:
        """Seals a hole at the instant that the frame after it was heard, by the gateway's clock."""
        self._health.gaps[gap.cause.name.lower()] += 1
        flags = Flag.AGENT_STAMPED | (frame.flags & (Flag.SIMULATED | Flag.TEST))
        stated = frame._replace(
            kind=Kind.GAP, raw=gap.raw(), tai=frame.heard.tai, bound=frame.heard.bound
        )
        self._seal(lane, stated._replace(source=int(TimeSource.UNKNOWN), flags=int(flags)))

    def _count_unkept(self, lane: Lane, frame: Frame) -> None:
        self._health.unkept += 1
        first, last, count = lane.unkept or (frame.tai, frame.tai, 0)
        lane.unkept = (min(first, frame.tai), max(last, frame.tai), count + 1)

    def _lane(self, source: str, key: str) -> Lane:
        """The stream of a source's key; its number is given at first sight and never reused."""
        lane = self._lanes.get((source, key))
        if lane is None:
            number = self._numbers.get((source, key))
            if number is None:
                number = max(self._numbers.values(), default=-1) + 1
                self._numbers[source, key] = number
                self._new.append((number, source, key))
            lane = self._lanes[source, key] = Lane(number, source, key)
        return lane

    def _set_up(self, source: str, setup: Setup) -> None:
        lane = self._lane(source, setup.key)
        if lane.setup == setup and lane.chain is not None:
            return  # the same again, as after a reconnect: its descriptor rules still
        lane.set_up(setup)
        for name in description.missing(source, setup, self._plan):
            log.warning(
                "%s: the site plan names channel %r, which the device does not have", source, name
            )
        if self._sealer is not None:
            self._describe(self._sealer, lane, setup)

    def _describe(self, sealer: Sealer, lane: Lane, setup: Setup) -> None:
        def make(chain: Chain) -> tuple[Descriptor, bytes]:
            hidden = Discloser(self._random)
            made = description.describe(
                self._place(sealer, chain), lane.source, setup, self._plan, hidden
            )
            return made, cbor.encode(hidden.pairs)

        lane.chain = sealer.chain(lane.number)
        sealer.describe(lane.chain, make)

    def _describe_own(self, sealer: Sealer) -> None:
        def make(chain: Chain) -> tuple[Descriptor, bytes]:
            hidden = Discloser(self._random)
            return description.own(self._place(sealer, chain), self._plan, hidden), cbor.encode(
                hidden.pairs
            )

        lane = self._lane(OWN_SOURCE, OWN_KEY)
        lane.chain = sealer.chain(lane.number)
        sealer.describe(lane.chain, make)

    def _place(self, sealer: Sealer, chain: Chain) -> Place:
        return Place(sealer.name, chain.number, chain.seq, chain.prev, self._clock.now().tai)
