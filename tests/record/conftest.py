"""A record for each test, and the configuration that its gateways send."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.c37118.wire import Layout
from tests.record.gateway import Gateway, GatewayRun, cfg_bytes, configuration
from tests.record.upstream import AUTHORITY, Upstream


@pytest.fixture
def layout() -> Layout:
    return Layout(configuration())


@pytest.fixture
def cfg() -> bytes:
    return cfg_bytes(configuration())


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Upstream]:
    found = Upstream(tmp_path / "record.db")
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
