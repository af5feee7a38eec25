"""What is expected of a play, on facts made by hand: what counts as an answer, and what was not
asked.
"""

import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from evidence.leap import NS
from hil.fact import Fact, Words
from hil.finding import line_of
from hil.live import place, script, verdict
from hil.live.account import Account
from hil.live.place import Lack
from hil.live.play import Deed, Play
from hil.live.real import RealRig
from hil.live.stage import Stage
from hil.live.timeline import Timeline
from hil.report import junit, page
from hil.report.junit import Suite

BEGAN = 1_000_000 * NS
RACK = """
[place]
name = "rack"
kind = "real"
[[resource]]
name = "one"
kind = "pmu-tcp"
options = { host = "192.0.2.1", port = 4712, idcode = 1 }
[[resource]]
name = "two"
kind = "pmu-udp"
options = { host = "192.0.2.2", port = 4713, idcode = 2 }
"""
TEXT = """
[live]
name = "made"
title = "Made by hand"
length_s = 100

[[gateway]]
name = "north-1"
authority = "north"

[[device]]
name = "pmu"
gateway = "north-1"
kind = "pmu-tcp"
with = { idcode = 1 }

[[fault]]
name = "killed"
at_s = 10
act = "kill"
gateway = "north-1"
for_s = 20

[[level]]
name = "low"
device = ["pmu"]
below = 59.3

[[must]]
text = "asked"
"""


def fact(what: str, begins_s: float, ends_s: float | None = None, **words: str) -> Fact:
    ends_s = begins_s if ends_s is None else ends_s
    begins, ends = (BEGAN + round(at * NS) for at in (begins_s, ends_s))
    return Fact({"what": what, "device": "pmu", **words}, begins, ends)


def found(
    folder: Path, row: str, facts: list[Fact], kind: str = "must", **changed: Any
) -> verdict.Finding:
    """Of one expectation, on a play that was played whole unless it is changed."""
    text = TEXT.replace("[[must]]", f"[[{kind}]]") + row
    return judged(folder, facts, [], text, **changed)[0]


def judged(
    folder: Path,
    facts: list[Fact],
    streams: list[dict[str, Any]],
    text: str = TEXT + 'where = { what = "event" }\n',
    **changed: Any,
) -> list[verdict.Finding]:
    """Of all of them."""
    of = script.read(text, "made.toml")
    rack = place.read(RACK, "rack.toml")
    cast = rack.cast(of)
    stage = Stage(of, cast, RealRig(folder, rack), folder, 1.0)
    deed = Deed(of.fault[0], BEGAN + 10 * NS, BEGAN + 30 * NS)
    play = Play(of, rack, cast, Timeline(100), stage, BEGAN, BEGAN + 100 * NS, 100.0, [deed])
    for name, value in changed.items():
        setattr(play, name, value)
    return verdict.judged(play, Account(facts, streams))


AFTER = 'where = { what = "event" }\nafter = "killed"\n'
ASKED = 'where = { what = "samples", device = ["pmu", "other"] }\n'
OTHER = """
[[device]]
name = "other"
gateway = "north-1"
kind = "pmu-udp"
with = { idcode = 2 }

"""
IN_TIME = 'where = { what = "samples" }\nbegins_s = 20\nends_s = 40\n'


@pytest.mark.parametrize(
    ("row", "facts", "held"),
    [
        (AFTER, [fact("event", 10.5)], True),
        (AFTER, [fact("event", 9.5)], False),
        (AFTER + "within_s = 2\n", [fact("event", 11.9)], True),
        (AFTER + "within_s = 2\n", [fact("event", 12.1)], False),
        (AFTER + "over = true\n", [fact("event", 29.0)], False),
        (AFTER + "over = true\n", [fact("event", 31.0)], True),
        (AFTER + "most = 1\n", [fact("event", 11), fact("event", 12)], False),
        (AFTER + "least = 2\n", [fact("event", 11)], False),
        # What began before is no answer; but a gap begins with the last frame before its cause.
        (AFTER.replace("event", "samples"), [fact("samples", 9.5, 40)], False),
        (AFTER.replace("event", "gap"), [fact("gap", 9.98, 31)], True),
        (AFTER.replace("event", "gap"), [fact("gap", 5, 9)], False),
        ('where = { what = "event" }\nbegins_s = 5\nends_s = 9\n', [fact("event", 7)], True),
        ('where = { what = "samples" }\nbegins_s = 5\nends_s = 9\n', [fact("samples", 0, 6)], True),
        ('where = { what = "event" }\nbegins_s = 5\nends_s = 9\n', [fact("event", 9.5)], False),
        ('where = { what = "event", check = "late" }\n', [fact("event", 1, check="early")], False),
    ],
)  # fmt: skip
def test_what_counts(row: str, facts: list[Fact], held: bool, tmp_path: Path):
    assert found(tmp_path, row, facts).held is held


def stretch(what: str, begins_s: int, ends_s: int, a_second: int = 1) -> Fact:
    """Of readings, each of which is known."""
    instants = [BEGAN + at * NS // a_second for at in range(begins_s * a_second, ends_s * a_second)]
    words: dict[str, Words] = {"what": what, "device": "pmu"}
    return Fact(words, instants[0], instants[-1], len(instants), instants=instants)


@pytest.mark.parametrize(
    ("kind", "row", "facts", "held"),
    [
        # What goes on after it, or within it, breaks a `never`, though it began before.
        ("never", AFTER.replace("event", "samples"), [stretch("samples", 0, 50)], False),
        ("never", AFTER.replace("event", "samples"), [stretch("samples", 0, 10)], True),
        ("never", AFTER.replace("event", "samples"), [fact("samples", 0, 50)], False),
        ("never", AFTER + "within_s = 5\n", [fact("event", 16)], True),
        # Readings count that lie within, not those of the same stretch that do not.
        ("must", IN_TIME + "least = 20\n", [stretch("samples", 10, 25)], False),
        ("must", IN_TIME + "least = 20\n", [stretch("samples", 10, 100)], True),
        ("must", IN_TIME + "least = 20\n", [stretch("samples", 0, 25)], False),
        ("must", AFTER.replace("event", "samples") + "within_s = 5\nleast = 9\n",
         [stretch("samples", 11, 90)], False),
        ("never", IN_TIME, [stretch("samples", 0, 20), stretch("samples", 41, 60)], True),
    ],
)  # fmt: skip
def test_of_a_stretch_what_lies_within_counts(
    kind: str, row: str, facts: list[Fact], held: bool, tmp_path: Path
):
    assert found(tmp_path, row, facts, kind).held is held


def test_each_device_is_to_answer_for_itself(tmp_path: Path):
    """Two that are heard do not make up for a third that is not."""
    text = TEXT.replace("[[fault]]", OTHER + "[[fault]]") + ASKED
    facts = [stretch("samples", 0, 90)]
    one, other, *_ = judged(tmp_path, facts, [], text + "each = true\nleast = 50\n")
    assert (one.text, one.held) == ("asked: pmu", True)
    assert (other.text, other.held, other.count) == ("asked: other", False, 0)
    assert judged(tmp_path, facts, [], text + "least = 50\n")[0].held


def test_never_holds_where_there_is_nothing_and_names_what_there_is(tmp_path: Path):
    row = 'where = { what = "event" }\n'
    assert found(tmp_path, row, [fact("gap", 1)], "never").held
    broken = found(tmp_path, row, [fact("event", 1, check="late")], "never")
    assert (broken.held, broken.count) == (False, 1)
    assert broken.why == "1 seen: event: device pmu, check late"


def test_it_says_how_late_an_answer_came(tmp_path: Path):
    row = AFTER + "within_s = 2\n"
    assert found(tmp_path, row, [fact("event", 11.25)]).after_s == 1.25
    assert "the first came 3.50 s after" in found(tmp_path, row, [fact("event", 13.5)]).why


@pytest.mark.parametrize(
    ("row", "changed", "why"),
    [
        (AFTER, {"deeds": []}, "killed was not played"),
        ('where = { what = "event" }\n', {"stopped": True, "played_s": 50.0}, "stopped after 50 s"),
        (
            'where = { what = "sealed", device = "pmu" }\n',
            {"cast": "without"},
            "pmu: add a [[resource]]",
        ),
        (
            'where = { what = "level", level = "low" }\n',
            {"cast": "without"},
            "pmu: add a [[resource]]",
        ),
    ],
)
def test_what_was_not_played_was_not_asked(
    row: str, changed: dict[str, Any], why: str, tmp_path: Path
):
    if "cast" in changed:
        of = script.read(TEXT + row, "made.toml")
        cast = place.read(RACK, "rack.toml").cast(of)
        cast.lacks.append(Lack("device", "pmu", "add a [[resource]]"))
        changed = {"cast": cast}
    finding = found(tmp_path, row, [fact("event", 11)], **changed)
    assert (finding.held, finding.why) == (None, why)


HEARD = [stretch("samples", 0, 20), stretch("samples", 40, 100)]  # nothing from 20 to 39
GAP, LOW = 'where = { what = "gap" }\n', 'where = { what = "level", level = "low" }\n'
INVALID = 'where = { what = "samples", class = "data_invalid" }\n'
CLASSED = {"class": "data_invalid", "level": "low"}
WITHIN = "begins_s = 21\nends_s = 38\n"


@pytest.mark.parametrize(
    ("row", "facts", "why"),
    [
        (GAP, [], "nothing of pmu was heard"),
        (LOW, [], "nothing of pmu was heard"),
        (INVALID, [], "nothing of pmu was heard"),
        ('where = { what = "instant", how = "back" }\n', [], "nothing of pmu was heard"),
        ('where = { what = "gap", device = "pmu" }\n', [], "nothing of pmu was heard"),
        (GAP + WITHIN, HEARD, "nothing of pmu was heard"),
        (LOW + WITHIN, HEARD, "nothing of pmu was heard"),
        (GAP + 'after = "killed"\nover = true\nwithin_s = 8\n', HEARD, "nothing of pmu was heard"),
    ],
)
def test_that_there_is_none_of_what_nothing_was_heard_of_was_not_asked(
    row: str, facts: list[Fact], why: str, tmp_path: Path
) -> None:
    """At a place whose only device never came up, `never` of a gap held."""
    one = found(tmp_path, row, facts, "never")
    assert (one.held, one.count, one.why) == (None, 0, why)
    assert f"never   not asked      asked ({why})" == line_of(one)


@pytest.mark.parametrize(
    ("row", "facts", "held"),
    [
        (GAP, HEARD, True),
        (LOW + "begins_s = 15\nends_s = 25\n", HEARD, True),
        (INVALID, HEARD, False),
        # What is there is there, whatever else was heard.
        (GAP, [fact("gap", 1)], False),
        (GAP + WITHIN, [*HEARD, fact("gap", 20, 40)], False),
        # That nothing is heard is what these ask, or what they count does not rest on it.
        ('where = { what = "samples", device = "pmu" }\n' + WITHIN, HEARD, True),
        ('where = { what = "event" }\n', [], True),
        ('where = { what = ["gap", "run"] }\n', [], True),
    ],
)
def test_what_something_was_heard_of_is_asked(
    row: str, facts: list[Fact], held: bool, tmp_path: Path
) -> None:
    facts = [replace(one, words={**one.words, **CLASSED}) for one in facts]
    assert found(tmp_path, row, facts, "never").held is held


def test_one_device_that_is_heard_is_enough_unless_each_is_asked(tmp_path: Path) -> None:
    text = TEXT.replace("[[fault]]", OTHER + "[[fault]]").replace("[[must]]", "[[never]]")
    asked = text + 'where = { what = "gap", device = ["pmu", "other"] }\n'
    assert judged(tmp_path, HEARD, [], asked)[0].held
    one, other, *_ = judged(tmp_path, HEARD, [], asked + "each = true\n")
    assert (one.held, other.held, other.why) == (True, None, "nothing of other was heard")
    nobody = judged(tmp_path, [], [], asked)[0]
    assert (nobody.held, nobody.why) == (None, "nothing of pmu or other was heard")


def test_why_it_was_not_asked_stands_in_junit_and_on_the_page(tmp_path: Path) -> None:
    told = [asdict(found(tmp_path, GAP, [], "never"))]
    (suite,) = ElementTree.fromstring(junit.text([Suite("made", told)]))
    (skipped,) = suite.iter("skipped")
    assert skipped.get("message") == "nothing of pmu was heard"
    assert [suite.get(name) for name in ("tests", "failures", "skipped")] == ["1", "0", "1"]
    assert "not asked</td><td>asked<br>nothing of pmu was heard</td>" in re.sub(
        "<span[^>]*>|</span>", "", page._expected({"findings": told})
    )


def test_at_most_none_is_not_asked_where_nothing_was_heard(tmp_path: Path) -> None:
    """It is a `never` by another name."""
    row = GAP + "least = 0\nmost = 0\n"
    assert found(tmp_path, row, []).held is None
    assert found(tmp_path, row, HEARD).held


STOPPED: dict[str, Any] = {"stopped": True, "played_s": 50.0}


@pytest.mark.parametrize(
    ("kind", "row", "facts", "held"),
    [
        ("never", 'where = { what = "event" }\n', [], None),
        ("never", 'where = { what = "event" }\n', [fact("event", 11)], False),
        ("never", 'where = { what = "event" }\nends_s = 40\n', [], True),
        ("never", 'where = { what = "event" }\nends_s = 60\n', [], None),
        ("must", AFTER + "within_s = 5\n", [fact("event", 11)], True),
        ("must", AFTER + "within_s = 5\n", [fact("event", 16)], False),
        ("must", AFTER + "within_s = 45\n", [], None),
    ],
)
def test_of_a_play_that_was_stopped_what_was_played_is_asked(
    kind: str, row: str, facts: list[Fact], held: bool | None, tmp_path: Path
):
    assert found(tmp_path, row, facts, kind, **STOPPED).held is held


@pytest.mark.parametrize(
    ("streams", "facts", "held"),
    [
        ([{"device": "pmu", "lost": 0}], [], True),
        ([{"device": "pmu", "lost": 3}], [Fact({"what": "lost"}, count=3)], False),
        ([{"device": "pmu", "sealed": 9}], [], None),  # a real one keeps no account
    ],
)
def test_loss_is_asked_where_it_is_known_however_soon_a_play_was_stopped(
    streams: list[dict[str, Any]], facts: list[Fact], held: bool | None, tmp_path: Path
):
    for changed in ({}, STOPPED):
        of = [one for one in judged(tmp_path, facts, streams, **changed) if "is lost" in one.text]
        assert [one.held for one in of] == [held]


def test_what_is_lost_or_there_twice_is_asked_of_every_play(tmp_path: Path):
    of = script.read(TEXT + 'where = { what = "event" }\n', "made.toml")
    rack = place.read(RACK, "rack.toml")
    cast = rack.cast(of)
    stage = Stage(of, cast, RealRig(tmp_path, rack), tmp_path, 1.0)
    play = Play(of, rack, cast, Timeline(100), stage, BEGAN, verify=(1, "no"))
    facts = [
        Fact({"what": what}, count=3)
        for what in ("lost", "duplicated", "unsent", "twins", "excess")
    ]
    findings = verdict.judged(play, Account(facts))
    failed = [one.text for one in findings if one.held is False]
    assert failed == [
        "asked",
        "no frame is lost",
        "no frame is there twice",
        "no frame is there that nobody sent",
        "no place bears two contents",
        "no gap states what is there",
        "the record verifies",
    ]
    # "never: no frame is lost" would say the contrary.
    assert [one.kind for one in findings] == ["must", *["always"] * 6]
    (lost,) = [one for one in findings if one.text == "no frame is lost"]
    assert line_of(lost) == "always  DOES NOT HOLD  no frame is lost (3 seen: lost)"
