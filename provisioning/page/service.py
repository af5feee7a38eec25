"""The page as a whole: certificate, desk, gate, steps and door, started and ended together.

Nothing here is decided; each part says what it owns.
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from provisioning.argument import Now
from provisioning.page import certificate
from provisioning.page.address import Address
from provisioning.page.desk import Desk
from provisioning.page.door import Door
from provisioning.page.enrolment import Enrolment
from provisioning.page.identity import Identity
from provisioning.page.live import Live
from provisioning.page.plan import Plan
from provisioning.page.preflight import Preflight
from provisioning.page.report import Report
from provisioning.page.server import KEEPALIVE_S, Page
from provisioning.page.session import Gate, Random
from provisioning.page.sources import Sources
from provisioning.page.step import Step

SHUTDOWN_S = 2.0


@dataclass(frozen=True, slots=True)
class Service:
    """What runs."""

    desk: Desk
    runner: web.AppRunner
    door: Door
    taking: asyncio.Task[None]

    async def close(self) -> None:
        """Ends it, and what it began."""
        self.taking.cancel()
        await asyncio.gather(self.taking, return_exceptions=True)
        await self.door.close()
        await self.runner.cleanup()
        await self.desk.close()


def steps() -> list[Step]:
    """In the order in which they are done."""
    return [Identity(), Plan(), Sources(), Live(), Enrolment(), Preflight(), Report()]


async def start(
    folder: Path,
    where: Address,
    heard: socket.socket,
    now: Now,
    random: Random,
    greet: Callable[[str, str], None],
    tell: Callable[[str], None],
    now_s: Callable[[], float],
) -> Service:
    """Opens the page on a socket that listens. `greet`: told the fingerprint as people and as
    programs read it; `tell`: told each code; `now_s`: monotonic, for codes and sessions.
    """
    own = certificate.made(where.host)
    desk = Desk(folder, now, random)
    gate = Gate(random, tell)
    page = Page(desk, gate, steps(), where.names(), now_s)
    runner = web.AppRunner(
        page.app(),
        access_log=None,
        keepalive_timeout=KEEPALIVE_S,
        shutdown_timeout=SHUTDOWN_S,
        handler_cancellation=True,
        auto_decompress=False,  # no browser compresses a form; what is bounded is what came
    )
    await runner.setup()
    if runner.server is None:
        raise RuntimeError("aiohttp made no server")
    door = Door(runner.server, heard, own.context)
    greet(own.shown(), own.fingerprint)
    gate.offer(now_s())
    return Service(desk, runner, door, asyncio.get_running_loop().create_task(door.run()))
