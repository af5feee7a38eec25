"""What a record and a spool hold, read from their files alone: data frames, gaps, runs.

1. No word of the agent's goes in, nor of the record's: only what is committed in the files.
2. A spool's file is read from a copy, with its log, as a technician would: the spool itself is not
   touched, and no lock of it taken.
3. Every link is read by its own bytes; one that is not where its batch or piece says is a fault.
4. A frame is known by the instant in its own bytes, whatever instant it was sealed at: before a
   configuration is known that is its arrival.
5. Links are read one after the other, and of frames is kept what hil.faults.sighting keeps.

It checks no signature: `gridseal-record verify` does.
"""

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import apsw

from drivers.c37118 import stamp
from drivers.c37118.frame import parse_header
from drivers.c37118.stream import key_of
from evidence import cbor, classification, cose, descriptor, gap, observation, run
from evidence.code import Kind, Reason, Typ
from evidence.leap import BUILT_IN, LeapTable
from evidence.observation import Sample
from hil.devices.profile import WHOLE_TIME_BASE
from hil.faults.judge import Continued, Held, Hole, Place
from hil.faults.sighting import Sightings
from hil.faults.step import Step, steps
from record.store import Store, open_reader

TIME_BASE = WHOLE_TIME_BASE  # of the rig's PMUs, to which they are told to keep


class HoldingError(Exception):
    """A file does not hold what it says. The text is for people."""


class Lines:
    """Which line a link is of. `gateway`: whose every run is that no other gateway claims; `table`:
    of leap seconds, by which its devices count."""

    def __init__(self, gateway: str, keys: Mapping[int, str], table: LeapTable = BUILT_IN) -> None:
        self.table = table
        self._gateway = gateway
        self._keys = {gateway: keys}  # by gateway, of its streams by number
        self._others: dict[bytes, str] = {}  # run: gateway

    def claim(self, gateway: str, runs: set[bytes], keys: Mapping[int, str]) -> None:
        """These runs are of another gateway, which numbers its streams so."""
        self._keys[gateway] = keys
        self._others.update(dict.fromkeys(runs, gateway))

    def of(self, place: Place, key: str | None = None) -> str:
        """The line of a link at a place; `key`: of its stream, where the link itself tells."""
        gateway = self._others.get(place.run, self._gateway)
        return line_name(gateway, key or self._keys[gateway].get(place.stream, "?"))


def line_name(gateway: str, key: str) -> str:
    """One device at one gateway."""
    return f"{gateway} {key}"


def claimed(raw: bytes, table: LeapTable) -> tuple[int, int]:
    """ns TAI of a data frame of C37.118, as it says itself, and its IDCODE."""
    header = parse_header(raw)
    second = stamp.second(header.soc, header.time_quality, table)
    return second.tai + stamp.fraction_ns(header.fracsec, TIME_BASE), header.idcode


class Holding:
    """Links of one file or several, as they are read. `beside`: what is held elsewhere and was
    read before; what is the same takes no place again."""

    def __init__(self, lines: Lines, beside: Sightings | None = None) -> None:
        self.frames = Sightings(beside)
        self.held = Held(self.frames)
        self._lines = lines
        self._runs: dict[bytes, bytes] = {}  # by descriptor

    def take(self, step: Step) -> None:
        """An entry of a record's log. Raises EvidenceError, HoldingError."""
        message = step.message
        if step.entry.typ == Typ.RUN:
            self.add_run(message.name, message.payload)
        elif step.entry.typ == Typ.DESCRIPTOR:
            self._runs[message.name] = descriptor.read(message.payload).run
        for of, samples in step.parts:
            run_name = self._runs[of.descriptor]
            for seq, (sample, at, end) in enumerate(samples, of.first_seq):
                place = Place(run_name, of.stream, seq)
                self._add(place, sample, memoryview(step.body)[at:end])

    def add_run(self, name: bytes, payload: bytes) -> None:
        says = run.read(payload)
        self.held.runs[name] = Continued(says.cause, says.predecessor, says.uncertain)

    def add(self, of: bytes, stream: int, seq: int, data: bytes, at: int) -> int:
        """The observation that lies at `at` and should be at this place; where it ends.

        Raises EvidenceError, HoldingError.
        """
        sample, _, end = observation.read_at(data, at)
        self._add(Place(of, stream, seq), sample, memoryview(data)[at:end])
        return end

    def _add(self, place: Place, sample: Sample, encoded: memoryview) -> None:
        if (sample.stream, sample.seq) != place[1:]:
            should = f"{place.stream}, {place.seq} should be"
            raise HoldingError(f"stream {sample.stream}, seq {sample.seq} where {should}")
        if sample.kind == Kind.C37118:
            tai, idcode = claimed(sample.raw, self._lines.table)
            line = self._lines.of(place, key_of(idcode))
            content = hashlib.sha256(encoded).digest()
            self.frames.add(line, tai, place, content)
        elif sample.kind == Kind.GAP:
            says = gap.read(sample.raw)
            line = self._lines.of(place)
            self.held.holes.append(Hole(line, says.cause, says.first, says.last, place))


class RecordFile:
    """A record that nobody writes any more. `close` it."""

    def __init__(self, path: Path) -> None:
        """Raises StoreError."""
        self._store: Store = open_reader(path)

    def close(self) -> None:
        self._store.close()

    def read(self, holding: Holding) -> None:
        """Everything in it. Raises StoreError, EvidenceError, HoldingError."""
        for step in steps(self._store):
            holding.take(step)

    def clones(self) -> int:
        """Runs that the record holds for one of several that continue the same one."""
        return sum(row.cloned for row in self._store.runs())

    def twins(self) -> int:
        """Findings of two contents for one position."""
        return sum(
            finding.reason == Reason.TWIN
            for entry in self._store.findings()
            for finding in classification.read(cose.read(entry.encoded).payload).findings
        )


class SpoolFile:
    """A spool, by a copy of its file that is made in `folder`. `close` it."""

    def __init__(self, spool: Path, folder: Path) -> None:
        """Raises OSError, HoldingError."""
        self._path = folder / spool.name
        folder.mkdir(parents=True)
        copy_spool(spool, self._path)
        try:
            self._db = apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READWRITE)
        except apsw.Error as fault:
            raise HoldingError(f"{spool}: {fault}") from fault

    def close(self) -> None:
        self._db.close()

    def keys(self) -> dict[int, str]:
        """The keys of the streams, by their numbers. Raises HoldingError."""
        return dict(self._rows("SELECT number, key FROM stream"))

    def sources(self) -> dict[int, str]:
        """The sources of the streams, by their numbers. Raises HoldingError."""
        return dict(self._rows("SELECT number, source FROM stream"))

    def runs(self) -> set[bytes]:
        """The runs that left something here. Raises HoldingError."""
        return {name for (name,) in self._rows("SELECT name FROM run")}

    def read(self, holding: Holding) -> None:
        """Everything in it. Raises EvidenceError, HoldingError."""
        for name, payload in self._rows("SELECT name, payload FROM run"):
            holding.add_run(name, payload)
        for number, parts, links in self._rows("SELECT id, parts, links FROM piece ORDER BY id"):
            at = 0
            for stream, of, _, first, last, *_ in cbor.decode(parts):
                for seq in range(first, last + 1):
                    at = holding.add(of, stream, seq, links, at)
            if at != len(links):
                raise HoldingError(f"{self._path.name}: piece {number} is longer than it says")

    def _rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._db.execute(query)
        except apsw.Error as fault:
            raise HoldingError(f"{self._path.name}: {fault}") from fault


def copy_spool(spool: Path, to: Path) -> None:
    """The spool's file and SQLite's log, as they are; whatever lies at `to` is replaced.

    One state of it only while nobody writes. Raises OSError.
    """
    for suffix in ("", "-wal", "-shm"):  # the last is never taken along: SQLite makes it anew
        Path(f"{to}{suffix}").unlink(missing_ok=True)
        source = Path(f"{spool}{suffix}")
        if suffix != "-shm" and source.exists():
            shutil.copyfile(source, f"{to}{suffix}")
