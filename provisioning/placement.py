"""Puts a set of new files into a folder, all or none, whenever the power goes.

1. A file that exists is never overwritten, not even in a race: names come into being by rename of a
   whole new folder, or by hard link, which fails where something stands.
2. Every file is written and synced elsewhere first, read back by the caller's `check`, and only
   then placed.
3. A folder that does not exist yet appears by one rename. In one that exists the whole set is first
   kept, durable, as READY, then linked name by name in the order given: whoever starts by the last
   file never starts on half a set. A power cut in the middle leaves READY, and the next placement
   there finishes it before anything else.
4. What fails without a power cut is undone before the error is raised.
5. A key is born where it stays: a store makes its file in the staging folder, durably and by
   itself, and that very file is placed with the others, never a copy of it.

Disk comes in by argument, so that tests can cut the power at every step.
"""

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from drivers.keystore import private

NEW = ".gridseal-new"  # being written: worth nothing, removed by whoever comes next
READY = ".gridseal-ready"  # whole and durable: to be finished by whoever comes next
_FOLDER_MODE = 0o700  # keys live in it


class PlacementError(Exception):
    """The files were not placed as asked. The text names the path, and the mend if there is one."""


@dataclass(frozen=True, slots=True)
class NewFile:
    """One file to be. `content` may be a key: never printed."""

    name: str
    content: bytes
    mode: int

    def __repr__(self) -> str:
        return f"NewFile({self.name!r}, {len(self.content)} bytes, {self.mode:04o})"


class Disk(Protocol):
    """The steps that change a disk. Each raises OSError; names are durable after `sync_folder`."""

    def make_folder(self, path: Path) -> None: ...
    def write_new(self, path: Path, content: bytes, mode: int) -> None: ...
    def link(self, source: Path, target: Path) -> None: ...
    def rename_folder(self, source: Path, target: Path) -> None: ...
    def rename_file(self, source: Path, target: Path) -> None: ...
    def remove(self, path: Path) -> None: ...
    def remove_folder(self, path: Path) -> None: ...
    def sync_folder(self, path: Path) -> None: ...


class SystemDisk:
    """The machine's own."""

    def make_folder(self, path: Path) -> None:
        path.mkdir(mode=_FOLDER_MODE)

    def write_new(self, path: Path, content: bytes, mode: int) -> None:
        private.write_new(path, content, mode)

    def link(self, source: Path, target: Path) -> None:
        os.link(source, target)

    def rename_folder(self, source: Path, target: Path) -> None:
        os.rename(source, target)

    def rename_file(self, source: Path, target: Path) -> None:
        """Over what stands at the target."""
        os.rename(source, target)

    def remove(self, path: Path) -> None:
        path.unlink()

    def remove_folder(self, path: Path) -> None:
        path.rmdir()

    def sync_folder(self, path: Path) -> None:
        private.sync_folder(path)


Born = Callable[[Path], object]


def place(
    folder: Path,
    files: Sequence[NewFile],
    check: Callable[[Path], None],
    disk: Disk,
    born: Born | None = None,
) -> None:
    """Places the files. `born` makes others in the folder it is given; they are placed before the
    last. `check` reads the set back from there.

    Raises PlacementError, or what `born` or `check` raises; then none of the files is there.
    """
    try:
        if folder.is_dir():
            _place_inside(folder, files, check, disk, born)
        else:
            _place_whole(folder, files, check, disk, born)
    except OSError as fault:
        raise PlacementError(f"{fault.filename or folder}: {fault.strerror or fault}") from fault


def _place_whole(
    folder: Path,
    files: Sequence[NewFile],
    check: Callable[[Path], None],
    disk: Disk,
    born: Born | None,
) -> None:
    """A new folder, by one rename."""
    if os.path.lexists(folder):
        raise PlacementError(f"{folder} is a file, or a link to nothing; name a folder")
    parent = folder.resolve().parent
    if not parent.is_dir():
        raise PlacementError(f"{parent} is not there; type: mkdir -p {parent}")
    staging = parent / f".{folder.name}{NEW}"
    with _Undoing(disk) as undoing:
        _begin(staging, f"{folder}: the folder cannot be made there", undoing, disk)
        _stage(staging, files, check, undoing, disk, born)
        disk.rename_folder(staging, folder)
        undoing.move(staging, folder)
        disk.sync_folder(parent)
        undoing.forget()


def _place_inside(
    folder: Path,
    files: Sequence[NewFile],
    check: Callable[[Path], None],
    disk: Disk,
    born: Born | None,
) -> None:
    """Into a folder that is there: staged in it, then linked."""
    _finish(folder, [file.name for file in files], disk)
    standing = [file.name for file in files if os.path.lexists(folder / file.name)]
    if standing:
        raise PlacementError(
            f"{folder} has {', '.join(standing)} already; none is overwritten: name another folder"
        )
    staging, ready = folder / NEW, folder / READY
    with _Undoing(disk) as undoing:
        _begin(staging, f"{folder}: nothing can be made in it", undoing, disk)
        names = _stage(staging, files, check, undoing, disk, born)
        disk.rename_folder(staging, ready)
        undoing.move(staging, ready)
        disk.sync_folder(folder)
        for name in names:
            if name == names[-1]:
                disk.sync_folder(folder)  # a disk may keep the last name and forget an earlier one
            _link(ready / name, folder / name, disk)
            undoing.note_file(folder / name)
        disk.sync_folder(folder)
        undoing.forget()
    _clear(ready, disk)
    disk.sync_folder(folder)


def _begin(staging: Path, refused: str, undoing: "_Undoing", disk: Disk) -> None:
    """An empty folder where nobody looks. Raises PlacementError, with what is `refused` first."""
    try:
        if staging.is_dir():
            _clear(staging, disk)
        disk.make_folder(staging)
    except OSError as fault:
        raise PlacementError(f"{refused}: {fault.strerror or fault}") from fault
    undoing.note_folder(staging)


def _stage(
    staging: Path,
    files: Sequence[NewFile],
    check: Callable[[Path], None],
    undoing: "_Undoing",
    disk: Disk,
    born: Born | None,
) -> list[str]:
    """Writes the set durably, and has it checked; its names, in the order of their placing."""
    names = [file.name for file in files]
    for file in files:
        disk.write_new(staging / file.name, file.content, file.mode)
        undoing.note_file(staging / file.name)
    if born is not None:
        born(staging)
        others = sorted(path.name for path in staging.iterdir() if path.name not in names)
        for name in others:
            undoing.note_file(staging / name)
        names[-1:] = [*others, names[-1]]
    disk.sync_folder(staging)
    check(staging)
    return names


def _finish(folder: Path, order: Sequence[str], disk: Disk) -> None:
    """Finishes what a power cut interrupted: the set in READY is whole, and the folder gets it."""
    ready = folder / READY
    if not ready.is_dir():
        return
    others = sorted(path.name for path in ready.iterdir() if path.name not in order)
    for path in (ready / name for name in (*others, *order) if (ready / name).exists()):
        target = folder / path.name
        if not os.path.lexists(target):
            disk.sync_folder(folder)
            disk.link(path, target)
        elif not target.samefile(path):
            raise PlacementError(
                f"{target} stands where {path} belongs since a power cut; move one of them away"
            )
    disk.sync_folder(folder)
    _clear(ready, disk)
    disk.sync_folder(folder)
    raise PlacementError(
        f"{folder}: an init that a power cut interrupted has now been finished,"
        " with what it was given then; use it as it is, or name another folder"
    )


def _link(source: Path, target: Path, disk: Disk) -> None:
    try:
        disk.link(source, target)
    except OSError as fault:
        if fault.errno in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
            text = "this file system has no hard links; name a folder that does not exist yet"
            raise PlacementError(f"{target}: {text}") from fault
        raise


def _clear(folder: Path, disk: Disk) -> None:
    for path in sorted(folder.iterdir()):
        disk.remove(path)
    disk.remove_folder(folder)


class _Undoing:
    """Removes what was made, newest first, when the block fails. A power cut needs it not."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._made: list[tuple[Path, bool]] = []  # path, is it a folder

    def note_file(self, path: Path) -> None:
        self._made.append((path, False))

    def note_folder(self, path: Path) -> None:
        self._made.append((path, True))

    def move(self, source: Path, target: Path) -> None:
        """What was noted in `source` is now in `target`."""
        self._made = [
            (target / path.relative_to(source) if path.is_relative_to(source) else path, folder)
            for path, folder in self._made
        ]

    def forget(self) -> None:
        self._made.clear()

    def __enter__(self) -> "_Undoing":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: object
    ) -> None:
        if kind is None:
            return
        for path, folder in reversed(self._made):
            try:
                (self._disk.remove_folder if folder else self._disk.remove)(path)
            except OSError as undone:
                raise PlacementError(
                    f"{path} was made and cannot be removed again; remove it"
                ) from undone
