"""An update in a folder of the machine's, killed at one of its steps; it runs on MicroPython.

    micropython kill.py ROOT FOLDER MATERIAL STEP

A step is a file opened to be written, half a write, the other half, a rename, a removal, a folder
made or removed. At STEP the process kills itself, as hard as it can. It says how many steps there
were where it came to its end.
"""

import builtins
import json
import os
import sys
from binascii import unhexlify

sys.path.insert(0, sys.argv[1])

from firmware_bridge.curve25519 import run
from firmware_bridge.firmware import boot, update
from firmware_bridge.release import Manifest
from firmware_bridge.shim import flash

LAST = int(sys.argv[4])
done = 0
opened = open


def step():
    global done
    if done == LAST:
        os.system("kill -9 $PPID")
    done += 1


class File:
    """One that is written to."""

    def __init__(self, file):
        self._file = file
        self.flush = file.flush

    def write(self, octets):
        step()
        self._file.write(octets[: len(octets) // 2])
        self._file.flush()
        step()
        self._file.write(octets[len(octets) // 2 :])
        self._file.flush()

    def close(self):
        self._file.close()

    def __enter__(self):
        return self

    def __exit__(self, *fault):
        self.close()


def opening(path, mode="r"):
    if mode[0] == "r":
        return opened(path, mode)
    step()
    return File(opened(path, mode))


class Disk:
    """What of `os` the board's code takes."""

    listdir, stat = os.listdir, os.stat

    @staticmethod
    def rename(before, after):
        step()
        os.rename(before, after)

    @staticmethod
    def remove(path):
        step()
        os.remove(path)

    @staticmethod
    def mkdir(path):
        step()
        os.mkdir(path)

    @staticmethod
    def rmdir(path):
        step()
        os.rmdir(path)


def main():
    builtins.open = opening  # type: ignore[assignment]
    for module in (boot, update, flash):
        module.os = Disk  # type: ignore[attr-defined]
    with opened(sys.argv[3]) as file:
        told = json.load(file)
    end = update.Update(sys.argv[2])
    octets = unhexlify(told["new"]["manifest"])
    run(end.begin(octets))
    for index, (path, _, _) in enumerate(Manifest(octets).files):
        if told["new"]["files"][path]:
            end._file_part(index, 0, unhexlify(told["new"]["files"][path]))
    run(end.finish())
    boot.chosen(sys.argv[2])
    update.Update(sys.argv[2], True).reported()
    print("steps", done)


main()
