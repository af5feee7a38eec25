"""`gridseal-hil run NAME` in simulated time: a scenario from its script to a bundle and a page.

1. What it leaves lies in one folder: the record, the anchors, the bundle, the page, a report. A
   folder that is not empty is refused; nothing is written elsewhere.
2. Exit 0 when every expectation that was asked holds, 1 with a line for each that does not, 2 when
   the scenario cannot be played, in one line.
3. Ctrl-C ends the play where it is, and the report is of that part, with exit 130; a second one
   ends it at once. No process is left. SIGTERM and SIGHUP are as Ctrl-C: one of several at once is
   told so (hil.live.job).
4. What agents would log goes into a file of that folder: it is theirs, and not the outcome.

The scenarios are `hil/scenarios/*.toml`; a path to another one works as well.
"""

import asyncio
import logging
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Any

import record
from evidence.config import ConfigError
from evidence.refusal import EvidenceError
from hil.devices.pace import tai_now
from hil.finding import HANG, Finding, line_of
from hil.outcome import DOES_NOT_HOLD, STOPPED, WRONG, made, say
from hil.scenario import custody, figures, play, report, script
from hil.scenario.figures import Hours
from hil.scenario.loop import Loop
from hil.scenario.play import Part
from hil.scenario.script import Script
from hil.script import path_of, text_of
from record.store import StoreError

POLICY = Path(record.__file__).parent / "policy.toml"
LOG = "gateways.log"
PLACE = "simulated time"  # of a play that has no place
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def played(
    name: str, begins: str | None, ends: str | None, folder: Path | None, told: bool
) -> tuple[int, dict[str, Any]]:
    """Plays one: its exit code, and its object. `begins`, `ends`: a part of it; `folder`: where to
    leave what comes of it; `told`: that object goes to the standard output."""
    started, began, left = time.monotonic(), tai_now(), dict[str, Any]()
    try:
        file = path_of(name)
        of, hours, policy_text = read(file)
        part = part_of(of, begins, ends)
        folder = made(folder, of.scenario.name).absolute()
        left = {"scenario": of.scenario.name, "report": str(folder)}
        with (
            _logged(folder / LOG),
            _stopping(told) as stop,
            asyncio.Runner(loop_factory=Loop) as runner,
        ):
            tell = partial(say, told=told)
            how = (of, hours, policy_text, part, folder, tell, stop.asked)
            came = runner.run(report.made(*how))
    except KeyboardInterrupt:
        print(f"gridseal-hil run: stopped; what there is lies in {folder}", file=sys.stderr)
        return STOPPED, {**left, "stopped": True}
    except (ConfigError, EvidenceError, StoreError, OSError) as fault:
        print(f"gridseal-hil run: {fault}", file=sys.stderr)
        return WRONG, {**left, "failed": [str(fault)]}
    failed = [one for one in came.findings if one.held is False]
    for one in came.findings:
        say(line_of(one), told, HANG)
    say(f"{time.monotonic() - started:.0f} s; look at {came.page}", told)
    for one in failed:
        print(f"gridseal-hil run: {one.kind}: {one.text}: {one.why}", file=sys.stderr)
    code = STOPPED if stop.is_set() else DOES_NOT_HOLD if failed else 0
    return code, _object(came, failed, began)


def read(file: Path) -> tuple[Script, Hours | None, str]:
    """A script, its figures and its policy. Raises ConfigError."""
    text = text_of(file)
    of = script.read(text, file.name)
    custody.check(of, text, file.name)
    data = of.scenario.data
    hours = figures.read(text_of(file.parent / data), data) if data else None
    if hours is not None:
        script.check_columns(of, hours, text, file.name)
    policy = of.scenario.policy
    return of, hours, text_of(file.parent / policy if policy else POLICY)


def part_of(of: Script, begins: str | None, ends: str | None) -> Part:
    """All of it, or from one instant to another. Raises ConfigError."""
    whole = play.whole(of)
    part = Part(_instant("--from", begins, whole.begins), _instant("--to", ends, whole.ends))
    if not whole.begins <= part.begins < part.ends <= whole.ends:
        text = f"{of.scenario.begins} to {of.scenario.ends} is all that there is"
        raise ConfigError("--from, --to", "", text)
    return part


def _object(came: "report.Came", failed: list[Finding], began: int) -> dict[str, Any]:
    """`began`: when it was begun by this machine's clock, ns TAI; the scenario's is another."""
    return {
        **came.figures,
        "report": str(came.folder),
        "expectations": len(came.findings),
        "not_asked": sum(one.held is None for one in came.findings),
        "failed": [f"{one.kind}: {one.text}: {one.why}" for one in failed],
        "stopped": came.told["stopped"],
        "findings": came.told["findings"],
        "problems": came.told["problems"],
        "place": PLACE,
        "seed": came.told["scenario"]["seed"],
        "played_s": came.told["timeline"]["played_s"],
        "began_tai_ns": began,
    }


def _instant(option: str, text: str | None, otherwise: int) -> int:
    if text is None:
        return otherwise
    try:
        return figures.tai_of(datetime.fromisoformat(text))
    except ValueError as fault:
        expected = "an instant such as 2021-02-15T01:00-06:00 expected"
        raise ConfigError(option, "", f"{text!r}: {expected}: {fault}") from fault


class Stop(Event):
    """Set by the first of ENDING; the second is a KeyboardInterrupt."""

    again = False

    def asked(self) -> bool:
        """Whether it is set; to be called now and then. Of the second it tells once more: what a
        signal raises amid a callback of SQLite's is lost there.
        """
        if self.again:
            raise KeyboardInterrupt
        return self.is_set()


@contextmanager
def _stopping(told: bool) -> Iterator[Stop]:
    stop = Stop()

    def interrupted(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            stop.again = True
            raise KeyboardInterrupt
        stop.set()
        say("stopping, with a report of what was played; again ends it at once", told)

    before = {number: signal.signal(number, interrupted) for number in ENDING}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    """What the agents' code says goes there."""
    log, handler = logging.getLogger("gridseal"), logging.FileHandler(path, encoding="utf-8")
    before, log.propagate = log.propagate, False
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = before
        handler.close()
