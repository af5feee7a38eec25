"""What is wrong in the gateway's files is named: file, line, key, found, expected, nearest."""

import re
from pathlib import Path

import pytest

from agent import config
from evidence import cbor
from evidence.config import ConfigError
from tests.agent.conftest import Folder


def fault(folder: Folder) -> ConfigError:
    with pytest.raises(ConfigError) as found:
        config.load(folder.gateway)
    assert str(folder.path) not in str(found.value), "names are relative to the folder"
    return found.value


def test_folder_as_provisioned_is_read_whole(folder: Folder) -> None:
    found = config.load(folder.gateway)
    assert [source.name for source in found.sources] == ["pmu-a", "pmu-b"]
    assert found.sources[1].options == {"path": "/dev/ttyUSB0", "baud": 57600, "idcode": 8}
    assert set(found.plan.mrids()) == set(found.credential.says.buses)
    assert found.path("spool.db") == folder.path / "spool.db"
    assert (found.file.spool.commit_ms, found.file.uplink.in_flight) == (50, 4)


# file, what stands there, what is written instead, key, what the fault says
WRONG = [
    ("gateway.toml", 'plan = "', 'plam = "', "gateway.plam", "did you mean 'plan'"),
    ("gateway.toml", "keep_days = 10", "keep_days = -1", "spool.keep_days", "found -1"),
    ("gateway.toml", "keep_days = 10", 'keep_days = "10"', "spool.keep_days", "found '10'"),
    ("gateway.toml", "keep_days = 10", "commit_ms = 1", "spool.commit_ms", "found 1"),
    ("gateway.toml", '"kernel:"', '"kernal:"', "clock.sources[0]", "did you mean 'kernel'"),
    ("gateway.toml", "c37118+tcp", "c37118+tpc", "source[0].scheme", "did you mean 'c37118+tcp'"),
    ("gateway.toml", "baud = 57600", "buad = 57600", "source[1].options.buad", "'baud'"),
    ("gateway.toml", "idcode = 8", "idcode = 0", "source[1].options.idcode", "found 0"),
    ("gateway.toml", "port = 4712", 'port = "4712"', "source[0].options.port", "found '4712'"),
    ("gateway.toml", '"pmu-b"', '"pmu-a"', "source[1].name", "the name of source[0] too"),
    ("gateway.toml", "[clock]", "[clok]", "clok", "did you mean 'clock'"),
    ("gateway.toml", "keep_days = 10", "keep_days = ", "", "not TOML"),
    ("site.toml", 'source = "pmu-b"', 'source = "pmu-c"', "stream[1].source", "'pmu-"),
    ("site.toml", 'name = "Site 1"', 'nane = "Site 1"', "site.nane", "did you mean 'name'"),
    ("anchors.toml", 'key = "', 'key = "zz', "log.key", "expected 64 hex digits"),
]


@pytest.mark.parametrize(("name", "old", "new", "key", "says"), WRONG)
def test_fault_names_file_line_and_key(
    folder: Folder, name: str, old: str, new: str, key: str, says: str
) -> None:
    if name == "anchors.toml":
        text = (folder.path / name).read_text()
        old = re.findall('key = ".*"', text)[0]
        new = 'key = "zz"'
    line = folder.change(name, old, new)
    found = fault(folder)
    assert (found.file, found.line, found.key) == (name, line, key), str(found)
    assert says in found.text
    assert str(found).startswith(f"{name}:{line}: ")


def test_bus_that_the_credential_does_not_grant(folder: Folder) -> None:
    mrid = "123e4567-e89b-12d3-a456-426614174000"
    text = (folder.path / "site.toml").read_text()
    old = re.findall('mrid = ".*"', text)[1]
    line = folder.change("site.toml", old, f'mrid = "{mrid}"')
    found = fault(folder)
    assert (found.file, found.line, found.key) == ("site.toml", line, "bus[1].mrid")
    assert found.text.startswith(f"{mrid} is not granted by the credential")


def test_folder_that_is_no_gateways(tmp_path: Path) -> None:
    """Whoever mistyped it is told where it was looked for."""
    path = tmp_path / "gw" / "gateway.toml"
    for reads in (config.load, config.sketch):
        with pytest.raises(ConfigError) as found:
            reads(path)
        assert str(found.value).startswith(f"{path}: is not there; expected a gateway's folder")


@pytest.mark.parametrize("name", ["site.toml", "anchors.toml", "credential.cbor"])
def test_file_that_is_not_there(folder: Folder, name: str) -> None:
    (folder.path / name).unlink()
    assert str(fault(folder)) == f"{name}: cannot be read: No such file or directory"


@pytest.mark.parametrize("name", ["gateway.toml", "site.toml", "anchors.toml", "credential.cbor"])
def test_file_that_is_not_what_it_should_be(folder: Folder, name: str) -> None:
    (folder.path / name).write_bytes(b"\xff\xfe\x00")
    found = fault(folder)
    assert found.file == name
    assert "is not UTF-8 text" in found.text or "is no credential file" in found.text


def test_folder_in_place_of_a_file(folder: Folder) -> None:
    folder.change("gateway.toml", '"site.toml"', '"."')
    assert str(fault(folder)) == ".: cannot be read: Is a directory"


def test_name_that_no_file_can_have(folder: Folder) -> None:
    folder.change("gateway.toml", '"site.toml"', '"a\\u0000b"')
    assert "null" in fault(folder).text


CREDENTIALS = [cbor.encode([]), cbor.encode([b"", []]), cbor.encode([b"\xd2\x84", [1]]), b""]


@pytest.mark.parametrize("data", CREDENTIALS)
def test_credential_file_with_something_else(folder: Folder, data: bytes) -> None:
    (folder.path / "credential.cbor").write_bytes(data)
    assert "is no credential file" in fault(folder).text


def test_credential_whose_hidden_value_was_changed(folder: Folder) -> None:
    path = folder.path / "credential.cbor"
    encoded, pairs = cbor.decode(path.read_bytes())
    (salt, value), *rest = pairs
    path.write_bytes(cbor.encode([encoded, [[salt, value + b"!"], *rest]]))
    assert "is no credential file" in fault(folder).text


def test_paths_are_relative_to_the_file(folder: Folder, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert config.load(Path("site/gateway.toml")).folder == folder.path.resolve()


def test_credential_without_what_it_hides_is_refused(folder: Folder) -> None:
    path = folder.path / "credential.cbor"
    path.write_bytes(cbor.encode([config.read_credential(path).encoded, []]))
    with pytest.raises(ConfigError, match="does not tell all that it hides"):
        config.load(folder.gateway)


BOUND = 'time_bound_ns = 1000\ntime_document = "data sheet C, 4.2"'


def test_what_the_plan_says_of_a_clock_is_handed_to_the_driver(folder: Folder) -> None:
    folder.change("site.toml", 'source = "pmu-b"', f'source = "pmu-b"\n{BOUND}')
    found = config.load(folder.gateway)
    assert found.sources[1].options["time_bound_ns"] == 1000
    assert "time_bound_ns" not in found.sources[0].options
    stream = found.plan.stream_of("pmu-b")
    assert stream is not None and stream.time_document == "data sheet C, 4.2"


def test_it_has_no_other_place(folder: Folder) -> None:
    """A bound in gateway.toml would have no document, and nobody would sign it."""
    line = folder.change("gateway.toml", "idcode = 8", "idcode = 8\n  time_bound_ns = 1000")
    found = fault(folder)
    assert (found.file, found.line) == ("gateway.toml", line + 1)
    assert found.key == "source[1].options.time_bound_ns"
    assert found.text.startswith("stands in the site plan, beside its document")


def test_a_source_that_says_itself_how_good_its_clock_is_takes_none(folder: Folder) -> None:
    folder.add("gateway.toml", '\n[[source]]\nname = "bay"\nscheme = "goose"\n')
    folder.add("gateway.toml", '[source.options]\ninterface = "eth9"\n')
    folder.add("site.toml", f'\n[[stream]]\nsource = "bay"\n{BOUND}\n')
    found = fault(folder)
    assert (found.file, found.key) == ("site.toml", "stream[2].time_bound_ns")
    assert found.text == "a source of 'goose' takes no such figure; expected: none"
