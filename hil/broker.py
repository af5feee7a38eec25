"""Real NATS brokers on this machine: one, or three in a cluster with a leaf node before them.

1. Each is nats-server as published, a process that dies with the bench (hil.child), on free ports
   of the loopback, with its store in a folder that the caller gives.
2. Every wait is bounded.

It makes no streams: what a record or a bench needs there, it makes itself.
"""

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hil.child import ChildError, Program
from hil.loopback import free_port
from provisioning.init import GATEWAY, RECORD

READY_S = 20.0
MAX_PAYLOAD = 8 << 20  # the default, 1 MiB, is less than a batch may have
STORE_BYTES = 4 << 30


class Tls(NamedTuple):
    """PEM files of a server; `ca`: clients must show a certificate of this one."""

    certificate: Path
    key: Path
    ca: Path


class Server:
    """One nats-server. `text`: what its configuration says beside names and ports."""

    def __init__(self, folder: Path, name: str, text: str = "", tls: Tls | None = None) -> None:
        self.name, self.port = name, free_port()
        self._folder, self._text, self._tls = folder / name, text, tls
        self._folder.mkdir(parents=True)
        self.program: Program | None = None
        self._starts = 0

    @property
    def url(self) -> str:
        return f"{'tls' if self._tls else 'nats'}://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Starts it, again after it was killed; returns once it listens. Raises ChildError."""
        conf = self._folder / "nats.conf"
        conf.write_text(self._configuration(), encoding="utf-8")
        self._starts += 1
        log = self._folder / f"{self._starts}.log"
        program = shutil.which("nats-server") or "nats-server"
        self.program = Program(f"broker {self.name}", [program, "-c", str(conf)], log, {})
        await self.program.says("Server is ready", READY_S)

    def kill(self) -> None:
        """kill -9. Idempotent."""
        if self.program is not None:
            self.program.kill()

    def _configuration(self) -> str:
        lines = [
            f"server_name: {self.name}",
            "host: 127.0.0.1",
            f"port: {self.port}",
            f"max_payload: {MAX_PAYLOAD}",
            self._text,
        ]
        if self._tls is not None:
            files = f'cert_file: "{self._tls.certificate}", key_file: "{self._tls.key}"'
            lines.append(f'tls {{ {files}, ca_file: "{self._tls.ca}", verify: true }}')
        return "\n".join(lines) + "\n"


def single(folder: Path, more: str = "", tls: Tls | None = None) -> Server:
    """One server with JetStream; `more`: further lines of its configuration."""
    return Server(folder, "one", f"{_store(folder / 'one')}\n{more}", tls)


class Cluster(NamedTuple):
    """Three servers that keep a stream together, and a leaf node before them."""

    nodes: tuple[Server, ...]
    leaf: Server

    @property
    def url(self) -> str:
        """Of all nodes, as a record names them."""
        return ",".join(node.url for node in self.nodes)

    async def start(self) -> None:
        """Starts all; returns once the nodes have a leader. Raises ChildError."""
        await asyncio.gather(*(node.start() for node in self.nodes))
        await self.led()
        await self.leaf.start()
        await program_of(self.leaf).says("Leafnode connection created", READY_S)

    async def led(self) -> None:
        """Waits until one of the nodes leads all streams. Raises ChildError."""
        loop = asyncio.get_running_loop()
        until = loop.time() + READY_S
        while not any("new metadata leader" in _said(node) for node in self.nodes):
            if loop.time() > until:
                raise ChildError("the brokers found no leader")
            await asyncio.sleep(0.05)

    def leader(self, stream: str) -> Server:
        """The node that led a stream last, by what all of them wrote down. Raises ChildError."""
        found: tuple[str, Server | None] = ("", None)
        for node in self.nodes:
            for line in _said(node).splitlines():
                # [PID] DATE TIME [INF] ...: the instants of one machine, and they sort as text.
                if f"new stream leader for '$G > {stream}'" in line:
                    found = max(found, (line.partition("] ")[2], node), key=lambda one: one[0])
        if found[1] is None:
            raise ChildError(f"no broker leads {stream}")
        return found[1]

    @property
    def servers(self) -> tuple[Server, ...]:
        return (*self.nodes, self.leaf)

    def kill(self) -> None:
        for server in self.servers:
            server.kill()


def cluster(folder: Path) -> Cluster:
    """Three nodes in one cluster, and a leaf node that knows all of them."""
    names = ("n1", "n2", "n3")
    routes = [free_port() for _ in names]
    leaves = [free_port() for _ in names]
    known = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)
    nodes = tuple(
        Server(folder, name, "\n".join([
            _store(folder / name),
            f"cluster {{ name: west, host: 127.0.0.1, port: {route}, routes: [{known}] }}",
            f"leafnodes {{ host: 127.0.0.1, port: {leaf} }}",
        ]))
        for name, route, leaf in zip(names, routes, leaves, strict=True)
    )  # fmt: skip
    remotes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in leaves)
    text = f"leafnodes {{ reconnect: 1, remotes: [ {{ urls: [{remotes}] }} ] }}"
    return Cluster(nodes, Server(folder, "leaf", text))


def place(site: Path, brokers: "Cluster | Server", region: str, table: str = "") -> None:
    """Turns a site that provisioning made, which is for HTTP, to brokers: the gateway to the leaf
    node, the record to all nodes. `table`: further lines of the record's."""
    leaf = brokers.leaf if isinstance(brokers, Cluster) else brokers
    gateway, record = site / GATEWAY, site / RECORD
    lines = gateway.read_text(encoding="utf-8").splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("url ="))
    lines[at : at + 1] = [f'url = "{leaf.url}"', f'region = "{region}"']
    gateway.write_text("\n".join(lines) + "\n", encoding="utf-8")
    told = f'\n[nats]\nurl = "{brokers.url}"\nregion = "{region}"\n{table}\n'
    record.write_text(record.read_text(encoding="utf-8") + told, encoding="utf-8")


def program_of(server: Server) -> Program:
    """The process of a server that was started. Raises ChildError."""
    if server.program is None:
        raise ChildError(f"the broker {server.name} was not started")
    return server.program


def _said(server: Server) -> str:
    return server.program.said() if server.program is not None else ""


def _store(folder: Path) -> str:
    sizes: Sequence[str] = (f"max_file_store: {STORE_BYTES}", "max_memory_store: 64MB")
    return f'jetstream {{ store_dir: "{folder / "store"}", {", ".join(sizes)} }}'
