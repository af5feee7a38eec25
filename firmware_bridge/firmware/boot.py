"""Which version of the firmware starts: the one that is known to work, or one that is on trial.

    slot      `a - 0`: a starts. `a b 3`: b is on trial and may start three times; then a again

1. A trial is counted on the flash before it starts. What cannot be counted is not tried.
2. A version is on trial until a gateway has been heard under it (`update.Update.reported`). It has
   `TRIAL_STARTS` starts for that, and `TRIAL_MS` at each of them.
3. `slot` is replaced by one rename, and is all that decides: half a folder is never started.
4. A board with keys hears no Ctrl-C from the first line of `start` on, before anything is loaded,
   and is reset where nothing can be: it ends at no prompt.

It lies beside the folders, is what no update changes, and so leans on nothing in them. A board runs
it by its main.py; a bench runs it as a program, with a folder for the flash:

    micropython boot.py FOLDER
"""

import os
import sys

TRIAL_STARTS = 3
TRIAL_MS = (
    600_000  # somebody has plugged it in again by then, and a gateway says HELLO twice a second
)
FOLDERS = ("a", "b")
NONE = "-"

TYPE_CHECKING = False
if TYPE_CHECKING:
    Slot = tuple[str, str, int]  # what is known to work, what is on trial, its starts left


def other(name: str) -> str:
    """The folder beside this one."""
    return FOLDERS[1 - FOLDERS.index(name)]


def slot(folder: str) -> "Slot | None":
    """What the file says; where it says nothing, the first folder with a manifest, or None."""
    told = _read(folder + "/slot").split()
    good = len(told) == 3 and told[0] in FOLDERS and told[2].isdigit()
    if good and told[1] in (NONE, other(told[0])):
        return told[0], told[1], int(told[2])
    for name in FOLDERS:
        if _read(folder + "/" + name + "/manifest"):
            return name, NONE, 0
    return None


def written(found: "Slot") -> bytes:
    """What the file is to hold."""
    return ("%s %s %d\n" % found).encode()  # noqa: UP031


def chosen(folder: str) -> "tuple[str, bool] | None":
    """The folder that starts now, and whether on trial: counted when this returns."""
    found = slot(folder)
    if found is None:
        return None
    works, tried, left = found
    if tried == NONE:
        return works, False
    after = (works, tried, left - 1) if left > 0 else (works, NONE, 0)
    try:
        _replace(folder + "/slot", written(after))
    except OSError:
        return works, False
    return (tried, True) if left > 0 else (works, False)


def start(folder: str) -> None:
    """Starts what is to be started. It returns where there is nothing, or where it was stopped."""
    if _read(folder + "/keys.json"):
        _close()
    found = chosen(folder)
    if found is None:
        print("no firmware is here")
        return
    name, trial = found
    sys.path.insert(0, folder + "/" + name)
    if trial:
        _deadline(folder)
    try:
        from firmware_bridge.firmware.main import run

        run(folder)
    finally:
        if trial or _read(folder + "/keys.json"):
            reset()


def reset() -> None:
    """A board starts anew; elsewhere there is nothing to reset, and the program ends."""
    try:
        from machine import reset as again  # type: ignore[import-not-found]
    except ImportError:
        return
    again()


def _close() -> None:
    """No Ctrl-C from now on: to load the firmware may take a second."""
    try:
        from micropython import kbd_intr  # type: ignore[import-not-found]
    except ImportError:
        return
    kbd_intr(-1)


def _read(path: str) -> str:
    """A small text; empty where there is none."""
    try:
        with open(path, "rb") as file:
            held = file.read()
    except OSError:
        return ""
    return "".join([chr(octet) for octet in held])


def _replace(path: str, data: bytes) -> None:
    """As shim/flash.py does it, which lies in the folders."""
    with open(path + ".new", "wb") as file:
        file.write(data)
        file.flush()
    if hasattr(os, "sync"):
        os.sync()
    os.rename(path + ".new", path)


def _deadline(folder: str) -> None:
    """A version that starts and is never heard under is ended, whatever its code does."""
    try:
        from machine import Timer
    except ImportError:
        return

    def over(_: object) -> None:
        found = slot(folder)
        if found and found[1] != NONE:
            reset()

    for number in (-1, 0):  # a virtual one, where the port has them; else the first of its own
        try:
            Timer(number).init(mode=Timer.ONE_SHOT, period=TRIAL_MS, callback=over)
            return
        except ValueError:
            continue


if __name__ == "__main__" and len(sys.argv) > 1:
    start(sys.argv[1])
