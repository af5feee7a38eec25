"""The instant of a GOOSE state: what its quality octet claims, and what is believed of it."""

import pytest

from drivers.goose.data import UtcTime
from drivers.goose.stamp import ARRIVAL_NS, claim, stamp
from drivers.line import Instant
from evidence.code import Flag, TimeSource
from evidence.leap import BUILT_IN, NS

SECOND = 1_790_000_000
SYNCHRONISED = Flag.LOCKED | Flag.TRACEABLE
LEAP = 1_483_228_800  # 2017-01-01T00:00:00: a second was inserted before it


def heard(seconds: int, late_ns: int = 1000, bound: int | None = 1000) -> Instant:
    return Instant(BUILT_IN.tai_ns(seconds) + late_ns, bound)


@pytest.mark.parametrize(("quality", "bound"), [(0, NS), (1, NS // 2), (10, 976_563), (24, 60)])
def test_bits_of_accuracy(quality: int, bound: int):
    assert claim(quality) == (SYNCHRONISED, bound)


@pytest.mark.parametrize("accuracy", range(25))
@pytest.mark.parametrize("known", [0, 0x80])
def test_each_accuracy_is_so_many_bits_of_a_second(accuracy: int, known: int):
    bound = claim(known | accuracy)[1]
    assert bound is not None and 0 <= bound - NS / 2**accuracy < 1


@pytest.mark.parametrize(
    ("accuracy", "class_ns"),
    [(7, 10_000_000), (10, 1_000_000), (14, 100_000), (16, 25_000), (18, 4_000), (20, 1_000)],
)
def test_the_classes_of_61850_5_are_kept(accuracy: int, class_ns: int):
    """T0 to T5, by the number of bits that IEC 61850-7-2 gives each."""
    bound = claim(accuracy)[1]
    assert bound is not None and class_ns / 2 < bound <= class_ns


@pytest.mark.parametrize("quality", [25, 30, 31])
def test_accuracies_that_say_nothing(quality: int):
    assert claim(quality) == (SYNCHRONISED, None)


@pytest.mark.parametrize("quality", [0x40, 0x20, 0x60])
def test_a_clock_that_failed_or_is_alone(quality: int):
    assert claim(quality | 10) == (0, None)


def test_the_fraction_is_rounded_to_the_nearest():
    t = UtcTime(SECOND, (900_000_000 << 24) // NS, 0x8A)
    found = stamp(t, heard(SECOND, NS), BUILT_IN)
    assert abs(found.tai - BUILT_IN.tai_ns(SECOND, 900_000_000)) <= 60


@pytest.mark.parametrize(("late_ns", "agrees"), [(ARRIVAL_NS, True), (ARRIVAL_NS + 1, False)])
@pytest.mark.parametrize("sign", [1, -1])
def test_what_the_arrival_confirms(late_ns: int, agrees: bool, sign: int):
    found = stamp(UtcTime(SECOND, 0, 0x8A), heard(SECOND, sign * late_ns), BUILT_IN)
    assert found.agrees == agrees
    assert (found.bound is not None) == agrees
    assert (found.flags == SYNCHRONISED) == agrees
    assert found.tai == BUILT_IN.tai_ns(SECOND)


@pytest.mark.parametrize("seconds", [LEAP - 1, LEAP])
def test_beside_a_leap_second_there_is_no_bound(seconds: int):
    found = stamp(UtcTime(seconds, 0, 0x8A), heard(seconds), BUILT_IN)
    assert found.flags & Flag.LEAP
    assert found.bound is None
    assert stamp(UtcTime(LEAP + 1, 0, 0x8A), heard(LEAP + 1), BUILT_IN).bound == 976_563


def test_past_the_table_there_is_no_bound():
    seconds = BUILT_IN.expires_s + 1
    found = stamp(UtcTime(seconds, 0, 0x8A), heard(seconds), BUILT_IN)
    assert found.flags & Flag.LEAP_UNKNOWN
    assert found.bound is None


@pytest.mark.parametrize("seconds", [0, 1, 63_071_999])
def test_no_time_at_all(seconds: int):
    found = stamp(UtcTime(seconds, 0, 0x8A), heard(SECOND), BUILT_IN)
    assert found == (heard(SECOND).tai, 1000, TimeSource.UNKNOWN, Flag.AGENT_STAMPED, False)
