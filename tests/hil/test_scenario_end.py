"""How a scenario ends that does not run through: stopped, without room, or refused before it
begins; and what judges it."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest

from evidence import anchor
from evidence.config import ConfigError
from hil.cli import main
from hil.fact import Fact, Words
from hil.finding import HANG, Finding, line_of
from hil.outcome import say
from hil.scenario import command, figures, sheet, verdict
from hil.scenario.archive import Archive
from hil.scenario.cast import Cast
from hil.scenario.fact import Facts
from hil.scenario.loop import Loop
from hil.scenario.play import Part
from hil.scenario.script import Script
from hil.script import SCENARIOS, path_of
from record.desk import Desk
from tests.conftest import small_disk

WAIT_S = 60.0  # for anything: others may have the machine
pytestmark = pytest.mark.timeout(2 * WAIT_S + 10)
DISK = "3m"  # less than a play leaves


# --- stopped --------------------------------------------------------------------------------------


def run(*arguments: str) -> "subprocess.Popen[str]":
    argv = [sys.executable, "-m", "hil.cli", "run", *arguments]
    return subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0
    )


def begun(play: "subprocess.Popen[str]") -> str:
    """What it said until something was logged."""
    said = ""
    while "entries of the log" not in said:
        line = play.stdout.readline() if play.stdout else ""
        assert line, said
        said += line
    return said


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])  # by a person, or by a job
def test_ctrl_c_leaves_a_report_of_what_was_played(told: signal.Signals, tmp_path: Path) -> None:
    report = tmp_path / "report"
    with run("uri-2021", "--report", str(report)) as play:
        begun(play)
        play.send_signal(told)
        said = play.communicate(timeout=WAIT_S)[0]
    assert play.returncode == 130
    assert "stopping, with a report" in said and "stopped: what is left is of 14 Feb" in said
    with pytest.raises(ProcessLookupError):
        os.killpg(play.pid, 0)  # nobody of its group is left
    page = (report / "index.html").read_text(encoding="utf-8")
    assert "Played from 14 Feb 00:00:00 to 14 Feb 0" in page and "not asked here" in page
    bundles = [one for one in json.loads((report / "facts.json").read_text()) if "by" in one]
    assert [one["verified"] for one in bundles] == ["yes", "yes"]


def test_ctrl_c_twice_ends_it_at_once(tmp_path: Path) -> None:
    report = tmp_path / "report"
    with run("uri-2021", "--report", str(report)) as play:
        begun(play)
        play.send_signal(signal.SIGINT)
        while "stopping" not in (play.stdout.readline() if play.stdout else "stopping"):
            pass
        play.send_signal(signal.SIGINT)
        said = play.communicate(timeout=WAIT_S)[0]
    assert play.returncode == 130
    assert "Traceback" not in said
    assert f"stopped; what there is lies in {report}" in said


# --- without room, or without a place -------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", DISK) as place:
        yield place


def test_a_full_disk_is_told_in_a_line(small: Path) -> None:
    with run("ac-seam", "--report", str(small / "report")) as play:
        said = play.communicate(timeout=WAIT_S)[0]
    assert play.returncode == 2
    assert re.search(r"^gridseal-hil run: .*(is full|No space left)", said, re.MULTILINE)
    assert "Traceback" not in said and "Logging error" not in said


def test_a_report_that_cannot_be_made_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["run", "ac-seam", "--report", str(tmp_path / "file" / "report")]) == 2
    assert "Not a directory" in capsys.readouterr().err


# --- refused before it begins ---------------------------------------------------------------------

WRONG = {
    "no offset": ("T00:15:00-06:00\n", "T00:15:00\n", r"claim\[0\].begins: .* no offset"),
    "a year": ("2021-02-15T00:15", "1921-02-15T00:15", r"claim\[0\].begins: found the year 1921"),
    "ends before": ("T01:55:23-06:00", "T01:50:23-06:00", r"claim\[5\].ends: not later"),
    "author": ('"Chronicler"\nbegins', '"Chronicle"\nbegins', r"claim\[0\].author: .*Chronicler"),
    "device": ('["ercot-pmu"]\nafter', '["ercot"]\nafter', r"order\[0\].observes\[0\]: 'ercot'"),
    "decision": ('["1 Rotating outages: r', '["1 Rotating: r', r"order\[0\].after\[0\]: '1 Rot"),
    "step": ('by = "ERCOT" }', 'by = "ERCO" }', r"handoff\[0\].steps\[0\].by: .*'ERCOT'"),
    "condition": ("'f < 59.91", "'f << 59.91", r"handoff\[0\].condition: line 1, column 4"),
    "seam": ('seams = ["Oklaunion"', 'seams = ["Oklahoma"', r"settlement\[0\].seams\[0\]"),
    "no data": ('data = "uri-2021.csv"', "", r"feed\[0\].kind: hourly needs the data"),
    "later feed": (
        'of = "oklaunion-out"',
        'of = "monticello-in"',
        r"feed\[3\].of: 'monticello-in'",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_could_not_be_played_is_refused_by_file_line_and_key(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after, told = WRONG[case]
    text = (SCENARIOS / "uri-2021.toml").read_text(encoding="utf-8")
    assert before in text
    (tmp_path / "mine.toml").write_text(text.replace(before, after, 1), encoding="utf-8")
    (tmp_path / "uri-2021.csv").write_bytes((SCENARIOS / "uri-2021.csv").read_bytes())
    assert main(["run", str(tmp_path / "mine.toml"), "--report", str(tmp_path / "report")]) == 2
    said = capsys.readouterr().err
    assert re.fullmatch(rf"gridseal-hil run: mine.toml:\d+: {told}.*\n", said), said
    assert not (tmp_path / "report").exists()


def test_a_scenario_that_is_no_file_is_not_read(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("/dev/zero", "/nowhere/x.toml"):
        with pytest.raises(ConfigError, match=r"not a file|No such file"):
            command.read(Path(name))
    assert main(["run", "ac-seam", "--to", "2026-11-26T12:00:00"]) == 2
    assert "no offset" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", [f"ending,a\n{'x' * 200_000},1\n", f"ending,a\n2021-02-14T01:00-06:00,{'9' * 400}\n"]
)
def test_figures_that_nobody_could_mean_are_refused_by_line(text: str) -> None:
    with pytest.raises(ConfigError, match=r"mine\.csv:2"):
        figures.read(text, "mine.csv")


def test_what_is_said_fits_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = "The bundle is verified against the anchors, by what is shipped and by the lone verifier"
    say(line_of(Finding("must", text, None)), False, HANG)
    first, second = capsys.readouterr().out.splitlines()
    assert len(first) < 80
    assert first.index("The bundle") == len(second) - len(second.lstrip())
    assert f"{first.split(maxsplit=3)[3]} {second.strip()}" == text


# --- what judges it -------------------------------------------------------------------------------

BEGINS = datetime(2021, 2, 15, tzinfo=UTC)
HOURS = [figures.tai_of(BEGINS + timedelta(hours=at)) for at in range(4)]
WHOLE = Part(HOURS[0], HOURS[3])


def judged(kind: str, part: Part = WHOLE, facts: int = 1, **row: Any) -> Finding:
    """An expectation, over one fact an hour from the first on."""
    words: dict[str, Words] = {"what": "settlement", "flags": ("late", "odd"), "verdict": "agreed"}
    some = Facts([Fact(words, HOURS[at], HOURS[at + 1]) for at in range(facts)])
    where = {"what": "settlement"}
    of = command.read(path_of("ac-seam"))[0]
    expect = sheet.Expect(**{"text": "x", "where": where, **row})
    only: Any = {kind: [expect]}
    (found,) = verdict.judged(Script(scenario=of.scenario, **only), some, part)
    assert found.kind == kind
    return found


def test_an_expectation_counts_no_less_and_no_more() -> None:
    assert judged("must").held
    assert not judged("must", facts=0).held
    assert not judged("flagged", least=2).held
    assert not judged("must", facts=2, most=1).held
    assert judged("must", facts=2, most=2).held
    assert (
        judged("must", facts=0).why == "0 seen, at least 1 wanted; of settlement there is nothing"
    )
    assert judged("must", facts=2, most=1).why.startswith("2 seen, 1 wanted; of settlement")
    assert judged("must", facts=2, least=0, most=1).why.startswith("2 seen, at most 1 wanted;")
    assert judged("must", facts=0, most=3).why.startswith("0 seen, 1 to 3 wanted;")


def test_what_must_never_be_is_counted_against_it() -> None:
    assert judged("never", facts=0).held
    found = judged("never", facts=2)
    assert not found.held
    one = "settlement: flags late and odd, verdict agreed"
    assert found.why == f"2 seen: {one}; {one}"


def test_an_expectation_of_each_hour_wants_one_for_each() -> None:
    assert judged("must", facts=3, every_hour=True).held
    assert not judged("must", facts=2, every_hour=True).held
    assert not judged("must", facts=3, every_hour=True, most=0, least=0).held


def test_what_lies_outside_of_the_part_is_not_asked() -> None:
    late: Any = {"begins": BEGINS + timedelta(hours=2), "ends": BEGINS + timedelta(hours=3)}
    assert judged("must", Part(HOURS[0], HOURS[2]), **late).held is None
    assert judged("never", Part(HOURS[0], HOURS[2]), **late).held is None
    assert judged("must", facts=2, **late).held is False  # facts of another hour
    assert judged("must", facts=3, **late).held is True


@pytest.mark.parametrize(
    ("where", "held"),
    [
        ({"verdict": "agreed"}, True), ({"verdict": ["disputed", "agreed"]}, True),
        ({"verdict": "disputed"}, False), ({"flags": "odd"}, True), ({"flags": []}, False),
        ({"flags": ["late", "x"]}, True), ({"nothing": "odd"}, False), ({"nothing": []}, False),
    ],
)  # fmt: skip
def test_a_fact_is_picked_by_its_words(where: dict[str, list[str] | str], held: bool) -> None:
    assert judged("must", where={"what": "settlement", **where}).held is held


# --- what it runs in ------------------------------------------------------------------------------


def test_jobs_of_executors_run_in_the_loop_in_order_and_raise_where_they_are_awaited() -> None:
    seen: list[tuple[int, int]] = []

    def job(number: int) -> int:
        seen.append((number, threading.get_ident()))
        if number == 2:
            raise KeyError(number)
        return number

    async def play() -> tuple[object, ...]:
        run = asyncio.get_running_loop().run_in_executor
        jobs = [run(None, job, 1), run(None, job, 2), asyncio.to_thread(job, 3)]
        return tuple(await asyncio.gather(*jobs, return_exceptions=True))

    with asyncio.Runner(loop_factory=Loop) as runner:
        one, fault, three = runner.run(play())
    assert (one, three) == (1, 3) and isinstance(fault, KeyError)
    assert seen == [(number, threading.get_ident()) for number in (1, 2, 3)]


def test_a_play_does_not_wait_for_the_disk_and_a_record_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def traced(db: apsw.Connection) -> None:
        db.trace_v2(apsw.SQLITE_TRACE_STMT, lambda event: asked.append(str(event["sql"])))

    monkeypatch.setattr(apsw, "connection_hooks", [*apsw.connection_hooks, traced])
    cast = Cast(command.read(path_of("ac-seam"))[0])
    anchors = anchor.read(cast.anchors(""), "anchors.toml")

    def rule() -> str:
        """The last that a writer said of it."""
        said = [one for one in asked if "synchronous" in one and "=" in one]
        asked.clear()
        return said[-1].rpartition("=")[2].strip()

    async def opened() -> tuple[str, str]:
        archive = Archive(tmp_path / "played.db", cast.log_key, anchors, HOURS[0])
        await archive.open()
        await archive.close()
        played = rule()
        how = (lambda: HOURS[0], lambda: 1.0, False)
        desk = Desk(tmp_path / "record.db", cast.log_key, anchors.authorities, *how)
        await desk.open()
        await desk.close()
        return played, rule()

    assert asyncio.run(opened()) == ("OFF", "FULL")
