"""What became of every frame that was sent: in the record, on the disk, in a stated gap, or lost.

1. What was sent is known by the devices; what was kept is read from the record's stores and from
   the spool's file, byte by byte, and nothing that the agent says of itself goes in.
2. A frame is where it is first found: in the record, on the disk, in a gap of its stream that is in
   one of both. Nowhere is lost.
3. One place (run, stream, seq) has one content, wherever it is kept: two are twins.
4. A frame at two places is doubled, unless the later run says that the earlier one is uncertain.
5. Where a disk has nothing of a stream when an agent starts, because nothing was ever kept or the
   disk was set back (`older`) to before that, nobody is left who knows what it sent until the first
   of its frames is kept. That is counted apart, as unborn; the run's statement still says between
   which instants.
6. A frame that is there, and whose instant lies in a gap of its stream, is stated missing without
   need: excess, by the cause of the gap.

The record is asked for what it found itself, too: twins and clones are its own words.
"""

import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import apsw

from evidence import (
    cbor,
    classification,
    cose,
    descriptor,
    disclosure,
    gap,
    head,
    merkle,
    observation,
)
from evidence import run as runs
from evidence.code import Cause, Kind, Reason, Typ
from evidence.gap import Gap
from evidence.observation import Sample
from evidence.refusal import EvidenceError
from hil.sim.line import Device, Sent, number_of
from record.store import Store, open_reader

REFUSED = 2  # agent.commit.State
_STATEMENTS = "SELECT typ, CAST(encoded AS BLOB), CAST(disclosures AS BLOB) FROM statement"
RESTART = Cause.RESTART.name.lower()
GIVEN_UP = "given_up"  # NOT_KEPT, of what had been kept


class Place(NamedTuple):
    """Where a link stands."""

    run: bytes
    stream: int
    seq: int


@dataclass
class Verdict:
    """Counts of frames, and what does not hold."""

    sent: int = 0
    in_record: int = 0
    on_disk: int = 0
    in_gaps: int = 0
    unborn: int = 0
    lost: int = 0
    unguarded: int = 0  # lost where no checksum guards, or a record lost what it gave receipts for
    twins: int = 0
    duplicated: int = 0
    altered: int = 0  # kept, and never sent like that
    refused: int = 0  # batches that the record refused
    excess: Counter[str] = field(default_factory=Counter)  # by cause of the gap
    gaps: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)  # the record's own
    missing: dict[str, list[int]] = field(default_factory=dict)  # what is lost, by stream


class _Kept:
    """What is kept in all places together."""

    def __init__(self) -> None:
        self.names: dict[tuple[bytes, int], str] = {}  # run and stream: the device's name for it
        self.followed: dict[bytes, tuple[bytes | None, bool]] = {}  # run: predecessor, uncertain
        self.reached: dict[bytes, set[int]] = {}  # run: the streams that there were when it began
        self.leaves: dict[Place, set[bytes]] = defaultdict(set)
        self.frames: dict[tuple[str, int], set[Place]] = defaultdict(set)
        self.in_record: set[tuple[str, int]] = set()
        self.stated: dict[tuple[bytes, int], set[Gap]] = defaultdict(set)  # by run and stream
        self.altered = 0
        self.read: dict[bytes, Sample] = {}  # links that were read, by their encoding

    def statement(self, typ: int, encoded: bytes, pairs: bytes) -> None:
        payload = cose.read(encoded).payload
        if typ == Typ.RUN:
            self.run(payload)
        elif typ == Typ.DESCRIPTOR:
            of = descriptor.read(payload)
            told = disclosure.match(disclosure.read_pairs(cbor.decode(pairs)), of.digests)
            name = told.get(of.configuration or b"", b"").decode().partition(" ")[0]
            if name:  # a bare one says what is missing before its device has said what it is
                self.names[of.run, of.stream] = name

    def run(self, payload: bytes) -> None:
        name, said = cose.name(payload), runs.read(payload)
        self.followed[name] = (said.predecessor, said.uncertain)
        self.reached[name] = {one.stream for one in said.reached}

    def link(self, run: bytes, sample: Sample, encoded: bytes, in_record: bool) -> None:
        place, name = Place(run, sample.stream, sample.seq), self.names.get((run, sample.stream))
        if sample.kind == Kind.GAP:
            self.stated[run, sample.stream].add(gap.read(sample.raw))
        elif sample.kind == Kind.C37118:
            found = number_of(sample.raw)
            if found is None:
                self.altered += in_record  # on a disk that is damage
            if found is None or found[0] != name:
                return
            self.frames[found].add(place)
            if in_record:
                self.in_record.add(found)
        self.leaves[place].add(merkle.leaf_hash(encoded))

    def gaps(self) -> dict[str, set[Gap]]:
        """By the device's name for its stream, whose number is for good."""
        by_number = {stream: name for (_, stream), name in self.names.items()}
        found: dict[str, set[Gap]] = defaultdict(set)
        for (run, stream), gaps in self.stated.items():
            name = self.names.get((run, stream)) or by_number.get(stream)
            if name is not None:
                found[name] |= gaps
        return found

    def doubled(self, places: set[Place]) -> bool:
        """Rule 4."""
        if len(places) == 1:
            return False
        return not any(
            all(self._uncertain(last.run, one.run) for one in places if one.run != last.run)
            and len({one.run for one in places}) == len(places)
            for last in places
        )

    def _uncertain(self, run: bytes, earlier: bytes) -> bool:
        """Whether a run follows an earlier one by runs that all say so."""
        while run in self.followed:
            before, uncertain = self.followed[run]
            if not uncertain or before is None:
                return False
            if before == earlier:
                return True
            run = before
        return False


def judge(stores: list[Path], spool: Path, devices: list[Device], older: bool) -> Verdict:
    """Counts it all. Nobody may have the files open."""
    kept, found = _Kept(), Verdict()
    for path in stores:
        store = open_reader(path)
        try:
            _read_store(store, kept, found)
        finally:
            store.close()
    _read_spool(spool, kept, found)
    gaps = kept.gaps()
    for device in devices:
        for stream, sent in device.sent.items():
            nowhere = _count(stream, sent, kept, gaps.get(stream, set()), found)
            first = _first_kept(stream, sent, kept)
            lost = [
                number
                for number in nowhere
                if not (older or number < first) or not _unborn(stream, number, len(sent), kept)
            ]
            found.unborn += len(nowhere) - len(lost)
            found.lost += len(lost)
            if lost:
                found.missing[stream] = lost
    found.altered = kept.altered
    found.twins = sum(len(leaves) > 1 for leaves in kept.leaves.values())
    found.duplicated = sum(kept.doubled(places) for places in kept.frames.values())
    return found


def _count(stream: str, sent: list[Sent], kept: _Kept, gaps: set[Gap], found: Verdict) -> list[int]:
    """Counts a stream; the numbers that are nowhere."""
    holes = sorted(gaps, key=lambda one: (one.first, one.last))
    found.gaps.update(map(_word, holes))
    nowhere = []
    for number, (tai, _) in enumerate(sent):
        found.sent += 1
        over = [one for one in holes if one.first <= tai <= one.last]
        if (stream, number) in kept.frames:
            found.in_record += (stream, number) in kept.in_record
            found.on_disk += (stream, number) not in kept.in_record
            found.excess.update(map(_word, over[:1]))
        elif over:
            found.in_gaps += 1
        else:
            nowhere.append(number)
    return nowhere


def _first_kept(stream: str, sent: list[Sent], kept: _Kept) -> int:
    return next((one for one in range(len(sent)) if (stream, one) in kept.frames), len(sent))


def _unborn(stream: str, number: int, sent: int, kept: _Kept) -> bool:
    """Rule 5: the next one that was kept is the first of its stream in a run that began with
    nothing of it.
    """
    there = [one for one in range(sent) if (stream, one) in kept.frames]
    after = next((one for one in there if one > number), None)
    if after is None:
        return False
    runs_of = {place.run for one in there if one < number for place in kept.frames[stream, one]}
    return all(
        place.stream not in kept.reached[place.run] and place.run not in runs_of
        for place in kept.frames[stream, after]
    )


def _read_store(store: Store, kept: _Kept, found: Verdict) -> None:
    runs_of: dict[bytes, bytes] = {}
    for entry in store.entries():
        if entry.typ in (Typ.RUN, Typ.DESCRIPTOR):
            kept.statement(entry.typ, entry.encoded, store.disclosure(entry.idx) or b"")
            if entry.typ == Typ.DESCRIPTOR:
                message = cose.read(entry.encoded)
                runs_of[message.name] = descriptor.read(message.payload).run
        elif entry.typ == Typ.CLASSIFICATION:
            payload = cose.read(entry.encoded).payload
            found.findings.update(
                Reason(one.reason).name.lower() for one in classification.read(payload).findings
            )
        elif entry.typ == Typ.HEAD:
            at, body = 0, store.body(entry.idx) or b""
            for part in head.read(cose.read(entry.encoded).payload).ranges:
                for _ in range(part.count):
                    sample, message, at = observation.read_at(body, at)
                    kept.read[message.encoded] = sample
                    kept.link(runs_of[part.descriptor], sample, message.encoded, True)


def _read_spool(path: Path, kept: _Kept, found: Verdict) -> None:
    if not path.exists():
        return
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        for (payload,) in db.execute("SELECT CAST(payload AS BLOB) FROM run"):
            with contextlib.suppress(EvidenceError):  # damaged: it says nothing
                kept.run(payload)
        for typ, encoded, pairs in db.execute(_STATEMENTS):
            with contextlib.suppress(EvidenceError):
                kept.statement(typ, encoded, pairs)
        for run, encoded in _links(db):
            sample = kept.read.get(encoded) or observation.read_at(encoded, 0)[0]
            kept.link(run, sample, encoded, False)
        found.refused = len(
            db.execute("SELECT 1 FROM batch WHERE state = ?", (REFUSED,)).fetchall()
        )
    finally:
        db.close()


def _links(db: apsw.Connection) -> Iterator[tuple[bytes, bytes]]:
    """What the pieces hold, each link with its run; a damaged piece holds nothing."""
    for crc, parts, links in db.execute("SELECT crc, parts, links FROM piece ORDER BY id"):
        blobs = isinstance(parts, bytes) and isinstance(links, bytes)
        if not blobs or crc32(links, crc32(parts)) != crc:
            continue
        split = iter(observation.split(links))
        for _, run, _, first, last, *_ in cbor.decode(parts):
            for _ in range(last - first + 1):
                yield run, next(split)


def _word(hole: Gap) -> str:
    given_up = hole.dropped is not None and hole.cause == Cause.NOT_KEPT
    return GIVEN_UP if given_up else hole.cause.name.lower()
