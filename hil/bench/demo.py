"""How often the demo's page renews with forty PMUs, as a browser that looks sees it.

1. It is the demo, with more PMUs by TCP: two gateways, a record, two witnesses, settling, all on
   this machine. Whoever looks reads the events as a browser does, in a process of the bench.
2. Counted is a stretch of `seconds`, WARM_S after every PMU is shown: many PMUs start at once
   here, and at no site. An update counts once its event has come whole.
3. What the page itself costs is the processor time of the demo's own process: reading the record,
   decoding, the page.
"""

import asyncio
import io
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from hil.bench import BenchError
from hil.demo import account
from hil.demo.command import Demo, scenario
from hil.demo.screen import Screen
from hil.live.script import Script
from hil.live.sheet import Device

PMUS = 40
UPDATES_MIN = 10.0  # a second; the demo makes twelve
WARM_S, START_S = 5.0, 120.0


def measure(seconds: float = 20.0) -> dict[str, Any]:
    """The figures of `gridseal-hil bench demo`, and why they do not hold. Raises BenchError."""
    with tempfile.TemporaryDirectory(prefix="gridseal-bench-") as folder:
        return asyncio.run(_run(Path(folder).resolve(), seconds))


def more(of: Script) -> Script:
    """The demo's scenario with PMUS of them."""
    devices = list(of.device)
    pmus = sum(one.kind.startswith("pmu") for one in devices)
    sides = [one for one in devices if one.kind == "pmu-tcp"]
    for number in range(pmus, PMUS):
        like = sides[number % len(sides)]
        told = {**like.with_, "idcode": 1000 + number}
        devices.append(
            Device(
                name=f"pmu-{number}", gateway=like.gateway, kind=like.kind,
                bus=like.bus, into=like.into, with_=told,
            )
        )  # fmt: skip
    return msgspec.structs.replace(of, device=devices)


async def _run(folder: Path, seconds: float) -> dict[str, Any]:
    demo = Demo(folder, Screen(io.StringIO()), 0, more(scenario()))
    stop = asyncio.Event()
    running = asyncio.create_task(demo.run(None, stop))
    try:
        found = await _looked(demo, running, seconds)
    finally:
        stop.set()
        await running
    told = account.report(demo.play, demo.reasons)
    reasons = [f"the demo: {reason}" for reason in told["reasons"]]
    if found["updates_s"] < UPDATES_MIN:
        reasons.append(f"{found['updates_s']} updates a second; at least {UPDATES_MIN:g}")
    return {**found, "frames": told["sent"], "lost": told["lost"], "reasons": reasons}


def _shown(demo: Demo) -> int:
    """PMUs that the page shows."""
    streams = demo.show.moment.get("streams", ()) if demo.show is not None else ()
    return sum("hz" in one for one in streams)


async def _looked(demo: Demo, running: "asyncio.Task[None]", seconds: float) -> dict[str, Any]:
    until = time.monotonic() + START_S
    while _shown(demo) < PMUS:
        if running.done() or time.monotonic() > until:
            why = "; ".join(demo.reasons) or f"{_shown(demo)} PMUs are shown in {START_S:g} s"
            raise BenchError(f"the demo does not come so far: {why}")
        await asyncio.sleep(0.1)
    await asyncio.sleep(WARM_S)
    program = ("-m", "hil.bench.looking", demo.url, str(seconds))
    begun, spent = time.monotonic(), time.process_time()
    child = await asyncio.create_subprocess_exec(
        sys.executable, *program, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await child.communicate()
    took = time.monotonic() - begun
    share = (time.process_time() - spent) / took
    if child.returncode != 0:
        raise BenchError("whoever looked ended early")
    updates, longest_ms, streams, size = (float(word) for word in out.split())
    return {
        "pmus": PMUS,
        "streams_shown": int(streams),
        "updates_s": round(updates / seconds, 1),
        "longest_ms": round(longest_ms, 1),
        "event_bytes": int(size),
        "own_core_share": round(share, 3),
    }
