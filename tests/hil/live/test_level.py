"""Stretches of values, on frames that a simulated PMU makes: which readings count, when a stretch
ends, and what says nothing either way.
"""

import pytest

from drivers import decode
from drivers.c37118.configuration import encode_fragments
from drivers.c37118.frame import FrameType, Stamp
from evidence.code import Kind
from evidence.leap import NS
from hil.devices.profile import PHASORS_10, Profile
from hil.live import level
from hil.live.sheet import Level
from hil.report.admitted import Admitted, Shape, shaped

BEGAN = 1_800_000_000 * NS
VOLTS, AMPS, TURNS = 132_790.562, 500.0, {"A": 0.0, "B": -2.0943951, "C": 2.0943951}


@pytest.fixture(scope="module")
def shape() -> Shape:
    profile = Profile(station="one", idcode=1, phasors=PHASORS_10)
    (raw,) = encode_fragments(profile.configuration(FrameType.CFG2), Stamp(0, 0, 0), 65_535)
    return shaped(decode.compiled(Kind.C37118, raw))


def frame(shape: Shape, at_s: float, volts: float = 1.0, amps: float = 1.0, hz: float = 60.0):
    """230 kV and 500 A in phase, times what is said."""
    values: list[float | None] = []
    for slot in shape.compiled.slots:
        name = slot.name.strip()
        if slot.part == "angle":
            values.append(TURNS.get(name[-1], 0.0))
        elif slot.part == "magnitude":
            values.append(VOLTS * volts if name[0] == "V" else AMPS * amps)
        else:
            values.append(hz if name == "FREQ" else 0)
    at = BEGAN + round(at_s * NS)
    return Admitted("north-1 pmu", at, at, at, shape, tuple(values))


def found(rows: list[Level], frames: list[Admitted]) -> list[tuple[str, float, float, int]]:
    facts = list(level.facts(rows, frames, lambda line, tai: tai))
    assert all((one.words["gateway"], one.words["device"]) == ("north-1", "pmu") for one in facts)
    return [
        (
            str(one.words["level"]),
            ((one.begins or 0) - BEGAN) / NS,
            ((one.ends or 0) - BEGAN) / NS,
            one.count,
        )
        for one in facts
    ]


def row(**told: object) -> Level:
    return Level(**{"name": "it", "device": ["pmu"], **told})  # type: ignore[arg-type]


def test_a_stretch_ends_with_the_first_reading_elsewhere(shape: Shape):
    hertz = [60.0, 59.2, 59.1, 59.3, 59.25, 60.0]
    frames = [frame(shape, at / 10, hz=hz) for at, hz in enumerate(hertz)]
    assert found([row(below=59.3)], frames) == [("it", 0.1, 0.2, 2), ("it", 0.4, 0.4, 1)]


def test_a_stretch_ends_where_nothing_is_heard_for_long(shape: Shape):
    frames = [frame(shape, at, hz=59.0) for at in (0, 1, 6, 7)]
    assert found([row(below=59.3)], frames) == [("it", 0, 1, 2), ("it", 6, 7, 2)]


@pytest.mark.parametrize(
    ("told", "counts"),
    [
        ({"of": "voltage", "above": 229.9, "below": 230.1}, 1),
        ({"of": "current", "above": 499.0, "below": 501.0}, 1),
        ({"of": "power", "above": 199.0, "below": 199.5}, 1),  # sqrt(3) * 230 kV * 500 A
        ({"of": "power", "below": 0.0}, 0),
        ({"of": "frequency", "above": 59.0, "below": 61.0}, 1),
        ({"of": "frequency", "above": 60.0}, 0),  # above is not at
        ({"of": "rocof", "above": -0.1, "below": 0.1}, 1),
        ({"channel": "FREQ", "above": 59.0}, 1),
        ({"channel": "nobody's", "above": 0.0}, 0),
        ({"device": ["another"], "above": 0.0}, 0),
    ],
)
def test_what_is_measured(told: dict[str, object], counts: int, shape: Shape):
    assert sum(one[-1] for one in found([row(**told)], [frame(shape, 0)])) == counts


def test_what_the_device_did_not_give_says_nothing(shape: Shape):
    whole = frame(shape, 0)
    values = list(whole.values or ())
    at = next(one.at for one in shape.phasors if one.name == "VB")
    values[at] = None
    partly = whole._replace(values=tuple(values))
    assert found([row(of="voltage", above=0.0)], [partly]) == []
    assert found([row(of="voltage", below=1.0)], [partly]) == []
    assert found([row(above=0.0)], [whole._replace(values=None)]) == []
    assert found([row(above=0.0)], [whole._replace(shape=None)]) == []


def test_an_instant_is_the_arrival_or_what_the_device_claims(shape: Shape):
    held_up = [
        one._replace(arrived=one.arrived + 5 * NS)
        for one in (frame(shape, 0.0), frame(shape, 0.1), frame(shape, 0.2, hz=59.0))
    ]
    assert found([row(above=59.5)], held_up) == [("it", 5.0, 5.1, 2)]
    assert found([row(above=59.5, by="claim")], held_up) == [("it", 0.0, 0.1, 2)]


def test_an_instant_is_put_on_the_bench_s_clock(shape: Shape):
    (fact,) = level.facts([row(above=0.0)], [frame(shape, 5)], lambda line, tai: tai - 3 * NS)
    assert fact.begins == BEGAN + 2 * NS


def test_a_reversed_current_flows_the_other_way(shape: Shape):
    one = frame(shape, 0)
    values = list(one.values or ())
    for phasor in shape.phasors:
        if phasor.current:
            values[phasor.at] = -AMPS
    assert len(found([row(of="power", below=-199.0)], [one._replace(values=tuple(values))])) == 1
