"""`gridseal-record records`: what authorities have said, who has signed it, and who has not."""

import argparse
import contextlib
import json

from record import config
from record.config import STORE
from record.listing import MATTERS, STATES, Filter, Listing, line, lines
from record.store import open_reader


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("store", metavar="STORE", help=STORE)
    add("name", metavar="NAME", nargs="?", help="all of one record, by its name's first digits")
    add("--state", choices=STATES, help="those that are so by now")
    add("--matter", choices=MATTERS, metavar="MATTER", help="such as interchange")
    add("--author", metavar="AUTHORITY", help="those that it said")
    add("--missing", metavar="AUTHORITY", help="those that wait for its signature")
    add("--notified", metavar="AUTHORITY", help="those that the policy tells it of")
    add("--element", metavar="NAME", help="those about it, such as a seam")
    add("--json", action="store_true", help="one JSON object a line")


def run(asked: argparse.Namespace) -> int:
    store = open_reader(config.place(asked.store))
    try:
        store.snapshot()
        listing = Listing(store)
        with contextlib.suppress(BrokenPipeError):
            if asked.name is not None:
                told = listing.one(asked.name)
                print(json.dumps(told) if asked.json else "\n".join(lines(told)))
                return 0
            wanted = Filter(
                STATES.get(asked.state), MATTERS.get(asked.matter),
                asked.author, asked.missing, asked.element, asked.notified,
            )  # fmt: skip
            for told in listing.rows(wanted):
                print(json.dumps(told) if asked.json else line(told))
    finally:
        store.close()
    return 0
