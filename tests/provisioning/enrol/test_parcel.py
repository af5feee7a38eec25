"""A parcel: what was packed comes out, and nothing else does, however it was harmed."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.enrol import parcel
from provisioning.source import RequestError


@given(st.binary(max_size=4096))
def test_what_was_packed_comes_out(encoded: bytes) -> None:
    assert parcel.unpack(parcel.pack(encoded)) == encoded


@given(st.binary(max_size=4096))
def test_foreign_bytes_are_refused_by_name(data: bytes) -> None:
    for harmed in (data, parcel.MAGIC + data):
        with pytest.raises(RequestError):
            parcel.unpack(harmed)


def test_cut_short_or_with_something_behind_it() -> None:
    whole = parcel.pack(bytes(range(256)) * 8)
    for length in range(len(whole)):
        with pytest.raises(RequestError):
            parcel.unpack(whole[:length])
    with pytest.raises(RequestError, match="behind it"):
        parcel.unpack(whole + b"\n")


def test_a_bit_flipped_anywhere_is_noticed() -> None:
    whole = parcel.pack(b"what was said, " * 40)
    for at in range(len(whole) * 8):
        harmed = bytearray(whole)
        harmed[at // 8] ^= 1 << at % 8
        try:
            assert parcel.unpack(bytes(harmed)) == b"what was said, " * 40  # zlib's FLEVEL tells
        except RequestError:
            continue


def test_what_would_fill_the_memory_is_refused() -> None:
    bomb = parcel.MAGIC + zlib.compress(bytes(64 << 20), 9)
    assert len(bomb) < 100_000
    with pytest.raises(RequestError, match="inflates"):
        parcel.unpack(bomb)


def test_the_longest_goes_through_and_no_longer() -> None:
    assert parcel.unpack(parcel.pack(bytes(parcel.INFLATED_BYTES_MAX)))
    with pytest.raises(RequestError, match="too many"):
        parcel.pack(bytes(parcel.INFLATED_BYTES_MAX + 1))
