"""What the firmware costs an interpreter: its rates, its heap. Run by MicroPython and by CPython.

    micropython probe.py rates           a JSON object of figures
    micropython probe.py heap 0 | 1      the firmware between lines in memory, without or with heads

Under the WebAssembly build garbage is collected only between two scripts: probe.mjs calls `begin`,
and `step` for each turn. It is imported by nothing.
"""

import gc
import json
import sys
import time

FRAME_BYTES = 126
RING_BYTES = 6144
TURNS = 400
FRAME_EVERY = 8  # turns
RUNS = 4
_MS_A_RATE = 300
board: "Firmware"
_QUIET_US = 20_000  # the last frame is cut, and sealed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

if hasattr(time, "ticks_us"):  # MicroPython
    _now_us, _since_us = time.ticks_us, time.ticks_diff  # type: ignore[attr-defined]
else:

    def _now_us() -> int:
        return time.monotonic_ns() // 1000

    def _since_us(later: int, earlier: int) -> int:
        return later - earlier


def _per_s(what: "Callable[[], Any]") -> int:
    """How often a second, over some time."""
    count, start = 0, _now_us()
    while _since_us(_now_us(), start) < _MS_A_RATE * 1000:
        for _ in range(8):
            what()
        count += 8
    took_us: int = _since_us(_now_us(), start)
    return round(count * 1_000_000 / took_us)


def _driven(made: "Callable[[], Generator[None, None, Any]]") -> tuple[float, int]:
    """How long all slices took, in ms, and the longest in us: the best of its turn in some runs."""
    best: list[int] = []
    wholes: list[int] = []
    for run in range(RUNS):
        sliced, at, begun = made(), 0, _now_us()
        while True:
            start = _now_us()
            try:
                next(sliced)
            except StopIteration:
                break
            took = _since_us(_now_us(), start)
            if run:
                best[at] = min(best[at], took)
            else:
                best.append(took)
            at += 1
        wholes.append(_since_us(_now_us(), begun))
    # Where the clock is too coarse for a slice (WebAssembly's in node), the whole of a run.
    return (sum(best) or min(wholes)) / 1000, max(best)


def rates() -> "dict[str, float]":
    """Of what a board does for each frame, and of what it does now and then."""
    from firmware_bridge import frame
    from firmware_bridge.curve25519 import x25519
    from firmware_bridge.ed25519 import Signer
    from firmware_bridge.packet import Packer
    from firmware_bridge.shim.digest import Hmac, sha256

    body = bytes(range(FRAME_BYTES))
    hmac, chain = Hmac(bytes(range(32))), frame.Chain(bytes(range(32)), bytes(32), 1)
    buffer, packer = bytearray(frame.FRAME_MAX_BYTES), Packer(2096)
    buffer[frame.HEADER_BYTES : frame.HEADER_BYTES + FRAME_BYTES] = body
    sealed = memoryview(buffer)[: frame.HEADER_BYTES + FRAME_BYTES + frame.TAG_BYTES]

    def seal() -> None:
        chain.seal(buffer, frame.TAPPED, 0, 0, 0, 0, FRAME_BYTES)

    told: dict[str, float] = {
        "sha256_per_s": _per_s(lambda: sha256(body)),
        "hmac_per_s": _per_s(lambda: hmac.tag(body)),
        "seal_per_s": _per_s(seal),
        "pack_per_s": _per_s(lambda: packer.pack(0x82, sealed)),
    }
    signer = Signer(bytes(range(32)))
    told["prepare_ms"], longest = _driven(signer.prepared)
    told["sign_ms"], slice_us = _driven(lambda: signer.signed(bytes(100)))
    longest = max(longest, slice_us)
    scalar, point = bytes(range(32)), b"\x09" + bytes(31)
    told["x25519_ms"], slice_us = _driven(lambda: x25519(scalar, point))
    told["longest_slice_us"] = max(longest, slice_us)
    return told


class Line:
    """A port in memory: what is put into it is read, what is written is gone."""

    def __init__(self, baud: int) -> None:
        self.baud, self.octets = baud, b""

    def readinto(self, view: memoryview) -> int:
        got = min(len(view), len(self.octets))
        if got:
            view[:got] = self.octets[:got]
            self.octets = self.octets[got:]
        return got

    def write(self, view: memoryview) -> int:
        return len(view)

    def overran(self) -> bool:
        return False

    def rate(self, baud: int) -> None:
        self.baud = baud


class Firmware:
    """The firmware as main.py puts it together, between such lines."""

    def __init__(self, head_seconds: int) -> None:
        import firmware_bridge.firmware.main  # noqa: F401  # all that it loads
        from firmware_bridge import frame, link
        from firmware_bridge.firmware.bridge import FIRMWARE, Bridge
        from firmware_bridge.firmware.framing import crc_ccitt
        from firmware_bridge.firmware.tap import Tap
        from firmware_bridge.ring import Ring
        from firmware_bridge.shim.ticks import Ticks

        self.ticks, self.line, self.uplink = Ticks(), Line(115_200), Line(460_800)
        tap = Tap(0, self.line, "c37118", self.ticks)  # type: ignore[arg-type]
        key = bytes(range(32))
        chain = frame.Chain(key, bytes(32), 1)
        self.ring = Ring(RING_BYTES)
        board = link.Board(self.ring, 1, bytes(8), FIRMWARE, 460_800, key)
        taps, uplink, ticks = [tap], self.uplink, self.ticks
        self.bridge = Bridge(taps, [], uplink, self.ring, chain, board, ticks)  # type: ignore[arg-type]
        octets = bytearray(FRAME_BYTES)
        octets[:4] = bytes((0xAA, 0x01, 0, FRAME_BYTES))
        check = crc_ccitt(memoryview(octets), FRAME_BYTES - 2)
        octets[FRAME_BYTES - 2 :] = bytes((check >> 8, check & 0xFF))
        self.octets = bytes(octets)
        self.peak = self.idle = self.turns = 0
        self.preparing: Generator[None, None, bytes] | None = None
        if head_seconds:
            from firmware_bridge.ed25519 import Signer

            self.signer = Signer(bytes(range(32)))
            self.preparing = self.signer.prepared()

    def step(self) -> None:
        """One turn; a frame comes now and then."""
        self.turns += 1
        if self.turns % FRAME_EVERY == 1:
            self.line.octets = self.octets
        self.bridge.turn(self.ticks.now())
        if self.preparing is not None:
            try:
                next(self.preparing)
            except StopIteration:
                self.preparing = None
                self.bridge.sign_with(self.signer, 1)
        self.peak = max(self.peak, gc.mem_alloc())  # type: ignore[attr-defined]

    def quiet(self) -> int:
        """What so many turns allocate in which nothing comes: octets, all together."""
        self.line.octets = b""
        start = _now_us()
        while _since_us(_now_us(), start) < _QUIET_US:
            self.bridge.turn(self.ticks.now())
        gc.collect()
        before = gc.mem_alloc()  # type: ignore[attr-defined]
        for _ in range(TURNS):
            self.bridge.turn(self.ticks.now())
        return gc.mem_alloc() - before  # type: ignore[attr-defined,no-any-return]


def begin(head_seconds: int) -> None:
    """Puts one together; `board` from then on."""
    global board
    board = Firmware(head_seconds)


def live() -> int:
    """What is in use after a collection, in octets."""
    gc.collect()
    return gc.mem_alloc()  # type: ignore[attr-defined,no-any-return]


def heap(head_seconds: int) -> "dict[str, int]":
    """Some turns, collected after each."""
    gc.collect()
    begin(head_seconds)
    gc.collect()
    seconds = time.time()
    while board.turns < TURNS or (board.preparing is not None and time.time() - seconds < 60):
        board.step()
        gc.collect()
    told = {"live_bytes": live(), "peak_bytes": board.peak}
    if not head_seconds:
        told["idle_bytes"] = board.quiet()
    return told


if __name__ == "__main__" and len(sys.argv) > 1:
    print(json.dumps(rates() if sys.argv[1] == "rates" else heap(int(sys.argv[2]))))
