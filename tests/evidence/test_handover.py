"""A hand-over report: one form of JSON, its file, and whatever is changed in it."""

import base64
import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import cose, handover
from evidence.code import Reason, Typ
from evidence.handover import FORM, WHOLE_MAX, canonical, read, signed
from evidence.key import Ed25519Key
from evidence.refusal import EvidenceError
from tests.evidence import vector
from tests.evidence.test_vector import asked, question

KEY = Ed25519Key(bytes(32))
REPORT: dict[str, Any] = {"name": "Ätna", "of": [1, None, {"b": True, "a": "7.5"}]}

names = st.text(string.printable, max_size=4)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-WHOLE_MAX, WHOLE_MAX)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(names, inside, max_size=3),
    max_leaves=12,
)


def refused(data: bytes) -> EvidenceError:
    """Why nobody believes a file, its signature included."""
    with pytest.raises(EvidenceError) as fault:
        cose.check(read(data).message, KEY.public)
    return fault.value


def test_the_vector_is_read_and_written_to_the_byte():
    found = vector.load("handover")
    held = read(found["file"].encode())
    assert held.report == found["fields"]
    assert held.message.encoded == vector.raw("handover", "encoded")
    assert canonical(found["fields"]) == vector.raw("handover", "payload")
    cose.check(held.message, vector.key_of("handover"))


def test_an_independent_library_accepts_the_message_in_it(oracle):
    found = vector.load("handover")
    assert asked(oracle, [question("handover")]) == [[found["payload"], Typ.REPORT]]
    other = signed(REPORT, KEY)
    encoded = base64.b64decode(json.loads(other)["signed"]).hex()
    key = {"alg": -19, "raw": KEY.public.raw.hex()}
    answers = asked(oracle, [question("handover", encoded=encoded, key=key)])
    assert answers == [[canonical(REPORT).hex(), Typ.REPORT]]


# RFC 8785 3.2.2 and 3.2.3, for what may stand here.
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": 2, "A": 3}, '{"A":3,"a":2,"b":1}'),
        ([1, -1, 0, True, None], "[1,-1,0,true,null]"),
        ('\u20ac$\x0f\nA\'B"\\\\"/', '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'),
        ("\b\t\n\f\r\x1f\x7f\u2028", '"\\b\\t\\n\\f\\r\\u001f\x7f\u2028"'),
        (WHOLE_MAX, "9007199254740991"),
        ({}, "{}"),
    ],
)
def test_a_value_has_one_form(value, text):
    assert canonical(value) == text.encode()


@pytest.mark.parametrize(
    "value",
    [1.0, 0.5, float("nan"), WHOLE_MAX + 1, -WHOLE_MAX - 1, b"x", (1,), {1: 2}, {"ä": 1}, "\ud800"],
)
def test_what_has_no_form_is_refused(value):
    with pytest.raises(EvidenceError) as fault:
        canonical({"a": [value]})
    assert fault.value.reason == Reason.SHAPE


@given(st.dictionaries(names, values, max_size=4))
def test_whatever_is_signed_is_read_again(report):
    data = signed(report, KEY)
    held = read(data)
    assert held.report == report
    assert json.loads(data)["report"] == report
    assert json.loads(held.message.payload) == report
    cose.check(held.message, KEY.public)


def test_what_is_not_seen_or_turns_text_around_is_escaped_where_people_read():
    hostile = "\x1b[31m \x7f \x9b2J \u202e \u2066 \u200b \ufeff \U000e0041 \u00ad"
    text = signed({"name": hostile}, KEY).decode()
    assert all(sign.isprintable() or sign == "\n" for sign in text)
    assert read(text.encode()).report == {"name": hostile}


def test_whatever_byte_is_changed_is_found():
    data = signed(REPORT, KEY)
    for at in range(len(data)):
        for bit in (0x01, 0x20, 0x80):
            refused(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
        refused(data[:at] + data[at + 1 :])
        refused(data[:at] + b" " + data[at:])


def change(**changed: Any) -> bytes:
    """The file with other members, in its own form."""
    whole = json.loads(signed(REPORT, KEY)) | changed
    return (json.dumps(whole, ensure_ascii=False, sort_keys=True, indent=1) + "\n").encode()


def test_what_is_read_and_what_was_signed_are_the_same_or_it_is_refused():
    fault = refused(change(report=REPORT | {"name": "Etna"}))
    assert fault.reason == Reason.ENCODING
    assert "was changed" in fault.text
    other = json.loads(signed({"name": "other"}, KEY))["signed"]
    assert "was changed" in refused(change(signed=other)).text


def test_a_payload_in_another_spelling_is_refused_though_the_key_signed_it():
    payload = canonical(REPORT).replace(b",", b", ", 1)
    encoded = base64.b64encode(cose.sign(Typ.REPORT, payload, KEY)).decode()
    assert refused(change(signed=encoded)).reason == Reason.ENCODING


def test_another_kind_of_statement_is_refused():
    encoded = base64.b64encode(cose.sign(Typ.ANSWER, canonical(REPORT), KEY)).decode()
    assert refused(change(signed=encoded)).reason == Reason.TYP


WHOLE = signed(REPORT, KEY).decode()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not JSON"),
        (b"\xff", "UTF-8"),
        (b"[" * 100_000, "deep"),
        (b"[]", "its form"),
        (b'{"form": "gridseal hand-over 2"}', "its form"),
        (json.dumps({"form": FORM}).encode(), "form, report and signed"),
        (change(more=1), "form, report and signed"),
        (change(report=[]), "form, report and signed"),
        (change(signed=1), "no text"),
        (WHOLE.replace("1,", "1.0,", 1).encode(), "1.0 is no whole number"),
        (WHOLE.replace("1,", "NaN,", 1).encode(), "NaN is no whole number"),
        (WHOLE.replace("1,", f"{10**30},", 1).encode(), "no whole number"),
        (WHOLE.replace("1,", f"{1 << 53},", 1).encode(), "no whole number"),
        (WHOLE.replace('"name"', '"of": 1, "name"').encode(), "twice"),
        (WHOLE.replace("Ätna", "\\ud800").encode(), "half a character"),
    ],
)
def test_what_is_no_report_says_so(data, says):
    fault = refused(data)
    assert fault.reason == Reason.SHAPE
    assert says in fault.text


def test_limits_are_named(monkeypatch):
    monkeypatch.setattr(handover, "FILE_BYTES_MAX", 100)
    assert refused(WHOLE.encode()).reason == Reason.TOO_LONG
    with pytest.raises(EvidenceError) as fault:
        signed({"name": "x" * cose.STATEMENT_BYTES_MAX}, KEY)
    assert fault.value.reason == Reason.TOO_LONG


@given(st.binary(max_size=64) | st.text(max_size=64).map(str.encode))
def test_whatever_comes_a_reason_comes_out(data):
    refused(data)
