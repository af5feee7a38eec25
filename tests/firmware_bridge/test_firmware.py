"""The firmware, run by a real MicroPython between pseudo-terminals: what a gateway has of a tap."""

import binascii
import itertools
import os
import struct
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from nacl.signing import VerifyKey
from pymodbus.framer.rtu import FramerRTU

from firmware_bridge import frame
from hil.station import PUBLIC, Station, cpython
from tests.conftest import ROOT, absent

MICROPYTHON = ROOT / ".debian" / "micropython" / "run"
PHASORS = 10
WAIT_S = 30.0  # of a loaded machine
WIDTH_NS = 10_000_000  # of what is said of an instant, beyond what it lasted

Maker = Callable[..., Station]


def interpreter(name: str) -> list[str]:
    if name == "cpython":
        return cpython()
    if not MICROPYTHON.exists():
        absent("MicroPython", "type: .ci/micropython")
    return [str(MICROPYTHON), "-X", "heapsize=512k"]


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Maker]:
    """Makes a station under MicroPython, with a session open; ends it after the test."""
    made: list[Station] = []

    def make(name: str = "micropython", **told: object) -> Station:
        station = Station(tmp_path, interpreter(name), **told)  # type: ignore[arg-type]
        made.append(station)
        station.until(lambda: station.gateway.greeting is not None, WAIT_S)
        return station

    yield make
    for station in made:
        station.close()


def data(number: int, octets: bytes = b"") -> bytes:
    """A C37.118 data frame of ten phasors (C37.118.2-2011, 6.2 and 6.4)."""
    octets = octets or number.to_bytes(4, "big") * (2 * PHASORS + 4)
    head = struct.pack(">HHHII", 0xAA01, 14 + len(octets) + 2, 7, 1_790_000_000, number)
    return whole(head + octets)


def whole(octets: bytes) -> bytes:
    return octets + binascii.crc_hqx(octets, 0xFFFF).to_bytes(2, "big")


def lost(station: Station) -> dict[int, tuple[int, int]]:
    """Of each cause: how many, and their octets."""
    sums: dict[int, tuple[int, int]] = {}
    for body in station.bodies(frame.LOST):
        cause, count, octets, _ = struct.unpack(frame.LOST_BODY, body)
        before = sums.get(cause, (0, 0))
        sums[cause] = before[0] + count, before[1] + octets
    return sums


def say(station: Station, frames: list[bytes], each_s: float = 0.004) -> None:
    for one in frames:
        station.say(one)
        end = time.monotonic() + each_s
        while time.monotonic() < end:
            station.step()


def have_come(station: Station, octets: int) -> bool:
    return sum(map(len, station.bodies())) >= octets


def say_apart(station: Station, said: list[bytes]) -> None:
    """Each once all before it is here: a board that was held up has heard its silence all the same,
    or would take two for one."""
    octets = 0
    for one in said:
        station.say(one)
        octets += len(one)
        station.until(partial(have_come, station, octets), WAIT_S)


@pytest.mark.parametrize("name", ["micropython", "cpython"])
def test_every_frame_arrives_whole_chained_and_under_signed_heads(board, name):
    station = board(name)
    station.up.damage_every = 40
    frames = [data(number) for number in range(150)]
    say(station, frames)
    station.until(lambda: len(station.bodies()) == len(frames), WAIT_S)
    station.until(lambda: len(station.bodies(frame.HEAD)) >= 2, WAIT_S)
    assert station.bodies() == frames and station.up.damaged > 2
    assert station.gateway.holes == [] and not any(one.missed for one in station.heard)
    assert all(one.fields.flags == frame.CHECKED for one in station.heard if one.fields.kind == 1)
    links = {one.fields.seq: one.link for one in station.heard}
    for body in station.bodies(frame.HEAD):
        seq, link, signature = struct.unpack(frame.HEAD_BODY, body)
        assert link == links[seq]
        boot = station.heard[0].fields.boot
        VerifyKey(PUBLIC).verify(frame.head_message(PUBLIC, boot, seq, link), signature)
    assert station.heard[0].fields.kind == frame.BOOT


def test_the_truth_lies_within_the_bound_of_the_ticks(board):
    station = board()
    station.until(lambda: station.gateway.offset.at_ns is not None, WAIT_S)
    said = []
    for number in range(40):
        with station.held_up():  # octets are there once the kernel has brought them, and no sooner
            before = time.monotonic_ns()
            station.say(data(number))
            station.until(lambda: station.unread() == len(data(0)), WAIT_S)
            said.append((before, time.monotonic_ns()))
        station.until(station.taken, WAIT_S)
    station.until(lambda: len(station.bodies()) == len(said), WAIT_S)
    tapped = [one.fields for one in station.heard if one.fields.kind == frame.TAPPED]
    widths = []
    for fields, (before, after) in zip(tapped, said, strict=True):
        found = station.gateway.offset.of(fields.ticks_us)
        assert found is not None
        middle, bound = found
        assert middle - bound - fields.span_us * 1000 <= after
        assert before <= middle + bound
        widths.append(2 * bound + fields.span_us * 1000 - (after - before))
    assert min(widths) < WIDTH_NS, widths


BAD = {
    "flipped": lambda octets: octets[:40] + bytes([octets[40] ^ 1]) + octets[41:],
    "dropped": lambda octets: octets[:40] + octets[41:],
    "doubled": lambda octets: octets[:40] + octets[39:],
    "another length": lambda octets: octets[:2] + b"\x00\x11" + octets[4:],
    "half": lambda octets: octets[: len(octets) // 2],
    "noise": lambda octets: b"\x00\xff\xaa" * 20,
}


@pytest.mark.parametrize("bad", BAD)
def test_what_is_no_frame_is_counted_and_the_next_one_is_there(board, bad):
    station = board()
    frames = [data(number) for number in range(9)]
    octets = BAD[bad](frames[3])
    say(station, [*frames[:3], octets, *frames[4:]])
    station.until(lambda: frame.NOISE in lost(station) and len(station.bodies()) == 8, WAIT_S)
    assert station.bodies() == frames[:3] + frames[4:]
    assert lost(station) == {frame.NOISE: (1, len(octets))}


def test_a_frame_that_no_boards_frame_holds_is_named_too_long(board):
    station = board()
    size = frame.BODY_MAX_BYTES + 1
    long = whole(struct.pack(">HH", 0xAA01, size) + bytes(size - 6))
    longest = whole(struct.pack(">HH", 0xAA01, size - 1) + bytes(size - 7))
    longer_than_the_ring = whole(struct.pack(">HH", 0xAA01, 20_000) + bytes(20_000 - 6))
    say(station, [data(1), long, data(2), longest, longer_than_the_ring, data(3)], 0.05)
    named = {frame.TOO_LONG: (2, len(long) + len(longer_than_the_ring))}
    station.until(lambda: len(station.bodies()) == 4 and lost(station) == named, WAIT_S)
    assert station.bodies() == [data(1), data(2), longest, data(3)]


def test_a_full_ring_keeps_what_is_sealed_and_counts_what_is_not(board):
    station = board(settings={"ring_bytes": 4096})
    station.up.cut = station.down.cut = True
    frames = [data(number) for number in range(60)]
    say(station, frames)
    station.until(station.taken, WAIT_S)
    station.up.cut = station.down.cut = False

    def told_of() -> int:
        """A board that was held up says its losses in several parts."""
        return len(station.bodies()) + lost(station).get(frame.RING_FULL, (0, 0))[0]

    station.until(lambda: told_of() >= len(frames), WAIT_S)
    kept = station.bodies()
    count, octets = lost(station)[frame.RING_FULL]
    assert kept == frames[: len(kept)] and 10 < len(kept) < 60
    assert (count, octets) == (60 - len(kept), (60 - len(kept)) * len(frames[0]))
    assert station.gateway.holes == []


def test_a_rate_is_agreed_and_nothing_is_lost_at_the_change(board):
    station = board()
    say(station, [data(number) for number in range(5)])
    os.write(station.far, station.gateway.propose(921_600))
    station.until(lambda: station.gateway.baud == 921_600, WAIT_S)
    say(station, [data(number) for number in range(5, 10)])
    station.until(lambda: len(station.bodies()) == 10, WAIT_S)
    assert station.bodies() == [data(number) for number in range(10)]


def test_a_board_that_is_killed_comes_back_under_a_new_number_and_the_hole_is_named(board):
    station = board()
    say(station, [data(number) for number in range(10)])
    station.until(lambda: len(station.bodies()) == 10, WAIT_S)
    first = station.heard[-1].fields.boot
    station.kill_board()
    station.start_board()
    station.until(lambda: station.heard[-1].fields.boot == first + 1, WAIT_S)
    say(station, [data(number) for number in range(10, 20)])
    station.until(lambda: len(station.bodies()) == 20, WAIT_S)
    assert [(hole.boot, hole.count) for hole in station.gateway.holes] == [(first, None)]
    assert station.follower.link is not None


def test_a_gateway_that_starts_anew_gets_what_the_one_before_it_had_not_kept(board):
    station = board()
    say(station, [data(number) for number in range(10)])
    station.until(lambda: len(station.bodies()) == 10, WAIT_S)
    say(station, [data(10)], 1.0)  # the ten are committed, and the board is told
    station.start_gateway()
    station.until(lambda: station.gateway.greeting is not None, WAIT_S)
    say(station, [data(number) for number in range(11, 15)])
    station.until(lambda: station.bodies()[-1] == data(14), WAIT_S)
    (hole,) = station.gateway.holes
    assert hole.seq == 0 and hole.count and hole.count >= 8


def test_a_cable_that_was_pulled_within_a_frame_loses_none(board):
    station = board(bauds=(0, 460_800))
    frames = [data(number) for number in range(30)]
    say(station, frames[:10])
    station.say(frames[10])
    passed = station.up.passed
    station.until(lambda: station.up.passed > passed, WAIT_S)  # some of it, paced
    station.up.cut = station.down.cut = True
    say(station, frames[11:20])
    station.until(station.taken, WAIT_S)
    station.up.cut = station.down.cut = False
    say(station, frames[20:])
    station.until(lambda: len(station.bodies()) == len(frames), WAIT_S)
    assert station.bodies() == frames
    assert station.gateway.holes == []


def rtu(pdu: bytes) -> bytes:
    """Its check word is of pymodbus's making."""
    return pdu + FramerRTU.compute_CRC(pdu).to_bytes(2, "big")


def test_requests_and_answers_of_modbus_are_split_by_silence_and_checked(board):
    station = board(framings=("modbus",))
    request, answer = (rtu(bytes.fromhex(pdu)) for pdu in ("110300000002", "11030400010002"))
    broken = answer[:-1] + bytes([answer[-1] ^ 1])
    said = [request, answer, broken, request]
    say_apart(station, said)
    assert station.bodies() == said
    checked, unchecked = frame.BY_GAP | frame.CHECKED, frame.BY_GAP
    flags = [one.fields.flags for one in station.heard if one.fields.kind == frame.TAPPED]
    assert flags == [checked, checked, unchecked, checked]


def test_a_raw_tap_says_what_stood_between_silences_and_what_went_on(board):
    station = board(framings=("raw", "c37118"))
    longer = os.urandom(frame.BODY_MAX_BYTES + 100)
    say_apart(station, [b"one", b"two", longer])
    station.say(data(1), tap=1)
    station.until(lambda: len(station.bodies(port=1)) == 1, WAIT_S)
    assert b"".join(station.bodies()) == b"onetwo" + longer and station.bodies(port=1) == [data(1)]
    flags = [
        one.fields.flags for one in station.heard if (one.fields.kind, one.fields.port) == (1, 0)
    ]
    assert flags == [frame.BY_GAP, frame.BY_GAP, 0, frame.BY_GAP]


def test_frames_of_another_board_and_replayed_ones_are_refused(board):
    station = board()
    say(station, [data(number) for number in range(3)])
    station.until(lambda: len(station.bodies()) == 3, WAIT_S)
    for raw, why in (
        (station.heard[-1].raw, "replayed"),
        (station.heard[0].raw, "replayed"),
        (station.heard[-1].raw[:-1] + b"\0", "not this board's"),
    ):
        with pytest.raises(frame.FrameError, match=why):
            station.follower.take(raw)
    another = frame.Follower(bytes(32 * [6]), PUBLIC)
    with pytest.raises(frame.FrameError, match="not this board's"):
        another.take(station.heard[0].raw)


@pytest.mark.parametrize(("told", "why"), [
    ({"ring_bytes": 1}, "ring_bytes"), ({"colour": 1}, "colour: nobody knows it"),
    ({"led": 1}, "no pin 1"),
])  # fmt: skip
def test_what_it_was_told_and_cannot_be_is_named(tmp_path, told, why):
    station = Station(tmp_path, interpreter("micropython"), settings=told)
    try:
        assert station.program and station.program.wait(WAIT_S) == 1
        assert why in station.said()
        assert (tmp_path / "boot").read_text() == "0"
    finally:
        station.close()


def test_keys_without_the_number_of_starts_do_not_start(board, tmp_path):
    station = board()
    station.until(lambda: len(station.heard) > 0, WAIT_S)
    station.kill_board()
    (tmp_path / "boot").unlink()
    station.start_board()
    assert station.program and station.program.wait(WAIT_S) == 1
    assert "the number of starts is lost" in station.said()


def test_the_counts_of_starts_go_on_from_what_the_flash_says(board):
    station = board()
    station.until(lambda: len(station.heard) > 0, WAIT_S)
    boots = [station.heard[-1].fields.boot]
    for _ in range(2):
        station.kill_board()
        station.start_board()
        station.until(lambda: station.heard[-1].fields.boot > boots[-1], WAIT_S)
        boots.append(station.heard[-1].fields.boot)
    assert [late - early for early, late in itertools.pairwise(boots)] == [1, 1]
