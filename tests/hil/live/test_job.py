"""Several plays at once, from the command line on: Ctrl-C stops those that run, each with a report,
and no other begins; a real place is not shared.
"""

import json
import os
import signal
import threading
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hil import cli
from tests.hil.live.interrupt import begun

STOP_S = 150.0  # begun, stopped, read and reported, on a loaded machine
pytestmark = pytest.mark.timeout(STOP_S + 10)
POLL_S = 0.1
TEXT = """
[live]
name = "{name}"
title = "{name}"
length_s = 1000
[[gateway]]
name = "north-1"
authority = "north"
[[device]]
name = "pmu"
gateway = "north-1"
kind = "pmu-tcp"
with = {{ idcode = 1 }}
"""


def files(folder: Path) -> list[str]:
    names = ["one", "two", "three"]
    for name in names:
        (folder / f"{name}.toml").write_text(TEXT.format(name=name), encoding="utf-8")
    return [str(folder / f"{name}.toml") for name in names]


def plays(folder: Path) -> bool:
    """Whether frames are sent there."""
    sent = folder / "plant" / "sent-pmu"
    return sent.exists() and sent.stat().st_size > 0


def test_ctrl_c_stops_those_that_run_and_no_other_begins(tmp_path: Path):
    out = tmp_path / "out"
    run = begun(*files(tmp_path), "--jobs", "2", "--report", out, "--json")
    bound = threading.Timer(STOP_S, run.kill)
    bound.start()
    try:
        while run.poll() is None and not (plays(out / "one") and plays(out / "two")):
            time.sleep(POLL_S)
        run.send_signal(signal.SIGINT)
        said, why = run.communicate()
    finally:
        bound.cancel()
        run.kill()
    assert run.returncode == 130, why
    assert "stopping, with reports" in why
    for name in ("one", "two"):
        verdict = json.loads((out / name / "verdict.json").read_text(encoding="utf-8"))
        assert verdict["stopped"]
        assert all(one["held"] is not False for one in verdict["findings"])
    assert not (out / "three").exists()
    root = ElementTree.parse(out / "junit.xml").getroot()
    stopped = {one.get("name"): [e.get("type") for e in one.iter("error")] for one in root}
    assert stopped == {name: ["stopped"] for name in ("one", "two", "three")}
    told = json.loads(said)
    assert {name: one["stopped"] for name, one in told.items()} == {
        "one": True,
        "two": True,
        "three": True,
    }
    assert not [one for one in os.listdir("/proc") if one.isdigit() and _is_of(one, tmp_path)]


def test_what_is_there_once_is_not_shared(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["run", *files(tmp_path), "--jobs", "2", "--place", "bench"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "bench is there once: play one at a time" in line


def _is_of(process: str, folder: Path) -> bool:
    """Whether a process has a folder among its arguments."""
    try:
        return str(folder).encode() in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False
