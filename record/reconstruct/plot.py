"""Plots as SVG, for a page that is one file: lines and bars over time, with marks.

1. All text goes through `escaped`; nothing else comes from outside.
2. Colours are of the style sheet of the page; a line has a class, not a colour. Which line is which
   is said beside it: a legend inside would lie over what it explains.
3. Instants along the axis are round ones of UTC; words stand over lines, never under them.

It reads no record.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple

from evidence.leap import BUILT_IN, NS
from record.reconstruct.words import plain

WIDTH, HEIGHT = 900, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 14, 28
TICKS_MAX = 7  # words along the time axis, less one
EDGE = 40  # from an end of the axis: words there do not reach beyond it
DAY_S = 86_400
STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200)
POINTS_MAX = 2000  # of one line: more than there are pixels, two of each


class Line(NamedTuple):
    """One line: its name, its class in the style sheet, and its points (ns TAI, value). `breaks`:
    rising instants across which nothing is drawn."""

    name: str
    style: str
    points: Sequence[tuple[int, float]]
    breaks: Sequence[int] = ()


class Mark(NamedTuple):
    """An instant, or a level, with a word."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot over [begins, ends), ns TAI, and [low, high]. `clock`: an instant in words."""

    title: str
    unit: str
    begins: int
    ends: int
    low: float
    high: float
    clock: Callable[[int], str]

    def svg(
        self, lines: Sequence[Line], marks: Sequence[Mark] = (), levels: Sequence[Mark] = ()
    ) -> str:
        parts = [
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escaped(self.title)}">',
            f"<title>{escaped(self.title)}</title>",
            *self._axes(),
            *(self._level(one) for one in levels),
            *(self._line(one) for one in lines),
            *(self._mark(number, one) for number, one in enumerate(marks)),
            "</svg>",
        ]
        return "\n".join(parts)

    def _x(self, tai: float) -> float:
        share = (tai - self.begins) / (self.ends - self.begins)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def _y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def _axes(self) -> list[str]:
        found = []
        for value in _round(self.low, self.high):
            y = self._y(value)
            found.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
            found.append(_text(LEFT - 6, y + 4, f"{value:.6g}", "end"))
        found += axis(self.begins, self.ends, HEIGHT - 8, self.clock)
        found.append(_text(LEFT, TOP - 3, self.unit, "start"))
        return found

    def _level(self, level: Mark) -> str:
        y = self._y(level.at)
        path = f'<path class="level" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        return path + _text(WIDTH - RIGHT - 4, y - 4, level.text, "end")

    def _mark(self, number: int, mark: Mark) -> str:
        x = self._x(mark.at)
        path = f'<path class="mark" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>'
        y = TOP + 12 + 13 * (number % 4)
        if x < WIDTH * 0.8:  # there is room to its right
            return path + _text(x + 3, y, mark.text, "start")
        return path + _text(x - 3, y, mark.text, "end")

    def _line(self, line: Line) -> str:
        drawn = ""
        for piece in pieces(thinned(line.points, POINTS_MAX), line.breaks):
            path = "L".join(f"{self._x(tai):.1f} {self._y(value):.1f}" for tai, value in piece)
            drawn += f"M{path}" + ("h0" if len(piece) == 1 else "")  # a dot: its cap is round
        return f'<path class="line {line.style}" d="{drawn}"/>' if drawn else ""


def axis(begins: int, ends: int, y: float, clock: Callable[[int], str]) -> list[str]:
    """Round instants along the time axis."""
    found = []
    for tai in instants(begins, ends):
        x = LEFT + (tai - begins) / (ends - begins) * (WIDTH - LEFT - RIGHT)
        place = "start" if x < LEFT + EDGE else "end" if x > WIDTH - RIGHT - EDGE else "middle"
        found.append(_text(x, y, clock(tai), place))
    return found


def instants(begins: int, ends: int) -> list[int]:
    """Some within [begins, ends], ns TAI, that people read easily; of less than some seconds what
    divides them."""
    if ends - begins < TICKS_MAX * NS:
        return [begins + (ends - begins) * part // 4 for part in range(5)]
    days = -(-(ends - begins) // (TICKS_MAX * DAY_S * NS))
    steps_s = (*STEPS_S, days * DAY_S)
    step_s = next(step for step in steps_s if ends - begins <= TICKS_MAX * step * NS)
    number = -(-BUILT_IN.utc_ns(begins) // (step_s * NS))
    found: list[int] = []
    while (tai := BUILT_IN.tai_ns(number * step_s)) <= ends:
        found.append(tai)
        number += 1
    return found


def thinned(points: Sequence[tuple[int, float]], most: int) -> Sequence[tuple[int, float]]:
    """So many points at most: of each of half as many stretches the least and the greatest, in the
    order of time. So a spike of one point is drawn."""
    if len(points) <= most:
        return points
    found: list[tuple[int, float]] = []
    edges = [number * len(points) // (most // 2) for number in range(most // 2 + 1)]
    for start, end in pairwise(edges):
        stretch = range(start, end)
        low = min(stretch, key=lambda at: points[at][1])
        high = max(stretch, key=lambda at: points[at][1])
        found += [points[at] for at in sorted({low, high})]
    return found


def pieces(
    points: Sequence[tuple[int, float]], breaks: Sequence[int]
) -> list[Sequence[tuple[int, float]]]:
    """Points between breaks, without the pieces that have none."""
    edges = [0, *(bisect_left(points, tai, key=itemgetter(0)) for tai in breaks), len(points)]
    return [points[start:end] for start, end in pairwise(edges) if start < end]


def steps(points: Sequence[tuple[int, int, float]]) -> list[tuple[int, float]]:
    """A line that is flat within each [begins, ends)."""
    return [point for begins, ends, value in points for point in ((begins, value), (ends, value))]


def _round(low: float, high: float) -> list[float]:
    """Some three to eight values between two that people read easily: 1, 2 or 5 times a power of
    ten apart."""
    power = 10.0 ** math.floor(math.log10((high - low) / 4))
    step = next(power * times for times in (1, 2, 5, 10) if (high - low) / (power * times) <= 8)
    return [step * number for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def escaped(text: str) -> str:
    return escape(plain(text), quote=True)


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escaped(text)}</text>'
