"""What is told of a scenario in simulated time beside its facts: the sentence at the top of its
page, `verdict.json`, JUnit; whole, and stopped.
"""

import json
import re
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from hil.cli import main
from hil.scenario import report

WAIT_S = 60.0  # for anything: others may have the machine
SECONDS = ("--from", "2026-11-26T12:00:00+00:00", "--to", "2026-11-26T12:00:10+00:00")


def verdict(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "verdict.json").read_text(encoding="utf-8")))


def sentence(folder: Path) -> tuple[str, str]:
    """Of the page: its style, and what it says first of all."""
    page = (folder / "index.html").read_text(encoding="utf-8")
    found = re.search(r'</h1>\s*<p class="verdict (\w+)">(.*?)</p>', page)
    assert found is not None, page[:2000]
    return found[1], found[2]


def suite(folder: Path) -> ElementTree.Element:
    (only,) = ElementTree.parse(folder / "junit.xml").getroot()
    return only


def test_a_scenario_in_simulated_time_is_told_as_a_live_one_is(tmp_path: Path) -> None:
    out, before = tmp_path / "out", datetime.now(UTC).replace(tzinfo=None)
    assert main(["run", "ac-seam", *SECONDS, "--report", str(out)]) == 0
    told = verdict(out)
    asked = sum(one["held"] is not None for one in told["findings"])
    rest = len(told["findings"]) - asked
    assert asked and rest
    assert (told["form"], told["holds"], told["stopped"]) == (1, True, False)
    assert told["problems"] == []
    assert told["scenario"]["name"] == "ac-seam"
    assert told["timeline"]["played_s"] == 10
    style, said = sentence(out)
    assert style == "yes"
    assert said.startswith(f"It holds: all {asked} expectations that were asked hold. {rest} ")
    junit = suite(out)
    when = datetime.fromisoformat(junit.attrib["timestamp"])
    assert before - timedelta(seconds=2) < when < before + timedelta(seconds=WAIT_S)
    properties = {one.get("name"): one.get("value") for one in junit.iter("property")}
    assert properties["place"] == "simulated time"
    assert properties["seed"] == str(told["scenario"]["seed"])
    assert [junit.get(name) for name in ("tests", "errors", "skipped")] == [
        str(len(told["findings"])), "0", str(rest),
    ]  # fmt: skip


def test_one_that_is_stopped_is_told_as_stopped(tmp_path: Path) -> None:
    """By Ctrl-C, with a report of what was played."""
    out = tmp_path / "out"
    argv = [sys.executable, "-u", "-m", "hil.cli", "run", "uri-2021", "--report", str(out)]
    play = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    bound = threading.Timer(WAIT_S, play.kill)
    bound.start()
    try:
        assert play.stdout is not None
        assert any("entries of the log" in line for line in play.stdout)
        play.send_signal(signal.SIGINT)
        said = play.communicate()[0]
    finally:
        bound.cancel()
        play.kill()
    assert play.returncode == 130, said
    (error,) = suite(out).iter("error")
    assert error.get("type") == "stopped"
    told = verdict(out)
    assert told["stopped"] and told["holds"] is None
    style, words = sentence(out)
    assert style == "idle"
    assert words.startswith(f"It was stopped after {told['timeline']['played_s']:,.0f} s. ")
    assert error.text == f"it was stopped after {told['timeline']['played_s']:,.0f} s"


def test_one_that_is_ended_at_once_is_told_as_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by Ctrl-C twice: there is no report, and JUnit says so."""

    async def ended(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(report, "made", ended)
    assert main(["run", "ac-seam", *SECONDS, "--report", str(tmp_path / "out")]) == 130
    (error,) = suite(tmp_path / "out").iter("error")
    assert error.text == "it was stopped before there was anything to judge"
