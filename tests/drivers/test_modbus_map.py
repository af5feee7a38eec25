"""Point maps: what is refused, with its line, and what is read together."""

from pathlib import Path

import pytest

from drivers.modbus import plan
from drivers.modbus.map import PointMap, read_map
from drivers.modbus.wire import Block, Layout, read_block
from evidence.config import ConfigError

RELAY = Path(__file__).resolve().parents[2] / "drivers" / "modbus" / "relay.toml"


def point(name: str, address: int, *more: str) -> str:
    return "\n".join(["[[point]]", f'name = "{name}"', f"address = {address}", *more, ""])


def made(*points: str, head: str = "") -> PointMap:
    return read_map(head + "\n" + "\n".join(points), "meter.toml")


def reads(*points: str, head: str = "") -> list[tuple[int, int, int]]:
    """Function, address and length of each read."""
    asked = [block.request for block in plan.blocks(1, "", made(*points, head=head))]
    return [(request.function, request.address, request.length) for request in asked]


def test_the_map_that_stands_as_an_example():
    found = plan.blocks(5, "", read_map(RELAY.read_text(encoding="utf-8"), "relay.toml"))
    assert [block.key for block in found] == [
        "unit=5 holding=100+8",
        "unit=5 holding=119+2 group=state",
        "unit=5 discrete=0+1 group=state",
        "unit=5 input=200+8 group=energy",
    ]
    assert [(block.refresh_us, block.filter_us) for block in found] == [
        (20_000, 100_000),
        (20_000, 100_000),
        (20_000, 100_000),
        (1_000_000, 100_000),
    ]
    assert [block.period_ms for block in found] == [1000, 200, 200, 60_000]
    assert {block.station for block in found} == {"feeder relay"}
    stamp = found[3].stamp
    assert stamp is not None and (stamp.point, stamp.bound_ns) == (1, 5_000_000)
    assert all(read_block(block.encoded()) == block for block in found)
    quantities = [point.quantity for block in found for point in block.points]
    assert quantities == [
        *("voltage", "current", "power", "current", "digital", "other", "digital", "analog"),
        "other",
    ]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (point("a", 0, 'adress = "x"'), 4, "did you mean 'address'"),
        ('[[point]]\nname = "a"\n', 1, "address"),
        (point("a", 0, 'type = "u17"'), 4, "did you mean"),
        (point("a", 0) + point("a", 1), 5, "'a' is there twice"),
        (point("a", 0, 'group = "fast"'), 4, "no [[group]] is called 'fast'"),
        (point("a", 0, 'table = "coil"'), 1, "a coil is a bool"),
        (point("a", 0, 'type = "string"'), 1, "needs its number of registers"),
        (point("a", 0, 'type = "u32"', "registers = 3"), 5, "u32 is 2 registers, not 3"),
        (point("a", 65535, 'type = "u32"'), 3, "outside 0 to 65535"),
        (point("a", 0, "bit = 3"), 4, "says which bit of a register a bool is"),
        (point("a", 0, "bits = { far = 16 }"), 4, "bits 16 to 16 of 16"),
        (point("a", 0, "bits = { back = [5, 3] }"), 4, "bits 5 to 3 of 16"),
        (point("a", 0, 'type = "f32"', "bits = { b = 0 }"), 5, "need u16, u32 or u64"),
        (point("a", 0, 'enum = { on = "x" }'), 4, "'on' is no number"),
        (point("a", 0, 'type = "f32"', 'enum = { 1 = "x" }'), 5, "needs an integer"),
        (point("a", 0, "bits = { b = 0 }", "scale = 2"), 5, "scales plain numbers only"),
        (point("a", 0, "stamps = true"), 4, "needs a time"),
        (point("a", 0, 'type = "time_s"', "stamps = true", "bound_us = 5"), 6, "the document"),
        (point("a", 0, 'type = "time_s"', "stamps = true", "optional = true"), 6, "no point that"),
        (point("a", 0, "optional = 1"), 4, "bool"),
        (point("a", 0, "scale = nan"), 4, "finite"),
        (point("a", 0, "offset = inf"), 4, "finite"),
        (point("a", 0, "invalid = [-inf]"), 4, "never stands in a holding u16"),
        (point("a", 0, "invalid = [65536]"), 4, "never stands"),
        (point("a", 0, "invalid = [-1]"), 4, "never stands"),
        (point("a", 0, "scale = 0.1", "invalid = [6553.5]"), 5, "never stands"),
        (point("a", 0, 'type = "s16"', "invalid = [0x10000]"), 5, "never stands"),
        (point("a", 0, 'type = "f32"', "invalid = [1e39]"), 5, "never stands"),
        (point("a", 0, 'type = "string"', "registers = 2", "invalid = [0]"), 6, "never stands"),
        (point("a", 0, 'type = "bool"', 'table = "coil"', "invalid = [0]"), 6, "never stands"),
        (point("a", 0, 'enum = { 0xffffffffffffffff1 = "x" }'), 4, "is no number"),
        (point("a", 0, 'enum = { 65536 = "x" }'), 4, "is no number of a u16"),
        ("period_ms = 0\n" + point("a", 0), 1, "period_ms"),
        ("[[group]]\nname='f'\nperiod_ms=1\n[[group]]\nname='f'\nperiod_ms=1\n" + point("a", 0),
         5, "'f' is there twice"),
        ("station = 'x'\n", 0, "point"),
        ("not toml", 1, "not TOML"),
    ],
)  # fmt: skip
def test_what_a_map_may_not_say(text: str, line: int, said: str):
    with pytest.raises(ConfigError) as caught:
        read_map(text, "meter.toml")
    assert said in str(caught.value)
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("kind", "written", "data"),
    [
        ("s16", "0x8000", "8000"),
        ("s16", "-32768", "8000"),
        ("s32", "0x80000000", "80000000"),
        ("s64", "0x8000000000000000", "8000000000000000"),
        ("u32", "0xffffffff", "ffffffff"),
        ("u16", "65535.0", "ffff"),
        ("f32", "-9999.9", "c61c3f9a"),
        ("f32", "3.4028235e38", "7f7fffff"),
        ("f64", "-9999.9", "c0c387f333333333"),
    ],
)
def test_a_sentinel_is_found_as_manuals_write_it(kind: str, written: str, data: str):
    """By the bits of a signed number, and by the digits of a float that no float is."""
    text = point("a", 0, f'type = "{kind}"', f"invalid = [{written}]")
    (block,) = plan.blocks(1, "", made(text))
    assert Layout(read_block(block.encoded())).values(bytes.fromhex(data)) == (None,)


@pytest.mark.parametrize(
    ("exponent", "value"),
    [("fffe", 0.05), ("0000", 5), ("000a", 50_000_000_000), ("000b", None), ("8000", None)],
)
def test_an_exponent_that_is_none_leaves_no_value(exponent: str, value: float | None):
    (block,) = plan.blocks(1, "", made(point("a", 0, "exponent = 1")))
    assert Layout(block).values(bytes.fromhex("0005" + exponent)) == (value,)


def test_a_point_is_optional_or_it_is_not():
    """What is not said is false, and there is one way to say either."""
    texts = [point("a", 0), point("a", 0, "optional = false"), point("a", 0, "optional = true")]
    silent, needed, optional = [plan.blocks(1, "", made(text))[0] for text in texts]
    assert silent.encoded() == needed.encoded() != optional.encoded()
    assert read_block(optional.encoded()) == optional
    assert optional.points[0].optional and not silent.points[0].optional


def test_a_label_of_a_signed_number():
    text = point("a", 0, 'type = "s16"', 'enum = { 0xFFFF = "none", -2 = "open" }')
    (block,) = plan.blocks(1, "", made(text))
    layout = Layout(read_block(block.encoded()))
    assert [layout.values(data) for data in (b"\xff\xff", b"\xff\xfe")] == [("none",), ("open",)]


def test_neighbours_are_read_together_across_small_holes():
    assert reads(point("a", 0), point("b", 9), point("c", 20)) == [(3, 0, 10), (3, 20, 1)]
    assert reads(point("a", 0), point("b", 9), head="gap_registers = 7") == [(3, 0, 1), (3, 9, 1)]
    assert reads(point("b", 9), point("a", 0)) == [(3, 0, 10)]


def test_never_more_than_125_registers_nor_2000_bits():
    many = [point(f"p{number}", number) for number in range(300)]
    assert reads(*many) == [(3, 0, 125), (3, 125, 125), (3, 250, 50)]
    assert reads(*many, head="block_registers = 100") == [(3, 0, 100), (3, 100, 100), (3, 200, 100)]
    coils = [
        point(f"c{number}", number * 128, 'table = "coil"', 'type = "bool"') for number in range(32)
    ]
    assert reads(*coils) == [(1, 0, 1921), (1, 2048, 1921)]


def test_a_value_is_never_cut():
    text = [point("a", 0), point("b", 124, 'type = "f64"')]
    assert reads(*text, head="gap_registers = 125") == [(3, 0, 1), (3, 124, 4)]


def test_tables_and_groups_are_read_apart():
    group = "[[group]]\nname = 'fast'\nperiod_ms = 100\n"
    assert reads(
        *(point("a", 0), point("b", 1, 'table = "input"'), point("c", 2, 'group = "fast"')),
        head=group,
    ) == [(3, 0, 1), (4, 1, 1), (3, 2, 1)]


def test_a_value_and_its_exponent_are_read_together():
    assert reads(point("a", 0, "exponent = 100"), point("b", 50)) == [(3, 0, 101)]
    with pytest.raises(plan.PlanError, match="a: 201 registers; at most 125"):
        reads(point("a", 0, "exponent = 200"))


def test_what_one_point_does_not_know_no_block_knows():
    def ages(head: str, *more: str) -> list[int | None]:
        found: tuple[Block, ...] = plan.blocks(
            1, "", made(point("a", 0, *more), point("b", 1), head=head)
        )
        return [block.refresh_us for block in found]

    assert ages("refresh_ms = 20.0001") == [20_001]  # never too short
    assert ages("refresh_ms = 20", "refresh_ms = 500") == [500_000]
    assert ages("", "refresh_ms = 500") == [None]


def test_two_times_in_one_read():
    at = ('type = "time_s"', "stamps = true")
    with pytest.raises(plan.PlanError, match="a second time"):
        reads(point("a", 0, *at), point("b", 2, *at))
