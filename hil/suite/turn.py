"""One benchmark as a process of its own, for a bounded time.

1. It has a process group of its own and dies with us (hil.child); its files are in a folder that we
   remove. Nothing of it is left, whatever it did.
2. When its time is over, or somebody stops it, it is interrupted as by Ctrl-C, and killed when it
   has not ended END_S later.
3. Its figures are the last line that is a JSON object. A benchmark without one has failed, and so
   has one whose exit code is another than its reasons make it; the last thing that it said is why.
"""

import asyncio
import json
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from hil.child import Child

END_S: Final = 20.0  # a benchmark that is interrupted ends its own programs first
TOLD_S: Final = 1.0  # between two words on how long it has been running
WHY_CHARACTERS_MAX = 300
DONE, FAILED, LATE, STOPPED = "done", "failed", "too late", "stopped"


class Turn(NamedTuple):
    """How it went. `why`: of what is not done; `figures`: of what is, as the benchmark tells them,
    without the reasons why it does not hold."""

    state: str
    why: str
    figures: dict[str, Any]
    reasons: list[str]
    took_s: float


async def take(
    arguments: Sequence[str],
    folder: Path,
    most_s: float,
    stop: asyncio.Event,
    tell: Callable[[float], None],
) -> Turn:
    """Runs `gridseal-hil ARGUMENTS`. `tell`: how long it has been running, in seconds."""
    loop = asyncio.get_running_loop()
    since = loop.time()
    where = {"TMPDIR": str(folder)}
    child = Child(arguments[1], "hil.cli", arguments, folder / "said.log", environment=where)
    code: int | None = None
    state = DONE
    try:
        while code is None:
            code = await child.ended(TOLD_S if not stop.is_set() else 0.0)
            passed = loop.time() - since
            tell(passed)
            if code is None and (stop.is_set() or passed > most_s):
                state = STOPPED if stop.is_set() else LATE
                with suppress(ProcessLookupError):
                    os.kill(child.pid, signal.SIGINT)
                await child.ended(END_S)
                break
    finally:
        child.kill()
    said = child.said().replace(f"{folder}/", "")  # a path of this run's says nothing
    return judged(state, code, said, round(loop.time() - since, 1), most_s)


def judged(state: str, code: int | None, said: str, took_s: float, most_s: float) -> Turn:
    """What came of it. `code`: its exit; `said`: all that it printed."""
    if state == STOPPED:
        return Turn(state, "it was stopped", {}, [], took_s)
    if state == LATE:
        return Turn(state, f"it had not ended after {most_s:g} s", {}, [], took_s)
    found = last_object(said)
    lines = [line for line in said.splitlines() if line.strip()]
    if found is None:
        why = lines[-1] if lines else f"it ended with {code} and said nothing"
        return Turn(FAILED, why[-WHY_CHARACTERS_MAX:], {}, [], took_s)
    reasons = found.pop("reasons", None)
    told = [" ".join(str(one).split()) for one in reasons] if isinstance(reasons, list) else []
    if code != (1 if told else 0):
        why = f"it ended with {code} after its figures: {lines[-1]}"
        return Turn(FAILED, why[:WHY_CHARACTERS_MAX], {}, [], took_s)
    return Turn(DONE, "", found, told, took_s)


def last_object(text: str) -> dict[str, Any] | None:
    """The last line that is a JSON object."""
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            with suppress(ValueError, RecursionError):
                found = json.loads(line)
                if isinstance(found, dict):
                    return found
    return None
