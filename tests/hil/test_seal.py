"""`gridseal-hil bench seal` and `bench page`: that they measure what they say."""

import asyncio
from pathlib import Path

import pytest

from hil.bench import BenchError, page, seal


def test_what_is_sealed_is_the_frames_and_nothing_else(tmp_path: Path, monkeypatch):
    """Over more than a stretch: frames that came again would be a clock set back."""
    monkeypatch.setattr(seal, "FRAMES", 60)
    monkeypatch.setattr(seal, "STRETCH_S", 1)
    stretch = 60 * seal.STREAMS  # a commit each: the second one's frames have moved
    found = asyncio.run(seal._seal(tmp_path, 2.0, stretch))
    assert found["samples"] >= 2 * stretch
    assert 150 < found["overhead_bytes"] < 165


def test_frames_that_a_check_doubts_are_no_figure(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(seal, "LATER_NS", 600_000_000)
    with pytest.raises(BenchError, match=r"observations of \d+ frames"):
        asyncio.run(seal._seal(tmp_path, 0.1, seal.COMMIT))


@pytest.mark.parametrize(("turn_s", "reasons"), [(0.7, 0), (4.0, 1)])
def test_a_page_is_judged_by_turns_that_the_kernel_can_count(turn_s: float, reasons: int):
    figures = {
        "p99_ms": 60, "updates_a_second": 12.0, "cpu_share_of_looking": 0.055,
        "memory_mib_most": 40.0, "machine_load": 1.0, "turn_s": turn_s,
    }  # fmt: skip
    assert len(page._reasons(figures)) == reasons


def test_a_page_that_stands_still_to_the_end_of_a_turn_is_slow():
    steady = [number / 12 for number in range(48)]
    assert page.pace(steady, 4.0) == pytest.approx(12.0)
    assert page.pace(steady[:12], 4.0) == pytest.approx(3.0)
    assert page.pace([0.0, 0.0], 4.0) == pytest.approx(0.5)
