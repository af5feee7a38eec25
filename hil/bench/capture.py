"""What hearing an Ethernet interface costs, on a cable (veth) in a network of its own.

1. GOOSE: 100,000 frames a second are offered by a process of its own, of which 1,000 a second are
   of the publisher that is subscribed to, each a change of state. `goose_lost` are those that the
   shipped driver did not give, for whatever reason; `goose_cpu_share` is the hearing process's. A
   sender that offers less than OFFERED_LEAST of it has shown nothing, and that is a reason.
2. SV: one simulated merging unit of 4,800/s; the shipped agent hears it, seals and spools it, with
   no record to forward to. `sv_cpu_share` is the agent's processor time, as the kernel accounts it.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from agent import status
from drivers.line import Frame, Instant, LinkError, Source
from drivers.registry import open_driver
from evidence.code import Kind
from evidence.leap import BUILT_IN
from hil.bench import BenchError
from hil.bench.burst import APPID, GOCB_REF
from hil.bench.process import first_line, process, processor_s
from hil.bench.site import make_site
from hil.devices.pace import tai_now
from hil.faults.need import NAMESPACES, NeedError, check
from hil.namespace import Namespace
from provisioning.source import SourceRequest

NEAR, FAR = "eth0", "eth1"
OFFERED, SUBSCRIBED = 100_000, 1_000  # a second
OFFERED_LEAST = 0.95  # of that: the rest is the sender's own start and end
SV_RATE = 4800
END_S = 2.0  # after the last frame, for what is on its way
START_S = 30.0
WARM_S = 3.0  # of the agent: learning the rate, the first commits


class _Clock:
    """The machine's own; it vouches for nothing."""

    table = BUILT_IN

    def now(self) -> Instant:
        return Instant(tai_now(), None)


def measure(seconds: float = 10.0) -> dict[str, Any]:
    """The figures of `gridseal-hil bench capture`. Raises BenchError."""
    try:
        check(("ip", "nsenter", NAMESPACES))
    except NeedError as fault:
        raise BenchError(str(fault)) from fault
    with Namespace() as net:
        net.cable(NEAR, FAR)
        goose = _goose(net, seconds / 2)
        sv = _sv(net, seconds / 2)
    figures = {**goose, **sv}
    reasons = []
    if goose["goose_offered_per_s"] < OFFERED_LEAST * OFFERED:
        text = f"{goose['goose_offered_per_s']} GOOSE frames/s were offered, meant were {OFFERED}"
        reasons.append(f"{text}: this machine's sender carries no more")
    if goose["goose_lost"]:
        reasons.append(f"{goose['goose_lost']} GOOSE frames that were subscribed to were lost")
    if sv["sv_holes"]:
        reasons.append(f"{sv['sv_holes']} holes in Sampled Values that were sent without one")
    return {**figures, "reasons": reasons}


def _goose(net: Namespace, seconds: float) -> dict[str, Any]:
    command = [
        *(*net.within, sys.executable, "-m", "hil.bench.burst", "--interface", FAR),
        *("--per-second", f"{OFFERED}", "--subscribed", f"{SUBSCRIBED}"),
        *("--seconds", f"{seconds}"),
    ]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as sender:
        try:
            heard, spent, line = asyncio.run(_heard(net, sender))
        except LinkError as fault:
            raise BenchError(f"GOOSE: {fault}") from fault
        finally:
            sender.kill()
    if not line:
        raise BenchError("the sender ended; it said why above")
    sent = json.loads(line)
    return {
        "goose_offered_per_s": round(sent["sent"] / sent["seconds"]),
        "goose_subscribed_per_s": round(sent["subscribed"] / sent["seconds"]),
        "goose_heard": heard,
        "goose_lost": sent["subscribed"] - heard,
        "goose_cpu_share": round(spent / sent["seconds"], 3),
    }


async def _heard(net: Namespace, sender: subprocess.Popen[str]) -> tuple[int, float, str]:
    """How many different frames came, the processor time for it, and what the sender said."""
    if sender.stdin is None or sender.stdout is None:
        raise BenchError("no pipe to the sender")
    options = {"interface": NEAR, "appid": APPID, "gocbref": GOCB_REF}
    driver = open_driver(Source("bench", "goose", options), _Clock())
    heard: set[bytes] = set()
    try:
        with net.inside():
            await driver.open()
        await asyncio.to_thread(sender.stdout.readline)
        spent = time.process_time()
        sender.stdin.write("begin\n")
        told = asyncio.create_task(asyncio.to_thread(sender.stdout.readline))
        until: float | None = None
        while until is None or time.perf_counter() < until:
            try:
                async with asyncio.timeout(END_S / 4):
                    items = await driver.read()
            except TimeoutError:
                items = []
            heard.update(
                item.raw for item in items if type(item) is Frame and item.kind == Kind.GOOSE
            )
            if until is None and told.done():
                until = time.perf_counter() + END_S
        return len(heard), time.process_time() - spent, told.result()
    finally:
        await driver.close()


def _sv(net: Namespace, seconds: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="gridseal-bench-") as name:
        folder = Path(name)
        request = SourceRequest("process-bus", "sv", {"interface": NEAR}, "Bus 1")
        toml = make_site(folder, [request])
        unit = ["hil.devices.sv", "--interface", FAR, "--rate", f"{SV_RATE}"]
        with process(unit, folder / "sv.log", net.within):
            first_line(folder / "sv.log")
            run = ["agent.cli", "run", "--config", str(toml)]
            with process(run, folder / "agent.log", net.within) as agent:
                return _watched(agent.pid, toml.with_name("spool.db"), seconds)


def _watched(pid: int, spool: Path, seconds: float) -> dict[str, Any]:
    """`pid`: of what became the agent."""
    _until_durable(spool)
    time.sleep(WARM_S)
    before = status.ask(spool)
    spent, start = processor_s(pid), time.perf_counter()
    time.sleep(seconds)
    spent, elapsed = processor_s(pid) - spent, time.perf_counter() - start
    told = status.ask(spool)
    return {
        "sv_cpu_share": round(spent / elapsed, 3),
        "sv_blocks_per_s": round((told["durable"] - before["durable"]) / elapsed, 1),
        "sv_holes": told["holes"] - before["holes"],
        "sv_p50_ms": told["latency_ms"]["p50"],
    }


def _until_durable(spool: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        try:
            if status.ask(spool)["durable"]:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise BenchError(f"the agent made nothing durable within {START_S:g} s")
