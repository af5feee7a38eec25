"""A broker between gateway and record: three nodes and a leaf node; and its leader killed.

1. The brokers are outside of the chamber, on the machine's own loopback: the bench asks them who
   leads.
2. Gateway and record are told of them as a site tells them, in their configuration.
"""

import asyncio
from pathlib import Path
from typing import Any

from evidence import queue
from hil.broker import Server, cluster
from hil.child import ChildError
from hil.faults.fault import Scale
from hil.faults.rig import Rig
from provisioning.init import GATEWAY, RECORD

REGION = "west"
ASK_S = 10.0
REPLICAS = 3


class Brokers:
    """hil.faults.rig's Between: a cluster in a folder."""

    def __init__(self, folder: Path) -> None:
        self._cluster = cluster(folder)

    async def start(self) -> None:
        """Raises ChildError."""
        await self._cluster.start()

    def tell(self, site: Path) -> None:
        """Turns what provisioning wrote, which is for HTTP, to the broker. Raises OSError."""
        path = site / GATEWAY
        lines = path.read_text(encoding="utf-8").splitlines()
        at = next(at for at, line in enumerate(lines) if line.startswith("url ="))
        lines[at : at + 1] = [f'url = "{self._cluster.leaf.url}"', f'region = "{REGION}"']
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        table = f'\n[nats]\nurl = "{self._cluster.url}"\nregion = "{REGION}"\n'
        with (site / RECORD).open("a", encoding="utf-8") as file:
            file.write(f"{table}replicas = {REPLICAS}\n")

    def kill(self) -> None:
        self._cluster.kill()

    async def leader(self) -> Server:
        """The node that leads the region's stream. Raises ChildError."""
        import nats
        from nats.errors import Error

        try:
            async with asyncio.timeout(ASK_S):
                line = await nats.connect(self._cluster.url.split(","))
                try:
                    info = await line.jetstream().stream_info(queue.stream(REGION))
                finally:
                    await line.close()
        except (OSError, TimeoutError, Error) as fault:
            raise ChildError(f"the brokers do not say who leads: {fault}") from fault
        if info.cluster is None or not info.cluster.leader:
            raise ChildError("the brokers have no leader")
        return self._cluster.node(info.cluster.leader)


async def leader_kill(rig: Rig, scale: Scale) -> dict[str, Any]:
    """kill -9 of the node that leads; the others go on, and it comes back."""
    if not isinstance(rig.between, Brokers):
        raise ChildError("there is no broker in this rig")
    leader = await rig.between.leader()
    leader.kill()
    rig.note(f"{leader.name}, which led, is killed")
    await asyncio.sleep(scale.spell_s)
    waited = await rig.gateway.waiting()
    rig.over(f"{leader.name} is started again")
    await leader.start()
    return {"away_s": scale.spell_s, "waited_max": waited}
