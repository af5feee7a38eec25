"""A phasor diagram as SVG, for a page that is read in sunlight, by a screen reader, and printed.

1. Angles are told against one voltage, the reference, which points to the right: at 59.95 Hz a
   phasor turns 18 degrees a second, and a picture that turns is not read.
2. Of each quantity the longest phasor has the full radius; how much that is stands beside it.
3. Colour tells nothing that line, arrow and label do not: voltages are solid, currents dashed, each
   end has the name of its channel. Beside it stands a table with every figure (live.py).

It hears nothing.
"""

import math
from collections.abc import Sequence

from provisioning.page.element import Html, joined, tag
from provisioning.snapshot import Phasor

SIZE = 400  # of the drawing, in its own units
CENTRE = SIZE / 2
RADIUS = 145.0
LABEL = 20.0  # beyond the tip
WIDE, HIGH = 34.0, 20.0  # of a label: nearer ones would touch
ASIDE = 5.0  # degrees by which a label is moved aside, to either side in turn
LABELS_MAX = 12
HEAD = 11.0  # of an arrow
CHARACTERS_MAX = 10  # of a label: C37.118.2 6.4 has 16, and the picture is small
PHASORS_MAX = 24  # that can be told apart at all; the table has the rest
_ZERO = 1e-9  # of the longest: no direction


def reference(phasors: Sequence[Phasor]) -> Phasor | None:
    """The voltage that angles are told against: phase A, else positive sequence, else the first."""
    voltages = [one for one in phasors if one.quantity == "voltage" and one.magnitude > 0]
    for phase in ("A", "AB", "1", "+"):
        for one in voltages:
            if one.phase == phase:
                return one
    return voltages[0] if voltages else next(iter(phasors), None)


def against(one: Phasor, to: Phasor | None) -> float:
    """Degrees by which a phasor is ahead of another, in (-180, 180]."""
    turned = math.fmod(one.degrees - (to.degrees if to else 0.0), 360.0)
    turned = turned - 360.0 if turned > 180.0 else turned
    return turned + 360.0 if turned <= -180.0 else turned


def drawn(phasors: Sequence[Phasor], name: str, mark: str) -> Html:
    """The picture. `name`: of the source; `mark`: what makes its ids its own."""
    to = reference(phasors)
    longest = {
        quantity: max((one.magnitude for one in phasors if one.quantity == quantity), default=0.0)
        for quantity in ("voltage", "current")
    }
    told = ", ".join(f"{one.name} at {against(one, to):.0f} degrees" for one in phasors)
    seen = [
        (one, against(one, to), one.magnitude / longest[one.quantity])
        for one in phasors[:PHASORS_MAX]
        if longest.get(one.quantity, 0.0) > 0 and one.magnitude > _ZERO * longest[one.quantity]
    ]
    taken: list[tuple[float, float]] = []
    arrows = [_arrow(*one, at) for at, one in enumerate(seen)]
    labels = [_label(one.name, degrees, part, taken) for one, degrees, part in seen]
    return tag(
        "svg",
        tag("title", f"Phasors of {name}", id=f"title-{mark}"),
        tag("desc", told or "no phasor is heard", id=f"told-{mark}"),
        _scale(),
        *arrows,
        *labels,
        role="img",
        aria_labelledby=f"title-{mark} told-{mark}",
        viewBox=f"0 0 {SIZE} {SIZE}",
        class_="phasors",
    )


def _scale() -> Html:
    """The circle, and a line every 30 degrees."""
    rays = []
    for degrees in range(0, 360, 30):
        x, y = _point(degrees, RADIUS)
        rays.append(tag("line", x1=CENTRE, y1=CENTRE, x2=x, y2=y, class_="ray"))
    circles = [tag("circle", cx=CENTRE, cy=CENTRE, r=f"{RADIUS * part:.0f}", class_="ring")
               for part in (0.5, 1.0)]  # fmt: skip
    return joined(*rays, *circles)


def _arrow(one: Phasor, degrees: float, part: float, at: int) -> Html:
    kind = f"{one.quantity} {_colour(one.phase, at)}"
    x, y = _point(degrees, RADIUS * part)
    back = _point(degrees, max(RADIUS * part - HEAD, 0))
    wing = math.radians(degrees + 90)
    sides = [
        f"{back[0] + way * math.cos(wing) * HEAD / 2:.1f},"
        f"{back[1] - way * math.sin(wing) * HEAD / 2:.1f}"
        for way in (1, -1)
    ]
    return joined(
        tag("line", x1=CENTRE, y1=CENTRE, x2=f"{x:.1f}", y2=f"{y:.1f}", class_=f"shaft {kind}"),
        tag("polygon", points=f"{x:.1f},{y:.1f} {' '.join(sides)}", class_=f"head {kind}"),
    )


def _label(name: str, degrees: float, part: float, taken: list[tuple[float, float]]) -> Html:
    """A name beyond its tip, and beside the names that stand there already."""
    radius = RADIUS * part + LABEL
    x, y = _point(degrees, radius)
    for step in range(1, LABELS_MAX):
        if all(abs(x - other) > WIDE or abs(y - over) > HIGH for other, over in taken):
            break
        turned = (step + 1) // 2 * ASIDE * (1 if step % 2 else -1)
        x, y = _point(degrees + turned, radius)
    taken.append((x, y))
    at = {"x": f"{x:.1f}", "y": f"{y:.1f}", "text_anchor": "middle"}
    return tag("text", name[:CHARACTERS_MAX], dominant_baseline="middle", **at)


def _colour(phase: str, at: int) -> str:
    """The class of a phase; of one that nobody names, by its place."""
    for name in "ABC":
        if phase.startswith(name):
            return f"phase-{name.lower()}"
    return f"phase-{'abc'[at % 3]}" if not phase else "phase-s"


def _point(degrees: float, radius: float) -> tuple[float, float]:
    turned = math.radians(degrees)
    return CENTRE + radius * math.cos(turned), CENTRE - radius * math.sin(turned)
