"""Instants in words: both ways, around leap seconds, and what is no instant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import instant
from evidence.leap import BUILT_IN, NS


@pytest.mark.parametrize(
    ("words", "tai"),
    [
        ("2026-11-25T10:00:00Z", 1_795_600_837 * NS),
        ("2026-11-25T10:00:00.25Z", 1_795_600_837 * NS + NS // 4),
        ("2016-12-31T23:59:59.5Z", BUILT_IN.tai_ns(1_483_228_799, NS // 2)),
        ("2016-12-31T23:59:60.5Z", BUILT_IN.tai_ns(1_483_228_800, NS // 2) - NS),
        ("2017-01-01T00:00:00.000000001Z", BUILT_IN.tai_ns(1_483_228_800, 1)),
    ],
)
def test_words_and_instants(words: str, tai: int):
    assert instant.read(words) == tai
    assert instant.words(tai) == words
    assert instant.read(words.lower()) == tai


@given(st.integers(min_value=0, max_value=(1 << 64) - 1))
def test_what_is_written_is_read_again(tai: int):
    words = instant.words(tai)
    if tai >= 10 * NS:  # before, UTC was in 1969
        assert instant.read(words) == tai


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("2026-11-25T10:00:00", "no instant in UTC"),
        ("2026-11-25T10:00:00+00:00", "no instant in UTC"),
        ("2026-11-25 10:00:00Z", "no instant in UTC"),
        ("2026-11-25T10:00:00.1234567890Z", "no instant in UTC"),
        ("٢٠٢٦-11-25T10:00:00Z", "no instant in UTC"),
        ("2026-02-29T10:00:00Z", "no calendar"),
        ("2026-11-25T24:00:00Z", "no calendar"),
        ("2026-12-31T23:59:60Z", "no minute then had a second 60"),
        ("2016-12-31T23:59:61Z", "no minute then had a second 61"),
        ("1969-12-31T23:00:00Z", "before 1970"),
        ("", "no instant in UTC"),
    ],
)
def test_what_is_no_instant_is_said(words: str, why: str):
    with pytest.raises(ValueError, match=why):
        instant.read(words)


def test_what_no_calendar_reaches_stays_a_number():
    assert instant.words(1 << 90) == f"{1 << 90} ns after 1970 TAI"
