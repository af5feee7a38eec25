"""`gridseal-record evaluate`: what a condition comes to over a record, or again what others said.

Exit 0 when it was evaluated, or when all that were said hold; 1 when one does not, with a reason a
line.
"""

import argparse
import contextlib
import json
import re
from pathlib import Path
from typing import Any

from evidence import cbor, instant
from evidence.joint.evaluation import Evaluation
from evidence.joint.leaf import LEAVES_MAX
from record import config
from record.config import STORE
from record.handoff import condition
from record.handoff.evaluate import Again, again, evaluation_of
from record.handoff.otherwise import Leaning, leaning
from record.handoff.otherwise import told as told_of
from record.known import Known
from record.log import Log
from record.lookup import NotFoundError
from record.store import Store, open_reader

DOES_NOT_HOLD = 1
_LEAVES = re.compile(r"(\d{1,18})(?:-(\d{1,18}))?", re.ASCII)
Told = dict[str, Any]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("store", metavar="STORE", help=STORE)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("condition", nargs="?", type=Path, metavar="FILE", help="condition.toml")
    which.add_argument("--check", action="store_true", help="every evaluation that was said, again")
    parser.add_argument("--at", metavar="INSTANT", help="of what was before it")
    parser.add_argument("--leaves", metavar="5,7-9", help="these alone; else all that may hold it")
    parser.add_argument("--size", type=int, metavar="N", help="as the log was; else as it is")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="a draft, for `say` to sign")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(asked: argparse.Namespace) -> int:
    store = open_reader(config.place(asked.store))
    try:
        store.snapshot()
        if asked.check:
            return _check(store, asked.json)
        return _evaluate(store, asked)
    finally:
        store.close()


def _check(store: Store, as_json: bool) -> int:
    found = list(again(store, Known(store), Log(store)))
    leans = {one.name: leaning(store, one.name) for one in found if one.reason is not None}
    rows = [_row(one, leans.get(one.name, [])) for one in found]
    _print(json.dumps(rows) if as_json else _lines(found, leans))
    return DOES_NOT_HOLD if any(one.reason is not None for one in found) else 0


def _evaluate(store: Store, asked: argparse.Namespace) -> int:
    if asked.at is None:
        raise NotFoundError("--at INSTANT: a condition is evaluated at one")
    try:
        at = instant.read(asked.at)
    except ValueError as fault:
        raise NotFoundError(f"--at: {fault}") from fault
    predicate = condition.read(asked.condition)
    leaves = [] if asked.leaves is None else _leaves(asked.leaves)
    found = evaluation_of(store, Known(store), predicate, at, leaves, asked.size)
    if asked.out is not None:
        asked.out.write_text(json.dumps(_draft(found, at)), encoding="utf-8")
    told = _told(found)
    _print(json.dumps(told) if asked.json else "\n".join(_words(told)))
    return 0


def _draft(found: Evaluation, at: int) -> Told:
    """The record of it, as record.draft reads it; who says it, `say --author` does."""
    says = found.record("", at)
    return {
        "matter": says.matter.name.lower(),
        "from": instant.words(says.begins),
        "to": instant.words(says.ends),
        "body": _plain(cbor.decode(says.body)),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return f"hex:{value.hex()}" if isinstance(value, bytes) else value


def _leaves(text: str) -> list[int]:
    found: set[int] = set()
    for part in text.split(","):
        match = _LEAVES.fullmatch(part.strip())
        if match is None:
            raise NotFoundError(f"--leaves: {part!r} is neither an index nor a range, such as 7-9")
        first, last = int(match[1]), int(match[2] or match[1])
        if not 0 <= last - first < LEAVES_MAX:
            raise NotFoundError(f"--leaves: {part!r} is no range of at most {LEAVES_MAX}")
        found.update(range(first, last + 1))
    return sorted(found)


def _told(found: Evaluation) -> Told:
    return {
        "truth": found.found.truth.name.lower(),
        "predicate": found.predicate.text,
        "leaves": list(found.leaves.indexes),
        "size": found.leaves.tree_size,
        "root": found.root.hex(),
        "causes": [
            {
                "cause": one.cause.name.lower(),
                "quantity": None if one.row is None else found.predicate.quantities[one.row].name,
                "first": instant.words(one.first),
                "end": instant.words(one.end),
            }
            for one in found.found.causes
        ],
    }


def _words(told: Told) -> list[str]:
    lines = [
        f"{told['truth']}: {told['predicate']}",
        f"over {len(told['leaves'])} leaves of {told['size']}, root {told['root']}",
    ]
    for one in told["causes"]:
        of = "" if one["quantity"] is None else f" of {one['quantity']}"
        lines.append(f"{one['cause']}{of}, {one['first']} to {one['end']}")
    return lines


def _row(one: Again, leans: list[Leaning]) -> Told:
    reason = None if one.reason is None else one.reason.name.lower()
    row = {"entry": one.idx, "record": one.name.hex(), "author": one.author}
    on_it = [{"entry": of.idx, "record": of.name.hex(), "what": of.what} for of in leans]
    return row | _told(one.says) | {"reason": reason, "text": one.text, "leaning": on_it}


def _lines(found: list[Again], leans: dict[bytes, list[Leaning]]) -> str:
    lines = []
    for one in found:
        told = f"{one.says.found.truth.name.lower()}: {one.says.predicate.text}"
        holds = "holds" if one.reason is None else f"{one.reason.name.lower()}: {one.text}"
        holds += told_of(leans.get(one.name, []))
        lines.append(f"entry {one.idx}, {one.name.hex()[:16]} by {one.author}: {told}: {holds}")
    return "\n".join([*lines, f"{len(found)} evaluations"])


def _print(text: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        print(text)
