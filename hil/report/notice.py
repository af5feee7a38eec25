"""What the record has of a deed soon after it: the first event, gap and doubt, and how long after.

1. Only what is of the device or gateway that it was done to, or of any where it was done to all.
2. It is the first that begins after the deed did, until AFTER_S after it was over: first, not
   because. A gap begins with the last frame before it, and is dated by its end.

Pure: rows as `verdict.json` and `facts.json` have them.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from evidence.leap import NS

AFTER_S = 10
PLAIN = ("settleable", "place_unchecked")  # classes that nobody doubts
Row = Mapping[str, Any]


def of(deed: Row, facts: Iterable[Row], gateways: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """By kind: `after_s` and `text`. `gateways`: of each device."""
    began, over = deed["began_tai_ns"], deed["over_tai_ns"]
    if began is None:
        return {}
    until = (over or began) + AFTER_S * NS
    found: dict[str, dict[str, Any]] = {}
    for one in sorted(facts, key=_at):
        kind = "doubt" if is_doubt(one) else one["what"]
        if kind not in ("event", "gap", "doubt") or kind in found:
            continue
        if began <= _at(one) <= until and _concerns(one, deed["to"], gateways):
            after_s = round((_at(one) - began) / NS, 3)
            found[kind] = {"after_s": after_s, "text": words(one), "line": line(one)}
    return found


def is_doubt(one: Row) -> bool:
    return one["what"] == "samples" and one["class"] not in PLAIN


def words(one: Row) -> str:
    """Of a fact, for people."""
    if one["what"] == "gap":
        return f"gap: {one['cause']}".replace("_", " ")
    if one["what"] == "run":
        return f"start: {one['cause']}".replace("_", " ")
    if one["what"] == "samples":
        said = ": ".join(filter(None, (one["class"], one["reason"])))
        return f"{one['count']:,} {said}".replace("_", " ")
    check = f" {one['check']}" if one.get("check") else ""
    return f"{one['event']}{check}".replace("_", " ")


def line(one: Row) -> str:
    """Whose it is."""
    return " ".join(filter(None, (one.get("gateway", ""), one.get("device", ""))))


def _at(one: Row) -> int:
    at = one.get("ends_tai_ns" if one["what"] == "gap" else "begins_tai_ns")
    return int(at) if at is not None else -1


def _concerns(one: Row, to: str, gateways: Mapping[str, str]) -> bool:
    if not to:
        return True
    if one.get("device"):
        return to in (one["device"], one.get("gateway"))
    return one.get("gateway") in (to, gateways.get(to))
