"""A gateway's folder that was just made, an authority, and the command line between them."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from provisioning import cli
from tests.provisioning.enrol import desk as desks
from tests.provisioning.enrol.desk import NOW, Desk

SOURCE = "c37118+tcp://127.0.0.1:4712?idcode=7&name=pmu-a&bus=North%20345"


class Gateway:
    """One folder, and what is typed for it. `now_ns`: what this machine's clock says."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
        self.folder, self._capsys = folder, capsys
        self.now_ns = NOW
        monkeypatch.setattr(time, "time_ns", lambda: self.now_ns)
        self.stick = folder.parent / "stick"
        self.stick.mkdir(exist_ok=True)

    def type(self, *argv: str | Path, fails: int = 0) -> str:
        """Types a command; what is said for people."""
        self._capsys.readouterr()
        code = cli.main([str(word) for word in argv])
        out, err = self._capsys.readouterr()
        assert code == fails, f"{argv}: exit {code}: {out}{err}"
        assert "Traceback" not in err
        return str(out + err)

    def json(self, *argv: str | Path) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.type(*argv, "--json"))
        return found

    def new(self, *more: str) -> str:
        named = ("--gateway", "gw-1", "--site", "West", "--source", SOURCE)
        return self.type("new", self.folder, *named, *more)

    def request(self, *more: str) -> bytes:
        out = self.stick / "request.gse"
        self.type("enrol", "request", self.folder, "--out", out, *more)
        return out.read_bytes()

    def rotate(self, uri: str, *more: str) -> bytes:
        out = self.stick / "request.gse"
        self.type("rotate", self.folder, "--key", uri, "--out", out, *more)
        return out.read_bytes()

    def accept(self, packed: bytes, *more: str, fails: int = 0) -> str:
        path = self.stick / "answer.gse"
        path.write_bytes(packed)
        return self.type("enrol", "accept", self.folder, path, *more, fails=fails)


@pytest.fixture
def desk() -> Desk:
    return desks.desk()


@pytest.fixture
def gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Gateway:
    return Gateway(tmp_path / "gw", monkeypatch, capsys)


@pytest.fixture
def enrolled(gateway: Gateway, desk: Desk) -> Gateway:
    gateway.new()
    answer = desk.answer(gateway.request())
    gateway.accept(answer, "--fingerprint", desk.root.public.fingerprint)
    return gateway
