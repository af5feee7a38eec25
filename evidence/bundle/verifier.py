"""Checks a bundle by itself: against trust anchors from outside, without the record and without
anybody who took part in it.

1. Files are those of the manifest, byte for byte.
2. The log's key signed the checkpoint; where the anchors have a witness policy, the published note
   of the same tree is cosigned as it asks. Every entry is in that tree.
3. Records, countersignatures, books and findings are signed, and stand where they stood in the
   log; observations hold as evidence.bundle.device has it.
4. Of a log of up to WHOLE_MAX entries every one is there: who leaves a dissent, a finding or a
   revocation out of a short log is found by that.
5. What fails is said with file, place and reason, and the rest is checked on.

What a bundle does not show is said by whoever tells the result: evidence.bundle.told. It opens no
file and asks no clock; nothing in the bundle makes anybody believed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from evidence import book, cbor, classification, cose, head, shape
from evidence.bundle import scope as scopes
from evidence.bundle import tree as trees
from evidence.bundle.canonical import FILE_BYTES_MAX
from evidence.bundle.device import Books, Checker, Device
from evidence.bundle.file import Files, Folder
from evidence.bundle.place import Places
from evidence.bundle.scope import Scope
from evidence.checkpoint import Checkpoint
from evidence.code import Reason, Typ
from evidence.edge import Say
from evidence.joint.record import ENTRY_BYTES_MAX
from evidence.joint.shelf import Memory
from evidence.joint.state import Docket, Standing
from evidence.refusal import EvidenceError
from evidence.sequence import Source
from evidence.tlog import policy
from evidence.tlog.note import ED25519, Verifier
from evidence.tlog.policy import Policy
from evidence.trust import Anchors

CHECKPOINT, NOTE, TREE = "checkpoint.cose", "checkpoint.note", "tree.bin"
CLOCK, ENTRIES, REST = "clock.bin", "entries.bin", "rest.bin"
DEVICES, DOCUMENTS = "devices/", "documents/"
CHECKPOINT_BYTES_MAX = 4096
WHOLE_MAX = 1 << 16  # entries of a log that is so short that a bundle has all of it: some MiB
ITEM_BYTES_MAX = cose.STATEMENT_BYTES_MAX + 2 * ENTRY_BYTES_MAX  # an entry and its receipt
_FIXED = frozenset({scopes.PATH, CHECKPOINT, NOTE, TREE, CLOCK, ENTRIES, REST})
_SHARED = (Typ.RECORD, Typ.COUNTERSIGNATURE, Typ.BOOK, Typ.CLASSIFICATION)

Beside = Callable[[Sequence[Callable[[], Any]]], Sequence[Any]]


class Said(NamedTuple):
    """A record or a countersignature: where it stands, when the log saw it, and what it is."""

    idx: int
    tai: int
    message: cose.Sign1


@dataclass(slots=True)
class Found:
    """What was checked of one bundle, as far as it could be read."""

    name: str
    scope: Scope
    docket: Docket
    said: list[Said] = field(default_factory=list)
    books: int = 0
    findings: int = 0
    entries: int = 0
    whole: bool = False
    aside: int = 0  # batches of which the head alone is there
    tai: int = 0  # of the checkpoint
    origin: str = ""  # of the published note; empty: there is none
    witnessed: dict[str, int] = field(default_factory=dict)  # by whom, POSIX s
    devices: list[Device] = field(default_factory=list)
    documents: int = 0
    reasons: int = 0

    def standings(self) -> Iterator[tuple[Said, Standing]]:
        """What each record is worth at the size of the bundle."""
        for said in self.said:
            if said.message.typ == Typ.RECORD:
                found = self.docket.standing(said.message.name, self.scope.size, self.tai)
                if found is not None and found.case.idx == said.idx:
                    yield said, found


class _Half(NamedTuple):
    """Some devices that hold, and what of the log was met in them."""

    devices: list[Device]
    places: Places


class _Check:
    """One check."""

    def __init__(
        self, files: Files, anchors: Anchors, every: bool, say: Say, beside: Beside | None
    ) -> None:
        self._files, self._anchors, self._every = files, anchors, every
        self._beside = beside
        self._say, self._reasons = say, 0

    def run(self) -> Found:
        """Raises EvidenceError where there is nothing to go on from."""
        files = self._files
        scope = read_scope(files)
        founders = [one for one in self._anchors.authorities.values() if one.roles]
        found = Found(files.name, scope, Docket(founders, Memory()))
        tree = trees.read(files.whole(TREE, trees.TREE_BYTES_MAX))
        places = Places(tree, self._anchors.log_key)
        last = self._checkpoint(places)
        found.tai = last.tai
        if not last.size == tree.size == scope.size:
            text = f"a scope of {scope.size}, a tree of {tree.size}, a checkpoint of {last.size}"
            raise EvidenceError(Reason.TREE_SIZE, text)
        self._guarded(NOTE, lambda: self._note(found, last.size, last.root))
        self._guarded(CLOCK, lambda: self._clock(places))
        books = Books()
        self._guarded(ENTRIES, lambda: self._entries(found, places, books))
        if scope.seam is not None and scope.seam not in found.docket.seams:
            fault = EvidenceError(Reason.SEAM_UNKNOWN, f"{scope.seam!r} is not in force")
            self.say(f"{scopes.PATH}: {fault}")
        self._devices(found, places, books)
        if files.has(REST):
            self._guarded(REST, lambda: self._rest(found, places))
        if places.unmet():
            self.say(f"{TREE}: {EvidenceError(Reason.INCLUSION, 'proves what is not there')}")
        found.entries, found.whole = len(tree), places.whole()
        if len(tree) < scope.size <= WHOLE_MAX:
            text = f"has {len(tree)} of {scope.size} entries; of so short a log all go in"
            self.say(f"{TREE}: {EvidenceError(Reason.BUNDLE, text)}")
        for row in files.rows:
            if row.path not in _FIXED and not row.path.startswith((DEVICES, DOCUMENTS)):
                self.say(f"{row.path}: {EvidenceError(Reason.BUNDLE, 'no file of a bundle')}")
        found.documents = files.rest()
        return found

    def _checkpoint(self, places: Places) -> Checkpoint:
        """What all else is held against. Raises EvidenceError, for nothing holds without."""
        try:
            return places.see(self._files.whole(CHECKPOINT, CHECKPOINT_BYTES_MAX))
        except EvidenceError as fault:
            text = f"{fault.text} ({CHECKPOINT}, by the log's key of the anchors)"
            raise EvidenceError(fault.reason, text) from fault

    def say(self, reason: str) -> None:
        self._say(reason)

    def _under(self, path: str) -> Say:
        return lambda text: self.say(f"{path}: {text}")

    def _guarded(self, path: str, check: Callable[[], None]) -> None:
        try:
            check()
        except EvidenceError as fault:
            self.say(f"{path}: {fault}")

    def _note(self, found: Found, size: int, root: bytes) -> None:
        """The published checkpoint, and its witnesses."""
        asked = self._anchors.witness_policy
        rules = policy.read(asked.encode()) if asked else Policy()
        if not self._files.has(NOTE):
            if asked:
                raise EvidenceError(Reason.WITNESS, "there is no published checkpoint")
            return
        data = self._files.whole(NOTE, FILE_BYTES_MAX)
        log = Verifier(self._anchors.log, ED25519, self._anchors.log_key)
        seen = policy.check(rules, data, [log])
        if (seen.checkpoint.size, seen.checkpoint.root) != (size, root):
            text = f"of a tree of {seen.checkpoint.size}, or of another root"
            raise EvidenceError(Reason.FORK, text)
        found.origin, found.witnessed = seen.checkpoint.origin, dict(seen.witnessed)

    def _clock(self, places: Places) -> None:
        for content in self._items(CLOCK, CHECKPOINT_BYTES_MAX):
            places.see(content)
        for words in places.set_back():
            self.say(f"{CLOCK}: {EvidenceError(Reason.BACK_DATED, words)}")
        missing = list(places.unseen())
        if missing:
            text = f"{len(missing)} checkpoints are missing, first that of {missing[0]}"
            raise EvidenceError(Reason.CONSISTENCY, text)

    def _entries(self, found: Found, places: Places, books: Books) -> None:
        """Records, countersignatures, books and findings, in the order of the log."""
        before = -1
        for number, content in enumerate(self._items(ENTRIES, ITEM_BYTES_MAX)):
            try:
                encoded, answer = shape.array(cbor.decode(content), "entry", 2)
                message = cose.read(shape.blob(encoded, "entry"))
                placed = places.answered(message.encoded, shape.blob(answer, "receipt"))
                if placed.idx <= before:
                    raise EvidenceError(Reason.SEQUENCE, f"entry {placed.idx} after {before}")
                before = placed.idx
                self._entry(found, books, Said(placed.idx, placed.tai, message))
            except EvidenceError as fault:
                self.say(f"{ENTRIES}: item {number}: {fault}")

    def _entry(self, found: Found, books: Books, said: Said) -> None:
        message = said.message
        if message.typ == Typ.BOOK:
            stated = cose.stated(message, Typ.BOOK)
            books.add(said.idx, book.entered(stated, self._anchors.authorities))
            found.books += 1
        elif message.typ == Typ.CLASSIFICATION:
            stated = cose.stated(message, Typ.CLASSIFICATION)
            cose.check(stated, self._anchors.log_key)
            classification.read(stated.payload)
            found.findings += 1
        elif message.typ in (Typ.RECORD, Typ.COUNTERSIGNATURE):
            found.docket.enter(found.docket.judge(message, said.idx, said.tai), said.idx)
            found.said.append(said)
        else:
            raise EvidenceError(Reason.TYP, f"typ {message.typ} among records")

    def _devices(self, found: Found, places: Places, books: Books) -> None:
        rows = [row for row in self._files.rows if row.path.startswith(DEVICES)]
        paths = [row.path for row in rows if self._files.has(row.path)]
        if len(paths) > 1 and self._devices_apart(paths, found, places, books):
            return
        checker = Checker(found.scope, self._anchors, places, books, self._every)
        for path in paths:
            try:
                device = checker.check(path, self._files.chunks(path), self._under(path))
                self._device(found, device)
            except EvidenceError as fault:
                self.say(f"{path}: {fault}")

    def _device(self, found: Found, device: Device) -> None:
        if device.key is not None and any(device.key == one.key for one in found.devices):
            text = "of a device that has another file: a hole may lie between them"
            self.say(f"{device.path}: {EvidenceError(Reason.BUNDLE, text)}")
        found.devices.append(device)

    def _devices_apart(
        self, paths: Sequence[str], found: Found, places: Places, books: Books
    ) -> bool:
        """Two halves at a time. False, with nothing done, where nobody does, or anything does not
        hold: that is said by one check after another."""
        if self._beside is None:
            return False
        jobs = [
            partial(self._half, half, found.scope, places, books)
            for half in (paths[0::2], paths[1::2])
        ]
        halves: Sequence[_Half | None] = self._beside(jobs)
        held = [half for half in halves if half is not None]
        if len(held) < len(jobs) or not places.join([half.places for half in held]):
            return False
        devices = {device.path: device for half in held for device in half.devices}
        for path in paths:
            self._files.read_apart(path)
            self._device(found, devices[path])
        return True

    def _half(
        self, paths: Sequence[str], scope: Scope, places: Places, books: Books
    ) -> "_Half | None":
        """Some of the devices; None where anything does not hold."""
        said: list[str] = []
        files, places = self._files.apart(said.append), places.apart()
        checker = Checker(scope, self._anchors, places, books, self._every)
        devices = []
        for path in paths:
            try:
                devices.append(checker.check(path, files.chunks(path), said.append))
            except EvidenceError:
                return None
            if said:
                return None
        return _Half(devices, places)

    def _rest(self, found: Found, places: Places) -> None:
        """All other entries of a log that is here whole: nothing of them is believed but that they
        are none of those that count, and no batch beside those of the same run that are here."""
        runs = {name: ends for device in found.devices for name, ends in device.runs.items()}
        for content in self._items(REST, cose.STATEMENT_BYTES_MAX):
            idx, message = places.meet(content), cose.read(content)
            if message.typ in _SHARED:
                text = f"entry {idx} of typ {message.typ} among those left aside"
                raise EvidenceError(Reason.TYP, text)
            if message.typ == Typ.HEAD:
                found.aside += 1
                of = head.read(message.payload)
                first, last = runs.get(of.run, (of.number + 1, of.number))
                if first <= of.number <= last:
                    text = f"batch {of.number} of run {of.run.hex()[:16]}, entry {idx}, is left out"
                    self.say(f"{REST}: {EvidenceError(Reason.HEAD_CHAIN, text)}")

    def _items(self, path: str, most: int) -> Iterator[bytes]:
        source = Source(self._files.chunks(path))
        while not source.done():
            yield source.item(most)


def read_scope(files: Files) -> Scope:
    """What a bundle is of. Raises EvidenceError."""
    return scopes.read(files.whole(scopes.PATH, FILE_BYTES_MAX))


def verify(
    folder: Folder, anchors: Anchors, every: bool, say: Say, beside: Beside | None = None
) -> Found:
    """Checks a bundle; `say` gets each reason why it does not hold. `beside`: does jobs, some
    perhaps at a time, and gives what each came to.

    Raises EvidenceError where it cannot be gone on with, which is a reason too.
    """
    reasons = 0

    def count(reason: str) -> None:
        nonlocal reasons
        reasons += 1
        say(reason)

    found = _Check(Files(folder, count), anchors, every, count, beside).run()
    found.reasons = reasons
    return found
