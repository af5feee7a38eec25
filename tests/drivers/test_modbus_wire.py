"""Exchanges and point maps in bytes: the vectors, the strictness of the encoding, and any bytes."""

from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.decode import compiled, decode
from drivers.line import FrameError, Instant
from drivers.modbus import stamp
from drivers.modbus.wire import (
    Exchange,
    Framing,
    Layout,
    RtuSplitter,
    TcpSplitter,
    answer,
    outcome,
    read_block,
    read_exchange,
    read_request,
)
from evidence.code import Class, Flag, Kind, Reason, TimeSource
from evidence.leap import BUILT_IN
from tests.drivers.make_modbus import rtu
from tests.drivers.vector import expected, vector, vectors

WANT = expected("modbus")
MAPS = [name for name in vectors("modbus") if name.startswith("map_")]
EXCHANGES = [name for name in vectors("modbus") if not name.startswith("map_")]
# Every example is ten: the fuzz is of about 2,000 cases.
CASES = 400


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
@pytest.mark.parametrize("name", sorted(WANT["values"]))
def test_the_examples_of_the_standard(name: str, framing: str):
    configuration, values = WANT["values"][name]
    raw = vector("modbus", f"{name}_{framing}")
    assert list(decode(Kind.MODBUS, vector("modbus", configuration), raw)) == values


def test_every_type_and_order():
    found = compiled(Kind.MODBUS, vector("modbus", "map_types"))
    values = found.decode(vector("modbus", "types_rtu"))
    got = [
        [slot.name, slot.part, value.hex() if isinstance(value, bytes) else value]
        for slot, value in zip(found.slots, values, strict=True)
    ]
    assert got == WANT["types"]
    assert [type(value) for _, _, value in got] == [type(value) for _, _, value in WANT["types"]]
    assert {slot.unit for slot in found.slots if slot.name == "s16"} == {"W"}
    assert found.judge((vector("modbus", "types_rtu"),)) == [
        (Class.DATA_INVALID, Reason.POINT_INVALID)
    ]


@pytest.mark.parametrize("name", WANT["failures"])
def test_an_exchange_without_an_answer(name: str):
    """Named for what came; its points are invalid, and it is judged so."""
    found = compiled(Kind.MODBUS, vector("modbus", "map_registers"))
    raw = vector("modbus", name)
    exchange = read_exchange(raw)
    request = read_request(exchange.framing, exchange.request)
    got = answer(exchange.framing, exchange.request, request, exchange.response)
    assert got.name == name.rsplit("_", 1)[0]
    assert found.decode(raw) == (None, None, None)
    assert found.judge((raw,)) == [(Class.DATA_INVALID, Reason.NOT_ANSWERED)]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("exception_rtu", "exception 11 (gateway target device failed to respond)"),
        ("exception_tcp", "exception 2 (illegal data address)"),
        ("no_answer_tcp", "no answer"),
        ("check_word_rtu", "check word"),
        ("coils_tcp", "answered"),
    ],
)
def test_what_is_said_of_an_exchange(name: str, said: str):
    assert outcome(vector("modbus", name)) == said


def test_a_stream_says_why_it_has_no_values():
    found = compiled(Kind.MODBUS, vector("modbus", "map_registers"))
    assert found.words(vector("modbus", "exception_tcp")) == "exception 2 (illegal data address)"
    assert found.words(vector("modbus", "coils_tcp")) == found.words(b"") == ""


@pytest.mark.parametrize("name", EXCHANGES)
def test_an_exchange_has_one_encoding(name: str):
    raw = vector("modbus", name)
    if name == "version_2":
        with pytest.raises(FrameError, match="version_unsupported"):
            read_exchange(raw)
        return
    found = read_exchange(raw)
    assert (found.asked_tai, found.heard_tai) == (WANT["asked_tai"], WANT["heard_tai"])
    assert found.raw() == raw
    assert found.framing == (Framing.TCP if name.endswith("_tcp") else Framing.RTU)


@pytest.mark.parametrize("name", MAPS)
def test_a_map_has_one_encoding(name: str):
    raw = vector("modbus", name)
    assert read_block(raw).encoded() == raw


def test_another_read_than_the_map_states_is_refused():
    with pytest.raises(FrameError) as caught:
        decode(Kind.MODBUS, vector("modbus", "map_coils"), vector("modbus", "input_rtu"))
    assert caught.value.fault == "another_request"
    judge = compiled(Kind.MODBUS, vector("modbus", "map_coils")).judge
    assert judge((vector("modbus", "input_rtu"),)) == [(Class.DATA_INVALID, Reason.MALFORMED)]
    assert judge((b"",)) == judge(()) == [(Class.DATA_INVALID, Reason.MALFORMED)]


def changed(name: str, place: tuple[int, ...], value: Any) -> bytes:
    """A configuration with one item of it replaced."""
    whole = cbor2.loads(vector("modbus", name))
    inner = whole
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    return cbor2.dumps(whole)


TEXTUAL = {1: 7, 2: None, 3: 256, 4: 5, 5: 65536, 6: 126, 7: -1, 8: "x", 9: None, 10: [9, 0, ""]}


@pytest.mark.parametrize(
    ("place", "value", "fault"),
    [
        *(((at,), value, "configuration") for at, value in TEXTUAL.items()),
        ((0,), 2, "version_unsupported"),
        ((11,), {}, "configuration"),
        ((11, 0), {}, "configuration"),
        ((11, 0, 0), "x" * 129, "configuration"),
        ((11, 0, 1), "speed", "configuration"),
        ((11, 0, 3), "u128", "configuration"),
        ((11, 0, 3), {}, "configuration"),
        ((11, 0, 3), "u32", "configuration"),  # of one register
        ((11, 0, 4), 47, "configuration"),  # behind the read
        ((11, 0, 4), -1, "configuration"),
        ((11, 0, 5), 0, "configuration"),
        ((11, 0, 6), True, "configuration"),
        ((11, 0, 8), None, "configuration"),
        ((11, 0, 10), 47, "configuration"),  # an exponent that was not read
        ((11, 0, 11), [{}], "configuration"),
        ((11, 0, 12), [["far", 16, 1]], "configuration"),
        ((11, 1, 12), [["signed", 0, 1]], "configuration"),
        ((11, 5, 13), [[0, "off"]], "configuration"),  # words for a float
        ((11, 0, 14), 9999, "configuration"),
        ((11, 0, 15), 0, "configuration"),  # false has an encoding of its own
        ((11, 0, 15), None, "configuration"),
    ],
)
def test_a_map_that_cannot_be_is_refused(place: tuple[int, ...], value: Any, fault: str):
    with pytest.raises(FrameError) as caught:
        read_block(changed("map_types", place, value))
    assert caught.value.fault == fault


def test_a_time_that_stamps_is_not_optional():
    with pytest.raises(FrameError, match="stamping point that is not optional"):
        read_block(changed("map_stamped", (11, 1, 15), True))
    assert read_block(changed("map_stamped", (11, 0, 15), True)).points[0].optional


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"", "no_configuration"),
        (b"\x80", "configuration"),
        (b"\x9f\x01\xff", "configuration"),
        (b"\xff" * 9, "configuration"),
    ],
)
def test_bytes_that_are_no_map(raw: bytes, fault: str):
    with pytest.raises(FrameError) as caught:
        read_block(raw)
    assert caught.value.fault == fault


# --- instants


@pytest.mark.parametrize("clock", [(700, 900), (900, 700)])
def test_the_instant_is_the_middle_and_the_bound_half(clock: tuple[int, int]):
    block = read_block(vector("modbus", "map_types"))  # renewed every 20 ms
    asked, heard = Instant(10**18, clock[0]), Instant(10**18 + 9_000_001, clock[1])
    got = stamp.by_gateway(block, asked, heard)
    assert got == (10**18 - 5_500_000 + 0, 14_500_001 + 900, 0, int(Flag.AGENT_STAMPED), True)


@pytest.mark.parametrize(
    ("configuration", "bounds"), [("map_registers", (1, 1)), ("map_types", (None, 1))]
)
def test_there_is_no_bound_where_nobody_knows_one(configuration: str, bounds: tuple[Any, Any]):
    """Refresh unknown, or the gateway's clock."""
    block = read_block(vector("modbus", configuration))
    got = stamp.by_gateway(block, Instant(10**18, bounds[0]), Instant(10**18, bounds[1]))
    assert got.bound is None


def test_a_clock_that_was_set_back_between():
    block = read_block(vector("modbus", "map_types"))
    got = stamp.by_gateway(block, Instant(10**18, 1), Instant(10**18 - 1, 1))
    assert (got.tai, got.bound) == (10**18 - 1, None)


def test_the_devices_own_time():
    layout = Layout(read_block(vector("modbus", "map_stamped")))
    data = layout.data(read_exchange(vector("modbus", "stamped_rtu")))
    assert data is not None
    utc_ms = layout.measured_ms(data)
    assert utc_ms == 1_700_000_000_000
    heard = Instant(WANT["stamped_tai"] + 10**9, None)
    got = stamp.by_device(layout.block, utc_ms, BUILT_IN, heard)
    assert got == (WANT["stamped_tai"], 5_000_000, int(TimeSource.DEVICE), 0, True)
    assert compiled(Kind.MODBUS, vector("modbus", "map_stamped")).rate == (0, 0)


@pytest.mark.parametrize(
    ("utc_ms", "bound", "flags"),
    [
        (1_483_228_800_000, None, Flag.LEAP),  # may be the inserted second, or the one after
        (1_483_228_799_999, None, Flag.LEAP),
        (1_483_228_801_000, 5_000_000, Flag(0)),
        (4_102_444_800_000, None, Flag.LEAP_UNKNOWN),  # 2100
    ],
)
def test_seconds_that_the_leap_table_does_not_vouch_for(
    utc_ms: int, bound: int | None, flags: Flag
):
    block = read_block(vector("modbus", "map_stamped"))
    heard = Instant(BUILT_IN.tai_ns(utc_ms // 1000), None)
    got = stamp.by_device(block, utc_ms, BUILT_IN, heard)
    assert got is not None and (got.bound, got.flags) == (bound, int(flags))


@pytest.mark.parametrize(
    ("utc_ms", "bound"),
    [
        (946_684_860_000, None),  # 2000-01-01: a relay that was never set since it had no battery
        (1_795_651_200_000 - 86_400_000 * 7168, None),  # 1,024 weeks ago
        (1_795_651_200_000 - 86_400_000 * 366, 5_000_000),  # what is billed once a year
        (1_795_651_200_000, 5_000_000),
    ],
)
def test_a_clock_that_was_never_set_vouches_for_nothing(utc_ms: int, bound: int | None):
    """Heard at 2026-11-26; the map states 5 ms."""
    block = read_block(vector("modbus", "map_stamped"))
    heard = Instant(BUILT_IN.tai_ns(1_795_651_200), 1_000)
    got = stamp.by_device(block, utc_ms, BUILT_IN, heard)
    assert got is not None and (got.bound, got.agrees) == (bound, bound is not None)
    assert got.tai == BUILT_IN.tai_ns(utc_ms // 1000) and got.source == TimeSource.DEVICE


@pytest.mark.parametrize(
    ("scale", "value"),
    [
        *((0.1, 23.5), (0.001, 0.235), (-0.1, -23.5), (3, 705), (0, 0)),
        *((1e-320, 1e-320 * 235), (1e308, None)),
    ],
)
def test_scales(scale: float, value: float | None):
    """235: a tenth of it is 23.5 and no neighbour; what no float can hold is no value."""
    configuration = changed("map_input", (11, 0, 8), scale)
    asked = read_exchange(vector("modbus", "input_rtu")).request
    told = Exchange(Framing.RTU, 1, 2, asked, rtu(17, b"\x04\x02\x00\xeb"))
    assert decode(Kind.MODBUS, configuration, told.raw()) == (value,)


# --- any bytes: only FrameError comes out


def reads(configuration: bytes, raw: bytes) -> None:
    """All that takes a peer's bytes."""
    try:
        found = compiled(Kind.MODBUS, configuration)
    except FrameError:
        return
    assert all(isinstance(pair, tuple) for pair in found.judge((raw,)))
    try:
        values = found.decode(raw)
    except FrameError:
        return
    assert len(values) == len(found.slots)


def mutated(raw: bytes, cuts: list[tuple[int, int, bytes]]) -> bytes:
    for at, size, more in cuts:
        place = at % (len(raw) + 1)
        raw = raw[:place] + more + raw[place + size :]
    return raw


CUTS = st.lists(
    st.tuples(st.integers(0, 4096), st.integers(0, 4), st.binary(max_size=4)),
    min_size=1,
    max_size=4,
)


@settings(max_examples=CASES)
@given(st.sampled_from(MAPS), st.sampled_from(EXCHANGES), CUTS)
def test_exchanges_that_were_hurt(configuration: str, name: str, cuts: Any):
    reads(vector("modbus", configuration), mutated(vector("modbus", name), cuts))


@settings(max_examples=CASES)
@given(st.sampled_from(MAPS), CUTS)
def test_maps_that_were_hurt(name: str, cuts: Any):
    reads(mutated(vector("modbus", name), cuts), vector("modbus", "types_rtu"))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 64), (1 << 64) - 1) | st.text(max_size=9)
    | st.floats(allow_nan=False, allow_infinity=False) | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=15)
    | st.dictionaries(st.integers(0, 99), inner, max_size=3),
    max_leaves=30,
)  # fmt: skip


@settings(max_examples=CASES)
@given(st.sampled_from(MAPS), st.integers(0, 11), st.integers(0, 14), VALUES)
def test_maps_of_other_items(name: str, at: int, field: int, value: Any):
    """Well encoded, and anything in any place."""
    whole = cbor2.loads(vector("modbus", name))
    if at == 11:
        whole[11][0][field] = value
    else:
        whole[at] = value
    reads(cbor2.dumps(whole), vector("modbus", "types_rtu"))


@settings(max_examples=CASES)
@given(st.integers(0, 1), st.integers(0, 1 << 64), st.binary(max_size=40), st.binary(max_size=600))
def test_any_exchange(framing: int, tai: int, request: bytes, response: bytes):
    made = Exchange(framing, tai % (1 << 64), tai // 2, request, response)
    try:
        found = read_exchange(made.raw())
    except FrameError:
        assert not request or len(response) > 520
        return
    assert found == made
    reads(vector("modbus", "map_registers"), made.raw())


@settings(max_examples=CASES)
@given(st.lists(st.binary(max_size=300), max_size=12), st.sampled_from([b"\x11\x03\x06", b"\x01"]))
def test_any_bytes_on_a_line(pieces: list[bytes], head: bytes):
    """No byte comes out twice, or as something that it was not."""
    for splitter in (TcpSplitter(), RtuSplitter((head,) if len(head) > 2 else (b"\x01\x83",))):
        items = [item for piece in pieces for item in splitter.feed(piece)] + splitter.flush()
        whole = b"".join(item if isinstance(item, bytes) else item.raw for item in items)
        assert whole == b"".join(pieces)
