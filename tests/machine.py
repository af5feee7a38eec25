"""Whether this machine kept time while tests ran: told at the end, and of each test that failed.

1. Where GRIDSEAL_FELL names a file, each failed test is a line of it: `kept` or `stood`, and its
   name. `stood`: nothing on this machine was served in time for a while, since the first test of
   its module began; what failed then may be the machine's fault alone.

It runs nothing again: .ci/test does.
"""

import os
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from hil.pulse import LATE_S, Pulse
from hil.report.style import many

FELL = "GRIDSEAL_FELL"
_BEFORE = pytest.StashKey[int]()
_pulse = Pulse()


def pytest_sessionstart() -> None:
    _pulse.start(Path(tempfile.gettempdir()))


def pytest_sessionfinish() -> None:
    _pulse.end()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    _module(item).stash.setdefault(_BEFORE, _pulse.times)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and FELL in os.environ:
        kept = _pulse.times == _module(item).stash.get(_BEFORE, 0)
        with open(os.environ[FELL], "a", encoding="utf-8") as file:
            file.write(f"{'kept' if kept else 'stood'} {item.nodeid}\n")
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _pulse.times:
        terminalreporter.write_line(
            f"This machine, or its disk, stood still {many(_pulse.times, 'time')} for {LATE_S:g} s"
            f" or more, at most for {_pulse.worst_ns / 1e9:.1f} s."
        )


def _module(item: pytest.Item) -> pytest.Item | pytest.Collector:
    return item.getparent(pytest.Module) or item
