"""`gridseal-provision plan`: `check` says all that is wrong with a site plan, `ask` asks for one.

Exit of `check`: 0, nothing; 1, something, each with file, line, key, found and expected.
"""

import argparse
import asyncio
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from agent import config as agent_config
from evidence import config, consistency, siteplan
from evidence.config import ConfigError
from evidence.siteplan import SitePlan
from provisioning import live
from provisioning.argument import (
    Now,
    Parser,
    UsageError,
    check_command,
    content,
    parsed,
    whole,
)
from provisioning.change import Change
from provisioning.init import GATEWAY, PUBLIC_MODE
from provisioning.placement import NewFile
from provisioning.plan import ask, delivery, difference, intake, text
from provisioning.plan.ask import Heard
from provisioning.snapshot import Snapshot
from provisioning.terminal import Terminal

SITE = "site.toml"
LISTEN_S_MAX = 600
_FAULTS_MAX = 100  # told at once: who has more begins with these
CORRECTION_BYTES_MAX = 64 << 20  # of a calibration on file


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed. Raises UsageError, ConfigError, PlacementError, RequestError."""
    about = "Checks a site plan, or asks for one."
    parser = Parser(prog="gridseal-provision plan", description=about, allow_abbrev=False)
    several = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    checks = several.add_parser("check", help="say all that is wrong with a site plan")
    checks.add_argument("file", type=Path, metavar="FILE", help="such as site.toml, or DIR")
    asks = several.add_parser("ask", help="ask question by question, and write the plan")
    asks.add_argument("folder", type=Path, metavar="DIR", help="of the gateway")
    asks.add_argument(
        "--answer", metavar="KEY=TEXT", action="append", default=[], help="of a question; repeat"
    )
    asks.add_argument(
        "--listen",
        metavar="S",
        default="0",
        help="hear the sources first, so that ratios and directions are asked too",
    )
    asks.add_argument("--dry-run", action="store_true", help="show what would be written")
    for one in (checks, asks):
        one.add_argument("--json", action="store_true", help="one JSON object instead of words")
    if not argv:
        raise UsageError(f"{parser.prog}: say check or ask; see {parser.prog} --help")
    commands = {"check": checks, "ask": asks}
    check_command(parser, commands, argv)
    asked = parsed(parser, commands, argv)
    if asked.command == "check":
        return _check(asked)
    listen_s = whole("--listen", asked.listen)
    if listen_s > LISTEN_S_MAX:
        raise UsageError(f"--listen {listen_s}: expected seconds, at most {LISTEN_S_MAX}")
    return _ask(asked, listen_s)


def _check(asked: argparse.Namespace) -> int:
    terminal = Terminal(asked.json)
    path: Path = asked.file
    if path.is_dir():  # a gateway's: the plan that it goes by
        sketch = agent_config.sketch(path / GATEWAY)
        path = sketch.path(sketch.file.gateway.plan)
    found = faults(path)
    terminal.say(*(str(fault) for fault in found))
    if not found:
        terminal.say(f"{path}: nothing is wrong with it")
    rows = [
        {"file": one.file, "line": one.line, "key": one.key, "fault": one.text} for one in found
    ]
    terminal.object({"file": str(path), "ok": not found, "faults": rows})
    return int(bool(found))


def faults(path: Path) -> list[ConfigError]:
    """All that is wrong with a plan, and with the corrections that it names. Raises ConfigError
    where the file cannot be read.
    """
    told, file = content(path), str(path)
    try:
        plan = config.read(told, SitePlan, file)
    except ConfigError as fault:
        return [fault]
    found = []
    for steps, reason in consistency.faults(plan):
        found.append(config.fault_at(told, file, steps, reason))
        if len(found) == _FAULTS_MAX:
            return found
    for at, stream in enumerate(plan.stream):
        for number, channel in enumerate(stream.channel):
            if channel.correction is not None:
                wrong = _correction_fault(path.parent, channel.correction)
                if wrong:
                    steps = ("stream", at, "channel", number, "correction")
                    found.append(config.fault_at(told, file, steps, wrong))
    return found[:_FAULTS_MAX]


def _correction_fault(folder: Path, correction: siteplan.Correction) -> str:
    """Whether what is signed is the hash of the file that is there."""
    made = hashlib.sha256()
    try:
        for piece in intake.pieces(folder / correction.file, CORRECTION_BYTES_MAX):
            made.update(piece)
    except ConfigError as fault:
        return f"{correction.file!r} {fault.text}"
    if made.hexdigest() != correction.sha256:
        return f"{correction.file!r} has SHA-256 {made.hexdigest()}, and another is stated"
    return ""


def _ask(asked: argparse.Namespace, listen_s: int) -> int:
    terminal = Terminal(asked.json)
    file, before, sources = _known(asked.folder, listen_s)
    answers: dict[str, str] = {}
    given = dict(_answer(one) for one in asked.answer)
    while (question := ask.following(sources, answers, before)) is not None:
        if question.key in given:
            answer = given.pop(question.key)
        else:
            option = f"--answer {question.key}=TEXT"
            answer = terminal.ask(question.words, option, question.default)
        ask.check(question, answer)
        answers[question.key] = answer
    if given:
        key = next(iter(given))
        raise UsageError(f"--answer {key}: {config.nearest(key, list(answers))}")
    plan = ask.plan(sources, answers, os.urandom, before)
    made = text.checked(plan, text.written(plan, ("What stands where.",)), file)
    written = NewFile(file, made.encode(), PUBLIC_MODE)
    there = (asked.folder / file).exists()
    new = Change(f"write {file}", () if there else [written], written if there else None)
    differences = difference.plans(before, plan) if before is not None else []
    delivery.show(terminal, differences)
    told = delivery.written(terminal, asked.folder, new, asked.dry_run)
    rows = [one.told() for one in differences]
    terminal.object({"answers": answers, "plan": made, "differences": rows, **told})
    return 0


def _known(folder: Path, listen_s: int) -> tuple[str, SitePlan | None, list[Heard]]:
    """The plan's file, what it says, and the sources of gateway.toml with what their devices call
    their channels. Raises ConfigError.
    """
    if not (folder / GATEWAY).exists():
        path = folder / SITE
        return SITE, (siteplan.read(content(path), SITE) if path.exists() else None), []
    sketch = agent_config.sketch(folder / GATEWAY)
    names = [section.name for section in sketch.file.source]
    told: list[Snapshot] = []
    if listen_s and names:
        told = asyncio.run(live.moment(sketch, live.clock_of(sketch), listen_s))
    return sketch.file.gateway.plan, sketch.plan, ask.heard(names, told)


def _answer(given: str) -> tuple[str, str]:
    key, equals, answer = given.partition("=")
    if not equals:
        raise UsageError(f"--answer {given!r}: expected KEY=TEXT, such as site=North")
    return key, answer
