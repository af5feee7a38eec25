"""Phasor diagrams: what each PMU said before, during and after what was done, side by side.

1. All of a row are turned alike, so that the first voltage of the row's first frame points to the
   right: what turns between them is seen. Longest is 1 of voltages and of currents each, in all of
   a row: what shrinks is seen as well.
2. Voltages are whole lines, currents dashed; a phase has its colour, and its name at its end.
3. Of what was done to one device that device is drawn; else the first DEVICES_MAX.
"""

import cmath
from collections.abc import Iterable, Sequence

from hil.live.play import Deed
from hil.report.compared import Compared, around, chosen
from hil.report.trace import Arrow
from record.reconstruct.plot import escaped

SIZE, RADIUS = 220, 84
DEVICES_MAX = 2  # of what was done to all of them
PHASES = ("VA", "VB", "VC", "IA", "IB", "IC")
Row = tuple[str, str, list[tuple[str, tuple[Arrow, ...]]]]


def diagrams(deeds: Sequence[Deed], compared: Compared) -> Iterable[str]:
    """A row of three for each deed and device that is drawn, as HTML."""
    names = [name for name, one in compared.gauges.items() if one.drawn is not None]
    for number, deed in numbered(deeds):
        to = getattr(deed.row, "device", None)
        for name in [to] if to in names else names[:DEVICES_MAX] if not to else []:
            moments = around(deed)
            some = [
                (when, tuple(one for one in compared.moments.at(at, name) if one.name in PHASES))
                for when, at in moments.items()
            ]
            if any(arrows for _, arrows in some):
                yield _row(f"{number}. {deed.name}: {name}", some)


def numbered(deeds: Sequence[Deed]) -> Iterable[tuple[int, Deed]]:
    """With their numbers in the table of what was done."""
    drawn = chosen(deeds)
    return ((number, deed) for number, deed in enumerate(deeds, 1) if deed in drawn)


def _row(title: str, some: Sequence[tuple[str, tuple[Arrow, ...]]]) -> str:
    longest = {
        current: max(
            (abs(one.value) for _, arrows in some for one in arrows if one.current is current),
            default=0.0,
        )
        for current in (False, True)
    }
    first = next((one.value for _, arrows in some for one in arrows if not one.current), 1 + 0j)
    turn = cmath.rect(1.0, -cmath.phase(first)) if first else 1 + 0j
    items = "".join(
        f"<li>{_diagram(f'{title}, {when}', arrows, longest, turn)}"
        f"{escaped(_caption(when, arrows))}</li>"
        for when, arrows in some
    )
    return f'<h3>{escaped(title)}</h3>\n<ul class="diagrams">{items}</ul>'


def _caption(when: str, arrows: Sequence[Arrow]) -> str:
    if not arrows:
        return f"{when}: no frame within a second"
    volt = next((abs(one.value) for one in arrows if not one.current), None)
    amp = next((abs(one.value) for one in arrows if one.current), None)
    said = [f"{volt / 1000:.2f} kV" if volt is not None else "", f"{amp:.1f} A" if amp else ""]
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
        # A voltage's name stands beyond its end, a current's before it.
        share = 1.14 if not one.current else 0.66
        x, y = middle + to.real * share, middle - to.imag * share + 4
        name = escaped(one.name)
        parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{name}</text>')
    return "".join([*parts, "</svg>"])
