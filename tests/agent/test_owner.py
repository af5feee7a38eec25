"""A spool through the life of its gateway: a renewed credential, another device's key."""

import asyncio
import os

import pytest

from agent.schema import SpoolError
from drivers.keystore import file as keyfile
from evidence.code import Typ
from provisioning.init import DEVICE_KEY
from tests.agent.site import Agent, Randomness, Site


def test_the_credential_that_a_run_names_is_kept_with_it(site: Site) -> None:
    async def scenario() -> None:
        agent = Agent(site, Randomness("one"))
        await agent.keeper.start()
        held = site.gateway().credential
        kept = agent.keeper.spool.statement(held.name)
        assert kept is not None
        assert (kept.typ, kept.encoded) == (Typ.CREDENTIAL, held.encoded)
        await agent.crash()

    asyncio.run(scenario())


def test_the_spool_of_another_device_is_refused_and_left_alone(site: Site) -> None:
    async def scenario() -> None:
        agent = Agent(site, Randomness("one"))
        await agent.keeper.start()
        await agent.crash()
        (site.folder / DEVICE_KEY).unlink()
        keyfile.create(site.folder / DEVICE_KEY, os.urandom)
        other = Agent(site, Randomness("two"))
        with pytest.raises(SpoolError, match="name another spool"):
            await other.keeper.start()
        await other.crash()

    asyncio.run(scenario())
