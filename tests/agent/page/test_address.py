"""Where the page may be heard, by which names it is asked for, and what is said of the rest."""

from pathlib import Path

import pytest

from agent import config
from agent.page import address
from agent.page.address import Address
from evidence.config import ConfigError
from tests.agent.conftest import Folder


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (address.DEFAULT, Address("127.0.0.1", 8460)),
        ("127.9.8.7:0", Address("127.9.8.7", 0)),
        ("localhost:80", Address("127.0.0.1", 80)),
        ("[::1]:8460", Address("::1", 8460)),
    ],
)
def test_addresses_of_this_machine(text: str, found: Address) -> None:
    assert address.read(text) == found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0.0.0.0:8460", "is not of this machine, and the page has no login"),
        ("[::]:8460", "is not of this machine"),
        ("192.168.2.1:8460", "ssh -L 8460:127.0.0.1:8460"),
        ("gateway.example:8460", "is not of this machine"),
        ("127.0.0.1", "names no port: expected HOST:PORT"),
        ("localhost", "names no port"),
        ("[::1]", "names no port"),
        ("[::1]:", "expected HOST:PORT"),
        ("[::1]8460", "expected HOST:PORT"),
        ("[127.0.0.1]:8460", "expected HOST:PORT"),
        ("127.0.0.1:", "expected HOST:PORT"),
        ("127.0.0.1:65536", "expected HOST:PORT"),
        ("127.0.0.1:\u0661", "expected HOST:PORT"),
        (":8460", "expected HOST:PORT"),
        ("::1:8460", "expected HOST:PORT.*stands in brackets"),
        ("::1", "stands in brackets"),
        ("[::1", "expected HOST:PORT"),
        ("", "expected HOST:PORT"),
        ("127.0.0.1\0:80", "is not of this machine"),
    ],
)
def test_other_addresses_are_refused_with_what_to_do(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        address.read(text)


@pytest.mark.parametrize(
    ("authority", "own"),
    [
        ("localhost", True),
        ("LOCALHOST:9000", True),
        ("127.0.0.1:8460", True),
        ("[::1]:8460", True),
        ("[::1]", True),
        ("gateway.example:8460", False),
        ("[::1]8460", False),
        ("localhost:0x50", False),
        ("127.0.0.1.example:8460", False),
        ("localhost.example", False),
        ("localhost:8460:1", False),
        ("[127.0.0.1]", False),
        ("2130706433", False),
        ("", False),
    ],
)
def test_names_by_which_it_may_be_asked_for(authority: str, own: bool) -> None:
    assert address.names_own(authority) is own


def test_configuration_names_line_and_key(folder: Folder) -> None:
    folder.add("gateway.toml", '\n[page]\nlisten = "0.0.0.0:8460"\n')
    line = len(folder.gateway.read_text().splitlines())
    with pytest.raises(ConfigError, match=rf"gateway.toml:{line}: page.listen.*no login"):
        config.load(folder.gateway)


def test_the_default_is_what_the_readme_says(folder: Folder) -> None:
    assert config.load(folder.gateway).file.page is None
    folder.add("gateway.toml", "\n[page]\n")
    page = config.load(folder.gateway).file.page
    assert page is not None and page.listen == address.DEFAULT
    readme = Path(address.__file__).parent / "README.md"
    assert address.DEFAULT in readme.read_text(encoding="utf-8")
