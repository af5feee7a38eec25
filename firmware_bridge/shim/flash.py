"""Small files on the board's flash: read whole, and replaced whole or not at all.

1. A file is written beside its place and then renamed: a power cut leaves the old one or the new.
   That holds on littlefs and on POSIX; a board with FAT is not one for keys.
"""

import os


def read(path: str) -> bytes | None:
    """What the file holds; None where there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def replace(path: str, data: bytes) -> None:
    """Puts this into the place of the file. OSError: the flash is full, or broken."""
    beside = path + ".new"
    with open(beside, "wb") as file:
        file.write(data)
        file.flush()
    if hasattr(os, "sync"):
        os.sync()
    os.rename(beside, path)
