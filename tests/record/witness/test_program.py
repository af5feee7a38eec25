"""The programs together over loopback: a record, its witness, a mirror of it, and a mirror of that
mirror when the record is gone.
"""

import asyncio
import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from drivers.c37118.wire import Layout
from drivers.keystore import file as keystore
from evidence.tlog import note, policy
from evidence.tlog.note import COSIGNATURE, ED25519, Verifier
from record.cli import main
from tests.record.gateway import frame
from tests.record.test_program import served as record_served
from tests.record.test_program import written
from tests.record.test_service import Client, begin
from tests.record.witness.watched import ORIGIN, WAIT_S, ask, run, served, told

BATCHES = 256  # past the first full tile


def mirror_files(folder: Path, name: str, log: Verifier, url: str, more: str = "") -> Path:
    """mirror.toml; its key beside it."""
    folder.mkdir(exist_ok=True)
    if not (folder / "mirror.key").exists():
        keystore.create(folder / "mirror.key")
    path = folder / "mirror.toml"
    path.write_text(
        f'[mirror]\nname = "{name}"\nlisten = "127.0.0.1:0"\npull_s = 1\n{more}\n'
        f'[log]\nvkey = "{log.vkey()}"\nurl = "{url}"\n'
    )
    return path


def key_of(folder: Path, name: str, file: str = "mirror.key") -> Verifier:
    return Verifier(name, COSIGNATURE, keystore.read(folder / file).public)


def until_published(url: str, size: int) -> note.Note:
    """The record's note over at least so many entries."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        status, _, data = ask(url, "GET", "/checkpoint")
        if status == 200 and int(note.read(data).text.split("\n")[1]) >= size:
            return note.read(data)
        time.sleep(0.05)
    raise AssertionError("the record publishes nothing")


def push(url: str, cfg: bytes, layout: Layout) -> None:
    async def session() -> None:
        async with aiohttp.ClientSession() as session:
            client = Client(session, url)
            _, run = await begin(client, cfg)
            batches = []
            for number in range(BATCHES):
                run.observe(1, frame(layout, number))
                batches.append(run.cut())
            for answer in asyncio.as_completed([client.push(batch) for batch in batches]):
                assert (await answer)[0] == 200

    asyncio.run(asyncio.wait_for(session(), WAIT_S))


@pytest.fixture
def record(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str, Verifier, Verifier]]:
    """A record that one witness must cosign: process, address, the log's key, the witness's."""
    log_key = keystore.create(tmp_path / "log.key").public
    log = Verifier(ORIGIN, ED25519, log_key)
    witness_key = Verifier(
        "witness.example/1", COSIGNATURE, keystore.create(tmp_path / "w.key").public
    )
    (tmp_path / "witness.toml").write_text(
        f'[witness]\nname = "{witness_key.name}"\nlisten = "127.0.0.1:0"\nkey = "file:w.key"\n'
        f'[[log]]\nvkey = "{log.vkey()}"\n'
    )
    with served("witness", tmp_path / "witness.toml", "--new") as (_, witness_url):
        more = (
            f'[log]\norigin = "{ORIGIN}"\npublish_s = 0.1\n'
            f'[[witness]]\nurl = "{witness_url}"\nvkey = "{witness_key.vkey()}"\n'
        )
        with record_served(written(tmp_path, more)) as (process, url):
            yield process, url, log, witness_key


def test_a_record_is_witnessed_and_mirrored_and_outlived(
    tmp_path: Path,
    record: tuple[subprocess.Popen[str], str, Verifier, Verifier],
    cfg: bytes,
    layout: Layout,
    capsys: pytest.CaptureFixture[str],
):
    process, url, log, witness = record
    push(url, cfg, layout)
    until_published(url, BATCHES + 3)
    asked = f"log {log.vkey()}\nwitness w {witness.vkey()}\nquorum w\n"
    first, second = tmp_path / "first", tmp_path / "second"
    path = mirror_files(first, "mirror.example/1", log, url, 'policy = "policy.txt"')
    (first / "policy.txt").write_text(asked)
    done = run("mirror", path, "--new", "--once")
    assert (done.returncode, done.stdout) == (0, f"{ORIGIN}: {BATCHES + 3} entries more\n"), done
    process.kill()
    process.wait(WAIT_S)
    assert run("mirror", path, "--check").stdout.endswith(
        " entries of log.example/seam are there\n"
    )

    with served("mirror", path) as (mirror, address):
        assert mirror.stdout is not None
        prefix = address + "/" + copies(first)
        other = mirror_files(second, "mirror.example/2", log, prefix)
        done = run("mirror", other, "--new", "--once")
        assert done.returncode == 0, done
        shown = ask(address, "GET", f"/{copies(first)}/checkpoint")[2]
        for where in (
            "/checkpoint",
            "/tile/0/000.p/9",
            "/tile/0/../../../mirror.key",
            "/.pending/x",
        ):
            assert ask(address, "GET", f"/{copies(first)}{where}")[0] == (
                200 if where == "/checkpoint" else 404
            )
        assert ask(address, "POST", f"/{copies(first)}/checkpoint", b"x")[0] == 405
        mirror.send_signal(signal.SIGTERM)
        assert mirror.wait(WAIT_S) == 0
    # The log, the witness and both mirrors stand under the last one's note.
    last = (second / "mirror" / copies(second) / "checkpoint").read_bytes()
    both = [key_of(first, "mirror.example/1"), key_of(second, "mirror.example/2")]
    rows = "".join(f"witness m{at} {key.vkey()}\n" for at, key in enumerate(both))
    whole = f"{asked.replace('quorum w', rows + 'group all all w m0 m1')}quorum all\n"
    seen = policy.check(policy.read(whole.encode()), last)
    assert seen.checkpoint.size == BATCHES + 3
    assert note.read(shown).text == seen.note.text
    assert told("mirror", other, "--check") == 0
    assert f"all {BATCHES + 3} entries of {ORIGIN} are there" in capsys.readouterr().out


def copies(folder: Path) -> str:
    """The one copy in a mirror's folder."""
    (one,) = (folder / "mirror").iterdir()
    return one.name


def test_a_mirror_tells_what_it_cannot_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    log = Verifier(ORIGIN, ED25519, keystore.create(tmp_path / "log.key").public)
    path = mirror_files(tmp_path / "m", "mirror.example/1", log, "http://127.0.0.1:1")
    asked = ["mirror", "--config", str(path)]
    assert main([*asked, "--once"]) == 2
    assert "forgotten" in capsys.readouterr().err
    assert main([*asked, "--new", "--once"]) == 2
    assert "127.0.0.1:1/checkpoint" in capsys.readouterr().err
    assert main([*asked, "--check"]) == 2
    assert "nothing of log.example/seam was copied yet" in capsys.readouterr().err
    for wrong in (["--once", "--json"], ["--once", "--forks", "x"], ["--new", "--check"]):
        assert main([*asked, *wrong]) == 2
        assert re.search(r"^gridseal-record: --\w+: goes with", capsys.readouterr().err)
    assert main([*asked, "--show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["exhibits"] == []
    own = key_of(tmp_path / "m", "witness.example/7")
    mirror_files(tmp_path / "m", "mirror.example/1", log, "http://x", f'others = ["{own.vkey()}"]')
    assert main([*asked, "--once"]) == 2
    assert "is the key of witness.example/7 too" in capsys.readouterr().err
    mirror_files(tmp_path / "m", "mirror.example/1", log, "ftp://x")
    assert main([*asked, "--once"]) == 2
    assert re.search(r"mirror\.toml:8: log\.url: .*expected http", capsys.readouterr().err)
