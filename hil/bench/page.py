"""What it costs an agent to be looked at: 40 PMUs in one process, the agent in another, a record in
a third, and a listener of the page's events here, who comes and goes.

1. Turn by turn, TURNS times: nobody looks, somebody looks, each for as long. The cost is the median
   of the differences between neighbours, so that what else the machine does falls on both.
2. Updates are events that came whole, counted where they arrive, up to the end of the turn.
3. Memory is what is resident before anybody ever looked, and the most that it ever was (VmHWM).
4. The kernel counts processor time in ticks of 10 ms, which is a good part of a per cent of a short
   turn: the share is judged from TURN_S_LEAST a turn on, and told whatever it is.
5. Nobody looks through the last turn either: what it costs then is what it cost before.
"""

import math
import os
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from agent import status
from agent.page.door import SUFFIX
from hil.bench import BenchError
from hil.bench.process import (
    END_S,
    all_heard,
    first_line,
    first_told,
    process,
    processor_s,
    source_of,
)
from hil.bench.site import make_site
from hil.loopback import free_port

TURNS = 5
TURN_S_LEAST = 3.0  # two readings and two differences: below a tenth of CPU_SHARE_MOST, by a median
WARM_S = 4.0
RATE, PHASORS = 60, 10
P99_MS_MOST = 600  # of arrival to durable: beyond, it is not the page that is slow
UPDATES_LEAST = 10.0  # a second
CPU_SHARE_MOST = 0.05
MEMORY_MIB_MOST = 50.0
READ_BYTES = 65_536
ASKED = b"GET /events HTTP/1.0\r\nHost: localhost\r\n\r\n"


class _Listener(threading.Thread):
    """Hears the page's events for as long as its line is open. `at`: when each came."""

    def __init__(self, line: socket.socket) -> None:
        super().__init__()
        self._line = line
        self.at: list[float] = []
        self.size = 0

    def run(self) -> None:
        waiting = b""
        while data := self._line.recv(READ_BYTES):
            *whole, waiting = (waiting + data).split(b"\n\n")
            live = [one for one in whole if one.startswith(b"event: live")]
            self.at += [time.perf_counter()] * len(live)
            self.size += sum(map(len, live))


def measure(seconds: float = 40.0, streams: int = 40) -> dict[str, Any]:
    """The figures of `gridseal-hil bench page`, and why they do not hold. Raises BenchError."""
    with tempfile.TemporaryDirectory(prefix="gridseal-bench-") as name:
        folder = Path(name)
        command = ["hil.devices.pmu", "--count", str(streams), "--rate", str(RATE)]
        command += ["--phasors", str(PHASORS), "--spread"]
        with process(command, folder / "pmu.log"):
            told = first_told(folder / "pmu.log")
            toml = make_site(folder, [source_of(one) for one in told["pmus"]], free_port())
            record = ["record.cli", "serve", "--config", str(toml.with_name("record.toml"))]
            with process(record, folder / "record.log"):
                first_line(folder / "record.log")
                agent = ["agent.cli", "run", "--config", str(toml)]
                with process(agent, folder / "agent.log") as running:
                    spool = toml.with_name("spool.db")
                    figures = _turns(running.pid, spool, seconds / (2 * TURNS + 1), streams)
    return figures | {"reasons": _reasons(figures)}


def _turns(pid: int, spool: Path, turn_s: float, streams: int) -> dict[str, Any]:
    all_heard(spool, streams)
    time.sleep(WARM_S)
    before_mib = _mib(pid, "VmRSS")
    alone, looked, rates, gaps, sizes = [_share(pid, turn_s)], [], [], [0.0], [0]
    for _ in range(TURNS):
        with _listening(spool) as listener:
            looked.append(_share(pid, turn_s))
            until = time.perf_counter()
        rates.append(pace(listener.at, until))
        gaps += [late - early for early, late in pairwise([*listener.at, until])]
        sizes.append(listener.size // len(listener.at))
        alone.append(_share(pid, turn_s))
    costs = [
        with_one - (before + after) / 2
        for with_one, before, after in zip(looked, alone, alone[1:], strict=False)
    ]
    told = status.ask(spool)
    return {
        "streams": streams,
        "turn_s": round(turn_s, 2),
        "updates_a_second": round(min(rates), 1),
        "longest_gap_ms": round(max(gaps) * 1000),
        "event_bytes": max(sizes),
        "cpu_share_unseen": round(statistics.median(alone), 3),
        "cpu_share_seen": round(statistics.median(looked), 3),
        "cpu_share_of_looking": round(statistics.median(costs), 3),
        "memory_mib_before": round(before_mib, 1),
        "memory_mib_most": round(_mib(pid, "VmHWM"), 1),
        "holes": told["holes"],
        "p99_ms": told["latency_ms"]["p99"],
        "machine_load": round(os.getloadavg()[0], 1),
    }


def pace(at: Sequence[float], until: float) -> float:
    """Updates a second of those that came at these times, two at least. Whoever looks sees a page
    that stands still until the end of the turn, too."""
    came_s = at[-1] - at[0]
    came = (len(at) - 1) / came_s if came_s else math.inf
    return min(came, len(at) / (until - at[0]))


def _reasons(figures: dict[str, Any]) -> list[str]:
    reasons = []
    if figures["p99_ms"] > P99_MS_MOST:
        load = figures["machine_load"]
        text = f"p99 of arrival to durable {figures['p99_ms']} ms; at most {P99_MS_MOST}"
        reasons.append(f"{text}: the agent itself had too little of a machine of load {load}")
    if figures["updates_a_second"] < UPDATES_LEAST:
        reasons.append(f"{figures['updates_a_second']} updates/s; at least {UPDATES_LEAST:g}")
    judged = figures["turn_s"] >= TURN_S_LEAST
    if judged and figures["cpu_share_of_looking"] > CPU_SHARE_MOST:
        share = figures["cpu_share_of_looking"]
        reasons.append(f"{share:.1%} of a core to be looked at; at most {CPU_SHARE_MOST:.0%}")
    if figures["memory_mib_most"] > MEMORY_MIB_MOST:
        reasons.append(f"{figures['memory_mib_most']} MiB; at most {MEMORY_MIB_MOST:g}")
    return reasons


@contextmanager
def _listening(spool: Path) -> Iterator[_Listener]:
    with status.connected(spool, SUFFIX) as line:
        line.settimeout(END_S)
        line.sendall(ASKED)
        listener = _Listener(line)
        listener.start()
        try:
            _first_came(listener)
            yield listener
        finally:
            line.shutdown(socket.SHUT_RDWR)
            listener.join(END_S)
    if len(listener.at) < 2:
        raise BenchError(f"only {len(listener.at)} events of the page came in a turn")


def _first_came(listener: _Listener) -> None:
    """Raises BenchError where none comes."""
    until = time.monotonic() + END_S
    while not listener.at:
        if time.monotonic() > until or not listener.is_alive():
            raise BenchError("no events of the page came")
        time.sleep(0.01)


def _share(pid: int, seconds: float) -> float:
    """Of a core, over so long."""
    spent, begun = processor_s(pid), time.perf_counter()
    time.sleep(seconds)
    return (processor_s(pid) - spent) / (time.perf_counter() - begun)


def _mib(pid: int, name: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(row.split()[1]) for row in lines if row.startswith(name)) / 1024
