"""What a witness or a mirror signs of a checkpoint: cosignature/v1. C2SP tlog-cosignature.

    cosignature/v1
    time 1679315147
    (the text of the checkpoint)

1. A cosigner says: at that second the largest consistent tree that I have seen of this origin has
   this root. A mirror says besides that it keeps all of it and serves it. Which of the two is
   meant is told by the key, and never by the bytes: a key is of one cosigner.
2. The signed bytes begin with a line of their own, so that no text of a checkpoint can pass for
   them: its second line would be `time ...`, and that is no size.
3. The time is the cosigner's clock, POSIX seconds (without leap seconds), not TAI.

ML-DSA-44 cosignatures (type 0x06) are ignored as those of unknown keys are; so is anything it says
of extension lines.
"""

from evidence.code import Reason
from evidence.key import SIGNATURE_BYTES, Signer
from evidence.refusal import EvidenceError
from evidence.tlog import note
from evidence.tlog.note import COSIGNATURE, Line, Note, Verifier

TIME_MAX = (1 << 63) - 1  # s; tlog-cosignature: no timestamp exceeds it
_TIME_BYTES = 8


def message(text: str, time_s: int) -> bytes:
    """What is signed of a checkpoint's text."""
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()


def sign(text: str, name: str, signer: Signer, time_s: int) -> Line:
    """The cosignature of a checkpoint's text at a POSIX time. `signer` may block."""
    if not 0 <= time_s <= TIME_MAX:
        raise EvidenceError(Reason.SHAPE, f"no cosignature at {time_s}")
    note.check_text(text)
    by = Verifier(name, COSIGNATURE, signer.public)
    stamp = time_s.to_bytes(_TIME_BYTES, "big")
    return Line(name, by.id, stamp + signer.sign(message(text, time_s)))


def times(signed: Note, key: Verifier) -> list[int]:
    """When a cosigner signed this note, rising; empty if it did not.

    Raises EvidenceError(SIGNATURE) where a line names the key and does not hold.
    """
    if key.type != COSIGNATURE:
        raise EvidenceError(Reason.ALG, f"{key.name}: not the key of a cosigner")
    return sorted(_time(signed.text, line, key) for line in key.lines_of(signed))


def _time(text: str, line: Line, key: Verifier) -> int:
    stamp, signature = line.signature[:_TIME_BYTES], line.signature[_TIME_BYTES:]
    time_s = int.from_bytes(stamp, "big")
    if len(signature) != SIGNATURE_BYTES or time_s > TIME_MAX:
        raise EvidenceError(Reason.SIGNATURE, f"{key.name}: no cosignature by its length or time")
    if not key.key.verify(message(text, time_s), signature):
        raise EvidenceError(Reason.SIGNATURE, f"the cosignature of {key.name} does not hold")
    return time_s
