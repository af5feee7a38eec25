"""A play of hours is judged and reported in bounded memory, and what is missing is told all the
same. The files of a play are written as fast as they can be sealed; judging them is the same."""

from pathlib import Path
from typing import Any

import pytest

from evidence.code import Class, Flag
from evidence.leap import NS
from hil.bench import played
from hil.faults import sighting
from hil.live.span import APART_NS, Grade, Spans
from hil.live.waiting import Waiting, Waits
from hil.report import compared

FEW, MANY = 2_400, 7_200  # frames of four PMUs
# Of a frame: 12 octets where it stands (hil.faults.sighting), 4 of its arrival (hil.instant), and 8
# of one line at a time while that is judged; arrays that grow keep an eighth beside, and blocks as
# small as here take four octets a frame more. Measured: 34.
OCTETS_MAX = 40


def judged(folder: Path, frames: int) -> dict[str, Any]:
    played.made(folder, frames)
    return played.judged(folder, frames, traced=True)


@pytest.mark.timeout(240)
def test_memory_grows_by_a_few_octets_a_frame_and_what_is_lost_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # What takes a bounded place is to have taken it with few frames: what is drawn, a block.
    monkeypatch.setattr(compared, "LINES_MAX", 0)
    monkeypatch.setattr(sighting, "BLOCK", 256)
    judged(tmp_path / "first", played.A_SECOND)  # what is made once is made
    few, many = judged(tmp_path / "few", FEW), judged(tmp_path / "many", MANY)
    for found in (few, many):
        assert found["compared"] == found["frames"]
        assert found["lost"] == 4  # one of each PMU, that is nowhere
        assert len(found["reasons"]) == 1
    more = many["frames"] - few["frames"]
    assert more == MANY - FEW
    octets = (many["most_bytes"] - few["most_bytes"]) / more
    assert octets < OCTETS_MAX


def test_samples_of_a_backlog_lie_in_their_stretch():
    """What was live came first, and is of two stretches by what comes between."""
    spans, good = Spans(), Grade(Class.SETTLEABLE, 0, int(Flag.LOCKED))
    for at in (0, 1, 2, 20, 21):
        spans.add("gw pmu", at * APART_NS // 2, good)
    for at in range(3, 20):
        spans.add("gw pmu", at * APART_NS // 2, good._replace(flags=0) if at == 9 else good)
    found = spans.facts()
    assert [(one.count, one.words["flags"]) for one in found] == [
        (9, ("locked",)),
        (1, ()),
        (12, ("locked",)),
    ]
    assert found[2].within(15 * APART_NS // 2, 100 * NS) == 7
    assert spans.facts() == []


def phasors(tai: int) -> dict[str, complex]:
    return {"VA": complex(tai, -1), "I\n": 1j}


@pytest.mark.parametrize("most", [2, 1000])
def test_a_frame_waits_for_the_others_however_long(most: int):
    waiting = Waiting(most)
    for tai in range(100):
        waiting.put(tai, Waits(tai + 1, phasors(tai), 2))
    for left in (2, 1):
        for tai in range(100):
            assert waiting.asked(tai) == Waits(tai + 1, phasors(tai), left)
    assert [waiting.asked(tai) for tai in (0, 50, 99, 100)] == [None] * 4
    waiting.close()
    waiting.close()
