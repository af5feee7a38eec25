"""Files of other people, opened within bounds: in pieces, and out of an archive without unpacking.

1. A file that is larger than it may be is refused before a byte of it is read; what an archive says
   of its sizes is not believed, and what comes out is counted by whoever reads.
2. Of an archive the directory is bounded before anything reads it, members are files of one kind,
   none is written anywhere, and a name in it is only a name.
3. Nothing that is wrong with a file surfaces as anything but ConfigError with its name.
"""

import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from evidence.config import ConfigError

_PIECE = 1 << 16
ARCHIVE_BYTES_MAX = 256 << 20
# A model comes as one archive of some ten profiles; a directory entry has 46 octets and a name.
MEMBERS_MAX = 256
_DIRECTORY_BYTES_MAX = 1 << 20
# APPNOTE.TXT of PKWARE, 4.3.16 and 4.3.15: end of the central directory, and its 64-bit locator.
_END, _END_BYTES, _COMMENT_BYTES_MAX = b"PK\x05\x06", 22, 65535
_LOCATOR, _LOCATOR_BYTES = b"PK\x06\x07", 20
# What zipfile raises for an archive that is none, is damaged, encrypted, or packed otherwise (the
# last two are a RuntimeError, or one of its kinds).
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError)


def pieces(path: Path, bytes_max: int) -> Iterator[bytes]:
    """A file in pieces. Raises ConfigError."""
    with opened(path, bytes_max) as file:
        try:
            while piece := file.read(_PIECE):
                yield piece
        except OSError as fault:
            raise _unreadable(path, fault) from fault


def opened(path: Path, bytes_max: int) -> BinaryIO:
    """A file of a size that may be read: whoever calls closes it. Raises ConfigError."""
    try:
        # A pipe that nobody writes to would never open: it is looked at first.
        found = os.stat(path)
    except OSError as fault:
        raise _unreadable(path, fault) from fault
    except ValueError as fault:  # a NUL in the name
        raise ConfigError(repr(str(path)), "", f"cannot be a file: {fault}") from fault
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(str(path), "", "is no file")
    if found.st_size > bytes_max:
        raise ConfigError(str(path), "", f"{found.st_size} octets; at most {bytes_max}")
    try:
        return path.open("rb")
    except OSError as fault:
        raise _unreadable(path, fault) from fault


def is_archive(path: Path) -> bool:
    """Whether it begins as a ZIP archive does. Raises ConfigError."""
    with opened(path, ARCHIVE_BYTES_MAX) as file:
        try:
            return file.read(4) in (b"PK\x03\x04", _END)
        except OSError as fault:
            raise _unreadable(path, fault) from fault


def members(path: Path, ending: str) -> Iterator[tuple[str, Iterator[bytes]]]:
    """The files in an archive whose names end so, in the order of the directory: name and pieces.
    Raises ConfigError.
    """
    with opened(path, ARCHIVE_BYTES_MAX) as file:
        try:
            _check_directory(file, path)
            with zipfile.ZipFile(file) as archive:
                infos = archive.infolist()
                if len(infos) > MEMBERS_MAX:
                    text = f"{len(infos)} files in it; at most {MEMBERS_MAX}"
                    raise ConfigError(str(path), "", text)
                for info in infos:
                    if info.filename.lower().endswith(ending) and not info.is_dir():
                        name = f"{path}/{info.filename}"
                        yield name, _member(archive, info, name)
        except _BROKEN as fault:
            if isinstance(fault, ConfigError):
                raise
            raise ConfigError(str(path), "", f"is no archive that can be read: {fault}") from fault
        except OSError as fault:
            raise _unreadable(path, fault) from fault


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> Iterator[bytes]:
    try:
        with archive.open(info) as file:
            while piece := file.read(_PIECE):
                yield piece
    except (*_BROKEN, OSError) as fault:  # OSError too: of an offset before the beginning
        raise ConfigError(name, "", f"cannot be unpacked: {fault}") from fault


def _check_directory(file: BinaryIO, path: Path) -> None:
    """Rule 2: zipfile reads the whole directory, however long it says that it is."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END_BYTES - _COMMENT_BYTES_MAX - _LOCATOR_BYTES))
    tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_BYTES:
        raise ConfigError(str(path), "", "is no archive that can be read: its end is missing")
    if tail[max(0, at - _LOCATOR_BYTES) : at].startswith(_LOCATOR):
        raise ConfigError(str(path), "", "an archive in 64-bit form; expected a smaller one")
    directory = int.from_bytes(tail[at + 12 : at + 16], "little")
    if directory > _DIRECTORY_BYTES_MAX:
        text = f"a directory of {directory} octets; at most {_DIRECTORY_BYTES_MAX}"
        raise ConfigError(str(path), "", text)
    file.seek(0)


def _unreadable(path: Path, fault: OSError) -> ConfigError:
    return ConfigError(str(path), "", f"cannot be read: {fault.strerror or fault}")
