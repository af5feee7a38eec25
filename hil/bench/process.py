"""Programs of ours that a benchmark runs beside itself, each a process, and what they say first.

1. A program ends with its block, by force if it must.
2. Every wait is bounded.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from agent import outlook, status
from hil.bench import BenchError
from provisioning.source import SourceRequest

END_S = 20.0
HEARD_S = 60.0  # a start on a machine that does other work


def source_of(told: dict[str, Any]) -> SourceRequest:
    host, port = told["tcp"].rsplit(":", 1)
    options = {"host": host, "port": int(port), "idcode": told["idcode"]}
    return SourceRequest(f"pmu-{told['idcode']}", "c37118+tcp", options, "Bus 1")


@contextlib.contextmanager
def process(
    module: list[str], output: Path, within: Sequence[str] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """A program of ours in a process of its own, started by `within`, which becomes it.

    Ended, by force if it must be, when the block is left.
    """
    with output.open("wb") as out:
        running = subprocess.Popen(
            [*within, sys.executable, "-m", *module], stdout=out, stderr=subprocess.STDOUT
        )
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(END_S)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def first_line(output: Path) -> str:
    """The first thing that a program says. Raises BenchError when it says nothing."""
    until = time.monotonic() + END_S
    while time.monotonic() < until:
        text = output.read_text(encoding="utf-8")
        if "\n" in text:
            return text.splitlines()[0]
        time.sleep(0.02)
    raise BenchError(f"{output.name}: nothing within {END_S} s")


def first_told(output: Path) -> Any:
    """The same, as the JSON that it is. Raises BenchError where a program says something else, as
    one that could not start does."""
    said = first_line(output)
    try:
        return json.loads(said)
    except ValueError as fault:
        last = output.read_text(encoding="utf-8").splitlines()[-1]
        raise BenchError(f"{output.name}: {last}") from fault


def all_heard(spool: Path, streams: int) -> None:
    """Waits until an agent has sealed something of each of so many sources. Raises BenchError."""
    until = time.monotonic() + HEARD_S
    while time.monotonic() < until:
        try:
            sources = status.ask(spool)["sources"].values()
        except (OSError, ValueError):
            sources = ()
        if sum(one["sealed"] > 0 for one in sources) == streams:
            return
        time.sleep(0.1)
    raise BenchError(f"not all of {streams} sources were heard within {HEARD_S:g} s")


def processor_s(pid: int) -> float:
    """Processor time of a running process, in seconds: proc(5), by clock ticks."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def most_mib(pid: int) -> float:
    """The most memory that a running process had, in MiB: proc(5), VmHWM."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    kib = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return round(kib / 1024, 1)


def written_bytes() -> int:
    """What this process had written to disk. Raises BenchError where nobody counts it."""
    found = outlook.written()
    if found is None:
        raise BenchError("nobody counts what is written: /proc/self/io")
    return found
