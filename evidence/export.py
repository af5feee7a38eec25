"""An export: a part of a gateway's archive as one file, which proves itself to whoever has anchors.

A CBOR sequence (RFC 8742) of byte strings, each the encoding of one item:

    export  = bstr .cbor opening, * bstr .cbor item, bstr .cbor closing
    item    = stated / sealed / loose / passed / veiled
    opening = ["gridseal export", version, first: tai, end: tai, [* stream: uint] / null, text]
                                                  ; what was asked for, and by which software
    stated  = [1, statement: bstr, [* [salt: bstr .size 16, value: bstr]] / null]
    sealed  = [2, head: bstr, answer: bstr / null, body: bstr / null]
                                                  ; one batch; null where nothing was answered yet,
                                                  ; and where the body could not be read
    loose   = [3, [1*420 range], body: bstr]      ; observations that no head covers yet
    passed  = [4, run: hash, first: uint, last: uint / null]
                                                  ; batches by number that are not in this file;
                                                  ; null: all that followed in the run
    veiled  = [5, head: bstr, answer: bstr / null, [+ [kept: uint, withheld: uint]],
               leaves: bstr, body: bstr]          ; one batch, redacted: so many observations are in
                                                  ; the body, so many stand as their leaf hashes
    closing = [0, items: uint, digest: hash]      ; SHA-256 over every byte before it

1. A statement stands before the first item that needs it; batches stand in the order in which they
   were cut, and all are of one device. So a file is written and checked as it passes by.
2. Opening and passed are the words of who exported. All else is signed by somebody, or found in
   what is; the closing's digest finds damage, not malice.
3. A batch is whole, or has no body, or says by its leaf hash of each observation that it is
   withheld: its root needs every one. Within an observation nothing is ever cut out.
4. Reading is bounded: ITEM_BYTES_MAX at a time, whatever lengths are declared.

What holds in it is evidence.verifier's. It opens no file: chunks come in, items go out.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from evidence import cbor, disclosure, head, shape
from evidence.batch import BATCH_BYTES_MAX
from evidence.code import VERSION, Reason
from evidence.cose import STATEMENT_BYTES_MAX
from evidence.head import COUNT_MAX, RANGES_MAX, Range
from evidence.merkle import HASH_BYTES
from evidence.refusal import EvidenceError
from evidence.run import STREAMS_MAX
from evidence.sequence import Source

MAGIC = "gridseal export"
# A batch and its receipt, or a statement and all that it hides; and the heads around them.
ITEM_BYTES_MAX = BATCH_BYTES_MAX + 2 * STATEMENT_BYTES_MAX
OPENING_BYTES_MAX = 64 * 1024  # a number a stream
SNIFF_BYTES = 32  # enough to tell an export from any other file
_CLOSING, _STATED, _SEALED, _LOOSE, _PASSED, _VEILED = range(6)

Pairs = tuple[tuple[bytes, bytes], ...]


class Opening(NamedTuple):
    """What was asked for: instants from `first` on and before `end`, ns TAI.

    `streams`: None for every one.
    """

    first: int
    end: int
    streams: tuple[int, ...] | None
    software: str


class Stated(NamedTuple):
    """A statement. `pairs`: what it hides; None where that was left out."""

    encoded: bytes
    pairs: Pairs | None


class Sealed(NamedTuple):
    """A batch. `answer`: the record's receipt or refusal."""

    head: bytes
    answer: bytes | None
    body: bytes | None


class Loose(NamedTuple):
    """Observations that no head covers yet: each proves itself by its own signature."""

    ranges: tuple[Range, ...]
    body: bytes


class Passed(NamedTuple):
    """Batches of a run that are not in the file, by who wrote it: outside of what was asked, or no
    longer on that disk."""

    run: bytes
    first: int
    last: int | None


class Veiled(NamedTuple):
    """A batch of which observations are withheld. `turns`: how many are in the body and how many
    after them are withheld, again and again; `leaves`: what stands for those, as bytes."""

    head: bytes
    answer: bytes | None
    turns: tuple[tuple[int, int], ...]
    leaves: bytes
    body: bytes


class Damaged(NamedTuple):
    """An item that cannot be read. What follows it can."""

    fault: EvidenceError


Item = Stated | Sealed | Loose | Passed | Veiled


class Writer:
    """Writes an export through `write`, item by item."""

    def __init__(self, write: Callable[[bytes], object], opening: Opening) -> None:
        self._write = write
        self._digest = hashlib.sha256()
        self.items = self.size = 0
        self._put(cbor.encode([MAGIC, VERSION, *opening]))

    def add(self, item: Item) -> None:
        """Raises EvidenceError(TOO_LONG) for what nobody would read."""
        self._put(cbor.encode(_array(item)))
        self.items += 1

    def close(self) -> None:
        """What has no end is refused by whoever reads it."""
        self._put(cbor.encode([_CLOSING, self.items, self._digest.digest()]))

    def _put(self, content: bytes) -> None:
        if len(content) > ITEM_BYTES_MAX:
            raise EvidenceError(Reason.TOO_LONG, f"an item of {len(content)} bytes")
        for part in (cbor.bytes_head(len(content)), content):
            self._digest.update(part)
            self._write(part)
            self.size += len(part)


def _array(item: Item) -> list[object]:
    if isinstance(item, Stated):
        return [_STATED, *item]
    if isinstance(item, Sealed):
        return [_SEALED, *item]
    if isinstance(item, Veiled):
        return [_VEILED, *item]
    return [_LOOSE if isinstance(item, Loose) else _PASSED, *item]


def is_export(start: bytes) -> bool:
    """Whether a file that begins so, SNIFF_BYTES of it, is meant as an export."""
    return MAGIC.encode() in start[:SNIFF_BYTES]


def read(chunks: Iterable[bytes]) -> Iterator[Opening | Item | Damaged]:
    """The items of an export, the opening first.

    Raises EvidenceError at the place from which on nothing can be read: the opening is not one
    (before anything came out), an item has no end, or the closing does not close it.
    """
    source = Source(chunks)
    before = source.digest()
    yield _opening(source.item(OPENING_BYTES_MAX))
    items = 0
    while True:
        before, content = source.digest(), source.item(ITEM_BYTES_MAX)
        try:
            value = shape.array(cbor.decode(content), "item")
            kind = shape.uint(value[0] if value else None, "the item's kind")
            if kind == _CLOSING:
                break
            item: Item | Damaged = _READERS[kind](value)
        except EvidenceError as fault:
            item = Damaged(fault)
        except KeyError:
            item = Damaged(EvidenceError(Reason.SHAPE, f"an item of kind {kind}"))
        items += 1
        yield item
    _, count, digest = shape.array(value, "closing", 3)
    if count != items or digest != before:
        raise EvidenceError(Reason.ENCODING, "the closing is not that of the bytes before it")
    source.ends()


def _opening(content: bytes) -> Opening:
    value = shape.array(cbor.decode(content), "opening")
    if len(value) < 2 or value[0] != MAGIC:
        raise EvidenceError(Reason.SHAPE, "no export begins so")
    shape.versioned(value[1:], "export", 5)
    streams = shape.optional(value[4], shape.array, "streams")
    if streams is not None and len(streams) > STREAMS_MAX:
        shape.fail("streams", len(streams), f"at most {STREAMS_MAX}")
    return Opening(
        shape.uint(value[2], "first"),
        shape.uint(value[3], "end"),
        None if streams is None else tuple(shape.uint(one, "stream") for one in streams),
        shape.text(value[5], "software"),
    )


def _stated(value: Sequence[object]) -> Stated:
    _, encoded, pairs = shape.array(value, "stated", 3)
    told = None if pairs is None else disclosure.read_pairs(pairs)
    return Stated(shape.blob(encoded, "statement"), told)


def _sealed(value: Sequence[object]) -> Sealed:
    _, encoded, answer, body = shape.array(value, "sealed", 4)
    return Sealed(
        shape.blob(encoded, "head"),
        shape.optional(answer, shape.blob, "answer"),
        shape.optional(body, shape.blob, "body"),
    )


def _loose(value: Sequence[object]) -> Loose:
    _, ranges, body = shape.array(value, "loose", 3)
    found = tuple(head.read_range(one) for one in shape.array(ranges, "ranges"))
    if not 1 <= len(found) <= RANGES_MAX:
        shape.fail("ranges", len(found), f"1 to {RANGES_MAX}")
    return Loose(found, shape.blob(body, "body"))


def _passed(value: Sequence[object]) -> Passed:
    _, run, first, last = shape.array(value, "passed", 4)
    return Passed(
        shape.blob(run, "run", HASH_BYTES),
        shape.uint(first, "first"),
        shape.optional(last, shape.uint, "last"),
    )


def _veiled(value: Sequence[object]) -> Veiled:
    _, encoded, answer, turns, leaves, body = shape.array(value, "veiled", 6)
    found = tuple(_turn(one) for one in shape.array(turns, "turns"))
    inner = [number for turn in found for number in turn][1:-1]
    withheld = sum(turn[1] for turn in found)
    if not withheld or not all(inner) or withheld > COUNT_MAX:
        shape.fail("turns", found[:2], "kept and withheld by turns")
    return Veiled(
        shape.blob(encoded, "head"),
        shape.optional(answer, shape.blob, "answer"),
        found,
        shape.blob(leaves, "leaves", withheld * HASH_BYTES),
        shape.blob(body, "body"),
    )


def _turn(value: object) -> tuple[int, int]:
    kept, withheld = shape.array(value, "turn", 2)
    return shape.uint(kept, "kept", COUNT_MAX), shape.uint(withheld, "withheld", COUNT_MAX)


_READERS: dict[int, Callable[[Sequence[object]], Item]] = {
    _STATED: _stated,
    _SEALED: _sealed,
    _LOOSE: _loose,
    _PASSED: _passed,
    _VEILED: _veiled,
}
