"""One reconstruction, from what was asked to a bundle in its place.

1. It is of the log as at one size: the largest tree whose published note the witnesses of the
   anchors' policy cosigned; without a policy the last that was published, and where nothing was
   published the last checkpoint.
2. A seam is what a joint record in the log says, by the anchors that were given.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from evidence import checkpoint, instant, receipt
from evidence.bundle.scope import Scope
from evidence.code import Typ
from evidence.cose import read as read_message
from evidence.joint.seam import Seam
from evidence.joint.shelf import Memory
from evidence.joint.state import Docket
from evidence.refusal import EvidenceError
from evidence.tlog import policy
from evidence.tlog.note import ED25519, Verifier
from evidence.trust import Anchors
from record.known import Known
from record.lookup import NotFoundError
from record.reconstruct import document, holding
from record.reconstruct.arrival import Arrival
from record.reconstruct.closure import Closure
from record.reconstruct.selection import Selection
from record.reconstruct.target import Target
from record.reconstruct.withholding import Withholding
from record.reconstruct.writer import Writer, Written, default_out
from record.store import Store

MISSING_MAX = 20  # lines about each thing that is wanting


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for. `digest`: of the anchors' file; `out`: None: named by the interval."""

    begins: int
    ends: int
    seam: str | None
    withhold: tuple[str, ...]
    anchors: Anchors
    digest: bytes
    out: Path | None


@dataclass(frozen=True, slots=True)
class Made:
    """A bundle that was written. `clocks`: what came within the interval and says another time."""

    folder: Path
    scope: Scope
    written: Written
    clocks: tuple[str, ...]

    def told(self) -> dict[str, Any]:
        """As one JSON object."""
        made = self.written
        return {
            "bundle": made.name, "folder": str(self.folder), "size": self.scope.size,
            "gateways": made.devices, "batches": made.batches, "observations": made.observations,
            "withheld": made.withheld, "records": made.records, "entries": made.entries,
            "bytes": made.size, "missing": made.missing, "leaning": made.leaning,
            "clocks": list(self.clocks),
        }  # fmt: skip

    def lines(self) -> Iterator[str]:
        """For people."""
        made, scope = self.written, self.scope
        first, last = instant.words(scope.begins), instant.words(scope.ends)
        yield f"{first} until before {last}, in a log of {scope.size} entries"
        yield (
            f"{made.devices} gateways, {made.batches} batches, {made.observations} observations"
            f" ({made.withheld} withheld); {made.records} records and words; {made.size} bytes"
        )
        for line in made.missing[:MISSING_MAX]:
            yield f"not in the log: {line}: a bundle of these holds no longer than they are missing"
        for line in self.clocks[:MISSING_MAX]:
            yield f"another time: {line}"
        for line in made.leaning[:MISSING_MAX]:
            yield f"leans on what is withheld, and cannot be computed again: {line}"
        yield f"{self.folder}: bundle {made.name}"


def write(store: Store, asked: Asked, processes: int = 1) -> Made:
    """Writes a bundle: the same bytes, however many processes may work. Raises StoreError,
    NotFoundError, EvidenceError, OSError."""
    size, note = _size(store, asked.anchors)
    seam = None if asked.seam is None else _seam(store, asked.anchors, size, asked.seam)
    nodes = None if seam is None else frozenset(side.node for side in seam.sides)
    withholding = Withholding(asked.withhold, nodes)
    software = f"gridseal {version('gridseal')}"
    asked_for = (asked.begins, asked.ends, asked.seam, size, withholding.words)
    scope = Scope(*asked_for, asked.digest, software)
    known = Known(store)
    interval = (asked.begins, asked.ends)
    closure = Closure(store, size, *interval, asked.seam)
    arrival = Arrival(store, known, size, *interval, seam)
    more = closure.leaves | arrival.indexes
    selection = Selection(store, known, size, *interval, seam, more)
    folder = asked.out or default_out(scope)
    target, done = Target(folder), False
    try:
        writer = Writer(store, known, scope, withholding)
        writer.write(selection, target, note, closure.sizes)
        writer.written.leaning += closure.leaning(writer.veiled)
        if withholding.unmet():
            text = f"--withhold: nothing in the bundle is {', '.join(withholding.unmet())}"
            raise NotFoundError(text)
        if document.DOCUMENTS:
            _document(target, asked.anchors, processes)
        writer.written.size = sum(row.size for row in target.rows)
        writer.written.name = target.close()
        done = True
    finally:
        if not done:
            target.drop()
    return Made(folder, scope, writer.written, tuple(one.words() for one in arrival.came))


def _document(target: Target, anchors: Anchors, processes: int) -> None:
    """Writes the documents, out of what the bundle has by now."""
    held = holding.load(target.so_far(), anchors)
    try:
        for one in document.files(held, processes=processes):
            with target.file(f"{document.FOLDER}/{one.name}") as put:
                for chunk in one.chunks:
                    put(chunk)
    finally:
        held.store.close()


def _size(store: Store, anchors: Anchors) -> tuple[int, bytes | None]:
    """The size of the log that a bundle is of, and its published note. Raises NotFoundError."""
    rules = policy.read(anchors.witness_policy.encode()) if anchors.witness_policy else None
    log = Verifier(anchors.log, ED25519, anchors.log_key)
    for row in store.notes_back():
        if store.checkpoint(row.size) is None:
            continue
        try:
            if rules is not None:
                policy.check(rules, row.encoded, [log])
        except EvidenceError:
            continue
        return row.size, row.encoded
    sizes = store.checkpoints()
    if not sizes or not sizes[-1]:
        raise NotFoundError("the record is empty")
    return sizes[-1], None


def _seam(store: Store, anchors: Anchors, size: int, name: str) -> Seam:
    """The seam of a name, as it is in force in a log of this size. Raises NotFoundError."""
    docket = Docket((one for one in anchors.authorities.values() if one.roles), Memory())
    for entry in store.entries():
        if entry.idx >= size:
            break
        if entry.typ in (Typ.RECORD, Typ.COUNTERSIGNATURE):
            commit = receipt.read(read_message(entry.receipt).payload).size
            tai = _instant(store, commit)
            docket.enter(docket.judge(read_message(entry.encoded), entry.idx, tai), entry.idx)
    if name not in docket.seams:
        there = ", ".join(sorted(docket.seams)) or "none"
        raise NotFoundError(f"no seam {name!r} is in force; in force: {there}")
    return docket.seams[name]


def _instant(store: Store, size: int) -> int:
    """When the log signed the checkpoint of a size, ns TAI."""
    signed = store.checkpoint(size)
    if signed is None:
        raise NotFoundError(f"the checkpoint of {size} is missing")
    return checkpoint.read(read_message(signed).payload).tai
