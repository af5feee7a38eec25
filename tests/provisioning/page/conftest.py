"""What tests of the page share: a browser that is really there."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.provisioning.page.rig import Browser, browser


@pytest.fixture
def chromium(program: Callable[[str], Path], tmp_path: Path) -> Iterator[Browser]:
    """Debian's browser, with a profile of its own."""
    with browser(program("chromium"), program("chromedriver"), tmp_path) as shown:
        yield shown
