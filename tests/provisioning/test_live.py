"""What a gateway's devices say now: by its own lines, or by what the agent that has them sealed."""

import asyncio
import contextlib
import functools
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from agent import config
from agent.clock import SystemClock, leap_table
from drivers.line import Frame, Instant
from evidence.code import Kind
from evidence.config import ConfigError
from evidence.leap import BUILT_IN, NS
from hil.child import Child
from hil.devices.pmu import PHASORS_10, Plant, Pmu, Profile
from hil.grid import Grid
from provisioning import live
from provisioning.init import GATEWAY, InitRequest, initialise
from provisioning.snapshot import Snapshot
from provisioning.source import SourceRequest

NOW_S = 1_790_000_000
HEAR_S = 1.5
FOUND_S = 20.0
CLOCK = SystemClock(BUILT_IN)


def run(test: Callable[[Path], Coroutine[Any, Any, None]]) -> Callable[[Path], None]:
    """The test in a loop of its own."""

    @functools.wraps(test)
    def inner(tmp_path: Path) -> None:
        asyncio.run(test(tmp_path))

    return inner


@contextlib.asynccontextmanager
async def site(folder: Path) -> AsyncIterator[tuple[Plant, Pmu]]:
    """Two simulated PMUs, one on TCP and one on a pseudo-terminal, and a gateway's folder."""
    plant = Plant(Grid())
    try:
        tcp = Profile("PMU A", 7, 1, 1, 30, phasors=PHASORS_10, analogs=("MW", "MVAR"))
        pmu_a, address = await plant.add_tcp(tcp)
        _, path = await plant.add_line(Profile("PMU B", 8, 2, 2, 30), 115_200)
        host, _, port = address.rpartition(":")
        sources = (
            SourceRequest(
                "pmu-a", "c37118+tcp", {"host": host, "port": int(port), "idcode": 7}, "Bus 1"
            ),
            SourceRequest("pmu-b", "c37118+serial", {"path": path, "idcode": 8}, "Bus 2"),
        )
        initialise(InitRequest(folder, role="bench", sources=sources), NOW_S, os.urandom)
        plant.start()
        yield plant, pmu_a
    finally:
        await plant.stop()


def told(found: list[Snapshot]) -> tuple[Snapshot, Snapshot]:
    one, two = found
    return one, two


def check_values(a: Snapshot, b: Snapshot) -> None:
    assert (a.source, a.station, a.idcode, a.rate) == ("pmu-a", "PMU A", 7, (30, 1))
    assert (b.source, b.station, b.idcode, b.rate) == ("pmu-b", "PMU B", 8, (30, 1))
    assert [one.phase for one in a.phasors] == [*"ABCABC", *"1212"]
    assert [one.quantity for one in a.phasors[:6]] == ["voltage"] * 3 + ["current"] * 3
    assert {one.bus for one in a.phasors} == {"Bus 1"}
    assert {one.bus for one in b.phasors} == {"Bus 2"}
    for one in (*a.phasors[:3], *b.phasors[:3]):
        assert one.magnitude == pytest.approx(345_000 / 3**0.5, rel=0.03)
        assert -180 < one.degrees <= 180
    assert (a.phasors[0].degrees - a.phasors[1].degrees) % 360 == pytest.approx(120, abs=1)
    assert a.frequency_hz == pytest.approx(60, abs=0.2)
    assert {label for label, _, _ in a.values} == {"MW", "MVAR"}
    assert a.bound_ns == 1000


@run
async def test_a_moment_of_what_the_lines_say(tmp_path):
    async with site(tmp_path / "site") as (plant, _):
        sketch = config.sketch(tmp_path / "site" / GATEWAY)
        a, b = told(await live.moment(sketch, CLOCK, HEAR_S))
        check_values(a, b)
        assert a.heard_rate == pytest.approx(30, rel=0.1)
        assert a.frames > 20
        assert not a.faults
        assert not a.trouble
        await asyncio.sleep(1.0)  # what was asked to be off has been told, on the slowest line
        sent = plant.report()["sent"]
        await asyncio.sleep(0.5)
        assert plant.report()["sent"] == sent, "the lines are closed again, and data is off"


@run
async def test_what_is_heard_changes_from_look_to_look_and_says_when_a_line_is_away(tmp_path):
    async with site(tmp_path / "site") as (plant, pmu):
        sketch = config.sketch(tmp_path / "site" / GATEWAY)
        async with contextlib.aclosing(live.watch(sketch, CLOCK, 0.1)) as looks:
            seen = set()
            async with asyncio.timeout(FOUND_S):
                async for found in looks:
                    seen.add(told(found)[0].tai)
                    if len(seen) > 4:
                        break
                await plant.port(pmu).close()
                async for found in looks:
                    if told(found)[0].trouble:
                        break
        a, b = told(found)
        assert "refused" in a.trouble or "closed" in a.trouble
        assert not b.trouble


@run
async def test_of_a_source_that_is_not_there_the_trouble_is_told_and_nothing_made_up(tmp_path):
    async with site(tmp_path / "site") as (plant, pmu):
        await plant.port(pmu).close()
        sketch = config.sketch(tmp_path / "site" / GATEWAY)
        a, b = told(await live.moment(sketch, CLOCK, HEAR_S))
        assert (a.tai, a.phasors, a.frames, a.heard_rate) == (None, (), 0, None)
        assert "refused" in a.trouble
        assert b.frames


@run
async def test_the_line_is_the_agents_while_one_runs(tmp_path):
    async with site(tmp_path / "site") as (plant, pmu):
        path = tmp_path / "site" / GATEWAY
        agent = Child("agent", "agent.cli", ["run", "--config", str(path)], tmp_path / "agent.log")
        try:
            await agent.says(" runs, ", FOUND_S)
            sketch = config.sketch(path)
            async with contextlib.aclosing(live.watch(sketch, CLOCK, 0.1)) as looks:
                async with asyncio.timeout(FOUND_S):
                    async for found in looks:
                        rates = [one.heard_rate for one in found]
                        if all(one.frames > 20 for one in found) and all(rates):
                            break
            check_values(*told(found))
            assert found[0].heard_rate == pytest.approx(30, rel=0.15)
            assert pmu.counts.commands < 8, "it asks no PMU whose line is the agent's"
            assert len(pmu._clients) == 1
        finally:
            await agent.end(FOUND_S)
        await asyncio.sleep(0.2)
        a, _ = told(await live.moment(config.sketch(path), CLOCK, HEAR_S))
        assert a.frames, "and nobody's when it has gone"


def test_what_a_network_holds_back_is_no_other_rate():
    """A link that brings three tenths of a second at once, at the end of what was counted."""
    ear = live.Ear("7", CLOCK)
    for at in range(120):
        tai = NOW_S * NS + at * NS // 30
        late_ns = 300_000_000 if at < 30 else 0
        heard = Instant(tai + late_ns, None)
        ear.take(Frame("7", Kind.C37118, b"", tai, None, 0, 0, heard))
        if at % 8 == 0:
            ear.rate()
    assert ear.rate() == pytest.approx(30, rel=0.01)


def test_a_device_whose_clock_stands_still_has_the_rate_of_its_arrivals():
    ear = live.Ear("7", CLOCK)
    for at in range(60):
        heard = Instant(NOW_S * NS + at * NS // 30, None)
        ear.take(Frame("7", Kind.C37118, b"", NOW_S * NS, None, 0, 0, heard))
    assert ear.rate() == pytest.approx(30, rel=0.01)


def test_the_clock_goes_by_the_gateways_list_of_leap_seconds(tmp_path):
    folder = tmp_path / "site"
    initialise(InitRequest(folder), NOW_S, os.urandom)
    path, listed = folder / GATEWAY, folder / "leap-seconds.list"
    path.write_text(
        path.read_text().replace("[clock]\n", f'[clock]\nleap_seconds = "{listed.name}"\n')
    )
    with pytest.raises(ConfigError, match=listed.name):
        live.clock_of(config.sketch(path))
    vectors = Path(__file__).parents[1] / "vectors" / "evidence"
    listed.write_bytes((vectors / listed.name).read_bytes())
    assert live.clock_of(config.sketch(path)).table == leap_table(listed)
