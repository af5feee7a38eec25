"""Who waives what: never more than was meant, and never without a name and a reason."""

import json

import pytest

from evidence.config import ConfigError
from provisioning.argument import UsageError
from provisioning.preflight.outcome import Outcome, Word
from provisioning.report import waiver

OUTCOMES = [
    Outcome("key", "", Word.OK, "it signed"),
    Outcome("ct-direction", "pmu-a/IA", Word.FAULT, "180 degrees", todo="turn it"),
    Outcome("ct-direction", "pmu-a/IB", Word.OK, "3 degrees"),
    Outcome("ratio", "pmu-a", Word.CANNOT_TELL, "", needs="a second source"),
    Outcome("ratio", "pmu-ab", Word.FAULT, "2 to 1"),
]


def test_what_is_waived_keeps_its_figure_and_names_who_and_why():
    typed = ["ct-direction=Ann Lee:drawing 17: the CT is there", "ratio@pmu-a = Bob : no source"]
    found = waiver.waived(OUTCOMES, map(waiver.read, typed))
    assert [one.word for one in found] == [
        *(Word.OK, Word.WAIVED, Word.OK, Word.WAIVED, Word.FAULT),
    ]
    assert (found[1].waived_by, found[1].waived_why) == ("Ann Lee", "drawing 17: the CT is there")
    assert (found[1].figure, found[1].todo) == ("180 degrees", "turn it")
    assert (found[3].waived_by, found[3].needs) == ("Bob", "a second source")


def test_a_source_stands_for_its_channels():
    found = waiver.waived(OUTCOMES, [waiver.read("ct-direction@pmu-a=Ann:why")])
    assert found[1].word == Word.WAIVED


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("ratio=Ann:why", "say which: ratio@pmu-a, ratio@pmu-ab"),
        ("ratoi=Ann:why", "did you mean 'ratio'"),
        ("ratio@pmu-c=Ann:why", "of nothing that is called 'pmu-c'"),
        ("key=Ann:why", "nothing to waive"),
        ("ratio=Ann", "expected CHECK[@OF]=WHO:WHY"),
        ("ratio=:why", "expected"),
        ("ratio=Ann: ", "expected"),
        ("=Ann:why", "expected"),
        ("ratio", "expected"),
    ],
)
def test_a_waiver_that_is_not_meant_so_is_refused_in_words(typed, says):
    with pytest.raises(UsageError) as fault:
        waiver.waived(OUTCOMES, [waiver.read(typed)])
    assert says in str(fault.value)


def test_outcomes_come_back_from_what_preflight_prints():
    told = {"outcomes": [one.told() for one in OUTCOMES], "worst": "fault"}
    assert waiver.outcomes(json.dumps(told).encode(), "p.json") == OUTCOMES


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"outcomes": 1}',
        b'{"outcomes": [{"check": "key"}]}',
        b"[" * 100_000,
        json.dumps({"outcomes": [OUTCOMES[0].told() | {"word": "fine"}]}).encode(),
        json.dumps({"outcomes": [OUTCOMES[0].told() | {"figure": "x" * 5000}]}).encode(),
        json.dumps({"outcomes": [OUTCOMES[0].told() | {"figure": "\ud800"}]}).encode(),
    ],
)
def test_another_file_is_refused_by_name(data):
    with pytest.raises(ConfigError) as fault:
        waiver.outcomes(data, "p.json")
    assert "p.json: is not what preflight --json prints" in str(fault.value)
