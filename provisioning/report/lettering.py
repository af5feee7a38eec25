"""Type on the sheet: which characters it has, and how a text is broken into lines.

1. The type is Bitstream Vera, which reportlab brings and a PDF may carry: Latin with the accents of
   western and northern Europe and Turkey, and some of central Europe's. Hex digits are Courier,
   which every reader has.
2. A character that the type lacks, or that is not seen, stands as its number (\\u0416): nothing is
   left out, nothing is taken for another, and no mark of direction turns a line around. The JSON
   has each as it is.
3. What came from a device or a file is never read as markup.
"""

import unicodedata
from functools import cache, lru_cache
from html import escape

from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Paragraph

PLAIN, BOLD, HEX = "Vera", "VeraBd", "Courier"
_WORDS_MAX = 4096  # whose width is kept: one report uses the same few again and again
MORE = " \u2026 (in full behind)"


@cache
def known() -> frozenset[str]:
    """The characters that the type has; it is there once this was asked."""
    faces = [TTFont(name, f"{name}.ttf") for name in (PLAIN, BOLD)]
    for face in faces:
        pdfmetrics.registerFont(face)
    shared = frozenset.intersection(*(frozenset(face.face.charToGlyph) for face in faces))
    return frozenset(sign for sign in map(chr, sorted(shared)) if sign.isprintable())


def drawn(text: str) -> str:
    """A text as the sheet can show it (rule 2)."""
    there = known()
    shown = unicodedata.normalize("NFC", text).replace("\\u", "\\u005cu")
    if there.issuperset(shown):
        return shown
    return "".join(sign if sign in there else f"\\u{ord(sign):04x}" for sign in shown)


@cache
def style(font: str, size: float) -> ParagraphStyle:
    known()
    return ParagraphStyle(f"{font} {size}", fontName=font, fontSize=size, leading=1.25 * size)


def paragraph(text: str, font: str = PLAIN, size: float = 8) -> Paragraph:
    """A text that is broken where it must be (rule 3)."""
    return Paragraph(escape(drawn(text), quote=False), style(font, size))


@lru_cache(_WORDS_MAX)
def width_of(shown: str, font: str, size: float) -> float:
    known()
    return float(pdfmetrics.stringWidth(shown, font, size))


def lines(
    text: str, width: float, most: int | None, font: str = PLAIN, size: float = 8
) -> list[str]:
    """A text in lines of at most this width, broken at spaces where there are any.

    What `most` lines do not hold ends in words that say so; None: there is no such limit.
    """
    found = _broken(drawn(text), width, font, size)
    if most is None or len(found) <= most:
        return found
    kept = found[:most]
    while kept[-1] and width_of(kept[-1] + MORE, font, size) > width:
        kept[-1] = kept[-1][:-1]
    return [*kept[:-1], kept[-1] + MORE]


def _broken(shown: str, width: float, font: str, size: float) -> list[str]:
    found, line, used = [], "", 0.0
    space = width_of(" ", font, size)
    for word in shown.split(" "):
        wide = width_of(word, font, size)
        if line and used + space + wide <= width:
            line, used = f"{line} {word}", used + space + wide
            continue
        if line:
            found.append(line)
        while wide > width:
            fits = _fitting(word, width, font, size)
            found.append(word[:fits])
            word = word[fits:]
            wide = width_of(word, font, size)
        line, used = word, wide
    return [*found, line] if line or not found else found


def _fitting(line: str, width: float, font: str, size: float) -> int:
    """How many characters of a line fit; one at least."""
    fits = max(1, int(width / width_of(line, font, size) * len(line)))
    while fits > 1 and width_of(line[:fits], font, size) > width:
        fits -= 1
    return fits
