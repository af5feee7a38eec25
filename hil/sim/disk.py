"""A disk under SQLite that fails on demand: an apsw VFS on which the shipped spool runs.

The faults that the spool must survive, and no others are made here:

1. **Power cut** (`cut_at`): at any call that changes something, in the middle of it. Of what was
   written and not synced since, nothing survives, or everything, or a beginning, or any set of
   sectors, file by file; the last write may be torn at any byte. A file that was never synced may
   be missing, one that was removed may be back.
2. **A process killed** (`halted`): at any such call. All that was written stays, synced or not.
3. **A failed fsync** (`sync_faults`): it raises once, and Linux marks the pages clean: each sector
   may be on the disk or not, no later sync writes it, and it may still be read, or not, once the
   page cache forgets it. (What shortened the file is not among that: it is in the journal.)
4. **A full disk** (`limit_bytes`): what would lengthen a file fails, what is overwritten does not.
   **A read-only file system** (`read_only`): every write fails.
5. **An older image** (`image`, `put_back`): the disk as it was at some moment of its past.
6. **A log cut short** (`truncate_log`): SQLite's log ends at any byte before its end.
7. **A flipped bit** (`flip`): anywhere in a file.

A sync that succeeds is believed: a disk that says so and lies is not survived, by nobody.

How it works: what the process sees are real files in a folder of memory, read by SQLite's own VFS
("unix", with its locks and its shared memory). What would survive is kept beside, as bytes: each
file as it was synced, and what was written since. A cut leaves what it leaves, and writes that over
the files before the next process opens them.

What it cannot show: a fault of the shared memory of SQLite's log (-shm lives in memory and is made
anew after every cut), memory-mapped files (the spool maps none), a file system that itself is
damaged by the cut, the reordering within firmware beyond what "any set of sectors" says, and wear.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import apsw

SECTOR_BYTES = 512  # no disk writes less at once; larger ones tear no worse
ROOMY_BYTES = 1 << 40  # free on a disk without a limit
BLOCK_BYTES = 4096
WAYS = ("nothing", "everything", "beginning", "sectors")  # what a cut leaves of unsynced writes
FORGOTTEN_SHARE = 0.25  # of failed syncs: the page cache forgets what it had


class Op(NamedTuple):
    """A change that was not synced. `data` None: the file is cut to `at` bytes."""

    at: int
    data: bytes | None


class Disk(apsw.VFS):  # type: ignore[misc, unused-ignore]
    """The default VFS from its making until `end`; only files in `folder` are on this disk."""

    def __init__(self, folder: Path, random: Random) -> None:
        self.folder, self._random = str(folder), random
        self.calls = 0  # that changed something
        self.cut_at: int | None = None
        self.kill_at: int | None = None
        self.gone: Callable[[], None] = lambda: None  # told when a cut or kill has struck
        self.off = False  # power or process are gone: nothing is written any more
        self.sync_faults = 0  # how many of the next syncs fail
        self.limit_bytes: int | None = None
        self.read_only = False
        self.way: str | None = None  # of the next cut: one of WAYS; None: any of them
        self.keeps = True  # False: nothing is kept beside, for runs that cut no power
        self._synced: dict[str, bytearray] = {}
        self._pending: dict[str, list[Op]] = {}
        self._removed: dict[str, bytearray] = {}
        self._left: dict[str, bytes] | None = None  # what the cut left
        super().__init__("simulated", "unix", makedefault=True)

    def end(self) -> None:
        self.unregister()

    # --- what the simulation does -------------------------------------------------------------

    def power_on(self) -> None:
        """Puts what the cut left in place of the files. Nobody may have them open."""
        if self._left is not None:
            self._lay(self._left)
        self._left, self.off = None, False

    def image(self) -> dict[str, bytes]:
        """The disk as a cut would leave it now."""
        return self._survived()

    def put_back(self, image: dict[str, bytes]) -> None:
        """The disk becomes that image. Nobody may have it open."""
        self._lay(image)

    def truncate_log(self) -> int:
        """Cuts SQLite's log anywhere; how many bytes it lost. Nobody may have it open."""
        files = self._survived()
        lost = 0
        for name in files:
            if name.endswith("-wal") and files[name]:
                keep = self._random.randrange(len(files[name]))
                lost += len(files[name]) - keep
                files[name] = files[name][:keep]
        self._lay(files)
        return lost

    def flip(self, name: str, among: Sequence[bytes]) -> bool:
        """Flips one bit of a file: in the first of these byte strings that it holds, or anywhere if
        there are none. False when it holds none of them.
        """
        there = self._synced.get(name, bytearray())
        found = next((one for one in among if one in there), b"")
        if not there or (among and not found):
            return False
        first, length = (there.find(found), len(found)) if found else (0, len(there))
        at, mask = first + self._random.randrange(length), 1 << self._random.randrange(8)
        there[at] ^= mask
        self._write_real(name, at, bytes((there[at],)))
        return True

    def used(self) -> int:
        return sum(entry.stat().st_size for entry in os.scandir(self.folder) if entry.is_file())

    def free(self) -> int:
        return ROOMY_BYTES if self.limit_bytes is None else max(self.limit_bytes - self.used(), 0)

    def statvfs(self, _: object) -> os.statvfs_result:
        """What os.statvfs says of this disk."""
        blocks = self.free() // BLOCK_BYTES
        return os.statvfs_result(
            (BLOCK_BYTES, BLOCK_BYTES, blocks, blocks, blocks, 1 << 20, 1 << 20, 1 << 20, 0, 255)
        )

    # --- what SQLite calls --------------------------------------------------------------------

    def xOpen(self, name: "str | apsw.URIFilename | None", flags: list[int]) -> apsw.VFSFile:
        given = name.filename() if isinstance(name, apsw.URIFilename) else name
        path = str(given or "")
        if os.path.dirname(path) != self.folder:
            return apsw.VFSFile("unix", name, flags)
        return File(self, name, os.path.basename(path), flags)

    def xDelete(self, name: str, sync: bool) -> None:
        if os.path.dirname(name) != self.folder:
            super().xDelete(name, sync)
            return
        if not self.change():
            return
        super().xDelete(name, sync)
        short = os.path.basename(name)
        self._pending.pop(short, None)
        there = self._synced.pop(short, None)
        if there is not None:
            self._removed[short] = there
        if sync:
            self._removed.clear()

    def change(self, name: str = "", op: Op | None = None) -> bool:
        """A call that changes something: counted, and where the cut or the kill may strike.

        False for who goes on in a process that is gone: nothing may change.
        """
        if self.off:
            return False
        self.calls += 1
        if self.cut_at is not None and self.calls >= self.cut_at:
            if op is not None and op.data is not None:
                torn = op.data[: self._random.randint(0, len(op.data))]
                self._pending.setdefault(name, []).append(Op(op.at, torn))
            self._left = self._survived()
        elif self.kill_at is None or self.calls < self.kill_at:
            return True
        self.off, self.cut_at, self.kill_at, self.way = True, None, None, None
        self.gone()
        raise apsw.IOError("the power is gone")

    def halt(self) -> None:
        """The process is gone, at once; what it wrote stays."""
        self.off = True

    def cut(self) -> None:
        """The power is gone, at once."""
        if not self.off:
            self._left = self._survived()
            self.off = True

    def wrote(self, name: str, op: Op) -> None:
        if self.keeps:
            self._pending.setdefault(name, []).append(op)

    def grows(self, to: int, size: int) -> bool:
        """Whether a file may grow to so many bytes."""
        return self.limit_bytes is None or self.used() + max(to - size, 0) <= self.limit_bytes

    def sync(self, name: str) -> bool:
        """Makes a file durable. False when it fails."""
        pending = self._pending.pop(name, [])
        if self.sync_faults:
            self.sync_faults -= 1
            there = self._synced.get(name)
            if there is not None:
                self._scatter(there, pending, marked_clean=True)
                if self._random.random() < FORGOTTEN_SHARE:
                    self._lay_one(name, bytes(there))
            return False
        there = self._synced.get(name)
        if there is None:
            there = self._synced[name] = bytearray()
            self._removed.clear()  # its directory is synced with it, as SQLite does
        for op in pending:
            _apply(there, op)
        return True

    # --- what survives ------------------------------------------------------------------------

    def _survived(self) -> dict[str, bytes]:
        left: dict[str, bytes] = {}
        for name in sorted({*self._synced, *self._pending, *self._removed}):
            there = self._synced.get(name)
            if there is None and self._random.random() < 0.5:
                there = self._removed.get(name)
                if there is not None:
                    left[name] = bytes(there)
                    continue
                there = bytearray()
            if there is None:
                continue
            kept = bytearray(there)
            self._scatter(kept, self._pending.get(name, []))
            left[name] = bytes(kept)
        return left

    def _scatter(self, there: bytearray, pending: list[Op], marked_clean: bool = False) -> None:
        """Lets some of what was written reach the disk.

        What is written behind a cut of the file lies in new blocks: without the cut it is not
        there. Where a sync failed (`marked_clean`) cuts come with the journal's next commit, which
        waits for no data.
        """
        way = self.way or self._random.choice(WAYS)
        if way == "beginning":
            pending = pending[: self._random.randint(0, len(pending))]
        for op in pending:
            if op.data is None:
                if not marked_clean and (way == "nothing" or self._dropped(way)):
                    return
                _apply(there, op)
            elif way == "sectors":
                for at in range(0, len(op.data), SECTOR_BYTES):
                    if not self._dropped(way):
                        _apply(there, Op(op.at + at, op.data[at : at + SECTOR_BYTES]))
            elif way != "nothing":
                _apply(there, op)

    def _dropped(self, way: str) -> bool:
        return way == "sectors" and self._random.random() < 0.5

    def _lay(self, files: dict[str, bytes]) -> None:
        """Makes the files those, all of it synced."""
        for name in {*self._synced, *self._pending, *self._removed} - files.keys():
            Path(self.folder, name).unlink(missing_ok=True)
        for path in Path(self.folder).glob("*-shm"):
            path.unlink()
        for name, content in files.items():
            self._lay_one(name, content)
        self._synced = {name: bytearray(content) for name, content in files.items()}
        self._pending, self._removed = {}, {}

    def _lay_one(self, name: str, content: bytes) -> None:
        """In place: a process may have it open."""
        with open(os.path.join(self.folder, name), "r+b" if self._real(name) else "wb") as file:
            file.write(content)
            file.truncate()

    def _write_real(self, name: str, at: int, content: bytes) -> None:
        with open(os.path.join(self.folder, name), "r+b") as file:
            file.seek(at)
            file.write(content)

    def _real(self, name: str) -> bool:
        return os.path.exists(os.path.join(self.folder, name))


class File(apsw.VFSFile):  # type: ignore[misc, unused-ignore]
    """One file of it."""

    def __init__(
        self, disk: Disk, given: "str | apsw.URIFilename | None", name: str, flags: list[int]
    ) -> None:
        super().__init__("unix", given, flags)
        self._disk, self._name = disk, name

    def xWrite(self, data: bytes, offset: int) -> None:
        disk, op = self._disk, Op(offset, bytes(data))
        if not disk.change(self._name, op):
            return
        if disk.read_only:
            raise apsw.IOError("the file system is read-only")
        if disk.limit_bytes is not None and not disk.grows(offset + len(data), self.xFileSize()):
            raise apsw.FullError("no space left on device")
        super().xWrite(data, offset)
        disk.wrote(self._name, op)

    def xTruncate(self, size: int) -> None:
        disk, op = self._disk, Op(size, None)
        if not disk.change(self._name, op):
            return
        if disk.read_only:
            raise apsw.IOError("the file system is read-only")
        super().xTruncate(size)
        disk.wrote(self._name, op)

    def xSync(self, flags: int) -> None:
        disk = self._disk
        if not disk.change():
            return
        if not disk.sync(self._name):
            raise apsw.IOError("fsync failed")


def _apply(there: bytearray, op: Op) -> None:
    if op.data is None:
        del there[op.at :]
        return
    end = op.at + len(op.data)
    if len(there) < op.at:
        there.extend(bytes(op.at - len(there)))
    there[op.at : end] = op.data
