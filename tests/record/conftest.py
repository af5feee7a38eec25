"""A record for each test, in a file or in a database, and the configuration that its gateways send.

A test runs over a file, unless it asks for both: `BOTH`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.c37118.wire import Layout
from hil import postgresql
from record.database import Place
from tests.conftest import absent
from tests.record.bundling import fill, reconstruct
from tests.record.gateway import Gateway, GatewayRun, cfg_bytes, configuration
from tests.record.judge import Judge
from tests.record.upstream import AUTHORITY, Upstream

DATABASE = "record"


@pytest.fixture
def layout() -> Layout:
    return Layout(configuration())


@pytest.fixture
def cfg() -> bytes:
    return cfg_bytes(configuration())


@pytest.fixture(scope="session")
def database() -> Iterator[postgresql.Server]:
    """A PostgreSQL server with one database, for all tests one after the other."""
    if not (postgresql.PROGRAMS / "postgres").exists():
        absent("postgresql-15", "type: sudo make debian")
    with postgresql.server() as found:
        found.create_database(DATABASE)
        yield found


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where the record of this test is; nothing is in it yet."""
    if getattr(request, "param", "file") == "file":
        return tmp_path / "record.db"
    server: postgresql.Server = request.getfixturevalue("database")
    if not server.running:  # a test that stopped it has failed
        server.start()
    server.clear(DATABASE)
    return server.url(DATABASE)


@pytest.fixture
def upstream(place: Place) -> Iterator[Upstream]:
    found = Upstream(place)
    yield found
    found.close()


@pytest.fixture
def gateway(upstream: Upstream) -> Gateway:
    """A gateway whose credential the record has."""
    found = Gateway("gw-1", AUTHORITY)
    upstream.send(found.statement)
    return found


@pytest.fixture
def run(upstream: Upstream, gateway: Gateway, cfg: bytes) -> GatewayRun:
    """A run that the record knows, with stream 1 described."""
    found = gateway.start()
    upstream.start(found, cfg, 1)
    return found


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with bundles and the anchors, and nothing else; the record is gone."""
    folder = tmp_path_factory.mktemp("bundles")
    store = fill(folder)
    for name, more in (
        ("whole", ()),
        ("again", ()),
        ("redacted", ("--withhold", "gw-1/relay", "--withhold", "names")),
    ):
        assert reconstruct(store, folder / name, *more) == 0
    for path in folder.glob("record.db*"):
        path.unlink()
    yield folder


@pytest.fixture(scope="session")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    found = Judge(tmp_path_factory.mktemp("judge") / "own")
    yield found
    found.close()
