"""What facts of a live play there are, by `what`: which words each has, and what those may be.

What has no instants is said of a whole play: nothing of it is before, after or within. Channels are
those of the bench's own PMUs, by which a real one is to name its own, too.

Facts themselves are made by hil.live.account and what it asks; how expectations are held to this
table is hil.words', and what a scenario lacks for a fact hil.live.expected's.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from evidence import run
from evidence.code import Agreement, Cause, Check, Class, Disagreement, Event, Flag, Reason
from hil import words
from hil.devices.profile import PHASORS_3, PHASORS_10
from hil.report.error import ERRORS
from hil.words import ANY, Values, names


@dataclass(frozen=True, slots=True)
class Sort(words.Sort):
    """One sort of fact. `frames`: of PMUs alone; `measured`: of what measures; `heard`: where
    nothing of a device was heard, there is none of it, and that says nothing."""

    frames: bool = False
    measured: bool = False
    heard: bool = False


_LINE: Mapping[str, Values] = {"device": ANY, "gateway": ANY}
# Each frame that a simulated PMU sent is one of the first five's.
FIGURES = (
    *("sent", "in_record", "on_disk", "in_gaps", "lost"),
    *("duplicated", "unsent", "twins", "excess"),
)
# Of measurements as they were sealed: of no frame that its device sent; no later than the one
# before; in a second that was inserted.
MISPLACED, BACK, INSERTED = INSTANTS = ("misplaced", "back", "inserted")
_BEGAN = tuple(one.name.lower() for one in run.CAUSES)
FACTS: Mapping[str, Sort] = {
    **dict.fromkeys(FIGURES, Sort(_LINE, dated=False, frames=True)),
    "sealed": Sort(_LINE, dated=False, measured=True),
    "limit": Sort(
        {**_LINE, "quantity": ERRORS, "comes": ("within", "beyond", "too_short")},
        dated=False,
        frames=True,
        heard=True,
    ),
    "samples": Sort(
        {**_LINE, "class": names(Class), "reason": names(Reason), "flags": names(Flag)},
        empty=frozenset({"reason", "flags"}),
        measured=True,
        heard=True,
    ),
    "gap": Sort({**_LINE, "cause": names(Cause)}, heard=True),
    # What is the gateway's own is of no device.
    "event": Sort(
        {**_LINE, "event": names(Event), "check": names(Check), "text": ANY},
        empty=frozenset({"device", "check", "text"}),
    ),
    "standing": Sort(
        {**_LINE, "check": names(Check), "text": ANY},
        dated=False,
        empty=frozenset({"device", "text"}),
    ),
    "instant": Sort({**_LINE, "how": INSTANTS}, dated=False, frames=True, heard=True),
    "run": Sort({"gateway": ANY, "cause": _BEGAN, "uncertain": ("yes", "no")}),
    "level": Sort({**_LINE, "level": ANY}, measured=True, heard=True),
    "seam": Sort(
        {
            "seam": ANY,
            "verdict": names(Agreement),
            "disagreement": names(Disagreement),
            "text": ANY,
        },
        empty=frozenset({"disagreement"}),
    ),
    "configuration": Sort(
        {**_LINE, "phasors": tuple(str(len(one)) for one in (PHASORS_3, PHASORS_10))},
        frames=True,
        heard=True,
    ),
    "apart": Sort(
        {**_LINE, "channel": PHASORS_10, "how": ("polarity", "phase", "ratio")},
        frames=True,
        heard=True,
    ),
}
