"""What a device is told that keeps its own words until they are kept here, and where the next agent
goes on. Over a real spool; the device is one that notes what it is told."""

import asyncio

from tests.agent.keeping import Fault, go, hear, keep, until
from tests.agent.site import Agent, Site, setup

NAME = "pmu"


class Device:
    """Of a driver what concerns its bookmarks (drivers.line.Keeping)."""

    def __init__(self) -> None:
        self.at = self.resumed = b""
        self.told: list[bytes] = []

    def resume(self, bookmark: bytes) -> None:
        self.at = self.resumed = bookmark

    def bookmark(self) -> bytes:
        return self.at

    def kept(self, bookmark: bytes) -> None:
        self.told.append(bookmark)


async def opened(agent: Agent) -> Device:
    device = Device()
    await agent.keeper.start()
    agent.keeper.bookmarks.opened(NAME, device)  # type: ignore[arg-type]
    return device


def says(agent: Agent, device: Device, number: int) -> None:
    """A frame, and the bookmark after it."""
    hear(agent, number, number)
    device.at = b"%d" % number
    agent.keeper.bookmarks.heard(NAME)


async def said(agent: Agent, device: Device, number: int) -> None:
    """And it is told."""
    says(agent, device, number)
    await until(lambda: device.told[-1] == device.at)


async def resumed(site: Site) -> bytes:
    agent = site.agent()
    device = await opened(agent)
    await agent.keeper.close()
    return device.resumed


def test_a_device_is_told_after_the_commit_and_the_next_agent_goes_on_there(
    site: Site, fault: Fault
) -> None:
    agent = site.agent()

    async def work(device: Device) -> None:
        agent.hear(setup())
        await said(agent, device, 0)
        fault.before = 1000
        says(agent, device, 1)
        await until(lambda: fault.seen >= 2)
        assert device.told[-1] == b"0", "a commit that failed is none"
        fault.before = 0
        await until(lambda: device.told[-1] == b"1")
        assert agent.health.durable == 2
        says(agent, device, 2)
        device.at = b"3"  # read, and never heard
        agent.keeper.bookmarks.closed(NAME)  # its line is gone before the commit

    async def all_of_it() -> None:
        device = await opened(agent)
        await keep(agent, work(device))
        assert device.told == [b"", b"0", b"1"]
        assert await resumed(site) == b"2"

    go(all_of_it())


def test_an_end_that_the_disk_was_too_slow_for_leaves_the_bookmark_where_the_disk_is(
    site: Site,
) -> None:
    agent = site.agent()

    async def all_of_it() -> None:
        device = await opened(agent)
        agent.hear(setup())
        says(agent, device, 0)
        await agent.keeper.commit()
        says(agent, device, 1)
        agent.keeper._hearing.detach()  # as `end_run`, after END_S
        await agent.keeper._commit(ends=True)  # with what was answered since
        await agent.keeper.close()
        assert device.told[-1] == b"0" and await resumed(site) == b"0"

    go(all_of_it())


def test_with_spill_it_is_told_what_is_held_and_no_later_agent_believes_it_written(
    site: Site,
) -> None:
    async def once() -> None:
        agent = site.agent()
        device = await opened(agent)
        agent.hear(setup())
        await keep(agent, said(agent, device, 0))

    asyncio.run(once())
    site.spool_changes = {"durability": "spill"}
    asyncio.run(once())
    site.spool_changes = {}
    assert asyncio.run(resumed(site)) == b""
