"""Each other encoding of a vector's value is refused, whether or not it were signed.

They are made from each vector by walking its CBOR, inside and out, one change each. Also: what a
reader takes, it writes back to the same bytes, so that no two documents say the same.
"""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence import cbor, cose, observation
from evidence.code import Reason
from evidence.refusal import EvidenceError
from tests.evidence import vector

# An integer written as a float or as a boolean is another value: well encoded, of the wrong shape.
OTHER_VALUE = {"binary64": {Reason.SHAPE, Reason.VERSION}, "boolean": {Reason.SHAPE}}
OTHER_VALUE["boolean"] |= {Reason.VERSION, Reason.ENCODING}  # or no key of a map
OTHER_VALUE["binary64"] |= {Reason.ENCODING}
# Frames, fingerprints and names are bytes to the reader; nothing in them is another encoding.


def refusal(read, data):
    """The reason that `read` refuses for; None when it takes the bytes."""
    try:
        read(data)
    except EvidenceError as fault:
        return fault.reason
    return None


def message(protected: bytes, payload: bytes, signature: bytes) -> bytes:
    parts = [cbor.bytes_head(len(part)) + part for part in (protected, payload, signature)]
    return b"\xd2\x84" + parts[0] + b"\xa0" + parts[1] + parts[2]


def reads(name):
    """How the vector's message is read, before any signature."""
    if name in vector.OBSERVATIONS:
        return lambda data: observation.read_at(data, 0)
    return cose.read


@pytest.mark.parametrize("name", vector.SIGNED)
def test_no_other_encoding_of_a_payload(name):
    read = vector.READERS[vector.load(name)["kind"]]
    count = 0
    for what, changed in vector.rewrites(vector.raw(name, "payload")):
        fitting = OTHER_VALUE.get(what.split(" at ")[0], {Reason.ENCODING})
        assert refusal(read, changed) in fitting, what
        count += 1
    assert count > 20


@pytest.mark.parametrize("name", vector.SIGNED)
def test_no_other_encoding_of_a_protected_header(name):
    any_of = {Reason.ENCODING, Reason.SHAPE, Reason.ALG, Reason.TYP}  # alg and typ are integers
    payload, signature = vector.raw(name, "payload"), vector.raw(name, "signature")
    assert refusal(reads(name), message(vector.raw(name, "protected"), payload, signature)) is None
    for what, changed in vector.rewrites(vector.raw(name, "protected")):
        fitting = any_of if what.split(" at ")[0] in OTHER_VALUE else {Reason.ENCODING}
        assert refusal(reads(name), message(changed, payload, signature)) in fitting, what


@pytest.mark.parametrize("name", vector.SIGNED)
def test_no_other_encoding_of_a_message(name):
    encoded = vector.raw(name, "encoded")
    count = 0
    for what, changed in vector.rewrites(encoded):
        if what.startswith("trailing") and name in vector.OBSERVATIONS:
            continue  # in a batch, something else follows: batch.check counts it
        assert refusal(reads(name), changed) == Reason.ENCODING, what
        assert refusal(lambda data: vector.accept(name, data), changed) == Reason.ENCODING, what
        count += 1
    assert count > 25


@pytest.mark.parametrize("name", vector.SIGNED)
def test_nothing_unprotected_untagged_or_detached(name):
    encoded = vector.raw(name, "encoded")
    _, unprotected, content, signature = vector.parse(encoded).members[0].members
    kid = b"\xa1\x04\x48" + vector.key_of(name).kid
    others = {
        "untagged": encoded[1:],
        "COSE_Sign": b"\xd8\x62" + encoded[1:],
        "kid unprotected": encoded[: unprotected.start] + kid + encoded[unprotected.end :],
        "null unprotected": encoded[: unprotected.start] + b"\xf6" + encoded[unprotected.end :],
        "detached": encoded[: content.start] + b"\xf6" + encoded[content.end :],
        "text": encoded[: content.start] + b"\x60" + encoded[content.end :],
        "of five": encoded[:1] + b"\x85" + encoded[2:] + b"\xf6",
        "of three": encoded[:1] + b"\x83" + encoded[2 : signature.start],
        "signature of 63": encoded[: signature.start]
        + b"\x58\x3f"
        + encoded[signature.content + 1 :],
        "no signature": encoded[: signature.start] + b"\x40",
    }
    for what, changed in others.items():
        assert refusal(reads(name), changed) == Reason.ENCODING, what


@pytest.mark.parametrize("name", vector.SIGNED)
def test_every_cut_is_refused(name):
    encoded, payload = vector.raw(name, "encoded"), vector.raw(name, "payload")
    read = vector.READERS[vector.load(name)["kind"]]
    for size in range(len(encoded)):
        assert refusal(reads(name), encoded[:size]) == Reason.ENCODING, size
    for size in range(len(payload)):
        assert refusal(read, payload[:size]) == Reason.ENCODING, size


@pytest.mark.parametrize("kind", sorted(vector.READERS.keys() - {"observation"}))
@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_what_is_read_is_written_back_to_the_same_bytes(kind, data):
    """Whatever stands where: no two payloads say the same, and nothing else is raised."""
    names = [name for name in vector.STATEMENTS if vector.load(name)["kind"] == kind]
    if not names:
        return
    payload = vector.raw(data.draw(st.sampled_from(names)), "payload")
    found = [*vector.items(vector.parse(payload))]
    for _ in range(data.draw(st.integers(1, 3))):
        item = data.draw(st.sampled_from(found))
        value = data.draw(anything)
        payload = payload[: item.start] + cbor.encode(value) + payload[item.end :]
        try:
            found = [*vector.items(vector.parse(payload))]
        except IndexError:
            break
    with contextlib.suppress(EvidenceError):
        assert vector.READERS[kind](payload).payload() == payload


numbers = st.one_of(
    st.sampled_from(
        [0, 1, 2, 16, 255, 1 << 32, (1 << 64) - 1, -1, -(1 << 64), 1.0, 16.0, 0.0, -1.0]
    ),
    st.integers(-(1 << 64), (1 << 64) - 1),
)
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, st.binary(max_size=40), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.one_of(st.integers(-70000, 70000), st.text(max_size=3)), inner, max_size=3
        ),
    ),
    max_leaves=6,
)
