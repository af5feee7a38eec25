"""Faults of copies: a spool set back to an older one, and a gateway that is there twice."""

import asyncio
import signal
from pathlib import Path
from typing import Any

from hil.faults.fault import Scale
from hil.faults.gateway import Gateway, GatewayError
from hil.faults.holding import copy_spool
from hil.faults.rig import BAUD, COPY_NAME, Line, Rig
from provisioning.init import GATEWAY

CLONES = 2  # runs that continue the same one: the gateway's own, and the copy's


async def spool_rollback(rig: Rig, scale: Scale) -> dict[str, Any]:
    """The agent ends, and its spool is an older one when it starts again.

    The record is away in between: what was sealed then went with the disk.
    """
    older = rig.folder / "older" / "spool.db"
    older.parent.mkdir()
    rig.gateway.signal(signal.SIGSTOP)  # one state, as a disk's image has it
    copy_spool(rig.gateway.spool, older)
    rig.gateway.signal(signal.SIGCONT)
    rig.note("a copy of the spool was taken")
    await asyncio.sleep(scale.spell_s)
    rig.kill_record()
    rig.note("the record is away")
    await asyncio.sleep(scale.spell_s / 2)
    await rig.gateway.end()
    copy_spool(older, rig.gateway.spool)
    rig.note("the spool is the older one")
    await rig.serve()
    rig.over("started again")
    rig.gateway.start()
    await rig.gateway.running()
    return {}


async def key_clone(rig: Rig, scale: Scale) -> dict[str, Any]:
    """A copy of the gateway, key and spool, runs beside it on PMUs of its own."""
    folder = rig.folder / COPY_NAME
    tcp = await rig.add_pmu(COPY_NAME, 9, "--tcp", "127.0.0.1:0")
    pty = await rig.add_pmu(COPY_NAME, 10, "--pty", "--baud", str(BAUD))
    rig.gateway.signal(signal.SIGSTOP)
    rig.gateway.copied(folder)
    rig.gateway.signal(signal.SIGCONT)
    rig.note("the gateway was copied")
    own = {line.idcode: line for line in rig.lines}
    _edit(
        folder / GATEWAY,
        {
            f"port = {_port(own[7])}\n": f"port = {_port(tcp)}\n",
            f'"{own[8].address}"': f'"{pty.address}"',
            "idcode = 7\n": "idcode = 9\n",
            "idcode = 8\n": "idcode = 10\n",
        },
    )
    copy = Gateway(COPY_NAME, folder, rig.start_child, rig.seen)
    rig.gateways.append(copy)
    copy.start()
    await copy.running()
    await copy.hears(len((tcp, pty)))
    rig.note("the copy runs")
    await asyncio.sleep(scale.spell_s / 2)
    await rig.gateway.end()  # only a run that continues the same one shows that there are two
    rig.gateway.start()
    await rig.gateway.running()
    rig.over("the gateway was started again, beside the copy")
    return {}


def _port(line: Line) -> str:
    return line.address.rpartition(":")[2]


def _edit(path: Path, told: dict[str, str]) -> None:
    """The copy's configuration names other devices."""
    text = path.read_text(encoding="utf-8")
    for old, new in told.items():
        if old not in text:
            raise GatewayError(f"{path.name} does not name {old}")
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
