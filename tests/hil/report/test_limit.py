"""Limits of the standard's own signals: which there are, and how a PMU comes out beside them."""

import math
import re
from typing import Any

import pytest

from evidence.leap import NS
from hil.power.instrument import Instrument
from hil.power.signal import Signal, Signals
from hil.report import limit, page
from hil.report.error import tve
from hil.report.limit import Beside

BEGINS = 1_800_000_000 * NS
STEADY, RAMP = Signal("steady", off_hz=1.0), Signal("ramp")


@pytest.mark.parametrize(
    ("signal", "service", "rate", "figures"),
    [
        (STEADY, "P", 60, (0.01, 0.01, 0.005, 0.4)),
        (STEADY, "M", 60, (0.01, 0.01, 0.005, 0.1)),
        (Signal("steady", off_hz=-5.0), "M", 25, (0.01, 0.01, 0.005, 0.1)),
        (Signal("steady", off_hz=4.0), "M", 20, (0.01, 0.01, 0.005, 0.1)),
        (Signal("steady", magnitude=0.8), "P", 60, (0.01, 0.01)),
        (Signal("steady", magnitude=0.1), "M", 60, (0.01, 0.01)),
        (RAMP, "P", 60, (0.01, 0.01, 0.01, 0.4)),
        (RAMP, "M", 60, (0.01, 0.01, 0.01, 0.2)),
        (Signal("amplitude", modulation_hz=2.0), "P", 60, (0.03, 0.03, 0.06, 2.262)),
        (Signal("phase", modulation_hz=5.0), "M", 60, (0.03, 0.03, 0.3, 14.14)),
        (Signal("phase", modulation_hz=1.0), "P", 10, (0.03, 0.03, 0.03, 0.5655)),
    ],
)
def test_a_signal_of_the_standard_has_limits(
    signal: Signal, service: str, rate: int, figures: tuple[float, ...]
):
    found = limit.of(signal, service, rate)
    assert list(found) == ["tve_volts", "tve_amps", "fe_hz", "rfe_hz_s"][: len(figures)]
    assert list(found.values()) == pytest.approx(figures, rel=1e-3)


# Of a file each of usnistgov/PMUCalPostProcessing, Specifications/spec_60F0_*Fs_*.csv (2021): rate,
# class, FE and RFE of FreqRng, of PhaseMod and AmplMod, of RampPos and RampNeg, as rounded there.
# In all of them TVE is 1 %, of modulation 3 %; FE and RFE of MagRng are "Inf": not limited.
NIST = [
    (60, "M", (0.005, 0.1), (0.3, 14.0), (0.01, 0.2)),
    (60, "P", (0.005, 0.4), (0.06, 2.3), (0.01, 0.4)),
    (20, "M", (0.005, 0.1), (0.24, 9.0), (0.01, 0.2)),
    (12, "M", (0.005, 0.1), (0.14, 3.3), (0.01, 0.2)),
    (12, "P", (0.005, 0.4), (0.04, 0.8), (0.01, 0.4)),
    (10, "M", (0.005, 0.1), (0.12, 2.3), (0.01, 0.2)),
    (10, "P", (0.005, 0.4), (0.03, 0.6), (0.01, 0.4)),
]
PAIR = tuple[float, float]


@pytest.mark.parametrize(("rate", "service", "steady", "modulated", "ramp"), NIST)
def test_limits_are_those_by_which_nist_reports(
    rate: int, service: str, steady: PAIR, modulated: PAIR, ramp: PAIR
):
    most_hz = min(rate / 10, 2.0) if service == "P" else min(rate / 5, 5.0)
    for signal, share, (fe_hz, rfe_hz_s), rounded in (
        (Signal("steady", off_hz=-2.0), 0.01, steady, 0.0),
        (Signal("ramp", range_hz=2.0), 0.01, ramp, 0.0),
        # 36 mHz are 40 there, 0.57 Hz/s 0.6, 14.14 Hz/s 14.
        (Signal("phase", modulation_hz=most_hz), 0.03, modulated, 0.005),
        (Signal("amplitude", modulation_hz=0.1), 0.03, modulated, 0.005),
    ):
        found = limit.of(signal, service, rate)
        assert found["tve_volts"] == found["tve_amps"] == share
        assert found["fe_hz"] == pytest.approx(fe_hz, abs=rounded + 1e-12)
        assert found["rfe_hz_s"] == pytest.approx(rfe_hz_s, abs=10 * rounded, rel=0.01)


@pytest.mark.parametrize(
    ("magnitude", "service", "limited"),
    [
        (0.8, "P", ["tve_volts", "tve_amps"]),
        (0.7, "P", ["tve_amps"]),
        (0.1, "M", ["tve_volts", "tve_amps"]),
        (1.2, "M", ["tve_volts", "tve_amps"]),
        (2.0, "M", ["tve_amps"]),
    ],
)
def test_voltages_and_currents_have_ranges_of_their_own(
    magnitude: float, service: str, limited: list[str]
):
    """IEC/IEEE 60255-118-1 6.3 by MDPI Sensors 21 (2021) 6133, 2.2.1, and by a program that runs
    the calibrator of NIST (voltages from 80 or 10 to 120 %, currents from 10 to 200 %)."""
    assert list(limit.of(Signal("steady", magnitude=magnitude), service, 60)) == limited


@pytest.mark.parametrize(
    ("signal", "service", "rate"),
    [
        (Signal("steady", off_hz=2.5), "P", 60),
        (Signal("steady", off_hz=2.5), "M", 10),
        (Signal("steady", off_hz=4.5), "M", 20),
        (Signal("steady", off_hz=1.0, magnitude=0.9), "M", 60),  # one at a time
        (Signal("steady", magnitude=0.05), "M", 60),
        (Signal("steady", magnitude=2.1), "P", 60),
        (Signal("ramp", hz_s=2.0), "M", 60),
        (Signal("ramp", range_hz=3.0), "P", 60),
        (Signal("ramp", range_hz=3.0), "M", 10),
        (Signal("phase", depth=0.2), "M", 60),
        (Signal("phase", modulation_hz=3.0), "P", 60),
        (Signal("amplitude", modulation_hz=0.05), "P", 60),
        (Signal("amplitude", magnitude=0.9), "P", 60),
    ],
)
def test_what_is_none_of_its_signals_has_none(signal: Signal, service: str, rate: int):
    assert limit.of(signal, service, rate) == {}


def came(
    signal: Signal, service: Any, lasts_s: float, rate: int = 60, spoil: float = 0.0
) -> dict[str, Any]:
    """Of a PMU of the bench; `spoil`: a share by which its voltages are off beside."""
    signals = Signals([signal], 60, BEGINS, {1: Instrument(service=service, rate=rate)})
    beside = Beside(signal, service, rate, BEGINS)
    for number in range(round(lasts_s * rate) + 1):
        tai = BEGINS + number * NS // rate
        true, said = signals.truth(tai, 1), signals.measured(tai, 1, 1)
        pairs = zip(true.voltages, said.voltages, strict=True)
        errors = [("tve_volts", tve(b * (1 + spoil), a)) for a, b in pairs]
        errors.append(("fe_hz", abs(said.frequency_hz - true.frequency_hz)))
        errors.append(("rfe_hz_s", abs(said.rocof_hz_s - true.rocof_hz_s)))
        beside.add(tai, errors)
    return beside.told()


def test_a_pmu_of_the_bench_is_within_and_one_that_is_off_is_beyond():
    within = {"tve_volts": "within", "fe_hz": "within", "rfe_hz_s": "within"}
    for service in ("P", "M"):
        told = came(STEADY, service, 1.0)
        assert told["comes"] == within  # and nothing of the currents, which it did not say
        assert 0 < told["max"]["tve_volts"] < told["limits"]["tve_volts"]
        off = came(STEADY, service, 1.0, spoil=0.02)
        assert off["comes"] == {**within, "tve_volts": "beyond"}


@pytest.mark.parametrize(
    ("service", "rate", "reach_hz", "band_hz", "lasts_s"),
    [
        ("P", 60, 2.0, 2.0, 8.0),
        ("P", 10, 2.0, 1.0, 8.0),
        ("M", 60, 5.0, 5.0, 20.0),
        ("M", 30, 5.0, 5.0, 20.0),
        ("M", 10, 2.0, 2.0, 8.0),
    ],
)
def test_pmus_of_the_bench_are_of_their_class_at_each_end_of_its_ranges(
    service: str, rate: int, reach_hz: float, band_hz: float, lasts_s: float
):
    for signal, seconds in (
        (Signal("steady", off_hz=reach_hz), 0.5),
        (Signal("steady", off_hz=-reach_hz), 0.5),
        (Signal("ramp", range_hz=reach_hz), lasts_s),
        (Signal("amplitude", modulation_hz=band_hz), 2.1),
        (Signal("phase", modulation_hz=band_hz), 2.1),
    ):
        told = came(signal, service, seconds, rate)
        assert set(told["comes"].values()) == {"within"}, told


def test_a_window_of_class_p_is_no_class_m_at_five_hertz():
    """What the limits are there to find: at 60 frames a second M reaches 5 Hz to either side."""
    signal = Signal("steady", off_hz=5.0)
    signals = Signals([signal], 60, BEGINS, {1: Instrument(service="P")})
    true, said = signals.truth(BEGINS, 1), signals.measured(BEGINS, 1, 1)
    beside = Beside(signal, "M", 60, BEGINS)
    beside.add(BEGINS, [("tve_volts", tve(said.voltages[0], true.voltages[0]))])
    assert beside.comes() == {"tve_volts": "beyond"}
    # A triangle of a cycle to either side passes sinc(5 / 60) squared.
    passed = (math.sin(math.pi / 12) / (math.pi / 12)) ** 2
    assert beside.told()["max"]["tve_volts"] == pytest.approx(1 - passed, abs=0.001)


def test_frames_around_a_turn_of_a_ramp_are_left_out():
    """There ROCOF jumps by 2 Hz/s, and no window can follow."""
    for service, around in (("P", 2), ("M", 7)):
        told = came(RAMP, service, 8.0)
        assert set(told["comes"].values()) == {"within"}
        # The beginning, the middle with both sides, the end.
        assert told["near_a_turn"] == 4 * around + 3
        assert told["frames"] + told["near_a_turn"] == 481


@pytest.mark.parametrize(
    ("signal", "short_s", "long_s"),
    [(RAMP, 4.0, 8.0), (Signal("phase", modulation_hz=2.0), 0.8, 1.1)],
    ids=["ramp", "phase"],
)
def test_within_is_said_of_what_was_seen_whole(signal: Signal, short_s: float, long_s: float):
    assert set(came(signal, "P", short_s)["comes"].values()) == {"too_short"}
    assert set(came(signal, "P", long_s)["comes"].values()) == {"within"}


def test_of_what_was_never_heard_nothing_is_said():
    told = Beside(STEADY, "P", 60, BEGINS).told()
    assert (told["frames"], told["comes"]) == (0, {})
    assert came(Signal("steady", off_hz=2.5), "P", 0.1)["limits"] == {}


def test_the_page_has_each_error_beside_its_limit_in_words():
    told = came(STEADY, "M", 1.0, spoil=0.02)
    none = came(Signal("steady", off_hz=2.5), "P", 0.1)
    streams = [
        {"device": "<m>", "measured": {"limits": told}},
        {"device": "p", "measured": {"limits": none}},
        {"device": "other", "measured": {}},
        {"device": "relay"},
    ]
    shown = page.limited({"streams": streams})
    words = re.sub(r"<[^>]*>", " ", shown)
    assert re.search(r"&lt;m&gt;\s+M\s+steady state\s+61\s+2\.\d+ of 1\s+beyond", words)
    assert re.search(r"0 of 1\s+not said\s+0\.\d+ of 5\s+within\s+0\.\d+ of 0\.1\s+within", words)
    assert "steady state, for which it has none" in words
    assert "other" not in words
    assert page.limited({"streams": streams[2:]}) == ""
