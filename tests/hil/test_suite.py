"""`gridseal-hil bench all`: what is run, what is left of it, and what goes wrong, said by name."""

import io
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from hil import cli
from hil.bench import (
    admit,
    board,
    bound,
    clock,
    demo,
    grid,
    guard,
    page,
    seam,
    settle,
    soak,
    tiles,
)
from hil.bench import command as benches
from hil.suite import catalogue, command, machine, picture, row, table
from hil.suite.catalogue import Benchmark, Figure
from hil.suite.row import Row
from hil.suite.turn import DONE, FAILED, LATE, Turn, judged, last_object

WAIT_S = 110.0  # for anything: others may have the machine
pytestmark = pytest.mark.timeout(WAIT_S + 10)
SVG = "{http://www.w3.org/2000/svg}"


def test_the_rest_goes_on_where_a_part_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    out = tmp_path / "out"
    (tmp_path / "nothing").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    asked = ["bench", "all", "--quick", "--only", "guard,capture", "--out", str(out), "--json"]
    assert cli.main(asked) == 1
    told = capfd.readouterr()
    found = json.loads(told.out.splitlines()[-1])
    assert found == json.loads((out / "bench.json").read_text())
    assert found["benchmarks"]["capture"]["state"] == FAILED
    assert "is missing: apt-get install" in found["benchmarks"]["capture"]["why"]
    assert found["benchmarks"]["guard"]["state"] == DONE
    assert [one["bench"] for one in found["rows"]] == ["guard", "guard"]
    assert "[2/2] guard" in told.err and "apt-get install" in told.err.splitlines()[-1]
    assert "capture failed: " in (out / "bench.md").read_text()
    assert "capture failed: " in (out / "bench.svg").read_text()
    assert not list(out.glob("*.part"))


def test_ctrl_c_leaves_what_was_done(tmp_path: Path):
    out = tmp_path / "out"
    asked = ["all", "--quick", "--only", "soak,guard", "--out", str(out)]
    running = subprocess.Popen(
        [sys.executable, "-m", "hil.cli", "bench", *asked],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    watchdog = threading.Timer(WAIT_S, running.kill)
    try:
        watchdog.start()
        said = iter(running.stdout or ())
        begun = list(_until(said, "[2/2] soak: "))
        assert any(line.startswith("2 benchmarks: about 24 s on two quiet cores") for line in begun)
        assert "; about " in begun[-1] and ", then " in next(x for x in begun if "[1/2]" in x)
        running.send_signal(signal.SIGINT)
        told = list(said)
        assert running.wait(WAIT_S) == 130, told
    finally:
        watchdog.cancel()
        running.kill()
    found = json.loads((out / "bench.json").read_text())
    assert found["stopped"]
    assert {name: one["state"] for name, one in found["benchmarks"].items()} == {
        "guard": "done",
        "soak": "stopped",
    }
    assert "It was stopped" in (out / "bench.md").read_text()
    assert "stopped before its end" in (out / "bench.svg").read_text()


def _until(said: Iterator[str], begins: str) -> Iterator[str]:
    """Lines up to one that begins so."""
    for line in said:
        yield line
        if line.startswith(begins):
            return


def test_all_of_it_is_done_within_the_hour():
    """Forty minutes, so that a machine that is half as fast again holds it."""
    assert sum(one.expected_s(False) for one in catalogue.ALL) < 40 * 60
    assert sum(one.expected_s(True) for one in catalogue.ALL) < 10 * 60
    for one in catalogue.ALL:
        assert one.takes_s >= (one.seconds or 0) or one.name in ("bound", "reconstruct"), one.name
        assert one.most_s >= 2 * one.takes_s, one.name


def test_a_benchmark_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        catalogue, "ALL", (Benchmark("settle", seconds=600.0, quick=600.0, most_s=0.1),)
    )
    assert command.main({"settle": "it"}, None, tmp_path, None, True, False) == 1
    found = json.loads((tmp_path / "bench.json").read_text())["benchmarks"]["settle"]
    assert (found["state"], found["why"]) == (LATE, "it had not ended after 0.1 s")


def test_every_bound_is_the_one_that_the_benchmark_judges_by():
    asked = {
        f"{one.name}.{figure.key}": figure.asked
        for one in catalogue.ALL
        for figure in one.figures
        if figure.asked
    }
    assert asked == {
        "admit.head_ratio": admit.ASKED_RATIO,
        "board.p99_ms": board.P99_MS_MOST,
        "board.heap.unsigned.peak_bytes": board.UNSIGNED_BYTES_MOST,
        "board.heap.signed.peak_bytes": board.SIGNED_BYTES_MOST,
        "bound.sources.pulse.locked.ratio": bound.MOST["locked"],
        "bound.sources.pulse.holdover.ratio": bound.MOST["holdover"],
        "bound.sources.ptp.locked.ratio": bound.MOST["locked"],
        "bound.sources.ptp.holdover.ratio": bound.MOST["holdover"],
        "clock.cpu_share": clock.CPU_SHARE_MOST,
        "clock.memory_mib": clock.MEMORY_MIB_MOST,
        "demo.updates_s": demo.UPDATES_MIN,
        "grid.core_share_at_120": grid.SHARE_MOST,
        "guard.guard_us_a_frame": guard.GUARD_US_MOST,
        "guard.pair_core_share": guard.PAIR_SHARE_MOST,
        "page.updates_a_second": page.UPDATES_LEAST,
        "page.cpu_share_of_looking": page.CPU_SHARE_MOST,
        "page.memory_mib_most": page.MEMORY_MIB_MOST,
        "seam.admitted_p99_ms": seam.ADMITTED_P99_MS,
        "seam.agent_mib": seam.AGENT_MIB,
        "settle.settlements_per_minute_core": settle.PER_MINUTE_LEAST,
        "soak.rss_mib": soak.RSS_MIB_MAX,
        "soak.growth_mib": soak.GROWTH_MIB_MAX,
        "tiles.p99_ms": tiles.ASKED_P99_MS,
    }


def test_every_benchmark_takes_what_it_is_told():
    for one in catalogue.chosen(benches.BENCHES):
        takes = benches.BENCHES[one.name][1]
        told = [*one.options, *one.quick_options]
        named = {word[2:] for word in told if word.startswith("--")}
        named |= {"seconds"} if one.seconds or one.quick else set()
        assert named <= set(takes), one.name
    assert [one.name for one in catalogue.chosen(["new", "seal"])] == ["seal", "new"]


@pytest.mark.parametrize(("quick", "lasts"), [(False, "60 s"), (True, "2 s")])
def test_a_figure_of_a_stretch_of_time_says_how_long_that_was(quick: bool, lasts: str):
    (of,) = catalogue.chosen(["reconstruct"], quick=quick)
    assert of.figures[0].text == f"{lasts} of 20 PMUs, bundle written"


def _outcome(figures: dict[str, Any], before: row.Earlier | None = None) -> tuple[Any, Any]:
    """Of one benchmark that told these."""
    of = Benchmark("it", figures=FIGURES)
    turn = Turn(DONE, "", figures, [], 1.0)
    about = {"state": DONE, "why": "", "reasons": [], "missing": row.missing(of, turn)}
    outcome = {
        "begun": "2026-11-26 12:00", "quick": False, "took_s": 1.0, "stopped": False,
        "machine": machine.look(Path("/dev/shm")), "benchmarks": {"it": {**about, "figures": {}}},
    }  # fmt: skip
    return outcome, row.rows(of, turn, before)


FIGURES = (
    Figure("rate", "samples <sealed>", "/s", catalogue.MORE, 100.0),
    Figure("late_ms", "late", "ms", catalogue.LESS, 10.0),
    Figure("lost", "lost", "frames", catalogue.LESS, 0.0),
    Figure("in.ratio", "a | b", catalogue.TIMES, catalogue.MORE, None, "bare", "a peer"),
)


@pytest.mark.parametrize(("quick", "reasons"), [(True, []), (False, ["it: did not tell: late"])])
def test_a_figure_that_is_asked_for_and_not_told_does_not_hold(
    quick: bool, reasons: list[str], tmp_path: Path
):
    suite = command.Suite(tmp_path, {}, quick, None, io.StringIO())
    suite.outcome["benchmarks"] = {}
    figures = {"rate": 200.0, "lost": 0}
    suite._end(Benchmark("it", figures=FIGURES), Turn(DONE, "", figures, [], 1.0))
    assert suite.reasons == reasons


def test_table_and_picture_say_what_is_asked_and_what_falls_short():
    outcome, found = _outcome({"rate": 50, "late_ms": 5.0, "lost": 0, "in": {"ratio": 2.5}})
    assert [one.held for one in found] == [False, True, True, None]
    assert [one.margin for one in found] == [0.5, 2.0, None, 2.5]
    told = table.text(outcome, found)
    assert "| 50 /s | at least 100: SHORT |" in told
    assert "| 5 ms | at most 10: ok |" in told
    assert "| a \\| b | 2.5 times a peer |" in told
    drawn = ElementTree.fromstring(picture.drawn(outcome, found))
    said = [one.text for one in drawn.iter(f"{SVG}text")]
    assert {"samples <sealed>", "at least 100: SHORT", "at most 10: ok", "2.5 times a peer"} <= {
        *said
    }
    fills = [one.get("fill") for one in drawn.iter(f"{SVG}rect")]
    assert fills.count("url(#short)") == 2  # the legend's, and the one figure


def test_what_is_not_told_is_named_and_what_cannot_be_drawn_is_not():
    told = {"rate": True, "late_ms": "5", "lost": float("nan"), "in": [1]}
    outcome, found = _outcome(told)
    assert found == []
    assert "- it did not tell: samples <sealed>" in table.text(outcome, found)
    outcome["benchmarks"]["it"]["why"] = "\x1b[31m<no> \0"
    assert "it done:  [31m&lt;no&gt;" in picture.drawn(outcome, found)
    ElementTree.fromstring(picture.drawn(outcome, found))


def test_a_benchmark_in_no_catalogue_is_shown_as_it_tells():
    told = {"cost_us": 2.5, "held": True, "of": {"each": 1}, "name": "x", "count": 7}
    found = row.rows(Benchmark("new"), Turn(DONE, "", told, [], 1.0), None)
    assert [(one.text, one.value, one.held) for one in found] == [
        ("cost us", 2.5, None),
        ("count", 7.0, None),
    ]


def test_the_curves_of_scale_are_drawn():
    outcome, found = _outcome({})
    load = {"agent_cpu_a_stream": 0.01, "record_cpu_a_stream": 0.002, "carried": True}
    load |= {"admitted_p99_ms": 300.0, "admitted_p50_ms": 290.0, "streams": 1}
    two = {**load, "admitted_p99_ms": 9e9, "carried": False, "streams": 200}
    outcome["benchmarks"]["scale"] = {
        **outcome["benchmarks"]["it"],
        "figures": {"by_streams": {"1": load, "200": two}, "by_gateways": {"1": load}},
    }
    drawn = ElementTree.fromstring(picture.drawn(outcome, found))
    said = [one.text for one in drawn.iter(f"{SVG}text")]
    assert "200*" in said and "PMUs on one gateway" in said
    assert "gateways before one record, four PMUs each" not in said  # one load is no curve
    assert len(list(drawn.iter(f"{SVG}polyline"))) == 4
    told = table.text(outcome, found)
    assert told.count(" | 0.01 | 0.002 |") == 3
    assert told.count(" | no |") == 1 and told.count(" | yes |") == 2


def test_what_became_worse_by_a_tenth_is_marked():
    outcome, found = _outcome({"rate": 200, "late_ms": 5.0, "lost": 0})
    before = row.earlier(row.encoded(outcome, found).encode())
    outcome, found = _outcome({"rate": 179, "late_ms": 5.4, "lost": 1}, before)
    assert [one.slower for one in found] == [True, False, True]
    outcome["against"] = {"differs": command.differs(before, outcome["machine"], True)}
    told = table.text(outcome, found)
    assert "| 200 /s | 10% worse SLOWER |" in told and "| 5 ms | 8% worse |" in told
    assert "- it, samples <sealed>: 200 /s became 179 /s" in told
    assert "a quick run is among the two" in told


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [(0.1659, "of a core", "16.59 % of a core"), (29_271_023, "bytes/s", "29.27 MB/s"),
     (None, "ms", "- ms"), (5.0, "", "5")],
)  # fmt: skip
def test_a_figure_has_the_unit_that_people_say(value: float | None, unit: str, said: str):
    assert table.shown(value, unit) == said
    if value is not None:
        one = Row("it", "key", "it", unit, catalogue.LESS, value, value, True)
        assert table.asked(one).startswith(f"at most {said.split(' of ')[0].split(' MB')[0]}: ok")


@pytest.mark.parametrize(("load", "named"), [(None, False), (0.9, False), (9.0, True)])
def test_a_machine_that_others_keep_busy_is_named(load: float | None, named: bool):
    outcome, found = _outcome({"rate": 200, "late_ms": 5.0, "lost": 0})
    outcome |= {"load": load, "machine": {**outcome["machine"], "cores": 2}}
    said = "Other work kept this machine busy: 9 processes wanted its 2 cores"
    assert (said in table.text(outcome, found)) is named
    assert (said in picture.drawn(outcome, found)) is named


@pytest.mark.parametrize(
    "text",
    ["", "[]", "[" * 100_000, '{"format": "gridseal-bench/1"}', '{"format": 7}',
     '{"format": "other/1", "quick": false, "machine": {}, "rows": []}',
     '{"format": "gridseal-bench/1", "quick": false, "machine": {}, "rows": [{"bench": 1}]}'],
)  # fmt: skip
def test_a_file_that_is_no_outcome_is_refused(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "earlier.json"
    file.write_text(text)
    asked = ["bench", "all", "--against", str(file), "--out", str(tmp_path / "out")]
    assert cli.main(asked) == 2
    assert capsys.readouterr().err.startswith(f"gridseal-hil bench all: {file}: ")
    assert not (tmp_path / "out").exists()


def test_no_folder_of_somebody_else_is_written_into(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "thesis.tex").write_text("mine")
    assert cli.main(["bench", "all", "--out", str(tmp_path)]) == 2
    assert "name another by --out" in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_machine_is_told_without_its_name_or_a_path(tmp_path: Path):
    told = machine.look(tmp_path)
    assert all(value not in (None, "", "unknown") for value in told.values())
    assert 0 < told["sync_p50_ms"] <= told["sync_p99_ms"]
    text = json.dumps(told)
    assert str(tmp_path) not in text and Path("/etc/hostname").read_text().strip() not in text


def test_figures_are_the_last_object_that_was_said():
    assert last_object('{"a": 1}\nLATE of it\n{"b": 2}\nsome: reason\n{no\n') == {"b": 2}
    assert last_object("nothing\n[1]\n") is None


def test_figures_of_a_benchmark_that_broke_afterwards_are_none():
    command = ["-c", "import os; print('{\"a\": 1}', flush=True); os.abort()"]
    said = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    broken = judged(DONE, said.returncode, said.stdout, 1.0, 9.0)
    assert broken.state == FAILED and "ended with -6 after its figures" in broken.why
    held = '{"reasons": ["too slow"]}\n'
    assert judged(DONE, 1, held, 1.0, 9.0).reasons == ["too slow"]
    assert judged(DONE, 0, '{"a": 1}\n', 1.0, 9.0).state == DONE


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0, "0"), (12.0, "12"), (1234.5, "1,234"), (152.13, "152.1"), (8.456, "8.46"),
     (0.4567, "0.457"), (0.00123, "0.00123"), (None, "-")],
)  # fmt: skip
def test_figures_for_people(value: float | None, said: str):
    assert row.number(value) == said
