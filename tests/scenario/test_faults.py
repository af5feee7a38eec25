"""Every fault in a short form, around real programs: what was sent is in the record, on the disk,
or in a stated gap.

1. A fault must have struck: what shows it stands beside it, so that one that misses fails.
2. Sums and bounds are the judge's; they are asserted here once more, by the figures alone.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hil.faults import need, trial
from hil.faults.fault import SHORT
from hil.faults.table import FAULTS
from tests.conftest import absent

SEED = 20261125
SENT_MIN = 120  # a second of two PMUs
Figures = dict[str, Any]

# What shows that a fault struck.
STRUCK: dict[str, Callable[[Figures], bool]] = {
    "agent-kill": lambda told: told["starts"] == 1 + SHORT.kills and told["gaps"]["restart"] >= 2,
    "agent-stop": lambda told: told["stopped_s"] == SHORT.stop_s,
    "disk-full": lambda told: told["filled_bytes"] > 0 and told["in_gaps"] > 0,
    "disk-read-only": lambda told: told["runs"]["commit_failed"] >= 1 and told["in_gaps"] > 0,
    "sync-error": lambda told: told["runs"]["commit_failed"] >= 2 and told["failed_syncs"] >= 2,
    "sync-error-restart": lambda told: told["failed_syncs"] >= 1 and told["starts"] == 2,
    "clock-step": lambda told: told["runs"]["snapshot"] >= 2,
    "link-cut": lambda told: told["waited_max"] > SENT_MIN,
    "record-restart": lambda told: told["waited_max"] > SENT_MIN,
    "record-rollback": lambda told: told["believed_of_the_older"] == 0,
    "spool-rollback": lambda told: told["runs"]["rollback"] >= 1 and told["in_gaps"] > 0,
    "key-clone": lambda told: told["clones_found"] == 2,
}


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_sent_is_lost_by(name: str, tmp_path: Path) -> None:
    fault = FAULTS[name]
    for part in fault.needs:
        if not need.have([part]):
            absent(part, "type: sudo make debian")
    told = asyncio.run(asyncio.wait_for(trial.run(fault, SHORT, tmp_path, SEED), 58))
    assert told["reasons"] == []
    assert told["sent"] >= SENT_MIN
    assert told["sent"] == told["in_record"] + told["on_disk"] + told["in_gaps"]
    assert (told["lost"], told["duplicated"], told["twins"]) == (0, 0, 0)
    assert told["gap_excess"] <= told["gap_excess_max"]
    assert told["gap_excess"] == 0 or told["gaps"]["restart"] > 0
    assert 0 < told["seconds_to_recover"] <= SHORT.recover_s
    assert STRUCK[name](told), told
