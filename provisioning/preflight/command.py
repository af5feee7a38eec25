"""`gridseal-provision preflight`: what is typed, what is printed, and the exit code.

Exit 0: all that was checked is ok, or waived by somebody. 1: a fault, or what nobody can tell and
nobody waived. 2: it could not be begun.
"""

import argparse
import asyncio
import os
import textwrap
from collections.abc import Sequence
from pathlib import Path

from agent import config as agent_config
from evidence import config
from provisioning import live
from provisioning.argument import Now, Parser, UsageError, content, only
from provisioning.preflight import waiver
from provisioning.preflight.examination import CHECKS, Asked, Findings, examine
from provisioning.preflight.outcome import Outcome, Word
from provisioning.preflight.scene import HEAR_S
from provisioning.terminal import Terminal

PROG = waiver.PROG
WELL, WRONG = 0, 1
SECONDS_MAX = 3600.0
COLUMNS = 100
GATEWAY = "gateway.toml"
ABOUT = """\
Looks at a gateway and all that hangs on it, and says of each check: ok, fault, or cannot tell, with
the figure, its limit, and what to do. Lines are opened as the gateway opens them; while its agent
runs, the agent is asked instead. Nothing is changed but this: a little is written to the spool's
disk and removed, and one observation flagged TEST is sealed and sent."""
EXAMPLES = """\
examples:
  gridseal-provision preflight /etc/gridseal
  gridseal-provision preflight . --reading pmu-a/I=-118 --reading pmu-b/I=+61.5
  gridseal-provision preflight . --offline --waive 'roll@pmu-a,same-bus@pmu-a=A. Meier:one PMU'
  gridseal-provision preflight . --only sequence --only ct-direction

A reading is MW as an instrument or the control room has it, positive from the bus into the line.
exit code: 0 all ok or waived; 1 a fault, or what nobody can tell; 2 it could not be begun"""


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `preflight`. Raises UsageError, ConfigError."""
    typed = only(_parser(), argv)
    path = Path(typed.folder)
    path = path / GATEWAY if path.is_dir() else path
    sketch = agent_config.sketch(path)
    sources = [source.name for source in sketch.sources]
    asked = Asked(
        _checks(typed.only),
        typed.offline,
        not typed.dry_run,
        typed.seconds,
        waiver.waivers(typed.waive, list(CHECKS)),
        waiver.readings([*typed.reading, *_in_file(typed.readings)], sources),
    )
    clock = live.clock_of(sketch)
    terminal = Terminal(typed.json)
    terminal.say(f"Pre-flight of {sketch.file.gateway.name}: {typed.seconds:g} s of listening ...")
    found = asyncio.run(examine(path, asked, clock, now, os.urandom))
    terminal.object(found.told())
    _say(terminal, found)
    return WELL if found.well() else WRONG


def _say(terminal: Terminal, found: Findings) -> None:
    for one in found.outcomes:
        terminal.say(*_lines(one), style=str(one.word))
    for name, option in found.left_out.items():
        terminal.say(f"left out ({option}): {name}, {CHECKS[name]}")
    terminal.say(*found.idle)
    counts = {word: sum(one.word is word for one in found.outcomes) for word in Word}
    told = ", ".join(f"{many} {word}" for word, many in counts.items() if many)
    terminal.say("", f"{found.gateway}: {told or 'nothing was checked'}", style="head")


def _lines(one: Outcome) -> list[str]:
    """An outcome for people: the word first, since colour alone tells nothing."""
    of = f" {one.of}" if one.of else ""
    lines = _wrapped(f"{one.word:11}  {one.check}{of}: {one.figure}")
    more = {
        "needs": one.needs,
        "to do": one.todo,
        "waived": f"by {one.waived_by}: {one.waived_why}" if one.waived_by else "",
    }
    for label, text in more.items():
        if text:
            lines += _wrapped(f"{'':13}{label}: {text}")
    return lines


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(
        text,
        COLUMNS,
        subsequent_indent=" " * 15,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _checks(names: Sequence[str]) -> list[str]:
    """Those that were named, each known. Raises UsageError."""
    found = [name.strip() for text in names for name in text.split(",")]
    for name in found:
        if name not in CHECKS:
            raise UsageError(f"{PROG}: --only {name!r} is {config.nearest(name, list(CHECKS))}")
    return found


def _in_file(path: Path | None) -> list[str]:
    """Readings of a file, a line each; what follows a # is for people. Raises ConfigError."""
    if path is None:
        return []
    lines = (line.partition("#")[0].strip() for line in content(path).splitlines())
    return [line for line in lines if line]


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r}: expected seconds, up to {SECONDS_MAX:g}")
    return seconds


def _parser() -> Parser:
    listed = "\n".join(f"  {name:16}  {about}" for name, about in CHECKS.items())
    parser = Parser(
        prog=PROG,
        description=ABOUT,
        epilog=f"checks:\n{listed}\n\n{EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("folder", metavar="DIR", help="the gateway's folder, or its gateway.toml")
    told = "leave out what needs a network, and say so"
    parser.add_argument("--offline", action="store_true", help=told)
    told = "this check alone; may be given again"
    parser.add_argument("--only", action="append", default=[], metavar="CHECK", help=told)
    told = "who takes it as it is, and why; may be given again"
    parser.add_argument("--waive", action="append", default=[], metavar=waiver.FORM, help=told)
    told = "what was read elsewhere; may be given again"
    parser.add_argument(
        "--reading", action="append", default=[], metavar="SOURCE/BAY=MW", help=told
    )
    parser.add_argument("--readings", type=Path, metavar="FILE", help="the same, a line each")
    told = "listen for so long; default: %(default)g"
    parser.add_argument("--seconds", type=_seconds, default=HEAR_S, metavar="S", help=told)
    told = "write nothing to the disk, seal nothing"
    parser.add_argument("--dry-run", action="store_true", help=told)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of words")
    return parser
