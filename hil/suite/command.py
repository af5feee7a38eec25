"""`gridseal-hil bench all`: every benchmark with its references, one after the other, and what they
come to, in a folder.

1. Each is a process of its own, for a bounded time (hil.suite.turn). One that fails, or lacks a
   part, is named with the reason, and the rest goes on.
2. How long it takes is said before it begins, and what is left with each; both are of a quiet
   machine, and what is left grows with what was slower.
3. Table, picture and figures are written anew after each: whatever ends the run, what was done is
   there. Ctrl-C ends it in order, exit 130; a second one at once.
4. Exit 0: all were run, and all hold; 1: not, a line for each; a figure of which something is asked
   and that is not told does not hold. A quick run judges no figure: its
   exit is 1 only where a benchmark could not be run. What became worse than an earlier run is told,
   and changes no exit.
5. A folder is written into only when it is empty or has an outcome of ours: nothing else is
   replaced.
"""

import asyncio
import datetime
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TextIO

from hil.span import span
from hil.suite import catalogue, machine, picture, row, table
from hil.suite.catalogue import Benchmark
from hil.suite.row import Earlier, OutcomeError, Row
from hil.suite.turn import DONE, STOPPED, Turn, take

INTERRUPTED = 130  # as a shell has it
FOLDER: Final = Path("bench")
FIGURES, TABLE, PICTURE = "bench.json", "bench.md", "bench.svg"
LEFT_OUT: Final = "left out"
WORDS_MAX: Final = 80  # characters of what an earlier file says of its machine
FEW: Final = 3  # figures of a benchmark that are told while it runs


class Suite:
    """One run. `known`: what each benchmark is, for people, by its name."""

    def __init__(
        self,
        folder: Path,
        known: Mapping[str, str],
        quick: bool,
        before: Earlier | None,
        stream: TextIO,
    ) -> None:
        self._folder, self._known, self._quick = folder, known, quick
        self._before, self._stream = before, stream
        self.rows: list[Row] = []
        self.outcome: dict[str, Any] = {}
        self.reasons: list[str] = []
        self.stop = asyncio.Event()

    async def run(self, benchmarks: Sequence[Benchmark]) -> None:
        """All of them, in turn. Raises OSError when the folder cannot be written."""
        loop = asyncio.get_running_loop()
        since = loop.time()
        work = _work()
        try:
            self._begin(machine.look(work), benchmarks)
            for at, one in enumerate(benchmarks, 1):
                if self.stop.is_set():
                    break
                if self._quick and one.late:
                    turn = Turn(LEFT_OUT, one.late, {}, [], 0.0)
                else:
                    left = self._left(benchmarks, at, loop.time() - since)
                    turn = await self._take(one, work, f"[{at}/{len(benchmarks)}]", left)
                self._end(one, turn)
                self.outcome["took_s"] = round(loop.time() - since, 1)
                self._write()
        finally:
            shutil.rmtree(work, ignore_errors=True)
        self.outcome["stopped"] = self.stop.is_set()
        self._write()

    def _expected_s(self, benchmarks: Sequence[Benchmark]) -> float:
        return sum(one.expected_s(self._quick) for one in benchmarks)

    def _left(self, benchmarks: Sequence[Benchmark], at: int, passed_s: float) -> str:
        """How long this one takes, and how long those behind it; `passed_s`: all before it."""
        before_s = self._expected_s(benchmarks[: at - 1])
        slower = max(passed_s / before_s, 1.0) if before_s else 1.0
        one, rest = benchmarks[at - 1 : at], benchmarks[at:]
        said = f"about {span(self._expected_s(one) * slower)}"
        return f"{said}, then {span(self._expected_s(rest) * slower)}" if rest else said

    def _begin(self, looked: dict[str, Any], benchmarks: Sequence[Benchmark]) -> None:
        begun = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M")
        self.outcome = {"begun": begun, "quick": self._quick, "took_s": 0.0, "stopped": False}
        self.outcome |= {"machine": looked, "load": machine.load(), "benchmarks": {}}
        if self._before is not None:
            self.outcome["against"] = {"differs": differs(self._before, looked, self._quick)}
        named = f"{looked['processor']}, {looked['cores']} cores; {looked['disk']}"
        self._say(f"{named}, a sync takes {row.number(looked['sync_p50_ms'])} ms")
        if busy := table.busy(self.outcome):
            self._say(busy)
        many = f"{len(benchmarks)} benchmarks" if len(benchmarks) > 1 else benchmarks[0].name
        self._say(f"{many}: about {span(self._expected_s(benchmarks))} on two quiet cores")

    async def _take(self, one: Benchmark, work: Path, place: str, left: str) -> Turn:
        seconds = one.quick if self._quick else one.seconds
        options = one.options + (one.quick_options if self._quick else ())
        timed = () if seconds is None else ("--seconds", f"{seconds:g}")
        self._say(f"{place} {one.name}: {self._known.get(one.name, '')}; {left}")
        folder = work / one.name
        folder.mkdir()
        arguments = ["bench", one.name, "--json", *timed, *options]
        try:
            return await take(arguments, folder, one.most_s, self.stop, self._tick)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _tick(self, passed_s: float) -> None:
        """A terminal shows that it goes on; elsewhere nothing is said twice."""
        if self._stream.isatty():
            self._stream.write(f"\r    {passed_s:.0f} s ")
            self._stream.flush()

    def _end(self, one: Benchmark, turn: Turn) -> None:
        """Keeps what a benchmark came to, and tells it."""
        found = row.rows(one, turn, self._before)
        self.rows += found
        self.outcome["benchmarks"][one.name] = {
            "state": turn.state,
            "why": turn.why,
            "took_s": turn.took_s,
            "load": machine.load(),
            "reasons": turn.reasons,
            "missing": row.missing(one, turn),
            "figures": turn.figures,
        }
        clear = "\r" if self._stream.isatty() else ""
        if turn.state != DONE:
            self._say(f"{clear}    {one.name} {turn.state}: {turn.why}")
            if turn.state not in (STOPPED, LEFT_OUT):
                self.reasons.append(f"{one.name} {turn.state}: {turn.why}")
            return
        few = "; ".join(f"{item.text} {table.measured(item)}" for item in found[:FEW])
        self._say(f"{clear}    {turn.took_s:g} s: {few}")
        for reason in turn.reasons:
            self._say(f"    does not hold: {reason}")
        if not self._quick:
            self.reasons += [f"{one.name}: {reason}" for reason in turn.reasons]
            self.reasons += [
                f"{one.name}: did not tell: {text}" for text in row.unjudged(one, turn)
            ]

    def _write(self) -> None:
        _replace(self._folder / FIGURES, row.encoded(self.outcome, self.rows))
        _replace(self._folder / TABLE, table.text(self.outcome, self.rows))
        _replace(self._folder / PICTURE, picture.drawn(self.outcome, self.rows))

    def _say(self, said: str) -> None:
        print(said, file=self._stream, flush=True)


def _work() -> Path:
    """A folder for what benchmarks write."""
    folder = Path(tempfile.mkdtemp(prefix="gridseal-bench-"))
    folder.chmod(0o711)  # a PostgreSQL server of root's runs as somebody else, within it
    return folder


def differs(before: Earlier, now: Mapping[str, Any], quick: bool) -> list[str]:
    """Why two runs are not to be compared figure by figure."""
    found = []
    if before.quick or quick:
        found.append("a quick run is among the two: its figures are rough")
    for name in ("processor", "cores", "kernel", "python", "sqlite", "libsodium", "disk"):
        was, is_now = before.machine.get(name), now.get(name)
        if was != is_now:
            found.append(f"{name} was {was!s:.{WORDS_MAX}}, is {is_now}")
    return found


def _replace(path: Path, text: str) -> None:
    """Whole or not at all: a run that is killed leaves the last one that was written."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


async def _run(suite: Suite, benchmarks: Sequence[Benchmark]) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()

    def told() -> None:
        if suite.stop.is_set() and task is not None:
            task.cancel()  # told twice: no more patience
        suite.stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, told)
    await suite.run(benchmarks)


def main(
    known: Mapping[str, str],
    only: Sequence[str] | None,
    out: Path | None,
    against: Path | None,
    quick: bool,
    as_json: bool,
) -> int:
    """0: all run, all hold; 1: not, and why; 2: a file or folder that cannot be used; 130: it was
    stopped."""
    stream = sys.stderr if as_json else sys.stdout
    folder = out or FOLDER
    try:
        before = None if against is None else row.earlier(against.read_bytes())
        _take_folder(folder)
    except (OSError, OutcomeError) as fault:
        where = f"{against}: " if isinstance(fault, OutcomeError) and against else ""
        print(f"gridseal-hil bench all: {where}{fault}", file=sys.stderr)
        return 2
    listed = catalogue.chosen(known, quick=quick)
    benchmarks = [one for one in listed if only is None or one.name in only]
    suite = Suite(folder, known, quick, before, stream)
    try:
        asyncio.run(_run(suite, benchmarks))
    except asyncio.CancelledError:
        return INTERRUPTED
    except OSError as fault:
        print(f"gridseal-hil bench all: {fault}", file=sys.stderr)
        return 2
    print(f"written: {folder / TABLE}, {folder / PICTURE}, {folder / FIGURES}", file=stream)
    if as_json:
        print(row.compact(suite.outcome, suite.rows), flush=True)
    for reason in suite.reasons:
        print(f"gridseal-hil bench all: {reason}", file=sys.stderr)
    if suite.stop.is_set():
        return INTERRUPTED
    return 1 if suite.reasons else 0


def _take_folder(folder: Path) -> None:
    """Makes it, or finds that it is ours. Raises OutcomeError, OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    held = {one.name for one in folder.iterdir()}
    if held and FIGURES not in held:
        raise OutcomeError(f"{folder} has other files, and no {FIGURES}; name another by --out")
