"""The style of a report beyond the common frame of pages (record.reconstruct.frame), and what is
said alike on all of its pages.

1. Dark where the reader's system is; on paper always light.
2. What holds, what does not and what was not asked is said in words; colour only goes with them.
   Texts keep 7:1 to what they stand on, in both (WCAG 2.2, 1.4.6).
3. Lines are told apart by their dashes, too: in grey on paper, and where one lies on another.
"""

from collections.abc import Sequence

from record.reconstruct import frame
from record.reconstruct.plot import escaped

# What is said at the top of a page, of every kind.
VERDICT_STYLE = """
.yes { color: #1d5c25 } .no { color: #8f1a12; font-weight: 600 } .idle { color: #46525e }
.verdict { font-size: 1.2rem; border-left: .4rem solid; padding: .4rem .8rem; margin: 1rem 0 }
@media print { .verdict { break-inside: avoid } a { color: inherit } }
"""
_OWN = """
:root { color-scheme: light dark }
.figures { font-variant-numeric: tabular-nums }
.lane { fill: #f2f5f8 } .lane.odd { fill: #fff }
.deed { fill: #b3500a } .fault { fill: #8f1a12 } .gap { fill: #6b7885 } .flag { fill: #5a3fc0 }
.start { fill: #2f6b28 } .doubt { fill: #c9b3e6 }
.full { fill: #2f6b28 } .most { fill: #8fbf6a } .some { fill: #e0b23c } .few { fill: #d06a2c }
.none { fill: #8f1a12 } .idlecell { fill: #d5dce3 } .hatch { stroke: #14202b; stroke-width: 1 }
.ring { fill: none; stroke: #c3ccd5 } .arrow { stroke-width: 2.4; stroke-linecap: round }
.arrow.amp { stroke-dasharray: 4 3; stroke-width: 1.8 } .A { stroke: #0b62a8 }
.B { stroke: #b3500a } .C { stroke: #2f6b28 } .other { stroke: #8a2f86 }
.diagrams { display: flex; flex-wrap: wrap; gap: 1rem; list-style: none; padding: 0 }
.diagrams > li { flex: 1 1 14rem; max-width: 20rem; break-inside: avoid }
.line { stroke-linejoin: round }
.line.two { stroke-dasharray: 10 6 } .line.three { stroke-dasharray: 4 5 }
.line.four { stroke-dasharray: 12 5 2 5 } .line.five { stroke-dasharray: 1 5 }
.line.six { stroke-dasharray: 9 5 1 5 1 5 } .line.seven { stroke-dasharray: 18 6 }
.line.eight { stroke-dasharray: 6 9 }
@media (max-width: 40rem) { .wide > table:not(:has(th:nth-child(5))) { min-width: 0 } }
@media screen and (prefers-color-scheme: dark) {
  body { background: #10161c; color: #e6ebf0 } a { color: #9ccbff }
  figcaption, .note, caption { color: #c0cad4 } th, td { border-color: #33404c }
  svg text { fill: #dbe3ea; stroke: #10161c } .grid { stroke: #26323d }
  .wide:focus-visible { outline-color: #e6ebf0 } .mark { stroke: #93a1ae }
  .yes { color: #8fd69a } .no { color: #ffb0a8 } .idle { color: #b9c4ce }
  .lane { fill: #18212a } .lane.odd { fill: #10161c }
  .one, .A { stroke: #6db6f5 } .two, .B { stroke: #f0a05e } .three, .C { stroke: #86cc7c }
  .four, .other { stroke: #e08fdc } .five { stroke: #d9c65a } .six { stroke: #58cbd6 }
  .seven { stroke: #b39dff } .eight { stroke: #c4c4c4 } .ring { stroke: #45525e }
  .deed { fill: #f0a05e } .fault { fill: #ff8a80 } .gap { fill: #93a1ae } .flag { fill: #b39dff }
  .start { fill: #86cc7c } .doubt { fill: #5b4a86 } .idlecell { fill: #33404c }
  .full { fill: #4f9a46 } .hatch { stroke: #e6ebf0 }
}
"""
STYLE = VERDICT_STYLE + _OWN
ROWS_MAX = 400  # of one table; what is left out is counted
STYLES = ("one", "two", "three", "four", "five", "six", "seven", "eight")
HELD = {True: ("yes", "holds"), False: ("no", "does not hold"), None: ("idle", "not asked")}


def held(value: bool | None) -> str:
    """In words, with their colour."""
    style, word = HELD[value]
    return f'<span class="{style}">{word}</span>'


def section(title: str, names: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> str:
    """A table under its title, of ROWS_MAX rows; nothing where it has none. Cells are HTML."""
    if not rows:
        return ""
    more = len(rows) - ROWS_MAX
    if more > 0:
        note = f"{note} {many(more, 'row')} below these: not shown.".strip()
    return f"<h2>{escaped(title)}</h2>\n{frame.table(title, names, rows[:ROWS_MAX], note)}"


def many(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
