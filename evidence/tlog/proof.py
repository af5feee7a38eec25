"""An entry's proof as a text that stands by itself: its index, its path, and the checkpoint that it
leads to. C2SP tlog-proof.

    c2sp.org/tlog-proof@v1
    extra BASE64                   ; left out where there is none
    index 73894
    BASE64                         ; a hash a line, the leaf's sibling first

    (the checkpoint: a signed note, as it stands)

1. One spelling: base64 in its canonical form, decimals without leading zeroes, lines ended by
   U+000A alone, the checkpoint byte for byte as its log and its witnesses signed it.
2. `extra` is nobody's word: no signature reaches it. Whoever puts something there gives it a check
   of its own (record/proof.py).
3. Whom to believe comes from outside: a policy and the keys of logs, never the proof.

It knows no entry: whoever checks brings the leaf's hash.
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass

from evidence import merkle
from evidence.code import Reason
from evidence.merkle import HASH_BYTES
from evidence.refusal import EvidenceError
from evidence.tlog import note, policy
from evidence.tlog.checkpoint import SIZE_MAX
from evidence.tlog.note import Verifier
from evidence.tlog.policy import Policy, Seen

FORM = "c2sp.org/tlog-proof@v1"
HASHES_MAX = 63  # the depth of a tree of SIZE_MAX leaves
EXTRA_BYTES_MAX = 1 << 20  # a head, an observation and three statements, each below 64 KiB
PROOF_BYTES_MAX = note.NOTE_BYTES_MAX + 2 * EXTRA_BYTES_MAX  # base64 makes 3 bytes 4
_EXTRA, _INDEX = "extra ", "index "


@dataclass(frozen=True, slots=True)
class Proof:
    """One proof. `signed`: the checkpoint's note; `extra`: None where there is none."""

    index: int
    hashes: tuple[bytes, ...]
    signed: bytes
    extra: bytes | None = None

    def encode(self) -> bytes:
        """The text. Raises EvidenceError for what could not be read back."""
        lines = [FORM]
        if self.extra is not None:
            lines.append(_EXTRA + _base64(self.extra))
        lines += [f"{_INDEX}{self.index}", *map(_base64, self.hashes), "", ""]
        data = "\n".join(lines).encode() + self.signed
        if read(data) != self:
            raise EvidenceError(Reason.SHAPE, f"no proof of entry {self.index}")
        return data

    def check(self, leaf: bytes, trusted: Policy, logs: Iterable[Verifier] = ()) -> Seen:
        """The checkpoint, if it holds by the policy and the leaf is in its tree. `logs` are known
        from elsewhere, beside the policy's own.

        Raises EvidenceError(INCLUSION), or what the checkpoint has wrong.
        """
        seen = policy.check(trusted, self.signed, logs)
        says = seen.checkpoint
        merkle.check_inclusion(leaf, self.index, says.size, self.hashes, says.root)
        return seen


def read(data: bytes) -> Proof:
    """The proof in some bytes; nothing of it is verified.

    Raises EvidenceError(ENCODING, SHAPE, TOO_LONG).
    """
    if len(data) > PROOF_BYTES_MAX:
        raise EvidenceError(Reason.TOO_LONG, f"a proof of {len(data)} bytes")
    above, parted, signed = data.partition(b"\n\n")
    form, *lines = note.read_text(above, "a proof").split("\n")
    if form != FORM or not parted:
        raise EvidenceError(Reason.ENCODING, f"no {FORM}, or no checkpoint in it")
    note.read(signed)
    extra = None
    if lines and lines[0].startswith(_EXTRA):
        extra = note.from_base64(lines.pop(0).removeprefix(_EXTRA), "the extra data")
        if not 0 < len(extra) <= EXTRA_BYTES_MAX:
            raise EvidenceError(Reason.TOO_LONG, f"{len(extra)} bytes of extra data")
    if not lines or not lines[0].startswith(_INDEX):
        raise EvidenceError(Reason.ENCODING, "a proof without an index in its place")
    index = note.decimal(lines.pop(0).removeprefix(_INDEX), "the index", SIZE_MAX)
    if len(lines) > HASHES_MAX:
        raise EvidenceError(Reason.TOO_LONG, f"a path of {len(lines)} hashes, over {HASHES_MAX}")
    hashes = tuple(note.from_base64(line, "a hash of the path") for line in lines)
    if any(len(each) != HASH_BYTES for each in hashes):
        raise EvidenceError(Reason.SHAPE, f"a hash has {HASH_BYTES} bytes")
    return Proof(index, hashes, signed, extra)


def is_proof(data: bytes) -> bool:
    """By how it begins."""
    return data.startswith(FORM.encode() + b"\n")


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
