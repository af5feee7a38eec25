"""A gateway that runs, with its page: the agent, its simulated PMUs and its record, each a process;
and what a client says to it, byte by byte.

Every wait is bounded; all of it ends with the block.
"""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from agent import status
from hil.bench.process import first_line, process, source_of
from hil.bench.site import make_site
from hil.loopback import free_port
from tests.provisioning.page.rig import until

WAIT_S = 20.0


class Gateway(NamedTuple):
    """All of it, running."""

    configuration: Path
    agent: subprocess.Popen[bytes]
    pmus: subprocess.Popen[bytes]
    log: Path

    @property
    def spool(self) -> Path:
        return self.configuration.with_name("spool.db")

    def answers(self) -> bool:
        try:
            return bool(self.status()["receipted"])
        except OSError:
            return False

    def status(self) -> dict[str, Any]:
        return status.ask(self.spool)

    @property
    def url(self) -> str:
        """Where the page says that it is."""
        until(lambda: bool(self.status()["page"]["url"]), "an address of the page", WAIT_S)
        return str(self.status()["page"]["url"])

    @property
    def port(self) -> int:
        return int(self.url.rstrip("/").rpartition(":")[2])

    def get(self, path: str, **heads: str) -> tuple[int, dict[str, str], bytes]:
        """As a well-behaved client asks: status, headers by lower case, body."""
        asking = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        with contextlib.closing(asking):
            asking.request("GET", path, headers={"Host": f"localhost:{self.port}"} | heads)
            answer = asking.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, found, answer.read()

    @contextlib.contextmanager
    def line(self) -> Iterator[socket.socket]:
        """A connection, for whoever misbehaves."""
        with socket.create_connection(("127.0.0.1", self.port), WAIT_S) as made:
            yield made

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """The PMUs say nothing, and keep their connections."""
        self.pmus.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.pmus.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def running(folder: Path, listen: str = "127.0.0.1:0", pmus: int = 2) -> Iterator[Gateway]:
    """A gateway for as long as the block lasts."""
    measuring = ["hil.devices.pmu", "--count", str(pmus), "--rate", "60", "--phasors", "3"]
    with process(measuring, folder / "pmu.log") as devices:
        told = json.loads(first_line(folder / "pmu.log"))
        toml = make_site(folder, [source_of(one) for one in told["pmus"]], free_port())
        with toml.open("a", encoding="utf-8") as file:
            file.write(f'\n[page]\nlisten = "{listen}"\n')
        record = ["record.cli", "serve", "--config", str(toml.with_name("record.toml"))]
        with process(record, folder / "record.log"):
            first_line(folder / "record.log")
            log = folder / "agent.log"
            with process(["agent.cli", "run", "--config", str(toml)], log) as agent:
                found = Gateway(toml, agent, devices, log)
                until(found.answers, f"an agent, by {log}", 2 * WAIT_S)
                yield found


def said_on(line: socket.socket, within_s: float = WAIT_S) -> bytes:
    """All that comes until the other side closes; what a reset leaves, too."""
    line.settimeout(within_s)
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while data := line.recv(65_536):
            parts.append(data)
    return b"".join(parts)


def resident_kib(pid: int, name: str = "VmRSS") -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(row.split()[1]) for row in lines if row.startswith(name))


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))
