"""A device key is rotated while the gateway measures: real programs, simulated PMUs on TCP and on a
serial line, and a record. No sample is lost, and the record verifies.

1. Programs are the shipped ones, processes of their own (as in tests/scenario/test_kill).
2. The agent is killed, not asked, so that the last run of the key before leaves pieces without a
   head; in one test its store is away as well, so that the run is not even signed.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent import config as agent_config
from drivers.keystore import file as keyfile
from drivers.keystore.uri import show
from evidence import cose, rotation
from evidence import run as runs
from evidence.code import Cause, Typ
from evidence.leap import NS
from provisioning import cli
from provisioning.init import AUTHORITY_KEY, DEVICE_KEY, GATEWAY, LOG_KEY
from record.store import open_reader
from tests.drivers import keyring
from tests.provisioning.enrol import desk as desks
from tests.provisioning.enrol.desk import Desk
from tests.scenario.test_key_store import Gateway
from tests.scenario.test_kill import Site, check_instants, held

NEXT = "file:next.key"
WITHIN_S = 80
pytestmark = pytest.mark.timeout(WITHIN_S + 10)


def desk_of(site: Site) -> Desk:
    """The authority that init made."""
    root, log = (keyfile.read(site.site / name) for name in (AUTHORITY_KEY, LOG_KEY))
    return Desk(root, desks.desk().ca, log)


def typed(*argv: str | Path) -> None:
    assert cli.main([str(word) for word in argv]) == 0


def rotate(site: Site, uri: str) -> bytes:
    out = site.folder / "request.gse"
    typed("rotate", site.site, "--key", uri, "--out", out)
    return out.read_bytes()


def accept(site: Site, packed: bytes) -> None:
    path = site.folder / "answer.gse"
    more = {"anchors": b"", "ca": (), "issuer": "authority-1"}
    path.write_bytes(desk_of(site).answer(packed, time.time_ns(), **more))
    typed("enrol", "accept", site.site, path)


def logged(path: Path, typ: Typ) -> list[cose.Sign1]:
    store = open_reader(path)
    try:
        return [cose.read(one.encoded) for one in store.entries() if one.typ == typ]
    finally:
        store.close()


def check_whole(site: Site, streams: tuple[int, ...] = (7, 8)) -> int:
    """All that was sealed is in the record; how many runs there are."""
    found = held(site.site / "record.db")
    kept = site.kept()
    assert set(found.links) == set(kept.links)
    assert set(found.receipts) == set(kept.receipts)
    assert all(found.instants[idcode] for idcode in streams)
    check_instants(found._replace(instants={idcode: found.instants[idcode] for idcode in streams}))
    return len(found.runs)


def play(work: Callable[[], object], site: Site) -> None:
    async def all_of_it() -> None:
        try:
            await work()  # type: ignore[misc]
        finally:
            for child in site.children:
                child.kill()

    asyncio.run(asyncio.wait_for(all_of_it(), WITHIN_S))


def test_a_rotation_in_the_middle_loses_no_sample(tmp_path: Path) -> None:
    site = Site(tmp_path)

    async def work() -> None:
        await site.start()
        first = await site.until(lambda told: told["receipted"] > 20)
        old = show(f"file:{DEVICE_KEY}", site.site)
        packed = rotate(site, NEXT)
        second = await site.until(lambda told: told["receipted"] > first["receipted"])
        accept(site, packed)  # the agent goes on with the old key until it is started again
        assert site.agent is not None
        site.agent.kill()
        await site.seal()
        third = await site.until(lambda told: told["receipted"] > 20)
        assert third["run"] != second["run"] and third["key_fault"] == ""
        await site.end()
        (message,) = logged(site.site / "record.db", Typ.ROTATION)
        cose.check(message, old)
        assert rotation.read(message.payload).key == show(NEXT, site.site)

    play(work, site)
    assert check_whole(site) == 2


def test_the_key_before_comes_back_and_signs_what_it_has_to(
    tmp_path: Path, program: Callable[[str], Path]
) -> None:
    with keyring.token(tmp_path / "store", program) as token:
        site = Gateway(tmp_path, token.uri())

        async def work() -> None:
            await site.start()
            await site.until(lambda told: told["receipted"] > 20)
            packed = rotate(site, NEXT)
            token.take_away()
            assert site.agent is not None
            site.agent.kill()
            await site.seal()  # the last run of the key before: nobody signs it
            unsigned = await site.until(lambda told: told["waiting"] > 20 and told["key_fault"])
            site.agent.kill()
            accept(site, packed)
            told = agent_config.load(site.site / GATEWAY).file.gateway
            assert (told.key, told.key_before) == (NEXT, (token.uri(),))
            await site.seal()
            away = await site.until(lambda told: told["receipted"] > 20)
            assert "KEY STORE AWAY" in await site.words()
            assert away["run"] != unsigned["run"] and away["waiting"] > 0
            token.bring_back()
            back = await site.until(lambda told: told["key_fault"] == "")
            assert back["unkept"] == 0
            await site.end()

        play(work, site)
        assert check_whole(site, (7,)) == 3


def test_two_rotations_with_no_run_between_them(tmp_path: Path) -> None:
    """The first next token is faulty: the second is reached by both rotations."""
    site = Site(tmp_path)

    async def work() -> None:
        await site.start()
        await site.until(lambda told: told["receipted"] > 20)
        assert site.agent is not None
        site.agent.kill()
        accept(site, rotate(site, "file:faulty.key"))
        accept(site, rotate(site, NEXT))
        told = agent_config.load(site.site / GATEWAY).file.gateway
        assert told.key_before == ("file:faulty.key", f"file:{DEVICE_KEY}")
        await site.seal()
        await site.until(lambda told: told["receipted"] > 20)
        await site.end()
        assert len(logged(site.site / "record.db", Typ.ROTATION)) == 2

    play(work, site)
    check_whole(site)


@pytest.mark.parametrize("undone", [True, False])
def test_rolled_back_before_the_agent_started_it_goes_on_with_the_old_key(
    tmp_path: Path, undone: bool
) -> None:
    site = Site(tmp_path)

    async def work() -> None:
        await site.start()
        before = await site.until(lambda told: told["receipted"] > 20)
        assert site.agent is not None
        site.agent.kill()
        accept(site, rotate(site, NEXT))
        typed("rollback", site.site)
        if not undone:
            typed("rollback", site.site)
        await site.seal()
        await site.until(lambda told: told["receipted"] > 5 and told["run"] != before["run"])
        await site.end()

    play(work, site)
    key = agent_config.load(site.site / GATEWAY).file.gateway.key
    assert key == (f"file:{DEVICE_KEY}" if undone else NEXT)
    check_whole(site)


def test_a_disk_that_was_rolled_back_is_noticed_through_a_rotation(tmp_path: Path) -> None:
    """The record has not heard of the next key yet: it is asked what it has of the one before."""
    site = Site(tmp_path)

    async def work() -> None:
        await site.start()
        await site.until(lambda told: told["receipted"] > 20)
        assert site.agent is not None
        site.agent.kill()
        image = {
            path.name: path.read_bytes() for path in site.site.glob("spool.db*") if path.is_file()
        }
        await site.seal()
        await site.until(lambda told: told["receipted"] > 200)  # of this run too
        site.agent.kill()
        for name, content in image.items():
            (site.site / name).write_bytes(content)
        accept(site, rotate(site, NEXT))
        await site.seal()
        await site.until(lambda told: told["receipted"] > 200)
        assert site.record is not None
        for child in (site.agent, site.record):
            assert await child.end(15) == 0

    play(work, site)
    found = [runs.read(one.payload) for one in logged(site.site / "record.db", Typ.RUN)]
    assert found[-1].cause == Cause.ROLLBACK


def test_the_old_key_alone_is_never_enough(tmp_path: Path) -> None:
    """A spool is not taken over by a key to which no credential leads."""
    site = Site(tmp_path)

    async def work() -> None:
        await site.start()
        await site.until(lambda told: told["receipted"] > 5)
        assert site.agent is not None
        site.agent.kill()
        packed = rotate(site, NEXT)
        path = site.folder / "answer.gse"
        more = {"anchors": b"", "ca": (), "issuer": "authority-1", "rotation": None}
        path.write_bytes(desk_of(site).answer(packed, time.time_ns(), **more))
        assert cli.main(["enrol", "accept", str(site.site), str(path)]) == 2

    play(work, site)
    assert time.time_ns() > NS
    assert agent_config.load(site.site / GATEWAY).file.gateway.key == f"file:{DEVICE_KEY}"
