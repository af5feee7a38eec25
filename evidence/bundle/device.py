"""One gateway's part of a bundle: an export (evidence.export) of which every entry is in the log,
and that has no hole but those that a gap statement names.

1. All that evidence.verifier finds of an export holds here, and more: each statement and head is
   proved by the one tree, each batch has its receipt, and nobody's word excuses what is missing
   between two batches that are there.
2. The log is held to its own rule: what came after its key was revoked, in the order of the log,
   is by its receipt worth KEY_DOUBTFUL at the most (record/README.md, what a revocation does).
3. How far each stream reaches is told by the observations themselves. One before the interval and
   one after it prove that nothing is left out at its ends; without them the end is told as open.
4. What boards signed themselves is followed (evidence.board): what they show not to be theirs does
   not hold, though the gateway sealed it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from evidence import cose, export
from evidence.board.walk import Piece, Walk
from evidence.book import Entry, Revoked
from evidence.bundle.place import Placed, Places
from evidence.bundle.scope import Scope
from evidence.code import Class, Reason
from evidence.edge import Say
from evidence.export import Loose, Opening, Pairs, Passed
from evidence.refusal import EvidenceError
from evidence.statement import Ruling
from evidence.tally import Tally
from evidence.trust import Anchors
from evidence.veil import Kept
from evidence.verifier import Held, Verifier


class Books:
    """What authorities revoked, and from which place in the log on."""

    def __init__(self) -> None:
        self._revoked: dict[tuple[str, str], int] = {}

    def add(self, idx: int, entry: Entry) -> None:
        """The next entry of a book, in the order of the log."""
        if isinstance(entry.what, Revoked):
            self._revoked.setdefault((entry.issuer, entry.what.key.hex()), idx)

    def since(self, ruling: Ruling) -> int | None:
        """From where on in the log the key under which something was sealed is revoked."""
        says = ruling.run.credential
        return self._revoked.get((says.issuer, says.key.fingerprint))


@dataclass(slots=True)
class Reach:
    """One stream. `first`, `last`: instants of what is there, ns TAI; `begins`: its very first link
    is; `withheld`: observations."""

    observations: int = 0
    withheld: int = 0
    first: int | None = None
    last: int | None = None
    begins: bool = False


@dataclass(slots=True)
class Device:
    """What was found of one gateway. `key`: its first one, which tells the device; `runs`: the
    first and the last batch of each, by number."""

    path: str
    gateway: str = ""
    issuer: str = ""
    tally: Tally | None = None
    streams: dict[int, Reach] = field(default_factory=dict)
    revoked: int = 0  # batches that came after their key was revoked
    seen: tuple[int, int] | None = None  # by the log: its first batch, its last, ns TAI
    key: bytes | None = None
    runs: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    boards: list[str] = field(default_factory=list)  # what each signed, in words

    def open(self, scope: Scope) -> Iterator[tuple[int, str]]:
        """Where nothing proves that a stream has no more: the stream, and which end. Where all of a
        stream is withheld nothing tells when it was."""
        for number, reach in sorted(self.streams.items()):
            before = reach.first is not None and reach.first < scope.begins
            if not before and not reach.begins:
                yield number, "begin"
            if reach.last is None or reach.last < scope.ends:
                yield number, "end"


class _Watch:
    """Told by evidence.verifier what held."""

    def __init__(self, device: Device, places: Places, books: Books, walk: Walk) -> None:
        self._device, self._places, self._books = device, places, books
        self._walk = walk

    def stated(self, message: cose.Sign1, pairs: Pairs | None) -> None:
        self._places.meet(message.encoded)
        self._walk.state(message, pairs)

    def sealed(self, held: Held) -> None:
        if held.receipt is None:
            raise EvidenceError(Reason.INCLUSION, "a batch without a receipt of the log")
        placed = self._places.placed(held.message.encoded, held.receipt)
        device = self._device
        first = device.seen[0] if device.seen else placed.tai
        device.seen = min(first, placed.tai), max(first, placed.tai)
        number = held.head.number
        low, high = device.runs.get(held.head.run, (number, number))
        device.runs[held.head.run] = min(low, number), max(high, number)
        says = held.run.credential
        device.gateway, device.issuer = says.subject, says.issuer
        self._revoke(held, placed)
        for part, ruling in zip(held.head.ranges, held.rulings, strict=True):
            reach = device.streams.get(part.stream)
            if reach is None:
                reach = device.streams[part.stream] = Reach()
                new = ruling.seq == 0 and part.first_seq == 1
                reach.begins = new and part.stream not in ruling.run.reached
            reach.withheld += part.count
        for kept in held.kept:
            _reach(device.streams[kept.piece.range.stream], kept)
        if self._walk.has(held.head.ranges):
            self._follow(held)

    def _follow(self, held: Held) -> None:
        """What a board said, as far as it is shown."""
        left = {part: part.count for part in held.head.ranges}
        for kept in held.kept:
            left[kept.piece.range] -= kept.piece.count
        for part, many in left.items():
            self._walk.withhold(part, many)
        shown = (
            Piece(kept.piece.range.descriptor, kept.piece.count, kept.at) for kept in held.kept
        )
        self._walk.take(shown, held.body)

    def _revoke(self, held: Held, placed: Placed) -> None:
        """Holds the log to what a revocation means. Raises EvidenceError(CREDENTIAL_REVOKED)."""
        late = set()
        for part, ruling in zip(held.head.ranges, held.rulings, strict=True):
            since = self._books.since(ruling)
            if since is not None and since < placed.idx:
                late.add((part.stream, part.first_seq, part.last_seq))
        if not late:
            return
        self._device.revoked += 1
        doubted = [row for row in placed.receipt.classed if row.klass >= Class.KEY_DOUBTFUL]
        for stream, first, last in late:
            found = sum(
                min(row.last_seq, last) - max(row.first_seq, first) + 1
                for row in doubted
                if row.stream == stream and row.first_seq <= last and first <= row.last_seq
            )
            if found < last - first + 1:
                text = f"stream {stream} came after its key was revoked, and its receipt is silent"
                raise EvidenceError(Reason.CREDENTIAL_REVOKED, text)


def _reach(reach: Reach, kept: Kept) -> None:
    reach.observations += kept.piece.count
    reach.withheld -= kept.piece.count
    instants = (kept.span.first[0], kept.span.last[0])
    reach.first = min(instants) if reach.first is None else min(reach.first, *instants)
    reach.last = max(instants) if reach.last is None else max(reach.last, *instants)


class Checker:
    """Checks the devices of one bundle, one after another."""

    def __init__(
        self, scope: Scope, anchors: Anchors, places: Places, books: Books, every: bool
    ) -> None:
        self._scope, self._anchors, self._every = scope, anchors, every
        self._places, self._books = places, books

    def check(self, path: str, chunks: Iterable[bytes], say: Say) -> Device:
        """One device's file. Raises EvidenceError for what is none."""
        device = Device(path)
        items = export.read(chunks)
        opening = next(items)
        if not isinstance(opening, Opening):
            raise EvidenceError(Reason.SHAPE, "no export begins so")
        asked = (self._scope.begins, self._scope.ends, None)
        if opening[:3] != asked:
            say(f"opening: {EvidenceError(Reason.BUNDLE, 'of another interval than the bundle')}")
        walk = Walk(self._anchors.boards, part=True)
        watch = _Watch(device, self._places, self._books, walk)
        check = Verifier(opening, self._anchors, self._every, say, watch)
        try:
            for item in items:
                if isinstance(item, Loose | Passed):
                    say(str(EvidenceError(Reason.BUNDLE, "what is not in the log, or not here")))
                elif not isinstance(item, Opening):
                    check.take(item)
        except EvidenceError as fault:
            say(f"file: {fault}")
        device.tally, device.key = check.end(), check.device
        if device.tally.open:
            text = f"{device.tally.open} chains lead through runs that are not here"
            say(str(EvidenceError(Reason.LINK, text)))
        device.boards, reasons = walk.end()
        for reason in reasons:
            say(reason)
        return device
