"""What one batch shows by itself: heads, ranges, links, counts, roots, and each signature."""

from dataclasses import replace

import pytest

from evidence import batch, cbor, cose, gap, head, layout, merkle, observation
from evidence.code import Cause, Reason, Typ
from evidence.head import Head, Range
from evidence.key import Ed25519Key
from evidence.observation import Binding, Sample
from evidence.refusal import EvidenceError

RUN, BEFORE = Ed25519Key(b"run".ljust(32)), Ed25519Key(b"before".ljust(32))
RUN_NAME = b"r" * 32
PREV = b"p" * 32
T0 = 1_795_392_037_000_000_000


def descriptor(stream: int) -> bytes:
    return bytes([stream]) * 32


def stretch(stream=7, first=100, count=5, key=RUN, prev=PREV):
    """A range and its links."""
    binding = Binding(key.public.kid, descriptor(stream))
    links, at = [], prev
    for seq in range(first, first + count):
        sample = Sample(stream, seq, T0 + seq, 1000, 1, 3, 50_000, 2000, at, 16, b"frame")
        links.append(observation.seal(binding, sample, key.sign))
        at = merkle.leaf_hash(links[-1])
    return Range(stream, descriptor(stream), first, first + count - 1, prev, at), links


def head_of(parts, **changed) -> Head:
    links = [link for _, found in parts for link in found]
    root = merkle.root([merkle.leaf_hash(link) for link in links])
    ranges = tuple(part for part, _ in parts)
    made = Head(RUN_NAME, 1, b"h" * 32, sum(part.count for part in ranges), root, ranges)
    return replace(made, **changed)


def encode(of: Head, links) -> bytes:
    return cose.sign(Typ.HEAD, of.payload(), RUN) + b"".join(links)


def check(encoded: bytes, keys=None):
    """As a record checks it; one reader for all its ranges under one descriptor."""
    found = batch.read(encoded)
    cose.check(found.message, RUN.public)
    readers: dict[bytes, layout.Reader] = {}

    def reader_of(part: Range) -> layout.Reader:
        binding = Binding(RUN.public.kid, part.descriptor)
        return readers.setdefault(part.descriptor, layout.Reader(binding, ()))

    spans = batch.check(found, reader_of)
    if keys is not None:
        batch.check_each(found, keys)
    return spans


def reason(encoded: bytes, keys=None):
    with pytest.raises(EvidenceError) as fault:
        check(encoded, keys)
    return fault.value.reason


def joined(parts):
    return [link for _, links in parts for link in links]


def test_a_batch_of_many_streams_is_accepted():
    parts = [stretch(stream, 20 * stream) for stream in range(1, 9)]
    spans = check(
        encode(head_of(parts), joined(parts)), {descriptor(s): RUN.public for s in range(9)}
    )
    assert [len(span.leaves) for span in spans] == [5] * 8


def test_what_is_left_out_added_or_moved_is_missed():
    parts = [stretch(7), stretch(8)]
    links, of = joined(parts), head_of(parts)
    assert reason(encode(of, links[:-1])) == Reason.ENCODING  # the body ends
    assert reason(encode(of, [*links, links[-1]])) == Reason.COUNT
    assert reason(encode(of, links[1:])) == Reason.SEQUENCE
    assert reason(encode(of, links[5:] + links[:5])) == Reason.RANGE
    assert reason(encode(of, links[:2] + links[3:])) == Reason.SEQUENCE
    assert reason(encode(of, [*links[:1], links[2], links[1], *links[3:]])) == Reason.SEQUENCE


def test_a_head_that_does_not_fit_its_observations_is_refused():
    part, links = stretch()

    def told(part=part, **changed):
        return reason(encode(head_of([(part, links)], **changed), links))

    assert told(root=b"?" * 32) == Reason.ROOT
    assert told(count=4) == Reason.COUNT
    assert told(number=0) == Reason.HEAD_CHAIN
    assert told(ranges=()) == Reason.SHAPE
    assert told(part._replace(first_prev=b"?" * 32)) == Reason.LINK
    assert told(part._replace(last_leaf=b"?" * 32)) == Reason.RANGE
    assert told(part._replace(stream=8)) == Reason.RANGE
    assert told(part._replace(first_seq=99)) == Reason.SEQUENCE
    assert told(part._replace(last_seq=103)) == Reason.RANGE
    assert told(part._replace(first_seq=104, last_seq=103)) == Reason.SHAPE


def test_no_observation_stands_twice_in_a_batch():
    part, links = stretch()
    assert reason(encode(head_of([(part, links)] * 2), links * 2)) == Reason.RANGE
    within = part._replace(first_seq=102, last_seq=103)
    with pytest.raises(EvidenceError, match="range"):
        head.read(head_of([(part, links), (within, links[2:4])]).payload())


def test_ranges_that_touch_are_linked():
    first = stretch()
    linked = stretch(first=105, prev=first[0].last_leaf)
    check(encode(head_of([first, linked]), joined([first, linked])))
    apart = stretch(first=105)
    assert reason(encode(head_of([first, apart]), joined([first, apart]))) == Reason.LINK
    # After links that were given up, what comes next continues what nobody has.
    later = stretch(first=205)
    check(encode(head_of([first, later]), joined([first, later])))


def test_a_learned_stream_is_no_other_stream():
    """Under one descriptor, a range that claims another stream for the same bytes."""
    part, links = stretch()
    other, more = stretch(first=105, prev=part.last_leaf)
    claimed = [(part, links), (other._replace(stream=8), more)]
    assert reason(encode(head_of(claimed), joined(claimed))) == Reason.RANGE


def test_each_signature_is_checked_where_the_head_does_not_do():
    """A head vouches for places; what its key did not sign must carry its own signature."""
    part, links = stretch()
    keys = {part.descriptor: RUN.public}
    check(encode(head_of([(part, links)]), links), keys)
    binding = Binding(RUN.public.kid, part.descriptor)
    sample = observation.read_at(links[-1], 0)[0]
    forged = [*links[:-1], observation.seal(binding, sample, BEFORE.sign)]
    part = part._replace(last_leaf=merkle.leaf_hash(forged[-1]))
    encoded = encode(head_of([(part, forged)]), forged)
    check(encoded)  # well linked, and of the root that the head signs
    assert reason(encoded, keys) == Reason.SIGNATURE
    assert reason(encoded, {part.descriptor: BEFORE.public}) == Reason.KID


def test_the_most_that_a_head_holds():
    part, _ = stretch()
    most = (1 << 64) - 1
    wide = part._replace(first_seq=most, last_seq=most)
    names = [bytes([at // 256, at % 256]) * 16 for at in range(head.RANGES_MAX)]
    wides = [wide._replace(stream=most - at, descriptor=name) for at, name in enumerate(names)]
    parts: list[tuple[Range, list[bytes]]] = [(found, []) for found in wides]
    of = replace(head_of(parts), number=most)
    encoded = cose.sign(Typ.HEAD, of.payload(), RUN)
    assert len(encoded) <= cose.HEAD_BYTES_MAX
    assert head.read(cose.read_statement(encoded, Typ.HEAD).payload) == of
    with pytest.raises(EvidenceError, match="shape: ranges"):
        head.read(head_of([*parts, (wide, [])]).payload())


def test_a_batch_beyond_its_limit_is_not_looked_at():
    with pytest.raises(EvidenceError, match="too_long"):
        batch.read(bytes(batch.BATCH_BYTES_MAX + 1))


def test_only_a_head_begins_a_batch():
    part, links = stretch()
    encoded = cose.sign(Typ.RECEIPT, head_of([(part, links)]).payload(), RUN)
    assert reason(encoded + b"".join(links)) == Reason.TYP
    assert reason(b"".join(links)) == Reason.TYP


def test_the_longest_frame_is_sealed_and_read_and_no_longer_one():
    binding = Binding(RUN.public.kid, descriptor(7))
    sample = Sample(7, 1, T0, None, 0, 0, 0, None, PREV, 16, bytes(observation.RAW_BYTES_MAX))
    encoded = observation.seal(binding, sample, RUN.sign)
    assert observation.verify(encoded, RUN.public, descriptor(7)) == sample
    assert observation.read_at(encoded, 0)[0] == sample
    longer = sample._replace(raw=bytes(observation.RAW_BYTES_MAX + 1))
    with pytest.raises(EvidenceError, match="too_long"):
        observation.seal(binding, longer, RUN.sign)
    payload = b"\x8c\x01" + cbor_of(longer)
    content = b"\x5a" + len(payload).to_bytes(4, "big") + payload
    forged = binding.message_prefix + content + b"\x58\x40" + bytes(64)
    with pytest.raises(EvidenceError, match="too_long"):
        observation.read_at(forged, 0)


def cbor_of(sample: Sample) -> bytes:
    return b"".join(cbor.encode(field) for field in sample)


def test_an_observation_is_bound_to_its_descriptor_and_key():
    part, links = stretch()
    assert observation.verify(links[0], RUN.public, part.descriptor).seq == 100
    for key, name, told in (
        (RUN.public, b"?" * 32, Reason.SIGNATURE),
        (BEFORE.public, part.descriptor, Reason.KID),
    ):
        with pytest.raises(EvidenceError) as fault:
            observation.verify(links[0], key, name)
        assert fault.value.reason == told
    statement = cose.sign(Typ.RUN, cose.read(links[0]).payload, RUN)
    with pytest.raises(EvidenceError, match="typ"):
        observation.verify(statement, RUN.public, part.descriptor)
    with pytest.raises(EvidenceError, match="typ"):
        cose.read_statement(links[0], Typ.RUN)


def test_a_gap_is_written_and_read():
    dropped = gap.Dropped(RUN_NAME, 5, 9, PREV)
    for found in (
        gap.Gap(Cause.NOT_HEARD, T0, T0, None),
        gap.Gap(Cause.NOT_KEPT, 0, T0, 5, dropped),
    ):
        assert gap.read(found.raw()) == found


@pytest.mark.parametrize(
    "value",
    [
        *([17, 2, 1, None, None], [99, 1, 1, None, None], [17.0, 1, 1, None, None]),
        *(
            [True, 1, 1, None, None],
            [17, -1, 1, None, None],
            [17, 1, 1, 1.0, None],
            [17, 1, 1, None],
        ),
        *([17, 1, 1, None, []], [17, 1, 1, None, [RUN_NAME, 1, 2]], {}, None, 17),
        *([17, 1, 1, None, [RUN_NAME, 9, 5, PREV]], [17, 1, 1, None, [RUN_NAME, 5, 9, b""]]),
    ],
)
def test_a_gap_of_another_shape_is_refused(value):
    with pytest.raises(EvidenceError, match="shape"):
        gap.read(cbor.encode(value))
