"""A play of some seconds, and what was made of it: where its parts lie in a plot."""

import json
from typing import Any, NamedTuple

from hil.live import journal
from hil.live.play import Play
from hil.live.report import Came
from tests.hil.report import drawing

SCENARIO = """
[live]
name = "seen"
title = "PMUs, and <b>what</b> becomes of them"
length_s = 3

[[gateway]]
name = "north-1"
authority = "north"

[[device]]
name = "pmu-a"
gateway = "north-1"
kind = "pmu-tcp"
with = { idcode = 11, phasors = 10 }

[[device]]
name = "pmu-b"
gateway = "north-1"
kind = "pmu-udp"
bus = 2
with = { idcode = 12 }

[[device]]
name = "pmu-c"
gateway = "north-1"
kind = "pmu-serial"
with = { idcode = 13 }

[[fault]]
name = "frames are not sent"
at_s = 0.6
act = "skip"
device = "pmu-b"
with = { frames = 40 }

[[fault]]
name = "a CT looks the other way"
at_s = 1.5
act = "wiring"
device = "pmu-a"
for_s = 0.5
with = { reversed = "A" }

[[fault]]
name = "a cable is pulled"
at_s = 1.8
act = "cut"
device = "pmu-c"
for_s = 0.8

[[must]]
text = "both are in the record"
where = { what = "in_record", device = ["pmu-a", "pmu-b"] }
least = 150

[[must]]
text = "somebody says that a CT looks the other way"
where = { what = "event", event = "check_tripped", check = "moved" }
after = "a CT looks the other way"
"""


class Seen(NamedTuple):
    """A play, and what was made of it."""

    play: Play
    came: Came

    @property
    def page(self) -> str:
        return (self.came.folder / "index.html").read_text(encoding="utf-8")

    def told(self) -> dict[str, Any]:
        return dict(json.loads((self.came.folder / "verdict.json").read_text(encoding="utf-8")))

    def at(self, deed: str) -> tuple[float, float]:
        """Where it begins and ends in a plot."""
        (one,) = [row for row in self.told()["deeds"] if row["name"] == deed]
        return self._along(one["began_tai_ns"], one["over_tai_ns"])

    def gaps(self, device: str) -> list[tuple[float, float]]:
        """The same, of what its gateway stated as not heard."""
        facts = [one for one in self.came.facts if one["what"] == "gap"]
        return [
            self._along(one["begins_tai_ns"], one["ends_tai_ns"])
            for one in facts
            if one["device"] == device
        ]

    def sent(self, device: str) -> list[int]:
        """Instants of which it sent frames from second 0 on, ns TAI."""
        rows = journal.rows(self.came.folder / "plant" / f"sent-{device}")
        return sorted(tai for tai, _ in rows if tai >= self.play.began)

    def _along(self, begins: int, ends: int) -> tuple[float, float]:
        timeline = self.told()["timeline"]
        began, ended = (timeline[f"{edge}_tai_ns"] for edge in ("began", "ended"))
        left, right = (drawing.along((tai - began) / (ended - began)) for tai in (begins, ends))
        return left, right

    def measured(self, device: str) -> dict[str, Any]:
        (one,) = [row for row in self.told()["streams"] if row["device"] == device]
        return dict(one["measured"])
