"""Arrival to durable, paced in real time: simulated PMUs in one process, the agent in another, a
record in a third.

1. Twice: PMUs in step (all frames of an instant at once), and spread over the period.
2. Arrival is the gateway's clock when a frame was read; durable is when the commit that holds it
   returned. The agent itself counts that, and its processor time and memory are the kernel's
   account of it.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent import status
from hil.bench.site import free_port, make_site
from provisioning.source import SourceRequest

WARM_S = 3.0
END_S = 20.0
RATE = 60


def measure(streams: int = 50, seconds: float = 20.0) -> dict[str, Any]:
    """The figures of `gridseal-hil bench latency`; the worse of the two paces first."""
    step, spread = _paced(streams, seconds, False), _paced(streams, seconds, True)
    worse = max(step, spread, key=lambda figures: (figures["p99_ms"], figures["p50_ms"]))
    return {**worse, "streams": streams, "in_step": step, "spread": spread}


def _paced(streams: int, seconds: float, spread: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="gridseal-bench-") as name:
        folder = Path(name)
        command = [
            "hil.devices.pmu",
            "--count",
            str(streams),
            "--rate",
            str(RATE),
            "--phasors",
            "10",
        ]
        with _process([*command, *(["--spread"] if spread else [])], folder / "pmu.log") as pmus:
            told = json.loads(_first_line(folder / "pmu.log"))
            port = free_port()
            toml = make_site(folder, [_source(item) for item in told["pmus"]], port)
            record = ["record.cli", "serve", "--config", str(toml.with_name("record.toml"))]
            with _process(record, folder / "record.log"):
                _first_line(folder / "record.log")
                with _process(
                    ["agent.cli", "run", "--config", str(toml)], folder / "agent.log"
                ) as agent:
                    figures = _watched(agent.pid, toml.with_name("spool.db"), seconds)
            pmus.send_signal(signal.SIGTERM)
    return figures


def _watched(pid: int, spool: Path, seconds: float) -> dict[str, Any]:
    time.sleep(WARM_S)
    spent, start = _processor_s(pid), time.perf_counter()
    time.sleep(seconds)
    spent, elapsed = _processor_s(pid) - spent, time.perf_counter() - start
    told = status.ask(spool)
    return {
        "p50_ms": told["latency_ms"]["p50"],
        "p99_ms": told["latency_ms"]["p99"],
        "cpu_share": round(spent / elapsed, 3),
        "rss_mib": round(_resident(pid) / 1024, 1),
        "durable": told["durable"],
        "holes": told["holes"],
        "faults": told["faults"],
    }


def _source(told: dict[str, Any]) -> SourceRequest:
    host, port = told["tcp"].rsplit(":", 1)
    options = {"host": host, "port": int(port), "idcode": told["idcode"]}
    return SourceRequest(f"pmu-{told['idcode']}", "c37118+tcp", options, "Bus 1")


@contextlib.contextmanager
def _process(module: list[str], output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program of ours in a process of its own.

    Ended, by force if it must be, when the block is left.
    """
    with output.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *module], stdout=out, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _first_line(output: Path) -> str:
    until = time.monotonic() + END_S
    while time.monotonic() < until:
        text = output.read_text(encoding="utf-8")
        if "\n" in text:
            return text.splitlines()[0]
        time.sleep(0.02)
    raise RuntimeError(f"{output.name}: nothing within {END_S} s")


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident(pid: int) -> int:
    """Resident size in KiB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
