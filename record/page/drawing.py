"""The page's two drawings, as SVG: settlements of a seam, a bar each, and handoffs on one line of
time.

1. Places along time are percentages and heights are pixels, without a view box: a narrow screen
   squeezes bars and leaves words as large as they are.
2. Nothing is told by colour alone: a disputed bar has a mark, one that could not be compared is
   empty; and beside each drawing stands a table of the same.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from record.page.element import Html, joined, tag

Told = Mapping[str, Any]
SHARE_MAX = 1.5  # of the tolerance: what is beyond is drawn as this, and marked
BAR_PX, ROW_PX, TOP_PX = 90, 34, 22
SLOTS = 60  # of the strip, whether filled or not: a new bar moves none of the others' width


def strip(rows: Sequence[Told], of: str) -> Html:
    """Residual over tolerance of each settlement, the latest at the right."""
    parts = [_line(TOP_PX + BAR_PX, "axis"), _line(_height(1.0), "limit")]
    for at, row in enumerate(rows[-SLOTS:], max(SLOTS - len(rows), 0)):
        parts += _bar(at, row)
    parts.append(tag("text", "tolerance", x="0", y=_height(1.0) - 5, class_="words"))
    title = f"Residual against tolerance of the last {len(rows)} settlements of {of}"
    return _svg("strip", title, TOP_PX + BAR_PX + 2, parts)


def _bar(at: int, row: Told) -> list[Html]:
    share, verdict = row["share"], row["verdict"]
    top = _height(min(share or 0.0, SHARE_MAX))
    height = max(TOP_PX + BAR_PX - top, 3.0)
    left, width = 100 * at / SLOTS, 80 / SLOTS
    told = tag("title", f"{row['from']} to {row['to']}: {verdict.replace('_', ' ')}")
    place = {"x": f"{left:.3f}%", "width": f"{width:.3f}%"}
    bar = tag(
        "rect", told, y=f"{TOP_PX + BAR_PX - height:.1f}", height=f"{height:.1f}",
        class_=f"bar is-{verdict.replace('_', '-')}", **place,
    )  # fmt: skip
    if verdict != "disputed":
        return [bar]
    x, y = f"{left + width / 2:.3f}%", max(top - 5.0, 14.0)
    cross = tag(
        "text", "\u2717", x=x, y=y, text_anchor="middle", class_="cross", aria_hidden="true"
    )
    return [bar, cross]


def _height(share: float) -> float:
    return round(TOP_PX + BAR_PX * (1 - share / SHARE_MAX), 1)


def timeline(rows: Sequence[Told], until: int) -> Html:
    """A row for each handoff: from its request on, thick while the authority is handed over, until
    it ended or `until` (ns TAI)."""
    begins = min(row["steps"][0]["tai"] for row in rows)
    ends = max([until, *(step["tai"] for row in rows for step in row["steps"])])
    span = max(ends - begins, 1)
    parts: list[Html] = []
    for at, row in enumerate(rows):
        y = TOP_PX + ROW_PX * at
        parts.append(tag("text", str(at + 1), x="0", y=y + 5, class_="words"))
        parts += _handoff(row, y, lambda tai: 5 + 92 * (tai - begins) / span, ends)
    return _svg(
        "timeline", "Handoffs over time, by the log's clock", ROW_PX * len(rows) + 12, parts
    )


def _handoff(row: Told, y: int, x: Any, ends: int) -> list[Html]:
    steps = row["steps"]
    over = row["stands"] in ("returned", "refused", "revoked", "expired")
    last = steps[-1]["tai"] if over else ends
    if row["stands"] == "expired" and row["expires_tai"] is not None:
        last = max(min(row["expires_tai"], ends), steps[-1]["tai"])
    parts = [_span(x(steps[0]["tai"]), x(last), y, "asked")]
    active = [step["tai"] for step in steps if step["step"] == "active"]
    if active:
        parts.append(_span(x(active[0]), x(last), y, "active"))
    for step in steps:
        told = tag("title", f"{step['step']}, {step['state']}, {step['logged']}")
        like = "step" if step["state"] == "joint" else "step is-open"
        parts.append(tag("circle", told, cx=f"{x(step['tai']):.3f}%", cy=y, r=6, class_=like))
    return parts


def _span(one: float, other: float, y: int, like: str) -> Html:
    return tag("line", x1=f"{one:.3f}%", x2=f"{other:.3f}%", y1=y, y2=y, class_=like)


def _line(y: float, like: str) -> Html:
    return tag("line", x1="0", x2="100%", y1=y, y2=y, class_=like)


def _svg(name: str, title: str, height: float, parts: Sequence[Html]) -> Html:
    told = tag("title", title, id=f"{name}-title")
    return tag(
        "svg", told, joined(*parts), role="img", aria_labelledby=f"{name}-title",
        class_=name, width="100%", height=height,
    )  # fmt: skip
