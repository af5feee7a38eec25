"""`gridseal-record serve` as a program, and what it is told by its files."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from drivers.keystore import file as keystore
from evidence.config import ConfigError
from record import config
from record.cli import main
from tests.record.test_audit import anchors_text
from tests.record.test_service import WAIT_S, Client, begin, over_http
from tests.record.upstream import LOG


def written(folder: Path, more: str = "", listen: str = "127.0.0.1:0") -> Path:
    """A record's files; the path of record.toml."""
    public = keystore.create(folder / "log.key").public
    text = anchors_text().replace(LOG.public.raw.hex(), public.raw.hex())
    (folder / "anchors.toml").write_text(text)
    (folder / "record.toml").write_text(f'[record]\nlisten = "{listen}"\n{more}')
    return folder / "record.toml"


def test_program_serves_and_ends_clean(tmp_path: Path, cfg: bytes):
    path = written(tmp_path)
    command = [sys.executable, "-m", "record.cli", "serve", "--config", str(path)]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            url = re.search(r"http://127\.0\.0\.1:\d+", line)
            assert url, line

            async def talk() -> None:
                async with aiohttp.ClientSession() as session:
                    await begin(Client(session, url.group()), cfg)

            asyncio.run(asyncio.wait_for(talk(), WAIT_S))
            os.kill(process.pid, signal.SIGTERM)
            out, err = process.communicate(timeout=WAIT_S)
            assert (process.returncode, out, err) == (0, "", "")
        finally:
            process.kill()
    anchors = str(tmp_path / "anchors.toml")
    assert main(["verify", str(tmp_path / "record.db"), "--anchors", anchors]) == 0


def test_killed_record_holds_what_it_answered_for(tmp_path: Path, cfg: bytes):
    path = written(tmp_path)
    command = [sys.executable, "-m", "record.cli", "serve", "--config", str(path)]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
            assert url

            async def talk() -> None:
                async with aiohttp.ClientSession() as session:
                    await begin(Client(session, url.group()), cfg)

            asyncio.run(asyncio.wait_for(talk(), WAIT_S))
        finally:
            process.kill()
    anchors = str(tmp_path / "anchors.toml")
    assert main(["verify", str(tmp_path / "record.db"), "--anchors", anchors]) == 0


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
    assert words in err
    assert err.count("\n") == 1


def test_key_must_be_the_anchors(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = written(tmp_path)
    (tmp_path / "anchors.toml").write_text(anchors_text())
    assert main(["serve", "--config", str(path)]) == 2
    assert LOG.public.kid.hex() in capsys.readouterr().err


def test_store_of_another_log_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    over_http(tmp_path, lambda _: asyncio.sleep(0))
    path = written(tmp_path)
    assert main(["serve", "--config", str(path)]) == 2
    assert "the store is that of log key" in capsys.readouterr().err


def test_taken_port_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = written(tmp_path)

    async def what(client: Client) -> None:
        listen = client.url.removeprefix("http://")
        arguments = ["serve", "--config", str(path), "--listen", listen]
        assert await asyncio.to_thread(_status, arguments) == 2

    (tmp_path / "other").mkdir()
    over_http(tmp_path / "other", what)
    err = capsys.readouterr().err
    assert "in use" in err and "--listen" in err
    assert err.count("\n") == 1


def _status(arguments: list[str]) -> int:
    """The exit status of the program, in a process of its own."""
    command = [sys.executable, "-m", "record.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    sys.stderr.write(done.stderr)
    return done.returncode


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
