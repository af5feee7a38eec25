"""Blocks and configurations of Sampled Values have one encoding; counters fill the second."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import decode
from drivers.line import FrameError
from drivers.sv.block import BLOCK_BYTES_MAX
from drivers.sv.counter import RATES, missing, span_of
from drivers.sv.wire import (
    PHS_MEAS_1,
    Configuration,
    Dataset,
    Member,
    compiled,
    decode_block,
    decode_configuration,
    encode_block,
    encode_configuration,
)
from evidence import cbor
from evidence.code import Class, Kind, Reason
from tests.drivers.make_sv import VLAN, asdu, block, frame, plain, sav_pdu

RATE, SPAN = 100, 5  # small blocks, so that a test can show one whole
LE = encode_configuration(Configuration(RATE, SPAN, (Dataset("MU01", PHS_MEAS_1),)))
INVALID, QUESTIONABLE, TEST = 0x0001, 0x0003, 0x0800
MISSING = (Class.DATA_INVALID, Reason.SAMPLES_MISSING)
MALFORMED = (Class.DATA_INVALID, Reason.MALFORMED)
UNFIT = (Class.DATA_INVALID, Reason.NO_CONFIGURATION)
BAD_POINT = (Class.DATA_INVALID, Reason.POINT_INVALID)


def frames(*counts: int, **how: object) -> list[bytes]:
    return [plain(count, RATE, **how) for count in counts]  # type: ignore[arg-type]


def verdicts(raw: bytes, configuration: bytes = LE) -> set[tuple[Class, Reason]]:
    return set(decode.compiled(Kind.SV, configuration).judge((raw,)))


def columns(raw: bytes, configuration: bytes = LE) -> dict[tuple[str, str], object]:
    found = decode.compiled(Kind.SV, configuration)
    names = [(slot.name, slot.part) for slot in found.slots]
    return dict(zip(names, found.decode(raw), strict=True))


def test_a_float_that_is_no_number_is_no_value():
    """IEC 61850-9-2 leaves the types of a sample to its data set; 9-2LE has none of these."""
    members = (Member("v", "voltage", "V", "", "float32", 1.0),)
    known = encode_configuration(Configuration(RATE, SPAN, (Dataset("MU01", members),)))

    def of(value: float) -> bytes:
        said = [value if count == 3 else 1.0 for count in range(SPAN)]
        pdus = [sav_pdu(asdu(at, struct.pack(">f", one))) for at, one in enumerate(said)]
        return block(*map(frame, pdus))

    assert verdicts(of(2.0), known) == set()
    for value in (float("nan"), float("inf")):
        assert verdicts(of(value), known) == {(Class.DATA_INVALID, Reason.VALUE_INVALID)}


def test_a_block_has_one_encoding():
    raws = [*frames(0, 1), plain(2, RATE, tags=VLAN)]
    assert encode_block(raws) == block(*raws)
    assert encode_block(raws[:2]) == block(*raws[:2])
    assert decode_block(encode_block(raws)) == raws
    for bad in ([], [bytes(9000)] * 8):
        with pytest.raises(ValueError, match="block"):
            encode_block(bad)


def test_a_configuration_has_one_encoding():
    found = Configuration(4800, 120, (Dataset("MU01", PHS_MEAS_1), Dataset("Ü", None)))
    raw = encode_configuration(found)
    assert decode_configuration(raw) == found
    assert encode_configuration(decode_configuration(raw)) == raw


@pytest.mark.parametrize(
    "value",
    [
        7,
        [2, 0, 0, [["", None]]],
        [1, 4800, 0, [["", None]]],
        [1, 4800, 7, [["", None]]],
        [1, 0, 120, [["", None]]],
        [1, 65_537, 1, [["", None]]],
        [1, -1, 1, [["", None]]],
        [1, 0, 0, []],
        [1, 0, 0, [["a", None], ["a", None]]],
        [1, 0, 0, [["a", []]]],
        [1, 0, 0, [["a"]]],
        [1, 0, 0, [["a", [["n", "voltage", "V", "", "int24", 1.0]]]]],
        [1, 0, 0, [["a", [["n", "volts", "V", "", "int32", 1.0]]]]],
        [1, 0, 0, [["a", [["n", "voltage", "V", "", "int32", 1]]]]],
        [1, 0, 0, [["a", [["n", "voltage", "V", 0, "int32", 1.0]]]]],
        [1, 0, 0, [["n" * 257, None]]],
    ],
)
def test_what_is_no_configuration(value: object):
    with pytest.raises(FrameError, match="configuration"):
        compiled(cbor.encode(value))


@pytest.mark.parametrize("asdus", [1, 2, 6, 8])
@pytest.mark.parametrize("rate", RATES)
def test_blocks_of_the_rates_in_use_last_20_to_50_ms(rate: int, asdus: int):
    if rate % asdus:
        return
    size = 50 + asdus * 92
    span = span_of(rate, asdus, size, BLOCK_BYTES_MAX)
    assert rate % span == 0 and span % asdus == 0
    assert 20 <= 1000 * span / rate <= 50
    assert span // asdus * (size + 2) + 3 <= BLOCK_BYTES_MAX


@given(st.integers(1, 65_536), st.integers(1, 64), st.integers(60, 9000))
def test_blocks_of_any_rate_fill_the_second(rate: int, asdus: int, size: int):
    span = span_of(rate, asdus, size, BLOCK_BYTES_MAX)
    assert span >= 1 and rate % span == 0
    assert span == 1 or (span // asdus) * (size + 2) + 3 <= BLOCK_BYTES_MAX


def test_missing_counts_what_is_not_there():
    assert missing((0, 1, 2, 3, 4), 5) == 0
    assert missing((0, 0, 4), 5) == 3
    assert missing((7, 9, 12), 0) == 3
    assert missing((65_535, 0, 1), 0) == 0
