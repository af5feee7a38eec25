"""Every fault in a short form, around real programs: what was sent is in the record, on the disk,
or in a stated gap.

1. A fault must have struck: what shows it stands beside it, so that one that misses fails.
2. Told to end, it leaves no process and no mount behind, even when it is killed itself.
3. Sums and bounds are the judge's; they are asserted here once more, by the figures alone.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hil.faults import leap, need, trial
from hil.faults.fault import SHORT
from hil.faults.table import FAULTS
from tests.conftest import absent

SEED = 20261125
TRIAL_S = 150  # start, fault, SHORT.recover_s, end, on a machine with other work
AGAIN_S = 2 * leap.DUE_S  # until a date comes that came too soon at first
SENT_MIN = 120  # a second of two PMUs
WAIT_S = 25.0
Figures = dict[str, Any]

# What shows that a fault struck.
STRUCK: dict[str, Callable[[Figures], bool]] = {
    "agent-kill": lambda told: told["starts"] == 1 + SHORT.kills and told["gaps"]["restart"] >= 2,
    # TCP holds what was sent meanwhile: its line is not given up, and nothing of it missing.
    "agent-stop": lambda told: (
        "driver_down" not in told["gaps"] and told["in_record"] > told["sent"] // 2
    ),
    "disk-full": lambda told: told["filled_bytes"] > 0 and told["in_gaps"] > 0,
    "disk-read-only": lambda told: told["runs"]["commit_failed"] >= 1 and told["in_gaps"] > 0,
    "sync-error": lambda told: told["runs"]["commit_failed"] >= 2 and told["failed_syncs"] >= 2,
    "sync-error-restart": lambda told: told["failed_syncs"] >= 1 and told["starts"] == 2,
    "clock-step": lambda told: told["runs"]["snapshot"] >= 2,
    "link-cut": lambda told: told["waited_max"] > SENT_MIN,
    "record-restart": lambda told: told["waited_max"] > SENT_MIN,
    "record-rollback": lambda told: told["entries_gone"] > 0,
    "spool-rollback": lambda told: told["runs"]["rollback"] >= 1 and told["in_gaps"] > 0,
    "broker-leader-kill": lambda told: told["waited_max"] > 0,
    "key-clone": lambda told: told["clones_found"] >= 2,
    # Of time and place: something was flagged, and in time; what it was stands in the figures.
    "gnss-loss": lambda told: told["flagged_after_s"] <= 2,
    "gnss-jam": lambda told: told["flagged_after_s"] <= 2,
    "gnss-spoof": lambda told: len(told["injections"]) == 3,
    "moved": lambda told: told["flagged_after_s"] <= 15,
    "ptp-loss": lambda told: told["injections"][0]["over_after_s"] > told["flagged_after_s"],
    # Each frame of two PMUs at 60/s in the second that is there once more.
    "leap": lambda told: 100 <= told["sent_in_it"] <= 120,
    "pmu-second-off": lambda told: told["flagged_after_s"] < 0.5 and len(told["injections"]) == 2,
    "pmu-cycle-off": lambda told: len(told["injections"]) == 2,
}


@pytest.mark.timeout(TRIAL_S + AGAIN_S + 5)
@pytest.mark.parametrize("name", FAULTS)
def test_nothing_sent_is_lost_by(name: str, tmp_path: Path) -> None:
    fault = FAULTS[name]
    for part in fault.needs:
        if not need.have([part]):
            absent(part, "type: sudo make debian")
    within_s = TRIAL_S + (AGAIN_S if fault.outfit and fault.outfit.leap_in_s else 0)
    told = asyncio.run(asyncio.wait_for(trial.run(fault, SHORT, tmp_path, SEED), within_s))
    assert told["reasons"] == []
    assert told["sent"] >= SENT_MIN
    assert told["sent"] == told["in_record"] + told["on_disk"] + told["in_gaps"]
    assert (told["lost"], told["duplicated"], told["twins"]) == (0, 0, 0)
    assert told["gap_excess"] <= told["gap_excess_max"]
    assert told["gap_excess"] == 0 or told["gaps"]["restart"] > 0
    assert 0 < told["seconds_to_recover"] <= SHORT.recover_s
    assert STRUCK[name](told), told
    if fault.outfit is not None:
        assert told["injected_at"]
        assert (told["samples_wrongly_settleable"], told["samples_wrongly_doubtful"]) == (0, 0)


def processes(folder: Path) -> list[str]:
    """The command lines of all that runs with a file of a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue  # it has just ended
        if any(str(folder).encode() in word for word in words):
            found.append(b" ".join(words).decode())
    return found


@pytest.mark.parametrize(
    ("number", "code", "left"),
    [(signal.SIGINT, 130, 0), (signal.SIGTERM, 130, 0), (signal.SIGKILL, -9, 1)],
    ids=["Ctrl-C", "SIGTERM", "kill -9"],
)
def test_nothing_runs_on_when_it_is_ended_amid_a_fault(
    number: signal.Signals, code: int, left: int, tmp_path: Path
) -> None:
    if not need.have(FAULTS["disk-full"].needs):
        absent("namespaces of one's own", "run it as root")
    bench = subprocess.Popen(
        [sys.executable, "-m", "hil.cli", "faults", "--only", "disk-full", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    try:
        until = time.monotonic() + WAIT_S
        while not any("agent.cli" in line for line in processes(tmp_path)):
            assert time.monotonic() < until, "no agent was started"
            time.sleep(0.05)
        time.sleep(0.7)
        bench.send_signal(number)
        out, _ = bench.communicate(timeout=WAIT_S)
    finally:
        bench.kill()
        bench.communicate()
    assert (bench.returncode, out) == (code, "")
    until = time.monotonic() + WAIT_S
    while (found := processes(tmp_path)) and time.monotonic() < until:
        time.sleep(0.05)
    assert found == []
    assert len(list(tmp_path.iterdir())) == left  # after kill -9 nobody is there to remove it
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text(encoding="utf-8")
