"""Gateways with PMUs before one record, in real time, each the shipped program in a process of its
own: what they cost, how late samples are admitted, what is lost.

1. All PMUs are one process beside them, spread over their period. Its cost is told apart from what
   is measured. Where it falls behind, the machine carries no more, and that is said.
2. Counted is a stretch in which everything runs, once no agent has been late for WARM_S: many
   gateways start at once here, and at no site. `settled_s` is how long that took, null where it
   never was so. What was sent in all of the run is compared with what the record holds at its end,
   stream by stream, each frame there counted once.
3. Admitted is when the record logged it (hil.bench.admitted). Arrival to durable is the agents' own
   account, of all of the run.
4. Memory is the most that the kernel saw of each process (VmHWM), its start included.
"""

import contextlib
import json
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from agent import status
from hil.bench import BenchError, admitted
from hil.bench.process import (
    END_S,
    first_line,
    first_told,
    most_mib,
    process,
    processor_s,
    source_of,
)
from hil.bench.site import make_sites
from hil.devices.pace import tai_now
from hil.loopback import free_port
from record.store import open_reader

RATE = 60
PHASORS = 10
WARM_S = 3.0
START_S = 60.0  # until every PMU is heard: twenty agents start on two cores in half of it
SETTLED_S = 60.0  # until the start's backlog is gone
SETTLED_WAITING_S = 0.5  # two batches of a stream: what waits in the middle of everything
LATE_NS = 500_000_000  # behind its PMUs: frames are read, and not kept for later
DRAINED_S = 60.0  # until all that was sent is receipted
POLL_S = 0.1
MS = 1_000_000


class Load(NamedTuple):
    """How many gateways, and PMUs of each."""

    gateways: int
    streams: int

    @property
    def pmus(self) -> int:
        return self.gateways * self.streams


class Spent(NamedTuple):
    """Processor time so far, in seconds."""

    devices: float
    agents: float
    record: float


class Stretch(NamedTuple):
    """What was measured while all ran. `most`: MiB of each agent, then of the record; `settled`:
    seconds from the first start of an agent until nothing waited from then."""

    settled: float | None
    begins: int
    ends: int
    seconds: float
    spent: Spent
    most: list[float]


class Programs(NamedTuple):
    """Everything that runs. `spools`: of each agent, by which it is asked; `since`: when the first
    of them was started, by time.monotonic."""

    since: float

    devices: "subprocess.Popen[bytes]"
    agents: "list[subprocess.Popen[bytes]]"
    record: "subprocess.Popen[bytes]"
    spools: list[Path]

    def spent(self) -> Spent:
        agents = sum(processor_s(one.pid) for one in self.agents)
        return Spent(processor_s(self.devices.pid), agents, processor_s(self.record.pid))

    def told(self) -> list[dict[str, Any]]:
        """What each agent says of itself. Raises BenchError."""
        try:
            return [status.ask(spool) for spool in self.spools]
        except (OSError, ValueError) as fault:
            raise BenchError(f"an agent does not answer: {fault}") from fault


def carried(load: Load, seconds: float) -> dict[str, Any]:
    """The figures of one load. Raises BenchError."""
    with tempfile.TemporaryDirectory(prefix="gridseal-bench-") as name:
        folder = Path(name)
        with _running(folder, load) as programs:
            stretch = _stretch(programs, load, seconds)
            programs.devices.send_signal(signal.SIGUSR1)
            told = _drained(programs)
            programs.devices.terminate()
            programs.devices.wait(END_S)
        sent = json.loads(_last_line(folder / "pmu.log"))["pmus"]
        store = open_reader(folder / "site-1" / "record.db")
        try:
            heard = list(admitted.frames(store))
        finally:
            store.close()
    return {
        "gateways": load.gateways,
        "streams": load.streams,
        "pmus": load.pmus,
        **_shares(load, stretch),
        **_latency(load, heard, stretch, told),
        **_accounted(sent, heard, told),
    }


@contextlib.contextmanager
def _running(folder: Path, load: Load) -> Iterator[Programs]:
    """Starts all, and ends all: agents before their record."""
    devices = ["hil.devices.pmu", "--count", str(load.pmus), "--rate", str(RATE), "--spread"]
    with contextlib.ExitStack() as on:
        command = [*devices, "--phasors", str(PHASORS)]
        pmus = on.enter_context(process(command, folder / "pmu.log"))
        sources = [source_of(one) for one in first_told(folder / "pmu.log")["pmus"]]
        groups = [sources[at : at + load.streams] for at in range(0, load.pmus, load.streams)]
        tomls = make_sites(folder, groups, free_port())
        serve = ["record.cli", "serve", "--config", str(tomls[0].with_name("record.toml"))]
        record = on.enter_context(process(serve, folder / "record.log"))
        first_line(folder / "record.log")
        since = time.monotonic()
        agents = [
            on.enter_context(
                process(["agent.cli", "run", "--config", str(toml)], folder / f"agent-{at}.log")
            )
            for at, toml in enumerate(tomls)
        ]
        for at in range(load.gateways):
            first_line(folder / f"agent-{at}.log")
        spools = [toml.with_name("spool.db") for toml in tomls]
        programs = Programs(since, pmus, agents, record, spools)
        _until("hear every PMU", START_S, lambda: _hear(programs, load))
        yield programs


def _hear(programs: Programs, load: Load) -> bool:
    """Whether every PMU is sealed. Raises BenchError for an agent that ended."""
    for number, agent in enumerate(programs.agents, 1):
        if agent.poll() is not None:
            raise BenchError(f"agent {number} ended with {agent.returncode}")
    try:
        told = programs.told()
    except BenchError:
        return False  # one of them does not answer yet
    sealed = [one["sealed"] for agent in told for one in agent["sources"].values()]
    return len(sealed) == load.pmus and min(sealed) > 1


def _stretch(programs: Programs, load: Load, seconds: float) -> Stretch:
    took = _settled(programs, load)
    before, begins, start = programs.spent(), tai_now(), time.perf_counter()
    time.sleep(seconds)
    after, ends, elapsed = programs.spent(), tai_now(), time.perf_counter() - start
    spent = Spent(*(late - early for early, late in zip(before, after, strict=True)))
    most = [most_mib(one.pid) for one in (*programs.agents, programs.record)]
    return Stretch(took, begins, ends, elapsed, spent, most)


def _settled(programs: Programs, load: Load) -> float | None:
    """Seconds from the first start until every agent is abreast of its PMUs and the record of it;
    None: this machine does not carry as much, and that shows in what is measured."""
    most = max(SETTLED_WAITING_S * RATE * load.streams, 1)
    until = time.monotonic() + SETTLED_S
    since: float | None = None
    while time.monotonic() < until:
        late = tai_now() - LATE_NS
        told = programs.told()
        last = [one["last_tai"] or 0 for agent in told for one in agent["sources"].values()]
        if min(last) < late or any(one["waiting"] > most for one in told):
            since = None
        elif since is None:
            since = time.monotonic()
        elif time.monotonic() - since >= WARM_S:
            return round(since - programs.since, 1)
        time.sleep(POLL_S)
    return None


def _drained(programs: Programs) -> list[dict[str, Any]]:
    """What the agents say once nothing more comes and everything has its receipt."""
    before = -1

    def done() -> bool:
        nonlocal before
        told = programs.told()
        heard = sum(one["heard"] for one in told)
        waiting = sum(one["waiting"] + one["sealed"] - one["durable"] for one in told)
        before, same = heard, heard == before
        return same and not waiting

    _until("have a receipt for all that they heard", DRAINED_S, done)
    return programs.told()


def _until(what: str, most_s: float, done: Callable[[], bool]) -> None:
    until = time.monotonic() + most_s
    while not done():
        if time.monotonic() > until:
            raise BenchError(f"the agents do not {what} within {most_s:g} s")
        time.sleep(POLL_S)


def _shares(load: Load, stretch: Stretch) -> dict[str, Any]:
    """Shares of a core, and what each stream takes of one."""
    spent, seconds = stretch.spent, stretch.seconds
    return {
        "agent_cpu_share": round(spent.agents / seconds / load.gateways, 4),
        "record_cpu_share": round(spent.record / seconds, 4),
        "agent_cpu_a_stream": round(spent.agents / seconds / load.pmus, 5),
        "record_cpu_a_stream": round(spent.record / seconds / load.pmus, 5),
        "devices_cpu_share": round(spent.devices / seconds, 4),
        "agent_mib": max(stretch.most[:-1]),
        "record_mib": stretch.most[-1],
    }


def _latency(
    load: Load,
    heard: Sequence[admitted.Heard],
    stretch: Stretch,
    told: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """Of the data frames that arrived in the stretch; `pace`: of those that were due in it."""
    waits = sorted(
        one.logged - one.arrived for one in heard if stretch.begins <= one.arrived < stretch.ends
    )
    if not waits:
        raise BenchError(f"nothing was admitted in {stretch.seconds:.1f} s")
    return {
        "settled_s": stretch.settled,
        "pace": round(len(waits) / (RATE * load.pmus * stretch.seconds), 3),
        "admitted_p50_ms": _percentile(waits, 50),
        "admitted_p99_ms": _percentile(waits, 99),
        "admitted_most_ms": round(waits[-1] / MS, 1),
        "durable_p99_ms": max(one["latency_ms"]["p99"] for one in told),
    }


def _percentile(waits: Sequence[int], percent: int) -> float:
    """In ms."""
    return round(waits[min(len(waits) * percent // 100, len(waits) - 1)] / MS, 1)


def _accounted(
    sent: Sequence[dict[str, Any]],
    heard: Sequence[admitted.Heard],
    told: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """What became of every frame. `behind`: instants that the devices themselves left out."""
    counts = {one["idcode"]: one for one in sent}
    placed = {(one.idcode, one.instant) for one in heard}
    there = Counter(idcode for idcode, _ in placed)
    went = {idcode: one["sent"] for idcode, one in counts.items()}
    return {
        "sent": sum(went.values()),
        "admitted": len(placed),
        # Stream by stream: what one has too many hides nothing that another lacks.
        "lost": sum(max(many - there[idcode], 0) for idcode, many in went.items()),
        "unsent": sum(max(many - went.get(idcode, 0), 0) for idcode, many in there.items()),
        "twice": len(heard) - len(placed),
        "behind": sum(one["skipped"] for one in counts.values()),
        "holes": sum(one["holes"] for one in told),
        "refused": sum(one["refused"] for one in told),
    }


def short(figures: dict[str, Any]) -> list[str]:
    """Why a run is not as it should be, whatever is asked of its speed."""
    reasons = lost(figures)
    if figures["behind"]:
        text = f"the simulated PMUs left out {figures['behind']} instants"
        reasons.append(f"{text}: this machine carries no more")
    elif figures["holes"]:
        reasons.append(f"{figures['holes']} holes were stated in what was sent without one")
    return reasons


def lost(figures: dict[str, Any]) -> list[str]:
    """What may never be, however busy the machine is."""
    never = {
        "lost": "frames were sent and are not in the record",
        "unsent": "frames are in the record that nobody sent",
        "twice": "frames are in the record a second time",
        "refused": "observations were refused",
    }
    return [f"{figures[name]} {what}" for name, what in never.items() if figures[name]]


def _last_line(output: Path) -> str:
    return output.read_text(encoding="utf-8").splitlines()[-1]
