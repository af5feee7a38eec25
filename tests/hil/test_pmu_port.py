"""The program of simulated PMUs at every kind of port, heard by the shipped drivers."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.clock import SystemClock
from drivers import registry
from drivers.line import Frame, Source
from evidence.code import Kind
from evidence.leap import BUILT_IN
from hil.loopback import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
WAIT_S = 30.0
MEASURED = (Kind.C37118, Kind.IEEE1344)
OLD = ("--protocol", "ieee1344", "--format", "0", "--time-base", "1200", "--rate", "30")


@contextmanager
def program(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[dict[str, object]]]]:
    """The running program, and where it says that each PMU is heard."""
    command = [sys.executable, "-m", "hil.devices.pmu", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())["pmus"]
        finally:
            process.kill()


def hear(scheme: str, count: int, streams: int = 1, **options: object) -> dict[str, list[Frame]]:
    """At least so many measurements of each of so many streams, by key."""

    async def play() -> dict[str, list[Frame]]:
        clock = SystemClock(BUILT_IN)
        made = registry.open_driver(Source("bench", scheme, options), clock)
        found: dict[str, list[Frame]] = {}
        try:
            async with asyncio.timeout(WAIT_S):
                await made.open()
                while len(found) < streams or any(len(one) < count for one in found.values()):
                    for item in await made.read():
                        if isinstance(item, Frame) and item.kind in MEASURED:
                            assert item.fault is None
                            found.setdefault(item.key, []).append(item)
        finally:
            await made.close()
        return found

    return asyncio.run(play())


def place(pmus: list[dict[str, object]], kind: str) -> tuple[str, int]:
    host, _, port = str(pmus[0][kind]).rpartition(":")
    return host, int(port)


@pytest.mark.parametrize("speech", [(), OLD], ids=["c37118", "ieee1344"])
def test_asked_by_datagram_and_counted(speech: tuple[str, ...]):
    scheme = "ieee1344+udp" if speech else "c37118+udp"
    with program("--udp", "127.0.0.1:0", "--idcode", "7", *speech) as (process, pmus):
        host, port = place(pmus, "udp")
        hear(scheme, 20, host=host, port=port, idcode=7)
        process.send_signal(signal.SIGTERM)
        report = json.loads(process.communicate(timeout=WAIT_S)[0].splitlines()[-1])
    assert report["sent"] >= 20
    assert report["pmus"][0]["commands"] == 4  # data off, configuration, data on, data off


def test_several_together_unasked_at_one_place():
    local = free_port(socket.SOCK_DGRAM)
    where = ("--to", f"127.0.0.1:{local}", "--together", "--spontaneous")
    with program("--count", "3", "--idcode", "7", *where) as (_, pmus):
        assert len({str(one["udp"]) for one in pmus}) == 1
        options: dict[str, Any] = {"local_port": local, "commands": "none"}
        found = hear("c37118+udp", 10, 3, **options)
    assert sorted(found) == ["idcode=7", "idcode=8", "idcode=9"]


def test_several_together_asked_at_one_port():
    with program("--count", "3", "--idcode", "7", "--together") as (_, pmus):
        host, port = place(pmus, "tcp")
        found = hear("c37118+tcp", 10, 3, host=host, port=port, idcodes=[7, 8, 9])
    assert sorted(found) == ["idcode=7", "idcode=8", "idcode=9"]


def test_several_together_on_one_serial_line():
    """2 x 86 bytes at 30 a second are 51,600 bits a second."""
    where = ("--pty", "--together", "--rate", "30")
    with program("--count", "2", "--idcode", "7", *where) as (_, pmus):
        found = hear("c37118+serial", 10, 2, path=str(pmus[0]["pty"]), idcodes=[7, 8])
    assert sorted(found) == ["idcode=7", "idcode=8"]


def test_asked_by_tcp_and_heard_by_datagram():
    local = free_port(socket.SOCK_DGRAM)
    with program("--data-port", str(local), "--idcode", "7") as (_, pmus):
        host, port = place(pmus, "split")
        options: dict[str, Any] = {"commands_by": "tcp", "local_port": local}
        hear("c37118+udp", 10, host=host, port=port, idcode=7, **options)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--udp", "nowhere"),
        ("--to", "127.0.0.1:x"),
        ("--protocol", "ieee1344"),  # a TIME_BASE that SMPCNT cannot count
        ("--protocol", "ieee1344", "--format", "15", "--time-base", "1200", "--rate", "30"),
    ],
)
def test_what_cannot_be_is_refused(arguments: tuple[str, ...]):
    command = [sys.executable, "-m", "hil.devices.pmu", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S)
    assert done.returncode == 2
    assert done.stderr.startswith("the simulated PMU does not start: ")
