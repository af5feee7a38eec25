"""Whether the agent grows: two PMUs and a gateway for ten minutes, its agent's memory looked at all
the while.

1. Memory is what the kernel counts as resident, shared pages included.
2. Growth is the median of the last quarter less that of the second: the first fills caches, and
   medians forgive what comes and goes.
3. The run is judged by its frames, too (hil.live.account): an agent that loses some is not small
   but wrong.
"""

import asyncio
import statistics
import tempfile
from pathlib import Path
from typing import Any

from hil.bench import BenchError
from hil.demo import account
from hil.devices.pace import tai_now
from hil.live import place, script
from hil.live.fake import FakeRig
from hil.live.play import FAULTS, Play, ended
from hil.live.stage import Stage
from hil.live.timeline import Timeline

RSS_MIB_MAX = 40.0
GROWTH_MIB_MAX = 0.5  # a leak of 14 bytes a frame would show in ten minutes of two PMUs
JUDGED_S = 240.0  # a shorter run is all warming up: its growth is told, not judged
SAMPLES = 120  # of one run
SAMPLE_S_MIN = 0.25
GATEWAY = "gateway-1"
SCENARIO = f"""
[live]
name = "soak"
title = "Two PMUs"
length_s = 604800

[[gateway]]
name = "{GATEWAY}"
authority = "authority-1"

[[device]]
name = "pmu-a"
gateway = "{GATEWAY}"
kind = "pmu-tcp"
with = {{ idcode = 7, phasors = 10, analogs = ["MW", "MVAR"] }}

[[device]]
name = "pmu-b"
gateway = "{GATEWAY}"
kind = "pmu-serial"
bus = 2
with = {{ idcode = 8 }}
"""


def measure(seconds: float = 600.0) -> dict[str, Any]:
    """The figures of `gridseal-hil bench soak`, and why they do not hold. Raises BenchError."""
    sizes: list[float] = []
    with tempfile.TemporaryDirectory(prefix="gridseal-bench-") as folder:
        try:
            told, latency = asyncio.run(_run(Path(folder).resolve(), seconds, sizes))
        except FAULTS as fault:
            raise BenchError(str(fault)) from fault
    if len(sizes) < 8:
        raise BenchError(f"{len(sizes)} looks at the agent in {seconds:g} s are too few")
    quarter = len(sizes) // 4
    early, late = sizes[quarter : 2 * quarter], sizes[-quarter:]
    growth = statistics.median(late) - statistics.median(early)
    reasons = list(told["reasons"])
    if max(sizes) > RSS_MIB_MAX:
        reasons.append(f"{max(sizes):.1f} MiB resident; at most {RSS_MIB_MAX:g}")
    if growth > GROWTH_MIB_MAX and seconds >= JUDGED_S:
        reasons.append(f"grew by {growth:.2f} MiB; at most {GROWTH_MIB_MAX:g}")
    return {
        "rss_mib": round(max(sizes), 1),
        "growth_mib": round(growth, 2),
        "seconds": seconds,
        "frames": told["sent"],
        "receipted": told["in_record"],
        "latency_ms": latency,
        "reasons": reasons,
    }


async def _run(
    folder: Path, seconds: float, sizes: list[float]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Its account, and the agent's own latencies. Raises one of hil.live.play.FAULTS."""
    of, where = script.read(SCENARIO, "soak"), place.found(place.FAKE)
    cast = where.cast(of)
    stage = Stage(of, cast, FakeRig(folder), folder, where.file.place.patience_s)
    play = Play(of, where, cast, Timeline(of.live.length_s, ()), stage)
    try:
        await stage.start()
        play.began = tai_now()
        pid = stage.gateways[GATEWAY].agent.pid
        looking = asyncio.create_task(_look(pid, max(seconds / SAMPLES, SAMPLE_S_MIN), sizes))
        await asyncio.sleep(seconds)
        looking.cancel()
        asked = await stage.gateways[GATEWAY].told() or {}
        await ended(play, lambda text: None)
        return account.report(play, []), asked.get("latency_ms", {})
    finally:
        stage.close()


async def _look(pid: int, period_s: float, sizes: list[float]) -> None:
    while True:
        await asyncio.sleep(period_s)
        size = _resident_mib(pid)
        if size is not None:
            sizes.append(size)


def _resident_mib(pid: int) -> float | None:
    """proc(5): VmRSS, in KiB; None when the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), None)
