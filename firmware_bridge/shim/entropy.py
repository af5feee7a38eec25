"""Randomness for keys, from the one source that each port has, by its name.

    port       os.urandom is
    rp2        on RP2350 its true random number generator; on RP2040 the ring oscillator's bits,
               which its maker does not vouch for
    esp32      esp_random: the hardware's generator, fed by noise only while the radio runs; else
               what the boot loader seeded it with
    stm32      the RNG peripheral; on chips without one MicroPython's pseudo-random generator, which
               `source` refuses
    unix       the kernel's getrandom(2), and so CPython's; of WebAssembly, its host's

1. Where the source is none for keys, or nobody here knows it, nothing is drawn: EntropyError, by
   the port's name.
2. What is drawn is hashed with what was drawn before: one weak draw among good ones does no harm,
   and a source that repeats itself is found.
"""

import os
import sys

from firmware_bridge.shim.digest import sha256

_DRAWS = 4  # of 32 octets, for each 32 that are given
_NAMES = {
    "esp32": "esp_random",
    "linux": "the system's getrandom",
    "darwin": "the system's getentropy",
    "webassembly": "the host's crypto.getRandomValues",
}


class EntropyError(RuntimeError):
    """There is no randomness here for keys: its argument says why."""


def source() -> str:
    """The name of what `draw` takes from, for people. Raises EntropyError."""
    if not hasattr(os, "urandom"):
        raise EntropyError(sys.platform + " has no os.urandom")
    if sys.platform == "pyboard":
        import pyb  # type: ignore[import-not-found]

        if not hasattr(pyb, "rng"):
            raise EntropyError("this chip has no generator of random numbers")
        return "the RNG peripheral"
    if sys.platform == "rp2":
        rp2350 = "RP2350" in os.uname().machine
        return "the true random number generator" if rp2350 else "the ring oscillator"
    if sys.platform not in _NAMES:
        raise EntropyError(sys.platform + ": where its os.urandom comes from is not known here")
    return _NAMES[sys.platform]


def draw() -> bytes:
    """32 octets. Raises EntropyError."""
    source()
    drawn = [os.urandom(32) for _ in range(_DRAWS)]
    if len(set(drawn)) != _DRAWS:
        raise EntropyError("os.urandom repeats itself")
    return sha256(*drawn)
