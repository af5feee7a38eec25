"""The link between a board and its gateway, without any line: octets in, octets out, and the time.

1. The gateway opens a session by HELLO, again until WELCOME answers; a board that starts says so.
   Whatever belongs to another session is passed over, so that a reset of either end starts afresh.
2. DATA are the board's sealed frames, in the order of their seq. What the gateway acknowledges may
   be forgotten; what it misses it wants again; what is not acknowledged in time is sent again. The
   ring's frames are what is sent again: there is no other memory of what was sent.
3. At most `credit` octets are under way, which the gateway says: it bounds what may wait in buffers
   between the two.
4. PING and PONG tell how the board's clock stands against the gateway's, with a bound that no
   asymmetry of the line can break (see `Offset`).
5. A rate is changed by BAUD and AGREED. A board that hears nothing of the gateway within
   `BAUD_TRIAL_US` after the change, or for `BAUD_SILENT_US` later on, goes back to the rate of its
   settings: that is where a gateway that starts looks for it.
6. A board that has keys answers the OFFER of a pairing by KEYED, and by nothing else.

Both ends are here, so that they cannot come to differ. Of a frame they know its boot and its seq.
Nothing here is authenticated: who can speak on the line can make frames be lost, which the chain
of what is sealed tells, and cannot make one.
"""

import struct

from firmware_bridge.packet import Packer, Unpacker
from firmware_bridge.ring import Ring
from firmware_bridge.shim.ticks import since

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Fields = tuple[Any, ...] | None

VERSIONS = (1, 1)  # the oldest and the newest version of this link that this code speaks
BODY_MAX_BYTES = 2096  # a frame of the board's, and some

# Kinds of packets: from the gateway, and from the board.
HELLO, ACK, WANT, PING, BAUD = 0x01, 0x02, 0x03, 0x04, 0x05
STARTED, WELCOME, DATA, PONG, AGREED, REFUSED = 0x80, 0x81, 0x82, 0x83, 0x84, 0x85
OFFER, KEYED = 0x10, 0x92  # of a pairing (pairing.py, which a paired board does not load)
RENEWAL = (0x20, 0x21, 0x22)  # of an update (firmware/update.py, loaded when one comes)
RATES = (9600, 3_000_000)  # the lowest and the highest that a board agrees to

_HELLO = ">BBIH"  # oldest and newest version, session, credit
_WELCOME = ">BI8sIII3B"  # version, session, board, boot, first seq, next seq, firmware's version
_ACK = ">IIIH"  # session, boot, next seq wanted, credit
_WANT = ">III"  # session, boot, seq
_PING = ">II"  # session, number
_PONG = ">IIQQ"  # session, number, ticks when heard, ticks when said
_BAUD = ">II"  # session, bits a second
_ORDER = ">II"  # of a frame: boot and seq, after its first four octets
_REFUSED = ">BB"  # the oldest and newest version that the board speaks

RESEND_US = 100_000  # an acknowledgement that is away for longer is taken for lost
BAUD_TRIAL_US = 1_000_000
BAUD_SILENT_US = 5_000_000  # five pings
ACK_FRAMES = 8  # acknowledged at the latest after so many
ACK_NS = 20_000_000  # or after this time
HELLO_NS = 500_000_000
WANT_NS = 40_000_000  # a gap is asked for again after this time
PING_NS = 1_000_000_000
SILENT_NS = 3_000_000_000  # no packet of the board's for longer: the session begins anew


def _opened(form: str, body: bytes) -> "Fields":
    """The fields of a body, or None where it is not one of this form."""
    return struct.unpack(form, body) if len(body) == struct.calcsize(form) else None


def _wide(ticks_us: int) -> int:
    return ticks_us


class Board:
    """The board's end. `firmware`: three numbers; `name`: eight octets of its public key.

    `baud`: the rate at which the line is to run from the next packet on. `wide`: makes of the ticks
    that it is told those that the gateway is told, where they differ.
    """

    def __init__(
        self, ring: Ring, boot: int, name: bytes, firmware: tuple[int, int, int], baud: int
    ) -> None:
        self.packer, self.unpacker = Packer(BODY_MAX_BYTES), Unpacker(64)
        self._ring, self._boot, self._name, self._firmware = ring, boot, name, firmware
        self._session: int | None = None
        self._credit = 0
        self._answers: list[tuple[int, bytes]] = [(STARTED, name)]
        self._ping: tuple[int, int] | None = None  # number, ticks
        self.wide: Callable[[int], int] = _wide
        self.renewal: tuple[int, bytes] | None = None  # the last packet of an update
        self._acked_us = 0
        self.baud = self._baud_home = baud
        self._baud_next = 0  # once what was said before is out
        self._baud_us = 0  # when the gateway was last heard, or the rate changed
        self._trial = False  # until the gateway is heard at this rate

    @property
    def open(self) -> bool:
        """Whether a gateway has a session with it."""
        return self._session is not None

    def receive(self, octets: bytes, now_us: int) -> None:
        """What came from the gateway, and ticks not before it came."""
        for kind, body in self.unpacker.feed(octets):
            if kind == HELLO:
                self._hello(_opened(_HELLO, body), now_us)
            elif kind == ACK:
                self._ack(_opened(_ACK, body), now_us)
            elif kind == WANT:
                self._want(_opened(_WANT, body), now_us)
            elif kind == PING:
                self._pinged(_opened(_PING, body), now_us)
            elif kind == OFFER:
                self.answer(KEYED, b"")
            elif kind == BAUD:
                self._rate(_opened(_BAUD, body), now_us)
            elif kind in RENEWAL:
                self.renewal = (kind, body)

    def output(self, now_us: int) -> int:
        """Makes the next packet in `packer.buffer`: its octets; 0 where nothing is to be said.

        `now_us`: ticks not after it is said.
        """
        patience_us = BAUD_TRIAL_US if self._trial else BAUD_SILENT_US
        if self.baud != self._baud_home and since(now_us, self._baud_us) > patience_us:
            self.baud, self._session = self._baud_home, None
        if self._answers:
            return self.packer.pack(*self._answers.pop(0))
        if self._baud_next:
            self.baud, self._baud_next = self._baud_next, 0
            self._trial, self._baud_us = True, now_us
            return 0
        if self._session is None:
            return 0
        if self._ping is not None:
            number, ticks = self._ping
            self._ping = None
            return self.packer.pack(
                PONG, struct.pack(_PONG, self._session, number, ticks, self.wide(now_us))
            )
        ring = self._ring
        if ring.cursor > ring.first and since(now_us, self._acked_us) > RESEND_US:
            ring.rewind(ring.first)
            self._acked_us = now_us
        if ring.cursor == ring.next or ring.ahead >= self._credit:
            return 0
        if ring.cursor == ring.first:
            self._acked_us = now_us  # the wait for its acknowledgement begins
        return self.packer.pack(DATA, ring.send())

    def _hello(self, fields: "Fields", now_us: int) -> None:
        if fields is None:
            return
        oldest, newest, session, credit = fields
        version = min(newest, VERSIONS[1])
        if version < max(oldest, VERSIONS[0]):
            self.answer(REFUSED, struct.pack(_REFUSED, *VERSIONS))
            return
        self._answers.clear()
        self._session, self._credit, self._ping = session, credit, None
        self._ring.rewind(self._ring.first)
        self._acked_us = now_us
        ring = self._ring
        self.answer(
            WELCOME,
            struct.pack(
                *(_WELCOME, version, session, self._name, self._boot, ring.first, ring.next),
                *self._firmware,
            ),
        )

    def answer(self, kind: int, body: bytes) -> None:
        if len(self._answers) < 4:  # of what is asked faster than it can be answered, the rest
            self._answers.append((kind, body))

    def _current(self, session: int, now_us: int) -> bool:
        if session != self._session:
            return False
        self._trial, self._baud_us = False, now_us
        return True

    def _ack(self, fields: "Fields", now_us: int) -> None:
        if fields and self._current(fields[0], now_us) and fields[1] == self._boot:
            if fields[2] > self._ring.first:
                self._acked_us = now_us
            self._ring.acknowledge(fields[2])
            self._credit = fields[3]

    def _want(self, fields: "Fields", now_us: int) -> None:
        if fields and self._current(fields[0], now_us) and fields[1] == self._boot:
            self._ring.acknowledge(fields[2])
            self._ring.rewind(fields[2])
            self._acked_us = now_us

    def _pinged(self, fields: "Fields", now_us: int) -> None:
        if fields and self._current(fields[0], now_us):
            self._ping = (fields[1], self.wide(now_us))

    def _rate(self, fields: "Fields", now_us: int) -> None:
        if fields is None or not RATES[0] <= fields[1] <= RATES[1]:
            return
        if self._current(fields[0], now_us):
            self.answer(AGREED, struct.pack(_BAUD, self._session, fields[1]))
            self._baud_next = fields[1]


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
    """The gateway's end. `sessions` gives the number of each session, different every time.

    `greeting`: of the board, while a session is open. `holes`: since they were last taken.
    `refused`: the versions of a board that speaks none of ours. `baud`: agreed, or None.
    """

    def __init__(self, sessions: "Callable[[], int]", credit: int, drift_ppm: int) -> None:
        self._packer, self._unpacker = Packer(64), Unpacker(BODY_MAX_BYTES)
        self._sessions, self._credit = sessions, credit
        self._session = sessions()
        self._boot, self._next = 0, 0
        self._unacked = 0
        self._acked_ns = self._hello_ns = self._want_ns = self._ping_ns = self._heard_ns = 0
        self._wants = False
        self._pinged: tuple[int, int] | None = None  # number, when
        self._pings = 0
        self.greeting: Greeting | None = None
        self.offset = Offset(drift_ppm)
        self.holes: list[Hole] = []
        self.refused: tuple[int, int] | None = None
        self.baud: int | None = None

    @property
    def damaged(self) -> int:
        """Packets that came damaged, since it was made."""
        return self._unpacker.damaged

    def receive(self, octets: bytes, now_ns: int) -> list[bytes]:
        """What came from the board, and when: the frames in it, in their order, none twice."""
        frames: list[bytes] = []
        damaged = self._unpacker.damaged
        for kind, body in self._unpacker.feed(octets):
            self._heard_ns = now_ns
            if kind == DATA:
                self._data(body, frames)
            elif kind == WELCOME:
                self._welcome(_opened(_WELCOME, body))
            elif kind == PONG:
                self._pong(_opened(_PONG, body), now_ns)
            elif kind == STARTED:
                self._begin()
            elif kind == AGREED:
                fields = _opened(_BAUD, body)
                if fields and fields[0] == self._session:
                    self.baud = fields[1]
            elif kind == REFUSED:
                self.refused = _opened(_REFUSED, body)
        if self._unpacker.damaged > damaged:
            self._wants = True
        return frames

    def output(self, now_ns: int) -> bytes:
        """What is to be said to the board now; to be asked often, at least every `ACK_NS`."""
        said = b""
        if self.greeting and now_ns - self._heard_ns > SILENT_NS:
            self._begin()
        if self.greeting is None:
            if now_ns - self._hello_ns >= HELLO_NS:
                self._hello_ns = now_ns
                said = self._packed(
                    HELLO, struct.pack(_HELLO, *VERSIONS, self._session, self._credit)
                )
            return said
        if self._wants and now_ns - self._want_ns >= WANT_NS:
            self._wants, self._want_ns = False, now_ns
            said += self._packed(WANT, struct.pack(_WANT, self._session, self._boot, self._next))
        late = now_ns - self._acked_ns >= ACK_NS
        if self._unacked >= ACK_FRAMES or (self._unacked and late):
            self._unacked, self._acked_ns = 0, now_ns
            said += self._packed(
                ACK, struct.pack(_ACK, self._session, self._boot, self._next, self._credit)
            )
        if now_ns - self._ping_ns >= PING_NS:
            self._ping_ns, self._pings = now_ns, self._pings + 1
            self._pinged = (self._pings, now_ns)
            said += self._packed(PING, struct.pack(_PING, self._session, self._pings))
        return said

    def propose(self, baud: int) -> bytes:
        """What asks for another rate; once `baud` is that, the line is to be changed."""
        self.baud = None
        return self._packed(BAUD, struct.pack(_BAUD, self._session, baud))

    def _packed(self, kind: int, body: bytes) -> bytes:
        return bytes(self._packer.buffer[: self._packer.pack(kind, body)])

    def _begin(self) -> None:
        self._session, self.greeting = self._sessions(), None
        self._hello_ns = self._heard_ns - HELLO_NS

    def _welcome(self, fields: "Fields") -> None:
        if fields is None or fields[1] != self._session or self.greeting:
            return
        greeting = Greeting(fields)
        if greeting.boot != self._boot:
            if self._boot:
                self.holes.append(Hole(self._boot, self._next, None))
            if greeting.first:
                self.holes.append(Hole(greeting.boot, 0, greeting.first))
            self._next = greeting.first
            self.offset = Offset(self.offset.drift_ppm)
        elif greeting.first > self._next:
            self.holes.append(Hole(self._boot, self._next, greeting.first - self._next))
            self._next = greeting.first
        self._boot, self.greeting, self.refused = greeting.boot, greeting, None
        self._unacked, self._wants, self._ping_ns = 1, False, self._heard_ns - PING_NS

    def _data(self, frame: bytes, frames: list[bytes]) -> None:
        if self.greeting is None or len(frame) < 12:
            return
        boot, seq = struct.unpack_from(_ORDER, frame, 4)
        if boot != self._boot:
            return
        self._unacked += 1
        if seq == self._next:
            self._next += 1
            frames.append(frame)
        elif seq > self._next:
            self._wants = True

    def _pong(self, fields: "Fields", now_ns: int) -> None:
        if fields is None or self._pinged is None or self.greeting is None:
            return
        session, number, heard_us, answered_us = fields
        if session == self._session and number == self._pinged[0]:
            self.offset.told(self._pinged[1], heard_us, answered_us, now_ns)
            self._pinged = None
