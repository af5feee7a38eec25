"""A utility for the bench, in a folder of its own: an authority that answers whom it invited, and a
record that knows it, each the shipped program.

1. What is made is made by the shipped commands. Two things are said by hand, as a utility would:
   the record's log key in anchors.toml, and that the authority's own certificates open its record.
2. Gateways show a certificate of that authority to the record, and check the record's by it.
3. It listens on loopback alone, and ends with the bench (hil.child).
"""

import json
from pathlib import Path
from typing import Any

from drivers.keystore import file as keyfile
from hil.child import Child, ChildError
from hil.loopback import free_port
from provisioning import template

NAME, LOG = "utility-1", "log-1"
AUTHORITY_DIR, RECORD_DIR = "authority", "record"
ANCHORS, RECORD, STORE = "anchors.toml", "record.toml", "record.db"
COMMAND_S = 30.0  # for a command that takes half a second
READY_S = 30.0
END_S = 10.0
_LOG_KEY, _TLS_CA = "log.key", "tls-ca.pem"


class Utility:
    """`prepare`, `start`, `invite`, and `kill` at the end. Each may raise ChildError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority, self.record = folder / AUTHORITY_DIR, folder / RECORD_DIR
        self.url = f"https://127.0.0.1:{free_port()}"
        self._door = ""
        self._children: list[Child] = []
        self._commands = 0

    async def prepare(self) -> None:
        """Keys, anchors, certificates and configuration."""
        self.record.mkdir()
        await self.type("key", "new", f"file:{_LOG_KEY}", "--base", str(self.record))
        log = keyfile.read(self.record / _LOG_KEY).public
        anchors = self.folder / ANCHORS
        anchors.write_text(f'[log]\nname = "{LOG}"\nkey = "{log.raw.hex()}"\n', encoding="utf-8")
        await self.type(
            *("authority", "init", str(self.authority), "--name", NAME, "--root", "file:root.key"),
            *("--tls-key", "file:tls-ca.key", "--role", "bench", "--role", "gateway"),
            *("--record-url", self.url, "--anchors", str(anchors)),
        )
        told = self.authority / "authority.toml"
        text = told.read_text(encoding="utf-8").replace('\nca = ""', f'\nca = "{_TLS_CA}"')
        told.write_text(text, encoding="utf-8")
        await self.type(
            *("authority", "certificate", "record", "--ip", "127.0.0.1"),
            *("--out", str(self.record / "tls.pem"), "--authority", str(self.authority)),
        )
        for name in (ANCHORS, _TLS_CA):
            (self.record / name).write_bytes((self.authority / name).read_bytes())
        listen = self.url.removeprefix("https://")
        tls = f'\n[tls]\ncertificate = "tls.pem"\nkey = "tls.key"\nclient_ca = "{_TLS_CA}"\n'
        (self.record / RECORD).write_text(template.record(listen) + tls, encoding="utf-8")

    async def start(self) -> None:
        """The record, and the authority's server."""
        config = str(self.record / RECORD)
        record = self._child("record", "record.cli", ["serve", "--config", config])
        told = ["authority", "serve", "--authority", str(self.authority)]
        door = self._child("authority", "provisioning.cli", [*told, "--listen", "127.0.0.1:0"])
        await record.says("listens on", READY_S)
        await door.says("listens on", READY_S)
        self._door = door.said().partition("https://")[2].split()[0]

    async def invite(self, gateway: str, role: str = "bench") -> str:
        """The string that the authority hands over."""
        told = await self.type(
            *("authority", "invite", "--gateway", gateway, "--role", role, "--at", self._door),
            *("--authority", str(self.authority), "--json"),
        )
        return str(told["invitation"])

    def fingerprint(self) -> str:
        """Of the authority's root key, as it is read out by telephone."""
        return keyfile.read(self.authority / "root.key").public.fingerprint

    async def type(self, *argv: str) -> dict[str, Any]:
        """One command of gridseal-provision; its object, if it was asked for one."""
        self._commands += 1
        log = self.folder / f"command-{self._commands}.log"
        child = Child(f"command {argv[0]} {argv[1]}", "provisioning.cli", argv, log)
        self._children.append(child)
        code = await child.ended(COMMAND_S)
        if code != 0:
            raise ChildError(f"{' '.join(argv[:2])} ended with {code}: {child.last_line()}")
        line = child.last_line()
        return dict(json.loads(line)) if line.startswith("{") else {}

    def kill(self) -> None:
        """Ends all of it, at once. Idempotent."""
        for child in self._children:
            child.kill()

    def _child(self, name: str, module: str, arguments: list[str]) -> Child:
        child = Child(name, module, arguments, self.folder / f"{name}.log")
        self._children.append(child)
        return child
