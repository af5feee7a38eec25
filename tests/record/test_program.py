"""`gridseal-record serve` as a program, and what it is told by its files."""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import aiohttp
import pytest

from drivers.c37118.wire import Layout
from drivers.keystore import file as keystore
from evidence.config import ConfigError
from record import config
from record.cli import main
from record.database import Place
from record.store import open_reader
from tests.record.gateway import GatewayRun, frame
from tests.record.test_audit import anchors_text
from tests.record.test_service import WAIT_S, Client, begin, over_http
from tests.record.upstream import BOTH, LOG, Upstream


def written(folder: Path, more: str = "", listen: str = "127.0.0.1:0") -> Path:
    """A record's files; the path of record.toml."""
    key = folder / "log.key"
    public = (keystore.read(key) if key.exists() else keystore.create(key)).public
    text = anchors_text().replace(LOG.public.raw.hex(), public.raw.hex())
    (folder / "anchors.toml").write_text(text)
    (folder / "record.toml").write_text(f'[record]\nlisten = "{listen}"\n{more}')
    return folder / "record.toml"


@contextlib.contextmanager
def program(
    folder: Path, place: Place, more: str = ""
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A record as a process of its own, and its address."""
    with served(written(folder, f'store = "{place}"\n{more}')) as found:
        yield found


@contextlib.contextmanager
def served(path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A record of these files, and its address."""
    command = [sys.executable, "-m", "record.cli", "serve", "--config", str(path)]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None and process.stderr is not None
            line = process.stdout.readline()
            url = re.search(r"https?://127\.0\.0\.1:\d+", line)
            assert url, line + process.stderr.read()
            yield process, url.group()
        finally:
            process.kill()


def talk(url: str, what: Callable[[Client], Awaitable[object]]) -> None:
    async def session() -> None:
        async with aiohttp.ClientSession() as session:
            await what(Client(session, url))

    asyncio.run(asyncio.wait_for(session(), WAIT_S))


@BOTH
def test_program_serves_and_ends_clean(tmp_path: Path, place: Place, cfg: bytes):
    with program(tmp_path, place) as (process, url):
        talk(url, lambda client: begin(client, cfg))
        os.kill(process.pid, signal.SIGTERM)
        out, err = process.communicate(timeout=WAIT_S)
        assert (process.returncode, out, err) == (0, "", "")
    assert verified(tmp_path, place) == 0


@BOTH
def test_program_looks_at_values_when_it_is_idle(
    tmp_path: Path, place: Place, cfg: bytes, layout: Layout, capsys: pytest.CaptureFixture[str]
):
    """Nobody asks for it: within seconds the log says which values are none."""
    with program(tmp_path, place, "appraise_s = 1\n") as (process, url):

        async def push(client: Client) -> None:
            _, run = await begin(client, cfg)
            described = run.describe(2, cfg, channels=((0, "V0"),))
            assert (await client.send(described))[0] == 200
            for number in range(20):
                run.observe(2, frame(layout, number, 0, [(0, "V0")] * (number >= 15)))
            assert (await client.push(run.cut()))[0] == 200

        talk(url, push)
        deadline = time.monotonic() + WAIT_S
        found = findings(place, capsys)
        while not found and time.monotonic() < deadline:
            time.sleep(0.1)
            found = findings(place, capsys)
        assert found == {"value_invalid": 1}
        os.kill(process.pid, signal.SIGTERM)
        out, err = process.communicate(timeout=WAIT_S)
        assert (process.returncode, out, err) == (0, "", "")
    assert verified(tmp_path, place) == 0


def findings(place: Place, capsys: pytest.CaptureFixture[str]) -> dict[str, int]:
    assert main(["show", "--json", str(place)]) == 0
    counts: dict[str, int] = json.loads(capsys.readouterr().out)["findings"]
    return counts


@BOTH
def test_killed_record_holds_what_it_answered_for(
    tmp_path: Path, place: Place, cfg: bytes, layout: Layout
):
    """kill -9 in the middle of it; what was answered has its receipt, and the rest is taken when it
    is sent again. Nothing is in it twice."""
    run: list[GatewayRun] = []
    batches: list[bytes] = []
    answered: dict[bytes, bytes] = {}

    with program(tmp_path, place) as (process, url):

        async def first(client: Client) -> None:
            run.append((await begin(client, cfg))[1])
            for number in range(400):
                run[0].observe(1, frame(layout, number))
                batches.append(run[0].cut())
            tasks = [asyncio.create_task(client.push(batch)) for batch in batches]
            for batch, task in zip(batches, tasks, strict=True):
                with contextlib.suppress(aiohttp.ClientError):
                    status, answer = await task
                    if status == 200:
                        answered[batch] = answer[0]
                if len(answered) == 40:
                    process.kill()

        talk(url, first)
    assert 40 <= len(answered) < len(batches)

    with program(tmp_path, place) as (_, url):

        async def pushed(client: Client, batch: bytes) -> None:
            status, answer = await client.push(batch)
            assert status == 200
            assert answered.setdefault(batch, answer[0]) == answer[0]

        async def again(client: Client) -> None:
            for at in range(0, len(batches), 8):  # a few share a commit, and its disk's time
                await asyncio.gather(*(pushed(client, one) for one in batches[at : at + 8]))

        talk(url, again)
    assert verified(tmp_path, place) == 0
    store = open_reader(place)
    assert (store.batches(), sum(store.tallies().values())) == (400, 400)
    store.close()


def verified(folder: Path, place: Place) -> int:
    return main(["verify", str(place), "--anchors", str(folder / "anchors.toml")])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[record]\nlisten = "0.0.0.0:8443"\n', "not loopback"),
        ('[record]\nlisten = "here"\n', "HOST:PORT"),
        ('[record]\nlisten = "127.0.0.1:70000"\n', "the port is over 65535"),
        (f'[record]\nlisten = "127.0.0.1:{"9" * 5000}"\n', "the port is over 65535"),
        ('[record]\nlistn = "127.0.0.1:0"\n', "did you mean 'listen'"),
        ('[record]\nkey = "file:other.key"\n', "other.key"),
        ('[record]\nanchors = "none.toml"\n', "none.toml"),
        ('[record]\nstore = "postgresql://a:secret@h/d"\n', "record.store: found a password"),
        ('[record]\nstore = "postgresql://a:se/secret@h/d"\n', "record.store: found a password"),
        ('[record]\nstore = "postgres://a:se#secret@h/d"\n', "record.store: found a password"),
        ('[record]\nstore = "PostgreSQL://a:secret@h/d"\n', "record.store: found a password"),
        ("[record\n", "not TOML"),
    ],
)
def test_wrong_configuration_is_one_line(
    tmp_path: Path, text: str, words: str, capsys: pytest.CaptureFixture[str]
):
    path = written(tmp_path)
    path.write_text(text)
    assert main(["serve", "--config", str(path)]) == 2
    err = capsys.readouterr().err
    assert words in err and "secret" not in err
    assert err.count("\n") == 1


def test_key_must_be_the_anchors(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = written(tmp_path)
    (tmp_path / "anchors.toml").write_text(anchors_text())
    assert main(["serve", "--config", str(path)]) == 2
    assert LOG.public.kid.hex() in capsys.readouterr().err


def test_store_of_another_log_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    over_http(tmp_path / "record.db", lambda _: asyncio.sleep(0))
    path = written(tmp_path)
    assert main(["serve", "--config", str(path)]) == 2
    assert "the store is that of log key" in capsys.readouterr().err


def test_taken_port_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = written(tmp_path)

    async def what(client: Client) -> None:
        listen = client.url.removeprefix("http://")
        arguments = ["serve", "--config", str(path), "--listen", listen]
        assert await asyncio.to_thread(_status, arguments) == 2

    over_http(tmp_path / "other.db", what)
    err = capsys.readouterr().err
    assert "in use" in err and "--listen" in err
    assert err.count("\n") == 1


def _status(arguments: list[str]) -> int:
    """The exit status of the program, in a process of its own."""
    command = [sys.executable, "-m", "record.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    sys.stderr.write(done.stderr)
    return done.returncode


def test_who_ends_a_command_or_reads_a_line_of_it_is_told_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    def ended(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("record.command.show.run", ended)
    assert main(["show", str(tmp_path / "record.db")]) == 130
    assert capfd.readouterr() == ("", "")
    Upstream(tmp_path / "record.db").close()
    command = [sys.executable, "-m", "record.cli", "verify", str(tmp_path / "record.db")]
    root = Path(__file__).resolve().parents[2]
    reading, writing = os.pipe()
    os.close(reading)
    try:
        found = subprocess.run(command, cwd=root, stdout=writing, stderr=subprocess.PIPE)
    finally:
        os.close(writing)
    assert found.stderr == b""


def test_anchors_are_read_strictly(tmp_path: Path):
    path = tmp_path / "anchors.toml"
    for text, words in (
        (anchors_text() + '[[authority]]\nname = "B"\nkey = "zz"\n', "64 hex digits"),
        (anchors_text() + anchors_text().split("\n", 3)[3], "the same key"),
        (anchors_text().replace("[log]", "[logg]"), "logg"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=words):
            config.read_anchors(path)
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="UTF-8"):
        config.read_anchors(path)
