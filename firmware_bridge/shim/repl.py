"""The REPL of a board: closed while it has keys; open again only when they are gone.

What a port allows (MicroPython 1.25):

    every port  `micropython.kbd_intr(-1)`: Ctrl-C no longer stops what runs, and what runs never
                ends: it resets the board instead. No REPL without a reset.
    stm32       USB is in the second slot of `os.dupterm`, a UART of the REPL's in `pyb.repl_uart`:
                both are detached
    rp2, esp32  the REPL's own USB or UART cannot be detached; nobody reads it while this runs
    all         from reset until boot.py forbids Ctrl-C is a window of some 100 ms, and every chip's
                boot loader or debug port reads the whole flash, keys and all, unless its maker's
                read protection is set. Nothing in Python can close those.

1. `wipe` comes before a REPL: it overwrites the file of keys before it removes it. What the flash's
   own levelling still holds of it, only erasing the chip takes away.
"""

import os
import sys

from firmware_bridge.shim import flash

BOARD = sys.implementation.name == "micropython" and sys.platform not in ("linux", "webassembly")


def close() -> None:
    """From now on nobody gets in without a reset. Does nothing elsewhere than on a board."""
    if not BOARD:
        return
    import micropython  # type: ignore[import-not-found]

    micropython.kbd_intr(-1)
    if hasattr(os, "dupterm"):
        os.dupterm(None)
        try:
            os.dupterm(None, 1)
        except (ValueError, IndexError):  # a port with one slot
            pass
    try:
        import pyb  # type: ignore[import-not-found]

        pyb.repl_uart(None)
    except (ImportError, AttributeError):  # not a stm32, or one built without
        pass


def wipe(path: str) -> None:
    """Overwrites and removes a file of keys, and what a power cut left beside it; there may be
    none. OSError: the flash is broken."""
    for one in (path, path + flash.BESIDE):
        told = flash.read(one)
        if told is None:
            continue
        with open(one, "r+b") as file:
            file.write(bytes(len(told)))
            file.flush()
        if hasattr(os, "sync"):
            os.sync()
        os.remove(one)


def reset() -> None:
    """Starts the board anew. Elsewhere it does nothing, and the program ends as it would."""
    if BOARD:
        import machine  # type: ignore[import-not-found]

        machine.reset()
