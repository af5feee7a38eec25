"""A Modbus line that a board hears: which answers become values, and which do not.

The device's values are decoded by the same map as one that is asked; that they are the same is
asserted against the driver that asks.
"""

import struct
from collections.abc import Callable

import pytest

from drivers import decode
from drivers.line import Frame, FrameError, Setup
from drivers.mcu.bus import LATE_NS, READS_MAX, Unit
from drivers.mcu.session import Tap
from drivers.modbus import map, plan
from drivers.modbus.adu import Framing, Request
from drivers.modbus.exchange import Exchange
from drivers.modbus.wire import compiled
from evidence import event
from evidence.code import Class, Event, Flag, Kind, Reason
from evidence.leap import NS
from evidence.tapped import HEADER_BYTES, LENGTH_BYTES, TAG_BYTES, chained
from firmware_bridge import frame as board
from tests.drivers.make_modbus import rtu
from tests.drivers.pmu import SOC
from tests.drivers.test_mcu import CFG, KEY, PUBLIC, STEP_NS, TAI0, World

MAP = """
station = "feeder meter"
refresh_ms = 20
[[point]]
name = "V"
address = 100
type = "u32"
scale = 0.01
unit = "V"
invalid = [4294967295]
[[point]]
name = "P"
address = 102
type = "s16"
exponent = 103
unit = "kW"
[[point]]
name = "energy"
table = "input"
address = 200
type = "u32"
scale = 0.1
unit = "kWh"
[[point]]
name = "closed"
table = "discrete"
address = 800
type = "bool"
"""
STREAM = "tap=1,unit=17 holding=98+8"
READ = rtu(17, struct.pack(">BHH", 3, 98, 8))  # what this line's master reads is its own affair
ELSE = rtu(17, struct.pack(">BHH", 3, 300, 8))


def answer(volts: int = 23_456, kilowatts: int = -123, unit: int = 17) -> bytes:
    registers = struct.pack(">HHIhhHH", 1, 2, volts, kilowatts, -1, 7, 8)
    return rtu(unit, bytes((3, len(registers))) + registers)


def world() -> World:
    units = {17: Unit("", map.read_map(MAP, "meter.toml"))}
    return World(KEY, PUBLIC, CFG, Tap("modbus", None, units)).go()


def say(line: World, *bodies: bytes) -> list[bytes]:
    """Frames on the line, one after the other, 5 ms apart."""
    raws = []
    for body in bodies:
        raws.append(line.say(body, port=1))
        line.go(1)
    line.go(20)
    return raws


def samples(line: World) -> list[Frame]:
    return [one for one in line.items if isinstance(one, Frame) and one.kind == Kind.MCU_MODBUS]


def values(line: World) -> list[tuple[object, ...]]:
    """Of every sample, under what its stream says of itself."""
    ruled = {one.key: one.configuration for one in line.items if isinstance(one, Setup)}
    return [decode.decode(one.kind, ruled[one.key], one.raw) for one in samples(line)]


def test_an_exchange_that_passes_has_the_values_of_one_that_is_asked():
    line = world()
    asked, answered = say(line, READ, answer())
    (one,), (found,) = samples(line), values(line)
    assert found == (234.56, -12.3)
    (setup,) = [one for one in line.items if isinstance(one, Setup) and one.key == STREAM]
    assert [(row.station, row.idcode) for row in setup.blocks] == [("feeder meter", 17)]
    assert [(row.name, row.quantity, row.unit) for row in setup.blocks[0].channels] == [
        ("V", "voltage", "V"),
        ("P", "power", "kW"),
    ]
    # The same request asked by the gateway itself, under the same configuration.
    direct = Exchange(Framing.RTU, 1, 2, READ, answer()).raw()
    assert compiled(setup.configuration).decode(direct) == found
    # Both frames of the board are sealed, each once in its chain.
    assert one.raw == answered + asked and chained(one.kind, one.raw) == answered
    assert [each.raw for each in line.frames("tap=1", Kind.MCU_INFO)] == [asked]
    # What it holds was measured between 20 ms before the request and the answer.
    begun, ended = one.heard.tai - STEP_NS - 20_000_000, one.heard.tai
    assert one.bound is not None and one.flags == Flag.AGENT_STAMPED
    assert one.tai - one.bound <= begun and ended <= one.tai + one.bound < ended + STEP_NS


def test_the_layout_by_which_the_chains_frame_is_found_is_the_boards():
    assert (HEADER_BYTES, TAG_BYTES) == (board.HEADER_BYTES, board.TAG_BYTES)
    assert struct.calcsize(board.HEADER[-1]) == LENGTH_BYTES


def test_a_read_of_the_masters_own_brings_what_lies_whole_in_it():
    line = world()
    read = rtu(17, struct.pack(">BHH", 3, 100, 3))  # P, without the register of its exponent
    say(line, read, rtu(17, struct.pack(">BBIh", 3, 6, 100, 5)))
    say(line, rtu(17, struct.pack(">BHH", 4, 200, 2)), rtu(17, struct.pack(">BBI", 4, 4, 12_345)))
    assert values(line) == [(1.0,), (1234.5,)]


def test_request_and_answer_in_one_frame_are_an_exchange():
    """As where a slice of a signature kept the board from hearing the silence between."""
    line = world()
    (raw,) = say(line, READ + answer())
    assert values(line) == [(234.56, -12.3)] and [one.raw for one in samples(line)] == [raw]


@pytest.mark.parametrize(
    ("said", "counted"),
    [
        ([answer()], "modbus_unpaired"),
        ([READ, ELSE, answer()], "modbus_doubtful"),
        ([READ, b"\x55", answer()], "modbus_unpaired"),
        ([READ, answer(unit=5), answer()], "modbus_unpaired"),
        ([READ, answer()[:-1] + b"\0", answer()], "modbus_unpaired"),
        ([READ, READ[:4], answer()], "modbus_unpaired"),
        ([rtu(9, READ[1:6]), answer(unit=9)], "modbus_unnamed"),
        ([ELSE, answer()], "modbus_unnamed"),
    ],
)
def test_what_may_be_another_reads_answer_has_no_value(said: list[bytes], counted: str):
    line = world()
    raws = say(line, *said)
    assert samples(line) == []
    assert line.session.counts[counted] > 0
    assert [one.raw for one in line.frames("tap=1", Kind.MCU_INFO)] == raws, "and all is sealed"


def _lost(line: World) -> None:
    body = struct.pack(board.LOST_BODY, board.RING_FULL, 2, 60, line.ticks_us)
    line.say(body, board.LOST, port=1)


def _hole(line: World) -> None:
    raw = line.seal(ELSE, port=1)
    line.ring.put(memoryview(raw[:-1] + bytes([raw[-1] ^ 1])))  # its tag does not hold


def _flagged(line: World) -> None:
    line.flags |= board.AFTER_LOSS


@pytest.mark.parametrize("happens", [_lost, _hole, _flagged, World.start])
def test_after_a_loss_no_answer_is_taken_for_the_read_before_it(happens: Callable[[World], None]):
    """Two frames may be missing: its own answer, and another read of as many registers."""
    line = world()
    line.say(READ, port=1)
    line.go(4)
    happens(line)
    line.say(answer(), port=1)
    line.go(400)
    assert samples(line) == []
    line.flags, line.now_ns = board.CHECKED, line.now_ns + LATE_NS
    say(line.go(200), READ, answer(100))
    assert values(line) == [(1.0, -12.3)]


def test_a_read_that_is_asked_again_may_be_answered_late():
    line = world()
    say(line, READ, READ, answer())
    (one,) = samples(line)
    assert values(line) == [(234.56, -12.3)] and one.bound is not None
    # It may be the first's: what it holds may be as old as that.
    assert one.tai - one.bound <= one.heard.tai - 2 * STEP_NS - 20_000_000
    assert line.session.counts["modbus_no_answer"] == 1


def test_a_refusal_and_a_sentinel_are_facts_without_values():
    line = world()
    say(line, READ, rtu(17, b"\x83\x02"), READ, answer(0xFFFFFFFF))
    assert values(line) == [(None, None), (None, -12.3)]
    ruled = next(one for one in line.items if isinstance(one, Setup) and one.key == STREAM)
    judge = decode.compiled(Kind.MCU_MODBUS, ruled.configuration).judge
    assert [judge((one.raw,)) for one in samples(line)] == [
        [(Class.DATA_INVALID, Reason.NOT_ANSWERED)],
        [(Class.DATA_INVALID, Reason.POINT_INVALID)],
    ]
    words = decode.compiled(Kind.MCU_MODBUS, ruled.configuration).words
    assert words(samples(line)[0].raw) == "exception 2 (illegal data address)"


def test_a_registers_own_time_rules_and_a_clock_that_was_never_set_is_an_event():
    """As of a device that is asked: the same stamps, the same event, once."""
    text = MAP + (
        '[[point]]\nname = "measured"\ntable = "input"\naddress = 202\ntype = "time_s"\n'
        'stamps = true\nbound_us = 5000\ndocument = "manual, 7.1"\n'
    )
    units = {17: Unit("", map.read_map(text, "meter.toml"))}
    line = World(KEY, PUBLIC, CFG, Tap("modbus", None, units)).go()
    read, at_s = rtu(17, struct.pack(">BHH", 4, 200, 4)), SOC + 90
    for second in (at_s, 946_684_800, 946_684_801):  # the last two: of January 2000
        say(line, read, rtu(17, struct.pack(">BBII", 4, 8, 12_345, second)))
    first, *others = samples(line)
    assert (first.tai, first.bound) == (TAI0 + 90 * NS, 5_000_000)
    assert [one.bound for one in others] == [None, None]
    (said,) = [
        event.read(one.raw).event
        for one in line.items
        if isinstance(one, Frame) and one.kind == Kind.EVENT and one.key == first.key
    ]
    assert said is Event.CLOCK_DISAGREES


def test_a_master_that_asks_for_everything_makes_no_more_streams_than_there_may_be():
    line = world()
    for at in range(READS_MAX + 8):
        length = 4 + at
        line.say(rtu(17, struct.pack(">BHH", 3, 100, length)), port=1)
        line.say(rtu(17, bytes((3, 2 * length)) + bytes(2 * length)), port=1)
        line.go(4)
    assert len({one.key for one in samples(line)}) == READS_MAX


def test_a_frame_with_another_ones_request_behind_it_is_refused():
    line = world()
    asked, answered = say(line, READ, answer())
    block = plan.heard(Request(17, 3, 98, 8), "", map.read_map(MAP, "meter.toml"))
    assert block is not None
    ready = decode.compiled(Kind.MCU_MODBUS, block.encoded())
    other = line.seal(READ, port=0)
    bad = [
        b"",
        answered,
        answered + other,
        answered + answered,
        asked + answered,
        answered + asked[:-1],
        answered + line.seal(READ, port=1),  # asked after it was answered
    ]
    bad += [answered[:at] for at in (1, 26, 40)]
    for raw in bad:
        with pytest.raises(FrameError):
            ready.decode(raw)
        assert ready.judge((raw,))[0][0] == Class.DATA_INVALID
        assert ready.words(raw) == ""
