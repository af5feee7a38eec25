"""One gateway that runs, for all tests of its page: nothing here changes what it does for long."""

from collections.abc import Iterator

import pytest

from tests.agent.page.gateway import Gateway, running


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("gateway")) as found:
        yield found
