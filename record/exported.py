"""Checks an export of a gateway's archive: reads the file; what holds in it is evidence.verifier's.

1. The file is only read, once, and never whole: memory does not grow with it.
2. A damaged one gives reasons, never an exception; what is no export at all is an EvidenceError.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from evidence import claim, export, verifier
from evidence.anchor import Anchors
from evidence.refusal import EvidenceError

CHUNK_BYTES = 1 << 20
REASONS_MAX = 100  # lines; a file with more has no need of them


class Checked(NamedTuple):
    """How many reasons there are why it does not hold, and in words what was checked."""

    reasons: int
    told: tuple[str, ...]


def is_export(path: Path) -> bool:
    """Whether a file begins as an export does. Raises OSError."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return export.is_export(file.read(export.SNIFF_BYTES))


def check(path: Path, anchors: Anchors, every: bool, say: Callable[[str], None]) -> Checked:
    """Raises EvidenceError for what is no export, OSError for what cannot be read."""
    reasons = 0

    def count(reason: str) -> None:
        nonlocal reasons
        reasons += 1
        if reasons <= REASONS_MAX:
            say(" ".join(reason.split()))

    tally = verifier.verify(_chunks(path), anchors, every, count)
    return Checked(reasons, tuple(tally.lines(every)))


def fingerprints(path: Path) -> Iterator[str]:
    """Whom an export claims to come from. Raises EvidenceError for what is no export."""
    yield (
        "no trust anchors were given (--anchors FILE); the export names these, by kid: the first"
        " 16 digits of the SHA-256 of the raw key"
    )
    try:
        yield from claim.fingerprints(_chunks(path))
    except EvidenceError as fault:
        yield f"and is damaged: {fault}"


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
