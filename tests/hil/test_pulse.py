"""Whether the machine kept time, told by who was stopped."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evidence.leap import NS
from hil import pulse
from hil.pulse import Pulse

STOOD_S = 1.0
BESIDE = """
import sys, pathlib
from hil.pulse import Pulse
one = Pulse()
one.start(pathlib.Path(sys.argv[1]))
print("beats", flush=True)
sys.stdin.readline()
one.end()
one.end()
print(one.worst_ns)
"""


def test_a_process_that_stood_still_knows_for_how_long(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", BESIDE, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "beats\n"
        began = time.monotonic()
        process.send_signal(signal.SIGSTOP)
        time.sleep(STOOD_S)
        process.send_signal(signal.SIGCONT)
        told, _ = process.communicate("\n", timeout=20)
        took_s = time.monotonic() - began
    assert STOOD_S - pulse.BEAT_S < int(told) / 1e9 < took_s
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("beat_s", "worked_s", "late_s"),
    [
        (0.05, 0.0, 0.0),
        (0.29, 0.0, 0.0),
        (0.31, 0.0, 0.26),  # 0.25 s are too much
        (0.8, 0.37, 0.75),  # less than half of it was its own work
        (0.8, 0.38, 0.0),
        (0.8, 0.8, 0.0),
        (0.8, 1.6, 0.0),  # of two threads
    ],
)
def test_a_delay_by_its_own_work_is_not_the_machines(
    beat_s: float, worked_s: float, late_s: float
) -> None:
    """Two clocks by hand, and a beat under way, then at its end."""
    passed = {"now": 5 * NS, "worked": NS}
    one = Pulse(lambda: passed["now"], lambda: passed["worked"])
    assert one.stood() == 0
    one._begin()
    assert one.stood() == 0
    passed["now"] += round(beat_s * NS)
    passed["worked"] += round(worked_s * NS)
    assert one.stood() == (late_s > 0)
    one._end()
    one._begin()
    assert (one.stood(), one.times) == (late_s > 0, late_s > 0)
    assert one.worst_ns / NS == pytest.approx(late_s)
