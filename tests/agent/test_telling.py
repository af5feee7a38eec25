"""What status says of time and place, in words and as an object."""

from typing import Any

from agent import telling
from agent.timing import face
from evidence.leap import BUILT_IN, NS
from tests.agent.concluding import Rig


def read_status(rig: Rig) -> tuple[dict[str, Any], str]:
    told = rig.verdicts.report()
    ruling = rig.ruling if rig.ruled else None
    told["time"] = face.told(ruling, rig.time.mono, rig.time.tai, "xo", BUILT_IN)
    return told, "\n".join(telling.words(told))


def test_status_says_time_and_place_in_words() -> None:
    rig = Rig("gnss").step(5)
    told, text = read_status(rig)
    assert "within 530 ns by gnss (gnss): the least bound" in text
    assert "gnss: +120 ns +-400 ns chosen, locked: the least bound" in text
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
