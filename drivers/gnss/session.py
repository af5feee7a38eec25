"""A conversation with one receiver: what it says, as Fixes and as frames, and what it is to be
asked.

1. A fix frame is the receiver's own bytes since the last one: whole messages, FIX_BYTES_MAX at
   most, the newest. One goes out every fix period, and at once when the state changes or whoever
   hears the epoch wants it kept, up to CHANGES_MAX within a period: a receiver that flickers does
   not fill the disk.
2. Its instant is the one that the receiver claims, with the bound that follows from its own
   accuracy; where that counts for nothing, the arrival, and the flag says so.
3. What is asked: what it is; the rates of the messages that are read; how it measures. Rates live
   in RAM, so that they are asked again when UBX falls silent: the receiver may have been without
   power. Nobody waits for an answer, and none is needed.

It opens nothing, sends nothing and asks no clock.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from drivers import asks
from drivers.gnss.check import ubx
from drivers.gnss.epoch import FIX_BYTES_MAX, Epochs
from drivers.gnss.fix import KEY, Fix, Speech
from drivers.gnss.splitter import Bad
from drivers.gnss.ubx import Version
from drivers.line import Frame, Instant, Setup
from evidence.code import Flag, Kind, TimeSource
from evidence.leap import BUILT_IN, NS, LeapTable

CHANGES_MAX = 10  # of a fix period
EARLY_NS = 200_000_000  # arrivals of equal periods differ by less than this
AGAIN_NS = 10 * NS  # between two asks of what is not answered
MODE_NS = 60 * NS
NEVER_NS = 1 << 62
PATIENCE_NS = 3 * NS  # without UBX: the rates are asked again
VALSET_PROTOCOL = (27, 0)  # from generation 9 on; CFG-MSG is gone in generation 10
# Epochs between two of a message. NAV-SAT is long: seldom on a line that is slow.
RATES = {
    (0x01, 0x07): 1, (0x01, 0x03): 1, (0x01, 0x35): 1, (0x01, 0x61): 1, (0x0D, 0x01): 1,
    (0x0A, 0x38): 1, (0x27, 0x09): 1, (0x01, 0x26): 10, (0x01, 0x3B): 10,
}  # fmt: skip
RATES_OLD = {(0x0A, 0x09): 1, (0x0D, 0x04): 10}  # what generation 8 has instead
SLOW_BAUD = 38_400
SAT, SAT_SLOW = (0x01, 0x35), 5

Item = Frame | Setup | Fix
Tell = Callable[[Fix], object]  # true: something leans on this epoch, so it is to be kept


def nobody(_: Fix) -> bool:
    """Who is not asked, is not told."""
    return False


class Terms(NamedTuple):
    """What the options come to."""

    fix_ns: int
    asks: bool = False
    slow: bool = False
    through_gpsd: bool = False
    simulated: bool = False


class Session:
    """One connection."""

    def __init__(self, terms: Terms, table: LeapTable = BUILT_IN, tell: Tell = nobody) -> None:
        self.epochs = Epochs(table, terms.through_gpsd)
        self._tell = tell  # of each epoch, before the frame that carries it
        self.last: Fix | None = None
        self._terms = terms
        self._raw: deque[bytes] = deque()
        self._raw_bytes = 0
        self._sent_tai = 0
        self._state: tuple[object, ...] | None = None
        self._changes = 0
        self._told = b""  # MON-VER as the last Setup has it
        self._asked: dict[str, int] = {}  # when, ns of the gateway's clock
        self._ubx_tai = 0
        self._version: Version | None = None
        self._silent = True

    def setup(self) -> Setup:
        """What rules the frames: what the receiver says that it is."""
        self._told = self.epochs.version_raw
        seconds = max(self._terms.fix_ns // NS, 1)
        return Setup(KEY, Kind.FIX, self._told, (1, seconds), ())

    def feed(self, data: bytes, heard: Instant) -> list[Item]:
        """What bytes bring, in order. A Fix stands before the frame that carries it."""
        return self._items(self.epochs.feed(data, heard), heard)

    def settle(self, now: Instant) -> list[Item]:
        """Nothing has come for QUIET_NS."""
        return self._items(self.epochs.settle(now), now)

    def flush(self, now: Instant) -> list[Item]:
        """The line has ended."""
        return self._items(self.epochs.flush(now), now)

    def asks(self, now: Instant) -> list[bytes]:
        """What is to be asked now; empty mostly."""
        if not self._terms.asks:
            return []
        out: list[bytes] = []
        version = self.epochs.version
        if version != self._version:
            self._version = version
            self._asked.pop("rates", None)  # it is known now how it takes them
            self._asked.pop("mode", None)
        silent = not 0 <= now.tai - self._ubx_tai < PATIENCE_NS
        if silent and not self._silent:
            self._asked.clear()  # it has just fallen silent: at once, then ever so often
        self._silent = silent
        # One that does not say what it is may still understand rates, the older way.
        waited = version is not None or "version" in self._asked
        if (version is None or silent) and self._due("version", AGAIN_NS, now):
            out.append(ubx((0x0A, 0x04)))
        if waited and self._due("rates", AGAIN_NS if silent else NEVER_NS, now):
            out += self._rates()
        if waited and self._due("mode", MODE_NS, now):
            out += self._modes()
        return out

    def _due(self, what: str, period_ns: int, now: Instant) -> bool:
        asked = self._asked.get(what)
        if asked is not None and 0 <= now.tai - asked < period_ns:
            return False
        self._asked[what] = now.tai
        return True

    def _new(self) -> bool:
        version = self.epochs.version
        return version is not None and version.protocol() >= VALSET_PROTOCOL

    def _rates(self) -> list[bytes]:
        wanted = dict(RATES)
        if self._terms.slow:
            wanted[SAT] = SAT_SLOW
        if not self._new():
            wanted |= RATES_OLD
            return [ubx((0x06, 0x01), bytes((*key, rate))) for key, rate in wanted.items()]
        items = b"".join(
            (asks.UBX_RATES[key][1] + port).to_bytes(4, "little") + bytes([rate])
            for port in range(3)
            for key, rate in wanted.items()
        )
        return [ubx((0x06, 0x8A), b"\0\1\0\0" + items)]

    def _modes(self) -> list[bytes]:
        polls = [key for key in asks.UBX_POLLS if (key[:2] == (0x06, 0x8B)) == self._new()]
        return [ubx(key[:2], key[2]) for key in polls if key[:2] != (0x0A, 0x04)]

    def _items(self, said: list[Fix | Bad], heard: Instant) -> list[Item]:
        out: list[Item] = []
        if self.epochs.version_raw != self._told:
            out.append(self.setup())
        for one in said:
            if isinstance(one, Bad):
                out.append(self._fault(one, heard))
                continue
            if one.speech is Speech.UBX:
                self._ubx_tai = one.heard.tai
            self.last = one
            self._keep(one.raw)
            out.append(one)
            if self._wanted(one, bool(self._tell(one))):
                out.append(self._frame(one))
        return out

    def _keep(self, raw: bytes) -> None:
        self._raw.append(raw)
        self._raw_bytes += len(raw)
        while self._raw_bytes > FIX_BYTES_MAX:
            self._raw_bytes -= len(self._raw.popleft())

    def _wanted(self, fix: Fix, leant_on: bool) -> bool:
        """Whether a frame goes out now: rule 1."""
        state = fix.state()
        changed, self._state = leant_on or state != self._state, state
        since_ns = fix.heard.tai - self._sent_tai
        if not 0 <= since_ns < self._terms.fix_ns - EARLY_NS:
            self._sent_tai, self._changes = fix.heard.tai, 0
            return True
        self._changes += changed
        return changed and self._changes <= CHANGES_MAX

    def _frame(self, fix: Fix) -> Frame:
        raw = b"".join(self._raw)
        self._raw.clear()
        self._raw_bytes = 0
        flags = fix.flags()
        if self._terms.simulated:
            flags |= Flag.SIMULATED
        if fix.tai is not None and fix.time_counts:
            stamp, source = Instant(fix.tai, fix.bound_ns), TimeSource.GNSS
        else:
            stamp, source = fix.heard, TimeSource.UNKNOWN
        return Frame(KEY, Kind.FIX, raw, stamp.tai, stamp.bound, int(source), int(flags), fix.heard)

    def _fault(self, bad: Bad, heard: Instant) -> Frame:
        flags = int(Flag.AGENT_STAMPED)
        return Frame(
            KEY, Kind.FIX, bad.raw, heard.tai, heard.bound, 0, flags, heard, bad.fault
        )  # fmt: skip
