"""A log that a test grows, forks and cuts as it likes, and whoever watches it as a process of its
own.
"""

import contextlib
import http.client
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from drivers.keystore import file as keystore
from evidence import merkle
from evidence.key import Ed25519Key
from evidence.tlog import checkpoint, note
from evidence.tlog.checkpoint import Checkpoint
from evidence.tlog.note import COSIGNATURE, ED25519, Verifier
from evidence.tlog.submission import Submission
from record.cli import main

WAIT_S = 30.0  # for an answer, on a loaded machine
ORIGIN = "log.example/seam"
NAME = "witness.example/1"
LOG = Ed25519Key(b"L" * 32)
LOGS_KEY = Verifier(ORIGIN, ED25519, LOG.public)
KEY = Ed25519Key(b"W" * 32)  # of a witness in this process
NOW = 1_790_000_000_000_000_000  # ns TAI
ROOT = Path(__file__).resolve().parents[3]


class GrownLog:
    """A log of as many entries as a test asks for; `twist`: from which entry on it is another."""

    def __init__(self, twist: int | None = None, key: Ed25519Key = LOG, origin: str = ORIGIN):
        self._twist, self._key, self._origin = twist, key, origin

    def leaf(self, index: int) -> bytes:
        other = self._twist is not None and index >= self._twist
        return merkle.leaf_hash(b"%s %d" % (b"other" if other else b"entry", index))

    def checkpoint(self, size: int) -> Checkpoint:
        root = merkle.root([self.leaf(at) for at in range(size)])
        return Checkpoint(self._origin, size, root)

    def note(self, size: int) -> bytes:
        return checkpoint.sign(self.checkpoint(size), self._key).encode()

    def proof(self, old: int, size: int) -> tuple[bytes, ...]:
        @cache
        def fetch(level: int, position: int) -> bytes:
            span = range(position << level, (position + 1) << level)
            return merkle.root([self.leaf(at) for at in span])

        return tuple(merkle.consistency_proof(old, size, fetch)) if old <= size else ()

    def body(self, old: int, size: int) -> bytes:
        """A submission."""
        return Submission(old, self.proof(old, size), self.note(size)).encode()


HONEST, FORKED = GrownLog(), GrownLog(twist=3)
STRANGER = GrownLog(key=Ed25519Key(b"s" * 32))


def witness_files(folder: Path, more: str = "", name: str = NAME) -> tuple[Path, Verifier]:
    """witness.toml, and the witness's key."""
    path = folder / "witness.key"
    key = (keystore.read(path) if path.exists() else keystore.create(path)).public
    (folder / "witness.toml").write_text(
        f'[witness]\nname = "{name}"\nlisten = "127.0.0.1:0"\n{more}\n'
        f'[[log]]\nvkey = "{LOGS_KEY.vkey()}"\n'
    )
    return folder / "witness.toml", Verifier(name, COSIGNATURE, key)


def run(command: str, path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """A command of gridseal-record that ends by itself."""
    typed = [sys.executable, "-m", "record.cli", command, "--config", str(path), *more]
    return subprocess.run(typed, cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S)


def told(command: str, path: object, *more: object) -> int:
    """The exit status of such a command, in this process: it takes half a second less."""
    return main([command, "--config", str(path), *map(str, more)])


@contextlib.contextmanager
def served(command: str, path: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A command of gridseal-record that serves, and its address; killed in the end."""
    typed = [sys.executable, "-m", "record.cli", command, "--config", str(path), *more]
    with subprocess.Popen(
        typed, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None and process.stderr is not None
            line = process.stdout.readline()
            url = re.search(r"http://127\.0\.0\.1:\d+", line)
            assert url, line + process.stderr.read()
            yield process, url.group()
        finally:
            process.kill()


def ask(url: str, method: str, path: str, body: bytes | None = None) -> tuple[int, str, bytes]:
    """Status, media type and body of an answer."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=WAIT_S)
    with contextlib.closing(connection):
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.headers.get("Content-Type", ""), answer.read()


def add(url: str, body: bytes) -> tuple[int, str, bytes]:
    return ask(url, "POST", "/add-checkpoint", body)


def cosigned(log: GrownLog, size: int, lines: bytes) -> note.Note:
    """The note of a tree with the lines of an answer."""
    return note.read(log.note(size)).with_lines(note.read_lines(lines.decode()))
