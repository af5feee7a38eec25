"""A record whose log key is in a token that goes away and comes back: one process, a real token."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drivers.c37118.wire import Layout
from drivers.keystore.uri import make
from record.cli import main
from record.database import Place
from tests.drivers import keyring
from tests.drivers.keyring import PIN, Token
from tests.record.gateway import GatewayRun, Statement, frame
from tests.record.test_audit import anchors_text
from tests.record.test_program import served, talk
from tests.record.test_service import WAIT_S, Client, begin
from tests.record.upstream import BOTH, LOG

LATER = "the log's key is away\n"


@pytest.fixture
def token(tmp_path: Path, program: Callable[[str], Path]) -> Iterator[Token]:
    with keyring.token(tmp_path / "token", program) as found:
        yield found


def written(folder: Path, place: Place, token: Token) -> Path:
    public = make(token.uri(), folder)
    text = anchors_text().replace(LOG.public.raw.hex(), public.raw.hex())
    (folder / "anchors.toml").write_text(text)
    told = f'[record]\nlisten = "127.0.0.1:0"\nstore = "{place}"\nkey = "{token.uri()}"\n'
    (folder / "record.toml").write_text(told)
    return folder / "record.toml"


def unplug(token: Token, record: subprocess.Popen[str]) -> None:
    """Takes the token away, and ends the program that has it open."""
    token.take_away()
    children = Path(f"/proc/{record.pid}/task").glob("*/children")
    for pid in " ".join(path.read_text() for path in children).split():
        os.kill(int(pid), signal.SIGKILL)


@BOTH
def test_a_log_key_that_goes_away_is_waited_for(
    tmp_path: Path, place: Place, token: Token, cfg: bytes, layout: Layout
):
    with served(written(tmp_path, place, token)) as (process, url):

        async def what(client: Client) -> None:
            gateway, run = await begin(client, cfg)
            first, second = observed(run, layout, 0), observed(run, layout, 1)
            assert (await client.push(first))[0] == 200
            unplug(token, process)
            unknown = Statement(gateway.statement.encoded[:-1] + b"\0", ())
            heads = f"{url}/v1/device/{gateway.device.public.kid.hex()}/heads"
            for _ in range(2):
                assert await client.push(second) == (503, LATER)
                assert await client.send(unknown) == (503, LATER)  # nor is it refused
                assert (await client.session.get(heads)).status == 503
                assert (await client.get("/v1/checkpoint"))[0] == 200  # signed before
                assert (await client.push(first))[0] == 200  # answered before
            token.bring_back()
            assert (await client.push(second))[0] == 200
            assert (await client.send(unknown))[0] == 422
            assert (await client.session.get(heads)).status == 200

        talk(url, what)
        os.kill(process.pid, signal.SIGTERM)
        out, said = process.communicate(timeout=WAIT_S)
    assert (process.returncode, out) == (0, "")
    assert "no such token is plugged in" in said and PIN not in said
    assert main(["verify", str(place), "--anchors", str(tmp_path / "anchors.toml")]) == 0


def observed(run: GatewayRun, layout: Layout, number: int) -> bytes:
    run.observe(1, frame(layout, number))
    return run.cut()
