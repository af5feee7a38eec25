"""Whether the bound of the gateway's clock holds, and what it is worth: a day of a simulated
machine, its sources lost and found again several times, against the truth that the simulation
knows. What chooses and bounds is shipped: agent.timing.choice, and the sources' own opinions.

1. Each source alone disciplines the machine's clock and is the only one to be heard; then all
   together. Once a second a ruling is made; it is compared with the truth then, and once more just
   before the next one, grown as it says.
2. `inside`: the share of all comparisons in which the true error was no greater than the bound. It
   fails below INSIDE_LEAST. Where there is no bound, nothing is claimed: `unbounded` is that share.
3. `locked` and `holdover`: the 95th percentile of the bound over that of the true error, while a
   source is chosen and while the oscillator carries on. Ceilings are for GNSS by its pulse and PTP.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from agent.timing.choice import Chooser
from agent.timing.opinion import Opinion, Ruling
from agent.timing.oscillator import CLASSES
from evidence.code import Flag, TimeSource
from evidence.leap import NS
from evidence.verdict import Term
from hil.sim.oscillator import PARTS, Crystal, Machine
from hil.sim.timesource import Daemon, Line, Pulse, Servo, Slave

DAY_S = 86_400
INSIDE_LEAST = 0.95
LOCKED_MOST, HOLDOVER_MOST = 3.0, 10.0
CEILED = ("pulse", "ptp")
ALONE = ("pulse", "serial", "ptp", "ntp")
# Losses of a day: how long each, s; placed by the seed.
LOSSES_S = (20, 60, 180, 300, 600, 900, 1_800, 2_700, 3_600, 7_200)
EPOCH_NS = 1_795_000_000 * NS
STAMPING_NS = 300  # as measured on machines that we have


@dataclass(slots=True)
class _Side:
    """Bounds and true errors of one state."""

    bounds: list[int] = field(default_factory=list)
    errors: list[int] = field(default_factory=list)

    def ratio(self) -> float | None:
        if len(self.errors) < 20:
            return None
        return round(_percentile(self.bounds) / max(_percentile(self.errors), 1), 2)

    def figures(self) -> dict[str, Any]:
        if not self.errors:
            return {"seconds": 0}
        return {
            "seconds": len(self.errors),
            "true_p95_ns": _percentile(self.errors),
            "bound_p95_ns": _percentile(self.bounds),
            "ratio": self.ratio(),
        }


def _percentile(values: list[int]) -> int:
    return sorted(values)[min(len(values) * 95 // 100, len(values) - 1)]


class World:
    """One machine and its sources, second by second."""

    def __init__(self, names: tuple[str, ...], kind: str, seed: int, seconds: int) -> None:
        chance = random.Random(seed)
        crystal = Crystal(PARTS[kind], random.Random(chance.random()))
        self.machine = Machine(crystal, chance.uniform(-3_000.0, 3_000.0))
        self.pulse, self.line = Pulse(chance), Line(chance)
        self.slave, self.daemon = Slave(chance), Daemon(chance)
        self._crystal_ppb = 0.0
        self.names = names
        self.sources: dict[str, Any] = {
            "pulse": self.pulse, "serial": self.line, "ptp": self.slave, "ntp": self.daemon,
        }  # fmt: skip
        self._losses = {name: losses(random.Random(chance.random()), seconds) for name in names}
        self.chooser = Chooser(CLASSES[kind], STAMPING_NS)
        self._servo: dict[str, Servo] = {}
        self._seed = chance

    def second(self, at_s: int) -> Ruling:
        machine = self.machine
        machine.second(at_s)
        if at_s == 0:  # whoever disciplines it has done so for a while
            ppb = -machine._raw_ppb + self._seed.uniform(-50.0, 50.0)
            machine.corrected_ppb = ppb
            gains = {
                "pulse": (0.05, 0.001), "ptp": (0.1, 0.001), "ntp": (0.004, 0.00002),
                "serial": (0.0, 0.0),
            }  # fmt: skip
            self._servo = {name: Servo(*gains[name], ppb) for name in self.names}
        for name in self.names:
            self.sources[name].lost = self._losses[name](at_s)
        self.pulse.second(machine)
        self.line.second(machine, at_s)
        self.slave.second(machine)
        found = self.daemon.second(machine, at_s)
        opinions = [made for name in self.names if (made := self._opinion(name, at_s))]
        ruling = self.chooser.rule(opinions, *self.read(at_s, 0.5))
        self._discipline(found)
        return ruling

    def read(self, at_s: int, into_s: float) -> tuple[int, int, int]:
        """Monotonic, TAI and raw, as they are read one after the other."""
        true_ns = at_s * NS + round(into_s * NS)
        late = round(self._seed.uniform(0, STAMPING_NS))
        wall = round(self.machine.wall_at(into_s))
        raw = true_ns + round(self.machine.raw_at(into_s)) + late
        return true_ns + wall, EPOCH_NS + true_ns + wall, raw

    def error_ns(self, into_s: float) -> int:
        return abs(round(self.machine.wall_at(into_s)))

    def _discipline(self, found: float | None) -> None:
        """By the best that is there."""
        machine = self.machine
        if "pulse" in self._servo and not self.pulse.lost:
            self._servo["pulse"].update(machine, self.pulse.edge_ns or 0.0)
        elif "ptp" in self._servo and not self.slave.lost:
            self._servo["ptp"].update(machine, float(self.slave.offset_ns or 0))
        elif "ntp" in self._servo and found is not None:
            self._servo["ntp"].update(machine, found)

    def _mono(self, at_s: int, into_s: float) -> int:
        return at_s * NS + round(into_s * NS) + round(self.machine.wall_at(into_s))

    def _opinion(self, name: str, at_s: int) -> Opinion | None:
        gnss = TimeSource.GNSS
        if name == "pulse":
            if self.pulse.lost or self.pulse.edge_ns is None:
                return Opinion(name, gnss, self._mono(at_s, 0), None, None, 0, (), fault="no pulse")
            half = 10_000
            offset = round(self.pulse.edge_ns) - half
            terms = (Term("receiver", 100), Term("interrupt", half))
            return Opinion(name, gnss, self._mono(at_s, 0), offset, 100 + half, 0, terms, True)
        if name == "serial":
            if self.line.lost or self.line.heard_ns is None:
                return Opinion(name, gnss, self._mono(at_s, 0), None, None, 0, (), fault="no fix")
            half = 100_000_000
            offset = round(self.line.heard_ns) - half
            at = self._mono(at_s, self.line.after_s)
            return Opinion(name, gnss, at, offset, half, 0, (Term("latency", half),), True)
        if name == "ptp":
            at = self._mono(at_s, self.slave.into_s)
            if self.slave.lost or self.slave.offset_ns is None:
                return Opinion(name, TimeSource.PTP, at, None, None, 0, (), fault="no master")
            terms = (Term("grandmaster", 100), Term("path delay", self.slave.delay_ns))
            error = sum(one.ns for one in terms)
            return Opinion(name, TimeSource.PTP, at, self.slave.offset_ns, error, 0, terms, True)
        daemon = self.daemon
        terms = (
            Term("root dispersion", daemon.dispersion_ns(at_s)),
            Term("root delay / 2", daemon.root_delay_ns // 2),
        )
        return Opinion(
            *(name, TimeSource.NTP, self._mono(at_s, 0.45), round(daemon.offset_ns)),
            *(sum(one.ns for one in terms), daemon.skew_ppb + 1000, terms, True),
            mark=daemon.updated_s + 1,
        )


def losses(chance: random.Random, seconds: int) -> Callable[[int], bool]:
    """When a source is lost: each loss once, none in another, some calm between."""
    share = min(seconds / DAY_S, 1.0)
    spans: list[tuple[int, int]] = []
    lengths = [length for length in LOSSES_S if length <= 7_200 * max(share * 2, 0.1)]
    for length in sorted(lengths, reverse=True):
        for _ in range(1_000):
            begin = chance.randrange(600, max(seconds - length, 601))
            if all(begin + length + 300 < one or begin > end + 300 for one, end in spans):
                spans.append((begin, begin + length))
                break
    return lambda at_s: any(begin <= at_s < end for begin, end in spans)


def run(names: tuple[str, ...], kind: str, seed: int, seconds: int) -> dict[str, Any]:
    """One machine's day."""
    world = World(names, kind, seed, seconds)
    locked, held = _Side(), _Side()
    compared = inside = unbounded = doubted = 0
    worst: dict[str, Any] = {}
    for at_s in range(seconds):
        ruling = world.second(at_s)
        doubted += bool(ruling.flags & Flag.CLOCK_DOUBTED)
        if ruling.bound_ns is None:
            unbounded += 1
            continue
        error_ns = world.error_ns(0.5)
        late_ns = world.error_ns(1.0)
        grown_ns = ruling.bound_ns + ruling.growth_ppb // 2
        compared += 2
        inside += (error_ns <= ruling.bound_ns) + (late_ns <= grown_ns)
        if error_ns > ruling.bound_ns and error_ns - ruling.bound_ns > worst.get("beyond_ns", 0):
            worst = {
                "at_s": at_s, "beyond_ns": error_ns - ruling.bound_ns, "bound_ns": ruling.bound_ns,
                "chosen": ruling.chosen, "why": ruling.why,
            }  # fmt: skip
        side = held if ruling.flags & Flag.HOLDOVER else locked
        side.bounds.append(ruling.bound_ns)
        side.errors.append(error_ns)
    return {
        "oscillator": kind,
        "inside": round(inside / max(compared, 1), 6),
        "unbounded": round(unbounded / seconds, 4),
        "doubted": round(doubted / seconds, 6),
        "locked": locked.figures(),
        "holdover": held.figures(),
        **({"worst": worst} if worst else {}),
    }


def measure(seconds: float = DAY_S, seed: int = 20261126) -> dict[str, Any]:
    """All sources, each alone and together; `seconds` simulated."""
    rows = {name: run((name,), "xo", seed + at, int(seconds)) for at, name in enumerate(ALONE)}
    rows["all"] = run(ALONE, "xo", seed + len(ALONE), int(seconds))
    reasons = []
    for name, row in rows.items():
        if row["inside"] < INSIDE_LEAST:
            reasons.append(f"{name}: the true error lies inside the bound in {row['inside']:.2%}")
        if name in CEILED:
            for state, most in (("locked", LOCKED_MOST), ("holdover", HOLDOVER_MOST)):
                ratio = row[state].get("ratio")
                if ratio is not None and ratio > most:
                    reasons.append(
                        f"{name}, {state}: the bound is {ratio} times the 95th percentile"
                    )
    return {"seconds": int(seconds), "seed": seed, "sources": rows, "reasons": reasons}
