"""What may be asked of the record, and its answers by status: the same whatever carries them.

    POST /v1/statement?size=N      [statement, [[salt, value], ...]]    200 | 409 | 422
    POST /v1/batch/{id}?size=N     head and observations                200 | 409 | 422
    GET  /v1/receipt/{subject}?size=N                                   200 | 404
    GET  /v1/device/{kid}/heads                                         200
    GET  /v1/checkpoint?size=N     200 [size, root, checkpoint / null, [consistency hash, ...]]

1. Bodies are strict CBOR. A receipt comes as [receipt, [consistency hash, ...]], the proof between
   tree size N and the receipt's. 409 names what is needed first: [[typ, name], ...]. 422 is a
   signed refusal. Heads are a signed statement (evidence.heads).
2. 400 is a question that has no answer, or a batch without the head of its id; 404 and 405 are
   what nobody may ask; 413 a body beyond BODY_BYTES_MAX; 503 means "later".

Whatever it decides is decided in the desk. It knows no HTTP server and no broker.
"""

import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from evidence import cbor, disclosure, shape
from evidence.batch import BATCH_BYTES_MAX
from evidence.key import KID_BYTES
from evidence.merkle import HASH_BYTES
from evidence.refusal import EvidenceError
from record.database import StoreError
from record.desk import Answer, BusyError, Desk, NotTheBatchError, RefusedError
from record.known import MissingError

BODY_BYTES_MAX = BATCH_BYTES_MAX + 65536  # a statement with 4,096 disclosures stays below it too
SIZE_DIGITS_MAX = 19  # of a tree size


class Said(NamedTuple):
    """A whole answer. `later_s`: when to ask again; None where that is nothing to go by."""

    status: int
    body: bytes
    text: bool = False  # the body is words for people, not CBOR
    later_s: int | None = None


class Question(NamedTuple):
    """One request, its path taken apart."""

    named: str  # what the path names: an id, a subject, a kid
    size: int  # of the tree that the asker has; 0 when it says none
    body: bytes


class _WrongError(ValueError):
    """A question without an answer."""


async def answered(desk: Desk, method: str, target: str, body: bytes) -> Said:
    """Asks the desk; `target` is the path with its query."""
    path, _, query = target.partition("?")
    for pattern, of, ask in _ASKED:
        found = pattern.fullmatch(path)
        if found is not None and of == method:
            named = found[1] if found.re.groups else ""
            return await _said(partial(_put, ask, desk, named, query, body))
        if found is not None:
            return _words(405, f"{method} is not asked here")
    return _words(404, "no such place")


async def _put(
    ask: "Callable[[Desk, Question], Awaitable[Said]]",
    desk: Desk,
    named: str,
    query: str,
    body: bytes,
) -> Said:
    return await ask(desk, Question(named, _size(query), body))


async def checked(desk: Desk, encoded: bytes, batch_id: bytes, size: int, verdict: bytes) -> Said:
    """As a batch that is posted, for one that a worker has checked."""

    async def ask() -> Said:
        return receipt(await desk.checked(encoded, batch_id, size, verdict))

    return await _said(ask)


async def _said(ask: Callable[[], Awaitable[Said]]) -> Said:
    """Every fault as its status."""
    try:
        return await ask()
    except RefusedError as fault:
        return Said(422, fault.refusal)
    except MissingError as fault:
        return _cbor(409, [[int(typ), name] for typ, name in fault.names])
    except BusyError as fault:
        return _words(503, f"{fault}")._replace(later_s=1)
    except StoreError as fault:
        return _words(503, f"{fault}")._replace(later_s=5)
    except (NotTheBatchError, ValueError) as fault:
        return _words(400, f"{fault}")


def receipt(answer: Answer) -> Said:
    """A receipt as it is sent."""
    return _cbor(200, [answer.receipt, list(answer.consistency)])


async def _statement(desk: Desk, asked: Question) -> Said:
    try:
        encoded, pairs = shape.array(cbor.decode(asked.body), "statement", 2)
        encoded, pairs = shape.blob(encoded, "statement"), disclosure.read_pairs(pairs)
    except EvidenceError as fault:
        raise _WrongError(f"{fault}") from fault
    return receipt(await desk.statement(encoded, pairs, asked.size))


async def _batch(desk: Desk, asked: Question) -> Said:
    return receipt(await desk.batch(asked.body, _hex(asked, "id", HASH_BYTES), asked.size))


async def _receipt(desk: Desk, asked: Question) -> Said:
    answer = await desk.receipt(_hex(asked, "subject", HASH_BYTES), asked.size)
    return _words(404, "no such entry") if answer is None else receipt(answer)


async def _heads(desk: Desk, asked: Question) -> Said:
    return Said(200, await desk.heads(_hex(asked, "kid", KID_BYTES)))


async def _checkpoint(desk: Desk, asked: Question) -> Said:
    return _cbor(200, await desk.checkpoint(asked.size))


_ASKED = (
    (re.compile(r"/v1/statement"), "POST", _statement),
    (re.compile(r"/v1/batch/([^/]*)"), "POST", _batch),
    (re.compile(r"/v1/receipt/([^/]*)"), "GET", _receipt),
    (re.compile(r"/v1/device/([^/]*)/heads"), "GET", _heads),
    (re.compile(r"/v1/checkpoint"), "GET", _checkpoint),
)


def batch_of(method: str, target: str) -> tuple[bytes, int] | None:
    """Id and tree size, where this asks to take a batch and is well formed."""
    path, _, query = target.partition("?")
    found = _ASKED[1][0].fullmatch(path)
    if found is None or method != "POST":
        return None
    try:
        asked = Question(found[1], _size(query), b"")
        return _hex(asked, "id", HASH_BYTES), asked.size
    except _WrongError:
        return None


def _size(query: str) -> int:
    """The tree size that the asker has; 0 when it says none. Raises _WrongError."""
    text = dict(parse_qsl(query, keep_blank_values=True)).get("size", "0")
    if not (text.isascii() and text.isdigit() and len(text) <= SIZE_DIGITS_MAX):
        raise _WrongError("size is not a tree size")
    return int(text)


def _hex(asked: Question, field: str, size: int) -> bytes:
    try:
        found = bytes.fromhex(asked.named)
    except ValueError:
        found = b""
    if len(found) != size or len(asked.named) != 2 * size:
        raise _WrongError(f"{field} is not {2 * size} hex digits")
    return found


def _cbor(status: int, value: Any) -> Said:
    return Said(status, cbor.encode(value))


def _words(status: int, text: str) -> Said:
    return Said(status, f"{text}\n".encode(), text=True)
