"""How long scenarios take, said before the first of them begins.

1. It is their timelines as they are played, stretches shortened where that is asked, and before one
   with a leap second the wait for its date. What is around them, starting, draining and judging, is
   told as AROUND_S of each: measured, on a quiet machine.
2. One of simulated time has no length on the wall: what is around it is all that it takes. One
   that cannot be read has none here: whoever plays it says why.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from evidence.config import ConfigError
from hil import script as files
from hil.live import script
from hil.live.fake import MADE_READY_S
from hil.live.timeline import Timeline
from hil.span import span

AROUND_S: Final = 20.0
SIMULATED: Final = "scenario"  # the head of one
LONG_S: Final = 600.0  # from here on, of several, each is named


def lengths(names: Sequence[str], short: bool) -> dict[str, float]:
    """Seconds of each scenario's timeline and of what it waits for, by name."""
    found = {}
    for name in names:
        try:
            file = files.path_of(name)
            text = files.text_of(file)
            if files.has_head(text, SIMULATED):
                found[file.stem] = 0.0
                continue
            of = script.read(text, file.name)
        except (ConfigError, OSError):
            continue
        waits_s = MADE_READY_S if of.leap else 0
        whole_s = Timeline(of.live.length_s, of.stretch if short else ()).whole_s
        found[file.stem] = waits_s + whole_s
    return found


def told(of: Mapping[str, float], jobs: int) -> str:
    """In a line; empty where nothing lasts."""
    if not any(of.values()):
        return ""
    whole = sum(of.values()) + AROUND_S * len(of)
    least = max(whole / jobs, max(of.values()) + AROUND_S)
    if len(of) == 1:
        return f"{next(iter(of))} takes about {span(least)}"
    long = [f"{name} {span(took)}" for name, took in of.items() if took >= LONG_S]
    among = f", of which {', '.join(long)}" if long else ""
    at_once = f", {jobs} at once" if jobs > 1 else ""
    return f"{len(of)} scenarios take about {span(least)}{at_once}{among}"
