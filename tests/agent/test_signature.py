"""The device key in a store that is slow or fails: sealing goes on, batches wait for the signature,
and no run stays unsigned.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from agent import signature
from drivers.keystore.uri import KeyStoreError
from evidence.key import PublicKey, Signer
from tests.agent.keeping import admitted, end, go, hear, keep, raws, running, until
from tests.agent.site import Agent, Record, Site, setup


class Store:
    """A device key that signs when it may, and fails as often as told."""

    def __init__(self, key: Signer) -> None:
        self._key, self.may, self.fails, self.asked = key, threading.Event(), 0, 0

    @property
    def public(self) -> PublicKey:
        return self._key.public

    def sign(self, message: bytes) -> bytes:
        self.asked += 1
        if self.fails:
            self.fails -= 1
            raise KeyStoreError("pkcs11:token=gateway", "the token is not there")
        assert self.may.wait(10)
        return self._key.sign(message)


@contextmanager
def held(agent: Agent) -> Iterator[Store]:
    """The agent's device key in such a store; in the end it signs, so that no thread waits."""
    store = Store(agent.keeper._device)
    agent.keeper._device = agent.keeper._signatures._device = store
    try:
        yield store
    finally:
        store.may.set()


def signed(agent: Agent) -> bool:
    return agent.keeper.spool.statement(bytes.fromhex(agent.health.run)) is not None


def test_a_slow_key_delays_batches_and_no_sample(site: Site, record: Record) -> None:
    agent = site.agent()

    async def work(store: Store) -> None:
        agent.hear(setup())
        for second in range(3):
            hear(agent, second * 50, second * 50 + 49)
            await until(lambda: agent.health.durable == agent.health.sealed)
        assert agent.health.durable == 150
        await until(lambda: agent.health.waiting > 0)
        assert not await agent.keeper.on_disk(lambda: signed(agent))
        store.may.set()
        await until(lambda: not agent.keeper._signatures._under_way)
        await agent.keeper.commit()
        assert await agent.keeper.on_disk(lambda: signed(agent))

    async def all_of_it() -> None:
        with held(agent) as store:
            await agent.keeper.start()
            await keep(agent, work(store))

    go(all_of_it())
    admitted(site, record)
    assert record.numbers(1) == raws(0, 149)


def test_a_run_that_was_never_signed_is_signed_by_the_next_start(
    site: Site, record: Record
) -> None:
    async def killed() -> None:
        agent = site.agent()
        with held(agent):
            await agent.keeper.start()
            agent.hear(setup())
            hear(agent, 0, 4)
            await agent.keeper.commit()
            found = await agent.keeper.on_disk(agent.keeper.spool.find)
            assert len(found.unsigned) == 1
            await agent.crash()

    async def ended() -> None:
        agent = await running(site)
        hear(agent, 5, 9)
        await end(agent)

    go(killed())
    go(ended())
    admitted(site, record)
    assert record.numbers(1) == raws(0, 9)


def test_a_key_store_that_fails_is_asked_again(
    site: Site, record: Record, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(signature, "AGAIN_S", (0.01, 0.02))
    agent = site.agent()

    async def work(store: Store) -> None:
        agent.hear(setup())
        hear(agent, 0, 4)
        await until(lambda: store.fails == 0 and not agent.keeper._signatures._under_way)

    async def all_of_it() -> None:
        with held(agent) as store:
            store.fails = 3
            store.may.set()
            await agent.keeper.start()
            await keep(agent, work(store))
            assert store.asked == 4

    go(all_of_it())
    assert "the token is not there" in caplog.text
    admitted(site, record)
    assert record.numbers(1) == raws(0, 4)
