"""A source of time as it is typed: what is understood, and what is refused, in words."""

from pathlib import Path

import pytest

from agent import config
from agent.timing import uri
from agent.timing.uri import ChronyOptions, KernelOptions, PpsOptions, PtpOptions, Told
from drivers.line import Source
from evidence.config import ConfigError
from tests.agent.conftest import Folder


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("kernel:", "kernel", KernelOptions()),
        ("kernel:?name=mine", "mine", KernelOptions()),
        ("chrony:", "chrony", ChronyOptions()),
        ("chrony:?host=/run/c.sock&chronyc=/opt/chronyc", "chrony", None),
        ("ptp:", "ptp", PtpOptions()),
        ("ptp:/var/run/ptp4lro?domain=254", "ptp:/var/run/ptp4lro", None),
        ("pps:///sys/class/pps/pps0?receiver=gps&delay_ns=250", "pps:///sys/class/pps/pps0", None),
        ("pps:/sys/class/pps/pps0?accuracy_ns=1000", "pps:/sys/class/pps/pps0", None),
    ],
)
def test_what_is_asked(text: str, name: str, options: uri.Options | None):
    found = uri.read(text)
    assert isinstance(found, Told)
    assert found.name == name
    assert options is None or found.options == options


def test_options_arrive_in_their_types():
    found = uri.read("ptp:/run/p?domain=254&clock=phc&phc2sys_ns=2000&network_ns=150")
    assert isinstance(found, Told)
    assert found.options == PtpOptions(
        path="/run/p", domain=254, clock="phc", phc2sys_ns=2000, network_ns=150
    )
    found = uri.read("pps:///sys/class/pps/pps1?accuracy_ns=800&source=irig&edge=clear")
    assert isinstance(found, Told)
    assert found.options == PpsOptions(
        "/sys/class/pps/pps1", edge="clear", accuracy_ns=800, source="irig"
    )


@pytest.mark.parametrize(
    ("text", "scheme", "options"),
    [
        ("ublox:///dev/ttyACM0?baud=9600", "ublox", {"path": "/dev/ttyACM0", "baud": 9600}),
        ("nmea:///dev/ttyS0?latency_ms=300", "nmea", {"path": "/dev/ttyS0", "latency_ms": 300}),
        ("gpsd://127.0.0.1", "gpsd", {"host": "127.0.0.1"}),
    ],
)
def test_a_receiver_is_a_source(text: str, scheme: str, options: dict[str, object]):
    found = uri.read(text, "folder")
    assert found == Source(text.partition("?")[0], scheme, options, "folder")
    named = uri.read(text + ("&" if "?" in text else "?") + "name=gps")
    assert named.name == "gps"


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        ("", "", "is no URI"),
        ("kernel", "", "write kernel:"),
        ("kernal:", "", "did you mean 'kernel'"),
        ("c37118+tcp://192.0.2.7", "", "known: chrony"),
        ("kernel:?host=x", "host", "there are no options"),
        ("kernel:/dev/x", "", "'/dev/x' means nothing here"),
        ("chrony:?hots=x", "hots", "did you mean 'host'"),
        ("chrony:?host=x&host=y", "host", "given twice"),
        ("chrony:?host", "", "bad query field"),
        ("chrony://192.0.2.7", "", "has a host"),
        ("ptp:/run/p?domain=256", "domain", "<= 255"),
        ("ptp:/run/p?domain=x", "domain", "int"),
        ("ptp:/run/p?clock=phk", "clock", "phk"),
        ("ptp:/run/p?path=/run/q", "", "means nothing here"),
        ("ptp:/run/p#1", "", "'#1' means nothing here"),
        ("pps:", "path", "say which, such as pps:///sys/class/pps/pps0"),
        ("pps:///sys/class/pps/pps0", "accuracy_ns", "without a receiver"),
        ("pps:///sys/class/pps/pps0?receiver=g&delay_ns=-1", "delay_ns", ">= 0"),
        ("kernel:?name=", "name", "is no name"),
        ("kernel:\n", "", "is no URI"),
        ("kernel:?name=" + "x" * 70, "name", "is no name"),
        ("kernel:" + "x" * 5000, "", "is no URI"),
        ("ublox:///dev/ttyACM0?buad=9600", "buad", "did you mean 'baud'"),
        ("nmea:///dev/ttyS0?latency_ms=5000", "latency_ms", "<= 1000"),
    ],
)
def test_what_is_refused(text: str, key: str, says: str):
    with pytest.raises(ConfigError) as found:
        uri.read(text)
    assert says in found.value.text
    assert found.value.key == key


def clock(folder: Folder, *sources: str) -> Path:
    named = ", ".join(f'"{one}"' for one in sources)
    folder.change("gateway.toml", '["kernel:"]', f"[{named}]")
    return folder.gateway


def test_a_gateway_has_sources_of_time_and_receivers_among_its_sources(folder: Folder):
    found = config.load(
        clock(
            folder,
            *("kernel:", "chrony:?name=ntp", "gpsd://127.0.0.1?name=roof"),
            "pps:///sys/class/pps/pps0?receiver=roof",
        )
    )
    assert [one.name for one in found.timekeepers] == [
        *("kernel", "ntp", "pps:///sys/class/pps/pps0")
    ]
    assert found.sources[-1].name == "roof"
    assert found.sources[-1].scheme == "gpsd"


@pytest.mark.parametrize(
    ("sources", "key", "says"),
    [
        (("kernel:", "kernel:"), "clock.sources[1]", "'kernel' is there already"),
        (("kernel:", "gpsd://127.0.0.1?name=pmu-a"), "clock.sources[1]", "is there already"),
        (("kernel:", "ptp:?domian=1"), "clock.sources[1]", "domian: unknown; did you mean"),
        (("pps:///p?receiver=rof", "gpsd://h?name=roof"), "clock.sources", "did you mean 'roof'"),
        (("pps:///p?receiver=pmu-a",), "clock.sources", "receiver 'pmu-a' is unknown"),
        (tuple(f"kernel:?name={at}" for at in range(9)), "clock.sources", "length <= 8"),
    ],
)
def test_what_a_gateway_cannot_have_names_its_line(
    folder: Folder, sources: tuple[str, ...], key: str, says: str
):
    with pytest.raises(ConfigError) as found:
        config.load(clock(folder, *sources))
    assert found.value.key == key
    assert says in found.value.text
    assert found.value.line > 0
