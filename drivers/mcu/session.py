"""One conversation with one board: octets in, `Frame | Setup` out, and what is to be said to it.

1. Each frame of the board is sealed once and whole, in one stream: what a PMU said on a port in the
   PMU's own, a Modbus answer in that of its read, a level or a pulse in its input's, other octets
   in their port's, all else in the board's. So whoever has all streams of the source has the
   board's chain. (A request is there twice: its exchange has a copy of it, as exchange.py says.)
2. A PMU's own clock rules the instant of its frames, as where it is heard directly; the board's
   ticks tell when they arrived, with a bound, and stamp what has no clock.
3. A frame with another tag, of another board or played again is a Frame with its fault: counted,
   never sealed, and nothing of the chain moves by it.
4. What is missing between two frames that hold is a gap of the board's stream, with its count but
   for the end of a boot. What the board says is lost is one of the port's streams, but for those
   that have a rate: of them the runner knows which are missing, and noise between two frames is no
   hole. Before the first frame of a `Past` that knows of none, nothing is known to be missing:
   whoever said that it is kept may have sealed it.
5. Frames that come before the first time exchange wait for it: HELD_MAX of them, HELD_NS long.
6. An arrival that is beyond AGO_NS_MAX or WIDTH_NS_MAX, whatever a board says, is now, without a
   bound, and no number of a frame becomes one that nobody can read.
7. The board is told what is kept, and forgets nothing before. Where it stands (a bookmark) is kept
   with what was sealed, so that the next agent goes on behind it.

It opens nothing and knows the time only as it is told: `mono_ns` measures, `now` stamps.
"""

import struct
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from drivers.c37118.session import Session as PmuSession
from drivers.c37118.session import Terms as PmuTerms
from drivers.line import STREAMS_MAX, Frame, FrameError, Instant, Setup
from drivers.mcu.past import NAME_BYTES, Past
from drivers.mcu.rate import Rate, Step
from drivers.mcu.wire import BOARD, key_of
from evidence.code import Cause, Event, Flag, Kind, TimeSource
from evidence.event import Noticed
from evidence.gap import Gap
from evidence.leap import BUILT_IN, NS, LeapTable
from firmware_bridge import frame as board
from firmware_bridge.gateway import Gateway

if TYPE_CHECKING:
    from drivers.mcu.bus import Bus, Unit
    from drivers.mcu.input import Input

CREDIT_BYTES = 8192  # under way from the board: 0.2 s of a link at 460,800
HELD_MAX = 256  # frames of one credit, the shortest of 42 octets
HELD_NS = 1_000_000_000  # a time exchange takes milliseconds; without one the bound is unknown
AGO_NS_MAX = 30 * 86_400 * NS  # a ring that a slow line fills, on a board that nobody fetched from
WIDTH_NS_MAX = 3600 * NS  # what is known no better is not known

Item = Frame | Setup
_DATA, _INFO = int(Kind.C37118), int(Kind.MCU_INFO)
_UNKNOWN = int(TimeSource.UNKNOWN)
_CAUSES = {  # of a LOST frame; whether its count is of frames
    board.RING_FULL: (Cause.NOT_KEPT, True),
    board.TOO_LONG: (Cause.NOT_KEPT, True),
    board.OVERRUN: (Cause.NOT_HEARD, False),
    board.NOISE: (Cause.NOT_HEARD, False),
}


@dataclass(frozen=True, slots=True)
class Tap:
    """What a port carries: a word of the options, and what the site says of a PMU, or of the units
    of a Modbus line."""

    protocol: str
    inner: PmuTerms | None
    units: "Mapping[int, Unit]" = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the site says of a board."""

    public: bytes
    key: bytes
    taps: tuple[Tap, ...]
    drift_ppm: int
    simulated: bool = False
    inputs: "Mapping[tuple[int, int], Input]" = field(default_factory=dict)  # by frame and number

    def __repr__(self) -> str:
        return f"Terms(public={self.public.hex()})"  # a key is never printed


class Session:
    """Feed it what the line brings. `counts` tells what happened, by name."""

    def __init__(
        self, terms: Terms, past: Past, sessions: Callable[[], int], table: LeapTable = BUILT_IN
    ) -> None:
        """`sessions`: 32 bits, not to be foreseen. Raises FrameError for a bad configuration."""
        self._terms, self._past = terms, past
        self.counts: Counter[str] = Counter()
        self._link = Gateway(sessions, CREDIT_BYTES, terms.drift_ppm, terms.key)
        if past.follower.boot:
            self._link.resume(past.follower.boot, past.follower.seq)
        self._pmus = [
            None if tap.inner is None else PmuSession(tap.inner, table) for tap in terms.taps
        ]
        self._buses = {
            port: _bus(port, tap.units, table, self.counts)
            for port, tap in enumerate(terms.taps)
            if tap.units
        }
        self._keys: dict[int, list[str]] = {}  # by port: the streams that there are
        self._rated: set[str] = set()  # those that have a rate
        self._held: deque[bytes] = deque()
        self._held_ns = 0  # since when the first of them waits
        self._flags = int(Flag.AGENT_STAMPED) | (int(Flag.SIMULATED) if terms.simulated else 0)
        self._steps = 0
        self._said = True

    def begin(self) -> list[Setup]:
        """A Setup for the board, for each of its inputs that has a name, for each port of octets,
        for each configuration on file."""
        found = [Setup(BOARD, _INFO, self._terms.public, (0, 0), ())]
        found += [one.setup for one in self._terms.inputs.values()]
        for port, pmu in enumerate(self._pmus):
            if pmu is None:
                self._keys[port] = [key_of(port)]
                found.append(Setup(key_of(port), _INFO, b"", (0, 0), ()))
            else:
                found += [self._ruled(port, setup) for setup in pmu.begin()]
        return found

    @property
    def greeted(self) -> bool:
        """Whether a session is open, with this board."""
        return self._link.greeting is not None and not self.stranger

    @property
    def stranger(self) -> str:
        """What is wrong with who answers, in words; empty while nothing is."""
        if self._link.refused is not None:
            oldest, newest = self._link.refused
            return f"the board speaks the link's versions {oldest} to {newest}: update it"
        if self._link.unpaired is not None:
            return "a board answers that is not paired: type gridseal-provision board pair"
        greeting = self._link.greeting
        if greeting is None or greeting.name == self._terms.public[:NAME_BYTES]:
            return ""
        return f"another board answers: its key begins with {greeting.name.hex()}"

    @property
    def waits_s(self) -> float:
        """How long until `output` may have something that nothing heard brings about."""
        return 0.25 if self._said else 0.02  # HELLO_NS and PING_NS; ACK_NS

    def output(self, mono_ns: int) -> bytes:
        """What is to be said to the board now."""
        said = self._link.output(mono_ns)
        if said:
            self._said = True
        return said

    def keep(self, bookmark: bytes) -> None:
        """What was given up to there is durable."""
        told = self._past.frame_at(bookmark)
        if told is not None:
            self._link.keep(*told)

    def rated(self, rate: Rate, mono_ns: int) -> Step:
        """What is to be done about the line's rate now."""
        link = self._link
        return rate.turn(mono_ns, self.greeted, link.heard_ns, link.baud)

    def again(self, mono_ns: int) -> None:
        """The session begins anew: the line has changed under it."""
        self._link.again(mono_ns)

    def proposal(self, rate: Rate) -> bytes:
        """What asks the board for another rate."""
        return self._link.propose(rate.wanted)

    # --- what is heard

    def feed(self, data: bytes, mono_ns: int, now: Instant) -> list[Item]:
        """Octets of the line: `mono_ns` and `now` are of one moment, after they came."""
        link, out = self._link, list[Item]()
        boot = link.greeting.boot if link.greeting else None
        raws = link.receive(data, mono_ns)
        out += [self._foreign(raw, now) for raw in link.foreign]
        link.foreign.clear()
        self._said = self._said and not raws
        if link.greeting is not None and link.greeting.boot != boot:
            out += self._released(mono_ns, now)  # of the boot before: its clock is gone
        for raw in raws:
            if not self._held:
                self._held_ns = mono_ns
            self._held.append(raw)
        late = mono_ns - self._held_ns > HELD_NS or len(self._held) > HELD_MAX
        if link.offset.at_ns is not None or late:
            out += self._released(mono_ns, now)
        self._count()
        return out

    def _released(self, mono_ns: int, now: Instant) -> list[Item]:
        out: list[Item] = []
        while self._held:
            out += self._take(self._held.popleft(), mono_ns, now)
        return out

    def _count(self) -> None:
        self._link.holes.clear()  # what is missing, the frames themselves tell
        if self._link.damaged:
            self.counts["packets_damaged"] = self._link.damaged
        if self._link.forged:
            self.counts["times_forged"] = self._link.forged
        if self._link.offset.steps != self._steps:
            self.counts["clock_steps"] += max(self._link.offset.steps - self._steps, 0)
            self._steps = self._link.offset.steps

    def _take(self, raw: bytes, mono_ns: int, now: Instant) -> list[Item]:
        if self.stranger:
            return [self._refused(raw, FrameError("other_board", self.stranger), now)]
        past = self._past
        boot = past.follower.boot
        try:
            fields = past.follower.follow(board.Fields(raw), raw)  # the link looked at its tag
        except board.FrameError as fault:
            return [self._refused(raw, FrameError(_fault_of(str(fault)), str(fault)), now)]
        at = self._instant(fields.boot, fields.ticks_us, mono_ns, now)
        heard = _within(at, fields.span_us)
        out: list[Item] = []
        if boot and (fields.boot != boot or past.follower.missed):
            count = past.follower.missed if fields.boot == boot else None  # of its end nobody knows
            out.append(self._hole(past.last, count, heard))
            for bus in self._buses.values():
                bus.forget()
        past.last = max(heard.tai, 0)
        if fields.kind == board.TAPPED and fields.port < len(self._pmus):
            return out + self._tapped(raw, fields, heard)
        known = self._terms.inputs.get((fields.kind, fields.port))
        if known is not None:
            return [*out, self._input(known, raw, heard)]
        out.append(self._own(raw, heard))
        if fields.kind == board.LOST:
            out += self._lost(fields, (mono_ns, now), at)
        elif fields.kind == board.BOOT:
            out.append(self._started(fields, heard))
        return out

    def _tapped(self, raw: bytes, fields: board.Fields, heard: Instant) -> list[Item]:
        """What a device said on a port."""
        pmu, port = self._pmus[fields.port], fields.port
        if pmu is None:
            return self._metered(raw, fields, heard) or [self._own(raw, heard, key_of(port))]
        items = pmu.datagram(fields.body, heard)
        found = [item for item in items if isinstance(item, Frame)]
        out: list[Item] = [self._ruled(port, item) for item in items if isinstance(item, Setup)]
        if len(found) == 1 and found[0].fault is None:
            one = found[0]
            kind = int(Kind.MCU_C37118) if one.kind == _DATA else _INFO
            return [*out, one._replace(key=key_of(port, one.key), kind=kind, raw=raw)]
        # The board's own frame is good, and its chain needs it, whatever is in it.
        bad = [one for one in found if one.fault is not None]
        out += [one._replace(key=key_of(port), kind=_INFO, raw=raw) for one in bad]
        return [*out, self._own(raw, heard)]

    def _metered(self, raw: bytes, fields: board.Fields, heard: Instant) -> list[Item]:
        """What a frame of a Modbus line makes beside octets; nothing where it makes none."""
        bus = self._buses.get(fields.port)
        if bus is None:
            return []
        if fields.flags & board.AFTER_LOSS:
            bus.forget()
        items = bus.take(raw, fields.body, heard, self._flags)
        keys = self._keys.setdefault(fields.port, [])
        keys += [one.key for one in items if isinstance(one, Setup)]
        return items

    def _input(self, known: "Input", raw: bytes, heard: Instant) -> Frame:
        """A level or a pulse; the board's own where it is not what its map says."""
        try:
            known.read(raw)
        except FrameError as fault:
            self.counts[fault.fault] += 1
            return self._own(raw, heard)
        return known.frame(raw, heard, self._flags)

    def _ruled(self, port: int, setup: Setup) -> Setup:
        """A PMU's Setup, of its frames as the board wraps them."""
        key, keys = key_of(port, setup.key), self._keys.setdefault(port, [])
        if key not in keys and len(keys) < STREAMS_MAX:
            keys.append(key)
        (self._rated.add if all(setup.rate) else self._rated.discard)(key)
        return Setup(key, int(Kind.MCU_C37118), setup.configuration, setup.rate, setup.blocks)

    def _instant(self, boot: int, ticks_us: int, mono_ns: int, now: Instant) -> Instant:
        """These ticks by the gateway's clock; now, without a bound, where nobody can tell."""
        greeting = self._link.greeting
        told = self._link.offset.of(ticks_us) if greeting and greeting.boot == boot else None
        if told is None:
            return Instant(now.tai, None)
        at_ns, width = told
        if mono_ns - at_ns > AGO_NS_MAX or width > WIDTH_NS_MAX:
            return Instant(now.tai, None)
        bound = None if now.bound is None else now.bound + width
        return Instant(min(now.tai - (mono_ns - at_ns), now.tai), bound)

    # --- what the board itself says

    def _own(self, raw: bytes, heard: Instant, key: str = BOARD) -> Frame:
        place = (heard.tai, heard.bound, _UNKNOWN, self._flags, heard)
        return Frame(key, _INFO, raw, *place)

    def _refused(self, raw: bytes, fault: FrameError, now: Instant) -> Frame:
        return Frame(BOARD, _INFO, raw, now.tai, None, _UNKNOWN, self._flags, now, fault)

    def _foreign(self, raw: bytes, now: Instant) -> Frame:
        """A frame under another key."""
        fault = FrameError("board_tag", "its tag is not this board's")
        if self.stranger:
            fault = FrameError("other_board", self.stranger)
        return self._refused(raw, fault, now)

    def _started(self, fields: board.Fields, heard: Instant) -> Frame:
        text = f"the board started: boot {fields.boot}"
        if len(fields.body) == struct.calcsize(board.BOOT_BODY):
            text += f", firmware {'.'.join(map(str, fields.body[:3]))}"
        told = Noticed(Event.RESTARTED, heard.tai, heard.tai, 1, text)
        return self._stated(BOARD, Kind.EVENT, told.raw(), heard)

    def _lost(
        self, fields: board.Fields, moment: tuple[int, Instant], upto: Instant
    ) -> list[Frame]:
        """What the board could not keep of a port: a gap in each stream of it without a rate."""
        if len(fields.body) != struct.calcsize(board.LOST_BODY):
            return []
        if fields.port in self._buses:
            self._buses[fields.port].forget()
        cause, count, _, ticks = struct.unpack(board.LOST_BODY, fields.body)
        known, of_frames = _CAUSES.get(cause, (Cause.NOT_HEARD, False))
        self.counts[f"lost_{known.name.lower()}"] += count
        keys = self._keys.get(fields.port, [])
        bare = [key for key in keys or [BOARD] if key not in self._rated]
        if not count or not bare:
            return []  # a count of 0: more octets of what the LOST before this one counted
        first = self._instant(fields.boot, min(ticks, fields.ticks_us), *moment)
        alone = count if of_frames and len(keys) == 1 else None  # of several nobody knows whose
        hole = Gap(known, max(min(first.tai, upto.tai), 0), max(upto.tai, 0), alone)
        return [self._stated(key, Kind.GAP, hole.raw(), upto) for key in bare]

    def _hole(self, first: int, count: int | None, upto: Instant) -> Frame:
        """Frames that did not come, or did not hold: nobody knows of which ports."""
        self.counts["holes"] += 1
        last = max(upto.tai, 0)
        hole = Gap(Cause.NOT_HEARD, min(first, last), last, count)
        return self._stated(BOARD, Kind.GAP, hole.raw(), upto)

    def _stated(self, key: str, kind: Kind, raw: bytes, at: Instant) -> Frame:
        return Frame(key, int(kind), raw, at.tai, at.bound, _UNKNOWN, self._flags, at)


def _bus(port: int, units: "Mapping[int, Unit]", table: LeapTable, counts: Counter[str]) -> "Bus":
    """Loaded where a line of Modbus has a map: a gateway without one has no room for it."""
    from drivers.mcu.bus import Bus

    return Bus(port, units, table, counts)


def _within(at: Instant, span_us: int) -> Instant:
    """Some time in the span before an instant: its middle, with the half of it in the bound."""
    if span_us == board.SPAN_MAX_US:
        return Instant(at.tai, None)
    half = span_us * 500
    return Instant(at.tai - half, None if at.bound is None else at.bound + half)


def _fault_of(text: str) -> str:
    """The name of what a Follower refuses."""
    return "board_replayed" if text.startswith("replayed") else "board_frame"
