"""Arrival to durable, paced in real time: simulated PMUs in one process, the agent in another, a
record in a third.

1. Twice: PMUs in step (all frames of an instant at once), and spread over the period.
2. Arrival is the gateway's clock when a frame was read; durable is when the commit that holds it
   returned. The agent itself counts that, from its start on, and its processor time and memory are
   the kernel's account of it.
3. `pace`: heard over due, in the stretch. Below PACE_LEAST the simulated PMUs had too little of the
   machine, or the agent did: what is measured is of another load, and that is a reason.
"""

import signal
import tempfile
import time
from pathlib import Path
from typing import Any

from agent import status
from hil.bench.process import all_heard, first_line, first_told, process, processor_s, source_of
from hil.bench.site import make_site
from hil.loopback import free_port

WARM_S = 3.0
END_S = 20.0
RATE = 60
PACE_LEAST = 0.99  # as bench seam has it


def measure(streams: int = 50, seconds: float = 20.0) -> dict[str, Any]:
    """The figures of `gridseal-hil bench latency`; the worse of the two paces first."""
    step, spread = _paced(streams, seconds, False), _paced(streams, seconds, True)
    worse = max(step, spread, key=lambda figures: (figures["p99_ms"], figures["p50_ms"]))
    reasons = [
        f"{name}: {one['pace']:.1%} of the frames due were heard, asked are {PACE_LEAST:.0%}"
        for name, one in (("in step", step), ("spread", spread))
        if one["pace"] < PACE_LEAST
    ]
    both = {"streams": streams, "in_step": step, "spread": spread}
    return {**worse, **both, "reasons": reasons}


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
        with process([*command, *(["--spread"] if spread else [])], folder / "pmu.log") as pmus:
            told = first_told(folder / "pmu.log")
            port = free_port()
            toml = make_site(folder, [source_of(item) for item in told["pmus"]], port)
            record = ["record.cli", "serve", "--config", str(toml.with_name("record.toml"))]
            with process(record, folder / "record.log"):
                first_line(folder / "record.log")
                with process(
                    ["agent.cli", "run", "--config", str(toml)], folder / "agent.log"
                ) as agent:
                    figures = _watched(agent.pid, toml.with_name("spool.db"), streams, seconds)
            pmus.send_signal(signal.SIGTERM)
    return figures


def _watched(pid: int, spool: Path, streams: int, seconds: float) -> dict[str, Any]:
    all_heard(spool, streams)
    time.sleep(WARM_S)
    heard = _heard(status.ask(spool))
    spent, start = processor_s(pid), time.perf_counter()
    time.sleep(seconds)
    spent, elapsed = processor_s(pid) - spent, time.perf_counter() - start
    told = status.ask(spool)
    return {
        "pace": round((_heard(told) - heard) / (RATE * streams * elapsed), 3),
        "p50_ms": told["latency_ms"]["p50"],
        "p99_ms": told["latency_ms"]["p99"],
        "cpu_share": round(spent / elapsed, 3),
        "rss_mib": round(_resident(pid) / 1024, 1),
        "durable": told["durable"],
        "holes": told["holes"],
        "faults": told["faults"],
    }


def _heard(told: dict[str, Any]) -> int:
    return sum(int(one["heard"]) for one in told["sources"].values())


def _resident(pid: int) -> int:
    """Resident size in KiB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
