"""Files that only their owner reads, and that are there whole or not at all.

1. What others may read is refused, however it came there. A symbolic link is followed; the file it
   leads to counts.
2. A new file gets its name when its content is durable, and never the name of another: whenever the
   power goes, the name stands for all of it, or is not there.
3. No error holds a byte of a file.
"""

import errno
import os
import shlex
import stat
from pathlib import Path

from drivers.keystore.uri import KeyStoreError

MODE = 0o600
_OTHERS = 0o077  # group and others, to read, write or execute; an ACL shows in the group's bits
_NO_NAMELESS = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL)  # open(2): O_TMPFILE is not known


def content(path: Path, bytes_max: int, others: bool = False) -> bytes:
    """What stands in a private file, at most so much and one byte more. Raises KeyStoreError.

    `others`: somebody else answers for who may read it.
    """
    try:
        # O_NONBLOCK: a FIFO in its place must not hold up a start.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            _check(path, os.fstat(handle), others)
            return os.read(handle, bytes_max + 1)
        finally:
            os.close(handle)
    except OSError as fault:
        raise KeyStoreError(str(path), _explained(fault)) from fault


def create(path: Path, whole: bytes) -> None:
    """A new private file of exactly these bytes, durable when this returns. Raises KeyStoreError.

    It is written without a name and then linked (open(2), O_TMPFILE): a power cut leaves nothing.
    """
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if not _create_nameless(folder, path, whole):
                _create_by_name(path, whole)
            os.fsync(folder)
        finally:
            os.close(folder)
    except FileExistsError as fault:
        text = "exists already; a key is never overwritten: name another file"
        raise KeyStoreError(str(path), text) from fault
    except OSError as fault:
        raise KeyStoreError(str(path), f"cannot be made: {fault.strerror or fault}") from fault


def write_new(path: Path, whole: bytes, mode: int) -> None:
    """A new file of exactly these bytes, synced, its folder not yet.

    Raises OSError; then the file is not there. A power cut in the middle may leave a part of it.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        try:
            _fill(handle, whole, mode)
        finally:
            os.close(handle)
    except OSError:
        os.unlink(path)
        raise


def sync_folder(path: Path) -> None:
    """Makes the names in a folder durable. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _create_nameless(folder: int, path: Path, whole: bytes) -> bool:
    """False where the file system has no nameless files."""
    try:
        handle = os.open(path.parent, os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, MODE)
    except OSError as fault:
        if fault.errno in _NO_NAMELESS:
            return False
        raise
    try:
        _fill(handle, whole, MODE)
        # A folder by descriptor makes Python call linkat(2), which alone follows the link in /proc.
        os.link(f"/proc/self/fd/{handle}", path.name, dst_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(handle)
    return True


def _create_by_name(path: Path, whole: bytes) -> None:
    """For file systems without nameless files: under a name that nobody reads, then by link.

    What a power cut leaves under that name was never a key of anybody's, and is written over.
    """
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    write_new(beside, whole, MODE)
    try:
        os.link(beside, path)
    finally:
        beside.unlink()


def _fill(handle: int, whole: bytes, mode: int) -> None:
    os.fchmod(handle, mode)  # whatever the umask took away
    rest = whole
    while rest:
        rest = rest[os.write(handle, rest) :]
    os.fsync(handle)


def _check(path: Path, status: os.stat_result, others: bool) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise KeyStoreError(str(path), "is a folder; name the file in it")
    if not stat.S_ISREG(status.st_mode):
        raise KeyStoreError(str(path), "is no regular file; name the file")
    if status.st_mode & _OTHERS and not others:
        mode = stat.S_IMODE(status.st_mode)
        mend = f"chmod 600 {shlex.quote(str(path))}"
        raise KeyStoreError(str(path), f"others may use it (mode {mode:04o}); type: {mend}")


def _explained(fault: OSError) -> str:
    if isinstance(fault, FileNotFoundError):
        return "is not there; make a key (gridseal-provision key new), or correct the path"
    if isinstance(fault, PermissionError):
        return "may not be read by this user; make it the property of the user that runs this"
    return f"cannot be read: {fault.strerror or fault}"
