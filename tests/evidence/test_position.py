"""Positions: how they are signed, how far they are apart, and what a wrong one may be."""

import math
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evidence import cbor, position
from evidence.position import Position
from evidence.refusal import EvidenceError

BERN = Position(46.9480, 7.4474, 600.0, 0.5)


@pytest.mark.parametrize(
    ("here", "there", "metres"),
    [
        # A degree of a meridian is 110,574 m at the equator and 111,694 m at the pole (WGS84).
        (Position(-0.0005, 20.0), Position(0.0005, 20.0), 110.574),
        (Position(89.999, 20.0), Position(90.0, 20.0), 111.694),
        (Position(0.0, 179.9995), Position(0.0, -179.9995), 111.320),
        (Position(60.0, 10.0), Position(60.0, 10.001), 55.800),
        (Position(90.0, 0.0), Position(90.0, 123.0), 0.0),
    ],
)
def test_distances_are_those_of_the_ellipsoid(here: Position, there: Position, metres: float):
    assert position.distance_m(here, there) == pytest.approx(metres, abs=0.001)
    assert position.distance_m(there, here) == position.distance_m(here, there)


@given(st.floats(-85, 85), st.floats(-180, 180), st.floats(-5000, 5000), st.floats(-5000, 5000))
def test_a_place_moved_is_so_far_away(north: float, east: float, x: float, y: float):
    here = Position(north, east)
    there = here.moved(x, y)
    assert there.possible()
    assert position.distance_m(here, there) == pytest.approx(math.hypot(x, y), rel=0.01, abs=0.01)


@example(89.04299545288669, 0.0)  # near a pole a degree is longer than at the equator
@given(st.floats(-90, 90), st.floats(-180, 180))
def test_what_binary32_loses_is_accounted_for(north: float, east: float):
    latitude, longitude = struct.unpack(">ff", struct.pack(">ff", north, east))
    found = position.of_binary32(latitude, longitude, None)
    assert position.distance_m(Position(north, east), found) <= found.rounded_m + 1e-6
    assert found.rounded_m < 1.0


def test_three_sigma_and_ten_metres_may_lie_between():
    assert position.allowed_m(BERN, Position(46.9, 7.4, None, 1.2)) == pytest.approx(13.9)
    assert position.agree(BERN, BERN.moved(12.1, 0))
    assert not position.agree(BERN, BERN.moved(12.2, 0))


@pytest.mark.parametrize(
    ("stated", "may_be"),
    [
        (Position(7.4474, 46.9480), "latitude and longitude exchanged"),
        (Position(46.9480, -7.4474), "the sign of the longitude"),
        (Position(-46.9480, 7.4474), "the sign of the latitude"),
        (Position(-46.9480, -7.4474), "the signs of both"),
        (Position(math.radians(46.9480), math.radians(7.4474)), "radians for degrees"),
        (BERN.moved(0, 500)._replace(longitude=-7.4474), "the sign of the longitude"),
        (BERN.moved(0, 50), ""),
        (Position(52.5163, 13.3777), ""),
    ],
)
def test_a_usual_mistake_is_named(stated: Position, may_be: str):
    assert position.guess(stated, BERN) == may_be


def test_a_value_is_read_as_it_was_written():
    for found in (BERN, Position(-90.0, 180.0), Position(1.0, 2.0, 3.0)):
        assert position.read(found.value()) == found
    assert position.read(Position(1, 2)._replace(rounded_m=0.5).value()).rounded_m == 0.0


@pytest.mark.parametrize(
    "value",
    [None, 1, [1.0, 2.0], {1: 1.0}, {1: 1, 2: 2.0}, {1: 91.0, 2: 0.0}, {1: 1.0, 2: 2.0, 9: 0.0},
     {1: 0.0, 2: -181.0}, {1: 1.0, 2: None}],
)  # fmt: skip
def test_what_is_no_position_is_refused(value: object):
    with pytest.raises(EvidenceError, match="shape: position"):
        position.read(cbor.encode(value))


@given(st.binary(max_size=60))
def test_any_bytes_are_a_position_or_refused(value: bytes):
    try:
        assert position.read(value).possible()
    except EvidenceError:
        pass


def test_another_place_than_the_one_granted_is_said_with_the_distance():
    granted = BERN.value()
    assert position.refusal(None, granted) == position.refusal(granted, None) == ""
    assert position.refusal(BERN.moved(5, 5).value(), granted) == ""
    words = position.refusal(BERN.moved(0, 50).value(), granted)
    assert words == "50 m from the position in the credential, 12 m may be"
