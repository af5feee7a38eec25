"""What a play left, read from the files of record and spools: facts, and figures of each stream.

1. No program's own word goes in: frames are those that devices wrote down as they sent them, and
   what is committed in the files (hil.faults.holding, judge, course). Those of a real device are
   not known, and so neither is what was lost of them: its gaps are.
2. The record is read once, for all who count, judge or measure what is in it (hil.faults.step).
3. A line is one device at one gateway, by the names of the scenario.
4. Instants are ns TAI; who shows them puts them on the scenario's clock.

It judges nothing: hil.live.verdict does.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

from evidence import cose, run
from evidence.code import Cause, Class, Event, Flag, Reason, Typ
from evidence.leap import BUILT_IN, NS, LeapTable
from evidence.observation import Sample
from hil.fact import Fact, Words
from hil.faults import wall
from hil.faults.course import Course
from hil.faults.doubt import Told
from hil.faults.holding import Holding, Lines, SpoolFile, line_name
from hil.faults.judge import Held, Hole, Place, beyond, excess_max, judge
from hil.faults.step import steps
from hil.live import content, kind, level, seam
from hil.live.content import Frame
from hil.live.play import Play
from hil.live.sheet import Device, Fault
from hil.live.words import BACK, FIGURES, INSERTED, MISPLACED
from hil.report.admitted import Admission, Admitted, Contents
from record.known import Known
from record.store import open_reader

DATAGRAMS = "pmu-udp"
EXCESS = "excess"  # frames that gaps state, and that are there
FSYNC_NS = NS  # that a disk may take: so much a restart may state too many
STARTS = (Cause.FIRST_START, Cause.RESTART)
TRIPPED = Event.CHECK_TRIPPED.name.lower()
APART_NS = 1_000_000_000  # samples that belong to one stretch
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


def _unwatched(_: Admitted, __: int) -> None:
    """Nobody measures."""


def read(play: Play, watch: Watch = _unwatched) -> Account:
    """`watch` is told each measurement. Raises StoreError, HoldingError, EvidenceError, OSError."""
    era = play.stage.found.era
    lines = SourceLines(era.table) if era else SourceLines()
    found, true = Account(), Truth(play)
    with ExitStack() as stack:
        spools = {}
        for name, path in play.spools.items():
            copy = play.stage.folder / f"read-{name}"
            spools[name] = stack.enter_context(closing(SpoolFile(path, copy)))
        runs = _runs(play)
        for name, spool in spools.items():
            its = [key for key, one in runs.items() if one.gateway == name]
            lines.add(name, spool.sources(), {*its, *spool.runs()})
        disk = Held()
        for spool in spools.values():
            held = spool.held(lines)
            disk.frames += held.frames
            disk.holes += held.holes
            disk.runs |= held.runs
    log = _log(play, lines, true, watch)
    of_record, found.contents = log.held, log.contents
    told = _told(play, log.course, found, true)
    found.facts += list(_standing(found.facts, runs.values(), true))
    holes = list({hole.place: hole for hole in (*of_record.holes, *disk.holes)}.values())
    _streams(play, of_record, disk, told, found)
    found.facts += [_gap(hole, true) for hole in holes]
    found.facts += [_began(one, true) for one in runs.values()]
    found.facts += [*seam.facts(play), *log.levels]
    return found


class _Log(NamedTuple):
    """What the record's log came to, by who read it."""

    held: Held
    course: Course
    contents: Contents
    levels: list[Fact]


def _log(play: Play, lines: SourceLines, true: Truth, watch: Watch) -> _Log:
    holding, course = Holding(lines), Course(play.stage.store, "?", None, lines)
    with closing(open_reader(play.stage.store)) as store:
        admission = Admission(store, lines)

        def admitted() -> Iterator[Admitted]:
            for step in steps(store):
                holding.take(step)
                course.take(step)
                for frame in admission.taken(step):
                    watch(frame, true.ns(frame.line, frame.arrived))
                    yield frame

        levels = list(level.facts(play.of.level, admitted(), true.ns))
    return _Log(holding.held, course, admission.contents, levels)


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


def _told(play: Play, course: Course, found: Account, true: Truth) -> list[Told]:
    """Every measurement with its class; events go among the facts."""
    told = [one._replace(arrived=true.ns(one.line, one.arrived)) for one in course.told()]
    for event in course.events:
        noticed = event.noticed
        words = {
            **_where("event", event.line),
            "event": noticed.event.name.lower(),
            "check": noticed.check.name.lower() if noticed.check else "",
            "text": noticed.text,
        }
        at = true.ns(event.line, event.at)
        found.facts.append(Fact(words, at, at, noticed.count))
    found.facts += _spans(told)
    found.facts += _contents(play, course.frames(), true)
    return told


def _standing(facts: Sequence[Fact], runs: Iterable[Began], true: Truth) -> Iterator[Fact]:
    """Checks that tripped and had not cleared when all ended; of a gateway that was started again,
    since then: what it found before, it did not live to clear."""
    begun: dict[Words, int] = {}
    for one in runs:
        if one.cause in STARTS:
            at = true.ns(one.gateway, one.started)
            begun[one.gateway] = max(begun.get(one.gateway, 0), at)
    last: dict[tuple[Words, ...], Fact] = {}
    for fact in facts:
        words = fact.words
        if fact.what == "event" and words["check"]:
            last[words["gateway"], words["device"], words["check"]] = fact
    for fact in last.values():
        words, since = fact.words, fact.begins or 0
        if words["event"] == TRIPPED and since >= begun.get(words["gateway"], 0):
            kept = {name: words[name] for name in ("gateway", "device", "check", "text")}
            yield Fact({"what": "standing", **kept})


def _contents(play: Play, frames: Iterable[tuple[str, bytes, Sample]], true: Truth) -> list[Fact]:
    """What frames of PMUs say, and say of each other."""
    pmus = {
        (one.gateway, one.name): (one.bus, one.into)
        for one in play.cast.devices
        if kind.KINDS[one.kind].frames
    }
    lines = {line_name(*one) for one in pmus}
    their = [
        Frame(line, name, sample, true.ns(line, sample.tai + sample.heard))
        for line, name, sample in frames
        if line in lines
    ]
    with closing(open_reader(play.stage.store)) as store:
        found = content.facts(their, Known(store), content.pairs_of(pmus))
    return [*found, *_instants(play, their)]


def _instants(play: Play, frames: Iterable[Frame]) -> Iterator[Fact]:
    """The instants that frames were sealed under, in that order, against those that were sent."""
    era = play.stage.found.era
    inserted = range(era.inserted_tai, era.inserted_tai + NS) if era else range(0)
    chains: dict[tuple[str, bytes], list[Sample]] = {}  # a descriptor's are of one run
    for one in frames:
        chains.setdefault((one.line, one.descriptor), []).append(one.sample)
    for (line, _), samples in chains.items():
        where = _where("instant", line)
        claims = play.stage.rig.claims(str(where["device"]))
        sealed = [one.tai for one in sorted(samples, key=lambda one: one.seq)]
        sent = {tai for tai, _ in claims} if claims is not None else set(sealed)
        counts = {
            MISPLACED: sum(tai not in sent for tai in sealed),
            BACK: sum(after <= before for before, after in pairwise(sealed)),
            INSERTED: sum(tai in inserted for tai in sealed),
        }
        for how, count in counts.items():
            if count:
                yield Fact({**where, "how": how}, count=count)


def _spans(told: Iterable[Told]) -> Iterator[Fact]:
    """Samples of one line, class and flags, one soon after the other, as a fact each."""
    open_: dict[str, list[Told]] = {}
    for one in sorted(told, key=lambda one: one.arrived):
        before = open_.get(one.line)
        if before and _alike(before[-1], one):
            before.append(one)
            continue
        if before:
            yield _span(before)
        open_[one.line] = [one]
    for rest in open_.values():
        yield _span(rest)


def _alike(one: Told, other: Told) -> bool:
    same = (one.klass, one.reason, one.flags) == (other.klass, other.reason, other.flags)
    return same and other.arrived - one.arrived < APART_NS


def _span(of: list[Told]) -> Fact:
    first = of[0]
    words: dict[str, Words] = {
        **_where("samples", first.line),
        "class": Class(first.klass).name.lower(),
        "reason": Reason(first.reason).name.lower() if first.reason else "",
        "flags": tuple(flag.name.lower() for flag in Flag(first.flags) if flag.name),
    }
    instants = array("q", [one.arrived for one in of])
    return Fact(words, first.arrived, of[-1].arrived, len(of), instants=instants)


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


def _streams(play: Play, record: Held, disk: Held, told: Iterable[Told], found: Account) -> None:
    """The figures of each device; those that can be counted are facts, too."""
    sealed: dict[str, int] = {}
    for one in told:
        sealed[one.line] = sealed.get(one.line, 0) + 1
    in_record, on_disk = _by_line(record), _by_line(disk)
    for device in play.cast.devices:
        if kind.KINDS[device.kind].clock:
            continue
        line = line_name(device.gateway, device.name)
        stream: dict[str, Any] = {
            "device": device.name,
            "gateway": device.gateway,
            "kind": device.kind,
            "bus": device.bus,
            "sealed": sealed.get(line, 0),
            "up": device.name not in play.stage.absent,
        }
        claims = play.stage.rig.claims(device.name) if kind.KINDS[device.kind].frames else None
        if claims is not None:
            held = (
                in_record.get(line, Held(runs=record.runs)),
                on_disk.get(line, Held(runs=disk.runs)),
            )
            sent = [tai for tai, _ in claims]
            heard = _heard(sent, held)
            stream["unheard"] = len(sent) - len(heard)
            verdict = judge({line: heard if device.kind == DATAGRAMS else sent}, *held)
            most = excess_max(
                _rate(device), play.stage.gateways[device.gateway].commit_ns(), FSYNC_NS
            )
            stream |= {name: getattr(verdict, name) for name in FIGURES if name != EXCESS}
            stream[EXCESS] = sum(one.frames for one in beyond(verdict, most))
            stream["gaps"] = verdict.gaps
        found.streams.append(stream)
        for name in ("sealed", *FIGURES):
            if count := stream.get(name):
                found.facts.append(Fact(_where(name, line), count=count))


def _rate(device: Device) -> int:
    """Frames a second of a PMU."""
    of: Any = msgspec.convert(device.with_, kind.KINDS[device.kind].settings)
    return int(of.rate)


def _heard(sent: list[int], held: tuple[Held, Held]) -> list[int]:
    """What a device sent, from the first on of which anything was heard: what was sent before that
    nobody can know of, and no gap can name. Of datagrams only these count, since who asked and
    asked anew at another port never had what went to the first.
    """
    known = [one.tai for side in held for one in side.frames]
    known += [hole.first for side in held for hole in side.holes]
    first = min(known, default=0)
    return [tai for tai in sent if tai >= first]


def _by_line(held: Held) -> dict[str, Held]:
    """What is held of each line, with all runs."""
    found: dict[str, Held] = {}

    def of(line: str) -> Held:
        return found.setdefault(line, Held(runs=held.runs))

    for frame in held.frames:
        of(frame.line).frames.append(frame)
    for hole in held.holes:
        of(hole.line).holes.append(hole)
    return found
