"""What a board is told: the example that ships, what is refused by name, and anything else."""

import ast
import copy
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import firmware_bridge
from firmware_bridge.firmware.settings import Settings, SettingsError

HERE = Path(firmware_bridge.__file__).resolve().parent
EXAMPLE = json.loads((HERE / "board.json").read_text())
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


def refused(told: object) -> str:
    with pytest.raises(SettingsError) as fault:
        Settings(json.dumps(told).encode())
    return str(fault.value)


def test_the_example_holds_and_its_digest_is_of_its_octets():
    octets = (HERE / "board.json").read_bytes()
    read = Settings(octets)
    assert read.taps[0].framing == "c37118" and read.link.baud == 115_200
    assert len(read.digest) == 32 and read.digest != Settings(octets + b"\n").digest


@pytest.mark.parametrize(("path", "value", "why"), [
    (("taps",), [], "taps: one or two"), (("taps",), [1], "taps: an object"),
    (("taps", 0, "framing"), "dnp3", "taps.framing"), (("taps", 0, "baud"), 0, "taps.baud"),
    (("taps", 0, "cts"), 4, "taps.cts: nobody knows it"),
    (("taps", 0, "place"), "usb", "usb is a link's place"), (("link",), None, "link: an object"),
    (("link", "place"), True, "link.place"), (("ring_bytes",), 65_536, "ring_bytes"),
    (("head_seconds",), 241, "head_seconds"), (("watchdog_seconds",), 9, "watchdog_seconds"),
    (("led",), -1, "led"), (("open_pin",), "", "open_pin"),
    (("link", "place"), 1, "two ports in one place"),
    (("inputs",), [{"kind": "digital"}], "inputs.pin"),
    (("inputs",), [{"kind": "digital", "pin": 1, "every_ms": 10}], "inputs.every_ms"),
    (("inputs",), [{"kind": "analog", "pin": 1}], "inputs.every_ms"),
    (("inputs",), [{"kind": "analog", "pin": 1, "every_ms": 50}] * 5, "inputs: four"),
])  # fmt: skip
def test_what_is_wrong_is_refused_by_its_name(path, value, why):
    told = copy.deepcopy(EXAMPLE)
    at = told
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    assert why in refused(told)


@given(st.sampled_from(sorted(EXAMPLE)), ANYTHING)
def test_anything_in_the_place_of_anything_is_taken_or_refused(name, value):
    told = {**EXAMPLE, name: value}
    try:
        Settings(json.dumps(told).encode())
    except SettingsError as fault:
        assert name in str(fault) or name == "inputs"


@given(st.binary(max_size=200))
@settings(max_examples=50)
def test_octets_that_are_no_settings_are_refused(octets):
    with pytest.raises(SettingsError):
        Settings(octets)


def test_brackets_without_end_are_refused():
    with pytest.raises(SettingsError):
        Settings(b"[" * 100_000)


def loaded(path: str, found: set[str]) -> set[str]:
    """The files that this one loads, itself among them."""
    if path not in found:
        found.add(path)
        for node in ast.walk(ast.parse((HERE / path).read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                "firmware_bridge"
            ):
                stem = "/".join(str(node.module).split(".")[1:])
                for one in (stem, *(f"{stem}/{alias.name}" for alias in node.names)):
                    if (HERE / f"{one}.py").is_file():
                        loaded(f"{one}.py", found)
    return found


def test_the_package_names_every_file_that_a_board_loads():
    told = json.loads((HERE / "package.json").read_text())
    sources = {source for _, source in told["urls"]}
    assert sources >= loaded("firmware/main.py", set()) and len(sources) > 20
    assert all((HERE / source).is_file() for source in sources)
    assert all(to == f"firmware_bridge/{source}" for to, source in told["urls"])
