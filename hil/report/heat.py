"""How much of what each PMU sent is in the record, stretch by stretch; and where a gap is stated.

1. Of a simulated PMU the share is of what it sent in that stretch, by the plant's own list; of
   another one of the most that came in any stretch.
2. Five shades, each with its words; a stated gap is a line through it, so that a hole that nobody
   states is seen.
3. Cells that are alike are one rectangle.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from hil.report.compared import Compared
from hil.report.gauge import Gauge
from hil.report.trace import CELLS, ZERO, Axis
from record.reconstruct import frame
from record.reconstruct.plot import LEFT, RIGHT, WIDTH, axis, escaped

ROW, BAR = 32, 12  # px of a row, and of its bar under its name
FOOT = 24
ROWS_MAX = 200  # streams of one map
GAPS_MAX = 400  # of one row: about as many as there are pixels for
SHADES = (
    (1.0, "full", "all of it"),
    (0.9, "most", "90 % or more"),
    (0.5, "some", "half or more"),
    (0.000001, "few", "less"),
)
NONE, IDLE = "none", "idlecell"
KEYS = (*((style, words) for _, style, words in SHADES), (NONE, "none"), (IDLE, "nothing was sent"))


def figure(facts: Sequence[Mapping[str, Any]], compared: Compared, clock: Any) -> str:
    """Empty where there are no PMUs."""
    gauges = list(compared.gauges.values())
    rows = gauges[:ROWS_MAX]
    if not rows:
        return ""
    height = ROW * len(rows) + FOOT
    title = "How much of what was sent is in the record"
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}">',
        f"<title>{title}</title>",
    ]
    seen: set[str] = set()
    for number, gauge in enumerate(rows):
        found = shades(gauge)
        parts += _row(number, gauge, found, facts, compared)
        seen.update(found)
    parts += [*axis(ZERO, compared.axis.ends, height - 6, clock), "</svg>"]
    more = len(gauges) - len(rows)
    note = f"Of each PMU, {CELLS} stretches of time; a line through: a stated gap." + (
        f" {more} more are not drawn." if more else ""
    )
    keys = [key for key in KEYS if key[0] in seen]
    return frame.figure(title, "".join(parts), note, keys=keys)


def _row(
    number: int,
    gauge: Gauge,
    found: Iterable[str],
    facts: Iterable[Mapping[str, Any]],
    compared: Compared,
) -> Iterable[str]:
    top = ROW * number
    name = gauge.device.name
    yield f'<text x="{LEFT}" y="{top + 10}">{escaped(f"{gauge.device.gateway} {name}")}</text>'
    for style, some in groupby(enumerate(found), key=lambda pair: pair[1]):
        cells = [at for at, _ in some]
        x, width = _x(cells[0]), _x(cells[-1] + 1) - _x(cells[0])
        yield (
            f'<rect class="{style}" x="{x:.1f}" y="{top + 16}" width="{width:.1f}" height="{BAR}"/>'
        )
    gaps = [one for one in facts if one["what"] == "gap" and one.get("device") == name]
    for one in gaps[:GAPS_MAX]:
        if one.get("gateway") == gauge.device.gateway:
            x, to = (_along(compared.axis, one[f"{edge}_tai_ns"]) for edge in ("begins", "ends"))
            y = top + 16 + BAR / 2
            yield f'<path class="hatch" d="M{x:.1f} {y}H{max(to, x + 1):.1f}"/>'


def shades(gauge: Gauge) -> list[str]:
    """Of each cell."""
    there = gauge.arrived
    sent = gauge.sent if any(gauge.sent) else [max(there)] * CELLS
    return [_shade(have, of) for have, of in zip(there, sent, strict=True)]


def _shade(have: int, of: int) -> str:
    if not of:
        return IDLE
    return next((style for least, style, _ in SHADES if have / of >= least), NONE)


def _x(cell: int) -> float:
    return LEFT + cell * (WIDTH - LEFT - RIGHT) / CELLS


def _along(of: Axis, tai: int) -> float:
    share = (of.of(tai) - ZERO) / (of.ends - ZERO)
    return LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT)
