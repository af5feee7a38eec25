"""Strict CBOR: one encoding a value, and nothing but EvidenceError on any bytes."""

import contextlib
import math

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence import cbor, cose
from evidence.code import Reason
from evidence.refusal import EvidenceError

SETTINGS = settings(max_examples=500, deadline=None, derandomize=True)
integers = st.integers(-(1 << 64), (1 << 64) - 1)
floats = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.one_of(st.none(), st.booleans(), integers, floats, st.binary(), st.text())
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5).map(tuple),
        st.dictionaries(st.one_of(integers, st.text(max_size=4)), inner, max_size=5),
    ),
    max_leaves=12,
)


def depth(value):
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, tuple) else 0


def typed(value):
    """A value with its types: 1, 1.0 and true are three, and so are 0.0 and -0.0."""
    if isinstance(value, dict):
        return [(typed(key), typed(item)) for key, item in value.items()]
    if isinstance(value, tuple):
        return [typed(item) for item in value]
    return type(value), value, str(value)


@SETTINGS
@given(values)
def test_what_is_written_is_read(value):
    if depth(value) > cbor.DEPTH_MAX:
        with pytest.raises(EvidenceError, match="nested"):
            cbor.encode(value)
        return
    encoded = cbor.encode(value)
    found = cbor.decode(encoded)
    assert found == value
    assert cbor.encode(found) == encoded
    if not isinstance(value, dict | tuple):
        assert typed(found) == typed(value)


@SETTINGS
@given(st.one_of(st.binary(max_size=60), values.map(cbor2.dumps)), st.data())
def test_what_is_read_has_one_encoding(data, draw):
    if data and draw.draw(st.booleans()):
        changed = bytearray(data)
        changed[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
        data = bytes(changed)
    with contextlib.suppress(EvidenceError):
        assert cbor.encode(cbor.decode(data)) == data


@SETTINGS
@given(st.binary(max_size=120))
def test_noise_is_refused_and_no_more(data):
    for read in (cbor.decode, cose.read, lambda data: cose.read(b"\xd2\x84" + data)):
        with contextlib.suppress(EvidenceError):
            read(data)


# RFC 8949 appendix A and F: well formed, yet not ours; or not well formed at all.
@pytest.mark.parametrize(
    "text",
    [
        *("f97e00", "f97c00", "f90000", "fa7f7fffff", "fb7ff8000000000000", "fb7ff0000000000000"),
        *("fbfff0000000000000", "f7", "f0", "f8ff", "f818", "f81f", "f815", "ff", "fc", "fd", "fe"),
        *("c074323031332d30332d32315432303a30343a30305a", "c249010000000000000000", "d74401020304"),
        *("5f42010243030405ff", "7f657374726561646d696e67ff", "9fff", "bfff", "9f01ff", "5fff"),
        *("1800", "1817", "190000", "1900ff", "1a0000ffff", "1b00000000ffffffff", "3817", "5800"),
        *(
            "7800",
            "9800",
            "b800",
            "5817" + 23 * "00",
            "1c",
            "1d",
            "1e",
            "1f",
            "3f",
            "5c",
            "9c",
            "df",
        ),
        *("a2020101f6", "a201010101", "a2616101616101", "a2626161016162 01".replace(" ", "")),
        *("a1f401", "a1f601", "a1410001", "a18001", "a1fb3ff000000000000001", "a1a00001"),
        *("61ff", "62c328", "63eda080", "64f4908080", "62c0af"),
        *("", "18", "19", "1900", "41", "61", "81", "8201", "a1", "a101", "fb00", "5affffffff00"),
        *("9bffffffffffffffff", "bbffffffffffffffff", "5bffffffffffffffff", "9a0000ffff01"),
        *("818181818181818181" + "01", "0000", "8001", "a000"),
    ],
)
def test_bytes_that_are_no_value_of_ours(text):
    with pytest.raises(EvidenceError) as fault:
        cbor.decode(bytes.fromhex(text))
    assert fault.value.reason == Reason.ENCODING


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("00", 0), ("17", 23), ("1818", 24), ("18ff", 255), ("190100", 256), ("19ffff", 65535)),
        *(("1a00010000", 65536), ("1b0000000100000000", 1 << 32), ("1b" + "ff" * 8, (1 << 64) - 1)),
        *(("20", -1), ("37", -24), ("3818", -25), ("3b" + "ff" * 8, -(1 << 64)), ("40", b"")),
        *(("f4", False), ("f5", True), ("f6", None), ("60", ""), ("80", ()), ("a0", {})),
        *(("fb3ff0000000000000", 1.0), ("fb8000000000000000", -0.0), ("62c3bc", "\u00fc")),
        *(("a3010203040506", {1: 2, 3: 4, 5: 6}), ("a20120200a", {1: -1, -1: 10})),
        *(("a2181801616101", {24: 1, "a": 1}), ("8281008101", ((0,), (1,)))),
    ],
)
def test_values_of_ours(text, value):
    assert typed(cbor.decode(bytes.fromhex(text))) == typed(value)
    assert cbor.encode(value) == bytes.fromhex(text)


@pytest.mark.parametrize(
    "value",
    [
        *(1 << 64, -(1 << 64) - 1, math.nan, math.inf, -math.inf, "\ud800", object(), {1}, 1j),
        *({b"a": 1}, {1.5: 1}, {None: 1}, {True: 1}, {(1,): 1}, [{1 << 64: 1}], {"\ud800": 1}),
    ],
)
def test_what_could_not_be_read_is_not_written(value):
    with pytest.raises(EvidenceError) as fault:
        cbor.encode(value)
    assert fault.value.reason == Reason.ENCODING
