"""The vectors as tests use them: loaded, compared, accepted as the product does, and taken apart.

The walk through CBOR is written here once more: a fault of evidence.cbor cannot hide itself.
"""

import dataclasses
import json
import struct
from collections.abc import Callable, Iterator
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from evidence import (
    batch,
    book,
    cbor,
    checkpoint,
    classification,
    cose,
    credential,
    descriptor,
    disclosure,
    enrolment,
    head,
    heads,
    layout,
    observation,
    p256,
    receipt,
    rotation,
    run,
)
from evidence.code import Typ
from evidence.joint import countersignature, record
from evidence.key import PublicKey

FOLDER = Path(__file__).resolve().parent.parent / "vectors" / "evidence"
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.json")))
READERS: dict[str, Callable[[bytes], Any]] = {
    "answer": enrolment.read_answer,
    "book": book.read,
    "checkpoint": checkpoint.read,
    "classification": classification.read,
    "countersignature": countersignature.read,
    "credential": credential.read,
    "descriptor": descriptor.read,
    "head": head.read,
    "heads": heads.read,
    "observation": observation.read_sample,
    "receipt": receipt.read,
    "record": record.read,
    "refusal": receipt.read_refusal,
    "request": enrolment.read_request,
    "rotation": rotation.read,
    "run": run.read,
}
SIGNED = tuple(name for name in NAMES if name.split("_")[0] in READERS)
STATEMENTS = tuple(name for name in SIGNED if not name.startswith("observation"))
OBSERVATIONS = tuple(name for name in SIGNED if name.startswith("observation"))
BATCHES = tuple(name for name in NAMES if name.startswith("batch"))


@cache
def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def raw(name: str, field: str) -> bytes:
    return bytes.fromhex(load(name)[field])


def key_of(name: str) -> PublicKey:
    key = load(name)["key"]
    return PublicKey(key["alg"], bytes.fromhex(key["raw"]))


def plain(value: Any) -> Any:
    """A decoded value as a vector's file writes it."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, IntEnum):
        return int(value)
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return {field.name: plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, tuple):
        named = getattr(value, "_asdict", None)
        if named is not None:
            return {name: plain(item) for name, item in named().items()}
        return [plain(item) for item in value]
    return value


def accept(name: str, encoded: bytes, key: PublicKey | None = None) -> Any:
    """What the product makes of these bytes in the place of the vector. Raises EvidenceError."""
    found = load(name)
    if found["kind"] == "batch":
        return accept_batch(name, encoded)
    key = key or key_of(name)
    if found["kind"] == "observation":
        return observation.verify(encoded, key, raw(name, "descriptor"))
    message = cose.read_statement(encoded, Typ(found["typ"]))
    cose.check(message, key)
    return READERS[found["kind"]](message.payload)


def accept_batch(name: str, encoded: bytes) -> list[layout.Span]:
    found = batch.read(encoded)
    keys = [PublicKey(-19, bytes.fromhex(item)) for item in load(name)["keys"]]
    cose.check(found.message, keys[0])
    descriptors = [part.descriptor for part in found.head.ranges]
    by_descriptor = dict(zip(descriptors, keys, strict=True))

    def reader_of(part: head.Range) -> layout.Reader:
        binding = observation.Binding(by_descriptor[part.descriptor].kid, part.descriptor)
        return layout.Reader(binding, ())

    spans = batch.check(found, reader_of)
    batch.check_each(found, by_descriptor)
    return spans


def accept_disclosure(encoded: bytes, digests: list[bytes]) -> dict[bytes, bytes]:
    return disclosure.match(disclosure.read_pairs(cbor.decode(encoded)), digests)


class Item(NamedTuple):
    """One item of CBOR: where its head, content and end are."""

    start: int
    content: int
    end: int
    major: int
    number: int
    members: tuple["Item", ...]


def parse(data: bytes, at: int = 0) -> Item:
    """The item at `at`, of well-formed definite CBOR."""
    major, info = data[at] >> 5, data[at] & 31
    width = 0 if info < 24 else 1 << (info - 24)
    content = at + 1 + width
    number = info if info < 24 else int.from_bytes(data[at + 1 : content], "big")
    if major in (2, 3):
        return Item(at, content, content + number, major, number, ())
    count = {4: number, 5: 2 * number, 6: 1}.get(major, 0)
    members, end = [], content
    for _ in range(count):
        members.append(parse(data, end))
        end = members[-1].end
    return Item(at, content, end, major, number, tuple(members))


def items(item: Item) -> Iterator[Item]:
    """An item and all that it holds."""
    yield item
    for member in item.members:
        yield from items(member)


def rewrites(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Every other encoding of the value of `data` that RFC 8949 knows, one change each."""
    yield "trailing byte", data + b"\x00"
    yield "trailing null", data + b"\xf6"
    for item in items(parse(data)):
        for what, change in _changes(data, item):
            yield f"{what} at byte {item.start}", data[: item.start] + change + data[item.end :]


def _changes(data: bytes, item: Item) -> Iterator[tuple[str, bytes]]:
    content, whole = data[item.content : item.end], data[item.start : item.end]
    yield "self-described", b"\xd9\xd9\xf7" + whole
    yield "tagged", b"\xd8\x18" + whole
    if item.major == 7:
        yield from _simple_changes(whole)
        return
    used = item.content - item.start - 1
    for info, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if width > used:
            longer = bytes([item.major << 5 | info]) + item.number.to_bytes(width, "big")
            yield f"head of {width}", longer + content
    if item.major < 2:
        yield from _number_changes(item)
    elif item.major in (2, 3):
        empty = bytes([item.major << 5])
        yield "indefinite", bytes([item.major << 5 | 31]) + whole + b"\xff"
        yield (
            "indefinite with an empty part",
            bytes([item.major << 5 | 31]) + empty + whole + b"\xff",
        )
    elif item.major in (4, 5):
        yield "indefinite", bytes([item.major << 5 | 31]) + content + b"\xff"
    if item.major == 5 and item.number:
        yield from _map_changes(data, item)


def _simple_changes(whole: bytes) -> Iterator[tuple[str, bytes]]:
    if whole[0] == 0xFB:
        number = struct.unpack(">d", whole[1:])[0]
        yield "binary32", b"\xfa" + struct.pack(">f", number)
        yield "binary16", b"\xf9" + struct.pack(">e", number)
        return
    yield "simple of two bytes", bytes([0xF8, whole[0] & 31])
    if whole == b"\xf6":
        yield "undefined", b"\xf7"


def _number_changes(item: Item) -> Iterator[tuple[str, bytes]]:
    value = item.number if item.major == 0 else -1 - item.number
    yield "bignum", bytes([0xC2 + item.major, 0x48]) + item.number.to_bytes(8, "big")
    if abs(value) <= 2048:
        yield "binary16", b"\xf9" + struct.pack(">e", value)
    if int(struct.unpack(">f", struct.pack(">f", value))[0]) == value:
        yield "binary32", b"\xfa" + struct.pack(">f", value)
    if int(float(value)) == value:
        yield "binary64", b"\xfb" + struct.pack(">d", value)
    if value in (0, 1):
        yield "boolean", bytes([0xF4 + value])


def _map_changes(data: bytes, item: Item) -> Iterator[tuple[str, bytes]]:
    pairs = [
        data[key.start : value.end]
        for key, value in zip(item.members[::2], item.members[1::2], strict=True)
    ]
    one_more = bytes([data[item.start] + 1])  # all maps of ours are short
    yield "first key twice", one_more + pairs[0] + b"".join(pairs)
    yield "last key twice", one_more + b"".join(pairs) + pairs[-1]
    if len(pairs) > 1:
        yield "reversed", data[item.start : item.content] + b"".join(reversed(pairs))
        swapped = [pairs[1], pairs[0], *pairs[2:]]
        yield "first two swapped", data[item.start : item.content] + b"".join(swapped)


def p256_negative(y: bytes) -> bytes:
    """The other point of the same X: a key that is valid, and another."""
    return (p256.P - int.from_bytes(y, "big")).to_bytes(32, "big")
