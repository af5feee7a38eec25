"""The published checkpoint: origin, size and root of the log, as the text of a signed note. C2SP
tlog-checkpoint.

1. It is another rendering of the size and root that the log's own checkpoint
   (evidence/checkpoint.py, COSE) names, signed by the same log key; neither signature can pass for
   the other (note.py says why).
2. The origin names the log: whoever trusts it takes the key from elsewhere, under this name.
3. Extension lines are kept as they came and mean nothing here; this log writes none, since no
   monitor can audit them.

It has no time: cosignatures bring theirs.
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass

from evidence.code import Reason
from evidence.key import Signer
from evidence.merkle import HASH_BYTES
from evidence.refusal import EvidenceError
from evidence.tlog import note
from evidence.tlog.note import Note, Verifier

SIZE_MAX = (1 << 63) - 1  # leaves; what a signed integer of 64 bits holds, in every store
EXTENSIONS_MAX = 16  # lines; the text names no limit, and nobody here uses one
LINE_CHARS_MAX = 1024  # of an extension line


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree of `origin`, as its log signed it."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """The text of its note. Raises EvidenceError for what could not be read back."""
        root = base64.b64encode(self.root).decode("ascii")
        lines = (self.origin, str(self.size), root, *self.extensions)
        text = "".join(line + "\n" for line in lines)
        if read(text) != self:
            raise EvidenceError(Reason.SHAPE, f"no checkpoint: {text[:80]!r}")
        return text


def read(text: str) -> Checkpoint:
    """The checkpoint in a note's text. Raises EvidenceError(ENCODING, SHAPE, TOO_LONG)."""
    note.check_text(text)
    lines = text[:-1].split("\n")
    if len(lines) < 3 or not all(lines):
        raise EvidenceError(Reason.SHAPE, "a checkpoint has at least three lines, none of it empty")
    origin, size, root, *extensions = lines
    long = len(origin) > note.NAME_CHARS_MAX or any(len(one) > LINE_CHARS_MAX for one in extensions)
    if long or len(extensions) > EXTENSIONS_MAX:
        raise EvidenceError(Reason.TOO_LONG, f"a checkpoint of {origin[:60]!r} beyond its limits")
    raw = note.from_base64(root, "the root")
    if len(raw) != HASH_BYTES:
        raise EvidenceError(Reason.SHAPE, f"a root has {HASH_BYTES} bytes, this {len(raw)}")
    return Checkpoint(origin, note.decimal(size, "the size", SIZE_MAX), raw, tuple(extensions))


def sign(checkpoint: Checkpoint, signer: Signer) -> Note:
    """The note of a checkpoint, signed by its log under the name of its origin."""
    text = checkpoint.text()
    return Note(text, (note.sign(text, checkpoint.origin, signer),))


def check(data: bytes, logs: Iterable[Verifier]) -> tuple[Note, Checkpoint]:
    """The checkpoint in some bytes, signed by a key of these that its origin names.

    Raises EvidenceError(SIGNATURE) when none did, or what is wrong with the note.
    """
    signed = note.read(data)
    says = read(signed.text)
    if not note.signed_by(signed, [log for log in logs if log.name == says.origin]):
        raise EvidenceError(Reason.SIGNATURE, f"no trusted key of {says.origin} signed this")
    return signed, says
