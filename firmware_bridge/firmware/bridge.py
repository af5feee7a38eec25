"""What the board does all day: listens, seals, sends, and signs the head of its chain now and then.

1. A turn looks at every port first; then it sends a piece of a packet, and does one slice of a
   signature. Nothing in a turn waits but for that piece, a millisecond.
2. Before a frame is sealed there is room for it and for one LOST after it: what then does not fit
   is counted, and the count is sealed as soon as there is room.
3. A HEAD is made of the link after the newest frame at its start; what is sealed meanwhile is the
   next one's.
4. A turn in which nothing came and nothing is due allocates nothing: its ticks are short ones
   (shim/ticks.py), and wide where they are sealed.

It opens no port and reads no file.
"""

import struct

from firmware_bridge import frame
from firmware_bridge.firmware.framing import MODBUS
from firmware_bridge.firmware.tap import CAUSES, Tap
from firmware_bridge.frame import FRAME_MAX_BYTES, HEADER_BYTES, TAG_BYTES, Chain
from firmware_bridge.link import Board
from firmware_bridge.ring import Ring
from firmware_bridge.shim.ticks import Ticks, since
from firmware_bridge.shim.uart import Port

FIRMWARE = (0, 2, 0)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    from firmware_bridge.ed25519 import Signer
    from firmware_bridge.firmware.input import Input

_LOST_BYTES = HEADER_BYTES + struct.calcsize(frame.LOST_BODY) + TAG_BYTES
_HEARD_BYTES = 256  # of the gateway in one turn: it says little
# So many octets are written in a turn as pass in a millisecond: a stm32 has no buffer to write to,
# and an ESP32 a small one; both wait until all of it is in.
_BITS_A_PIECE = 10 * 1000
# What a UART holds by itself while nobody takes it: 32 octets on an rp2 (a PL011), more on an
# ESP32; one on many stm32, which lose sooner than is said here where they write for less than 3 ms.
_FIFO_BITS = 32 * 10


class Bridge:
    """The board's taps, inputs, chain, ring and link, put together.

    `losing`: something did not fit into the ring, and is not said yet.
    """

    def __init__(
        self,
        taps: list[Tap],
        inputs: "list[Input]",
        uplink: Port,
        ring: Ring,
        chain: Chain,
        board: Board,
        ticks: Ticks,
    ) -> None:
        self._taps, self._inputs, self._uplink = taps, inputs, uplink
        self._ring, self._chain, self._board = ring, chain, board
        self._ticks, self._wide = ticks, ticks.wide
        board.wide = ticks.wide
        self._buffer = bytearray(FRAME_MAX_BYTES)
        self._view = memoryview(self._buffer)
        self._heard = memoryview(bytearray(_HEARD_BYTES))
        self._out = memoryview(board.packer.buffer)
        self._sent = self._size = 0
        self._signer: Signer | None = None
        self._head_us = 0
        self._due = False
        self._signing: Generator[None, None, bytes] | None = None
        self._covered = (0, b"")
        self._head = b""  # made, and not sealed yet: there was no room
        self._signed_us = self._signed_seq = 0
        self.losing = False

    def say(self, kind: int, port: int, body: bytes, ticks_us: int, span_us: int = 0) -> bool:
        """Seals what the board itself says. False: there is no room, and nothing was sealed.

        `ticks_us`: wide ones.
        """
        self._view[HEADER_BYTES : HEADER_BYTES + len(body)] = body
        return self._seal(kind, port, 0, ticks_us, span_us, len(body))

    def sign_with(self, signer: "Signer", every_us: int) -> None:
        """Heads are signed, so long apart, the first at once. The signer is prepared."""
        self._signer, self._head_us, self._due = signer, every_us, True

    def turn(self, now_us: int) -> bool:
        """One look at everything. Whether there is more to do at once."""
        busy = False
        for tap in self._taps:
            if tap.port.overran():  # asked before the read, after which nobody can tell
                tap.losses.add(frame.OVERRUN, 1, 0, self._wide(tap.read_us))
            if tap.look(now_us):
                busy = self._take(tap) or busy
            if tap.losses.any and tap.losses.due(now_us):
                self._say_losses(tap, now_us)
        for one in self._inputs:
            if one.look(now_us):
                self._told(one)
        self._listen()
        busy = self._send(now_us) or busy
        return self._sign(now_us) or busy

    def stood_still(self, from_us: int, to_us: int) -> None:
        """Nothing ran between these ticks, interrupts neither: the flash was written.

        A tap whose UART may have run over says so, as of a full buffer: nobody knows of how many.
        """
        stood_us = since(to_us, from_us)
        for tap in self._taps:
            if stood_us * tap.port.baud > _FIFO_BITS * 1_000_000:
                tap.losses.add(frame.OVERRUN, 1, 0, self._wide(from_us))
        for one in self._inputs:
            one.stood_still(stood_us)

    def _take(self, tap: Tap) -> bool:
        """Takes out one frame, or some that is none. Whether there was one."""
        length = tap.next()
        if not length:
            return False
        ticks_us = self._wide(tap.ticks_us)
        if tap.cut.cause:
            tap.passed(length, ticks_us - tap.span_us)
            return True
        self._view[HEADER_BYTES : HEADER_BYTES + length] = tap.view[:length]
        flags = tap.cut.flags
        if tap.losses.any and tap.framing == MODBUS:  # what follows a request may answer another
            flags |= frame.AFTER_LOSS
        if not self._seal(frame.TAPPED, tap.number, flags, ticks_us, tap.span_us, length):
            tap.losses.add(frame.RING_FULL, 1, length, ticks_us - tap.span_us)
            self.losing = True
        tap.took(length)
        return True

    def _told(self, one: "Input") -> None:
        """Seals what an input has, if there is room."""
        body, ticks_us, span_us = one.body(), one.ticks_us, one.span_us
        if one.kind == frame.LEVEL:  # read after the turn began; a pulse has its interrupt's
            ticks_us = self._ticks.now()
            span_us = min(span_us + since(ticks_us, one.ticks_us), frame.SPAN_MAX_US)
        if self.say(one.kind, one.number, body, self._wide(ticks_us), span_us):
            one.said()

    def _seal(
        self, kind: int, port: int, flags: int, ticks_us: int, span_us: int, length: int
    ) -> bool:
        """Seals the body that stands in the buffer. False: there is no room."""
        whole = HEADER_BYTES + length + TAG_BYTES
        room = whole if kind == frame.LOST else whole + _LOST_BYTES
        if not self._ring.fits(room):
            return False
        self._chain.seal(self._buffer, kind, port, flags, ticks_us, span_us, length)
        self._ring.put(self._view[:whole])
        return True

    def _say_losses(self, tap: Tap, now_us: int) -> None:
        losses = tap.losses
        for cause in CAUSES:
            if losses.counts[cause] or losses.octets[cause]:
                count = min(losses.counts[cause], frame.LOST_MAX)
                octets = min(losses.octets[cause], frame.LOST_MAX)
                body = struct.pack(frame.LOST_BODY, cause, count, octets, losses.first_us[cause])
                if self.say(frame.LOST, tap.number, body, self._wide(now_us)):
                    losses.said(cause, count, octets)
        self.losing = False
        for one in self._taps:
            self.losing = self.losing or one.losses.counts[frame.RING_FULL] > 0

    def _listen(self) -> None:
        got = self._uplink.readinto(self._heard)
        if got:
            # After the read: a ping heard before it was said would break gateway.Offset's bound.
            self._board.receive(bytes(self._heard[:got]), self._ticks.now())

    def _send(self, now_us: int) -> bool:
        if self._sent == self._size:
            self._size, self._sent = self._board.output(now_us), 0
            if self._uplink.baud != self._board.baud:
                self._uplink.rate(self._board.baud)
                self._board.baud = self._uplink.baud  # of a board that does not have that rate
        if not self._size:
            return False
        end = min(self._size, self._sent + max(self._uplink.baud // _BITS_A_PIECE, 1))
        self._sent += self._uplink.write(self._out[self._sent : end])
        return True

    def _sign(self, now_us: int) -> bool:
        """One slice of a signature, where there is one to be made."""
        if self._signer is None:
            return False
        if self._head:
            self._say_head(now_us)
            return False
        if self._signing is None:
            # Kept: after a long silence short ticks no longer tell how long it is since the last.
            self._due = self._due or since(now_us, self._signed_us) >= self._head_us
            if not self._due or self._chain.seq == self._signed_seq:
                return False
            seq, link = self._chain.seq - 1, self._chain.link
            self._covered = (seq, link)
            message = frame.head_message(self._signer.public, self._chain.boot, seq, link)
            self._signing = self._signer.signed(message)
        try:
            next(self._signing)
        except StopIteration as end:
            self._head = struct.pack(frame.HEAD_BODY, self._covered[0], self._covered[1], end.value)
            self._signing = None
            self._say_head(now_us)
        return True

    def _say_head(self, now_us: int) -> None:
        if self.say(frame.HEAD, 0, self._head, self._wide(now_us)):
            self._signed_us, self._signed_seq = now_us, self._chain.seq
            self._head, self._due = b"", False
