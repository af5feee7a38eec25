"""`gridseal-record countersign`: an authority's assent to another's record, or its dissent."""

import argparse
from pathlib import Path

from evidence import cose
from evidence.code import Typ, Word
from evidence.config import ConfigError
from evidence.joint import record
from evidence.joint.countersignature import Countersignature, read
from evidence.merkle import HASH_BYTES
from record import sending

FILE_BYTES_MAX = cose.STATEMENT_BYTES_MAX


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("name", metavar="NAME", help="of the record, 64 hex digits; or its file, as say wrote it")
    add("--author", metavar="AUTHORITY", required=True, help="who says so")
    word = parser.add_mutually_exclusive_group(required=True)
    word.add_argument("--assent", metavar="TEXT", nargs="?", const="", help="it is so")
    word.add_argument("--dissent", metavar="TEXT", help="it is not, and why")
    sending.arguments(parser)


def run(asked: argparse.Namespace) -> int:
    sending.check(asked)
    name = _name(asked.name)
    word = Word.DISSENT if asked.assent is None else Word.ASSENT
    text = asked.dissent if asked.assent is None else asked.assent
    payload = Countersignature(name, asked.author, word, text).payload()
    read(payload)
    what = f"{word.name.lower()} of {asked.author} to {name.hex()[:16]}"
    return sending.sent(asked, Typ.COUNTERSIGNATURE, payload, what, cose.name(payload))


def _name(text: str) -> bytes:
    """Raises ConfigError; EvidenceError for a file that holds no record."""
    if len(text) == 2 * HASH_BYTES:
        try:
            return bytes.fromhex(text)
        except ValueError:
            pass
    path = Path(text)
    if not path.is_file():
        reason = f"found {text!r}; expected {2 * HASH_BYTES} hex digits, or a record's file"
        raise ConfigError("NAME", "", reason)
    if path.stat().st_size > FILE_BYTES_MAX:
        raise ConfigError(text, "", f"longer than {FILE_BYTES_MAX} bytes: no record")
    message = cose.read_statement(path.read_bytes(), Typ.RECORD)
    record.read(message.payload)
    return message.name
