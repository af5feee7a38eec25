"""`gridseal-provision preflight` as it is typed: words, waivers, readings, exit codes."""

import json
import os
import time
from pathlib import Path

import pytest

from drivers.url import Option
from provisioning.cli import main
from provisioning.init import GATEWAY, InitRequest, initialise
from provisioning.preflight.examination import CHECKS, HEARD
from provisioning.source import SourceRequest

NOBODY: dict[str, Option] = {"host": "127.0.0.1", "port": 1, "idcode": 7}
SHORT = "--seconds=0.3"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    sources = (SourceRequest("pmu-a", "c37118+tcp", NOBODY, "Bus 1"),)
    initialise(InitRequest(folder, sources=sources), int(time.time()), os.urandom)
    return folder


def said(capsys, *argv: str) -> tuple[int, str, str]:
    code = main(["preflight", *argv])
    return code, *capsys.readouterr()


def test_words_for_people_begin_with_the_word_and_say_what_to_do(site, capsys):
    code, out, err = said(capsys, str(site), "--offline", SHORT)
    assert (code, err) == (1, "")
    assert "ok           disk:" in out
    assert "fault        line-errors pmu-a:" in out and "refused" in out
    assert "to do:" in out and "needs:" in out
    assert "left out (--offline): route" in out
    assert "gateway-1:" in out.splitlines()[-1] and "fault" in out.splitlines()[-1]
    assert max(map(len, out.splitlines())) <= 100


def test_a_folder_or_the_file_in_it_are_the_same(site, capsys):
    assert said(capsys, str(site), "--only=credential")[0] == 0
    assert said(capsys, str(site / GATEWAY), "--only=credential")[0] == 0


def test_one_object_for_programs(site, capsys):
    code, out, _ = said(capsys, str(site), "--only=credential", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["gateway"] == "gateway-1" and told["word"] == "ok"
    assert [one["check"] for one in told["outcomes"]] == ["credential"]


def test_a_waiver_says_who_and_why_and_what_is_wrong_stays_beside_it(site, capsys):
    waive = "--waive=line-errors@pmu-a=A. Meier:the PMU comes on Monday"
    code, out, _ = said(capsys, str(site), "--only=line-errors", SHORT, waive, "--json")
    (one,) = json.loads(out)["outcomes"]
    assert code == 0
    assert (one["word"], one["waived_by"]) == ("waived", "A. Meier")
    assert one["waived_why"] == "the PMU comes on Monday"
    assert one["figure"] and one["todo"]


def test_what_nobody_can_tell_is_not_well_until_somebody_waives_it(site, capsys):
    code, out, _ = said(capsys, str(site), "--only=position", SHORT)
    assert code == 1 and "cannot tell" in out
    waive = "--waive=position=A. Meier:not surveyed yet"
    code, out, _ = said(capsys, str(site), "--only=position", SHORT, waive)
    assert code == 0 and "waived" in out and "by A. Meier: not surveyed yet" in out


def test_a_waiver_is_never_wider_than_meant(tmp_path, capsys):
    sources = [SourceRequest(f"pmu-{at}", "c37118+tcp", NOBODY, "Bus 1") for at in "ab"]
    folder = tmp_path / "site"
    initialise(InitRequest(folder, sources=sources), int(time.time()), os.urandom)
    asked = (str(folder), "--only=line-errors", SHORT)
    code, out, _ = said(capsys, *asked, "--waive=line-errors=A. Meier:known")
    assert code == 1
    assert "waives nothing: it is of several: line-errors@pmu-a, line-errors@pmu-b" in out
    both = ("--waive=line-errors@pmu-a,line-errors@pmu-b=A. Meier:known",)
    assert said(capsys, *asked, *both)[0] == 0


def test_a_waiver_of_what_is_ok_is_told(site, capsys):
    waive = "--waive=credential=A. Meier:whatever"
    code, out, _ = said(capsys, str(site), "--only=credential", waive)
    assert code == 0 and "waives nothing: there is nothing to waive" in out
    told = json.loads(said(capsys, str(site), "--only=credential", waive, "--json")[1])
    assert told["outcomes"][0]["word"] == "ok"
    assert len(told["idle_waivers"]) == 1


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["--waive=sequence"], "expected CHECK[@OF]=WHO:WHY"),
        (["--waive=sequence=A. Meier"], "expected CHECK[@OF]=WHO:WHY"),
        (["--waive=sequence=:because"], "expected CHECK[@OF]=WHO:WHY"),
        (["--waive=sequenze=A:b"], "did you mean 'sequence'"),
        (["--only=dsk"], "did you mean 'disk'"),
        (["--reading=pmu-a/I=120"], "with its sign"),
        (["--reading=pmu-a/I=NaN"], "with its sign"),
        (["--reading=pmu-a/I=+1e9"], "with its sign"),
        (["--reading=pmu-z/I=+1"], "did you mean 'pmu-a'"),
        (["--reading=pmu-a/I=+1", "--reading=pmu-a/I=+2"], "stands twice"),
        (["--seconds=0"], "expected seconds"),
        (["--ofline"], "did you mean '--offline'"),
    ],
)
def test_what_is_typed_wrongly_is_one_line_and_nothing_is_begun(site, capsys, typed, words):
    code, out, err = said(capsys, str(site), *typed)
    assert (code, out) == (2, "")
    assert words in err and len(err.splitlines()) == 1


def test_a_reading_of_a_bay_that_is_not_there_confirms_nothing(site, capsys):
    code, _, err = said(capsys, str(site), "--only=ct-direction", SHORT, "--reading=pmu-a/I=+1")
    assert code == 2 and "no current is heard" in err


def test_readings_may_stand_in_a_file(site, capsys, tmp_path):
    file = tmp_path / "readings"
    file.write_text("# read in the control room, 10:40\npmu-z/I=-118  # North line\n")
    code, _, err = said(capsys, str(site), f"--readings={file}")
    assert code == 2 and "pmu-z" in err


def test_no_folder_no_plan_no_pre_flight(tmp_path, site, capsys):
    code, _, err = said(capsys, str(tmp_path / "nowhere"))
    assert code == 2 and "nowhere: is not there; expected a gateway's folder" in err
    (site / "site.toml").write_text("[site\n")
    code, _, err = said(capsys, str(site))
    assert code == 2 and "site.toml" in err


def test_help_tells_every_check(capsys):
    assert main(["preflight", "--help"]) == 0
    out = capsys.readouterr().out
    for name, about in CHECKS.items():
        assert name in out and about in out
    assert set(HEARD) < set(CHECKS)
