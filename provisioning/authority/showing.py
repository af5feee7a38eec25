"""`authority show`: a book in words, its chain and its signatures checked.

1. Exit 0: every entry holds. 1: one does not, or the end is torn; what holds is shown all the same.
2. A book proves itself by its own root key. Whether that key is the authority's is for whoever
   compares the fingerprint, or gives --anchors.
"""

from collections.abc import Sequence
from pathlib import Path

from evidence import anchor, instant
from evidence.anchor import Anchors
from provisioning.argument import Now, Parser, content, only
from provisioning.authority import book, folder, sequence
from provisioning.authority.book import Book
from provisioning.authority.standing import Register
from provisioning.placement import PlacementError
from provisioning.terminal import Terminal


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `authority show`. Raises PlacementError, ConfigError."""
    asked = only(_parser(), argv)
    out = Terminal(asked.json)
    path = asked.book / folder.BOOK if asked.book.is_dir() else asked.book
    anchors = None
    if asked.anchors is not None:
        anchors = anchor.read(content(asked.anchors), str(asked.anchors))
    found, fault = book.whole(sequence.content(path), str(path))
    if found is None:
        raise PlacementError(fault)
    whose = _register(path.parent)
    rows = [
        [
            str(line.entry.number),
            instant.words(line.entry.tai),
            book.words(line.entry, whose.subject_of if whose else lambda name: ""),
        ]
        for line in found.lines
    ]
    out.table(("entry", "when", "what"), rows)
    known = _known(found, anchors)
    faults = [text for text in (fault, _tail(found), known) if text]
    out.say("", f"Root key     {found.root.fingerprint}{_by(anchors, known)}")
    out.say(*faults or [f"Every one of the {len(rows)} entries holds."])
    shown = [
        {"number": line.entry.number, "tai": line.entry.tai, "name": line.name.hex(), "what": what}
        for line, (_, _, what) in zip(found.lines, rows, strict=True)
    ]
    of = {"issuer": found.issuer, "root": found.root.fingerprint}
    out.object({**of, "holds": not faults, "faults": faults, "entries": shown})
    return 1 if faults else 0


def _register(place: Path) -> Register | None:
    """Whose the credentials are, where the book lies in its authority's folder."""
    try:
        return Register(folder.read(place), 0) if (place / folder.AUTHORITY).is_file() else None
    except (PlacementError, ValueError):
        return None  # the book is shown; what is wrong beside it `authority list` says


def _known(found: Book, anchors: Anchors | None) -> str:
    if anchors is None:
        return ""
    by = anchors.authorities.get(found.root.kid)
    if by is None or (by.name, by.key) != (found.issuer, found.root):
        return f"Its root key is not that of {found.issuer!r} in the anchors."
    return ""


def _by(anchors: Anchors | None, known: str) -> str:
    if anchors is None:
        return " (compare it, or give --anchors FILE)"
    return "" if known else ", as the anchors say"


def _tail(found: Book) -> str:
    if not found.tail:
        return ""
    return f"Behind the last entry: {found.tail} bytes of one that was never whole."


def _parser() -> Parser:
    about = "Says in words what a book says, and checks its chain and its signatures."
    command = Parser(prog="gridseal-provision authority show", description=about,
                     allow_abbrev=False)  # fmt: skip
    add = command.add_argument
    add("book", type=Path, metavar="BOOK", help="book.cbor, or the folder that it is in")
    add("--anchors", type=Path, metavar="FILE", help="whose the root key is, by these")
    add("--json", action="store_true", help="one JSON object instead of words")
    return command
