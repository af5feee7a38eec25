"""Scenarios: a part of one is played, from its script to a bundle, a page and an exit code; and
what cannot be played is told by name.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from evidence.config import ConfigError
from evidence.leap import BUILT_IN, NS
from hil.cli import main
from hil.scenario import command, figures, pmu, script
from hil.scenario.feed import Beyond, Hourly, Trace
from record.settle.interval import Convention

PART = ("--from", "2021-02-15T01:00-06:00", "--to", "2021-02-15T02:30-06:00")
CST = Convention(60, -360)
# The sums of what EIA-930 has for ERCO with SWPP, with CEN, and in all, day by day: MWh.
PUBLISHED = {14: (-19507, -9161, -28662), 15: (-18652, -2189, -20845), 16: (-15114, 0, -15114)}
ROUNDED = 1  # MWh, of each sum of an hour


class Played:
    """A scenario, played by its command."""

    def __init__(self, name: str, folder: Path, *options: str) -> None:
        self.folder = folder
        self.code = main(["run", name, "--report", str(folder), *options])
        self.facts: list[dict[str, Any]] = json.loads((folder / "facts.json").read_text())
        self.page = (folder / "index.html").read_text(encoding="utf-8")

    def of(self, what: str, **words: object) -> list[dict[str, Any]]:
        found = [one for one in self.facts if one["what"] == what]
        return [one for one in found if all(one.get(key) == words[key] for key in words)]


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return Played("uri-2021", tmp_path_factory.mktemp("uri") / "report", *PART)


@pytest.fixture(scope="module")
def seam(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return Played("ac-seam", tmp_path_factory.mktemp("seam") / "report")


def test_a_part_of_the_seam_of_2021_comes_to_what_is_expected(uri: Played) -> None:
    assert uri.code == 0
    ties = uri.of("settlement")
    assert [one["verdict"] for one in ties] == ["agreed"] * 2  # one whole hour, two ties
    assert {one["state"] for one in ties} == {"joint"}
    assert [one["state"] for one in uri.of("interchange")] == ["joint"]
    assert len(uri.of("load_shed", author="ERCOT", state="joint")) == 4
    assert all(one["notified"] == ["PUCT"] for one in uri.of("load_shed"))
    assert not uri.of("refused")


def test_claims_that_contradict_each_other_are_kept_side_by_side(uri: Played) -> None:
    said = uri.of("claim", topic="ERCOT: EEA 3, rotating outages begin")
    assert {one["author"] for one in said} == {"ERCOT", "Chronicler"}
    assert {one["state"] for one in said} == {"joint"}  # each its author's word, none disputed
    assert uri.page.count("ERCOT: EEA 3, rotating outages begin") == 1
    assert "15 Feb 01:20:00" in uri.page and "15 Feb 01:25:00" in uri.page


def test_a_condition_that_does_not_hold_is_flagged_and_one_that_holds_is_not(uri: Played) -> None:
    first = uri.of("handoff", topic="1 Rotating outages")
    assert [one["step"] for one in first] == ["requested", "accepted", "active"]
    assert all(one["flags"] == ["condition_false"] for one in first)
    second = uri.of("handoff", topic="2 Below 59.4 Hz")
    assert [one["step"] for one in second] == ["requested", "accepted", "active", "returned"]
    assert all(one["flags"] == [] and one["state"] == "joint" for one in second)
    truths = [one["truth"] for one in uri.of("evaluation", topic="2 Below 59.4 Hz")]
    assert truths == ["true"] * 3
    assert {one["mark"] for one in uri.of("handoff")} == {"reconstructed"}


def test_the_bundle_is_verified_with_nothing_else_there(uri: Played, tmp_path: Path) -> None:
    assert {one["by"]: one["verified"] for one in uri.of("bundle")} == {
        "gridseal-record verify": "yes",
        "verify.py": "yes",
    }
    moved = [(uri.folder / name) for name in ("verify.py", "anchors.toml")]
    for path in moved:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    argv = [sys.executable, "-I", "verify.py", str(uri.folder / "bundle")]
    done = subprocess.run(
        [*argv, "--anchors", "anchors.toml"], cwd=tmp_path, capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stdout[-500:]


def test_the_page_is_one_file_and_says_what_is_not_real(uri: Played) -> None:
    assert "<script" not in uri.page and "src=" not in uri.page and "http:" not in uri.page
    assert "https:" not in uri.page and "default-src 'none'" in uri.page
    for word in ("synthetic", "modelled", "Reconstructed", "59.4 Hz", "nobody signed one then"):
        assert word in uri.page
    assert "legally" not in uri.page


def test_the_phasors_of_the_ac_seam_agree_and_each_fault_is_named(seam: Played) -> None:
    assert seam.code == 0
    found = [(one["verdict"], one.get("disagreement")) for one in seam.of("settlement")]
    assert found[:4] == [("agreed", None)] * 4
    assert [like for verdict, like in found if verdict == "disputed"] == [
        "polarity",
        "ratio",
        "time_shift",
    ]
    assert found[-1] == ("agreed", None)


def test_hours_are_those_that_end_at_their_name(hours: figures.Hours) -> None:
    """EIA's 02:00 of 15 February is from 07:00 to 08:00 UTC, and so is HE02 of a market."""
    begins, ends = CST.ending(date(2021, 2, 15), 2)
    assert BUILT_IN.utc_ns(begins) // NS == 1_613_372_400  # 2021-02-15T07:00:00Z
    assert hours.of("cen_mwh", begins) == -382
    assert hours.of("cen_mwh", ends - 1) == -382
    assert hours.of("cen_mwh", ends) == -381
    seen = [hours.of("cen_mwh", CST.ending(date(2021, 2, 15), he).begins) for he in (5, 6, 7)]
    assert seen == [-382, -282, 0]
    held = [hours.of("spp_mwh", CST.ending(date(2021, 2, 15), he).begins) for he in range(12, 16)]
    assert held == [-815, -696, -547, -755]


def test_figures_are_those_that_were_published(hours: figures.Hours) -> None:
    for day, sums in PUBLISHED.items():
        begins = [CST.ending(date(2021, 2, day), he).begins for he in range(1, 25)]
        found = [
            [hours.of(column, tai) for tai in begins]
            for column in ("spp_mwh", "cen_mwh", "total_mwh")
        ]
        assert tuple(map(sum, found)) == sums
        assert all(
            abs(spp + cen - total) <= ROUNDED for spp, cen, total in zip(*found, strict=True)
        )


def test_an_hour_of_a_feed_has_the_energy_that_was_published(hours: figures.Hours) -> None:
    out = Hourly(hours, "spp_mwh", -600 / 820)
    tie = Beyond(out, 0.9, 0.008, hours.begins)
    begins, ends = CST.ending(date(2021, 2, 15), 13)
    gave = out.energy(ends) - out.energy(begins)
    assert gave == pytest.approx(696 * 600 / 820)
    took = tie.energy(ends) - tie.energy(begins)
    assert took * (1 - 0.008) - 0.9 == pytest.approx(gave)


def test_the_frequency_is_below_59_4_hz_for_as_long_as_was_published() -> None:
    of, _, _ = command.read(command.found("uri-2021"))
    (row,) = [feed for feed in of.feed if feed.name == "ercot-hz"]
    trace = Trace([(figures.tai_of(at), value) for at, value in row.points])
    begins = figures.tai_of(of.pace[0].begins)
    values = [trace.value(begins + tenth * NS // 10) for tenth in range(30 * 600)]
    assert sum(value < 59.4 for value in values) == pytest.approx(2630, abs=2)  # 4 min 23 s
    assert min(values) == pytest.approx(59.302, abs=1e-4)


def test_a_pmu_states_its_pace_as_the_standard_has_it() -> None:
    assert pmu.rate_of(NS // 10) == 10
    assert pmu.rate_of(NS) == 1
    assert pmu.rate_of(60 * NS) == -60
    with pytest.raises(ValueError, match="whole"):
        pmu.rate_of(NS * 3 // 2)


def test_an_expectation_that_fails_is_told_and_is_exit_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (command.SCENARIOS / "ac-seam.toml").read_text(encoding="utf-8")
    text += '\n[[never]]\ntext = "Both ends agree"\n'
    text += 'where = { what = "settlement", verdict = "agreed" }\n'
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    report = tmp_path / "report"
    part = ("--from", "2026-11-26T12:00:00+00:00", "--to", "2026-11-26T12:00:10+00:00")
    code = main(["run", str(tmp_path / "mine.toml"), *part, "--report", str(report), "--json"])
    out, err = capsys.readouterr()
    assert code == 1
    told = json.loads(out)
    assert [one.split(":")[0] for one in told["failed"]] == ["never"]
    assert "never: Both ends agree: 1: " in err
    assert told["not_asked"] > 0  # most of it is of another part


def test_a_scenario_that_is_not_known_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "uri-2012"]) == 2
    assert "did you mean 'uri-2021'?" in capsys.readouterr().err


def test_a_folder_with_something_in_it_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").write_text("here")
    assert main(["run", "ac-seam", "--report", str(tmp_path)]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_part_outside_of_the_scenario_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "uri-2021", "--from", "2021-02-13T00:00-06:00"]) == 2
    assert main(["run", "uri-2021", "--to", "noon"]) == 2
    assert "an instant such as" in capsys.readouterr().err


BROKEN = {
    "unknown key": ("period_s = 1\n", "period_ss = 1\n", "did you mean 'period_s'?"),
    "unknown name": ('gateway = "west-gateway"', 'gateway = "west"', "gateway"),
    "no offset": ("begins = 2026-11-26T12:00:00+00:00", "begins = 2026-11-26T12:00:00", "offset"),
    "ends before": ("ends = 2026-11-26T12:02:20+00:00", "ends = 2026-11-26T11:00:00Z", "later"),
    "no TOML": ("[scenario]", "[scenario", "not TOML"),
    "twice": ('name = "west-pmu"', 'name = "east-pmu"', "twice"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_script_that_is_wrong_is_refused_by_file_and_key(case: str) -> None:
    before, after, told = BROKEN[case]
    text = (command.SCENARIOS / "ac-seam.toml").read_text(encoding="utf-8")
    assert before in text
    with pytest.raises(ConfigError, match=told) as refused:
        script.read(text.replace(before, after, 1), "mine.toml")
    assert refused.value.file == "mine.toml"


CSV = "ending,a\n2021-02-14T01:00-06:00,1\n2021-02-14T02:00-06:00,2\n"
WRONG_FIGURES = {
    "a hole": (CSV.replace("02:00-06", "03:00-06"), "hour after"),
    "no whole number": (CSV.replace(",2\n", ",2.5\n"), "whole numbers"),
    "a column too few": (CSV.replace(",2\n", "\n"), "columns"),
    "no offset": (CSV.replace("02:00-06:00", "02:00"), "offset"),
    "no head": (CSV.replace("ending", "hour"), "ending"),
    "nothing": ("# nothing\n", "rows"),
}


@pytest.mark.parametrize("case", WRONG_FIGURES)
def test_figures_that_are_wrong_are_refused_by_line(case: str) -> None:
    text, told = WRONG_FIGURES[case]
    with pytest.raises(ConfigError, match=told):
        figures.read(text, "mine.csv")


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    for name in ("uri-2021.toml", "uri-2021.csv"):
        text = (command.SCENARIOS / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(
            text.replace("total_mwh", "total").replace("cen_mwh,", "cem_mwh,")
        )
    with pytest.raises(ConfigError, match="did you mean 'cem_mwh'"):
        command.read(tmp_path / "uri-2021.toml")


@pytest.fixture(scope="module")
def hours() -> Iterator[figures.Hours]:
    _, found, _ = command.read(command.found("uri-2021"))
    assert found is not None
    yield found
