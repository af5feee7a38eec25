"""What an authority says of another's record: typ COUNTERSIGNATURE, signed by a key that the
registry names for it.

    countersignature = [version, record, author, word, text]

1. It is about ADMISSIBILITY: whether what the record says is so, to this authority. A witness's
   cosignature on a checkpoint is another thing: SAME VIEW (evidence.tlog).
2. `record` is the record's name. A record's own signature is its author's assent.
3. One authority may say more than once; what then counts is evidence.joint.state's.
"""

from dataclasses import dataclass

from evidence import cbor, shape
from evidence.code import VERSION, Word
from evidence.joint.record import read_name
from evidence.merkle import HASH_BYTES


@dataclass(frozen=True, slots=True)
class Countersignature:
    """One word of one authority about one record. `text`: why, for people."""

    record: bytes
    author: str
    word: Word
    text: str = ""

    def payload(self) -> bytes:
        return cbor.encode([VERSION, self.record, self.author, int(self.word), self.text])


def read(payload: bytes) -> Countersignature:
    """The countersignature in a payload. Raises EvidenceError."""
    value = shape.versioned(cbor.decode(payload), "countersignature", 5)
    if shape.uint(value[3], "word") not in list(Word):
        shape.fail("word", value[3], "assent or dissent")
    return Countersignature(
        shape.blob(value[1], "record", HASH_BYTES),
        read_name(value[2], "author"),
        Word(value[3]),
        shape.text(value[4], "text"),
    )
