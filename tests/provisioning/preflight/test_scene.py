"""What the checks of phasors say of any bus, line and load, with 1 % of error in every phasor: a
site that is well is never at fault, and a mistake always is.
"""

import cmath
import math
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from evidence import siteplan
from evidence.code import Flag
from provisioning.look import within
from provisioning.preflight import bus, current, sequence
from provisioning.preflight.outcome import Outcome, Word
from provisioning.preflight.phasor import TURN
from provisioning.preflight.scene import Scene
from provisioning.snapshot import Phasor, Snapshot
from tests.provisioning.preflight.yard import Unit, Yard, mrid

VOLTS, RATED_A = 345_000 / math.sqrt(3), 1000.0
TVE = 0.01
NS = 1_000_000_000
LOOKS = 3
ROLL_LAG = 0.85  # rad: from there on cos(lag - 120 degrees) comes near cos(lag)
NEUTRAL = "ABC"
ANGLES = st.floats(-math.pi, math.pi)
NOISE = st.builds(cmath.rect, st.floats(0, TVE), ANGLES)
NOISES = st.lists(NOISE, min_size=12, max_size=12)
Site = dict[str, Any]
SITES = st.fixed_dictionaries(
    {
        "rotation": st.sampled_from(["ABC", "ACB"]),
        "angle": ANGLES,
        "off_hz": st.floats(-0.5, 0.5),
        "volts": st.floats(0.92, 1.08),
        "load": st.floats(0.25, 1.2),
        "lag": st.floats(-1.2, 1.2),  # of the current: active power stays above a tenth
        "sign": st.sampled_from([1, -1]),
        "noise": NOISES,
        "apart_ms": st.integers(0, 200),
    }
)


def snapshot(source: str, at: int, site: Site, noise: Sequence[complex], **wrong) -> Snapshot:
    """What a PMU says at an instant, ns after the first; as it is wired: `order`, `pt`, `ct`,
    `reverse`.
    """
    lag = TURN.conjugate() if site["rotation"] == "ABC" else TURN
    turned = site["angle"] + 2 * math.pi * site["off_hz"] * at / NS
    phasors = []
    for number, name in enumerate(NEUTRAL):
        wired = NEUTRAL.index(wrong.get("order", NEUTRAL)[number])
        volt = VOLTS * site["volts"] * cmath.rect(1, turned) * lag**wired
        amp = RATED_A * site["load"] * site["sign"]
        amp = amp * cmath.rect(1, turned - site["lag"]) * lag**number
        amp *= wrong.get("ct", 1.0) * (-1 if name in wrong.get("reverse", "") else 1)
        volt *= wrong.get("pt", 1.0)
        for letter, value, off in (("V", volt, noise[number]), ("I", amp, noise[number + 3])):
            value = value * (1 + off)
            quantity, terminal = ("voltage", "") if letter == "V" else ("current", mrid(2, "1"))
            degrees = within(math.degrees(cmath.phase(value)))
            told = (letter + name, quantity, name, abs(value), degrees, "Bus 1", terminal)
            phasors.append(Phasor(*told))
    flags = int(Flag.LOCKED | Flag.TRACEABLE)
    about = (source, "idcode=1", "c37118+tcp", source, 1, at + NS, 1000, flags, (30, 1), 30.0)
    return Snapshot(*about, 60 + site["off_hz"], 0.0, tuple(phasors), (), 90)


def scene(site: Site, **wrong) -> Scene:
    """Two PMUs of one terminal; the second one is as it is wired."""
    units = (Unit("good", 1, terminal="1"), Unit("bad", 1, terminal="1"))
    plan = siteplan.read(Yard(units, rotation=site["rotation"]).plan(), "site.toml")
    noise = site["noise"]
    looks = [
        [
            snapshot("good", at * NS // 4, site, noise[:6]),
            snapshot("bad", at * NS // 4 + site["apart_ms"] * 1_000_000, site, noise[6:], **wrong),
        ]
        for at in range(LOOKS)
    ]
    power = 3 * VOLTS * site["volts"] * RATED_A * site["load"] * site["sign"]
    mw = power * math.cos(site["lag"]) / 1e6
    return Scene(plan, (), looks, readings={"good/I": mw, "bad/I": mw})


def told(of: Scene) -> list[Outcome]:
    checks = (
        *(sequence.check, bus.roll, bus.pt_ratio, bus.same_bus),
        *(current.directions, current.ratios),
    )
    return [one for check in checks for one in check(of)]


def words(found: Sequence[Outcome], check: str, of: str) -> set[Word]:
    return {one.word for one in found if one.check == check and one.of == of}


@given(SITES)
def test_a_site_that_is_well_is_all_ok(site):
    found = told(scene(site))
    assert {one.word for one in found} == {Word.OK}, [one for one in found if one.word != "ok"]
    assert len(found) == 14


@given(SITES, st.sampled_from(["ACB", "BAC", "CBA"]))
def test_two_swapped_are_always_named(site, order):
    found = told(scene(site, order=order))
    assert words(found, "sequence", "bad/V") == {Word.FAULT}
    assert words(found, "sequence", "good/V") == {Word.OK}


@given(SITES, st.sampled_from(["BCA", "CAB"]))
def test_a_roll_is_always_named_and_is_no_sequence(site, order):
    found = told(scene(site, order=order))
    assert words(found, "roll", "bad/V") == {Word.FAULT}
    assert words(found, "sequence", "bad/V") == {Word.OK}
    assert words(found, "same-bus", "bad/V") == {Word.OK}


@given(SITES, st.sampled_from([0.5, 3**-0.5, 1.1, 3**0.5, 2.0]))
def test_a_wrong_pt_ratio_is_always_named(site, ratio):
    assert words(told(scene(site, pt=ratio)), "pt-ratio", "bad/V") == {Word.FAULT}


@given(SITES, st.sampled_from([0.5, 0.8, 1.25, 2.0]))
def test_a_wrong_ct_ratio_is_always_named(site, ratio):
    assert words(told(scene(site, ct=ratio)), "ct-ratio", "bad/I") == {Word.FAULT}


@given(SITES, st.sampled_from(["A", "B", "C", "ABC"]))
def test_a_reversed_ct_is_always_named(site, reverse):
    found = told(scene(site, reverse=reverse))
    assert words(found, "ct-direction", "bad/I") == {Word.FAULT}
    good = words(found, "ct-direction", "good/I")
    if abs(site["lag"]) < ROLL_LAG:
        assert good == {Word.OK}
    else:  # its power would be the same if it were rolled, and the only other source is wrong
        assert good <= {Word.OK, Word.CANNOT_TELL}
