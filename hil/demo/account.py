"""What a demo comes to: each frame of each PMU in the record or in a stated gap, none lost and none
twice; and why it does not hold.

1. Frames sent are those that the devices wrote down as they sent them; the rest is read from the
   files of record and spools (hil.live.account). No program's own word goes in.
2. What a device sent before its gateway had heard anything of it is a figure of its own
   (`unheard`): no gap can name what nobody knew to exist.
3. It holds where nothing is lost, doubled, left on a disk or there without having been sent, every
   program ended well, and `gridseal-record verify` says so.
"""

import textwrap
from typing import Any

from hil.live import account
from hil.live.account import DATAGRAMS, Account
from hil.live.play import FAULTS, Play
from hil.live.report import behind

_FIGURES = ("sent", "in_record", "in_gaps", "on_disk", "lost", "duplicated", "unsent", "unheard")
WRONG = {
    "lost": "were sent, and are neither in the record nor in a stated gap",
    "duplicated": "are in the record more than once",
    "unsent": "are in the record, and nobody sent them",
    "on_disk": "wait on a gateway's disk",
}
WIDTH = 80  # of a terminal
Told = dict[str, Any]


def report(play: Play, reasons: list[str], whole: bool = True) -> Told:
    """One JSON object. `reasons`: why it did not get that far; not `whole`: it was given up amid
    its end, and what its files lack was not lost."""
    found, counted = Account(), False
    reasons = [*reasons, *play.problems] if whole else [*reasons]
    if play.ended and whole:
        try:
            found, counted = account.read(play), True
        except FAULTS as fault:
            reasons.append(f"the files cannot be read: {fault}")
    streams = [strict(row) for row in found.streams if "sent" in row]
    total = {name: sum(row[name] for row in streams) for name in _FIGURES}
    for row in streams:
        for name, text in WRONG.items():
            if row[name]:
                reasons.append(f"{row['device']}: {row[name]} frames {text}")
    if counted and not total["sent"]:
        reasons.append("no frame was sent")
    code, says = play.verify if whole else (None, "")  # killed with the rest, it says nothing
    if play.ended and whole and code != 0:
        ended = "did not end" if code is None else f"ended with {code}"
        reasons.append(f"verify {ended}: {says}" if says else "the record was not verified")
    gaps: dict[str, int] = {}
    for row in streams:
        for cause, count in row["gaps"].items():
            gaps[cause] = gaps.get(cause, 0) + count
    return {
        **total,
        "gaps": gaps,
        "streams": [
            {name: row[name] for name in ("device", "gateway", *_FIGURES)} for row in streams
        ],
        "runs": sum(fact.count for fact in found.facts if fact.words["what"] == "run"),
        "behind": behind([], play.counted, play.stage.pulse, play.began, play.ended),
        "deeds": [deed.name for deed in play.deeds if deed.began is not None],
        "absent": dict(play.stage.absent),
        "verify": code,
        "verify_says": says,
        "reasons": reasons,
    }


def strict(row: Told) -> Told:
    """A stream, where `sent` are the frames from the first on of which anything was heard, and
    those before stand beside them as `unheard` (hil.live.account counts them in, but of UDP)."""
    if row["kind"] == DATAGRAMS:
        return row
    before = min(row["unheard"], row["lost"])
    less = {name: row[name] - before for name in ("sent", "lost")}
    return {**row, **less, "unheard": before}


def summary(told: Told) -> str:
    """Lines for people."""
    lines = []
    if told["sent"]:  # else nothing was counted, and none lost would be no finding
        lines.append(
            f"sent {told['sent']}, in the record {told['in_record']}, in stated gaps"
            f" {told['in_gaps']}, lost {told['lost']}, twice {told['duplicated']}"
        )
    if told.get("unheard"):
        lines.append(
            f"{told['unheard']} more were sent before their gateway had heard anything of that"
            " device: nobody can name them"
        )
    if told["gaps"]:
        lines.append("gaps: " + ", ".join(f"{cause} {n}" for cause, n in told["gaps"].items()))
    if told.get("behind"):
        lines.append(told["behind"])
    if told["verify"] is not None:
        lines.append(f"verify: exit {told['verify']}, {told['verify_says']}")
    lines += [f"gridseal-hil demo: {reason}" for reason in told["reasons"]]
    if told["verify"] is None and not told["reasons"]:
        return "stopped before it had begun"
    if not told["reasons"]:
        lines.append("everything holds")
    return "\n".join(row for line in lines for row in textwrap.wrap(line, WIDTH))
