"""A night that documents tell of: a line whose two ends are settled, a handoff, claims that
contradict each other and one with a hostile text, and a relay's trip in GOOSE frames that other
people's implementations sent (the captures), with its owner's record.

Everything is the shipped code, but for the gateways, which are tests' own.
"""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from drivers.goose.session import Session, Terms
from drivers.line import Frame, Instant, Setup
from evidence import cose, instant, observation
from evidence.code import Flag, Kind, Matter, Part, Role, Step
from evidence.joint.claim import Claim, Figure
from evidence.joint.decision import Decision, Event
from evidence.joint.handoff import Request, Taken
from evidence.joint.record import Observed, Record
from evidence.leap import BUILT_IN, NS
from hil.pcap import Tally, packets
from record.cli import main
from tests.evidence.joint.sharing import (
    EAST,
    KEYS,
    STATE,
    WEST,
    handoff_parts,
    listing,
    lists,
    name_of,
    record,
    signed,
)
from tests.record.gateway import DAY_S, LOCKED, START, Gateway, GatewayRun, Statement, id_of
from tests.record.settle.border import LINE, RATE, SIDES, Pmu, Shared
from tests.record.settle.test_job import I1, I2, SECONDS, V1, V2, both, settle

HEARD = instant.read("2026-11-22T12:48:00Z")  # of the frames; the captures are of that day
LATER = HEARD + 3600 * NS  # the log's clock when it had them
RELAY, SIMULATED, OLD = 1, 2, 3  # streams
HOSTILE = '=HYPERLINK("x"),\r\n<img src=x onerror=alert(1)>\u202e\x00Süd'
OWNER = "North Wires"
ELSEWHERE = replace(SIDES[0], node=b"\x09" * 16, terminal=b"\x0a" * 16)


class Relay(NamedTuple):
    """What was heard of the relays. `trip`: the frame of the change, and where it is."""

    run: GatewayRun
    frame: bytes
    trip: Observed


class Night(NamedTuple):
    """The record, its anchors beside it, and what is in it."""

    folder: Path
    relay: Relay
    operation: Record
    handed: Record

    @property
    def place(self) -> Path:
        return self.folder / "record.db"

    @property
    def anchors(self) -> Path:
        return self.folder / "anchors.toml"

    def bundle(self, out: str, begins: int, ends: int, *more: str) -> Path:
        """A bundle's documents."""
        argv = ["reconstruct", str(self.place), "--anchors", str(self.anchors)]
        argv += ["--from", instant.words(begins), "--to", instant.words(ends)]
        assert main([*argv, "--out", str(self.folder / out), *more]) == 0
        return self.folder / out / "documents"


def fill(folder: Path, captures: Path) -> Night:
    shared = Shared(folder / "record.db", LINE)
    both(shared, LINE, (V1, I1), (V2, I2))
    _simulate(shared)
    settled = settle(shared, LINE)
    shared.agree(settled.record(WEST), EAST)
    shared.agree(lists(listing(OWNER, Role.TO, at=("WEST",))), EAST, STATE)
    handed = _handoff(shared)
    for one in claims():
        shared.say(one)
    relay = hear(shared, captures)
    operation = _operation(relay)
    shared.upstream.send(Statement(signed(operation)), now=LATER)
    shared.upstream.close()
    return Night(folder, relay, operation, handed)


def _simulate(shared: Shared) -> None:
    """Half a second of a PMU elsewhere, whose gateway says that it is a simulation."""
    pmu = Pmu(shared, ELSEWHERE)
    for number in range(RATE // 2):
        pmu.say(number, V1, I1, flags=LOCKED | int(Flag.SIMULATED))
    pmu.push()


def said(
    matter: Matter, author: str, body: bytes, *parents: bytes | Observed, **more: object
) -> Record:
    fields = {
        "footprints": ("WEST",), "begins": START, "ends": START + SECONDS * NS,
        "parents": parents, "body": body,
    }  # fmt: skip
    return record(matter, author, **(fields | more))


def claims() -> list[Record]:
    """Of one element: a frequency that differs beyond its rounding, a time, and a hostile text."""
    begins = "Rotating outages begin"
    rows = (
        (WEST, Claim(begins, "one paper", (Figure("least frequency", "Hz", 59.3, 0.1),)), 0),
        (EAST, Claim(begins, "=another", (Figure("least frequency", "Hz", 59.1, 0.1),)), 1),
        (STATE, Claim(HOSTILE, HOSTILE, (Figure("load", "MW", -5e-05),)), 0),
    )
    return [
        said(
            Matter.CLAIM, author, of.body(), footprints=("EAST", "WEST"),
            begins=START + after * NS, ends=START + 2 * NS,
        )
        for author, of, after in rows
    ]  # fmt: skip


def _handoff(shared: Shared) -> Record:
    """Requested, accepted, active, returned, a second each."""
    parts = {"parts": handoff_parts(WEST, EAST), "footprints": ("EAST", "WEST")}
    asks = Request("South Line: switching", (), (), NS).body()
    request = said(Matter.HANDOFF, EAST, asks, **parts)
    shared.agree(request, WEST)
    before = name_of(request)
    for number, (step, author, other) in enumerate(
        ((Step.ACCEPTED, WEST, EAST), (Step.ACTIVE, EAST, WEST), (Step.RETURNED, EAST, WEST)), 1
    ):
        body = Taken(step, name_of(request), before, step.name.lower()).body()
        at = {"begins": START + number * NS, "ends": START + number * NS + 1}
        taken = said(Matter.HANDOFF, author, body, before, **(parts | at))
        shared.agree(taken, other)
        before = name_of(taken)
    return request


# --- relays ---------------------------------------------------------------------------------------


def hear(shared: Shared, captures: Path) -> Relay:
    """Frames of libiec61850 (a data set that changes), of a GE F650 whose clock was never set, and
    of libiec61850 again (all types, simulated)."""
    start_s = BUILT_IN.utc_ns(HEARD) // NS
    gateway = Gateway(
        "relays", KEYS[WEST], issuer=WEST, not_before_s=start_s - DAY_S,
        expires_s=start_s + DAY_S, buses=(SIDES[0].node,),
    )  # fmt: skip
    run = gateway.start(started=HEARD)
    for statement in (gateway.statement, run.statement):
        shared.upstream.send(statement, now=LATER)
    batches, changes = _Batches(shared, run), []
    for stream, name, within_s in (
        (RELAY, "selfmade/libiec61850_goose_sv.pcap", None),
        (OLD, "goose/GOOSE.pcap", 600),
        (SIMULATED, "selfmade/pyiec61850ng_goose_alltypes_sim.pcap", None),
    ):
        changes += _hear(batches, stream, captures / name, within_s)
    batches.push()
    return Relay(run, changes[1], batches.place_of(changes[1]))


class _Batches:
    """What a run's gateway sends: its batches, and where in them a frame is."""

    def __init__(self, shared: Shared, run: GatewayRun) -> None:
        self.shared, self.run = shared, run
        self._sent: list[bytes] = []

    def push(self) -> None:
        """What is pending, if there is any."""
        if any(line.pending for line in self.run.lines.values()):
            self._sent.append(self.run.cut())
            self.shared.upstream.push(self._sent[-1], LATER)

    def place_of(self, frame: bytes) -> Observed:
        for batch in self._sent:
            body = batch[len(cose.read_at(batch, 0)[0].encoded) :]
            raws = [observation.read_at(link, 0)[0].raw for link in observation.split(body)]
            if frame in raws:
                return Observed(id_of(batch), raws.index(frame))
        raise AssertionError(f"no batch has {frame.hex()}")


def _hear(batches: _Batches, stream: int, path: Path, after_s: int | None) -> list[bytes]:
    """`after_s`: a capture of another year is heard so long after HEARD."""
    run, session, samples = batches.run, Session(Terms()), []
    first = None
    for packet in packets(path.read_bytes(), Tally()):
        first = packet.ts_ns if first is None else first
        at = BUILT_IN.tai_ns(*divmod(packet.ts_ns, NS))
        if after_s is not None:
            at = HEARD + after_s * NS + packet.ts_ns - first
        for item in session.accept(packet.data, Instant(at, 1000)):
            simulated = item.key.endswith(" simulated")
            if simulated != (stream == SIMULATED):
                continue
            if isinstance(item, Setup):
                batches.push()
                channels = [(0, one.name) for one in item.blocks[0].channels]
                described = run.describe(
                    stream, item.configuration or None, SIDES[0].node, int(Kind.GOOSE),
                    channels=channels, source=("relay", item.key), tai=at, rate=(0, 0),
                )  # fmt: skip
                batches.shared.upstream.send(described, now=LATER)
            else:
                _observe(run, stream, item)
                if item.kind == Kind.GOOSE:
                    samples.append(item.raw)
    return samples


def _observe(run: GatewayRun, stream: int, item: Frame) -> None:
    if item.fault is None:
        run.observe(
            stream, item.raw, item.tai, bound=item.bound, source=int(item.source),
            flags=int(item.flags), heard=item.heard.tai - item.tai,
            heard_bound=item.heard.bound, kind=int(item.kind),
        )  # fmt: skip


def _operation(relay: Relay) -> Record:
    at = instant.read("2026-11-22T12:48:05.6Z")
    body = Decision(SIDES[0].node, "52-1", 210.0, "zone 1", (Event(0, at, "tripped"),)).body()
    return said(
        Matter.RELAY_OPERATION, OWNER, body, relay.trip, parts=((Part.OWNER, OWNER),),
        begins=HEARD, ends=HEARD + 600 * NS, elements=("52-1",),
    )  # fmt: skip
