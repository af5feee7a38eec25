"""Checks an export of a gateway's archive: reads the file; what holds in it is evidence.verifier's.

1. The file is only read, and never whole: memory does not grow with it. Once it holds, what boards
   signed in it is looked at (evidence.board).
2. A damaged one gives reasons, never an exception; what is no export at all is an EvidenceError.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from evidence import claim, cose, export, verifier
from evidence.anchor import Anchors
from evidence.board.walk import Boards, Walk, pieces
from evidence.export import Loose, Sealed, Stated
from evidence.head import read as read_head
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
    told = [*tally.lines(every)]
    if not reasons:
        boards = _boards(path, anchors)
        told += boards.told
        for reason in boards.reasons:
            count(reason)
    return Checked(reasons, tuple(told))


def _boards(path: Path, anchors: Anchors) -> Boards:
    """Those of an export that holds. Raises EvidenceError, OSError."""
    walk = Walk(anchors.boards, part=True)
    for item in export.read(_chunks(path)):
        if isinstance(item, Stated):
            walk.state(cose.read(item.encoded), item.pairs)
    for item in export.read(_chunks(path)) if walk.devices else ():
        if isinstance(item, Sealed):
            ranges, body = read_head(cose.read(item.head).payload).ranges, item.body or b""
        elif isinstance(item, Loose):
            ranges, body = item.ranges, item.body
        else:
            continue
        if body and walk.has(ranges):
            walk.take(pieces(ranges, body), body)
    return walk.end()


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
