"""What becomes of an import: it is shown, written as a new file, or taken into a gateway's folder.

1. Nothing is written before all of it was read back (provisioning.plan.text, .adoption).
2. A file that exists is not overwritten; with --dry-run none is.

The options that both imports have are here, and what they print.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from provisioning import change
from provisioning.argument import Parser, UsageError
from provisioning.change import Change
from provisioning.placement import NewFile
from provisioning.plan import adoption, grid, proposal, text
from provisioning.plan.difference import Consequence, Difference
from provisioning.plan.grid import Found
from provisioning.terminal import Terminal

_MODE = 0o644


def options(parser: Parser) -> None:
    """What every import takes."""
    add = parser.add_argument
    add("--substation", metavar="NAME", default="", help="where the file has several")
    add("--out", type=Path, metavar="FILE", help="write the plan as a new file, such as site.toml")
    add("--into", type=Path, metavar="DIR", help="add what is new to the files of this gateway")
    add("--dry-run", action="store_true", help="show what would be written, and write nothing")
    add("--json", action="store_true", help="one JSON object instead of words")


def check(asked: argparse.Namespace) -> None:
    """Raises UsageError."""
    if asked.out is not None and asked.into is not None:
        raise UsageError("--out and --into: one of them; they are two ways to write the plan")


def deliver(
    asked: argparse.Namespace, found: Found, file: str, files: Sequence[NewFile] = ()
) -> int:
    """`file`: that was read, for people; `files`: what the sources read. Raises ConfigError,
    PlacementError.
    """
    terminal = Terminal(asked.json)
    plan = grid.plan(found)
    made = text.checked(plan, text.written(plan, (f"From {file}.",)), file)
    sources = proposal.toml(found.proposals)
    told = {
        "file": file,
        "site": plan.site.name,
        **{key: len(getattr(plan, key)) for key in ("bus", "line", "tie", "equipment", "device")},
        "sources": [one.name for one in found.proposals],
        "notes": found.notes,
        "written": [],
    }
    terminal.say(_summary(told), *(f"  mind: {note}" for note in found.notes))
    if asked.into is not None:
        what = f"take in {file}"
        adopted = adoption.adopted(asked.into, what, plan, found.proposals, files)
        terminal.say(*(f"  kept: {one}" for one in adopted.kept))
        told |= {"kept": adopted.kept, "differences": [d.told() for d in adopted.differences]}
        show(terminal, adopted.differences)
        if adopted.change is None:
            terminal.say(f"{asked.into} has all of it already")
        else:
            told |= written(terminal, asked.into, adopted.change, asked.dry_run)
    elif asked.out is not None:
        new = Change(f"write {asked.out}", [NewFile(asked.out.name, made.encode(), _MODE)])
        told |= written(terminal, asked.out.parent, new, asked.dry_run)
        if sources:
            terminal.say("", "For gateway.toml:", *sources.splitlines())
    else:
        terminal.say("", *made.splitlines())
        if sources:
            terminal.say("", "# --- for gateway.toml:", *sources.splitlines())
    terminal.object(told | {"plan": made, "gateway": sources})
    return 0


def show(terminal: Terminal, differences: Sequence[Difference]) -> None:
    """As a table, and what to do about it."""
    if not differences:
        return
    rows = [
        (one.of, one.key, one.before, one.after, ", ".join(map(str, one.means)))
        for one in differences
    ]
    terminal.table(("what", "key", "before", "after", "means"), rows)
    means = {word for one in differences for word in one.means}
    if Consequence.CREDENTIAL in means:
        terminal.say(
            "The agent does not start with this plan before it has a new credential of it:"
            " the authority makes one, by gridseal-provision authority renew"
        )
    if means != {Consequence.NOTHING}:
        terminal.say("What is signed changes when the agent is started again.")


def _summary(told: dict[str, object]) -> str:
    counts = [
        f"{told[key]} {words}"
        for key, words in (
            ("bus", "buses"),
            ("line", "lines"),
            ("tie", "ties"),
            ("equipment", "equipment"),
            ("device", "devices"),
        )
        if told[key]
    ]
    return f"{told['file']}: {told['site']}: {', '.join(counts) or 'nothing that a plan needs'}"


def written(terminal: Terminal, folder: Path, new: Change, dry_run: bool) -> dict[str, list[str]]:
    """Makes a change hold, or shows it; the names of what was written, or what would be, as an
    object for programs. Raises PlacementError.
    """
    if dry_run:
        shown = change.preview(folder, new)
        terminal.say(*shown)
        return {"written": [], "would": shown}
    change.apply(folder, new)
    names = [file.name for file in (*new.added, new.replaced) if file is not None]
    terminal.say(f"Done: {new.what}", f"Written in {folder}: {', '.join(names)}")
    return {"written": names}
