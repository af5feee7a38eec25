"""The outcome as one picture (SVG): a bar a figure, against what is asked of it, and the curves of
`bench scale`.

1. A solid bar is how many times better a figure is than asked: right of the line it is held, left
   of it (hatched) it falls short. An open bar is how many times its reference of the same run does;
   there nothing is asked. The axis is logarithmic, and an arrow says that a bar goes on.
2. What is asked stands in figures beside each bar. Colour says nothing that shape and words do not:
   it can be printed without.
3. What was not measured, or does not hold, has a line with the reason.
4. It loads nothing: system fonts, no script, no link. All text is escaped.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from hil.suite import curve
from hil.suite.catalogue import TIMES
from hil.suite.row import Row, number
from hil.suite.svg import MUTED, WIDTH, box, line, text, whole
from hil.suite.table import asked, busy, measured, shown

TOP: Final = 92  # title, machine, legend
ROW: Final = 17
NAME_X, TEXT_X, BAR_X, BAR_END, VALUE_X, ASKED_X = 24, 128, 452, 742, 764, 956
LEAST, MOST = 0.25, 64.0  # of the axis
TICKS: Final = (0.25, 0.5, 1, 2, 4, 8, 16, 32, 64)
HELD, SHORT, BESIDE = "#1d6b3a", "#a3231b", "#ffffff"
BAR: Final = 10
CHARACTERS_MAX, ASKED_CHARACTERS_MAX = 46, 31  # of a text in its column
WHY_CHARACTERS_MAX = 150  # of a line


def drawn(outcome: Mapping[str, Any], found: Sequence[Row]) -> str:
    """The SVG."""
    bars_end = TOP + ROW * (len(found) + 1)
    parts = [*_head(outcome), *_axis(bars_end)]
    parts += [part for at, row in enumerate(found) for part in _row(found, at, row)]
    absent = list(_absent(outcome))
    for at, said in enumerate(absent):
        parts.append(text(NAME_X, bars_end + 20 + 16 * at, said, size=11, fill=MUTED))
    bottom = bars_end + 24 + 16 * len(absent)
    scale = outcome["benchmarks"].get("scale", {}).get("figures", {})
    curves, height = curve.drawn(scale, bottom)
    return whole("Benchmarks of Gridseal", [*parts, *curves], bottom + height + 12)


def _head(outcome: Mapping[str, Any]) -> Iterator[str]:
    machine = outcome["machine"]
    quick = ", a quick run" if outcome["quick"] else ""
    part = ", stopped before its end" if outcome["stopped"] else ""
    yield text(NAME_X, 30, f"Benchmarks, {outcome['begun']} UTC{quick}{part}", size=18, weight=600)
    about = (
        f"{machine['processor']}, {machine['cores']} cores, {machine['kernel']};"
        f" {machine['python']}, SQLite {machine['sqlite']}, libsodium {machine['libsodium']};"
        f" {machine['disk']}, a sync takes {number(machine['sync_p50_ms'])} ms"
    )
    yield text(NAME_X, 50, about, size=11, fill=MUTED)
    y = 63
    yield box(NAME_X, y, 26, BAR, HELD)
    yield text(NAME_X + 32, y + 10, "times better than asked", size=11)
    yield box(NAME_X + 190, y, 26, BAR, "url(#short)", SHORT)
    yield text(NAME_X + 222, y + 10, "falls short of it", size=11)
    yield box(NAME_X + 340, y, 26, BAR, BESIDE, HELD)
    yield text(NAME_X + 372, y + 10, "times its reference of the same run", size=11)


def _axis(bottom: int) -> Iterator[str]:
    for tick in TICKS:
        x = _x(tick)
        strong = tick == 1
        yield line(x, TOP + 8, x, bottom, "#38434f" if strong else "#d5dbe1", 1.6 if strong else 1)
        label = {0.25: "1/4", 0.5: "1/2"}.get(tick, f"{tick:g}")
        yield text(x, TOP + 2, label, size=10, anchor="middle", fill=MUTED)


def _row(found: Sequence[Row], at: int, row: Row) -> Iterator[str]:
    y = TOP + ROW * (at + 1)
    first = at == 0 or found[at - 1].bench != row.bench
    if first:
        yield line(NAME_X, y - 3, WIDTH - NAME_X, y - 3, "#e3e7eb", 1)
        yield text(NAME_X, y + 10, row.bench, size=12, weight=600)
    yield text(TEXT_X, y + 10, _cut(row.text, CHARACTERS_MAX), size=12)
    yield from _bar(y, row)
    yield text(VALUE_X, y + 10, measured(row), size=12, weight=600 if row.held is False else 400)
    said = asked(row) or _cut(_beside(row), ASKED_CHARACTERS_MAX)
    if row.slower:
        said = f"{said} since earlier {abs(row.worse or 0):.0%} worse".strip()
    yield text(ASKED_X, y + 10, said, size=12, fill=SHORT if row.held is False else MUTED)


def _absent(outcome: Mapping[str, Any]) -> Iterator[str]:
    """What has no row, and what does not hold as a whole, with the reason."""
    if crowd := busy(outcome):
        yield crowd
    for name, one in outcome["benchmarks"].items():
        if one["why"]:
            yield _cut(f"{name} {one['state']}: {one['why']}", WHY_CHARACTERS_MAX)
        for reason in one["reasons"]:
            yield _cut(f"{name} does not hold: {reason}", WHY_CHARACTERS_MAX)


def _beside(row: Row) -> str:
    """The reference, where the value is no ratio to it already."""
    if row.reference is None or row.unit == TIMES:
        return ""
    return f"{shown(row.reference, row.unit)} {row.against}"


def _bar(y: int, row: Row) -> Iterator[str]:
    margin = row.margin
    if margin is None:
        return
    end, one = _x(margin), _x(1)
    left, width = min(one, end), max(abs(end - one), 1.5)
    if row.asked is None:
        yield box(left, y, width, BAR, BESIDE, HELD)
    elif row.held:
        yield box(left, y, width, BAR, HELD)
    else:
        yield box(left, y, width, BAR, "url(#short)", SHORT)
    if margin > MOST:
        yield text(end + 2, y + 10, "\u25b8", size=12)
    elif margin < LEAST:
        yield text(end - 2, y + 10, "\u25c2", size=12, anchor="end")


def _x(margin: float) -> float:
    held = min(max(margin, LEAST), MOST)
    share = math.log2(held / LEAST) / math.log2(MOST / LEAST)
    return BAR_X + share * (BAR_END - BAR_X)


def _cut(said: str, most: int) -> str:
    return said if len(said) <= most else said[: most - 1] + "\u2026"
