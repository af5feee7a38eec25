"""`gridseal-hil bench settle`: how many settlements of two ends of a line a core checks a minute.

1. A settlement is WINDOW_S of both ends, three voltages and three currents each at RATE: paired by
   time, judged phase by phase with every term of the tolerance. What reads the record and decodes
   frames is not in it; `body_us` is what writing the body of its record and reading it back take.
2. The ends are of hil.grid, with noise; WINDOWS different ones in turn, half of them against a
   standing residual. All agree: one that does not is a BenchError.
3. A disputed one costs more, since every single mistake is tried on it: `disputed_ms` says what.
4. Rates are of processor time of this process, in the pass over all windows that took least: what
   else the machine does only adds.
"""

import math
import time
from collections.abc import Sequence
from typing import Any

from evidence.code import Agreement, Disagreement
from evidence.joint import settlement
from evidence.joint.leaf import Leaves
from evidence.joint.residual import Learned
from evidence.joint.settlement import Settlement
from evidence.leap import NS
from hil.bench import BenchError
from hil.grid import Grid, Plan
from record.settle.law import Law, line
from record.settle.outcome import Outcome, settle
from record.settle.side import Instrument, Phases, Sample, Side
from record.settle.standing import Standing, learn

PER_MINUTE_LEAST = 100_000
RATE, WINDOW_S = 60, 1
WINDOWS, APART_S = 60, 10
BODIES = 200
START = 1_790_000_037 * NS
VOLT, RATED_A = 345_000 / 3**0.5, 1200.0
SEAM = bytes(32)
LEAVES = Leaves(100_000, tuple(range(0, 80, 20)))
Ends = tuple[list[Sample], list[Sample]]


def measure(seconds: float = 8.0) -> dict[str, Any]:
    """The figures. Raises BenchError."""
    grid = Grid(Plan())
    law, sides = _line(grid), (_side(), _side())
    windows = [_ends(grid, START + at * APART_S * NS) for at in range(WINDOWS)]
    known = _learned(law, sides, windows)
    begins, count, disputed, least = time.process_time(), 0, 0, math.inf
    while time.process_time() - begins < seconds:
        since = time.process_time()
        for at, ends in enumerate(windows):
            found = settle(law, sides, ends, known if at % 2 else None)
            disputed += found.verdict not in _AGREED
        least = min(least, time.process_time() - since)
        count += len(windows)
    if disputed:
        raise BenchError(f"{disputed} of {count} settlements of an honest pair did not agree")
    per_minute = round(len(windows) / least * 60)
    reasons = []
    if per_minute < PER_MINUTE_LEAST:
        reasons.append(f"{per_minute} settlements a minute, below {PER_MINUTE_LEAST}")
    return {
        "settlements_per_minute_core": per_minute,
        "samples_per_settlement": 2 * RATE * WINDOW_S,
        "settlement_us": round(least / len(windows) * 1e6, 1),
        "disputed_ms": _disputed(law, sides, windows),
        **_written(settle(law, sides, windows[0])),
    } | ({"reasons": reasons} if reasons else {})


_AGREED = (Agreement.AGREED, Agreement.AGREED_WITH_RESIDUAL)


def _line(grid: Grid) -> Law:
    z = grid.line.b
    return line(z, 2 * (grid.line.a - 1) / z, grid.plan.line_km)


def _side() -> Side:
    return Side(
        (RATE, 1),
        VOLT,
        RATED_A,
        (Instrument("0.5", VOLT),) * 3,
        ((Instrument("0.5", RATED_A),) * 3,),
        "M",
    )


def _ends(grid: Grid, begins: int) -> Ends:
    """A window. Bus 2's currents flow into the line there: turned, they count from bus 1 on."""
    found: Ends = ([], [])
    for number in range(RATE * WINDOW_S):
        tai = begins + number * NS // RATE
        for bus, samples in zip((1, 2), found, strict=True):
            said = grid.measured(tai, bus, bus)
            sign = 1 if bus == 1 else -1
            amps: Phases = (
                sign * said.currents[0],
                sign * said.currents[1],
                sign * said.currents[2],
            )
            samples.append(
                Sample(tai, 1000, said.voltages, (amps,), said.frequency_hz, said.rocof_hz_s)
            )
    return found


def _learned(law: Law, sides: tuple[Side, Side], windows: Sequence[Ends]) -> Standing:
    outcomes = [settle(law, sides, ends) for ends in windows]
    learned: tuple[Learned, ...] = learn(sides, [(one.verdict, one.windows) for one in outcomes])
    return Standing({one.name: one for one in learned}, (sides[0].chain(), sides[1].chain()))


def _body(found: Outcome) -> bytes:
    return Settlement(
        SEAM,
        (LEAVES, LEAVES),
        found.verdict,
        found.measures,
        found.counts,
        found.disagreement,
        found.why,
    ).body()


def _written(found: Outcome) -> dict[str, float]:
    begins = time.process_time()
    for _ in range(BODIES):
        settlement.read(_body(found))
    took = time.process_time() - begins
    return {"body_us": round(took / BODIES * 1e6, 1), "body_bytes": len(_body(found))}


def _disputed(law: Law, sides: tuple[Side, Side], windows: Sequence[Ends]) -> float:
    """What one costs in which phases A and B of the second side's voltages are swapped, ms."""
    first, second = windows[0]
    swapped = [one._replace(volts=(one.volts[1], one.volts[0], one.volts[2])) for one in second]
    begins = time.process_time()
    found = settle(law, sides, (first, swapped))
    took = time.process_time() - begins
    if found.disagreement is not Disagreement.PHASE_SWAP:
        raise BenchError(f"a phase swap is taken for {found.disagreement}")
    return round(took * 1000, 1)
