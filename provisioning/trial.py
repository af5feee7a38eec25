"""`gridseal-provision test-mode`: declares that a source is being tested, such as by secondary
injection, so that nothing it says meanwhile is ever settled.

1. `start` says that one may inject only when the running agent has said that the flag is on, and
   from which instant. Where it does not within ACK_S, the words are "do not inject", and exit 1:
   the row stays, and takes hold when the agent reads it.
2. `stop` says when the flag is off again: the agent keeps it until what was measured before the end
   has been heard.
3. The file (agent.declared) is written whole, by one rename, durable, one command at a time. What
   is over is kept in it for a day: the agent flags by it what comes late, after a restart too.

It neither flags nor signs anything: the agent does.
"""

import argparse
import fcntl
import getpass
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from agent import config, declared, status, trial
from agent.clock import Linux
from agent.config import Sketch
from agent.declared import Declared, Row
from agent.trial import KEPT_NS
from drivers import registry
from evidence import instant
from evidence.config import nearest
from evidence.leap import NS
from provisioning.argument import Now, Parser, UsageError, check_command, parsed, tai
from provisioning.placement import PlacementError, SystemDisk
from provisioning.terminal import Terminal

PROG = "gridseal-provision test-mode"
ACK_S = 10.0  # the agent looks four times a second; a machine may be busy
OFF_S = 120.0  # for the flag to go off: what a concentrator waits, and more
ASK_S = 0.1  # between two questions to the agent
LOCK_S = 5.0  # for another command to let go of the file
PART = ".gridseal-part"
CLOCK = Linux()  # counts from the boot, and waits
MODE = 0o644  # the agent may run as somebody else; there is no secret in it
_TOLD = {"source", "since", "state", "from_utc"}  # of each test, at least
_SPAN = re.compile(r"(\d{1,5})(h|min|m|s)", re.ASCII)
_UNITS = {"h": 3600, "min": 60, "m": 60, "s": 1}
_TABLE = "[[test]]\n"
_HEAD = "# Written by gridseal-provision test-mode, and read by the agent: not to be edited.\n"


class Moment(NamedTuple):
    """When it is: ns since 1970 UTC, the boot of this machine, and ns since that."""

    utc_ns: int
    boot: str
    boot_ns: int

    @property
    def tai(self) -> int:
        return tai(self.utc_ns)


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `test-mode`. Raises UsageError, ConfigError, PlacementError."""
    parser, commands = _parsers()
    argv = argv or ["--help"]
    check_command(parser, commands, argv)
    asked = parsed(parser, commands, argv)
    gateway = config.sketch(asked.folder / "gateway.toml")
    out = Terminal(asked.json)
    at = Moment(now(), trial.boot_id(), CLOCK.boottime_ns())
    if asked.command == "show":
        return _show(asked, gateway, out, at)
    _check_source(gateway, asked.stream)
    return (_start if asked.command == "start" else _stop)(asked, gateway, out, at)


# --- the file


def begun(
    rows: Sequence[Declared], source: str, reason: str, by: str, span_ns: int, at: Moment
) -> list[Row]:
    """The rows with a test more; one of that source that goes on gives way to it."""
    since, until = instant.words(at.tai), instant.words(at.tai + span_ns)
    new = Row(source, since, until, reason, by, "", at.boot, at.boot_ns)
    return [*ended(rows, source, at), new]


def ended(rows: Sequence[Declared], source: str, at: Moment) -> list[Row]:
    """The rows with the tests of a source stopped; what was over a day ago is left out, and so is
    the oldest that is over where there are too many.
    """
    found: list[tuple[bool, Row]] = []  # whether it goes on
    for one in rows:
        goes_on = one.left_ns(at.tai, at.boot, at.boot_ns) > 0
        last = one.until if one.stopped is None else one.stopped
        if goes_on and one.row.source == source:
            # Not before it began, whatever was done to the clock.
            stopped = instant.words(max(at.tai, one.since))
            found.append((False, _stopped(one.row, stopped)))
        elif goes_on:
            found.append((True, one.row))
        elif at.tai - last < KEPT_NS:
            found.append((False, _stopped(one.row, one.row.stopped or one.row.until)))
    over = [place for place, (goes_on, _) in enumerate(found) if not goes_on]
    gone = set(over[: max(len(found) - declared.ROWS_MAX + 1, 0)])
    return [row for place, (_, row) in enumerate(found) if place not in gone]


def _stopped(row: Row, stopped: str) -> Row:
    return Row(row.source, row.since, row.until, row.reason, row.by, stopped, row.boot, row.boot_ns)


def text_of(rows: Sequence[Row]) -> str:
    """The file."""
    return _HEAD + "".join(
        f"\n{_TABLE}source = {_string(row.source)}\nsince = {_string(row.since)}\n"
        f"until = {_string(row.until)}\nreason = {_string(row.reason)}\nby = {_string(row.by)}\n"
        f"stopped = {_string(row.stopped)}\nboot = {_string(row.boot)}\nboot_ns = {row.boot_ns}\n"
        for row in rows
    )


def write(folder: Path, change: Callable[[Sequence[Declared]], list[Row]]) -> list[Row]:
    """Changes the file, whole or not at all. Raises ConfigError, PlacementError."""
    disk = SystemDisk()
    path = folder / trial.FILE
    part = path.with_name(path.name + PART)
    try:
        with _alone(folder):
            rows = change(declared.load(path))
            text = text_of(rows)
            declared.read(text)  # as the agent will
            if os.path.lexists(part):
                disk.remove(part)
            disk.write_new(part, text.encode(), MODE)
            disk.rename_file(part, path)
            disk.sync_folder(folder)
    except OSError as fault:
        raise PlacementError(f"{fault.filename or path}: {fault.strerror or fault}") from fault
    return rows


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One command at a time. Raises PlacementError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        until = CLOCK.monotonic_ns() + int(LOCK_S * NS)
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as held:
                if CLOCK.monotonic_ns() > until:
                    raise PlacementError(f"{folder}: another command is changing it") from held
                time.sleep(ASK_S)
        yield
    finally:
        os.close(handle)


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


# --- what the agent says


def agreed(spool: Path, source: str, since: str | None, most_s: float) -> tuple[Any, str]:
    """Until the agent says that the test which began then is on (None: that none is): its word, or
    why not.
    """
    until = CLOCK.monotonic_ns() + int(most_s * NS)
    while True:
        told, why = _told(spool)
        if told is not None:
            found = next((one for one in told["tests"] if one["source"] == source), None)
            if since is None and found is None:
                return told, ""
            if since is not None and found and (found["since"], found["state"]) == (since, "on"):
                return found, ""
            why = told["tests_fault"] or "the agent runs, and has not said so"
        if CLOCK.monotonic_ns() > until or told is None:
            return None, why
        time.sleep(ASK_S)


def _told(spool: Path) -> tuple[dict[str, Any] | None, str]:
    """The agent's account; None and why where there is none of use."""
    try:
        told = status.ask(spool)
    except (FileNotFoundError, ConnectionRefusedError):
        return None, f"no agent runs on {spool}"
    except (OSError, ValueError) as fault:
        return None, f"the agent on {spool} does not answer: {fault}"
    tests = told.get("tests")
    if not isinstance(tests, list) or not isinstance(told.get("tests_fault"), str):
        return None, "the agent that runs is older than this command, and knows of no tests"
    if not all(isinstance(one, dict) and one.keys() >= _TOLD for one in tests):
        return None, "the agent that runs is of another version, and its words are not understood"
    return told, ""


# --- what is typed


def _start(asked: argparse.Namespace, gateway: Sketch, out: Terminal, at: Moment) -> int:
    span_ns = span(asked.max)
    by, reason = asked.by or _who(), asked.reason.strip()
    for what, text, most in (("--reason", reason, 200), ("--by", by, 64)):
        if not text or len(text) > most or not text.isprintable():
            raise UsageError(f"{PROG} start: {what}: expected 1 to {most} printable characters")
    source = asked.stream
    told = {"source": source, "reason": reason, "by": by, "dry_run": asked.dry_run}

    def change(rows: Sequence[Declared]) -> list[Row]:
        return begun(rows, source, reason, by, span_ns, at)

    if asked.dry_run:
        new = change(declared.load(asked.folder / trial.FILE))[-1]
        out.say(f"Would declare in {asked.folder / trial.FILE}:", *text_of([new]).splitlines())
        out.object({**told, "on": False, "until": new.until})
        return 0
    rows = write(asked.folder, change)
    new, clear = rows[-1], _in_no_test(gateway, rows)
    told["not_in_test"] = clear
    words = f"In no test: {', '.join(clear)}. What hears the same device is to be started too."
    others = [words] if clear else []
    spool = gateway.path(gateway.file.spool.path)
    found, why = agreed(spool, source, new.since, ACK_S)
    if found is None:
        out.say(
            f"DO NOT INJECT YET: {why}.",
            f"The test of {source} is declared; it holds as soon as an agent reads it.",
            f"Ask again: {PROG} show {asked.folder}; take it back: {PROG} stop {asked.folder}"
            f" --stream {source}",
            style="fault",
        )
        out.say(*others)
        out.object({**told, "on": False, "until": new.until, "why": why})
        return 1
    out.say(
        f"The test flag of {source} is on, from {found['from_utc']}: you may inject.", style="ok"
    )
    out.say(
        f"It ends by itself at {new.until}; before that: {PROG} stop {asked.folder}"
        f" --stream {source}",
        *others,
    )
    out.object({**told, "on": True, "from": found["from_utc"], "until": new.until})
    return 0


def _in_no_test(gateway: Sketch, rows: Sequence[Row]) -> list[str]:
    """Sources of measurements that settle as before."""
    tested = {row.source for row in rows if not row.stopped}
    sources = [one.name for one in gateway.sources if one.scheme not in registry.RECEIVERS]
    return [name for name in sources if name not in tested]


def _stop(asked: argparse.Namespace, gateway: Sketch, out: Terminal, at: Moment) -> int:
    source, path = asked.stream, asked.folder / trial.FILE
    told = {"source": source, "dry_run": asked.dry_run}
    standing = [
        one
        for one in declared.load(path)
        if one.row.source == source and one.left_ns(at.tai, at.boot, at.boot_ns)
    ]
    if not standing:
        raise UsageError(f"{PROG} stop: no test of {source!r} goes on; see {PROG} show")
    if asked.dry_run:
        out.say(f"Would end the test of {source}: {standing[-1].row.reason}")
        out.object({**told, "stopped": False})
        return 0
    write(asked.folder, lambda rows: ended(rows, source, at))
    spool = gateway.path(gateway.file.spool.path)
    out.say("Stopped. The flag stays until what was measured before has been heard.")
    found, why = agreed(spool, source, None, OFF_S)
    if found is None and not why.startswith("no agent"):
        out.say(f"NOT KNOWN whether the flag is off: {why}.", style="fault")
        out.object({**told, "stopped": True, "off": False, "why": why})
        return 1
    words = "No agent runs." if found is None else f"The test flag of {source} is off."
    out.say(words)
    out.object({**told, "stopped": True, "off": True, "why": why})
    return 0


def _show(asked: argparse.Namespace, gateway: Sketch, out: Terminal, at: Moment) -> int:
    """What is declared, and what the agent says."""
    rows = declared.load(asked.folder / trial.FILE)
    account, why = _told(gateway.path(gateway.file.spool.path))
    said = {one["source"]: one for one in account["tests"]} if account else {}
    fault = account["tests_fault"] if account else ""
    shown, objects, clear = [], [], not fault
    for one in rows:
        left_s = one.left_ns(at.tai, at.boot, at.boot_ns) // NS
        held = said.get(one.row.source)
        flag = held["state"] if held and held["since"] == one.row.since else "off"
        clear = clear and (flag == "on" or not left_s)
        row = one.row
        shown.append((row.source, row.since, f"{left_s} s", flag, row.by, row.reason))
        objects.append({**_fields(row), "left_s": left_s, "flag": flag})
    out.table(("source", "since", "left", "flag", "by", "reason"), shown)
    if not rows:
        out.say("No test is declared.")
    for words in (why, fault):
        if words:
            out.say(words, style="fault")
    out.object({"tests": objects, "agent": account is not None, "why": why or fault})
    return 0 if clear else 1


def _fields(row: Row) -> dict[str, Any]:
    keys = ("source", "since", "until", "reason", "by", "stopped")
    return {key: getattr(row, key) for key in keys}


def _check_source(gateway: Sketch, name: str) -> None:
    names = [source.name for source in gateway.sources]
    if name not in names:
        raise UsageError(f"{PROG}: --stream {name!r} is {nearest(name, names)}")


def span(text: str) -> int:
    """A duration as it is typed, ns. Raises UsageError."""
    found = _SPAN.fullmatch(text)
    ns = int(found[1]) * _UNITS[found[2]] * NS if found else 0
    if not 0 < ns <= declared.SPAN_NS_MAX:
        raise UsageError(f"{PROG} start: --max {text!r}: expected 4h at most, such as 90min")
    return ns


def _who() -> str:
    """Whoever types."""
    named = os.environ.get("SUDO_USER")
    try:
        return named or getpass.getuser()
    except (OSError, KeyError) as fault:  # a user without a name
        raise UsageError(f"{PROG} start: say who you are: --by NAME") from fault


def _parsers() -> tuple[Parser, dict[str, Parser]]:
    about = "Declares that a source is being tested: its samples carry the test flag, signed."
    parser = Parser(prog=PROG, description=about, allow_abbrev=False)
    several = parser.add_subparsers(dest="command", metavar="start | stop | show", required=True)
    commands = {}
    for name, text in (
        ("start", "set the test flag of a source, and say when one may inject"),
        ("stop", "end the test of a source, and say when its flag is off"),
        ("show", "say which tests are declared, and which flags are on"),
    ):
        command = several.add_parser(name, help=text, description=text, allow_abbrev=False)
        add = command.add_argument
        add("folder", type=Path, metavar="DIR", help="the gateway's folder")
        add("--json", action="store_true", help="one JSON object instead of words")
        if name != "show":
            add("--stream", required=True, metavar="SOURCE", help="by its name in gateway.toml")
            add("--dry-run", action="store_true", help="say what would be, and write nothing")
        commands[name] = command
    add = commands["start"].add_argument
    add("--reason", required=True, metavar="TEXT", help="what for; it is signed")
    add("--max", default="4h", metavar="SPAN", help="when it ends by itself; default and most: 4h")
    add("--by", default="", metavar="NAME", help="who; it is signed; default: who is logged in")
    return parser, commands
