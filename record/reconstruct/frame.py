"""The frame of a page that is one file: its head, the style of its tables and plots, a plot with
its legend.

1. What such a page may load is nothing (Content-Security-Policy); its one style is named there by
   its hash. It has no script.
2. Every text has a contrast of 7:1 or more to what it stands on (WCAG 2.2, 1.4.6); a line has a
   class, and its colour stands here alone.
3. On a narrow screen what is wide is moved within itself, and can be reached by the keyboard; the
   page is not.

What stands in it is whoever's page it is.
"""

import base64
import hashlib
from collections.abc import Sequence

from record.reconstruct.plot import Line, escaped

STYLE = """
body { font: 1rem/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 64rem;
  padding: 0 1rem; color: #14202b; background: #fff; overflow-wrap: break-word }
h1 { font-size: 1.5rem } h2 { font-size: 1.2rem; margin-top: 2rem } h3 { font-size: 1rem }
.wide { overflow-x: auto } .wide:focus-visible { outline: 3px solid #14202b }
figure { margin: 1.5rem 0 } figcaption, .note { color: #3d4a57 }
table { border-collapse: collapse; width: 100%; font-size: .94rem }
caption { text-align: left; color: #3d4a57; padding: .3rem .5rem }
th, td { text-align: left; vertical-align: top; padding: .25rem .5rem;
  border-bottom: 1px solid #d5dce3 }
svg { width: 100%; height: auto; font-size: 13px }
svg text { fill: #2c3844; stroke: #fff; stroke-width: 3px; paint-order: stroke }
.wide > svg { min-width: 48rem; display: block }
.grid { stroke: #e2e8ee } .mark { stroke: #6b7885; stroke-dasharray: 2 3 }
.line { fill: none; stroke-width: 1.4; stroke-linecap: round }
.one { stroke: #0b62a8; stroke-width: 2.6 }
.two { stroke: #b3500a; stroke-width: 2.4 } .three { stroke: #2f6b28; stroke-width: 2.2 }
.four { stroke: #8a2f86; stroke-width: 2 } .five { stroke: #6a5a00; stroke-width: 1.8 }
.six { stroke: #00707a; stroke-width: 1.6 } .seven { stroke: #5a3fc0; stroke-width: 1.4 }
.eight { stroke: #555; stroke-width: 1.2 }
.level { stroke: #b3261e; stroke-dasharray: 4 3 }
.legend { list-style: none; padding: 0; margin: .3rem 0; display: flex; flex-wrap: wrap;
  gap: .1rem 1.2rem; font-size: .94rem } .legend svg { width: 1.6rem; height: .6rem }
summary { cursor: pointer } details > summary + * { margin: .2rem 0 0 }
code { font-size: .94em; overflow-wrap: anywhere }
@media print { body { margin: 0; max-width: none; font-size: 10pt } .wide { overflow: visible }
  .wide > svg { min-width: 0 } table { font-size: 7.5pt } th, td { padding: .15rem .3rem }
  figure, tr, h2, h3 { break-inside: avoid } h2, h3 { break-after: avoid } }
@media (max-width: 40rem) { body { padding: 0 .6rem } h1 { font-size: 1.25rem }
  .wide > table { min-width: 38rem } }
"""
FOOT = "</main></body></html>\n"


def head(title: str, more: str = "") -> str:
    """Up to where the content begins. `more`: the page's own style, after the common one."""
    style = STYLE + more
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escaped(title)}</title><style>{style}</style></head><body>\n<main>\n"
        f"<h1>{escaped(title)}</h1>\n"
    )


def figure(
    title: str,
    svg: str,
    note: str,
    lines: Sequence[Line] = (),
    keys: Sequence[tuple[str, str]] = (),
    badges: str = "",
) -> str:
    """A plot under its title and a note, with which line is which. `keys`: what else a legend
    tells, class and words; `badges`: HTML."""
    shapes = [(f'<path class="line {line.style}" d="M0 4h24"/>', line.name) for line in lines]
    shapes += [(f'<rect class="{style}" width="24" height="8"/>', name) for style, name in keys]
    told = "".join(
        f'<li><svg class="swatch" viewBox="0 0 24 8" aria-hidden="true">{shape}</svg>'
        f" {escaped(name)}</li>"
        for shape, name in shapes
    )
    which = f'<ul class="legend">{told}</ul>' if told else ""
    caption = f"<figcaption><h3>{escaped(title)}{badges}</h3>{escaped(note)}{which}</figcaption>"
    return f"<figure>{caption}\n{wide(svg, title)}</figure>"


def table(title: str, names: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> str:
    """Cells are HTML; title, names and note are text."""
    body = "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    over = "".join(f'<th scope="col">{escaped(name)}</th>' for name in names)
    over = f"<thead><tr>{over}</tr></thead>\n" if any(names) else ""
    caption = f"<caption>{escaped(note)}</caption>" if note else ""
    return wide(f"<table>{caption}{over}<tbody>{body}</tbody></table>", title)


def wide(content: str, title: str) -> str:
    """What a narrow screen moves within itself."""
    of = f'role="region" tabindex="0" aria-label="{escaped(title)}"'
    return f'<div class="wide" {of}>{content}</div>'
