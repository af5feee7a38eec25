"""What the lone verifier does: `python3 verify.py BUNDLE --anchors FILE [--every]`.

1. It asks for Python 3.11 and PyNaCl, and for nothing else of anybody's: all of evidence that it
   takes is in its own file, as text.
2. It says and answers what `gridseal-record verify` does, with two exceptions, which it names: of
   documents it checks size and hash by the manifest, and what was evaluated (settlements,
   predicates) it does not evaluate again. Both take the protocols of devices, which are not in it.

Exit 0: everything holds; 1: something does not; 2: cannot be done as asked; 3: no anchors.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from evidence import trust
from evidence.trust import Anchors
from record.reconstruct import check
from record.reconstruct.folder import is_bundle

HOLDS, DOES_NOT_HOLD, CANNOT, NO_ANCHORS = range(4)
NAME = "verify.py"
NOT_AGAIN = (
    "not again  documents are the files that the manifest names, and evaluations and settlements"
    " are signed: `gridseal-record verify` makes them again from the observations"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Checks one bundle; returns the exit status."""
    parser = argparse.ArgumentParser(NAME, description="Checks a bundle of a record, offline.")
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="its folder")
    parser.add_argument("--anchors", type=Path, metavar="FILE", help="whom to believe")
    parser.add_argument("--every", action="store_true", help="each observation's own signature too")
    asked = parser.parse_args(argv)
    if asked.anchors is None:
        print("no trust anchors were given (--anchors FILE); a bundle names none of its own")
        return NO_ANCHORS
    try:
        anchors = read_anchors(asked.anchors)
    except (OSError, ValueError) as fault:
        print(f"{NAME}: {asked.anchors}: {fault}", file=sys.stderr)
        return CANNOT
    if not is_bundle(asked.bundle):
        print(f"{NAME}: {asked.bundle}: no bundle's folder", file=sys.stderr)
        return CANNOT
    return told(asked.bundle, anchors, asked.every)


def told(path: Path, anchors: Anchors, every: bool) -> int:
    """Checks, and says what was found."""
    checked = check.check(path, anchors, every, print)
    for line in checked.told:
        print(line)
    if checked.reasons:
        print(f"{path}: does not hold: {checked.reasons} reason{'s' * (checked.reasons > 1)}")
        return DOES_NOT_HOLD
    print(NOT_AGAIN)
    print(f"{path}: everything holds")
    return HOLDS


def read_anchors(path: Path) -> Anchors:
    """The anchors in a file. Raises OSError, ValueError (TomlError, UnicodeDecodeError)."""
    return check.witnessed(trust.read(path.read_text(encoding="utf-8")), path.parent)
