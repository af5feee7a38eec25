"""The files of a bundle against its manifest, as they are read.

1. A file is read once: what is checked is what was hashed.
2. Names and sizes are compared before anything is read, so nothing that was added is opened, and
   nothing grows beyond what the manifest says.

Where the files lie is a Folder's; it follows no link.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import Protocol

from evidence.bundle import manifest
from evidence.bundle.canonical import FILE_BYTES_MAX
from evidence.bundle.manifest import Row
from evidence.code import Reason
from evidence.edge import Say
from evidence.refusal import EvidenceError


class Folder(Protocol):
    """Where a bundle lies."""

    def sizes(self) -> Mapping[str, int]:
        """Each file, by its path with slashes. Raises EvidenceError(BUNDLE) for what is neither
        file nor folder."""

    def chunks(self, path: str) -> Iterator[bytes]:
        """What is in a file. Raises EvidenceError(BUNDLE)."""


class Files:
    """The files that a manifest names. `name`: of the bundle."""

    def __init__(self, folder: Folder, say: Say) -> None:
        self._folder, self._say = folder, say
        sizes = dict(folder.sizes())
        if manifest.PATH not in sizes:
            raise EvidenceError(Reason.BUNDLE, f"no bundle: there is no {manifest.PATH}")
        data = _bounded(folder.chunks(manifest.PATH), sizes.pop(manifest.PATH))
        self.name = manifest.name(data)
        self._rows = {row.path: row for row in manifest.read(data)}
        self._left = dict.fromkeys(self._rows)
        for path in sorted(sizes.keys() - self._rows.keys()):
            self._fault(path, "stands beside what the manifest names")
        for path, row in self._rows.items():
            if path not in sizes:
                self._fault(path, "is missing")
            elif sizes[path] != row.size:
                self._fault(path, f"has {sizes[path]} bytes, the manifest says {row.size}")
            else:
                continue
            del self._left[path]

    @property
    def rows(self) -> Sequence[Row]:
        return tuple(self._rows.values())

    def has(self, path: str) -> bool:
        """Whether a file is there and was not read yet."""
        return path in self._left

    def chunks(self, path: str) -> Iterator[bytes]:
        """What is in a file, which ends with a fault if it is not what the manifest says.

        Raises EvidenceError(BUNDLE) where there is none.
        """
        if path not in self._left:
            raise EvidenceError(Reason.BUNDLE, f"{path} is not there")
        del self._left[path]
        row, digest, size = self._rows[path], hashlib.sha256(), 0
        for chunk in self._folder.chunks(path):
            digest.update(chunk)
            size += len(chunk)
            if size > row.size:
                break
            yield chunk
        if size != row.size or digest.digest() != row.digest:
            self._fault(path, "is not what the manifest says")

    def apart(self, say: Say) -> "Files":
        """The same files, of which reading leaves these as they are."""
        found = copy(self)
        found._say, found._left = say, dict(self._left)
        return found

    def read_apart(self, path: str) -> None:
        """A file was read apart, and is what the manifest says."""
        del self._left[path]

    def whole(self, path: str, most: int) -> bytes:
        """A short file. Raises EvidenceError(BUNDLE, TOO_LONG)."""
        if path in self._left and self._rows[path].size > most:
            raise EvidenceError(Reason.TOO_LONG, f"{path} has {self._rows[path].size} bytes")
        return b"".join(self.chunks(path))

    def rest(self) -> int:
        """Reads what was not read: hashes alone. How many files."""
        left = list(self._left)
        for path in left:
            for _ in self.chunks(path):
                pass
        return len(left)

    def _fault(self, path: str, text: str) -> None:
        self._say(f"{path}: {EvidenceError(Reason.BUNDLE, text)}")


def _bounded(chunks: Iterator[bytes], size: int) -> bytes:
    if size > FILE_BYTES_MAX:
        raise EvidenceError(Reason.TOO_LONG, f"a manifest of {size} bytes")
    return b"".join(chunks)
