"""Gateway and authority, each by its own command line: by stick, by one string, and through a
rotation. The authority's server is the shipped program, a process of its own.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import config as agent_config
from agent.cli import main as agent_main
from drivers.keystore import file as keyfile
from evidence.key import Ed25519Key
from evidence.leap import NS
from hil.loopback import free_port
from provisioning import template
from tests.provisioning.enrol.conftest import Gateway

READY_S, END_S = 30, 15
NAME = "Utility A"


class Authority:
    """Its folder, and what is typed for it."""

    def __init__(self, folder: Path, gateway: Gateway) -> None:
        self.folder, self._gateway = folder, gateway
        told = ("--name", NAME, "--root", "file:root.key", "--tls-key", "file:tls-ca.key")
        gateway.type("authority", "init", folder, *told, "--record-url", "https://127.0.0.1:9")
        log = ("log-1", Ed25519Key(os.urandom(32)).public)
        self.root = keyfile.read(folder / "root.key").public
        (folder / "anchors.toml").write_text(template.anchors(log, (NAME, self.root)))
        text = (folder / "authority.toml").read_text()
        (folder / "authority.toml").write_text(
            text.replace('anchors = ""', 'anchors = "anchors.toml"')
        )

    def issue(self, packed: bytes) -> bytes:
        asked, out = self.folder.parent / "asked.gse", self.folder.parent / "issued.gse"
        asked.write_bytes(packed)
        out.unlink(missing_ok=True)
        self._gateway.type(
            *("authority", "issue", asked, "--out", out, "--yes", "--authority", self.folder)
        )
        return out.read_bytes()

    @contextlib.contextmanager
    def serving(self, port: int) -> Iterator[None]:
        argv = ["authority", "serve", "--authority", str(self.folder)]
        code = "import sys; from provisioning.cli import main; sys.exit(main(sys.argv[1:]))"
        log = self.folder.parent / "door.log"
        with log.open("wb") as file:
            child = subprocess.Popen(
                [sys.executable, "-c", code, *argv, "--listen", f"127.0.0.1:{port}"],
                stdout=file,
                stderr=file,
                stdin=subprocess.DEVNULL,
            )
        try:
            until = time.monotonic() + READY_S
            while str(port) not in log.read_text():
                assert child.poll() is None and time.monotonic() < until, log.read_text()
                time.sleep(0.05)
            yield
        finally:
            child.terminate()
            child.wait(END_S)


@pytest.fixture
def authority(gateway: Gateway, tmp_path: Path) -> Authority:
    gateway.now_ns = int(time.time()) * NS  # the server's clock is this machine's
    return Authority(tmp_path / "authority", gateway)


def test_by_stick_and_through_a_rotation(gateway: Gateway, authority: Authority) -> None:
    gateway.new()
    answer = authority.issue(gateway.request())
    gateway.accept(answer, "--fingerprint", authority.root.fingerprint)
    path = gateway.folder / "gateway.toml"
    first = agent_config.load(path).credential
    gateway.accept(authority.issue(gateway.rotate("file:next.key")))
    second = agent_config.load(path).credential
    assert second.says.rotation == second.before[0].name
    assert second.before[0].held.name == first.name
    gateway.now_ns += NS
    gateway.accept(authority.issue(gateway.request()))  # renewed: the same key, the same device
    third = agent_config.load(path).credential
    assert third.says.key == second.says.key and third.before == second.before
    assert agent_main(["check", "--config", str(path)]) == 0


def test_by_one_string(gateway: Gateway, authority: Authority) -> None:
    gateway.new()
    port = free_port()
    told = ("--gateway", "gw-1", "--at", f"127.0.0.1:{port}", "--authority", authority.folder)
    with authority.serving(port):
        made = gateway.json("authority", "invite", *told)
        invitation = next(
            value for value in made.values() if isinstance(value, str) and "/#" in value
        )
        said = gateway.json("enrol", "online", gateway.folder, invitation)
        assert said["authority_fingerprint"] == authority.root.fingerprint
        again = gateway.type("enrol", "online", gateway.folder, invitation, fails=2)
        assert "code_used" in again
    path = gateway.folder / "gateway.toml"
    assert agent_config.load(path).file.record.certificate == "tls.pem"
    assert agent_main(["check", "--config", str(path)]) == 0
