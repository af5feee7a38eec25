"""A credential file that leads from key to key: read whole or refused; and whose spool it opens."""

import asyncio
import dataclasses
import os
from collections.abc import Callable
from typing import Any

import pytest

from agent import config, handover
from agent.schema import SpoolError
from drivers.keystore import file as keyfile
from drivers.keystore.uri import KeyStoreError
from evidence import cbor, cose, credential, rotation
from evidence.code import Typ
from evidence.config import ConfigError
from evidence.key import Ed25519Key
from provisioning.init import AUTHORITY_KEY, CREDENTIAL, GATEWAY
from tests.agent.keeping import admitted, go, hear, keep, raws, until
from tests.agent.site import START, Agent, Record, Site, setup


def rotated(site: Site, to: str, chain: int = config.HANDOVERS_MAX) -> config.HeldCredential:
    """A next key in its place, with what leads to it; the file's chain is cut to a length."""
    held = config.read_credential(site.folder / CREDENTIAL)
    gateway = config.load(site.folder / GATEWAY).file.gateway
    old = keyfile.read(site.folder / gateway.key.removeprefix("file:"))
    new = keyfile.create(site.folder / to, os.urandom)
    over = rotation.rotation(held.name, new, START)
    signed = cose.sign(Typ.ROTATION, over.payload(), old)
    name = cose.name(over.payload())
    authority = keyfile.read(site.folder / AUTHORITY_KEY)
    says = dataclasses.replace(held.says, key=new.public, rotation=name)
    granted = cose.sign(Typ.CREDENTIAL, says.payload(), authority)
    rows = [[signed, held.encoded, held.pairs], *handover.rows(held.before)][:chain]
    (site.folder / CREDENTIAL).write_bytes(cbor.encode([granted, held.pairs, rows]))
    text = (site.folder / GATEWAY).read_text()
    told = f'key = "file:{to}"\nkey_before = ["{gateway.key}"]'
    lines = [line for line in text.splitlines() if not line.startswith("key_before")]
    text = "\n".join(told if line.startswith("key = ") else line for line in lines)
    (site.folder / GATEWAY).write_text(text)
    return config.read_credential(site.folder / CREDENTIAL)


def agent_of(site: Site) -> Agent:
    """With the key that gateway.toml names."""
    agent = site.agent()
    uri = config.load(site.folder / GATEWAY).file.gateway.key
    device = keyfile.read(site.folder / uri.removeprefix("file:"))
    agent.keeper._device = agent.keeper._signatures._device = device
    return agent


def measure(site: Site, first: int, last: int) -> None:
    agent = agent_of(site)

    async def work() -> None:
        agent.hear(setup())
        hear(agent, first, last)
        await until(lambda: not agent.keeper._signatures._under_way)
        await until(lambda: agent.health.durable == agent.health.sealed)

    async def all_of_it() -> None:
        await agent.keeper.start()
        await keep(agent, work())

    go(all_of_it())
    assert agent.health.key_fault == ""


def test_the_spool_of_the_key_before_is_taken_over(site: Site, record: Record) -> None:
    measure(site, 0, 9)
    rotated(site, "next.key")
    measure(site, 10, 19)
    rotated(site, "third.key")
    measure(site, 20, 29)
    admitted(site, record)
    assert record.numbers(1) == raws(0, 29)
    assert len(record.runs) == 3


def test_what_it_had_not_signed_the_key_before_signs(site: Site, record: Record) -> None:
    """Killed before the device key came round: its run and its pieces wait in the spool."""
    agent = agent_of(site)

    class Away:
        public = agent.keeper._device.public

        def sign(self, message: bytes) -> bytes:
            raise KeyStoreError("store", "away")

    agent.keeper._signatures._device = Away()

    async def work() -> None:
        await agent.keeper.start()
        agent.hear(setup())
        hear(agent, 0, 9)
        await agent.keeper.commit()
        await until(lambda: agent.health.key_fault != "")
        await agent.crash()

    go(work())
    rotated(site, "next.key")
    measure(site, 10, 19)
    admitted(site, record)
    assert record.numbers(1) == raws(0, 19)


def test_without_a_chain_the_spool_is_refused_and_left_alone(site: Site) -> None:
    measure(site, 0, 9)
    before = site.spool.read_bytes()
    rotated(site, "next.key", chain=0)

    async def work() -> None:
        agent = agent_of(site)
        with pytest.raises(SpoolError, match="no rotation in the credential file"):
            await agent.keeper.start()
        await agent.crash()

    asyncio.run(work())
    assert site.spool.read_bytes() == before


Harm = Callable[[list[Any]], object]


def others(row: list[Any]) -> None:
    """A rotation that another key signed: whoever has the new key alone."""
    message = cose.read_statement(row[0], Typ.ROTATION)
    row[0] = cose.sign(Typ.ROTATION, message.payload, Ed25519Key(os.urandom(32)))


def unpossessed(row: list[Any]) -> None:
    message = cose.read_statement(row[0], Typ.ROTATION)
    found = dataclasses.replace(rotation.read(message.payload), possession=bytes(64))
    row[0] = cose.sign(Typ.ROTATION, found.payload(), Ed25519Key(os.urandom(32)))


def another(row: list[Any]) -> None:
    message = cose.read_statement(row[1], Typ.CREDENTIAL)
    says = dataclasses.replace(credential.read(message.payload), serial=b"x")
    row[1] = cose.sign(Typ.CREDENTIAL, says.payload(), Ed25519Key(os.urandom(32)))


@pytest.mark.parametrize(
    "harm",
    [
        others,
        unpossessed,
        another,
        lambda row: row.pop(),
        lambda row: row.append(b""),
        lambda row: row.__setitem__(0, b""),
        lambda row: row.__setitem__(0, row[1]),
        lambda row: row.__setitem__(1, row[0]),
        lambda row: row.__setitem__(2, 7),
        lambda row: row.clear(),
    ],
)
def test_a_chain_that_does_not_hold_is_refused_by_name(site: Site, harm: Harm) -> None:
    rotated(site, "next.key")
    path = site.folder / CREDENTIAL
    encoded, pairs, rows = cbor.decode(path.read_bytes())
    row = list(rows[0])
    harm(row)
    path.write_bytes(cbor.encode([encoded, pairs, [row]]))
    with pytest.raises(ConfigError, match="is no credential file"):
        config.read_credential(path)


@pytest.mark.parametrize("rest", [[7], [[]] * 2, [[[]]], [[7] * 9], [None]])
def test_something_else_behind_a_credential(site: Site, rest: list[Any]) -> None:
    path = site.folder / CREDENTIAL
    encoded, pairs = cbor.decode(path.read_bytes())
    path.write_bytes(cbor.encode([encoded, pairs, *rest]))
    with pytest.raises(ConfigError, match="is no credential file"):
        config.read_credential(path)


def test_more_keys_than_a_file_may_lead_through(site: Site) -> None:
    for number in range(config.HANDOVERS_MAX):
        rotated(site, f"{number}.key")
    held = config.read_credential(site.folder / CREDENTIAL)
    assert len(held.before) == config.HANDOVERS_MAX
    with pytest.raises(ConfigError, match="at most 4"):
        rotated(site, "last.key", chain=config.HANDOVERS_MAX + 1)


def test_a_gateway_of_one_key_carries_nothing_of_it(site: Site) -> None:
    import subprocess
    import sys

    code = "import sys; from pathlib import Path; from agent import config, keeper, runner;"
    code += " config.load(Path(sys.argv[1])); print('agent.handover' in sys.modules)"
    argv = [sys.executable, "-c", code, str(site.folder / GATEWAY)]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"
