"""A command line whose faults are one line that names the nearest word: for programs of commands.

1. A fault is a UsageError; whoever calls prints it, and no usage text stands around it.
2. A command or an option that is not known is answered with the nearest that is.
"""

import argparse
import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from evidence import config
from evidence.config import ConfigError
from evidence.leap import BUILT_IN, NS

TEXT_MAX = 16 << 20  # characters: of the largest site plan there are some 4 million
Now = Callable[[], int]  # ns since 1970, UTC: handed to each command


def tai(now_ns: int) -> int:
    """What `now` says, as it is signed: ns TAI."""
    return BUILT_IN.tai_ns(now_ns // NS, now_ns % NS)


class UsageError(Exception):
    """Something typed wrongly."""


class Parser(argparse.ArgumentParser):
    """Says a fault as an exception, so that `main` says it in one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}")

    def options(self) -> list[str]:
        return [text for action in self._actions for text in action.option_strings]


def check_command(parser: Parser, commands: Mapping[str, Parser], argv: Sequence[str]) -> None:
    """Whether the first word is a command, or an option. Raises UsageError."""
    if not argv[0].startswith("-") and argv[0] not in commands:
        raise UsageError(f"{parser.prog}: {argv[0]!r} is {config.nearest(argv[0], list(commands))}")


def handed_on(
    parser: Parser,
    rows: Mapping[str, tuple[str, str]],
    package: str,
    argv: Sequence[str],
    now: Now,
) -> int:
    """Runs the command that was typed first: the one module of its row that is loaded.

    `rows`: of each command its module in the package, which ends in a dot, and what it does. Raises
    UsageError, and whatever the command raises.
    """
    several = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands = {
        name: several.add_parser(name, help=text, add_help=False)
        for name, (_, text) in rows.items()
    }
    if not argv:
        parser.print_help(sys.stderr)
        return 2
    check_command(parser, commands, argv)
    if argv[0].startswith("-"):
        parser.parse_args(argv)
        return 2
    module = importlib.import_module(package + rows[argv[0]][0])
    done: int = module.run(argv[1:], now)
    return done


def parsed(
    parser: Parser, commands: Mapping[str, Parser], argv: Sequence[str]
) -> argparse.Namespace:
    """What was typed; its `command` names one of the commands. Raises UsageError."""
    asked, rest = parser.parse_known_args(argv)
    if rest:
        command = commands[asked.command]
        found = f"one argument too many; see {command.prog} --help"
        if rest[0].startswith("-"):
            found = config.nearest(rest[0].split("=")[0], command.options())
        raise UsageError(f"{command.prog}: {rest[0]!r} is {found}")
    return asked


def only(parser: Parser, argv: Sequence[str]) -> argparse.Namespace:
    """What was typed, for a program of one command. Raises UsageError."""
    asked, rest = parser.parse_known_args(argv)
    if rest:
        found = f"one argument too many; see {parser.prog} --help"
        if rest[0].startswith("-"):
            found = config.nearest(rest[0].split("=")[0], parser.options())
        raise UsageError(f"{parser.prog}: {rest[0]!r} is {found}")
    return asked


def whole(what: str, text: str) -> int:
    """A whole number that was typed. Raises UsageError."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise UsageError(f"{what} {text!r}: expected a whole number")
    return int(text)


def content(path: Path) -> str:
    """The text of a file that was named. Raises ConfigError."""
    try:
        with path.open(encoding="utf-8") as file:
            found = file.read(TEXT_MAX + 1)
    except OSError as fault:
        raise ConfigError(str(path), "", f"cannot be read: {fault.strerror}") from fault
    except UnicodeDecodeError as fault:
        raise ConfigError(str(path), "", "is not UTF-8 text") from fault
    if len(found) > TEXT_MAX:
        raise ConfigError(str(path), "", f"more than {TEXT_MAX} characters; expected a text")
    return found
