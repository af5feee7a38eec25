"""A device or a gateway whose clock is off by hours: what the log saw within an interval is in its
bundle, and what nothing can tell is named.
"""

import json
from pathlib import Path

import pytest

from evidence.leap import NS
from tests.record.bundling import LAYOUT, PMU, Seam, device, reconstruct, verify
from tests.record.gateway import START, GatewayRun, frame
from tests.record.judge import Judge

HOUR_NS = 3600 * NS
LIVE_NS = 20_000_000  # of a frame on its way


class Off(Seam):
    """The second gateway says `off` of its samples' instants, and `heard` of when it heard them,
    both against when the log sees them."""

    off = heard = 0

    def measure(self, run: GatewayRun, gap: bool) -> None:
        if run is self.runs[0]:
            super().measure(run, gap)
            return
        for number in range(self.second * self.rate, (self.second + 1) * self.rate):
            tai = START + number * NS // self.rate + self.off
            run.observe(PMU, frame(LAYOUT, number), tai, heard=LIVE_NS + self.heard - self.off)


def told(folder: Path, off: int, heard: int, capsys: pytest.CaptureFixture[str]) -> dict:
    off_one = Off(folder, rate=4)
    off_one.off, off_one.heard = off, heard
    off_one.go(12)
    off_one.close()
    (folder / "anchors.toml").write_text(off_one.anchors())
    assert reconstruct(off_one.place, folder / "bundle", "--json", first=3, last=7) == 0
    found: dict = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize(
    ("off", "heard"),
    [(3 * HOUR_NS, 0), (-3 * HOUR_NS, 0), (3 * HOUR_NS, 3 * HOUR_NS)],
    ids=["a device ahead", "a device behind", "a gateway ahead"],
)
def test_who_was_there_by_the_logs_clock_is_in_it(
    tmp_path: Path, judge: Judge, capsys: pytest.CaptureFixture[str], off: int, heard: int
):
    found = told(tmp_path, off, heard, capsys)
    assert found["gateways"] == 2
    (words,) = found["clocks"]
    assert words.startswith("gw-2, batches ") and words.endswith("in it by when they came")
    first, last = (int(word) for word in words.split(" ")[2:5:2])
    assert (first, last) == (2, 5)  # committed from second 3 on and before second 7
    assert verify(tmp_path / "bundle", tmp_path / "anchors.toml") == 0
    shown = capsys.readouterr().out
    assert "gateway    gw-2 of Utility B: 4 batches" in shown
    assert judge.main(tmp_path / "bundle", "--anchors", tmp_path / "anchors.toml")[0] == 0


def test_a_backlog_is_named_and_does_not_come_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Heard hours ago, it says, and sent now; a gateway whose clock is behind says the same."""
    found = told(tmp_path, -3 * HOUR_NS, -3 * HOUR_NS, capsys)
    assert found["gateways"] == 1
    (words,) = found["clocks"]
    assert words.startswith("gw-2, batches 2 to 5 of run ")
    assert words.endswith("a backlog, or a clock that is behind; not in it")


def test_what_is_in_time_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    found = told(tmp_path, 0, 0, capsys)
    assert (found["gateways"], found["clocks"]) == (2, [])
    assert device(tmp_path / "bundle", "gw-2")
