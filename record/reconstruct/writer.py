"""Writes a bundle out of a record: deterministic, as it passes by, and as at one size of the log.

1. What is in it follows from the record, the anchors and what was asked; twice the same bytes.
2. Nothing is decided here: what is written is what was signed, at its place, with what it needs to
   be believed. Whether it holds is evidence.bundle.verifier's.
3. Memory grows with the number of entries (a hash each), never with the observations.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evidence import (
    cbor,
    classification,
    cose,
    disclosure,
    export,
    instant,
    merkle,
    receipt,
    rotation,
)
from evidence.bundle import tree, verifier
from evidence.bundle.scope import PATH as SCOPE
from evidence.bundle.scope import Scope
from evidence.code import Typ
from evidence.credential import Credential
from evidence.credential import read as read_credential
from evidence.export import Opening, Sealed, Stated, Veiled
from evidence.head import Head, Range
from evidence.head import read as read_head
from record.known import Known, KnownDescriptor, KnownRun
from record.log import stored_node
from record.reconstruct.selection import Selection, Stretch
from record.reconstruct.target import Put, Target
from record.reconstruct.withholding import Hidden, Withholding
from record.schema import Entry, HeadRow
from record.store import Store, StoreError

_SHARED = (Typ.RECORD, Typ.COUNTERSIGNATURE, Typ.BOOK, Typ.CLASSIFICATION)


@dataclass(slots=True)
class Written:
    """What went into a bundle."""

    name: str = ""
    devices: int = 0
    batches: int = 0
    observations: int = 0
    withheld: int = 0
    records: int = 0
    entries: int = 0
    size: int = 0  # bytes of all files
    missing: list[str] = field(default_factory=list)  # batches that are not in the log
    leaning: list[str] = field(default_factory=list)  # records computed from what is withheld


class Writer:
    """One bundle. Raises StoreError, EvidenceError, OSError."""

    def __init__(self, store: Store, known: Known, scope: Scope, withholding: Withholding) -> None:
        self._store, self._known, self._scope = store, known, scope
        self._withholding = withholding
        self._leaves: dict[int, bytes] = {}
        self._seen: set[int] = set()  # sizes of commits
        self._runs: set[bytes] = set()
        self.veiled: set[int] = set()  # batches of which something is withheld
        self.written = Written()

    def write(
        self, selection: Selection, target: Target, note: bytes | None, sizes: Iterable[int]
    ) -> None:
        """All of it but the documents and the manifest. `sizes`: of the tree, as at which something
        was computed."""
        self._seen.update(size for size in sizes if self._store.checkpoint(size) is not None)
        for device, stretches in selection.devices.items():
            path = f"{verifier.DEVICES}{device.hex()[:32]}.gsx"
            with target.file(path) as put:
                _Device(self, put).write(selection, stretches)
            self.written.devices += 1
        with target.file(verifier.ENTRIES) as put:
            self._entries(put)
        if self._scope.size <= verifier.WHOLE_MAX:
            with target.file(verifier.REST) as put:
                self._rest(put)
        last = self._checkpoint(self._scope.size)
        with target.file(verifier.CLOCK) as put:
            seen = sorted(self._seen - {self._scope.size})
            for size in seen:
                _item(put, self._checkpoint(size))
        self.written.entries = len(self._leaves)
        target.add(verifier.TREE, tree.write(self._scope.size, self._leaves, seen, self._fetch))
        target.add(verifier.CHECKPOINT, last)
        if note is not None:
            target.add(verifier.NOTE, note)
        target.add(SCOPE, self._scope.encode())

    # --- for the devices ----------------------------------------------------------------------

    def entry(self, idx: int) -> Entry:
        """An entry that has its place in the tree from now on. Raises StoreError."""
        found = self._store.entry(idx)
        if found is None:
            raise StoreError(f"entry {idx} is missing")
        self._leaves[idx] = merkle.leaf_hash(found.encoded)
        return found

    def answered(self, found: Entry) -> Entry:
        """The same for one whose receipt goes with it."""
        self._seen.add(receipt.read(cose.read(found.receipt).payload).size)
        return found

    # --- inside -------------------------------------------------------------------------------

    def _entries(self, put: Put) -> None:
        for found in self._shared():
            _item(put, cbor.encode([self.answered(self.entry(found.idx)).encoded, found.receipt]))
            self.written.records += found.typ in (Typ.RECORD, Typ.COUNTERSIGNATURE)

    def _shared(self) -> Iterator[Entry]:
        """Records, words, books and findings, in the order of the log; of a log that is not here
        whole those that have an effect, and findings about the runs that are here."""
        if self._scope.size <= verifier.WHOLE_MAX:
            for found in self._store.entries():
                if found.idx < self._scope.size and found.typ in _SHARED:
                    yield found
            return
        indexes = {row.idx for row in self._store.books()}
        for row in self._store.joints():
            indexes.add(row.idx)
            indexes.update(word.idx for word in self._store.words(row.name))
        for found in self._store.findings():
            says = classification.read(cose.read(found.encoded).payload)
            if any(one.run in self._runs for one in says.findings):
                indexes.add(found.idx)
        yield from (self.entry(idx) for idx in sorted(indexes) if idx < self._scope.size)

    def _rest(self, put: Put) -> None:
        for found in self._store.entries():
            if found.idx < self._scope.size and found.idx not in self._leaves:
                _item(put, self.entry(found.idx).encoded)

    def _checkpoint(self, size: int) -> bytes:
        found = self._store.checkpoint(size)
        if found is None:
            raise StoreError(f"the checkpoint of {size} is missing")
        return found

    def _fetch(self, level: int, position: int) -> bytes:
        return stored_node(self._store, level, position)

    def descriptor(self, name: bytes) -> KnownDescriptor:
        found = self._known.descriptor(name)
        if found is None:
            raise StoreError(f"descriptor {name.hex()[:16]} is missing")
        return found

    def run(self, name: bytes) -> KnownRun:
        found = self._known.run(name)
        if found is None:
            raise StoreError(f"run {name.hex()[:16]} is missing")
        self._runs.add(name)
        return found

    def statement(self, name: bytes, typ: Typ) -> Entry:
        found = self._store.statement(name, typ)
        if found is None:
            raise StoreError(f"{typ.name.lower()} {name.hex()[:16]} is missing")
        return found

    def stated(self, found: Entry, value: object) -> Stated:
        """A statement and what of it is told."""
        pairs = self._store.disclosure(found.idx)
        if pairs is None:
            raise StoreError(f"the disclosures of entry {found.idx} are missing")
        told = self._withholding.told(value, disclosure.read_pairs(cbor.decode(pairs)))
        return Stated(self.entry(found.idx).encoded, told)

    def sealed(self, row: HeadRow) -> tuple[Head, Sealed]:
        """A batch as it stands in the log."""
        found = self.answered(self.entry(row.idx))
        body = self._store.body(row.idx)
        if body is None:
            raise StoreError(f"the body of entry {row.idx} is missing")
        of = read_head(cose.read(found.encoded).payload)
        return of, Sealed(found.encoded, found.receipt, body)

    def hides(self, known: KnownDescriptor) -> tuple[Hidden, ...]:
        return self._withholding.hides(known)

    def redacted(
        self, head: Head, item: Sealed, hidden: list[tuple[Hidden, ...]]
    ) -> Sealed | Veiled:
        return self._withholding.veiled(item, head.ranges, hidden)

    def opening(self) -> Opening:
        return Opening(self._scope.begins, self._scope.ends, None, self._scope.software)

    def spans(self, run: int, stream: int, first: int, last: int) -> Iterator[Entry]:
        """The descriptors of a stream from one seq to another."""
        for span in self._store.spans_near(run, stream, first, last):
            found = self._store.entry(span.idx)
            if found is not None and found.typ == Typ.DESCRIPTOR and found.idx < self._scope.size:
                yield found


class _Device:
    """One gateway's file."""

    def __init__(self, bundle: Writer, put: Put) -> None:
        self._bundle = bundle
        self._out = export.Writer(put, bundle.opening())
        self._told: set[bytes] = set()  # names of statements
        self._next: dict[tuple[int, int], int] = {}  # seq that is due, by run and stream
        self._whole: set[int] = set()  # runs that are here from their first batch on

    def write(self, selection: Selection, stretches: Sequence[Stretch]) -> None:
        written = self._bundle.written
        for stretch in stretches:
            due = stretch.first
            self._state_run(stretch.run)
            if stretch.first == 0:
                self._whole.add(stretch.run.id)
            for row in selection.heads(stretch):
                if row.number > due:
                    run = stretch.run.name.hex()[:16]
                    written.missing.append(f"run {run}: batches {due} to {row.number - 1}")
                due = row.number + 1
                self._batch(row.idx, *self._bundle.sealed(row))
        self._out.close()

    def _batch(self, idx: int, head: Head, item: Sealed) -> None:
        hidden = [self._range(part) for part in head.ranges]
        out = self._bundle.redacted(head, item, hidden)
        self._out.add(out)
        written = self._bundle.written
        written.batches += 1
        left = len(out.leaves) // merkle.HASH_BYTES if isinstance(out, Veiled) else 0
        if left:
            self._bundle.veiled.add(idx)
        written.withheld += left
        written.observations += head.count - left

    def _range(self, part: Range) -> tuple[Hidden, ...]:
        """States what a range needs; what means its observations."""
        known = self._bundle.descriptor(part.descriptor)
        run, place = known.run, (known.run.id, part.stream)
        self._state_run(run)
        due = self._next.get(place, 0 if run.id in self._whole else part.first_seq)
        if due < part.first_seq:
            for found in self._bundle.spans(run.id, part.stream, due, part.first_seq - 1):
                self._describe(self._bundle.descriptor(found.name or b""), found)
        if known.name not in self._told:
            self._describe(known, self._bundle.statement(known.name, Typ.DESCRIPTOR))
        self._next[place] = part.last_seq + 1
        return self._bundle.hides(known)

    def _describe(self, known: KnownDescriptor, found: Entry) -> None:
        if known.name not in self._told:
            self._told.add(known.name)
            self._out.add(self._bundle.stated(found, known.descriptor))

    def _state_run(self, run: KnownRun) -> None:
        if run.name in self._told:
            return
        self._told.add(run.name)
        self._state_credential(self._bundle.run(run.name).run.credential)
        self._out.add(self._bundle.stated(self._bundle.statement(run.name, Typ.RUN), run.run))

    def _state_credential(self, name: bytes) -> None:
        """With the rotations that lead to it, and the credentials before them."""
        waiting: list[tuple[Entry, Credential | None]] = []
        at: bytes | None = name
        while at is not None and at not in self._told:
            self._told.add(at)
            found = self._bundle.statement(at, Typ.CREDENTIAL)
            says = read_credential(cose.read(found.encoded).payload)
            waiting.append((found, says))
            at = None
            if says.rotation is not None and says.rotation not in self._told:
                self._told.add(says.rotation)
                over = self._bundle.statement(says.rotation, Typ.ROTATION)
                waiting.append((over, None))
                at = _before(over)
        for found, value in reversed(waiting):
            self._out.add(self._bundle.stated(found, value))


def _before(over: Entry) -> bytes:
    return rotation.read(cose.read(over.encoded).payload).credential


def _item(put: Put, content: bytes) -> None:
    put(cbor.bytes_head(len(content)))
    put(content)


def default_out(scope: Scope) -> Path:
    """Where a bundle goes when nobody says."""
    parts = [re.sub(r"[-:.]", "", instant.words(tai)) for tai in (scope.begins, scope.ends)]
    return Path("bundle-" + "-".join(parts))
