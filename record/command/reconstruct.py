"""`gridseal-record reconstruct`: a bundle of what a record holds of an interval, which anybody
checks offline with `gridseal-record verify`, or with the lone verifier.

Exit 0 when it is written, 3 without anchors.
"""

import argparse
import hashlib
import json
from pathlib import Path

from evidence import instant
from evidence.config import ConfigError
from record import config
from record.command.verify import NO_ANCHORS
from record.config import STORE
from record.lookup import NotFoundError
from record.reconstruct import check, reconstruction
from record.reconstruct.reconstruction import Asked
from record.reconstruct.second import processes
from record.store import open_reader

WITHHOLD = (
    "leave out, again and again: GATEWAY/STREAM or GATEWAY/* (observations: their hashes stand in),"
    " GATEWAY/STREAM@FROM..TO (those of an interval: what was said before may still tell it),"
    " others (with --seam: of all streams but the seam's), names, places, configurations,"
    " disclosures (values: their salted hashes stand in)"
)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("store", metavar="STORE", help=STORE)
    parser.add_argument("--anchors", type=Path, metavar="FILE", help="whom to believe")
    parser.add_argument("--from", dest="begins", required=True, metavar="INSTANT", help="such as "
                        + instant.EXAMPLE)  # fmt: skip
    parser.add_argument("--to", dest="ends", required=True, metavar="INSTANT", help="before it")
    parser.add_argument("--seam", metavar="NAME", help="only gateways that measure at this seam")
    parser.add_argument("--out", type=Path, metavar="DIR", help="a folder that is not there yet")
    parser.add_argument("--withhold", action="append", default=[], metavar="WHAT", help=WITHHOLD)
    parser.add_argument("--json", action="store_true", help="what was written, as one JSON object")


def run(asked: argparse.Namespace) -> int:
    if asked.anchors is None:
        print("no trust anchors were given (--anchors FILE): seams and states are read by them")
        return NO_ANCHORS
    text = config.read_text(asked.anchors)
    anchors = check.witnessed(config.read_anchors(asked.anchors), asked.anchors.parent)
    begins, ends = _instant(asked.begins, "--from"), _instant(asked.ends, "--to")
    if begins >= ends:
        raise ConfigError("reconstruct", "--to", "is not later than --from")
    digest = hashlib.sha256(text.encode()).digest()
    wanted = Asked(begins, ends, asked.seam, tuple(asked.withhold), anchors, digest, asked.out)
    store = open_reader(config.place(asked.store), live=True)
    try:
        store.snapshot()
        made = reconstruction.write(store, wanted, processes())
    finally:
        store.close()
    if asked.json:
        print(json.dumps(made.told()))
    else:
        print("\n".join(made.lines()))
    return 0


def _instant(text: str, option: str) -> int:
    try:
        return instant.read(text)
    except ValueError as fault:
        raise NotFoundError(f"{option}: {fault}") from fault
