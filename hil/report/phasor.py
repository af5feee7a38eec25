"""Phasor diagrams: what each PMU said before, during and after what was done, side by side.

1. In the first of a row the first voltage points to the right. The others are turned by what
   another PMU turned by meanwhile, where there is one: what is seen to turn did so against the
   grid, which itself turns for ever where it is off nominal. The longest of a row is the ring, of
   voltages and of currents each: what shrinks is seen as well.
2. Voltages are whole lines, currents dashed; a phase has its colour, and its name at its end.
3. Of what was done to one device that device is drawn; else the first DEVICES_MAX.
"""

import cmath
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hil.live.play import Deed
from hil.report.compared import Compared, around, chosen
from hil.report.trace import Arrow
from record.reconstruct.plot import escaped

SIZE, RADIUS = 220, 84
DEVICES_MAX = 2  # of what was done to all of them
NAME_LEAST = 10  # px of an arrow that bears its name: below, it is none
BESIDE = 13  # px from a current to its name: on the line it could not be read
PHASES = ("VA", "VB", "VC", "IA", "IB", "IC")


class _Moment(NamedTuple):
    """What a PMU said, and another beside it."""

    when: str
    arrows: tuple[Arrow, ...]
    other: tuple[Arrow, ...]


def diagrams(deeds: Sequence[Deed], compared: Compared) -> Iterable[str]:
    """A row of three for each deed and device that is drawn, as HTML."""
    names = [name for name, one in compared.gauges.items() if one.drawn is not None]
    for number, deed in numbered(deeds):
        to = getattr(deed.row, "device", None)
        for name in [to] if to in names else names[:DEVICES_MAX] if not to else []:
            other = next((one for one in names if one != name), name)
            some = [
                _Moment(when, _phases(compared, at, name), _phases(compared, at, other))
                for when, at in around(deed).items()
            ]
            if any(one.arrows for one in some):
                yield _row(f"{number}. {deed.name}: {name}", some)


def numbered(deeds: Sequence[Deed]) -> Iterable[tuple[int, Deed]]:
    """With their numbers in the table of what was done."""
    drawn = chosen(deeds)
    return ((number, deed) for number, deed in enumerate(deeds, 1) if deed in drawn)


def _phases(compared: Compared, at: int, name: str) -> tuple[Arrow, ...]:
    return tuple(one for one in compared.moments.at(at, name) if one.name in PHASES)


def _row(title: str, some: Sequence[_Moment]) -> str:
    longest = {
        current: max(
            (abs(one.value) for of in some for one in of.arrows if one.current is current),
            default=0.0,
        )
        for current in (False, True)
    }
    first = next((of for of in some if of.arrows), some[0])
    start = -_angle(first.arrows)
    items = []
    for of in some:
        meanwhile = _angle(of.other) - _angle(first.other) if of.other and first.other else 0.0
        svg = _diagram(
            f"{title}, {of.when}", of.arrows, longest, cmath.rect(1.0, start - meanwhile)
        )
        items.append(f"<li>{svg}{escaped(_caption(of.when, of.arrows))}</li>")
    return f'<h3>{escaped(title)}</h3>\n<ul class="diagrams">{"".join(items)}</ul>'


def _angle(arrows: Sequence[Arrow]) -> float:
    """Of the first voltage, rad."""
    return next((cmath.phase(one.value) for one in arrows if not one.current), 0.0)


def _caption(when: str, arrows: Sequence[Arrow]) -> str:
    if not arrows:
        return f"{when}: no frame within a second"
    volt = next((abs(one.value) for one in arrows if not one.current), None)
    amp = next((abs(one.value) for one in arrows if one.current), None)
    said = [
        f"{volt / 1000:.2f} kV" if volt is not None else "",
        f"{amp:.1f} A" if amp is not None else "",
    ]
    return f"{when}: {', '.join(filter(None, said))}"


def _diagram(title: str, arrows: Sequence[Arrow], longest: dict[bool, float], turn: complex) -> str:
    middle = SIZE / 2
    parts = [
        f'<svg viewBox="0 0 {SIZE} {SIZE}" role="img" aria-label="{escaped(title)}">',
        f"<title>{escaped(title)}</title>",
        f'<circle class="ring" cx="{middle}" cy="{middle}" r="{RADIUS}"/>',
        f'<path class="ring" d="M{middle - RADIUS} {middle}h{2 * RADIUS}M{middle} '
        f'{middle - RADIUS}v{2 * RADIUS}"/>',
    ]
    for one in arrows:
        if not longest[one.current]:
            continue
        to = one.value * turn / longest[one.current] * RADIUS
        kind = f"arrow {one.name[-1:]}{' amp' if one.current else ''}"
        x, y = middle + to.real, middle - to.imag
        parts.append(f'<path class="{kind}" d="M{middle} {middle}L{x:.1f} {y:.1f}"/>')
        if abs(to) >= NAME_LEAST:
            place = _place(to, one, arrows)
            x, y = middle + place.real, middle - place.imag + 4
            name = escaped(one.name)
            parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{name}</text>')
    return "".join([*parts, "</svg>"])


def _place(to: complex, of: Arrow, arrows: Sequence[Arrow]) -> complex:
    """Of its name: a voltage's stands beyond its end; a current's beside it, away from the voltage
    of its phase.
    """
    way = to / abs(to)
    if not of.current:
        return to + 13 * way
    volt = next((one.value for one in arrows if one.name == f"V{of.name[-1:]}"), of.value)
    left = (of.value * volt.conjugate()).imag >= 0
    return to - 16 * way + BESIDE * way * (1j if left else -1j)
