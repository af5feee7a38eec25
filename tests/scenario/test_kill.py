"""Programs killed in the middle, over real sockets and a pseudo-terminal: what was durable stays.

1. Every program is the shipped one, a process of its own (hil.child); the files are provisioning's.
2. What the spool holds is read from a copy taken right after the kill, as a technician would.
"""

import asyncio
import json
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import pytest

from agent import status
from agent.commit import State
from agent.spool import Spool
from drivers.c37118.frame import parse_header
from evidence import cbor, cose, descriptor, gap, head, observation, run
from evidence.code import Cause, Flag, Kind, Typ
from evidence.leap import BUILT_IN, NS
from hil.child import Child
from hil.devices.pace import tai_now
from hil.ledger import Ledger
from hil.loopback import free_port
from provisioning.init import ANCHORS, GATEWAY, RECORD, InitRequest, initialise
from provisioning.source import SourceRequest
from record.store import open_reader

READY_S, END_S, DRAIN_S, SILENT_S = 30.0, 20.0, 30.0, 0.3
PLAY_S = 150.0  # ten seconds on a quiet machine
pytestmark = pytest.mark.timeout(PLAY_S + 10)
RATE, BAUD = 60, 115_200
TIME_BASE_NS = 1000  # of the simulated PMUs' FRACSEC
ROUNDING_NS = 1000  # FRACSEC counts in steps of a microsecond
LOOKS_MAX = 50  # until nothing is heard any more
BUSES = ("Bus 1", "Bus 2")

Place = tuple[bytes, int, int]  # run, stream, seq


class Kept(NamedTuple):
    """What a spool's copy holds: links by their place, and receipts by their batch."""

    links: dict[Place, bytes]
    receipts: dict[bytes, bytes]


class Site:
    """Two PMUs, a record and a gateway in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.site = folder, folder / "site"
        self.children: list[Child] = []
        self.pmus: list[Child] = []
        self.record: Child | None = None
        self.agent: Child | None = None

    def child(self, name: str, module: str, *arguments: str) -> Child:
        log = self.folder / f"{name}-{len(self.children)}.log"
        found = Child(name, module, list(arguments), log)
        self.children.append(found)
        return found

    async def start(self) -> None:
        """Everything, until the agent hears both PMUs."""
        tcp = await self.pmu("--tcp", "127.0.0.1:0", "--idcode", "7")
        pty = await self.pmu("--pty", "--baud", str(BAUD), "--idcode", "8")
        host, _, port = tcp["tcp"].rpartition(":")
        sources = [
            SourceRequest(
                "pmu-a", "c37118+tcp", {"host": host, "port": int(port), "idcode": 7}, BUSES[0]
            ),
            SourceRequest(
                "pmu-b", "c37118+serial", {"path": pty["pty"], "baud": BAUD, "idcode": 8}, BUSES[1]
            ),
        ]
        request = InitRequest(
            self.site, listen=("127.0.0.1", free_port()), sources=sources, buses=BUSES, role="bench"
        )
        initialise(request, int(time.time()), os.urandom)
        await self.serve()
        await self.seal()

    async def pmu(self, *options: str) -> dict[str, Any]:
        found = self.child("pmu", "hil.devices.pmu", "--rate", str(RATE), *options)
        self.pmus.append(found)
        await found.says("\n", READY_S)
        told: dict[str, Any] = json.loads(found.said().splitlines()[0])["pmus"][0]
        return told

    async def serve(self) -> None:
        self.record = self.child("record", "record.cli", "serve", "--config", self.at(RECORD))
        await self.record.says("listens on", READY_S)

    async def seal(self) -> None:
        self.agent = self.child("agent", "agent.cli", "run", "--config", self.at(GATEWAY))
        await self.agent.says(" runs, ", READY_S)
        await self.until(lambda told: all(one["sealed"] for one in told["sources"].values()))

    def at(self, name: str) -> str:
        return str(self.site / name)

    async def told(self) -> dict[str, Any] | None:
        try:
            return await asyncio.to_thread(status.ask, self.site / "spool.db")
        except (OSError, ValueError):
            return None

    async def until(self, holds: Any) -> dict[str, Any]:
        """Until the agent's account is so."""
        until = time.monotonic() + DRAIN_S
        told = None
        while time.monotonic() < until:
            told = await self.told()
            if told is not None and told["sources"] and holds(told):
                return told
            assert self.agent is not None
            self.agent.check()
            await asyncio.sleep(0.02)
        raise AssertionError(f"the agent did not come so far: {told}")

    async def heard(self) -> int:
        """Frames, by the agent's account."""
        told = await self.until(lambda _: True)
        return sum(int(one["heard"]) for one in told["sources"].values())

    async def fall_silent(self) -> None:
        """The PMUs measure no more, and what they sent is heard: a line that ends takes with it
        what is still on it."""
        for pmu in self.pmus:
            os.kill(pmu.pid, signal.SIGUSR1)
        before = -1
        for _ in range(LOOKS_MAX):
            if (heard := await self.heard()) == before:
                return
            before = heard
            await asyncio.sleep(SILENT_S)
        raise AssertionError("the lines do not fall silent")

    async def end(self) -> list[dict[str, Any]]:
        """PMUs, agent, record, in this order, each asked; what the PMUs counted."""
        await self.fall_silent()
        counted = []
        for pmu in self.pmus:
            assert await pmu.end(END_S) == 0
            counted.append(json.loads(pmu.last_line())["pmus"][0])
        told = await self.until(
            lambda told: told["waiting"] == 0 and told["durable"] == told["sealed"]
        )
        assert (told["refused"], told["bugs"], told["spool_fault"]) == (0, 0, "")
        for child in (self.agent, self.record):
            assert child is not None
            assert await child.end(END_S) == 0, child.said()
        verify = self.child(
            "verify", "record.cli", "verify", self.at("record.db"), "--anchors", self.at(ANCHORS)
        )
        assert await verify.ended(END_S) == 0, verify.said()
        return counted

    def kept(self) -> Kept:
        """What is durable in the spool, from a copy: the spool itself is not touched."""
        copy = Path(self.folder / f"copy-{time.monotonic_ns()}")
        copy.mkdir()
        for path in self.site.glob("spool.db*"):
            if path.suffix in (".db", ".db-wal"):
                shutil.copy(path, copy / path.name)
        spool = Spool(copy / "spool.db")
        try:
            links: dict[Place, bytes] = {}
            found = spool.find()
            assert found.taken is not None
        finally:
            spool.close()
        with apsw.Connection(str(copy / "spool.db"), flags=apsw.SQLITE_OPEN_READWRITE) as db:
            for parts, data in db.execute("SELECT parts, links FROM piece ORDER BY id"):
                encoded = observation.split(data)
                for stream, of, _, first, last, *_ in cbor.decode(parts):
                    for seq in range(first, last + 1):
                        assert links.setdefault((of, stream, seq), one := next(encoded)) == one
                assert next(encoded, None) is None
            query = "SELECT name, answer FROM batch WHERE state = ?"
            receipts = dict(db.execute(query, (int(State.RECEIPTED),)))
        db.close()
        return Kept(links, receipts)


class Held(NamedTuple):
    """What a record holds: links by place, receipts by batch, its runs, and data instants as the
    devices have them, `early` of them from before the configuration: sealed as they arrived.
    """

    links: dict[Place, bytes]
    receipts: dict[bytes, bytes]
    runs: list[run.Run]
    instants: dict[int, list[int]]  # by IDCODE, ns TAI
    gaps: dict[int, list[gap.Gap]]  # by IDCODE
    early: dict[int, set[int]]
    late_ns: dict[int, int]  # how late those came at most, by IDCODE


def held(path: Path, live: bool = False) -> Held:
    """Everything in the record. Fails where one place bears two contents."""
    found = Held({}, {}, [], {7: [], 8: []}, {7: [], 8: []}, {7: set(), 8: set()}, {7: 0, 8: 0})
    idcodes: dict[int, int] = {}  # by stream
    stated: list[tuple[int, gap.Gap]] = []
    of: dict[bytes, bytes] = {}  # descriptor: run
    store = open_reader(path, live)
    try:
        for entry in store.entries():
            message = cose.read(entry.encoded)
            if entry.typ == Typ.RUN:
                found.runs.append(run.read(message.payload))
            elif entry.typ == Typ.DESCRIPTOR:
                of[message.name] = descriptor.read(message.payload).run
            elif entry.typ == Typ.HEAD:
                found.receipts[entry.subject] = entry.receipt
                body, at = store.body(entry.idx) or b"", 0
                for part in head.read(message.payload).ranges:
                    for seq in range(part.first_seq, part.last_seq + 1):
                        sample, _, end = observation.read_at(body, at)
                        assert (sample.stream, sample.seq) == (part.stream, seq)
                        place = (of[part.descriptor], part.stream, seq)
                        assert place not in found.links, "one place, twice in the record"
                        found.links[place] = body[at:end]
                        at = end
                        if sample.kind == Kind.C37118:
                            header = parse_header(sample.raw)
                            idcode = idcodes[part.stream] = header.idcode
                            tai = sample.tai
                            if sample.flags & Flag.AGENT_STAMPED:
                                tai = BUILT_IN.tai_ns(header.soc, header.fracsec * TIME_BASE_NS)
                                found.early[idcode].add(tai)
                                late_ns = max(found.late_ns[idcode], sample.tai - tai)
                                found.late_ns[idcode] = late_ns
                            found.instants[idcode].append(tai)
                        elif sample.kind == Kind.GAP:
                            stated.append((part.stream, gap.read(sample.raw)))
    finally:
        store.close()
    for stream, hole in stated:
        found.gaps[idcodes[stream]].append(hole)
    return found


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Site]:
    site = Site(folder)
    try:
        await site.start()
        yield site
    finally:
        for child in site.children:
            child.kill()


def missing(instants: list[int]) -> Iterator[int]:
    """The instants of RATE between the first and the last that are not there."""
    there = {round(tai * RATE / NS) for tai in instants}
    for number in range(min(there), max(there) + 1):
        if number not in there:
            yield number * NS // RATE


def check_instants(found: Held) -> None:
    """Each instant is there once, or in a stated hole of its stream, and in none if it is there."""
    for idcode, instants in found.instants.items():
        assert len(set(instants)) == len(instants), f"an instant of {idcode} twice"
        holes = [(hole.first, hole.last) for hole in found.gaps[idcode]]
        for tai in missing(instants):
            if max(one for one in instants if one < tai) in found.early[idcode]:
                continue  # told to stop, and then asked for its configuration: nothing was sent
            assert any(first - ROUNDING_NS <= tai <= last for first, last in holes), (
                f"{idcode} lacks {tai}, stated {holes}"
            )
        # One across a start ends when the first frame arrived: what was on its way is within it.
        certain = [
            (hole.first, hole.last - (hole.cause == Cause.RESTART) * found.late_ns[idcode])
            for hole in found.gaps[idcode]
        ]
        for tai in set(instants) - found.early[idcode]:
            assert not any(first <= tai <= last for first, last in certain), f"{tai} is there"


async def passed(seconds: float) -> tuple[int, int]:
    """So long, and a little more on a busy machine: from when to when, ns TAI."""
    begun = tai_now()
    await asyncio.sleep(seconds)
    return begun, tai_now()


def test_killed_agent_loses_nothing_that_was_durable(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as site:
            before: list[Kept] = []
            spans: list[tuple[int, int]] = []  # in which an agent was there, ns TAI
            for uneven_s in (1.13, 0.71):
                spans.append(await passed(uneven_s))
                assert site.agent is not None
                site.agent.kill()
                before.append(site.kept())
                await site.seal()
            spans.append(await passed(0.5))
            counted = await site.end()
            last, found = site.kept(), held(site.site / "record.db")
            for kept in (*before, last):
                assert kept.links
                for place, encoded in kept.links.items():
                    assert found.links.get(place) == encoded
                for name, receipt in kept.receipts.items():
                    assert found.receipts[name] == receipt
            assert set(found.links) == set(last.links)  # the spool keeps for days: it has them all
            assert [one.cause for one in found.runs] == [
                Cause.FIRST_START, Cause.RESTART, Cause.RESTART,
            ]  # fmt: skip
            assert [one.lost is not None for one in found.runs] == [False, True, True]
            for holes in found.gaps.values():
                assert [hole.cause for hole in holes].count(Cause.RESTART) == 2
            check_instants(found)
            for pmu in counted:  # most of what was sent to an agent is there
                instants = found.instants[pmu["idcode"]]
                there = sum(first <= tai <= last for first, last in spans for tai in instants)
                assert there > RATE * sum(last - first for first, last in spans) / NS * 0.5
                assert len(instants) <= pmu["sent"]
            ledger = Ledger(site.site / "record.db")
            ledger.look(live=False)
            ledger.close()
            assert ledger.repeated == 0 and ledger.observations == len(found.links)

    asyncio.run(asyncio.wait_for(play(), PLAY_S))


def test_killed_record_loses_nothing(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as site:
            told = await site.until(lambda told: told["receipted"] > 20)
            # Receipts become durable with the next commit, which is of what was sealed by then.
            await site.until(lambda now: now["durable"] > told["sealed"])
            assert site.record is not None and site.agent is not None
            site.record.kill()
            os.kill(site.agent.pid, signal.SIGSTOP)  # a copy of one state
            kept = site.kept()  # the receipts that the agent holds now are promises
            os.kill(site.agent.pid, signal.SIGCONT)
            await asyncio.sleep(0.8)
            await site.until(lambda told: told["waiting"] > 0 and told["record"] != "up")
            await site.serve()
            counted = await site.end()
            found, last = held(site.site / "record.db"), site.kept()
            assert kept.receipts
            for name, receipt in (*kept.receipts.items(), *last.receipts.items()):
                assert found.receipts[name] == receipt
            assert found.links == last.links
            assert [one.cause for one in found.runs] == [Cause.FIRST_START]
            for pmu in counted:
                assert len(set(found.instants[pmu["idcode"]])) == pmu["sent"]
                assert not list(missing(found.instants[pmu["idcode"]]))

    asyncio.run(asyncio.wait_for(play(), PLAY_S))
