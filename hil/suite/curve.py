"""The curves of `bench scale`: what a stream costs, and how late it is admitted, as there are more.

1. One row of two plots for streams on a gateway, one for gateways before a record. Where nothing
   was measured there is nothing.
2. Lines differ by dash and by filled or open points, not by colour alone; each has its name at its
   end. Loads that were not carried are drawn, and marked.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from hil.suite.row import number
from hil.suite.svg import MUTED, WIDTH, dot, line, path, text

HEIGHT: Final = 200  # of a plot with its title and its axis
LEFT, GAP, MARGIN = 66, 62, 24
LATE_MS: Final = 600.0  # what is asked of `bench seam`: drawn for comparison
FILLED, OPEN = "#1f4e79", "#b05a00"
NAME_HIGH: Final = 13  # of a curve's name: two that end alike stand below each other
ROOM: Final = 1.12  # above the highest point
GROUPS: Final = (
    ("by_streams", "streams", "PMUs on one gateway"),
    ("by_gateways", "gateways", "gateways before one record, four PMUs each"),
)


class Curve(NamedTuple):
    """One line of a plot: which figure, what it is called, how many of its unit are one."""

    key: str
    name: str
    times: float


class Plot(NamedTuple):
    """One plot: filled line, open line, and the level that is asked."""

    title: str
    curves: tuple[Curve, Curve]
    asked: float | None = None


COST: Final = Plot(
    "per cent of a core for a stream of 60 frames/s",
    (Curve("agent_cpu_a_stream", "agent", 100.0), Curve("record_cpu_a_stream", "record", 100.0)),
)
DELAY: Final = Plot(
    "ms from arrival to admitted",
    (Curve("admitted_p99_ms", "p99", 1.0), Curve("admitted_p50_ms", "p50", 1.0)),
    LATE_MS,
)
Loads = Mapping[str, Mapping[str, Any]]


def drawn(scale: Mapping[str, Any], top: float) -> tuple[list[str], float]:
    """Elements from there on down, and how high they are all together."""
    parts: list[str] = []
    height = 0.0
    width = (WIDTH - 2 * MARGIN - GAP) / 2
    for group, key, what in GROUPS:
        loads = scale.get(group)
        if not isinstance(loads, dict) or len(loads) < 2:
            continue
        for at, plot in enumerate((COST, DELAY)):
            x = MARGIN + at * (width + GAP)
            parts += _plot(plot, loads, key, what, (x, top + height, width))
        height += HEIGHT
    return parts, height


def _plot(
    plot: Plot, loads: Loads, key: str, what: str, place: tuple[float, float, float]
) -> Iterator[str]:
    x, y, width = place
    left, right, low, high = x + LEFT - MARGIN, x + width - 48, y + HEIGHT - 52, y + 34
    rows = list(loads.values())
    values = [row[one.key] * one.times for row in rows for one in plot.curves]
    top = min(max(values), 4 * plot.asked if plot.asked else max(values)) * ROOM or 1.0
    yield text(x, y + 16, f"{plot.title}", size=13, weight=600)
    yield text((left + right) / 2, low + 34, what, size=11, anchor="middle", fill=MUTED)

    def across(at: int) -> float:
        return left + (right - left) * at / (len(rows) - 1)

    def up(value: float) -> float:
        return low - (low - high) * min(value, top) / top

    for share in (0.0, 0.5, 1.0):
        level = top * share / ROOM
        yield line(left, up(level), right, up(level), "#d5dbe1", 1)
        yield text(left - 6, up(level) + 4, _level(level), size=10, anchor="end", fill=MUTED)
    if plot.asked is not None and plot.asked < top:
        yield line(left, up(plot.asked), right, up(plot.asked), "#38434f", 1.2, "2 3")
        yield text(right + 4, up(plot.asked) + 4, "asked", size=10, fill=MUTED)
    for at, row in enumerate(rows):
        mark = "" if row["carried"] else "*"
        label = f"{row[key]}{mark}"
        yield text(across(at), low + 17, label, size=10, anchor="middle", fill=MUTED)
    if not all(row["carried"] for row in rows):
        yield text(right, low + 34, "* not carried", size=10, anchor="end", fill=MUTED)
    named_y = math.inf
    for one, stroke, fill, dash in zip(
        plot.curves, (FILLED, OPEN), (FILLED, "#fff"), ("", "6 4"), strict=True
    ):
        points = [(across(at), up(row[one.key] * one.times)) for at, row in enumerate(rows)]
        yield path(points, stroke, dash)
        yield from (dot(px, py, fill, stroke) for px, py in points)
        end = points[-1][1] + 4
        if abs(end - named_y) < NAME_HIGH:
            end = named_y + NAME_HIGH
        yield text(points[-1][0] + 8, end, one.name, size=11, fill=stroke)
        named_y = end


def _level(value: float) -> str:
    return number(float(f"{value:.2g}"))
