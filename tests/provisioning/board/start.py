"""Starts what is on a board's flash, as its power does, with the machine's terminals in reach.

    micropython start.py IMAGE BLOCKS DEVICES

The flash is littlefs in the file IMAGE, at /flash as a stm32 has it; DEVICES: the folder of the
bench's nor.py, whose flash it is.
"""

import os
import sys

sys.path.append(sys.argv[3])

from nor import Flash  # type: ignore[import-not-found]

disk = os.VfsLfs2(Flash(sys.argv[1], int(sys.argv[2])))  # type: ignore[attr-defined]
os.mount(disk, "/flash")  # type: ignore[attr-defined]
os.chdir("/flash")
sys.path[:] = ["", ".frozen"]
with open("main.py") as file:
    exec(file.read())
