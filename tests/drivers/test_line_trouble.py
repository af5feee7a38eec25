"""What is said of a serial line on which nothing is understood, from numbers alone."""

import struct

import pytest

from drivers.serial import trouble
from drivers.serial.option import SerialLine, bits_a_byte, bytes_ns
from drivers.serial.trouble import Counters, verdict

LINE = SerialLine(path="/dev/ttyUSB0", baud=19200, parity="even")
NONE = Counters(0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("heard", "frames", "counted", "said"),
    [
        (
            4096,
            0,
            NONE._replace(frame=312),
            "312 framing errors in 4,096 bytes: is the speed 19200",
        ),
        (
            4096,
            9,
            NONE._replace(frame=312),
            "312 framing errors in 4,096 bytes: is the speed 19200",
        ),
        # what the driver dropped was heard all the same
        (0, 0, NONE._replace(rx=800, frame=90), "90 framing errors in 800 bytes"),
        (500, 0, NONE._replace(breaks=40), "40 breaks in 500 bytes: are A and B swapped"),
        (500, 0, NONE._replace(parity=200), "200 parity errors in 500 bytes: is the parity even"),
        (5000, 80, NONE._replace(buffer_overrun=7), "7 overruns in 5,000 bytes"),
        (0, 0, NONE, "not one byte at 19200 baud"),
        (0, 0, None, "not one byte at 19200 baud"),
        (640, 0, None, "640 bytes and not one frame: is the speed 19200, parity even right"),
        (640, 0, NONE, "640 bytes and not one frame"),
    ],
)
def test_what_is_wrong_is_said(heard: int, frames: int, counted: Counters | None, said: str):
    assert said in verdict(LINE, heard, frames, counted)


@pytest.mark.parametrize(
    ("heard", "frames", "counted"),
    [
        (20_000, 150, NONE._replace(frame=12, parity=3, breaks=1)),  # noise that frames survive
        (9, 0, NONE._replace(frame=2)),  # opened in the middle of a byte
        (20_000, 150, None),
        (12, 0, None),  # too little to say anything
    ],
)
def test_a_little_noise_is_not_called_a_wrong_speed(
    heard: int, frames: int, counted: Counters | None
):
    assert verdict(LINE, heard, frames, counted) == ""


def test_counters_are_of_this_opening_and_wrap():
    before = Counters(0xFFFF_FFF0, 5, 0, 0, 0, 0)
    after = Counters(0x10, 9, 0, 0, 0, 0)
    assert after.since(before) == Counters(0x20, 4, 0, 0, 0, 0)


def test_the_kernels_struct():
    """linux/serial.h: cts, dsr, rng, dcd, rx, tx, frame, overrun, parity, brk, buf_overrun."""
    raw = struct.pack("=11i9i", *range(1, 12), *([0] * 9))
    assert trouble.counters(raw) == Counters(5, 7, 8, 9, 10, 11)


@pytest.mark.parametrize(
    ("options", "bits"),
    [
        ({}, 10),
        ({"parity": "even"}, 11),
        ({"parity": "odd", "stopbits": 2}, 12),
        ({"bytesize": 7, "parity": "even"}, 10),
    ],
)
def test_bits_of_a_byte(options: dict[str, int | str], bits: int):
    line = SerialLine(path="x", baud=9600, **options)  # type: ignore[arg-type]
    assert bits_a_byte(line) == bits
    assert bytes_ns(line, 960) == bits * 100_000_000
