"""A bundle as a record: what it holds, in the tables of a scratch store, so that whatever works
over a record works over a bundle.

1. It is loaded from a bundle that was checked, or was written just now out of a record, against its
   manifest once more, which is the one that was checked: what changed in between is a fault. So no
   link is hashed here again.
2. Entries stand at their own indexes, with gaps between them. There are no nodes of a tree; roots
   are those that the bundle's own tree proves.
3. A batch of which an observation is withheld has no body, and what leans on it finds none.

It decides nothing that the log has not decided.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from evidence import (
    book,
    cbor,
    checkpoint,
    classification,
    cose,
    export,
    merkle,
    shape,
)
from evidence.bundle import tree as trees
from evidence.bundle import verifier
from evidence.bundle.file import Files
from evidence.bundle.manifest import Row
from evidence.bundle.scope import Scope
from evidence.bundle.tree import Tree
from evidence.code import Act, Reason, Typ
from evidence.credential import read as read_credential
from evidence.export import Sealed, Stated, Veiled
from evidence.head import Range, batch_id
from evidence.head import read as read_head
from evidence.joint.state import Docket
from evidence.refusal import EvidenceError
from evidence.rotation import read as read_rotation
from evidence.run import read as read_run
from evidence.sequence import Source
from evidence.trust import Anchors
from record.admit import NewStatement, Value, heard_from, measured
from record.book import Books
from record.clone import run_row
from record.device import Devices
from record.joint import Shelf
from record.known import Known, KnownRun, known_run
from record.reconstruct.folder import DiskFolder
from record.reconstruct.passage import Walk
from record.schema import Entry, HeadRow, SpanRow
from record.store import Store, StoreError, open_scratch


class Holding(NamedTuple):
    """What a bundle holds.

    `store`: see above. `clock`: when the log saw the entry of an index, ns TAI. `anchors`: those of
    whoever makes or checks the bundle: what depends on them says so. `rows`: of its manifest.
    """

    scope: Scope
    anchors: Anchors
    store: Store
    tree: Tree
    clock: "Clock"
    rows: Sequence[Row]


class Clock:
    """The log's own clock, by its checkpoints."""

    def __init__(self, instants: dict[int, int]) -> None:
        self._sizes = sorted(instants)
        self._instants = instants

    def __call__(self, idx: int) -> int:
        """When the log had seen this entry, ns TAI: to the commit, for what has a receipt in the
        bundle; else by the next checkpoint that is there."""
        place = bisect_right(self._sizes, idx)
        if place == len(self._sizes):
            raise StoreError(f"no checkpoint over entry {idx}")
        return self._instants[self._sizes[place]]

    def before(self, idx: int) -> int | None:
        """When the log last said that it had not seen this entry, ns TAI: its checkpoint before;
        None where the bundle has none."""
        place = bisect_right(self._sizes, idx)
        return self._instants[self._sizes[place - 1]] if place else None


def load(path: Path, anchors: Anchors, name: str | None = None) -> Holding:
    """The bundle in a folder, which holds by these anchors; of this name, where one was checked.
    Raises EvidenceError, StoreError."""
    store, done = open_scratch(), False
    try:
        files = Files(DiskFolder(path), _refuse)
        if name not in (None, files.name):
            _refuse(f"it is bundle {files.name} now")
        found = _Loader(store, anchors, files).run()
        done = True
        return found
    finally:
        if not done:
            store.close()


def _refuse(text: str) -> NoReturn:
    raise EvidenceError(Reason.BUNDLE, f"changed while it was read: {text}")


class _Loader:
    """Fills the tables."""

    def __init__(self, store: Store, anchors: Anchors, files: Files) -> None:
        self._store, self._anchors, self._files = store, anchors, files
        self._known = Known(store)
        self._books, self._devices = Books(store), Devices(store)
        self._walk = Walk()
        self._due: dict[tuple[int, int], int] = {}  # seq after the last, by run and stream
        self._tree = trees.read(files.whole(verifier.TREE, trees.TREE_BYTES_MAX))
        self._cloned: set[bytes] = set()

    def run(self) -> Holding:
        files = self._files
        scope = verifier.read_scope(files)
        self._store.begin()
        instants = dict(self._checkpoints())
        clock = Clock(instants)
        docket = Docket(self._anchors.authorities.values(), Shelf(self._store))
        for content in self._items(verifier.ENTRIES, verifier.ITEM_BYTES_MAX):
            self._entry(content, docket, clock)
        for row in files.rows:
            if row.path.startswith(verifier.DEVICES):
                for item in export.read(files.chunks(row.path)):
                    if isinstance(item, Stated):
                        self._state(item)
                    elif isinstance(item, Sealed | Veiled):
                        self._seal(item)
        self._store.commit()
        return Holding(scope, self._anchors, self._store, self._tree, clock, files.rows)

    def _checkpoints(self) -> Iterator[tuple[int, int]]:
        signed = [self._files.whole(verifier.CHECKPOINT, verifier.CHECKPOINT_BYTES_MAX)]
        signed += self._items(verifier.CLOCK, verifier.CHECKPOINT_BYTES_MAX)
        for encoded in signed:
            found = checkpoint.read(cose.read(encoded).payload)
            self._store.add_checkpoint(found.size, encoded)
            yield found.size, found.tai

    def _entry(self, content: bytes, docket: Docket, clock: Clock) -> None:
        encoded, answer = shape.array(cbor.decode(content), "entry", 2)
        message, idx = cose.read(encoded), self._tree.index(encoded)
        self._add(idx, message, answer)
        if message.typ == Typ.BOOK:
            value = book.read(message.payload)
            self._books.add(_new(message, b"\x80", value), idx, clock(idx))
        elif message.typ in (Typ.RECORD, Typ.COUNTERSIGNATURE):
            docket.enter(docket.judge(message, idx, clock(idx)), idx)
        else:
            for one in classification.read(message.payload).findings:
                if one.reason == Reason.CLONE and one.stream is None and one.subject is None:
                    self._cloned.add(one.run)

    def _state(self, item: Stated) -> None:
        message, idx = cose.read(item.encoded), self._tree.index(item.encoded)
        pairs = cbor.encode([list(pair) for pair in item.pairs or ()])
        self._add(idx, message, b"")
        self._store.add_disclosure(idx, pairs)
        if message.typ == Typ.CREDENTIAL:
            says = read_credential(message.payload)
            new = _new(message, pairs, says)
            if says.rotation is not None:
                over = self._store.statement(says.rotation, Typ.ROTATION)
                before = read_rotation(cose.read(over.encoded).payload) if over else None
                credential = self._known.credential(before.credential) if before else None
                new = new._replace(credential=credential)
            self._devices.add(new)
        elif message.typ == Typ.RUN:
            self._run(idx, message)
        elif message.typ == Typ.DESCRIPTOR:
            known = self._known.descriptor(message.name)
            if known is None:
                raise StoreError(f"entry {idx} cannot be read back")
            of, leaf = known.descriptor, merkle.leaf_hash(item.encoded)
            link = Range(of.stream, known.name, of.seq, of.seq, of.prev, leaf)
            self._store.add_spans([self._span(known.run, link, idx, None, None)])

    def _run(self, idx: int, message: cose.Sign1) -> None:
        value = read_run(message.payload)
        under = self._known.credential(value.credential)
        if under is None:
            raise StoreError(f"the credential of entry {idx} is missing")
        run = known_run(idx, message.name, value, under, self._devices.of(under))
        issuer, fingerprint = run.holder
        revoked = self._store.books_on(fingerprint, Act.REVOKED)
        late = any(row.issuer == issuer and row.idx < idx for row in revoked)
        self._store.add_run(run_row(run, late)._replace(cloned=int(run.name in self._cloned)))

    def _seal(self, item: Sealed | Veiled) -> None:
        message, idx = cose.read(item.head), self._tree.index(item.head)
        self._store.add_entries(
            [Entry(idx, int(Typ.HEAD), batch_id(item.head), None, item.head, item.answer or b"")]
        )
        of = read_head(message.payload)
        by = self._known.run(of.run)
        if by is None:
            raise StoreError(f"the run of entry {idx} is missing")
        self._store.add_head(HeadRow(by.id, of.number, idx, of.previous))
        if isinstance(item, Veiled) or item.body is None:
            for part in of.ranges:
                known = self._known.descriptor(part.descriptor)
                if known is not None:
                    self._store.add_spans([self._span(known.run, part, idx, None, None)])
            return
        self._store.add_body(idx, item.body)
        at, spans = 0, []
        for part in of.ranges:
            known = self._known.descriptor(part.descriptor)
            if known is None:
                raise StoreError(f"the descriptor of a range of entry {idx} is missing")
            stretches, last, at = self._walk.range(item.body, at, part)
            tai, heard = stretches[-1].found[-1][0], self._walk.heard(item.body, last, known.name)
            latest = {one.kind: one.found[-1][0] for one in stretches}
            ends = (heard_from((tai, *heard)), measured(latest))
            spans.append(self._span(known.run, part, idx, *ends))
        self._store.add_spans(spans)
        if at != len(item.body):
            raise StoreError(f"the body of entry {idx} is longer than its head says")

    def _span(
        self, run: KnownRun, part: Range, idx: int, heard: int | None, measured: int | None
    ) -> SpanRow:
        place, copy = (run.id, part.stream), 0
        if part.first_seq < self._due.get(place, 0):  # else nothing that is there begins with it
            near = self._store.spans_near(*place, part.first_seq, part.first_seq)
            copy = sum(span.first_seq == part.first_seq for span in near)
        self._due[place] = max(self._due.get(place, 0), part.last_seq + 1)
        return SpanRow(
            *(*place, part.first_seq, copy, part.last_seq),
            *(part.first_prev, part.last_leaf, idx, heard, measured),
        )

    def _add(self, idx: int, message: cose.Sign1, answer: bytes) -> None:
        name, typ = message.name, int(message.typ or 0)
        subject = batch_id(message.encoded)
        self._store.add_entries([Entry(idx, typ, subject, name, message.encoded, answer)])

    def _items(self, path: str, most: int) -> Iterator[bytes]:
        source = Source(self._files.chunks(path))
        while not source.done():
            yield source.item(most)


def _new(message: cose.Sign1, pairs: bytes, value: Value) -> NewStatement:
    subject, typ = batch_id(message.encoded), int(message.typ or 0)
    return NewStatement(subject, message.encoded, typ, message.name, pairs, value, None, None)


def lacking(store: Store, known: Known, leaves: Sequence[int]) -> Iterator[int]:
    """Those of some batches that are not there, or not whole: an observation is withheld, or what a
    descriptor over them hides. Raises StoreError."""
    for idx in leaves:
        entry = store.entry(idx)
        if entry is None or store.body(idx) is None:
            yield idx
            continue
        for part in read_head(cose.read(entry.encoded).payload).ranges:
            of = known.descriptor(part.descriptor)
            if of is None or not of.told.keys() >= set(of.descriptor.digests):
                yield idx
                break
