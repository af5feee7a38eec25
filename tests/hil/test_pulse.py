"""Whether the machine kept time, told by who was stopped."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from hil import pulse

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
