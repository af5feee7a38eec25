"""How markets count hours: by their ends, on clocks that go forward, back, or neither."""

import sys
import zoneinfo
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import instant
from record.settle.interval import THROUGH, Convention, Stretch, clock, cut, whole_parts

SECOND = 1_000_000_000
ERCOT = Convention(60, zone="America/Chicago")
SPRING, AUTUMN = date(2026, 3, 8), date(2026, 11, 1)


def test_hours_are_counted_by_their_ends_on_a_fixed_clock():
    """2021-02-15 HE07 CST is from 12:00 to 13:00 UTC."""
    cst = Convention(60, -360).check()
    stretch = cst.ending(date(2021, 2, 15), 7)
    assert [instant.words(edge) for edge in stretch] == [
        *("2021-02-15T12:00:00Z", "2021-02-15T13:00:00Z"),
    ]
    assert cst.label(stretch) == "2021-02-15 HE07"
    assert cst.label(cst.ending(date(2021, 2, 15), 24)) == "2021-02-15 HE24"
    quarter = Convention(15, -360)
    assert quarter.label(quarter.ending(date(2021, 2, 15), 96)) == "2021-02-15 24:00"
    assert quarter.label(quarter.ending(date(2021, 2, 15), 1)) == "2021-02-15 00:15"
    # The last hour of 2016 in UTC had a second more.
    assert Convention().ending(date(2016, 12, 31), 24).hours == pytest.approx(3601 / 3600)
    for wrong in (Convention(7), Convention(60, 900)):
        with pytest.raises(ValueError, match="min"):
            wrong.check()
    for number in (0, 25):
        with pytest.raises(ValueError, match="interval"):
            cst.ending(date(2021, 2, 15), number)


def hours(of: Convention, day: date) -> list[str]:
    whole = of.day(day)
    return [of.label(part)[11:] for part in cut(*whole, of.minutes * 60 * SECOND)]


def test_a_day_has_23_hours_in_spring_and_25_in_autumn():
    usual = [f"HE{number:02d}" for number in range(1, 25)]
    assert hours(ERCOT, date(2026, 7, 1)) == usual
    assert hours(ERCOT, SPRING) == [*usual[:2], *usual[3:]]
    assert hours(ERCOT, AUTUMN) == [*usual[:2], "HE02*", *usual[2:]]
    through = ERCOT._replace(numbered=THROUGH)
    assert hours(through, SPRING) == usual[:23]
    assert hours(through, AUTUMN) == [*usual, "HE25"]
    assert len(hours(ERCOT._replace(minutes=5), AUTUMN)) == 300
    quarters = hours(ERCOT._replace(minutes=15), AUTUMN)
    assert quarters[6:14] == [
        *("01:45", "02:00", "01:15*", "01:30*", "01:45*", "02:00*", "02:15", "02:30"),
    ]
    assert quarters[-1] == "24:00"


@pytest.mark.parametrize("seconds", [10, 60, 3599, 7200, 86_400])
def test_what_is_no_interval_of_a_market_has_no_name(seconds: int):
    """Two hours are not the second of them, and ten seconds are not the minute they are in."""
    ends = ERCOT.ending(date(2026, 7, 1), 7).ends
    for minutes in (5, 15, 30, 60):
        of = ERCOT._replace(minutes=minutes)
        assert of.label(Stretch(ends - seconds * SECOND, ends)) == ""
        assert of.label(Stretch(ends - (60 * minutes - 1) * SECOND, ends + SECOND)) == ""


def test_the_hour_that_is_there_twice_are_two_stretches():
    first, again = (ERCOT.ending(AUTUMN, number) for number in (2, 3))
    assert [instant.words(edge) for edge in (*first, *again)] == [
        *("2026-11-01T06:00:00Z", "2026-11-01T07:00:00Z"),
        *("2026-11-01T07:00:00Z", "2026-11-01T08:00:00Z"),
    ]
    assert instant.words(ERCOT.ending(AUTUMN, 25).ends) == "2026-11-02T06:00:00Z"
    assert ERCOT.ending(AUTUMN, 2).begins + 37 * SECOND > 0  # TAI: 37 s ahead of UTC
    assert ERCOT.ending(AUTUMN, 2).begins // SECOND % 3600 == 37
    with pytest.raises(ValueError, match="interval 24 of a day of 23"):
        ERCOT.ending(SPRING, 24)


def test_where_clocks_no_longer_change_every_day_has_24_hours():
    """Mexico gave it up in October 2022; what is on the border keeps its neighbour's clock."""
    city, juarez = (Convention(zone=f"America/{name}") for name in ("Mexico_City", "Matamoros"))
    assert [len(hours(city, date(year, 10, 30))) for year in (2022, 2026)] == [25, 24]
    assert len(hours(city, SPRING)) == 24
    assert len(hours(juarez, AUTUMN)) == 25


@given(
    day=st.dates(date(1990, 1, 1), date(2060, 1, 1)),
    zone=st.sampled_from(["America/Chicago", "America/Tijuana", "Europe/Berlin", "Asia/Kolkata"]),
    minutes=st.sampled_from([5, 15, 30, 60]),
)
def test_the_intervals_of_a_day_fill_it_and_have_each_a_name(day: date, zone: str, minutes: int):
    of = Convention(minutes, zone=zone)
    whole = of.day(day)
    parts = list(cut(*whole, minutes * 60 * SECOND))
    assert parts == [of.ending(day, number) for number in range(1, len(parts) + 1)]
    assert (parts[0].begins, parts[-1].ends) == whole
    names = [of.label(part) for part in parts]
    assert len(set(names)) == len(names)
    assert all(name.startswith(day.isoformat()) for name in names)


@pytest.mark.parametrize(("text", "ahead"), [("UTC", 0), ("UTC-06:00", -360), ("UTC+05:30", 330)])
def test_a_clock_may_be_an_offset(text: str, ahead: int):
    assert clock(text) == Convention(ahead_min=ahead)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "America",
        "America/Nowhere",
        "../../etc/passwd",
        "/etc/localtime",
        "UTC-6",
        "UTC-06:60",
        "UTC+15:00",
        "UTC+1²:00",
        "x" * 5000,
        "a\0b",
    ],
)
def test_what_is_no_clock_is_a_ValueError(text: str):
    with pytest.raises(ValueError, match=r"\w"):
        clock(text or "\x7f")


def test_where_no_zones_are_installed_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch):
    """As on a gateway without tzdata."""
    monkeypatch.setitem(sys.modules, "tzdata", None)
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath(())
    zoneinfo.ZoneInfo.clear_cache()
    try:
        with pytest.raises(
            ValueError, match="install tzdata, or name the offset, such as UTC-06:00"
        ):
            clock("America/Chicago")
        assert clock("UTC-06:00").ahead_min == -360
    finally:
        zoneinfo.reset_tzpath(before)
        zoneinfo.ZoneInfo.clear_cache()


def test_a_stretch_is_cut_with_what_is_left_last():
    parts = list(cut(0, 10, 4))
    assert parts == [(0, 4), (4, 8), (8, 10)]


def test_hours_are_cut_by_utc_through_a_leap_second():
    day = Convention().day(date(2016, 12, 31))
    parts = list(cut(day.begins, day.ends + 3600 * SECOND, 3600 * SECOND))
    assert [round(part.hours * 3600) for part in parts] == [*[3600] * 23, 3601, 3600]
    assert whole_parts(parts[23], 900 * SECOND)[-1].ends == parts[23].ends
    assert whole_parts(Stretch(day.begins, day.begins + 3599 * SECOND), 900 * SECOND) == []
    assert whole_parts(Stretch(5, 5), 900 * SECOND) == []
