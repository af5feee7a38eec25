"""What a scenario of simulated time expects is held to what there can be, as it is read; and what
no part of it could tell is not asked.
"""

import re

import pytest

from evidence.config import ConfigError
from evidence.leap import NS
from hil.fact import Fact
from hil.scenario import script, verdict
from hil.scenario.fact import Facts
from hil.scenario.play import Part, whole
from hil.script import SCENARIOS

SEAM = (SCENARIOS / "ac-seam.toml").read_text(encoding="utf-8")
URI = (SCENARIOS / "uri-2021.toml").read_text(encoding="utf-8")
LINE = SEAM.count("\n")
HOUR_S = 3600


def asked(array: str, where: str, more: str = "") -> str:
    return f'\n[[{array}]]\ntext = "asked"\nwhere = {{ {where} }}\n{more}\n'


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        script.read(text, "it.toml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("array", "where", "more", "says"),
    [
        ("never", 'what = "settlment", verdct = "disputed"', "", "'settlment' .*'settlement'"),
        ("never", 'what = "settlement", verdct = "disputed"', "", "'verdct' .*'verdict'"),
        ("never", 'what = "settlement", verdict = "disputd"', "", "verdict 'disputd' .*'disputed'"),
        ("never", 'what = "settlement", truth = "true"', "", "'truth' of settlement is unknown"),
        ("never", 'what = "settlement", state = []', "", "state of settlement is never empty"),
        ("never", 'what = "settlement", disagreement = []', "", "disagreement .* is never empty"),
        ("never", 'what = "settlement", author = "Wst"', "", "author 'Wst' .*'West'"),
        ("never", 'what = "settlement", topic = "the tye"', "", "topic 'the tye' is unknown"),
        ("never", 'stat = "disputed"', "", "'stat' of anything is .*'state'"),
        ("never", 'state = "disputd"', "", "state 'disputd' .*'disputed'"),
        ("never", "what = []", "", "of what. say `what`"),
        ("must", 'what = "bundle", verified = "maybe"', "", "verified 'maybe' is unknown"),
        ("must", 'what = "bundle", by = "nobody"', "", "by 'nobody' is unknown"),
        # Of what nobody says anything in it.
        ("never", 'what = "handoff", flags = "condition_false"', "",
         "nothing in this script makes a fact of handoff: .*settlement"),
        ("never", 'what = "load_shed"', "", "nothing in this script makes a fact of load_shed"),
        # As many as there are.
        ("must", 'what = "settlement"', "least = 0", "least: there are as many as that"),
        ("must", 'what = "settlement"', "least = 2\nmost = 1", "most: 1, and at least 2"),
        ("never", 'what = "settlement"', "least = 2", "least: of what must never be there is none"),
        # At no instant of it.
        ("never", 'what = "refused"', "begins = 2026-11-26T12:00:10+00:00",
         "begins: refused is of all that was played"),
        ("never", 'what = "settlement"', "ends = 2026-11-26T12:02:51+00:00",
         "ends: 2026-11-26T12:02:51.* is not within the scenario"),
        ("never", 'what = "settlement"', "begins = 2026-11-26T12:02:50+00:00",
         "begins: not later than it begins"),
        ("must", 'what = "settlement"', "every_hour = true", "every_hour: there is no whole hour"),
        ("never", 'what = "settlement"', "every_hour = true", "every_hour: of what must never be"),
    ],
)  # fmt: skip
def test_what_nothing_breaks_or_meets_is_refused_with_its_line(
    array: str, where: str, more: str, says: str
) -> None:
    told = refused(SEAM + asked(array, where, more))
    assert re.search(rf"^it\.toml:\d+: {array}\[.*{says}", told), told
    assert int(told.split(":")[1]) > LINE


@pytest.mark.parametrize(
    "where",
    [
        'what = "settlement", flags = []',
        'what = "settlement", mark = [], notified = []',
        'what = ["settlement", "standing_residual"], state = "pending"',
        'state = ["disputed", "expired"]',
        'what = "observations", reason = []',
        'what = "bundle", why = []',
    ],
)
def test_what_a_play_may_break_is_read(where: str) -> None:
    assert script.read(SEAM + asked("never", where), "it.toml").never


@pytest.mark.parametrize("text", [SEAM, URI])
def test_those_that_are_shipped_are_read(text: str) -> None:
    assert script.read(text, "it.toml").must


def test_what_is_so_in_each_hour_is_asked_of_whole_hours_alone() -> None:
    """Of none there are as many as anybody wants."""
    of = script.read(URI, "uri-2021.toml")
    begins = whole(of).begins
    joint = Fact({"what": "interchange", "state": "joint"}, begins, begins + HOUR_S * NS)
    for seconds, facts, held in (
        (HOUR_S - 1, [], None),
        (HOUR_S, [], False),
        (HOUR_S, [joint], True),
    ):
        part = Part(begins, begins + seconds * NS)
        found = verdict.judged(of, Facts(list(facts)), part)
        (one,) = [row for row in found if row.text.startswith("Each hour of interchange")]
        assert one.held is held
        assert (one.why == "no whole hour was played") is (held is None)
