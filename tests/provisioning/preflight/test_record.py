"""The way to the record, and one observation that goes it: against the shipped record and agent,
each a program of its own.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from hil.child import Child
from hil.devices.pmu import Plant, Profile
from hil.grid import Grid
from hil.loopback import free_port
from provisioning.init import ANCHORS, GATEWAY, RECORD, InitRequest, initialise
from provisioning.source import SourceRequest
from tests.provisioning.preflight.yard import Said, preflight

START_S = 30.0
END_S = 20.0
STORE = "record.db"
LINES = "--only=line-errors,configuration,rate"
NETWORK = "--only=route,test-observation"


def made(folder: Path, *, source: SourceRequest | None = None, role: str = "gateway") -> Path:
    """The folder of a gateway and of its record."""
    request = InitRequest(
        folder,
        listen=("127.0.0.1", free_port()),
        sources=(source,) if source else (),
        role=role,
    )
    initialise(request, int(time.time()), os.urandom)
    return folder


@contextlib.asynccontextmanager
async def program(folder: Path, name: str, module: str, *argv: str) -> AsyncIterator[Child]:
    """One that says that it is ready, and is told to end."""
    child = Child(name, module, argv, folder.parent / f"{name}.log")
    try:
        await child.says({"record": "listens on", "agent": " runs, "}[name], START_S)
        yield child
        assert await child.end(END_S) == 0, child.said()
    finally:
        child.kill()


def recording(folder: Path) -> contextlib.AbstractAsyncContextManager[Child]:
    return program(folder, "record", "record.cli", "serve", "--config", str(folder / RECORD))


def sealing(folder: Path) -> contextlib.AbstractAsyncContextManager[Child]:
    return program(folder, "agent", "agent.cli", "run", "--config", str(folder / GATEWAY))


def shown(folder: Path) -> dict[str, Any]:
    """What the record says of itself, once it has ended; it verifies."""

    def run(*argv: str) -> str:
        words = "import sys; from record.cli import main; sys.exit(main())"
        done = subprocess.run(
            [sys.executable, "-c", words, *argv], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("verify", str(folder / STORE), "--anchors", str(folder / ANCHORS))
    found: dict[str, Any] = json.loads(run("show", "--json", str(folder / STORE)))
    return found


def figure(said: Said, check: str) -> str:
    return said.figures(check)


def test_an_observation_is_sealed_receipted_and_classed_test(tmp_path):
    folder = made(tmp_path / "site")

    async def run() -> Said:
        async with recording(folder):
            return await preflight(folder, NETWORK)

    said = asyncio.run(run())
    assert (said.code, said.open()) == (0, set()), said.text
    assert "classed test" in figure(said, "test-observation")
    assert "entries, signed" in figure(said, "route")
    told = shown(folder)
    assert told["classes"] == {"test/test_mode": 1} and told["findings"] == {}


def test_an_agent_that_starts_afterwards_goes_on_where_pre_flight_ended(tmp_path):
    """No second chain, no clone, no rollback: to the record it was a start like any other."""
    plant = Plant(Grid())

    async def run() -> tuple[Said, Said, Said, str]:
        try:
            _, address = await plant.add_tcp(Profile("PMU A", 7, rate=30))
            host, _, port = address.rpartition(":")
            options: dict[str, Any] = {"host": host, "port": int(port), "idcode": 7}
            source = SourceRequest("pmu-a", "c37118+tcp", options, "Bus 1")
            folder = made(tmp_path / "site", source=source)
            plant.start()
            async with recording(folder):
                first = await preflight(folder, NETWORK)
                second = await preflight(folder, NETWORK)
                async with sealing(folder) as agent:
                    beside = await preflight(folder, NETWORK)
                    heard = await preflight(folder, LINES, "--seconds=2")
                    assert heard.code == 0, heard.text
                    assert "PMU A (IDCODE 7)" in heard.figures("configuration")
                third = await preflight(folder, NETWORK)
                assert third.code == 0, third.text
                return first, second, beside, agent.said()
        finally:
            await plant.stop()

    first, second, beside, log = asyncio.run(run())
    for said in (first, second, beside):
        assert said.code == 0, said.text
    assert "of the agent that runs" in figure(beside, "test-observation")
    assert "rolled back" not in log
    told = shown(tmp_path / "site")
    assert told["findings"] == {} and told["refusals"] == {}
    assert [one["runs"] for one in told["devices"]] == [4]
    assert told["classes"]["test/test_mode"] == 3


def test_a_record_that_is_not_there_is_a_fault_and_nothing_is_sealed(tmp_path):
    folder = made(tmp_path / "site")
    said = asyncio.run(preflight(folder, NETWORK))
    assert said.code == 1
    assert said.words("route") == ["fault"]
    assert "cannot be reached" in figure(said, "route")
    assert said.words("test-observation") == ["cannot tell"]
    assert not (folder / "spool.db").exists()


def test_a_record_that_nobody_finds_by_its_name(tmp_path):
    folder = made(tmp_path / "site")
    path = folder / GATEWAY
    text = path.read_text()
    at = text.index("url = ")
    path.write_text(
        text[:at] + 'url = "https://record.invalid:8443"' + text[text.index("\n", at) :]
    )
    said = asyncio.run(preflight(folder, "--only=route"))
    assert "record.invalid cannot be resolved" in figure(said, "route")


def test_whoever_answers_without_the_logs_key_is_not_the_record(tmp_path):
    folder, other = made(tmp_path / "site"), made(tmp_path / "other")

    async def run() -> tuple[Said, Said]:
        async with recording(folder):
            first = await preflight(folder, NETWORK)
            here = folder / ANCHORS
            here.write_text(here.read_text().replace(_key(here), _key(other / ANCHORS)))
            return first, await preflight(folder, "--only=route")

    first, second = asyncio.run(run())
    assert first.code == 0
    assert second.words("route") == ["fault"]
    assert "not the record that anchors.toml names" in figure(second, "route")


def _key(anchors: Path) -> str:
    """Of the log."""
    return anchors.read_text().split('key = "')[1].split('"')[0]


@pytest.mark.parametrize(
    ("days", "known", "words"),
    [
        (90, True, "ends in 89 days"),
        (3, True, "limit 7 days"),
        (-1, True, "is not believed: certificate has expired"),
        (90, False, "is not believed"),
    ],
)
def test_the_records_certificate(tmp_path, days: int, known: bool, words: str):
    folder = made(tmp_path / "site")
    ca, stranger = trustme.CA(), trustme.CA()
    ends = datetime.now(UTC) + timedelta(days=days)
    issued = ca.issue_cert("localhost", not_after=ends)
    issued.private_key_and_cert_chain_pem.write_to_path(str(folder / "record.pem"))
    (ca if known else stranger).cert_pem.write_to_path(str(folder / "ca.pem"))
    with (folder / RECORD).open("a") as file:
        file.write('\n[tls]\ncertificate = "record.pem"\nkey = "record.pem"\n')
    path = folder / GATEWAY
    text = path.read_text().replace("http://127.0.0.1", "https://localhost")
    path.write_text(
        text.replace('anchors = "anchors.toml"', 'anchors = "anchors.toml"\nca = "ca.pem"')
    )

    async def run() -> Said:
        async with recording(folder):
            return await preflight(folder, NETWORK)

    said = asyncio.run(run())
    assert words in figure(said, "route")
    assert said.words("route") == (["ok"] if (days, known) == (90, True) else ["fault"])
    assert said.words("test-observation") == (["ok"] if said.code == 0 else ["cannot tell"])
