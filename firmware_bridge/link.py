"""The link between a board and its gateway, without any line: octets in, octets out, and the time.

1. The gateway opens a session by HELLO, again until WELCOME answers; a board that starts says so.
   Whatever belongs to another session is passed over, so that a reset of either end starts afresh.
2. DATA are the board's sealed frames, in the order of their seq. ACK says two things: up to where
   they were heard, and up to where they are kept. What is not heard in time is sent again, and what
   the gateway misses it wants at once; only what it keeps may be forgotten. The ring's frames are
   what is sent again: there is no other memory of what was sent.
3. At most `credit` octets are under way, which the gateway says: it bounds what may wait in buffers
   between the two.
4. PING and PONG tell how the board's clock stands against the gateway's, with a bound that no
   asymmetry of the line can break (`gateway.Offset`). A PONG has a tag under the pairing's key,
   over the nonce of its PING: nobody else's ticks, and none that were said before, are believed.
5. A rate is changed by BAUD and AGREED. A board that hears nothing of the gateway within
   `BAUD_TRIAL_US` after the change, or for `SILENT_US` at any other time, has no session any more,
   and is at the rate of its settings: that is where a gateway that starts looks for it.
6. A board that has keys answers the OFFER of a pairing by KEYED, and by nothing else. One without
   answers HELLO by UNPAIRED, and has no session with anybody.

What both ends say is here, and the board's end; the gateway's is in `gateway.py`, which no board
loads. Of a frame they know its boot and its seq, and the gateway its tag. But for that and PONG
nothing here is authenticated: who can speak on the line can keep frames away, which the chain of
what is sealed tells, and can make neither a frame nor a time.
"""

import struct

from firmware_bridge.packet import Packer, Unpacker
from firmware_bridge.ring import Ring
from firmware_bridge.shim.digest import Hmac
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
ACK_BODY = ">IIIIH"  # session, boot, next seq wanted, next seq to be kept, credit
WANT_BODY = ">III"  # session, boot, seq
PING_BODY = ">I8s"  # session, nonce
PONG_BODY = ">I8sQQ16s"  # session, nonce, ticks when heard, ticks when said, tag
TICKS = b"gridseal board ticks 1\x00"  # begins what a PONG's tag is over, and no frame
_TICKS_TOLD = ">II8sQQ"  # boot, session, nonce, ticks when heard, ticks when said
TAG_BYTES = 16  # of HMAC-SHA256, cut as a frame's
BAUD_BODY = ">II"  # session, bits a second
REFUSED_BODY = ">BB"  # the oldest and newest version that the board speaks

RESEND_US = 100_000  # what nobody said was heard for longer is taken for lost
ANSWERS_MAX = 4
BAUD_TRIAL_US = 1_000_000
SILENT_US = 5_000_000  # five pings


def opened(form: str, body: bytes) -> "Fields":
    """The fields of a body, or None where it is not one of this form."""
    return struct.unpack(form, body) if len(body) == struct.calcsize(form) else None


def ticks_tag(
    hmac: Hmac, boot: int, session: int, nonce: bytes, heard_us: int, said_us: int
) -> bytes:
    """The tag of a PONG."""
    told = struct.pack(_TICKS_TOLD, boot, session, nonce, heard_us, said_us)
    return hmac.tag(TICKS + told)[:TAG_BYTES]


def _wide(ticks_us: int) -> int:
    return ticks_us


class Board:
    """The board's end. `firmware`: three numbers; `name`: eight octets of its public key; `key`:
    of the pairing.

    `baud`: the rate at which the line is to run from the next packet on. `wide`: makes of the ticks
    that it is told those that the gateway is told, where they differ.
    """

    def __init__(
        self,
        ring: Ring,
        boot: int,
        name: bytes,
        firmware: tuple[int, int, int],
        baud: int,
        key: bytes,
    ) -> None:
        self.packer, self.unpacker = Packer(BODY_MAX_BYTES), Unpacker(64)
        self._ring, self._boot, self._name, self._firmware = ring, boot, name, firmware
        self._hmac = Hmac(key)
        self._session: int | None = None
        self._credit = 0
        self._answers: list[tuple[int, bytes]] = [(STARTED, name)]
        self._ping: tuple[bytes, int] | None = None  # nonce, ticks
        self.wide: Callable[[int], int] = _wide
        self.renewal: tuple[int, bytes] | None = None  # the last packet of an update
        self._progress_us = 0  # when something was last heard to be there, or asked for
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
            return self._pong(now_us)
        ring = self._ring
        if ring.cursor > ring.heard and since(now_us, self._progress_us) > RESEND_US:
            ring.rewind(ring.heard)
            self._progress_us = now_us
        if ring.cursor == ring.next or ring.ahead >= self._credit:
            return 0
        if ring.cursor == ring.heard:
            self._progress_us = now_us  # the wait for its acknowledgement begins
        return self.packer.pack(DATA, ring.send())

    def _pong(self, now_us: int) -> int:
        if self._ping is None or self._session is None:
            return 0
        nonce, heard_us = self._ping
        self._ping, said_us = None, self.wide(now_us)
        tag = ticks_tag(self._hmac, self._boot, self._session, nonce, heard_us, said_us)
        return self.packer.pack(
            PONG, struct.pack(PONG_BODY, self._session, nonce, heard_us, said_us, tag)
        )

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
        self._progress_us = now_us
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
            if fields[2] > self._ring.heard:
                self._progress_us = now_us
            self._ring.hear(fields[2])
            self._ring.forget(fields[3])
            self._credit = fields[4]

    def _want(self, fields: "Fields", now_us: int) -> None:
        if fields and self._current(fields[0], now_us) and fields[1] == self._boot:
            self._ring.hear(fields[2])
            self._ring.rewind(fields[2])
            self._progress_us = now_us

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
