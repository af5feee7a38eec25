"""What technician and authority type, and what they are told."""

import json
import re
import time
from pathlib import Path

import pytest

from agent import config as agent_config
from drivers.keystore import file as keyfile
from evidence import cbor
from provisioning.cli import main

SOURCE = "c37118+tcp://127.0.0.1:4712?idcode=7&name=pmu-a&bus=North"


@pytest.fixture
def site(tmp_path: Path, capsys) -> Path:
    folder = tmp_path / "my site"
    told = ["--gateway", "gw-7", "--site", "Oklaunion", "--source", SOURCE, "--bus", "South"]
    assert main(["init", str(folder), *told, "--survey=-33.5,151.25,12,0.5"]) == 0
    capsys.readouterr()
    return folder


def test_init_says_what_was_made_and_what_to_type_next(tmp_path, capsys):
    folder = tmp_path / "my site"
    assert main(["init", str(folder), "--source", SOURCE]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for name in ("authority", "log", "device"):
        key = keyfile.read(folder / f"{name}.key").public
        assert re.search(rf"{name} +{key.fingerprint}\n", out)
    assert "pmu-a" in out and "North" in out
    assert out.splitlines()[-2:] == [
        f"  gridseal-record serve --config '{folder / 'record.toml'}'",
        f"  gridseal-agent run --config '{folder / 'gateway.toml'}'",
    ]


def test_init_without_a_source_says_what_to_edit(tmp_path, capsys):
    assert main(["init", str(tmp_path / "site")]) == 0
    out = capsys.readouterr().out
    assert "Edit first" in out and "gateway.toml" in out and "site.toml" in out


def test_init_tells_programs_in_one_object(tmp_path, capsys):
    folder = tmp_path / "site"
    before = int(time.time())
    assert main(["init", str(folder), "--valid-days", "7", "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["folder"] == str(folder)
    assert sorted(told["files"]) == sorted(path.name for path in folder.iterdir())
    assert before <= told["expires_s"] - 7 * 86_400 <= int(time.time())
    held = agent_config.read_credential(folder / "credential.cbor")
    assert told["credential"] == held.name.hex()
    assert told["fingerprints"]["device"] == held.says.key.fingerprint


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_no_private_key_is_ever_printed(tmp_path, capfd, form):
    folder = tmp_path / "site"
    main(["init", str(folder), *form])
    main(["init", str(folder), *form])
    main(["show", str(folder / "credential.cbor"), *form])
    main(["show", str(folder / "device.key"), *form])
    out, err = capfd.readouterr()
    for path in folder.glob("*.key"):
        body = path.read_text().splitlines()[1]
        assert body[20:] not in out + err and body[:20] not in out + err


def test_a_second_init_is_refused_and_names_what_stands(site, capsys):
    assert main(["init", str(site)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert "gateway.toml" in err and "device.key" in err


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["inti", "x"], "did you mean 'init'"),
        (["init"], "DIR"),
        (["show"], "FILE"),
        (["init", "x", "--gatway", "gw"], "did you mean '--gateway'"),
        (["init", "x", "--valid-day=3"], "did you mean '--valid-days'"),
        (["show", "x", "--anchor", "y"], "did you mean '--anchors'"),
        (["init", "x", "y"], "'y' is one argument too many"),
        (["init", "x", "--valid-days", "-3"], "--valid-days"),
        (["init", "x", "--valid-days", "0"], "1 to 36525"),
        (["init", "x", "--valid-days", "ten"], "expected a whole number"),
        (["init", "x", "--role", "bensh"], "did you mean 'bench'"),
        (["init", "x", "--record-listen", "8443"], "HOST:PORT"),
        (["init", "x", "--record-listen", "localhost:http"], "expected a whole number"),
        (["init", "x", "--record-listen", "10.0.0.1:8443"], "loopback"),
        (["init", "x", "--survey", "1,2,3"], "LATITUDE,LONGITUDE"),
        (["init", "x", "--source", "c37118+tpc://h?idcode=7"], "did you mean 'c37118+tcp'"),
        (["init", "x", "--source", "c37118+tcp://h?idcod=7"], "did you mean 'idcode'"),
        (["init", "x", "--source", "c37118+tcp://u:hunter2@h?idcode=7"], "user or password"),
        (["init", "x", "--source", "c37118+tcp://10.0.0.7:4712"], "idcode"),
        (["init", "no/where"], "mkdir -p"),
        (["init", "/proc/x"], "/proc/x: the folder cannot be made there"),
        (["show", "missing.cbor"], "missing.cbor"),
        (["show", "."], "cannot be read"),
    ],
)
def test_what_is_typed_wrongly_gets_one_helpful_line(tmp_path, monkeypatch, capsys, argv, says):
    monkeypatch.chdir(tmp_path)
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert says in err
    assert "hunter2" not in err
    assert not list(tmp_path.iterdir())


def test_without_a_command_it_says_what_there_is(capsys):
    assert main([]) == 2
    assert "init" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["--help"], ["init", "--help"], ["show", "-h"]])
def test_help_is_no_fault(argv, capsys):
    assert main(argv) == 0
    assert "usage: gridseal-provision" in capsys.readouterr().out


def test_show_says_in_words_what_a_credential_says(site, capsys):
    assert main(["show", str(site / "credential.cbor")]) == 0
    out = capsys.readouterr().out
    for word in ("authority-1", "gw-7, as gateway", "Oklaunion", "valid, 36", "not checked"):
        assert word in out
    assert "-33.500000, 151.250000, 12.00 m, within 0.50 m" in out
    assert keyfile.read(site / "device.key").public.fingerprint in out
    plan = agent_config.load(site / "gateway.toml").plan
    assert all(bus.mrid in out for bus in plan.bus) and len(plan.bus) == 2


def test_show_checks_the_signature_by_the_anchors(site, tmp_path, capsys):
    main(["init", str(tmp_path / "other")])
    capsys.readouterr()
    for folder, word, good in ((site, "signature good", True), (tmp_path / "other", "NOT", False)):
        asked = ["show", str(site / "credential.cbor"), "--anchors", str(folder / "anchors.toml")]
        assert main(asked) == 0
        assert word in capsys.readouterr().out
        assert main([*asked, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["signature_good"] is good


def test_show_tells_programs_in_one_object(site, capsys):
    assert main(["show", str(site / "credential.cbor"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["subject"] == "gw-7" and told["site"] == "Oklaunion"
    assert told["position"] == [-33.5, 151.25, 12.0, 0.5]
    assert told["signature_good"] is None and len(told["buses"]) == 2


def test_show_of_a_credential_without_its_disclosures_tells_less(site, tmp_path, capsys):
    held = agent_config.read_credential(site / "credential.cbor")
    bare = tmp_path / "bare.cbor"
    bare.write_bytes(cbor.encode([held.encoded, []]))
    assert main(["show", str(bare)]) == 0
    out = capsys.readouterr().out
    assert "Oklaunion" not in out and out.count("not disclosed") == 2


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, b"\x82\x40\x80", b"[gateway]"])
def test_show_refuses_what_is_no_credential(tmp_path, capsys, content):
    path = tmp_path / "a.cbor"
    path.write_bytes(content)
    assert main(["show", str(path)]) == 2
    assert "no credential" in capsys.readouterr().err


def test_show_refuses_anchors_that_are_none(site, tmp_path, capsys):
    bad = tmp_path / "anchors.toml"
    for text in ("", "[log]\nname = 'x'\nkey = 'y'\n[[authority]]\nname = 'a'\nkey = 'zz'\n"):
        bad.write_text(text)
        assert main(["show", str(site / "credential.cbor"), "--anchors", str(bad)]) == 2
        assert str(bad) in capsys.readouterr().err
    missing = tmp_path / "missing.toml"
    assert main(["show", str(site / "credential.cbor"), "--anchors", str(missing)]) == 2
    assert "cannot be read" in capsys.readouterr().err
