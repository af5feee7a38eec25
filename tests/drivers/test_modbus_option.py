"""What a Modbus source may say, and what its line is to carry."""

from pathlib import Path

import pytest

from drivers.modbus.option import RtuOptions
from drivers.registry import line_load, open_driver
from evidence.config import ConfigError, convert
from tests.drivers.modbus_peer import METER, Clock, source


def test_what_a_line_is_to_carry_is_known_before_it_is_opened(tmp_path: Path):
    """Requests, answers and silence between them, of all units."""
    made = source(tmp_path, "modbus+rtu", path="/dev/none", baud=9600, units="1-4")
    expected = open_driver(made, Clock()).expected()
    # A unit: 3 registers and a coil 20 times a second, a register 2.5 times; 8 bytes of silence.
    assert expected == (4 * 20 * (8 + 11 + 8) + 4 * 20 * (8 + 6 + 8) + 10 * (8 + 7 + 8), (1, 1))
    load = line_load(made, *expected)
    assert load is not None and not load.fits()


def test_a_point_that_no_read_can_bring_is_named_with_its_line(tmp_path: Path):
    text = "[[point]]\nname = 'a'\naddress = 0\nexponent = 200\n"
    driver = open_driver(source(tmp_path, "modbus+rtu", text, path="/dev/none"), Clock())
    for _ in range(2):  # the map is read once
        with pytest.raises(ConfigError, match="a: 201 registers") as caught:
            driver.expected()
        assert caught.value.line == 3


@pytest.mark.parametrize(
    ("baud", "parity", "turnaround_ms", "rest_ns"),
    [
        (9600, "even", 0, 4_010_416),  # 3.5 characters of 11 bits
        (19_200, "none", 0, 1_822_918),
        (38_400, "even", 0, 1_750_000),
        (115_200, "even", 0, 1_750_000),
        (115_200, "even", 5, 5_000_000),
    ],
)
def test_the_silence_before_a_request(baud: int, parity: str, turnaround_ms: float, rest_ns: int):
    """Serial Line V1.02 2.5.1.1."""
    options = {"path": "/dev/none", "baud": baud, "parity": parity, "turnaround_ms": turnaround_ms}
    got = convert(options, RtuOptions, "source").rest_ns()
    assert abs(got - rest_ns) <= 10  # a byte's time is rounded up


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"map": ""}, "needs a map"),
        ({"sunspec": True}, "not both"),
        ({"units": "1-300"}, "written as"),
        ({"units": "3-1"}, "written as"),
        ({"units": "1,2,2"}, "unit 2 is there twice"),
        ({"units": "0-3"}, "unit 0: 1 to 247"),
        ({"map": "none.toml"}, "/none.toml: No such file"),
        ({"unitt": 3}, "did you mean 'unit'"),
        ({"device": [{"unit": 1, "map": "meter.toml"}]}, "stands beside"),
        ({"bytesize": 7}, "bytesize"),
    ],
)
def test_options_that_are_refused(tmp_path: Path, options: dict[str, object], said: str):
    made = source(tmp_path, "modbus+rtu", METER, **{"path": "/dev/none"} | options)
    with pytest.raises(ConfigError, match=said):
        open_driver(made, Clock()).expected()


def test_a_certificate_that_is_not_there_is_found_before_anything_is_opened(tmp_path: Path):
    made = source(tmp_path, "modbus+tls", METER, host="meter", ca="no-ca.pem")
    with pytest.raises(ConfigError, match=r"ca: .*/no-ca\.pem: No such file"):
        open_driver(made, Clock()).expected()
