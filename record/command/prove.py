"""`gridseal-record prove`: one sample with all that it takes to believe it, as a file that stands
by itself (C2SP tlog-proof). `gridseal-record verify FILE` checks it, the record deleted. By --leaf
it is whatever a document of a bundle names: ENTRY/PLACE a sample, ENTRY an entry of the log."""

import argparse
import sys
from pathlib import Path

from evidence.tlog.proof import Proof
from record import config
from record.config import STORE
from record.known import Known
from record.lookup import EXAMPLE, Lookup, read_leaf, read_name
from record.proving import entry_proof, sample_proof
from record.store import Store, open_reader


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("store", metavar="STORE", help=STORE)
    named = parser.add_mutually_exclusive_group(required=True)
    named.add_argument("--sample", metavar="GATEWAY/STREAM/SEQ[@RUN]", help=f"such as {EXAMPLE}")
    named.add_argument("--leaf", metavar="ENTRY[/PLACE]", help="as documents of a bundle name it")
    parser.add_argument("--out", type=Path, metavar="FILE", help="not to the terminal")


def run(asked: argparse.Namespace) -> int:
    store = open_reader(config.place(asked.store))
    try:
        store.snapshot()
        encoded = _proof(store, asked).encode()
    finally:
        store.close()
    if asked.out is None:
        sys.stdout.buffer.write(encoded)
        sys.stdout.flush()
        return 0
    asked.out.write_bytes(encoded)
    return 0


def _proof(store: Store, asked: argparse.Namespace) -> Proof:
    lookup = Lookup(store, Known(store))
    if asked.leaf is None:
        return sample_proof(store, lookup.sample(read_name(asked.sample)))
    idx, place = read_leaf(asked.leaf)
    if place is None:
        return entry_proof(store, idx)
    return sample_proof(store, lookup.leaf(idx, place))
