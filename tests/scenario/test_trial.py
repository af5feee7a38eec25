"""A test that somebody declares, from the command line to the record: nothing measured while one
may inject is ever worth anything, whatever happens to the agent, and all else is as it was.

Every program is the shipped one, a process of its own; what is asserted of the record is read from
its file after `gridseal-record verify` has found that everything holds.
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from evidence import cose, event, head, observation, receipt
from evidence.code import Class, Event, Flag, Kind, Typ
from evidence.event import Noticed
from evidence.leap import NS
from evidence.observation import Sample
from hil.devices.pace import tai_now
from hil.loopback import free_port
from provisioning.init import InitRequest, initialise
from provisioning.source import SourceRequest
from record.cli import main as record_main
from record.store import open_reader
from tests.scenario.test_kill import BUSES, END_S, RATE, Site

WAIT_S = 20.0
BEFORE_NS = NS  # what was measured so long before had been heard
MEASURED = (Kind.C37118,)
pytestmark = pytest.mark.timeout(120)
PMU_A, PMU_B = "pmu-a", "pmu-b"


class Graded(NamedTuple):
    sample: Sample
    klass: Class


class Trialled(Site):
    """Two PMUs of one gateway, none of a bench."""

    async def start(self) -> None:
        sources = []
        for name, idcode, bus in ((PMU_A, 7, BUSES[0]), (PMU_B, 8, BUSES[1])):
            told = await self.pmu("--tcp", "127.0.0.1:0", "--idcode", str(idcode))
            host, _, port = told["tcp"].rpartition(":")
            options = {"host": host, "port": int(port), "idcode": idcode}
            sources.append(SourceRequest(name, "c37118+tcp", options, bus))
        listen = ("127.0.0.1", free_port())
        initialise(
            InitRequest(self.site, gateway="gw-1", listen=listen, sources=sources, buses=BUSES),
            int(time.time()),
            os.urandom,
        )
        await self.serve()
        await self.seal()

    async def mode(self, *words: str, code: int = 0) -> dict[str, Any]:
        """What `test-mode` says."""
        told = self.child("test-mode", "provisioning.cli", "test-mode", *words, "--json")
        assert await told.ended(WAIT_S) == code, told.said()
        found: dict[str, Any] = json.loads(told.last_line())
        return found

    async def begin(self, reason: str, *more: str, code: int = 0) -> dict[str, Any]:
        words = ("--stream", PMU_A, "--reason", reason, "--by", "A. Tester")
        return await self.mode("start", str(self.site), *words, *more, code=code)

    async def stop(self) -> dict[str, Any]:
        return await self.mode("stop", str(self.site), "--stream", PMU_A)

    async def words(self) -> str:
        child = self.child("status", "agent.cli", "status", "--config", self.at("gateway.toml"))
        assert await child.ended(END_S) == 0, child.said()
        return child.said()


def graded(path: Path) -> dict[int, list[Graded]]:
    """Each observation with its class by its receipt, in order, by stream."""
    found: dict[int, list[Graded]] = {}
    store = open_reader(path)
    try:
        for entry in store.entries():
            if entry.typ != Typ.HEAD:
                continue
            classed = receipt.read(cose.read(entry.receipt).payload).classed
            body, at = store.body(entry.idx) or b"", 0
            for part in head.read(cose.read(entry.encoded).payload).ranges:
                for seq in range(part.first_seq, part.last_seq + 1):
                    sample, _, at = observation.read_at(body, at)
                    klass = next(
                        (
                            Class(one.klass)
                            for one in classed
                            if one.stream == part.stream and one.first_seq <= seq <= one.last_seq
                        ),
                        Class.SETTLEABLE,
                    )
                    found.setdefault(part.stream, []).append(Graded(sample, klass))
    finally:
        store.close()
    return found


def measured(found: list[Graded]) -> list[Graded]:
    return [one for one in found if one.sample.kind in MEASURED]


def events(found: list[Graded]) -> list[Noticed]:
    read = [event.read(one.sample.raw) for one in found if one.sample.kind == Kind.EVENT]
    return [one for one in read if one.event in (Event.TEST_BEGAN, Event.TEST_ENDED)]


def of(found: dict[int, list[Graded]], tested: bool) -> list[Graded]:
    """The PMU that was tested, or the other: the streams of PMUs, as far as they carry events."""
    pmus = [ones for ones in found.values() if measured(ones)]
    assert len(pmus) == 2
    (one,) = [ones for ones in pmus if bool(events(ones)) is tested]
    return one


SETTLES = {Class.SETTLEABLE, Class.PLACE_UNCHECKED}


def check_settles(ones: list[Graded]) -> None:
    """All but those from before the configuration, which are sealed as they came."""
    classes = {one.klass for one in ones if not one.sample.flags & Flag.AGENT_STAMPED}
    assert ones and classes <= SETTLES


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Trialled]:
    site = Trialled(folder)
    try:
        await site.start()
        yield site
    finally:
        for child in site.children:
            child.kill()


def test_what_is_injected_between_start_and_stop_never_settles(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def play() -> tuple[int, int, int, int]:
        async with running(tmp_path) as site:
            await asyncio.sleep(2)
            typed = tai_now()
            told = await site.begin("secondary injection of CT 3")
            injects = tai_now()  # whatever is measured from now on may be injected
            assert told["on"] and told["from"].endswith("Z")
            await asyncio.sleep(0.7)
            words = await site.words()
            assert "TEST of pmu-a, on, " in words and "secondary injection of CT 3" in words
            assert (await site.mode("show", str(site.site)))["tests"][0]["flag"] == "on"
            ends = tai_now()
            assert (await site.stop())["off"]
            off = tai_now()
            await asyncio.sleep(0.7)
            assert "TEST" not in await site.words()
            await site.end()
            return typed, injects, ends, off

    typed, injects, ends, off = asyncio.run(asyncio.wait_for(play(), 110))
    found = graded(tmp_path / "site" / "record.db")
    tested = of(found, True)
    within = [one for one in measured(tested) if injects <= one.sample.tai <= ends]
    assert len(within) > RATE // 2
    assert {one.klass for one in within} == {Class.TEST}
    assert all(one.sample.flags & Flag.TEST for one in within)
    check_settles([one for one in measured(tested) if one.sample.tai < typed - BEFORE_NS])
    check_settles([one for one in measured(tested) if one.sample.tai > off])
    check_settles(measured(of(found, False)))
    began, ended = events(tested)
    assert (began.event, ended.event) == (Event.TEST_BEGAN, Event.TEST_ENDED)
    assert "secondary injection of CT 3 (by A. Tester, since " in began.text
    assert "stopped by word" in ended.text
    assert began.first == ended.first <= injects and ends <= ended.last <= off
    seq = within[len(within) // 2].sample.seq
    store = str(tmp_path / "site" / "record.db")
    capsys.readouterr()
    assert record_main(["show", store, "--sample", f"gw-1/pmu-a/{seq}"]) == 0
    assert "secondary injection of CT 3 (by A. Tester" in capsys.readouterr().out


def test_a_power_cut_amid_a_test_lets_no_sample_of_it_through(tmp_path: Path) -> None:
    async def play() -> tuple[int, int, int, int]:
        async with running(tmp_path) as site:
            assert (await site.begin("injection", "--max", "1h"))["on"]
            injects = tai_now()
            await asyncio.sleep(1.2)
            assert site.agent is not None
            site.agent.kill()
            again = tai_now()
            await site.seal()
            told = await site.until(lambda told: told["sources"][PMU_A]["sealed"] > RATE)
            assert told["tests"][0]["left_s"] < 3600, "a restart does not begin it anew"
            ends = tai_now()
            assert (await site.stop())["off"]
            off = tai_now()
            await asyncio.sleep(0.5)
            await site.end()
            return injects, again, ends, off

    injects, again, ends, off = asyncio.run(asyncio.wait_for(play(), 110))
    found = graded(tmp_path / "site" / "record.db")
    tested = of(found, True)
    within = [one for one in measured(tested) if injects <= one.sample.tai <= ends]
    assert [one for one in within if one.sample.tai > again]
    assert {one.klass for one in within} == {Class.TEST}
    check_settles([one for one in measured(tested) if one.sample.tai > off])
    check_settles(measured(of(found, False)))
    assert [one.event for one in events(tested)] == [
        Event.TEST_BEGAN,
        Event.TEST_BEGAN,
        Event.TEST_ENDED,
    ]


def test_it_ends_by_itself(tmp_path: Path) -> None:
    async def play() -> tuple[int, int, int]:
        async with running(tmp_path) as site:
            assert (await site.begin("injection", "--max", "4s"))["on"]
            injects = tai_now()
            await site.until(lambda told: [one["state"] for one in told["tests"]] != ["on"])
            ends = tai_now()
            await site.until(lambda told: not told["tests"])
            off = tai_now()
            await asyncio.sleep(0.5)
            await site.end()
            return injects, ends, off

    injects, ends, off = asyncio.run(asyncio.wait_for(play(), 110))
    tested = of(graded(tmp_path / "site" / "record.db"), True)
    first, last = events(tested)
    assert last.event == Event.TEST_ENDED and "its time was over" in last.text
    assert last.last - first.first < 4 * NS + 4 * NS  # a busy machine looks late
    until = last.last
    within = [one for one in measured(tested) if injects <= one.sample.tai <= until]
    assert within and {one.klass for one in within} == {Class.TEST}
    assert until <= ends
    check_settles([one for one in measured(tested) if one.sample.tai > off])


def test_without_an_agent_nobody_is_told_to_inject(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as site:
            assert site.agent is not None
            assert await site.agent.end(END_S) == 0
            told = await site.begin("injection", code=1)
            assert not told["on"] and "no agent runs" in told["why"]
            assert (await site.mode("show", str(site.site), code=1))["tests"][0]["flag"] == "off"
            typed = tai_now()
            await site.seal()  # in force at its start
            await site.until(lambda told: told["tests"] and told["tests"][0]["state"] == "on")
            await asyncio.sleep(0.3)
            whole = site.site / "test-mode.new"
            whole.write_text("[[test]\n", encoding="utf-8")
            whole.replace(site.site / "test-mode.toml")  # it is read at any moment
            told = await site.until(lambda told: told["tests_fault"])
            assert "not TOML" in told["tests_fault"] and told["tests"][0]["state"] == "on"
            assert "TEST MODE NOT KNOWN" in await site.words()
            assert "not TOML" in site.agent.said()
            ends = tai_now()
            await site.end()
            found = graded(site.site / "record.db")
            within = [one for one in measured(of(found, True)) if typed < one.sample.tai < ends]
            assert within and {one.klass for one in within} == {Class.TEST}

    asyncio.run(asyncio.wait_for(play(), 110))
