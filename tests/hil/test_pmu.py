"""A simulated PMU answers, measures the grid on exact instants, and counts what it sent."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.c37118.wire import (
    Command,
    Configuration,
    Format,
    FrameType,
    Layout,
    Stamp,
    decode_configuration,
    decode_header_text,
    encode_configuration,
    parse_header,
)
from evidence.leap import BUILT_IN, NS
from hil.devices.pace import Pace
from hil.devices.pmu import PHASORS_10, Instant, Plant, Pmu, Profile
from hil.grid import Grid, Plan
from tests.hil.listener import WAIT_S, Listener, over_line, over_tcp

PROFILE = Profile(rate=120, analogs=("MW", "COUNT"), digitals=1, place=(45.0, -100.0, 300.0))


@asynccontextmanager
async def heard(profile: Profile, line: bool = False) -> AsyncIterator[tuple[Pmu, Listener]]:
    """One PMU, running, and one listener."""
    plant = Plant(Grid())
    try:
        pmu, address = await (plant.add_line(profile) if line else plant.add_tcp(profile))
        plant.start()
        async with over_line(address) if line else over_tcp(address) as listener:
            yield pmu, listener
    finally:
        await plant.stop()


@pytest.mark.parametrize("line", [False, True], ids=["tcp", "line"])
def test_every_question_is_answered_and_what_was_sent_is_what_was_heard(line: bool) -> None:
    async def talk() -> None:
        async with heard(PROFILE, line) as (pmu, listener):
            text = decode_header_text(await listener.answer(Command.SEND_HDR))
            assert text == PROFILE.header
            for command, kind in (
                (Command.SEND_CFG1, FrameType.CFG1),
                (Command.SEND_CFG2, FrameType.CFG2),
                (Command.SEND_CFG3, FrameType.CFG3),
            ):
                assert await listener.configuration(command) == _as_read(pmu, kind)
            assert not listener.data()  # nobody asked yet
            listener.ask(Command.DATA_ON)
            await listener.until(lambda: len(listener.data()) >= 40)
            listener.ask(Command.DATA_OFF)
            await listener.answer(Command.SEND_HDR)  # whatever was on its way came before
            quiet = len(listener.data())
            await asyncio.sleep(0.05)
            assert len(listener.data()) == quiet == pmu.counts.sent == pmu.counts.written
            assert listener.instants() == pmu.instants()
            assert not listener.bad and not pmu.counts.skipped and not pmu.counts.overrun

    asyncio.run(talk())


def _as_read(pmu: Pmu, kind: FrameType) -> Configuration:
    """The profile's configuration as its own frame would be read: each type states its own part."""
    return decode_configuration(encode_configuration(pmu.profile.configuration(kind), Stamp(1)))


def test_instants_follow_one_another_exactly_and_begin_the_second_with_zero() -> None:
    async def talk() -> None:
        async with heard(replace(PROFILE, spontaneous=True)) as (_, listener):
            await listener.until(lambda: len(listener.data()) >= 150)
            numbers = [soc * 120 + round(count * 120 / 1e6) for soc, count in listener.instants()]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            assert any(count == 0 for _, count in listener.instants())
            assert abs(listener.instants()[-1][0] - time.time()) < 2  # SOC is UTC

    asyncio.run(talk())


FORMATS = [Format(bits) for bits in range(16)]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", [FrameType.CFG2, FrameType.CFG3])
def test_each_format_says_what_the_grid_is(form: Format, kind: FrameType) -> None:
    profile = replace(PROFILE, format=form, phasors=PHASORS_10, bus=2)
    grid = Grid()
    pmu = Pmu(profile, grid, lambda: 0)
    at = Instant(BUILT_IN.tai_ns(1_795_352_230, NS // 2), 1_795_352_230, 60)
    raw = pmu.frame(at)
    layout = Layout(profile.configuration(kind))
    values = layout.decode(raw)
    reading = grid.measured(at.tai_ns, 2, profile.device)
    phasors = layout.phasors(values)
    expected = [*reading.voltages, *reading.currents]
    assert phasors[:6] == [pytest.approx(phasor, rel=1e-3, abs=13) for phasor in expected]
    turn = complex(-0.5, 3**0.5 / 2)
    a, b, c = reading.voltages
    assert phasors[6] == pytest.approx((a + turn * b + turn * turn * c) / 3, rel=1e-3, abs=13)
    named = {slot.quantity: value for slot, value in zip(layout.slots, values, strict=True)}
    assert named["frequency"] == pytest.approx(reading.frequency_hz, abs=6e-4)
    assert named["rocof"] == pytest.approx(reading.rocof_hz_s, abs=6e-3)
    assert named["stat"] == 2 << 6 and named["digital"] == 1
    pairs = zip(reading.voltages, reading.currents, strict=True)
    power_mw = sum(v * i.conjugate() for v, i in pairs).real / 1e6
    analogs = [value for slot, value in zip(layout.slots, values, strict=True) if "MW" in slot.name]
    assert analogs == [pytest.approx(power_mw, abs=0.6)]
    header = parse_header(raw)
    assert (header.soc, header.fracsec, header.time_quality) == (at.soc, 500_000, 0)


def test_two_pmus_at_the_ends_of_the_line_satisfy_its_equations() -> None:
    async def talk() -> None:
        grid = Grid()
        plant = Plant(grid)
        try:
            _, one = await plant.add_tcp(Profile(idcode=1, bus=1, device=1))
            _, two = await plant.add_line(Profile(idcode=2, bus=2, device=2))
            plant.start()
            async with over_tcp(one) as first, over_line(two) as second:
                layout = await first.layout()
                first.ask(Command.DATA_ON, 1)
                second.ask(Command.DATA_ON, 2)
                await first.until(lambda: len(first.data()) >= 30)
                await second.until(lambda: len(second.data()) >= 30)
            ends = [dict(zip(one.instants(), one.data(), strict=True)) for one in (first, second)]
            both = ends[0].keys() & ends[1].keys()
            assert len(both) >= 20
            a, b, _ = grid.line
            for instant in both:
                near, far = (layout.phasors(layout.decode(end[instant])) for end in ends)
                assert abs(a * near[0] - b * near[3] - far[0]) < 0.005 * abs(far[0])
        finally:
            await plant.stop()

    asyncio.run(talk())


def test_clients_do_not_hear_for_one_another() -> None:
    async def talk() -> None:
        plant = Plant(Grid())
        try:
            pmu, address = await plant.add_tcp(PROFILE)
            plant.start()
            async with over_tcp(address) as first, over_tcp(address) as second:
                first.ask(Command.DATA_ON)
                await first.until(lambda: len(first.data()) >= 5)
                assert not second.frames
                second.ask(Command.DATA_ON, idcode=9)  # another PMU's number
                second.ask(Command.DATA_ON)
                await second.until(lambda: len(second.data()) >= 5)
            assert pmu.counts.foreign == 1
            assert pmu.counts.sent < pmu.counts.written
            assert set(second.instants()) <= set(first.instants())
        finally:
            await plant.stop()

    asyncio.run(talk())


def test_faults_on_request_are_heard_and_do_not_count_as_sent() -> None:
    async def talk() -> None:
        async with heard(PROFILE) as (pmu, listener):
            listener.ask(Command.DATA_ON)
            await listener.until(lambda: len(listener.data()) >= 5)
            pmu.spoil(2)
            pmu.say(b"garbage")
            await listener.until(lambda: len(listener.bad) >= 2)
            pmu.skip(3)
            await listener.until(lambda: pmu.counts.skipped >= 3)
            heard_then = len(listener.data())
            await listener.until(lambda: len(listener.data()) > heard_then + 5)
            numbers = [soc * 120 + round(count * 120 / 1e6) for soc, count in listener.instants()]
            lacking = numbers[-1] - numbers[0] + 1 - len(numbers)
            assert 2 + 3 <= lacking <= 2 + pmu.counts.skipped  # spoiled, and those skipped
            pmu.fall_silent()
            await listener.answer(Command.SEND_HDR)  # whatever was on its way came before
            before = len(listener.data())
            await asyncio.sleep(0.1)
            assert len(listener.data()) == before and not listener.closed
            pmu.fall_silent(False)
            await listener.until(lambda: len(listener.data()) > before)
            pmu.hang_up()
            await listener.until(lambda: listener.closed)
            assert pmu.counts.spoiled == 2
            lost = b"".join(bad.raw for bad in listener.bad)
            assert b"garbage" in lost
            assert set(listener.instants()) <= set(pmu.instants())

    asyncio.run(talk())


def test_a_pmu_that_goes_away_comes_back_on_its_port() -> None:
    async def talk() -> None:
        plant = Plant(Grid())
        try:
            pmu, address = await plant.add_tcp(PROFILE)
            plant.start()
            async with over_tcp(address) as listener:
                await listener.layout()
                await plant.port(pmu).close()
                await listener.until(lambda: listener.closed)
            with pytest.raises(ConnectionRefusedError):
                async with over_tcp(address):
                    pass
            await plant.port(pmu).open()
            async with over_tcp(address) as listener:
                await listener.layout()
        finally:
            await plant.stop()

    asyncio.run(talk())


def test_a_change_of_configuration_is_announced_by_stat_and_counted_by_cfgcnt() -> None:
    async def talk() -> None:
        async with heard(PROFILE) as (pmu, listener):
            before = await listener.layout()
            listener.ask(Command.DATA_ON)
            await listener.until(lambda: len(listener.data()) >= 5)
            pmu.reconfigure(replace(PROFILE, phasors=PHASORS_10), announced_frames=10)
            await listener.until(lambda: len(listener.data()[-1]) != before.size)
            after = await listener.layout()
            changes = [
                (before if len(raw) == before.size else after).stats(raw)[0] >> 10 & 1
                for raw in listener.data()
            ]
            assert sum(changes) == 10
            assert after.configuration.stations[0].cfgcnt == 1
            assert after.size == len(listener.data()[-1])

    asyncio.run(talk())


def test_a_client_that_does_not_read_is_dropped_and_costs_no_memory() -> None:
    async def talk() -> None:
        plant = Plant(Grid())
        try:
            pmu, address = await plant.add_tcp(replace(PROFILE, spontaneous=True))
            host, _, port = address.rpartition(":")
            reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
            while pmu.counts.dropped == 0:
                at = pmu.counts.sent
                pmu.tick(Instant(at * NS // 120, at // 120, at % 120))
                assert pmu.counts.sent < 200_000
                if at % 100 == 0:
                    await asyncio.sleep(0)
            assert pmu.counts.dropped == 1
            writer.close()
            assert reader is not None
        finally:
            await plant.stop()

    asyncio.run(talk())


def test_a_line_carries_no_more_than_its_baud_and_says_what_overran() -> None:
    async def talk() -> None:
        plant = Plant(Grid())
        try:
            pmu, path = await plant.add_line(replace(PROFILE, spontaneous=True), baud=19_200)
            plant.start()
            async with over_line(path) as listener:
                started = time.monotonic()
                await listener.until(lambda: len(listener.data()) >= 20)
                elapsed_s = time.monotonic() - started
                assert elapsed_s > 0.95 * 20 * len(listener.data()[0]) * 10 / 19_200
                await listener.until(lambda: pmu.counts.overrun > 0)
                assert not listener.bad
        finally:
            await plant.stop()

    asyncio.run(talk())


class _Recorder:
    def __init__(self) -> None:
        self.ticks: list[Instant] = []
        self.missed = 0

    def tick(self, instant: Instant) -> None:
        self.ticks.append(instant)

    def late(self, instants: int) -> None:
        self.missed += instants


@pytest.mark.parametrize("step_s", [3600, -3600, 1, -10])
def test_the_pace_survives_a_step_of_the_clock(step_s: int) -> None:
    async def walk() -> None:
        base = time.monotonic_ns()
        offset = 1_795_352_267 * NS
        pace, device = Pace(lambda: time.monotonic_ns() - base + offset), _Recorder()
        pace.add(device, 120, phase_us=2000)
        pace.start()
        await asyncio.sleep(0.1)
        before = len(device.ticks)
        offset += step_s * NS
        stepped_ns = time.monotonic_ns()
        await asyncio.sleep(0.15)
        pace.stop()
        expected = (time.monotonic_ns() - stepped_ns) * 120 // NS
        assert all(late_ns < 3 * NS for _, late_ns in pace.lates)  # what is missed is not late
        after = device.ticks[before + 1 :]
        if step_s == 1:  # held up for a second: what was missed is sent late
            assert device.missed == 0 and 115 <= len(after) - expected <= 125
            assert max(late_ns for _, late_ns in pace.lates) > 0.9 * NS
            return
        assert before and 1 <= len(after) <= expected + 3
        assert abs(after[-1].tai_ns - (time.monotonic_ns() - base + offset)) < NS // 4
        assert (device.missed > 3000 * 120) == (step_s == 3600)

    asyncio.run(walk())


@contextmanager
def program(*options: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "hil.devices.pmu", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=WAIT_S)


def test_the_program_says_where_it_is_heard_and_in_the_end_what_it_sent() -> None:
    async def listen(address: str) -> list[tuple[int, int]]:
        async with over_tcp(address) as listener:
            listener.ask(Command.DATA_ON, 7)
            await listener.until(lambda: len(listener.data()) >= 20)
            listener.ask(Command.DATA_OFF, 7)
            await listener.answer(Command.SEND_HDR, 7)
            return listener.instants()

    with program("--idcode", "7", "--rate", "60", "--count", "2", "--spread") as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        assert [pmu["idcode"] for pmu in first["pmus"]] == [7, 8]
        instants = asyncio.run(listen(first["pmus"][0]["tcp"]))
        os.kill(process.pid, signal.SIGTERM)
        out, _ = process.communicate(timeout=WAIT_S)
        last = json.loads(out.splitlines()[-1])
        assert process.returncode == 0
        assert last["sent"] == last["pmus"][0]["sent"] == len(instants) == len(set(instants))


def test_the_program_writes_down_each_instant_and_falls_silent_when_told(tmp_path: Path) -> None:
    sent = tmp_path / "sent"

    async def listen(address: str, pid: int) -> list[tuple[int, int]]:
        async with over_tcp(address) as listener:
            listener.ask(Command.DATA_ON, 7)
            await listener.until(lambda: len(listener.data()) >= 20)
            os.kill(pid, signal.SIGUSR1)
            for _ in range(2):  # it answers, and sends no more data: one was perhaps due before
                await listener.answer(Command.SEND_HDR, 7)
            heard = len(listener.data())
            await asyncio.sleep(0.2)
            assert len(listener.data()) == heard
            return listener.instants()

    with program("--idcode", "7", "--rate", "60", "--sent", str(sent)) as process:
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())["pmus"][0]["tcp"]
        instants = asyncio.run(listen(address, process.pid))
        process.kill()  # whatever ends it, what it sent is written down
        process.wait(WAIT_S)
        expected = [f"7 {BUILT_IN.tai_ns(soc, fracsec * 1000)} 0" for soc, fracsec in instants]
        assert sent.read_text(encoding="ascii").splitlines() == expected


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [("--rate", "500", "rate 500"), ("--tcp", "4712", "HOST:PORT"), ("--phasors", "VX", "'VX'")],
)
def test_a_wrong_option_stops_the_program_by_name(option: str, value: str, named: str) -> None:
    with program(option, value) as process:
        _, error = process.communicate(timeout=WAIT_S)
        assert process.returncode == 2 and named in error


def test_another_seed_is_another_grid_and_the_same_seed_the_same_frames() -> None:
    at = Instant(BUILT_IN.tai_ns(1_795_352_230), 1_795_352_230, 0)
    one, same, other = (Pmu(PROFILE, Grid(Plan(seed=seed)), lambda: 0) for seed in (1, 1, 2))
    assert one.frame(at) == same.frame(at) != other.frame(at)
