"""`status --watch` as it is typed: in a terminal, in a pipe, without an agent, and until Ctrl-C."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.page import watch
from agent.panel import ROWS_LEFT
from tests.agent.conftest import Folder
from tests.agent.page.gateway import Gateway

WAIT_S = 20.0


def command(configuration: Path) -> list[str]:
    words = ["agent.cli", "status", "--watch", "--config", str(configuration)]
    return [sys.executable, "-m", *words]


def _environment() -> dict[str, str]:
    """Without what would say otherwise how large the terminal is."""
    return {name: said for name, said in os.environ.items() if name not in ("COLUMNS", "LINES")}


class Terminal:
    """One of so many columns and rows, and what was written to it."""

    def __init__(self, configuration: Path, columns: int, rows: int) -> None:
        self._near, far = pty.openpty()
        fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            command(configuration), stdin=far, stdout=far, stderr=subprocess.PIPE,
            env=_environment(),
        )  # fmt: skip
        os.close(far)
        self.said = ""

    def until(self, words: str) -> None:
        self._read_until(lambda: words in self.said, words)

    def whole(self, words: str) -> list[str]:
        """The last block with these words that was drawn to its end, once there is one."""

        def found() -> list[list[str]]:
            return [one for one in self.blocks()[1:-1] if any(words in row for row in one)]

        self._read_until(lambda: bool(found()), words)
        return found()[-1]

    def _read_until(self, holds: Callable[[], bool], words: str) -> None:
        end = time.monotonic() + WAIT_S
        while not holds():
            assert time.monotonic() < end, f"{words!r} not in {self.said[-3000:]!r}"
            if select.select([self._near], [], [], 0.2)[0]:
                with contextlib.suppress(OSError):
                    self.said += os.read(self._near, 65_536).decode("utf-8", "replace")

    def blocks(self) -> list[list[str]]:
        """What stood there, each time that it was drawn."""
        drawn = re.split(r"\x1b\[\d+A\x1b\[J", self.said)
        return [one.replace("\r", "").splitlines() for one in drawn]

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        os.close(self._near)


@contextlib.contextmanager
def terminal(configuration: Path, columns: int = 160, rows: int = 50) -> Iterator[Terminal]:
    made = Terminal(configuration, columns, rows)
    try:
        yield made
    finally:
        made.close()


def test_a_terminal_shows_it_all_and_ctrl_c_ends_it_clean(gateway: Gateway) -> None:
    with terminal(gateway.configuration) as shown:
        shown.until("Hz  after")
        shown.until("Clock of the gateway")
        hz = re.compile(r"SIM PMU 1  (\d+\.\d+) Hz .*  VA (\S+) V (\S+)\u00b0")
        for _ in range(4):
            count = len(shown.blocks())
            while len(shown.blocks()) <= count:
                shown.until("\x1b")
                shown.said += os.read(shown._near, 65_536).decode("utf-8", "replace")
        angles = {found[3] for found in hz.finditer(shown.said)}
        assert len(angles) > 2, "no phasor moves"
        assert 59 < float(next(hz.finditer(shown.said))[1]) < 61
        assert "receipt for " in shown.said and "within 1.00 us by device" in shown.said
        shown.process.send_signal(signal.SIGINT)
        assert shown.process.wait(WAIT_S) == 0
        assert shown.process.stderr is not None and shown.process.stderr.read() == b""


def test_a_small_terminal_is_never_overrun(gateway: Gateway) -> None:
    with terminal(gateway.configuration, columns=40, rows=4) as shown:
        shown.until("rows more")
        shown.until("\x1b")
        for block in shown.blocks()[1:-1]:
            assert len(block) <= 2 and all(len(row) < 40 for row in block)


@pytest.mark.parametrize("columns", [40, 80])
def test_the_usual_terminal_shows_every_stream_and_the_gateway(
    gateway: Gateway, columns: int
) -> None:
    with terminal(gateway.configuration, columns=columns, rows=24) as shown:
        block = shown.whole("SIM PMU 2  ")
    assert len(block) <= 22
    for name in ("gateway-1", *watch.SHORT, "SIM PMU 1", "SIM PMU 2"):
        assert any(row.startswith(name) for row in block), (name, block)


LONG = "relay-7 is down: 192.0.2.7:4712: no answer within 5 s"
FACTS = [
    ("Clock of the gateway", "within 51.0 ms by gps (device): " + "it was set " * 12),
    ("Receiver gps", "a fix of 9 satellites, " * 4), ("Place", "unchecked: no survey " * 5),
    ("Record", "https://record.example:4443; its log has 900 entries"), ("To send", "none"),
    ("Disk", "12 GiB free, for 300 days"), ("Arrival to durable", "9 ms"), ("Counted", "9 " * 60),
]  # fmt: skip


@pytest.mark.parametrize(("columns", "rows"), [(40, 24), (80, 24), (80, 12), (40, 8), (20, 7)])
@pytest.mark.parametrize("troubles", [0, 1, 2, 9])
@pytest.mark.parametrize("streams", [1, 2, 9, 60])
def test_streams_have_half_of_what_does_not_fit(
    columns: int, rows: int, troubles: int, streams: int
) -> None:
    told = {
        "gateway": "gw-1", "utc": "2026-11-26T19:00:00.123456789Z", "troubles": [LONG] * troubles,
        "facts": FACTS, "tables": {"gaps": [], "receipts": []},
    }  # fmt: skip
    room = rows - ROWS_LEFT
    drawn = watch._rows(told, ["pmu  nothing yet"] * streams, columns, room)[:room]
    assert drawn.count("pmu  nothing yet") >= min(streams, (room + 1) // 2)
    above = [row for row in drawn if row != "pmu  nothing yet"]
    assert all(len(row) < columns for row in above[1:])
    said = " ".join(" ".join(above).split())
    assert said.startswith("gw-1 2026-11-26T19:00:00Z")
    assert said.count("TROUBLE") >= min(troubles, 1)
    if rows == 24:
        assert all(any(row.startswith(name) for row in above) for name in watch.SHORT)
        whole = said.count(LONG)
        assert whole >= min(troubles, 1)
        assert whole == troubles or f"TROUBLE and {troubles - whole} more" in said
        names = [name for name, _ in FACTS if any(row.startswith(name) for row in above)]
        lost = len(FACTS) - len(names)
        assert not lost or f"({lost} more in a higher terminal)" in said


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_trouble_is_read_whole_however_narrow_the_terminal_is(columns: int) -> None:
    words = "relay-7 is down: 192.0.2.7:4712: no answer within 5 s"
    told = {
        "gateway": "gw-1", "utc": "2026-11-26T19:00:00.123456789Z", "troubles": [words] * 9,
        "facts": [("Clock of the gateway", "within 51.0 ms by gps")],
        "tables": {"gaps": [], "receipts": [["", "receipt", "30", "5 of 9", "all settleable"]]},
    }  # fmt: skip
    rows = watch._gateway(told, columns)
    assert rows[0] == "gw-1  2026-11-26T19:00:00Z"
    assert all(len(row) < columns for row in rows[1:])
    said = " ".join(" ".join(rows).split())
    assert said.count(words) == watch.TROUBLES_SHOWN and "TROUBLE and 3 more" in said
    assert "by gps Answer receipt for 30, at 5 of 9: all settleable" in said


def test_a_pipe_gets_lines(gateway: Gateway) -> None:
    running = subprocess.Popen(
        command(gateway.configuration), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert running.stdout is not None and running.stderr is not None
    try:
        lines = [running.stdout.readline() for _ in range(2)]
        assert all("2 of 2 sources up, clock" in line for line in lines), lines
        counts = [int(re.findall(r"heard (\d+)", line)[0]) for line in lines]
        assert counts[0] < counts[1]
        assert not any("\x1b" in line for line in lines)
        running.stdout.close()  # as `head` does
        assert running.wait(WAIT_S) == 0
        assert running.stderr.read() == ""
    finally:
        running.kill()
        running.wait()
        running.stderr.close()


def test_where_no_agent_runs_it_says_so(folder: Folder) -> None:
    done = subprocess.run(command(folder.gateway), capture_output=True, text=True, timeout=WAIT_S)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"gridseal-agent: no agent answers for spool.db: none runs with {folder.gateway}\n"
    )


@pytest.mark.parametrize("words", [("--watch", "--json")])
def test_both_forms_at_once_are_refused(folder: Folder, words: tuple[str, ...]) -> None:
    argv = [sys.executable, "-m", "agent.cli", "status", *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=WAIT_S)
    assert done.returncode == 2 and "not allowed with" in done.stderr
