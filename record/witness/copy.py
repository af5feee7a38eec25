"""A mirror's copy of one log: files under the names that C2SP tlog-tiles gives them, so that any
server of files can show it, below the SHA-256 of its origin (C2SP tlog-mirror).

    checkpoint                          the note, cosigned by the mirror
    tile/<L>/<N>[.p/<W>]                hashes
    tile/entries/<N>[.p/<W>]            entries
    v1/body/ab/cd/abcd...               the observations of a batch, by its head's SHA-256
    v1/checkpoints/<size>               the log's own checkpoints after a size (CBOR), with times

1. What is new lies in a folder of its own (`.pending`) until the root over it was verified; then it
   is moved into its place, synced file by file and folder by folder, before anybody signs for it.
   Of a copy that was interrupted the files whose content follows from their name are taken up.
2. A name is replaced whole or not at all.
3. A partial tile goes when the full one is there.
4. Nothing of a copy is believed for being there: who reads it checks it against a signed root.
"""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from evidence.tlog import tile
from evidence.tlog.tile import Tile
from record.database import StoreError

CHECKPOINT = "checkpoint"
_PENDING, _PART = ".pending", ".part"


def origin_hash(origin: str) -> str:
    """The name of a copy's folder."""
    return hashlib.sha256(origin.encode()).hexdigest()


def body_path(subject: bytes) -> str:
    """Where a body lies. Two levels of folders: a year of batches is too much for one."""
    name = subject.hex()
    return f"v1/body/{name[:2]}/{name[2:4]}/{name}"


def times_path(size: int) -> str:
    """Where the log's own checkpoints after this size are."""
    return f"v1/checkpoints/{size}"


class Copy:
    """One copy. It blocks on the disk. Raises StoreError."""

    def __init__(self, folder: Path, origin: str) -> None:
        self.folder = folder / origin_hash(origin)
        self._pending = self.folder / _PENDING
        self._new: set[str] = set()

    def clear(self) -> None:
        """Forgets what is pending."""
        with _explained(self._pending):
            self._new.clear()
            if self._pending.exists():
                shutil.rmtree(self._pending)
            self._pending.mkdir(parents=True)

    def begin(self) -> None:
        """A new attempt: nothing is pending but what it puts."""
        self._new.clear()

    def left(self, path: str) -> bytes | None:
        """What an earlier attempt left pending under a name; to be verified like an answer."""
        try:
            return (self._pending / path).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as fault:
            raise StoreError(f"{self._pending / path}: {fault.strerror}") from fault

    def put(self, path: str, data: bytes) -> None:
        """Something new, on the disk when it returns."""
        at = self._pending / path
        with _explained(at):
            at.parent.mkdir(parents=True, exist_ok=True)
            part = self._pending / _PART
            _write(part, data)
            os.replace(part, at)
        self._new.add(path)

    def settle(self) -> None:
        """Moves all that is pending into its place; durable when it returns."""
        with _explained(self.folder):
            folders: set[Path] = set()
            for path in sorted(self._new):
                at = self.folder / path
                at.parent.mkdir(parents=True, exist_ok=True)
                os.replace(self._pending / path, at)
                folders |= {parent for parent in at.parents if parent.is_relative_to(self.folder)}
            for folder in (*folders, self.folder.parent):
                _sync(folder)
            for path in self._new:
                self._drop_partial(path)
            self.clear()  # of what an earlier attempt left for another tree

    def publish(self, data: bytes) -> None:
        """The checkpoint, in place of the one before; durable when it returns."""
        at, part = self.folder / CHECKPOINT, self._pending / CHECKPOINT
        with _explained(at):
            self._pending.mkdir(parents=True, exist_ok=True)
            _write(part, data)
            os.replace(part, at)
            _sync(self.folder)

    def published(self) -> bytes | None:
        """The checkpoint; None where there is none."""
        try:
            return (self.folder / CHECKPOINT).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as fault:
            raise StoreError(f"{self.folder / CHECKPOINT}: {fault.strerror}") from fault

    def read(self, path: str) -> bytes:
        """What is pending, or in its place."""
        at = (self._pending if path in self._new else self.folder) / path
        with _explained(at):
            return at.read_bytes()

    def has(self, path: str) -> bool:
        """Whether it is pending, or in its place."""
        return path in self._new or (self.folder / path).is_file()

    def times(self) -> list[int]:
        """After which sizes the log's own checkpoints are in their place."""
        at = (self.folder / times_path(0)).parent
        with _explained(at):
            names = os.listdir(at) if at.is_dir() else []
        return [int(name) for name in names if name.isdecimal()]

    def tile(self, asked: Tile) -> bytes:
        """A tile, or the beginning of a wider one in its place. Raises EvidenceError(SHAPE) too."""
        if asked.width == tile.WIDTH or self.has(asked.path()):
            return self.read(asked.path())
        if self.has(asked.full.path()):
            return tile.narrowed(asked, asked.full, self.read(asked.full.path()))
        partial = (self.folder / asked.path()).parent
        widths = [int(at.name) for at in partial.glob("[1-9]*") if at.name.isdecimal()]
        for width in sorted(widths):
            if asked.width < width < tile.WIDTH:
                wider = replace(asked, width=width)
                return tile.narrowed(asked, wider, self.read(wider.path()))
        raise StoreError(f"{self.folder / asked.path()}: is missing in the copy")

    def _drop_partial(self, path: str) -> None:
        if path.startswith("tile/") and ".p/" not in path:
            shutil.rmtree(self.folder / f"{path}.p", ignore_errors=True)


def _write(at: Path, data: bytes) -> None:
    handle = os.open(at, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _explained(at: Path) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise StoreError(f"{at}: {fault.strerror}") from fault
