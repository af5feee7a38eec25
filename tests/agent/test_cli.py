"""What a technician types, what comes back, and the exit code."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from agent.cli import main
from drivers.keystore import file as keyfile
from evidence.key import Ed25519Key
from provisioning.init import InitRequest, initialise
from tests.agent.conftest import Folder

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 15.0


def typed(capsys: Any, *words: str) -> tuple[int, str, str]:
    """Exit code, and what was said on both outputs."""
    try:
        code = main(list(words))
    except SystemExit as ended:
        code = int(ended.code or 0)
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return code, out, err


def facts(folder: Folder, source: str, rate: int, frame_bytes: int = 126) -> None:
    """The plan says what this source will send."""
    folder.change(
        "site.toml",
        f'source = "{source}"',
        f'source = "{source}"\nframe_bytes = {frame_bytes}\nrate = {rate}',
    )


def test_check_says_who_it_is_and_what_lines_carry(folder: Folder, capsys) -> None:
    facts(folder, "pmu-b", 30)
    code, out, err = typed(capsys, "check", "--config", str(folder.gateway))
    assert (code, err) == (0, "")
    assert keyfile.read(folder.path / "device.key").public.fingerprint in out
    assert "credential: gateway-1 by authority-1, 2 buses" in out
    assert "pmu-a: c37118+tcp, no baud to fill" in out
    assert "pmu-b: c37118+serial, 126 bytes at 30 a second take 66% of 57600 baud" in out
    assert out.endswith("the configuration can be run\n")


def test_a_configuration_without_a_source_can_be_run_and_is_told(tmp_path: Path, capsys) -> None:
    initialise(InitRequest(tmp_path / "site", buses=("Bus 1",)), int(time.time()), os.urandom)
    code, out, _ = typed(capsys, "check", "--config", str(tmp_path / "site" / "gateway.toml"))
    assert code == 0
    assert "no line would be read: gateway.toml has no [[source]]\n" in out


@pytest.mark.parametrize(("baud", "fits"), [(57_600, False), (115_200, True)])
@pytest.mark.parametrize("command", ["check", "run"])
def test_plan_that_the_line_cannot_carry_is_refused(
    folder: Folder, capsys, baud: int, fits: bool, command: str
) -> None:
    facts(folder, "pmu-b", 60)
    folder.change("gateway.toml", "baud = 57600", f"baud = {baud}")
    if fits:
        if command == "check":
            code, out, _ = typed(capsys, "check", "--config", str(folder.gateway))
            assert code == 0 and "126 bytes at 60 a second take 66% of 115200 baud" in out
        return
    code, out, err = typed(capsys, command, "--config", str(folder.gateway))
    assert code == 2
    assert "site.toml" in err and "pmu-b" in err
    assert "131% of 57600 baud" in err and "the configuration can be run" not in out
    assert not (folder.path / "spool.db").exists()


def test_tcp_has_no_baud_to_fill(folder: Folder, capsys) -> None:
    facts(folder, "pmu-a", 240, 60_000)
    code, out, _ = typed(capsys, "check", "--config", str(folder.gateway))
    assert code == 0 and "pmu-a: c37118+tcp, no baud to fill" in out


@pytest.mark.parametrize("command", ["check", "run"])
def test_device_key_that_the_credential_does_not_name(folder: Folder, capsys, command: str) -> None:
    held = keyfile.read(folder.path / "device.key").public.fingerprint[:16]
    (folder.path / "device.key").unlink()
    other = keyfile.create(folder.path / "device.key").public.fingerprint[:16]
    code, _, err = typed(capsys, command, "--config", str(folder.gateway))
    assert code == 2
    assert f"is key {other}, the credential is for {held}" in err
    assert not (folder.path / "spool.db").exists()


def test_device_key_that_is_not_there_or_open_to_others(folder: Folder, capsys) -> None:
    key = folder.path / "device.key"
    key.chmod(0o644)
    code, _, err = typed(capsys, "check", "--config", str(folder.gateway))
    assert code == 2 and "device.key" in err
    key.unlink()
    code, _, err = typed(capsys, "check", "--config", str(folder.gateway))
    assert code == 2 and "device.key" in err
    folder.change("gateway.toml", "file:device.key", "pkcs11:token=1")
    code, _, err = typed(capsys, "check", "--config", str(folder.gateway))
    assert code == 2 and "pkcs11" in err


@pytest.mark.parametrize("command", ["check", "run", "status"])
def test_wrong_file_is_named_and_exit_is_2(folder: Folder, capsys, command: str) -> None:
    line = folder.change("gateway.toml", "keep_days", "keep_dais")
    code, out, err = typed(capsys, command, "--config", str(folder.gateway))
    assert (code, out) == (2, "")
    place = f"gateway.toml:{line}: spool.keep_dais"
    assert err == f"gridseal-agent: {place}: unknown; did you mean 'keep_days'?\n"


WORDS = [[], ["go"], ["run", "--log", "loud"], ["check", "extra"], ["status", "--jso"], ["--json"]]


@pytest.mark.parametrize("words", WORDS)
def test_wrong_arguments_exit_2(capsys, words: list[str]) -> None:
    code, out, err = typed(capsys, *words)
    if words == ["status", "--jso"]:  # argparse takes what begins an option for it
        assert code == 2
        return
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("gridseal-agent") and err.endswith("--help\n")


def test_help_names_the_commands(capsys) -> None:
    code, out, err = typed(capsys, "--help")
    assert (code, err) == (0, "")
    assert all(re.search(rf"^ +{word} ", out, re.MULTILINE) for word in ("run", "check", "status"))


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_status_without_an_agent_is_1(folder: Folder, capsys, more: list[str]) -> None:
    code, out, err = typed(capsys, "status", "--config", str(folder.gateway), *more)
    assert (code, out) == (1, "")
    assert (
        err == f"gridseal-agent: no agent answers for spool.db: none runs with {folder.gateway}\n"
    )


def _agent(folder: Folder, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "agent.cli", "run", "--config", str(folder.gateway), *more]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_status_of_a_running_agent_and_its_end(folder: Folder, capsys) -> None:
    config = ("--config", str(folder.gateway))
    with _agent(folder, "--report", str(folder.path / "report.json")) as agent:
        try:
            assert agent.stdout is not None
            assert agent.stdout.readline() == "gridseal-agent: gateway-1 runs, 2 sources\n"
            end, code = time.monotonic() + WAIT_S, 1
            while code and time.monotonic() < end:
                code, out, _ = typed(capsys, "status", "--json", *config)
                time.sleep(0.02)
            told = json.loads(out)
            assert len(told["run"]) == 64 and told["spool_fault"] == ""
            code, out, err = typed(capsys, "status", *config)
            assert (code, err) == (0, "")
            assert f"run        {told['run'][:16]}" in out
            assert "pmu-a: " in out and "pmu-b: " in out
            # A second agent on the same spool is told so, and harms nothing.
            with _agent(folder) as second:
                said = second.communicate(timeout=WAIT_S)[1]
                assert second.returncode == 1 and "another agent has this spool" in said
                assert "Traceback" not in said
            assert typed(capsys, "status", *config)[0] == 0
            os.kill(agent.pid, signal.SIGTERM)
            _, err = agent.communicate(timeout=WAIT_S)
            assert agent.returncode == 0, err
            assert "Traceback" not in err
        finally:
            agent.kill()
    assert json.loads((folder.path / "report.json").read_text())["run"] == told["run"]
    assert typed(capsys, "status", *config)[0] == 1
    assert not (folder.path / "spool.db.sock").exists()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('url = "http://127.0.0.1:8443"', 'url = "ftp://127.0.0.1"'),
        ('url = "http://127.0.0.1:8443"', 'url = "https://127.0.0.1"\nca = "absent.pem"'),
        ("[clock]", '[clock]\nleap_seconds = "absent.list"'),
        ('path = "spool.db"', 'path = "absent/spool.db"'),
        ('path = "spool.db"', 'path = "gateway.toml"'),
    ],
)
def test_what_cannot_be_used_ends_the_run_in_words(folder: Folder, old: str, new: str) -> None:
    folder.change("gateway.toml", old, new)
    before = folder.gateway.read_bytes()
    with _agent(folder) as agent:
        try:
            out, err = agent.communicate(timeout=WAIT_S)
        finally:
            agent.kill()
    assert agent.returncode in (1, 2) and out == ""
    assert "gridseal-agent: " in err.splitlines()[-1] and "Traceback" not in err
    assert folder.gateway.read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('url = "http://127.0.0.1:8443"', 'url = "http://10.0.0.1:8443"', "use https"),
        ('url = "http://127.0.0.1:8443"', 'url = "ftp://127.0.0.1"', "ftp"),
        ('path = "spool.db"', 'path = "nowhere/spool.db"', "cannot be written to"),
    ],
)
def test_check_refuses_what_run_would(folder: Folder, capsys, old: str, new: str, said: str):
    folder.change("gateway.toml", old, new)
    code, _, err = typed(capsys, "check", "--config", str(folder.gateway))
    assert code == 2
    assert said in err


def test_check_refuses_a_credential_that_the_anchors_do_not_vouch_for(folder: Folder, capsys):
    folder.change("anchors.toml", 'name = "authority-1"', 'name = "authority-2"')
    code, _, err = typed(capsys, "check", "--config", str(folder.gateway))
    assert (code, "did you mean 'authority-2'" in err) == (2, True)


def test_check_refuses_a_credential_that_has_expired(folder: Folder, capsys, tmp_path: Path):
    old = InitRequest(tmp_path / "old", valid_days=1)
    initialise(old, int(time.time()) - 10 * 86_400, os.urandom)
    code, _, err = typed(capsys, "check", "--config", str(tmp_path / "old" / "gateway.toml"))
    assert (code, "expired 9 days ago" in err) == (2, True)


def test_report_that_cannot_be_written_is_said_before_the_run(folder: Folder, capsys):
    report = str(folder.path / "nowhere" / "report.json")
    words = ("run", "--config", str(folder.gateway), "--report", report)
    code, _, err = typed(capsys, *words)
    assert (code, "nowhere" in err) == (1, True)
    assert not (folder.path / "spool.db").exists()


def test_check_takes_a_credential_of_any_key_of_its_authority(folder: Folder, capsys):
    """As when the authority's next key is in the anchors already."""
    following = Ed25519Key(bytes(32)).public.raw.hex()
    folder.add("anchors.toml", f'\n[[authority]]\nname = "authority-1"\nkey = "{following}"\n')
    code, _, err = typed(capsys, "check", "--config", str(folder.gateway))
    assert (code, err) == (0, "")
