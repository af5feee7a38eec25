"""A report of a play of some seconds, made once with the real programs: what is measured in it, and
its page as people see it, wide and narrow, in the light and in the dark.
"""

import asyncio
import base64
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from evidence.leap import NS
from hil.live import command, place, play, report, script
from hil.live.play import Play
from hil.pulse import Pulse
from hil.report import compared, heat, lane, page, sentence, sketch, style, trace
from hil.report.gathered import Gathered
from tests.hil.report import drawing
from tests.hil.report.seen import SCENARIO, Seen
from tests.provisioning.page.audit import audited
from tests.provisioning.page.rig import NARROW, WIDE, Browser, browser
from tests.provisioning.report import viewer

pytestmark = pytest.mark.timeout(120)
PAGE_BYTES_MAX = 1 << 20
TURNS = 3  # where the machine itself was late, which would be all that is seen


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    of = script.read(SCENARIO, "seen.toml")

    async def played(folder: Path) -> Play:
        said: list[str] = []
        where = place.found("fake")
        return await play.played(of, where, folder, False, said.append, asyncio.Event())

    for _ in range(TURNS):
        folder = tmp_path_factory.mktemp("seen") / "out"
        folder.mkdir()
        done = asyncio.run(played(folder))
        found = Seen(done, command.reported(done, short=False))
        if not found.told()["behind"]:
            break
    return found


@pytest.fixture(scope="module")
def shown(
    program: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory, seen: Seen
) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("browser")
    with browser(program("chromium"), program("chromedriver"), folder) as found:
        found.open((seen.came.folder / "index.html").as_uri())
        yield found


# --- what was measured


def test_every_frame_that_was_admitted_is_compared_with_the_truth(seen: Seen):
    for device in ("pmu-a", "pmu-b"):
        measured = seen.measured(device)
        assert measured["compared"] == measured["frames"] > 100
        assert measured["beyond"] == {}
        # Noise of 0.05 % a component, and a largest deviate of some 3.6.
        errors = measured["errors"]
        assert 0.0003 < errors["tve_volts"]["mean"] < 0.001
        assert errors["tve_volts"]["mean"] < errors["tve_volts"]["p95"] < errors["tve_volts"]["max"]
        assert 0.3 < measured["used"] <= 1.0
        assert 0 < measured["heard_ms"]["mean"] < measured["heard_ms"]["max"]
        assert measured["admitted_ms"]["max"] > 0


def test_what_a_fault_is_declared_to_spoil_is_measured_apart(seen: Seen):
    """A current the other way is off by twice its length, and no error of the instrument."""
    measured = seen.measured("pmu-a")
    assert measured["spoiled_errors"]["tve_amps"]["max"] == pytest.approx(2.0, abs=0.01)
    assert measured["errors"]["tve_amps"]["max"] < 0.003
    assert 20 < measured["spoiled"] < 180
    assert seen.measured("pmu-b")["spoiled"] == 0


def test_an_error_beyond_what_the_instrument_may_be_off_is_a_problem(seen: Seen):
    """The same record, beside a truth of which one voltage was a per cent higher."""
    path = seen.came.folder / "plant" / "truth-pmu-b"
    before = path.read_bytes()
    lines = before.splitlines(keepends=True)
    words = lines[100].split()
    words[2:4] = [b"%.9g" % (float(word) * 1.01) for word in words[2:4]]
    lines[100] = b" ".join(words) + b"\n"
    shutil.rmtree(seen.came.folder / "read-north-1")
    path.write_bytes(b"".join(lines))
    try:
        _, found = compared.read(seen.play)
    finally:
        path.write_bytes(before)
    (problem,) = found.problems
    assert re.match(
        r"pmu-b: TVE of a voltage [01]\.\d+ % at worst, beyond .* in 1 frame, first at", problem
    )


def test_a_pmu_of_which_nothing_can_be_compared_is_a_problem(seen: Seen):
    """The same record, beside a truth of other instants."""
    path = seen.came.folder / "plant" / "truth-pmu-b"
    before = path.read_bytes()
    shutil.rmtree(seen.came.folder / "read-north-1")
    path.write_bytes(b"1" + before.replace(b"\n", b"\n1"))
    try:
        _, found = compared.read(seen.play)
    finally:
        path.write_bytes(before)
    (problem,) = found.problems
    assert re.match(r"pmu-b: none of its \d+ frames in the record can be compared", problem)


def test_what_the_record_holds_is_counted(seen: Seen):
    told = seen.told()
    frames = sum(one["measured"]["frames"] for one in told["streams"])
    assert told["record"]["observations"]["c37118"] >= frames
    assert sum(told["record"]["classes"].values()) == frames
    assert told["record"]["entries"]["head"] > 3
    assert told["record"]["not_decoded"] == 0


# --- the page


def test_it_says_in_words_first_what_does_not_hold_and_where(seen: Seen, shown: Browser):
    assert shown.words("h1") == ["PMUs, and <b>what</b> becomes of them"]
    (verdict,) = shown.words(".verdict")
    assert verdict == "It does not hold: 1 of 8 expectations fail."
    (why,) = shown.words(".verdict + ul li")
    assert why.startswith(
        "must: somebody says that a CT looks the other way: 0 seen, at least 1 wanted"
    )
    told = [words for words in shown.words(".no")[1:] if words != seen.told()["behind"]]
    assert told == ["does not hold"]


def test_a_bench_that_was_late_itself_says_so_and_a_fault_that_was_asked_for_is_none(seen: Seen):
    told = seen.told()
    deeds = told["deeds"]
    counted = {"pmu-a": {"skipped": 0}, "pmu-b": {"skipped": 40}, "relay": {"sent": 3}}
    assert behind(deeds, counted) == ""
    counted["pmu-a"]["skipped"] = 148
    said = behind(deeds, counted)
    assert "too slow" in said and "pmu-a left out 148 instants" in said
    assert told["devices"]["pmu-b"]["skipped"] >= 40  # as it stands in verdict.json
    counted["pmu-b"]["skipped"] = 40 + 200  # of which 40 were asked for
    assert "pmu-b left out 200 instants" in behind(deeds, counted)


def test_a_bench_whose_devices_measured_late_says_so(seen: Seen):
    late_ns, begins, ends = 1_930_000_000, 5 * NS, 9 * NS
    slow = [[begins, NS // 4], [begins + NS, late_ns], [begins + 2 * NS, NS]]
    devices: dict[str, Any] = {"pmu-a": {"late": []}, "pmu-b": {"late": slow}, "relay": {"sent": 3}}
    said = behind([], devices, began=begins, ended=ends)
    assert "too slow" in said and "pmu-b measured 1.9 s late. " in said
    assert behind([], devices, began=begins + 3 * NS, ended=ends) == ""  # as all was made ready
    assert behind([], devices, began=1, ended=begins - 1) == ""  # they had fallen silent
    assert isinstance(seen.told()["devices"]["pmu-a"]["late"], list)  # as it stands in verdict.json


def behind(
    deeds: Sequence[Any], devices: dict[str, Any], pulse: Pulse | None = None, **when: int
) -> str:
    return report.behind(deeds, devices, pulse or Pulse(), **{"began": 0, "ended": 9 * NS, **when})


def test_a_bench_that_stood_still_or_began_something_late_says_so(seen: Seen):
    pulse = Pulse()
    pulse.times, pulse.worst_ns = 2, 1_250_000_000
    stood = behind([], {}, pulse)
    assert stood.startswith("This machine, or its disk, stood still 2 times, for up to 1.2 s. ")
    (*_, deed) = seen.told()["deeds"]
    assert behind([{**deed, "late_s": 0.9}], {}) == ""
    late = behind([deed, {**deed, "name": "cut", "late_s": 1.21}], {})
    assert late.startswith("cut: begun 1.2 s too late. ")


def test_rows_that_a_table_leaves_out_are_counted():
    streams = [
        {"device": f"pmu-{at}", "gateway": "north", "kind": "pmu-tcp", "up": True, "sealed": 1}
        for at in range(style.ROWS_MAX + 3)
    ]
    told = {"streams": streams, "findings": [], "problems": ["x"] * (style.ROWS_MAX + 2)}
    table = page._accounted(told)
    assert table.count("<tr>") == 1 + style.ROWS_MAX
    assert "3 rows below these: not shown." in table
    said = sentence.verdict({**told, "holds": False, "stopped": False})
    assert said.endswith("<li>and 2 more</li></ul>")


def test_pmus_that_are_not_drawn_are_counted_where_nothing_was_done_too(seen: Seen):
    shutil.rmtree(seen.came.folder / "read-north-1")
    _, measured = compared.read(seen.play)
    measured.gauges["pmu-b"].drawn = None
    done: list[Any] = seen.told()["deeds"]
    for deeds in (done, list[Any]()):
        told = seen.told() | {"deeds": deeds}
        plots = list(sketch.plots(told, seen.came.facts, measured, str))
        assert plots and all("1 more PMU is not drawn." in one for one in plots)
        assert ("Dotted: " in plots[0]) is bool(deeds)


def test_where_angles_end_before_the_play_does_is_said(seen: Seen, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trace, "ANGLES_MAX", 30)
    shutil.rmtree(seen.came.folder / "read-north-1")
    _, measured = compared.read(seen.play)
    told, clock = seen.told(), page.clocked
    plots = "".join(
        sketch.plots(told, seen.came.facts, measured, lambda at: clock((at - trace.ZERO) / NS))
    )
    (end,) = re.findall(r"They end at 0:0(\d\.?\d?): of a longer play", plots)
    left_out = []  # of each PMU the first: what is live may come before an older one
    for device, gauge in measured.gauges.items():
        assert gauge.drawn is not None and gauge.drawn.ends is not None
        kept, first = gauge.drawn.angles(), gauge.drawn.ends
        assert len(kept) == trace.ANGLES_MAX
        assert first in seen.sent(device) and first not in kept
        left_out.append(first)
    assert float(end) == pytest.approx((min(left_out) - seen.play.began) / NS, abs=0.1)
    assert "They end at" not in seen.page


def test_that_the_bench_was_late_is_a_problem_where_something_does_not_hold(
    seen: Seen, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(seen.play, "counted", {"pmu-a": {"skipped": 148}})
    path = seen.came.folder / "verdict.json"
    before = path.read_bytes()
    shutil.rmtree(seen.came.folder / "read-north-1")
    account, measured = compared.read(seen.play)
    good = [one for one in seen.came.findings if one.held]
    try:
        came = report.written(seen.play, account, seen.came.findings, measured, False)
        told = seen.told()
        fine = report.written(seen.play, account, good, measured, False)
    finally:
        path.write_bytes(before)
    assert "pmu-a left out 148 instants" in told["behind"]
    assert told["problems"] == [told["behind"]] == came.problems
    assert fine.told["behind"] == told["behind"]
    assert fine.told["holds"] and not fine.problems
    text = page.text(fine.told, fine.facts, measured, seen.play.deeds, lambda at_s: at_s)
    assert f'<p class="note">{told["behind"]}</p>' in text


def test_all_that_is_to_be_seen_is_there(seen: Seen, shown: Browser):
    titles = shown.words("h2, h3")
    for title in (
        *("What was expected", "What was done", "What happened", "Frequency", "Voltage"),
        *("How much of what was sent is in the record", "Angle between buses", "Flow"),
        *("1. frames are not sent: pmu-b", "2. a CT looks the other way: pmu-a"),
        *("Measured against the truth", "While a fault was declared to spoil it", "How late"),
        *("What became of each frame", "Classes of measurements"),
    ):
        assert title in titles
    diagrams = shown.words(".diagrams > li")
    assert [one.split(":")[0].splitlines()[-1] for one in diagrams[:3]] == [
        "before",
        "during",
        "after",
    ]
    # The CT's current of phase A turns by half a turn, and back.
    angles = [
        shown.run(
            "const d = document.querySelectorAll('.diagrams')[1].querySelectorAll('svg');"
            "return d[arguments[0]].querySelector('.arrow.A.amp').getAttribute('d')",
            number,
        )
        for number in range(3)
    ]
    ends = [complex(*map(float, one.split("L")[1].split())) - (110 + 110j) for one in angles]
    assert ends[0].real > 0 > ends[1].real
    assert ends[2].real > 0


def test_what_a_cut_cable_lost_is_seen_where_it_lies_and_what_was_not_sent_is_no_loss(seen: Seen):
    """In the heat map each PMU has a row, and in the timeline each line a lane."""
    begins, ends = seen.at("a cable is pulled")
    middle, cell = (begins + ends) / 2, (drawing.along(1) - drawing.along(0)) / trace.CELLS
    # As its gateway stated it: how soon a frame is heard again is the machine's, too.
    (lost,) = [one for one in seen.gaps("pmu-c") if one[0] < middle < one[1]]
    assert min(ends, lost[1]) - max(begins, lost[0]) > (ends - begins) / 2
    cells = drawing.drawn(seen.page, "How much of what was sent is in the record", heat.ROW)
    assert "idlecell" in {one.style for one in cells if one.row == 1}  # frames are not sent
    holes = [one for one in cells if one.style in ("none", "few")]
    assert {one.row for one in holes} == {2}
    assert all(lost[0] - cell < one.left < one.right < lost[1] + cell for one in holes)
    assert sum(one.right - one.left for one in holes) > (ends - begins) / 2
    (gap,) = [one for one in drawing.over(cells, 2, middle) if one.style == "hatch"]
    assert (gap.left, gap.right) == pytest.approx(lost, abs=1)

    marks = drawing.drawn(seen.page, "What happened", lane.LANE)
    (deed,) = [one for one in marks if one.text == "3. a cable is pulled"]
    assert (deed.row, deed.style) == (0, "fault")
    assert (deed.left, deed.right) == pytest.approx((begins, ends), abs=1)
    (row,) = [one.row for one in marks if one.text == "north-1 pmu-c"]
    (mark,) = [one for one in drawing.over(marks, row, middle) if one.style == "gap"]
    assert mark.text == "gap: not heard"
    assert (mark.left, mark.right) == pytest.approx((gap.left, gap.right), abs=1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_telephone_and_can_be_read_in_the_dark(shown: Browser, scheme: str):
    feature = [{"name": "prefers-color-scheme", "value": scheme}]
    shown.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": feature})
    for size in (NARROW, WIDE):
        shown.resize(size)
        shown.shot(scheme)
        assert shown.run("return document.documentElement.scrollWidth <= innerWidth")
    found = audited(shown.driver)
    wrong = [
        one for one in found["faults"] if one.startswith(("contrast", "wider", "inline", "id"))
    ]
    assert not wrong


def test_it_is_one_file_that_loads_nothing(seen: Seen):
    page = seen.page
    assert len(page) < PAGE_BYTES_MAX
    assert "<script" not in page
    assert "<b>what" not in page
    assert not re.search(r"(src|href)=", page)
    assert "default-src 'none'" in page


def test_it_is_printed(shown: Browser, program: Callable[[str], Path], tmp_path: Path):
    told = shown.driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    printed = viewer.text(program, base64.b64decode(told["data"]), tmp_path)
    wanted = shown.words("h1, .verdict, h2, h3")
    assert len(wanted) > 15
    assert [one for one in wanted if " ".join(one.split()) not in printed] == []


def test_the_page_is_named_by_the_index_and_by_junit(seen: Seen, tmp_path: Path):
    gathered = Gathered()
    object_ = command.object_of(seen.play.of, seen.came)
    gathered.add("seen", object_, 9.0, seen.came.folder.parent)
    gathered.add("other", {"skipped": "it has no devices", "failed": []}, 0.0, tmp_path)
    gathered.write(tmp_path, several=True)
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert '<a href="out/index.html">seen</a>' in index
    assert "1 of 1 scenario does not hold. 1 was left out." in index
    root = ElementTree.parse(tmp_path / "junit.xml").getroot()
    cases = [(one.get("tests"), one.get("failures"), one.get("skipped")) for one in root]
    assert cases == [("8", "1", "0"), ("1", "0", "1")]
