"""How large the log is, what of it is published, and who cosigned that; as one object for JSON.

1. Ages are by the log's own clock: from its checkpoint over the published tree to its last.
2. A cosigner is a witness or a mirror that record.toml names: which of the two is told by its key,
   and by nothing in the note. Lines of other keys are named and not judged.
3. A cosignature is told when it holds, with the time that its cosigner says.
"""

from datetime import UTC, datetime
from typing import Any

from evidence import checkpoint, cose
from evidence.checkpoint import Checkpoint
from evidence.instant import words
from evidence.leap import NS
from evidence.refusal import EvidenceError
from evidence.tlog import cosignature
from evidence.tlog import checkpoint as published_checkpoint
from evidence.tlog.note import Note, Verifier
from record.publishing import Publishing
from record.shelf import published
from record.store import Store

Told = dict[str, Any]


def last_of(store: Store, size: int) -> Checkpoint | None:
    """The log's own checkpoint of a size. Raises StoreError, EvidenceError."""
    encoded = store.checkpoint(size)
    return None if encoded is None else checkpoint.read(cose.read(encoded).payload)


def log_of(store: Store, last: Checkpoint | None, publishing: Publishing) -> Told:
    """The log, and what of it is published. Raises StoreError, EvidenceError."""
    return {
        "origin": publishing.log.name,
        "key": publishing.log.key.raw.hex(),
        "size": 0 if last is None else last.size,
        "root": None if last is None else last.root.hex(),
        "as_of": None if last is None else words(last.tai),
        "published": _published(store, last),
        "quorum": publishing.least,
        "cosigners": _cosigners(store, publishing),
    }


def _published(store: Store, last: Checkpoint | None) -> Told | None:
    row = store.last_note()
    if row is None:
        return None
    signed = published(row)
    says, own = published_checkpoint.read(signed.text), last_of(store, row.size)
    age = None if own is None or last is None else max(last.tai - own.tai, 0)
    return {
        "origin": says.origin,
        "size": says.size,
        "root": says.root.hex(),
        "as_of": None if own is None else words(own.tai),
        "behind_entries": 0 if last is None else max(last.size - says.size, 0),
        "behind_ns": age,
    }


def _cosigners(store: Store, publishing: Publishing) -> list[Told]:
    """Those that are asked, each with what it signed; then whoever else did."""
    row = store.last_note()
    signed = None if row is None else published(row)
    keys = [holder.key for holder in publishing.policy.witnesses.values()]
    told = [_cosigner(signed, key) for key in keys]
    known = {(key.name, key.id) for key in (*keys, publishing.log)}
    for line in () if signed is None else signed.lines:
        if (line.name, line.id) not in known:
            told.append({"name": line.name, "asked": False, "cosigned": None, "why": "key unknown"})
    return told


def _cosigner(signed: Note | None, key: Verifier) -> Told:
    row: Told = {"name": key.name, "asked": True, "cosigned": None, "why": "has not cosigned it"}
    if signed is None:
        return row | {"why": "nothing is published yet"}
    try:
        times = cosignature.times(signed, key)
    except EvidenceError as fault:
        return row | {"why": fault.text}
    return row | {"cosigned": _posix(times[-1]), "why": ""} if times else row


def _posix(time_s: int) -> str:
    """The time that a cosigner says, POSIX seconds."""
    try:
        return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{time_s} s after 1970"


def seconds(span_ns: int) -> str:
    """A time for people."""
    whole = span_ns // NS
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if whole >= 2 * length:
            return f"{whole // length} {unit}"
    return f"{whole} s"
