"""The page over several scenarios: each with its verdict, and a link to its own page.

It decides nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple

from hil.report.style import STYLE, held, many, section
from record.reconstruct import frame
from record.reconstruct.plot import escaped


class Line(NamedTuple):
    """One scenario. `held`: None where it was left out; `link`: of its page, where there is one."""

    name: str
    held: bool | None
    asked: int
    failed: int
    why: Sequence[str]
    link: str = ""
    unasked: int = 0


def text(lines: Sequence[Line], stopped: bool) -> str:
    """The whole page."""
    failed = [one for one in lines if one.held is False]
    played = [one for one in lines if one.held is not None]
    style = "no" if failed else "yes" if played else "idle"
    words = "None was played."
    if failed:
        verb = "does" if len(failed) == 1 else "do"
        words = f"{len(failed)} of {many(len(played), 'scenario')} {verb} not hold."
    elif len(played) == 1:
        words = "The only scenario that was played holds."
    elif played:
        words = f"All {many(len(played), 'scenario')} that were played hold."
    left = len(lines) - len(played)
    words += f" {left} {'was' if left == 1 else 'were'} left out." if left else ""
    words += " It was stopped before the others." if stopped else ""
    rows = []
    for one in lines:
        name = escaped(one.name)
        rows.append(
            [
                f'<a href="{escaped(one.link)}">{name}</a>' if one.link else name,
                held(one.held),
                _counts(one),
                "<br>".join(map(escaped, one.why)),
            ]
        )
    names = ("scenario", "came out", "expectations that hold", "why")
    return (
        f"{frame.head('Scenarios', STYLE)}"
        f'<p class="verdict {style}">{escaped(words)}</p>\n'
        f"{section('Each of them', names, rows)}\n{frame.FOOT}"
    )


def _counts(of: Line) -> str:
    held = f"{of.asked - of.failed} of {of.asked}" if of.asked else ""
    return "; ".join(filter(None, (held, f"{of.unasked} not asked" if of.unasked else "")))
