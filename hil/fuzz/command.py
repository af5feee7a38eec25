"""`gridseal-hil fuzz`: many cases of each target, and what they come to.

1. A case is named by its target and its number; the same seeds give the same bytes. What fails is
   told with its bytes too, so that it becomes a vector.
2. A reader that refuses every case shows nothing of what is behind its door, and that is said.

What a case is, and when it holds, is trial.py's.
"""

import gc
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

from hil.fuzz import corpus, mutation, trial
from hil.fuzz.target import Target
from hil.outcome import show

CASES = 2_000
FAILED_MAX = 20  # cases that are told of, of all targets together
# Each is a module of hil.fuzz with `target()`.
TARGETS = (
    "c37118", "ieee1344", "modbus", "pointmap", "ethernet", "goose", "scl", "sv",
)  # fmt: skip


class Score:
    """The cases of one target together."""

    def __init__(self) -> None:
        self.cases = self.failures = self.slowest_ns = self.slowest_seed = self.growth_bytes = 0
        self.good: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.failed: list[dict[str, Any]] = []

    def add(self, number: int | None, raw: bytes, outcome: trial.Outcome) -> None:
        """One case; without a number it is a seed itself."""
        self.cases += number is not None
        self.good.update(outcome.good)
        self.refused.update(outcome.refused)
        self.growth_bytes += outcome.growth_bytes
        if number is not None and outcome.cpu_ns > self.slowest_ns:
            self.slowest_ns, self.slowest_seed = outcome.cpu_ns, number
        if outcome.wrong:
            self.failures += 1
            if len(self.failed) < FAILED_MAX:
                self.failed.append({"seed": number, "what": outcome.wrong, "hex": raw.hex()})

    def report(self) -> dict[str, Any]:
        return {
            "cases": self.cases,
            "good": dict(self.good),
            "refused": dict(sorted(self.refused.items())),
            "failures": self.failures,
            "slowest_ms": round(self.slowest_ns / 1e6, 2),
            "slowest_seed": self.slowest_seed,
            "growth_bytes": self.growth_bytes,
        }


def play(target: Target, seeds: Sequence[bytes], numbers: Iterable[int]) -> Score:
    """These cases of one target, one after the other."""
    score = Score()
    for _ in range(2):  # what is loaded or compiled once is no seed's fault
        outcomes = [trial.run(target, raw) for raw in seeds]
    for raw, outcome in zip(seeds, outcomes, strict=True):
        if outcome.wrong:
            score.add(None, raw, outcome)
    gc.collect()
    gc.freeze()
    for number in numbers:
        raw = mutation.mutant(Random(number), target, seeds)
        score.add(number, raw, trial.run(target, raw))
    gc.unfreeze()
    return score


def main(
    cases: int | None, names: Sequence[str], seed: int, paths: Sequence[Path], as_json: bool
) -> int:
    """The command. Returns its exit code. Raises OSError when a seed cannot be read."""
    began = time.monotonic()
    figures: dict[str, Any] = {"seed": seed}
    reasons: list[str] = []
    pieces = list(corpus.read(paths))
    numbers = range(seed, seed + (CASES if cases is None else cases))
    with trial.watched():
        for name in names:
            target: Target = import_module(f"hil.fuzz.{name}").target()
            seeds = corpus.seeds(name, target, pieces)
            score = play(target, seeds, numbers)
            figures[name] = {"seeds": len(seeds), **score.report(), "failed": score.failed}
            reasons += _reasons(name, target, score)
    figures["seconds"] = round(time.monotonic() - began, 1)
    figures["reasons"] = reasons
    if as_json:
        print(json.dumps(figures))
    else:
        show(figures)
    for reason in reasons:
        print(f"gridseal-hil fuzz: {reason}", file=sys.stderr)
    return 1 if reasons else 0


def _reasons(name: str, target: Target, score: Score) -> list[str]:
    found = []
    for failed in score.failed:
        number = failed["seed"]
        again = f"; again: gridseal-hil fuzz --only {name} --seed {number} --cases 1"
        which = "a seed itself" if number is None else f"case {number}"
        text = f"{name}: {which}: {failed['what']}{'' if number is None else again}"
        found.append(f"{text}; its bytes: {failed['hex']}")
    if score.failures > len(score.failed):
        found.append(f"{name}: {score.failures - len(score.failed)} more")
    if score.cases >= CASES:
        shut = [reader for reader in target.readers if not score.good[reader]]
        found += [f"{name}: {reader} took no case: none shows anything of it" for reader in shut]
    return found
