"""What tests against other people's implementations share: a cable, and libiec61850 at one end."""

import json
import queue
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hil.faults.need import NAMESPACES, have
from hil.namespace import Namespace
from tests.conftest import absent

FOLDER = Path(__file__).resolve().parent
WAIT_S = 20.0


class Peer:
    """A program of libiec61850's side: JSON lines in, JSON lines out. It ends with its input."""

    def __init__(self, argv: list[str]) -> None:
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def tell(self, **command: Any) -> None:
        """A command, and its answer waited for."""
        if self._process.stdin is None:
            raise ValueError("no standard input")
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        assert self.said() == {"done": command["do"]}

    def said(self) -> dict[str, Any]:
        """Its next line."""
        line = self._lines.get(timeout=WAIT_S)
        if line is None:
            stderr = self._process.stderr.read() if self._process.stderr else ""
            pytest.fail(f"libiec61850 ended: {stderr}")
        return line

    def close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(WAIT_S)
        finally:
            self._process.kill()
            self._reader.join(WAIT_S)
            for pipe in (self._process.stdout, self._process.stderr):
                if pipe is not None:
                    pipe.close()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self._lines.put(json.loads(line))
        self._lines.put(None)


@pytest.fixture
def net() -> Iterator[Namespace]:
    """A cable from eth0 to eth1."""
    if not have(("ip", "nsenter", NAMESPACES)):
        absent("namespaces and iproute2", "run as root")
    with Namespace() as made:
        made.cable()
        yield made


@pytest.fixture(scope="session")
def libiec61850(oracle: Path) -> Path:
    """A Python that has pyiec61850-ng, and nothing of ours."""
    argv = [str(oracle), "-c", "import pyiec61850.pyiec61850"]
    if subprocess.run(argv, capture_output=True, timeout=WAIT_S, check=False).returncode:
        absent("libiec61850 (pyiec61850-ng)", "type: make oracle, where there is a wheel of it")
    return oracle


@pytest.fixture
def peer(net: Namespace, libiec61850: Path) -> Iterator[Callable[..., Peer]]:
    """Starts one of libiec61850's programs, at eth1 unless told otherwise."""
    started: list[Peer] = []

    def start(program: str, *arguments: str) -> Peer:
        argv = [*net.within, str(libiec61850), str(FOLDER / f"libiec61850_{program}.py")]
        started.append(Peer([*argv, *arguments]))
        return started[-1]

    yield start
    for each in started:
        each.close()
