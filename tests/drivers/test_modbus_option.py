"""What a Modbus source may say, and what its line is to carry."""

from pathlib import Path

import pytest

from drivers.registry import line_load, open_driver
from evidence.config import ConfigError
from tests.drivers.modbus_peer import METER, Clock, source


def test_what_a_line_is_to_carry_is_known_before_it_is_opened(tmp_path: Path):
    """Requests, answers and silence between them, of all units."""
    made = source(tmp_path, "modbus+rtu", path="/dev/none", baud=9600, units="1-4")
    expected = open_driver(made, Clock()).expected()
    # A unit: 3 registers and a coil 20 times a second, a register 2.5 times; 8 bytes of silence.
    assert expected == (4 * 20 * (8 + 11 + 8) + 4 * 20 * (8 + 6 + 8) + 10 * (8 + 7 + 8), (1, 1))
    load = line_load(made, *expected)
    assert load is not None and not load.fits()


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
