"""A broker between gateway and record: three nodes and a leaf node; and its leader killed.

1. The brokers are outside of the chamber, on the machine's own loopback.
2. Gateway and record are told of them as a site tells them, in their configuration.
"""

import asyncio
from pathlib import Path
from typing import Any

from evidence import queue
from hil.broker import Server, cluster, place
from hil.child import ChildError
from hil.faults.fault import Scale
from hil.faults.rig import Rig

REGION = "west"
REPLICAS = 3


class Brokers:
    """hil.faults.rig's Between: a cluster in a folder."""

    def __init__(self, folder: Path) -> None:
        self._cluster = cluster(folder)

    async def start(self) -> None:
        """Raises ChildError."""
        await self._cluster.start()

    def tell(self, site: Path) -> None:
        """Turns what provisioning wrote, which is for HTTP, to the brokers. Raises OSError."""
        place(site, self._cluster, REGION, f"replicas = {REPLICAS}")

    def kill(self) -> None:
        self._cluster.kill()

    def leader(self) -> Server:
        """The node that leads the region's stream. Raises ChildError."""
        return self._cluster.leader(queue.stream(REGION))


async def leader_kill(rig: Rig, scale: Scale) -> dict[str, Any]:
    """kill -9 of the node that leads; the others go on, and it comes back."""
    if not isinstance(rig.between, Brokers):
        raise ChildError("there is no broker in this rig")
    leader = rig.between.leader()
    leader.kill()
    rig.note(f"{leader.name}, which led, is killed")
    await asyncio.sleep(scale.spell_s)
    waited = await rig.gateway.waiting()
    rig.over(f"{leader.name} is started again")
    await leader.start()
    return {"away_s": scale.spell_s, "waited_max": waited}
