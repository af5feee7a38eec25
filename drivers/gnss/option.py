"""The options of a receiver, as gateway.toml states them: by serial line, by gpsd.

1. Unknown keys are refused, and every range is checked here, before anything is opened.

It opens nothing.
"""

from typing import Annotated, Literal

import msgspec

from drivers.serial.option import Baud, SerialLine

PORT_GPSD = 2947  # registered with IANA
# What u-blox receivers of generation 9 and later come with; earlier ones have 9,600.
BAUD_UBLOX = 38_400
BAUD_NMEA = 9_600  # NMEA 0183 says 4,800; receivers come with this
FIX_S = 10
SILENCE_S = 5.0
# From the instant that an epoch claims to the arrival of its first byte, at most. A receiver that
# tells each second has told before the next one is due, or it would fall behind: that is a maximum
# without knowing any. Whoever has measured a receiver states less.
LATENCY_MS = 1000

Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]
Latency = Annotated[int, msgspec.Meta(ge=1, le=1000)]  # ms; from 1 s on: of which second?
FixSeconds = Annotated[int, msgspec.Meta(ge=1, le=3600)]
Device = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_./:@+-]{0,128}\Z")]


class UbloxOptions(SerialLine, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """scheme = "ublox": a u-blox receiver on a serial line, or USB."""

    baud: Baud = BAUD_UBLOX
    asks: Literal["full", "none"] = "full"  # none: what it tells by itself is all there is
    fix_s: FixSeconds = FIX_S
    silence_s: Seconds = SILENCE_S
    latency_ms: Latency = LATENCY_MS
    ask_timeout_s: Seconds = 2.0
    simulated: bool = False


class NmeaOptions(SerialLine, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """scheme = "nmea": any other receiver. Nothing is sent to it."""

    baud: Baud = BAUD_NMEA
    fix_s: FixSeconds = FIX_S
    silence_s: Seconds = SILENCE_S
    latency_ms: Latency = LATENCY_MS
    simulated: bool = False


class GpsdOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """scheme = "gpsd": what a gpsd reads, its receiver's own bytes if it has them."""

    host: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = PORT_GPSD
    device: Device = ""  # as gpsd names it; empty: all that it reads, which should be one
    connect_timeout_s: Seconds = 5.0
    fix_s: FixSeconds = FIX_S
    silence_s: Seconds = SILENCE_S
    latency_ms: Latency = LATENCY_MS
    simulated: bool = False
