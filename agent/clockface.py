"""`gridseal-agent clock`: what this gateway's clock is worth, by which sources, and why.

1. The running agent is asked (agent/status.py). Where none runs, the sources are asked from here,
   as its configuration names them, and for ASK_S: some say nothing before they are known a little.
   Receivers are opened then, and asked what the gateway asks of them (drivers.asks).
2. Nothing is set, sealed or kept.
3. What is said of how it goes stands on the standard error, whatever form the rest has.

Exit 0: the clock has a bound. 1: it has none, or nobody answers. 2: wrong words.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from agent import config, status
from agent.clock import SystemClock, leap_table
from agent.config import Gateway
from agent.panel import Block
from agent.timing import face
from agent.timing.assembly import timekeeping
from agent.timing.timekeeping import PERIOD_S, Timekeeping
from drivers import registry
from drivers.line import LinkError, Source
from evidence.config import ConfigError

if TYPE_CHECKING:
    from drivers.gnss.driver import ReceiverDriver

Accounts = AsyncGenerator[dict[str, Any], None]
ASK_S = 10  # ptp4l and a pulse are known after seven of their seconds
AGAIN_S = 2.0  # before a receiver's line that failed is opened again
ABOUT = """\
Says how far this gateway's clock may be off, by which source, and what each source says: how far
the clock is ahead of it, how far that may be off, and whether they contradict each other. The
running agent is asked; where none runs, the sources are asked for some seconds from here."""


def add(command: argparse.ArgumentParser) -> None:
    """The arguments of `clock`, beside --config."""
    command.description = ABOUT
    command.add_argument("--watch", action="store_true", help="renewed every second, until Ctrl-C")
    command.add_argument("--json", action="store_true", help="one JSON object; a line with --watch")


def main(arguments: argparse.Namespace) -> int:
    """As the header says. Raises ConfigError."""
    gateway = config.load(arguments.config)
    try:
        return asyncio.run(_shown(gateway, arguments))
    except BrokenPipeError:
        # Whoever read us has gone; nothing more is said, and not by the interpreter's end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


async def _shown(gateway: Gateway, arguments: argparse.Namespace) -> int:
    work = asyncio.ensure_future(_show(gateway, arguments))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, work.cancel)
    await asyncio.wait((work,))
    return 0 if work.cancelled() else work.result()


async def _show(gateway: Gateway, arguments: argparse.Namespace) -> int:
    spool = gateway.path(gateway.file.spool.path)
    block = Block(sys.stdout) if arguments.watch and sys.stdout.isatty() else None
    account: dict[str, Any] | None = None
    async with contextlib.aclosing(_accounts(gateway, spool, arguments.watch)) as accounts:
        async for account in accounts:
            if arguments.json:
                print(json.dumps(account, allow_nan=False), flush=True)
            elif block is not None:
                block.draw(face.rows(account))
            else:
                after = "\n" if arguments.watch else ""
                print("\n".join(face.rows(account)) + after, flush=True)
    return 0 if account is not None and account["bound_ns"] is not None else 1


async def _accounts(
    gateway: Gateway, spool: Path, watch: bool
) -> AsyncGenerator[dict[str, Any], None]:
    """Accounts of the clock: one, or one a second."""
    try:
        yield _asked(spool)
    except (FileNotFoundError, ConnectionRefusedError):
        _say(f"no agent runs here: its sources are asked, for {ASK_S} s")
        async with contextlib.aclosing(_by_ourselves(gateway, watch)) as accounts:
            async for account in accounts:
                yield account
        return
    except (OSError, ValueError) as fault:
        _say(f"no agent answers for {gateway.file.spool.path}: {fault}")
        return
    while watch:
        await asyncio.sleep(PERIOD_S)
        try:
            yield _asked(spool)
        except (OSError, ValueError) as fault:
            _say(f"no agent answers for {gateway.file.spool.path}: {fault}")
            return


def _asked(spool: Path) -> dict[str, Any]:
    """What the running agent says. Raises OSError, ValueError."""
    told = status.ask(spool).get("time")
    if not isinstance(told, dict) or "terms" not in told:
        raise ValueError("what answers says nothing of its clock: an older agent?")
    return told


async def _by_ourselves(gateway: Gateway, watch: bool) -> Accounts:
    """The sources, asked from here."""
    section = gateway.file.clock
    table = leap_table(gateway.path(section.leap_seconds) if section.leap_seconds else None)
    clock = SystemClock(table)
    keeping = timekeeping(gateway, clock)
    receivers = [one for one in gateway.sources if one.scheme in registry.RECEIVERS]
    tasks = [asyncio.ensure_future(_hear(one, clock, keeping)) for one in receivers]
    tasks.append(asyncio.ensure_future(keeping.watch()))
    try:
        await asyncio.sleep(ASK_S)
        yield keeping.report()
        while watch:
            await asyncio.sleep(PERIOD_S)
            yield keeping.report()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await keeping.close()


async def _hear(source: Source, clock: SystemClock, keeping: Timekeeping) -> None:
    """Opens a receiver and hears it, again and again. The same trouble is told once."""
    told = ""
    while True:
        driver = registry.open_driver(source, clock)
        cast("ReceiverDriver", driver).tell = partial(keeping.hear, source.name)
        try:
            await driver.open()
            while True:
                await driver.read()
        except (LinkError, ConfigError) as fault:
            if str(fault) != told:
                told = str(fault)
                _say(f"{source.name}: {told}")
        finally:
            await driver.close()
        await asyncio.sleep(AGAIN_S)


def _say(text: str) -> None:
    print(f"gridseal-agent: {text}", file=sys.stderr, flush=True)
