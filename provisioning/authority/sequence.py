"""A file to which things are appended and from which nothing is taken: a CBOR sequence (RFC 8742).

1. What was appended is durable when `append` returns. A power cut in the middle leaves the things
   before, and a piece of one behind them: the tail.
2. A tail is cut by the next append, kept beside the file first, and said. It is one only where it
   can be: the beginning of a single thing that the file ends too early for, or zeros where a disk
   gave room and no content. Everything else is damage, which is refused and never mended here.
3. Who reads needs no lock; who appends holds the folder's (provisioning.authority.folder).

What stands in such a file is provisioning.authority.book's and .issued's.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from evidence import cbor, cose
from evidence.code import Reason
from evidence.refusal import EvidenceError
from provisioning import placement
from provisioning.placement import PlacementError

# Of one thing: an answer with a credential of 256 buses, its certificates and anchors.
ITEM_BYTES_MAX = cose.STATEMENT_BYTES_MAX + 65_536
FILE_BYTES_MAX = 1 << 28  # a hundred thousand credentials of 2 KiB
_MESSAGE = b"\xd2\x84"  # tag 18 over an array of 4: a COSE_Sign1 (RFC 9052 4.2)
_BYTES = 2  # the major type of a byte string
# Tag, array, and the protected header of a statement {alg, kid, typ}: the same for every entry of a
# book (evidence.cose).
_HEAD_BYTES = 20


class Read(NamedTuple):
    """What a file holds. `size`: bytes of whole things; `tail`: what a power cut left behind."""

    items: tuple[bytes, ...]
    size: int
    tail: int


class DamagedError(PlacementError):
    """Something else is broken than the end. `found`: what is whole before it."""

    def __init__(self, text: str, found: Read) -> None:
        super().__init__(text)
        self.found = found


class Disk(placement.Disk, Protocol):
    """The steps that change a disk."""

    def append(self, path: Path, at: int, content: bytes) -> None:
        """Content at the end, which is to be at `at`; durable. Raises OSError."""


class SystemDisk(placement.SystemDisk):
    """The machine's own."""

    def append(self, path: Path, at: int, content: bytes) -> None:
        handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.ftruncate(handle, at)
            try:
                rest, place = content, at
                while rest:
                    written = os.pwrite(handle, rest, place)
                    rest, place = rest[written:], place + written
                os.fsync(handle)
            except OSError:
                os.ftruncate(handle, at)
                raise
        finally:
            os.close(handle)


def content(path: Path) -> bytes:
    """The bytes of such a file. Raises PlacementError."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as fault:
        raise PlacementError(f"{path}: cannot be read: {fault.strerror}") from fault
    if len(data) > FILE_BYTES_MAX:
        raise PlacementError(f"{path}: longer than {FILE_BYTES_MAX} bytes")
    return data


def read(data: bytes, file: str, end_of: Callable[[bytes, int], int]) -> Read:
    """The things in it. `end_of`: where the one that begins at a place ends, or EvidenceError.

    Raises DamagedError where something else is broken than the end.
    """
    items: list[bytes] = []
    at = 0
    while at < len(data):
        try:
            end = end_of(data, at)
        except EvidenceError as fault:
            if _is_tail(data, at):
                return Read(tuple(items), at, len(data) - at)
            text = f"damaged behind its entry {len(items) - 1}, at byte {at}: {fault.text}"
            whole = Read(tuple(items), at, 0)
            raise DamagedError(f"{file}: {text}; bring it from its copy", whole) from fault
        items.append(data[at:end])
        at = end
    return Read(tuple(items), at, 0)


def message_end(data: bytes, at: int) -> int:
    """Where a COSE message ends. Raises EvidenceError."""
    return cose.read_at(data, at)[1]


def bytes_end(data: bytes, at: int) -> int:
    """Where a byte string ends. Raises EvidenceError."""
    if data[at] >> 5 != _BYTES:
        raise EvidenceError(Reason.ENCODING, f"no byte string begins at byte {at}")
    return cbor.decode_at(data, at)[1]


def _is_tail(data: bytes, at: int) -> bool:
    """Rule 2."""
    left = data[at:]
    if not left.strip(b"\0"):
        return True
    if len(left) > ITEM_BYTES_MAX:
        return False
    if left[:2] == _MESSAGE or left == _MESSAGE[:1]:
        # Where another message begins in it, a length was damaged, and the file did not end.
        return left.find(left[:_HEAD_BYTES], 1) < 0 and _ends_early(left[2:], 3)
    return _ends_early(left, 1)


def _ends_early(data: bytes, strings: int) -> bool:
    """Whether the byte strings that are to stand here are so, up to where the data ends. Behind the
    first of three is a map without anything unprotected in it.
    """
    at = 0
    for number in range(strings):
        if number == 1 and at < len(data):
            if data[at] != 0xA0:
                return False
            at += 1
        if at >= len(data):
            return True
        try:
            major, length, start = cbor.head_at(data, at)
        except EvidenceError:
            return len(data) - at < 9 and data[at] >> 5 == _BYTES  # within the head (RFC 8949 3)
        at = start + length
        if major != _BYTES or at > len(data):
            return major == _BYTES
    return False
