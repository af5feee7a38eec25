"""The request that waits for its answer: `enrol-request.cbor` in the gateway's folder.

1. There is one at most: the newest. An answer to one before it is refused.
2. Beside the request stands where the key is that signed it, by URI: of a rotation that is another
   than gateway.toml says.
"""

import errno
from dataclasses import dataclass
from pathlib import Path

from evidence import cbor, cose, enrolment, shape
from evidence.enrolment import Request
from evidence.refusal import EvidenceError
from provisioning.change import write_over
from provisioning.placement import Disk, PlacementError
from provisioning.source import RequestError

NAME = "enrol-request.cbor"
FILE = "enrol-request.gse"  # the same to carry away, where no other place was named
_MODE = 0o644  # it tells what site.toml tells
_BYTES_MAX = enrolment.PLAN_BYTES_MAX + (64 << 10)


@dataclass(frozen=True, slots=True)
class Pending:
    """`encoded`: the request as it is handed over; `name`: by which an answer names it."""

    encoded: bytes
    name: bytes
    request: Request
    uri: str


def of(encoded: bytes, uri: str) -> Pending:
    """Raises EvidenceError for a request that its own key did not sign."""
    message, request = enrolment.asked(encoded)
    return Pending(message.encoded, cose.name(message.payload), request, uri)


def read(folder: Path) -> Pending | None:
    """The one that waits; None: none does. Raises PlacementError, RequestError."""
    path = folder / NAME
    try:
        with path.open("rb") as file:
            data = file.read(_BYTES_MAX + 1)
    except OSError as fault:
        if fault.errno == errno.ENOENT:
            return None
        raise PlacementError(f"{path}: {fault.strerror}") from fault
    try:
        encoded, uri = shape.array(cbor.decode(data), "pending request", 2)
        return of(shape.blob(encoded, "request"), shape.text(uri, "key"))
    except EvidenceError as fault:
        raise RequestError(
            f"{path}: {fault}; make another: gridseal-provision enrol request"
        ) from (fault)


def keep(folder: Path, pending: Pending, disk: Disk) -> None:
    """In place of the one before. Raises PlacementError."""
    content = cbor.encode([pending.encoded, pending.uri])
    try:
        write_over(folder / NAME, content, _MODE, disk)
    except OSError as fault:
        raise PlacementError(f"{fault.filename or folder}: {fault.strerror or fault}") from fault


def forget(folder: Path, disk: Disk) -> None:
    """It was answered. Raises PlacementError."""
    try:
        for path in (folder / FILE, folder / NAME):
            if path.exists():
                disk.remove(path)
        disk.sync_folder(folder)
    except OSError as fault:
        raise PlacementError(f"{folder / NAME}: {fault.strerror or fault}; remove it") from fault
