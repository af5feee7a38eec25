"""What goes through the pipe between who needs a key and the program that speaks to its store.

A message is its length in four bytes and then CBOR: a request [module, function, what it is told,
secret or null], a reply [code, value or words]. Pure: bytes in, facts out; whatever the bytes, only
MessageError comes out.
"""

from enum import IntEnum
from typing import Any

from evidence import cbor, shape
from evidence.refusal import EvidenceError

BYTES_MAX = 1 << 20  # what is signed is far below: a statement of a megabyte would be refused
READ_BYTES = 65_536
_LENGTH_BYTES = 4


class Code(IntEnum):
    """How a call ended."""

    OK = 0
    FAULT = 1
    AWAY = 2
    PIN = 3


class MessageError(Exception):
    """Bytes that are no message."""


def encode(value: list[Any]) -> bytes:
    body = cbor.encode(value)
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


def whole(data: bytes) -> bool:
    """Whether a whole message is there. Raises MessageError when it never will be."""
    if len(data) < _LENGTH_BYTES:
        return False
    length = int.from_bytes(data[:_LENGTH_BYTES], "big")
    if length > BYTES_MAX or len(data) > _LENGTH_BYTES + length:
        raise MessageError
    return len(data) == _LENGTH_BYTES + length


def read_reply(data: bytes) -> tuple[Code, Any]:
    try:
        code, value = shape.array(cbor.decode(data[_LENGTH_BYTES:]), "reply", 2)
        found = Code(shape.uint(code, "code"))
        return found, value if found is Code.OK else shape.text(value, "words")
    except (EvidenceError, ValueError) as fault:
        raise MessageError from fault


def read_request(data: bytes) -> tuple[str, str, list[Any], bytes | None]:
    try:
        module, name, told, secret = shape.array(cbor.decode(data[_LENGTH_BYTES:]), "request", 4)
        return (
            shape.text(module, "module"),
            shape.text(name, "function"),
            list(shape.array(told, "told")),
            shape.optional(secret, shape.blob, "secret"),
        )
    except EvidenceError as fault:
        raise MessageError from fault
