"""The IEEE 1344 driver over real TCP, UDP and a pseudo-terminal, against a simulated PMU."""

from dataclasses import replace
from pathlib import Path

import pytest

from agent.clock import SystemClock
from drivers import registry
from drivers.ieee1344.wire import Layout, encode_configuration
from drivers.line import Block, Driver, Frame, LinkError, Setup, Source
from evidence.code import Kind, TimeSource
from evidence.config import ConfigError
from evidence.leap import BUILT_IN, NS
from hil.devices.ieee1344 import PROFILE as PLAIN
from hil.devices.ieee1344 import Ieee1344Pmu
from hil.devices.pmu import LinePort, Plant, SplitPort, TcpPort, UdpPort
from hil.grid import Grid
from tests.drivers.udp import LOOPBACK, SHORT, address, free_port, play, until

PROFILE = replace(PLAIN, idcode=7, rate=60, time_base=2880, digitals=1)
WAYS = ["tcp", "udp", "split", "serial"]


async def served(plant: Plant, way: str) -> tuple[Ieee1344Pmu, dict[str, object]]:
    """A PMU that is heard this way, and the options of a source that hears it."""
    pmu = plant.pmu(PROFILE, kind=Ieee1344Pmu)
    assert isinstance(pmu, Ieee1344Pmu)
    if way == "serial":
        path = await plant.place("pty", LinePort([pmu], 115_200), [pmu])
        return pmu, {"path": path, "baud": 115_200}
    options: dict[str, object] = {}
    if way == "tcp":
        place = await plant.place("tcp", TcpPort([pmu]), [pmu])
    elif way == "udp":
        place = await plant.place("udp", UdpPort([pmu], (LOOPBACK, 0)), [pmu])
    else:
        local = free_port()
        place = await plant.place("split", SplitPort([pmu], LOOPBACK, 0, local), [pmu])
        options = {"commands_by": "tcp", "local_port": local, "local_host": LOOPBACK}
    host, port = address(place)
    return pmu, options | {"host": host, "port": port}


def opened(way: str, **options: object) -> Driver:
    scheme = {"split": "ieee1344+udp"}.get(way, f"ieee1344+{way}")
    clock = SystemClock(BUILT_IN)
    return registry.open_driver(Source("bench", scheme, SHORT | options), clock)


async def data(made: Driver, count: int) -> list[Frame]:
    found: list[Frame] = []
    while len(found) < count:
        found += [
            one
            for one in await made.read()
            if isinstance(one, Frame) and one.kind == Kind.IEEE1344 and one.fault is None
        ]
    return found


async def ruled(made: Driver) -> Block:
    """The block of the next Setup that states one."""
    while True:
        for one in await made.read():
            if isinstance(one, Setup) and one.blocks:
                return one.blocks[0]


@pytest.mark.parametrize("way", WAYS)
def test_asked_and_heard(way: str):
    async def scenario(plant: Plant) -> None:
        pmu, options = await served(plant, way)
        plant.start()
        made = opened(way, idcode=7, time_bound_ns=1000, samples_per_s=2880, **options)
        try:
            (setup,) = await made.open()
            assert (setup.kind, setup.rate) == (Kind.IEEE1344, (60, 1))
            frames = await data(made, 30)
        finally:
            await made.close()
        assert all((one.source, one.bound) == (TimeSource.DEVICE, 1000) for one in frames)
        told = [(BUILT_IN.tai_ns(soc, 0) + (at * NS + 1440) // 2880) for soc, at in pmu.instants()]
        assert [one.tai for one in frames] == told[: len(frames)]
        values = Layout(pmu.configuration()).decode(frames[0].raw)
        reading = plant.grid.measured(frames[0].tai, 1, PROFILE.device)
        assert complex(*values[1:3]) == pytest.approx(reading.voltages[0], rel=5e-3)
        await until(lambda: pmu.counts.commands == 4)  # off, configuration, on, off
        assert not pmu.counts.foreign and not pmu.counts.bad

    play(scenario)


def test_samples_a_second_are_learned_from_a_running_pmu():
    async def scenario(plant: Plant) -> None:
        pmu, options = await served(plant, "tcp")
        plant.start()
        made = opened("tcp", idcode=7, time_bound_ns=1000, **options)
        try:
            await made.open()
            frames = await data(made, 130)  # a second ends among these
        finally:
            await made.close()
        told = [(BUILT_IN.tai_ns(soc, 0) + (at * NS + 1440) // 2880) for soc, at in pmu.instants()]
        assert [one.tai for one in frames] == told[: len(frames)]
        # The first sample of a second is sure of itself, whatever the rate.
        bounds = [one.bound for one in frames if one.tai % NS]
        assert bounds == sorted(bounds, key=lambda one: one is not None) and bounds[-1] == 1000

    play(scenario)


def test_a_pmu_that_sends_unasked_under_a_configuration_on_file(tmp_path: Path):
    async def scenario(plant: Plant) -> None:
        local = free_port()
        pmu = plant.pmu(replace(PROFILE, spontaneous=True), kind=Ieee1344Pmu)
        assert isinstance(pmu, Ieee1344Pmu)
        port = UdpPort([pmu], (LOOPBACK, 0), (LOOPBACK, local))
        await plant.place("udp", port, [pmu])
        raw = b"".join(encode_configuration(pmu.configuration(), 1_700_000_000, 0, 60))
        (tmp_path / "pmu.cfg").write_text(raw.hex(), encoding="ascii")
        options = {"configuration": str(tmp_path / "pmu.cfg"), "local_port": local}
        made = opened("udp", commands="none", **options)
        assert made.expected() == (pmu.configuration().data_bytes(), (60, 1))
        try:
            (setup,) = await made.open()
            assert setup.configuration == raw
            plant.start()
            await data(made, 10)
        finally:
            await made.close()
        assert pmu.counts.commands == 0

    play(scenario)


def test_a_configuration_in_parts_and_one_that_changes():
    async def scenario(plant: Plant) -> None:
        pmu = plant.pmu(replace(PROFILE, fragment_bytes_max=60), kind=Ieee1344Pmu)
        place = await plant.place("tcp", TcpPort([pmu]), [pmu])
        plant.start()
        host, port = address(place)
        made = opened("tcp", idcode=7, host=host, port=port)
        try:
            await made.open()
            first = await ruled(made)
            pmu.reconfigure(replace(pmu.profile, digitals=3))
            assert len((await ruled(made)).channels) == len(first.channels) + 2
        finally:
            await made.close()

    play(scenario)


def test_a_pmu_that_falls_silent():
    async def scenario(plant: Plant) -> None:
        pmu, options = await served(plant, "tcp")
        plant.start()
        made = opened("tcp", idcode=7, silence_s=0.3, **options)
        try:
            await made.open()
            await data(made, 3)
            pmu.fall_silent()
            with pytest.raises(LinkError, match="silent for"):
                await data(made, 1000)
        finally:
            await made.close()

    play(scenario)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"host": "x"}, "idcode"),
        ({"host": "x", "idcode": 7, "samples_per_s": 0}, "samples_per_s"),
        ({"host": "x", "idcode": 7, "prefer": [2]}, "prefer"),
        ({"host": "x", "idcode": 1 << 40}, "idcode"),
    ],
)
def test_options_are_refused_by_name(options: dict[str, object], text: str):
    with pytest.raises(ConfigError, match=text):
        opened("tcp", **options).expected()


def test_a_file_of_another_pmu_is_refused(tmp_path: Path):
    raw = encode_configuration(Ieee1344Pmu(PROFILE, Grid(), lambda: 0).configuration(), 1)
    (tmp_path / "cfg").write_bytes(b"".join(raw))
    made = opened("tcp", host="x", idcode=8, configuration=str(tmp_path / "cfg"))
    with pytest.raises(ConfigError, match="of IDCODE 7, idcode = 8"):
        made.expected()
