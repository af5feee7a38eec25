"""`gridseal-hil run SCENARIO...`: one after the other or several at once, live or in simulated
time, each in a folder of its own.

1. Exit 0 when every expectation that was asked holds, 1 with a line for each that does not, 2 when
   one cannot be played, in one line that says what to do, 130 when it was stopped; of several the
   worst, and one that cannot be played keeps none of the others. One that the place lacks something
   for is left out, and no fault beside others; where all that was asked is left out, it is 2.
2. Ctrl-C ends the play where it is, with a report of that part, and plays no other, even where all
   of this one was played already; a second one ends it at once. No process is left.
3. Whatever ends it, the folder that was asked for has `junit.xml`, and of several an index; those
   that were asked for and not begun are in it. Of one that could not begin to be played no folder
   is left; one that was there before, and empty, keeps the logs.
4. What is left out of a scenario because the place lacks something is named, with what to do.
5. How long it takes is said before anything begins.

It judges nothing: hil.live.verdict and hil.scenario.verdict do.
"""

import asyncio
import contextlib
import json
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from agent.reading import printable
from evidence.config import ConfigError
from hil import script as files
from hil.finding import HANG, line_of
from hil.live import length, play, report, script, verdict
from hil.live import place as places
from hil.live.job import UNBEGUN, Crew, Played
from hil.live.place import FAKE, Place
from hil.live.play import FAULTS, NotBegunError, Play
from hil.live.report import Came
from hil.live.script import Script
from hil.outcome import DOES_NOT_HOLD, STOPPED, WRONG, made, say
from hil.report import compared, page
from hil.report.gathered import INDEX, Gathered
from hil.scenario import command as simulated


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed. `told`: a JSON object at the end."""

    names: Sequence[str]
    place: str = "fake"
    folder: Path | None = None
    short: bool = False
    begins: str | None = None
    ends: str | None = None
    told: bool = False
    jobs: int = 1  # so many at once, of several


@dataclass(slots=True)
class _Outcome:
    """Of all that was asked. `codes`: of what was not left out."""

    codes: list[int] = field(default_factory=list)
    objects: dict[str, Any] = field(default_factory=dict)
    gathered: Gathered = field(default_factory=Gathered)

    def has_left(self) -> bool:
        """Whether there is something to be told in a file. One alone that could not begin leaves
        nothing, so that it can be played into the same folder once it is mended."""
        return len(self.objects) > 1 or any("report" in one for one in self.objects.values())

    def add(self, played: Played, root: Path | None) -> None:
        """One more. `root`: where the index will lie."""
        name, code, told, seconds = played
        stem = Path(name).stem
        self.objects[stem] = told
        self.gathered.add(stem, told, seconds, root)
        if "skipped" not in told:
            self.codes.append(code)

    def code(self) -> int:
        """The worst of them. Nothing played is nothing that holds."""
        return max(self.codes, default=WRONG)


def main(asked: Asked) -> int:
    """The exit code."""
    outcome = _Outcome()
    several = len(asked.names) > 1
    if takes := length.told(length.lengths(asked.names, asked.short), asked.jobs):
        say(takes, asked.told)
    try:
        for played in _all(asked, several):
            outcome.add(played, _root(asked, played[2]))
    except KeyboardInterrupt:  # between two plays
        outcome.codes.append(STOPPED)
    if STOPPED in outcome.codes:
        for name in asked.names:
            if Path(name).stem not in outcome.objects:
                outcome.add((name, STOPPED, UNBEGUN, 0.0), _root(asked, UNBEGUN))
    if not outcome.codes:
        print("gridseal-hil run: nothing was played: all of it was left out", file=sys.stderr)
    root = _root(asked, next(iter(outcome.objects.values())))
    if root is not None and outcome.has_left():
        try:
            outcome.gathered.write(root, several)
        except OSError as fault:
            print(f"gridseal-hil run: --report {root}: {fault}", file=sys.stderr)
            outcome.codes.append(WRONG)
    if asked.told:
        only = next(iter(outcome.objects.values()))
        print(json.dumps(outcome.objects if several else only), flush=True)
    return outcome.code()


def _all(asked: Asked, several: bool) -> Iterable[Played]:
    """Each as it is played; or all of them once they were, where several are at once."""
    if not several or asked.jobs == 1:
        return _in_turn(asked, several)
    if asked.place != FAKE:
        fault = ConfigError("--jobs", "", f"{asked.place} is there once: play one at a time")
        print(f"gridseal-hil run: {fault}", file=sys.stderr)
        return [(asked.names[0], WRONG, {"failed": [str(fault)]}, 0.0)]
    folders = {} if asked.folder is None else _folders(asked.names, asked.folder)
    options = ["--place", asked.place, *(["--short"] if asked.short else [])]
    for option, value in (("--from", asked.begins), ("--to", asked.ends)):
        options += [option, value] if value else []
    crew = Crew(
        options,
        folders,
        lambda text: print(text, file=sys.stderr if asked.told else sys.stdout, flush=True),
    )
    return asyncio.run(crew.play(list(dict.fromkeys(asked.names)), asked.jobs))


def _in_turn(asked: Asked, several: bool) -> Iterator[Played]:
    """Until one is stopped."""
    for name in asked.names:
        started = time.monotonic()
        code, told = _one(asked, name, several)
        yield name, code, told, time.monotonic() - started
        if code == STOPPED:
            return


def _folders(names: Iterable[str], folder: Path) -> dict[str, Path]:
    return {name: folder.absolute() / Path(name).stem for name in names}


def _one(asked: Asked, name: str, several: bool) -> tuple[int, dict[str, Any]]:
    """Plays one, live or in simulated time: its exit code, and its object."""
    try:
        file = files.path_of(name)
        text = files.text_of(file)
        folder = asked.folder
        if several and folder is not None:
            folder = folder / file.stem
        if several:
            say(f"--- {file.stem}", asked.told)
        if is_live(text):
            return _live(asked, file, text, folder)
        if asked.place != FAKE:
            say(f"{file.stem} has a time of its own, and no place", asked.told)
        return simulated.played(name, asked.begins, asked.ends, folder, asked.told)
    except (ConfigError, OSError) as fault:
        print(f"gridseal-hil run: {fault}", file=sys.stderr)
        return WRONG, {"failed": [str(fault)]}


def _root(asked: Asked, told: Mapping[str, Any]) -> Path | None:
    """Where what is of all scenarios goes: the folder that was asked for, or the only one's."""
    if asked.folder is not None:
        return asked.folder.absolute()
    return Path(told["report"]) if len(asked.names) == 1 and "report" in told else None


def is_live(text: str) -> bool:
    """Whether a file is of a scenario that runs live: by its head."""
    return files.has_head(text, script.HEAD)


def _live(asked: Asked, file: Path, text: str, folder: Path | None) -> tuple[int, dict[str, Any]]:
    """Plays one; its exit code, and its object. Raises ConfigError, OSError."""
    if asked.begins or asked.ends:
        raise ConfigError("--from, --to", "", f"{file.stem} runs live, from its beginning on")
    of = script.read(text, file.name)
    place = places.found(asked.place)
    cast = place.cast(of)
    if cast.whole:
        for lack in cast.lacks:
            say(f"left out: {lack.what} {lack.name}: {lack.why}", asked.told)
    if not cast.whole or not cast.devices:
        why = next((lack.why for lack in cast.lacks), "it has no devices")
        say(f"{of.live.name} is not played: {why}", asked.told)
        return WRONG, {"scenario": of.live.name, "skipped": why, "failed": []}
    with places.alone(asked.place, place):
        return _come(asked, of, place, folder)


def _come(
    asked: Asked, of: Script, place: Place, folder: Path | None
) -> tuple[int, dict[str, Any]]:
    """What comes of one that can be played. Raises ConfigError, OSError."""
    is_ours = folder is None or not folder.exists()
    folder = made(folder, of.live.name).absolute()
    started = time.monotonic()
    say(f"{of.live.title}: {of.live.about}", asked.told)
    try:
        came = asyncio.run(_played(of, place, folder, asked))
    except asyncio.CancelledError:
        print(f"gridseal-hil run: stopped; what there is lies in {folder}", file=sys.stderr)
        return STOPPED, {"scenario": of.live.name, "stopped": True, "report": str(folder)}
    except FAULTS as fault:
        print(printable(f"gridseal-hil run: {of.live.name}: {fault}"), file=sys.stderr)
        wrong = {"scenario": of.live.name, "failed": [str(fault)]}
        if is_ours and isinstance(fault, NotBegunError):
            shutil.rmtree(folder, ignore_errors=True)  # what cannot be removed is not ours
            return WRONG, wrong
        return WRONG, {**wrong, "report": str(folder)}
    _show(came, asked.told)
    say(f"{time.monotonic() - started:.0f} s; look at {folder / INDEX}", asked.told)
    for reason in came.reasons:
        print(printable(f"gridseal-hil run: {of.live.name}: {reason}"), file=sys.stderr)
    code = STOPPED if came.stopped else DOES_NOT_HOLD if came.reasons else 0
    return code, object_of(of, came)


async def _played(of: Script, place: Place, folder: Path, asked: Asked) -> Came:
    stop, task = asyncio.Event(), asyncio.current_task()

    def told() -> None:
        if stop.is_set():
            if task is not None:
                task.cancel()  # told twice: no more patience
            return
        stop.set()
        say("stopping, with a report of what was played; again ends it now", asked.told)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, told)

    def tell(text: str) -> None:
        say(text, asked.told)

    done = await play.played(of, place, folder, asked.short, tell, stop)
    came = await _aside(partial(reported, done, asked.short))
    return replace(came, stopped=True) if stop.is_set() else came


async def _aside(work: Callable[[], Came]) -> Came:
    """What comes of work in a thread that nobody waits for once it is given up: asyncio's own are
    waited for, and reading what an hour left takes minutes."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Came] = loop.create_future()

    def told(came: Came | None, fault: Exception) -> None:
        if done.cancelled():
            return
        if came is None:
            done.set_exception(fault)
        else:
            done.set_result(came)

    def worked() -> None:
        came: Came | None = None
        fault: Exception = RuntimeError("a bug of the bench, told above")
        try:
            came = work()
        except FAULTS as failed:
            fault = failed
        finally:
            with contextlib.suppress(RuntimeError):  # the loop is gone: it was given up
                loop.call_soon_threadsafe(told, came, fault)

    threading.Thread(target=worked, name="report", daemon=True).start()
    return await done


def reported(done: Play, short: bool) -> Came:
    """Reads what the play left, and writes the report of it. Raises one of FAULTS."""
    found, measured = compared.read(done)
    findings = verdict.judged(done, found)
    came = report.written(done, found, findings, measured, short)
    clock = done.timeline.scenario_s
    text = page.text(came.told, came.facts, measured, done.deeds, clock)
    (came.folder / INDEX).write_text(text, encoding="utf-8")
    return came


def _show(came: Came, told: bool) -> None:
    for one in came.findings:
        say(line_of(one), told, HANG)


def object_of(of: Script, came: Came) -> dict[str, Any]:
    """What `--json` has of one."""
    return {
        "scenario": of.live.name,
        "report": str(came.folder),
        "expectations": len(came.findings),
        "not_asked": sum(one.held is None for one in came.findings),
        "failed": came.reasons,
        "stopped": came.told["stopped"],  # before its end, that is
        "findings": came.told["findings"],
        "problems": came.problems,
        "place": came.told["place"]["name"],
        "grid": (came.told["grid"] or {"model": "real"})["model"],
        "seed": of.live.seed,
        "played_s": came.told["timeline"]["played_s"],
        "began_tai_ns": came.told["timeline"]["began_tai_ns"],
    }
