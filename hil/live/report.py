"""What a play leaves, as files: `verdict.json` and `facts.json` in its folder, beside record,
spools and logs. Who makes a page, plots or JUnit of it reads these.

1. `verdict.json` is one object, of form FORM; its shape is in hil/live/README.md, and is added to,
   never changed under the same form.
2. Instants stand twice where both are wanted: `tai_ns`, and `at_s` on the scenario's clock.
3. Nothing in it is a path or a name of this machine: folders are relative to the file.

It decides nothing: hil.live.verdict does.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hil.fact import Fact
from hil.live import site
from hil.live.account import Account
from hil.live.play import Play, seconds
from hil.live.sheet import Fault
from hil.live.stage import STORE
from hil.live.verdict import Finding

FORM = 1
VERDICT, FACTS = "verdict.json", "facts.json"


@dataclass(frozen=True, slots=True)
class Came:
    """What came of a play."""

    folder: Path
    findings: list[Finding]
    problems: list[str]
    stopped: bool

    @property
    def reasons(self) -> list[str]:
        """Why it does not hold, a line each."""
        failed = [one for one in self.findings if one.held is False]
        return [*(f"{one.kind}: {one.text}: {one.why}" for one in failed), *self.problems]


def written(play: Play, account: Account, findings: list[Finding], short: bool) -> Came:
    """Writes both files. Raises OSError."""
    problems = [f"{name} does not come up: {why}" for name, why in play.stage.absent.items()]
    problems += play.problems
    folder = play.stage.folder
    came = Came(folder, findings, problems, play.stopped)
    head = play.of.live
    told: dict[str, Any] = {
        "form": FORM,
        "scenario": {
            "name": head.name,
            "title": head.title,
            "about": head.about,
            "seed": head.seed,
            "length_s": head.length_s,
            "short": short,
        },
        "grid": {
            "model": play.of.grid.model,
            "with": play.of.grid.with_,
            "begins_tai_ns": play.stage.found.begins,
        },
        "place": {"name": play.place.name, "kind": play.place.file.place.kind},
        "holds": not came.reasons,
        "stopped": play.stopped,
        "timeline": {
            "began_tai_ns": play.began,
            "ended_tai_ns": play.ended,
            "played_s": round(play.played_s, 3),
            "stretches": [asdict_row(one) for one in play.timeline.stretches],
        },
        "deeds": [_deed(play, one) for one in play.deeds],
        "findings": [asdict(one) for one in findings],
        "streams": account.streams,
        "devices": play.counted,
        "left_out": [asdict(one) for one in play.cast.lacks],
        "problems": problems,
        "files": {
            "record": f"{site.RECORD_DIR}/{STORE}",
            "anchors": f"{site.RECORD_DIR}/anchors.toml",
            "facts": FACTS,
            "sent": "plant/sent-NAME",
            "truth": "plant/truth-NAME",
        },
    }
    (folder / FACTS).write_text(json.dumps(_facts(play, account.facts), indent=1), "utf-8")
    (folder / VERDICT).write_text(json.dumps(told, indent=1), "utf-8")
    return came


def asdict_row(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__struct_fields__}


def _deed(play: Play, deed: Any) -> dict[str, Any]:
    row = deed.row
    is_fault = isinstance(row, Fault)
    return {
        "name": row.name,
        "kind": "fault" if is_fault else "event",
        "act": row.act if is_fault else row.do,
        "to": (row.device or row.gateway or "") if is_fault else "",
        "with": row.with_,
        "at_s": row.at_s,
        "for_s": row.for_s if is_fault else 0.0,
        "began_tai_ns": deed.began,
        "over_tai_ns": deed.over,
        "why_not": deed.why,
    }


def _facts(play: Play, facts: Iterable[Fact]) -> list[dict[str, Any]]:
    found = []
    for one in facts:
        told: dict[str, Any] = {**one.words, "count": one.count}
        if one.begins is not None:
            told |= {"begins_tai_ns": one.begins, "begins_s": seconds(play, one.begins)}
        if one.ends is not None:
            told |= {"ends_tai_ns": one.ends, "ends_s": seconds(play, one.ends)}
        found.append(told)
    return found
