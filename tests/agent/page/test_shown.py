"""One stream as it is shown: phasors of every form as magnitude and angle, what is missing as null,
devices of a concentrator apart, and words where there are no phasors.
"""

import json
import math
from math import nan

import pytest

from agent.lane import Lane
from agent.page.shown import QUIET_NS, Shown
from agent.page.view import event
from drivers.c37118.wire import (
    Block,
    Format,
    Layout,
    Stamp,
    encode_configuration,
    encode_data,
)
from drivers.line import Block as Device
from drivers.line import Frame, Instant, Setup
from evidence.code import Flag, Kind, TimeSource
from evidence.leap import BUILT_IN
from tests.drivers.pmu import configuration
from tests.drivers.vector import expected, vector

STAMP = Stamp(1_700_000_000, 0)
TAI = BUILT_IN.tai_ns(1_700_000_000)


def shown(kind: Kind, raw: bytes, *stations: str) -> Shown:
    lane = Lane(1, "bay", "idcode=7")
    blocks = tuple(Device(name, 7, "P", None, None, ()) for name in stations)
    lane.set_up(Setup("idcode=7", int(kind), raw, (50, 1), blocks))
    return Shown(lane, BUILT_IN)


def frame(kind: Kind, raw: bytes) -> Frame:
    heard, flags = Instant(TAI + 23_000_000, 1000), int(Flag.LOCKED)
    return Frame("idcode=7", int(kind), raw, TAI, 1500, int(TimeSource.GNSS), flags, heard)


def pmu(form: Format, values: list[tuple[float, float]], hz: float = 50.02) -> Shown:
    found = configuration(format=form)
    made = shown(Kind.C37118, encode_configuration(found, STAMP), "Bay\u202e 1")
    raw = encode_data(Layout(found), STAMP, [Block(0, values, hz, -0.01)])
    made.hear(frame(Kind.C37118, raw))
    return made


@pytest.mark.parametrize("form", [Format(15), Format.PHASOR_FLOAT | Format.FREQ_FLOAT])
def test_polar_and_rectangular_are_shown_alike(form: Format) -> None:
    polar = bool(form & Format.POLAR)
    volts = (230_000.0, 2.0) if polar else (230_000 * math.cos(2.0), 230_000 * math.sin(2.0))
    said = pmu(form, [volts, (3.0, 0.0)]).now(TAI + 30_000_000)
    ((hz, rocof, *pairs),) = said["devices"]
    assert (hz, rocof) == pytest.approx((50.02, -0.01), abs=1e-4)
    assert pairs == pytest.approx([230_000, 2.0, 3.0, 0.0], abs=0.02)


def test_its_clock_and_its_way_are_told_beside_it() -> None:
    made = pmu(Format(15), [(1.0, 0.0), (1.0, 0.0)])
    said = made.now(TAI + 30_000_000)
    assert (said["late_us"], said["bound_ns"], said["clock"]) == (23_000, 1500, "gnss")
    assert (said["age_ms"], said["quiet"], said["quality"]) == (7, False, ["locked"])
    assert said["utc_ms"] == 1_700_000_000_000
    assert made.now(TAI + QUIET_NS + 100_000_000)["quiet"]
    made.lane.doubted(True)
    made.hear(made._latest._replace())  # type: ignore[union-attr]
    assert made.now(TAI)["quality"] == ["locked", "time_doubted"]


def test_of_one_that_fell_silent_before_anybody_looked_is_told_for_how_long() -> None:
    made = shown(Kind.C37118, b"")
    assert made.now(TAI) == {}
    made.lane.sealed([frame(Kind.C37118, b"")])
    assert made.now(TAI + 1_000_000_000) == {}  # the next one is about to be shown
    assert made.now(TAI + 90_000_000_000) == {"age_ms": 90_000, "quiet": True}


def test_what_is_missing_is_null_for_whoever_reads_it() -> None:
    made = pmu(Format(15), [(nan, nan), (1.0, 0.5)], hz=nan)
    told = json.loads(event("live", made.now(TAI)).split(b"data: ")[1])
    assert told["devices"][0][0] is None and told["devices"][0][2:] == [None, None, 1.0, 0.5]


def test_names_are_harmless_and_bounded() -> None:
    (device,) = pmu(Format(15), [(1.0, 0.0), (1.0, 0.0)]).told()["devices"]
    assert device["name"] == "Bay\\u202e 1"
    assert [name for name, *_ in device["phasors"]] == ["VA", "IA"]
    long = shown(Kind.C37118, encode_configuration(configuration(), STAMP), "x" * 500)
    assert len(long.told()["devices"][0]["name"]) == 64


def test_devices_of_one_frame_are_told_apart() -> None:
    made = shown(Kind.C37118, vector("c37118", "cfg2_integers"), "One", "Two")
    raw = vector("c37118", "data_integers")
    made.hear(frame(Kind.C37118, raw))
    values = expected("c37118")["data_integers"]["values"]
    first, second = made.now(TAI)["devices"]
    assert [one["name"] for one in made.told()["devices"]] == ["One", "Two"]
    assert first[0] in [pytest.approx(one, abs=1e-4) for one in values if one]
    assert len(second) == 4


def test_a_frame_that_cannot_be_decoded_says_why() -> None:
    made = pmu(Format(15), [(1.0, 0.0), (1.0, 0.0)])
    made.hear(frame(Kind.C37118, b"\xaa\x01 short"))
    (row,) = made.now(TAI)["rows"]
    assert row.startswith("truncated: 8 bytes")


def test_what_has_no_phasors_is_told_in_words() -> None:
    made = shown(Kind.MODBUS, vector("modbus", "map_registers"))
    assert made.told()["devices"] == [] and made.now(TAI) == {}
    made.hear(frame(Kind.MODBUS, vector("modbus", "registers_tcp")))
    rows = made.now(TAI)["rows"]
    assert rows and all(isinstance(row, str) for row in rows)


def test_what_measures_nothing_is_not_shown() -> None:
    made = pmu(Format(15), [(1.0, 0.0), (1.0, 0.0)])
    before = made.now(TAI)
    made.hear(frame(Kind.EVENT, b""))
    assert made.now(TAI) == before
