"""C37.118 frames against the vectors, the standard's annex, and back again for every FORMAT."""

import math
import tracemalloc
from binascii import crc_hqx
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.c37118 import wire
from drivers.c37118.wire import (
    Analog,
    Block,
    Configuration,
    Digital,
    Format,
    FrameType,
    Layout,
    Phasor,
    Stamp,
    Station,
)
from drivers.line import FrameError
from tests.drivers.vector import expected, vector, vectors

EXPECTED = expected("c37118")
SOC = 1_700_000_000


def annex(captures: Path) -> dict[str, bytes]:
    """The six frames of the standard's annex, by the name that the file gives them."""
    path = captures / "c37118" / "annexD_from_pypmu_validate_frames.hex.txt"
    lines = path.read_text().splitlines()
    named = [(up, down) for up, down in pairwise(lines) if up[:3] != "aa0"]
    return {
        up.split()[1].removesuffix("_hex_string"): bytes.fromhex(down)
        for up, down in named
        if up.startswith("#") and down.startswith("aa")
    }


# --- vectors


@pytest.mark.parametrize("name", ["cfg2_integers", "cfg3"])
def test_configuration_vectors(name: str):
    found, want = wire.decode_configuration(vector("c37118", name)), EXPECTED[name]
    assert found.frame_type.name == want["frame_type"]
    assert (found.version, found.idcode) == (want["version"], want["idcode"])
    assert (found.time_base, found.data_rate) == (want["time_base"], want["data_rate"])
    assert found.rate() == tuple(want["rate"])
    assert [station.name for station in found.stations] == want["stations"]
    assert [station.cfgcnt for station in found.stations] == want["cfgcnt"]
    assert [station.nominal_hz for station in found.stations] == want["nominal_hz"]
    layout = Layout(found)
    assert layout.size == want["data_bytes"]
    assert layout.stat_offsets == tuple(want["stat_offsets"])


def test_cfg3_says_place_class_window_and_scale():
    station = wire.decode_configuration(vector("c37118", "cfg3")).stations[0]
    assert station.g_pmu_id == bytes(range(16))
    place = (station.latitude_deg, station.longitude_deg, station.elevation_m)
    assert place == (46.25, 6.125, None)
    assert (station.service_class, station.window_us) == ("P", 40_000)
    assert station.group_delay_us == 18_500
    assert station.phasors[0] == Phasor("U L1", modified=0x0140, component=4)
    assert station.phasors[1] == Phasor("I positive", True, 0, 2.0, 0.5, component=1, user=9)
    assert station.analogs[0] == Analog("P", scale=10.0, offset=-3.0)
    assert station.digitals[0].normal == 1


def test_fragments_are_the_configuration():
    whole = wire.decode_configuration(vector("c37118", "cfg3"))
    assert wire.decode_configuration(vector("c37118", "cfg3_fragments")) == whole


@pytest.mark.parametrize("name", ["data_integers", "data_floats"])
def test_data_vectors(name: str):
    want = EXPECTED[name]
    layout = Layout(wire.decode_configuration(vector("c37118", want["configuration"])))
    values = layout.decode(vector("c37118", name))
    assert [None if math.isnan(value) else value for value in values] == [
        None if value is None else pytest.approx(value, rel=1e-6) for value in want["values"]
    ]
    assert [slot.part for slot in layout.slots] == want["parts"]
    assert [slot.unit for slot in layout.slots] == want["units"]


@pytest.mark.parametrize("name", sorted(EXPECTED["faults"]))
def test_fault_vectors(name: str):
    with pytest.raises(FrameError) as caught:
        wire.decode_configuration(wire.check(raw := vector("c37118", name)) and raw)
    assert caught.value.fault == EXPECTED["faults"][name]


def test_header_and_command_vectors():
    assert wire.decode_header_text(vector("c37118", "header_empty")) == ""
    assert wire.decode_header_text(vector("c37118", "header_text")) == "Größe"
    command = wire.decode_command(vector("c37118", "command_data_on"))
    assert command.command == wire.Command.DATA_ON
    assert command.header.time_quality == 0x0F


@pytest.mark.parametrize("name", ["cfg2_integers", "cfg3", "data_integers", "data_floats"])
def test_vectors_are_written_as_they_are_read(name: str):
    raw = vector("c37118", name)
    head = wire.parse_header(raw)
    stamp = Stamp(head.soc, head.fracsec, head.time_quality)
    if name.startswith("cfg"):
        assert wire.encode_configuration(wire.decode_configuration(raw), stamp) == raw
    else:
        configuration = vector("c37118", EXPECTED[name]["configuration"])
        layout = Layout(wire.decode_configuration(configuration))
        assert wire.encode_values(layout, stamp, layout.decode(raw)) == raw


def test_an_infinite_angle_points_nowhere():
    """A peer's float of that value fits its place; the phasor is not a number, and no error."""
    layout = Layout(wire.decode_configuration(vector("c37118", "cfg3")))
    values = layout.decode(vector("c37118", "data_angle_infinite"))
    assert math.isinf(values[2])
    first, second = layout.phasors(values)
    assert math.isnan(first.real) and math.isnan(first.imag)
    assert abs(second) == pytest.approx(800.0)


# --- the standard's own examples


def test_annex_configuration(captures: Path):
    found = wire.decode_configuration(annex(captures)["cfg"])
    station = found.stations[0]
    assert (found.idcode, found.time_base, found.data_rate) == (7734, 1_000_000, 30)
    assert (station.name, station.idcode, station.nominal_hz) == ("Station A", 7734, 60)
    assert station.cfgcnt == 22
    assert [phasor.name for phasor in station.phasors] == ["VA", "VB", "VC", "I1"]
    assert [phasor.current for phasor in station.phasors] == [False, False, False, True]
    assert [phasor.phunit for phasor in station.phasors] == [915527] * 3 + [45776]
    assert [analog.measure for analog in station.analogs] == [0, 1, 2]
    assert station.digitals[0].names[0] == "BREAKER 1 STATUS"
    assert station.digitals[0].names[15] == "BREAKER G STATUS"


def test_annex_data(captures: Path):
    """Annex D: VA is 134.0 kV at 0 degrees, I1 500 A; FREQ 2500 mHz above nominal."""
    frames = annex(captures)
    layout = Layout(wire.decode_configuration(frames["cfg"]))
    values = layout.decode(frames["data"])
    va, vb, vc, i1 = layout.phasors(values)
    assert abs(va) == pytest.approx(134_000, rel=2e-4)
    assert math.degrees(math.atan2(vb.imag, vb.real)) == pytest.approx(-120, abs=0.01)
    assert math.degrees(math.atan2(vc.imag, vc.real)) == pytest.approx(120, abs=0.01)
    assert abs(i1) == pytest.approx(500, rel=3e-4)
    named = {slot.name: value for slot, value in zip(layout.slots, values, strict=True)}
    assert (named["STAT"], named["FREQ"], named["DFREQ"]) == (0, 62.5, 0.0)
    assert (named["ANALOG1"], named["ANALOG2"], named["ANALOG3"]) == (100, 1000, 10000)
    assert values[-1] == 0x3C12
    head = wire.parse_header(frames["data"])
    assert (head.soc, head.fracsec, head.time_quality) == (1149580800, 16817, 0)


def test_annex_of_two_pmus(captures: Path):
    frames = annex(captures)
    one = Layout(wire.decode_configuration(frames["cfg"]))
    two = Layout(wire.decode_configuration(frames["cfg_multi"]))
    values = two.decode(frames["data_multi"])
    assert two.stat_offsets == (14, 50)
    assert values[:15] == one.decode(frames["data"])
    assert values[15:] == one.decode(frames["data"])


def test_annex_header_and_command(captures: Path):
    frames = annex(captures)
    assert wire.decode_header_text(frames["hf"]) == "Hello I'm Header Frame."
    command = wire.decode_command(frames["cf"])
    assert (command.header.idcode, command.command) == (7734, wire.Command.DATA_ON)


def test_rectangular_phasors_of_cfg3_are_turned():
    station = Station("S", 1, Format(14), (Phasor("V", scale=2.0, angle_rad=math.pi / 2),))
    layout = Layout(Configuration(FrameType.CFG3, 9, 1000, (station,), 50))
    unscaled = Station("S", 1, Format(14), (Phasor("V"),))
    plain = Layout(Configuration(FrameType.CFG3, 9, 1000, (unscaled,), 50))
    raw = wire.encode_data(plain, Stamp(SOC), [Block(0, [(3.0, 4.0)], 50, 0)])
    assert layout.decode(raw)[1:3] == pytest.approx((-8.0, 6.0))


def test_a_missing_polar_phasor_has_no_magnitude():
    station = Station("S", 1, Format(1), (Phasor("V", phunit=100_000),))
    layout = Layout(Configuration(FrameType.CFG2, 9, 1000, (station,), 50))
    blocks = [Block(0, [(1.0, math.nan)], math.nan, 0)]
    values = layout.decode(wire.encode_data(layout, Stamp(SOC), blocks))
    assert math.isnan(values[1]) and math.isnan(values[2]) and math.isnan(values[3])
    assert values[4] == 0


# --- whatever the bytes


def readers(layout: Layout):
    return (
        wire.check,
        wire.parse_header,
        wire.decode_configuration,
        wire.decode_command,
        wire.decode_header_text,
        wire.cont_idx,
        layout.decode,
    )


LAYOUT = Layout(wire.decode_configuration(vector("c37118", "cfg3")))


@given(st.binary(max_size=200))
def test_any_bytes_are_frames_or_frame_errors(raw: bytes):
    for read in readers(LAYOUT):
        try:
            read(raw)
        except FrameError:
            pass


@given(st.sampled_from(sorted(vectors("c37118"))), st.data())
def test_changed_vectors_with_a_good_chk_are_read_or_named(name: str, data: st.DataObject):
    """Bytes changed, CHK and FRAMESIZE made right again: what stands inside is what is tested."""
    body = bytearray(vector("c37118", name)[:-2])
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(4, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(14, len(body)))
    body[2:4] = (cut + 2).to_bytes(2, "big")
    raw = wire.close(bytes(body[:cut]))
    for read in readers(LAYOUT):
        try:
            read(raw)
        except FrameError:
            pass


@given(st.sampled_from(sorted(vectors("c37118"))), st.data())
def test_one_flipped_bit_is_never_a_frame(name: str, data: st.DataObject):
    raw = bytearray(vector("c37118", name))
    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(FrameError):
        wire.check(bytes(raw))


@pytest.mark.parametrize("field", [40, 42, 44])
def test_declared_channels_cost_nothing(field: int):
    """PHNMR, ANNMR or DGNMR of 65,535 in a small frame: refused before memory is taken."""
    body = bytearray(vector("c37118", "cfg2_integers")[:-2])
    body[field : field + 2] = b"\xff\xff"
    raw = wire.close(bytes(body))
    assert crc_hqx(raw, 0xFFFF) == 0
    tracemalloc.start()
    try:
        with pytest.raises(FrameError) as caught:
            wire.decode_configuration(raw)
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()
    assert caught.value.fault == "shape"


def test_a_configuration_whose_data_fits_no_frame_is_refused():
    """CFG-3 can name more in fragments than a data frame can carry."""
    digital = Digital(("",) * 16)
    station = Station("S", 1, Format(0), digitals=(digital,) * 2000)
    huge = Configuration(FrameType.CFG3, 1, 1000, (station,) * 17, 10)
    raw = b"".join(wire.encode_fragments(huge, Stamp(SOC)))
    with pytest.raises(FrameError) as caught:
        wire.decode_configuration(raw)
    assert caught.value.fault == "shape"


def test_what_no_frame_can_say_is_a_value_error():
    station = Station("S", 1, Format(0), (Phasor("V", phunit=1),))
    layout = Layout(Configuration(FrameType.CFG2, 1, 1000, (station,), 10))
    with pytest.raises(ValueError):
        wire.encode_data(layout, Stamp(SOC), [Block(0, [(1e9, 0)], 60, 0)])
    with pytest.raises(ValueError):
        wire.encode_data(layout, Stamp(SOC), [Block(0, [], 60, 0)])
    with pytest.raises(ValueError):
        wire.encode_header_text("x" * 70_000, 1, Stamp(SOC))
    with pytest.raises(ValueError):
        wire.encode_configuration(
            Configuration(FrameType.CFG2, 1, 1000, (Station("x" * 17, 1, Format(0)),), 10),
            Stamp(SOC),
        )


def test_decode_names_what_is_not_its_frame():
    faults = {
        "data_integers": "size_mismatch",
        "header_empty": "shape",
        "version_3_type_0": "version_unsupported",
    }
    for name, fault in faults.items():
        with pytest.raises(FrameError) as caught:
            LAYOUT.decode(vector("c37118", name))
        assert caught.value.fault == fault
