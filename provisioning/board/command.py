"""`gridseal-provision board`: what a technician does with a board, a command a row.

A command is a module with `run(argv, now)`, loaded when it is asked for.
"""

from collections.abc import Sequence

from provisioning.argument import Now, Parser, handed_on

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
    return handed_on(parser, COMMANDS, _MODULES, argv, now)
