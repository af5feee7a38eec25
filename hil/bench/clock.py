"""What time and place cost a gateway: an agent that hears a u-blox once a second, asks chronyd and
ptp4l each second and says a verdict every 10 s, beside one that does none of it.

1. Two rigs (hil/faults) run at once: same PMUs, same record, same load. The cost is the difference
   of their agents, the programs that each keeps running (chronyc, pmc) included.
2. Processor time is what the kernel counts, once the sources have been heard for WARM_S; memory is
   what is resident, in the median of looks taken meanwhile: pages come and go as each commits.
   `memory_mib` is the agent's own, and judged; `programs_mib` is what is private of chronyc and
   pmc, other people's, and told beside it.
3. chronyd, ptp4l and the simulated devices stand for what a site has anyway, and are not counted.
"""

import asyncio
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from hil.bench import BenchError
from hil.bench.process import processor_s
from hil.child import ChildError
from hil.faults import need
from hil.faults.chamber import ChamberError
from hil.faults.gateway import GatewayError
from hil.faults.need import NeedError
from hil.faults.outfit import CHRONY_NEEDS, PTP_NEEDS, Outfit
from hil.faults.rig import Rig, RigError

CPU_SHARE_MOST = 0.02
MEMORY_MIB_MOST = 4.0
WARM_S = 15.0  # a receiver is asked what it is, ptp4l measures its path
FULL: Final = Outfit(receiver=1, chrony=True, ptp=True)
SOURCES = 3
LOOKS = 30
MIB = 1024 * 1024


def measure(seconds: float = 60.0) -> dict[str, Any]:
    """The figures, and why they do not hold. Raises BenchError."""
    try:
        need.check((*CHRONY_NEEDS, *PTP_NEEDS))
        with tempfile.TemporaryDirectory(prefix="gridseal-bench-") as folder:
            return asyncio.run(_run(Path(folder).resolve(), seconds))
    except (ChamberError, ChildError, GatewayError, NeedError, RigError, OSError) as fault:
        raise BenchError(str(fault)) from fault


async def _run(folder: Path, seconds: float) -> dict[str, Any]:
    rigs = []
    try:
        for name, outfit in (("with", FULL), ("without", Outfit())):
            (folder / name).mkdir()
            rigs.append(Rig(folder / name, 1, outfit=outfit))
            await rigs[-1].start()
        await asyncio.sleep(WARM_S)
        await rigs[0].gateway.until("vouches by all its sources", _all_vouch)
        pids = [rig.gateway.agent.pid for rig in rigs]
        before = [_processor_s(pid) for pid in pids]
        looks = []
        for _ in range(LOOKS):
            await asyncio.sleep(seconds / LOOKS)
            looks.append(_look(pids))
        after = [_processor_s(pid) for pid in pids]
        told = await rigs[0].gateway.told() or {}
    finally:
        for rig in rigs:
            rig.close()
    *memory, programs = (statistics.median(column) for column in zip(*looks, strict=True))
    sources = told.get("time", {}).get("sources", [])
    shares = [(late - early) / seconds for early, late in zip(before, after, strict=True)]
    cpu_share = shares[0] - shares[1]
    memory_mib = (memory[0] - memory[1]) / MIB
    reasons = []
    if cpu_share > CPU_SHARE_MOST:
        reasons.append(f"{cpu_share:.1%} of a core; at most {CPU_SHARE_MOST:.0%}")
    if memory_mib > MEMORY_MIB_MOST:
        reasons.append(f"{memory_mib:.1f} MiB; at most {MEMORY_MIB_MOST:g}")
    return {
        "cpu_share": round(cpu_share, 4),
        "memory_mib": round(memory_mib, 2),
        "programs_mib": round(programs / MIB, 2),
        "with": {"cpu_share": round(shares[0], 4), "resident_mib": round(memory[0] / MIB, 1)},
        "without": {"cpu_share": round(shares[1], 4), "resident_mib": round(memory[1] / MIB, 1)},
        "seconds": seconds,
        "sources": {one["name"].partition(":")[0]: one["state"] for one in sources},
        "reasons": reasons,
    }


def _all_vouch(told: dict[str, Any]) -> bool:
    """Else what is measured is how little it costs to ask in vain."""
    said = told["time"]["sources"]
    return len(said) == SOURCES and all(one["state"] in ("chosen", "agrees") for one in said)


def _look(pids: Sequence[int]) -> tuple[int, ...]:
    """Bytes of each agent, and of the programs of the first."""
    private = sum(_private_bytes(child) for child in _children(pids[0]))
    return (*map(_resident_bytes, pids), private)


def _family(pid: int) -> Iterator[int]:
    yield pid
    for child in _children(pid):
        yield from _family(child)


def _children(pid: int) -> list[int]:
    """proc(5): of all its threads."""
    files = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(word) for file in files for word in file.read_text(encoding="ascii").split()]


def _processor_s(pid: int) -> float:
    return sum(processor_s(one) for one in _family(pid))


def _resident_bytes(pid: int) -> int:
    return _kib(Path(f"/proc/{pid}/status"), "VmRSS")


def _private_bytes(pid: int) -> int:
    """What would be free without it: libraries are shared with others."""
    file = Path(f"/proc/{pid}/smaps_rollup")
    return _kib(file, "Private_Clean") + _kib(file, "Private_Dirty")


def _kib(file: Path, name: str) -> int:
    for line in file.read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise BenchError(f"{file} has no {name}")
