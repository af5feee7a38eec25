"""The plots of a report over time: frequency, voltage, angle between buses, flow; of each PMU, as
the record has it.

1. A curve is of the least and the greatest value of each column (hil.report.trace), and is not
   drawn across a stated gap, nor an angle across half a turn.
2. What was done stands in each plot, by its number in the table of what was done.

It reads no record.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from hil.report.compared import Compared
from hil.report.gauge import Gauge
from hil.report.style import STYLES, many
from hil.report.trace import ZERO, Axis
from record.reconstruct import frame
from record.reconstruct.curve import COLUMNS
from record.reconstruct.plot import Line, Mark, Plot

ROOM = 0.08  # above and below what is drawn
LEAST = {"Hz": 0.01, "kV": 1.0, "degrees": 1.0, "MW": 1.0}  # of what an axis spans
MARKS_MAX = 24
HALF_TURN = 180.0  # degrees: an angle that goes on at the other edge
Clock = Callable[[int], str]
Row = Mapping[str, Any]


def plots(told: Row, facts: Sequence[Row], compared: Compared, clock: Clock) -> Iterable[str]:
    """Each as a figure."""
    drawn = [one for one in compared.gauges.values() if one.drawn is not None and one.frames]
    if not drawn:
        return
    breaks = {one.device.name: _breaks(one, facts, compared.axis) for one in drawn}
    more = sum(one.drawn is None for one in compared.gauges.values())
    note = f" {many(more, 'more PMU')} {'is' if more == 1 else 'are'} not drawn." if more else ""
    styles = dict(zip((one.device.name for one in drawn), STYLES, strict=False))
    made = _Maker(told, compared.axis, clock, breaks, styles, note)
    yield made.figure("Frequency", "Hz", [(one, _points(one, "hz")) for one in drawn], "")
    yield made.figure(
        *("Voltage", "kV", [(one, _points(one, "volts")) for one in drawn]),
        "Magnitude of the first voltage of each, line to ground.",
    )
    reference = drawn[0]
    if reference.drawn is not None and len(drawn) > 1 and not _apart(told):
        angles = reference.drawn.angles()
        name = reference.device.name
        made.part(name)
        rest = [(one, one.drawn.difference(angles)) for one in drawn[1:] if one.drawn]
        yield made.figure(
            *("Angle between buses", "degrees", rest),
            f"Of the first voltage, less that of {name} at the same instant."
            + _ended(drawn, compared.axis, clock),
        )
        made.part(None)
    yield made.figure(
        *("Flow", "MW", [(one, _points(one, "flow")) for one in drawn]),
        "Of three phases, from the bus into what the current is measured of.",
    )


def _ended(some: Iterable[Gauge], axis: Axis, clock: Clock) -> str:
    """That angles end before the play does, where they do."""
    ends = [one.drawn.ends for one in some if one.drawn and one.drawn.ends is not None]
    if not ends:
        return ""
    return f" They end at {clock(axis.of(min(ends)))}: of a longer play no more are kept."


def _apart(told: Row) -> bool:
    """Whether each hears a signal of its own: there is no angle between them."""
    return bool(told["grid"] and told["grid"]["model"] == "signal")


def _points(gauge: Gauge, name: str) -> list[tuple[int, float]]:
    return gauge.drawn.traces[name].points() if gauge.drawn else []


class _Maker:
    """What all plots of a page have alike."""

    def __init__(
        self,
        told: Row,
        axis: Axis,
        clock: Clock,
        breaks: Mapping[str, list[int]],
        styles: Mapping[str, str],
        note: str,
    ) -> None:
        self._axis, self._clock, self._breaks, self._note = axis, clock, breaks, note
        self._styles = styles
        self._other: list[int] = []
        done = [
            (number, deed["began_tai_ns"])
            for number, deed in enumerate(told["deeds"], 1)
            if deed["began_tai_ns"] is not None
        ]
        self._marks = [Mark(axis.of(at), str(number)) for number, at in done[:MARKS_MAX]]

    def part(self, name: str | None) -> None:
        """From now on lines end at this device's gaps, too."""
        self._other = self._breaks[name] if name else []

    def _broken(self, name: str, unit: str, points: Sequence[tuple[int, float]]) -> list[int]:
        turned = [
            at for (_, before), (at, after) in pairwise(points) if abs(after - before) > HALF_TURN
        ]
        turned = turned if unit == "degrees" else []
        return sorted(self._breaks[name] + self._other + turned)

    def figure(
        self,
        title: str,
        unit: str,
        some: Sequence[tuple[Gauge, list[tuple[int, float]]]],
        note: str,
    ) -> str:
        """Empty where there is nothing to draw."""
        lines = [
            Line(name, self._styles[name], points, self._broken(name, unit, points))
            for name, points in ((one.device.name, points) for one, points in some)
            if points
        ]
        if not lines:
            return ""
        values = [value for line in lines for _, value in line.points]
        low, high = min(values), max(values)
        room = max((high - low) * ROOM, (LEAST[unit] - (high - low)) / 2)
        plot = Plot(
            title, unit, ZERO, self._axis.ends, low - room, high + room, self._clock
        )  # fmt: skip
        marks = [mark for mark in self._marks if ZERO <= mark.at <= self._axis.ends]
        dotted = " Dotted: what was done, by its number." if marks else ""
        text = f"{note}{self._note}{dotted}".strip()
        return frame.figure(title, plot.svg(lines, marks), text, lines)


def _breaks(gauge: Gauge, facts: Iterable[Row], axis: Axis) -> list[int]:
    """Instants within stated gaps that are wider than a column."""
    wide = (axis.ends - ZERO) // COLUMNS
    found = [
        axis.of((one["begins_tai_ns"] + one["ends_tai_ns"]) // 2)
        for one in facts
        if one["what"] == "gap"
        and one.get("device") == gauge.device.name
        and one["ends_tai_ns"] - one["begins_tai_ns"] > wide
    ]
    return sorted(found)
