"""`gridseal-hil sim`: many runs, every crash point, a week's outage; what they come to.

1. Runs do not depend on each other, so they may share the processor's cores; a run is named by its
   seed, a crash point by its disk call, and either is made again by its name alone.
2. Counts are of all runs together; what does not hold is listed run by run, with its reasons.

What a run is, and when it holds, is hil.sim.trial's.
"""

import json
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hil.outcome import show
from hil.sim import backlog, crash, judge, outage, trial
from hil.sim.trial import Outcome
from hil.sim.world import Site

RUNS = 300
BACKLOG_EVERY = 20  # one run in so many is hil.sim.backlog's
FAILED_MAX = 20  # runs that are told of by name
AT_ONCE = 8  # handed to a core together
COUNTED = (
    *("sent", "in_record", "on_disk", "in_gaps", "unborn", "lost", "unguarded"),
    *("twins", "duplicated"),
)
Name = int | tuple[int, str]  # a seed, or a disk call and the way of its cut
_SITE: list[Site] = []  # of this process


class Totals:
    """All runs together."""

    def __init__(self) -> None:
        self.runs = self.starts = self.failures = self.unreadable = 0
        self.counts: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.excess: Counter[str] = Counter()
        self.failed: list[Outcome] = []

    def add(self, one: Outcome) -> None:
        self.runs += 1
        self.starts += one.starts
        self.unreadable += one.unreadable
        self.faults.update(one.faults)
        self.excess.update(one.verdict.excess)
        self.counts.update({name: getattr(one.verdict, name) for name in COUNTED})
        if one.reasons:
            self.failures += 1
            if len(self.failed) < FAILED_MAX:
                self.failed.append(one)

    def report(self) -> dict[str, Any]:
        restart = self.excess[judge.RESTART]
        return {
            "runs": self.runs,
            "failures": self.failures,
            **{name: self.counts[name] for name in COUNTED},
            "gap_excess": sum(self.excess.values()) - restart,
            "gap_excess_restart": restart,
            "starts": self.starts,
            "unreadable": self.unreadable,
            "faults": dict(sorted(self.faults.items())),
            "failed": [{"seed": one.seed, "reasons": one.reasons} for one in self.failed],
        }


@contextmanager
def site() -> Iterator[Site]:
    """A gateway's folder, for as long as runs need it."""
    with tempfile.TemporaryDirectory(prefix="gridseal-sim-") as folder:
        yield Site(Path(folder, "site"))


def one(made: Site, name: Name, talk: Callable[[str], None] | None = None) -> Outcome:
    """The run of that name."""
    judged = False
    try:
        if isinstance(name, tuple):
            found = crash.at(made, *name, talk)
        else:
            script = backlog.live_first if name % BACKLOG_EVERY == 0 else trial.storm
            found = trial.run(made, name, script, talk=talk)
        judged = True
    finally:
        if not judged:
            print(f"gridseal-hil sim: in the run of {name}:", file=sys.stderr)
    return found


def many(names: Iterable[Name], jobs: int = 1) -> Totals:
    """All of these runs, on so many cores."""
    totals = Totals()
    if jobs == 1:
        with site() as made:
            for name in names:
                totals.add(one(made, name))
        return totals
    with site() as made:
        folder = str(made.gateway.folder)
        context = multiprocessing.get_context("spawn")
        with context.Pool(jobs, _prepare, (folder,)) as pool:
            for outcome in pool.imap_unordered(_one, names, AT_ONCE):
                totals.add(outcome)
    return totals


def _prepare(folder: str) -> None:
    _SITE.append(Site(Path(folder)))


def _one(name: Name) -> Outcome:
    return one(_SITE[0], name)


def main(
    runs: int | None, seed: int | None, crash_points: bool, week: bool, jobs: int, as_json: bool
) -> int:
    """The command. Returns its exit code."""
    if seed is not None and runs is None and not crash_points and not week:
        return _replay(seed, as_json)
    began = time.monotonic()
    figures: dict[str, Any] = {}
    if runs is not None or not (crash_points or week):
        first = seed or 0
        figures |= many(range(first, first + (runs or RUNS)), jobs).report()
    if crash_points:
        with site() as made:
            calls, operations = crash.count(made)
        points = many(crash.points(calls), jobs).report()
        figures["crash_points"] = {"operations": operations, "disk_calls": calls, **points}
    if week:
        with site() as made:
            figures["outage"] = outage.measure(made)
    figures["seconds"] = round(time.monotonic() - began, 1)
    reasons = _reasons(figures)
    figures["reasons"] = reasons
    if as_json:
        print(json.dumps(figures))
    else:
        show(figures)
    for reason in reasons:
        print(f"gridseal-hil sim: {reason}", file=sys.stderr)
    return 1 if reasons else 0


def _replay(seed: int, as_json: bool) -> int:
    """One run, told as it happens."""
    with site() as made:
        outcome = one(made, seed, lambda text: print(text, file=sys.stderr))
    totals = Totals()
    totals.add(outcome)
    figures = totals.report()
    for stream, numbers in outcome.verdict.missing.items():
        print(f"lost of {stream}: {_spans(numbers)}", file=sys.stderr)
    if as_json:
        print(json.dumps(figures))
    else:
        show(figures)
    for reason in outcome.reasons:
        print(f"gridseal-hil sim: seed {seed}: {reason}", file=sys.stderr)
    return 1 if outcome.reasons else 0


def _reasons(figures: dict[str, Any]) -> list[str]:
    """What does not hold, a line each."""
    found = []
    for part in (figures, figures.get("crash_points", {})):
        for failed in part.get("failed", ()):
            seed = failed["seed"]
            again = f"; again: gridseal-hil sim --seed {seed}" if isinstance(seed, int) else ""
            found.append(f"seed {seed}: {', '.join(failed['reasons'])}{again}")
        more = part.get("failures", 0) - len(part.get("failed", ()))
        if more:
            found.append(f"{more} more")
    told = figures.get("outage")
    if told and told["growth_bytes"] >= told["growth_bytes_max"]:
        found.append(f"memory grew by {told['growth_bytes']:,} bytes in an outage")
    return found


def _spans(numbers: list[int]) -> str:
    """Numbers as spans: 3 to 7, 12."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in spans)
