"""Which files a bundle has: `manifest.json`, by path with size and SHA-256.

1. Paths rise and are plain: at most PARTS_MAX names of ASCII letters, digits, dot, dash and
   underscore, none beginning with a dot, so that no path leads out of the bundle, and no two that
   differ by case alone.
2. Every file of the bundle is in it but itself. Its own SHA-256 names the bundle.
3. It finds damage, and what was added or taken away; it is signed by nobody, so it makes nothing
   believed.
"""

import hashlib
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from evidence.bundle import canonical
from evidence.code import Reason
from evidence.refusal import EvidenceError

PATH = "manifest.json"
FORM = "gridseal manifest 1"
FILES_MAX = 65536
FILE_BYTES_MAX = (1 << 53) - 1  # what every reader of JSON keeps exactly
PARTS_MAX, NAME_CHARS_MAX = 3, 100
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{NAME_CHARS_MAX - 1}}}", re.ASCII)
_MEMBERS = frozenset({"files"})


class Row(NamedTuple):
    """One file. `digest`: SHA-256 of all of it."""

    path: str
    size: int
    digest: bytes


def write(rows: Sequence[Row]) -> bytes:
    """The manifest of these files. Raises EvidenceError where `read` would."""
    listed = [
        {"path": row.path, "size": row.size, "sha256": row.digest.hex()} for row in sorted(rows)
    ]
    data = canonical.write({"form": FORM, "files": listed})
    read(data)
    return data


def read(data: bytes) -> tuple[Row, ...]:
    """The files that a manifest names. Raises EvidenceError."""
    files = canonical.read(data, FORM, _MEMBERS)["files"]
    if type(files) is not list or not 0 < len(files) <= FILES_MAX:
        raise EvidenceError(Reason.SHAPE, f"files is no list of 1 to {FILES_MAX}")
    rows = tuple(_row(one) for one in files)
    if any(one.path >= after.path for one, after in pairwise(rows)):
        raise EvidenceError(Reason.SHAPE, "the paths do not rise")
    if len({row.path.lower() for row in rows}) != len(rows):
        raise EvidenceError(Reason.SHAPE, "two paths differ by case alone")
    return rows


def name(data: bytes) -> str:
    """The name of the bundle with this manifest."""
    return hashlib.sha256(data).hexdigest()


def is_path(path: str) -> bool:
    """Whether a file of a bundle may stand there."""
    parts = path.split("/")
    plain = len(parts) <= PARTS_MAX and all(_NAME.fullmatch(part) for part in parts)
    return plain and path.lower() != PATH


def _row(value: Any) -> Row:
    if type(value) is not dict or value.keys() != {"path", "size", "sha256"}:
        raise EvidenceError(Reason.SHAPE, "a file has path, size and sha256")
    path = canonical.text(value["path"], "path")
    if not is_path(path):
        raise EvidenceError(Reason.SHAPE, f"no file of a bundle stands at {path[:80]!r}")
    size = canonical.whole(value["size"], "size")
    return Row(path, size, canonical.digest(value["sha256"], "sha256"))
