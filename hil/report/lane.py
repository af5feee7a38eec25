"""What happened, as lanes over time: what was done, and of each device and gateway its gaps,
starts, flags and doubts.

1. A lane is drawn for whoever has something to show; LANES_MAX of them, the first.
2. What lies closer together than a pixel is drawn once: a storm takes no more than a lane's width.

Rows are as `verdict.json` and `facts.json` have them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from hil.report import notice
from hil.report.trace import ZERO, Axis
from record.reconstruct import frame
from record.reconstruct.plot import LEFT, RIGHT, WIDTH, axis, escaped

LANES_MAX = 40
LANE, BAR, FOOT = 36, 12, 24  # px of a lane, of what stands in it under its name, below all
LEAST = 4  # px of what took no time: a tick of two is not seen on paper
KEYS = (
    ("deed", "what the grid did"),
    ("fault", "what was done to the rig"),
    ("gap", "a stated gap"),
    ("flag", "something was noticed"),
    ("doubt", "samples that do not settle"),
    ("start", "a start"),
)
_STYLES = {"gap": "gap", "event": "flag", "run": "start"}
_ORDER = ("doubt", "gap", "start", "flag")  # what is drawn later lies above
Row = Mapping[str, Any]


class Bar(NamedTuple):
    """Something in a lane, ns TAI."""

    style: str
    begins: int
    ends: int
    text: str


def figure(told: Row, facts: Sequence[Row], of: Axis, clock: Any) -> str:
    """All lanes."""
    lanes = {"done": _deeds(told, of)}
    for name, bars in sorted(_noticed(facts).items()):
        lanes[name] = bars
    shown = list(lanes.items())[:LANES_MAX]
    height = LANE * len(shown) + FOOT
    title = "What happened"
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}">',
        f"<title>{title}</title>",
    ]
    for number, (name, bars) in enumerate(shown):
        parts += _lane(number, name, bars, of)
    parts += [*axis(ZERO, of.ends, height - 6, clock), "</svg>"]
    more = len(lanes) - len(shown)
    note = "By the clock of the scenario"
    if told["scenario"]["short"] and told["timeline"]["stretches"]:
        note += ", whose dull stretches were played shorter and are drawn so"
    note += f". {more} more lanes are not drawn." if more else "."
    drawn = {bar.style for _, bars in shown for bar in bars}
    keys = [key for key in KEYS if key[0] in drawn]
    return frame.figure(title, "".join(parts), note, keys=keys)


def _deeds(told: Row, of: Axis) -> list[Bar]:
    found = []
    for number, one in enumerate(told["deeds"], 1):
        if one["began_tai_ns"] is not None:
            ends = one["over_tai_ns"] or (of.ended if one["for_s"] else one["began_tai_ns"])
            style = "fault" if one["kind"] == "fault" else "deed"
            found.append(Bar(style, one["began_tai_ns"], ends, f"{number}. {one['name']}"))
    return found


def _noticed(facts: Iterable[Row]) -> dict[str, list[Bar]]:
    found: dict[str, list[Bar]] = {}
    for one in facts:
        style = "doubt" if notice.is_doubt(one) else _STYLES.get(one["what"])
        if style and "begins_tai_ns" in one:
            bar = Bar(style, one["begins_tai_ns"], one["ends_tai_ns"], notice.words(one))
            found.setdefault(notice.line(one), []).append(bar)
    return found


def _lane(number: int, name: str, bars: Iterable[Bar], of: Axis) -> Iterable[str]:
    top = LANE * number
    kind = "lane odd" if number % 2 else "lane"
    wide = WIDTH - LEFT - RIGHT
    yield f'<rect class="{kind}" x="{LEFT}" y="{top}" width="{wide}" height="{LANE}"/>'
    for bar in _apart(bars, of):
        x, to = min(_x(of, bar.begins), WIDTH - RIGHT - LEAST), _x(of, bar.ends)
        yield (
            f'<rect class="{bar.style}" x="{x:.1f}" y="{top + 20}" width="{max(to - x, LEAST):.1f}"'
            f' height="{BAR}"><title>{escaped(bar.text)}</title></rect>'
        )
    words = name
    if name == "done":
        words = "done: " + (", ".join(bar.text for bar in bars) or "nothing")
    yield f'<text x="{LEFT + 4}" y="{top + 13}">{escaped(words[:120])}</text>'


def _apart(bars: Iterable[Bar], of: Axis) -> list[Bar]:
    """Without those that no pixel is left for."""
    found: list[Bar] = []
    order = sorted(
        bars, key=lambda bar: (_ORDER.index(bar.style) if bar.style in _ORDER else 9, bar)
    )
    for bar in order:
        last = found[-1] if found else None
        follows = last is not None and last.style == bar.style and bar.begins >= last.begins
        if last is None or not follows or _x(of, bar.ends) - _x(of, last.ends) >= 1:
            found.append(bar)
    return found


def _x(of: Axis, tai: int) -> float:
    share = (of.of(tai) - ZERO) / (of.ends - ZERO)
    return LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT)
