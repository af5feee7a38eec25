"""Faults of the record and of the way to it: link cut, record killed, record set back."""

import asyncio
import shutil
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from hil.faults.fault import Scale
from hil.faults.rig import Rig, RigError
from hil.ledger import Ledger
from record.store import open_reader

TABLE = "gridseal"
LOOK_S = 0.05


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
    waited = await rig.gateway.waiting()
    await chamber.run("nft", f"delete table inet {TABLE}")
    rig.over("the link is whole")
    return {"cut_s": scale.spell_s, "waited_max": waited}


async def restart(rig: Rig, scale: Scale) -> dict[str, Any]:
    """kill -9 of the record, and a start after a while."""
    rig.kill_record()
    rig.note("the record is killed")
    await asyncio.sleep(scale.spell_s)
    waited = await rig.gateway.waiting()
    rig.over("the record is started")
    await rig.serve()
    return {"away_s": scale.spell_s, "waited_max": waited}


async def rollback(rig: Rig, scale: Scale) -> dict[str, Any]:
    """The record is restored from an older backup: what came since, it never had."""
    older = rig.folder / "older.db"
    await rig.stop_record()
    _copy(rig.store, older)
    await rig.serve()
    rig.note("a backup of the record was taken")
    await _grown(rig, _size(older), scale.recover_s)
    await asyncio.sleep(scale.spell_s)
    await rig.stop_record()
    size = _size(rig.store)
    _copy(older, rig.store)
    rig.over("the record is the older one")
    await rig.serve()
    return {"entries_gone": size - _size(older)}


async def _grown(rig: Rig, size: int, most_s: float) -> None:
    """Waits until the record has more entries than these: the agent may back off before it sends.

    Raises RigError, StoreError."""
    ledger, until = Ledger(rig.store), time.monotonic() + most_s
    try:
        ledger.look()
        while ledger.size <= size:
            if time.monotonic() > until:
                raise RigError(f"nothing came to the record in {most_s:g} s")
            await asyncio.sleep(LOOK_S)
            ledger.look()
    finally:
        ledger.close()


def _size(path: Path) -> int:
    """Entries of a record that nobody writes. Raises StoreError."""
    with closing(open_reader(path)) as store:
        return store.size()


def _copy(source: Path, to: Path) -> None:
    """A record that nobody writes: it has ended, and its journal is in the file."""
    for suffix in ("-wal", "-shm"):
        Path(f"{to}{suffix}").unlink(missing_ok=True)
    shutil.copyfile(source, to)
