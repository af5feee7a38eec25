"""A board that is only listened to: what it said is still there for the agent that will keep it."""

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from agent import config
from agent.clock import SystemClock
from drivers import registry
from drivers.line import Frame, Source
from evidence.code import Kind
from evidence.leap import BUILT_IN
from firmware_bridge.frame import Fields
from hil.child import Child
from hil.devices.board import Board, Line
from provisioning import live
from provisioning.init import GATEWAY, InitRequest, initialise
from provisioning.source import SourceRequest

NOW_S = 1_790_000_000
HEAR_S, WAIT_S = 0.3, 20.0
KEPT_S = 0.3  # in which an agent has said that it is kept
SAID_S = 0.1  # between two frames of the device
CLOCK = SystemClock(BUILT_IN)


class Tap:
    """A device that says something now and then, and the board that hears it."""

    def __init__(self, folder: Path) -> None:
        self._near, self._far = os.openpty()
        flash = folder / "flash"
        flash.mkdir()
        self.board = Board(flash, [Line(os.ttyname(self._far), "raw")])
        key = folder / "relay.key"
        key.touch(0o600)
        key.write_text(self.board.key.hex())
        self.options: dict[str, Any] = {
            "path": self.board.link,
            "board": self.board.public.hex(),
            "key": str(key),
            "taps": ["raw"],
        }
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._say)
        self._thread.start()
        self.board.start()

    def _say(self) -> None:
        while not self._ended.wait(SAID_S):
            os.write(self._near, b"said")

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        self.board.close()
        os.close(self._near)
        os.close(self._far)

    async def first(self) -> Fields:
        """The oldest frame that a gateway gets."""
        driver = registry.open_driver(Source("relay", "mcu+serial", self.options), CLOCK)
        try:
            async with asyncio.timeout(WAIT_S):
                await driver.open()
                while True:
                    for one in await driver.read():
                        if isinstance(one, Frame) and one.kind == Kind.MCU_INFO:
                            return Fields(one.raw)
        finally:
            await driver.close()


@pytest.fixture
def tap(tmp_path: Path) -> Iterator[Tap]:
    tap = Tap(tmp_path)
    yield tap
    tap.close()


def test_who_listens_takes_nothing(tap: Tap, tmp_path: Path):
    url = "mcu+serial://{path}?board={board}&key={key}&taps=raw".format(**tap.options)
    listening = Child("listen", "agent.cli", ["listen", url], tmp_path / "listen.log")
    try:
        asyncio.run(listening.says(" tap=0 mcu_info, 46 bytes\n", WAIT_S))
        time.sleep(KEPT_S)
    finally:
        listening.kill()
    assert asyncio.run(tap.first()).seq == 0


@pytest.mark.parametrize("ran", [True, False], ids=["an agent ran", "none ever ran"])
def test_a_look_takes_only_what_no_agent_will_want(tap: Tap, tmp_path: Path, ran: bool):
    site = tmp_path / "site"
    source = SourceRequest("relay", "mcu+serial", dict(tap.options), "Bus 1")
    initialise(InitRequest(site, role="bench", sources=(source,)), NOW_S, os.urandom)
    sketch = config.sketch(site / GATEWAY)
    if ran:
        (site / "spool.db").touch()

    async def look() -> Fields:
        """Until it has spoken, and once more, with the time to take that away."""
        async with asyncio.timeout(WAIT_S), aclosing(live.watch(sketch, CLOCK, HEAR_S)) as looks:
            async for shown in looks:
                if any(one.key for one in shown):
                    break
            await anext(looks)
        return await tap.first()

    async def play() -> None:
        assert (await tap.first()).seq == 0  # it is up
        first = await look()
        if ran:
            assert first.seq == 0
        else:
            async with asyncio.timeout(WAIT_S):  # a board that is held up takes an answer later
                while first.seq == 0:
                    first = await look()

    asyncio.run(play())
