"""`gridseal-provision rollback`: undoes the last change of a gateway's folder, which is a change
too.

It removes nothing: files that the change brought stay where they are.
"""

from collections.abc import Sequence
from pathlib import Path

from provisioning import change
from provisioning.argument import Now, Parser, only
from provisioning.terminal import Terminal


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `rollback`. Raises UsageError, PlacementError."""
    about = "Undoes the last change of a gateway's folder. Keys and new files stay."
    parser = Parser(prog="gridseal-provision rollback", description=about, allow_abbrev=False)
    add = parser.add_argument
    add("folder", type=Path, metavar="DIR", help="the gateway's folder")
    add("--dry-run", action="store_true", help="show what would be written, and write nothing")
    add("--json", action="store_true", help="one JSON object instead of words")
    asked = only(parser, argv)
    out = Terminal(asked.json)
    undone = change.rolled_back(asked.folder)
    if asked.dry_run:
        out.say(*change.preview(asked.folder, undone))
    else:
        change.apply(asked.folder, undone)
        out.say(f"Done: {undone.what}")
        out.say("A running agent goes on as before until it is started again.")
    out.object({"done": not asked.dry_run, "what": undone.what})
    return 0
