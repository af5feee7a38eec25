"""Whether the bound of a gateway's clock holds, and what it is worth: a day of simulated machines
whose sources are lost and found again, against the truth that the simulation knows. What bounds is
shipped: the sources' opinions (agent/timing) and their chooser.

1. Each source alone disciplines the clock of a machine (of MACHINES, where there is a ceiling) and
   is the only one heard there; then all together. Once a second a ruling is made, and compared with
   the truth at that moment, and again just before the next one, grown as it says.
2. `inside`: the share of comparisons in which the true error was no greater than the bound. Where
   there is no bound nothing is claimed, and `unbounded` is the share of that.
3. `locked` and `holdover`: the 95th percentile of the bound over that of the true error, over all
   machines of a row, while a source is chosen and while the oscillator carries on. A bound is one
   of a class: it has to hold for the worst crystal of the row, and is compared with that one's
   errors too.
4. It does not hold where `inside` is below INSIDE_LEAST anywhere, or where a ratio is above its
   ceiling, which there is for a pulse and for PTP.

One seed, one result, however many processes share the work.
"""

import os
import random
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, NamedTuple

from evidence.code import Flag
from hil.sim.gateway import NAMES, RULED_S, Gateway

DAY_S = 86_400
SEED = 20_261_126
MACHINES = 3  # of a row that has a ceiling
INSIDE_LEAST = 0.95
LOCKED_MOST, HOLDOVER_MOST = 3.0, 10.0
CEILED = frozenset({"pulse", "ptp"})
# Losses of a day: how long each, s. When, the seed says; in a shorter run the shorter ones.
LOSSES_S = (20, 60, 180, 300, 600, 900, 1_800, 2_700, 3_600, 7_200)
CALM_S = 300  # at least, between two
WARM_S = 600  # before the first
SAMPLES_LEAST = 100  # of a state, or its percentile says nothing


class Task(NamedTuple):
    """One machine's day."""

    names: tuple[str, ...]
    oscillator: str
    seed: int
    seconds: int


@dataclass(slots=True)
class Side:
    """Bounds and true errors of one state, ns."""

    bounds: list[int] = field(default_factory=list)
    errors: list[int] = field(default_factory=list)

    def add(self, other: "Side") -> None:
        self.bounds += other.bounds
        self.errors += other.errors

    def figures(self) -> dict[str, Any]:
        if len(self.errors) < SAMPLES_LEAST:
            return {"seconds": len(self.errors)}
        error, bound = _percentile(self.errors), _percentile(self.bounds)
        return {
            "seconds": len(self.errors),
            "true_p95_ns": error,
            "bound_p95_ns": bound,
            "ratio": round(bound / max(error, 1), 2),
        }


@dataclass(slots=True)
class Day:
    """What came of one machine, or of several."""

    seconds: int = 0
    compared: int = 0
    inside: int = 0
    unbounded: int = 0
    doubted: int = 0
    beyond_ns: int = 0  # the farthest that an error lay outside
    locked: Side = field(default_factory=Side)
    holdover: Side = field(default_factory=Side)

    def add(self, other: "Day") -> None:
        self.seconds += other.seconds
        self.compared += other.compared
        self.inside += other.inside
        self.unbounded += other.unbounded
        self.doubted += other.doubted
        self.beyond_ns = max(self.beyond_ns, other.beyond_ns)
        self.locked.add(other.locked)
        self.holdover.add(other.holdover)

    def figures(self) -> dict[str, Any]:
        return {
            "inside": round(self.inside / max(self.compared, 1), 6),
            "beyond_ns": self.beyond_ns,
            "unbounded": round(self.unbounded / max(self.seconds, 1), 6),
            "doubted": round(self.doubted / max(self.seconds, 1), 6),
            "locked": self.locked.figures(),
            "holdover": self.holdover.figures(),
        }


ROWS: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    **{name: ((name,), "xo") for name in NAMES},
    "all": (NAMES, "xo"),
    "ptp_tcxo": (("ptp",), "tcxo"),
    "ptp_ocxo": (("ptp",), "ocxo"),
    "ptp_rubidium": (("ptp",), "rubidium"),
}


def losses(chance: random.Random, seconds: int) -> tuple[range, ...]:
    """When a source is lost: no two within CALM_S of each other."""
    spans: list[range] = []
    fitting = [length for length in LOSSES_S if length * 10 <= max(seconds, 6_000)]
    for length in sorted(fitting, reverse=True):
        for _ in range(1_000):
            begin = chance.randrange(WARM_S, max(seconds - length, WARM_S + 1))
            end = begin + length
            if all(end + CALM_S <= one.start or one.stop + CALM_S <= begin for one in spans):
                spans.append(range(begin, end))
                break
    return tuple(spans)


def run(task: Task) -> Day:
    """One machine's day."""
    chance = random.Random(task.seed)
    lost = {name: losses(chance, task.seconds) for name in task.names}
    day = Day(seconds=task.seconds)
    with tempfile.TemporaryDirectory() as folder:
        gateway = Gateway(task.names, task.oscillator, task.seed, Path(folder), lost)
        for at_s in range(task.seconds):
            _compare(day, gateway, at_s)
        gateway.close()
    return day


def _compare(day: Day, gateway: Gateway, at_s: int) -> None:
    """One second."""
    ruling = gateway.second(at_s)
    day.doubted += bool(ruling.flags & Flag.CLOCK_DOUBTED)
    if ruling.bound_ns is None:
        day.unbounded += 1
        return
    side = day.holdover if ruling.flags & Flag.HOLDOVER else day.locked
    error_ns = abs(round(gateway.machine.wall_at(RULED_S)))
    side.bounds.append(ruling.bound_ns)
    side.errors.append(error_ns)
    # Just before the next second, by which a new one is due soon.
    later_ns = abs(round(gateway.machine.wall_at(1.0)))
    grown_ns = ruling.bound_ns + round(ruling.growth_ppb * (1.0 - RULED_S))
    day.compared += 2
    day.inside += (error_ns <= ruling.bound_ns) + (later_ns <= grown_ns)
    outside_ns = max(error_ns - ruling.bound_ns, later_ns - grown_ns)
    day.beyond_ns = max(day.beyond_ns, outside_ns)


def measure(
    seconds: float = DAY_S, rows: Sequence[str] = tuple(ROWS), machines: int = MACHINES
) -> dict[str, Any]:
    """`seconds` are simulated."""
    tasks = [
        (name, Task(*ROWS[name], SEED + 101 * at, int(seconds)))
        for name in rows
        for at in range(machines if _ceiled(name) else 1)
    ]
    days = {name: Day() for name in rows}
    cores = min(len(os.sched_getaffinity(0)), len(tasks))
    with ProcessPoolExecutor(cores, get_context("spawn")) as pool:
        made = pool.map(run, [task for _, task in tasks])
        for (name, _), day in zip(tasks, made, strict=True):
            days[name].add(day)
    sources = {name: day.figures() for name, day in days.items()}
    for name, figures in sources.items():
        figures["oscillator"] = ROWS[name][1]
        figures["machines"] = machines if _ceiled(name) else 1
    reasons = [reason for name, day in sources.items() for reason in judged(name, day)]
    return {
        "seconds": int(seconds), "seed": SEED, "sources": sources,
        "reasons": reasons,
    }  # fmt: skip


def judged(name: str, figures: Mapping[str, Any]) -> list[str]:
    """Why it does not hold."""
    reasons = []
    if figures["inside"] < INSIDE_LEAST:
        reasons.append(f"{name}: the true error lies inside the bound in {figures['inside']:.2%}")
    if figures["unbounded"] == 1:
        reasons.append(f"{name}: there was no bound")
    if not _ceiled(name):
        return reasons
    for state, most in (("locked", LOCKED_MOST), ("holdover", HOLDOVER_MOST)):
        ratio = figures[state].get("ratio")
        if ratio is None:
            reasons.append(f"{name}, {state}: too few seconds")
        elif ratio > most:
            reasons.append(f"{name}, {state}: the bound is {ratio} times the true 95th percentile")
    return reasons


def _ceiled(name: str) -> bool:
    return set(ROWS[name][0]) <= CEILED


def _percentile(values: Sequence[int]) -> int:
    return sorted(values)[min(len(values) * 95 // 100, len(values) - 1)]
