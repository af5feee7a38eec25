"""Small files on the board's flash: read whole, and replaced whole or not at all.

1. A file is written beside its place and then renamed: a power cut leaves the old one or the new.
   That holds on littlefs and on POSIX; a board with FAT is not one for keys.
2. Where the program runs from the same flash, nothing runs while it is written, interrupts neither
   (`STILL`): what a UART's own few octets do not hold is gone. So nothing is written while a tap is
   open but what an update brings, and then the taps are told (`Bridge.stood_still`).
"""

import os
import sys
from errno import ENOENT

STILL = sys.platform in ("rp2", "esp32", "pyboard")
BESIDE = ".new"  # what a file is called until it is renamed


def read(path: str) -> bytes | None:
    """What the file holds; None where there is none. OSError: it cannot be told."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as fault:
        if fault.args[0] == ENOENT:
            return None
        raise


def replace(path: str, data: bytes) -> None:
    """Puts this into the place of the file. OSError: the flash is full, or broken."""
    beside = path + BESIDE
    with open(beside, "wb") as file:
        file.write(data)
        file.flush()
    if hasattr(os, "sync"):
        os.sync()
    os.rename(beside, path)
