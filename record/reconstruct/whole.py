"""The whole check of a bundle, beyond what the lone verifier can do: evaluations and settlements
computed again, and documents written again.

It is done once all else holds: what does not hold is not computed with.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

from evidence.bundle.verifier import DOCUMENTS
from evidence.code import Matter, Reason, Typ
from evidence.joint import record
from evidence.refusal import EvidenceError
from evidence.trust import Anchors
from record.reconstruct import again, check, document, holding
from record.reconstruct.check import Checked
from record.reconstruct.holding import Holding
from record.reconstruct.second import beside

Say = Callable[[str], None]
_COMPUTED = (Matter.EVALUATION, Matter.SETTLEMENT)


def verify(path: Path, anchors: Anchors, every: bool, say: Say, processes: int = 1) -> Checked:
    """Checks the bundle in a folder; `say` gets each reason why it does not hold. Raises
    StoreError, OSError."""
    checked = check.check(path, anchors, every, say, beside if processes > 1 else None)
    found = checked.found
    if checked.reasons or found is None:
        return checked
    said = (one.message for one in found.said if one.message.typ == Typ.RECORD)
    computed = any(record.read(message.payload).matter in _COMPUTED for message in said)
    if not computed and not found.documents and not document.DOCUMENTS:
        return checked
    reasons: list[str] = []
    lines: list[str] = []
    try:
        held = holding.load(path, anchors, found.name)
        try:
            lines += again.run(held, reasons.append, every).lines()
            lines += _documents(held, reasons.append, processes)
        finally:
            held.store.close()
    except EvidenceError as fault:
        reasons.append(str(fault))
    for reason in reasons:
        say(reason)
    return Checked(len(reasons), (*checked.told, *lines), found)


def _documents(held: Holding, say: Say, processes: int) -> list[str]:
    """Writes the documents again, and compares."""
    there = {row.path: row for row in held.rows if row.path.startswith(DOCUMENTS)}
    count = len(there)
    for one in document.files(held, processes=processes):
        name, digest, size = f"{DOCUMENTS}{one.name}", hashlib.sha256(), 0
        for chunk in one.chunks:
            digest.update(chunk)
            size += len(chunk)
        row = there.pop(name, None)
        if row is None:
            say(f"{name}: {EvidenceError(Reason.BUNDLE, 'is missing')}")
        elif (row.size, row.digest) != (size, digest.digest()):
            say(f"{name}: {EvidenceError(Reason.BUNDLE, 'is not what the evidence makes it')}")
    for name in there:
        say(f"{name}: {EvidenceError(Reason.BUNDLE, 'is no document that follows from it')}")
    return [f"documents  {count} files, written again: the same bytes"] if count else []
