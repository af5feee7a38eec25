"""An hour without the key store, a real token and a real TPM: a run begins in it, and every sample
of the hour is kept, and receipted once the store is back.
"""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent import signature
from agent.config import load
from agent.signature import device_key
from drivers.keystore.held import HeldKey
from evidence.code import Cause
from evidence.config import ConfigError
from evidence.leap import NS
from provisioning.init import GATEWAY
from tests.agent.keeping import admitted, go, hear, keep, raws, until
from tests.agent.site import Agent, Record, Site, setup
from tests.drivers import keyring
from tests.drivers.keyring import Chip, Token

WITHIN_S = 15.0  # half of what a store may take to answer
PIECES, EACH = 12, 10  # of the hour, a piece every five minutes
Store = Token | Chip


@pytest.fixture(params=["pkcs11", "tpm"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, program: Callable[[str], Path]
) -> Iterator[Store]:
    kind = keyring.token if request.param == "pkcs11" else keyring.chip
    with kind(tmp_path / "store", program) as found:
        yield found


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signature, "AGAIN_S", (0.05, 0.2))


@pytest.fixture
def gateway(site: Site, record: Record, store: Store) -> Site:
    """The site, its device key in the store. The record knows whom to believe since before."""
    keyring.hand_over(site.folder, store.uri())
    return site


def agent_of(site: Site) -> Agent:
    agent = site.agent()
    agent.keeper._device = agent.keeper._signatures._device = device_key(site.gateway(), waits=True)
    return agent


def test_an_hour_without_its_key_store_costs_no_sample(
    gateway: Site, record: Record, store: Store
) -> None:
    agent = agent_of(gateway)

    async def work() -> None:
        agent.hear(setup())
        hear(agent, 0, EACH - 1)
        await until(lambda: not agent.keeper._signatures._under_way)
        first = agent.health.run
        store.take_away()
        agent.keeper.turn(Cause.DAILY)
        await until(lambda: agent.health.run != first)
        for piece in range(1, PIECES + 1):
            hear(agent, piece * EACH, piece * EACH + EACH - 1)
            await until(lambda: agent.health.durable == agent.health.sealed)
            agent.time.go(300 * NS)
        await until(lambda: agent.health.key_fault != "")
        store.bring_back()
        await until(lambda: not agent.keeper._signatures._under_way)
        assert agent.health.key_fault == ""

    async def all_of_it() -> None:
        await agent.keeper.start()
        await keep(agent, work())

    go(all_of_it())
    assert agent.health.unkept == 0
    admitted(gateway, record)
    assert record.numbers(1) == raws(0, (PIECES + 1) * EACH - 1)
    assert len(record.runs) == 2


def test_a_start_without_its_key_store_is_waited_for(
    gateway: Site, record: Record, store: Store
) -> None:
    store.take_away()
    with pytest.raises(ConfigError):  # as `check` asks
        device_key(gateway.gateway(), waits=False)
    agent = agent_of(gateway)
    assert isinstance(agent.keeper._device, HeldKey)

    async def all_of_it() -> None:
        await agent.keeper.start()

        async def work() -> None:
            agent.hear(setup())
            hear(agent, 0, EACH - 1)
            await until(lambda: agent.health.key_fault != "")
            store.bring_back()
            await until(lambda: not agent.keeper._signatures._under_way)

        await keep(agent, work())

    go(all_of_it())
    admitted(gateway, record)
    assert record.numbers(1) == raws(0, EACH - 1)


@pytest.mark.parametrize("store", ["tpm"], indirect=True)
def test_a_store_that_hangs_holds_up_no_end(
    gateway: Site, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program ends only when its threads have: Python joins them."""
    assert isinstance(store, Chip)
    monkeypatch.setattr(signature, "SIGN_S", 0.2)
    agent = agent_of(gateway)

    async def all_of_it() -> None:
        await agent.keeper.start()
        agent.hear(setup())
        await until(lambda: not agent.keeper._signatures._under_way)
        store.stop()
        agent.keeper.turn(Cause.DAILY)
        await keep(agent, until(lambda: bool(agent.keeper._signatures._under_way)))

    go(all_of_it())
    begun = time.monotonic()
    for thread in threading.enumerate():
        if thread.name.startswith("key-store"):
            thread.join(WITHIN_S)
            assert not thread.is_alive()
    assert time.monotonic() - begun < WITHIN_S


def test_another_key_in_the_store_is_refused(gateway: Site, store: Store, tmp_path: Path) -> None:
    text = (gateway.folder / GATEWAY).read_text()
    uri = store.uri()
    (gateway.folder / GATEWAY).write_text(text.replace(uri, uri.replace("device", "another")))
    with pytest.raises(ConfigError):
        device_key(load(gateway.folder / GATEWAY), waits=True)
