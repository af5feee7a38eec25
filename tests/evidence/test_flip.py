"""Each vector with any one bit flipped is refused, with a reason that fits the place of the bit.

All bits, none sampled. The reasons stand by region of the message, below.
"""

from collections.abc import Iterator

import pytest

from evidence.code import Reason
from evidence.refusal import EvidenceError
from tests.evidence import vector

SIGNATURE, KID = {Reason.SIGNATURE}, {Reason.KID}
ENCODING = {Reason.ENCODING}  # what is left is not CBOR, not COSE_Sign1, or not our encoding of it
HEADER = {Reason.ENCODING, Reason.SHAPE}  # a label flipped: out of order, or not one of ours
# A batch is read before its run's key is known: what its head says may be what is refused.
HEAD = {
    *(Reason.ENCODING, Reason.SHAPE, Reason.VERSION, Reason.COUNT, Reason.RANGE, Reason.LINK),
    *(Reason.HEAD_CHAIN, Reason.SIGNATURE),
}
LINKS = {
    *(Reason.ENCODING, Reason.SHAPE, Reason.VERSION, Reason.SEQUENCE, Reason.LINK, Reason.RANGE),
}


def regions(encoded: bytes, payload: set[Reason]) -> Iterator[tuple[int, set[Reason]]]:
    """Where each region of a COSE_Sign1 ends, and the reasons that fit it."""
    message = vector.parse(encoded)
    protected, unprotected, content, signature = message.members[0].members
    yield protected.content, ENCODING  # tag, array, head of the protected header
    inside = encoded[protected.content : protected.end]
    for at, item in enumerate(vector.parse(inside).members):
        if at == 0:
            yield protected.content + item.start, ENCODING  # the map's head
        if at % 2 == 0:
            yield protected.content + item.end, HEADER
            continue
        label = inside[item.start - 1]
        named = {1: {Reason.ALG}, 4: KID, 0x10: {Reason.TYP}}[label]
        yield protected.content + item.start + 1, ENCODING | named
        yield protected.content + item.end, named
    yield unprotected.end, ENCODING
    yield content.content, ENCODING
    yield content.end, payload
    yield signature.content, ENCODING
    yield signature.end, SIGNATURE


def unfitting(name: str, encoded: bytes, expected: list[set[Reason]]) -> list[str]:
    """The flipped bits that were accepted, or refused for what they are not."""
    wrong = []
    flipped = bytearray(encoded)
    for at in range(len(encoded)):
        for bit in range(8):
            flipped[at] ^= 1 << bit
            try:
                vector.accept(name, bytes(flipped))
                wrong.append(f"byte {at} bit {bit}: accepted")
            except EvidenceError as fault:
                if fault.reason not in expected[at]:
                    wrong.append(f"byte {at} bit {bit}: {fault}")
            flipped[at] ^= 1 << bit
    return wrong


def spread(encoded: bytes, payload: set[Reason]) -> list[set[Reason]]:
    """The fitting reasons of each byte."""
    reasons: list[set[Reason]] = []
    for end, fitting in regions(encoded, payload):
        reasons += [fitting] * (end - len(reasons))
    return reasons


@pytest.mark.parametrize("name", vector.SIGNED)
def test_each_flipped_bit_is_refused_for_what_it_is(name):
    encoded = vector.raw(name, "encoded")
    assert not unfitting(name, encoded, spread(encoded, SIGNATURE))


@pytest.mark.parametrize("name", vector.BATCHES)
def test_each_flipped_bit_of_a_batch_is_refused_for_what_it_is(name):
    """A signature, or what stands in a frame, is missed by the next link, or by the head."""
    found = vector.load(name)
    reasons = spread(bytes.fromhex(found["head"]), HEAD)
    fields = vector.load(name.replace("batch", "head"))["fields"]
    counts = [part["last_seq"] - part["first_seq"] + 1 for part in fields["ranges"]]
    lasts = {sum(counts[: at + 1]) - 1 for at in range(len(counts))}
    for at, item in enumerate(found["observations"]):
        link = bytes.fromhex(item)
        missed = {Reason.RANGE} if at in lasts else {Reason.LINK}
        expected = spread(link, LINKS)
        content, signature = vector.parse(link).members[0].members[2:]
        raw = vector.parse(link[content.content : content.end]).members[-1]
        for place in range(content.content + raw.content, content.end):
            expected[place] = missed
        for place in range(signature.content, signature.end):
            expected[place] = missed
        reasons += expected
    encoded = vector.raw(name, "encoded")
    assert len(reasons) == len(encoded)
    assert not unfitting(name, encoded, reasons)


def test_each_flipped_bit_of_a_disclosure_is_refused():
    encoded = vector.raw("disclosure", "encoded")
    digests = [bytes.fromhex(item["digest"]) for item in vector.load("disclosure")["fields"]]
    for at in range(len(encoded) * 8):
        flipped = bytearray(encoded)
        flipped[at // 8] ^= 1 << at % 8
        with pytest.raises(EvidenceError) as found:
            vector.accept_disclosure(bytes(flipped), digests)
        assert found.value.reason in {Reason.ENCODING, Reason.SHAPE}
