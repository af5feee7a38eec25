"""What is made of a test that failed while the machine stood still, and of any other."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.machine import FILE, STOOD

HEAD = """
import os, signal, subprocess, sys, time
from tests import machine

def stop():
    beside = "import os, signal, sys, time; other = int(sys.argv[1]);"
    beside += "os.kill(other, signal.SIGSTOP); time.sleep(0.8); os.kill(other, signal.SIGCONT)"
    subprocess.run([sys.executable, "-c", beside, str(os.getpid())])
"""
# The process itself is stopped, as all are on a machine that stands still.
STOPPED = """
def test_stopped():
    stop()
    assert False
"""
# It is as late, and by its clock at work all the while: that is its own fault. How much of a core
# it would truly get, other programs decide.
BUSY = """
def test_busy(monkeypatch):
    monkeypatch.setattr(machine._pulse, "worked_ns", time.monotonic_ns)
    stop()
    assert False
"""
GOOD = """
def test_good():
    pass
"""


@pytest.mark.parametrize(
    ("files", "code", "told"),
    [
        ([STOPPED + GOOD], STOOD, ["test_0.py::test_stopped"]),
        ([STOPPED, GOOD, STOPPED], STOOD, ["test_0.py::test_stopped", "test_2.py::test_stopped"]),
        ([STOPPED, BUSY], 1, []),
        ([BUSY, STOPPED], 1, []),
        ([GOOD], 0, []),
    ],
)
def test_only_where_all_that_failed_may_be_the_machines_fault_is_it_told_so(
    files: list[str], code: int, told: list[str], tmp_path: Path
) -> None:
    for number, text in enumerate(files):
        (tmp_path / f"test_{number}.py").write_text(HEAD + text, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    path = tmp_path / "stood"
    path.touch()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.machine", "-q", str(tmp_path)],
        env=os.environ | {FILE: str(path), "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    assert path.read_text(encoding="utf-8").splitlines() == told
