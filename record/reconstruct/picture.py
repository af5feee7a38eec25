"""The plots of a bundle's page: what was measured, residuals against their tolerances, handoffs as
bars.

It draws what the bundle holds, and judges nothing.
"""

from collections.abc import Iterator, Sequence

from evidence import instant
from evidence.code import Matter, Step
from evidence.joint import handoff, settlement
from evidence.joint.handoff import Request, Taken
from record.reconstruct import words
from record.reconstruct.drawing import Drawn, Sketch
from record.reconstruct.frame import figure
from record.reconstruct.material import Material
from record.reconstruct.plot import (
    LEFT,
    POINTS_MAX,
    RIGHT,
    WIDTH,
    Line,
    Mark,
    Plot,
    axis,
    escaped,
    steps,
)
from record.reconstruct.said import RELATIVE, Said
from record.reconstruct.words import spaced

STYLES = ("one", "two", "three", "four", "five", "six", "seven", "eight")
RESIDUALS_MAX = 12  # plots of residuals: a seam has a few, each of a few measures
BARS_MAX = 100  # handoffs
POINTS_A_PAGE = 60_000  # of lines of what was measured: 0.8 MB; residuals add as much at most
MARKS_MAX = 12  # on one plot
_ROOM = 0.06  # above and below what is drawn
_FLAT = 1e-3  # of a value: what is drawn of a line that does not move
_BAR, _ROW = 12, 36
_BARS = (Step.REQUESTED, Step.ACCEPTED, Step.ACTIVE)
_SCOPE_CHARS_MAX = 110  # above a bar: what its line has room for
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_PREFIXES = ((1e10, 1e-9, "G"), (1e7, 1e-6, "M"), (1e4, 1e-3, "k"))
_PREFIXED = ("V", "A", "W", "var")  # units that begin so may have one


def sketches(material: Material, marks: Sequence[Mark]) -> Iterator[str]:
    """What was measured."""
    scope = material.held.scope
    drawn = list(material.gathered.drawing.sketches())
    most = POINTS_A_PAGE // max(sum(len(one.lines) for one in drawn), 1)
    for one in drawn:
        ranges = [found for line in one.lines if (found := line.curve.range()) is not None]
        if not ranges:
            continue
        low, high = _room(min(low for low, _ in ranges), max(high for _, high in ranges))
        factor, unit = _scaled(max(abs(low), abs(high)), one.unit)
        title = f"{one.quantity.capitalize()}{f', {unit}' if unit else ''}"
        edges = (low * factor, high * factor)
        plot = Plot(title, unit, scope.begins, scope.ends, *edges, clock)
        lines = [
            Line(
                told(material, line),
                style,
                [(tai, y * factor) for tai, y in line.curve.points(most)],
                _breaks(material, line),
            )
            for style, line in zip(STYLES, one.lines, strict=False)
        ]
        yield figure(title, plot.svg(lines, marks[:MARKS_MAX]), _note(one), lines)


def _breaks(material: Material, line: Drawn) -> list[int]:
    """Where a gateway stated that something is missing."""
    holes = (one for one in material.gathered.holes if one.known.name in line.streams)
    return sorted((one.gap.first + one.gap.last) // 2 for one in holes)


def told(material: Material, line: Drawn) -> str:
    """Its name, and whether it is the grid's."""
    flags = 0
    for name in line.streams:
        flags |= material.gathered.streams[name].flags
    return ", ".join((line.name, *words.marks(flags)))


def _note(one: Sketch) -> str:
    more = f" {one.more} more are not drawn." if one.more else ""
    return (
        "Of each stretch of time the least and the greatest value, as devices sent them: no peak is"
        f" left out. A line is broken where a gateway stated a gap.{more}"
    )


def _counted(count: int) -> str:
    beyond = 2 * count > POINTS_MAX
    thin = " Of neighbours the least and the greatest are drawn, no peak is left out."
    return f"Settlements: {count}.{thin if beyond else ''}"


def residuals(material: Material, records: Sequence[Said]) -> Iterator[str]:
    """Of settlements: seam by seam and measure by measure. Raises EvidenceError."""
    found: dict[tuple[str, str, str], list[tuple[int, int, float, float]]] = {}
    for one in records:
        if one.record.matter != Matter.SETTLEMENT:
            continue
        says, of = settlement.read(one.record.body), one.record
        for item in says.measures:
            key = (", ".join(of.elements), item.name, item.unit)
            row = (of.begins, of.ends, abs(item.residual), item.tolerance)
            found.setdefault(key, []).append(row)
    scope = material.held.scope
    for (seam, name, unit), rows in sorted(found.items())[:RESIDUALS_MAX]:
        rows.sort()
        _, high = _room(0.0, max(max(row[2], row[3]) for row in rows))
        title = f"{seam}: residual of {name}"
        shown = "relative" if unit == RELATIVE else unit
        plot = Plot(title, shown, scope.begins, scope.ends, 0.0, high, clock)
        lines = [
            Line("residual", "one", steps([_clipped(material, row, row[2]) for row in rows])),
            Line("tolerance", "level", steps([_clipped(material, row, row[3]) for row in rows])),
        ]
        yield figure(title, plot.svg(lines), _counted(len(rows)), lines)


def handoffs(material: Material, records: Sequence[Said]) -> str:
    """As bars, from step to step; empty where there is none. Raises EvidenceError."""
    rows: dict[bytes, list[tuple[int, Step, Said]]] = {}
    for one in records:
        if one.record.matter == Matter.HANDOFF:
            says = handoff.read(one.record.body)
            request = says.request if isinstance(says, Taken) else one.name
            rows.setdefault(request, []).append((one.record.begins, says.step, one))
    if not rows:
        return ""
    some = list(rows.items())[:BARS_MAX]
    height = _ROW * len(some) + 30
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Handoffs of authority">',
        "<title>Handoffs of authority</title>",
    ]
    for number, (_, taken) in enumerate(some):
        parts += _bar(material, number, sorted(taken, key=lambda row: (row[0], row[1])))
    scope = material.held.scope
    parts += axis(scope.begins, scope.ends, height - 6, clock)
    more = f" {len(rows) - len(some)} more are not drawn." if len(rows) > len(some) else ""
    note = f"The words above each bar are its scope, its last step and what that is worth.{more}"
    keys = [(f"step {step.name.lower()}", spaced(step.name)) for step in _BARS]
    return figure("Handoffs of authority", "\n".join([*parts, "</svg>"]), note, keys=keys)


def _bar(material: Material, number: int, taken: Sequence[tuple[int, Step, Said]]) -> Iterator[str]:
    y, scope = 18 + number * _ROW, material.held.scope
    ends = [begins for begins, _, _ in taken[1:]] + [scope.ends]
    for (begins, step, _), end in zip(taken, ends, strict=True):
        left, right = _x(material, begins), _x(material, end)
        if step in _BARS and right > left:
            yield (
                f'<rect class="step {step.name.lower()}" x="{left:.1f}" y="{y}"'
                f' width="{right - left:.1f}" height="{_BAR}"/>'
            )
    request = next((handoff.read(one.record.body) for _, _, one in taken), None)
    scope_of = request.scope if isinstance(request, Request) else ""
    last = taken[-1][2]
    if len(scope_of) > _SCOPE_CHARS_MAX:
        scope_of = f"{scope_of[:_SCOPE_CHARS_MAX]}..."
    text = f"{scope_of}: {spaced(taken[-1][1].name)} ({spaced(last.state.name)})"
    yield f'<text x="{LEFT}" y="{y - 4}">{escaped(text)}</text>'


def clock(tai: int) -> str:
    """An instant on an axis: day and time of day, UTC."""
    day, _, time = instant.words(tai).rstrip("Z").partition("T")
    shown = time[:5] if time[5:] == ":00" else time[:12]
    return f"{day[8:10]} {_MONTHS[int(day[5:7]) - 1]} {shown}"


def _x(material: Material, tai: int) -> float:
    scope = material.held.scope
    share = (min(max(tai, scope.begins), scope.ends) - scope.begins) / (scope.ends - scope.begins)
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _clipped(
    material: Material, row: tuple[int, int, float, float], value: float
) -> tuple[int, int, float]:
    scope = material.held.scope
    begins = min(max(row[0], scope.begins), scope.ends)
    return begins, max(min(row[1], scope.ends), begins), value


def _room(low: float, high: float) -> tuple[float, float]:
    """With some above and below; never nothing between them."""
    room = max((high - low) * _ROOM, _FLAT * max(abs(high), abs(low)), _FLAT * _FLAT)
    return low - room, high + room


def _scaled(most: float, unit: str) -> tuple[float, str]:
    """What values are multiplied with, and the unit then: kV for V."""
    if unit.startswith(_PREFIXED):
        for least, factor, prefix in _PREFIXES:
            if most >= least:
                return factor, prefix + unit
    return 1.0, unit
