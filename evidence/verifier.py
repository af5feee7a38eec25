"""Checks an export by itself: from the trust anchors down to each observation, without the record.

1. A credential is signed by an authority of the anchors, a run by the device key of its credential
   (and the run key agreed), a descriptor and a head by their run key, a receipt or a refusal by the
   log's key. A later key of a device has a credential that names the rotation by which the key
   before handed over. Nothing is believed before the signature over it held.
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

from collections.abc import Iterable, Mapping, Sequence, Sized
from typing import NamedTuple

from evidence import (
    anchor,
    batch,
    cose,
    descriptor,
    disclosure,
    export,
    gap,
    head,
    layout,
    merkle,
    observation,
    position,
    receipt,
    rotation,
    run,
)
from evidence.anchor import Anchors
from evidence.code import Kind, Reason, Typ
from evidence.credential import Credential
from evidence.edge import Edges, Link, Say
from evidence.export import Damaged, Loose, Opening, Pairs, Passed, Sealed, Stated
from evidence.head import Head, Range
from evidence.key import PublicKey
from evidence.layout import Span
from evidence.leap import BUILT_IN, NS
from evidence.refusal import EvidenceError
from evidence.rotation import Rotation
from evidence.run import Reached
from evidence.tally import Tally

# Of one file, kept in memory while it is checked: credentials and runs; descriptors (300 bytes
# each); what all runs say they continue; readers, which the oldest leaves for the next.
RUNS_MAX, DESCRIPTORS_MAX, REACHED_MAX, READERS_MAX = 1 << 14, 1 << 17, 1 << 18, 1024
TREES_MAX = 4096  # tree sizes of receipts, whose roots must agree


class _Granted(NamedTuple):
    """A credential, and the first key of its device."""

    says: Credential
    device: bytes


class _Run(NamedTuple):
    name: bytes
    public: PublicKey
    credential: Credential
    place: bytes | None  # that it grants; None: none, or it is not disclosed
    reached: Mapping[int, Reached]
    uncertain: bool


class _Ruling(NamedTuple):
    """A descriptor, as far as it rules ranges."""

    name: bytes
    stream: int
    seq: int
    run: _Run


class Verifier:
    """One check of one file. `say` gets each reason why it does not hold."""

    def __init__(self, opening: Opening, anchors: Anchors, every: bool, say: Say) -> None:
        self._anchors, self._every = anchors, every
        self._credentials: dict[bytes, _Granted] = {}
        self._rotations: dict[bytes, tuple[Rotation, _Granted]] = {}  # and from whom
        self._places: dict[bytes, bytes] = {}  # that they grant, where it is disclosed
        self._runs: dict[bytes, _Run] = {}
        self._rulings: dict[bytes, _Ruling] = {}
        self._readers: dict[bytes, layout.Reader] = {}
        self._reached = 0
        self._roots: dict[int, bytes] = {}  # of receipts' trees, by size
        self._device: bytes | None = None
        self._say = say
        chosen = None if opening.streams is None else frozenset(opening.streams)
        self._edges = Edges(chosen, say)
        self.tally = Tally(opening)

    def take(self, item: export.Item | Damaged) -> None:
        """The next item."""
        place = f"item {self.tally.items}"
        self.tally.items += 1
        try:
            if isinstance(item, Damaged):
                raise item.fault
            if isinstance(item, Stated):
                self._state(item)
            elif isinstance(item, Sealed):
                self._seal(item)
            elif isinstance(item, Loose):
                self._add_loose(item)
            else:
                self._pass_over(item)
        except EvidenceError as fault:
            self._say(f"{place}: {fault}")

    def end(self) -> Tally:
        """Says what is missing between what was there; what was checked."""
        self._edges.end()
        self.tally.passed, self.tally.open = self._edges.passed, self._edges.open
        self.tally.given_up = self._edges.given_up
        return self.tally

    # --- statements ---------------------------------------------------------------------------

    def _state(self, item: Stated) -> None:
        message = cose.read(item.encoded)
        known = (self._credentials, self._rotations, self._runs, self._rulings)
        if any(message.name in names for names in known):
            raise EvidenceError(Reason.SHAPE, f"statement {message.name.hex()[:16]} is there twice")
        if message.typ == Typ.CREDENTIAL:
            self._add_credential(cose.stated(message, Typ.CREDENTIAL), item.pairs)
        elif message.typ == Typ.ROTATION:
            self._add_rotation(cose.stated(message, Typ.ROTATION), item.pairs)
        elif message.typ == Typ.RUN:
            self._add_run(cose.stated(message, Typ.RUN), item.pairs)
        else:
            self._add_descriptor(cose.stated(message, Typ.DESCRIPTOR), item.pairs)
        self.tally.statements += 1

    def _add_credential(self, message: cose.Sign1, pairs: Pairs | None) -> None:
        says = anchor.vouched(message, self._anchors.authorities)
        device = says.key.raw
        if says.rotation is not None:
            if says.rotation not in self._rotations:
                raise _unknown(Typ.ROTATION, says.rotation)
            over, before = self._rotations[says.rotation]
            over.check_grant(before.says, says)
            device = before.device
        told = self._disclosed(pairs, says.digests)
        _bounded(self._credentials, RUNS_MAX)
        self._credentials[message.name] = _Granted(says, device)
        if says.position in told:
            self._places[message.name] = told[says.position]

    def _add_rotation(self, message: cose.Sign1, pairs: Pairs | None) -> None:
        value = rotation.read(message.payload)
        before = self._granted(value.credential)
        cose.check(message, before.says.key)
        value.check_possession()
        self._disclosed(pairs, ())
        _bounded(self._rotations, RUNS_MAX)
        self._rotations[message.name] = (value, before)

    def _add_run(self, message: cose.Sign1, pairs: Pairs | None) -> None:
        value = run.read(message.payload)
        under, device = self._granted(value.credential)
        cose.check(message, under.key)
        value.check_possession(under.key)
        self._disclosed(pairs, ())
        if self._device not in (None, device):
            raise EvidenceError(Reason.RUN, f"run {message.name.hex()[:16]} is another device's")
        self._reached += len(value.reached)
        if self._reached > REACHED_MAX:
            raise EvidenceError(Reason.TOO_LONG, f"runs continue more than {REACHED_MAX} streams")
        _bounded(self._runs, RUNS_MAX)
        self._device = device
        self._runs[message.name] = _Run(
            *(message.name, value.public, under, self._places.get(value.credential)),
            *({one.stream: one for one in value.reached}, value.uncertain),
        )

    def _add_descriptor(self, message: cose.Sign1, pairs: Pairs | None) -> None:
        value = descriptor.read(message.payload)
        by = self._run(value.run)
        cose.check(message, by.public)
        refused = by.credential.refusal(value.claimed)
        if refused:
            raise EvidenceError(*refused)
        before = by.reached.get(value.stream)
        if value.seq == 0 and value.prev != (before.leaf if before else merkle.ZERO):
            text = f"stream {value.stream} does not begin where its run says"
            raise EvidenceError(Reason.LINK, text)
        told = self._disclosed(pairs, value.digests)
        elsewhere = position.refusal(told.get(value.position or b""), by.place)
        if elsewhere:
            raise EvidenceError(Reason.PLACE_NOT_GRANTED, elsewhere)
        _bounded(self._rulings, DESCRIPTORS_MAX)
        self._rulings[message.name] = _Ruling(message.name, value.stream, value.seq, by)
        link = Link(value.seq, value.prev, merkle.leaf_hash(message.encoded))
        self._edges.describe(by.name, value.stream, link)
        self.tally.name(value.stream, told.get(value.source))

    def _disclosed(self, pairs: Pairs | None, digests: Iterable[bytes]) -> dict[bytes, bytes]:
        self.tally.disclosed |= bool(pairs)
        return disclosure.match(pairs or (), digests)

    def _granted(self, name: bytes) -> _Granted:
        found = self._credentials.get(name)
        if found is None:
            raise _unknown(Typ.CREDENTIAL, name)
        return found

    def _run(self, name: bytes) -> _Run:
        found = self._runs.get(name)
        if found is None:
            raise _unknown(Typ.RUN, name)
        return found

    # --- observations -------------------------------------------------------------------------

    def _seal(self, item: Sealed) -> None:
        message = cose.read_statement(item.head, Typ.HEAD)
        of = head.read(message.payload)
        by = self._run(of.run)
        cose.check(message, by.public)
        name = head.batch_id(message.encoded)
        place = f"run {of.run.hex()[:16]} batch {of.number}"
        self._edges.head(name, of)
        self.tally.batches += 1
        spans: list[Span] = []
        try:
            rulings = self._rule(of.ranges, by)
            if item.body is None:
                self.tally.unread += 1
                for part, ruling in zip(of.ranges, rulings, strict=True):
                    self._edges.unread(ruling.run.name, part)
            else:
                whole = batch.Batch(name, of, message, item.body)
                spans = batch.check(whole, self._reader)
                if self._every or any(ruling.run is not by for ruling in rulings):
                    batch.check_each(whole, _keys(rulings))
                self._count(of.ranges, spans, item.body)
        except EvidenceError as fault:
            self._say(f"{place}: {fault}")
        try:
            if not self._answered(item, of):
                _check_force(by.credential, spans)
        except EvidenceError as fault:
            self._say(f"{place}: {fault}")

    def _add_loose(self, item: Loose) -> None:
        by = self._ruling(item.ranges[0]).run
        rulings = self._rule(item.ranges, by)
        spans = batch.check_links(item.body, item.ranges, self._reader)
        batch.check_signatures(item.body, item.ranges, _keys(rulings))
        _check_force(by.credential, spans)
        self.tally.loose += self._count(item.ranges, spans, item.body)

    def _pass_over(self, item: Passed) -> None:
        self._run(item.run)
        self._edges.passed_over(item)

    def _rule(self, ranges: Sequence[Range], by: _Run) -> list[_Ruling]:
        """What rules each range of this run's; each takes its place in its chain."""
        rulings = [self._ruling(part) for part in ranges]
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

    def _ruling(self, part: Range) -> _Ruling:
        found = self._rulings.get(part.descriptor)
        if found is None:
            raise _unknown(Typ.DESCRIPTOR, part.descriptor)
        return found

    def _reader(self, part: Range) -> layout.Reader:
        reader = self._readers.get(part.descriptor)
        if reader is None:
            kid = self._ruling(part).run.public.kid
            reader = layout.Reader(observation.Binding(kid, part.descriptor), ())
            if len(self._readers) >= READERS_MAX:
                del self._readers[next(iter(self._readers))]
            self._readers[part.descriptor] = reader
        return reader

    def _answered(self, item: Sealed, of: Head) -> bool:
        """Whether a batch has a receipt; raises EvidenceError for an answer that does not hold."""
        if item.answer is None:
            return False
        message = cose.read(item.answer)
        cose.check(message, self._anchors.log_key)
        subject = head.batch_id(item.head)
        if message.typ == Typ.REFUSAL:
            refusal = receipt.read_refusal(cose.stated(message, Typ.REFUSAL).payload)
            if refusal.subject != subject:
                raise EvidenceError(Reason.OTHER_SUBJECT, "a refusal of another batch")
            self.tally.refused[refusal.reason.name.lower()] += 1
            return False
        found = receipt.read(cose.stated(message, Typ.RECEIPT).payload)
        found.check(item.head, subject)
        if self._roots.setdefault(found.size, found.root) != found.root:
            raise EvidenceError(Reason.CONSISTENCY, f"two roots for one tree size, {found.size}")
        if len(self._roots) > TREES_MAX:
            del self._roots[next(iter(self._roots))]
        self.tally.receipted += 1
        self.tally.classify(found.classed, of.count)
        return True

    def _count(self, ranges: Sequence[Range], spans: Sequence[Span], body: bytes) -> int:
        """Into the tally, what was found to hold; how many observations."""
        at = 0
        for part, span in zip(ranges, spans, strict=True):
            self.tally.add(part.stream, part.count, (span.first[0], span.last[0]))
            if any(segment.kind == Kind.GAP for segment in span.segments):
                self._add_gaps(part.stream, body[at : span.end])
            at = span.end
        return sum(part.count for part in ranges)

    def _add_gaps(self, stream: int, links: bytes) -> None:
        at = 0
        while at < len(links):
            sample, _, at = observation.read_at(links, at)
            if sample.kind == Kind.GAP:
                found = gap.read(sample.raw)
                self.tally.state(found)
                if found.dropped is not None:
                    self._edges.drop(stream, found.dropped)


def _keys(rulings: Sequence[_Ruling]) -> dict[bytes, PublicKey]:
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


def _unknown(typ: Typ, name: bytes) -> EvidenceError:
    text = f"names {typ.name.lower()} {name.hex()[:16]}, which is not in the file before it"
    return EvidenceError(Reason.UNKNOWN_NAME, text)


def _bounded(names: Sized, most: int) -> None:
    if len(names) >= most:
        raise EvidenceError(Reason.TOO_LONG, f"more than {most} statements of a kind")


def verify(chunks: Iterable[bytes], anchors: Anchors, every: bool, say: Say) -> Tally:
    """Checks a whole export. Raises EvidenceError for what is none: then nothing was checked."""
    items = export.read(chunks)
    opening = next(items)
    if not isinstance(opening, Opening):
        raise EvidenceError(Reason.SHAPE, "no export begins so")
    check = Verifier(opening, anchors, every, say)
    try:
        for item in items:
            if not isinstance(item, Opening):
                check.take(item)
    except EvidenceError as fault:
        say(f"file: {fault}")
    return check.end()
