"""A clock that is off by so much was set to something, and it is named where it can be told."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.leap import BUILT_IN, NS
from evidence.misset import Misset, name, span

MS = 1_000_000


def named(true: datetime, claimed: float, uncertainty_ns: int = 60 * MS) -> tuple[Misset, str]:
    """`claimed`: what the clock says, in UTC seconds as Unix counts them."""
    whole = int(claimed // 1)
    claimed_tai = BUILT_IN.tai_ns(whole, round((claimed - whole) * NS))
    true_tai = BUILT_IN.tai_ns(int(true.timestamp()))
    return name(claimed_tai, claimed_tai - true_tai, uncertainty_ns, BUILT_IN)


WHEN = datetime(2026, 3, 2, 13, 30, 5, tzinfo=UTC)
LEAP_DAY = datetime(2024, 2, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("off_s", "word"),
    [
        (3600, Misset.LOCAL_TIME),
        (-6 * 3600, Misset.LOCAL_TIME),
        (14 * 3600, Misset.LOCAL_TIME),
        (-18 * 3600, Misset.LOCAL_TIME),
        (20_700, Misset.LOCAL_TIME),
        (900, Misset.OTHER),
        (1800, Misset.OTHER),
        (15 * 3600, Misset.OTHER),
        (18, Misset.GPS_TIME),
        (-18, Misset.GPS_TIME),
        (-19, Misset.GPS_TIME),
        (37, Misset.TAI),
        (-37, Misset.TAI),
        (1, Misset.LEAP_SECOND),
        (-1, Misset.LEAP_SECOND),
        (2, Misset.OTHER),
        (86_400, Misset.DAY),
        (-3 * 86_400, Misset.DAY),
        (-1024 * 7 * 86_400, Misset.ROLLOVER),
        (-2048 * 7 * 86_400, Misset.ROLLOVER),
        (123_456, Misset.OTHER),
        (0.15, Misset.OTHER),
    ],
)
def test_what_is_named(off_s: float, word: Misset) -> None:
    for more in (0.0, 0.04, -0.04):
        found = named(WHEN, WHEN.timestamp() + off_s + more)
        assert found[0] is word, found
        assert ("ahead" if off_s > 0 else "behind") in found[1]


@pytest.mark.parametrize("year", [1970, 1980, 2000, 2025, 2027])
def test_a_year_that_is_not_set_keeps_the_day_of_year_or_the_date(year: int) -> None:
    days = datetime(year, 1, 1, tzinfo=UTC) - datetime(2026, 1, 1, tzinfo=UTC)
    found = named(WHEN, (WHEN + days).timestamp())
    assert found[0] is Misset.YEAR and f"its year is {year}" in found[1]
    same = named(WHEN, WHEN.replace(year=year).timestamp())
    assert same[0] is Misset.YEAR


def test_the_leap_day_is_of_another_years_sixtieth_day() -> None:
    found = named(LEAP_DAY, datetime(2023, 3, 1, 12, tzinfo=UTC).timestamp())
    assert found[0] is Misset.YEAR


@pytest.mark.parametrize("year", [1970, 1980, 1984, 2000])
def test_a_clock_that_was_never_set_counts_from_its_makers_epoch(year: int) -> None:
    found = named(WHEN, datetime(year, 1, 9, 4, 5, 6, tzinfo=UTC).timestamp())
    assert found[0] is Misset.UNSET and str(year) in found[1]


def test_gps_time_is_off_by_what_the_table_says_of_then() -> None:
    """2014: TAI - UTC was 35 s, and GPS time 16 s ahead of UTC."""
    then = datetime(2014, 6, 1, tzinfo=UTC)
    assert named(then, then.timestamp() + 16)[0] is Misset.GPS_TIME
    assert named(then, then.timestamp() + 18)[0] is Misset.OTHER
    assert named(then, then.timestamp() + 35)[0] is Misset.TAI


def test_nothing_is_named_that_could_be_its_neighbour() -> None:
    assert named(WHEN, WHEN.timestamp() + 18, 600 * MS)[0] is Misset.OTHER
    assert named(WHEN, WHEN.timestamp() + 3600, 600 * MS)[0] is Misset.LOCAL_TIME
    assert named(WHEN, WHEN.timestamp() - 39, 3500 * MS)[0] is Misset.TAI


@given(st.integers(0, (1 << 63) - 1), st.integers(-(1 << 63), 1 << 63), st.integers(0, 1 << 62))
def test_whatever_it_is_off_by_there_is_a_word_and_a_text(
    claimed: int, off_ns: int, uncertainty_ns: int
) -> None:
    word, text = name(claimed, off_ns, uncertainty_ns, BUILT_IN)
    assert word in Misset and 0 < len(text) < 200


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0.0 us"),
        (1500, "1.5 us"),
        (-16_666_667, "16.667 ms"),
        (NS, "1.000 s"),
        (3600 * NS, "1 h"),
        (90_061 * NS, "1 d 1 h 1 min 1 s"),
    ],
)
def test_durations_as_people_read_them(ns: int, text: str) -> None:
    assert span(ns) == text
