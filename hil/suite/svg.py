"""The few elements of SVG that the picture is made of.

1. It is printed whole, on one page of any paper: nothing is cut off, or left for a second one.
2. All text goes through `text`, which escapes it, and leaves out what no XML may hold.
3. Figures of the drawing are rounded to a tenth of a pixel.
"""

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

WIDTH: Final = 1160
INK: Final = "#1b232c"
MUTED: Final = "#4a5663"
_SHORT = (
    '<defs><pattern id="short" width="6" height="6" patternUnits="userSpaceOnUse"'
    ' patternTransform="rotate(45)"><rect width="6" height="6" fill="#fff"/>'
    '<rect width="3" height="6" fill="#a3231b"/></pattern></defs>'
)
_PRINTED = "<style>@page{margin:9mm}@media print{:root{width:100%;height:100%}}</style>"


def whole(title: str, parts: Sequence[str], height: float) -> str:
    """The document."""
    size = f'width="{WIDTH}" height="{height:g}" viewBox="0 0 {WIDTH} {height:g}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"'
    font = 'font-family="system-ui, sans-serif"'
    paper = f'<rect width="{WIDTH}" height="{height:g}" fill="#fff"/>'
    begin = (f"{head} {font}>", f"<title>{escape(title)}</title>", _PRINTED, _SHORT, paper)
    return "\n".join((*begin, *(part for part in parts if part), "</svg>\n"))


def text(
    x: float,
    y: float,
    said: str,
    *,
    size: int = 12,
    weight: int = 400,
    anchor: str = "start",
    fill: str = INK,
) -> str:
    """One line of text; nothing when it is empty."""
    if not said:
        return ""
    shown = escape("".join(one if one.isprintable() else " " for one in said))
    style = f'font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" fill="{fill}"'
    return f'<text x="{_at(x)}" y="{_at(y)}" {style}>{shown}</text>'


def box(x: float, y: float, width: float, height: float, fill: str, stroke: str = "none") -> str:
    """A rectangle."""
    place = f'x="{_at(x)}" y="{_at(y)}" width="{_at(width)}" height="{_at(height)}"'
    return f'<rect {place} fill="{fill}" stroke="{stroke}"/>'


def line(
    x1: float, y1: float, x2: float, y2: float, stroke: str, width: float, dash: str = ""
) -> str:
    """A straight line; `dash` as SVG has it."""
    ends = f'x1="{_at(x1)}" y1="{_at(y1)}" x2="{_at(x2)}" y2="{_at(y2)}"'
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<line {ends} stroke="{stroke}" stroke-width="{width:g}"{dashed}/>'


def path(points: Sequence[tuple[float, float]], stroke: str, dash: str = "") -> str:
    """Straight from point to point; nothing without two."""
    if len(points) < 2:
        return ""
    along = " ".join(f"{_at(x)},{_at(y)}" for x, y in points)
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<polyline points="{along}" fill="none" stroke="{stroke}" stroke-width="2"{dashed}/>'


def dot(x: float, y: float, fill: str, stroke: str) -> str:
    """A point of a curve."""
    return f'<circle cx="{_at(x)}" cy="{_at(y)}" r="3.5" fill="{fill}" stroke="{stroke}"/>'


def _at(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
