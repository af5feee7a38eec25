"""How fast a power system runs: the 39-bus model at 120 steps a second with the readings of PMUS
PMUs at each step, as a share of one core.

1. All that a bench does in real time is in it: the swing, the loads' noise, each PMU's estimate
   over its window. What is switched costs apart, `switch_ms`, and is told.
2. Rounds alternate with nothing, and the least of them counts: what else the machine does only
   adds.

The other cases are timed as well, without PMUs.
"""

import time
from collections.abc import Sequence
from typing import Any

from evidence.leap import BUILT_IN, NS
from hil.bench import BenchError
from hil.power import case, event
from hil.power.event import At
from hil.power.instrument import Instrument
from hil.power.model import RATE, Model
from hil.power.point import Point
from hil.power.readings import Readings

PMUS = 20
SHARE_MOST = 0.20  # of a core: a bench of two cores has all else to run
ROUND_STEPS = 120
WARM_STEPS = 30  # until windows are full
BEGINS = BUILT_IN.tai_ns(1_790_000_000)
SWITCHES = 3


def measure(seconds: float = 8.0) -> dict[str, Any]:
    """The figures. Raises BenchError."""
    model = Model(case.load("ieee39"), BEGINS)
    points = _points(model)
    readings = Readings(model, points, instrument=Instrument("0.5", "0.5", service="M"))
    plain, whole = _least(model, readings, seconds)
    share = whole * RATE
    reasons = []
    if share > SHARE_MOST:
        reasons.append(f"{share:.1%} of a core at {RATE} steps/s; at most {SHARE_MOST:.0%}")
    others = {
        name: round(_plain(Model(case.load(name), BEGINS), ROUND_STEPS) * 1e6)
        for name in case.names()
    }
    return {
        "core_share_at_120": round(share, 4),
        "steps_per_s_core": round(1 / whole),
        "step_us": round(plain * 1e6),
        "reading_us": round((whole - plain) / PMUS * 1e6, 1),
        "pmus": PMUS,
        "switch_ms": round(_switch_s() * 1e3, 1),
        "step_us_of": others,
    } | ({"reasons": reasons} if reasons else {})


def _points(model: Model) -> list[Point]:
    """PMUs at the begin of the first lines of different buses."""
    found = {row.begin: Point(row.begin, row.name) for row in model.case.branch}
    if len(found) < PMUS:
        raise BenchError(f"{len(found)} buses with branches; {PMUS} expected")
    return list(found.values())[:PMUS]


def _least(model: Model, readings: Readings, seconds: float) -> tuple[float, float]:
    """Seconds a step, without and with readings: of the least round."""
    plain: list[float] = []
    read: list[float] = []
    step = WARM_STEPS
    model.state(step)
    ends = time.process_time() + seconds
    while not read or time.process_time() < ends:
        plain.append(_plain(model, ROUND_STEPS, step))
        step += ROUND_STEPS
        _read(model, readings, range(step - ROUND_STEPS, step - ROUND_STEPS + WARM_STEPS))
        since = time.process_time()
        _read(model, readings, range(step, step + ROUND_STEPS))
        read.append((time.process_time() - since) / ROUND_STEPS)
        step += ROUND_STEPS + WARM_STEPS
        model.state(step)
    return min(plain), min(read)


def _plain(model: Model, steps: int, after: int = 0) -> float:
    since = time.process_time()
    model.state(after + steps)
    return (time.process_time() - since) / steps


def _read(model: Model, readings: Readings, steps: Sequence[int]) -> None:
    for step in steps:
        tai = model.tai_of(step)
        for number in range(1, PMUS + 1):
            readings.measured(tai, number, number)


def _switch_s() -> float:
    """What a step costs in which a line trips, beyond one in which nothing does."""
    loaded = case.load("ieee39")
    lines = [row.name for row in loaded.branch if not row.tap][:SWITCHES]
    least = []
    for name in lines:
        model = Model(loaded, BEGINS, timeline=[At(BEGINS + NS, event.Open(name))])
        model.state(RATE - 1)
        least.append(_plain(model, 1, RATE - 1) - _plain(model, 1, RATE))
    return min(least)
