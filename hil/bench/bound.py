"""Whether the bound of a gateway's clock holds, and what it is worth: a day of simulated machines
whose sources are lost and found again, against the truth that the simulation knows. What bounds is
shipped: the sources' opinions (agent/timing) and their chooser.

1. Each source alone disciplines the clock of a machine and is the only one heard there; then all
   together. Where there is a ceiling the row is a fleet (hil/sim/oscillator.py): good, middling and
   bad crystals in calm and less calm cabinets, laid out evenly and lost at the same moments. Once a
   second a ruling is made, and compared with the truth at that moment, and again just before the
   next one, grown as it says.
2. `inside`: the share of comparisons in which the true error was no greater than the bound. Where
   there is no bound nothing is claimed: `unbounded` is the share of that while a source is there,
   `unbounded_lost` while none is.
3. `locked` and `holdover`: the 95th percentile of the bound over that of the true error, over all
   machines of a row, while a source is chosen and while the oscillator carries on. A bound is one
   of a class: it has to hold for the worst crystal of the row, and is compared with that one's
   errors too.
4. It does not hold where `inside` is below INSIDE_LEAST anywhere, where sources that all say the
   truth are found to contradict each other, where a source that is there, or an oscillator that
   could carry on, leaves the clock without a bound (each beyond RARE), or where a ratio is above
   its ceiling, which there is for a pulse and for PTP. `pulse_unstated` has none: it is what a site
   pays that has a fast machine and does not say so.
5. A run of less than JUDGED_S is judged by `inside` alone, and `judged` says so: it has the shorter
   losses only, in one part of the day, and a word that comes a second late is more than RARE of it.

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

from agent.timing.uri import PULSE_LATENCY_NS
from evidence.code import Flag
from hil.sim.gateway import NAMES, RULED_S, Build, Gateway
from hil.sim.oscillator import Lot, fleet
from hil.sim.timesource import BEAGLEBONE, FAST, Interrupt

DAY_S = 86_400
SEED = 20_261_126
# Of a row's fleet. With five, whether the worst crystal meets the longest loss at noon or at dawn
# moves a ratio by half.
MACHINES = 7
FEW_MACHINES = 3  # where what the oscillator does is the least part of the error
INSIDE_LEAST = 0.95
RARE = 0.001  # of the seconds: a word that came a second late, here and there
BEGUN_S = 10  # a pulse has too few edges before, a servo has not settled
MOST: Final = {"locked": 3.0, "holdover": 10.0}
# Losses of a day: how long each, s. When, the seed says; in a shorter run the shorter ones.
LOSSES_S = (20, 60, 180, 300, 600, 900, 1_800, 2_700, 3_600, 7_200)
CALM_S = 300  # at least, between two
WARM_S = 600  # before the first
JUDGED_S = DAY_S
SAMPLES_LEAST = 100  # of a state, or its percentile says nothing


class Row(NamedTuple):
    """What is measured together."""

    names: tuple[str, ...]
    oscillator: str = "xo"
    machines: int = 1
    ceilings: frozenset[str] = frozenset()  # of which states
    carried: bool = True  # whether the oscillator can carry on
    interrupt: Interrupt = BEAGLEBONE
    latency_ns: int = PULSE_LATENCY_NS


class Task(NamedTuple):
    """One machine's day."""

    row: Row
    lot: Lot
    seed: int
    losses: Mapping[str, tuple[range, ...]]
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
    lost: int = 0  # seconds without a source
    unbounded: int = 0  # with one
    unbounded_lost: int = 0
    doubted: int = 0
    beyond_ns: int = 0  # the farthest that an error lay outside
    locked: Side = field(default_factory=Side)
    holdover: Side = field(default_factory=Side)

    def add(self, other: "Day") -> None:
        self.seconds += other.seconds
        self.compared += other.compared
        self.inside += other.inside
        self.lost += other.lost
        self.unbounded += other.unbounded
        self.unbounded_lost += other.unbounded_lost
        self.doubted += other.doubted
        self.beyond_ns = max(self.beyond_ns, other.beyond_ns)
        self.locked.add(other.locked)
        self.holdover.add(other.holdover)

    def figures(self) -> dict[str, Any]:
        return {
            "inside": round(self.inside / max(self.compared, 1), 6),
            "beyond_ns": self.beyond_ns,
            "unbounded": round(self.unbounded / max(self.seconds - self.lost, 1), 6),
            "unbounded_lost": round(self.unbounded_lost / max(self.lost, 1), 6),
            "doubted": round(self.doubted / max(self.seconds, 1), 6),
            "locked": self.locked.figures(),
            "holdover": self.holdover.figures(),
        }


BOTH: Final = frozenset(MOST)
FAST_LATENCY_NS = 2_000  # what a site states that found 1 us: twice that, as the default is
ROWS: Final[Mapping[str, Row]] = {
    "pulse": Row(("pulse",), machines=MACHINES, ceilings=BOTH),
    "pulse_fast": Row(
        ("pulse",),
        ceilings=frozenset({"locked"}),
        interrupt=FAST,
        latency_ns=FAST_LATENCY_NS,
    ),
    "pulse_unstated": Row(("pulse",), interrupt=FAST),
    "ptp": Row(("ptp",), machines=MACHINES, ceilings=BOTH),
    "ntp": Row(("ntp",)),
    # A line that is late by up to a second leaves more than half a second from the start.
    "serial": Row(("serial",), carried=False),
    "all": Row(NAMES),
    "ptp_tcxo": Row(("ptp",), "tcxo", MACHINES, BOTH),
    "ptp_ocxo": Row(("ptp",), "ocxo", FEW_MACHINES, BOTH),
    "ptp_rubidium": Row(("ptp",), "rubidium", FEW_MACHINES, BOTH),
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


def tasks(row: Row, seed: int, seconds: int) -> tuple[Task, ...]:
    """A row's machines."""
    chance = random.Random(seed)
    lost = {name: losses(chance, seconds) for name in row.names}
    return tuple(
        Task(row, lot, seed + 101 * at, lost, seconds)
        for at, lot in enumerate(fleet(row.machines, chance))
    )


def run(task: Task) -> Day:
    """One machine's day."""
    row = task.row
    day = Day(seconds=task.seconds)
    build = Build(row.names, row.oscillator, task.lot, row.interrupt, row.latency_ns)
    with tempfile.TemporaryDirectory() as folder:
        gateway = Gateway(build, task.seed, Path(folder), task.losses)
        for at_s in range(task.seconds):
            _compare(day, gateway, at_s)
        gateway.close()
    return day


def _compare(day: Day, gateway: Gateway, at_s: int) -> None:
    """One second."""
    ruling = gateway.second(at_s)
    day.doubted += bool(ruling.flags & Flag.CLOCK_DOUBTED)
    day.lost += gateway.blind
    if ruling.bound_ns is None:
        day.unbounded_lost += gateway.blind
        day.unbounded += at_s >= BEGUN_S and not gateway.blind
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
    seconds: float = DAY_S, rows: Sequence[str] = tuple(ROWS), seed: int = SEED
) -> dict[str, Any]:
    """`seconds` are simulated."""
    work = [(name, task) for name in rows for task in tasks(ROWS[name], seed, int(seconds))]
    days = {name: Day() for name in rows}
    cores = min(len(os.sched_getaffinity(0)), len(work))
    with ProcessPoolExecutor(cores, get_context("spawn")) as pool:
        made = pool.map(run, [task for _, task in work])
        for (name, _), day in zip(work, made, strict=True):
            days[name].add(day)
    sources = {name: day.figures() for name, day in days.items()}
    for name, figures in sources.items():
        figures["oscillator"] = ROWS[name].oscillator
        figures["machines"] = ROWS[name].machines
    whole = seconds >= JUDGED_S
    reasons = [reason for name, day in sources.items() for reason in judged(name, day, whole)]
    return {
        "seconds": int(seconds), "seed": seed, "sources": sources,
        "judged": "all of it" if whole else f"inside; the rest from {JUDGED_S} s on",
        "reasons": reasons,
    }  # fmt: skip


def judged(name: str, figures: Mapping[str, Any], whole: bool = True) -> list[str]:
    """Why it does not hold. `whole`: it is of a run of JUDGED_S at least."""
    row, reasons = ROWS[name], []
    if figures["inside"] < INSIDE_LEAST:
        reasons.append(f"{name}: the true error lies inside the bound in {figures['inside']:.2%}")
    if not whole:
        return reasons
    if figures["doubted"] > RARE:
        reasons.append(f"{name}: sources that say the truth contradict in {figures['doubted']:.2%}")
    if figures["unbounded"] > RARE:
        reasons.append(f"{name}: no bound in {figures['unbounded']:.2%}, a source being there")
    if row.carried and figures["unbounded_lost"] > RARE:
        reasons.append(f"{name}: no bound in {figures['unbounded_lost']:.2%} of the losses")
    for state in sorted(row.ceilings, reverse=True):
        ratio = figures[state].get("ratio")
        if ratio is None:
            reasons.append(f"{name}, {state}: too few seconds")
        elif ratio > MOST[state]:
            reasons.append(f"{name}, {state}: the bound is {ratio} times the true 95th percentile")
    return reasons


def _percentile(values: Sequence[int]) -> int:
    return sorted(values)[min(len(values) * 95 // 100, len(values) - 1)]
