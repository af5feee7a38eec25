"""Turns what drivers heard into sealed links: one lane a stream, and every hole stated in it.

1. One good frame, one observation. A bad frame is counted, kept in the ring, and never sealed.
2. A lane's first link in a run is its descriptor; a new Setup is a new descriptor.
3. Two measurements further apart than the rate allows have a gap between them, stated before the
   second is sealed.
4. What is sealed anew in a later run is sealed under the Setup that ruled it, and before what came
   since.
5. With no sealer attached (the disk takes nothing) frames are counted, and stated as a gap when
   there is one again.

It knows no disk and no line.
"""

import logging
from collections.abc import Callable, Iterable, Sequence

from agent import description
from agent.description import OWN_KEY, OWN_SOURCE, Place
from agent.health import Health
from agent.sealer import Chain, Piece, Sealer, SealError, Stretch
from drivers.line import Clock, Frame, FrameError, Setup
from evidence import cbor
from evidence.code import Cause, Flag, Kind, TimeSource
from evidence.descriptor import Descriptor
from evidence.disclosure import Discloser
from evidence.gap import Gap
from evidence.run import STREAMS_MAX as NUMBERS_MAX
from evidence.siteplan import SitePlan

# Of one gateway: as many ranges as a head can have, and more than a core can seal.
STREAMS_MAX = 400
NS = 1_000_000_000
# A measurement before the last by less than this came late, or twice, and the last stays; by more,
# the device's clock was set back, and what is due goes with it.
LATE_NS = 2 * NS
NEVER = 1 << 64  # later than any instant: where no rate is known, no hole can be seen
NOTHING = Piece((), (), (), 0, 0)
log = logging.getLogger("gridseal.hearing")


class Lane:
    """One stream: what it is, its chain in this run, and when its next measurement is due."""

    __slots__ = (
        "number",
        "source",
        "key",
        "setup",
        "kind",
        "chain",
        "period_ns",
        "patience_ns",
        "grace_ns",
        "due",
        "down",
        "unkept",
    )

    def __init__(self, number: int, source: str, key: str) -> None:
        self.number, self.source, self.key = number, source, key
        self.setup: Setup | None = None
        self.kind = -1  # of its measurements
        self.chain: Chain | None = None
        self.period_ns = self.patience_ns = self.grace_ns = 0
        self.due = NEVER  # a measurement later than this has a hole before it
        self.down = False  # the line was lost since
        # Heard and not sealed: first and last instant, count, and the frame heard last.
        self.unkept: tuple[int, int, int, Frame] | None = None

    @property
    def last(self) -> int | None:
        """The instant of the last measurement; None before the first, or where no rate is known."""
        return self.due - self.patience_ns - self.grace_ns if self.due != NEVER else None

    def set_up(self, setup: Setup) -> None:
        """A new rate rules; for the hole before its first measurement the slower of both."""
        self.setup, self.kind = setup, setup.kind
        frames, seconds = setup.rate
        last, slower = self.last, self.patience_ns
        if frames and seconds:
            self.period_ns = seconds * NS // frames
            self.patience_ns = self.period_ns * 3 // 2  # FRACSEC rounds; none is half a period off
            self.grace_ns = max(slower - self.patience_ns, 0)
            self.due = NEVER if last is None else last + self.patience_ns + self.grace_ns
        else:
            self.due, self.patience_ns, self.grace_ns = NEVER, NEVER, 0


class Hearing:
    """All lanes of the gateway. `random(n)` salts what descriptors hide."""

    def __init__(
        self, plan: SitePlan, clock: Clock, random: Callable[[int], bytes], health: Health
    ) -> None:
        self._plan, self._clock, self._random, self._health = plan, clock, random, health
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._new: list[tuple[int, str, str]] = []
        self._sealer: Sealer | None = None
        self._setups: dict[bytes, Setup] = {}  # by descriptor, of this run
        self._setups_before: dict[bytes, Setup] = {}  # of the run before

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
        self._setups_before, self._setups = self._setups, {}
        if on_disk is not None:
            self._numbers.update(on_disk)
            self._new = [
                (number, *name) for name, number in self._numbers.items() if name not in on_disk
            ]
        for lane in self._lanes.values():
            lane.chain = None
        self._describe_own(sealer)
        for lane in self._lanes.values():
            if lane.setup is not None:
                self._describe(sealer, lane, lane.setup)

    def detach(self) -> Piece:
        """Seal no more in this run; gives back what was sealed and not taken."""
        sealer, self._sealer = self._sealer, None
        return sealer.take(sealer.observations) if sealer is not None else NOTHING

    def take(self) -> tuple[Piece, list[tuple[int, str, str]]]:
        """What was sealed since the last call, and the streams that are new in it."""
        if self._sealer is None:
            return NOTHING, []
        new, self._new = self._new, []
        return self._sealer.take(), new

    def again(self, stretches: Iterable[Stretch], durable: dict[int, int]) -> int:
        """Seals frames anew that were sealed in the run before and are not on disk; to be called
        right after `attach`. Says how many of them are on disk.

        `durable`: by stream, the last seq of that run which is durable all the same.
        """
        sealer = self._sealer
        if sealer is None:
            raise SealError("nothing is sealed anew without a run")
        lanes = {lane.number: lane for lane in self._lanes.values()}
        kept = 0
        ruling = {number: lane.setup for number, lane in lanes.items()}
        for stretch in stretches:
            lane, setup = lanes[stretch.stream], self._setups_before.get(stretch.descriptor)
            there = max(durable.get(stretch.stream, -1) + 1 - stretch.first_seq, 0)
            frames = stretch.frames[there:]
            kept += len(stretch.frames) - len(frames)
            if not frames or lane.chain is None:
                continue
            if setup is not None and setup != ruling[lane.number]:
                self._describe(sealer, lane, setup)
                ruling[lane.number] = setup
            sealer.seal(lane.chain, frames)  # before the hole since: see `_seal`
        for number, setup in ruling.items():
            lane = lanes[number]
            if lane.setup is not None and lane.setup != setup:
                self._describe(sealer, lane, lane.setup)
        for lane in lanes.values():  # at once: its line may say nothing more
            self._state_unkept(lane)
        return kept

    def lost(self, source: str) -> None:
        """The line of a source is down: what comes next comes after a hole."""
        for lane in self._lanes.values():
            if lane.source == source:
                lane.down = True

    def hear(self, source: str, items: Sequence[Frame | Setup]) -> None:
        """Seals what one read of a source's driver brought, in order."""
        health = self._health.source(source)
        lane: Lane | None = None
        setups = 0
        alike: list[Frame] = []  # of one lane, with nothing to state between them
        for item in items:
            if type(item) is Frame and item.fault is None:
                if lane is None or lane.key != item.key:
                    if lane is not None:
                        alike = self._flush(lane, alike)
                    lane = self._lane(source, item.key)
                if lane is None:
                    self._refuse(source, item._replace(fault=_too_many(item.key)))
                    continue
                if item.kind == lane.kind:
                    if item.tai > lane.due:
                        alike = self._flush(lane, alike)
                        self._hole(lane, item)
                    behind_ns = lane.due - lane.patience_ns - lane.grace_ns - item.tai
                    if not 0 < behind_ns < LATE_NS:
                        lane.due = item.tai + lane.patience_ns
                alike.append(item)
                continue
            if lane is not None:
                alike = self._flush(lane, alike)
            if isinstance(item, Setup):
                setups += 1
                self._set_up(source, item)
            else:
                self._refuse(source, item)
        if lane is not None:
            health.last_tai = alike[-1].tai if alike else health.last_tai
            self._flush(lane, alike)
        health.heard += len(items) - setups

    def _flush(self, lane: Lane, frames: list[Frame]) -> list[Frame]:
        if frames:
            if self._sealer is not None:
                self._health.source(lane.source).sealed += len(frames)
            self._seal(lane, frames)
            if (lane.down or lane.grace_ns) and any(one.kind == lane.kind for one in frames):
                lane.down, lane.grace_ns = False, 0  # the next hole is one of its own
        return []

    def _refuse(self, source: str, frame: Frame) -> None:
        fault = frame.fault
        if fault is not None:
            self._health.bad_frame(source, fault.fault, str(fault), frame.raw, frame.heard.tai)

    def _seal(self, lane: Lane, frames: Sequence[Frame]) -> None:
        sealer = self._sealer
        if sealer is None or lane.chain is None:
            self._count_unkept(lane, frames)
            return
        if lane.unkept is not None and frames:
            self._state_unkept(lane, frames[0])
        sealer.seal(lane.chain, frames)
        self._health.sealed += len(frames)

    def _hole(self, lane: Lane, frame: Frame) -> None:
        """Measurements are missing between the last and this frame."""
        before = lane.due - lane.patience_ns - lane.grace_ns
        missed = (frame.tai - before + lane.period_ns // 2) // lane.period_ns - 1
        cause = Cause.DRIVER_DOWN if lane.down else Cause.NOT_HEARD
        lane.down, lane.grace_ns = False, 0
        self._state(lane, frame, Gap(cause, before + 1, frame.tai - 1, missed))

    def _state(self, lane: Lane, frame: Frame, gap: Gap) -> None:
        """Seals a hole at the instant that the frame after it was heard, by the gateway's clock."""
        self._health.gaps[gap.cause.name.lower()] += 1
        flags = Flag.AGENT_STAMPED | (frame.flags & (Flag.SIMULATED | Flag.TEST))
        stated = frame._replace(
            kind=int(Kind.GAP),
            raw=gap.raw(),
            tai=frame.heard.tai,
            bound=frame.heard.bound,
            source=int(TimeSource.UNKNOWN),
            flags=int(flags),
        )
        self._seal(lane, [stated])

    def _state_unkept(self, lane: Lane, frame: Frame | None = None) -> None:
        """Seals the hole of what was heard and not kept; with no frame after it, as of its last."""
        if lane.unkept is not None and lane.chain is not None:
            first, last, count, heard = lane.unkept
            lane.unkept = None
            self._state(lane, frame or heard, Gap(Cause.NOT_KEPT, first, last, count))

    def _count_unkept(self, lane: Lane, frames: Sequence[Frame]) -> None:
        self._health.unkept += len(frames)
        for frame in frames:
            first, last, count, _ = lane.unkept or (frame.tai, frame.tai, 0, frame)
            lane.unkept = (min(first, frame.tai), max(last, frame.tai), count + 1, frame)

    def _lane(self, source: str, key: str) -> Lane | None:
        """The stream of a source's key; its number is given at first sight and never reused.

        None when there are too many.
        """
        lane = self._lanes.get((source, key))
        if lane is None:
            number = self._numbers.get((source, key))
            if len(self._lanes) >= STREAMS_MAX:
                return None
            if number is None:
                if len(self._numbers) >= NUMBERS_MAX:
                    return None
                number = max(self._numbers.values(), default=-1) + 1
                self._numbers[source, key] = number
                self._new.append((number, source, key))
            lane = self._lanes[source, key] = Lane(number, source, key)
        return lane

    def _set_up(self, source: str, setup: Setup) -> None:
        lane = self._lane(source, setup.key)
        if lane is None:
            fault = _too_many(setup.key)
            now = self._clock.now().tai
            self._health.bad_frame(source, fault.fault, str(fault), setup.configuration, now)
            return
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
        if lane.chain.descriptor is not None:
            self._setups[lane.chain.descriptor] = setup

    def _describe_own(self, sealer: Sealer) -> None:
        def make(chain: Chain) -> tuple[Descriptor, bytes]:
            hidden = Discloser(self._random)
            return description.own(self._place(sealer, chain), self._plan, hidden), cbor.encode(
                hidden.pairs
            )

        lane = self._lane(OWN_SOURCE, OWN_KEY)
        if lane is None:
            raise SealError("there is no stream left for the gateway's own statements")
        lane.chain = sealer.chain(lane.number)
        sealer.describe(lane.chain, make)

    def _place(self, sealer: Sealer, chain: Chain) -> Place:
        return Place(sealer.name, chain.number, chain.seq, chain.prev, self._clock.now().tai)


def _too_many(key: str) -> FrameError:
    return FrameError("streams", f"stream {key!r} is one more than {STREAMS_MAX}")
