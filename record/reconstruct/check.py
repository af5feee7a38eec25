"""`verify` of a bundle: the folder; what holds in it is evidence.bundle.verifier's.

It needs the standard library and evidence alone, for the lone verifier has it too.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from evidence.bundle import told, verifier
from evidence.bundle.verifier import Beside, Found
from evidence.refusal import EvidenceError
from evidence.trust import Anchors
from record.reconstruct.folder import DiskFolder

REASONS_MAX = 100  # lines; a bundle with more has no need of them


class Checked(NamedTuple):
    """How many reasons there are why it does not hold, and in words what was checked. `found`:
    None where nothing could be gone on with."""

    reasons: int
    told: tuple[str, ...]
    found: Found | None


def witnessed(anchors: Anchors, beside: Path) -> Anchors:
    """The anchors with the text of their witness policy, where they name its file: of one line, and
    relative to their own folder. Raises OSError, UnicodeDecodeError."""
    policy = anchors.witness_policy
    if not policy or "\n" in policy:
        return anchors
    return replace(anchors, witness_policy=(beside / policy).read_text(encoding="utf-8"))


def check(
    path: Path,
    anchors: Anchors,
    every: bool,
    say: Callable[[str], None],
    beside: Beside | None = None,
) -> Checked:
    """Checks the bundle in a folder; `say` gets each reason why it does not hold."""
    reasons = 0

    def count(reason: str) -> None:
        nonlocal reasons
        reasons += 1
        if reasons <= REASONS_MAX:
            say(" ".join(reason.split()))

    try:
        found = verifier.verify(DiskFolder(path), anchors, every, count, beside)
    except EvidenceError as fault:
        count(str(fault))
        return Checked(reasons, (), None)
    return Checked(reasons, tuple(told.lines(found, every)), found)
