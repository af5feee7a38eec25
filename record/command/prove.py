"""`gridseal-record prove`: one sample with all that it takes to believe it, as a file that stands
by itself (C2SP tlog-proof). `gridseal-record verify FILE` checks it, the record deleted."""

import argparse
import sys
from pathlib import Path

from record import config
from record.config import STORE
from record.known import Known
from record.lookup import EXAMPLE, Lookup, read_name
from record.proving import sample_proof
from record.store import open_reader


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("store", metavar="STORE", help=STORE)
    parser.add_argument(
        "--sample", required=True, metavar="GATEWAY/STREAM/SEQ[@RUN]", help=f"such as {EXAMPLE}"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="not to the terminal")


def run(asked: argparse.Namespace) -> int:
    store = open_reader(config.place(asked.store))
    try:
        store.snapshot()
        seen = Lookup(store, Known(store)).sample(read_name(asked.sample))
        encoded = sample_proof(store, seen).encode()
    finally:
        store.close()
    if asked.out is None:
        sys.stdout.buffer.write(encoded)
        sys.stdout.flush()
        return 0
    asked.out.write_bytes(encoded)
    return 0
