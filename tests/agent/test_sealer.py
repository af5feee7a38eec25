"""The sealer and the cutter: links that verify, heads that the format takes, and nothing after the
end.
"""

import pytest

from agent.cutter import BODY_BYTES_MAX, Cut, Cutter, Limits
from agent.sealer import SOFTWARE, Chain, Piece, Sealer, SealError, Stretch
from drivers.line import Frame, Instant
from evidence import batch, cose, disclosure, head, layout, merkle, observation
from evidence import descriptor as descriptors
from evidence.code import Cause, Kind
from evidence.descriptor import Descriptor
from evidence.head import COUNT_MAX, RANGES_MAX, Range
from evidence.key import Ed25519Key, PublicKey
from evidence.run import Reached, Run
from tests.agent.site import START, frame

DEVICE = Ed25519Key(bytes(32)).public
OVERHEAD_BYTES_MAX = 165  # of one observation beside its raw
DUE = Limits(250_000_000, 32768)


def begin(seed: int = 1, reached: tuple[Reached, ...] = ()) -> Sealer:
    run = Run(
        *(bytes(32), bytes(32), START, None, Cause.FIRST_START, None, False, None, reached),
        *(SOFTWARE, bytes(64)),
    )
    return Sealer(run, DEVICE, bytes([seed]) * 32)


def describe(sealer: Sealer, stream: int) -> Chain:
    """A stream's next descriptor, of nothing but its place."""

    def make(chain: Chain) -> tuple[Descriptor, bytes]:
        source = disclosure.Discloser(lambda length: bytes(length)).hide(b"source")
        made = Descriptor(
            *(sealer.name, chain.number, chain.seq, chain.prev, START, int(Kind.C37118)),
            source=source,
            origin="direct",
            wait_ms=None,
            configuration=None,
            rate=(50, 1),
            position=None,
            offset_mm=None,
            blocks=(),
            channels=(),
        )
        return made, b"\x80"

    chain = sealer.chain(stream)
    sealer.describe(chain, make)
    return chain


def filled(sealer: Sealer, stream: int, first: int, last: int) -> None:
    chain = sealer.chain(stream)
    if chain.descriptor is None:
        describe(sealer, stream)
    sealer.seal(chain, [frame(number) for number in range(first, last + 1)])


def check(cut: Cut, pieces: list[Piece], keys: dict[bytes, PublicKey]) -> batch.Batch:
    """The batch as it is sent, checked as a record does."""
    bodies: dict[bytes, list[bytes]] = {}
    for piece in pieces:
        for one in piece.stretches:
            bodies.setdefault(one.descriptor, []).append(one.links)
    encoded = b"".join((cut.head, *(part for parts in bodies.values() for part in parts)))
    found = batch.read(encoded)
    cose.check(found.message, keys[found.head.run])
    key_of = {one.descriptor: keys[one.run] for piece in pieces for one in piece.stretches}

    def reader(part: Range) -> layout.Reader:
        kid = key_of[part.descriptor].kid
        return layout.Reader(observation.Binding(kid, part.descriptor), ())

    batch.check(found, reader)
    batch.check_each(found, key_of)
    assert (cut.id, cut.observations, cut.size) == (found.id, found.head.count, len(encoded))
    return found


def test_every_link_verifies_and_names_the_one_before() -> None:
    sealer = begin()
    filled(sealer, 1, 0, 4)
    piece = sealer.take()
    (stated,), (stretch,) = piece.statements, piece.stretches
    made = descriptors.read(cose.read(stated.encoded).payload)
    assert (made.seq, made.prev) == (0, bytes(32))
    prev = merkle.leaf_hash(stated.encoded)
    for seq, link in enumerate(observation.split(stretch.links), 1):
        sample = observation.verify(link, sealer.run.public, stretch.descriptor)
        assert (sample.seq, sample.prev, sample.raw) == (seq, prev, frame(seq - 1).raw)
        assert sample.heard == 20_000_000, "arrival, as a distance"
        prev = merkle.leaf_hash(link)
    assert sealer.reached() == (Reached(1, sealer.name, 5, prev),)
    assert piece.reached == sealer.reached()


def test_a_new_run_continues_the_leaf_that_it_names() -> None:
    leaf = b"\x07" * 32
    sealer = begin(2, (Reached(1, b"\x01" * 32, 99, leaf),))
    filled(sealer, 1, 0, 0)
    made = descriptors.read(cose.read(sealer.take().statements[0].encoded).payload)
    assert (made.seq, made.prev) == (0, leaf)


@pytest.mark.parametrize("raw", [34, 122, 1400])
def test_an_observation_costs_few_bytes_beside_the_frame(raw: int) -> None:
    sealer = begin()
    chain = describe(sealer, 2**16 - 1)
    chain.seq = 2**32 - 2
    heard = Instant(START + 2**32 - 1, 2**32 - 1)
    one = frame(0, tai=START, raw=bytes(raw))._replace(bound=2**32 - 1, heard=heard)
    sealer.seal(chain, [one._replace(flags=1023)])
    (link,) = observation.split(sealer.take().stretches[0].links)
    assert len(link) - raw <= OVERHEAD_BYTES_MAX


def test_nothing_is_sealed_after_the_end() -> None:
    sealer = begin()
    filled(sealer, 1, 0, 1)
    sealer.stop()
    chain = sealer.chain(1)
    with pytest.raises(SealError):
        sealer.seal(chain, [frame(2)])
    with pytest.raises(SealError):
        describe(sealer, 1)
    with pytest.raises(SealError):
        sealer.sign_head(b"")
    assert sealer.take().observations == 2, "what was sealed before is still handed on"


def test_nothing_is_sealed_without_a_descriptor() -> None:
    sealer = begin()
    with pytest.raises(SealError):
        sealer.seal(sealer.chain(1), [frame(0)])


def test_a_piece_has_no_more_stretches_than_a_head_and_loses_none() -> None:
    sealer = begin()
    frames: list[Frame] = []
    for number in range(RANGES_MAX + 10):
        chain = describe(sealer, number % 7)
        frames.append(frame(number))
        sealer.seal(chain, frames[-1:])
    first = sealer.take()
    assert len(first.stretches) == first.observations == RANGES_MAX
    assert len(first.statements) == RANGES_MAX + 10, "statements first: they are small"
    before = {one.stream: one.last_seq for one in first.stretches}
    second = sealer.take()
    assert second.observations == 10
    for one in second.stretches:
        assert one.first_seq > before[one.stream]
    for item in first.reached:  # up to the descriptor that follows at most, never beyond
        assert item.seq - before[item.stream] in (0, 1)
    assert first.size + second.size == sum(
        len(one.links) for one in (*first.stretches, *second.stretches)
    )
    assert sealer.take() == Piece((), (), sealer.reached(), 0, 0)


def test_a_batch_is_what_evidence_takes() -> None:
    sealer = begin()
    cutter = Cutter(sealer.name, DUE)
    pieces = []
    for at in range(3):
        filled(sealer, 1, 2 * at, 2 * at + 1)
        filled(sealer, 2, at, at)
        pieces.append(sealer.take())
        cutter.add(at + 1, pieces[-1].stretches, pieces[-1].observations, pieces[-1].size, 0)
    cut = cutter.cut(sealer.sign_head)
    assert cut is not None
    found = check(cut, pieces, {sealer.name: sealer.run.public})
    assert [(one.stream, one.count) for one in found.head.ranges] == [(1, 6), (2, 3)]
    assert (cut.first, cut.last) == (1, 3)
    filled(sealer, 1, 6, 6)
    piece = sealer.take()
    cutter.add(4, piece.stretches, piece.observations, piece.size, 0)
    after = cutter.cut(sealer.sign_head)
    assert after is not None
    found = check(after, [piece], {sealer.name: sealer.run.public})
    assert (found.head.number, found.head.previous) == (1, cut.id)
    assert cutter.cut(sealer.sign_head) is None


def test_what_an_earlier_run_left_is_cut_with_the_next_runs() -> None:
    old = begin(1)
    filled(old, 1, 0, 3)
    left = old.take()
    new = begin(2, left.reached)
    filled(new, 1, 4, 5)
    piece = new.take()
    cutter = Cutter(new.name, DUE)
    cutter.add(1, left.stretches, left.observations, left.size, 0)
    cutter.add(3, piece.stretches, piece.observations, piece.size, 0)
    cut = cutter.cut(new.sign_head)
    assert cut is not None
    check(cut, [left, piece], {old.name: old.run.public, new.name: new.run.public})


def test_a_batch_is_due_by_age_and_by_size() -> None:
    sealer = begin()
    filled(sealer, 1, 0, 0)
    piece = sealer.take()
    cutter = Cutter(sealer.name, DUE)
    assert not cutter.due(1 << 60, False)
    cutter.add(1, piece.stretches, 1, piece.size, 1000)
    assert not cutter.due(1000 + DUE.age_ns - 1, False)
    assert cutter.due(1000 + DUE.age_ns, False)
    assert not cutter.due(1000 + DUE.age_ns, True), "others wait: a fuller batch serves better"
    assert cutter.due(1000 + 8 * DUE.age_ns, True)
    cutter.add(2, _next(piece), 1, DUE.size, 1000)
    assert cutter.due(1000, False)


def _next(piece: Piece) -> tuple[Stretch, ...]:
    (one,) = piece.stretches
    return (one._replace(first_seq=one.last_seq + 1, last_seq=one.last_seq + 1),)


def _stretches(first: int, count: int) -> tuple[Stretch, ...]:
    return tuple(
        Stretch(n, bytes(32), n.to_bytes(32, "big"), 1, 1, bytes(32), (bytes(32),), b"link")
        for n in range(first, first + count)
    )


def test_a_piece_that_does_not_fit_is_not_forced_into_the_open_batch() -> None:
    sealer = begin()
    cutter = Cutter(sealer.name, DUE)
    open_now = RANGES_MAX // 2
    assert cutter.fits(_stretches(0, RANGES_MAX), RANGES_MAX, 1), "an empty batch takes any piece"
    cutter.add(1, _stretches(0, open_now), open_now, 1000, 0)
    assert not cutter.due(0, False)
    assert cutter.fits(_stretches(0, RANGES_MAX), 1, 1), "the same descriptors are no new ranges"
    assert cutter.fits(_stretches(open_now, RANGES_MAX - open_now), 1, 1)
    assert not cutter.fits(_stretches(open_now, RANGES_MAX - open_now + 1), 1, 1)
    assert not cutter.fits((), COUNT_MAX, 1)
    assert not cutter.fits((), 1, BODY_BYTES_MAX)
    cut = cutter.cut(sealer.sign_head)
    assert cut is not None
    head.read(cose.read(cut.head).payload)
    assert not cutter.open


def test_a_break_inside_a_range_is_never_signed() -> None:
    sealer = begin()
    cutter = Cutter(sealer.name, DUE)
    cutter.add(1, _stretches(1, 1), 1, 4, 0)
    (one,) = _stretches(1, 1)
    cutter.add(2, (one._replace(first_seq=3, last_seq=3),), 1, 4, 0)
    with pytest.raises(ValueError, match="seq 3 follows 1"):
        cutter.cut(sealer.sign_head)
