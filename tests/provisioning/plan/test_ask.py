"""A site plan asked for: which questions come, what their defaults are, and what answers make."""

import hashlib
from collections.abc import Callable

import pytest

from evidence import siteplan
from evidence.siteplan import SitePlan
from provisioning.plan import ask, text
from provisioning.plan.ask import Heard
from provisioning.source import RequestError

PHASORS = (("VA", "voltage"), ("VB", "voltage"), ("IA", "current"), ("F", "frequency"))
PMU = Heard("pmu-a", PHASORS)


def drawing(seed: int = 0) -> Callable[[int], bytes]:
    count = iter(range(256))
    return lambda length: hashlib.sha256(bytes([seed, next(count)])).digest()[:length]


def answered(
    sources: list[Heard], given: dict[str, str], before: SitePlan | None = None
) -> tuple[list[str], SitePlan]:
    """Which questions came, all others answered by their defaults; and the plan, as it is read."""
    answers: dict[str, str] = {}
    while (question := ask.following(sources, answers, before)) is not None:
        answer = given.get(question.key, question.default)
        ask.check(question, answer)
        answers[question.key] = answer
    plan = ask.plan(sources, answers, drawing(before is not None), before)
    made = text.checked(plan, text.written(plan), "site.toml")
    return list(answers), siteplan.read(made, "site.toml")


def test_the_defaults_make_a_plan() -> None:
    keys, plan = answered([Heard("pmu-a")], {})
    assert keys == ["site", "nominal_hz", "rotation", "buses", "survey"]
    assert (plan.site.name, plan.site.rotation, plan.site.survey) == ("Site 1", "ABC", None)
    assert [(bus.name, bus.nominal_kv) for bus in plan.bus] == [("Bus 1", None)]
    assert [(one.source, one.bus) for one in plan.stream] == [("pmu-a", "Bus 1")]


def test_what_the_device_calls_its_channels_gives_the_questions() -> None:
    given = {
        "site": "North",
        "nominal_hz": "50",
        "rotation": "ACB",
        "buses": "North 345 = 345 kV, Low@138kV, Spare",
        "survey": "46.948, 7.4474, 600, 0.5, RTK, 30 min",
        "pmu-a/bus": "Low",
        "pmu-a/pt": "138000/115 0.3",
        "pmu-a/ct": "1200 / 5",
        "pmu-a/direction": "out",
    }
    keys, plan = answered([PMU], given)
    assert keys == list(given)
    assert [(bus.name, bus.nominal_kv) for bus in plan.bus] == [
        *(("North 345", 345.0), ("Low", 138.0), ("Spare", None)),
    ]
    assert plan.site.survey is not None
    assert (plan.site.survey.accuracy_m, plan.site.survey.method) == (0.5, "RTK, 30 min")
    (stream,) = plan.stream
    voltage, other, current = stream.channel
    assert (stream.bus, voltage.ratio, voltage.accuracy) == ("Low", (138000, 115), "0.3")
    assert (other.ratio, other.terminal) == ((138000, 115), "")
    assert (current.ratio, current.accuracy, current.direction) == ((1200, 5), "", "out")
    assert current.terminal


def test_one_bus_is_not_asked_for() -> None:
    keys, _ = answered([Heard("pmu-a"), Heard("pmu-b")], {"buses": "A"})
    assert not [key for key in keys if key.endswith("/bus")]
    keys, _ = answered([Heard("pmu-a"), Heard("pmu-b")], {"buses": "A, B"})
    assert keys[5:] == ["pmu-a/bus", "pmu-b/bus"]


def test_a_plan_that_is_there_is_asked_from_and_kept() -> None:
    given = {"buses": "North = 345 kV", "survey": "46.948, 7.4474, 600, 0.5, RTK"}
    _, before = answered([PMU], {**given, "pmu-a/ct": "1200/5 0.2S", "pmu-a/direction": "in"})
    keys, again = answered([PMU], {}, before)
    assert again == before  # by its defaults, mRIDs and all
    _, more = answered([PMU, Heard("pmu-b")], {"buses": "North = 345 kV, South"}, before)
    assert more.bus[0] == before.bus[0] and more.stream[0] == before.stream[0]
    assert [bus.name for bus in more.bus] == ["North", "South"]


@pytest.mark.parametrize(
    ("key", "answer", "told"),
    [
        ("site", "", "expected 1 to 256 printable"),
        ("site", "a\x1b[2J", "expected 1 to 256 printable"),
        ("nominal_hz", "59", "expected 50 or 60"),
        ("rotation", "abc", "expected ABC or ACB"),
        ("buses", "A, A", "'A' stands twice"),
        ("buses", "A,,B", "expected 1 to 256 printable"),
        ("buses", "A = 9999 kV", "9999 kV; expected above 0, to 2000"),
        ("survey", "46.948, 7.4474", "expected latitude, longitude, altitude m, accuracy m"),
        ("survey", "91, 0, 0, 1", "expected latitude"),
        ("survey", "here", "expected latitude"),
        ("pmu-a/bus", "C", "expected A or B"),
        ("pmu-a/ct", "1200", "expected PRIMARY/SECONDARY"),
        ("pmu-a/ct", "1200/0", "expected PRIMARY/SECONDARY"),
        ("pmu-a/ct", "1200/5 0.25", "'0.25' is no accuracy class"),
        ("pmu-a/direction", "left", "expected unknown or in or out"),
    ],
)
def test_a_wrong_answer_is_told_at_once(key: str, answer: str, told: str) -> None:
    with pytest.raises(RequestError) as fault:
        answered([PMU], {"buses": "A, B", key: answer})
    assert told in str(fault.value)


def test_a_plan_needs_all_its_answers() -> None:
    with pytest.raises(RequestError, match="Nominal frequency, Hz: no answer"):
        ask.plan([], {"site": "N"}, drawing())
