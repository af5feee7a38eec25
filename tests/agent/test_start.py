"""A start with ten million observations waiting, and the first batch that leaves after it."""

import asyncio
import os
import time
from typing import Any

from agent.config import UplinkSection
from agent.http import Client
from agent.spool import Spool
from agent.uplink import Uplink
from tests.agent.keeping import end, go, hear, running, until
from tests.agent.server import request_of, serving
from tests.agent.site import Agent, Site, setup
from tests.agent.upstream import LOG

BATCHES, EACH = 300_000, 34  # as they are cut live, four a second: most of a day
START_S = 1.0
# The first batch again and again, each in its own place; pieces stay as they are.
_MORE = """
INSERT INTO batch
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
    SELECT ? + i, randomblob(32), run, ? + i, head, first, last, ?, ?, 0, NULL
    FROM batch, n WHERE id = ?
"""


async def _crowded(site: Site) -> None:
    """A spool on which so many batches wait."""
    agent = await running(site)
    hear(agent, 0, EACH - 1)
    await agent.keeper.commit()
    await end(agent)
    spool = Spool(site.spool)
    ((row, size),) = spool.rows("SELECT id, size FROM batch ORDER BY id LIMIT 1")
    with spool._db:
        spool._db.execute(_MORE, (BATCHES, row, row, EACH, size, row)).fetchall()
    spool.close()


async def _first_offer(agent: Agent) -> float:
    """Processor seconds until a record is offered the first batch."""
    offered = asyncio.Event()

    async def serve(reader: Any, writer: Any) -> None:
        while True:
            if b"/v1/batch/" in await request_of(reader):
                offered.set()
            writer.write(b"HTTP/1.1 503 Later\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()

    async with serving(serve) as seen:
        client = Client(f"http://127.0.0.1:{seen.port}", None, 5)
        device = agent.keeper._device.public
        way = Uplink(
            client, LOG.public, device, agent.keeper, os.urandom, agent.health, UplinkSection()
        )
        begun = time.process_time()
        await agent.keeper.start()
        task = asyncio.create_task(way.run())
        await offered.wait()
        took = time.process_time() - begun
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.close()
    return took


def test_start_does_not_depend_on_what_waits(site: Site) -> None:
    asyncio.run(_crowded(site))

    async def play() -> None:
        agent = site.agent()
        took = await _first_offer(agent)
        assert agent.health.waiting_batches > BATCHES
        assert agent.health.waiting > BATCHES * EACH
        assert took < START_S, f"{took:.2f} s of processor time until the first batch left"
        agent.hear(setup())
        hear(agent, EACH, EACH + 9)
        await agent.keeper.commit()  # and it seals at once
        await until(lambda: agent.health.durable >= 10)
        await agent.keeper.close()

    go(play())
