"""What a stream costs as there are more of them: on one gateway, and from more and more gateways
before one record.

1. One load after the other (hil.bench.fleet), each with programs and files of its own, so that none
   inherits what the one before has left behind.
2. `streams`: one gateway with as many PMUs. `gateways`: as many gateways with STREAMS_EACH each.
3. A load is carried when nothing is lost or late: 99 of 100 frames admitted within ADMITTED_P99_MS,
   and PACE_LEAST of those heard that were due, for the simulated PMUs fall behind first. What a
   machine does not carry is told, and is no reason to fail; a frame that is twice in the record, or
   lost where no hole was stated, is.
4. The simulated PMUs share the machine; `devices_cpu_share` is theirs, and in no other figure.
"""

from collections.abc import Sequence
from typing import Any

from hil.bench import BenchError
from hil.bench.fleet import Load, carried, lost
from hil.bench.seam import ADMITTED_P99_MS, PACE_LEAST

STREAMS = (1, 5, 20, 50, 100, 200)
GATEWAYS = (1, 2, 5, 10, 20)
STREAMS_EACH = 4
LOAD_S_LEAST = 1.0  # four batches of a gateway that hears one PMU
Row = dict[str, Any]


def measure(
    seconds: float = 90.0, streams: int = STREAMS[-1], gateways: int = GATEWAYS[-1]
) -> dict[str, Any]:
    """The figures of `gridseal-hil bench scale`; `seconds` are shared by all loads."""
    on_one = [Load(1, many) for many in _upto(STREAMS, streams)]
    before_one = [Load(many, STREAMS_EACH) for many in _upto(GATEWAYS, gateways)]
    each = max(seconds / (len(on_one) + len(before_one)), LOAD_S_LEAST)
    reasons: list[str] = []
    by_streams = _each(on_one, each, reasons)
    by_gateways = _each(before_one, each, reasons)
    return {
        "streams_carried": _most(by_streams, "streams"),
        "gateways_carried": _most(by_gateways, "gateways"),
        "agent_cpu_a_stream": _of_last(by_streams, "agent_cpu_a_stream"),
        "record_cpu_a_stream": _of_last(by_gateways, "record_cpu_a_stream"),
        "by_streams": _told(by_streams, "streams"),
        "by_gateways": _told(by_gateways, "gateways"),
        "reasons": reasons,
    }


def _upto(steps: Sequence[int], most: int) -> list[int]:
    """The steps below the most, and the most."""
    return [*(step for step in steps if step < most), most]


def _each(loads: Sequence[Load], seconds: float, reasons: list[str]) -> list[Row]:
    """One row a load that could be measured; the rest is a reason."""
    rows = []
    for load in loads:
        name = f"{load.gateways} with {load.streams}"
        try:
            found = carried(load, seconds)
        except BenchError as fault:
            reasons.append(f"{name}: {fault}")
            continue
        # With a stated hole frames may be missing; twice, or refused, they may never be.
        never = {**found, "lost": 0} if found["holes"] else found
        reasons += [f"{name}: {reason}" for reason in lost(never)]
        held = found["admitted_p99_ms"] < ADMITTED_P99_MS and found["pace"] >= PACE_LEAST
        rows.append({**found, "carried": held and not lost(found)})
    return rows


def _most(rows: Sequence[Row], name: str) -> int:
    """Up to where every load was carried; 0 when not even the first."""
    most = 0
    for row in rows:
        if not row["carried"]:
            break
        most = row[name]
    return most


def _of_last(rows: Sequence[Row], name: str) -> float | None:
    """Of the largest load that was carried."""
    return next((row[name] for row in reversed(rows) if row["carried"]), None)


def _told(rows: Sequence[Row], name: str) -> dict[str, Row]:
    return {str(row[name]): row for row in rows}
