"""A change of a gateway's folder: new files, and at most one that is replaced.

1. A new file is durable before anything points to it, and never has the name of another.
2. One rename is the moment at which the change holds: before it, whenever the power goes, all is as
   it was; after it all is as it should be. So a change that concerns several files gives each but
   one a new name, and replaces the file that names them (gateway.toml), last.
3. What was replaced stays beside it, as NAME.before, and the latest change can be rolled back; and
   that too is a change. New files are not removed by it: a key that was made stays where it is.
4. Keys are never replaced, and never copied.
5. With --dry-run nothing is written, and what would be is shown.
"""

import difflib
import errno
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from drivers.keystore import file as keyfile
from provisioning.placement import Disk, NewFile, PlacementError, SystemDisk

LAST = ".gridseal-change.json"  # what the latest change was
BEFORE = ".before"
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
    are removed again.
    """
    disk = disk or SystemDisk()
    for file in change.added:
        _check_new(folder, file)
    made: list[Path] = []
    try:
        try:
            for file in change.added:
                _remove(folder / (file.name + _PART), disk)
                disk.write_new(folder / (file.name + _PART), file.content, file.mode)
                disk.link(folder / (file.name + _PART), folder / file.name)
                made.append(folder / file.name)
                disk.remove(folder / (file.name + _PART))
            disk.sync_folder(folder)
            if change.replaced is not None:
                _replace(folder, change.what, change.replaced, disk)
        except OSError:
            for path in made:
                disk.remove(path)
            raise
    except OSError as fault:
        text = fault.strerror or str(fault)
        raise PlacementError(f"{fault.filename or folder}: {text}") from fault


def rolled_back(folder: Path) -> Change:
    """The change that undoes the latest one. Raises PlacementError where there is none."""
    try:
        told = json.loads((folder / LAST).read_text(encoding="utf-8"))
        name, what = str(told["replaced"]), str(told["what"])
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise PlacementError(f"{folder}: no change is known that could be rolled back") from fault
    before = _old(folder / (name + BEFORE))
    if before is None or before == _old(folder / name):
        raise PlacementError(f"{folder}: {name} is as it was before already")
    mode = (folder / (name + BEFORE)).stat().st_mode & 0o777
    return Change(f"roll back: {what}", (), NewFile(name, before, mode))


def _replace(folder: Path, what: str, file: NewFile, disk: Disk) -> None:
    old = _old(folder / file.name)
    mode = (folder / file.name).stat().st_mode & 0o777 if old is not None else file.mode
    told = json.dumps({"what": what, "replaced": file.name}).encode()
    if old is not None:
        write_over(folder / (file.name + BEFORE), old, mode, disk)
        write_over(folder / LAST, told, 0o644, disk)
    write_over(folder / file.name, file.content, mode, disk)


def write_over(path: Path, content: bytes, mode: int, disk: Disk) -> None:
    """The whole of it, durable, or what was there."""
    part = path.with_name(path.name + _PART)
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
