"""Starts the board: reads what it was told, opens its ports, and turns for ever.

1. The boot's number is on the flash before anything is sealed under it.
2. A board without keys hears nothing but a pairing; with keys, its REPL is closed first.
3. However it ends on a board with keys, the board is reset: nobody is left at a prompt beside them.
   Only who holds `open_pin` low at the start gets one, after the keys are wiped.
4. What keeps it from starting is shown by the LED, as soon as the settings say where that is.

On a board it is run by boot.py; a bench and tests run it as a program, with a folder for the flash:

    micropython -m firmware_bridge.firmware.main FOLDER
"""

import gc
import json
import os
import struct
import sys
from binascii import unhexlify

from firmware_bridge import frame
from firmware_bridge.firmware.bridge import FIRMWARE, Bridge
from firmware_bridge.firmware.settings import ANALOG, Settings
from firmware_bridge.firmware.tap import Tap
from firmware_bridge.frame import Chain
from firmware_bridge.link import RENEWAL_REFUSED, Board
from firmware_bridge.ring import Ring
from firmware_bridge.shim import flash, led, pin, repl
from firmware_bridge.shim.led import Led
from firmware_bridge.shim.ticks import Ticks, since
from firmware_bridge.shim.uart import Port, Wait
from firmware_bridge.shim.watchdog import Watchdog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware_bridge.ed25519 import Signer
    from firmware_bridge.firmware.input import Input
    from firmware_bridge.firmware.renewal import Renewal

_TURN_MS = 1  # what a turn may wait where nothing is to be done
_WRONG_US = 30_000_000  # how long a board shows that its settings are wrong, before it tries anew
_BOOT_MAX = 0xFFFFFFFF
_KEYS = ("seed", "public", "key")
_KEY_BYTES = 32
_RENEWAL = (
    ("firmware_bridge.firmware", "renewal"),
    ("firmware_bridge.firmware", "update"),
    ("firmware_bridge.firmware", "boot"),
    ("firmware_bridge", "release"),
)


def next_boot(folder: str) -> int:
    """The number of this start, one more than the last, on the flash when it returns.

    ValueError: the flash has lost it. Begun again at 1, two frames would have one place under one
    key; so a board that has keys and no number is to be paired anew.
    """
    told = flash.read(folder + "/boot")
    if told is None:
        raise ValueError("boot: the number of starts is lost: wipe the keys, and pair it anew")
    boot = int(told) + 1
    if boot > _BOOT_MAX:
        raise ValueError("this board has started too often: pair it anew")
    flash.replace(folder + "/boot", str(boot).encode())
    return boot


def keys_of(folder: str) -> "dict[str, bytes] | None":
    """What was kept at pairing; None: this board is not paired. ValueError: the file is broken."""
    told = json.loads(flash.read(folder + "/keys.json") or b"null")
    if told is None:
        return None
    if not isinstance(told, dict):
        raise ValueError("keys.json: an object of names")
    keys = {name: unhexlify(str(told.get(name, ""))) for name in _KEYS}
    if any(len(key) != _KEY_BYTES for key in keys.values()):
        raise ValueError("keys.json: three keys of 32 octets")
    return keys


def started(
    folder: str, settings: Settings, keys: "dict[str, bytes]", uplink: Port, ticks: Ticks
) -> tuple[Bridge, list[Tap], Board]:
    """The board of this folder, its first frame sealed. ValueError, OSError: it cannot be."""
    taps = [
        Tap(number, Port(line.place, line.baud, True, (line.rx, line.tx)), line.framing, ticks)
        for number, line in enumerate(settings.taps)
    ]
    inputs = _inputs(settings)
    ring = Ring(settings.ring_bytes)
    boot = next_boot(folder)
    chain = Chain(keys["key"], keys["public"], boot)
    name, key = keys["public"][:8], keys["key"]
    board = Board(ring, boot, name, FIRMWARE, settings.link.baud, key)
    bridge = Bridge(taps, inputs, uplink, ring, chain, board, ticks)
    body = struct.pack(frame.BOOT_BODY, *FIRMWARE, settings.digest, os.urandom(16))
    bridge.say(frame.BOOT, 0, body, ticks.wide(ticks.now()))
    return bridge, taps, board


def _inputs(settings: Settings) -> "list[Input]":
    """Of no inputs, nothing is loaded."""
    made: list[Input] = []
    if settings.inputs or settings.pulse is not None:
        from firmware_bridge.firmware.input import Analog, Digital, Pulse

        for number, one in enumerate(settings.inputs):
            if one.kind == ANALOG:
                made.append(Analog(number, one.pin, one.every_ms * 1000))
            else:
                made.append(Digital(number, one.pin))
        if settings.pulse is not None:
            made.append(Pulse(0, settings.pulse))
    return made


def _paired(folder: str, uplink: Port, light: Led, ticks: Ticks) -> None:
    """Returns when this board has keys. Nobody guards it: a technician may be at its prompt."""
    from firmware_bridge.firmware.pair import Pairer

    pairer, wait = Pairer(uplink, light, folder), Wait([uplink])
    while not pairer.done:
        now = ticks.now()
        busy = pairer.turn(now)
        light.turn(now)
        if not busy:
            wait.until(_TURN_MS)


def _wrong(light: Led, ticks: Ticks, dog: Watchdog) -> None:
    """Shows it for a while, on a board; elsewhere whoever started the program sees why it ended."""
    begun = ticks.now()
    light.show(led.WRONG)
    while repl.BOARD and since(ticks.now(), begun) < _WRONG_US:
        light.turn(ticks.now())
        dog.feed()


def _has_keys(folder: str) -> bool:
    """Or may have: a flash that cannot be read is not one without."""
    try:
        return flash.read(folder + "/keys.json") is not None
    except OSError:
        return True


def _signer(settings: Settings, keys: "dict[str, bytes]") -> "Signer | None":
    if not settings.head_seconds:
        return None
    from firmware_bridge.ed25519 import Signer

    return Signer(keys["seed"])


def on_trial(folder: str) -> bool:
    """Whether what runs is what `slot` has on trial: boot.py put its folder first."""
    told = (flash.read(folder + "/slot") or b"").split()
    return len(told) == 3 and sys.path[0].encode() == (folder + "/").encode() + told[1]


def _renewal(folder: str, board: Board, trial: bool) -> "Renewal | None":
    """Loaded when there is something to it; None: there is no memory for it. Then what runs goes
    on, with the keys and the version that it has, and whoever asked is told."""
    try:
        from firmware_bridge.firmware.renewal import Renewal

        return Renewal(folder, board, trial)
    except MemoryError:
        _unload()  # half a module is none
        board.renewal = None
        board.answer(RENEWAL_REFUSED, b"not enough memory to take a release")
        return None


def _unload() -> None:
    """Gives back the memory of what takes an update. A module is held by `sys.modules`, and by the
    package that it is in."""
    for package, name in _RENEWAL:
        sys.modules.pop(package + "." + name, None)
        if hasattr(sys.modules[package], name):
            delattr(sys.modules[package], name)
    gc.collect()


def main(folder: str) -> None:
    """Turns until it is stopped, or to start anew. ValueError, OSError: what cannot be was told."""
    ticks, light, dog = Ticks(), Led(None), Watchdog()
    try:
        settings = Settings(flash.read(folder + "/board.json") or b"")
        light = Led(settings.led)
        if settings.open_pin is not None and pin.held(settings.open_pin):
            repl.wipe(folder + "/keys.json")
            return
        told = settings.link
        uplink = Port(told.place, told.baud, False, (told.rx, told.tx))
        keys = keys_of(folder)
        if keys is None:
            _paired(folder, uplink, light, ticks)
            repl.reset()
            keys = keys_of(folder) or {}
        repl.close()
        dog.begin(settings.watchdog_seconds)
        signer = _signer(settings, keys)  # code first: between buffers there is little room for it
        bridge, taps, board = started(folder, settings, keys, uplink, ticks)
    except (ValueError, OSError):
        if _has_keys(folder):
            repl.close()
        _wrong(light, ticks, dog)
        raise
    preparing = signer.prepared() if signer else None
    keys = {}
    renewal = _renewal(folder, board, True) if on_trial(folder) else None
    ports = [tap.port for tap in taps]
    ports.append(uplink)
    wait = Wait(ports)
    gc.collect()
    while True:
        now = ticks.now()
        busy = bridge.turn(now)
        if renewal is not None:
            begun = ticks.now()
            busy = renewal.turn(now) or busy
            if flash.STILL and renewal.wrote:
                bridge.stood_still(begun, ticks.now())
            if renewal.over:
                return
            if renewal.idle:
                renewal = None
                _unload()
        elif board.renewal is not None:
            renewal = _renewal(folder, board, False)
        light.show(led.LOSING if bridge.losing else led.WELL if board.open else led.ALONE)
        light.turn(now)
        dog.feed()
        if signer is not None and preparing is not None:
            try:
                next(preparing)
            except StopIteration:
                preparing = None
                bridge.sign_with(signer, settings.head_seconds * 1_000_000)
        elif not busy:
            wait.until(_TURN_MS)


def run(folder: str) -> None:
    """`main`, on a board: which is reset when it ends, unless its keys are gone."""
    try:
        main(folder)
    except (ValueError, OSError) as fault:
        print("cannot start:", fault)
        raise
    finally:
        if _has_keys(folder):
            repl.reset()


if __name__ == "__main__":
    main(sys.argv[1])
