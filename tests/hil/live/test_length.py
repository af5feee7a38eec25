"""How long scenarios take, as it is said before they begin."""

import re

import pytest

from hil.live.fake import MADE_READY_S
from hil.live.length import AROUND_S, lengths, told
from hil.script import SCENARIOS
from hil.span import span


def test_a_long_scenario_is_named_before_anybody_waits_for_it():
    names = ["line-trip", "link-loss", "healthy-day", "uri-2021", "no-such"]
    found = lengths(names, short=False)
    assert found == {"line-trip": 16, "link-loss": 4000, "healthy-day": 86_400, "uri-2021": 0}
    said = told(found, 1)
    assert (
        said == "4 scenarios take about 25 h 8 min, of which link-loss 1 h 7 min, healthy-day 24 h"
    )
    assert all(one < 120 for one in lengths(names, short=True).values())
    assert told({"line-trip": 16}, 1) == f"line-trip takes about {16 + AROUND_S:.0f} s"
    assert lengths(["leap-second"], short=True) == {"leap-second": 26 + MADE_READY_S}
    assert told(lengths(["uri-2021"], short=False), 1) == ""


def test_the_table_of_scenarios_says_how_long_each_is():
    text = (SCENARIOS / "README.md").read_text(encoding="utf-8")
    table = text.partition("| live scenario |")[2].partition("\n\n")[0]
    said = dict(re.findall(r"^\| `([a-z0-9-]+)` \|.*\| (\d+) s", table, re.MULTILINE))
    took = lengths(list(said), short=True)
    assert len(said) == len(took) >= 24
    before_s = {"leap-second": MADE_READY_S}  # said apart
    assert {name: int(told) for name, told in said.items()} == {
        name: seconds - before_s.get(name, 0) for name, seconds in took.items()
    }


def test_several_at_once_take_as_long_as_the_longest():
    found = {"a": 100.0, "b": 10.0, "c": 10.0}
    assert told(found, 1) == "3 scenarios take about 3 min"
    assert told(found, 3) == "3 scenarios take about 2 min, 3 at once"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.4, "0 s"), (119.4, "119 s"), (119.6, "2 min"), (3599, "1 h"), (4000, "1 h 7 min"),
     (91_320, "25 h 22 min")],
)  # fmt: skip
def test_a_span_is_said_as_people_wait(seconds: float, said: str):
    assert span(seconds) == said
