"""drivers.ber: what it reads, and every length, tag and depth that it refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import ber
from drivers.line import FrameError


def fault(raw: bytes, end: int | None = None) -> str:
    with pytest.raises(FrameError) as found:
        ber.element(raw, 0, len(raw) if end is None else end)
    return found.value.fault


def test_short_and_long_lengths():
    assert ber.element(b"\x80\x02ab", 0, 4) == (0x80, 2, 4)
    assert ber.element(b"\x61\x81\x02ab", 0, 5) == (0x61, 3, 5)
    assert ber.element(b"\x61\x82\x00\x02ab", 0, 6) == (0x61, 4, 6)
    raw = b"\xab\x82\x01\x00" + bytes(256)
    assert ber.element(raw, 0, len(raw)) == (0xAB, 4, 260)


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"", "ber_truncated"),
        (b"\x80", "ber_truncated"),
        (b"\x80\x82\x01", "ber_truncated"),
        (b"\x80\x80ab\0\0", "ber_indefinite"),
        (b"\x80\x84\x80\x00\x00\x00ab", "ber_length"),  # 2^31
        (b"\x80\x84\xff\xff\xff\xffab", "ber_length"),
        (b"\x80\x85\x00\x00\x00\x00\x01a", "ber_length"),
        (b"\x80\xffab", "ber_length"),
        (b"\x80\x03ab", "ber_length"),
        (b"\x9f\x20\x00", "ber_tag"),
    ],
)
def test_refused(raw: bytes, name: str):
    assert fault(raw) == name


def test_nothing_reaches_beyond_what_encloses_it():
    raw = b"\x80\x04abcd"
    assert fault(raw, 5) == "ber_length"
    assert fault(raw, 7) == "ber_truncated"


def test_a_thousand_levels_are_refused_at_the_bound():
    depth = 0
    with pytest.raises(FrameError) as found:
        for _ in range(1000):
            depth = ber.deeper(depth)
    assert (found.value.fault, depth) == ("ber_depth", ber.DEPTH_MAX)


def test_elements_are_bounded():
    raw = b"\x80\x00" * 10
    assert len(ber.elements(raw, 0, 20, 10)) == 10
    with pytest.raises(FrameError) as found:
        ber.elements(raw, 0, 20, 9)
    assert found.value.fault == "ber_count"


def test_integers():
    assert ber.unsigned(b"\x00\xff\xff\xff\xff", 0, 5, 32) == 0xFFFFFFFF
    assert ber.unsigned(b"\xff\xff\xff\xff", 0, 4, 32) == 0xFFFFFFFF
    assert ber.unsigned(b"\x00\x00\x07", 0, 3, 32) == 7
    assert ber.signed(b"\xff", 0, 1, 8) == -1
    assert ber.signed(b"\x80" + bytes(7), 0, 8, 8) == -(1 << 63)
    for raw in (b"", b"\x01\x00\x00\x00\x00"):
        with pytest.raises(FrameError):
            ber.unsigned(raw, 0, len(raw), 32)
    for raw in (b"", bytes(9)):
        with pytest.raises(FrameError):
            ber.signed(raw, 0, len(raw), 8)


@given(st.binary(max_size=300), st.integers(0, 320), st.integers(0, 320))
def test_any_bytes(raw: bytes, at: int, end: int):
    try:
        found = ber.element(raw, at, end)
    except FrameError:
        return
    assert at + 2 <= found.start <= found.stop <= end <= len(raw)
