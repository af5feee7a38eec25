"""What was checked: nothing passes by silence, and no waiver is of nothing."""

import json

import pytest

from evidence import instant
from evidence.config import ConfigError
from evidence.leap import BUILT_IN, NS
from provisioning.argument import UsageError
from provisioning.preflight import waiver
from provisioning.preflight.examination import CHECKS
from provisioning.preflight.outcome import Outcome, Word
from provisioning.report import checked
from provisioning.report.checked import ALWAYS

NOW = 1_790_000_000 * NS
HOUR = 3600 * NS
OUTCOMES = [
    *(Outcome(name, "", Word.OK, "as it should be") for name in ALWAYS),
    Outcome("ct-direction", "pmu-a/IA", Word.FAULT, "180 degrees", todo="turn it"),
    Outcome("ct-direction", "pmu-a/IB", Word.OK, "3 degrees"),
    Outcome("roll", "pmu-a", Word.CANNOT_TELL, "", needs="a second source"),
]


def at(utc_ns: int) -> str:
    return instant.words(BUILT_IN.tai_ns(*divmod(utc_ns, NS)))


def told(outcomes=OUTCOMES, **more: object) -> bytes:
    said = {"gateway": "gw-1", "made": at(NOW), "outcomes": [one.told() for one in outcomes]}
    return json.dumps({**said, **more}).encode()


def of_file(data: bytes) -> list[Outcome]:
    return checked.of_file(data, "p.json", "gw-1", NOW)


def test_outcomes_come_back_from_what_preflight_prints():
    assert of_file(told(word="fault", left_out={})) == OUTCOMES


def test_what_was_left_out_is_what_nobody_can_tell():
    """By name, or by nobody having asked for it."""
    rest = [one for one in OUTCOMES if one.check not in {"route", "disk"}]
    found = of_file(told(rest, left_out={"route": "--offline"}))
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
        told().replace(b'"ok"', b'"fine"'),
        told([OUTCOMES[0]._replace(figure="x" * 5000)]),
        told([OUTCOMES[0]._replace(figure="\ud800")]),
    ],
)
def test_another_file_is_refused_by_name(data):
    with pytest.raises(ConfigError) as fault:
        of_file(data)
    assert "p.json: is not what preflight --json prints" in str(fault.value)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (told(gateway="gw-2"), "is of gateway 'gw-2', not of 'gw-1'"),
        (told(made=at(NOW - 25 * HOUR)), "not in the last 24 h; make it again"),
        (told(made=at(NOW + HOUR)), "not in the last 24 h"),
        (told(made=at(0)), "was made 1970-01-01T00:00:00Z"),
        (told(made="yesterday"), "p.json: made: "),
    ],
)
def test_the_file_of_another_gateway_or_of_another_day_is_refused(data, says):
    """A report must not pass by what was checked elsewhere, or last year."""
    with pytest.raises(ConfigError) as fault:
        of_file(data)
    assert says in str(fault.value)
    assert of_file(told(made=at(NOW - 23 * HOUR))) == OUTCOMES
