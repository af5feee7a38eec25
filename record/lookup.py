"""Where one sample is: from the name that a person types to the bytes in the record.

    GATEWAY/STREAM/SEQ          of the latest run that has it, those last whose key was revoked then
    GATEWAY/STREAM/SEQ@RUN      of that run: a run counts its links from 0
    GATEWAY/STREAM and an instant: the first sample measured then or later
    ENTRY/PLACE                 by its leaf, as documents of a bundle name it: of the batch that is
                                this entry of the log, the observation with this place in it, from 0

1. GATEWAY is what its credential calls it, or the first digits of the kid of one of its device
   keys; STREAM its number, or its source as the gateway's configuration names it, with its key
   where a source has several: relay/4. RUN is the first digits of a run's name.
2. What is not there is told with what there is.
3. Of two contents for one position the first that came is shown, and that there are others.

It reads; whether what it finds holds is `verify`'s.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from evidence import cbor, cose, observation
from evidence.code import SILENT, Typ
from evidence.head import Range
from evidence.head import read as read_head
from evidence.observation import Sample
from evidence.refusal import EvidenceError
from record.absence import NotFoundError as NotFoundError
from record.known import Known, KnownDescriptor, KnownRun
from record.schema import INT_MAX, Entry, SpanRow
from record.store import Store, StoreError

EXAMPLE = "gw-1/relay/1234"
DIGITS_MIN = 4  # of a kid, or of a run's name
NAMED_MAX = 12  # of what there is, told when something is not
_FORM = re.compile(r"([^/]+)/(.+)/(\d{1,19})(?:@([0-9a-f]{4,64}))?", re.ASCII)
_LEAF = re.compile(r"(\d{1,18})(?:/(\d{1,6}))?", re.ASCII)
_STREAM = re.compile(r"([^/]+)/(.+)", re.ASCII)


class Sought(NamedTuple):
    """A sample as it was asked for. `run`: digits of its name, or empty."""

    gateway: str
    stream: str
    seq: int = 0
    run: str = ""


class Seen(NamedTuple):
    """One observation as the record has it."""

    run: KnownRun
    known: KnownDescriptor
    entry: Entry  # the head of its batch
    ranges: tuple[Range, ...]
    at: int  # which of them holds it
    sample: Sample
    copies: int = 1  # contents for this position

    @property
    def heard(self) -> int:
        """When, ns TAI, by the gateway's clock."""
        return self.sample.tai + self.sample.heard


def read_name(text: str) -> Sought:
    """Raises NotFoundError."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise NotFoundError(f"{text!r} names no sample; expected GATEWAY/STREAM/SEQ: {EXAMPLE}")
    gateway, stream, seq, run = found.groups()
    return Sought(gateway, stream, min(int(seq), INT_MAX), run or "")


def read_stream(text: str) -> Sought:
    """Raises NotFoundError."""
    found = _STREAM.fullmatch(text)
    if found is None:
        raise NotFoundError(f"{text!r} names no stream; expected GATEWAY/STREAM: gw-1/relay")
    return Sought(found[1], found[2])


def read_leaf(text: str) -> tuple[int, int | None]:
    """An entry, and a place in it or None. Raises NotFoundError."""
    found = _LEAF.fullmatch(text)
    if found is None:
        raise NotFoundError(f"{text!r} names no leaf; expected ENTRY or ENTRY/PLACE: 17/3")
    return int(found[1]), None if found[2] is None else int(found[2])


class Lookup:
    """One record."""

    def __init__(self, store: Store, known: Known) -> None:
        self._store, self._known = store, known

    def sample(self, sought: Sought) -> Seen:
        """Raises NotFoundError, StoreError."""
        runs = self._runs(sought)
        stream = self._stream(sought, runs)
        for run in runs:
            spans = self._store.spans_near(run.id, stream, sought.seq, sought.seq)
            if spans:
                return self._seen(run, spans, sought.seq)
        reached = max(
            (last.last_seq for run in runs if (last := self._store.furthest(run.id, stream))),
            default=None,
        )
        told = "nothing is there" if reached is None else f"it reaches seq {reached}"
        raise NotFoundError(f"no seq {sought.seq} in stream {stream} of {sought.gateway}: {told}")

    def at(self, sought: Sought, tai: int) -> Seen:
        """The first sample measured at this instant or later. Raises NotFoundError, StoreError."""
        runs = self._runs(sought)
        stream = self._stream(sought, runs)
        found: list[Seen] = []
        for run in runs:
            span = self._store.first_measured(run.id, stream, min(tai, INT_MAX))
            if span is not None:
                found += self._first_at(run, span, tai)
        if not found:
            raise NotFoundError(f"nothing of {sought.gateway}/{sought.stream} was measured then")
        return min(found, key=lambda one: (one.sample.tai, one.run.id))

    def leaf(self, idx: int, place: int) -> Seen:
        """The observation with this place in the batch that is this entry. Raises NotFoundError,
        StoreError."""
        entry, body = self._store.entry(idx), self._store.body(idx)
        if entry is None or entry.typ != Typ.HEAD or body is None:
            raise NotFoundError(f"entry {idx} is no batch of this record")
        ranges = read_head(cose.read(entry.encoded).payload).ranges
        first = 0
        for at, part in enumerate(ranges):
            known = self._known.descriptor(part.descriptor)
            if known is not None and first <= place < first + part.count:
                link = next(islice(observation.split(body), place, None))
                sample, _, _ = observation.read_at(link, 0)
                return Seen(known.run, known, entry, ranges, at, sample)
            first += part.count
        raise NotFoundError(f"entry {idx} has {first} observations, and none at {place}")

    def last_before(
        self, run: KnownRun, stream: int, kind: int, until: int, most: int
    ) -> Seen | None:
        """The last observation of this kind that a stream of a run had heard by then; of `most`
        spans at most. Raises StoreError."""
        spans = self._store.spans_back(run.id, stream, min(until, INT_MAX))
        for _, span in zip(range(most), spans, strict=False):
            ones = [
                one for one in self._of(run, span) if one.sample.kind == kind and one.heard <= until
            ]
            if ones:
                return ones[-1]
        return None

    def next_after(self, seen: Seen, kind: int, most: int) -> Seen | None:
        """The next observation of this kind in its stream and run, within so many links. Raises
        StoreError."""
        first, last = seen.sample.seq + 1, seen.sample.seq + most
        for span in self._store.spans_near(seen.run.id, seen.sample.stream, first, last):
            for one in self._of(seen.run, span):
                if first <= one.sample.seq <= last and one.sample.kind == kind:
                    return one
        return None

    def before(self, run: KnownRun) -> KnownRun | None:
        """The run that it continues."""
        name = run.run.predecessor
        found = None if name is None else self._known.run(name)
        return found if found is not None and found.device == run.device else None

    def stream_name(self, run: KnownRun, stream: int) -> str:
        """What the gateway calls it; empty where its descriptor is not here."""
        for span in self._store.spans_near(run.id, stream, 0, 0):
            entry = self._entry(span.idx)
            if entry.typ == Typ.DESCRIPTOR and entry.name is not None:
                known = self._known.descriptor(entry.name)
                return "" if known is None else name_of(known)
        return ""

    def runs_of(self, gateway: str) -> list[KnownRun]:
        """Its runs, under whichever of its keys, the latest first; after them those that came when
        their key was revoked."""
        devices = set()
        for row in self._store.runs():
            run = self._known.run(row.name)
            if run is not None and _is_called(run, gateway):
                devices.add(row.device)
        rows = [row for row in self._store.runs() if row.device in devices]
        rows.sort(key=lambda row: (row.late, -row.id))
        return [run for row in rows if (run := self._known.run(row.name)) is not None]

    # --- beneath ------------------------------------------------------------------------------

    def _runs(self, sought: Sought) -> list[KnownRun]:
        found = self.runs_of(sought.gateway)
        if not found:
            every = (self._known.run(row.name) for row in self._store.runs())
            names = dict.fromkeys(
                f"{run.credential.subject} ({run.credential.key.kid.hex()})" for run in every if run
            )
            raise NotFoundError(f"no gateway {sought.gateway!r} here; there are: {_told(names)}")
        of_run = [run for run in found if run.name.hex().startswith(sought.run)]
        if len({run.device for run in of_run}) > 1:
            names = dict.fromkeys(
                f"{run.credential.key.kid.hex()} by {run.credential.issuer}" for run in of_run
            )
            raise NotFoundError(f"several are called {sought.gateway!r}: {_told(names)}")
        if not of_run:
            names = dict.fromkeys(run.name.hex()[:16] for run in found)
            raise NotFoundError(
                f"no run {sought.run} of {sought.gateway}; the latest: {_told(names)}"
            )
        return of_run

    def _stream(self, sought: Sought, runs: list[KnownRun]) -> int:
        if sought.stream.isdecimal() and len(sought.stream) < 19:
            return int(sought.stream)
        names: dict[int, str] = {}
        for run in runs:
            for stream in self._store.streams(run.id):
                if stream not in names:
                    names[stream] = self.stream_name(run, stream)
        exact = [stream for stream, name in names.items() if name == sought.stream]
        of_source = [n for n, name in names.items() if name.split("/")[0] == sought.stream]
        found = exact or of_source
        if len(found) == 1:
            return found[0]
        told = _told(f"{stream} ({name})" for stream, name in sorted(names.items()))
        what = "several streams" if found else "no stream"
        raise NotFoundError(f"{what} {sought.stream!r} of {sought.gateway}; there are: {told}")

    def _seen(self, run: KnownRun, spans: list[SpanRow], seq: int) -> Seen:
        for span in spans:
            for one in self._of(run, span):
                if one.sample.seq == seq:
                    return one._replace(copies=len(spans))
        stream = spans[0].stream
        raise NotFoundError(f"seq {seq} of stream {stream} is a descriptor, and no sample")

    def _first_at(self, run: KnownRun, span: SpanRow, tai: int) -> list[Seen]:
        later = (
            one
            for one in self._of(run, span)
            if one.sample.tai >= tai and one.sample.kind not in SILENT
        )
        return list(next(zip(later, strict=False), ()))

    def _of(self, run: KnownRun, span: SpanRow) -> Iterator[Seen]:
        """The observations of a span; of a descriptor none. Raises StoreError."""
        entry = self._entry(span.idx)
        if entry.typ != Typ.HEAD:
            return
        body = self._store.body(span.idx)
        ranges = read_head(cose.read(entry.encoded).payload).ranges
        if body is None:
            raise StoreError(f"the body of entry {span.idx} is missing")
        start = 0
        for at, part in enumerate(ranges):
            known = self._known.descriptor(part.descriptor)
            wanted = (part.stream, part.first_seq, part.last_leaf) == (
                *(span.stream, span.first_seq, span.last_leaf),
            )
            for _ in range(part.count):
                try:
                    sample, _, start = observation.read_at(body, start)
                except EvidenceError as fault:
                    raise StoreError(f"the body of entry {span.idx}: {fault}") from fault
                if wanted and known is not None:
                    yield Seen(run, known, entry, ranges, at, sample)
            if wanted:
                return

    def _entry(self, idx: int) -> Entry:
        entry = self._store.entry(idx)
        if entry is None:
            raise StoreError(f"entry {idx} is missing")
        return entry


def name_of(known: KnownDescriptor) -> str:
    """The source and key that a descriptor discloses: relay/4, or relay where it has one stream."""
    source = known.told.get(known.descriptor.source)
    try:
        words = cbor.decode(source) if source is not None else ()
    except EvidenceError:
        return ""  # of a gateway that names its sources otherwise
    if type(words) is not tuple or any(type(word) is not str for word in words):
        return ""
    return "/".join(word for word in words if word)


def _is_called(run: KnownRun, gateway: str) -> bool:
    if run.credential.subject == gateway:
        return True
    return len(gateway) >= DIGITS_MIN and run.credential.key.kid.hex().startswith(gateway.lower())


def _told(names: Iterator[str] | dict[str, None]) -> str:
    every = list(names)
    more = f" and {len(every) - NAMED_MAX} more" if len(every) > NAMED_MAX else ""
    return ", ".join(every[:NAMED_MAX]) + more if every else "none"
