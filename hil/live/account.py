"""What a play left, read from the files of record and spools: facts, and figures of each stream.

1. No program's own word goes in: frames are those that devices wrote down as they sent them, and
   what is committed in the files (hil.faults.holding, judge, course). Those of a real device are
   not known, and so neither is what was lost of them: its gaps are.
2. The record is read once, for all who count, judge or measure what is in it (hil.faults.step).
   Nobody keeps what is read: of a frame stay where it stands and a hash (hil.faults.sighting) until
   its line is judged, and its arrival (hil.live.span).
3. A line is one device at one gateway, by the names of the scenario.
4. Instants are ns TAI; who shows them puts them on the scenario's clock.

It judges nothing: hil.live.verdict does.
"""

import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from evidence import cose, run
from evidence.code import Cause, Event, Typ
from evidence.leap import BUILT_IN, NS, LeapTable
from hil.fact import Fact, Words
from hil.faults import wall
from hil.faults.course import Course, Findings
from hil.faults.holding import Holding, Lines, SpoolFile, claimed, line_name
from hil.faults.judge import Held, Hole, Place, beyond, excess_max, judge
from hil.faults.sighting import Sightings
from hil.faults.step import steps
from hil.live import content, kind, level, seam
from hil.live.content import Content
from hil.live.placing import Placing
from hil.live.play import Play
from hil.live.sheet import Device, Fault
from hil.live.span import Grade, Spans
from hil.live.words import FIGURES
from hil.report.admitted import Admission, Admitted, Contents
from record.store import open_reader

DATAGRAMS = "pmu-udp"
EXCESS = "excess"  # frames that gaps state, and that are there
FSYNC_NS = NS  # that a disk may take: so much a restart may state too many
STARTS = (Cause.FIRST_START, Cause.RESTART)
TRIPPED = Event.CHECK_TRIPPED.name.lower()
Watch = Callable[[Admitted, int], None]  # a measurement, and when it arrived by the bench's clock


class SourceLines(Lines):
    """Lines by the names that gateways give their sources."""

    def __init__(self, table: LeapTable = BUILT_IN) -> None:
        super().__init__("?", {}, table)
        self._runs: dict[bytes, str] = {}

    def add(self, gateway: str, keys: dict[int, str], runs: Iterable[bytes]) -> None:
        self._keys[gateway] = keys
        self._runs.update(dict.fromkeys(runs, gateway))

    def of(self, place: Place, key: str | None = None) -> str:
        gateway = self._runs.get(place.run, "?")
        return line_name(gateway, self._keys.get(gateway, {}).get(place.stream, ""))

    def gateway(self, run_name: bytes) -> str:
        return self._runs.get(run_name, "?")


class Began(NamedTuple):
    """A run, as the record has it."""

    gateway: str
    started: int
    cause: int
    uncertain: bool


class Truth:
    """When it was by the bench's clock that a gateway's showed an instant, where that was set, or
    is at another date."""

    def __init__(self, play: Play) -> None:
        self._ahead_ns = play.stage.ahead_ns
        self._steps: dict[str, list[wall.Step]] = {}
        for deed in play.deeds:
            row = deed.row
            if isinstance(row, Fault) and row.act == "clock-step" and deed.began is not None:
                off_ns = int(row.with_["offset_s"]) * NS
                step = (deed.began, deed.over or play.ended, off_ns)
                self._steps.setdefault(row.gateway or "", []).append(step)

    def ns(self, line: str, shown: int) -> int:
        """`line`: or the gateway alone."""
        true = wall.true_ns(shown, self._steps.get(line.partition(" ")[0], ()))
        return true if true != shown else shown - self._ahead_ns


@dataclass(slots=True)
class Account:
    """All that is known of a play."""

    facts: list[Fact] = field(default_factory=list)
    streams: list[dict[str, Any]] = field(default_factory=list)
    contents: Contents = field(default_factory=Contents)  # of the record
    problems: list[str] = field(default_factory=list)  # what could not be read, in words


def _unwatched(_: Admitted, __: int) -> None:
    """Nobody measures."""


def read(play: Play, watch: Watch = _unwatched) -> Account:
    """`watch` is told each measurement. Raises StoreError, HoldingError, EvidenceError, OSError."""
    era = play.stage.found.era
    lines = SourceLines(era.table) if era else SourceLines()
    found, true = Account(), Truth(play)
    on_disk = Holding(lines)
    with ExitStack() as stack:
        spools = {}
        for name, path in play.spools.items():
            copy = play.stage.folder / f"read-{name}"
            spools[name] = stack.enter_context(closing(SpoolFile(path, copy)))
        runs = _runs(play)
        for name, spool in spools.items():
            its = [key for key, one in runs.items() if one.gateway == name]
            lines.add(name, spool.sources(), {*its, *spool.runs()})
        for spool in spools.values():
            spool.read(on_disk)
    log = _log(play, lines, on_disk, true, watch)
    found.contents = log.contents
    disk, record = on_disk.held, log.holding.held
    holes = list({hole.place: hole for hole in (*record.holes, *disk.holes)}.values())
    _streams(play, log, on_disk, found)
    events = list(_events(log.course, true))
    found.facts += [*events, *_standing(events, runs.values(), true), *log.spans.facts()]
    found.facts += [_gap(hole, true) for hole in holes]
    found.facts += [_began(one, true) for one in runs.values()]
    found.facts += [*seam.facts(play, found.problems), *log.facts]
    return found


class _Log(NamedTuple):
    """What the record's log came to, by who read it."""

    holding: Holding
    course: Course
    spans: Spans
    facts: list[Fact]
    contents: Contents


def _log(play: Play, lines: SourceLines, on_disk: Holding, true: Truth, watch: Watch) -> _Log:
    """Read once, entry by entry, by all who look at it; nobody keeps it."""
    holding, spans = Holding(lines, on_disk.frames), Spans()
    course = Course(play.stage.store, "?", None, lines)
    with ExitStack() as stack:
        store = stack.enter_context(closing(open_reader(play.stage.store)))
        findings, admission = Findings.of(store), Admission(store, lines)
        pmus = _pmus(play)
        said = stack.enter_context(closing(Content(content.pairs_of(pmus))))
        theirs = {line_name(*one) for one in pmus}
        placing = _placing(play, lines)

        def admitted() -> Iterator[Admitted]:
            for step in steps(store):
                holding.take(step)
                for one in course.taken(step):
                    sample = one.sample
                    arrived = true.ns(one.line, sample.tai + sample.heard)
                    spans.add(one.line, arrived, Grade(*findings.grade(one), sample.flags))
                    if one.line in theirs:
                        placing.take(one.line, one.descriptor, sample)
                for frame in admission.taken(step):
                    arrived = true.ns(frame.line, frame.arrived)
                    if frame.line in theirs:
                        said.take(frame.line, frame.tai, arrived, frame.shape, frame.values)
                    watch(frame, arrived)
                    yield frame

        levels = list(level.facts(play.of.level, admitted(), true.ns))
        facts = [*said.facts(), *placing.facts(functools.partial(_is_told, play)), *levels]
        return _Log(holding, course, spans, facts, admission.contents)


def _placing(play: Play, lines: SourceLines) -> Placing:
    era = play.stage.found.era
    inserted = range(era.inserted_tai, era.inserted_tai + NS) if era else range(0)
    return Placing(lambda raw: claimed(raw, lines.table)[0], inserted)


def _is_told(play: Play, line: str) -> bool:
    """Whether a device says what it sent."""
    return play.stage.rig.claims(line.partition(" ")[2]) is not None


def _runs(play: Play) -> dict[bytes, Began]:
    """Of the record, by name; whose each is, by the credential that it acts under."""
    credentials = {made.credential: name for name, made in play.stage.made.items()}
    found: dict[bytes, Began] = {}
    with closing(open_reader(play.stage.store)) as store:
        for entry in store.entries():
            if entry.typ == Typ.RUN:
                message = cose.read(entry.encoded)
                says = run.read(message.payload)
                before = found.get(says.predecessor or b"")
                gateway = credentials.get(says.credential) or (before.gateway if before else "?")
                found[message.name] = Began(gateway, says.started, says.cause, says.uncertain)
    return found


def _events(course: Course, true: Truth) -> Iterator[Fact]:
    for event in course.events:
        noticed = event.noticed
        words = {
            **_where("event", event.line),
            "event": noticed.event.name.lower(),
            "check": noticed.check.name.lower() if noticed.check else "",
            "text": noticed.text,
        }
        at = true.ns(event.line, event.at)
        yield Fact(words, at, at, noticed.count)


def _standing(events: Iterable[Fact], runs: Iterable[Began], true: Truth) -> Iterator[Fact]:
    """Checks that tripped and had not cleared when all ended; of a gateway that was started again,
    since then: what it found before, it did not live to clear."""
    begun: dict[Words, int] = {}
    for one in runs:
        if one.cause in STARTS:
            at = true.ns(one.gateway, one.started)
            begun[one.gateway] = max(begun.get(one.gateway, 0), at)
    last: dict[tuple[Words, ...], Fact] = {}
    for fact in events:
        words = fact.words
        if words["check"]:
            last[words["gateway"], words["device"], words["check"]] = fact
    for fact in last.values():
        words, since = fact.words, fact.begins or 0
        if words["event"] == TRIPPED and since >= begun.get(words["gateway"], 0):
            kept = {name: words[name] for name in ("gateway", "device", "check", "text")}
            yield Fact({"what": "standing", **kept})


def _pmus(play: Play) -> dict[tuple[str, str], tuple[Any, str]]:
    """By gateway and name, those that are there, and what each measures."""
    return {
        (one.gateway, one.name): (one.bus, one.into)
        for one in play.stage.devices()
        if kind.KINDS[one.kind].frames
    }


def _gap(hole: Hole, true: Truth) -> Fact:
    words = {**_where("gap", hole.line), "cause": Cause(hole.cause).name.lower()}
    return Fact(words, true.ns(hole.line, hole.first), true.ns(hole.line, hole.last))


def _began(of: Began, true: Truth) -> Fact:
    words: dict[str, Words] = {
        "what": "run",
        "gateway": of.gateway,
        "cause": Cause(of.cause).name.lower(),
        "uncertain": "yes" if of.uncertain else "no",
    }
    started = true.ns(of.gateway, of.started)
    return Fact(words, started, started)


def _where(what: str, line: str) -> dict[str, Words]:
    gateway, _, device = line.partition(" ")
    return {"what": what, "gateway": gateway, "device": device}


def _streams(play: Play, log: _Log, on_disk: Holding, found: Account) -> None:
    """The figures of each device; those that can be counted are facts, too. What is held of a
    device is gone with it."""
    for device in play.cast.devices:
        if kind.KINDS[device.kind].clock:
            continue
        line = line_name(device.gateway, device.name)
        stream: dict[str, Any] = {
            "device": device.name,
            "gateway": device.gateway,
            "kind": device.kind,
            "bus": device.bus,
            "sealed": log.spans.count(line),
            "up": device.name not in play.stage.absent,
        }
        claims = play.stage.rig.claims(device.name) if kind.KINDS[device.kind].frames else None
        if claims is not None:
            held = log.holding.held.only(line), on_disk.held.only(line)
            first = _first_heard(line, held)
            sent = [0, 0]  # before, and from then on
            for tai, _ in claims:
                sent[tai >= first] += 1
            stream["unheard"] = sent[False]
            since = first if device.kind == DATAGRAMS else 0
            instants = (tai for tai, _ in play.stage.rig.claims(device.name) or () if tai >= since)
            verdict = judge({line: instants}, *held)
            most = excess_max(
                _rate(device), play.stage.gateways[device.gateway].commit_ns(), FSYNC_NS
            )
            stream |= {name: getattr(verdict, name) for name in FIGURES if name != EXCESS}
            stream[EXCESS] = sum(one.frames for one in beyond(verdict, most))
            stream["gaps"] = verdict.gaps
        for side in (log.holding, on_disk):
            side.frames.drop(line)
        found.streams.append(stream)
        for name in ("sealed", *FIGURES):
            if count := stream.get(name):
                found.facts.append(Fact(_where(name, line), count=count))


def _rate(device: Device) -> int:
    """Frames a second of a PMU."""
    of: Any = msgspec.convert(device.with_, kind.KINDS[device.kind].settings)
    return int(of.rate)


def _first_heard(line: str, held: tuple[Held, Held]) -> int:
    """The first instant of a line of which anything was heard: what was sent before that nobody can
    know of, and no gap can name. Of datagrams only these count, since who asked and asked anew at
    another port never had what went to the first.
    """
    known = [Sightings.of(side.frames).first(line) for side in held]
    known += [hole.first for side in held for hole in side.holes]
    return min((tai for tai in known if tai is not None), default=0)
