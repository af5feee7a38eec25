"""Two histories that one log signed, as one file: whoever has it and the log's key sees it, with
nobody to ask.

    fork = ["gridseal fork", version, smaller: bstr, larger: bstr, root: hash, [* hash]]

1. `smaller` and `larger` are what the log signed, as it signed it: a published note, or one of its
   own checkpoints (COSE).
2. Of one size they contradict each other by their roots; `root` is then the smaller one's, and
   there is no proof.
3. Else `root` is what the first entries of the larger tree come to, as many as the smaller has, and
   the hashes are the consistency proof from it to the larger (RFC 9162 2.1.4.2). A tree has one
   beginning, so where the smaller one's signed root is another, the log signed two.
4. A tree that others saw and that has only gone is no fork: a smaller note shows nothing by itself.

It says which trees, never which entry, nor which of the two is right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from evidence import cbor, cose, merkle, shape
from evidence import checkpoint as logged
from evidence.code import VERSION, Reason, Typ
from evidence.key import PublicKey
from evidence.merkle import HASH_BYTES, PROOF_HASHES_MAX
from evidence.refusal import EvidenceError
from evidence.tlog import checkpoint, note
from evidence.tlog.note import ED25519, NOTE_BYTES_MAX, Verifier

MAGIC = "gridseal fork"
FILE_BYTES_MAX = 2 * NOTE_BYTES_MAX + 4096  # two notes, and up to 64 hashes
_COSE = b"\xd2"  # tag 18, RFC 9052 4.2: no UTF-8 text begins with 0xd2 0x84
_BEGINS = bytes([0x86, 0x60 + len(MAGIC)]) + MAGIC.encode()  # an array of 6, and its first text


class Signed(NamedTuple):
    """A tree that the log signed. `origin`: of its note; empty: its own checkpoint has none."""

    origin: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Fork:
    """What shows two histories. `root`: of the larger tree's beginning."""

    smaller: bytes
    larger: bytes
    root: bytes
    proof: tuple[bytes, ...] = ()

    def encode(self) -> bytes:
        fields = [MAGIC, VERSION, self.smaller, self.larger, self.root, list(self.proof)]
        return cbor.encode(fields)

    def check(self, key: PublicKey) -> tuple[Signed, Signed]:
        """The two trees, smaller first, where they contradict each other and this key signed both.

        Raises EvidenceError: SIGNATURE, CONSISTENCY and whatever else is wrong; FORK where it shows
        none.
        """
        one, other = signed_by(self.smaller, key), signed_by(self.larger, key)
        if one.origin and other.origin and one.origin != other.origin:
            text = f"two logs, {one.origin} and {other.origin}, with one key"
            raise EvidenceError(Reason.FORK, text)
        beginning = merkle.continued_root(one.size, self.root, other.size, self.proof)
        same_size = one.size == other.size
        if beginning != (one.root if same_size else other.root):
            text = f"its hashes do not lead to the signed root of {other.size}"
            raise EvidenceError(Reason.CONSISTENCY, text)
        if (other.root if same_size else self.root) == one.root:
            text = f"one history: the tree of {other.size} begins with that of {one.size}"
            raise EvidenceError(Reason.FORK, text)
        return one, other


def read(data: bytes) -> Fork:
    """The fork in a file. Raises EvidenceError."""
    if len(data) > FILE_BYTES_MAX:
        raise EvidenceError(Reason.TOO_LONG, f"{len(data)} bytes; at most {FILE_BYTES_MAX}")
    magic, *fields = shape.array(cbor.decode(data), "fork", 6)
    if magic != MAGIC:
        raise EvidenceError(Reason.SHAPE, f"its first field is not {MAGIC!r}")
    if fields[0] != VERSION:
        raise EvidenceError(Reason.VERSION, f"a fork of version {str(fields[0])[:20]}")
    hashes = shape.array(fields[4], "proof")
    if len(hashes) > PROOF_HASHES_MAX:
        raise EvidenceError(Reason.TOO_LONG, f"a proof of {len(hashes)} hashes")
    return Fork(
        shape.blob(fields[1], "smaller"),
        shape.blob(fields[2], "larger"),
        shape.blob(fields[3], "root", HASH_BYTES),
        tuple(shape.blob(one, "hash", HASH_BYTES) for one in hashes),
    )


def is_fork(data: bytes) -> bool:
    """Whether a file says to be one, by how it begins."""
    return data.startswith(_BEGINS)


def of(one: bytes, other: bytes, root: bytes, proof: Sequence[bytes] = ()) -> bytes:
    """The file of two trees that are signed; `root`: of the larger one's beginning, or the first
    one's where both have one size."""
    return Fork(one, other, root, tuple(proof)).encode()


def signed_by(data: bytes, key: PublicKey) -> Signed:
    """The tree in a note, or in a log's own checkpoint, that this key signed. Raises
    EvidenceError."""
    if data[:1] == _COSE:
        message = cose.read_statement(data, Typ.CHECKPOINT)
        cose.check(message, key)
        says = logged.read(message.payload)
        return Signed("", says.size, says.root)
    origin = checkpoint.read(note.read(data).text).origin
    _, shown = checkpoint.check(data, [Verifier(origin, ED25519, key)])
    return Signed(origin, shown.size, shown.root)
