"""Plays from the command line on: what does not come up, what is in use, what nobody may do is said
by name, and the rest goes on; Ctrl-C. Real places: test_rack.py.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from hil import cli
from hil.loopback import free_port
from tests.hil.demo.rig import powerless
from tests.hil.live.interrupt import interrupted

PLAY_S = 120.0  # a play of some seconds, on a loaded machine
pytestmark = pytest.mark.timeout(2 * PLAY_S + 10)
HEAD = '[live]\nname = "{name}"\ntitle = "{name}"\nlength_s = {length_s}\n'
GATEWAY = '[[gateway]]\nname = "north-1"\nauthority = "north"\n'
DEVICE = '[[device]]\nname = "{name}"\ngateway = "north-1"\nkind = "{kind}"\nwith = {told}\n'


def written(folder: Path, name: str, *rows: str, length_s: float = 2) -> Path:
    path = folder / f"{name}.toml"
    path.write_text("\n".join([HEAD.format(name=name, length_s=length_s), GATEWAY, *rows]))
    return path


def device(name: str, kind: str, told: str = "{}") -> str:
    return DEVICE.format(name=name, kind=kind, told=told)


def must(text: str, where: str) -> str:
    return f'[[must]]\ntext = "{text}"\nwhere = {where}\n'


def typed(*argv: object, before: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, "-m", "hil.cli", "run", *map(str, argv)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=PLAY_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def told(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "verdict.json").read_text(encoding="utf-8")))


def findings(verdict: dict[str, Any]) -> dict[str, bool | None]:
    return {one["text"]: one["held"] for one in verdict["findings"]}


def test_what_is_in_use_and_what_nobody_may_do_is_said_and_the_rest_goes_on(tmp_path: Path):
    port = free_port()
    bad = written(tmp_path, "bad", device("pmu", "pmu-tcp", "{ idcod = 1 }"))
    odd = written(
        tmp_path, "odd",
        device("pmu", "pmu-tcp", f"{{ idcode = 1, port = {port} }}"),
        device("other", "pmu-tcp", f"{{ idcode = 2, port = {port} }}"),
        device("breaker", "goose-breaker"),
        must("the PMU is there", '{ what = "in_record", device = "pmu" }'),
        must("the other is there", '{ what = "in_record", device = "other" }'),
        must("the breaker is there", '{ what = "sealed", device = "breaker" }'),
    )  # fmt: skip
    asked = (bad, odd, "--json", "--report", tmp_path / "out")
    done = typed(*asked, before=powerless())
    assert done.returncode == 2, done.stderr  # one of them cannot be played
    assert f"bad.toml:{line_of(bad, 'with')}: device[0].with: 'idcod' is unknown" in done.stderr
    assert "odd: other does not come up" in done.stderr
    assert f"port {port} is somebody else's: name another" in done.stderr
    left_out = " ".join(done.stderr.split())  # as folded for a terminal
    assert "left out: device breaker" in left_out
    assert "run it by sudo" in left_out
    verdict = told(tmp_path / "out" / "odd")
    assert findings(verdict) == {
        "the PMU is there": True,
        "the other is there": None,
        "the breaker is there": None,
        "no frame is lost": True,
        "no frame is there twice": True,
        "no frame is there that nobody sent": True,
        "no place bears two contents": True,
        "no gap states what is there": True,
        "the record verifies": True,
    }
    index = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert '<a href="odd/index.html">odd</a>' in index
    assert "2 of 2 scenarios do not hold." in index
    suites = ElementTree.parse(tmp_path / "out" / "junit.xml").getroot()
    counts = [[one.get(name) for name in ("tests", "errors", "skipped")] for one in suites]
    assert counts == [["1", "1", "0"], ["10", "1", "2"]]
    last = json.loads(done.stdout.splitlines()[-1])
    assert sorted(last) == ["bad", "odd"]
    assert last["odd"]["not_asked"] == 2


def line_of(path: Path, word: str) -> int:
    lines = path.read_text().splitlines()
    return next(at for at, line in enumerate(lines, 1) if line.startswith(word))


def test_ctrl_c_leaves_a_report_of_what_was_done(tmp_path: Path):
    cut = '[[fault]]\nname = "{}"\nat_s = {}\nact = "cut"\ndevice = "pmu"\nfor_s = {}\n'
    file = written(
        tmp_path, "long",
        device("pmu", "pmu-tcp", "{ idcode = 1 }"),
        cut.format("soon", 1, 500), cut.format("late", 900, 9),
        must("it is heard", '{ what = "samples", device = "pmu" }') + "begins_s = 0\nends_s = 1\n",
        must("a gap", '{ what = "gap", device = "pmu" }') + 'after = "late"\n',
        length_s=1000,
    )  # fmt: skip
    out = tmp_path / "out"
    play = interrupted("soon: begins", PLAY_S, file, "--report", out, later_s=0.3)
    assert play.returncode == 130, play.stderr
    assert "stopping, with a report" in play.stdout
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "It was stopped after" in page
    assert ElementTree.parse(tmp_path / "out" / "junit.xml").getroot()[0].get("skipped") == "1"
    verdict = told(tmp_path / "out")
    assert verdict["stopped"]
    assert verdict["timeline"]["played_s"] < 60
    assert findings(verdict)["it is heard"] is True
    assert findings(verdict)["a gap"] is None
    assert findings(verdict)["the record verifies"] is True
    assert findings(verdict)["no frame is lost"] is True
    assert [one["over_tai_ns"] is not None for one in verdict["deeds"]] == [True, False]


def test_ctrl_c_once_all_was_played_leaves_the_whole_report_and_plays_no_other(tmp_path: Path):
    names = ("one", "two")
    heard = must("it is heard", '{ what = "in_record", device = "pmu" }')
    files = [
        written(tmp_path, name, device("pmu", "pmu-tcp", "{ idcode = 1 }"), heard, length_s=1)
        for name in names
    ]
    argv = (*files, "--report", tmp_path / "out")
    play = interrupted("the devices fall silent", PLAY_S, *argv)
    assert play.returncode == 130, play.stderr
    assert not (tmp_path / "out" / "two").exists()
    verdict = told(tmp_path / "out" / "one")
    assert not verdict["stopped"]
    assert all(findings(verdict).values())


def test_an_agent_that_is_killed_right_before_the_end_is_given_until_it_states_its_gap(
    tmp_path: Path,
):
    killed = (
        '[[fault]]\nname = "killed"\nat_s = 1.7\nact = "kill"\ngateway = "north-1"\nfor_s = 0.2\n'
    )
    file = written(tmp_path, "end", device("pmu", "pmu-tcp", "{ idcode = 1 }"), killed)
    done = typed(file, "--report", tmp_path / "out")
    assert done.returncode == 0, done.stderr + done.stdout
    verdict = told(tmp_path / "out")
    (stream,) = verdict["streams"]
    assert stream["lost"] == 0 and stream["gaps"] == {"restart": 1}


def test_one_alone_that_cannot_be_played_leaves_nothing_and_a_full_folder_is_left_alone(
    tmp_path: Path,
):
    bad = written(tmp_path, "bad", device("pmu", "pmu-tcp", "{ idcod = 1 }"))
    assert cli.main(["run", str(bad), "--report", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    good = written(tmp_path, "good", device("pmu", "pmu-tcp", "{ idcode = 1 }"))
    assert cli.main(["run", str(good), "--report", str(tmp_path / "full")]) == 2
    assert [one.name for one in (tmp_path / "full").iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["healty-day"], "'healthy-day'"),
        (["healthy-day", "--place", "bensh"], "'bench'"),
        (["healthy-day", "--from", "2021-02-15T01:00-06:00"], "runs live"),
    ],
)
def test_what_cannot_be_played_is_told_in_a_line(
    asked: list[str], says: str, capsys: pytest.CaptureFixture[str]
):
    assert cli.main(["run", *asked]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line


def skipped(folder: Path) -> list[str]:
    """What JUnit has as left out."""
    suites = ElementTree.parse(folder / "junit.xml").getroot()
    return [one.attrib["name"] for one in suites if one.get("skipped") == "1"]


def test_where_all_that_was_asked_is_left_out_nothing_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Two for which the place has no grid; none of them is played."""
    names = ["line-trip", "islanding"]
    asked = [*names, "--place", "bench", "--report", str(tmp_path / "out")]
    assert cli.main(["run", *asked]) == 2
    out, err = capsys.readouterr()
    assert err == "gridseal-hil run: nothing was played: all of it was left out\n"
    assert [line.split(" is not played")[0] for line in out.splitlines() if " is not " in line] == (
        names
    )
    assert skipped(tmp_path / "out") == names
    index = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "None was played. 2 were left out." in index
    assert cli.main(["run", "line-trip", "--place", "bench", "--report", str(tmp_path / "a")]) == 2
    assert not (tmp_path / "a").exists()


def test_one_that_is_left_out_is_no_fault_beside_others(tmp_path: Path):
    """One of simulated time among them, which is of no place and takes part at once."""
    breaker = written(tmp_path, "breaker", device("breaker", "goose-breaker"))
    asked = (breaker, "ac-seam", "--jobs", "2", "--short", "--report", tmp_path / "out")
    done = typed(*asked, before=powerless())
    assert done.returncode == 0, done.stderr + done.stdout
    assert skipped(tmp_path / "out") == ["breaker"]
    index = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "The only scenario that was played holds. 1 was left out." in index
    assert '<a href="ac-seam/index.html">ac-seam</a>' in index


def test_places_are_listed_with_what_they_lack(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["places", "bench"]) == 0
    said = capsys.readouterr().out
    assert "cannot: a gateway can have a disk of its own: bench makes no disks" in said
    assert "disk-full: not at all: bench makes no disks" in said
    (healthy,) = (line for line in said.splitlines() if "healthy-day: " in line)
    assert "without device feeder-relay (the map of 'feeder relay' is not at " in healthy
    assert "without device meter (no modbus-rtu is left in bench" in healthy
