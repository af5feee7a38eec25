"""Faults of a broker between gateway and record: the leader of the stream killed.

The rig speaks HTTP when it comes; gateway and record end, are told of the brokers, and start again,
so that the gateway states a restart.
"""

import asyncio
from typing import Any

from evidence import queue
from hil.broker import Cluster, Server, cluster, place, program_of
from hil.faults.fault import Scale
from hil.faults.rig import Rig, RigError

REGION, STREAM = "bench", queue.stream("bench")
LED_S = 20.0  # until another server leads; about 4 s
RECEIPTED = 60  # of the gateway's observations, before it is struck


async def leader(rig: Rig, scale: Scale) -> dict[str, Any]:
    """Three servers and a leaf node between gateway and record; that which leads is killed."""
    brokers = cluster(rig.folder / "brokers", rig.chamber.within if rig.chamber else ())
    await _behind(rig, brokers)
    killed = brokers.leader(STREAM)
    killed.kill()
    rig.note(f"{killed.name}, which leads the stream, is killed")
    after = await _another(brokers, killed)
    await asyncio.sleep(scale.spell_s)
    await killed.start()
    rig.keep(program_of(killed))
    rig.over(f"{killed.name} is started")
    return {"led_by": [killed.name, after.name]}


async def _behind(rig: Rig, brokers: Cluster) -> None:
    """Gateway and record meet at the brokers from now on. Raises ChildError, GatewayError."""
    await rig.gateway.end()
    await rig.stop_record()
    try:
        await brokers.start()
    finally:
        for server in brokers.servers:
            if server.program is not None:
                rig.keep(server.program)
    place(rig.site, brokers, REGION, "replicas = 3")
    await rig.serve()
    rig.gateway.start()
    await rig.gateway.running()
    await rig.gateway.until("is answered", lambda told: int(told["receipted"]) > RECEIPTED)


async def _another(brokers: Cluster, than: Server) -> Server:
    """The server that leads next. Raises ChildError, RigError."""
    for _ in range(round(LED_S / 0.1)):
        found = brokers.leader(STREAM)
        if found is not than:
            return found
        await asyncio.sleep(0.1)
    raise RigError(f"no other broker leads within {LED_S:g} s of {than.name}")
