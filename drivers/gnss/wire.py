"""What a GNSS receiver sends: bytes in, facts out. The one name by which others know it.

    splitter.py  whole NMEA, UBX and RTCM messages out of a mixed stream
    check.py     their check words
    ubx.py       a UBX message, by pyubx2
    nmea.py      an NMEA sentence, by pynmeagps
    gpsd.py      a line of gpsd's JSON
    instant.py   dates, weeks, leap seconds: the instant claimed, and what is wrong with it
    compose.py   the messages of one epoch as a Fix
    epoch.py     which messages are of one epoch
    fix.py       the Fix, and the words in it

1. None of these opens, waits, sleeps or asks a clock: no socket, serial, asyncio, time or
   threading.
2. Whatever the bytes, the only exception is FrameError.

It decides nothing about which clock is believed, and knows no gateway.
"""

from drivers.gnss.epoch import FIX_BYTES_MAX, QUIET_NS, Epochs
from drivers.gnss.fix import (
    PLACELESS,
    TIMELESS,
    Antenna,
    Doubt,
    Fix,
    FixType,
    Guard,
    Leap,
    Mode,
    Place,
    Pulse,
    Rf,
    Signals,
    Speech,
    Suspicion,
    Utc,
)
from drivers.gnss.splitter import Bad, Splitter

__all__ = [
    "FIX_BYTES_MAX", "PLACELESS", "QUIET_NS", "TIMELESS", "Antenna", "Bad", "Doubt", "Epochs",
    "Fix", "FixType", "Guard", "Leap", "Mode", "Place", "Pulse", "Rf", "Signals", "Speech",
    "Splitter", "Suspicion", "Utc",
]  # fmt: skip
