"""A board's interpreter, run by MicroPython for `repl.py`: a flash in a file, and pieces of code.

    micropython prompt.py IMAGE BLOCKS PLACE

1. The flash is littlefs, as a board's is, in the octets of one file (or FAT, where it was made so);
   what was written before the process is killed is there at the next start. Nothing of the
   machine's own files is to be seen.
2. A piece is a line with its length and then its octets. 0x05 says that it runs, 0x06 that it has
   ended, perhaps twice; then it waits for a newline, which answers each. What it prints stands
   between. SIGINT may come once, and between these two alone: elsewhere it would lose what is read,
   or end the process. 0x04 follows, then whatever came out of it, then 0x04 again (MicroPython's
   raw REPL).
3. The names that a piece defines are there for the next, until a soft reset: a new process.
"""

import os
import sys

from nor import Flash  # type: ignore[import-not-found]  # beside it: MicroPython knows no package

START, OVER, END = "\x05", "\x06", "\x04"
NAMES = {"__name__": "__main__"}


def mounted(path: str, blocks: int, place: str) -> None:
    """Puts the flash where a board has it: / (rp2, esp32) or /flash (stm32)."""
    flash, ends = Flash(path, blocks), bytearray(2)
    flash.readblocks(0, ends, 510)  # of the first sector
    kind = "VfsFat" if ends == b"\x55\xaa" else "VfsLfs2"
    try:
        disk = getattr(os, kind)(flash)
    except OSError:
        os.VfsLfs2.mkfs(flash)  # type: ignore[attr-defined]
        disk = os.VfsLfs2(flash)  # type: ignore[attr-defined]
    os.umount("/")  # type: ignore[attr-defined]
    os.mount(disk, place)  # type: ignore[attr-defined]
    os.chdir(place)
    sys.path[:] = ["", ".frozen", place.rstrip("/") + "/lib"]
    while sys.argv:
        sys.argv.pop()


def pieces() -> None:
    """Runs what comes, until nothing does."""
    while True:
        line = sys.stdin.readline()
        if not line:
            return
        if line == "\n":
            continue  # an answer more than was waited for
        fault = run(sys.stdin.read(int(line)))
        sys.stdout.write(END)
        if fault is not None:
            sys.print_exception(fault, sys.stdout)  # type: ignore[attr-defined]
        sys.stdout.write(END)


def run(source: str) -> "BaseException | None":
    """Runs a piece; what came out of it. Nothing stops what comes after."""
    fault, told = None, ""
    try:
        try:
            sys.stdout.write(START)
            exec(source, NAMES)  # that is what a prompt does
        except BaseException as found:
            fault = found
        sys.stdout.write(OVER)
        told = sys.stdin.read(1)
    except KeyboardInterrupt:  # as late as that
        if not told:
            sys.stdout.write(OVER)
            sys.stdin.read(1)
    return fault


if __name__ == "__main__":
    mounted(sys.argv[1], int(sys.argv[2]), sys.argv[3])
    pieces()
