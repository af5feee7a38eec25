"""Turns what drivers heard into sealed links: one lane a stream, and every hole stated in it.

1. One good frame, one observation. A bad frame is counted, kept in the ring, and never sealed; so
   is one of an instant that cannot be signed, which would spoil its batch.
2. A descriptor is a link of its own, right before the first observation under it: none stands where
   nothing was sealed, so that every link a later run names is in some batch or beside one.
3. Two measurements further apart than the rate allows have a gap between them, stated before the
   second is sealed; so have the last measurement that an earlier run made durable and the first one
   heard anew, a line that is down and stays so, and one that failed before it brought any.
4. What is sealed anew in a later run is sealed under the Setup that ruled it, and before what came
   since.
5. With no sealer attached (the disk takes nothing) frames are counted, and stated as a gap when
   there is one again.
6. The hole across a start is owed until `release`: the record may have what this disk lost.
7. What the gateway finds of its own time and place at this moment (`moment`), of a stream's
   (`Lane.marks`), and that its source is in a test (agent.trial), is laid over the flags of each
   sample. A sample that the gateway stamped is stamped by its clock: source and flags say so.

It knows no disk and no line.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from agent import description, survey
from agent.checks import Checks, Of
from agent.clock import RunClock
from agent.description import OWN_KEY, OWN_SETUP, OWN_SOURCE
from agent.guard import OF_CLOCK, Change, Guard
from agent.health import Health
from agent.hole import LATE_NS, Unkept, joined
from agent.lane import Lane
from agent.moment import Moment
from agent.sealer import Came, Chain, Piece, Sealer, SealError, Stretch
from agent.trial import Trial
from drivers.line import Frame, FrameError, Setup
from evidence.code import Cause, Flag, Kind, TimeSource
from evidence.event import Noticed
from evidence.gap import Gap
from evidence.run import STREAMS_MAX as NUMBERS_MAX
from evidence.siteplan import SitePlan

# Of one gateway: as many ranges as a head can have, and more than a core can seal.
STREAMS_MAX = 400
TAI_MAX = (1 << 63) - 1  # the year 2262: no clock counts further, and no database
NOTHING = Piece((), (), (), 0, 0)
log = logging.getLogger("gridseal.hearing")


class Hearing:
    """All lanes of the gateway. `random(n)` salts what descriptors hide."""

    def __init__(
        self, plan: SitePlan, clock: RunClock, random: Callable[[int], bytes], health: Health
    ) -> None:
        self.moment = Moment()
        self.checks = Checks(clock, self.notice)
        self._plan, self._clock, self._random, self._health = plan, clock, random, health
        self._lanes: dict[tuple[str, str], Lane] = {}
        self.numbers: dict[tuple[str, str], int] = {}  # of streams
        self.trials: dict[str, Trial] = {}  # by source
        self._new: list[tuple[int, str, str]] = []
        self._sealer: Sealer | None = None
        self._setups: dict[bytes, Setup] = {}  # by descriptor, of this run
        self._setups_before: dict[bytes, Setup] = {}  # of the run before
        self._resumed: dict[int, Came] = {}  # how far streams came that are not heard again yet
        self._owing = False  # holes across the start are not stated yet
        self._room = True  # for what is heard now

    @property
    def sealing(self) -> bool:
        return self._sealer is not None

    @property
    def size(self) -> int:
        """Bytes sealed and not yet taken."""
        return self._sealer.size if self._sealer else 0

    def attach(self, sealer: Sealer, on_disk: dict[tuple[str, str], int] | None = None) -> None:
        """From now on, seal in this run. `on_disk`: the streams that the spool has."""
        self._sealer = sealer
        self._setups_before, self._setups = self._setups, {}
        if on_disk is not None:
            self.numbers.update(on_disk)
            self._new = [
                (number, *name) for name, number in self.numbers.items() if name not in on_disk
            ]
        for lane in self._lanes.values():
            lane.chain = lane.described = None
            lane.stepped()
        if (own := self._lane(OWN_SOURCE, OWN_KEY)) is None:
            raise SealError("there is no stream left for the gateway's own statements")
        own.setup = OWN_SETUP
        if sealer.run.cause == Cause.SNAPSHOT:
            for lane in self._lanes.values():
                self.doubt((lane.source, lane.key), lane.guard.stepped())

    def resume(self, came: dict[int, Came]) -> None:
        """How far each stream came in an earlier run, durably: what is heard next comes after a
        hole. To be called once, before the first `attach`.
        """
        self._resumed, self._owing = dict(came), True

    def release(self, reached: dict[int, int]) -> None:
        """States the holes across the start. `reached`: what the record has, if it was asked."""
        self._owing = False
        for number, tai in reached.items():
            if (came := self._resumed.get(number)) is not None and came.last < tai:
                self._resumed[number] = came._replace(last=tai)
        for lane in self._lanes.values():
            if lane.number in reached:
                lane.reached(reached[lane.number])
            self._state_owed(lane)

    def watch(self, now_ns: int) -> None:
        """States what is due: of silent lines, of checks that flickered. `now_ns`: monotonic."""
        if self._sealer is None:
            return
        self.checks.catch_up()
        for lane in self._lanes.values():
            if (hole := lane.silence(now_ns)) is not None:
                self._state(lane, hole)

    def give_up(self, stream: int, kind: int, holes: Iterable[Gap]) -> None:
        """States holes of a stream by its number, heard in this run or not. `kind`: of its
        measurements.
        """
        name = next((name for name, number in self.numbers.items() if number == stream), None)
        lane = self._lane(*name, NUMBERS_MAX) if name is not None else None
        if lane is None:
            log.error("stream %d has holes, and no name", stream)
            return
        if lane.setup is None:  # until its line says what it is
            lane.set_up(Setup(lane.key, kind, b"", (0, 0), ()))
        for hole in joined(holes, lane.slack_ns):
            self._state(lane, hole)

    def detach(self) -> Piece:
        """Seal no more in this run; gives back what was sealed and not taken."""
        sealer, self._sealer = self._sealer, None
        return sealer.take(sealer.observations, sealer.size) if sealer is not None else NOTHING

    def take(self) -> tuple[Piece, list[tuple[int, str, str]]]:
        """What was sealed since the last call, and the streams that are new in it."""
        if self._sealer is None:
            return NOTHING, []
        new, self._new = self._new, []
        return self._sealer.take(), new

    def again(
        self, stretches: Iterable[Stretch], durable: dict[int, int], room: bool = True
    ) -> int:
        """Seals frames anew that were sealed in the run before and are not on disk; to be called
        right after `attach`. Says how many of them are on disk.

        `durable`: by stream, the last seq of that run which is durable all the same; `room`:
        whether the disk has any for them: if not, they are stated as not kept.
        """
        if (sealer := self._sealer) is None:
            raise SealError("nothing is sealed anew without a run")
        lanes = {lane.number: lane for lane in self._lanes.values()}
        kept, gone = 0, dict[int, Unkept]()
        for stretch in stretches:
            lane, setup = lanes[stretch.stream], self._setups_before.get(stretch.descriptor)
            there = max(durable.get(stretch.stream, -1) + 1 - stretch.first_seq, 0)
            frames = stretch.frames[there:]
            kept += len(stretch.frames) - len(frames)
            if not room:
                frames = self._forgo(lane, frames, gone)
            if frames and setup is not None:
                chain = self._chain(sealer, lane, setup)
                # Before the hole since: see `_seal`. Under the flags of its own moment.
                sealer.seal(chain, frames, stretch.marks)
                chain.came = stretch.came
                sealer.close(chain)  # one piece may not hold all that is sealed anew
        for number, before in gone.items():
            lanes[number].unkept = before.then(lanes[number].unkept)
        for lane in lanes.values():  # at once: its line may say nothing more
            self._state_unkept(lane)
            self._state_owed(lane)
        return kept

    def _forgo(
        self, lane: Lane, frames: Sequence[Frame], gone: dict[int, Unkept]
    ) -> tuple[Frame, ...]:
        """Counts frames as not kept; what was stated among them is left to be stated again."""
        heard = [one for one in frames if one.kind != Kind.GAP]
        self._health.forgo(len(heard))
        for one in heard:
            gone.setdefault(lane.number, Unkept()).add(one.tai, one.tai, 1)
        return tuple(one for one in frames if one.kind == Kind.GAP)

    def lost(self, source: str) -> None:
        """The line of a source is down: what comes next comes after a hole."""
        for lane in self._lanes.values():
            if lane.source == source:
                lane.lost()

    def hear(self, source: str, items: Sequence[Frame | Setup], room: bool = True) -> None:
        """Seals what one read of a source's driver brought, in order. Where there is no `room` for
        it, it is counted, and stated as not kept.
        """
        health, self._room = self._health.source(source), room
        lane: Lane | None = None
        setups, new = 0, False
        alike: list[Frame] = []  # of one lane, with nothing to state between them
        for item in items:
            if type(item) is Frame and item.fault is None and 0 <= item.tai <= TAI_MAX:
                if lane is None or lane.key != item.key:
                    if lane is not None:
                        alike = self._flush(lane, alike)
                    lane = self._lane(source, item.key)
                if lane is None:
                    self._refuse(source, item._replace(fault=_too_many(item.key)))
                    continue
                if item.kind == lane.kind:
                    tai, guard = item.tai, lane.guard
                    if not guard.low_ns <= item.heard.tai - tai <= guard.high_ns:
                        alike = self._look(lane, item, alike)
                    if tai > lane.due:
                        alike = self._flush(lane, alike)
                        self._hole(lane, item)
                    if not 0 < lane.last - tai < LATE_NS:
                        lane.last, lane.due = tai, tai + lane.patience_ns
                alike.append(item)
                continue
            if lane is not None:
                alike = self._flush(lane, alike)
            if isinstance(item, Setup):
                setups += 1
                new |= self._set_up(source, item)
            else:
                self._refuse(source, item)
        if lane is not None:
            health.last_tai = alike[-1].tai if alike else health.last_tai
            self._flush(lane, alike)
        if new:
            setups_of = (one.setup for one in self.lanes(source) if one.setup is not None)
            description.compare(source, setups_of, self._plan)
        health.heard += len(items) - setups

    def _flush(self, lane: Lane, frames: list[Frame]) -> list[Frame]:
        if frames:
            if self._sealer is None or lane.setup is None or not self._room:
                self._health.unkept += len(frames)
                lane.count_unkept(frames)
            else:
                self._health.source(lane.source).sealed += len(frames)
                self._seal(self._sealer, lane, lane.setup, frames)
            if lane.sealed(frames):
                self.doubt((lane.source, lane.key), lane.guard.turn(frames[-1]))
        return []

    def _look(self, lane: Lane, frame: Frame, alike: list[Frame]) -> list[Frame]:
        """What a frame's arrival shows is stated before it, and it carries the mark."""
        changes = lane.guard.look(frame, lane.last)
        if changes:
            alike = self._flush(lane, alike)
            self.doubt((lane.source, lane.key), changes)
        return alike

    def doubt(self, of: tuple[str, str], changes: Iterable[Change]) -> None:
        """States what is found of a stream's clock, and marks its samples while anything is."""
        for check, found, text in changes:
            (self.checks.find if found else self.checks.clear)(check, of, text)
            self._lanes[of].doubted(self.checks.tripped(of, *OF_CLOCK))

    def hears(self, of: tuple[str, str]) -> bool:
        return of in self._lanes

    def lanes(self, source: str) -> list[Lane]:
        """Of a source, those of which it is known what they are."""
        return [x for x in self._lanes.values() if x.source == source and x.setup is not None]

    def _refuse(self, source: str, frame: Frame) -> None:
        fault = frame.fault or FrameError("instant", f"{frame.tai} ns TAI cannot be signed")
        self._health.bad_frame(source, fault.fault, str(fault), frame.raw, frame.heard.tai)

    def notice(self, of: Of, noticed: Noticed) -> bool:
        """Seals an event in the stream that it is about; whether it could, as `say`."""
        return self.say(Kind.EVENT, noticed.raw(), of)

    def say(self, kind: Kind, raw: bytes, of: Of = None) -> bool:
        """Seals words of the gateway's own, at this instant by its clock: in the stream that they
        are about, or in stream 0. Whether it could: while no run is open nothing is sealed.
        """
        lane = self._lanes.get(of or (OWN_SOURCE, OWN_KEY))
        if self._sealer is None or lane is None or lane.setup is None:
            return False
        now = self._clock.now()
        flags, unknown = int(Flag.AGENT_STAMPED) | lane.flags, int(TimeSource.UNKNOWN)
        frame = Frame(lane.key, int(kind), raw, now.tai, now.bound, unknown, flags, now)
        self._seal(self._sealer, lane, lane.setup, [frame])
        return True

    def _seal(self, sealer: Sealer, lane: Lane, setup: Setup, frames: Sequence[Frame]) -> None:
        if lane.unkept is not None:
            self._state_unkept(lane)
        chain = self._chain(sealer, lane, setup)
        marks = self.moment.marks | lane.marks | lane.trial.marks
        sealer.seal(chain, lane.trial.lay(self.moment.stamp(frames)), marks)
        chain.came = lane.came
        self._health.sealed += len(frames)

    def _chain(self, sealer: Sealer, lane: Lane, setup: Setup) -> Chain:
        """The lane's chain, with a descriptor at its end that says what rules it."""
        chain = lane.chain
        if chain is None:
            chain = lane.chain = sealer.chain(lane.number)
        if lane.described is not setup and lane.described != setup:
            now = self._clock.now().tai
            make = description.maker(sealer.name, lane.source, setup, self._plan, self._random, now)
            sealer.describe(chain, make)
            lane.described = setup
            if chain.descriptor is not None:
                self._setups[chain.descriptor] = setup
        return chain

    def _hole(self, lane: Lane, frame: Frame) -> None:
        """Measurements are missing between the last and this frame."""
        if (hole := lane.hole(frame)) is None:
            return
        if hole.cause == Cause.RESTART and self._owing:
            lane.owed = hole
            self._state_owed(lane)
        elif self._sealer is None or not self._room:
            lane.widen_unkept(hole)
        else:
            self._state(lane, hole)

    def _state(self, lane: Lane, hole: Gap) -> None:
        """Seals a hole, at this instant by the gateway's clock."""
        if self._sealer is None or lane.setup is None:
            return
        if hole.count is None and hole.cause == Cause.RESTART:
            hole = replace(hole, count=lane.missed(hole.first - 1, hole.last + 1))
        self._health.gaps[hole.cause.name.lower()] += 1
        self.say(Kind.GAP, hole.raw(), (lane.source, lane.key))

    def _state_unkept(self, lane: Lane) -> None:
        """Seals the hole of what was heard and not kept."""
        if lane.unkept is not None and self._sealer is not None and lane.setup is not None:
            unkept, lane.unkept = lane.unkept, None
            for hole in unkept.holes(lane.slack_ns):
                self._state(lane, hole)

    def _state_owed(self, lane: Lane) -> None:
        """Seals the holes across starts that are owed. One may be owed until the record was asked:
        a second one states the first.
        """
        if self._sealer is None or lane.setup is None:
            return
        if lane.older is not None and not (self._owing and lane.owed is None):
            hole, lane.older = lane.older, None
            self._state(lane, hole)
        if lane.owed is not None and not self._owing:
            hole, lane.owed = lane.owed, None
            self._state(lane, hole)

    def _lane(self, source: str, key: str, most: int = STREAMS_MAX) -> Lane | None:
        """The stream of a source's key, numbered at first sight for good; None when there are
        `most`."""
        lane = self._lanes.get((source, key))
        if lane is None:
            number = self.numbers.get((source, key))
            if len(self._lanes) >= most:
                return None
            if number is None:
                if len(self.numbers) >= NUMBERS_MAX:
                    return None
                number = max(self.numbers.values(), default=-1) + 1
                self.numbers[source, key] = number
                self._new.append((number, source, key))
            guard = Guard(self._plan.stream_of(source), self._clock.table)
            trial = self.trials.setdefault(source, Trial())
            lane = Lane(number, source, key, self._resumed.pop(number, None), guard, trial)
            self._lanes[source, key] = lane
        return lane

    def _set_up(self, source: str, setup: Setup) -> bool:
        lane = self._lane(source, setup.key)
        if lane is None:
            fault = _too_many(setup.key)
            now = self._clock.now().tai
            self._health.bad_frame(source, fault.fault, str(fault), setup.configuration, now)
            return False
        if lane.setup == setup:
            return False  # the same again, as after a reconnect: its descriptor rules still
        description.check(source, setup, self._plan)
        lane.set_up(setup, self._clock.now().tai)
        self.doubt((source, lane.key), lane.guard.set_up(setup, lane.period_ns))
        self._state_owed(lane)
        self._health.source(source).place(setup)
        survey.check(self.checks, self._plan, source, setup)
        return True


def _too_many(key: str) -> FrameError:
    return FrameError("streams", f"stream {key!r} is one more than {STREAMS_MAX}")
