"""The agent's account of itself (agent.runner's report), in words for a person.

It asks nobody, and judges nothing.
"""

from collections.abc import Mapping
from typing import Any

from agent import telling, trial
from agent.reading import printable

PASSED_OVER = "up; passed over: "  # how agent.uplink tells of a record that takes the others


def words(told: Mapping[str, Any]) -> str:
    """The account for a terminal, harmless to it: devices and the record have a word in it."""
    counts = ("heard", "sealed", "durable", "receipted", "waiting", "refused")
    lines = [
        f"run        {told['run'][:16]}",
        f"record     {told['record'] or 'not asked yet'}, tree size {told['tree_size']}",
        "  ".join(f"{name} {told[name]}" for name in counts),
        f"holes {told['holes']}  faults {told['faults']}  not kept {told['unkept']}",
        f"arrival to durable: {lateness(told)}",
        *outlook(told),
        *telling.words(told),
        *trial.words(told),
    ]
    for name, source in told["sources"].items():
        named = ", ".join(f"{fault} {many}" for fault, many in source["faults"].items())
        told_of = (source["state"], f"sealed {source['sealed']}", named, source["text"])
        lines.append(f"{name}: " + "  ".join(word for word in told_of if word))
    return "\n".join(map(printable, [*lines, *troubles(told)]))


def troubles(told: Mapping[str, Any]) -> list[str]:
    """What keeps it from its work, each in a line; nothing of time and place."""
    lines = []
    if not told["sources"]:
        lines.append("NO LINE IS READ: the configuration has no [[source]]")
    for fork in told["forks"]:
        sizes = f"{fork['from_size']} to {fork['to_size']} entries"
        lines.append(f"RECORD ROLLED BACK from {sizes}: {told['offered_again']} offered again")
    if told["unreadable"]:
        lines.append(f"DISK DAMAGED: {told['unreadable']} batches cannot be read, and not be sent")
    if told["disk_low"]:
        lines.append("DISK NEARLY FULL: no line is read until there is room again")
    if told.get("pending_full"):  # an older agent does not tell
        lines.append("NO LINE IS READ: as much waits for the record as pending_bytes_max allows")
    if told["spool_fault"]:
        lines.append(f"SPOOL FAILED: {told['spool_fault']}")
    if told["record"].startswith(PASSED_OVER):
        lines.append(f"BATCHES PASSED OVER: {told['record'].removeprefix(PASSED_OVER)}")
    elif told["record"] not in ("", "up"):  # "": not asked yet
        lines.append(f"NOTHING IS FORWARDED, batches wait: {told['record']}")
    if told["key_fault"]:
        lines.append(f"KEY STORE AWAY, batches wait: {told['key_fault']}")
    if told.get("page", {}).get("fault"):  # an older agent tells nothing of it
        lines.append(f"NO PAGE: {told['page']['fault']}")
    return lines


def lateness(told: Mapping[str, Any]) -> str:
    """From a frame's arrival until it was durable."""
    late = told["latency_ms"]
    if late["p50"] is None:
        return "nothing yet"
    rest = "" if late["p99"] is None else f", 99 of 100 in {late['p99']} ms"
    return f"half in {late['p50']} ms{rest}"


def outlook(told: Mapping[str, Any]) -> list[str]:
    """What waits, and what will come of it."""
    queue, oldest, days = told["queue"], told["oldest_unreceipted"], told["days_to_drain"]
    since = f", the oldest for {span(oldest['age_s'])}" if oldest else ""
    drained = "no end in sight" if days is None else "in step"
    if told["record"] and not told["record"].startswith("up"):
        days, drained = None, "no end in sight"  # whatever it was before that
    if days:
        drained = f"all sent in {span(round(days * 86_400))}"
    batches = "batch" if queue["batches"] == 1 else "batches"
    full, written = told["disk_full_s"], told["bytes_written"]
    return [
        f"to send    {queue['batches']} {batches}, {size(queue['bytes'])}{since};"
        f" {told['in_flight']} under way; {drained}",
        f"disk       {size(told['bytes_kept'])} kept, {size(written)} written since the start; "
        + ("not filling up" if full is None else f"full in {span(full)}"),
    ]


def span(seconds: int) -> str:
    """A time in its two largest units."""
    for unit, length, smaller, part in (("d", 86_400, "h", 3600), ("h", 3600, "min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit} {seconds % length // part} {smaller}"
    return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"


def size(count: int | None) -> str:
    return "?" if count is None else f"{count / 1e6:.1f} MB"
