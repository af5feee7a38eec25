"""An update on a littlefs whose power is cut at every write and erase; it runs on MicroPython.

    micropython cut.py ROOT MATERIAL       a line that counts, or an exception

ROOT: the folder that has firmware_bridge/. MATERIAL: a JSON of two releases and the release key.
The flash is 128 blocks in memory. Each thing that is done to them is written down; then, for each
place where the power may go, they are made as they were then, and the board is started.
"""

import json
import os
import sys
from binascii import unhexlify

sys.path.insert(0, sys.argv[1])

from firmware_bridge.curve25519 import run
from firmware_bridge.firmware import boot, update
from firmware_bridge.release import Manifest

BLOCK_BYTES, BLOCKS = 512, 128
FLASH = "/flash"


class Memory:
    """A block device; `done`: what was done to it, in order."""

    def __init__(self, octets):
        self.octets, self.done = octets, []

    def readblocks(self, block, into, offset=0):
        at = block * BLOCK_BYTES + offset
        into[:] = self.octets[at : at + len(into)]

    def writeblocks(self, block, octets, offset=0):
        self.do(block * BLOCK_BYTES + offset, bytes(octets))

    def ioctl(self, what, block):
        if what == 6:  # erase
            self.do(block * BLOCK_BYTES, b"\xff" * BLOCK_BYTES)
            return 0
        return {4: BLOCKS, 5: BLOCK_BYTES}.get(what, 0)

    def do(self, at, octets):
        self.done.append((at, octets))
        self.octets[at : at + len(octets)] = octets


def powered(memory):
    os.mount(os.VfsLfs2(memory), FLASH)  # type: ignore[attr-defined]


def put(path, octets):
    with open(path, "wb") as file:
        file.write(octets)


def first(memory, told):
    """A board with the old release, and nothing else."""
    os.VfsLfs2.mkfs(memory)  # type: ignore[attr-defined]
    powered(memory)
    for place in ("/a", "/a/firmware_bridge", "/a/firmware_bridge/firmware"):
        os.mkdir(FLASH + place)
    for path, octets in told["old"]["files"].items():
        put(FLASH + "/a/" + path, unhexlify(octets))
    put(FLASH + "/a/manifest", unhexlify(told["old"]["manifest"]))
    put(FLASH + "/release", told["release"].encode())
    put(FLASH + "/slot", b"a - 0\n")
    os.umount(FLASH)  # type: ignore[attr-defined]


def updated(told):
    """The new release, as a link brings it: in pieces, into the folder that does not run."""
    end = update.Update(FLASH)
    run(end.begin(unhexlify(told["new"]["manifest"])))
    for index, (path, _, _) in enumerate(Manifest(unhexlify(told["new"]["manifest"])).files):
        octets = unhexlify(told["new"]["files"][path])
        for at in range(0, len(octets), 400):
            end._file_part(index, at, octets[at : at + 400])
    run(end.finish())


def starts(told, reporting):
    """What starts now must be whole, and be what it may be. Whether it is on trial; its version."""
    found = boot.chosen(FLASH)
    if found is None:
        raise ValueError("nothing starts")
    name, trial = found
    place = FLASH + "/" + name
    with open(place + "/manifest", "rb") as file:
        manifest = Manifest(file.read())
    for one in ("old", "new"):
        if manifest.octets == unhexlify(told[one]["manifest"]):
            break
    else:
        raise ValueError("what starts was never signed")
    run(update.whole(place, manifest))
    if trial and one == "old":
        raise ValueError("the old release is on trial")
    if one == "new" and not trial and not reporting:
        raise ValueError("the new release is not on trial, and no gateway was heard")
    return trial, one


def at(image, told, reporting):
    """The power is back, and the flash is like this."""
    memory = Memory(bytearray(image))
    powered(memory)
    trial, one = starts(told, reporting)
    if one == "old":
        updated(told)  # whoever was sending begins anew
        if starts(told, False) != (True, "new"):
            raise ValueError("the update cannot be done again")
    os.umount(FLASH)  # type: ignore[attr-defined]
    return one


def main():
    with open(sys.argv[2]) as file:
        told = json.load(file)
    memory = Memory(bytearray(BLOCK_BYTES * BLOCKS))
    first(memory, told)
    image = bytearray(memory.octets)
    memory.done = []
    powered(memory)
    updated(told)
    starts(told, False)
    end = update.Update(FLASH, True)  # that of the new release, on trial
    before = len(memory.done)
    end.reported()
    steps, seen = memory.done, {"old": 0, "new": 0}
    starts(told, True)
    os.umount(FLASH)  # type: ignore[attr-defined]
    for number, (place, octets) in enumerate(steps):
        half = bytearray(image)
        half[place : place + len(octets) // 2] = octets[: len(octets) // 2]
        for state in (image, half):
            seen[at(state, told, number >= before)] += 1
        image[place : place + len(octets)] = octets
    seen[at(image, told, True)] += 1
    print("steps", len(steps), "old", seen["old"], "new", seen["new"])


main()
