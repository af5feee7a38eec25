"""What was checked: nothing passes by silence, and no waiver is of nothing."""

import json

import pytest

from evidence.config import ConfigError
from provisioning.argument import UsageError
from provisioning.preflight import waiver
from provisioning.preflight.examination import CHECKS
from provisioning.preflight.outcome import Outcome, Word
from provisioning.report import checked
from provisioning.report.checked import ALWAYS

OUTCOMES = [
    *(Outcome(name, "", Word.OK, "as it should be") for name in ALWAYS),
    Outcome("ct-direction", "pmu-a/IA", Word.FAULT, "180 degrees", todo="turn it"),
    Outcome("ct-direction", "pmu-a/IB", Word.OK, "3 degrees"),
    Outcome("roll", "pmu-a", Word.CANNOT_TELL, "", needs="a second source"),
]


def told(outcomes=OUTCOMES, **more: object) -> bytes:
    return json.dumps({"outcomes": [one.told() for one in outcomes], **more}).encode()


def test_outcomes_come_back_from_what_preflight_prints():
    assert checked.of_file(told(word="fault", left_out={}), "p.json") == OUTCOMES


def test_what_was_left_out_is_what_nobody_can_tell():
    """By name, or by nobody having asked for it."""
    rest = [one for one in OUTCOMES if one.check not in {"route", "disk"}]
    found = checked.of_file(told(rest, left_out={"route": "--offline"}), "p.json")
    added = {one.check: one for one in found if one not in rest}
    assert added.keys() == {"route", "disk"}
    assert {one.word for one in added.values()} == {Word.CANNOT_TELL}
    assert "--offline" in added["route"].figure and "--only" in added["disk"].figure


def waived(typed: str) -> list[Outcome]:
    return checked.waived(OUTCOMES, waiver.waivers([typed], list(CHECKS)))


def test_what_is_waived_keeps_its_figure_and_names_who_and_why():
    found = waived("ct-direction@pmu-a=Ann Lee:drawing 17: it is there")
    (one,) = (one for one in found if one.word == Word.WAIVED)
    assert (one.of, one.figure, one.todo) == ("pmu-a/IA", "180 degrees", "turn it")
    assert (one.waived_by, one.waived_why) == ("Ann Lee", "drawing 17: it is there")


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("device-key=Ann:why", "'device-key': what is not ok by that name is unknown"),
        ("ct-direction@pmu-b=Ann:why", "did you mean 'ct-direction@pmu-a/IA'"),
        ("ct-direction@pmu-a/IB=Ann:why", "did you mean 'ct-direction@pmu-a/IA'"),
    ],
)
def test_a_waiver_of_nothing_is_refused_in_words(typed, says):
    with pytest.raises(UsageError) as fault:
        waived(typed)
    assert says in str(fault.value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"outcomes": 1}',
        b'{"outcomes": [{"check": "disk"}]}',
        b"[" * 100_000,
        told(left_out=[]),
        json.dumps({"outcomes": [OUTCOMES[0].told() | {"word": "fine"}]}).encode(),
        told([OUTCOMES[0]._replace(figure="x" * 5000)]),
        told([OUTCOMES[0]._replace(figure="\ud800")]),
    ],
)
def test_another_file_is_refused_by_name(data):
    with pytest.raises(ConfigError) as fault:
        checked.of_file(data, "p.json")
    assert "p.json: is not what preflight --json prints" in str(fault.value)
