"""The cutter: batches that a record takes, and no head that it would refuse."""

from agent.cutter import Cut, Cutter, Limits
from agent.sealer import BODY_BYTES_MAX, Piece, Stretch
from evidence import batch, cose, head, layout, observation
from evidence.head import COUNT_MAX, RANGES_MAX, Range
from evidence.key import PublicKey
from tests.agent.test_sealer import begin, filled

DUE = Limits(250_000_000, 32768)


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


def _stretches(first: int, count: int, seq: int = 1) -> tuple[Stretch, ...]:
    return tuple(
        Stretch(n, bytes(32), n.to_bytes(32, "big"), seq, seq, bytes(32), (bytes(32),), b"link")
        for n in range(first, first + count)
    )


def test_a_piece_that_does_not_fit_is_not_forced_into_the_open_batch() -> None:
    sealer = begin()
    cutter = Cutter(sealer.name, DUE)
    open_now = RANGES_MAX // 2
    assert cutter.fits(_stretches(0, RANGES_MAX), RANGES_MAX, 1), "an empty batch takes any piece"
    cutter.add(1, _stretches(0, open_now), open_now, 1000, 0)
    assert not cutter.due(0, False)
    more = (*_stretches(0, open_now, 2), *_stretches(open_now, RANGES_MAX - open_now))
    assert cutter.fits(more, 1, 1), "what goes on under the same descriptors are no new ranges"
    assert not cutter.fits(_stretches(0, RANGES_MAX, 3), 1, 1), "after a break they are"
    assert cutter.fits(_stretches(open_now, RANGES_MAX - open_now), 1, 1)
    assert not cutter.fits(_stretches(open_now, RANGES_MAX - open_now + 1), 1, 1)
    assert not cutter.fits((), COUNT_MAX, 1)
    assert not cutter.fits((), 1, BODY_BYTES_MAX)
    cut = cutter.cut(sealer.sign_head)
    assert cut is not None
    head.read(cose.read(cut.head).payload)
    assert not cutter.open


def test_a_piece_that_is_lost_in_between_makes_two_ranges() -> None:
    sealer = begin()
    cutter = Cutter(sealer.name, DUE)
    pieces = []
    for at in range(3):
        filled(sealer, 1, 2 * at, 2 * at + 1)
        filled(sealer, 2, at, at)
        pieces.append(sealer.take())
    del pieces[1]
    for piece in pieces:
        cutter.add(1, piece.stretches, piece.observations, piece.size, 0)
    cut = cutter.cut(sealer.sign_head)
    assert cut is not None
    found = check(cut, pieces, {sealer.name: sealer.run.public})
    assert [(one.stream, one.count) for one in found.head.ranges] == [
        (1, 2),
        (1, 2),
        (2, 1),
        (2, 1),
    ]
