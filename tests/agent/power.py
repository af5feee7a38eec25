"""A disk under SQLite that fails when told, whose power can be cut, and that counts what is read.

1. What was synced is copied aside, file by file; a cut leaves that and nothing else, as a disk does
   whose cache is gone.
2. A sync that fails marks the file clean, as Linux does: the next one writes only what is new.
"""

import shutil
from pathlib import Path

import apsw


class Disk(apsw.VFS):  # type: ignore[misc, unused-ignore]
    """The default VFS from its making until `end`. `fail_write`, `fail_sync`: how many of the next
    fail, of files whose name ends with `of`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.durable = folder, folder.parent / f"{folder.name}-durable"
        self.durable.mkdir()
        self.fail_write = self.fail_sync = self.seen = self.read = 0
        self.of = ""
        super().__init__("failing", "unix", makedefault=True)

    def end(self) -> None:
        self.unregister()

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> "File":
        return File(self, name, flags)

    def xDelete(self, name: str, sync: bool) -> None:
        super().xDelete(name, sync)
        (self.durable / Path(name).name).unlink(missing_ok=True)

    def due(self, what: str, name: str) -> bool:
        """Whether this call is one that fails."""
        left: int = getattr(self, what)
        if not left or not name.endswith(self.of):
            return False
        setattr(self, what, left - 1)
        self.seen += 1
        return True

    def cut(self) -> Path:
        """The folder as it is after a power cut."""
        left = self.folder.parent / f"{self.folder.name}-cut"
        shutil.rmtree(left, ignore_errors=True)
        shutil.copytree(self.durable, left)
        return left


class File(apsw.VFSFile):  # type: ignore[misc, unused-ignore]
    """One file of it: what is written since its last sync is lost with the power."""

    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        given = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._disk, self._name = disk, Path(str(given or ""))
        self._dirty: dict[int, bytes] = {}  # by place, in the order of writing

    def xRead(self, amount: int, offset: int) -> bytes:
        self._disk.read += amount
        return bytes(super().xRead(amount, offset))

    def xWrite(self, data: bytes, offset: int) -> None:
        if self._disk.due("fail_write", self._name.name):
            raise apsw.FullError("the disk is full")
        super().xWrite(data, offset)
        self._dirty.pop(offset, None)
        self._dirty[offset] = bytes(data)

    def xTruncate(self, size: int) -> None:
        super().xTruncate(size)
        self._dirty = {at: data for at, data in self._dirty.items() if at < size}
        there = self._disk.durable / self._name.name
        if there.exists():
            with there.open("r+b") as file:
                file.truncate(min(size, there.stat().st_size))

    def xSync(self, flags: int) -> None:
        dirty, self._dirty = self._dirty, {}
        if self._disk.due("fail_sync", self._name.name):
            raise apsw.IOError("fsync failed")
        super().xSync(flags)
        there = self._disk.durable / self._name.name
        there.touch()
        with there.open("r+b") as file:
            for offset, data in dirty.items():
                file.seek(offset)
                file.write(data)
