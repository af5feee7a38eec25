"""The page over several scenarios: each with its verdict, and a link to its own page.

It decides nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple

from hil.report.style import STYLE, held, many, section
from record.reconstruct import frame
from record.reconstruct.plot import escaped

STOPPED = '<span class="idle">stopped</span>'


class Line(NamedTuple):
    """One scenario. `held`: None where it was left out, or stopped and nothing of it is broken;
    `link`: of its page, where there is one."""

    name: str
    held: bool | None
    asked: int
    failed: int
    why: Sequence[str]
    link: str = ""
    unasked: int = 0
    stopped: bool = False


def text(lines: Sequence[Line]) -> str:
    """The whole page."""
    stopped = sum(one.stopped for one in lines)
    failed = any(one.held is False for one in lines)
    whole = any(one.held for one in lines)
    style = "no" if failed else "yes" if whole and not stopped else "idle"
    rows = []
    for one in lines:
        name = escaped(one.name)
        rows.append(
            [
                f'<a href="{escaped(one.link)}">{name}</a>' if one.link else name,
                STOPPED if one.stopped and one.held is None else held(one.held),
                _counts(one),
                "<br>".join(map(escaped, one.why)),
            ]
        )
    names = ("scenario", "came out", "expectations that hold", "why")
    return (
        f"{frame.head('Scenarios', STYLE)}"
        f'<p class="verdict {style}">{escaped(_words(lines, stopped))}</p>\n'
        f"{section('Each of them', names, rows)}\n{frame.FOOT}"
    )


def _words(lines: Sequence[Line], stopped: int) -> str:
    """In a few sentences; first that it was stopped."""
    judged = [one for one in lines if one.held is not None]
    failed = [one for one in judged if not one.held]
    words = []
    if stopped:
        verb, whose = ("was", "its") if stopped == 1 else ("were", "their")
        words.append(f"{many(stopped, 'scenario')} {verb} stopped before {whose} end.")
    if failed:
        verb = "does" if len(failed) == 1 else "do"
        words.append(f"{len(failed)} of {many(len(judged), 'scenario')} {verb} not hold.")
    elif len(judged) == 1:
        end = " to its end" if stopped else ""
        words.append(f"The only scenario that was played{end} holds.")
    elif judged:
        end = " to their end" if stopped else ""
        words.append(f"All {many(len(judged), 'scenario')} that were played{end} hold.")
    elif not stopped:
        words.append("None was played.")
    left = len(lines) - len(judged) - sum(one.stopped and one.held is None for one in lines)
    words += [f"{left} {'was' if left == 1 else 'were'} left out."] if left else []
    return " ".join(words)


def _counts(of: Line) -> str:
    held = f"{of.asked - of.failed} of {of.asked}" if of.asked else ""
    return "; ".join(filter(None, (held, f"{of.unasked} not asked" if of.unasked else "")))
