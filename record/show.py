"""What a record holds, as numbers: for people, and as one JSON object.

1. Counts of classes are of observations, as their receipts say; findings that came later stand
   beside, not instead.
2. Refusals are those whose bytes are kept, by reason.

It checks nothing: that is `verify`.
"""

from collections import Counter
from typing import Any

from evidence import classification, cose, receipt
from evidence.code import Class, Reason
from record.log import Log
from record.store import Store

_CLASSES = {int(item): item.name.lower() for item in Class}
_REASONS = {int(item): item.name.lower() for item in Reason}


def summary(store: Store) -> dict[str, Any]:
    """The record in numbers and hex."""
    log = Log(store)
    tallies = store.tallies()
    classes: Counter[str] = Counter()
    for (klass, reason), count in tallies.items():
        name = _CLASSES.get(klass, str(klass))
        classes[f"{name}/{_REASONS.get(reason, reason)}" if reason else name] += count
    findings = Counter(
        _REASONS.get(item.reason, str(item.reason))
        for entry in store.findings()
        for item in classification.read(cose.read(entry.encoded).payload).findings
    )
    refusals: Counter[str] = Counter()
    exhibits = 0
    for row in store.exhibits():
        exhibits += 1
        refusals[receipt.read_refusal(cose.read(row.refusal).payload).reason.name.lower()] += 1
    devices = _devices(store)
    return {
        "entries": log.size,
        "root": log.root().hex(),
        "log_key": (store.log_key() or b"").hex(),
        "batches": store.batches(),
        "observations": sum(tallies.values()),
        "devices": devices,
        "streams": sum(device["streams"] for device in devices),
        "classes": dict(sorted(classes.items())),
        "findings": dict(sorted(findings.items())),
        "refusals": dict(sorted(refusals.items())),
        "exhibits": exhibits,
    }


def _devices(store: Store) -> list[dict[str, Any]]:
    runs: dict[bytes, int] = {}
    streams: dict[bytes, set[int]] = {}
    for row in store.runs():
        runs[row.kid] = runs.get(row.kid, 0) + 1
        streams.setdefault(row.kid, set()).update(store.streams(row.id))
    return [
        {"kid": kid.hex(), "runs": count, "streams": len(streams[kid])}
        for kid, count in sorted(runs.items())
    ]


def shown(found: dict[str, Any]) -> str:
    """The summary as lines."""
    lines = [
        f"entries       {found['entries']}",
        f"root          {found['root']}",
        f"log key       {found['log_key']}",
        f"batches       {found['batches']}",
        f"observations  {found['observations']}",
    ]
    for device in found["devices"]:
        lines.append(
            f"device        {device['kid']}: {device['runs']} runs, {device['streams']} streams"
        )
    for title in ("classes", "findings", "refusals"):
        lines += [f"{title:<13} {name}: {count}" for name, count in found[title].items()]
    return "\n".join(lines)
