"""A bundle as it is written: files under one folder that has its name only when all are there.

1. Each file is hashed as it passes; the manifest comes last.
2. It is written beside its place under another name, made durable, and renamed: who finds a bundle
   finds a whole one. A folder that is there already is never written into.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from evidence.bundle import manifest
from evidence.bundle.manifest import Row
from evidence.code import Reason
from evidence.refusal import EvidenceError

BUFFER_BYTES = 1 << 20


class Put:
    """Writes one file. `size`: so far."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._sha, self.size = file, hashlib.sha256(), 0

    def __call__(self, data: bytes) -> None:
        self._file.write(data)
        self._sha.update(data)
        self.size += len(data)

    def row(self, path: str) -> Row:
        return Row(path, self.size, self._sha.digest())


class Target:
    """The files of one bundle that is being written. Raises OSError."""

    def __init__(self, folder: Path) -> None:
        """Raises EvidenceError(BUNDLE) where something is already."""
        if folder.exists() or folder.is_symlink():
            raise EvidenceError(Reason.BUNDLE, f"{folder} is there already; name another: --out")
        self._end = folder
        self._folder = folder.with_name(f".{folder.name}.{os.getpid()}")
        self._folder.mkdir(parents=True)
        self.rows: list[Row] = []

    @contextmanager
    def file(self, path: str) -> Iterator[Put]:
        """A file, whole when the block ends. Raises EvidenceError(BUNDLE) for an odd path."""
        if not manifest.is_path(path):
            raise EvidenceError(Reason.BUNDLE, f"no file of a bundle stands at {path!r}")
        place = self._folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb", buffering=BUFFER_BYTES) as file:
            put = Put(file)
            yield put
            file.flush()
            os.fsync(file.fileno())
        self.rows.append(put.row(path))

    def add(self, path: str, data: bytes) -> None:
        with self.file(path) as put:
            put(data)

    def so_far(self) -> Path:
        """What is written by now, as a bundle to be read."""
        (self._folder / manifest.PATH).write_bytes(manifest.write(self.rows))
        return self._folder

    def close(self) -> str:
        """The manifest, and then its own name; the bundle's name. Raises EvidenceError, OSError."""
        data = (self.so_far() / manifest.PATH).read_bytes()
        self._folder.rename(self._end)
        return manifest.name(data)

    def drop(self) -> None:
        """Away with what was written of a bundle that is not whole."""
        shutil.rmtree(self._folder, ignore_errors=True)
