"""Seals frames into the chains of one run. The run key is born here, lives in memory, and goes with
the Sealer.

1. Every link of a stream names the hash of the link before; seq rises by one from 0, the first link
   a descriptor.
2. What was sealed is handed on once, as a Piece, in order; a Piece has no more stretches than a
   head has ranges, nor more bytes than a batch, and what is beyond comes with the next. A stopped
   Sealer seals nothing more.
3. A run key signs nothing before its run statement's payload is fixed; the statement's own
   signature may come later (the device key may live in a slow store), so batches wait for it and
   sealing does not.

It does no IO, asks no clock and makes no randomness: the seed and every instant come in by
argument.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import accumulate
from typing import NamedTuple

from nacl.bindings import crypto_sign

from drivers.line import Frame
from evidence import cbor, cose, merkle, observation
from evidence.batch import BATCH_BYTES_MAX
from evidence.code import Typ
from evidence.descriptor import Descriptor
from evidence.form import Form
from evidence.head import RANGES_MAX
from evidence.key import SIGNATURE_BYTES, Ed25519Key, PublicKey
from evidence.merkle import HASH_BYTES
from evidence.observation import SIGNATURE_HEAD
from evidence.run import Reached, Run, possession_bytes

SOFTWARE = "gridseal 0.1.0"
BODY_BYTES_MAX = BATCH_BYTES_MAX - (64 << 10)  # what a batch may have beside its head


class SealError(Exception):
    """Nothing can be sealed: the run has ended, or the stream has no descriptor."""


class Statement(NamedTuple):
    """A signed statement as it is kept and sent.

    Its name, typ, encoding, and what it hides as an encoded array.
    """

    name: bytes
    typ: int
    encoded: bytes
    disclosures: bytes


class Came(NamedTuple):
    """How far a stream is accounted for, in instants of its device, ns TAI."""

    last: int  # of the last measurement, or the end of the last hole that was stated
    owed: tuple[int, int] | None = None  # before it: a hole that is not stated yet


class Stretch(NamedTuple):
    """Consecutive links of one stream under one descriptor."""

    stream: int
    run: bytes
    descriptor: bytes
    first_seq: int
    last_seq: int
    first_prev: bytes
    leaves: tuple[bytes, ...]
    links: bytes  # encoded, one after another
    came: Came | None = None  # how far the stream came with it
    frames: tuple[Frame, ...] = ()  # what it was sealed from, until it is durable
    marks: int = 0  # flags of the moment, laid over each of them


class Piece(NamedTuple):
    """What was sealed since the last Piece: what one commit makes durable."""

    stretches: tuple[Stretch, ...]
    statements: tuple[Statement, ...]
    reached: tuple[Reached, ...]  # how far each stream is after it
    observations: int
    size: int  # of their encodings, bytes


class Chain:
    """One stream in the run: its next link, and what was sealed since the last Piece."""

    __slots__ = (
        "number",
        "seq",
        "prev",
        "descriptor",
        "binding",
        "first_seq",
        "first_prev",
        "leaves",
        "links",
        "frames",
        "form",
        "came",
        "marks",
    )

    def __init__(self, number: int, prev: bytes) -> None:
        self.number, self.seq, self.prev = number, 0, prev
        self.descriptor: bytes | None = None
        self.binding: observation.Binding | None = None
        self.first_seq, self.first_prev = 0, prev
        self.leaves: list[bytes] = []
        self.links: list[bytes] = []
        self.frames: list[Frame] = []
        self.form = Form()
        self.came: Came | None = None  # told by whoever knows what a measurement is
        self.marks = 0


class Sealer:
    """One run.

    `beginning` says everything of it but the key and its proof of possession, which are made here.
    """

    def __init__(self, beginning: Run, device: PublicKey, seed: bytes) -> None:
        self._key = Ed25519Key(seed)
        self._secret: bytes | None = seed + self._key.public.raw  # libsodium's form of the same key
        possession = self._key.sign(possession_bytes(device, beginning.credential))
        self.run = replace(beginning, key=self._key.public.raw, possession=possession)
        self.payload = self.run.payload()
        self.name = cose.name(self.payload)
        self._previous = {item.stream: item.leaf for item in beginning.reached}
        self._chains: dict[int, Chain] = {}
        self._done: list[Stretch] = []
        self._statements: list[Statement] = []
        self.observations = 0  # not yet taken
        self.size = 0  # their bytes

    def chain(self, stream: int) -> Chain:
        """The chain of a stream, begun at its first use."""
        chain = self._chains.get(stream)
        if chain is None:
            chain = self._chains[stream] = Chain(
                stream, self._previous.get(stream, bytes(HASH_BYTES))
            )
        return chain

    def describe(
        self, chain: Chain, make: Callable[[Chain], tuple[Descriptor, bytes]]
    ) -> Descriptor:
        """Adds a descriptor as the chain's next link.

        `make` gives it, for this place, and what it hides, encoded.
        """
        made, disclosures = make(chain)
        payload = made.payload()
        encoded = cose.sign(Typ.DESCRIPTOR, payload, self._alive())
        self.close(chain)
        chain.descriptor = cose.name(payload)
        chain.binding = observation.Binding(self._key.public.kid, chain.descriptor)
        chain.prev = chain.first_prev = merkle.leaf_hash(encoded)
        chain.seq += 1
        chain.first_seq = chain.seq
        self._statements.append(Statement(chain.descriptor, Typ.DESCRIPTOR, encoded, disclosures))
        return made

    def seal(self, chain: Chain, frames: Sequence[Frame], marks: int = 0) -> None:
        """Seals frames as the chain's next links, these flags laid over each of them.

        Every sample of the gateway goes through this loop: names are bound outside it.
        """
        if chain.binding is None or self._secret is None:
            raise SealError(f"stream {chain.number} has no descriptor in a run that goes on")
        if marks != chain.marks:
            self.close(chain)
            chain.marks = marks
        number, seq, prev, secret = chain.number, chain.seq, chain.prev, self._secret
        leaves, links = chain.leaves.append, chain.links.append
        signed_prefix, message_prefix = chain.binding.signed_prefix, chain.binding.message_prefix
        content, size = chain.form.content, 0
        for _, kind, raw, tai, bound, source, flags, (heard, heard_bound), _ in frames:
            signed = content(
                # As evidence.observation.Sample has them.
                (
                    *(number, seq, tai, bound, source, flags | marks),
                    *(heard - tai, heard_bound, prev, kind, raw),
                )
            )
            signature = crypto_sign(signed_prefix + signed, secret)[:SIGNATURE_BYTES]
            encoded = message_prefix + signed + SIGNATURE_HEAD + signature
            prev = sha256(b"\x00" + encoded).digest()
            leaves(prev)
            links(encoded)
            seq += 1
            size += len(encoded)
        chain.seq, chain.prev = seq, prev
        chain.frames += frames
        self.observations += len(frames)
        self.size += size

    def take(self, most: int = RANGES_MAX, most_bytes: int = BODY_BYTES_MAX) -> Piece:
        """What was sealed since the last call, oldest first: `most` stretches, and one at least."""
        for chain in self._chains.values():
            self.close(chain)
        ends = accumulate(len(item.links) for item in self._done[:most])
        fit = max(sum(end <= most_bytes for end in ends), 1)
        done, self._done = tuple(self._done[:fit]), self._done[fit:]
        statements, self._statements = tuple(self._statements), []
        reached = {item.stream: item for item in self.reached()}
        for left in reversed(self._done):  # the first that is left of each stream rules
            reached[left.stream] = Reached(
                left.stream, self.name, left.first_seq - 1, left.first_prev
            )
        taken, size = (self.observations, self.size) if not self._done else _sum(done)
        self.observations -= taken
        self.size -= size
        return Piece(done, statements, tuple(reached.values()), taken, size)

    def reached(self) -> tuple[Reached, ...]:
        """The last link of each stream, of this run or of the one before."""
        here = {
            n: Reached(n, self.name, chain.seq - 1, chain.prev)
            for n, chain in self._chains.items()
            if chain.seq
        }
        before = {item.stream: item for item in self.run.reached}
        return tuple(value for _, value in sorted({**before, **here}.items()))

    def sign_head(self, payload: bytes) -> bytes:
        """The encoded head of a batch."""
        return cose.sign(Typ.HEAD, payload, self._alive())

    def stop(self) -> None:
        """Forgets the run key."""
        self._secret = None

    def _alive(self) -> Ed25519Key:
        if self._secret is None:
            raise SealError("the run has ended")
        return self._key

    def close(self, chain: Chain) -> None:
        """Ends the stretch under the descriptor that rules."""
        if chain.links and chain.descriptor is not None:
            self._done.append(
                Stretch(
                    chain.number,
                    self.name,
                    chain.descriptor,
                    chain.first_seq,
                    chain.seq - 1,
                    chain.first_prev,
                    tuple(chain.leaves),
                    b"".join(chain.links),
                    chain.came,
                    tuple(chain.frames),
                    chain.marks,
                )
            )
        chain.leaves, chain.links, chain.frames = [], [], []
        chain.first_seq, chain.first_prev = chain.seq, chain.prev


def _sum(stretches: tuple[Stretch, ...]) -> tuple[int, int]:
    """Observations and bytes."""
    return sum(len(item.leaves) for item in stretches), sum(len(item.links) for item in stretches)


def statement(
    typ: Typ, payload: bytes, encoded: bytes, pairs: tuple[tuple[bytes, bytes], ...]
) -> Statement:
    """A Statement with its disclosures encoded."""
    return Statement(cose.name(payload), typ, encoded, cbor.encode(pairs))
