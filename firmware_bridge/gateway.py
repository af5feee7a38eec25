"""The gateway's end of the link, without any line, and how the board's clock stands to its own.

1. It gives each frame once, in order; what it misses it wants again, and what it will not get is a
   Hole.
2. It asks of a frame its boot, its seq and its tag: one that is not the board's takes the place of
   none. What comes so each time it is asked for, for WRONG_NS, is so in the board itself, and is
   passed over. All else of it is frame.Follower's.
3. What it heard it says at once; that a board may forget it, only once it was told that it is kept
   (`keep`). Who never tells it takes nothing from a board that somebody else will want. Both are
   said again with each PING: a board whose ring is full has nothing to send that would be answered.
4. Ticks are believed by their tag alone, and for the one PING that is open.
5. A greeting has no tag: what it leaves out is a Hole once the frame after that is there, and where
   neither such a frame nor ticks that hold come, or later frames alone, the session begins anew.

The packets and their rules are in `link.py`. It opens no line and asks no clock.
"""

import struct

from firmware_bridge.frame import is_tagged
from firmware_bridge.link import (
    ACK,
    ACK_BODY,
    AGREED,
    BAUD,
    BAUD_BODY,
    BODY_MAX_BYTES,
    DATA,
    HELLO,
    HELLO_BODY,
    PING,
    PING_BODY,
    PONG,
    PONG_BODY,
    REFUSED,
    REFUSED_BODY,
    STARTED,
    UNPAIRED,
    UNPAIRED_BODY,
    VERSIONS,
    WANT,
    WANT_BODY,
    WELCOME,
    WELCOME_BODY,
    opened,
    ticks_tag,
)
from firmware_bridge.packet import Packer, Unpacker
from firmware_bridge.shim.digest import Hmac, same

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from firmware_bridge.link import Fields

ACK_FRAMES = 8  # acknowledged at the latest after so many
ACK_NS = 20_000_000  # or after this time
HELLO_NS = 500_000_000
WANT_NS = 40_000_000  # a gap is asked for again after this time
PING_NS = 1_000_000_000
WRONG_NS = 500_000_000  # a dozen times asked for; a ring of 16 KiB holds three times as much
# No frame of the boot and no ticks for longer, or none but what is out of turn: a session anew.
SILENT_NS = 3_000_000_000
_NUMBER_MAX = 0xFFFFFFFF  # of what an ACK says: the last frame of a boot has no next
_CTRL_C = b"\x03"
_HELLO_TRIES = 8  # one in twenty numbers has one in it
_ORDER = ">II"  # of a frame: its boot and its seq, after its first four octets


class Hole:
    """Frames that the gateway will not get: how many, or None where nobody can tell."""

    __slots__ = ("boot", "seq", "count")

    def __init__(self, boot: int, seq: int, count: int | None) -> None:
        self.boot, self.seq, self.count = boot, seq, count  # seq: of the first of them


class Greeting:
    """What a board says of itself at the start of a session."""

    __slots__ = ("version", "name", "boot", "first", "next", "firmware")

    def __init__(self, fields: "tuple[Any, ...]") -> None:
        self.version, _, self.name, self.boot, self.first, self.next, *firmware = fields
        self.firmware = tuple(firmware)


class Offset:
    """What to add to the board's ticks to have the gateway's clock: an interval, in nanoseconds.

    A ping cannot have been heard before it was said, nor its answer said after it was heard: that
    bounds the offset on both sides, however long either way took. Between two answers the interval
    grows by `drift_ppm` of both clocks together; each answer narrows it to what both allow. `steps`
    counts answers that contradict all before them: then one of the clocks has stepped.
    """

    __slots__ = ("drift_ppm", "low", "high", "at_ns", "steps")

    def __init__(self, drift_ppm: int) -> None:
        self.drift_ppm = drift_ppm
        self.low = self.high = self.steps = 0
        self.at_ns: int | None = None  # by the gateway's clock

    def told(self, said_ns: int, heard_us: int, answered_us: int, back_ns: int) -> None:
        """One exchange: said and back by the gateway's clock, heard and answered by the board's."""
        within = self._drift(back_ns - said_ns)  # what the clocks may have parted meanwhile
        low = said_ns - (heard_us + 1) * 1000 - within  # a tick is cut, not rounded
        high = back_ns - answered_us * 1000 + within
        if low > high:
            return  # the board cannot have answered before it heard
        if self.at_ns is not None:
            grown = self._drift(back_ns - self.at_ns)
            if low > self.high + grown or high < self.low - grown:
                self.steps += 1
            else:
                low, high = max(low, self.low - grown), min(high, self.high + grown)
        self.low, self.high, self.at_ns = low, high, back_ns

    def of(self, ticks_us: int) -> tuple[int, int] | None:
        """The gateway's clock at these ticks and its bound, both in ns; None before any answer."""
        if self.at_ns is None:
            return None
        grown = self._drift(ticks_us * 1000 + self.high - self.at_ns)
        width = self.high - self.low + 1000 + 2 * grown
        return ticks_us * 1000 + (self.low + self.high + 1000) // 2, width // 2 + 1

    def _drift(self, over_ns: int) -> int:
        return abs(over_ns) * self.drift_ppm // 1_000_000 + 1


class Gateway:
    """The gateway's end. `numbers` gives 32 bits, different every time and not to be foreseen;
    `key` is the pairing's: without it no ticks are believed, and every frame is.

    `greeting`: of the board, while a session is open. `holes`: since they were last taken.
    `refused`: the versions of a board that speaks none of ours. `unpaired`: the firmware of one
    without keys. `baud`: agreed, or None. `forged`: answers to a PING whose tag is not the board's;
    `foreign`: frames, in the place of one that was due, since they were last taken.
    """

    def __init__(
        self,
        numbers: "Callable[[], int]",
        credit: int,
        drift_ppm: int,
        key: bytes | None = None,
    ) -> None:
        self._packer, self._unpacker = Packer(64), Unpacker(BODY_MAX_BYTES)
        self._numbers, self._credit = numbers, credit
        self._hmac = None if key is None else Hmac(key)
        self._session = numbers()
        self._boot, self._next, self._kept = 0, 0, 0
        self._first = 0  # by the greeting: what the board has none before
        self._unacked = 0
        self._acked_ns = self._hello_ns = self._want_ns = self._ping_ns = self._heard_ns = 0
        self._wants = False
        self._wrong_ns: int | None = None  # since when the frame that is due comes with another tag
        self._stuck_ns: int | None = None  # since when only later ones than that come
        self._pinged: tuple[bytes, int] | None = None  # nonce, when
        self.greeting: Greeting | None = None
        self.offset = Offset(drift_ppm)
        self.holes: list[Hole] = []
        self.refused: tuple[int, int] | None = None
        self.unpaired: tuple[int, int, int] | None = None
        self.baud: int | None = None
        self.forged = 0
        self.foreign: list[bytes] = []

    @property
    def damaged(self) -> int:
        """Packets that came damaged, since it was made."""
        return self._unpacker.damaged

    def receive(self, octets: bytes, now_ns: int) -> list[bytes]:
        """What came from the board, and when: the frames in it, in their order, none twice."""
        frames: list[bytes] = []
        damaged = self._unpacker.damaged
        for kind, body in self._unpacker.feed(octets):
            if kind == DATA:
                self._data(body, frames, now_ns)
            elif kind == WELCOME:
                self._welcome(opened(WELCOME_BODY, body), now_ns)
            elif kind == PONG:
                self._pong(opened(PONG_BODY, body), now_ns)
            elif kind == STARTED:
                self._begin(now_ns)
            elif kind == AGREED:
                fields = opened(BAUD_BODY, body)
                if fields and fields[0] == self._session:
                    self.baud = fields[1]
            elif kind == REFUSED:
                self.refused = opened(REFUSED_BODY, body)
            elif kind == UNPAIRED:
                self.unpaired = opened(UNPAIRED_BODY, body)
        if self._unpacker.damaged > damaged:
            self._wants = True
        return frames

    def output(self, now_ns: int) -> bytes:
        """What is to be said to the board now; to be asked often, at least every `ACK_NS`."""
        said = b""
        stuck = self._stuck_ns is not None and now_ns - self._stuck_ns > SILENT_NS
        if self.greeting and (stuck or now_ns - self._heard_ns > SILENT_NS):
            self._begin(now_ns)
        if self.greeting is None:
            if now_ns - self._hello_ns >= HELLO_NS:
                self._hello_ns = now_ns
                said = self._hello()
            return said
        if self._wants and now_ns - self._want_ns >= WANT_NS:
            self._wants, self._want_ns = False, now_ns
            said += self._packed(
                WANT, struct.pack(WANT_BODY, self._session, self._boot, self._next)
            )
        late, pings = now_ns - self._acked_ns >= ACK_NS, now_ns - self._ping_ns >= PING_NS
        if pings or self._unacked >= ACK_FRAMES or (self._unacked and late):
            self._unacked, self._acked_ns = 0, now_ns
            said += self._packed(
                ACK,
                struct.pack(
                    ACK_BODY, self._session, self._boot, self._next, self._kept, self._credit
                ),
            )
        if pings:
            nonce = struct.pack(">II", self._numbers(), self._numbers())
            self._ping_ns, self._pinged = now_ns, (nonce, now_ns)
            said += self._packed(PING, struct.pack(PING_BODY, self._session, nonce))
        return said

    @property
    def heard_ns(self) -> int:
        """When a frame of the boot, or its ticks, were last heard."""
        return self._heard_ns

    def again(self, now_ns: int) -> None:
        """The session begins anew, with what `output` says next."""
        self._begin(now_ns)

    def resume(self, boot: int, seq: int) -> None:
        """What was taken of the board before this gateway began: up to this frame.

        To be called before anything is received.
        """
        self._boot, self._next = boot, seq + 1

    def keep(self, boot: int, seq: int) -> None:
        """This frame, and every one before it, is kept: the board may forget them."""
        if boot == self._boot and self._kept <= seq < self._next:
            self._kept = seq + 1
            self._unacked = max(self._unacked, 1)

    def propose(self, baud: int) -> bytes:
        """What asks for another rate; once `baud` is that, the line is to be changed."""
        self.baud = None
        return self._packed(BAUD, struct.pack(BAUD_BODY, self._session, baud))

    def _packed(self, kind: int, body: bytes) -> bytes:
        return bytes(self._packer.buffer[: self._packer.pack(kind, body)])

    def _hello(self) -> bytes:
        """Without Ctrl-C in it: one stops what starts on a board's USB, until that forbids it."""
        for _ in range(_HELLO_TRIES):
            body = struct.pack(HELLO_BODY, *VERSIONS, self._session, self._credit)
            said = self._packed(HELLO, body)
            if _CTRL_C not in said:
                return said
            self._session = self._numbers()
        return self._packed(HELLO, struct.pack(HELLO_BODY, *VERSIONS, self._session, self._credit))

    def _begin(self, now_ns: int) -> None:
        self._session, self.greeting = self._numbers(), None
        self._hello_ns = now_ns - HELLO_NS
        self._wrong_ns = self._stuck_ns = None

    def _welcome(self, fields: "Fields", now_ns: int) -> None:
        if fields is None or fields[1] != self._session or self.greeting:
            return
        greeting = Greeting(fields)
        if greeting.boot != self._boot:
            if self._boot:
                self.holes.append(Hole(self._boot, self._next, None))
            self._next = self._kept = 0
            self.offset = Offset(self.offset.drift_ppm)
        self._first, self._heard_ns = greeting.first, now_ns
        self._boot, self.greeting, self.refused = greeting.boot, greeting, None
        self.unpaired = None
        self._unacked, self._wants, self._ping_ns = 1, False, now_ns - PING_NS

    def _data(self, frame: bytes, frames: list[bytes], now_ns: int) -> None:
        if self.greeting is None or len(frame) < 12:
            return
        boot, seq = struct.unpack_from(_ORDER, frame, 4)
        if boot != self._boot or seq == _NUMBER_MAX:
            return
        if self._hmac is not None and not is_tagged(self._hmac, frame):
            self._refuse(frame, seq, now_ns)
            return
        self._unacked, self._heard_ns = self._unacked + 1, now_ns
        if seq == self._first > self._next:
            self.holes.append(Hole(boot, self._next, seq - self._next))
            self._next = seq
        if seq == self._next:
            self._next, self._wrong_ns, self._stuck_ns = self._next + 1, None, None
            self._wants = False  # what came out of turn came before this
            frames.append(frame)
        elif seq > self._next:
            self._wants = True
            self._stuck_ns = now_ns if self._stuck_ns is None else self._stuck_ns

    def _refuse(self, frame: bytes, seq: int, now_ns: int) -> None:
        """A frame with another tag: where its number is due, the one that has it is asked for."""
        if seq not in (self._next, self._first):
            return
        self.foreign.append(frame)
        self._wants = True
        if self._wrong_ns is None:
            self._wrong_ns = now_ns
        elif now_ns - self._wrong_ns > WRONG_NS:
            self._wrong_ns = None
            if seq == self._next:
                self._next += 1
            else:
                self._first += 1

    def _pong(self, fields: "Fields", now_ns: int) -> None:
        if fields is None or self._pinged is None or self.greeting is None:
            return
        session, nonce, heard_us, answered_us, tag = fields
        if self._hmac is None or session != self._session or nonce != self._pinged[0]:
            return
        if not same(ticks_tag(self._hmac, self._boot, session, nonce, heard_us, answered_us), tag):
            self.forged += 1
            return
        self.offset.told(self._pinged[1], heard_us, answered_us, now_ns)
        self._pinged, self._heard_ns = None, now_ns
