"""A demo as people start it: its own process, what it says, and its page for programs."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hil.live import journal
from tests.conftest import absent

WAIT_S = 120.0  # for anything: another's tests may have the machine


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "hil.cli", "demo", *arguments]


def powerless() -> list[str]:
    """What a program is started by that may make no namespaces and open no raw sockets."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        absent("setpriv", "apt-get install util-linux")
    return [setpriv, "--bounding-set=-all", "--inh-caps=-all"]


class Running:
    """One of them. `said`: where its lines go."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, log: Path) -> None:
        self.process, self.folder, self._log = process, folder, log

    @property
    def store(self) -> Path:
        return self.folder / "record" / "record.db"

    def said(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def url(self) -> str:
        found = self.finds(r"look at (http://\S+)")
        return found[1]

    def finds(self, pattern: str) -> re.Match[str]:
        """Waits until it has said this."""

        def there() -> bool:
            assert self.process.poll() is None, self.said()
            return re.search(pattern, self.said()) is not None

        until(there, pattern)
        found = re.search(pattern, self.said())
        assert found is not None
        return found

    def get(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url()}moment.json", timeout=WAIT_S) as answer:
            return dict(json.loads(answer.read()))

    def feed(self) -> list[str]:
        return [f"{one['about']}: {one['text']}" for one in self.get()["feed"]]

    def sent(self, device: str, begins: int, ends: int) -> list[int]:
        """Instants between two of which a device sent frames, ns TAI, as it wrote them down."""
        rows = journal.rows(self.folder / "plant" / f"sent-{device}")
        return [tai for tai, _ in rows if begins <= tai <= ends]

    def ended(self, number: signal.Signals = signal.SIGINT) -> dict[str, Any]:
        """Told to end; its account."""
        self.process.send_signal(number)
        return self.account()

    def account(self) -> dict[str, Any]:
        """What it says once it has ended."""
        out, _ = self.process.communicate(timeout=2 * WAIT_S)
        return dict(json.loads(out.splitlines()[-1]))


@contextmanager
def demo(folder: Path, *arguments: str, before: Sequence[str] = ()) -> Iterator[Running]:
    """A demo that leaves all it makes in a folder; killed where it has not ended by itself.
    `before`: what starts it."""
    kept, log = folder / "kept", folder / "said.log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [*before, *command("--json", "--keep", str(kept), *arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
        )
    try:
        yield Running(process, kept, log)
    finally:
        process.kill()
        process.communicate(timeout=WAIT_S)


def children(pid: int) -> set[int]:
    """Processes of ours that run."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.add(int(path.parent.name))
    return found


def until(true: Callable[[], bool], what: str, within_s: float = WAIT_S) -> None:
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.1)
