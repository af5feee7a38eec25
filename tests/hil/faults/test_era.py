"""Another date, at which a second is inserted a moment from now: the agent's shipped clock runs
through it, and the list is one that a site could have.
"""

import time
from itertools import pairwise
from pathlib import Path

import pytest

from agent.clock import TIME_OOP, SystemClock, leap_table
from evidence.leap import NS
from hil.devices.pace import tai_now
from hil.faults.era import EraLinux, begin


def test_the_shipped_clock_runs_through_the_inserted_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    era = begin(tmp_path, 2)
    monkeypatch.setattr(EraLinux, "era", era, raising=False)
    system = EraLinux()
    clock = SystemClock(leap_table(era.file), system)
    shown: list[int] = []
    states: set[int] = set()
    off: list[int] = []
    while (now := tai_now()) < era.due + 2 * NS:
        off.append(clock.now().tai - era.ahead_s * NS - now)
        shown.append(system.realtime_ns())
        states.add(system.adjtimex().state)
        time.sleep(0.01)
    assert all(-NS // 10 < one < NS // 2 for one in off)  # the next line may be a while later
    back = [after - before for before, after in pairwise(shown) if after < before]
    assert len(back) == 1  # CLOCK_REALTIME counts a second twice
    assert -NS <= back[0] < 0
    assert TIME_OOP in states


def test_the_date_is_whole_seconds_away_and_the_second_is_where_the_table_has_it(tmp_path: Path):
    era = begin(tmp_path, 40)
    assert 39 * NS < era.due - tai_now() <= 40 * NS and era.due % NS == 0
    assert leap_table(era.file) == era.table
    before, after = era.table.utc_ns(era.inserted_tai - NS), era.table.utc_ns(era.inserted_tai)
    assert before == after
    assert era.utc_s() == pytest.approx(era.table.starts_s[-1] - 40, abs=2)
