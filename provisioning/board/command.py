"""`gridseal-provision board`: what a technician does with a board, a command a row.

A command is a module with `run(argv, now)`, loaded when it is asked for.
"""

import importlib
import sys
from collections.abc import Sequence

from provisioning.argument import Now, Parser, check_command

PROG = "gridseal-provision board"
# A command, its module, and what it does.
COMMANDS: dict[str, tuple[str, str]] = {
    "manifest": ("making", "make a release: the firmware's files, and their signed manifest"),
    "flash": ("flash", "put a release on a board at its prompt"),
    "pair": ("pair", "agree on a key with a board, and keep it in a gateway's folder"),
    "check": ("check", "say what a board is, how it stands, and how good its line is"),
    "update": ("update", "send a newer release to a board over its link"),
}
_MODULES = "provisioning.board."


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `board`. Raises whatever the command raises."""
    parser = Parser(prog=PROG, description="A board: firmware, pairing, health.",
                    allow_abbrev=False)  # fmt: skip
    several = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands = {
        name: several.add_parser(name, help=text, add_help=False)
        for name, (_, text) in COMMANDS.items()
    }
    if not argv:
        parser.print_help(sys.stderr)
        return 2
    check_command(parser, commands, argv)
    if argv[0].startswith("-"):
        parser.parse_args(argv)
        return 2
    module = importlib.import_module(_MODULES + COMMANDS[argv[0]][0])
    done: int = module.run(argv[1:], now)
    return done
