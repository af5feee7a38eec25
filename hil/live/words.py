"""What facts of a play there are, by `what`: which words each has, and what those may be.

1. An expectation that names another word, or another value, picks nothing: as a `must` it never
   holds, as a `never` it always does. It is refused instead (hil.live.script).
2. What has no instants is said of a whole play: nothing of it is before, after or within.

Facts themselves are made by hil.live.account and what it asks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from evidence.code import Agreement, Cause, Check, Class, Disagreement, Event, Flag, Reason

Values = tuple[str, ...]
ANY: Values = ()  # names of the scenario, which hil.live.script looks up, and free text


@dataclass(frozen=True, slots=True)
class Sort:
    """One sort of fact. `words`: beside `what`, with the values that each may have."""

    words: Mapping[str, Values]
    dated: bool = True  # it has a beginning and an end
    frames: bool = False  # of PMUs alone


def _named(of: type[IntEnum] | type[IntFlag]) -> Values:
    return tuple(one.name.lower() for one in of if one.name)


_LINE: Mapping[str, Values] = {"device": ANY, "gateway": ANY}
# Each frame that a simulated PMU sent is one of the first five's.
FIGURES = (
    *("sent", "in_record", "on_disk", "in_gaps", "lost"),
    *("duplicated", "unsent", "twins", "excess"),
)
# Of measurements as they were sealed: of no frame that its device sent; no later than the one
# before; in a second that was inserted.
MISPLACED, BACK, INSERTED = INSTANTS = ("misplaced", "back", "inserted")
FACTS: Mapping[str, Sort] = {
    **dict.fromkeys(FIGURES, Sort(_LINE, dated=False, frames=True)),
    "sealed": Sort(_LINE, dated=False),
    "limit": Sort(
        {**_LINE, "quantity": ANY, "comes": ("within", "beyond", "too_short")},
        dated=False,
        frames=True,
    ),
    "samples": Sort(
        {**_LINE, "class": _named(Class), "reason": _named(Reason), "flags": _named(Flag)}
    ),
    "gap": Sort({**_LINE, "cause": _named(Cause)}),
    "event": Sort({**_LINE, "event": _named(Event), "check": _named(Check), "text": ANY}),
    "standing": Sort({**_LINE, "check": _named(Check), "text": ANY}, dated=False),
    "instant": Sort({**_LINE, "how": INSTANTS}, dated=False, frames=True),
    "run": Sort({"gateway": ANY, "cause": _named(Cause), "uncertain": ("yes", "no")}),
    "level": Sort({**_LINE, "level": ANY}),
    "seam": Sort(
        {
            "seam": ANY,
            "verdict": _named(Agreement),
            "disagreement": _named(Disagreement),
            "text": ANY,
        }
    ),
    "configuration": Sort({**_LINE, "phasors": ANY}, frames=True),
    "apart": Sort(
        {**_LINE, "channel": ANY, "how": ("polarity", "phase", "ratio")},
        frames=True,
    ),
}


def listed(wanted: list[str] | str | None) -> list[str]:
    """What an expectation wants of a word."""
    return [] if wanted is None else [wanted] if isinstance(wanted, str) else wanted
