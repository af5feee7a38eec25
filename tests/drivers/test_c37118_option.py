"""What a source's options may say, and how they are refused."""

import asyncio
from pathlib import Path

import pytest

from drivers import registry
from drivers.c37118.driver import SerialDriver, TcpDriver
from drivers.c37118.option import TcpOptions
from drivers.c37118.wire import FrameType, Layout, Stamp, encode_configuration
from drivers.line import Instant, LinkError, Source
from evidence.config import ConfigError
from evidence.leap import BUILT_IN
from tests.drivers.pmu import SOC, configuration


class Clock:
    """A clock that nobody looks at."""

    table = BUILT_IN

    def now(self) -> Instant:
        return Instant(0, None)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"hots": "x"}, "did you mean 'host'"),
        ({"host": "x", "idcode": 0}, "idcode"),
        ({"host": "x", "idcode": 65535}, "idcode"),
        ({"host": "x", "port": "4712"}, "port"),
        ({"host": "x", "idcode": 7, "commands": "some"}, "commands"),
        ({"host": "x", "idcode": 7, "prefer": []}, "prefer"),
        ({}, "host"),
    ],
)
def test_options_are_refused_by_name(options: dict[str, object], text: str):
    with pytest.raises(ConfigError, match=text):
        registry.open_driver(Source("bench", "c37118+tcp", options), Clock())


@pytest.mark.parametrize(
    ("content", "options", "text"),
    [
        (b"", {"idcode": 7}, "neither a CFG frame nor one in hex"),
        (b"not hex", {"idcode": 7}, "neither a CFG frame nor one in hex"),
        (bytes(range(30)).hex().encode(), {"idcode": 7}, "sync"),
        (None, {"idcode": 7}, "No such file"),
        (b"good", {"idcode": 8}, "IDCODE 7"),
    ],
)
def test_a_wrong_configuration_file(
    tmp_path: Path, content: bytes | None, options: dict[str, object], text: str
):
    file = tmp_path / "tap.cfg"
    if content == b"good":
        content = encode_configuration(configuration(), Stamp(SOC))
    if content is not None:
        file.write_bytes(content)
    stated = {"path": "/dev/null", "configuration": str(file)} | options
    driver = SerialDriver(Source("tap", "c37118+serial", stated), Clock())
    with pytest.raises(ConfigError, match=text):
        asyncio.run(driver.open())


def test_who_asks_needs_an_idcode():
    driver = TcpDriver(Source("bench", "c37118+tcp", {"host": "127.0.0.1"}), Clock())
    with pytest.raises(ConfigError, match="idcode"):
        asyncio.run(driver.open())


@pytest.mark.parametrize(
    ("stated", "rates", "after_s"),
    [
        (None, [(60, 1)], 5.0),
        (None, [(1, 10)], 100.0),  # one frame in ten seconds: ten of them
        (None, [(60, 1), (1, 10)], 5.0),  # the faster stream tells
        (None, [], 5.0),
        (2.5, [(1, 10)], 2.5),
    ],
)
def test_how_long_a_line_may_be_silent(
    stated: float | None, rates: list[tuple[int, int]], after_s: float
):
    assert TcpOptions(host="x", silence_s=stated).silence_after_s(rates) == after_s


def test_no_such_line():
    async def play() -> None:
        options = {"path": "/dev/no-such-line", "idcode": 7}
        with pytest.raises(LinkError, match="no-such-line"):
            await SerialDriver(Source("bench", "c37118+serial", options), Clock()).open()

    asyncio.run(play())


def test_a_configuration_on_file_tells_what_the_line_has_to_carry(tmp_path: Path):
    raw = encode_configuration(configuration(FrameType.CFG2), Stamp(1))
    (tmp_path / "pmu.cfg").write_bytes(raw)
    stated = {"path": "/dev/ttyS0", "commands": "none", "configuration": "pmu.cfg"}
    source = Source("tap", "c37118+serial", stated, str(tmp_path))
    size = Layout(configuration(FrameType.CFG2)).size
    assert SerialDriver(source, Clock()).expected() == (size, (50, 1))
    unknown = Source("tap", "c37118+serial", {"path": "x", "idcode": 7})
    assert SerialDriver(unknown, Clock()).expected() is None
