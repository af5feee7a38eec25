"""JUnit XML, field by field: what CI systems read of it, and what their schemas ask for."""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from evidence.leap import BUILT_IN, NS
from hil.live.job import UNBEGUN
from hil.report import junit
from hil.report.gathered import Gathered
from hil.report.junit import Suite

BEGAN = BUILT_IN.tai_ns(1_790_000_000)  # 2026-09-21T14:13:20 UTC
COUNTS = ("tests", "failures", "errors", "skipped")


def finding(text: str, held: bool | None, why: str = "") -> dict[str, Any]:
    return {"kind": "must", "text": text, "held": held, "count": 0, "why": why}


def suites(*some: Suite) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(junit.text(some)))


SUITE = Suite(
    "link-loss",
    [
        finding("it is there", True),
        finding('a < b & "c"', False, "0 seen\n1 wanted"),
        finding("it is seen", None, "pmu-b: no resource"),
    ],
    problems=["pmu-b does not come up"],
    properties={"place": "fake", "seed": "7"},
    said="all of it\x00\x1b",
    began=BEGAN + 123,
    lasted_s=12.3456,
)


def test_each_expectation_is_a_testcase_and_says_what_came_of_it():
    (suite,) = suites(SUITE)
    held, failed, skipped, problem = suite.findall("testcase")
    assert (held.get("name"), held.get("classname")) == (
        "must: it is there",
        "hil.scenarios.link-loss",
    )
    assert list(held) == []
    assert failed.get("name") == 'must: a < b & "c"'
    (failure,) = failed
    assert (failure.tag, failure.get("message"), failure.get("type"), failure.text) == (
        *("failure", "0 seen", "must"),
        "0 seen\n1 wanted",
    )
    assert [(one.tag, one.get("message")) for one in skipped] == [("skipped", "pmu-b: no resource")]
    assert [(one.tag, one.text) for one in problem] == [("error", "pmu-b does not come up")]


def test_a_suite_is_counted_and_dated():
    (suite,) = suites(SUITE)
    assert [suite.get(name) for name in COUNTS] == ["4", "1", "1", "1"]
    assert suite.get("name") == "link-loss"
    assert (suite.get("timestamp"), suite.get("time")) == ("2026-09-21T14:13:20", "12.346")
    assert (suite.get("hostname"), suite.get("id")) == ("localhost", "0")
    properties = [(one.get("name"), one.get("value")) for one in suite.iter("property")]
    assert properties == [("place", "fake"), ("seed", "7")]


def test_what_xml_cannot_say_is_replaced():
    (suite,) = suites(SUITE)
    assert suite.findtext("system-out") == "all of it\ufffd\ufffd"


@pytest.mark.parametrize(
    ("suite", "name", "tag"),
    [
        (Suite("a", wrong="a.toml:3: live.titel"), "it can be played", "error"),
        (Suite("a", unended="stopped after 3 s"), "it was played to its end", "error"),
        (Suite("a", skipped="disk: run it by sudo"), "it can be played here", "skipped"),
    ],
)
def test_what_was_not_played_is_one_testcase(suite: Suite, name: str, tag: str):
    (told,) = suites(suite)
    (case,) = told.findall("testcase")
    assert case.get("name") == name
    assert [one.tag for one in case] == [tag]


def test_it_has_the_shape_that_schemas_ask_for():
    """Of both: windyroad's of Ant's task (sequence, required attributes and their types) and
    Jenkins' xUnit (which knows each element and attribute)."""
    for number, suite in enumerate(suites(SUITE, Suite("b", wrong="no"), Suite("c", skipped="no"))):
        tags = [one.tag for one in suite]
        cases = ["testcase"] * (len(tags) - 3)
        assert tags == ["properties", *cases, "system-out", "system-err"]
        assert set(suite.attrib) == {*COUNTS, "name", "package", "id", "hostname"} | {
            "timestamp",
            "time",
        }
        assert suite.get("id") == str(number)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
        assert re.fullmatch(r"\d+\.\d+", suite.attrib["time"])
        for case in suite.findall("testcase"):
            assert set(case.attrib) == {"name", "classname", "time"}
            assert len(case) <= 1
            for one in case:
                known = {"message"} if one.tag == "skipped" else {"message", "type"}
                assert set(one.attrib) == known


def test_objects_of_all_kinds_are_gathered(tmp_path: Path):
    """A live play, one in simulated time, one that was stopped at once, one that is no TOML."""
    gathered = Gathered()
    page = tmp_path / "one" / "index.html"
    page.parent.mkdir()
    page.touch()
    live = {
        "report": str(page.parent),
        "findings": [finding("a", True)],
        "failed": [],
        "problems": [],
        "began_tai_ns": 5 * NS + BEGAN,
        "place": "fake",
    }
    gathered.add("one", live, 1.0, tmp_path)
    gathered.add(
        "two", {"findings": [finding("b", False, "c")], "failed": ["must: b: c"]}, 1.0, tmp_path
    )
    gathered.add("three", {"stopped": True}, 1.0, tmp_path)
    gathered.add("four", {"failed": ["four.toml:1: no"]}, 1.0, tmp_path)
    gathered.write(tmp_path, several=True)
    root = ElementTree.parse(tmp_path / "junit.xml").getroot()
    told = [tuple(one.get(name) for name in COUNTS) for one in root]
    assert told == [
        ("1", "0", "0", "0"),
        ("1", "1", "0", "0"),
        ("1", "0", "1", "0"),
        ("1", "0", "1", "0"),
    ]
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert '<a href="one/index.html">one</a>' in index
    words = "1 scenario was stopped before its end. 2 of 3 scenarios do not hold."
    assert f'<p class="verdict no">{words}</p>' in index
    assert "four.toml:1: no" in index


def test_an_index_says_what_was_not_asked_and_that_nothing_was_played(tmp_path: Path):
    gathered = Gathered()
    gathered.add("left", {"skipped": "no board", "failed": []}, 0.0, tmp_path)
    gathered.write(tmp_path, several=True)
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert '<p class="verdict idle">None was played. 1 was left out.</p>' in index
    some = [finding("a", True), finding("b", None, "no board"), finding("c", None, "no")]
    gathered.add("half", {"findings": some, "failed": []}, 3.0, tmp_path)
    gathered.write(tmp_path, several=True)
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<td>1 of 1; 2 not asked</td>" in index
    assert "The only scenario that was played holds. 1 was left out." in index


@pytest.mark.parametrize(
    ("broken", "style", "words", "came"),
    [
        (False, "idle", "The only scenario that was played to its end holds.", "stopped"),
        (True, "no", "1 of 2 scenarios does not hold.", "does not hold"),
    ],
)
def test_what_was_stopped_is_never_green(
    broken: bool, style: str, words: str, came: str, tmp_path: Path
):
    """Beside one that was played whole and one that nobody began: stopped, with what was broken
    until then, or with nothing."""
    gathered = Gathered()
    held = [finding("a", True)]
    gathered.add("whole", {"findings": held, "failed": [], "stopped": False}, 9.0, tmp_path)
    some = [finding("a", not broken, "0 seen" if broken else ""), finding("b", None, "stopped")]
    told = {"findings": some, "failed": ["must: a: 0 seen"] if broken else [], "stopped": True}
    gathered.add("half", {**told, "played_s": 3.2}, 3.0, tmp_path)
    gathered.add("unbegun", UNBEGUN, 0.0, tmp_path)
    gathered.write(tmp_path, several=True)
    root = ElementTree.parse(tmp_path / "junit.xml").getroot()
    counts = [tuple(one.get(name) for name in COUNTS) for one in root]
    assert counts == [
        ("1", "0", "0", "0"),
        ("3", "1" if broken else "0", "1", "1"),
        ("1", "0", "1", "0"),
    ]
    ended = [
        (suite.get("name"), case.find("error").text)  # type: ignore[union-attr]
        for suite in root
        for case in suite.findall("testcase")
        if case.get("name") == "it was played to its end"
    ]
    assert ended == [
        ("half", "it was stopped after 3 s"),
        ("unbegun", "it was stopped before this one began"),
    ]
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    said = f"2 scenarios were stopped before their end. {words}"
    assert f'<p class="verdict {style}">{said}</p>' in index
    assert re.search(rf"<td>half</td><td><span class=\"\w+\">{came}</span></td>", index)
