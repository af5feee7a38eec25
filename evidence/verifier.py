"""Checks an export by itself: from the trust anchors down to each observation, without the record.

1. Statements are believed as evidence.statement has it; a head is signed by its run key, a receipt
   or a refusal by the log's key. Nothing is believed before the signature over it held.
2. A batch's observations have the root, the links and the ends that its head signs. Each one's own
   signature is checked for `every`, where the head's key is not the one that sealed, and where no
   head covers it.
3. Batches, runs and heads that are neighbours in the file are connected (evidence.edge).
4. A file is one device's. A batch whose credential was out of force by the gateway's own clock
   needs a receipt: its class is then the record's.
5. What fails is said with its place and reason, and the rest is checked on.

What no file shows, and nothing here claims: that the trees of its receipts are one growing tree,
what the record found later, whether a key was revoked after the last receipt in it, and what lies
outside of what was asked. It asks no clock.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from evidence import batch, cose, export, gap, head, layout, observation, receipt, veil
from evidence.code import Kind, Reason, Typ
from evidence.credential import Credential
from evidence.edge import Edges, Say
from evidence.export import Damaged, Loose, Opening, Pairs, Passed, Sealed, Stated, Veiled
from evidence.head import Head, Range
from evidence.key import PublicKey
from evidence.layout import Span
from evidence.leap import BUILT_IN, NS
from evidence.receipt import Receipt
from evidence.refusal import EvidenceError
from evidence.statement import READERS_MAX, Ruling, Run, Statements
from evidence.tally import Tally
from evidence.trust import Anchors
from evidence.veil import Kept, Piece

TREES_MAX = 4096  # tree sizes of receipts, whose roots must agree


class Held(NamedTuple):
    """A batch that held. `kept`: what was read of it; `receipt`: the record's, if it has one."""

    message: cose.Sign1
    head: Head
    run: Run
    rulings: Sequence[Ruling]
    kept: Sequence[Kept]
    body: bytes
    receipt: Receipt | None


class Watch(Protocol):
    """Whoever knows more than one file does: is told what held in it, and may raise
    EvidenceError."""

    def stated(self, message: cose.Sign1, pairs: Pairs | None) -> None: ...

    def sealed(self, held: Held) -> None: ...


class Verifier:
    """One check of one file. `say` gets each reason why it does not hold."""

    def __init__(
        self, opening: Opening, anchors: Anchors, every: bool, say: Say, watch: Watch | None = None
    ) -> None:
        self._anchors, self._every, self._say, self._watch = anchors, every, say, watch
        self._readers: dict[bytes, layout.Reader] = {}
        self._roots: dict[int, bytes] = {}  # of receipts' trees, by size
        chosen = None if opening.streams is None else frozenset(opening.streams)
        self._edges = Edges(chosen, say)
        self.tally = Tally(opening)
        self._statements = Statements(anchors, self._edges, self.tally)

    def take(self, item: export.Item | Damaged) -> None:
        """The next item."""
        place = f"item {self.tally.items}"
        self.tally.items += 1
        try:
            if isinstance(item, Damaged):
                raise item.fault
            if isinstance(item, Stated):
                message = self._statements.add(item)
                if self._watch is not None:
                    self._watch.stated(message, item.pairs)
            elif isinstance(item, Sealed | Veiled):
                self._seal(item)
            elif isinstance(item, Loose):
                self._add_loose(item)
            else:
                self._pass_over(item)
        except EvidenceError as fault:
            self._say(f"{place}: {fault}")

    @property
    def device(self) -> bytes | None:
        """Whose file it is: the first key of the device."""
        return self._statements.device

    def end(self) -> Tally:
        """Says what is missing between what was there; what was checked."""
        self._edges.end()
        self.tally.passed, self.tally.open = self._edges.passed, self._edges.open
        self.tally.given_up = self._edges.given_up
        return self.tally

    # --- observations -------------------------------------------------------------------------

    def _seal(self, item: Sealed | Veiled) -> None:
        message = cose.read_statement(item.head, Typ.HEAD)
        of = head.read(message.payload)
        by = self._statements.run(of.run)
        cose.check(message, by.public)
        name = head.batch_id(message.encoded)
        place = f"run {of.run.hex()[:16]} batch {of.number}"
        self._edges.head(name, of)
        self.tally.batches += 1
        kept: Sequence[Kept] | None = None
        rulings: Sequence[Ruling] = ()
        try:
            rulings = self._rule(of.ranges, by)
            kept = self._read(item, batch.Batch(name, of, message, item.body or b""), rulings)
        except EvidenceError as fault:
            self._say(f"{place}: {fault}")
        try:
            found = self._answered(item, of)
            if found is None:
                _check_force(by.credential, [one.span for one in kept or ()])
            if self._watch is not None and kept is not None:
                held = Held(message, of, by, rulings, kept, item.body or b"", found)
                self._watch.sealed(held)
        except EvidenceError as fault:
            self._say(f"{place}: {fault}")

    def _read(
        self, item: Sealed | Veiled, whole: batch.Batch, rulings: Sequence[Ruling]
    ) -> Sequence[Kept]:
        """What is there of a batch, checked. Raises EvidenceError."""
        ranges = whole.head.ranges
        if item.body is None:
            self.tally.unread += 1
            for part, ruling in zip(ranges, rulings, strict=True):
                self._edges.unread(ruling.run.name, part)
            return ()
        if isinstance(item, Veiled):
            order = (item.turns, item.leaves, item.body, self._reader)
            kept = veil.check(whole.head, *order)
            for piece in veil.pieces(ranges, item.turns):
                if not piece.kept:
                    self.tally.withheld[piece.range.stream] += piece.count
        else:
            kept = list(_whole(ranges, batch.check(whole, self._reader)))
        if self._every or any(ruling.run.name != whole.head.run for ruling in rulings):
            veil.check_each(kept, item.body, _keys(rulings))
        self._count(kept, item.body)
        return kept

    def _add_loose(self, item: Loose) -> None:
        by = self._statements.ruling(item.ranges[0]).run
        rulings = self._rule(item.ranges, by)
        spans = batch.check_links(item.body, item.ranges, self._reader)
        batch.check_signatures(item.body, item.ranges, _keys(rulings))
        _check_force(by.credential, spans)
        self.tally.loose += self._count(list(_whole(item.ranges, spans)), item.body)

    def _pass_over(self, item: Passed) -> None:
        self._statements.run(item.run)
        self._edges.passed_over(item)

    def _rule(self, ranges: Sequence[Range], by: Run) -> list[Ruling]:
        """What rules each range of this run's; each takes its place in its chain."""
        rulings = [self._statements.ruling(part) for part in ranges]
        for part, ruling in zip(ranges, rulings, strict=True):
            if ruling.stream != part.stream:
                text = f"stream {part.stream} under a descriptor of stream {ruling.stream}"
                raise EvidenceError(Reason.DESCRIPTOR, text)
            if part.first_seq <= ruling.seq:
                text = f"seq {part.first_seq} is not after its descriptor's, {ruling.seq}"
                raise EvidenceError(Reason.DESCRIPTOR, text)
            before = ruling.run.reached.get(part.stream)
            self._edges.stretch(ruling.run.name, part, before, ruling.run.uncertain)
        return rulings

    def _reader(self, part: Range) -> layout.Reader:
        reader = self._readers.get(part.descriptor)
        if reader is None:
            kid = self._statements.ruling(part).run.public.kid
            reader = layout.Reader(observation.Binding(kid, part.descriptor), ())
            if len(self._readers) >= READERS_MAX:
                del self._readers[next(iter(self._readers))]
            self._readers[part.descriptor] = reader
        return reader

    def _answered(self, item: Sealed | Veiled, of: Head) -> Receipt | None:
        """The receipt of a batch, if it has one; raises EvidenceError for an answer that does not
        hold."""
        if item.answer is None:
            return None
        message = cose.read(item.answer)
        cose.check(message, self._anchors.log_key)
        subject = head.batch_id(item.head)
        if message.typ == Typ.REFUSAL:
            refusal = receipt.read_refusal(cose.stated(message, Typ.REFUSAL).payload)
            if refusal.subject != subject:
                raise EvidenceError(Reason.OTHER_SUBJECT, "a refusal of another batch")
            self.tally.refused[refusal.reason.name.lower()] += 1
            return None
        found = receipt.read(cose.stated(message, Typ.RECEIPT).payload)
        found.check(item.head, subject)
        if self._roots.setdefault(found.size, found.root) != found.root:
            raise EvidenceError(Reason.CONSISTENCY, f"two roots for one tree size, {found.size}")
        if len(self._roots) > TREES_MAX:
            del self._roots[next(iter(self._roots))]
        self.tally.receipted += 1
        self.tally.classify(found.classed, of.count)
        return found

    def _count(self, kept: Sequence[Kept], body: bytes) -> int:
        """Into the tally, what was found to hold; how many observations."""
        for piece, at, span in kept:
            stream = piece.range.stream
            self.tally.add(stream, piece.count, (span.first[0], span.last[0]))
            if any(segment.kind == Kind.GAP for segment in span.segments):
                self._add_gaps(stream, body[at : span.end])
        return sum(one.piece.count for one in kept)

    def _add_gaps(self, stream: int, links: bytes) -> None:
        at = 0
        while at < len(links):
            sample, _, at = observation.read_at(links, at)
            if sample.kind == Kind.GAP:
                try:
                    found = gap.read(sample.raw)
                except EvidenceError:
                    # One gateway's nonsense, signed and in the log, must not void the others' part.
                    self.tally.unreadable += 1
                    continue
                self.tally.state(found)
                if found.dropped is not None:
                    self._edges.drop(stream, found.dropped)


def _whole(ranges: Sequence[Range], spans: Sequence[Span]) -> Iterator[Kept]:
    """Spans of whole ranges."""
    at = place = 0
    for part, span in zip(ranges, spans, strict=True):
        yield Kept(Piece(part, place, part.first_seq, part.count, True), at, span)
        at, place = span.end, place + part.count


def _keys(rulings: Sequence[Ruling]) -> dict[bytes, PublicKey]:
    return {ruling.name: ruling.run.public for ruling in rulings}


def _check_force(what: Credential, spans: Sequence[Span]) -> None:
    """Whether a credential was in force when the gateway heard, by its own clock.

    RFC 8392 3.1.4, 3.1.5: on or after exp it must not be accepted, nor before nbf.
    """
    ends = (instants for span in spans for instants in (span.first, span.last))
    for tai in (tai + heard for tai, heard, _ in ends):
        utc_s = BUILT_IN.utc_ns(tai) // NS
        if utc_s >= what.expires_s:
            text = f"heard {utc_s - what.expires_s} s after the credential ended"
            raise EvidenceError(Reason.CREDENTIAL_EXPIRED, f"{text}, and no receipt classes it")
        if utc_s < what.not_before_s:
            text = f"heard {what.not_before_s - utc_s} s before the credential began"
            raise EvidenceError(Reason.CREDENTIAL_NOT_YET, f"{text}, and no receipt classes it")


def verify(
    chunks: Iterable[bytes],
    anchors: Anchors,
    every: bool,
    say: Say,
    watch: Watch | None = None,
) -> Tally:
    """Checks a whole export. Raises EvidenceError for what is none: then nothing was checked."""
    items = export.read(chunks)
    opening = next(items)
    if not isinstance(opening, Opening):
        raise EvidenceError(Reason.SHAPE, "no export begins so")
    check = Verifier(opening, anchors, every, say, watch)
    try:
        for item in items:
            if not isinstance(item, Opening):
                check.take(item)
    except EvidenceError as fault:
        say(f"file: {fault}")
    return check.end()
