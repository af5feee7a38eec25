"""One thing at a time, also when the browser that asked for it goes away."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from provisioning.page.desk import Desk

WAIT_S = 20.0


def test_what_was_begun_keeps_its_turn_when_the_browser_goes_away(tmp_path: Path) -> None:
    """Who presses twice has the first request ended by the browser; its work goes on."""
    going, may_end = threading.Event(), threading.Event()
    done: list[str] = []

    def first() -> None:
        going.set()
        may_end.wait(WAIT_S)
        done.append("first")

    async def pressed_twice() -> None:
        desk = Desk(tmp_path, lambda: 0, os.urandom)
        asked = asyncio.create_task(desk.do(first))
        await asyncio.to_thread(going.wait, WAIT_S)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert desk.busy
        left = asyncio.create_task(desk.do(lambda: done.append("left")))
        again = asyncio.create_task(desk.do(lambda: done.append("second")))
        await asyncio.sleep(0.1)
        left.cancel()  # before its turn: it is never begun
        assert done == []
        may_end.set()
        await asyncio.wait_for(again, WAIT_S)
        assert done == ["first", "second"]
        assert not desk.busy

    asyncio.run(pressed_twice())


def test_a_fault_gives_the_turn_back(tmp_path: Path) -> None:
    async def fails_first() -> str:
        desk = Desk(tmp_path, lambda: 0, os.urandom)
        with pytest.raises(ZeroDivisionError):
            await desk.do(lambda: 1 // 0)
        return await asyncio.wait_for(desk.do(lambda: "done"), WAIT_S)

    assert asyncio.run(fails_first()) == "done"
