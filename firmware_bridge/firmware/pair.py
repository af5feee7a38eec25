"""The board's part in a pairing: what it hears on its link before it has any keys.

1. It answers an OFFER, and what follows from one; and HELLO, by saying that it has no keys.
   Whoever did not hear an answer may ask the same again: the same OFFER has the same ANSWER, the
   same REVEAL the same code, which is not made anew.
2. The code is flashed, and printed unless the link is what it would be printed on, from REVEAL to
   CONFIRM; a board that could do neither goes no further. The keys are on the flash, whole, before
   PAIRED is said; whoever did not hear that may say CONFIRM again for `LINGER_US`.
3. Long arithmetic is done in slices; what is said meanwhile waits, as far as the port keeps it.
4. Who sends OFFER after OFFER until the code is one that he wants has `OFFERS_MAX` of them: the
   board then has to be started anew, which takes a person.
5. Its own Ed25519 seed, and everything random, is drawn at each OFFER: a pairing that did not come
   to its end leaves nothing.

It is not loaded by a board that has keys.
"""

import json
import struct
from binascii import hexlify

from firmware_bridge import pairing
from firmware_bridge.ed25519 import Signer
from firmware_bridge.firmware.bridge import FIRMWARE
from firmware_bridge.link import HELLO, UNPAIRED_BODY
from firmware_bridge.packet import Packer, Unpacker
from firmware_bridge.pairing import (
    ANSWER,
    CONFIRM,
    FAILED,
    OFFER,
    PAIRED,
    REVEAL,
    REVEALED,
    BoardEnd,
    PairingError,
)
from firmware_bridge.shim import entropy, flash
from firmware_bridge.shim.led import UNPAIRED, Led
from firmware_bridge.shim.ticks import since
from firmware_bridge.shim.uart import Port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    Sliced = Generator[None, None, bytes]

LINGER_US = 3_000_000
OFFERS_MAX = 8
_BODY_MAX_BYTES = 128
_HEARD_BYTES = 256


_FAULTS = (PairingError, entropy.EntropyError, MemoryError)


class Pairer:
    """The link of a board that has no keys. `folder`: the flash, which will have them.

    `done`: it has them, and nobody asks again: the board may start.
    """

    def __init__(self, uplink: Port, led: Led, folder: str) -> None:
        self._uplink, self._led, self._folder = uplink, led, folder
        self._packer, self._unpacker = Packer(_BODY_MAX_BYTES), Unpacker(_BODY_MAX_BYTES)
        self._out = memoryview(self._packer.buffer)
        self._sent = self._size = 0
        self._heard = memoryview(bytearray(_HEARD_BYTES))
        self._end: BoardEnd | None = None
        self._seed = self._public = self._offer = self._answer = self._reveal = b""
        self._offers = 0
        self._working: Sliced | None = None
        self._kept_us: int | None = None
        self.done = False
        led.show(UNPAIRED)

    def turn(self, now_us: int) -> bool:
        """One look, one slice. Whether there is more to do at once. OSError: of the flash."""
        if self._sent < self._size:
            self._sent += self._uplink.write(self._out[self._sent : self._size])
            return True
        if self._working is not None:
            return self._slice()
        if self._kept_us is not None and since(now_us, self._kept_us) > LINGER_US:
            self.done = True
        got = self._uplink.readinto(self._heard)
        if got:
            for kind, body in self._unpacker.feed(bytes(self._heard[:got])):
                self._told(kind, body, now_us)
        return got > 0

    def _told(self, kind: int, body: bytes, now_us: int) -> None:
        """One packet. Of several at once, the last that asks for work is the one that counts."""
        try:
            if kind == OFFER and self._end is not None and body == self._offer:
                self._say(ANSWER, self._answer)
            elif kind == OFFER and self._kept_us is None:
                if self._offers == OFFERS_MAX:
                    raise PairingError("offered too often: start the board anew")
                self._offers += 1
                self._working = self._offered(body)
            elif kind == REVEAL and self._end is not None and body == self._reveal:
                self._say(REVEALED, b"")
            elif kind == REVEAL and self._end is not None and self._kept_us is None:
                self._working = self._revealed(self._end, body)
            elif kind == HELLO and self._kept_us is None:
                self._say(pairing.UNPAIRED, struct.pack(UNPAIRED_BODY, *FIRMWARE))
            elif kind == CONFIRM and self._end is not None:
                self._confirmed(self._end, body, now_us)
        except _FAULTS as fault:
            self._fail(fault)

    def _slice(self) -> bool:
        try:
            if self._working is not None:
                next(self._working)
        except StopIteration:
            self._working = None
        except _FAULTS as fault:
            self._working = None
            self._fail(fault)
        return True

    def _offered(self, body: bytes) -> "Sliced":
        self._end, self._reveal = None, b""
        self._led.show(UNPAIRED)
        self._seed = entropy.draw()
        self._public = yield from Signer(self._seed).prepared()
        end = BoardEnd(entropy.draw(), entropy.draw()[:16], self._public)
        self._answer = yield from end.offered(body)
        self._end, self._offer = end, body
        self._say(ANSWER, self._answer)
        return b""

    def _revealed(self, end: BoardEnd, body: bytes) -> "Sliced":
        if not self._uplink.apart and not self._led.there:
            raise PairingError("its link is its USB, and it has no LED to show a code by")
        code = yield from end.revealed(body)
        if self._uplink.apart:
            print("pairing code", code)
        self._led.digits(code)
        self._reveal = body
        self._say(REVEALED, b"")
        return b""

    def _confirmed(self, end: BoardEnd, body: bytes, now_us: int) -> None:
        key = end.confirmed(body)
        if self._kept_us is None:
            keys = {"seed": self._seed, "public": self._public, "key": key}
            told = {name: hexlify(octets).decode() for name, octets in keys.items()}
            flash.replace(self._folder + "/boot", b"0")  # first: keys without it do not start
            flash.replace(self._folder + "/keys.json", json.dumps(told).encode())
            self._kept_us = now_us
        self._say(PAIRED, end.paired())

    def _fail(self, fault: Exception) -> None:
        """Nothing of this pairing is left; the next OFFER begins another."""
        if self._kept_us is None:
            self._end = None
            self._led.show(UNPAIRED)
        why = "not enough memory" if isinstance(fault, MemoryError) else str(fault)
        self._say(FAILED, why.encode()[:_BODY_MAX_BYTES])

    def _say(self, kind: int, body: bytes) -> None:
        self._size, self._sent = self._packer.pack(kind, body), 0
