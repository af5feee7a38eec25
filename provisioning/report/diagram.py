"""Phasors as they are drawn: voltages and currents around one centre, told apart without colour.

1. Angles are the device's own, counted from the right, counter-clockwise, as phasors turn. Voltages
   are whole lines with filled heads, currents broken ones with open heads; nothing is told by
   colour or by length alone.
2. The longest voltage reaches the circle, the longest current the inner one; what both are stands
   beneath. Each label has its number in the table, and its quantity and phase.
3. The sequence is computed, not seen: by symmetrical components (Fortescue) of three single-phase
   phasors of one bus; where neither direction is at least twice the other, nobody can tell.
4. What has no finite length above zero is not drawn, and named.
"""

import cmath
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable

from provisioning.report import lettering
from provisioning.report.document import Phasor
from provisioning.report.lettering import BOLD, PLAIN

PHASORS_MAX = 12  # of one diagram: as many labels have room around it
_INNER = 0.66  # of the circle: the longest current
_SIZE = 6.5  # points, of a label
_APART = math.radians(17)  # of two labels: more of them than PHASORS_MAX would overlap
_TURN = cmath.rect(1, 2 * math.pi / 3)
_PLAINLY = 2.0  # times the other sequence, to be the sequence


class Numbered(NamedTuple):
    """A phasor and its number in the table."""

    number: int
    phasor: Phasor

    @property
    def value(self) -> complex | None:
        """None: nothing to draw (rule 4)."""
        length, degrees = float(self.phasor.magnitude), float(self.phasor.degrees)
        if not (math.isfinite(length) and math.isfinite(degrees) and length > 0):
            return None
        return cmath.rect(length, math.radians(degrees))

    @property
    def label(self) -> str:
        quantity = "V" if self.phasor.quantity == "voltage" else "I"
        return f"{self.number} {quantity}{self.phasor.phase or '?'}"


def sequence(phasors: Iterable[Phasor], quantity: str) -> str:
    """ABC or ACB; empty where it cannot be told (rule 3)."""
    found: dict[tuple[str, str], complex] = {}
    for phasor in phasors:
        value = Numbered(0, phasor).value
        if phasor.quantity == quantity and value is not None:
            found.setdefault((phasor.bus, phasor.phase), value)
    for bus, _ in list(found):
        three = [found.get((bus, phase)) for phase in "ABC"]
        a, b, c = (value or 0 for value in three)
        if None in three:
            continue
        positive = abs(a + _TURN * b + _TURN**2 * c)
        negative = abs(a + _TURN**2 * b + _TURN * c)
        if positive >= _PLAINLY * negative:
            return "ABC"
        return "ACB" if negative >= _PLAINLY * positive else ""
    return ""


def words(phasors: Sequence[Numbered]) -> list[str]:
    """What stands beneath a diagram (rule 2)."""
    told = []
    for quantity, line, unit in (
        ("voltage", "Voltages: whole lines, filled heads", "V"),
        ("current", "Currents: broken lines, open heads", "A"),
    ):
        some = [one.phasor for one in phasors if one.phasor.quantity == quantity]
        if not some:
            continue
        turn = sequence(some, quantity)
        turning = f"sequence {turn}" if turn else "sequence: cannot tell"
        longest = max(some, key=lambda one: _length(one))
        circle = "the circle" if quantity == "voltage" else "the inner circle"
        scale = f"; {circle} is {longest.magnitude} {unit}" if _length(longest) else ""
        told.append(f"{line}{scale}; {turning}.")
    hidden = [str(one.number) for one in phasors if one.value is None]
    if hidden:
        told.append(f"Not drawn, without a length: {', '.join(hidden)}.")
    return told


class Diagram(Flowable):  # type: ignore[misc]
    """One diagram of at most PHASORS_MAX phasors, so many points wide and high."""

    def __init__(self, phasors: Sequence[Numbered], size: float) -> None:
        super().__init__()
        self.width = self.height = size
        self._phasors = [one for one in phasors if one.value is not None]

    def draw(self) -> None:
        canvas: Canvas = self.canv
        radius = self.width / 2 - 34  # a label's room
        canvas.translate(self.width / 2, self.height / 2)
        _draw_ground(canvas, radius)
        longest = {
            quantity: max(
                (abs(one.value or 0) for one in self._phasors if one.phasor.quantity == quantity),
                default=0.0,
            )
            for quantity in ("voltage", "current")
        }
        tips: list[tuple[Numbered, complex]] = []
        for one in self._phasors:
            share = 1.0 if one.phasor.quantity == "voltage" else _INNER
            value = one.value or 0
            tips.append((one, value / longest[one.phasor.quantity] * share * radius))
        for (one, tip), angle in zip(
            tips, spread([cmath.phase(tip) for _, tip in tips]), strict=True
        ):
            _draw_phasor(canvas, tip, one.phasor.quantity == "voltage")
            _draw_label(canvas, one, tip, cmath.rect(radius + 12, angle))


def spread(angles: Sequence[float]) -> list[float]:
    """Angles of labels (radians): as near to their phasors as leaves each its room."""
    order = sorted(range(len(angles)), key=lambda at: angles[at])
    placed = [angles[at] for at in order]
    for _ in range(200):
        moved = False
        for at in range(len(placed)):
            after = (at + 1) % len(placed)
            turn = 2 * math.pi if after <= at else 0.0
            short = _APART - (placed[after] + turn - placed[at])
            if len(placed) > 1 and short > 1e-6:
                placed[at] -= short / 2
                placed[after] += short / 2
                moved = True
        if not moved:
            break
    found = [0.0] * len(angles)
    for at, angle in zip(order, placed, strict=True):
        found[at] = angle
    return found


def _length(phasor: Phasor) -> float:
    value = Numbered(0, phasor).value
    return 0.0 if value is None else abs(value)


def _draw_ground(canvas: Canvas, radius: float) -> None:
    """Circles, axes, and a mark every 30 degrees."""
    canvas.setStrokeGray(0.45)
    canvas.setLineWidth(0.4)
    canvas.circle(0, 0, radius)
    canvas.setDash(1, 2)
    canvas.circle(0, 0, radius * _INNER)
    canvas.line(-radius, 0, radius, 0)
    canvas.line(0, -radius, 0, radius)
    canvas.setDash()
    for step in range(12):
        inner, outer = (cmath.rect(radius + more, step * math.pi / 6) for more in (-3, 0))
        canvas.line(inner.real, inner.imag, outer.real, outer.imag)
    canvas.setFillGray(0.3)
    canvas.setFont(PLAIN, 5)
    canvas.drawString(radius - 14, 2, "0\u00b0")
    canvas.drawString(2, radius - 9, "90\u00b0")


def _draw_phasor(canvas: Canvas, tip: complex, voltage: bool) -> None:
    canvas.setStrokeGray(0)
    canvas.setFillGray(0)
    canvas.setLineWidth(1.5 if voltage else 0.9)
    if not voltage:
        canvas.setDash(4, 2)
    size = min(6.0, abs(tip) / 2)
    back = tip - cmath.rect(size, cmath.phase(tip))
    canvas.line(0, 0, back.real, back.imag)
    canvas.setDash()
    side = cmath.rect(size * 0.4, cmath.phase(tip) + math.pi / 2)
    path = canvas.beginPath()
    path.moveTo(tip.real, tip.imag)
    path.lineTo((back + side).real, (back + side).imag)
    path.lineTo((back - side).real, (back - side).imag)
    path.close()
    canvas.setLineWidth(0.8)
    canvas.setFillGray(0 if voltage else 1)
    canvas.drawPath(path, stroke=1, fill=1)


def _draw_label(canvas: Canvas, one: Numbered, tip: complex, at: complex) -> None:
    font = BOLD if one.phasor.quantity == "voltage" else PLAIN
    text = lettering.drawn(one.label)
    near = at - cmath.rect(3, cmath.phase(at))
    canvas.setStrokeGray(0.45)
    canvas.setLineWidth(0.3)
    canvas.setDash(0.5, 1.5)
    canvas.line(tip.real, tip.imag, near.real, near.imag)
    canvas.setDash()
    canvas.setFillGray(0)
    canvas.setFont(font, _SIZE)
    half = lettering.width_of(text, font, _SIZE) / 2
    canvas.drawString(at.real + (half + 1) * math.cos(cmath.phase(at)) - half, at.imag - 2.3, text)
