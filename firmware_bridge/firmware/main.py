"""Starts the board: reads what it was told, opens its ports, and turns for ever.

1. The boot's number is on the flash before anything is sealed under it.
2. A board without keys hears nothing but a pairing.

On a board it is run by boot.py; a bench and tests run it as a program, with a folder for the flash:

    micropython -m firmware_bridge.firmware.main FOLDER
"""

import json
import os
import struct
import sys
from binascii import unhexlify

from firmware_bridge import frame
from firmware_bridge.ed25519 import Signer
from firmware_bridge.firmware.bridge import FIRMWARE, Bridge
from firmware_bridge.firmware.settings import Settings
from firmware_bridge.firmware.tap import Tap
from firmware_bridge.frame import Chain
from firmware_bridge.link import Board
from firmware_bridge.ring import Ring
from firmware_bridge.shim import flash
from firmware_bridge.shim.ticks import Ticks
from firmware_bridge.shim.uart import Port, Wait

_TURN_MS = 1  # what a turn may wait where nothing is to be done
_BOOT_MAX = 0xFFFFFFFF


def next_boot(folder: str) -> int:
    """The number of this start, one more than the last, on the flash when it returns."""
    told = flash.read(folder + "/boot")
    boot = int(told) + 1 if told else 1
    if boot > _BOOT_MAX:
        raise ValueError("this board has started too often: pair it anew")
    flash.replace(folder + "/boot", str(boot).encode())
    return boot


def started(folder: str, ticks: Ticks) -> tuple[Bridge, Wait, Signer]:
    """The board of this folder, its first frame sealed. ValueError, OSError: it cannot be."""
    settings = Settings(flash.read(folder + "/board.json") or b"")
    keys = json.loads(flash.read(folder + "/keys.json") or b"null")
    if not keys:
        raise ValueError("this board is not paired")
    signer = Signer(unhexlify(keys["seed"]))
    public = unhexlify(keys["public"])
    boot = next_boot(folder)
    taps = [
        Tap(number, Port(line.place, line.baud, True, (line.rx, None)), line.framing)
        for number, line in enumerate(settings.taps)
    ]
    link = settings.link
    uplink = Port(link.place, link.baud, False, (link.rx, link.tx))
    ring = Ring(settings.ring_bytes)
    chain = Chain(unhexlify(keys["key"]), public, boot)
    board = Board(ring, boot, public[:8], FIRMWARE, link.baud)
    bridge = Bridge(taps, uplink, ring, chain, board, settings.head_seconds * 1_000_000)
    body = struct.pack(frame.BOOT_BODY, *FIRMWARE, settings.digest, os.urandom(16))
    bridge.say(frame.BOOT, 0, body, ticks.now())
    ports = [tap.port for tap in taps]
    ports.append(uplink)
    return bridge, Wait(ports), signer


def main(folder: str) -> None:
    """Turns until it is stopped."""
    ticks = Ticks()
    bridge, wait, signer = started(folder, ticks)
    preparing = signer.prepared()
    prepared = False
    while True:
        busy = bridge.turn(ticks.now())
        if not prepared:
            try:
                next(preparing)
            except StopIteration:
                prepared = True
                bridge.sign_with(signer)
            continue
        if not busy:
            wait.until(_TURN_MS)


if __name__ == "__main__":
    main(sys.argv[1])
