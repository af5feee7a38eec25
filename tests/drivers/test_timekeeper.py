"""What chronyc, pmc and the kernel's pulse say: as printed, and bent."""

import random

import pytest

from drivers.line import FrameError
from drivers.timekeeper import chrony, pmc, pps
from drivers.timekeeper.pmc import CLOCK_ACCURACY_NS, PortState, Profile
from tests.drivers.vector import ROOT

SEED = 20_261_125
ANSWER = (ROOT / "timekeeper" / "pmc_slave.txt").read_bytes()
TRACKING = (
    b"47505300,GPS,1,1795648444.053032290,0.001000000,-0.000000042,0.000000310,"
    b"-3.225,-0.004,0.129,0.000001000,0.000001365,1.0,Normal\n"
)


def test_a_slave_as_linuxptp_prints_it():
    said = pmc.read(ANSWER)
    assert said.status == (133, 1_795_650_000_000_000_421, True, "5af3e9.fffe.e072d1")
    assert said.parent is not None
    assert (said.parent.clock_class, said.parent.accuracy_ns(), said.parent.variance) == (
        *(6, 100),
        0x4E5D,
    )
    assert said.properties == (37, True, False, True, True, True, False, 0x20)
    assert said.current == (1, 133, 1321) and said.path_delay_ns() == 1321
    assert said.default is not None and said.default.domain == 0
    assert said.ports[0].state is PortState.SLAVE and said.ports[0].peer_delay_ns == 1321
    assert said.following() and said.locked() and said.traceable()
    assert said.profile() is Profile.POWER_UTILITY
    assert said.measures_phc() is False


@pytest.mark.parametrize(
    ("change", "following", "traceable", "profile"),
    [
        ((b"gmPresent                  true", b"gmPresent                  false"), False, True, 1),
        ((b"SLAVE", b"UNCALIBRATED"), True, True, 1),
        ((b"SLAVE", b"PASSIVE"), False, True, 1),
        ((b"SLAVE", b"FAULTY"), False, True, 0),
        ((b"gm.ClockClass                         6", b"gm.ClockClass  187"), True, False, 1),
        ((b"timeTraceable         1", b"timeTraceable 0"), True, False, 1),
        ((b"ptpTimescale          1", b"ptpTimescale 0"), True, False, 1),
        ((b"delayMechanism          2", b"delayMechanism 1"), True, True, 2),
        ((b"logSyncInterval         0", b"logSyncInterval -3"), True, True, 2),
        ((b"domainNumber            0", b"domainNumber 254"), True, True, 1),
        ((b"domainNumber            0", b"domainNumber 200"), True, True, 2),
    ],
)
def test_what_a_ptp_clock_may_say(
    change: tuple[bytes, bytes], following: bool, traceable: bool, profile: int
):
    assert change[0] in ANSWER
    said = pmc.read(ANSWER.replace(*change))
    assert (said.following(), said.traceable()) == (following, traceable)
    assert said.locked() == (following and change[1] != b"UNCALIBRATED")
    assert said.profile() is [Profile.UNKNOWN, Profile.POWER_UTILITY, Profile.OTHER][profile]


def test_clock_accuracy():
    """IEEE 1588-2019 Table 5."""
    assert CLOCK_ACCURACY_NS[0x20] == 25 and CLOCK_ACCURACY_NS[0x21] == 100
    assert CLOCK_ACCURACY_NS[0x27] == 100_000 and CLOCK_ACCURACY_NS[0x2F] == 10**9
    assert 0x31 not in CLOCK_ACCURACY_NS and 0xFE not in CLOCK_ACCURACY_NS
    figures = [CLOCK_ACCURACY_NS[code] for code in sorted(CLOCK_ACCURACY_NS)]
    assert figures == sorted(figures)


def test_nobody_answers():
    with pytest.raises(FrameError, match="empty"):
        pmc.read(b"sending: GET TIME_STATUS_NP\n")


def test_a_response_that_is_missing_is_no_error():
    said = pmc.read(ANSWER[: ANSWER.index(b"sending: GET TIME_PROPERTIES_DATA_SET")])
    assert said.status is not None and said.parent is None and said.ports == ()
    assert not said.following() and not said.traceable()
    assert said.profile() is Profile.UNKNOWN


def test_tracking():
    said = chrony.tracking(TRACKING)
    assert (said.word(), said.stratum) == ("GPS", 1)
    assert said.offset_ns == -1_000_000  # it prints 0.001 where the clock is slow
    assert (said.last_ns, said.rms_ns) == (-42, 310)
    assert (said.residual_ppb, said.skew_ppb) == (-4, 129)
    assert (said.root_delay_ns, said.root_dispersion_ns) == (1_000, 1_365)
    assert said.leap is chrony.LeapStatus.NORMAL and not said.local()
    assert chrony.tracking(TRACKING.replace(b"47505300", b"7F7F0101")).local()
    assert chrony.tracking(TRACKING.replace(b"47505300", b"C0000207")).word() == ""
    for word, status in ((b"Insert second", "INSERT"), (b"Not synchronised", "UNSYNCHRONISED")):
        assert chrony.tracking(TRACKING.replace(b"Normal", word)).leap.name == status


def test_pulses():
    """As Documentation/driver-api/pps.rst shows it."""
    said = pps.edge(b"1186270143.000123456#8364\n")
    assert said == (1_186_270_143_000_123_456, 8364)
    assert pps.edge(b"") is None
    assert pps.edge(b"0.000000000#0\n") is None
    for raw in (b"1186270143.1#1\n", b"x", b"-1.000000000#1\n", b"1.000000000#1\n2"):
        with pytest.raises(FrameError):
            pps.edge(raw)


def test_whatever_the_bytes_only_frame_errors():
    """2,000 cases: what is printed, bent, cut and joined."""
    chance = random.Random(SEED)
    readers = (
        (pmc.read, ANSWER),
        (chrony.tracking, TRACKING),
        (pps.edge, b"1186270143.000123456#8364\n"),
    )
    faults = 0
    for case in range(2_000):
        read, good = readers[case % len(readers)]
        raw = bytearray(good)
        for _ in range(chance.randint(1, 6)):
            raw[chance.randrange(len(raw))] = chance.choice([*b"-x,.\t\n 9", chance.randrange(256)])
        cut = chance.randrange(len(raw)) if chance.random() < 0.3 else len(raw)
        try:
            read(bytes(raw[:cut]))
        except FrameError:
            faults += 1
    assert 500 < faults < 2_000
    for read, _ in readers[:3]:
        with pytest.raises(FrameError):
            read(b"9" * 100_000)
