"""What becomes of a receiver's messages: one Fix an epoch, and everything that is wrong with it
named. The receiver is the simulated one; its messages are made by pyubx2.
"""

import pytest
from pyubx2 import GET, UBXMessage

from drivers.gnss.wire import (
    FIX_BYTES_MAX,
    Antenna,
    Doubt,
    Epochs,
    Fix,
    FixType,
    Mode,
    Speech,
    Suspicion,
)
from drivers.line import Instant
from evidence.code import Flag
from evidence.leap import NS
from hil.devices.gnss import sentence
from tests.drivers.receiver_line import LATER_NS, START, Line


@pytest.fixture
def line() -> Line:
    made = Line()
    made.step()
    return made


def test_all_is_well(line: Line):
    at = line.tai
    fix = line.step()
    assert fix.speech is Speech.UBX and fix.doubts == frozenset() and fix.faults == 0
    assert (fix.tai, fix.accuracy_ns, fix.bound_ns) == (at, 22, 66)
    assert (fix.fix_type, fix.mode) == (FixType.SPACE, Mode.NAVIGATION)
    assert fix.time_counts and fix.place_counts
    assert fix.leap == (37, True, 0, None)
    assert fix.spoofing is Suspicion.NONE and fix.jamming is Suspicion.NONE
    assert fix.rf is not None and fix.rf.antenna is Antenna.OK
    assert fix.signals is not None
    assert (fix.signals.used, fix.signals.systems) == (20, 4)
    assert fix.pulse is not None and fix.pulse.tai == at + NS and fix.pulse.error_ps is not None
    assert fix.flags() == Flag.LOCKED | Flag.TRACEABLE
    assert fix.place is not None and fix.place.height_mm is not None
    assert abs(fix.place.latitude_e7 - 469_480_000) < 200  # two metres
    assert abs(fix.place.height_mm - 600_000) < 2_000


PLIGHTS = [
    ({"lost": True}, {Doubt.NO_FIX, Doubt.POSITION_INVALID}, Flag.AGENT_STAMPED),
    ({"weeks_off": -1024}, {Doubt.WEEK_ROLLOVER, Doubt.BACKWARDS}, Flag.AGENT_STAMPED),
    ({"weeks_off": -2048}, {Doubt.WEEK_ROLLOVER, Doubt.BACKWARDS}, Flag.AGENT_STAMPED),
    ({"weeks_off": 1024}, {Doubt.WEEK_ROLLOVER}, Flag.AGENT_STAMPED),
    (
        {"unset": True},
        {
            *(Doubt.CLOCK_UNSET, Doubt.BACKWARDS, Doubt.UNRESOLVED),
            *(Doubt.NO_FIX, Doubt.POSITION_INVALID),
        },
        Flag.AGENT_STAMPED,
    ),
    ({"weeks_off": -300}, {Doubt.PAST, Doubt.BACKWARDS}, Flag.AGENT_STAMPED),
    ({"weeks_off": 5000}, {Doubt.FUTURE}, Flag.AGENT_STAMPED),
    ({"repeats": True}, {Doubt.REPEATED}, Flag.AGENT_STAMPED),
    ({"pull_ns": -2 * NS}, {Doubt.BACKWARDS}, Flag.AGENT_STAMPED),
    (
        {"leap_wrong_s": -2},
        {Doubt.LEAP_DISAGREES},
        Flag.LOCKED | Flag.TRACEABLE | Flag.LEAP_UNKNOWN,
    ),
    ({"leap_firmware": True}, {Doubt.LEAP_FIRMWARE}, Flag.LOCKED | Flag.TRACEABLE),
    ({"pulse_unlocked": True}, {Doubt.PULSE_UNLOCKED}, Flag.LOCKED | Flag.TRACEABLE),
    ({"spoofing": 2}, set(), Flag.LOCKED | Flag.TRACEABLE | Flag.SPOOF_SUSPECTED),
    ({"jamming": 2}, set(), Flag.LOCKED | Flag.TRACEABLE | Flag.JAM_SUSPECTED),
    ({"held": True}, set(), Flag.LOCKED | Flag.TRACEABLE),
]


@pytest.mark.parametrize(("plight", "doubts", "flags"), PLIGHTS)
def test_plights(line: Line, plight: dict[str, object], doubts: set[Doubt], flags: Flag):
    """Each is named, once it is there and not before; a second later all is well again."""
    fix = line.step(**plight)
    assert fix.doubts == doubts
    assert fix.flags() == flags
    assert fix.time_counts == (Flag.AGENT_STAMPED not in flags)
    assert (fix.bound_ns is None) == (Flag.AGENT_STAMPED in flags)
    line.clear()
    line.step()
    assert line.step().doubts == frozenset()


def test_leap_seconds_of_the_receiver_do_not_move_its_instant(line: Line):
    """UBX says GPS time too: a receiver with wrong leap seconds has a wrong UTC, and a good TAI."""
    at = line.tai
    fix = line.step(leap_wrong_s=-2)
    assert fix.tai == at and fix.leap.tai_utc_s == 35


def test_a_moved_antenna_is_seen_in_navigation_mode_only(line: Line):
    before = line.step()
    moved = line.step(moved_m=(50.0, 0.0, 0.0))
    assert before.place is not None and moved.place is not None
    assert 4_300 < moved.place.latitude_e7 - before.place.latitude_e7 < 4_700  # 50 m
    assert moved.place_counts
    held = line.step(held=True)
    assert (held.mode, held.fix_type) == (Mode.FIXED, FixType.TIME)
    assert held.time_counts and not held.place_counts
    assert line.step(held=False, survey=True).mode is Mode.SURVEY


def test_a_slow_pull_is_in_what_is_claimed_and_in_no_flag(line: Line):
    """A microsecond a second, and a metre: a receiver says what it believes; others must notice."""
    line.step(drift_ns=1_000, drift_m=(0.0, 1.0))
    for _ in range(8):
        line.step()
    at = line.tai
    fix = line.step()
    assert fix.tai == at + 10_000 and fix.doubts == frozenset()
    assert fix.pulse is not None and fix.pulse.tai == at + NS  # it is the pulse that is off
    assert fix.place is not None and 1_100 < fix.place.longitude_e7 - 74_474_000 < 1_550
    assert fix.spoofing is Suspicion.NONE and fix.time_counts


def test_satellites_collapse_with_their_signals(line: Line):
    fix = line.step(cn0_drop_db=20, satellites=5)
    assert fix.signals is not None
    assert fix.signals.tracked == 5 and (fix.signals.cn0_mean or 99) < 30


def test_the_antenna_is_a_change_of_state(line: Line):
    before = line.step()
    assert line.step().state() == before.state()
    for name, value in (("antenna", 4), ("jamming", 3), ("spoofing", 3), ("held", True)):
        assert line.step(**{name: value}).state() != before.state(), name
        line.clear()


# --- languages and epochs


def test_nmea_alone():
    """A time and a place, and no claim about either's accuracy but GST's."""
    line = Line(ubx=False, nmea=True)
    at = line.tai
    fix = line.step()
    assert fix.speech is Speech.NMEA and fix.doubts == frozenset()
    assert fix.tai == at and fix.time_counts
    assert fix.accuracy_ns is None and fix.bound_ns is None
    assert fix.place is not None and fix.place.horizontal_mm == 849
    assert abs((fix.place.height_mm or 0) - 600_000) < 2_000
    assert fix.signals is not None and fix.signals.systems == 4
    assert fix.spoofing is Suspicion.UNKNOWN and fix.rf is None and fix.pulse is None
    assert fix.mode is Mode.UNKNOWN and not fix.place_counts
    assert line.step().mode is Mode.NAVIGATION  # it moved by its noise
    assert line.step(held=True).mode is Mode.NAVIGATION
    line.tai += 590 * NS
    assert line.step().mode is Mode.NAVIGATION
    line.tai += 10 * NS
    assert line.step().mode is Mode.UNKNOWN  # it has stood still for ten minutes


@pytest.mark.parametrize(
    ("plight", "doubts"),
    [
        ({"lost": True}, {Doubt.NO_FIX}),
        ({"simulated": True}, {Doubt.SIMULATED}),
        ({"weeks_off": -1024}, {Doubt.WEEK_ROLLOVER, Doubt.BACKWARDS}),
        ({"repeats": True}, {Doubt.REPEATED}),
        ({"unset": True}, {Doubt.CLOCK_UNSET, Doubt.BACKWARDS, Doubt.NO_FIX}),
    ],
)
def test_plights_in_nmea(plight: dict[str, object], doubts: set[Doubt]):
    line = Line(ubx=False, nmea=True)
    line.step()
    assert line.step(**plight).doubts == doubts
    line.clear()
    line.step()
    assert line.step().doubts == frozenset()


def test_a_simulator_is_flagged():
    line = Line(ubx=False, nmea=True)
    assert line.step(simulated=True).flags() & Flag.SIMULATED


def test_talkers_without_end_are_epochs_without_end():
    """A line that makes up talkers does not fill the memory."""
    epochs, heard = Epochs(), Instant(START, None)
    fixes = 0
    for at in range(1_000):
        talker = "".join(chr(65 + at // 26**place % 26) for place in range(4))
        fixes += len(epochs.feed(sentence(f"{talker}ZDA,000001.00,26,11,2026,00,00"), heard))
    assert fixes == 1_000 // 128


def test_two_digits_of_a_year():
    """RMC has two. ZDA has four, and rules."""
    epochs = Epochs()
    old = sentence("GPRMC,000001.00,A,4656.88000,N,00726.84400,E,0.0,,060180,,,A")
    fixes = epochs.feed(old, Instant(START, None)) + epochs.flush(Instant(START, None))
    assert isinstance(fixes[0], Fix) and fixes[0].utc is not None
    assert fixes[0].utc.year == 1980 and Doubt.CLOCK_UNSET in fixes[0].doubts
    both = old + sentence("GPZDA,000001.00,26,11,2026,00,00")
    fixes = epochs.feed(both, Instant(START, None)) + epochs.flush(Instant(START, None))
    assert isinstance(fixes[0], Fix) and fixes[0].utc is not None and fixes[0].utc.year == 2026


def test_both_languages_are_one_fix():
    """A u-blox as it comes tells NMEA, and UBX besides once it is asked: UBX rules from then on."""
    line = Line(ubx=True, nmea=True)
    assert [line.step().speech for _ in range(5)] == [Speech.UBX] * 5
    line.receiver.rates.clear()
    speeches = [fix.speech for _ in range(6) for fix in line.steps()]
    assert speeches == [Speech.NMEA] * 4  # after three seconds of silence


def test_an_epoch_is_complete_with_the_next_one():
    """Where nobody says that it is over, and no pause is heard: a file."""
    line = Line()
    del line.receiver.rates[0x01, 0x61]
    raw = b"".join(line.receiver.epoch(START + at * NS) for at in range(4))
    heard = Instant(START + 3 * NS, None)
    fixes = line.epochs.feed(raw, heard)
    assert [fix.tai for fix in fixes if isinstance(fix, Fix)] == [
        START + at * NS for at in range(3)
    ]
    fixes = line.epochs.flush(heard)
    assert [fix.tai for fix in fixes if isinstance(fix, Fix)] == [START + 3 * NS]


def test_bytes_one_by_one_say_the_same(line: Line):
    raw = line.receiver.epoch(line.tai)
    whole, apart = Epochs(), Epochs()
    heard = Instant(line.tai + LATER_NS, None)
    fixes = whole.feed(raw, heard)
    found = [item for at in range(len(raw)) for item in apart.feed(raw[at : at + 1], heard)]
    assert found == fixes and len(found) == 1


def test_the_bytes_of_a_fix_say_the_fix(line: Line):
    """What is sealed can be read again, by the same code."""
    for _ in range(9):
        fix = line.step()
    assert 0 < len(fix.raw) <= FIX_BYTES_MAX
    again = Epochs().feed(fix.raw, fix.heard)
    assert again == [fix]


def test_what_was_said_earlier_stands_for_a_while(line: Line):
    """A receiver that tells its satellites seldom, and then no more."""
    for key in ((0x01, 0x35), (0x0A, 0x38), (0x27, 0x09), (0x0D, 0x01), (0x01, 0x03)):
        del line.receiver.rates[key]
    fix = line.step()
    assert fix.rf is not None and fix.signals is not None and fix.signals.cn0_mean is not None
    for _ in range(12):
        fix = line.step()
    assert fix.rf is None and fix.pulse is None
    assert fix.spoofing is Suspicion.UNKNOWN
    assert fix.signals is not None and fix.signals.cn0_mean is None


@pytest.mark.parametrize("plight", ["bad_checks", "truncated"])
def test_bad_bytes_are_named_and_counted(line: Line, plight: str):
    assert line.steps(**{plight: True}) == []
    assert line.bad
    if plight == "bad_checks":
        assert [bad.fault.fault for bad in line.bad] == ["check_word"] * len(line.receiver.rates)
    line.clear()
    line.steps()
    assert line.epochs.waiting() is False
    assert line.step().doubts == frozenset()


def test_a_date_that_is_none():
    """NAV-PVT of month 13, good check word and all: no instant, and the rest is kept."""
    raw = UBXMessage(
        "NAV", "NAV-PVT", GET, iTOW=1, year=2026, month=13, day=1, gnssFixOk=1, fixType=3
    ).serialize()
    epochs = Epochs()
    fix = (epochs.feed(raw, Instant(START, None)) + epochs.flush(Instant(START, None)))[0]
    assert isinstance(fix, Fix)
    assert fix.doubts == {Doubt.DATE_INVALID, Doubt.NO_TIME, Doubt.UNRESOLVED}
    assert fix.tai is None and not fix.time_counts


def test_gps_time_and_utc_that_do_not_belong_together():
    raw = UBXMessage(
        "NAV", "NAV-PVT", GET, iTOW=345_618_400, year=2026, month=11, day=26, validDate=1,
        validTime=1, fullyResolved=1, gnssFixOk=1, fixType=3,
    ).serialize()  # fmt: skip
    epochs = Epochs()
    fix = (epochs.feed(raw, Instant(START, None)) + epochs.flush(Instant(START, None)))[0]
    assert isinstance(fix, Fix)
    assert fix.doubts == {Doubt.INCONSISTENT, Doubt.NO_TIME}


def test_a_gateway_whose_own_clock_was_never_set():
    """The date alone tells nothing then; what cannot be, is named all the same."""
    for plight, doubts in (
        ({}, set()),
        ({"unset": True}, {Doubt.CLOCK_UNSET, Doubt.UNRESOLVED, Doubt.NO_FIX}),
        ({"weeks_off": -1024}, {Doubt.PAST}),
    ):
        line = Line()
        for name, value in plight.items():
            setattr(line.receiver.plight, name, value)
        heard = Instant(1_000 * NS, None)
        fix = line.epochs.feed(line.receiver.epoch(START), heard)[0]
        assert isinstance(fix, Fix)
        assert fix.doubts - {Doubt.POSITION_INVALID} == doubts
