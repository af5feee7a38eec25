"""A tap, its LED and its inputs, with octets, ticks and pins in our hands."""

import binascii
import struct
import sys
import types

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge import frame
from firmware_bridge.firmware.tap import Tap
from firmware_bridge.shim import led
from firmware_bridge.shim.ticks import SHORT_US, Ticks, since


class Line:
    """A port that gives octets in pieces."""

    baud = 115_200

    def __init__(self) -> None:
        self.octets = b""

    def readinto(self, view: memoryview) -> int:
        got = min(len(view), len(self.octets))
        view[:got] = self.octets[:got]
        self.octets = self.octets[got:]
        return got


class Clock(Ticks):
    """Stands still until it is moved."""

    __slots__ = ("us",)

    def __init__(self) -> None:
        self.us = 0

    def now(self) -> int:
        return self.us


def taken(framing: str, pieces: list[bytes], gap_us: int = 1000) -> tuple[list[bytes], Tap]:
    """The frames of these pieces, so far apart; then a long silence."""
    line, clock = Line(), Clock()
    tap = Tap(0, line, framing, clock)  # type: ignore[arg-type]
    frames = []
    for piece in [*pieces, b"", b""]:
        line.octets += piece
        clock.us += gap_us if piece else 300_000
        while True:
            before = len(line.octets)
            if tap.look(clock.us) and (length := tap.next()):
                if tap.cut.cause:
                    tap.passed(length, clock.us)
                else:
                    frames.append(bytes(tap.view[:length]))
                    tap.took(length)
            elif len(line.octets) == before:
                break
    return frames, tap


def good(number: int, size: int = 40) -> bytes:
    octets = struct.pack(">HHHII", 0xAA01, size, 1, number, 0) + b"\xaa\x01\x00\x20" * 8
    octets = octets[: size - 2].ljust(size - 2, b"\xaa")
    return octets + binascii.crc_hqx(octets, 0xFFFF).to_bytes(2, "big")


@given(st.lists(st.one_of(st.integers(16, 300), st.binary(min_size=1, max_size=30)), max_size=12),
       st.integers(1, 97))  # fmt: skip
@settings(max_examples=60)
def test_nothing_is_lost_or_made_up_whatever_stands_between_frames(said, step):
    """Every octet is in a frame or counted; each frame with a silence before it is there."""
    whole = b"".join(good(one, one) if isinstance(one, int) else one for one in said)
    pieces = [whole[at : at + step] for at in range(0, len(whole), step)]
    frames, tap = taken("c37118", pieces)
    counted = sum(tap.losses.octets)
    assert sum(map(len, frames)) + counted == len(whole)
    assert all(
        binascii.crc_hqx(one[:-2], 0xFFFF) == int.from_bytes(one[-2:], "big") for one in frames
    )
    if all(isinstance(one, int) for one in said):
        assert frames == [good(one, one) for one in said] and not counted


def test_a_frame_that_waited_behind_what_looked_like_one_came_no_later_than_its_span_says():
    """One flipped bit in FRAMESIZE: the next frames are cut when a length has come that is none."""
    line, clock = Line(), Clock()
    tap = Tap(0, line, "c37118", clock)  # type: ignore[arg-type]
    broken = bytearray(good(0, 100))
    broken[2] |= 0x04  # FRAMESIZE is 1,124
    sent: dict[bytes, int] = {}
    told: dict[bytes, tuple[int, int]] = {}
    for number in range(14):
        clock.us += 16_000
        tap.look(clock.us)  # nothing yet
        piece = bytes(broken) if not number else good(number, 100)
        sent[piece] = clock.us
        line.octets += piece
        clock.us += 667
        while tap.look(clock.us) and (length := tap.next()):
            if tap.cut.cause:
                tap.passed(length, clock.us)
            else:
                told[bytes(tap.view[:length])] = (tap.ticks_us, tap.span_us)
                tap.took(length)
    assert len(told) == 13
    for piece, (ticks_us, span_us) in told.items():
        assert ticks_us - span_us <= sent[piece] <= ticks_us
    assert told[good(13, 100)][1] == 667  # and what came by itself is known as well as before


@given(
    st.lists(st.binary(min_size=1, max_size=3000), max_size=6), st.sampled_from(("raw", "modbus"))
)
@settings(max_examples=30)
def test_what_is_cut_by_silence_is_the_same_octets(pieces, framing):
    frames, tap = taken(framing, pieces, gap_us=5000)
    assert b"".join(frames) == b"".join(pieces) and not tap.losses.any
    assert all(len(one) <= frame.BODY_MAX_BYTES for one in frames)


def test_short_ticks_wrap_and_wide_ones_do_not(monkeypatch):
    now = [SHORT_US - 10]
    monkeypatch.setattr("firmware_bridge.shim.ticks._ticks", lambda: now[0])
    ticks = Ticks()
    first = ticks.now()
    now[0] += 25
    second = ticks.now()
    assert second < first and (since(second, first), since(first, second)) == (25, -25)
    assert (ticks.wide(first), ticks.wide(second)) == (0, 25)


def test_ticks_of_an_interrupt_after_the_turn_began_are_not_minutes_early(monkeypatch):
    """Over a wrap, too: an edge may be later than the last that the loop asked."""
    now = [SHORT_US - 20]
    monkeypatch.setattr("firmware_bridge.shim.ticks._ticks", lambda: now[0])
    ticks = Ticks()
    edges = [(now[0] + later) % SHORT_US for later in (5, 30)]
    assert [ticks.wide(edge) for edge in edges] == [5, 30]
    now[0] += 40
    ticks.now()
    assert [ticks.wide(edge) for edge in edges] == [5, 30]


class Pins(types.ModuleType):
    """A `machine` whose pins are numbers in a table."""

    def __init__(self) -> None:
        super().__init__("machine")
        levels: dict[object, int] = {4: 0, 5: 0, 26: 30_000}
        edges: list[object] = []

        class Pin:
            IN, OUT, IRQ_RISING = 0, 1, 2

            def __init__(self, line: object, mode: int = 0) -> None:
                if line not in levels:
                    raise ValueError("no such pin")
                self.line = line

            def value(self, *level: int) -> int:
                if level:
                    levels[self.line] = level[0]
                return levels[self.line]

            def irq(self, handler: object, trigger: int, hard: bool) -> None:
                edges.append(handler)

        class ADC:
            def __init__(self, pin: Pin) -> None:
                self.pin = pin

            def read_u16(self) -> int:
                return levels[self.pin.line]

        self.Pin, self.ADC, self.levels, self.edges = Pin, ADC, levels, edges


@pytest.fixture
def pins(monkeypatch: pytest.MonkeyPatch) -> Pins:
    made = Pins()
    monkeypatch.setitem(sys.modules, "machine", made)
    monkeypatch.setattr("time.ticks_us", lambda: 77, raising=False)
    return made


def flashes(light: led.Led, pins: Pins, steps: int) -> str:
    said = ""
    for step in range(1, steps + 1):
        light.turn(step * 150_000)
        said += str(pins.levels[4])
    return said


@pytest.mark.parametrize("code", [led.WELL, led.ALONE, led.UNPAIRED, led.LOSING, led.WRONG])
def test_a_code_is_as_many_flashes_and_a_pause(pins, code):
    light = led.Led(4)
    light.show(code)
    assert flashes(light, pins, 2 * (2 * code + 6)) == ("10" * code + "000000") * 2


def test_the_digits_of_a_pairing_are_flashed_ten_for_nought(pins):
    light = led.Led(4)
    light.digits("203")
    pause = "000000"
    shown = "111111" + pause + "1010" + pause + "10" * 10 + pause + "101010" + pause
    assert flashes(light, pins, len(shown)) == shown


def test_levels_are_said_when_they_change_and_pulses_by_their_interrupt(pins):
    from firmware_bridge.firmware.input import Analog, Digital, Pulse

    door, battery, pulse = Digital(0, 5), Analog(1, 26, 1_000_000), Pulse(0, 4)
    assert door.look(10) and door.body() == struct.pack(frame.LEVEL_BODY, frame.DIGITAL, 0)
    door.said()
    assert not door.look(20_020)
    pins.levels[5] = 1
    assert door.look(20_050) and (door.ticks_us, door.span_us) == (20_050, 30)
    assert door.body() == struct.pack(frame.LEVEL_BODY, frame.DIGITAL, 1)
    assert [battery.look(us) for us in (0, 999_999, 1_000_000, 1_000_001)] == [
        True,
        False,
        True,
        False,
    ]
    assert battery.body() == struct.pack(frame.LEVEL_BODY, frame.ANALOG, 30_000)
    assert not pulse.look(100)
    pins.edges[0](None)
    assert pulse.look(100) and (pulse.ticks_us, pulse.kind) == (77, frame.PULSE)
    assert pulse.body() == struct.pack(frame.PULSE_BODY, 1) and not pulse.look(101)
