"""The one-line diagram: both buses, the circuits between them with their breakers, and what each
end says, as SVG.

1. It is drawn twice, lying for a wide page and standing for a narrow one; the style shows one.
2. Figures are empty here: `data-at` names what goes where, and the page's script puts it there, as
   it puts the same into the tables beside. Without script the tables alone are whole.
3. A breaker is IEC 60617's: a contact with a cross. Its blade stands as the device says that tells
   its position (hil.demo.wording); dotted where no device does. A circuit that carries nothing is
   broken, and no breaker is open by that: a closed line may carry nothing, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from record.page.element import Html, joined, tag

DIAL = 44
BLADE, STUB = 28, 14  # of a breaker; from its bus
PHASES = "ABC"


@dataclass(frozen=True, slots=True)
class Circuit:
    """A line of the diagram: the seam's name, the device that measures each end, and the one that
    says of each end's breaker whether it is open; empty: none does."""

    seam: str
    first: str
    second: str
    first_breaker: str = ""
    second_breaker: str = ""


def lying(circuits: Sequence[Circuit], buses: tuple[str, str]) -> Html:
    """800 wide."""
    west, east = 170, 630
    height = 54 + 160 * len(circuits)
    parts = [_text(west, 22, buses[0], "bus-name"), _text(east, 22, buses[1], "bus-name")]
    for x in (west, east):
        parts.append(_line(x, 34, x, height - 14, "bar"))
    for number, one in enumerate(circuits):
        y = 106 + 160 * number
        parts += _lying_wire(one, (west, east), y)
        for device, breaker, dial, x, anchor in (
            (one.first, one.first_breaker, 84, west + STUB, "start"),
            (one.second, one.second_breaker, 716, east - STUB, "end"),
        ):
            parts += [_dial(device, dial, y), _text(dial, y + 68, device, "device")]
            for row, what in ((-22, "flow"), (26, "level"), (45, "hz")):
                parts.append(_figure(x, y + row, device, what, anchor))
            if breaker:
                parts.append(_figure(x, y + 64, breaker, "position", anchor))
        parts += [
            _text(400, y - 34, one.seam, "seam-name"),
            _seam(400, y - 14, one.seam, "verdict"),
            _seam(400, y + 26, one.seam, "measure"),
            _seam(400, y + 45, one.seam, "share"),
        ]
    return _drawn("lying", 800, height, parts, "one-line-lying")


def standing(circuits: Sequence[Circuit], buses: tuple[str, str]) -> Html:
    """340 wide."""
    west, east = 158, 498
    step = 288 // max(len(circuits), 1)
    parts = [_text(170, 16, buses[0], "bus-name"), _text(170, 648, buses[1], "bus-name")]
    for y in (west, east):
        parts.append(_line(6, y, 334, y, "bar"))
    for number, one in enumerate(circuits):
        x = 52 + step * number  # what it says stands at its right
        parts += _standing_wire(one, (west, east), x)
        for device, breaker, dial, name, y in (
            (one.first, one.first_breaker, 82, 149, 180),
            (one.second, one.second_breaker, 576, 518, 434),
        ):
            parts += [_dial(device, x, dial), _text(x, name, device, "device")]
            for row, what in enumerate(("flow", "level", "hz")):
                parts.append(_figure(x + 16, y + 17 * row, device, what, "start"))
            if breaker:
                where = y + 51 if dial < west else y - 34
                parts += [
                    _text(x + 16, where, breaker, "device", "start"),
                    _figure(x + 16, where + 17, breaker, "stands", "start"),
                ]
        parts += [
            _text(x + 16, 282, one.seam, "seam-name", "start"),
            _seam(x + 16, 302, one.seam, "verdict", "start"),
            _seam(x + 16, 322, one.seam, "measure", "start"),
            _seam(x + 16, 340, one.seam, "share", "start"),
        ]
    return _drawn("standing", 340, 656, parts, "one-line-standing")


def _drawn(name: str, width: int, height: int, parts: Sequence[Html], title: str) -> Html:
    words = "Two buses and the circuits between them; every figure stands in the tables below."
    return tag(
        "svg", tag("title", words, id=title), *parts,
        viewBox=f"0 0 {width} {height}", class_=f"one-line {name}", role="img",
        aria_labelledby=title,
    )  # fmt: skip


def _lying_wire(one: Circuit, bars: tuple[int, int], y: int) -> list[Html]:
    west, east = bars
    ends = f"{one.first} {one.second}"
    return [
        _line(west, y, west + STUB, y, "wire", ends),
        _line(west + STUB + BLADE, y, east - STUB - BLADE, y, "wire", ends),
        _line(east - STUB, y, east, y, "wire", ends),
        _breaker(one.first_breaker, f"translate({west + STUB} {y})"),
        _breaker(one.second_breaker, f"translate({east - STUB} {y}) scale(-1 1)"),
        _arrow(one.first, f"translate(400 {y})"),
    ]


def _standing_wire(one: Circuit, bars: tuple[int, int], x: int) -> list[Html]:
    west, east = bars
    ends = f"{one.first} {one.second}"
    return [
        _line(x, west, x, west + STUB, "wire", ends),
        _line(x, west + STUB + BLADE, x, east - STUB - BLADE, "wire", ends),
        _line(x, east - STUB, x, east, "wire", ends),
        _breaker(one.first_breaker, f"translate({x} {west + STUB}) rotate(90) scale(1 -1)"),
        _breaker(one.second_breaker, f"translate({x} {east - STUB}) rotate(-90)"),
        _arrow(one.first, f"translate({x} 372) rotate(90)"),
    ]


def _breaker(device: str, place: str) -> Html:
    """From its contact along the wire: both blades, of which the style shows one."""
    return tag(
        "g",
        _line(-5, -5, 5, 5, "cross"),
        _line(-5, 5, 5, -5, "cross"),
        _line(0, 0, BLADE, 0, "blade shut"),
        _line(3, -14, BLADE, 0, "blade raised"),
        class_="breaker",
        transform=place,
        data_breaker=device or None,
    )


def _arrow(device: str, place: str) -> Html:
    """Where the power goes, by the first end's word."""
    head = tag("polygon", points="-7,-6 7,0 -7,6", class_="arrow")
    return tag("g", head, transform=place, class_="flow", data_flow=device)


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
