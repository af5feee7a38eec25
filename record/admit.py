"""Whether a statement or a batch may enter the log: everything that can be told without asking what
else came.

1. Nothing is written here, and nothing depends on the order of arrival: several of these may work
   side by side.
2. A batch: one strict reading, the head's signature by the run's key, links, counts and root; every
   observation's own signature where a range is of an earlier run (the later run's key did not sign
   it), for `every`, and for a random share; then the class of each segment.
3. What does not hold is an EvidenceError with its reason; what cannot be told yet a MissingError.
4. Keys are judged by the log's clock and by the instants at which the gateway heard. A credential
   out of force by both refuses; by one of them it classes (see `in_force`). A doubtful clock
   refuses nothing.
5. A later key of a device has a credential that names the rotation which leads to it: the key
   before signed that, and the authority this.

Twins, clones, edges between batches, forked books, what a revocation does, and who may say what
that others share are the sequencer's: there the place in the log counts.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from evidence import (
    anchor,
    batch,
    book,
    cbor,
    cose,
    descriptor,
    disclosure,
    head,
    merkle,
    position,
    rotation,
    run,
)
from evidence.anchor import Authorities
from evidence.code import SILENT, Reason, Typ
from evidence.credential import Credential
from evidence.descriptor import Descriptor
from evidence.head import Head, Range
from evidence.joint import countersignature, record
from evidence.joint.countersignature import Countersignature
from evidence.joint.matter import BODIES
from evidence.joint.record import Record
from evidence.key import PublicKey
from evidence.layout import Arrival, Span
from evidence.receipt import Classed
from evidence.refusal import EvidenceError
from evidence.rotation import Rotation
from evidence.run import Run
from record.force import doubt_in_force, in_force
from record.known import Known, KnownDescriptor, KnownRun, MissingError
from record.ruling import Ruling, classed_by, ruling_of
from record.schema import INT_MAX

SELF_SHARE = 1 / 512  # of batches, checked signature by signature at once: costs 2 % more
RULINGS_MAX = 4096  # readers and graders kept, one a descriptor


class DisclosureError(EvidenceError):
    """Of what came beside a statement; the statement itself may be good."""


Pairs = Sequence[tuple[bytes, bytes]]
Value = Credential | Rotation | Run | Descriptor | book.Entry | Record | Countersignature
Keys = Callable[[bytes], PublicKey | None]  # by kid


class NewStatement(NamedTuple):
    """A statement that may enter. `value` is None for a classification, the record's own."""

    subject: bytes
    encoded: bytes
    typ: int
    name: bytes
    pairs: bytes  # the disclosures, encoded
    value: Value | None
    run: KnownRun | None  # of a descriptor
    # Under which a run acts, or which the key before has: of a rotation, and of what it leads to.
    credential: Credential | None


class Part(NamedTuple):
    """One range of a batch, checked."""

    range: Range
    run: KnownRun
    leaves: Sequence[bytes]
    classed: tuple[Classed, ...]
    heard: tuple[int, int]  # when the first and the last were heard, ns TAI
    heard_from: int | None  # when the last was, at the earliest; None when nobody can say
    measured: int | None  # the instant of the last one that measures


class NewBatch(NamedTuple):
    """A batch that may enter."""

    subject: bytes  # its id
    encoded: bytes  # the head
    body: bytes
    head: Head
    run: KnownRun
    parts: tuple[Part, ...]


class Admitter:
    """Checks statements and batches. `random()` gives a float in [0, 1) and picks the share;
    `keys`: those that the registry has (record.joint)."""

    def __init__(
        self,
        known: Known,
        authorities: Authorities,
        random: Callable[[], float],
        every: bool = False,
        share: float = SELF_SHARE,
        keys: Keys = lambda _: None,
    ) -> None:
        self._known = known
        self._authorities = authorities
        self._random = random
        self._every = every
        self._share = share
        self._keys = keys
        self._rulings: dict[bytes, Ruling] = {}

    # --- batches ------------------------------------------------------------------------------

    def batch(self, encoded: bytes, batch_id: bytes, now: int | None) -> NewBatch:
        """A batch sent under this id at this instant, ns TAI; None: it was admitted long ago.

        Raises EvidenceError, MissingError.
        """
        found = batch.read(encoded)
        if found.id != batch_id:
            raise EvidenceError(Reason.BATCH_ID, f"these bytes are batch {found.id.hex()[:16]}")
        by = self._known.run(found.head.run)
        if by is None:
            raise MissingError([(Typ.RUN, found.head.run), *self._unknown(found.head)])
        cose.check(found.message, by.public)
        rulings = self._rulings_of(found.head, by)
        ready = iter(rulings)
        spans = batch.check(found, lambda part: next(ready).reader)
        if self._every or any(item.known.run is not by for item in rulings) or self._chosen():
            keys = {item.known.name: item.known.run.public for item in rulings}
            batch.check_each(found, keys)
        parts = tuple(map(_part, found.head.ranges, rulings, spans))
        if now is not None and all(_out_of_force(part, now) for part in parts):
            reason, text = in_force(parts[0].run.credential, (now,)) or (
                Reason.CREDENTIAL_EXPIRED,
                "",
            )
            raise EvidenceError(reason, text)
        return NewBatch(found.id, found.message.encoded, found.body, found.head, by, parts)

    def _chosen(self) -> bool:
        return self._share > 0 and self._random() < self._share

    def _rulings_of(self, of: Head, by: KnownRun) -> list[Ruling]:
        """What rules each range. Raises EvidenceError, MissingError."""
        if of.number > INT_MAX:
            raise EvidenceError(Reason.SHAPE, f"batch number {of.number}")
        if of.number == 0 and of.previous != merkle.ZERO:
            raise EvidenceError(Reason.HEAD_CHAIN, "batch 0 names a batch before it")
        rulings = []
        for part in of.ranges:
            ruling = self._ruling(part.descriptor)
            if ruling is None:
                raise MissingError(self._unknown(of))
            _check_range(part, ruling.known, by)
            rulings.append(ruling)
        return rulings

    def _unknown(self, of: Head) -> list[tuple[int, bytes]]:
        names = dict.fromkeys(part.descriptor for part in of.ranges)
        return [(Typ.DESCRIPTOR, name) for name in names if self._ruling(name) is None]

    def _ruling(self, name: bytes) -> Ruling | None:
        ruling = self._rulings.get(name)
        if ruling is None:
            known = self._known.descriptor(name)
            if known is None:
                return None
            ruling = ruling_of(known)
            if len(self._rulings) >= RULINGS_MAX:
                del self._rulings[next(iter(self._rulings))]
            self._rulings[name] = ruling
        return ruling

    def device_of(self, encoded: bytes) -> bytes:
        """Whose refused bytes these are, by a signature that holds over all of them: a device, or
        an authority's key; empty when nobody can tell."""
        try:
            message, end = cose.read_at(encoded, 0)
            if message.typ == Typ.HEAD:
                _check_root(encoded, end, head.read(message.payload))
            signer = self._signer_of(message)
            if signer is None:
                return b""
            cose.check(message, signer[0])
        except EvidenceError:
            return b""
        return signer[1]

    def _signer_of(self, message: cose.Sign1) -> tuple[PublicKey, bytes] | None:
        """The key that must have signed a message, and whose it is. Raises EvidenceError."""
        if message.typ == Typ.BOOK:
            authority = self._authorities.get(message.kid)
            return (authority.key, authority.key.raw) if authority else None
        if message.typ in (Typ.RECORD, Typ.COUNTERSIGNATURE):
            key = self._keys(message.kid)
            return (key, key.raw) if key else None
        if message.typ in (Typ.RUN, Typ.ROTATION):
            of: Run | Rotation = (run if message.typ == Typ.RUN else rotation).read(message.payload)
            under = self._known.credential(of.credential)
            return (under.key, self._known.device(under)) if under else None
        read = head.read if message.typ == Typ.HEAD else descriptor.read
        by = self._known.run(read(message.payload).run)
        return (by.public, by.device) if by else None

    # --- statements ---------------------------------------------------------------------------

    def statement(self, encoded: bytes, pairs: Pairs) -> NewStatement:
        """A statement and what it discloses. Raises EvidenceError, MissingError."""
        message = cose.read(encoded)
        if len(encoded) > cose.ENTRY_BYTES_MAX:
            text = f"a statement of {len(encoded)} bytes; an entry has {cose.ENTRY_BYTES_MAX}"
            raise EvidenceError(Reason.TOO_LONG, text)
        of_typ: dict[int | None, Callable[[cose.Sign1, Pairs], NewStatement]] = {
            Typ.CREDENTIAL: self._credential,
            Typ.ROTATION: self._rotation,
            Typ.RUN: self._run,
            Typ.DESCRIPTOR: self._descriptor,
            Typ.BOOK: self._book,
            Typ.RECORD: self._record,
            Typ.COUNTERSIGNATURE: self._word,
        }
        if message.typ not in of_typ:
            text = f"typ {message.typ} is no statement of a gateway or an authority"
            raise EvidenceError(Reason.TYP, text)
        return of_typ[message.typ](message, pairs)

    def _credential(self, message: cose.Sign1, pairs: Pairs) -> NewStatement:
        value = anchor.vouched(message, self._authorities)
        before = None if value.rotation is None else self._granted(value, value.rotation)
        return _statement(message, pairs, value, value.digests)._replace(credential=before)

    def _granted(self, says: Credential, name: bytes) -> Credential:
        """The credential of the key before, which handed over by the rotation of this name."""
        over = self._known.rotation(name)
        before = None if over is None else self._known.credential(over.credential)
        if over is None or before is None:
            raise MissingError([(Typ.ROTATION, name)])
        over.check_grant(before, says)
        return before

    def _rotation(self, message: cose.Sign1, pairs: Pairs) -> NewStatement:
        value = rotation.read(message.payload)
        before = self._known.credential(value.credential)
        if before is None:
            raise MissingError([(Typ.CREDENTIAL, value.credential)])
        cose.check(message, before.key)
        value.check_possession()
        return _statement(message, pairs, value, ())._replace(credential=before)

    def _book(self, message: cose.Sign1, pairs: Pairs) -> NewStatement:
        value = book.entered(message, self._authorities)
        if value.number > INT_MAX:
            raise EvidenceError(Reason.SHAPE, f"entry {value.number} of a book")
        return _statement(message, pairs, value, ())

    def _record(self, message: cose.Sign1, pairs: Pairs) -> NewStatement:
        """Its shape alone: who may say it, the place in the log decides."""
        value = record.read(message.payload)
        reader = BODIES.get(value.matter)
        if reader is not None:
            reader(value.body)
        return _statement(message, pairs, value, ())

    def _word(self, message: cose.Sign1, pairs: Pairs) -> NewStatement:
        return _statement(message, pairs, countersignature.read(message.payload), ())

    def _run(self, message: cose.Sign1, pairs: Pairs) -> NewStatement:
        value = run.read(message.payload)
        under = self._known.credential(value.credential)
        if under is None:
            raise MissingError([(Typ.CREDENTIAL, value.credential)])
        cose.check(message, under.key)
        value.check_possession(under.key)
        for item in value.reached:
            _check_place(item.stream, item.seq)
        return _statement(message, pairs, value, ())._replace(credential=under)

    def _descriptor(self, message: cose.Sign1, pairs: Pairs) -> NewStatement:
        value = descriptor.read(message.payload)
        by = self._known.run(value.run)
        if by is None:
            raise MissingError([(Typ.RUN, value.run)])
        cose.check(message, by.public)
        _check_place(value.stream, value.seq)
        refused = by.credential.refusal(value.claimed)
        if refused:
            raise EvidenceError(*refused)
        if value.seq == 0 and value.prev != first_prev(by.run, value.stream):
            text = f"stream {value.stream} does not begin where its run says"
            raise EvidenceError(Reason.LINK, text)
        entering = _statement(message, pairs, value, value.digests)
        if value.position is not None:
            told = disclosure.match(pairs, value.digests)
            elsewhere = position.refusal(told[value.position], self._known.place(by.run.credential))
            if elsewhere:
                raise EvidenceError(Reason.PLACE_NOT_GRANTED, elsewhere)
        return entering._replace(run=by)


def first_prev(of: Run, stream: int) -> bytes:
    """The prev of a stream's first link in a run: the leaf reached before, or zeros."""
    return next((item.leaf for item in of.reached if item.stream == stream), merkle.ZERO)


def _out_of_force(part: Part, now: int) -> bool:
    """Whether the credential is out of force by the log's clock and by the gateway's alike."""
    return all(doubt_in_force(part.run, (tai,)) for tai in (now, *part.heard))


def _part(place: Range, ruling: Ruling, span: Span) -> Part:
    classed = tuple(classed_by(ruling, place, span))
    first, last = span.first, span.last
    heard = (first[0] + first[1], last[0] + last[1])
    run = ruling.known.run
    ends = (heard_from(last), measured(span.latest))
    return Part(place, run, span.leaves, classed, heard, *ends)


def heard_from(last: Arrival) -> int | None:
    """When the last of a range was heard at the earliest, ns TAI; None when nobody can say."""
    tai, after, bound = last
    return None if bound is None else min(max(tai + after - bound, 0), INT_MAX)


def measured(latest: Mapping[int, int]) -> int | None:
    """The instant of the last observation of a range that measures, ns TAI, by the last of each
    kind."""
    found = [tai for kind, tai in latest.items() if kind not in SILENT and tai <= INT_MAX]
    return max(found, default=None)


def _check_range(place: Range, known: KnownDescriptor, by: KnownRun) -> None:
    """Whether a range may stand under its descriptor in this run's head. Raises EvidenceError."""
    ruling = known.descriptor
    same = known.run.credential.key == by.credential.key  # its authority may have changed
    if known.run.device != by.device and not same:
        raise EvidenceError(Reason.RUN, f"stream {place.stream} is of another device's run")
    if ruling.stream != place.stream:
        text = f"stream {place.stream} under a descriptor of stream {ruling.stream}"
        raise EvidenceError(Reason.DESCRIPTOR, text)
    if place.first_seq <= ruling.seq:
        text = f"seq {place.first_seq} is not after its descriptor's, {ruling.seq}"
        raise EvidenceError(Reason.DESCRIPTOR, text)
    _check_place(place.stream, place.last_seq)


def _check_place(stream: int, seq: int) -> None:
    if stream > INT_MAX or seq > INT_MAX:
        raise EvidenceError(Reason.SHAPE, f"stream {stream}, seq {seq}: at most {INT_MAX}")


def _check_root(encoded: bytes, at: int, of: Head) -> None:
    """Whether the head signs what stands behind it. Raises EvidenceError."""
    leaves = []
    while at < len(encoded):
        found, at = cose.read_at(encoded, at)
        leaves.append(merkle.leaf_hash(found.encoded))
    if not leaves or merkle.root(leaves) != of.root:
        raise EvidenceError(Reason.ROOT, "another body than the head signs")


def _statement(
    message: cose.Sign1, pairs: Pairs, value: Value, digests: Sequence[bytes]
) -> NewStatement:
    """What enters with all that it hides: nobody but its gateway has that, so whoever saw the
    statement alone cannot enter it first and rob it of its values. Raises DisclosureError."""
    wanted = set(digests)
    try:
        found = disclosure.match(pairs, wanted)
    except EvidenceError as fault:
        raise DisclosureError(fault.reason, fault.text) from fault
    if len(found) < len(wanted):
        text = f"{len(wanted) - len(found)} of {len(wanted)} values are not disclosed to the record"
        raise DisclosureError(Reason.SHAPE, text)
    subject = hashlib.sha256(message.encoded).digest()
    told = cbor.encode([list(pair) for pair in dict.fromkeys(pairs)])
    return NewStatement(
        subject, message.encoded, int(message.typ or 0), message.name, told, value, None, None
    )
