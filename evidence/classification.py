"""What the record finds out later: ranges that are worth less than their receipts say, typ
CLASSIFICATION.

    classification = [version, tai, [+ finding], [* because]]
    finding = [run, subject / null, stream / null, first_seq / null, last_seq / null,
               class, reason, [+ channel] / null]

1. It is an entry of the log like any other, signed by the log's key. A receipt never changes: of
   all that the log says of a range, the latest by log index rules.
2. A finding names positions of one run. `subject` narrows it to one entry of the log (of two
   contents for one position, each is told by its entry); without it, and without stream and seq,
   the finding holds for all of the run, what comes later included.
3. `because` names the entries that show it, by subject: the two sides of a contradiction, or where
   a range begins and ends.
4. A finding about channels, by their place in the descriptor that rules the range, leaves the
   others alone; null: all of the sample. Such a range lies under one descriptor.
5. What the record finds of values, clocks and boards (LOWERING) makes nothing better: it rules
   where it is the lesser class. It says what was found, and not that all else is well.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from evidence import cbor, shape
from evidence.code import VERSION, Class, Reason
from evidence.descriptor import CHANNELS_MAX
from evidence.merkle import HASH_BYTES

FINDINGS_MAX = 256  # of one statement: stays far below 64 KiB; more findings are more statements
BECAUSE_MAX = 2 * FINDINGS_MAX
LOWERING = frozenset(
    {
        *(Reason.VALUE_INVALID, Reason.TIME_CONTRADICTED, Reason.NOT_SEPARABLE),
        *(Reason.BOARD_SIGNATURE, Reason.BOARD_LINK, Reason.BOARD_TWIN),
    }
)


class Finding(NamedTuple):
    """What holds for a range: a class and its reason."""

    run: bytes
    subject: bytes | None
    stream: int | None
    first_seq: int | None
    last_seq: int | None
    klass: int  # evidence.code.Class
    reason: int  # evidence.code.Reason
    channels: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Classification:
    """One classification. `tai`: when it was found, ns."""

    tai: int
    findings: tuple[Finding, ...]
    because: tuple[bytes, ...]

    def payload(self) -> bytes:
        return cbor.encode([VERSION, self.tai, self.findings, self.because])


def read(payload: bytes) -> Classification:
    """The classification in a payload. Raises EvidenceError."""
    value = shape.versioned(cbor.decode(payload), "classification", 4)
    findings, because = shape.array(value[2], "findings"), shape.array(value[3], "because")
    if not 1 <= len(findings) <= FINDINGS_MAX or len(because) > BECAUSE_MAX:
        shape.fail("findings", len(findings), f"1 to {FINDINGS_MAX}, and {BECAUSE_MAX} reasons")
    return Classification(
        shape.uint(value[1], "tai"),
        tuple(_read_finding(item) for item in findings),
        tuple(shape.blob(item, "because", HASH_BYTES) for item in because),
    )


def _read_finding(value: Any) -> Finding:
    run, subject, stream, first, last, klass, reason, channels = shape.array(value, "finding", 8)
    first = shape.optional(first, shape.uint, "first seq")
    last = shape.optional(last, shape.uint, "last seq")
    if (first is not None or last is not None) and stream is None:
        shape.fail("stream", stream, "a number where seq is one")
    if first is not None and last is not None and first > last:
        shape.fail("finding", (first, last), "a first seq up to the last")
    if shape.uint(klass, "class") not in list(Class):
        shape.fail("class", klass, "a class")
    if shape.uint(reason, "reason") not in list(Reason):
        shape.fail("reason", reason, "a reason")
    channels = shape.optional(channels, _read_channels, "channels")
    if channels is not None and None in (stream, first, last):
        shape.fail("channels", channels, "none where there is no range of a stream")
    return Finding(
        shape.blob(run, "run", HASH_BYTES),
        shape.optional(subject, shape.blob, "subject", HASH_BYTES),
        shape.optional(stream, shape.uint, "stream"),
        first,
        last,
        klass,
        reason,
        channels,
    )


def _read_channels(value: Any, field: str) -> tuple[int, ...]:
    found = tuple(shape.uint(item, field, CHANNELS_MAX - 1) for item in shape.array(value, field))
    if not found or any(one >= after for one, after in pairwise(found)):
        shape.fail(field, found, "places of channels, rising")
    return found
