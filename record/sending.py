"""What an authority signs at the keyboard: by which key, where it goes, and what is said of it.

The statement goes to a record's URL, to a file, or to both. A file holds the statement as it would
be sent: who is offline carries it to somebody who is not, and any tool may post it.
"""

import argparse
import getpass
import json
import sys
from pathlib import Path

from drivers.keystore.uri import open_signer
from evidence import cose
from evidence.code import Typ
from evidence.config import ConfigError
from record import posting


def arguments(parser: argparse.ArgumentParser) -> None:
    """What every command takes that signs."""
    add = parser.add_argument
    add("--key", metavar="URI", required=True, help="the author's, such as file:authority.key")
    add("--out", type=Path, metavar="FILE", help="write the statement there")
    posting.arguments(parser)
    add("--json", action="store_true", help="as one JSON object")


def check(asked: argparse.Namespace) -> None:
    """Before a key is asked for. Raises ConfigError."""
    if asked.record is None and asked.out is None:
        raise ConfigError("--record, --out", "", "where it goes: say one of them, or both")
    if asked.out is not None and asked.out.exists():
        raise ConfigError(str(asked.out), "", "is there already; name another")


def sent(asked: argparse.Namespace, typ: Typ, payload: bytes, what: str, name: bytes) -> int:
    """Exit 0: written, and taken by the record where it was sent; 1: not taken."""
    door = None if asked.record is None else posting.door(asked)
    ask = getpass.getpass if sys.stdin.isatty() else None
    encoded = cose.sign(typ, payload, open_signer(asked.key, Path(), ask))
    if asked.out is not None:
        with asked.out.open("xb") as file:
            file.write(encoded)
    told = None if door is None else posting.posted(door, [encoded])[0]
    place = None if told is None else told.index
    if asked.json:
        row = {"name": name.hex(), "entry": place, "text": told.text if told else ""}
        print(json.dumps(row))
    else:
        print(f"{what}: {name.hex()}")
        if asked.out is not None:
            print(f"written to {asked.out}")
        if told is not None:
            more = f": {told.text}" if told.text else ""
            print(f"entry {place} of the log{more}" if place is not None else f"not taken{more}")
    return 1 if told is not None and place is None else 0
