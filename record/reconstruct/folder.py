"""A bundle on a disk, to be read: plain files in plain folders, and nothing else.

1. No link is followed, nothing but a file is opened, and no path of the bundle's own choosing: what
   is there is listed, and compared with the manifest by whoever asks.
2. What is opened is what was listed: O_NOFOLLOW, and a regular file by the open handle's own word.

It needs the standard library and evidence alone, for the lone verifier has it too.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from evidence.bundle.manifest import FILES_MAX, PARTS_MAX
from evidence.bundle.manifest import PATH as MANIFEST
from evidence.code import Reason
from evidence.refusal import EvidenceError

CHUNK_BYTES = 1 << 20


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
            handle = os.open(self._path / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as fault:
            raise _fault(path, fault.strerror or "cannot be read") from fault
        with open(handle, "rb", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise _fault(path, "is no file")
            while chunk := _read(file.read, path):
                yield chunk

    def _list(self, folder: Path, under: str, found: dict[str, int]) -> None:
        """Raises EvidenceError(BUNDLE)."""
        try:
            with os.scandir(folder) as entries:
                rows = sorted(entries, key=lambda entry: entry.name)
        except OSError as fault:
            raise _fault(under or str(folder), fault.strerror or "cannot be read") from fault
        for entry in rows:
            path = under + ascii(entry.name)[1:-1]  # a bundle's own names stay as they are
            if entry.is_dir(follow_symlinks=False) and path.count("/") < PARTS_MAX:
                self._list(folder / entry.name, f"{path}/", found)
            elif entry.is_file(follow_symlinks=False):
                found[path] = entry.stat(follow_symlinks=False).st_size
            else:
                raise _fault(path, "is neither a file nor a folder of a bundle")
            if len(found) > FILES_MAX + 1:
                raise _fault(path, f"is one of more than {FILES_MAX} files")


def is_bundle(path: Path) -> bool:
    """Whether a folder is meant as a bundle."""
    return path.is_dir() and (path / MANIFEST).is_file()


def _read(read: "object", path: str) -> bytes:
    try:
        return read(CHUNK_BYTES)  # type: ignore[operator,no-any-return]
    except OSError as fault:
        raise _fault(path, fault.strerror or "cannot be read") from fault


def _fault(path: str, text: str) -> EvidenceError:
    return EvidenceError(Reason.BUNDLE, f"{path} {text}")
