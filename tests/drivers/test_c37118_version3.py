"""C37.118.2-2024: what is known of it is read, the rest is named, and nothing is taken for the
version before. No peer of it was at hand: the vectors are as a public simulator sends.
"""

import pytest

from drivers import decode
from drivers.c37118.session import Session, Terms
from drivers.c37118.wire import FrameType, Stamp, build, decode_configuration, parse_header
from drivers.line import Frame, FrameError, Instant, Setup
from evidence.code import Kind, TimeSource
from evidence.leap import NS
from tests.drivers.pmu import Pmu, configuration
from tests.drivers.vector import vector

HEARD = Instant((1_700_000_000 + 37) * NS, 1_000_000)
STREAM = vector("c37118", "stream_configuration_2024")
DATA = vector("c37118", "data_2024")


def heard(*raws: bytes) -> list[Frame | Setup]:
    session = Session(Terms(commands=False, time_bound_ns=1000))
    return [item for raw in raws for item in session.datagram(raw, HEARD)]


@pytest.mark.parametrize("name", ["stream_configuration_2024", "capability_2024"])
def test_what_a_configuration_says(name: str):
    found = decode_configuration(vector("c37118", name))
    (station,) = found.stations
    assert (found.version, found.idcode, found.rate()) == (3, 1001, (50, 1))
    assert (station.name, station.idcode, station.nominal_hz, station.cfgcnt) == ("Nord", 21, 50, 3)
    assert (station.latitude_deg, station.longitude_deg) == (46.25, None)
    assert found.data_bytes() == len(DATA)


def test_values():
    compiled = decode.compiled(Kind.C37118, STREAM)
    assert [(one.name, one.quantity, one.part, one.unit) for one in compiled.slots] == [
        ("STAT", "stat", "", ""),
        ("TIME_QUALITY", "stat", "", ""),
        ("U L1", "voltage", "magnitude", "V"),
        ("U L1", "voltage", "angle", "rad"),
        ("I L1", "current", "magnitude", "A"),
        ("I L1", "current", "angle", "rad"),
        ("f", "frequency", "", "Hz"),
        ("df/dt", "rocof", "", "Hz/s"),
    ]
    assert list(compiled.decode(DATA)) == pytest.approx(
        [0x2000, 0x7FFF, 230_940, 0, 500, -2.0944 + 0.25, 49.988, 0.03]
    )


def test_a_conversation_that_is_heard():
    """The instant is the device's; how good its clock is, it says in a word that nobody
    explains."""
    setup, *frames = heard(STREAM, DATA)
    assert isinstance(setup, Setup) and setup.configuration == STREAM
    assert setup.blocks[0].channels[-1].quantity == "rocof"
    *_, frame = frames
    assert isinstance(frame, Frame) and frame.raw == DATA
    assert (frame.tai, frame.source) == ((1_700_000_000 + 37) * NS + 20_000_000, TimeSource.DEVICE)
    assert (frame.bound, frame.kind) == (None, Kind.C37118)


def test_what_measures_nothing_is_kept():
    raws = [vector("c37118", name) for name in ("command_2024", "error_2024")]
    items = heard(STREAM, *raws)
    kept = [one for one in items if isinstance(one, Frame) and one.raw in raws]
    assert [one.kind for one in kept] == [Kind.C37118_INFO] * 2
    assert all(one.fault is None for one in kept)


def test_a_configuration_that_nobody_can_read_is_named_and_its_data_kept():
    items = heard(vector("c37118", "analog_2024"), DATA)
    faults = [one.fault.fault for one in items if isinstance(one, Frame) and one.fault]
    assert faults == ["layout_unknown"]
    (bare,) = [one for one in items if isinstance(one, Setup)]
    assert not bare.configuration
    assert [one.raw for one in items if isinstance(one, Frame) and not one.fault] == [DATA]


def test_neither_version_is_taken_for_the_other():
    """SYNC aa83 with its top bit cut off would be data of version 2, of the same size."""
    older = build(FrameType.DATA, 2, 1001, Stamp(1_700_000_000, 20_000), DATA[14:-2])
    assert len(older) == len(DATA)
    setup, _, bare, frame = heard(STREAM, older)
    assert isinstance(bare, Setup) and not bare.configuration
    assert isinstance(frame, Frame) and frame.raw == older
    for stream, raw in ((STREAM, older), (Pmu(configuration()).configured(FrameType.CFG2), DATA)):
        with pytest.raises(FrameError):
            decode.compiled(Kind.C37118, stream).decode(raw)


def test_types_that_are_not_known_are_named():
    for second, fault in ((0x93, "type_unknown"), (0xD3, "type_unknown"), (0x03, "version_uns")):
        with pytest.raises(FrameError, match=fault):
            parse_header(b"\xaa" + bytes((second,)) + bytes(14))
