"""The two gateways of a seam with 20 PMUs each, at 60 frames a second, and the record that both
share: whether it is all admitted, soon enough, by agents that are small enough.

1. It is asked of this load on two cores, with batches of 250 ms: no frame lost, 99 of 100 admitted
   within ADMITTED_P99_MS of their arrival, no agent ever above AGENT_MIB.
2. Arrival is when the agent took a frame from its line. So that none waits there unseen, every
   agent is to be abreast of its PMUs first, and to hear PACE_LEAST of what is due.
3. What runs and how it is counted is hil.bench.fleet's.
"""

from typing import Any

from hil.bench.fleet import Load, carried, short

GATEWAYS, STREAMS = 2, 20
ADMITTED_P99_MS = 600.0
AGENT_MIB = 50.0
PACE_LEAST = 0.99  # of what is due: a frame more or less at the ends of a stretch


def measure(
    seconds: float = 60.0, gateways: int = GATEWAYS, streams: int = STREAMS
) -> dict[str, Any]:
    """The figures of `gridseal-hil bench seam`, and why they do not hold. Raises BenchError."""
    found = carried(Load(gateways, streams), seconds)
    return {**found, "seconds": seconds, "reasons": short(found) + slow(found)}


def slow(found: dict[str, Any]) -> list[str]:
    """What is later or larger than asked, and where the time goes."""
    reasons = []
    if found["settled_s"] is None:
        reasons.append("the agents never came abreast of their PMUs: what is measured is a backlog")
    if found["pace"] < PACE_LEAST:
        share = found["pace"]
        reasons.append(f"{share:.1%} of the frames due were heard, asked are {PACE_LEAST:.0%}")
    if found["admitted_p99_ms"] >= ADMITTED_P99_MS:
        reasons.append(
            f"99 of 100 frames are admitted within {found['admitted_p99_ms']:g} ms of their"
            f" arrival, asked are {ADMITTED_P99_MS:g}; {found['durable_p99_ms']} of them until they"
            f" are on the gateway's disk; of a core an agent takes {found['agent_cpu_share']:.0%},"
            f" the record {found['record_cpu_share']:.0%}, the simulated PMUs"
            f" {found['devices_cpu_share']:.0%}"
        )
    if found["agent_mib"] >= AGENT_MIB:
        reasons.append(f"an agent had {found['agent_mib']:g} MiB, asked are below {AGENT_MIB:g}")
    return reasons
