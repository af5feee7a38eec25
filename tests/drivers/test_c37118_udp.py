"""The driver over real datagrams: asked by UDP or by TCP, unasked, from one PMU or many, to a
group; and what a network does to them.
"""

import asyncio
import socket
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from agent.clock import SystemClock
from drivers import registry
from drivers.c37118.driver import UdpDriver
from drivers.c37118.wire import (
    FrameType,
    Stamp,
    encode_configuration,
    parse_header,
)
from drivers.line import LinkError, Setup, Source
from evidence.config import ConfigError
from evidence.leap import BUILT_IN
from hil.devices.pmu import Plant, Profile, SplitPort, TcpPort, UdpPort
from tests.drivers.namespace import ADDRESS, INTERFACE, alone
from tests.drivers.pmu import configuration
from tests.drivers.udp import LOOPBACK, SHORT, address, data, driver, free_port, play, until

PROFILE = Profile(idcode=7, rate=60)


def test_commands_and_data_by_udp():
    async def scenario(plant: Plant) -> None:
        (pmu,), place = await plant.add_udp([PROFILE])
        plant.start()
        host, port = address(place)
        made = driver(host=host, port=port, idcode=7)
        try:
            (setup,) = await made.open()
            assert setup.key == "idcode=7" and setup.rate == (60, 1)
            frames = await data(made, 20)
        finally:
            await made.close()
        assert [one.tai for one in frames] == sorted({one.tai for one in frames})
        assert all(one.bound == 1000 for one in frames)  # of PMU_TQ 2
        await until(lambda: pmu.counts.commands == 4)  # data off, CFG-3, data on, data off
        assert pmu.counts.foreign == pmu.counts.bad == 0
        sent = pmu.counts.sent
        await asyncio.sleep(0.1)
        assert pmu.counts.sent == sent

    play(scenario)


def test_commands_by_tcp_and_data_by_udp():
    async def scenario(plant: Plant) -> None:
        pmu, data_port = plant.pmu(PROFILE), free_port()
        place = await plant.place("split", SplitPort([pmu], LOOPBACK, 0, data_port), [pmu])
        plant.start()
        host, port = address(place)
        made = driver(
            host=host, port=port, idcode=7, commands_by="tcp", local_port=data_port,
            local_host=LOOPBACK,
        )  # fmt: skip
        try:
            (setup,) = await made.open()
            assert setup.configuration
            await data(made, 20)
            pmu.hang_up()
            with pytest.raises(LinkError, match="closed by the peer"):
                while True:
                    await data(made, 1)
        finally:
            await made.close()

    play(scenario)


@pytest.mark.parametrize("told", ["file", "stream"])
def test_unasked_and_what_it_is_said_by(told: str, tmp_path: Path):
    """Nothing is sent. The configuration is on file, or comes in the stream now and then."""

    async def scenario(plant: Plant) -> None:
        local = free_port()
        (pmu,), _ = await plant.add_udp(
            [replace(PROFILE, spontaneous=True)], (LOOPBACK, 0), (LOOPBACK, local)
        )
        raw = encode_configuration(PROFILE.configuration(FrameType.CFG2), Stamp(1))
        (tmp_path / "cfg").write_bytes(raw if told == "file" else b"")
        options = {"configuration": str(tmp_path / "cfg")} if told == "file" else {}
        made = driver(commands="none", local_port=local, **options)
        try:
            setups = await made.open()
            assert [one.configuration for one in setups] == ([raw] if told == "file" else [])
            plant.start()
            if told == "stream":
                assert (await data(made, 3))[0].bound is None  # of the gateway's own clock
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                    other.sendto(raw, (LOOPBACK, local))
                setup = await next_setup(made)
                assert setup.configuration == raw
            assert (await data(made, 3))[-1].bound == 1000
        finally:
            await made.close()
        assert pmu.counts.commands == 0

    play(scenario)


async def next_setup(made: UdpDriver) -> Setup:
    """The next one that states a configuration."""
    while True:
        for item in await made.read():
            if isinstance(item, Setup) and item.configuration:
                return item


def test_several_idcodes_on_one_port_each_with_its_own_configuration_on_file(tmp_path: Path):
    profiles = [replace(PROFILE, idcode=one, rate=rate, spontaneous=True)
                for one, rate in ((7, 60), (8, 30), (9, 60))]  # fmt: skip
    raws = [encode_configuration(one.configuration(FrameType.CFG3), Stamp(1)) for one in profiles]
    (tmp_path / "cfg").write_text(b"".join(raws).hex(), encoding="ascii")

    async def scenario(plant: Plant) -> None:
        local = free_port()
        await plant.add_udp(profiles, (LOOPBACK, 0), (LOOPBACK, local))
        made = driver(commands="none", local_port=local, configuration=str(tmp_path / "cfg"))
        try:
            setups = await made.open()
            assert [(one.key, one.configuration) for one in setups] == [
                (f"idcode={one.idcode}", raw) for one, raw in zip(profiles, raws, strict=True)
            ]
            plant.start()
            frames = await data(made, 10, [one.key for one in setups])
        finally:
            await made.close()
        for idcode, period in ((7, 60), (8, 30), (9, 60)):
            instants = [one.tai for one in frames if one.key == f"idcode={idcode}"]
            steps = {b - a for a, b in pairwise(instants)}
            assert all(abs(step - 1_000_000_000 // period) < 1001 for step in steps)

    play(scenario)


@pytest.mark.parametrize("by", ["udp", "tcp"])
def test_each_of_several_idcodes_is_asked_for_its_own(by: str):
    """A concentrator that serves three streams at one place; a fourth is stated, and never
    there."""

    async def scenario(plant: Plant) -> None:
        pmus = [plant.pmu(replace(PROFILE, idcode=one)) for one in (7, 8, 9)]
        if by == "udp":
            place = await plant.place("udp", UdpPort(pmus, (LOOPBACK, 0)), pmus)
        else:
            place = await plant.place("tcp", TcpPort(pmus), pmus)
        plant.start()
        host, port = address(place)
        options: dict[str, object] = {"host": host, "port": port, "idcodes": [7, 8, 9, 10]}
        source = Source("bench", f"c37118+{by}", SHORT | options)
        made = registry.open_driver(source, SystemClock(BUILT_IN))
        try:
            setups = await made.open()
            assert sorted(one.key for one in setups) == ["idcode=7", "idcode=8", "idcode=9"]
            await data(made, 5, [one.key for one in setups])  # type: ignore[arg-type]
        finally:
            await made.close()

    play(scenario)


def test_one_of_several_that_restarts_is_told_to_send_again():
    """It forgot who asked, while the other talks on: the line as such is not silent."""

    async def scenario(plant: Plant) -> None:
        pmus = [plant.pmu(replace(PROFILE, idcode=one)) for one in (7, 8)]
        place = await plant.place("udp", UdpPort(pmus, (LOOPBACK, 0)), pmus)
        plant.start()
        host, port = address(place)
        made = driver(host=host, port=port, idcodes=[7, 8], silence_s=0.5)
        try:
            await made.open()
            await data(made, 5, ["idcode=7", "idcode=8"])
            steady, commands = pmus[0].counts, pmus[0].counts.commands
            for client in pmus[1]._clients:
                client.on = False
            frames = await data(made, 60, ["idcode=8"])
            assert any(one.key == "idcode=7" for one in frames)
            assert made.counts["data_asked_again"] and steady.commands == commands
        finally:
            await made.close()

    play(scenario)


def test_one_that_comes_late_is_asked_and_told_to_send():
    async def scenario(plant: Plant) -> None:
        there, late = (plant.pmu(replace(PROFILE, idcode=one)) for one in (7, 8))
        port = UdpPort([there, late], (LOOPBACK, 0))
        place = await plant.place("udp", port, [there])
        heard, late.heard = late.heard, lambda *_: None  # type: ignore[method-assign]
        plant.start()
        host, number = address(place)
        made = driver(host=host, port=number, idcodes=[7, 8], silence_s=0.5)
        try:
            (setup,) = await made.open()
            assert setup.key == "idcode=7"
            await data(made, 5)  # what it was told is long past
            late.heard = heard  # type: ignore[method-assign]
            await data(made, 5, ["idcode=7", "idcode=8"])
        finally:
            await made.close()

    play(scenario)


def test_one_that_answers_does_not_wait_for_one_that_is_not_there():
    """A second and more of asking for IDCODE 9: the data of 7 are heard from the start of it."""

    async def scenario(plant: Plant) -> None:
        pmu = plant.pmu(PROFILE)
        place = await plant.place("udp", UdpPort([pmu], (LOOPBACK, 0)), [pmu])
        plant.start()
        host, port = address(place)
        made = driver(host=host, port=port, idcodes=[7, 9], ask_timeout_s=0.5)
        try:
            await made.open()
            assert pmu.counts.sent > 30  # of 60 a second
            frames = await data(made, pmu.counts.sent)
            assert len({one.tai for one in frames}) == len(frames) >= 30
        finally:
            await made.close()

    play(scenario)


GROUPS = [("239.77.7.1", "239.77.7.2"), ("ff15::77:7", "ff15::77:8")]


@pytest.mark.parametrize(("group", "other"), GROUPS)
def test_a_group_joined_on_an_interface(group: str, other: str):
    """Two gateways hear it; one that joined another group at the same port does not."""

    async def scenario(plant: Plant) -> None:
        local = free_port()
        anywhere = "0.0.0.0" if "." in group else "::"
        spontaneous = replace(PROFILE, spontaneous=True)
        await plant.add_udp([spontaneous], (anywhere, 0), (group, local), INTERFACE)
        options = {"commands": "none", "local_port": local, "interface": INTERFACE}
        heard = [driver(group=group, **options), driver(group=group, **options)]
        deaf = driver(group=other, silence_s=0.5, **options)
        try:
            for made in (*heard, deaf):
                await made.open()
            plant.start()
            for made in heard:
                await data(made, 10)
            with pytest.raises(LinkError, match="silent"):
                await deaf.read()
        finally:
            for made in (*heard, deaf):
                await made.close()

    alone(lambda: play(scenario))


def test_a_group_is_not_told_to_fall_silent():
    """Others hear it, too: a configuration and data are asked for, data off never."""

    async def scenario(plant: Plant) -> None:
        local, group = free_port(), "239.77.7.3"
        (pmu,), place = await plant.add_udp([PROFILE], (ADDRESS, 0), (group, local), INTERFACE)
        plant.start()
        options = {"group": group, "interface": INTERFACE, "local_port": local}
        made = driver(host=ADDRESS, port=address(place)[1], idcode=7, **options)
        try:
            await made.open()
            await data(made, 5)
        finally:
            await made.close()
        sent = pmu.counts.sent
        await until(lambda: pmu.counts.sent >= sent + 5)
        assert pmu.counts.commands == 2

    alone(lambda: play(scenario))


# --- what does not open


def test_a_port_in_use_is_named():
    async def scenario(_: Plant) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind((LOOPBACK, 0))
            port = taken.getsockname()[1]
            with pytest.raises(LinkError, match=f"UDP port {port}: Address already in use"):
                await driver(commands="none", local_port=port, local_host=LOOPBACK).open()

    play(scenario)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"group": "239.77.7.4", "interface": "no-such-if"}, "group 239.77.7.4 on no-such-if"),
        ({"host": "no-such-host.invalid"}, "no-such-host.invalid"),
    ],
)
def test_what_is_not_there_is_a_link_error(options: dict[str, object], text: str):
    async def scenario(_: Plant) -> None:
        with pytest.raises(LinkError, match=text):
            await driver(commands="none", local_port=free_port(), **options).open()

    play(scenario)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"idcode": 7}, "needs a host"),
        ({"host": "x", "commands": "none", "commands_by": "tcp"}, "commands_by"),
        ({"commands": "none", "group": "10.0.0.1"}, "no multicast address"),
        ({"commands": "none", "group": "somewhere"}, "somewhere"),
        ({"commands": "none", "interface": "eth0"}, "without a group"),
        ({"commands": "none", "group": "ff15::7"}, "needs an interface"),
        ({"host": "x", "idcode": 7, "idcodes": [8]}, "both idcode and idcodes"),
        ({"host": "x", "idcodes": [8, 8]}, "twice"),
        ({"host": "x", "idcodes": [0]}, "idcodes"),
    ],
)
def test_what_cannot_be_together_is_refused(options: dict[str, object], text: str):
    with pytest.raises(ConfigError, match=text):
        driver(**options)


def test_an_unasked_pmu_under_a_second_configuration_of_one_idcode_is_refused(tmp_path: Path):
    raw = encode_configuration(configuration(FrameType.CFG2), Stamp(1))
    (tmp_path / "cfg").write_bytes(raw * 2)
    made = driver(commands="none", configuration=str(tmp_path / "cfg"))
    with pytest.raises(ConfigError, match="two configurations of IDCODE 7"):
        made.expected()


def test_what_several_streams_need_is_their_sum(tmp_path: Path):
    profiles = [replace(PROFILE, idcode=one, rate=rate) for one, rate in ((7, 60), (8, 30))]
    raws = [encode_configuration(one.configuration(FrameType.CFG2), Stamp(1)) for one in profiles]
    (tmp_path / "cfg").write_bytes(b"".join(raws))
    made = driver(commands="none", configuration=str(tmp_path / "cfg"))
    size = profiles[0].configuration(FrameType.CFG2).data_bytes()
    assert made.expected() == (size * 90, (1, 1))


def test_the_header_of_what_is_sent_is_plain():
    """Nothing but what the table holds goes out, whatever the transport."""

    async def scenario(_: Plant) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as pmu:
            pmu.bind((LOOPBACK, 0))
            pmu.settimeout(20)
            made = driver(host=LOOPBACK, port=pmu.getsockname()[1], idcode=7)
            with pytest.raises(LinkError, match="no configuration from IDCODE 7"):
                await made.open()
            heard = [pmu.recv(65535) for _ in range(5)]
        assert {parse_header(raw).frame_type for raw in heard} == {FrameType.COMMAND}
        assert [raw[14:16].hex() for raw in heard] == ["0001", "0006", "0005", "0004", "0001"]

    play(scenario)
