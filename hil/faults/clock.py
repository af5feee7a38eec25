"""The agent's wall clock is set, forward and back; the clock of durations runs on."""

import asyncio
import os
from pathlib import Path
from typing import Any

from hil.faults.fault import Scale
from hil.faults.need import faketime_library
from hil.faults.rig import Rig

STEP_S = 3600
OFFSET = "offset"  # the file from which the library reads by how much the clock is off
_STEPS = (STEP_S, 0, -STEP_S, 0)


def environment(folder: Path) -> dict[str, str]:
    """What lets an agent's clock be set: libfaketime, told at every reading by a file."""
    _set(folder, 0)
    return {
        "LD_PRELOAD": faketime_library(),
        "FAKETIME_TIMESTAMP_FILE": str(folder / OFFSET),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        # Else it turns a timed wait by the clock of durations into one by the wall clock, and
        # Python's threads, which hand on the interpreter by such waits, stall for seconds.
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        "NO_FAKE_STAT": "1",
    }


async def step(rig: Rig, scale: Scale) -> dict[str, Any]:
    """An hour ahead, right again, an hour behind, right again."""
    for offset_s in _STEPS:
        await asyncio.sleep(scale.spell_s / len(_STEPS))
        _set(rig.folder, offset_s)
        rig.note(f"the clock is off by {offset_s} s")
    rig.over("the clock is right again")
    return {"steps_s": list(_STEPS)}


def _set(folder: Path, offset_s: int) -> None:
    """By a rename: the file is read at any moment."""
    new = folder / f"{OFFSET}.new"
    new.write_text(f"{offset_s:+d}\n", encoding="ascii")
    os.replace(new, folder / OFFSET)
