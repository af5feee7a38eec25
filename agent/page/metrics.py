"""The account for Prometheus: text exposition format, version 0.0.4.

1. Base units in names: _seconds, _bytes, _meters; _total counts from the agent's start on.
2. What is not known has no sample: 0 is a value.
3. A label's value is escaped: backslash, double quote, line feed. Of labels there are as many as
   sources, faults (bounded by agent.health), causes, and checks of streams (bounded by
   agent.hearing).
4. No measured value, and no position: whoever collects figures of machines is not whom a utility
   shows its grid.

The README lists them all; a test holds it to this file.
"""

import os
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple

from agent.health import Health
from agent.lineage import FORKS_MAX
from evidence.code import Cause
from evidence.leap import NS, LeapTable

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LATE_MS = (5, 10, 25, 50, 75, 100, 150, 250, 500, 1000, 1500)  # below agent.health's last bucket
MS = 1000
Told = Mapping[str, Any]
Labels = tuple[tuple[str, str], ...]
Samples = Iterable[tuple[Labels, float | int | None]]


class Counted(NamedTuple):
    """What the page counts of itself."""

    listeners: int
    dropped: int


class Family(NamedTuple):
    """One metric."""

    name: str
    type: str
    help: str
    samples: Samples


def exposition(
    gateway: str, report: Told, health: Health, counted: Counted, table: LeapTable
) -> bytes:
    """All of it. `report`: agent.runner's."""
    families = [
        *_agent(gateway, report, counted),
        *_sources(report["sources"], table),
        *_kept(report),
        *_sent(report),
        *_clock(report),
    ]
    lines = [line for one in families for line in _lines(one)]
    lines += _late(health)
    return "".join(f"{line}\n" for line in lines).encode()


def _agent(gateway: str, report: Told, counted: Counted) -> Iterable[Family]:
    yield _gauge("agent_info", "Which gateway this is.", [((("gateway", gateway),), 1)])
    yield _count("agent_bugs_total", "Exceptions that no driver may raise.", report["bugs"])
    yield _one("page_listeners", "Who looks at the page.", counted.listeners)
    yield _count("page_dropped_total", "Who looked and did not keep up.", counted.dropped)
    user_s, system_s, *_ = os.times()
    told = "Processor time of the agent, user and system."
    yield Family("process_cpu_seconds_total", "counter", told, [((), user_s + system_s)])
    told = "When the agent started, since 1970 UTC, by the system's clock."
    yield Family("process_start_time_seconds", "gauge", told, [((), _started_s())])
    told = "Resident memory of the agent."
    yield Family("process_resident_memory_bytes", "gauge", told, [((), _resident())])


def _sources(sources: Mapping[str, Told], table: LeapTable) -> Iterable[Family]:
    def each(key: str) -> Samples:
        return [(_of(name), one[key]) for name, one in sources.items()]

    up = [(_of(name), int(one["state"] == "up")) for name, one in sources.items()]
    yield _gauge("source_up", "Whether the line of a source is open and heard.", up)
    told = "Frames that a source brought, good and bad."
    yield _counter("source_frames_heard_total", told, each("heard"))
    told = "Observations of a source that were signed."
    yield _counter("source_observations_sealed_total", told, each("sealed"))
    told = "How often the line of a source was opened."
    yield _counter("source_opened_total", told, each("opened"))
    faults = [
        ((*_of(name), ("fault", fault)), many)
        for name, one in sources.items()
        for fault, many in one["faults"].items()
    ]
    yield _counter("source_faults_total", "Bytes that were no good frame, by their fault.", faults)
    last = [(_of(name), _unix_s(one["last_tai"], table)) for name, one in sources.items()]
    told = "Instant of the last frame, by its device's clock, since 1970 UTC."
    yield _gauge("source_last_frame_timestamp_seconds", told, last)


def _kept(report: Told) -> Iterable[Family]:
    for name, told in (
        ("sealed", "Observations that were signed, the gateway's own among them."),
        ("durable", "Observations that a commit made durable, or holds in memory (spill)."),
        ("unkept", "Observations that were heard and not kept: the disk took nothing."),
        ("forgone", "Of the unkept, those that had been sealed before it took nothing."),
        ("given_up", "Observations that went without a receipt, or are damaged on disk."),
    ):
        yield _count(f"observations_{name}_total", told, report[name])
    said = report["gaps"]
    causes = [cause.name.lower() for cause in Cause]  # all: what is absent is never counted
    gaps = [((("cause", cause),), said.get(cause, 0)) for cause in causes]
    yield _counter("gaps_total", "Signed statements of what is missing, by cause.", gaps)
    yield _one("spool_bytes", "Bytes that the spool holds.", report["bytes_kept"])
    told = "Bytes that the agent had written to disk."
    yield _count("spool_written_bytes_total", told, report["bytes_written"])
    told = "Until no more is taken, as it is going; none while it is not filling up."
    yield _one("spool_full_seconds", told, report["disk_full_s"])
    told = "Whether lines are not read, for want of room on the disk."
    yield _one("spool_low", told, int(report["disk_low"]))
    told = "Whether the disk takes nothing."
    yield _one("spool_failed", told, int(bool(report["spool_fault"])))


def _sent(report: Told) -> Iterable[Family]:
    for name, told in (
        ("receipted", "Observations under a receipt that holds."),
        ("refused", "Observations that the record refused, signed."),
    ):
        yield _count(f"observations_{name}_total", told, report[name])
    queue, oldest, days = report["queue"], report["oldest_unreceipted"], report["days_to_drain"]
    for name in ("batches", "observations", "bytes"):
        told = f"{name.capitalize()} that wait for a receipt."
        yield _one(f"uplink_waiting_{name}", told, queue[name])
    told = "Whether lines are not read, for as much waits as may."
    yield _one("uplink_full", told, int(report["pending_full"]))
    yield _one("uplink_in_flight_batches", "Batches under way.", report["in_flight"])
    told = "Age of the oldest batch without a receipt; none where none waits."
    yield _one("uplink_oldest_age_seconds", told, oldest["age_s"] if oldest else None)
    told = "Until nothing waits, as it is going; none where no end is in sight."
    yield _one("uplink_drain_seconds", told, None if days is None else days * 86_400)
    told = "Whether the record answers."
    yield _one("record_up", told, int(report["record"].startswith("up")))
    told = "Entries of the record's log, as this gateway last believed."
    yield _one("record_tree_entries", told, report["tree_size"])
    # No counter: the spool has them from before the start, and a new spool has none.
    told = "Trees of the record's that did not continue the one before, as the spool keeps them:"
    yield _one("record_rollbacks", f"{told} {FORKS_MAX} at most.", len(report["forks"]))
    told = "Whether batches wait for the device key."
    yield _one("key_store_away", told, int(bool(report["key_fault"])))


def _clock(report: Told) -> Iterable[Family]:
    time, place = report["time"], report["place"]
    told = "How far the gateway's clock may be off; none while nothing vouches for it."
    yield _one("clock_bound_seconds", told, _seconds(time["bound_ns"]))
    told = "Since when the oscillator carries the clock; none while a source measures it."
    yield _one("clock_holdover_seconds", told, time["holdover_s"])
    sources = time["sources"]
    offsets = [(_of(one["name"]), _seconds(one["offset_ns"])) for one in sources]
    told = "How far the gateway's clock is ahead of a source of time."
    yield _gauge("clock_source_offset_seconds", told, offsets)
    errors = [(_of(one["name"]), _seconds(one["error_ns"])) for one in sources]
    yield _gauge("clock_source_error_seconds", "How far that may be off.", errors)
    states = [
        ((("state", one),), int(one == place["state"]))
        for one in ("checked", "doubted", "unchecked")
    ]
    yield _gauge("place_state", "1 of the state in which the gateway's place is.", states)
    told = "How far the receiver finds itself from the survey."
    yield _one("place_distance_meters", told, place["distance_m"])
    checks = [
        ((("check", one["check"]), ("stream", one["stream"] or "")), 1) for one in report["checks"]
    ]
    yield _gauge("check_tripped", "1 for each cross-check that is tripped.", checks)


def _late(health: Health) -> Iterable[str]:
    """A histogram, by the buckets that agent.health has."""
    name, late = "gridseal_arrival_to_durable_seconds", health.latency
    yield f"# HELP {name} From a frame's arrival until a commit made it durable."
    yield f"# TYPE {name} histogram"
    for edge, many in zip(LATE_MS, late.within(LATE_MS), strict=True):
        yield f'{name}_bucket{{le="{edge / MS}"}} {many}'
    yield f'{name}_bucket{{le="+Inf"}} {late.count}'
    yield f"{name}_sum {late.sum_ms() / MS}"
    yield f"{name}_count {late.count}"


# --- the format


def _lines(family: Family) -> Iterable[str]:
    yield f"# HELP {family.name} {_help(family.help)}"
    yield f"# TYPE {family.name} {family.type}"
    for labels, value in family.samples:
        if value is not None:
            told = ",".join(f'{name}="{_label(text)}"' for name, text in labels)
            yield f"{family.name}{f'{{{told}}}' if told else ''} {value}"


def _help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _label(text: str) -> str:
    return _help(text).replace('"', r"\"")


def _gauge(name: str, told: str, samples: Samples) -> Family:
    return Family(f"gridseal_{name}", "gauge", told, samples)


def _counter(name: str, told: str, samples: Samples) -> Family:
    return Family(f"gridseal_{name}", "counter", told, samples)


def _one(name: str, told: str, value: float | int | None) -> Family:
    return _gauge(name, told, [((), value)])


def _count(name: str, told: str, value: int | None) -> Family:
    return _counter(name, told, [((), value)])


def _of(source: str) -> Labels:
    return (("source", source),)


def _seconds(ns: int | None) -> float | None:
    return None if ns is None else ns / NS


def _unix_s(tai: int | None, table: LeapTable) -> float | None:
    return None if tai is None else round(table.utc_ns(tai) / NS, 3)


@cache
def _started_s() -> float | None:
    """proc(5): `starttime`, in ticks since the boot, and `btime`; None where nobody says."""
    try:
        with open("/proc/self/stat", encoding="ascii") as file:
            ticks = int(file.read().rpartition(")")[2].split()[19])
        with open("/proc/stat", encoding="ascii") as file:
            boot_s = next(int(row.split()[1]) for row in file if row.startswith("btime "))
        return boot_s + ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, StopIteration):
        return None


def _resident() -> int | None:
    """proc(5): statm, in pages; None where nobody says."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
