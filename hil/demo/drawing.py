"""The one-line diagram: both buses, the circuits between them, and what each end says, as SVG.

1. It is drawn twice, lying for a wide page and standing for a narrow one; the style shows one.
2. Figures are empty here: `data-at` names what goes where, and the page's script puts it there, as
   it puts the same into the tables beside. Without script the tables alone are whole.
3. A circuit that carries nothing is dashed and the marks at its ends are hollow; the words stand
   beside it. Whether a breaker is open is its relay's to say: a closed line may carry nothing too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from record.page.element import Html, joined, tag

DIAL = 44
PHASES = "ABC"


@dataclass(frozen=True, slots=True)
class Circuit:
    """A line of the diagram: the seam's name, and the device at each end."""

    seam: str
    first: str
    second: str


def lying(circuits: Sequence[Circuit], buses: tuple[str, str]) -> Html:
    """720 wide."""
    height = 60 + 150 * len(circuits)
    parts = [_text(150, 24, buses[0], "bus-name"), _text(570, 24, buses[1], "bus-name")]
    for x in (150, 570):
        parts.append(_line(x, 38, x, height - 12, "bar"))
    for number, one in enumerate(circuits):
        y = 100 + 150 * number
        parts += _wire(one, (150, y), (570, y))
        parts += [_dial(one.first, 66, y), _dial(one.second, 654, y)]
        for device, x, anchor in ((one.first, 164, "start"), (one.second, 556, "end")):
            parts += [
                _figure(x, y - 12, device, "flow", anchor),
                _figure(x, y + 24, device, "level", anchor),
                _figure(x, y + 42, device, "hz", anchor),
            ]
        parts += [
            _text(360, y - 30, one.seam, "seam-name"),
            _seam(360, y - 12, one.seam, "verdict"),
            _seam(360, y + 24, one.seam, "measure"),
            _seam(360, y + 42, one.seam, "share"),
        ]
    return _drawn("lying", 720, height, parts, "one-line-lying")


def standing(circuits: Sequence[Circuit], buses: tuple[str, str]) -> Html:
    """340 wide."""
    step = 300 // max(len(circuits), 1)
    parts = [_text(170, 18, buses[0], "bus-name"), _text(170, 610, buses[1], "bus-name")]
    for y in (140, 480):
        parts.append(_line(6, y, 334, y, "bar"))
    for number, one in enumerate(circuits):
        x = 52 + step * number  # what it says stands at its right
        parts += _wire(one, (x, 140), (x, 480))
        parts += [_dial(one.first, x, 80), _dial(one.second, x, 540)]
        for device, y in ((one.first, 162), (one.second, 432)):
            for row, what in enumerate(("flow", "level", "hz")):
                parts.append(_figure(x + 8, y + 16 * row, device, what, "start"))
        parts += [
            _text(x + 8, 270, one.seam, "seam-name", "start"),
            _seam(x + 8, 290, one.seam, "verdict", "start"),
            _seam(x + 8, 310, one.seam, "measure", "start"),
            _seam(x + 8, 330, one.seam, "share", "start"),
        ]
    return _drawn("standing", 340, 620, parts, "one-line-standing")


def _drawn(name: str, width: int, height: int, parts: Sequence[Html], title: str) -> Html:
    words = "Two buses and the circuits between them; every figure stands in the tables below."
    return tag(
        "svg", tag("title", words, id=title), *parts,
        viewBox=f"0 0 {width} {height}", class_=f"one-line {name}", role="img",
        aria_labelledby=title,
    )  # fmt: skip


def _wire(one: Circuit, begin: tuple[int, int], end: tuple[int, int]) -> list[Html]:
    ends = f"{one.first} {one.second}"
    line = _line(*begin, *end, "wire", ends)
    along = [
        (begin[0] + (end[0] - begin[0]) * share, begin[1] + (end[1] - begin[1]) * share)
        for share in (0.03, 0.97)
    ]
    marks = [
        tag("rect", x=x - 6, y=y - 6, width=12, height=12, class_="breaker", data_ends=ends)
        for x, y in along
    ]
    return [line, *marks]


def _dial(device: str, x: float, y: float) -> Html:
    """Phasors of one end: solid voltages, each with its letter; broken currents, each phase in
    dashes of its own (demo.css)."""
    hands = []
    for letter, kind in (("V", "volts"), ("I", "amps")):
        for phase in PHASES:
            at = f"{device}.{letter}{phase}"
            hands.append(tag("line", x1=0, y1=0, x2=0, y2=0, class_=kind, data_hand=at))
            if letter == "V":
                hands.append(tag("text", phase, x=0, y=0, class_="phase", data_tip=at))
    circle = tag("circle", cx=0, cy=0, r=DIAL, class_="dial")
    return tag("g", circle, *hands, transform=f"translate({x} {y})", data_dial=device)


def _line(x1: float, y1: float, x2: float, y2: float, kind: str, ends: str | None = None) -> Html:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind, data_ends=ends)


def _text(x: float, y: float, text: str, kind: str, anchor: str = "middle") -> Html:
    return tag("text", text, x=x, y=y, class_=kind, text_anchor=anchor)


def _figure(x: float, y: float, device: str, what: str, anchor: str) -> Html:
    return tag(
        "text", "\u2013", x=x, y=y, class_="figure", text_anchor=anchor, data_at=f"{device}.{what}"
    )


def _seam(x: float, y: float, seam: str, what: str, anchor: str = "middle") -> Html:
    return tag(
        "text", "\u2013", x=x, y=y, class_=what, text_anchor=anchor, data_seam=f"{seam}.{what}"
    )


def both(circuits: Sequence[Circuit], buses: tuple[str, str]) -> Html:
    return joined(lying(circuits, buses), standing(circuits, buses))
