"""Faults of the record and of the way to it: link cut, record killed, record set back."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

from hil.faults.fault import Scale
from hil.faults.rig import Rig

TABLE = "gridseal"


async def link_cut(rig: Rig, scale: Scale) -> dict[str, Any]:
    """What goes to the record's port, and comes from it, is dropped without a word."""
    chamber = rig.apart
    chain = f"{TABLE} cut"
    rules = [
        f"add table inet {TABLE}",
        f"add chain inet {chain} {{ type filter hook input priority 0; }}",
        f"add rule inet {chain} tcp dport {rig.port} drop",
        f"add rule inet {chain} tcp sport {rig.port} drop",
    ]
    await chamber.run("nft", "; ".join(rules))
    rig.note("the link is cut")
    await asyncio.sleep(scale.spell_s)
    waited = await _waiting(rig)
    await chamber.run("nft", f"delete table inet {TABLE}")
    rig.over("the link is whole")
    return {"cut_s": scale.spell_s, "waited_max": waited}


async def restart(rig: Rig, scale: Scale) -> dict[str, Any]:
    """kill -9 of the record, and a start after a while."""
    rig.kill_record()
    rig.note("the record is killed")
    await asyncio.sleep(scale.spell_s)
    waited = await _waiting(rig)
    rig.over("the record is started")
    await rig.serve()
    return {"away_s": scale.spell_s, "waited_max": waited}


async def rollback(rig: Rig, scale: Scale) -> dict[str, Any]:
    """The record is restored from an older backup, and later from the newest after all."""
    older, newest = rig.folder / "older.db", rig.folder / "newest.db"
    await rig.stop_record()
    _copy(rig.store, older)
    await rig.serve()
    rig.note("a backup of the record was taken")
    await asyncio.sleep(scale.spell_s)
    await rig.stop_record()
    _copy(rig.store, newest)
    _copy(older, rig.store)
    await rig.serve()
    rig.note("the record is an older one")
    before = await rig.gateway.until("answers", lambda told: True)
    await asyncio.sleep(scale.spell_s)
    told = await rig.gateway.until("answers", lambda told: True)
    await rig.stop_record()
    _copy(newest, rig.store)
    rig.over("the record is the newest again")
    await rig.serve()
    return {"believed_of_the_older": told["receipted"] - before["receipted"]}


async def _waiting(rig: Rig) -> int:
    """Observations that wait for the record. Raises GatewayError, ChildError."""
    told = await rig.gateway.until("answers", lambda told: True)
    return int(told["waiting"])


def _copy(source: Path, to: Path) -> None:
    """A record that nobody writes: it has ended, and its journal is in the file."""
    for suffix in ("-wal", "-shm"):
        Path(f"{to}{suffix}").unlink(missing_ok=True)
    shutil.copyfile(source, to)
