"""One place that writes: takes what was admitted, in groups, and gives each its place in the log.

1. One transaction a group: idempotence, continuity, twins, clones, append, receipts, checkpoint,
   commit. An answer is given after the commit, never before.
2. Known by subject: the same bytes get the same receipt, for ever.
3. All receipts of a group name one tree; the checkpoint says when, by the log's clock, which is the
   machine's and never goes back: while that one is behind, the log's stands still.
4. What contradicts is logged, classed in the receipt of what came later, and told of what was there
   before by a classification in the same group: arrival decides what is said where, not who is
   right. Refused is only what the place in the log refuses: an entry that forks a book or comes
   before its turn, what comes too late under a revoked key, a key that is another device's, what an
   authority may not say.
5. A commit that fails leaves nothing: memory goes back to what the store holds.
6. What was found of earlier entries after their admission comes with how far they were looked at;
   the checkpoint says so, and whoever goes on after a restart begins there.

It signs by the callable that it was given, so record.audit runs the very same code over what was
once signed.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from evidence import checkpoint, cose, merkle
from evidence.anchor import Authorities
from evidence.classification import Classification, Finding
from evidence.code import Class, Reason, Typ
from evidence.descriptor import Descriptor
from evidence.head import batch_id
from evidence.leap import NS
from evidence.receipt import Classed, Receipt
from evidence.refusal import EvidenceError
from evidence.run import Run
from record.admit import NewBatch, NewStatement, Part
from record.book import Books
from record.clone import CLONE, Clones
from record.continuity import Continuity, Doubt, Mark, Stretch
from record.device import Devices
from record.exhibit import keep
from record.finding import statements
from record.force import doubt_in_force
from record.joint import Joint
from record.known import KnownRun, MissingError, known_run
from record.log import Log
from record.overlay import coarse, overlaid
from record.schema import Entry, Exhibit, HeadRow, NoteRow
from record.store import Store, StoreError

Sign = Callable[[Typ, bytes], bytes]
Item = NewStatement | NewBatch
# What an item becomes: an entry with its receipt; or why it is refused, or has to wait.
Placed = Entry | EvidenceError | MissingError
_REVOKED = (int(Class.KEY_DOUBTFUL), int(Reason.CREDENTIAL_REVOKED))
_HEAD_CHAIN = (int(Class.KEY_DOUBTFUL), int(Reason.HEAD_CHAIN))
_SETTLEABLE = (int(Class.SETTLEABLE), 0)
LAST_HEADS_MAX = 65536  # kept in memory: as many runs that are alive
log = logging.getLogger("gridseal.record.sequencer")


@dataclass(slots=True)
class _Pending:
    """An entry of the group that is being committed."""

    idx: int
    typ: int
    subject: bytes
    name: bytes | None
    encoded: bytes
    classed: list[Classed] = field(default_factory=list)


class Appraised(NamedTuple):
    """What was found of the log's entries up to this one (record.appraisal), after admission."""

    upto: int
    doubts: Sequence[Doubt]


class Sequencer:
    """The one writer of a store. `body_of`: where bodies are, when the store keeps none;
    `authorities`: those with roles found what is shared (record.joint)."""

    def __init__(
        self,
        store: Store,
        log: Log,
        sign: Sign,
        body_of: Callable[[int], bytes | None] | None = None,
        authorities: Authorities | None = None,
    ) -> None:
        self._store, self._log, self._sign = store, log, sign
        self._keeps_bodies = body_of is None
        self._continuity = Continuity(store, body_of or store.body)
        self._clones = Clones(store, self._subject)
        self._books, self._devices = Books(store), Devices(store)
        self.joint = Joint(store, authorities or {})
        # What a store holds when it is opened again may only be more, and must begin with this.
        self._committed, self._root = log.size, log.root()
        self._sound = True  # memory is what the store holds
        self._stands = False  # the log's clock, for the machine's is behind
        self._reset()

    def _reset(self) -> None:
        self._doubts: list[Doubt] = []
        self._last_heads: dict[int, tuple[int, bytes]] = {}
        self._counts: Counter[tuple[int, int]] = Counter()
        signed = self._store.checkpoint(self._log.size)
        last = checkpoint.read(cose.read(signed).payload) if signed else None
        self.appraised = last.appraised if last else 0
        self.tai = last.tai if last else 0  # of the log's clock, at its last entry

    def commit(
        self,
        items: Sequence[Item],
        tai: int,
        kept: Sequence[Exhibit | NoteRow] = (),
        appraised: Appraised | None = None,
    ) -> list[Entry]:
        """The entry of each item, with its receipt, once all are durable. Raises StoreError; and of
        items that get no place the first one's EvidenceError or MissingError, once the others are.
        """
        entries: list[Entry] = []
        placed = self.append(items, tai, kept, appraised)
        self.finish()
        for one in placed:
            if not isinstance(one, Entry):
                raise one
            entries.append(one)
        return entries

    def append(
        self,
        items: Sequence[Item],
        tai: int,
        kept: Sequence[Exhibit | NoteRow] = (),
        appraised: Appraised | None = None,
    ) -> list[Placed]:
        """The entry of each item, as it will be, or why it gets none. `tai`: of the machine's
        clock. Nothing counts before `finish`, which must follow. Raises StoreError.
        """
        if not self._sound:
            self.restore()
        tai, done = self._never_back(tai), False
        try:
            self._store.begin()
            entries = self._append_all(items, tai, appraised)
            for one in kept:
                keep(self._store, one)
            done = True
        finally:
            if not done:
                self._give_up()
        return entries

    def _never_back(self, tai: int) -> int:
        """The log's clock, by the machine's."""
        behind = self.tai - tai
        if (behind > 0) != self._stands:
            self._stands = behind > 0
            if behind > 0:
                text = "this machine's clock is %.3f s behind the log's, which stands still"
                log.error(text, behind / NS)
            else:
                log.warning("this machine's clock has caught up with the log's, which goes on")
        return max(tai, self.tai)

    def finish(self) -> None:
        """Makes durable what was appended. It waits for the disk, and for nothing else: whoever has
        other work does it meanwhile, in another thread. Raises StoreError.
        """
        done = False
        try:
            self._store.commit()
            done = True
        finally:
            if not done:
                self._give_up()
        self._committed, self._root = self._log.size, self._log.root()
        self._continuity.end()
        self.joint.end()

    def _give_up(self) -> None:
        self._sound = False
        self.restore()

    def restore(self) -> None:
        """Goes back to what the store holds. Raises StoreError: then nothing is appended before it
        succeeded, for what is in memory is not what the store holds."""
        self._store.rollback()
        self._log.reset()
        if self._log.size < self._committed:
            text = f"the store has {self._log.size} entries; {self._committed} were answered for"
            raise StoreError(text)
        if self._log.root_at(self._committed) != self._root:
            text = f"the store's log is another than the {self._committed} entries answered for"
            raise StoreError(text)
        self._continuity.reset()
        self._clones.reset()
        self._books.reset()
        self.joint.reset()
        self._reset()
        self._sound = True

    def _append_all(
        self, items: Sequence[Item], tai: int, appraised: Appraised | None
    ) -> list[Placed]:
        placed: dict[bytes, Placed] = {}
        fresh: dict[bytes, _Pending] = {}
        for item in items:
            if item.subject in fresh or item.subject in placed:
                continue
            known = self._store.entry_of(item.subject) or self._refusal(item, tai)
            if known is not None:
                placed[item.subject] = known
            else:
                fresh[item.subject] = self._append(item, tai)
        pendings = list(fresh.values())
        if appraised is not None:
            self.appraised = appraised.upto
            self._doubts += appraised.doubts
        pendings += self._classifications(tai)
        if pendings:
            for entry in self._receipts(pendings, tai):
                placed[entry.subject] = entry
        return [placed[item.subject] for item in items]

    def _refusal(self, item: Item, tai: int) -> EvidenceError | MissingError | None:
        """Why an item gets no place after those that are there."""
        try:
            self._books.check(item)
            self._devices.check(item)
            self.joint.check(item, self._log.size, tai)
        except (EvidenceError, MissingError) as fault:
            return fault
        return None

    def _receipts(self, pendings: Sequence[_Pending], tai: int) -> list[Entry]:
        """Signs what the group has become, and hands it to the store."""
        log, size, root = self._log, self._log.size, self._log.root()
        entries = []
        for new in pendings:
            proof = log.inclusion(new.idx, size)
            receipt = Receipt(new.subject, new.idx, size, root, proof, tuple(new.classed))
            signed = self._sign(Typ.RECEIPT, receipt.payload())
            entries.append(Entry(new.idx, new.typ, new.subject, new.name, new.encoded, signed))
        self._store.add_entries(entries)
        self._continuity.flush()
        log.flush()
        self._store.add_tallies(self._counts)
        self._counts.clear()
        told = checkpoint.Checkpoint(size, root, tai, self.appraised).payload()
        self._store.add_checkpoint(size, self._sign(Typ.CHECKPOINT, told))
        self.tai = tai
        return entries

    def _append(self, item: Item, tai: int) -> _Pending:
        idx = self._log.append(merkle.leaf_hash(item.encoded))
        self._continuity.announce(idx, item.subject, item.encoded)
        if isinstance(item, NewBatch):
            return self._batch(item, idx, tai)
        new = _Pending(idx, item.typ, item.subject, item.name, item.encoded)
        self._store.add_disclosure(idx, item.pairs)
        self._books.add(item, idx, tai)
        self._devices.add(item)
        self.joint.add(item, idx)
        if isinstance(item.value, Descriptor) and item.run is not None:
            self._descriptor(new, item.value, item.run)
        elif isinstance(item.value, Run) and self._store.run(item.name) is None:
            if item.credential is None:
                raise StoreError("a run without its credential")
            device = self._devices.of(item.credential)
            run = known_run(idx, item.name, item.value, item.credential, device)
            self._run(run, new.subject)
        return new

    # --- batches ------------------------------------------------------------------------------

    def _batch(self, item: NewBatch, idx: int, tai: int) -> _Pending:
        new = _Pending(idx, int(Typ.HEAD), item.subject, None, item.encoded)
        if self._keeps_bodies:
            self._store.add_body(idx, item.body)
        chained = self._chained(item, idx)
        classed: list[Sequence[Classed]] = []
        for part in item.parts:
            place = part.range
            stretch = Stretch(
                part.run, place.stream, place.first_seq, place.first_prev, part.leaves,
                idx, item.subject, part.heard_from, part.measured,
            )  # fmt: skip
            marks, doubts = self._continuity.add(stretch)
            self._doubts += doubts
            self._doubts += self._clones.hear(stretch)
            self._judge(part, tai, chained, marks)
            if self._books.doubts(item.run, part.run):
                marks.append(Mark(place.first_seq, place.last_seq, *_REVOKED))
            classed.append(overlaid(part.classed, place.stream, marks) if marks else part.classed)
        new.classed = coarse(classed)
        self._count(item.head.count, new.classed)
        return new

    def _judge(self, part: Part, tai: int, chained: bool, marks: list[Mark]) -> None:
        """Adds what holds for the whole part: its credential, its run, its head."""
        whole = (part.range.first_seq, part.range.last_seq)
        out = doubt_in_force(part.run, (tai, *part.heard))
        if out is not None:
            marks.append(Mark(*whole, int(Class.KEY_DOUBTFUL), int(out[0])))
        if not chained:
            marks.append(Mark(*whole, *_HEAD_CHAIN))
        # What an authority may lift comes last: of several reasons the first is said.
        if part.run.id in self._clones:
            marks.append(Mark(*whole, *CLONE))

    def _chained(self, item: NewBatch, idx: int) -> bool:
        """Whether the head fits those numbered next to it; if not, those are doubtful as well."""
        head, run = item.head, item.run
        if self._last_head(run.id) == (head.number - 1, head.previous):
            # The next one of a run whose last one is known: the ordinary case, without a look-up.
            self._store.add_head(HeadRow(run.id, head.number, idx, head.previous))
            self._last_heads[run.id] = (head.number, item.subject)
            return True
        self._last_heads.pop(run.id, None)
        apart = []
        for row in self._store.heads_near(run.id, head.number):
            other = self._subject(row.idx)
            fits = {
                head.number - 1: head.previous == other,
                head.number + 1: row.previous == item.subject,
            }
            if not fits.get(row.number, False):
                apart.append(other)
        self._store.add_head(HeadRow(run.id, head.number, idx, head.previous))
        for other in apart:
            finding = Finding(run.name, other, None, None, None, *_HEAD_CHAIN)
            self._doubts.append(Doubt(finding, (other, item.subject)))
        return not apart

    def _last_head(self, run: int) -> tuple[int, bytes] | None:
        """Number and subject of a run's last head; None when there is none, or more than one."""
        last = self._last_heads.get(run)
        if last is None:
            rows = self._store.last_heads(run)
            if len(rows) == 1:
                if len(self._last_heads) >= LAST_HEADS_MAX:
                    del self._last_heads[next(iter(self._last_heads))]
                last = self._last_heads[run] = (rows[0].number, self._subject(rows[0].idx))
        return last

    def _subject(self, idx: int) -> bytes:
        return self._continuity.entry(idx)[0]

    def _count(self, observations: int, classed: Sequence[Classed]) -> None:
        counts = self._counts
        for _, first, last, klass, reason in classed:
            counts[klass, reason] += last - first + 1
            observations -= last - first + 1
        if observations:
            counts[_SETTLEABLE] += observations

    # --- statements ---------------------------------------------------------------------------

    def _descriptor(self, new: _Pending, value: Descriptor, run: KnownRun) -> None:
        """A descriptor is a link of its stream like any other."""
        leaf = merkle.leaf_hash(new.encoded)
        place = Stretch(run, value.stream, value.seq, value.prev, [leaf], new.idx, new.subject)
        marks, doubts = self._continuity.add(place)
        self._doubts += doubts
        if run.id in self._clones:
            marks.append(Mark(value.seq, value.seq, *CLONE))
        new.classed += overlaid((), value.stream, marks)

    def _run(self, run: KnownRun, subject: bytes) -> None:
        self._continuity.flush()
        late = self._books.is_late(run)
        self._doubts += self._clones.begin(run, subject, late)
        self._doubts += self._continuity.follow(run, subject, late)

    def _classifications(self, tai: int) -> list[_Pending]:
        """The findings of this group, as entries of their own."""
        found = []
        for doubts in statements(self._doubts):
            because = tuple(dict.fromkeys(name for doubt in doubts for name in doubt.because))
            findings = tuple(dict.fromkeys(doubt.finding for doubt in doubts))
            payload = Classification(tai, findings, because).payload()
            encoded = self._sign(Typ.CLASSIFICATION, payload)
            idx = self._log.append(merkle.leaf_hash(encoded))
            found.append(
                _Pending(
                    idx, int(Typ.CLASSIFICATION), batch_id(encoded), cose.name(payload), encoded
                )
            )
        self._doubts.clear()
        return found
