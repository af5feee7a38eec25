"""A board's own inputs: levels in their units, pulses as counts, by the map that names them."""

import asyncio
import struct
from pathlib import Path

import pytest

from drivers import decode
from drivers.line import Frame, FrameError, Setup
from drivers.mcu.input import PULSE, inputs
from drivers.modbus import map
from evidence.code import Class, Flag, Kind, Reason
from evidence.config import ConfigError
from firmware_bridge import frame as board
from tests.drivers.test_mcu import CFG, KEY, PUBLIC, RAW, World
from tests.drivers.test_mcu_line import driver

MAP = f"""
station = "bay 3"
[[point]]
name = "52a"
table = "discrete"
address = 0
type = "bool"
[[point]]
name = "battery"
table = "input"
address = 2
scale = 0.0025
unit = "V"
invalid = [65535]
[[point]]
name = "delivered"
table = "input"
address = {PULSE}
type = "u32"
scale = 0.5
unit = "kWh"
"""


def world() -> World:
    return World(KEY, PUBLIC, CFG, RAW, inputs(map.read_map(MAP, "inputs.toml"))).go()


def level(of: int, value: int) -> bytes:
    return struct.pack(board.LEVEL_BODY, of, value)


def values(line: World) -> dict[str, list[tuple[object, ...]]]:
    ruled = {one.key: one.configuration for one in line.items if isinstance(one, Setup)}
    found: dict[str, list[tuple[object, ...]]] = {}
    for one in line.items:
        if isinstance(one, Frame) and one.kind == Kind.MCU_INPUT:
            found.setdefault(one.key, []).append(decode.decode(one.kind, ruled[one.key], one.raw))
    return found


def test_levels_and_pulses_have_the_values_that_their_points_say():
    line = world()
    line.say(level(board.DIGITAL, 1), board.LEVEL, 0)
    line.say(level(board.ANALOG, 44_000), board.LEVEL, 2)
    line.say(struct.pack(board.PULSE_BODY, 41), board.PULSE, 0)
    line.say(level(board.DIGITAL, 0), board.LEVEL, 0)
    line.go()
    assert values(line) == {
        "input=0": [(True,), (False,)], "input=2": [(110.0,)], "pulse": [(20.5,)]
    }  # fmt: skip
    made = [one for one in line.items if isinstance(one, Setup) and one.kind == Kind.MCU_INPUT]
    assert [
        (one.key, one.blocks[0].station, channel.name, channel.quantity, channel.unit)
        for one in made
        for channel in one.blocks[0].channels
    ] == [
        ("input=0", "bay 3", "52a", "digital", ""),
        ("input=2", "bay 3", "battery", "voltage", "V"),
        ("pulse", "bay 3", "delivered", "analog", "kWh"),
    ]


def test_an_input_is_stamped_by_the_board_with_its_span_in_the_bound():
    line = world()
    line.say(level(board.DIGITAL, 1), board.LEVEL, 0, span_us=2_000)
    line.go()
    (one,) = [one for one in line.items if isinstance(one, Frame) and one.kind == Kind.MCU_INPUT]
    assert one.flags == Flag.AGENT_STAMPED and one.bound is not None
    assert (one.tai, one.bound) == one.heard and one.bound >= 1_000_000


def test_what_the_map_does_not_have_stays_the_boards_own():
    line = world()
    odd = [
        line.say(level(board.DIGITAL, 1), board.LEVEL, 1),  # no point
        line.say(level(board.ANALOG, 1), board.LEVEL, 0),  # a digital one, by its map
        line.say(level(board.DIGITAL, 2), board.LEVEL, 0),
        line.say(b"\x01", board.LEVEL, 0),
        line.say(b"\0\0\0", board.PULSE, 0),
    ]
    line.go()
    assert values(line) == {} and line.session.counts["board_input"] == 4
    assert [one.raw for one in line.frames("board", Kind.MCU_INFO)][-5:] == odd


def test_a_sentinel_is_no_value_and_other_frames_are_refused():
    known = inputs(map.read_map(MAP, "inputs.toml"))[board.LEVEL, 2]
    ready = decode.compiled(Kind.MCU_INPUT, known.setup.configuration)
    line = world()
    none = line.seal(level(board.ANALOG, 65_535), board.LEVEL, 2)
    assert ready.decode(none) == (None,)
    assert ready.judge((none,)) == [(Class.DATA_INVALID, Reason.POINT_INVALID)]
    for raw in (b"", none[:-1], line.seal(level(board.ANALOG, 1), board.LEVEL, 1)):
        with pytest.raises(FrameError):
            ready.decode(raw)
        assert ready.judge((raw,)) == [(Class.DATA_INVALID, Reason.MALFORMED)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('name = "a"\naddress = 0', "a: an input is a discrete"),
        ('name = "a"\ntable = "discrete"\naddress = 4\ntype = "bool"', "a: address: 0 to 3"),
        ('name = "a"\ntable = "input"\naddress = 3\ntype = "u32"', "of the pulse 16"),
        (
            'name = "a"\ntable = "input"\naddress = 1\n[[point]]\nname = "b"\ntable = "discrete"\n'
            'address = 1\ntype = "bool"',
            "b: a second point of one input",
        ),
    ],
)
def test_a_map_of_what_no_board_has_is_refused(tmp_path: Path, text: str, words: str):
    (tmp_path / "k").write_text("5e" * 32)
    (tmp_path / "k").chmod(0o600)
    (tmp_path / "in.toml").write_text(f"[[point]]\n{text}\n")
    with pytest.raises(ConfigError, match=words):
        asyncio.run(driver(tmp_path, inputs="in.toml").open())


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ({"port": 1, "unit": 17, "map": "m.toml"}, "port 1 carries no modbus"),
        ({"unit": 248, "map": "m.toml"}, "unit"),
        ({"unit": 17}, "map"),
    ],
)
def test_a_unit_of_no_modbus_line_is_refused(tmp_path: Path, device: dict[str, object], words: str):
    with pytest.raises(ConfigError, match=words):
        driver(tmp_path, taps=["modbus"], device=[device])
