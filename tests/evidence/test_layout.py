"""The fast reader against the strict one: they agree on all, the reason of a refusal included.

The strict reader here is observation.read_at in a loop, as plain as can be. Bodies are forged with
links that hold over whatever was changed, so that nothing but strictness can refuse them.
"""

from hashlib import sha256
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evidence import cbor, layout, merkle, observation
from evidence.code import Reason
from evidence.layout import Heard, Segment, Span
from evidence.observation import Sample
from evidence.refusal import EvidenceError

KID = b"run key1"
BINDING = observation.Binding(KID, bytes(32))
FIRST_PREV = sha256(b"before").digest()
STREAM = 7
T0 = 1_795_392_037_000_000_000
LATE_NS = 50_000
SLICES = st.sampled_from(
    [(), ((0, 2),), ((14, 2),), ((1, 1), (2, 3)), ((0, 4), (14, 2), (40, 2)), ((3, 0),)]
)
EDGES = [0, 1, 22, 23, 24, 25, 255, 256, 65535, 65536, (1 << 32) - 1, 1 << 32, (1 << 64) - 1]
number = st.one_of(st.sampled_from(EDGES), st.integers(0, (1 << 64) - 1))
offset = st.one_of(number, number.map(lambda value: -1 - value))
bound = st.one_of(st.none(), number)


class Shaped(NamedTuple):
    """What an observation says, but for its place in the chain; `wide`: heads longer than due."""

    tai: int
    bound: int | None
    source: int
    flags: int
    heard: int
    heard_bound: int | None
    kind: int
    raw: bytes
    wide: tuple[tuple[int, int], ...] = ()  # field, bytes of its number


def wide_number(value: int, width: int) -> bytes:
    """A number in as many bytes, due or not."""
    major, argument = (0, value) if value >= 0 else (1, -1 - value)
    info = {1: 24, 2: 25, 4: 26, 8: 27}[width]
    return bytes([major << 5 | info]) + argument.to_bytes(width, "big")


def sealed(shaped: Shaped, seq: int, prev: bytes, stream: int = STREAM) -> bytes:
    """An observation whose signature is as good as any: it is not looked at here."""
    sample = Sample(stream, seq, *shaped[:6], prev, *shaped[6:8])
    fields = [cbor.encode(field) for field in (1, *sample)]
    for field, width in shaped.wide:
        value = (1, *sample)[field]
        if isinstance(value, int) and -(1 << 8 * width) <= value < 1 << 8 * width:
            fields[field] = wide_number(value, width)
    payload = b"\x8c" + b"".join(fields)
    content = cbor.bytes_head(len(payload)) + payload
    return BINDING.message_prefix + content + b"\x58\x40" + sha256(content).digest() * 2


def strict(body, at, first_seq, count, prev, slices, late_ns=None) -> Span:
    """What layout.Reader.span shall give, by the strict reader alone."""
    leaves: list[bytes] = []
    segments: list[Segment] = []
    arrivals = []
    latest: dict[int, int] = {}
    for seq in range(first_seq, first_seq + count):
        sample, message, end = observation.read_at(body, at)
        if not message.encoded.startswith(BINDING.message_prefix):
            raise EvidenceError(Reason.KID, "")
        if sample.stream != STREAM:
            raise EvidenceError(Reason.RANGE, "")
        if sample.seq != seq:
            raise EvidenceError(Reason.SEQUENCE, "")
        if sample.prev != prev:
            raise EvidenceError(Reason.LINK, "")
        prev = merkle.leaf_hash(body[at:end])
        leaves.append(prev)
        arrivals.append((sample.tai, sample.heard, sample.heard_bound))
        latest[sample.kind] = sample.tai
        marks = tuple(sample.raw[start : start + size] for start, size in slices)
        quality = (sample.bound, sample.source, sample.flags)
        here = Segment(seq, seq, sample.kind, quality, marks, heard(sample, late_ns))
        if segments and segments[-1][2:] == here[2:]:
            segments[-1] = segments[-1]._replace(last_seq=seq)
        else:
            segments.append(here)
        at = end
    return Span(at, leaves, segments, arrivals[0], arrivals[-1], latest)


def heard(sample: Sample, late_ns: int | None) -> Heard:
    """As the classes are defined, on the number itself."""
    if sample.bound is None or sample.heard_bound is None:
        return Heard.IN_TIME
    bounds = sample.bound + sample.heard_bound
    if sample.heard + bounds < 0:
        return Heard.EARLY
    late = late_ns is not None and sample.heard > late_ns + bounds
    return Heard.LATE if late else Heard.IN_TIME


def outcome(read: Any) -> Any:
    """What a reader gives, or the reason it refuses for."""
    try:
        return read()
    except EvidenceError as fault:
        return fault.reason


def agree(body, first_seq, count, slices, reader=None, late_ns=LATE_NS):
    """The outcome, after both readers came to the same."""
    reader = reader or layout.Reader(BINDING, slices, late_ns)
    fast = outcome(lambda: reader.span(body, 0, STREAM, first_seq, count, FIRST_PREV))
    assert fast == outcome(lambda: strict(body, 0, first_seq, count, FIRST_PREV, slices, late_ns))
    return fast


def chain(shapes, first_seq, change=None) -> bytes:
    """A body of linked observations; `change` may alter the bytes of one before it is linked on."""
    body, prev = b"", FIRST_PREV
    for at, shaped in enumerate(shapes):
        link = sealed(shaped, first_seq + at, prev)
        if change is not None:
            link = change(at, link)
        prev = merkle.leaf_hash(link)
        body += link
    return body


ordinary = st.builds(
    Shaped,
    st.integers(T0, T0 + 10**12),
    st.sampled_from([None, 1000]),
    st.just(1),
    st.sampled_from([3, 3, 3, 259]),
    st.integers(-(1 << 17), 1 << 17),
    st.sampled_from([20_000, 20_000, 255, None]),
    st.sampled_from([16, 16, 16, 1]),
    st.sampled_from([bytes(range(40)), bytes(range(40)), bytes(16) + b"-" * 24, b"gap"]),
    st.just(()),
)
odd = st.builds(
    Shaped,
    number,
    bound,
    number,
    number,
    offset,
    bound,
    number,
    st.binary(max_size=300),
    st.just(()),
)
# Lengthened numbers within one width: what a learned layout must not take for granted.
widened = st.builds(
    lambda shaped, wide: shaped._replace(wide=wide),
    ordinary,
    st.lists(
        st.tuples(st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, 10]), st.sampled_from([1, 2, 4, 8])),
        max_size=3,
    ).map(tuple),
)
first_seqs = st.one_of(
    st.sampled_from([0, 20, 250, 65530, (1 << 32) - 3, (1 << 64) - 30]), st.integers(0, 1 << 40)
)
SETTINGS = settings(max_examples=400, deadline=None, derandomize=True)


@SETTINGS
@given(st.lists(st.one_of(ordinary, ordinary, odd), min_size=1, max_size=25), first_seqs, SLICES)
def test_both_readers_give_the_same_spans(shapes, first_seq, slices):
    found = agree(chain(shapes, first_seq), first_seq, len(shapes), slices)
    assert isinstance(found, Span)
    assert found.first == (shapes[0].tai, shapes[0].heard, shapes[0].heard_bound)
    assert [pair[1].first_seq - pair[0].last_seq for pair in pairwise(found.segments)].count(1) == (
        len(found.segments) - 1
    )


@SETTINGS
@given(st.lists(ordinary, min_size=2, max_size=12), first_seqs, SLICES)
def test_what_a_reader_learned_serves_the_next_batch(shapes, first_seq, slices):
    """One reader over many batches, as the record keeps it."""
    reader = layout.Reader(BINDING, slices, LATE_NS)
    for at in range(3):
        again = shapes[at:] + shapes[:at]
        found = agree(chain(again, first_seq), first_seq, len(again), slices, reader)
        assert isinstance(found, Span)


@SETTINGS
@given(st.lists(st.one_of(ordinary, widened), min_size=2, max_size=12), first_seqs, SLICES)
def test_both_readers_refuse_the_same_long_heads(shapes, first_seq, slices):
    agree(chain(shapes, first_seq), first_seq, len(shapes), slices)


@SETTINGS
@given(st.data(), ordinary, first_seqs, SLICES)
def test_both_readers_judge_changed_bytes_alike(data, shaped, first_seq, slices):
    """A run of like observations, one changed in any of its bytes, and all linked again."""
    where = data.draw(st.integers(0, 5))

    def change(at, link):
        if at != where:
            return link
        changed = bytearray(link)
        for _ in range(data.draw(st.integers(1, 3))):
            place = data.draw(st.integers(0, len(changed) - 1))
            new = st.sampled_from([0, 1, 0x17, 0x18, 0x19, 0x1A, 0x1B, 0x38, 0x58, 0xF6, 0xFF])
            changed[place] = data.draw(st.one_of(new, st.integers(0, 255)))
        return bytes(changed)

    shapes = [shaped._replace(tai=shaped.tai + at) for at in range(6)]
    agree(chain(shapes, first_seq, change), first_seq, len(shapes), slices)


@SETTINGS
@given(st.data(), st.lists(ordinary, min_size=2, max_size=8), first_seqs, SLICES)
def test_both_readers_judge_cut_and_shifted_bodies_alike(data, shapes, first_seq, slices):
    body = chain(shapes, first_seq)
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, min(len(body), start + 80)))
    changed = body[:start] + data.draw(st.binary(max_size=30)) + body[end:]
    agree(changed, first_seq, len(shapes), slices)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(max_size=200), st.booleans())
@example(b"", True)
def test_random_bytes_are_refused_and_no_more(noise, learned):
    body = chain([ORDINARY] * 3, 1000) if learned else b""
    reader = layout.Reader(BINDING, ())
    if learned:
        reader.span(body, 0, STREAM, 1000, 3, FIRST_PREV)
    for data in (noise, BINDING.message_prefix + noise):
        assert isinstance(agree(data, 1003, 2, (), reader), Reason)


ORDINARY = Shaped(T0, 1000, 1, 3, 70_000, 20_000, 16, bytes(range(126)))


@pytest.mark.parametrize("late_ns", [None, 0, 5, 50_000])
def test_each_is_told_to_be_heard_in_time_early_or_late(late_ns):
    """Around both edges, to the ns, and where a number is part of a head byte."""
    late = 0 if late_ns is None else late_ns
    heards = [0, 7, -1, -24]
    for bounds in ((1000, 20_000), (1000, 20), (0, 0), (3, 2), (1000, None), (None, 20_000)):
        total = (bounds[0] or 0) + (bounds[1] or 0)
        heards += [late + total + one for one in (-1, 0, 1)]
        heards += [-total - one for one in (-1, 0, 1)]
    shapes = [
        ORDINARY._replace(heard=heard, bound=bound, heard_bound=heard_bound)
        for bound in (1000, 0, 3, None)
        for heard_bound in (20_000, 20, 0, 2, None)
        for heard in heards
        for _ in range(3)
    ]
    found = agree(chain(shapes, 1000), 1000, len(shapes), (), None, late_ns)
    told = {segment.heard for segment in found.segments}
    assert told == {Heard.IN_TIME, Heard.EARLY} | ({Heard.LATE} if late_ns is not None else set())


def test_every_bit_of_an_observation_is_judged_alike():
    """Not a sample: each bit of the second and of the last of three, linked again."""
    for where in (1, 2):
        size = len(sealed(ORDINARY, 1000, FIRST_PREV))
        for bit in range(size * 8):

            def change(at, link, where=where, bit=bit):
                if at != where:
                    return link
                flipped = bytearray(link)
                flipped[bit // 8] ^= 1 << bit % 8
                return bytes(flipped)

            agree(chain([ORDINARY] * 3, 1000, change), 1000, 3, ((0, 2), (14, 2)))


@pytest.mark.parametrize(
    ("field", "value", "width"),
    [
        ("heard", 65_535, 4),
        ("heard", -65_536, 4),
        ("heard_bound", 65_535, 4),
        ("heard_bound", 0, 4),
        ("tai", (1 << 32) - 1, 8),
        ("tai", 0, 8),
        ("bound", 255, 2),
        ("flags", 3, 1),
    ],
)
def test_a_number_longer_than_it_must_be_is_refused_after_a_layout_was_learned(field, value, width):
    place = {"tai": 3, "bound": 4, "flags": 6, "heard": 7, "heard_bound": 8}[field]
    like = ORDINARY._replace(heard=-70_000 if value < 0 else 70_000, heard_bound=70_000)
    long = like._replace(**{field: value}, wide=((place, width),))
    assert agree(chain([like, like, long, like], 1000), 1000, 4, ()) == Reason.ENCODING


@pytest.mark.parametrize("tai", [0, 1, 23, 24, 255, 65_536, (1 << 32) - 1, 1 << 32])
def test_instants_of_1970_are_read(tai):
    """Their heads are shorter than a layout expects."""
    early = ORDINARY._replace(tai=tai)
    found = agree(chain([early] * 5, 1000), 1000, 5, ((0, 2),))
    assert found.first == found.last == (tai, 70_000, 20_000)


def test_a_range_names_its_first_fault():
    body = chain([ORDINARY] * 4, 1000)
    size = len(body) // 4
    reader = layout.Reader(BINDING, ())
    assert isinstance(reader.span(body, 0, STREAM, 1000, 4, FIRST_PREV), Span)

    def fault(first_seq, count, prev=FIRST_PREV, stream=STREAM, changed=body):
        return outcome(lambda: reader.span(changed, 0, stream, first_seq, count, prev))

    assert fault(1001, 3) == Reason.SEQUENCE
    assert fault(1000, 5) == Reason.ENCODING  # the body ends
    assert fault(1000, 4, prev=bytes(32)) == Reason.LINK
    assert fault(1000, 4, stream=8) == Reason.RANGE
    swapped = body[:size] + body[2 * size : 3 * size] + body[size : 2 * size] + body[3 * size :]
    assert fault(1000, 4, changed=swapped) == Reason.SEQUENCE
    left_out = body[:size] + body[2 * size :]
    assert fault(1000, 3, changed=left_out) == Reason.SEQUENCE
    other = observation.Binding(b"run key2", bytes(32)).message_prefix
    by_other = body[:size] + other + body[size + len(other) :]
    assert fault(1000, 4, changed=by_other) == Reason.KID


def test_layouts_are_forgotten_and_learned_again():
    """More shapes than a reader remembers: nothing grows, nothing is misread."""
    shapes = [
        ORDINARY._replace(raw=bytes(size), heard=70_000 + size)
        for size in range(layout.LAYOUTS_MAX * 2)
    ] * 2
    reader = layout.Reader(BINDING, ())
    assert isinstance(agree(chain(shapes, 1000), 1000, len(shapes), (), reader), Span)
    assert len(reader._layouts) == layout.LAYOUTS_MAX
