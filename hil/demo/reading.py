"""What the record has admitted, read from its file while it is written: of each stream its last
samples, and whatever is worth telling.

1. Nothing here comes from the model, a device or an agent: what is not in the record is not shown.
2. Each entry is read once. What is kept is bounded: HELD_NS of each stream's samples, a line of the
   feed a thing, and frames are decoded when they are shown, not before.
3. A class is told as changed once it has lasted LASTS_NS of samples: what comes and goes within a
   batch is in the record, and would hide the rest.

It checks no signature: `gridseal-record verify` does. Not for two threads at a time.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from agent.description import OWN_SOURCE
from drivers.decode import compiled
from drivers.line import FrameError
from evidence import classification, cose, event, gap, head, observation, receipt, run
from evidence.code import SILENT, Cause, Class, Event, Kind, Reason, Typ
from evidence.leap import NS
from evidence.observation import Sample
from hil.demo import wording
from record.known import Known, KnownDescriptor
from record.lookup import name_of
from record.schema import Entry
from record.store import Store, open_reader
from record.words import span

HELD_NS = 3 * NS  # of samples: page and terminal show an instant that is a second old
LASTS_NS = NS  # for which a class must stand to be told
STREAMS_MAX = 512
STATED = frozenset({int(Kind.GOOSE), int(Kind.MODBUS)})  # devices that say what is on or off
STATE_CHARS, CHANGES_MAX = 8, 6  # a double point is two bits; names of one line
Grade = tuple[int, int]  # class, reason
GOOD: Grade = (0, 0)
Say = Callable[[str, str, int | None, str], None]  # about whom, words, the entry, what it is like


class Held(NamedTuple):
    """One sample, and where it stands in the record."""

    sample: Sample
    entry: int
    grade: Grade


@dataclass(slots=True)
class Stream:
    """One stream of one gateway, over all its runs."""

    gateway: str
    name: str  # source and key
    number: int
    known: KnownDescriptor
    held: deque[Held] = field(default_factory=deque)
    samples: int = 0  # that measure something
    gaps: int = 0
    missing: int = 0  # samples, as its gaps state them
    uncounted: bool = False  # a gap does not know how many
    told: Grade = GOOD  # what the feed has said of it
    since: tuple[Grade, int] = (GOOD, 0)  # the class that stands, and from when on
    begun: bool = False
    states: dict[str, str] = field(default_factory=dict)  # of what is on or off, as it said last

    @property
    def source(self) -> str:
        return self.name.partition("/")[0]

    @property
    def about(self) -> str:
        """Who a finding is about: every gateway gives its own stream the same name."""
        return self.gateway if self.source in ("", OWN_SOURCE) else self.source

    @property
    def lacks(self) -> str:
        """How many samples its gaps stand for."""
        return f"{self.missing}{' or more' if self.uncounted else ''}"

    def at(self, tai: int) -> Held | None:
        """Its last sample up to an instant."""
        return next((one for one in reversed(self.held) if one.sample.tai <= tai), None)


class Reading:
    """One record. `look` reads on; `close` lets go of the file."""

    def __init__(self, path: Path, say: Say) -> None:
        self._path, self._say = path, say
        self._store: Store | None = None
        self._known: Known | None = None
        self._next = 0
        self.streams: dict[tuple[str, int], Stream] = {}  # by gateway and number
        self.runs: dict[str, int] = {}  # by gateway
        self.heard: dict[str, int] = {}  # ns TAI of the last sample, by gateway
        self.verdicts: dict[str, Held] = {}  # each gateway's last word of its own time and place
        self.batches = self.observations = 0
        self.last_batch: int | None = None

    @property
    def size(self) -> int:
        """Entries of the log."""
        return self._next

    def look(self) -> None:
        """Reads what is new. Raises StoreError, EvidenceError."""
        if self._store is None:
            self._store = open_reader(self._path, live=True)
            self._known = Known(self._store)
        self._store.snapshot()
        try:
            for entry in self._store.entries(self._next):
                self._entry(entry, self._store, self._known or Known(self._store))
                self._next = entry.idx + 1
        finally:
            self._store.rollback()

    def close(self) -> None:
        """Idempotent."""
        if self._store is not None:
            self._store.close()
            self._store = self._known = None

    # --- entries

    def _entry(self, entry: Entry, store: Store, known: Known) -> None:
        if entry.typ == Typ.HEAD:
            self._batch(entry, store.body(entry.idx) or b"", known)
        elif entry.typ == Typ.RUN:
            self._run(entry, known)
        elif entry.typ == Typ.CLASSIFICATION:
            for one in classification.read(cose.read(entry.encoded).payload).findings:
                self._found(entry, one, known)

    def _run(self, entry: Entry, known: Known) -> None:
        message = cose.read(entry.encoded)
        says, found = run.read(message.payload), known.run(message.name)
        gateway = found.credential.subject if found else "?"
        self.runs[gateway] = self.runs.get(gateway, 0) + 1
        cause = Cause(says.cause).name.lower().replace("_", " ")
        doubt = "; it cannot say what it missed" if says.uncertain else ""
        self._say(gateway, f"run {self.runs[gateway]} begins: {cause}{doubt}", entry.idx, "")

    def _found(self, entry: Entry, one: classification.Finding, known: Known) -> None:
        found = known.run(one.run)
        gateway = found.credential.subject if found else "?"
        stream = self.streams.get((gateway, one.stream)) if one.stream is not None else None
        where = f"{one.first_seq} to {one.last_seq}" if one.first_seq is not None else "all"
        who = stream.name if stream else gateway
        self._say(who, f"found later: {words((one.klass, one.reason))}, of {where}", entry.idx, "")

    def _batch(self, entry: Entry, body: bytes, known: Known) -> None:
        self.batches += 1
        self.last_batch = entry.idx
        classed = receipt.read(cose.read(entry.receipt).payload).classed
        at = 0
        for part in head.read(cose.read(entry.encoded).payload).ranges:
            stream = self._stream(part, known)
            rows = [row for row in classed if row.stream == part.stream]
            for seq in range(part.first_seq, part.last_seq + 1):
                sample, _, at = observation.read_at(body, at)
                self.observations += 1
                if stream is None:
                    continue
                grade = next(
                    (row[3:5] for row in rows if row.first_seq <= seq <= row.last_seq), GOOD
                )
                self._sample(stream, Held(sample, entry.idx, grade))

    def _stream(self, part: head.Range, known: Known) -> Stream | None:
        found = known.descriptor(part.descriptor)
        if found is None:
            return None
        key = (found.run.credential.subject, part.stream)
        stream = self.streams.get(key)
        if stream is None:
            if len(self.streams) >= STREAMS_MAX:
                return None
            stream = self.streams[key] = Stream(*key[:1], name_of(found), key[1], found)
        stream.known = found
        return stream

    # --- samples

    def _sample(self, stream: Stream, one: Held) -> None:
        sample = one.sample
        heard = sample.tai + sample.heard
        self.heard[stream.gateway] = max(self.heard.get(stream.gateway, 0), heard)
        if sample.kind == Kind.GAP:
            stream.gaps += 1
            self._gap(stream, one)
        elif sample.kind == Kind.EVENT:
            self._event(stream, one)
        elif sample.kind == Kind.VERDICT:
            before = self.verdicts.get(stream.gateway)
            if before is None or before.sample.tai <= sample.tai:  # else of a backlog
                self.verdicts[stream.gateway] = one
        elif sample.kind not in SILENT:
            self._measured(stream, one)

    def _measured(self, stream: Stream, one: Held) -> None:
        stream.samples += 1
        held, tai = stream.held, one.sample.tai
        if held and tai < held[-1].sample.tai:
            return  # a backlog: it is in the record, and not live
        held.append(one)
        # The last before that stays: after a hole it is what was known until then.
        while len(held) > 1 and held[1].sample.tai < tai - HELD_NS:
            held.popleft()
        if one.sample.kind in STATED:
            self._states(stream, one)
        if one.grade != stream.since[0] or not stream.begun:
            stream.since, stream.begun = (one.grade, tai), True
        if one.grade != stream.told and tai - stream.since[1] >= LASTS_NS:
            stream.told = one.grade
            self._say(self._whom(stream), f"its samples are {words(one.grade)}", one.entry, "")

    def _whom(self, stream: Stream) -> str:
        """A stream by its source, and by its key where the source has others: what is told of one
        register is not another's."""
        alike = [one for one in self.streams.values() if one.name != stream.name]
        if any((one.gateway, one.source) == (stream.gateway, stream.source) for one in alike):
            return stream.name.replace("/", " ", 1)
        return stream.about

    def _states(self, stream: Stream, one: Held) -> None:
        """What is on or off, where it changed."""
        try:
            frames = compiled(one.sample.kind, stream.known.configuration or b"")
            values = frames.decode(one.sample.raw)
        except FrameError:
            return  # the page says so beside the stream
        found = {
            one.name: one.text
            for slot, value in zip(frames.slots, values, strict=True)
            if isinstance(value, bool) or (isinstance(value, str) and len(value) <= STATE_CHARS)
            for one in (wording.said(slot, value),)
        }
        changed = [f"{name} {text}" for name, text in found.items()
                   if stream.states.get(name, text) != text]  # fmt: skip
        stream.states |= found  # what is not known meanwhile has not changed
        if changed:
            self._say(stream.source, f"changed: {', '.join(changed[:CHANGES_MAX])}", one.entry, "")

    def _gap(self, stream: Stream, one: Held) -> None:
        hole = gap.read(one.sample.raw)
        cause = hole.cause.name.lower().replace("_", " ")
        many = "so many that nobody knows" if hole.count is None else str(hole.count)
        stream.missing += hole.count or 0
        stream.uncounted = stream.uncounted or hole.count is None
        length = span(hole.last - hole.first)
        text = f"a gap is stated: {cause}, {length}, samples: {many}"
        if stream.gaps > 1:
            text += f"; {stream.lacks} in all its {stream.gaps} gaps"
        self._say(self._whom(stream), text, one.entry, f"gap {cause}")

    def _event(self, stream: Stream, one: Held) -> None:
        noticed = event.read(one.sample.raw)
        if noticed.event == Event.STATE_FOUND:
            return
        check = f" {noticed.check.name.lower().replace('_', ' ')}" if noticed.check else ""
        what = noticed.event.name.lower().replace("_", " ")
        # A check that is cleared says what it found last (agent.checks), and not what is so now.
        said = "; it said" if noticed.event == Event.CHECK_CLEARED else ""
        text = f"{what}{check}{said}: {noticed.text}"
        self._say(stream.about, text, one.entry, what if not check else "")


def words(grade: Grade) -> str:
    """A class and why, for people."""
    klass = Class(grade[0]).name.lower().replace("_", " ")
    return klass + (f": {Reason(grade[1]).name.lower().replace('_', ' ')}" if grade[1] else "")
