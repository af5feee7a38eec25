"""A command line whose faults are one line that names the nearest word: for programs of commands.

1. A fault is a UsageError; whoever calls prints it, and no usage text stands around it.
2. A command or an option that is not known is answered with the nearest that is.
"""

import argparse
from collections.abc import Mapping, Sequence
from typing import NoReturn

from evidence import config


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
