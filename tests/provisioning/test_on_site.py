"""What the README has typed on site, in its order, as somebody types it who never did it before:
the folder mistyped, the plan asked for again after the search has written the next one.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent import config
from provisioning.cli import main
from tests.provisioning.test_discover import device, typed

ANSWERS = {
    "site": "Oklaunion",
    "nominal_hz": "60",
    "rotation": "ABC",
    "buses": "North = 345 kV",
    "survey": "",
    "sim-pmu/pt": "345000/115 0.3",
    "sim-pmu/ct": "1200/5 0.2S",
    "sim-pmu/direction": "out",
}


@pytest.fixture
def gw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    folder = tmp_path / "gw"
    words = ["--gateway", "gw-2", "--site", "Oklaunion", "--bus", "North"]
    assert main(["new", str(folder), *words]) == 0
    capsys.readouterr()
    return folder


def test_after_the_search_the_plan_is_asked_for_with_ratios_and_directions(
    gw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with device("pmu", "--tcp", "127.0.0.1:0", "--rate", "30") as told:
        where = told["pmus"][0]["tcp"]
        assert typed("--host", where, "--idcode", "1", "--into", str(gw))["done"]
        given = [word for key, text in ANSWERS.items() for word in ("--answer", f"{key}={text}")]
        assert main(["plan", "ask", str(gw), "--listen", "3", *given]) == 0
    plan = config.sketch(gw / "gateway.toml").plan
    stream = plan.stream_of("sim-pmu")
    assert stream is not None and plan.bus[0].nominal_kv == 345.0
    by_name = {one.name: one for one in stream.channel}
    assert by_name["VA"].ratio == (345000, 115) and by_name["IA"].ratio == (1200, 5)
    assert by_name["IA"].direction == "out"
    capsys.readouterr()
    # The plan that is checked is the one that the gateway goes by, not the one before it.
    name = config.sketch(gw / "gateway.toml").file.gateway.plan
    assert name != "site.toml"
    assert main(["plan", "check", str(gw)]) == 0
    assert f"{gw / name}: nothing is wrong" in capsys.readouterr().out


def test_what_is_to_be_mended_is_told_by_the_file_that_counts(
    gw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with device("pmu", "--tcp", "127.0.0.1:0", "--rate", "30") as told:
        where = told["pmus"][0]["tcp"]
        assert typed("--host", where, "--idcode", "1", "--into", str(gw))["done"]
    words = ["--only", "position", "--seconds", "1", "--json"]
    assert main(["preflight", str(gw), *words]) == 1
    (one,) = json.loads(capsys.readouterr().out)["outcomes"]
    assert one["needs"] == "[site.survey] in site-2.toml"


@pytest.mark.parametrize(
    "typed_words",
    [
        ["discover", "--host", "192.0.2.7", "--into"],
        ["enrol", "request"],
        ["preflight"],
        ["report", "--out", "never.pdf", "--technician", "Ann Lee"],
        ["support-bundle", "--out", "never.tar.gz"],
    ],
    ids=lambda words: words[0],
)
def test_a_folder_that_is_mistyped_is_told_at_once(
    gw: Path,
    typed_words: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(gw.parent)
    begun = time.monotonic()
    assert main([*typed_words, "wg"]) == 2
    assert time.monotonic() - begun < 5.0
    err = capsys.readouterr().err
    assert "wg" in err and "expected a gateway's folder" in err and err.count("\n") == 1
    assert [path.name for path in gw.parent.iterdir()] == ["gw"]


def test_the_request_in_place_of_its_answer_is_told(
    gw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["enrol", "request", str(gw)]) == 0
    assert main(["enrol", "accept", str(gw), str(gw / "enrol-request.gse")]) == 2
    assert "this is a request; its answer is the file that comes back" in capsys.readouterr().err


def test_whoever_reads_only_the_first_lines_sees_no_trace(gw: Path) -> None:
    argv = [sys.executable, "-m", "provisioning.cli", "enrol", "request", str(gw), "--qr"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(60.0) == 1
    assert said == b""
