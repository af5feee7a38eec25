"""A bundle on a disk, to be read: plain files in plain folders, and nothing else.

1. No link is followed, nothing but a file is opened, and no path of the bundle's own choosing: what
   is there is listed, and compared with the manifest by whoever asks.
2. What is opened is what was listed: O_NOFOLLOW, and a regular file by the open handle's own word;
   what has become a pipe since is not waited for.
3. Listing is bounded by ENTRIES_MAX, files and folders together, before anything is sorted.
4. A long file with a hole in it is refused: nobody writes one, and a terabyte that is not there
   takes an hour to read.

It needs the standard library and evidence alone, for the lone verifier has it too.
"""

import os
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from evidence.bundle.manifest import FILES_MAX, PARTS_MAX
from evidence.bundle.manifest import PATH as MANIFEST
from evidence.code import Reason
from evidence.refusal import EvidenceError

CHUNK_BYTES = 1 << 20
ENTRIES_MAX = FILES_MAX + 1024  # and the folders that they lie in; a bundle has two
HOLED_BYTES_MAX = 1 << 30  # a copy of a small file may have been made with holes: a second to read


class DiskFolder:
    """The folder of one bundle."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def sizes(self) -> dict[str, int]:
        found: dict[str, int] = {}
        self._list(self._path, "", found)
        return found

    def chunks(self, path: str) -> Iterator[bytes]:
        try:
            how = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            handle = os.open(self._path / path, how)
        except OSError as fault:
            raise _fault(path, fault.strerror or "cannot be read") from fault
        with open(handle, "rb", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise _fault(path, "is no file")
            if _has_hole(handle):
                raise _fault(path, "has holes: it is longer than what is written of it")
            while chunk := _read(file.read, path):
                yield chunk

    def _list(self, folder: Path, under: str, found: dict[str, int], listed: int = 0) -> int:
        """How many were listed by now. Raises EvidenceError(BUNDLE)."""
        try:
            with os.scandir(folder) as entries:
                rows = list(islice(entries, ENTRIES_MAX - listed + 1))
        except OSError as fault:
            raise _fault(under or str(folder), fault.strerror or "cannot be read") from fault
        listed += len(rows)
        for entry in sorted(rows, key=lambda entry: entry.name):
            path = under + ascii(entry.name)[1:-1]  # a bundle's own names stay as they are
            if listed > ENTRIES_MAX or len(found) > FILES_MAX:
                raise _fault(path, f"is one of more than {FILES_MAX} files")
            if entry.is_dir(follow_symlinks=False) and path.count("/") < PARTS_MAX:
                listed = self._list(folder / entry.name, f"{path}/", found, listed)
            elif entry.is_file(follow_symlinks=False):
                found[path] = entry.stat(follow_symlinks=False).st_size
            else:
                raise _fault(path, "is neither a file nor a folder of a bundle")
        return listed


def is_bundle(path: Path) -> bool:
    """Whether a folder is meant as a bundle."""
    return path.is_dir() and os.path.lexists(path / MANIFEST)


def _has_hole(handle: int) -> bool:
    """Whether a long file has less written than it is long (lseek(2), SEEK_HOLE: Linux)."""
    size = os.fstat(handle).st_size
    if size <= HOLED_BYTES_MAX or not hasattr(os, "SEEK_HOLE"):
        return False
    try:
        return os.lseek(handle, 0, os.SEEK_HOLE) < size
    except OSError:
        return False  # a file system that cannot tell
    finally:
        os.lseek(handle, 0, os.SEEK_SET)


def _read(read: "object", path: str) -> bytes:
    try:
        return read(CHUNK_BYTES)  # type: ignore[operator,no-any-return]
    except OSError as fault:
        raise _fault(path, fault.strerror or "cannot be read") from fault


def _fault(path: str, text: str) -> EvidenceError:
    return EvidenceError(Reason.BUNDLE, f"{path} {text}")
