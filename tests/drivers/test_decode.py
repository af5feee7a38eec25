"""decode(kind, configuration, raw): the same function on gateway, record and bench."""

import math

import pytest

from drivers.decode import compiled, decode
from drivers.line import FrameError
from evidence.code import Kind
from tests.drivers.vector import expected, vector


@pytest.mark.parametrize("name", ["data_integers", "data_floats"])
def test_values(name: str):
    want = expected("c37118")[name]
    configuration = vector("c37118", want["configuration"])
    values = decode(Kind.C37118, configuration, vector("c37118", name))
    assert [
        None if isinstance(value, float) and math.isnan(value) else value for value in values
    ] == [None if value is None else pytest.approx(value, rel=1e-6) for value in want["values"]]


def test_the_layout_tells_what_the_values_are():
    found = compiled(Kind.C37118, vector("c37118", "cfg2_integers"))
    assert [slot.name for slot in found.slots if slot.block == 1] == [
        "STAT", "V1", "V1", "FREQ", "DFREQ",
    ]  # fmt: skip
    assert found.judge.slices == ((0, 4), (14, 2), (32, 2))
    assert (found.frame_bytes, found.rate) == (44, (1, 5))


def test_fragments_decode_as_the_whole_does():
    raw = vector("c37118", "data_floats")
    whole = decode(Kind.C37118, vector("c37118", "cfg3"), raw)
    assert decode(Kind.C37118, vector("c37118", "cfg3_fragments"), raw) == whole


@pytest.mark.parametrize(
    ("kind", "configuration", "raw", "fault"),
    [
        (Kind.C37118, "", "data_floats", "no_configuration"),
        (Kind.C37118, "cfg2_integers", "data_floats", "size_mismatch"),
        (Kind.C37118, "cfg3", "header_empty", "shape"),
        (Kind.C37118, "cfg2_65535_phasors", "data_floats", "shape"),
        (Kind.C37118, "data_floats", "data_floats", "shape"),
        (Kind.C37118_INFO, "cfg3", "cfg3", "no_values"),
        (Kind.GAP, "cfg3", "data_floats", "no_values"),
        (999, "cfg3", "data_floats", "kind_unknown"),
        (Kind.MODBUS, "", "data_floats", "no_configuration"),
        (Kind.MODBUS, "cfg3", "data_floats", "configuration"),
    ],
)
def test_what_cannot_be_decoded_is_named(kind: int, configuration: str, raw: str, fault: str):
    stated = vector("c37118", configuration) if configuration else b""
    with pytest.raises(FrameError) as caught:
        decode(kind, stated, vector("c37118", raw))
    assert caught.value.fault == fault
