"""Whether this machine kept time while tests ran: told at the end, and of those that failed.

1. A test that failed may have the machine to blame where that stood still since the first test of
   its module began. Where all that failed may, pytest ends with STOOD, and the file that
   GRIDSEAL_STOOD names has a line for each.

It runs nothing again: .ci/test does.
"""

import os
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from hil.pulse import LATE_S, Pulse
from hil.report.style import many

FILE = "GRIDSEAL_STOOD"
STOOD = 10  # no code of pytest's own
_BEFORE = pytest.StashKey[int]()
_pulse = Pulse()
_failed: dict[str, bool] = {}  # whether the machine may be to blame


def pytest_sessionstart() -> None:
    _pulse.start(Path(tempfile.gettempdir()))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    _module(item).stash.setdefault(_BEFORE, _pulse.stood())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        stood = _pulse.stood() > _module(item).stash.get(_BEFORE, _pulse.stood())
        _failed[item.nodeid] = _failed.get(item.nodeid, True) and stood
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    _pulse.end()
    if FILE not in os.environ or session.exitstatus != pytest.ExitCode.TESTS_FAILED:
        return
    if _failed and all(_failed.values()):
        with open(os.environ[FILE], "a", encoding="utf-8") as file:
            file.writelines(f"{name}\n" for name in _failed)
        session.exitstatus = STOOD


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _pulse.times:
        terminalreporter.write_line(
            f"This machine, or its disk, stood still {many(_pulse.times, 'time')} for {LATE_S:g} s"
            f" or more, at most for {_pulse.worst_ns / 1e9:.1f} s."
        )


def _module(item: pytest.Item) -> pytest.Item | pytest.Collector:
    return item.getparent(pytest.Module) or item
