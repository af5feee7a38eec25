"""`gridseal-record lineage`: what a record or an observation rests on, down to observations, and
what rests on it.

Exit 0 when all of it is here, 1 when something is missing, by name.
"""

import argparse
import contextlib
import json
from typing import Any

from evidence.joint.lineage import words
from record import config
from record.config import STORE
from record.handoff.kin import Kindred, lines
from record.known import Known
from record.store import open_reader

DOES_NOT_HOLD = 1


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("store", metavar="STORE", help=STORE)
    names = "a record's, 8 digits or more; or an observation's: BATCH/PLACE, GATEWAY/STREAM/SEQ"
    parser.add_argument("name", metavar="NAME", help=names)
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def run(asked: argparse.Namespace) -> int:
    store = open_reader(config.place(asked.store))
    try:
        store.snapshot()
        kindred = Kindred(store, Known(store))
        name = kindred.named(asked.name)
        found = kindred.lineage(name)
        told: dict[str, Any] = {
            "name": words(name),
            "lineage": [kindred.told(one) for one in found.kin],
            "named_by": [kindred.told(one) for one in kindred.naming(name)],
            "missing": [words(one.of) for one in found.missing],
            "unfounded": [words(one.of) for one in found.unfounded],
        }
        told["skipped"] = kindred.effort.skipped
    finally:
        store.close()
    text = [*lines(told["lineage"])]
    text += [f"named by {line}" for line in lines(told["named_by"])]
    text += [f"missing: {one}" for one in told["missing"]]
    text += [f"names nothing that it rests on: {one}" for one in told["unfounded"]]
    text += filter(None, [kindred.effort.told()])
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(told) if asked.json else "\n".join(text))
    return DOES_NOT_HOLD if told["missing"] else 0
