"""A change of a gateway's folder: new files, and at most one that is replaced.

1. A new file is durable before anything points to it, and never has the name of another.
2. One rename is the moment at which the change holds: before it, whenever the power goes, all is as
   it was; after it all is as it should be. So a change that concerns several files gives each but
   one a new name, and replaces the file that names them (gateway.toml), last.
3. What was replaced stays beside it, as NAME.before, and the latest change can be rolled back; and
   that too is a change. New files are not removed by it: a key that was made stays where it is.
   How a change is undone is durable before it holds, beside how the one before is: a change that a
   power cut stopped half-way takes nothing away from the one before.
4. Keys are never replaced, and never copied.
5. With --dry-run nothing is written, and what would be is shown.
"""

import base64
import difflib
import errno
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from drivers.keystore import file as keyfile
from provisioning.placement import Disk, NewFile, PlacementError, SystemDisk

LAST = ".gridseal-change.json"  # what the latest change was, and what it replaced
NEXT = ".gridseal-change.next"  # the same, of one that may not hold yet
BEFORE = ".before"
_UNDONE = "roll back: "  # and back again: the change itself
_PART = ".gridseal-part"
_BYTES_MAX = 1 << 20  # of a file that is replaced
Check = Callable[[Path], object]


@dataclass(frozen=True, slots=True)
class Change:
    """`what`: in words. `added`: names that are not there yet. `replaced`: the one that makes it
    hold; None where new files do by themselves, the last of them.
    """

    what: str
    added: Sequence[NewFile] = ()
    replaced: NewFile | None = None

    def __post_init__(self) -> None:
        if self.replaced is not None and self.replaced.mode == keyfile.MODE:
            raise PlacementError(f"{self.replaced.name}: a key is never replaced")


def preview(folder: Path, change: Change) -> list[str]:
    """What `apply` would write, for people: names, and how a text changes. Raises
    PlacementError.
    """
    lines = [f"Would do: {change.what}"]
    for file in change.added:
        _check_new(folder, file)
        lines.append(f"  new {folder / file.name}, {len(file.content)} bytes")
    if change.replaced is not None:
        name = change.replaced.name
        lines.append(f"  changed {folder / name}")
        old, new = _old(folder / name), change.replaced.content
        lines += [f"    {line}" for line in _difference(old, new)]
    return lines


def apply(folder: Path, change: Change, disk: Disk | None = None) -> None:
    """Makes the change hold. Raises PlacementError: then it does not, and new files that were made
    are removed again; or it does, and the disk fails, which the text says.
    """
    disk = disk or SystemDisk()
    for file in change.added:
        _check_new(folder, file)
    made: list[Path] = []
    try:
        try:
            for file in change.added:
                _add(folder, file, made, disk)
            disk.sync_folder(folder)
            if change.replaced is not None:
                old = _prepare(folder, change.what, change.replaced, disk)
                disk.rename_file(
                    _part(folder / change.replaced.name), folder / change.replaced.name
                )
        except OSError:
            for path in made:
                disk.remove(path)
            raise
    except OSError as fault:
        text = fault.strerror or str(fault)
        raise PlacementError(f"{fault.filename or folder}: {text}") from fault
    if change.replaced is not None:
        _conclude(folder, change.replaced.name, old, disk)


def rolled_back(folder: Path) -> Change:
    """The change that undoes the latest one. Raises PlacementError where there is none."""
    found = [undo for name in (NEXT, LAST) if (undo := _read_undo(folder / name)) is not None]
    for undo in found:  # which of them holds, the file itself says
        now = _old(folder / undo.name)
        if now is not None and _digest(now) == undo.of:
            mode = (folder / undo.name).stat().st_mode & 0o777
            what = undo.what.removeprefix(_UNDONE)
            what = what if what != undo.what else f"{_UNDONE}{what}"
            return Change(what, (), NewFile(undo.name, undo.before, mode))
    if found:
        text = f"{found[-1].name} was changed by hand since the last change"
        raise PlacementError(f"{folder}: {text}; {found[-1].name}{BEFORE} is what it was")
    raise PlacementError(f"{folder}: no change is known that could be rolled back")


@dataclass(frozen=True, slots=True)
class _Undo:
    """`of`: SHA-256 of the content that is to be undone, in hex."""

    what: str
    name: str
    of: str
    before: bytes


def _read_undo(path: Path) -> _Undo | None:
    """What stands there; None: nothing, or nothing of ours."""
    try:
        with path.open("rb") as file:
            told = json.loads(file.read(2 * _BYTES_MAX))
        name = str(told["replaced"])
        before = base64.b64decode(told["before"], validate=True)
        if name != os.path.basename(name) or name.startswith("."):
            return None
        return _Undo(str(told["what"]), name, str(told["of"]), before)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _add(folder: Path, file: NewFile, made: list[Path], disk: Disk) -> None:
    part = _part(folder / file.name)
    _remove(part, disk)
    disk.write_new(part, file.content, file.mode)
    disk.link(part, folder / file.name)
    made.append(folder / file.name)
    disk.remove(part)


def _prepare(folder: Path, what: str, file: NewFile, disk: Disk) -> bytes | None:
    """All but the rename; what stood there."""
    old = _old(folder / file.name)
    mode = (folder / file.name).stat().st_mode & 0o777 if old is not None else file.mode
    if old is not None:
        undo = {"what": what, "replaced": file.name, "of": _digest(file.content)}
        undo["before"] = base64.b64encode(old).decode()
        write_over(folder / NEXT, json.dumps(undo).encode(), 0o644, disk)
    part = _part(folder / file.name)
    _remove(part, disk)
    disk.write_new(part, file.content, mode)
    return old


def _conclude(folder: Path, name: str, old: bytes | None, disk: Disk) -> None:
    """The change holds. Raises PlacementError, which says so."""
    try:
        disk.sync_folder(folder)
        if old is not None:
            mode = (folder / name).stat().st_mode & 0o777
            write_over(folder / (name + BEFORE), old, mode, disk)
            disk.rename_file(folder / NEXT, folder / LAST)
            disk.sync_folder(folder)
    except OSError as fault:
        text = f"{fault.strerror or fault}; the change was made, and this disk fails: look at it"
        raise PlacementError(f"{fault.filename or folder}: {text}") from fault


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _part(path: Path) -> Path:
    return path.with_name(path.name + _PART)


def write_over(path: Path, content: bytes, mode: int, disk: Disk) -> None:
    """The whole of it, durable, or what was there."""
    part = _part(path)
    _remove(part, disk)
    disk.write_new(part, content, mode)
    disk.rename_file(part, path)
    disk.sync_folder(path.parent)


def _remove(part: Path, disk: Disk) -> None:
    """What a power cut left."""
    if os.path.lexists(part):
        disk.remove(part)


def _check_new(folder: Path, file: NewFile) -> None:
    if os.path.lexists(folder / file.name):
        raise PlacementError(f"{folder / file.name} is there already, and is not overwritten")


def _old(path: Path) -> bytes | None:
    """What stands there; None: nothing. Raises PlacementError."""
    try:
        with path.open("rb") as file:
            content = file.read(_BYTES_MAX + 1)
    except OSError as fault:
        if fault.errno == errno.ENOENT:
            return None
        raise PlacementError(f"{path}: {fault.strerror}") from fault
    if len(content) > _BYTES_MAX:
        raise PlacementError(f"{path}: more than {_BYTES_MAX} bytes; no file of ours")
    return content


def _difference(old: bytes | None, new: bytes) -> list[str]:
    try:
        before, after = (text.decode().splitlines() for text in (old or b"", new))
    except UnicodeDecodeError:
        return [f"{len(old or b'')} bytes before, {len(new)} after"]
    return list(difflib.unified_diff(before, after, "before", "after", lineterm="", n=1))
