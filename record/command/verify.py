"""`gridseal-record verify`: a record run once more over its evidence, or an export, a proof or a
bundle, offline. Of a record or an export that holds, what boards signed themselves is told and
checked, too.

Exit 0 when everything holds, 1 with a reason a line, 3 without anchors, with the fingerprints to
compare.

What reads each kind is loaded when it is needed: a proof takes no database.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

from evidence.anchor import Anchors
from evidence.refusal import EvidenceError
from record import config
from record.config import STORE
from record.reconstruct import check, folder
from record.reconstruct.second import processes

DOES_NOT_HOLD, NO_ANCHORS = 1, 3


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "store", metavar="STORE", help=f"{STORE}; an export's or a proof's file; a bundle's folder"
    )
    parser.add_argument("--anchors", type=Path, metavar="FILE", help="whom to believe")
    also = "each observation's own signature too, and evaluations that take long"
    parser.add_argument("--every", action="store_true", help=also)


def run(asked: argparse.Namespace) -> int:
    anchors = None if asked.anchors is None else config.read_anchors(asked.anchors)
    if folder.is_bundle(Path(asked.store)):
        if anchors is not None:
            anchors = check.witnessed(anchors, asked.anchors.parent)
        return _verify_bundle(Path(asked.store), anchors, asked.every)
    from record import exported, proved

    if exported.is_export(Path(asked.store)):
        return _verify_export(Path(asked.store), anchors, asked.every)
    if proved.is_proof(Path(asked.store)):
        return _verify_proof(Path(asked.store), anchors, asked.anchors)
    from record.audit import Audit

    audit = Audit(config.place(asked.store), anchors, asked.every)
    if anchors is None:
        for line in audit.fingerprints():
            print(line)
        return NO_ANCHORS
    reasons = audit.run()
    if not reasons:  # what a damaged record holds of a board, nobody can tell
        from record import boarded

        boards = boarded.check(config.place(asked.store), anchors)
        reasons = boards.reasons
        for line in boards.told:
            print(line)
    for line in reasons:
        print(line)
    if reasons:
        return DOES_NOT_HOLD
    print(f"{asked.store}: everything holds: {audit.told()}")
    return 0


def _verify_proof(path: Path, anchors: Anchors | None, named: Path | None) -> int:
    if anchors is None or named is None:
        print("no trust anchors were given (--anchors FILE), and a proof names none to compare")
        return NO_ANCHORS
    from record import proved

    try:
        lines = proved.check(path, anchors, named.parent)
    except EvidenceError as fault:
        print(f"{path}: does not hold: {fault}")
        return DOES_NOT_HOLD
    return _ended(path, lines, 0)


def _verify_export(path: Path, anchors: Anchors | None, every: bool) -> int:
    from record import exported

    if anchors is None:
        for line in exported.fingerprints(path):
            print(line)
        return NO_ANCHORS
    checked = exported.check(path, anchors, every, print)
    return _ended(path, checked.told, checked.reasons)


def _verify_bundle(path: Path, anchors: Anchors | None, every: bool) -> int:
    if anchors is None:
        print("no trust anchors were given (--anchors FILE); a bundle names none of its own")
        return NO_ANCHORS
    from record.reconstruct import whole

    checked = whole.verify(path, anchors, every, print, processes())
    return _ended(path, checked.told, checked.reasons)


def _ended(path: Path, told: Iterable[str], reasons: int) -> int:
    """Says what was checked and whether it holds; the exit status."""
    for line in told:
        print(line)
    if reasons:
        print(f"{path}: does not hold: {reasons} reason{'s' * (reasons > 1)}")
        return DOES_NOT_HOLD
    print(f"{path}: everything holds")
    return 0
