"""How fast a backlog drains while live samples go on, and what that costs them.

1. PMUs, agent and record are processes. The record is killed for `seconds`, and started again.
2. Live latency is read from the record's own file: from the arrival of a batch's first observation,
   by the gateway's clock, to the checkpoint under which it was logged, by the log's clock: one
   machine, one clock. Undisturbed are the batches before the outage; live ones during the drain
   those that were heard after the record came back, while older ones were still coming.
3. Backlog is counted in seconds of all PMUs' samples that waited when the record came back.
4. A hole that the gateway states is a reason: nothing is to be lost to an outage. Where the
   simulated PMUs themselves left out instants (`behind`), nobody can tell, and both are told.
"""

import json
import signal
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from agent import status
from evidence import observation
from evidence.leap import NS
from hil.bench import BenchError, admitted
from hil.bench.process import END_S, all_heard, first_line, first_told, process, source_of
from hil.bench.site import make_site
from hil.devices.pace import tai_now
from hil.loopback import free_port
from record.store import Store, open_reader

PMUS, RATE = 10, 60
CALM_S = 15.0  # before the outage, and after the drain
WARM_S = 3.0
DRAINED_S = 300.0
MS = 1_000_000


class Logged(NamedTuple):
    """One batch: when its first observation was heard, and when it was logged, ns TAI."""

    heard: int
    logged: int


def measure(seconds: float = 120.0) -> dict[str, Any]:
    """The figures of `gridseal-hil bench drain`."""
    with tempfile.TemporaryDirectory(prefix="gridseal-bench-") as name:
        folder = Path(name)
        devices = ["hil.devices.pmu", "--count", str(PMUS), "--rate", str(RATE), "--spread"]
        with process(devices, folder / "pmu.log") as pmus:
            told = first_told(folder / "pmu.log")
            toml = make_site(folder, [source_of(item) for item in told["pmus"]], free_port())
            agent = ["agent.cli", "run", "--config", str(toml)]
            with process(agent, folder / "agent.log"):
                first_line(folder / "agent.log")
                killed, back, drained, waited_s, holes = _outage(folder, toml, seconds)
            pmus.send_signal(signal.SIGTERM)
            pmus.wait(END_S)
        counted = json.loads((folder / "pmu.log").read_text(encoding="utf-8").splitlines()[-1])
        behind = sum(one["skipped"] for one in counted["pmus"])
        figures = _figures(toml.with_name("record.db"), killed, back, drained, waited_s)
    lost = [f"{holes} holes were stated over the outage"] if holes and not behind else []
    return {**figures, "holes": holes, "behind": behind, "reasons": lost}


def _outage(folder: Path, toml: Path, seconds: float) -> tuple[int, int, int, float, int]:
    """When the record was killed, came back, and had all; seconds of samples that waited; and how
    many holes the gateway stated."""
    serve = ["record.cli", "serve", "--config", str(toml.with_name("record.toml"))]
    spool = toml.with_name("spool.db")
    with process(serve, folder / "record-1.log") as record:
        first_line(folder / "record-1.log")
        all_heard(spool, PMUS)
        time.sleep(WARM_S + CALM_S)
        killed = tai_now()
        record.kill()
    time.sleep(seconds)
    waiting = status.ask(spool)["waiting"]
    with process(serve, folder / "record-2.log"):
        first_line(folder / "record-2.log")
        back = tai_now()
        until = time.monotonic() + DRAINED_S
        while status.ask(spool)["waiting"] > PMUS * RATE:
            if time.monotonic() > until:
                raise BenchError(f"the backlog is still there after {DRAINED_S:g} s")
            time.sleep(0.05)
        drained = tai_now()
        time.sleep(CALM_S)
        holes = status.ask(spool)["holes"]
    return killed, back, drained, waiting / (PMUS * RATE), holes


def _figures(path: Path, killed: int, back: int, drained: int, waited_s: float) -> dict[str, Any]:
    store = open_reader(path)
    try:
        batches = _batches(store)
    finally:
        store.close()
    late = [one for one in batches if one.heard < back <= one.logged]
    if not late:
        raise BenchError("nothing waited for the record")
    first, last = min(one.logged for one in late), max(one.logged for one in late)
    warm = killed - round(CALM_S * NS)
    calm = [one for one in batches if warm <= one.heard and one.logged < killed]
    live = [one for one in batches if back <= one.heard and one.logged <= last]
    return {
        "drain_x_real_time": round(waited_s * NS / (last - back), 1),
        "drain_x_after_first_receipt": round(waited_s * NS / max(last - first, 1), 1),
        "backlog_s": round(waited_s, 1),
        "drained_s": round((drained - back) / NS, 2),
        "live_p99_ms_draining": _percentile(live, 99),
        "live_p99_ms_undisturbed": _percentile(calm, 99),
        "live_p50_ms_draining": _percentile(live, 50),
        "live_p50_ms_undisturbed": _percentile(calm, 50),
        "live_batches_draining": len(live),
    }


def _percentile(batches: list[Logged], percent: int) -> int | None:
    waits = sorted((one.logged - one.heard) // MS for one in batches)
    return waits[min(len(waits) * percent // 100, len(waits) - 1)] if waits else None


def _batches(store: Store) -> list[Logged]:
    found = []
    for batch in admitted.batches(store):
        sample = observation.read_at(batch.body, 0)[0]
        found.append(Logged(sample.tai + sample.heard, batch.tai))
    return found
