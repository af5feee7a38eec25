"""`gridseal-record show`: what a record holds, and all that is known of one sample; of a witness's
or a mirror's memory what it remembers, and exit 1 where that accuses a log.
"""

import argparse
import contextlib
import json
from pathlib import Path

from evidence import instant
from record import config
from record.command.witness import told as remembered
from record.config import STORE
from record.known import Known
from record.lookup import EXAMPLE, Lookup, NotFoundError, Seen, read_name, read_stream
from record.sample import told
from record.show import shown, summary
from record.store import open_reader
from record.witness.state import is_state
from record.words import lines


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("store", metavar="STORE", help=STORE)
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="record.toml: which witnesses are asked"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--sample", metavar="GATEWAY/STREAM/SEQ[@RUN]", help=f"one sample, such as {EXAMPLE}"
    )
    which.add_argument("--at", metavar="INSTANT", help="with --stream: the first one from then on")
    parser.add_argument("--stream", metavar="GATEWAY/STREAM", help="by name or number")


def run(asked: argparse.Namespace) -> int:
    if (asked.at is None) != (asked.stream is None):
        raise NotFoundError("--at INSTANT and --stream GATEWAY/STREAM go together")
    if is_state(Path(asked.store)):
        return remembered(Path(asked.store), asked.json)
    names = [] if asked.config is None else list(config.read_record(asked.config).publishing.urls)
    store = open_reader(config.place(asked.store))
    try:
        store.snapshot()
        if asked.sample is None and asked.at is None:
            found = summary(store, names)
            text = shown(found, asked.now())
        else:
            known = Known(store)
            found = told(store, known, _seen(asked, Lookup(store, known)))
            text = "\n".join(lines(found))
    finally:
        store.close()
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(found) if asked.json else text)
    return 0


def _seen(asked: argparse.Namespace, lookup: Lookup) -> Seen:
    """The sample that was asked for. Raises NotFoundError, StoreError."""
    if asked.sample is not None:
        return lookup.sample(read_name(asked.sample))
    try:
        tai = instant.read(asked.at)
    except ValueError as fault:
        raise NotFoundError(f"--at: {fault}") from fault
    return lookup.at(read_stream(asked.stream), tai)
