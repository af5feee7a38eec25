"""What the board does all day: listens, seals, sends, and signs the head of its chain now and then.

1. A turn looks at every port first; then it sends one packet, and does one slice of a signature.
   Nothing in a turn waits.
2. Before a frame is sealed there is room for it and for one LOST after it: what then does not fit
   is counted, and the count is sealed as soon as there is room.
3. A HEAD is made of the link after the newest frame at its start; what is sealed meanwhile is the
   next one's.

It opens no port, reads no file, and knows the time only as it is told.
"""

import struct

from firmware_bridge import frame
from firmware_bridge.ed25519 import Signer
from firmware_bridge.firmware.tap import Tap
from firmware_bridge.frame import FRAME_MAX_BYTES, HEADER_BYTES, TAG_BYTES, Chain
from firmware_bridge.link import Board
from firmware_bridge.ring import Ring
from firmware_bridge.shim.uart import Port

FIRMWARE = (0, 1, 0)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

_LOST_BYTES = HEADER_BYTES + struct.calcsize(frame.LOST_BODY) + TAG_BYTES
_CAUSES = (frame.RING_FULL, frame.TOO_LONG, frame.OVERRUN, frame.NOISE)
_LOST_EVERY_US = 1_000_000  # so that a noisy line does not fill the ring with its own counts


class Losses:
    """What was lost on one port since it was last said, by cause."""

    __slots__ = ("counts", "octets", "first_us", "any")

    def __init__(self) -> None:
        self.counts, self.octets = [0] * (len(_CAUSES) + 1), [0] * (len(_CAUSES) + 1)
        self.first_us = [0] * (len(_CAUSES) + 1)
        self.any = False

    def add(self, cause: int, octets: int, ticks_us: int) -> None:
        if not self.counts[cause]:
            self.first_us[cause] = ticks_us
        self.counts[cause] += 1
        self.octets[cause] += octets
        self.any = True

    def clear(self, cause: int) -> None:
        self.counts[cause] = self.octets[cause] = 0
        self.any = any(self.counts)


class Bridge:
    """The board's taps, chain, ring and link, put together."""

    def __init__(
        self, taps: list[Tap], uplink: Port, ring: Ring, chain: Chain, board: Board, head_us: int
    ) -> None:
        self._taps, self._uplink, self._ring, self._chain = taps, uplink, ring, chain
        self._board, self._head_us = board, head_us
        self._buffer = bytearray(FRAME_MAX_BYTES)
        self._view = memoryview(self._buffer)
        self._heard = bytearray(256)
        self._heard_view = memoryview(self._heard)
        self._out = memoryview(board.packer.buffer)
        self._sent = self._size = 0
        self._losses = [Losses() for _ in taps]
        self._lost_us = 0
        self._signer: Signer | None = None
        self._signing: Generator[None, None, bytes] | None = None
        self._covered = (0, b"")
        self._signed_us = self._signed_seq = 0

    def say(self, kind: int, port: int, body: bytes, ticks_us: int) -> bool:
        """Seals what the board itself says. False: there is no room, and nothing was sealed."""
        self._view[HEADER_BYTES : HEADER_BYTES + len(body)] = body
        return self._seal(kind, port, 0, ticks_us, 0, len(body))

    def sign_with(self, signer: Signer) -> None:
        """From now on, heads are signed. The signer is prepared."""
        self._signer = signer

    def turn(self, now_us: int) -> bool:
        """One look at everything. Whether there is more to do at once."""
        busy = False
        for tap, losses in zip(self._taps, self._losses):  # noqa: B905  # MicroPython's has no strict
            if tap.look(now_us):
                busy = self._take(tap, losses) or busy
            if losses.any and now_us - self._lost_us >= _LOST_EVERY_US:
                self._say_losses(tap.number, losses, now_us)
        self._listen(now_us)
        busy = self._send(now_us) or busy
        return self._sign(now_us) or busy

    def _take(self, tap: Tap, losses: Losses) -> bool:
        """Takes out one frame, or one stretch of noise. Whether there was one."""
        length = tap.next()
        if not length:
            return False
        if tap.cut.noise:
            losses.add(frame.NOISE, length, tap.ticks_us)
        else:
            self._view[HEADER_BYTES : HEADER_BYTES + length] = tap.view[:length]
            kept = self._seal(
                *(frame.TAPPED, tap.number, tap.cut.flags, tap.ticks_us, tap.span_us, length)
            )
            if not kept:
                losses.add(frame.RING_FULL, length, tap.ticks_us)
        tap.drop(length)
        return True

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

    def _say_losses(self, port: int, losses: Losses, now_us: int) -> None:
        self._lost_us = now_us
        for cause in _CAUSES:
            if losses.counts[cause]:
                told = (cause, losses.counts[cause], losses.octets[cause], losses.first_us[cause])
                if self.say(frame.LOST, port, struct.pack(frame.LOST_BODY, *told), now_us):
                    losses.clear(cause)

    def _listen(self, now_us: int) -> None:
        got = self._uplink.readinto(self._heard_view)
        if got:
            self._board.receive(bytes(self._heard_view[:got]), now_us)

    def _send(self, now_us: int) -> bool:
        if self._sent == self._size:
            if self._uplink.baud != self._board.baud:
                self._uplink.rate(self._board.baud)
            self._size, self._sent = self._board.output(now_us), 0
        if self._size:
            self._sent += self._uplink.write(self._out[self._sent : self._size])
        return self._size > 0

    def _sign(self, now_us: int) -> bool:
        """One slice of a signature, where there is one to be made."""
        if self._signer is None:
            return False
        if self._signing is None:
            due = now_us - self._signed_us >= self._head_us
            if not due or self._chain.seq == self._signed_seq:
                return False
            seq, link = self._chain.seq - 1, self._chain.link
            self._covered = (seq, link)
            message = frame.head_message(self._signer.public, self._chain.boot, seq, link)
            self._signing = self._signer.signed(message)
        try:
            next(self._signing)
        except StopIteration as end:
            body = struct.pack(frame.HEAD_BODY, *self._covered, end.value)
            self._signing = None
            if self.say(frame.HEAD, 0, body, now_us):
                self._signed_us, self._signed_seq = now_us, self._chain.seq
        return True
