"""A gateway whose key store is taken away and comes back: it starts, seals and keeps all the same,
and what waited for a signature is receipted in the end.

1. Programs are the shipped ones (as in test_kill), stores are real: a SoftHSM2 token, a swtpm.
2. What a restart costs on a serial line is test_kill's: here it is the PMU over TCP that counts.
"""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from evidence.code import Cause
from hil.child import Child
from provisioning.init import DEVICE_KEY, GATEWAY
from tests.drivers import keyring
from tests.drivers.keyring import Chip, Token
from tests.scenario.test_kill import END_S, PLAY_S, Site, check_instants, held

AWAY_S = 1.0
pytestmark = pytest.mark.timeout(PLAY_S + 10)
Store = Token | Chip


@pytest.fixture(params=["pkcs11", "tpm"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, program: Callable[[str], Path]
) -> Iterator[Store]:
    kind = keyring.token if request.param == "pkcs11" else keyring.chip
    with kind(tmp_path / "store", program) as found:
        yield found


class Gateway(Site):
    """The site of test_kill, its device key in a store."""

    def __init__(self, folder: Path, uri: str) -> None:
        super().__init__(folder)
        self._uri = uri

    async def serve(self) -> None:
        if (self.site / DEVICE_KEY).exists():
            keyring.hand_over(self.site, self._uri)
            (self.site / DEVICE_KEY).unlink()
        await super().serve()

    async def check(self) -> tuple[int | None, str]:
        """What `gridseal-agent check` says."""
        found = self.child("check", "agent.cli", "check", "--config", self.at(GATEWAY))
        code = await found.ended(END_S)
        return code, found.said()

    async def words(self) -> str:
        found: Child = self.child("status", "agent.cli", "status", "--config", self.at(GATEWAY))
        assert await found.ended(END_S) == 0, found.said()
        return found.said()


async def play(site: Gateway, store: Store) -> None:
    await site.start()
    first = await site.until(lambda told: told["receipted"] > 20)
    assert first["key_fault"] == ""
    assert (await site.check())[0] == 0
    store.take_away()
    await asyncio.sleep(0.5)  # the run under way needs no store
    second = await site.until(lambda told: told["receipted"] > first["receipted"])
    assert second["key_fault"] == ""
    assert site.agent is not None
    site.agent.kill()
    code, said = await site.check()
    assert code == 2 and said.count("\n") == 1
    await site.seal()  # the store is away, and the gateway starts
    begun = await site.until(lambda told: told["key_fault"] != "")
    await asyncio.sleep(AWAY_S)
    away = await site.until(lambda told: told["durable"] > begun["durable"] + 50 * AWAY_S)
    assert away["waiting"] > 0 and away["bugs"] == 0 and away["unkept"] == 0
    assert "KEY STORE AWAY, batches wait" in await site.words()
    store.bring_back()
    back = await site.until(lambda told: told["receipted"] > away["durable"])
    assert back["key_fault"] == ""
    await site.end()
    found = held(site.site / "record.db")
    assert set(found.links) == set(site.kept().links)
    assert [one.cause for one in found.runs] == [Cause.FIRST_START, Cause.RESTART]
    check_instants(found._replace(instants={7: found.instants[7]}))


def test_a_store_that_is_away_costs_no_sample(store: Store, tmp_path: Path) -> None:
    uri = store.uri() if isinstance(store, Token) else store.uri(str(tmp_path / "device.tpm"))

    async def all_of_it() -> None:
        site = Gateway(tmp_path, uri)
        try:
            await play(site, store)
        finally:
            for child in site.children:
                child.kill()

    asyncio.run(asyncio.wait_for(all_of_it(), PLAY_S))


def test_no_key_and_no_pin_is_in_what_the_gateway_keeps(
    tmp_path: Path, program: Callable[[str], Path]
) -> None:
    """Nor in what it says: logs, status, spool, record, and every file beside them."""

    async def all_of_it(site: Gateway) -> None:
        try:
            await site.start()
            await site.until(lambda told: told["receipted"] > 5)
            await site.words()
            await site.end()
        finally:
            for child in site.children:
                child.kill()

    with keyring.token(tmp_path / "store", program) as token:
        asyncio.run(asyncio.wait_for(all_of_it(Gateway(tmp_path, token.uri())), PLAY_S))
        mine = {token.folder, token.pin_file}
        for path in tmp_path.rglob("*"):
            if path.is_file() and not mine & {path, *path.parents}:
                assert keyring.PIN.encode() not in path.read_bytes(), path
