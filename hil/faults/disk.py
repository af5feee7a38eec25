"""Faults of the gateway's disk: full, read-only, and syncs that fail.

A disk turns read-only under a program that writes only by the kernel's own doing, after an error;
mount(8) waits until nobody writes. So an error comes first here too: the agent lets go of its
spool, and finds the disk read-only when it opens it again.
"""

import asyncio
import contextlib
import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hil.child import Program
from hil.faults.chamber import Chamber, ChamberError
from hil.faults.fault import Scale
from hil.faults.need import found
from hil.faults.rig import Rig

DISK_BYTES = 64 << 20  # small, and well above what the agent keeps in reserve
ATTACH_S = DETACH_S = BUSY_S = 15.0
SYNCS = "fsync,fdatasync"
_FILLED_BYTES = 1 << 20  # written at a time


async def full(rig: Rig, scale: Scale) -> dict[str, Any]:
    """Another file takes all that is left, and is removed."""
    other = rig.gateway.spool.parent / "other"
    rig.note("another file fills the disk")
    took = fill(other)
    until = asyncio.get_running_loop().time() + scale.spell_s
    while asyncio.get_running_loop().time() < until:
        await asyncio.sleep(0.2)
        took += fill(other)  # what the agent gives up, the other program takes as well
    other.unlink()
    rig.over("the other file is removed")
    return {"filled_bytes": took}


async def read_only(rig: Rig, scale: Scale) -> dict[str, Any]:
    """A sync fails, the disk is read-only, and comes back."""
    chamber = rig.apart
    disk = str(rig.gateway.disk)
    async with _failing(rig, "1+"):
        rig.note("syncs fail")
        await _remounted(chamber, "remount,ro", disk)
        rig.note("read-only")
    await asyncio.sleep(scale.spell_s)
    await chamber.run("mount", "-o", "remount,rw", disk)
    rig.over("writable again")
    return {"read_only_s": scale.spell_s}


async def sync_error(rig: Rig, scale: Scale) -> dict[str, Any]:
    """One sync fails; then all do, for a while."""
    before = await _run_of(rig)
    async with _failing(rig, "1") as one:
        rig.note("one sync fails")
        await rig.gateway.until("begins a new run", lambda told: told["run"] != before)
    async with _failing(rig, "1+") as all_of_them:
        rig.note("every sync fails")
        await asyncio.sleep(scale.spell_s)
    rig.over("syncs hold again")
    return {"failed_syncs": _injected(one) + _injected(all_of_them)}


async def sync_error_restart(rig: Rig, scale: Scale) -> dict[str, Any]:
    """Every sync fails, and amid that the agent is killed and started again."""
    async with _failing(rig, "1+") as tracer:
        rig.note("every sync fails")
        await asyncio.sleep(rig.random.uniform(0.2, 0.5) * scale.spell_s)
        rig.gateway.kill()
        rig.note("killed")
    rig.over("started again")
    rig.gateway.start()
    await rig.gateway.running()
    return {"failed_syncs": _injected(tracer)}


@asynccontextmanager
async def _failing(rig: Rig, when: str) -> AsyncIterator[Program]:
    """While it lasts, syncs of the agent fail with EIO: which, as strace counts them a thread."""
    inject = f"inject={SYNCS}:error=EIO:when={when}"
    pid = str(rig.gateway.agent.pid)
    argv = [found("strace"), "-f", "-p", pid, "-e", f"trace={SYNCS}", "-e", inject]
    tracer = rig.start_program("strace", argv)
    await tracer.says("attached", ATTACH_S)
    try:
        yield tracer
    finally:
        await tracer.end(DETACH_S)  # it lets go; what it traced goes on


def _injected(tracer: Program) -> int:
    return tracer.said().count("(INJECTED)")


async def _run_of(rig: Rig) -> str:
    told = await rig.gateway.told()
    return "" if told is None else str(told["run"])


async def _remounted(chamber: Chamber, options: str, disk: str) -> None:
    """As soon as nobody writes. Raises ChamberError when that does not happen."""
    loop = asyncio.get_running_loop()
    until = loop.time() + BUSY_S
    while True:
        try:
            await chamber.run("mount", "-o", options, disk)
            return
        except ChamberError:
            if loop.time() > until:
                raise
        await asyncio.sleep(0.02)


def fill(path: Path) -> int:
    """Appends to a file until nothing more fits; how many bytes did. Raises OSError."""
    took = 0
    with path.open("ab", buffering=0) as file:
        for size in (_FILLED_BYTES, 4096):
            with contextlib.suppress(_FullError):
                while True:
                    took += _written(file.fileno(), bytes(size))
    return took


class _FullError(OSError):
    """The disk took nothing."""


def _written(file: int, data: bytes) -> int:
    try:
        return os.write(file, data)
    except OSError as fault:
        if fault.errno != errno.ENOSPC:
            raise
        raise _FullError(*fault.args) from fault
