"""Which driver a scheme has, what it loads, and what a line can carry."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from drivers import registry
from drivers.c37118.driver import SerialDriver, TcpDriver
from drivers.line import Instant, Source
from drivers.modbus import driver as modbus
from drivers.sv.driver import SvDriver
from evidence.config import ConfigError
from evidence.leap import BUILT_IN

ROOT = Path(__file__).resolve().parent.parent.parent
RELAY = ROOT / "drivers" / "modbus" / "relay.toml"


class Clock:
    table = BUILT_IN

    def now(self) -> Instant:
        return Instant(0, None)


def serial(**options: object) -> Source:
    return Source("south", "c37118+serial", {"path": "/dev/ttyS0", "idcode": 7} | options)


def test_each_scheme_has_its_driver():
    tcp = Source("north", "c37118+tcp", {"host": "pmu", "idcode": 7})
    assert isinstance(registry.open_driver(tcp, Clock()), TcpDriver)
    assert isinstance(registry.open_driver(serial(), Clock()), SerialDriver)
    bus = Source("bus", "sv", {"interface": "eth1"})
    assert isinstance(registry.open_driver(bus, Clock()), SvDriver)


@pytest.mark.parametrize(
    ("scheme", "options", "driver"),
    [
        ("modbus+tcp", {"host": "meter"}, modbus.TcpDriver),
        ("modbus+tls", {"host": "meter", "ca": "ca.pem"}, modbus.TlsDriver),
        ("modbus+rtu", {"path": "/dev/ttyS0"}, modbus.RtuDriver),
    ],
)
def test_modbus_has_a_driver_a_line(scheme: str, options: dict[str, object], driver: type):
    made = registry.open_driver(Source("m", scheme, options | {"map": "m.toml"}), Clock())
    assert type(made) is driver


@pytest.mark.parametrize(
    ("absent", "options"),
    [("pymodbus", {"map": str(RELAY)}), ("sunspec2", {"sunspec": True})],
)
def test_a_library_that_is_missing_is_named_before_anything_is_opened(
    monkeypatch: pytest.MonkeyPatch, absent: str, options: dict[str, object]
):
    made = registry.open_driver(Source("m", "modbus+tcp", {"host": "meter"} | options), Clock())
    made.expected()
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(ConfigError, match=rf"'m': needs {absent}, .*gridseal\[modbus\]"):
        made.expected()


def test_an_interface_that_is_not_there_is_noted():
    goose = Source("g", "goose", {"interface": "gs-none"})
    (note,) = registry.line_notes(goose)
    assert note.startswith("no such interface; there are ") and " lo" in note
    assert registry.line_notes(Source("s", "sv", {"interface": "lo"})) == []


def test_each_sample_has_a_driver_with_all_that_a_driver_has():
    made = {
        row["scheme"]: registry.open_driver(
            Source(row["name"], row["scheme"], row["options"]), Clock()
        )
        for path in (ROOT / "drivers").rglob("sample.toml")
        for row in tomllib.loads(path.read_text(encoding="utf-8"))["source"]
    }
    for driver in made.values():
        assert dict(driver.counts) == {}
        assert all(callable(getattr(driver, name)) for name in ("open", "read", "close"))
    assert set(made) == set(registry.SCHEMES)


def test_an_unknown_scheme_names_the_nearest():
    with pytest.raises(ConfigError, match=r"did you mean 'c37118\+tcp'"):
        registry.open_driver(Source("x", "c37118+tpc", {}), Clock())


def test_an_unknown_option_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'parity'"):
        registry.options_of(serial(pariti="even"))


@pytest.mark.parametrize("path", sorted((ROOT / "drivers").rglob("sample.toml")))
def test_samples_are_good(path: Path):
    found = tomllib.loads(path.read_text(encoding="utf-8"))["source"]
    assert found
    for row in found:
        registry.options_of(Source(row["name"], row["scheme"], row["options"]))


@pytest.mark.parametrize(
    ("options", "frame_bytes", "rate", "fits"),
    [
        ({"baud": 115200}, 126, (60, 1), True),
        ({"baud": 57600}, 126, (60, 1), False),  # 75,600 bits a second
        ({"baud": 9600}, 136, (6, 1), True),  # 8,160: the whole 85 %
        ({"baud": 9600}, 137, (6, 1), False),
        ({"baud": 9600, "parity": "even"}, 136, (6, 1), False),  # eleven bits a byte
        ({"baud": 9600, "stopbits": 2}, 136, (6, 1), False),
        ({"baud": 300}, 126, (1, 10), True),
        ({"baud": 300}, 126, (0, 0), True),  # unknown yet
    ],
)
def test_what_a_serial_line_carries(
    options: dict[str, object], frame_bytes: int, rate: tuple[int, int], fits: bool
):
    load = registry.line_load(serial(**options), frame_bytes, rate)
    assert load is not None
    assert load.fits() is fits


def test_tcp_has_no_baud_to_fill():
    tcp = Source("north", "c37118+tcp", {"host": "pmu", "idcode": 7})
    assert registry.line_load(tcp, 65535, (120, 1)) is None


def test_serial_is_loaded_only_when_a_line_is_opened():
    code = (
        "import sys\n"
        "from drivers import registry\n"
        "from drivers.line import Source\n"
        "before = set(sys.modules)\n"
        "source = Source('s', 'c37118+serial', {'path': '/dev/x', 'idcode': 7})\n"
        "registry.open_driver(source, None)\n"
        "print('drivers.c37118.driver' in before, 'serial' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    assert done.stdout.split() == ["False", "False"], done.stderr
