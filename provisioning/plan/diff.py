"""`gridseal-provision diff`: what differs between a plan and what runs, or between two plans.

1. Of a gateway's folder alone: its plan as it is now, against what the authority granted, what was
   signed last, and what the running agent listens to. With a plan: what that one would change.
2. Exit 0: nothing differs. 1: something does, or cannot be told.
"""

from collections.abc import Sequence
from pathlib import Path

from agent import config as agent_config
from evidence import siteplan
from evidence.siteplan import SitePlan
from provisioning.argument import Now, Parser, content, only
from provisioning.init import GATEWAY
from provisioning.plan import delivery, difference, running
from provisioning.plan.difference import Difference
from provisioning.terminal import Terminal


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed. Raises UsageError, ConfigError."""
    about = "Says what differs between a site plan and what runs, and what follows from it."
    parser = Parser(prog="gridseal-provision diff", description=about, allow_abbrev=False)
    add = parser.add_argument
    add("place", type=Path, metavar="DIR|PLAN", help="a gateway's folder, or a site.toml")
    add("plan", type=Path, metavar="PLAN", nargs="?", help="a site.toml that would take its place")
    add("--json", action="store_true", help="one JSON object instead of words")
    asked = only(parser, argv)
    terminal = Terminal(asked.json)
    found, unknown = _compared(asked.place, asked.plan)
    delivery.show(terminal, found)
    terminal.say(*(f"cannot tell: {one}" for one in unknown))
    if not found and not unknown:
        terminal.say("Nothing differs.")
    terminal.object({"differences": [one.told() for one in found], "unknown": unknown})
    return int(bool(found or unknown))


def _compared(place: Path, other: Path | None) -> tuple[list[Difference], list[str]]:
    if not place.is_dir():
        before = _read(place)
        if other is None:
            return [], [f"{place} is a plan alone; name another, or the folder of a gateway"]
        return difference.plans(before, _read(other)), []
    sketch = agent_config.sketch(place / GATEWAY)
    if other is None:
        found, unknown = running.compared(sketch, sketch.plan)
        return found, unknown
    after = _read(other)
    found = difference.plans(sketch.plan, after)
    return found + running.granted(sketch, after), []


def _read(path: Path) -> SitePlan:
    return siteplan.read(content(path), str(path))
