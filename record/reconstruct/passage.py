"""The observations of a bundle, range by range, read once for all that is written of them.

1. Batches come run by run, in the order of the log's runs, and by their number within a run: so the
   links of a stream come in the order of their seq.
2. One link counts once, whatever batches hold it.
3. Of a batch of which something is withheld nothing is read.
4. The bundle was checked before it was loaded (record.reconstruct.holding): so links are not hashed
   again. What cannot be read is a StoreError, and not a finding.
5. Observations alike are read by one struct: the first is read strictly, and those after it are
   taken as it was as long as all bytes beside its numbers, prev, raw and signature are the same.

It decodes no frame.
"""

from collections.abc import Iterator, Sequence
from struct import Struct
from typing import NamedTuple

from evidence import cbor, cose, observation
from evidence.head import Head, Range
from evidence.head import read as read_head
from evidence.layout import Quality
from evidence.observation import SIGNATURE_HEAD, Sample
from evidence.refusal import EvidenceError
from record.known import Known, KnownDescriptor
from record.schema import INT_MAX, Entry
from record.store import Store, StoreError

FORMS_MAX = 1024  # kept: some of each stream
_TAI_BYTES = 8
_VARYING = (2, 3, 7, 8, 9, 11)  # seq, tai, heard, heard_bound, prev, raw: fields of a sample
_TAI, _HEARD, _RAW = 1, 2, 5  # among those


class Stretch(NamedTuple):
    """Consecutive observations of one kind and quality: of each its instant and its raw."""

    first_seq: int
    kind: int
    quality: Quality  # bound, source, flags
    found: Sequence[tuple[int, bytes]]


class Passage(NamedTuple):
    """One range of a batch. `at`: its place in the head; `place`: that of its first observation in
    the batch."""

    entry: Entry
    head: Head
    at: int
    place: int
    known: KnownDescriptor
    stretches: list[Stretch]

    @property
    def part(self) -> Range:
        return self.head.ranges[self.at]


class _Form(NamedTuple):
    """How observations alike lie in their bytes. `fixed`: in order, between what varies."""

    struct: Struct
    fixed: tuple[bytes, ...]
    kind: int
    quality: Quality
    heard_at: int  # where it begins; its bound follows


class Walk:
    """The way through batches that were checked before."""

    def __init__(self) -> None:
        self._forms: dict[bytes, _Form | None] = {}  # the last of each descriptor

    def range(self, body: bytes, at: int, part: Range) -> tuple[list[Stretch], int, int]:
        """What is in a range that begins at a byte, where its last observation begins, and where it
        ends. Raises EvidenceError."""
        found: list[Stretch] = []
        seq, view, name, last = part.first_seq, memoryview(body), part.descriptor, at
        while seq <= part.last_seq:
            form = self._forms.get(name)
            if form is not None:
                size = form.struct.size
                most = min(part.last_seq - seq + 1, (len(body) - at) // size)
                pairs = _alike(form, view[at : at + most * size])
                if pairs:
                    found.append(Stretch(seq, form.kind, form.quality, pairs))
                    seq, at = seq + len(pairs), at + len(pairs) * size
                    last = at - size
                if seq > part.last_seq:
                    break
            sample, message, end = observation.read_at(body, at)
            quality = (sample.bound, sample.source, sample.flags)
            found.append(Stretch(seq, sample.kind, quality, [(sample.tai, sample.raw)]))
            if len(self._forms) >= FORMS_MAX and name not in self._forms:
                del self._forms[next(iter(self._forms))]
            self._forms[name] = _form(sample, message)
            seq, last, at = seq + 1, at, end
        return found, last, at

    def heard(self, body: bytes, at: int, name: bytes) -> tuple[int, int | None]:
        """When the last observation of a range was heard, after its instant, and the bound of that;
        of the range under this descriptor that was read last. Raises EvidenceError."""
        form = self._forms.get(name)
        if form is None:
            sample = observation.read_at(body, at)[0]
            return sample.heard, sample.heard_bound
        heard, end = cbor.decode_at(body, at + form.heard_at)
        return heard, cbor.decode_at(body, end)[0]


class Passages:
    """All ranges of a store."""

    def __init__(self, store: Store, known: Known) -> None:
        self._store, self._known, self._walk = store, known, Walk()
        self._next: dict[tuple[int, int], int] = {}  # seq that is due, of run and stream

    def __iter__(self) -> Iterator[Passage]:
        """Raises StoreError."""
        for run in self._store.runs():
            for row in self._store.heads_up(run.id, 0, INT_MAX):
                entry, body = self._store.entry(row.idx), self._store.body(row.idx)
                if entry is None:
                    raise StoreError(f"entry {row.idx} is missing")
                if body is not None:
                    try:
                        yield from self._batch(entry, body)
                    except EvidenceError as fault:
                        raise StoreError(f"entry {row.idx}: {fault}") from fault

    def _batch(self, entry: Entry, body: bytes) -> Iterator[Passage]:
        head = read_head(cose.read(entry.encoded).payload)
        at_byte = place = 0
        for at, part in enumerate(head.ranges):
            known = self._known.descriptor(part.descriptor)
            if known is None:
                raise StoreError(f"descriptor {part.descriptor.hex()[:16]} is missing")
            stretches, _, at_byte = self._walk.range(body, at_byte, part)
            key = (known.run.id, part.stream)
            due = self._next.get(key, part.first_seq)
            self._next[key] = max(due, part.last_seq + 1)
            if due > part.first_seq:
                stretches = [_since(one, due) for one in stretches]
            yield Passage(entry, head, at, place, known, [one for one in stretches if one.found])
            place += part.count


def _alike(form: _Form, view: memoryview) -> list[tuple[int, bytes]]:
    """The instants and raws of those at the beginning that are of a form."""
    first, second, third, fourth, fifth, sixth, last = form.fixed
    found: list[tuple[int, bytes]] = []
    for a, b, tai, c, d, e, f, raw, g in form.struct.iter_unpack(view):
        if a != first or b != second or c != third or d != fourth:
            break
        if e != fifth or f != sixth or g != last:
            break
        found.append((tai, raw))
    return found


def _form(sample: Sample, message: cose.Sign1) -> _Form | None:
    """The form of an observation that was read strictly; None where its instant is shorter than
    those after 1970 are."""
    encoded = message.encoded
    places = _places(encoded, encoded.index(message.payload))
    if places[_TAI][1] - places[_TAI][0] != _TAI_BYTES:
        return None
    starts, ends = zip(*places, strict=True)
    edges = zip((0, *ends), (*starts, ends[-1] + len(SIGNATURE_HEAD)), strict=True)
    fixed = tuple(encoded[start:end] for start, end in edges)
    codes = ["x" * (end - start) for start, end in places]
    codes[_TAI], codes[_RAW] = "Q", f"{len(sample.raw)}s"
    rest = len(encoded) - sum(map(len, fixed)) - sum(end - start for start, end in places)
    form = "".join(f"{len(part)}s{code}" for part, code in zip(fixed, (*codes, ""), strict=True))
    quality = (sample.bound, sample.source, sample.flags)
    heard_at = places[_HEARD][0] - 1
    return _Form(Struct(f">{form}{rest}x"), fixed, sample.kind, quality, heard_at)


def _places(encoded: bytes, at: int) -> list[tuple[int, int]]:
    """Where the values of what varies lie, after the bytes that say how long each is."""
    at += 1  # the array's head
    places: list[tuple[int, int]] = []
    for field in range(12):
        head = at
        _, at = cbor.decode_at(encoded, at)
        if field in _VARYING:
            number = field not in (9, 11)
            places.append((head + 1 if number else cbor.head_at(encoded, head)[2], at))
    return places


def _since(one: Stretch, due: int) -> Stretch:
    """Without what came before."""
    past = max(due - one.first_seq, 0)
    return one._replace(first_seq=one.first_seq + past, found=one.found[past:])
