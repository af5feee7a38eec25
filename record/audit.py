"""Checks a record offline, by running it once more: same evidence, same code, no trust in what the
file derived.

1. Every entry is admitted again from its bytes, in the order of the log, by what the log held at
   that point: chains of signatures up to the authorities of the anchors, links, roots.
2. The sequencer runs over them group by group, and "signs" by looking up what was signed then:
   tree, classes, findings, receipts and checkpoints must come out the same, and carry the log's
   signature. What was found by value is found again, over the stretches that checkpoints name.
3. Every table that follows from the evidence is compared with what came out, row by row.
4. Evaluations are evaluated again over the leaves that they name, once all else holds: who said
   another value is named, and what leans on it. As many of each author's as its share allows; with
   `every` all.
5. The record is only read, whatever it holds; a damaged one gives reasons, never an exception.

Derived rows of the second run go into a temporary file: about a tenth of the record's size.
"""

import hashlib
from collections.abc import Iterator
from functools import partial
from itertools import zip_longest

from evidence import book, cbor, checkpoint, cose, credential, disclosure, merkle, receipt
from evidence.anchor import Anchors
from evidence.code import ALG_ED25519, Typ
from evidence.key import PublicKey
from evidence.refusal import EvidenceError
from evidence.tlog import checkpoint as tlog_checkpoint
from evidence.tlog.note import ED25519, Verifier, signed_by
from record.admit import Admitter, NewStatement
from record.appraisal import Readings
from record.database import NotARecordError, Place, StoreError
from record.exhibit import exhibit_seal
from record.handoff import otherwise
from record.handoff.evaluate import Effort
from record.known import Known, MissingError
from record.log import Log, stored_node
from record.lookup import NotFoundError
from record.round import Round
from record.schema import DERIVED, INT_MAX, Entry
from record.sequencer import Appraised, Item, Sequencer
from record.shelf import published
from record.store import Store, open_reader, open_scratch

_EACH = "each evaluation over its leaves"
REASONS_MAX = 100  # lines; a file with more has no need of them
_SENT = (  # by others
    *(Typ.CREDENTIAL, Typ.ROTATION, Typ.RUN, Typ.DESCRIPTOR),
    *(Typ.BOOK, Typ.RECORD, Typ.COUNTERSIGNATURE),
)


class Audit:
    """One check of one record. Raises NotARecordError when there is nothing to check."""

    def __init__(self, place: Place, anchors: Anchors | None, every: bool = False) -> None:
        self._store = open_reader(place)
        self._anchors = anchors
        self._every = every
        self._effort = None if every else Effort()
        self._reasons: list[str] = []
        self._opaque: set[int] = set()  # entries that were not admitted again
        self._group: dict[int, Entry] = {}
        self._size = 0  # of the log, as far as it was checked
        try:
            self._store.snapshot()
            self._key = self._store.log_key()
        except StoreError as fault:
            self._store.close()
            raise NotARecordError(f"{place}: {fault}") from fault

    def fingerprints(self) -> list[str]:
        """Whom this record claims to come from: for people to compare with what they were told."""
        lines = [
            "no trust anchors were given (--anchors FILE); the record names these: SHA-256 of the"
            " raw key, or the kid, its first 16 digits, where the key is not in the record"
        ]
        found: dict[str, None] = {}
        try:
            if self._key is not None and len(self._key) == 32:
                print_ = PublicKey(ALG_ED25519, self._key).fingerprint
                found[f"log        {print_}"] = None
            for entry in self._store.entries():
                if entry.typ in (Typ.CREDENTIAL, Typ.BOOK):
                    message = cose.read(entry.encoded)
                    read = credential.read if entry.typ == Typ.CREDENTIAL else book.read
                    issuer = read(message.payload).issuer
                    found[f"authority  kid {message.kid.hex()} {issuer!r}"] = None
        except (StoreError, EvidenceError) as fault:
            lines.append(f"and is damaged: {fault}")
        finally:
            self._store.close()
        return lines + list(found)

    def run(self) -> list[str]:
        """Why the record does not hold; empty when everything does."""
        try:
            self._check()
        except StoreError as fault:
            self._say(str(fault))
        finally:
            self._store.close()
        return self._reasons[:REASONS_MAX]

    def told(self) -> str:
        """What was checked."""
        own = (
            "each observation's own signature"
            if self._every
            else "observations by their heads (--every: each one's own signature too)"
        )
        left = "" if self._effort is None else self._effort.told()
        return (
            f"{self._size} entries, each receipt, the signature of each statement and head,"
            f" {own}, each table, "
            + (f"evaluations over their leaves: {left} (--every: all)" if left else _EACH)
        )

    # --- the second run -----------------------------------------------------------------------

    def _check(self) -> None:
        anchors = self._anchors
        if anchors is None:
            raise StoreError("no trust anchors")
        for fault in self._store.faults():
            self._say(f"database: {fault}")
        if self._key != anchors.log_key.raw or self._store.keys("meta") != ["log_key"]:
            found = hashlib.sha256(self._key or b"").hexdigest()
            self._say(f"log key: {found}, the anchors name {anchors.log_key.fingerprint}")
        if self._reasons:
            return
        scratch = open_scratch()
        try:
            self._replay(scratch, anchors)
            if not self._reasons:
                self._compare(scratch)
        finally:
            scratch.close()
        self._check_exhibits()
        self._check_notes()
        if not self._reasons:
            self._check_evaluations()

    def _replay(self, scratch: Store, anchors: Anchors) -> None:
        admitter = Admitter(
            Known(scratch), anchors.authorities, lambda: 1.0, every=self._every, share=0
        )
        log = Log(scratch)
        sequencer = Sequencer(scratch, log, self._signed, self._store.body, anchors.authorities)
        readings = Readings(Known(scratch))
        entries = self._store.entries()
        for size in self._store.checkpoints():
            if len(self._reasons) >= REASONS_MAX:
                return
            self._group = dict(self._taken(entries, size))
            items = [
                self._item(admitter, entry)
                for entry in self._group.values()
                if entry.typ != Typ.CLASSIFICATION
            ]
            try:
                stated = self._checkpoint(size)
                if stated.tai < sequencer.tai:
                    gone = sequencer.tai - stated.tai
                    self._say(f"checkpoint {size}: logged {gone} ns before the one before it")
                appraised = self._appraised(sequencer.appraised, stated.appraised, readings)
                self._place(sequencer, items, stated.tai, appraised)
            except (EvidenceError, StoreError) as fault:
                self._say(f"entries {self._size} to {size - 1}: {fault}")
                return
            self._compare_group(scratch)
            if log.size != size:
                self._say(f"checkpoint {size}: the log has {log.size} entries there")
                return
            self._size = size
        if next(entries, None) is not None:
            self._say(f"entry {self._size}: no checkpoint stands over it and what follows")

    def _place(
        self, sequencer: Sequencer, items: list[Item], tai: int, appraised: Appraised | None
    ) -> None:
        """Gives a group its place; says what has none."""
        placed = sequencer.append(items, tai, (), appraised)
        sequencer.finish()
        taken = [idx for idx, entry in self._group.items() if entry.typ != Typ.CLASSIFICATION]
        for idx, one in zip(taken, placed, strict=True):
            if not isinstance(one, Entry):
                self._say(f"entry {idx}: has no place in the log: {one}")

    def _appraised(self, before: int, upto: int, readings: Readings) -> Appraised | None:
        """What the record must have found of the entries that it says it looked at. Raises
        StoreError."""
        if upto == before:
            return None
        if not before < upto <= self._size:
            raise StoreError(f"values are looked at up to entry {upto}, after {before}")
        return Round(self._store, readings, before, upto).run()

    def _taken(self, entries: Iterator[Entry], size: int) -> Iterator[tuple[int, Entry]]:
        """The entries up to this size, by index."""
        for idx in range(self._size, min(size, INT_MAX)):
            entry = next(entries, None)
            if entry is None or entry.idx != idx:
                self._say(f"entry {idx}: missing")
                return
            yield idx, entry

    def _item(self, admitter: Admitter, entry: Entry) -> Item:
        """The entry, admitted again; opaque, and said, where that fails."""
        try:
            if entry.typ == Typ.HEAD:
                body = self._store.body(entry.idx)
                if body is None:
                    raise StoreError("its body is missing")
                return admitter.batch(entry.encoded + body, entry.subject, None)
            if entry.typ not in _SENT:
                raise StoreError(f"typ {entry.typ} has no place in the log")
            pairs = self._store.disclosure(entry.idx)
            if pairs is None:
                raise StoreError("its disclosures are missing")
            return admitter.statement(entry.encoded, disclosure.read_pairs(cbor.decode(pairs)))
        except MissingError as fault:
            self._say(f"entry {entry.idx}: names what is not in the log before it: {fault}")
        except (EvidenceError, StoreError) as fault:
            self._say(f"entry {entry.idx}: {fault}")
        self._opaque.add(entry.idx)
        name = entry.name or b""
        return NewStatement(
            *(entry.subject, entry.encoded, entry.typ, name, b"\x80", None, None, None)
        )

    # --- what was signed then -----------------------------------------------------------------

    def _signed(self, typ: Typ, payload: bytes) -> bytes:
        """What the log signed where this payload is due. Differences are said, and the file's bytes
        returned.
        """
        if typ == Typ.RECEIPT:
            idx = receipt.read(payload).index
            entry = self._group.get(idx)
            found, place = (entry.receipt if entry else b""), f"entry {idx}: receipt"
        elif typ == Typ.CLASSIFICATION:
            idx = self._next_finding()
            entry = self._group.get(idx)
            found, place = (entry.encoded if entry else b""), f"entry {idx}: classification"
        else:
            size = checkpoint.read(payload).size
            idx, place = -1, f"checkpoint {size}"
            found = self._store.checkpoint(size) or b""
        self._check_signed(typ, found, None if idx in self._opaque else payload, place)
        return found

    def _next_finding(self) -> int:
        """The index of the group's next classification: they stand at its end, in order."""
        for idx, entry in self._group.items():
            if entry.typ == Typ.CLASSIFICATION and idx not in self._found:
                self._found.add(idx)
                return idx
        raise StoreError("a classification that is due is missing")

    def _checkpoint(self, size: int) -> checkpoint.Checkpoint:
        self._found: set[int] = set()
        message = cose.read_statement(self._store.checkpoint(size) or b"", Typ.CHECKPOINT)
        return checkpoint.read(message.payload)

    def _check_signed(self, typ: Typ, found: bytes, payload: bytes | None, place: str) -> None:
        try:
            message = cose.read_statement(found, typ)
            cose.check(message, self._log_key())
        except EvidenceError as fault:
            self._say(f"{place}: {fault}")
            return
        if payload is not None and message.payload != payload:
            self._say(f"{place}: does not say what follows from the evidence")

    # --- comparing ----------------------------------------------------------------------------

    def _compare_group(self, scratch: Store) -> None:
        for idx, entry in self._group.items():
            if idx not in self._opaque and scratch.entry(idx) != entry:
                self._say(f"entry {idx}: typ, subject or name is not that of its bytes")

    def _compare(self, scratch: Store) -> None:
        """Everything that the file derived, with what came out."""
        for name in DERIVED:
            for mine, theirs in zip_longest(scratch.table(name), self._store.table(name)):
                if mine != theirs:
                    self._say(f"table {name}: {_short(theirs)}, and {_short(mine)} follows")
                    break
        if self._store.keys("disclosure") != scratch.keys("disclosure"):
            self._say("table disclosure: rows without an entry")
        heads = sorted(row[2] for row in scratch.table("head"))
        if self._store.keys("body") != heads:
            self._say("table body: rows without an entry")

    def _check_exhibits(self) -> None:
        for row in self._store.exhibits():
            place = f"exhibit {row.digest.hex()[:16]}"
            if hashlib.sha256(row.content).digest() != row.digest:
                self._say(f"{place}: other bytes than were refused")
            if row.seal != exhibit_seal(row.digest, row.device, row.refusal):
                self._say(f"{place}: device or refusal was changed")
            self._check_signed(Typ.REFUSAL, row.refusal, None, place)

    def _check_evaluations(self) -> None:
        try:
            of = self._store, Known(self._store), Log(self._store)
            for reason in otherwise.reasons(*of, self._effort):
                self._say(reason)
        except (EvidenceError, NotFoundError) as fault:
            self._say(f"evaluations: {fault}")

    def _check_notes(self) -> None:
        """Each published tree is one of this log's own, signed by its key; cosignatures are judged
        by whoever has a policy."""
        fetch = partial(stored_node, self._store)
        for row in self._store.notes():
            place = f"note {row.size}"
            if hashlib.sha256(row.encoded).digest() != row.seal:
                self._say(f"{place}: other bytes than were published")
                continue
            try:
                signed = published(row)
                says = tlog_checkpoint.read(signed.text)
                by = Verifier(says.origin, ED25519, self._log_key())
                if not signed_by(signed, [by]):
                    self._say(f"{place}: not signed by the log")
                if says.size != row.size or not 0 < row.size <= self._size:
                    self._say(f"{place}: of {says.size} entries, in a log of {self._size}")
                elif merkle.subtree(0, row.size, fetch) != says.root:
                    self._say(f"{place}: another tree than the log's")
            except EvidenceError as fault:
                self._say(f"{place}: {fault}")

    def _log_key(self) -> PublicKey:
        if self._anchors is None:
            raise StoreError("no trust anchors")
        return self._anchors.log_key

    def _say(self, reason: str) -> None:
        self._reasons.append(" ".join(reason.split()))


def _short(row: tuple[object, ...] | None) -> str:
    """A row, on one line."""
    if row is None:
        return "no row"
    shown = [item.hex()[:8] if isinstance(item, bytes) else str(item) for item in row]
    return f"({', '.join(shown)})"
