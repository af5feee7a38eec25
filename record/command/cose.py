"""`gridseal-record cose`: an entry of the log with a COSE Receipt (RFC 9942), signed by the log's
key now; or, with --since, a receipt that the log continues an earlier tree."""

import argparse
from pathlib import Path

from drivers.keystore.uri import open_signer
from evidence.config import ConfigError
from evidence.tlog import receipt
from record import config
from record.config import STORE
from record.lookup import NotFoundError
from record.proving import cose_consistency, cose_receipt, published_origin
from record.store import open_reader


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("store", metavar="STORE", help=STORE)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--subject", metavar="HEX", help="an entry, by its SHA-256")
    which.add_argument("--since", type=int, metavar="SIZE", help="an earlier tree of so many")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--bare", action="store_true", help="the receipt without its entry")
    parser.add_argument(
        "--config", type=Path, default=Path("record.toml"), metavar="FILE", help="whose key signs"
    )


def run(asked: argparse.Namespace) -> int:
    subject = None if asked.subject is None else _subject(asked.subject)
    found = config.read_record(asked.config)
    signer = open_signer(found.key, found.folder, often=False)
    store = open_reader(config.place(asked.store))
    try:
        store.snapshot()
        if store.log_key() != signer.public.raw:
            text = f"found the key {signer.public.kid.hex()}; the store is another log's"
            raise ConfigError(str(asked.config), "record.key", text)
        origin = published_origin(store) or found.publishing.log.name
        if subject is None:
            made = cose_consistency(store, asked.since, origin, signer)
        else:
            entry, made = cose_receipt(store, subject, origin, signer)
            made = made if asked.bare else receipt.attach(entry.encoded, made)
    finally:
        store.close()
    asked.out.write_bytes(made)
    return 0


def _subject(text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != 32:
        raise NotFoundError(f"--subject: found {text[:80]!r}; expected 64 hex digits")
    return found
