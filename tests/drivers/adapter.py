"""A USB adapter as udev shows it: a link that comes and goes, with a pseudo-terminal behind it; and
what a serial line says through it.
"""

import asyncio
import os
import tty
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from drivers.line import LinkError
from drivers.serial.line import SerialPort, open_line
from drivers.serial.option import SerialLine
from tests.drivers.scenario import Clock


class Adapter:
    """A USB adapter at a link of a folder, plugged in and pulled out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.far = self.near = -1

    def plug(self) -> None:
        self.far, self.near = os.openpty()
        tty.setraw(self.near)
        os.set_blocking(self.far, False)
        self.path.symlink_to(os.ttyname(self.near))

    def pull(self) -> None:
        self.path.unlink(missing_ok=True)
        for fd in (self.far, self.near):
            if fd >= 0:
                os.close(fd)
        self.far = self.near = -1

    def device(self) -> str:
        return os.path.realpath(self.path)


def opened(play: Callable[[SerialPort], Awaitable[Any]], path: Path, **options: Any) -> Any:
    """Plays with an open line, within bounds."""

    async def run() -> Any:
        port = open_line(SerialLine(path=str(path), **options), Clock())
        try:
            async with asyncio.timeout(20):
                return await play(port)
        finally:
            port.close()

    return asyncio.run(run())


def refusal(path: str | Path, **options: Any) -> str:
    """What is said of a line that does not open."""

    async def nothing(port: SerialPort) -> None:
        pytest.fail("it opened")

    with pytest.raises(LinkError) as caught:
        opened(nothing, Path(path), **options)
    said = str(caught.value)
    assert said.startswith(str(path)), said
    return said
