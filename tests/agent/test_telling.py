"""What status says of time and place, in words and as an object."""

from typing import Any

import pytest

from agent import telling
from evidence.leap import NS
from tests.agent.concluding import Rig


def read_status(rig: Rig) -> tuple[dict[str, Any], str]:
    told = rig.verdicts.report()
    return told, "\n".join(telling.words(told))


def test_status_says_time_and_place_in_words() -> None:
    rig = Rig("gnss").step(5)
    told, text = read_status(rig)
    assert "within 530 ns by gnss (gnss): the least bound" in text
    assert "gnss: +120 ns +-400 ns chosen, the least bound" in text
    assert "checked: gnss: " in text and "m from the survey, " in text
    assert "fix space, navigation mode, 20 satellites at 4" in text
    assert "antenna ok, spoofing none, jamming none" in text
    assert told["checks"] == []
    rig.step(8, moved_m=(50.0, 0.0, 0.0), antenna=4)
    told, text = read_status(rig)
    assert "place      doubted: gnss: " in text
    assert "MOVED for " in text and "ANTENNA for " in text and "line is open" in text


def test_status_of_a_gateway_without_anything() -> None:
    rig = Rig(survey=None)
    _, text = read_status(rig)
    assert "no bound: no source of time was asked yet" in text
    assert "unchecked: no receiver that could notice" in text
    silent = Rig("gnss")
    assert "gnss: nothing heard yet" in read_status(silent)[1]


def test_what_a_receiver_said_last_is_not_told_as_if_it_were_now() -> None:
    rig = Rig("gnss").step(5).quiet(6 * NS)
    told, text = read_status(rig)
    assert told["receivers"]["gnss"]["age_s"] in (6, 7)
    assert "gnss: nothing heard for " in text and " s; before that: fix space" in text


def test_no_line_ends_amid_a_sentence() -> None:
    account, text = read_status(Rig("gnss").step(5))
    for source in account["time"]["sources"]:
        source["words"], source["state"] = "", "no_word"
    text = "\n".join(telling.words(account))
    assert "gnss: +120 ns +-400 ns no word\n" in text


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ns"), (7, "7 ns"), (520, "520 ns"), (1_500, "1.5 us"), (12_345_678, "12.3 ms"),
        (18 * NS, "18 s"), (3_600_000_000_000, "3,600 s"), (-26_000, "26 us"),
    ],
)  # fmt: skip
def test_a_duration_has_the_unit_that_suits_it(ns: int, text: str) -> None:
    assert telling.duration(ns) == text
