"""The sealer: links that verify, pieces that fit a head, and nothing after the end."""

import pytest

from agent.sealer import SOFTWARE, Chain, Piece, Sealer, SealError
from drivers.line import Frame, Instant
from evidence import cose, disclosure, merkle, observation
from evidence import descriptor as descriptors
from evidence.code import Cause, Kind
from evidence.descriptor import Descriptor
from evidence.head import RANGES_MAX
from evidence.key import Ed25519Key
from evidence.run import Reached, Run
from tests.agent.site import START, frame

DEVICE = Ed25519Key(bytes(32)).public
OVERHEAD_BYTES_MAX = 165  # of one observation beside its raw


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
