"""What being asked leaves behind in the agent's own process: nothing that waits for a collection,
which is rare there; and nobody to whom frames are handed once nobody looks.
"""

import asyncio
import contextlib
import gc
import os
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from agent import config, http
from agent import runner as runner_module
from agent.clock import SystemClock
from agent.page.door import SUFFIX
from agent.runner import Runner
from drivers.keystore.uri import open_signer
from evidence.leap import BUILT_IN
from provisioning.init import DEVICE_KEY, GATEWAY
from tests.agent.server import run
from tests.agent.site import Site

TIMES = 20
ASKED = b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextlib.asynccontextmanager
async def agent(site: Site) -> AsyncIterator[Runner]:
    """A whole agent in this loop, without a line to read and without a record that answers."""
    gateway = config.load(site.folder / GATEWAY)
    device = open_signer(f"file:{DEVICE_KEY}", site.folder)
    client = http.Client("http://127.0.0.1:9")
    runner = Runner(gateway, SystemClock(BUILT_IN), device, client, os.urandom)
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(runner.run(stop, ready.set))
    try:
        await until(lambda: ready.is_set() and Path(f"{site.spool}{SUFFIX}").exists())
        yield runner
    finally:
        stop.set()
        await task


def ask(site: Site, path: bytes, enough: bytes = b"") -> bytes:
    """What is answered: all of it, or until this was said. In a thread: nothing of the client's own
    is garbage of the loop's.
    """
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(10)
        line.connect(str(site.spool) + SUFFIX)
        line.sendall(ASKED % path)
        said = b""
        while (not enough or enough not in said) and (data := line.recv(4096)):
            said += data
        return said


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while True:
            if true():
                return
            await asyncio.sleep(0.01)


async def leaves_no_garbage(site: Site) -> None:
    for path, status in ((b"/metrics", b"200"), (b"/status.json", b"200"), (b"/no", b"404")):
        assert b"HTTP/1.1 " + status in await asyncio.to_thread(ask, site, path)
        gc.collect()
        gc.disable()
        try:
            for _ in range(TIMES):
                await asyncio.to_thread(ask, site, path)
            found = gc.collect()
        finally:
            gc.enable()
        assert found < TIMES, f"{path.decode()}: {found} objects"


async def hands_frames_on_while_somebody_looks(site: Site, runner: Runner) -> None:
    assert runner._door.look is None
    looking = asyncio.create_task(asyncio.to_thread(ask, site, b"/events", b"event: account"))
    await until(lambda: runner._door.look is not None)
    assert b"event: live" in await looking
    await until(lambda: runner._door.look is None)


def test_an_agent_that_is_asked_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "DRAIN_S", 0.1)  # for a record that there is none

    async def play() -> None:
        site = Site(tmp_path)
        async with agent(site) as runner:
            await leaves_no_garbage(site)
            await hands_frames_on_while_somebody_looks(site, runner)

    run(play)
