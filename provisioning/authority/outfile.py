"""A file that an authority hands out: read bounded, written whole, and never over another.

The same content again is no fault: a command that a power cut ended is typed again.
"""

import os
from pathlib import Path

from provisioning.placement import Disk, PlacementError, SystemDisk
from provisioning.source import RequestError

MODE = 0o644


def content(path: Path, bytes_max: int) -> bytes:
    """The bytes of a file that came from elsewhere. Raises RequestError."""
    try:
        with path.open("rb") as file:
            found = file.read(bytes_max + 1)
    except OSError as fault:
        raise RequestError(f"{path}: cannot be read: {fault.strerror}") from fault
    if len(found) > bytes_max:
        raise RequestError(f"{path}: longer than {bytes_max} bytes; it is none of ours")
    return found


def check_absent(path: Path) -> None:
    """Before anything is signed. Raises PlacementError where it is there, or cannot be made."""
    if os.path.lexists(path):
        text = "is there already, and is not overwritten; name another file"
        raise PlacementError(f"{path} {text}")
    parent = path.resolve().parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise PlacementError(f"{path}: {parent} is no folder that can be written to")


def write(path: Path, whole: bytes, mode: int = MODE, disk: Disk | None = None) -> None:
    """A new file, there whole or not at all, durable when this returns. Raises PlacementError."""
    disk = disk or SystemDisk()
    part = path.with_name(f".{path.name}.part")
    try:
        if os.path.lexists(path) and path.read_bytes() == whole:
            return
        if os.path.lexists(part):  # what a power cut left
            disk.remove(part)
        disk.write_new(part, whole, mode)
        try:
            disk.link(part, path)
        finally:
            disk.remove(part)
        disk.sync_folder(path.resolve().parent)
    except FileExistsError as fault:
        text = "is there already, and is not overwritten; name another file"
        raise PlacementError(f"{path} {text}") from fault
    except OSError as fault:
        raise PlacementError(f"{path}: {fault.strerror}") from fault
