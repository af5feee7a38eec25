"""What a plot of a page draws, shape by shape, as its SVG has it."""

import re
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree import ElementTree

from record.reconstruct.plot import LEFT, RIGHT, WIDTH


class Shape(NamedTuple):
    """A rectangle, a line or a text: its class, its row from above, its edges, what it says."""

    style: str
    row: int
    left: float
    right: float
    text: str


def drawn(page: str, title: str, row_px: int) -> list[Shape]:
    """All of one plot, whose rows are so high."""
    (svg,) = re.findall(rf'<svg viewBox="[^>]* aria-label="{title}">.*?</svg>', page, re.DOTALL)
    return list(_shapes(ElementTree.fromstring(svg), row_px))


def over(shapes: list[Shape], row: int, at: float) -> list[Shape]:
    """Those of a row that lie across a place."""
    return [one for one in shapes if one.row == row and one.left <= at <= one.right]


def _shapes(svg: ElementTree.Element, row_px: int) -> Iterator[Shape]:
    for one in svg:
        text = one.findtext("title", "") or one.text or ""
        if one.tag == "path":
            left, y, right = (float(found) for found in re.findall(r"[\d.]+", one.attrib["d"]))
        elif one.tag in ("rect", "text"):
            left, y = float(one.attrib["x"]), float(one.attrib["y"])
            right = left + float(one.get("width", 0))
        else:
            continue
        yield Shape(one.get("class", ""), int(y // row_px), left, right, text)


def along(share: float) -> float:
    """Where a share of a play lies in any of its plots."""
    return LEFT + (WIDTH - LEFT - RIGHT) * share
