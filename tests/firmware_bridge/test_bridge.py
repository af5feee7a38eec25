"""A board's turns, with its lines, ticks and ring in our hands: what it then seals."""

import struct
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from firmware_bridge import frame, link
from firmware_bridge.curve25519 import run
from firmware_bridge.ed25519 import Signer, verified
from firmware_bridge.firmware.bridge import FIRMWARE, Bridge
from firmware_bridge.firmware.input import Digital
from firmware_bridge.firmware.tap import Tap
from firmware_bridge.frame import Chain, Fields
from firmware_bridge.link import Board
from firmware_bridge.packet import Packer
from firmware_bridge.ring import Ring
from firmware_bridge.shim.ticks import Ticks

KEY, PUBLIC = bytes(32), bytes(range(32))


class Line:
    """A port in memory. `full`: its buffer ran over, until it is read."""

    def __init__(self, baud: int) -> None:
        self.baud, self.octets, self.full = baud, b"", False
        self.written: list[int] = []
        self.highest = 10_000_000  # the fastest that it can

    def readinto(self, view: memoryview) -> int:
        got = min(len(view), len(self.octets))
        view[:got] = self.octets[:got]
        self.octets, self.full = self.octets[got:], False
        return got

    def write(self, view: memoryview) -> int:
        self.written.append(len(view))
        return len(view)

    def overran(self) -> bool:
        return self.full

    def rate(self, baud: int) -> None:
        self.baud = baud if baud <= self.highest else self.baud


def packed(kind: int, body: bytes) -> bytes:
    packer = Packer(64)
    return bytes(packer.buffer[: packer.pack(kind, body)])


def pins(monkeypatch: pytest.MonkeyPatch) -> dict[object, int]:
    """A `machine` with one pin, 5; its level."""
    levels: dict[object, int] = {5: 0}

    class Pin:
        IN, OUT = 0, 1

        def __init__(self, line: object, mode: int) -> None:
            self.value = lambda: levels[line]

    monkeypatch.setitem(sys.modules, "machine", SimpleNamespace(Pin=Pin))
    return levels


class Bench:
    """A board of one tap, whose turns are 5 ms apart."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        ring: int = 4096,
        inputs: Any = (),
        framing: str = "raw",
    ) -> None:
        self.us = 1_000_000
        monkeypatch.setattr("firmware_bridge.shim.ticks._ticks", lambda: self.us)
        self.ticks, self.line, self.uplink = Ticks(), Line(115_200), Line(460_800)
        self.ring, self.chain = Ring(ring), Chain(KEY, PUBLIC, 1)
        self.board = Board(self.ring, 1, PUBLIC[:8], FIRMWARE, 460_800, KEY)
        tap: Any = Tap(0, self.line, framing, self.ticks)  # type: ignore[arg-type]
        made: Any = Bridge
        lines = ([tap], list(inputs), self.uplink)
        self.bridge = made(*lines, self.ring, self.chain, self.board, self.ticks)
        self.tap = tap

    def turns(self, count: int = 1) -> None:
        for _ in range(count):
            self.us += 5000
            self.bridge.turn(self.ticks.now())

    def fill(self) -> None:
        """The ring, until nothing more fits."""
        while self.bridge.say(frame.PULSE, 0, bytes(4), 0):
            pass

    def sealed(self, kind: int) -> list[Fields]:
        """What is in the ring, of a kind; all of it is kept elsewhere then."""
        found = []
        while self.ring.cursor < self.ring.next:
            found.append(Fields(bytes(self.ring.send())))
        self.ring.hear(self.ring.next)
        self.ring.forget(self.ring.next)
        return [one for one in found if one.kind == kind]


def test_a_buffer_that_ran_over_while_the_loop_stood_is_said_though_the_next_read_empties_it(
    monkeypatch,
):
    bench = Bench(monkeypatch)
    bench.turns(3)
    stood_us = bench.us - 1_000_000
    bench.us += 400_000
    bench.line.octets, bench.line.full = bytes(2048), True
    bench.turns(80)
    (said,) = [struct.unpack(frame.LOST_BODY, one.body) for one in bench.sealed(frame.LOST)]
    assert said[0] == frame.OVERRUN and said[-1] <= stood_us


@pytest.mark.parametrize(("stood_us", "lost"), [(2_000, 0), (50_000, 1)])
def test_a_tap_that_stood_still_while_the_flash_was_written_says_that_octets_may_be_gone(
    monkeypatch, stood_us, lost
):
    """At 115,200 a UART's own 32 octets hold 2.8 ms; a sector is erased in some 50."""
    bench = Bench(monkeypatch)
    bench.turns(3)
    from_us = bench.us - 1_000_000  # since the start
    short_us = bench.ticks.now()
    bench.us += stood_us
    bench.bridge.stood_still(short_us, bench.ticks.now())
    bench.turns(80)
    said = [struct.unpack(frame.LOST_BODY, one.body) for one in bench.sealed(frame.LOST)]
    assert [(cause, ticks) for cause, _, _, ticks in said] == [(frame.OVERRUN, from_us)] * lost


def test_what_was_lost_in_weeks_is_said_to_the_last_octet(monkeypatch):
    """More octets than a LOST frame has digits for: they are in several, and nothing falls over."""
    bench = Bench(monkeypatch)
    lost = (600_000, 5 * 10**9)
    bench.tap.losses.add(frame.RING_FULL, *lost, 77)
    bench.turns(200)
    said = [struct.unpack(frame.LOST_BODY, one.body) for one in bench.sealed(frame.LOST)]
    assert len(said) == 2 and {first for *_, first in said} == {77}
    assert (sum(one[1] for one in said), sum(one[2] for one in said)) == lost


@pytest.mark.parametrize(("framing", "flag"), [("modbus", frame.AFTER_LOSS), ("raw", 0)])
def test_what_follows_a_loss_on_a_modbus_line_says_so_until_the_count_is_said(
    monkeypatch: pytest.MonkeyPatch, framing: str, flag: int
):
    """Who pairs answers with requests must not pair over it."""
    bench = Bench(monkeypatch, framing=framing)

    def say(octets: bytes) -> None:
        bench.line.octets = octets
        bench.turns(3)

    say(b"before")
    bench.fill()
    say(b"lost")
    assert [one.flags & frame.AFTER_LOSS for one in bench.sealed(frame.TAPPED)] == [0]
    say(b"after")
    bench.turns(100)
    say(b"then")
    found = bench.sealed(frame.TAPPED)
    assert [(one.body, one.flags & frame.AFTER_LOSS) for one in found] == [
        (b"after", flag),
        (b"then", 0),
    ]


def test_a_level_that_changed_while_the_ring_was_full_is_said_when_there_is_room(monkeypatch):
    levels = pins(monkeypatch)
    bench = Bench(monkeypatch, inputs=[Digital(0, 5)])
    bench.turns()
    bench.fill()
    levels[5], changed_us = 1, bench.us
    bench.turns(100)
    assert [one.body[-1] for one in bench.sealed(frame.LEVEL)] == [0]
    bench.turns(3)
    (said,) = bench.sealed(frame.LEVEL)
    assert said.body == struct.pack(frame.LEVEL_BODY, frame.DIGITAL, 1)
    start_us = 1_000_000
    assert said.ticks_us - said.span_us <= changed_us - start_us <= said.ticks_us


def test_a_head_waits_for_room_and_is_not_made_again_and_again(monkeypatch):
    bench, made = Bench(monkeypatch), []

    class Counting(Signer):
        def signed(self, message: bytes) -> Any:
            made.append(message)
            return super().signed(message)

    signer = Counting(bytes(32))
    run(signer.prepared())
    bench.fill()
    bench.bridge.sign_with(signer, 1_000_000)
    bench.turns(5000)  # ten signatures' worth
    assert len(made) == 1
    assert not bench.bridge.turn(bench.ticks.now())  # a board may sleep
    bench.sealed(frame.HEAD)
    bench.turns(2)
    (head,) = bench.sealed(frame.HEAD)
    seq, link, signature = struct.unpack(frame.HEAD_BODY, head.body)
    assert made[0] == frame.head_message(signer.public, 1, seq, link)
    assert run(verified(signer.public, made[0], signature))


def test_a_packet_is_written_in_pieces_that_a_line_takes_in_a_millisecond(monkeypatch):
    bench = Bench(monkeypatch)
    bench.bridge.say(frame.TAPPED, 0, bytes(2000), 0)
    hello = struct.pack(link.HELLO_BODY, *link.VERSIONS, 7, 8192)
    bench.board.receive(packed(link.HELLO, hello), bench.ticks.now())
    bench.turns(60)
    assert sum(bench.uplink.written) > 2000 and max(bench.uplink.written) == 46


def test_a_board_that_does_not_have_a_rate_stays_and_is_heard(monkeypatch):
    bench = Bench(monkeypatch)
    bench.uplink.highest = 2_000_000
    for kind, body in (
        (link.HELLO, struct.pack(link.HELLO_BODY, *link.VERSIONS, 7, 8192)),
        (link.BAUD, struct.pack(link.BAUD_BODY, 7, 3_000_000)),
    ):
        bench.board.receive(packed(kind, body), bench.ticks.now())
    bench.turns(20)
    assert bench.uplink.baud == bench.board.baud == 460_800


def test_a_contact_that_bounces_does_not_take_the_ring_from_the_tap(monkeypatch):
    levels = pins(monkeypatch)
    bench = Bench(monkeypatch, inputs=[Digital(0, 5)])
    for turn in range(1000):  # for a second
        bench.us += 1000
        levels[5] = turn & 1
        if turn == 500:
            bench.line.octets = b"a frame"
        bench.bridge.turn(bench.ticks.now())
        if turn % 50 == 49:
            found = bench.sealed(frame.LEVEL)
            assert len(found) <= 5
    levels[5] = 1 - found[-1].body[-1]
    bench.turns(4)
    assert bench.sealed(frame.LEVEL)[-1].body[-1] == levels[5]  # and what it comes to is said
    assert not bench.tap.losses.any


def test_a_level_was_what_it_is_by_its_ticks(monkeypatch):
    """It is read some time after the turn began: what comes between the two is no earlier."""
    bench = Bench(monkeypatch)

    class Slow(Digital):
        def look(self, now_us: int) -> bool:
            bench.us += 700  # what the taps took
            levels[5] = 1 if bench.us > 1_022_400 else 0
            return Digital.look(self, now_us)

    levels = pins(monkeypatch)
    bench.bridge._inputs.append(Slow(0, 5))
    bench.turns(10)
    low, high = bench.sealed(frame.LEVEL)
    assert (low.body[-1], high.body[-1]) == (0, 1)
    assert high.ticks_us - high.span_us <= 22_400 < high.ticks_us
