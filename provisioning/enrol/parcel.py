"""A request or an answer as one small file: four bytes that say what it is, then the statement,
compressed (zlib, RFC 1950). Or the texts of its QR codes, as they were scanned.

1. What is inflated is bounded before it is there: a file of a few bytes cannot ask for gigabytes.
2. What is no such file, cut short, damaged, or with something behind it, is a RequestError that
   says what to bring. The statement inside is for whoever knows it to read.
"""

import zlib
from pathlib import Path

from provisioning.enrol import part
from provisioning.source import RequestError

MAGIC = b"GSE1"
# Of a request or an answer inflated: a site plan of PLAN_BYTES_MAX (evidence.enrolment), with room
# for a credential of as many buses, certificates and anchors.
INFLATED_BYTES_MAX = 2 << 20
# Of the file: zlib makes no incompressible input longer than by 5 bytes a block of 16 KiB and 6.
PARCEL_BYTES_MAX = len(MAGIC) + INFLATED_BYTES_MAX + 5 * (INFLATED_BYTES_MAX >> 14) + 16


def pack(encoded: bytes) -> bytes:
    """The file for a statement. Raises RequestError for one that nobody could read back."""
    if len(encoded) > INFLATED_BYTES_MAX:
        text = f"{len(encoded)} bytes are too many to hand over; at most {INFLATED_BYTES_MAX}"
        raise RequestError(text)
    return MAGIC + zlib.compress(encoded, 9)


def unpack(data: bytes) -> bytes:
    """The statement in a file, or in a text of scanned parts. Raises RequestError."""
    if part.is_text(data) and data[: len(MAGIC)] != MAGIC:
        data = part.joined(data)
    if data[: len(MAGIC)] != MAGIC:
        text = "this is no request and no answer of gridseal-provision"
        raise RequestError(f"{text}: it begins with {data[:4].hex() or 'nothing'}")
    if len(data) > PARCEL_BYTES_MAX:
        raise RequestError(f"longer than any request or answer: {PARCEL_BYTES_MAX} bytes at most")
    inflater = zlib.decompressobj()
    try:
        found = inflater.decompress(data[len(MAGIC) :], INFLATED_BYTES_MAX + 1)
    except zlib.error as fault:
        raise RequestError("damaged on the way: bring the file again") from fault
    if len(found) > INFLATED_BYTES_MAX:
        raise RequestError(f"inflates to more than {INFLATED_BYTES_MAX} bytes: it is not ours")
    if not inflater.eof:
        raise RequestError("cut short on the way: bring the whole file again")
    if inflater.unused_data:
        raise RequestError("something stands behind it in the file: bring the file again")
    return found


def from_file(path: Path) -> bytes:
    """The statement in a file that was brought. Raises RequestError."""
    try:
        with path.open("rb") as file:
            data = file.read(max(PARCEL_BYTES_MAX, part.TEXT_BYTES_MAX) + 1)
    except OSError as fault:
        raise RequestError(f"{path}: cannot be read: {fault.strerror}") from fault
    try:
        return unpack(data)
    except RequestError as fault:
        raise RequestError(f"{path}: {fault}") from fault
