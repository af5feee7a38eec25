"""The link between a board and its gateway, without any line: octets in, octets out, and the time.

1. The gateway opens a session by HELLO, again until WELCOME answers; a board that starts says so.
   Whatever belongs to another session is passed over, so that a reset of either end starts afresh.
2. DATA are the board's sealed frames, in the order of their seq. What the gateway acknowledges may
   be forgotten; what it misses it wants again; what is not acknowledged in time is sent again. The
   ring's frames are what is sent again: there is no other memory of what was sent.
3. At most `credit` octets are under way, which the gateway says: it bounds what may wait in buffers
   between the two.
4. PING and PONG tell how the board's clock stands against the gateway's, with a bound that no
   asymmetry of the line can break (`gateway.Offset`).
5. A rate is changed by BAUD and AGREED. A board that hears nothing of the gateway within
   `BAUD_TRIAL_US` after the change, or for `SILENT_US` at any other time, has no session any more,
   and is at the rate of its settings: that is where a gateway that starts looks for it.
6. A board that has keys answers the OFFER of a pairing by KEYED, and by nothing else. One without
   answers HELLO by UNPAIRED, and has no session with anybody.

What both ends say is here, and the board's end; the gateway's is in `gateway.py`, which no board
loads. Of a frame they know its boot and its seq. Nothing here is authenticated: who can speak on
the line can make frames be lost, which the chain of what is sealed tells, and cannot make one.
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
# What a board without keys says to HELLO: its firmware's version. (firmware/pair.py)
UNPAIRED, UNPAIRED_BODY = 0x94, ">3B"
OFFER, KEYED = 0x10, 0x92  # of a pairing (pairing.py, which a paired board does not load)
RENEWAL = (0x20, 0x21, 0x22)  # of an update (firmware/update.py, loaded when one comes)
RENEWAL_REFUSED = 0xA1  # the same: what is said where there is no memory to load it
RATES = (9600, 3_000_000)  # the lowest and the highest that a board agrees to
START_BAUD = 115_200  # where a gateway begins, and a board whose settings say nothing else

HELLO_BODY = ">BBIH"  # oldest and newest version, session, credit
WELCOME_BODY = (
    ">BI8sIII3B"  # version, session, board, boot, first seq, next seq, firmware's version
)
ACK_BODY = ">IIIH"  # session, boot, next seq wanted, credit
WANT_BODY = ">III"  # session, boot, seq
PING_BODY = ">II"  # session, number
PONG_BODY = ">IIQQ"  # session, number, ticks when heard, ticks when said
BAUD_BODY = ">II"  # session, bits a second
REFUSED_BODY = ">BB"  # the oldest and newest version that the board speaks

RESEND_US = 100_000  # an acknowledgement that is away for longer is taken for lost
ANSWERS_MAX = 4
BAUD_TRIAL_US = 1_000_000
SILENT_US = 5_000_000  # five pings


def opened(form: str, body: bytes) -> "Fields":
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
        self._heard_us = 0  # when the gateway was last heard, or the rate changed
        self._trial = False  # until the gateway is heard at this rate

    @property
    def open(self) -> bool:
        """Whether a gateway has a session with it."""
        return self._session is not None

    def receive(self, octets: bytes, now_us: int) -> None:
        """What came from the gateway, and ticks not before it came."""
        for kind, body in self.unpacker.feed(octets):
            if kind == HELLO:
                self._hello(opened(HELLO_BODY, body), now_us)
            elif kind == ACK:
                self._ack(opened(ACK_BODY, body), now_us)
            elif kind == WANT:
                self._want(opened(WANT_BODY, body), now_us)
            elif kind == PING:
                self._pinged(opened(PING_BODY, body), now_us)
            elif kind == OFFER:
                self.answer(KEYED, b"")
            elif kind == BAUD:
                self._rate(opened(BAUD_BODY, body), now_us)
            elif kind in RENEWAL:
                self.renewal = (kind, body)

    def output(self, now_us: int) -> int:
        """Makes the next packet in `packer.buffer`: its octets; 0 where nothing is to be said.

        `now_us`: ticks not after it is said.
        """
        patience_us = BAUD_TRIAL_US if self._trial else SILENT_US
        if self._session is not None and since(now_us, self._heard_us) > patience_us:
            self.baud, self._session = self._baud_home, None
            self._baud_next, self._trial = 0, False
        if self._answers:
            return self.packer.pack(*self._answers.pop(0))
        if self._baud_next:
            self.baud, self._baud_next = self._baud_next, 0
            self._trial, self._heard_us = True, now_us
            return 0
        if self._session is None:
            return 0
        if self._ping is not None:
            number, ticks = self._ping
            self._ping = None
            return self.packer.pack(
                PONG, struct.pack(PONG_BODY, self._session, number, ticks, self.wide(now_us))
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
            self.answer(REFUSED, struct.pack(REFUSED_BODY, *VERSIONS))
            return
        self._answers.clear()
        self._baud_next = 0  # of the session before: its AGREED is not said any more
        self._session, self._credit, self._ping = session, credit, None
        self._trial, self._heard_us = False, now_us
        self._ring.rewind(self._ring.first)
        self._acked_us = now_us
        ring = self._ring
        self.answer(
            WELCOME,
            struct.pack(
                *(WELCOME_BODY, version, session, self._name, self._boot, ring.first, ring.next),
                *self._firmware,
            ),
        )

    def answer(self, kind: int, body: bytes) -> bool:
        """Says it next. False: more is asked than can be answered, and this is not."""
        room = len(self._answers) < ANSWERS_MAX
        if room:
            self._answers.append((kind, body))
        return room

    def _current(self, session: int, now_us: int) -> bool:
        if session != self._session:
            return False
        self._trial, self._heard_us = False, now_us
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
        if self._current(fields[0], now_us) and self.answer(
            AGREED, struct.pack(BAUD_BODY, self._session, fields[1])
        ):
            # What it has already is no change, on trial once more: the gateway asks for the proof.
            self._baud_next = fields[1] if fields[1] != self.baud else 0
