"""Scenarios: a part of one is played, from its script to a bundle, a page and an exit code; and
what cannot be played is told by name.
"""

import asyncio
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from evidence.code import Matter
from evidence.config import ConfigError
from evidence.joint.decision import Decision
from evidence.joint.record import Record
from evidence.leap import BUILT_IN, NS
from hil.cli import main
from hil.scenario import command, figures, page, pmu, script
from hil.scenario.cast import Cast
from hil.scenario.fact import Facts, Said
from hil.scenario.feed import Beyond, Hourly, Trace
from hil.scenario.follower import following
from hil.scenario.play import face
from hil.script import SCENARIOS, path_of
from record.cli import main as record_main
from record.settle.interval import Convention
from tests.provisioning.page.audit import audited
from tests.provisioning.page.rig import NARROW, WIDE, browser

PART = ("--from", "2021-02-15T01:00-06:00", "--to", "2021-02-15T02:30-06:00")
SECONDS = ("--from", "2026-11-26T12:00:00+00:00", "--to", "2026-11-26T12:00:10+00:00")
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


def test_each_plot_says_what_it_is_worth_and_which_line_is_which_beside_it(
    uri: Played, seam: Played
) -> None:
    marks = {"Frequency": {"synthetic"}} | {
        f"Energy over {tie}": {"modelled", "synthetic"} for tie in ("Oklaunion", "Monticello")
    }
    for whole, wanted in ((uri.page, marks), (seam.page, {"Frequency": {"synthetic"}})):
        found = {}
        for figure in re.findall(r"<figure>.*?</figure>", whole, re.DOTALL):
            caption, plot = figure.split("</figcaption>")
            title = re.findall(r"<h3>(.*?)<", caption)[0].strip()
            found[title] = set(re.findall(r'<span class="badge">(.*?)</span>', caption))
            names = re.findall(r"</svg> (.*?)</li>", caption)
            assert names and not any(name in plot for name in names)
        assert found == wanted


def test_decisions_stand_in_order_of_time_not_of_its_words(uri: Played) -> None:
    """1 March comes after 28 February."""
    facts, clock = Facts(), face(command.read(path_of("uri-2021"))[0])
    for day in ("2021-03-01", "2021-02-28"):
        tai = figures.tai_of(datetime.fromisoformat(f"{day}T12:00-06:00"))
        body = Decision(None, f"of {day}", 1.0, "").body()
        record = Record(Matter.LOAD_SHED, "SPP", (), (), (), tai, tai + NS, (), body)
        words: dict[str, Any] = dict.fromkeys(("author", "name", "state"), "")
        words |= {"what": "load_shed", "notified": ()}
        facts.all.append(Said(words, tai, tai + NS, 1, record))
    told = page._decisions(facts, clock)
    assert re.findall(r"<td>(\d+ \w+) 12:00", told) == ["28 Feb", "01 Mar"]


def test_every_claim_and_decision_says_where_it_was_said() -> None:
    of, _, _ = command.read(path_of("uri-2021"))
    assert [row.topic for row in of.claim if not row.source] == []
    assert [row.name for row in of.order if not row.source] == []


def test_the_page_is_read_wide_and_narrow_and_loads_nothing(
    uri: Played, seam: Played, program: Callable[[str], Path], tmp_path: Path
) -> None:
    with browser(program("chromium"), program("chromedriver"), tmp_path / "scenario") as shown:
        for of in (uri, seam):
            shown.open((of.folder / "index.html").as_uri())
            for size in (WIDE, NARROW):
                shown.resize(size)
                shown.shot("scenario")
                faults = audited(shown.driver)["faults"]
                kept = [one for one in faults if "svg" not in one and "small type" not in one]
                assert kept == ["0 header"]  # a document: its plots have their numbers in a CSV
            assert not shown.run("return performance.getEntriesByType('resource').length")
            style = shown.run("return getComputedStyle(document.querySelector('td')).textAlign")
            assert style == "left", "the policy allows its own style"


def test_the_phasors_of_the_ac_seam_agree_and_each_fault_is_named(seam: Played) -> None:
    assert seam.code == 0
    found = [(one["verdict"], one.get("disagreement")) for one in seam.of("settlement")]
    assert found[:4] == [("agreed", None)] * 4
    assert [like for verdict, like in found if verdict == "disputed"] == [
        *("polarity", "ratio", "time_shift", "ratio")
    ]
    assert found[-1] == ("agreed", None)


def test_what_the_classes_allow_is_seen_by_what_was_learned(seam: Played) -> None:
    (learned,) = seam.of("standing_residual")
    assert learned["state"] == "joint"
    last = [one for one in seam.of("settlement") if one["verdict"] == "disputed"][-1]
    changed, allowed = re.findall(r"change of current \w (\S+)%, (\S+)% allowed", last["why"])[0]
    assert float(allowed) < 0.5 < float(changed) < 1.7  # what the classes allow at this load
    assert "1.03 times" in last["why"]


# --- what is said by HTTP, and who follows --------------------------------------------------------


def test_the_mirror_has_all_of_it_and_finds_a_byte_that_changed(
    seam: Played, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [one["has"] for one in seam.of("mirror")] == ["all"]
    mine = tmp_path / "copied"
    shutil.copytree(seam.folder, mine)
    asked = ["mirror", "--check", "--config", str(mine / "mirror.toml")]
    assert record_main(asked) == 0
    assert re.search(r"all \d+ entries of ac-seam.scenario", capsys.readouterr().out)
    partial = (mine / "mirror").glob("*/tile/entries/**/*.p/*")
    bundle = max(partial, key=lambda path: int(path.name))
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    bundle.write_bytes(data)
    assert record_main(asked) == 1


def test_a_mirror_that_lacks_something_is_told(tmp_path: Path) -> None:
    """As when the record does not answer what the mirror asks for."""

    async def deaf() -> list[str]:
        cast = Cast(command.read(path_of("ac-seam"))[0])
        how = (cast.log, cast.mirror_key, "", lambda: NS, "http://127.0.0.1:9")
        async with following(tmp_path, *how) as mirror:
            await mirror.pull()
            assert mirror.check() == 0
            return mirror.faults

    refused, nothing = asyncio.run(deaf())
    assert "127.0.0.1:9/checkpoint" in refused and nothing == "nothing was copied"


def test_what_the_record_refuses_is_a_fact_with_its_reason(tmp_path: Path) -> None:
    """Somebody without a role signs before West does."""
    text = (SCENARIOS / "ac-seam.toml").read_text(encoding="utf-8")
    text = text.replace('assent = ["West"]', 'assent = ["Nobody", "West"]')
    text += '\n[[authority]]\nname = "Nobody"\n'
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    of = Played(str(tmp_path / "mine.toml"), tmp_path / "report", *SECONDS)
    assert of.code == 1
    assert [(one["of"], one["reason"]) for one in of.of("refused")] == [
        (f"Nobody of {one['name']}", "unknown_authority") for one in of.of("settlement")
    ]
    assert {one["state"] for one in of.of("settlement")} == {"joint"}, "the others' words count"


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
    rounded = 0
    for day, sums in PUBLISHED.items():
        begins = [CST.ending(date(2021, 2, day), he).begins for he in range(1, 25)]
        found = [
            [hours.of(column, tai) for tai in begins]
            for column in ("spp_mwh", "cen_mwh", "total_mwh")
        ]
        assert tuple(map(sum, found)) == sums
        apart = [abs(spp + cen - total) for spp, cen, total in zip(*found, strict=True)]
        assert max(apart) <= ROUNDED
        rounded += sum(apart)
    assert rounded == 16  # of 72 hours


def test_an_hour_of_a_feed_has_the_energy_that_was_published(hours: figures.Hours) -> None:
    out = Hourly(hours, "spp_mwh", -600 / 820)
    tie = Beyond(out, 0.9, 0.008, hours.begins)
    begins, ends = CST.ending(date(2021, 2, 15), 13)
    gave = out.energy(ends) - out.energy(begins)
    assert gave == pytest.approx(696 * 600 / 820)
    took = tie.energy(ends) - tie.energy(begins)
    assert took * (1 - 0.008) - 0.9 == pytest.approx(gave)


def test_the_frequency_is_below_59_4_hz_for_as_long_as_was_published() -> None:
    of, _, _ = command.read(path_of("uri-2021"))
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
    text = (SCENARIOS / "ac-seam.toml").read_text(encoding="utf-8")
    text += '\n[[never]]\ntext = "Both ends agree"\n'
    text += 'where = { what = "settlement", verdict = "agreed" }\n'
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    report = tmp_path / "report"
    code = main(["run", str(tmp_path / "mine.toml"), *SECONDS, "--report", str(report), "--json"])
    out, err = capsys.readouterr()
    assert code == 1
    told = json.loads(out)
    assert [one.split(":")[0] for one in told["failed"]] == ["never"]
    assert "never: Both ends agree: 1 seen: settlement: " in err
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
    "ends before": ("ends = 2026-11-26T12:02:50+00:00", "ends = 2026-11-26T11:00:00Z", "later"),
    "no TOML": ("[scenario]", "[scenario", "not TOML"),
    "twice": ('name = "west-pmu"', 'name = "east-pmu"', "twice"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_script_that_is_wrong_is_refused_by_file_and_key(case: str) -> None:
    before, after, told = BROKEN[case]
    text = (SCENARIOS / "ac-seam.toml").read_text(encoding="utf-8")
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
        text = (SCENARIOS / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(
            text.replace("total_mwh", "total").replace("cen_mwh,", "cem_mwh,")
        )
    with pytest.raises(ConfigError, match="did you mean 'cem_mwh'"):
        command.read(tmp_path / "uri-2021.toml")


@pytest.fixture(scope="module")
def hours() -> Iterator[figures.Hours]:
    _, found, _ = command.read(path_of("uri-2021"))
    assert found is not None
    yield found
