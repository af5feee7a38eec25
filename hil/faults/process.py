"""Faults of the agent's process: killed at random moments, stopped and continued."""

import asyncio
import signal
from typing import Any

from hil.faults.fault import Scale
from hil.faults.rig import Rig

LIVES_S = (0.05, 1.8)  # how long an agent lives before it is killed: while it starts, and after


async def kill(rig: Rig, scale: Scale) -> dict[str, Any]:
    """kill -9, again and again; whoever supervises it starts it anew at once."""
    for number in range(1, scale.kills + 1):
        await asyncio.sleep(rig.random.uniform(*LIVES_S))
        rig.gateway.kill()
        rig.note(f"kill {number}")
        if number == scale.kills:
            rig.over("started again")
        rig.gateway.start()
    await rig.gateway.running()
    return {"kills": scale.kills}


async def stop(rig: Rig, scale: Scale) -> dict[str, Any]:
    """SIGSTOP: the process is there, its sockets fill, and it goes on as if nothing had been."""
    rig.note("stopped")
    rig.gateway.signal(signal.SIGSTOP)
    await asyncio.sleep(scale.stop_s)
    rig.gateway.signal(signal.SIGCONT)
    rig.over("continued")
    return {"stopped_s": scale.stop_s}
