"""Whether the agent grows: the demo for ten minutes, its agent's memory looked at all the while.

1. Memory is what the kernel counts as resident, shared pages included.
2. Growth is the median of the last quarter less that of the second: the first fills caches, and
   medians forgive what comes and goes.
3. The run is judged as the demo judges it, too: an agent that loses frames is not small but wrong.
"""

import asyncio
import io
import statistics
import tempfile
from pathlib import Path
from typing import Any

from hil.bench import BenchError
from hil.child import ChildError
from hil.demo import Demo, DemoError
from hil.screen import Screen

RSS_MIB_MAX = 40.0
GROWTH_MIB_MAX = 0.5  # a leak of 14 bytes a frame would show in ten minutes of two PMUs
JUDGED_S = 240.0  # a shorter run is all warming up: its growth is told, not judged
SAMPLES = 120  # of one run
SAMPLE_S_MIN = 0.25


def measure(seconds: float = 600.0) -> dict[str, Any]:
    """The figures of `gridseal-hil bench soak`, and why they do not hold. Raises BenchError."""
    with tempfile.TemporaryDirectory(prefix="gridseal-bench-") as folder:
        demo, sizes = asyncio.run(_run(Path(folder).resolve(), seconds))
    if len(sizes) < 8:
        raise BenchError(f"{len(sizes)} looks at the agent in {seconds:g} s are too few")
    quarter = len(sizes) // 4
    early, late = sizes[quarter : 2 * quarter], sizes[-quarter:]
    growth = statistics.median(late) - statistics.median(early)
    reasons = list(demo.outcome.reasons)
    if max(sizes) > RSS_MIB_MAX:
        reasons.append(f"{max(sizes):.1f} MiB resident; at most {RSS_MIB_MAX:g}")
    if growth > GROWTH_MIB_MAX and seconds >= JUDGED_S:
        reasons.append(f"grew by {growth:.2f} MiB; at most {GROWTH_MIB_MAX:g}")
    report = demo.outcome.report()
    return {
        "rss_mib": round(max(sizes), 1),
        "growth_mib": round(growth, 2),
        "seconds": seconds,
        "frames": report["sent"],
        "receipted": report["receipted"],
        "latency_ms": report["latency_ms"],
        "reasons": reasons,
    }


async def _run(folder: Path, seconds: float) -> tuple[Demo, list[float]]:
    sizes: list[float] = []
    demo = Demo(folder, Screen(_Nowhere()))
    looking = asyncio.create_task(_look(demo, max(seconds / SAMPLES, SAMPLE_S_MIN), sizes))
    try:
        await demo.run(seconds, asyncio.Event())
    except (ChildError, DemoError) as fault:
        raise BenchError(str(fault)) from fault
    finally:
        looking.cancel()
    return demo, sizes


class _Nowhere(io.StringIO):
    """A stream that keeps nothing."""

    def write(self, text: str) -> int:
        return len(text)


async def _look(demo: Demo, period_s: float, sizes: list[float]) -> None:
    while True:
        await asyncio.sleep(period_s)
        size = _resident_mib(demo.agent.pid) if demo.agent is not None and demo.hears else None
        if size is not None:
            sizes.append(size)


def _resident_mib(pid: int) -> float | None:
    """proc(5): VmRSS, in KiB; None when the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), None)
