"""The antenna against its survey: distances, and when a move is said."""

import dataclasses
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.place import ALLOWED_MM_MAX, MARGIN_MM, UNSTATED_MM, Apart, Watch, apart
from drivers.gnss.fix import Doubt, Fix, FixType, Mode, Place
from evidence.leap import NS
from evidence.siteplan import Survey
from evidence.verdict import PlaceState
from tests.drivers.receiver_line import Line

HERE = Survey(46.9480, 7.4474, 600.0, 0.5)


def at(latitude: float, longitude: float, height_m: float = 600.0, mm: int | None = 900) -> Place:
    return Place(
        round(latitude * 1e7), round(longitude * 1e7), round(height_m * 1000), mm, mm and 1300
    )


def geodesic_m(one: Survey, other: Place) -> float:
    """By numerical integration along the meridian, the one line that has a plain integral."""
    axis, flat = 6_378_137.0, 1 / 298.257223563
    squared = flat * (2 - flat)
    first, last = math.radians(one.latitude), math.radians(other.latitude_e7 / 1e7)
    steps = 2000
    width = (last - first) / steps
    total = 0.0
    for step in range(steps):
        sine = math.sin(first + (step + 0.5) * width)
        total += axis * (1 - squared) / (1 - squared * sine * sine) ** 1.5 * width
    return abs(total)


@pytest.mark.parametrize("north_deg", [0.00001, 0.0005, 0.01, 0.09])
def test_distances_along_the_meridian_are_those_of_the_ellipsoid(north_deg: float) -> None:
    sea = Survey(46.9480, 7.4474, 0.0, 0.5)
    place = at(46.9480 + north_deg, 7.4474)
    found = apart(sea, place)
    assert found.level / 1000 == pytest.approx(geodesic_m(sea, place), abs=0.002)


def test_a_minute_of_longitude_at_the_equator_and_at_60_degrees() -> None:
    """A geographical mile, 1,855.325 m; half of that and a little at 60 degrees."""
    for latitude, metres in ((0.0, 1855.325), (60.0, 930.0)):
        found = apart(Survey(latitude, 10.0, 0.0, 0.5), at(latitude, 10.0 + 1 / 60))
        assert found.level / 1000 == pytest.approx(metres, rel=2e-4)


def test_across_the_date_line_is_near_and_the_antipode_far() -> None:
    west = apart(Survey(10.0, 179.99999, 0.0, 0.5), at(10.0, -179.99999))
    far = apart(Survey(10.0, 20.0, 0.0, 0.5), at(-10.0, -160.0))
    assert west.level < 3_000
    assert far.level > 12_000_000_000


@given(st.floats(-90, 90), st.floats(-180, 180), st.floats(-90, 90), st.floats(-180, 180))
def test_no_distance_is_negative_or_beyond_the_earth(
    a: float, b: float, c: float, d: float
) -> None:
    found = apart(Survey(a, b, 0.0, 1.0), at(c, d))
    assert 0 <= found.level <= 2 * 6_378_138_000


def test_what_may_be_is_three_sigma_of_both_and_ten_metres() -> None:
    found = apart(Survey(46.9480, 7.4474, 600.0, 4.0), at(46.9480, 7.4474, mm=3000))
    assert found.level_allowed == 15_000 + MARGIN_MM
    assert found.height_allowed == math.ceil(3 * math.hypot(4000, 1300)) + MARGIN_MM
    coarse = apart(HERE, at(46.9480, 7.4474, mm=None))
    assert coarse.level_allowed == pytest.approx(3 * UNSTATED_MM + MARGIN_MM, abs=10)
    assert coarse.height is None


def test_a_survey_above_sea_level_is_asked_about() -> None:
    words = Apart(800, 13_000, 47_200, 14_000).words()
    assert "47 m above it" in words and "sea level" in words
    assert "sea level" not in Apart(60_000, 13_000, 47_200, 14_000).words()
    assert "sea level" not in Apart(800, 13_000, 300_000, 14_000).words()


@pytest.mark.parametrize(
    ("survey", "guess"),
    [
        (Survey(-46.9480, 7.4474, 600.0, 0.5), "the sign of the latitude"),
        (Survey(7.4474, 46.9480, 600.0, 0.5), "latitude and longitude exchanged"),
    ],
)
def test_a_survey_with_a_usual_mistake_is_asked_about(survey: Survey, guess: str) -> None:
    assert f"is it {guess} in the survey?" in apart(survey, at(46.9480, 7.4474)).words()
    assert "in the survey" not in apart(HERE, at(46.9485, 7.4474)).words()


class Rig:
    """A receiver and its watch, a second a step."""

    def __init__(self, survey: Survey | None = HERE, **line: Any) -> None:
        self.line, self.watch = Line(**line), Watch(survey)
        self.ns = 0
        self.fix: Fix | None = None

    def step(self, count: int = 1, trusted: bool = True, **plight: Any) -> PlaceState:
        for _ in range(count):
            self.fix = self.line.step(**plight)
            self.watch.hear(self.fix, self.ns, trusted)
            self.ns += NS
        return self.watch.found().state


def test_a_receiver_where_it_was_surveyed_is_checked_at_its_first_epoch() -> None:
    rig = Rig()
    assert rig.step() is PlaceState.CHECKED
    found = rig.watch.found()
    assert found.distance_mm is not None and found.distance_mm < 3_000
    assert found.allowed_mm in range(13_000, 15_000)


@pytest.mark.parametrize("moved", [(50.0, 0.0, 0.0), (0.0, -50.0, 0.0), (30.0, 40.0, 0.0)])
def test_a_move_of_50_m_is_doubted_within_15_s(moved: tuple[float, float, float]) -> None:
    rig = Rig()
    rig.step(20)
    assert rig.step(moved_m=moved) is PlaceState.UNCHECKED, "nobody vouches for it at once"
    assert rig.step(5) is PlaceState.DOUBTED
    found = rig.watch.found()
    assert found.distance_mm is not None and found.distance_mm == pytest.approx(50_000, abs=3000)
    assert "50" in found.words or "49" in found.words or "51" in found.words


def test_a_move_up_is_a_move() -> None:
    rig = Rig()
    assert rig.step(7, moved_m=(0.0, 0.0, 40.0)) is PlaceState.DOUBTED


def test_a_wild_epoch_is_no_move_and_vouches_for_nothing() -> None:
    rig = Rig()
    for _ in range(5):
        assert rig.step(6, moved_m=(0.0, 0.0, 0.0)) is PlaceState.CHECKED
        assert rig.step(moved_m=(900.0, 0.0, 0.0)) is PlaceState.UNCHECKED
        assert rig.step(4, moved_m=(0.0, 0.0, 0.0)) is PlaceState.UNCHECKED
        assert "just now" in rig.watch.found().words


def test_who_is_elsewhere_every_other_second_is_elsewhere() -> None:
    rig = Rig()
    rig.step(20)
    states = [rig.step(moved_m=(50.0 * (second % 2), 0.0, 0.0)) for second in range(1, 8)]
    assert states == [PlaceState.UNCHECKED] * 6 + [PlaceState.DOUBTED]


def test_a_move_with_a_bad_cable_is_a_move() -> None:
    rig = Rig()
    rig.step(20)
    for _ in range(3):
        rig.step(2, moved_m=(50.0, 0.0, 0.0), lost=False)
        rig.step(1, lost=True)
        rig.watch.lost("no epoch any more", rig.ns)
    assert rig.watch.found().state is PlaceState.DOUBTED


def test_two_wild_epochs_with_an_hour_of_silence_between_are_no_move() -> None:
    rig = Rig()
    rig.step(20)
    rig.step(moved_m=(900.0, 0.0, 0.0))
    rig.ns += 3600 * NS
    rig.watch.lost("no epoch any more", rig.ns)
    assert rig.step(moved_m=(900.0, 0.0, 0.0)) is PlaceState.UNCHECKED


def test_what_was_moved_is_checked_again_once_it_has_been_back_for_a_while() -> None:
    rig = Rig()
    rig.step(10, moved_m=(50.0, 0.0, 0.0))
    assert rig.step(9, moved_m=(0.0, 0.0, 0.0)) is PlaceState.DOUBTED
    assert rig.step(3) is PlaceState.CHECKED


def test_at_the_edge_it_does_not_flicker() -> None:
    """Between four fifths of what may be and all of it, what was doubted stays so."""
    rig = Rig()
    rig.step(10, moved_m=(50.0, 0.0, 0.0))
    assert rig.step(60, moved_m=(12.2, 0.0, 0.0)) is PlaceState.DOUBTED


def test_who_moves_an_antenna_and_cuts_its_cable_stays_in_doubt() -> None:
    rig = Rig()
    rig.step(10, moved_m=(50.0, 0.0, 0.0))
    assert rig.step(30, lost=True) is PlaceState.DOUBTED
    rig.watch.lost("no epoch any more", rig.ns)
    assert rig.watch.found().state is PlaceState.DOUBTED


@pytest.mark.parametrize(
    ("plight", "words"),
    [
        ({"held": True}, "fixed mode"),
        ({"survey": True}, "surveys itself in"),
        ({"lost": True}, "no fix"),
        ({"unset": True}, "no fix"),
        ({"repeats": True}, "measured"),
        ({"weeks_off": -1024}, "what time it is"),
    ],
)
def test_where_nothing_is_measured_nothing_is_concluded(plight: dict[str, Any], words: str) -> None:
    rig = Rig()
    rig.step()
    assert rig.step(10, moved_m=(500.0, 0.0, 0.0), **plight) is PlaceState.UNCHECKED
    assert words in rig.watch.found().words


def test_without_a_survey_there_is_nothing_to_compare_with() -> None:
    rig = Rig(None)
    assert rig.step() is PlaceState.UNCHECKED
    assert "no survey" in rig.watch.found().words


def test_who_may_be_deceived_vouches_for_no_place() -> None:
    rig = Rig()
    assert rig.step(trusted=False) is PlaceState.UNCHECKED
    assert "deceived" in rig.watch.found().words
    rig.step(10, moved_m=(50.0, 0.0, 0.0))
    assert rig.step(30, trusted=False, moved_m=(0.0, 0.0, 0.0)) is PlaceState.DOUBTED


def test_nmea_counts_once_it_moves_and_says_how_accurate_it_is() -> None:
    rig = Rig(ubx=False, nmea=True)
    assert rig.step() is PlaceState.UNCHECKED
    assert rig.step() is PlaceState.CHECKED
    assert rig.step(7, moved_m=(50.0, 0.0, 0.0)) is PlaceState.DOUBTED


def test_nmea_without_gst_checks_no_place_and_is_found_in_another_town() -> None:
    rig = Rig(ubx=False, nmea=True)
    rig.step(3)
    for north_e7, state in ((0, PlaceState.UNCHECKED), (100_000, PlaceState.DOUBTED)):
        for _ in range(7):
            assert rig.fix is not None and rig.fix.place is not None
            place = rig.fix.place._replace(
                latitude_e7=rig.fix.place.latitude_e7 + north_e7, horizontal_mm=None
            )
            rig.watch.hear(dataclasses.replace(rig.fix, place=place), rig.ns, True)
            rig.ns += NS
        assert rig.watch.found().state is state
        assert state is PlaceState.DOUBTED or "accurate" in rig.watch.found().words


def test_a_check_that_would_not_notice_is_none() -> None:
    rig = Rig(surveyed(ALLOWED_MM_MAX / 3000))
    assert rig.step() is PlaceState.UNCHECKED
    assert "coarse" in rig.watch.found().words
    assert rig.step(10, moved_m=(900.0, 0.0, 0.0)) is PlaceState.DOUBTED


def surveyed(accuracy_m: float) -> Survey:
    return Survey(HERE.latitude, HERE.longitude, HERE.altitude_m, accuracy_m)


def test_a_fix_of_time_only_is_no_position() -> None:
    rig = Rig()
    rig.step()
    assert rig.fix is not None
    held = dataclasses.replace(
        rig.fix, fix_type=FixType.TIME, mode=Mode.FIXED, doubts=frozenset({Doubt.PULSE_UNLOCKED})
    )
    rig.watch.hear(held, rig.ns, True)
    assert rig.watch.found().state is PlaceState.UNCHECKED
