"""Every shape of configuration and every FORMAT of data, written and read again."""

from typing import Any

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

SOC = 1_700_000_000

names = st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=16)
names_3 = st.text(max_size=40).filter(lambda text: len(text.encode()) <= 255)
floats = st.floats(-(2.0**99), 2.0**99, width=32)
places = st.none() | st.floats(-90, 90, width=32)


@st.composite
def stations(draw: st.DrawFn, cfg3: bool) -> Station:
    label = names_3 if cfg3 else names
    phasor = (
        st.builds(
            Phasor, label, st.booleans(), st.just(0), floats, floats, st.integers(0, 0xFFFF),
            st.integers(0, 7), st.integers(0, 255),
        )
        if cfg3
        else st.builds(Phasor, label, st.booleans(), st.integers(0, (1 << 24) - 1))
    )  # fmt: skip
    analog = (
        st.builds(Analog, label, scale=floats, offset=floats)
        if cfg3
        else st.builds(Analog, label, st.integers(0, 255), st.integers(-(1 << 23), (1 << 23) - 1))
    )
    word = st.integers(0, 0xFFFF)
    labels = st.lists(label, min_size=16, max_size=16).map(tuple)
    digital = st.builds(Digital, labels, word, word)
    kept: dict[str, Any] = {
        "name": draw(label),
        "idcode": draw(word),
        "format": Format(draw(st.integers(0, 15))),
        "phasors": tuple(draw(st.lists(phasor, max_size=3))),
        "analogs": tuple(draw(st.lists(analog, max_size=3))),
        "digitals": tuple(draw(st.lists(digital, max_size=2))),
        "nominal_hz": draw(st.sampled_from([50, 60])),
        "cfgcnt": draw(word),
    }
    if cfg3:
        kept |= {
            "g_pmu_id": draw(st.binary(min_size=16, max_size=16)),
            "latitude_deg": draw(places),
            "longitude_deg": draw(places),
            "elevation_m": draw(places),
            "service_class": draw(st.sampled_from(["P", "M", ""])),
            "window_us": draw(st.integers(0, 1 << 30)),
            "group_delay_us": draw(st.integers(0, 1 << 30)),
        }
    return Station(**kept)


@st.composite
def configurations(draw: st.DrawFn) -> Configuration:
    kind = draw(st.sampled_from(wire.CFG_TYPES))
    several = st.lists(stations(kind is FrameType.CFG3), min_size=1, max_size=3)
    return Configuration(
        kind,
        draw(st.integers(1, 65534)),
        draw(st.integers(1, (1 << 24) - 1)),
        tuple(draw(several)),
        draw(st.integers(-32767, 32767)),
        draw(st.sampled_from([1, 2])),
    )


@given(configurations())
def test_configurations_come_back(configuration: Configuration):
    raw = wire.encode_configuration(configuration, Stamp(SOC))
    assert wire.decode_configuration(raw) == configuration


@given(configurations().filter(lambda found: found.frame_type is FrameType.CFG3), st.data())
def test_fragments_come_back(configuration: Configuration, data: st.DataObject):
    room = data.draw(st.integers(40, 400))
    fragments = wire.encode_fragments(configuration, Stamp(SOC), room)
    assert all(len(fragment) <= room for fragment in fragments)
    assert wire.decode_configuration(b"".join(fragments)) == configuration
    if len(fragments) > 2:
        with pytest.raises(FrameError):
            wire.decode_configuration(b"".join((*fragments[:1], *fragments[2:])))


@given(st.integers(0, 15), st.integers(1, 3), st.sampled_from(wire.CFG_TYPES), st.data())
def test_values_come_back(form: int, pmus: int, kind: FrameType, data: st.DataObject):
    """What is written is read, to the resolution of the wire, for every FORMAT and type."""
    station = Station(
        "S",
        1,
        Format(form),
        (Phasor("V", False, 200_000, 2.0, 0.5), Phasor("I", True, 50_000, 0.5, -0.25)),
        (Analog("A", 0, 3, 3.0, 1.0),),
        (Digital(("",) * 16),),
    )
    layout = Layout(Configuration(kind, 9, 1000, (station,) * pmus, 50))
    unit = st.floats(0, 1)
    blocks = [
        Block(
            data.draw(st.integers(0, 0xFFFF)),
            [(1000 * data.draw(unit), data.draw(unit)), (1000 * data.draw(unit), data.draw(unit))],
            60 + data.draw(unit),
            data.draw(unit),
            [100 * data.draw(unit)],
            [data.draw(st.integers(0, 0xFFFF))],
        )
        for _ in range(pmus)
    ]
    values = layout.decode(wire.encode_data(layout, Stamp(SOC, 1), blocks))
    wanted = [
        value
        for block in blocks
        for value in (
            block.stat,
            *block.phasors[0],
            *block.phasors[1],
            block.freq_hz,
            block.dfreq,
            *block.analogs,
            *block.digitals,
        )
    ]
    assert len(values) == len(layout.slots) == len(wanted)
    for slot, value, want in zip(layout.slots, values, wanted, strict=True):
        step = abs(slot.factor) if slot.code != "f" else 1e-3
        # A rotated phasor spreads the error of both its parts.
        assert value == pytest.approx(want, abs=2 * step, rel=1e-6), slot
