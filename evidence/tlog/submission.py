"""What a log sends to a witness, and what it is answered. C2SP tlog-witness, add-checkpoint.

    old 20852014
    (the consistency proof from there, a hash a line in base64; none from 0)

    (the checkpoint, a signed note)

1. It is read strictly: one spelling, PROOF_LINES_MAX hashes, a note that note.py reads.
2. An answer of 200 is signature lines; one of 409 is the size that the witness has, and nothing
   else under its own media type.

What the witness makes of it is the witness's: nothing is verified here.
"""

import base64
from dataclasses import dataclass

from evidence.code import Reason
from evidence.merkle import HASH_BYTES
from evidence.refusal import EvidenceError
from evidence.tlog import note
from evidence.tlog.checkpoint import SIZE_MAX

PATH = "/add-checkpoint"
SIZE_MEDIA = "text/x.tlog.size"
PROOF_LINES_MAX = 63  # tlog-witness: a client sends no more
_LINE_BYTES = 45  # a hash in base64, and its newline
BODY_BYTES_MAX = note.NOTE_BYTES_MAX + _LINE_BYTES * PROOF_LINES_MAX + 32  # 32: the line of old
SIZE_BYTES_MAX = len(str(SIZE_MAX)) + 1  # of an answer of 409


@dataclass(frozen=True, slots=True)
class Submission:
    """A checkpoint as it is submitted. `old`: size of the tree that the witness is thought to
    have; `proof`: from there; `note`: encoded."""

    old: int
    proof: tuple[bytes, ...]
    note: bytes

    def encode(self) -> bytes:
        hashes = [base64.b64encode(one).decode("ascii") for one in self.proof]
        return "".join(f"{line}\n" for line in (f"old {self.old}", *hashes, "")).encode() + (
            self.note
        )


def read(data: bytes) -> Submission:
    """The submission in a body. Raises EvidenceError(TOO_LONG, ENCODING, SHAPE)."""
    if len(data) > BODY_BYTES_MAX:
        raise EvidenceError(Reason.TOO_LONG, f"{len(data)} bytes; at most {BODY_BYTES_MAX}")
    head, empty, rest = data.partition(b"\n\n")
    first, *hashes = note.read_text(head, "the proof").split("\n")
    if not empty or not first.startswith("old "):
        raise EvidenceError(Reason.ENCODING, "no line `old N`, or no empty line after the proof")
    if len(hashes) > PROOF_LINES_MAX:
        raise EvidenceError(Reason.TOO_LONG, f"a proof of {len(hashes)} hashes")
    proof = tuple(note.from_base64(one, "the proof") for one in hashes)
    if any(len(one) != HASH_BYTES for one in proof):
        raise EvidenceError(Reason.SHAPE, f"a hash of the proof has not {HASH_BYTES} bytes")
    return Submission(note.decimal(first[4:], "the old size", SIZE_MAX), proof, rest)


def size_body(size: int) -> bytes:
    """What a witness says with 409: the size that it has."""
    return b"%d\n" % size


def read_size(body: bytes) -> int:
    """The size in an answer of 409. Raises EvidenceError(TOO_LONG, ENCODING)."""
    text = note.read_text(body[: SIZE_BYTES_MAX + 1], "the size")
    if not text.endswith("\n"):
        raise EvidenceError(Reason.ENCODING, "a size that no newline ends")
    return note.decimal(text[:-1], "the size", SIZE_MAX)
