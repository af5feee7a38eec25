"""A gateway's folder, as provisioning makes it; a record, and a disk that fails on demand."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import keeper as keeping
from agent.health import Health
from agent.hearing import Hearing
from agent.spool import Spool
from evidence import siteplan
from evidence.siteplan import SitePlan
from provisioning.init import InitRequest, initialise
from provisioning.source import SourceRequest
from tests.agent.archiving import fill
from tests.agent.keeping import Fault
from tests.agent.listening import begin
from tests.agent.site import Randomness, Record, Site, Time


class Folder:
    """The files of one gateway; `change` edits one."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def gateway(self) -> Path:
        return self.path / "gateway.toml"

    def change(self, name: str, old: str, new: str) -> int:
        """Replaces what stands there once; the number of its line."""
        text = (self.path / name).read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        (self.path / name).write_text(text.replace(old, new))
        return text[: text.index(old)].count("\n") + 1

    def add(self, name: str, more: str) -> None:
        with (self.path / name).open("a") as file:
            file.write(more)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    sources = [
        SourceRequest(
            "pmu-a", "c37118+tcp", {"host": "127.0.0.1", "port": 4712, "idcode": 7}, "North"
        ),
        SourceRequest(
            "pmu-b", "c37118+serial", {"path": "/dev/ttyUSB0", "baud": 57600, "idcode": 8}, "South"
        ),
    ]
    request = InitRequest(tmp_path / "site", sources=sources, buses=("North", "South"))
    initialise(request, int(time.time()), os.urandom)
    yield Folder(tmp_path / "site")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "gateway")


@pytest.fixture
def record(site: Site) -> Iterator[Record]:
    found = Record(site)
    yield found
    found.close()


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> Fault:
    monkeypatch.setattr(keeping, "REOPEN_S", (0.01, 0.02))
    return Fault(monkeypatch)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with a spool that no test changes."""
    site = Site(tmp_path_factory.mktemp("filled") / "gateway")
    record = Record(site)
    fill(site, record)
    record.close()
    Spool(site.spool).close()  # brings SQLite's log in, so that one file is all
    yield site


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture(name="time")
def stopped() -> Time:
    return Time()


@pytest.fixture
def hearing(health: Health, time: Time) -> Hearing:
    found = Hearing(SitePlan(siteplan.Site("Site")), time, Randomness("hearing"), health)
    found.attach(begin())
    return found
