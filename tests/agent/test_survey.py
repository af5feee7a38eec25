"""A PMU whose configuration names another place than the site plan: an event of its stream, and no
more than that.
"""

import struct

import pytest

from agent.health import Health
from agent.hearing import Hearing
from drivers.c37118.stream import ruling, setup_of
from drivers.c37118.wire import (
    Configuration,
    Format,
    FrameType,
    Phasor,
    Stamp,
    Station,
    encode_configuration,
)
from drivers.line import Setup
from evidence import event, siteplan
from evidence.code import Check, Event, Kind
from evidence.event import Noticed
from evidence.siteplan import SitePlan
from tests.agent.listening import begin, hear, sealed
from tests.agent.site import Randomness, Time, frame

B1 = "7d8f1b80-0000-4000-8000-000000000001"
LATITUDE, LONGITUDE = 46.9480, 7.4474
PLAN = f"""\
[site]
name = "North"
survey = {{ latitude = {LATITUDE}, longitude = {LONGITUDE}, altitude_m = 600.0, accuracy_m = 0.5 }}
[[bus]]
name = "North 345"
mrid = "{B1}"
offset_mm = [0, 300000, 0]
[[bus]]
name = "Away 345"
mrid = "7d8f1b80-0000-4000-8000-000000000002"
offset_mm = [0, 900000, 0]
[[stream]]
source = "pmu"
bus = "North 345"
"""
DEGREE_M = 111_170.0  # of the meridian at Bern, about


def setup(*places: tuple[float, float] | None, kind: FrameType = FrameType.CFG3) -> Setup:
    """As a PMU's own CFG-3 makes it, through the encoder and back."""
    stations = tuple(
        Station(
            f"PMU {at}",
            at + 1,
            Format.POLAR,
            (Phasor("VA"),),
            latitude_deg=None if place is None else place[0],
            longitude_deg=None if place is None else place[1],
        )
        for at, place in enumerate(places)
    )
    found = Configuration(kind, 7, 1_000_000, stations, 50)
    return setup_of("7", ruling(encode_configuration(found, Stamp(1_790_000_000))))


def hearing(time: Time, plan: str = PLAN) -> Hearing:
    found = Hearing(siteplan.read(plan, "site.toml"), time, Randomness("hearing"), Health())
    found.attach(begin())
    return found


def events(found: Hearing) -> list[Noticed]:
    return [event.read(one.raw) for one in sealed(found) if one.kind == Kind.EVENT]


def north(metres: float) -> tuple[float, float]:
    return LATITUDE + metres / DEGREE_M, LONGITUDE


def test_a_device_elsewhere_is_said_and_then_that_it_no_longer_is(time: Time):
    found = hearing(time)
    hear(found, setup(north(5000)), frame(0))
    assert found.checks.tripped(("pmu", "7"), Check.DEVICE_PLACE)
    hear(found, setup(north(0)), frame(1))
    (tripped, cleared) = events(found)
    assert (tripped.event, tripped.check) == (Event.CHECK_TRIPPED, Check.DEVICE_PLACE)
    assert tripped.text.startswith("IDCODE 1: 4700 m from bus 'North 345', 1") and cleared.text
    assert (cleared.event, cleared.check) == (Event.CHECK_CLEARED, Check.DEVICE_PLACE)


def test_it_is_no_doubt_of_the_samples(time: Time):
    found = hearing(time)
    hear(found, setup(north(5000)), frame(0), frame(1))
    (one, two) = [each for each in sealed(found) if each.kind == Kind.C37118]
    assert one.flags == two.flags == frame(0).flags


@pytest.mark.parametrize("metres", [0, 9, 295, 308])
def test_at_the_antenna_or_at_a_bus_of_its_own_it_is_where_it_should_be(time: Time, metres: float):
    found = hearing(time)
    hear(found, setup(north(metres)), frame(0))
    assert not events(found)


@pytest.mark.parametrize("metres", [20, 150, 330, 900])
def test_between_them_or_at_the_bus_of_another_it_is_not(time: Time, metres: float):
    found = hearing(time)
    hear(found, setup(north(metres)), frame(0))
    assert [one.event for one in events(found)] == [Event.CHECK_TRIPPED]


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ((LONGITUDE, LATITUDE), "is it latitude and longitude exchanged?"),
        ((LATITUDE, -LONGITUDE), "is it the sign of the longitude?"),
        ((10.0, 10.0), "it says 10.000000, 10.000000"),
    ],
)
def test_what_it_may_be_is_said(time: Time, stated: tuple[float, float], words: str):
    found = hearing(time)
    hear(found, setup(stated), frame(0))
    assert words in events(found)[0].text


def test_of_a_concentrators_pmus_the_first_is_named_and_the_others_counted(time: Time):
    found = hearing(time)
    hear(found, setup(north(0), north(5000), None, (1.0, 2.0)), frame(0))
    (only,) = events(found)
    assert only.text.startswith("IDCODE 2: ") and only.text.endswith("; and 1 more")


@pytest.mark.parametrize(
    "said",
    [
        setup(None),
        setup((0.0, 0.0)),  # never set
        setup((200.0, 7.0)),  # no place on earth
        setup(north(5000), kind=FrameType.CFG2),  # which has no field for it
        Setup("7", int(Kind.C37118), b"", (0, 0), ()),
    ],
)
def test_a_device_that_names_no_place_contradicts_nothing(time: Time, said: Setup):
    found = hearing(time)
    hear(found, said, frame(0))
    assert not events(found)


def test_a_configuration_that_is_not_known_now_takes_nothing_back(time: Time):
    found = hearing(time)
    hear(found, setup(north(5000)), frame(0))
    hear(found, Setup("7", int(Kind.C37118), b"", (0, 0), ()), frame(1))
    assert found.checks.tripped(("pmu", "7"), Check.DEVICE_PLACE)


def test_without_a_survey_there_is_nothing_to_compare_with(time: Time):
    found = hearing(time, '[site]\nname = "North"\n')
    hear(found, setup(north(5000)), frame(0))
    assert not events(found)


def test_what_binary32_rounds_is_allowed_for(time: Time):
    """179.9 degrees east are 1.7 m from the next number that CFG-3 can state."""
    plan = PLAN.replace(f"longitude = {LONGITUDE}", "longitude = 179.9")
    plan = plan.replace(f"latitude = {LATITUDE}", "latitude = 0.5")
    step = struct.unpack(">f", struct.pack(">f", 179.9))[0]
    place = setup((0.5, 179.9)).blocks[0].position
    assert place is not None and place.longitude == step != 179.9
    assert 0.5 < place.rounded_m < 1.0
    found = hearing(time, plan)
    edge = 179.9 + 12.0 / 111_320  # 11.5 m may be, and 0.85 m of rounding
    hear(found, setup((0.5, edge)), frame(0))
    assert not events(found)


def test_what_is_told_of_places_is_bounded(time: Time):
    health = Health()
    source = health.source("pmu")
    for key in range(40):
        many = setup(*[north(0)] * 30)
        source.place(Setup(str(key), many.kind, many.configuration, many.rate, many.blocks))
    assert sum(map(len, source.places.values())) <= 1024
    assert len(SitePlan(siteplan.Site("S")).terminals()) == 0
