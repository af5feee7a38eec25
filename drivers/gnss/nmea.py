"""An NMEA 0183 sentence, as facts: by pynmeagps, behind limits and names of our own.

    RMC  time, date, validity        GST      accuracies (one sigma)
    ZDA  time, date                  GSA      two or three dimensions
    GGA  time, position, quality     GSV      satellites, C/N0
    GNS  the same, all systems       PUBX,00  time, position, accuracies (u-blox)
                                     PUBX,04  time, date, leap seconds   (u-blox)

1. Whole sentences with their checksum holding come in (splitter.py). What comes out is a record, or
   None for a sentence that is not read here; the only exception is FrameError.
2. Times of day are read from the sentence's own text: 23:59:60 is a time, and pynmeagps gives none.
3. A sentence states no accuracy of time. None is made up.

IEC 61162-1:2016 (NMEA 0183 4.11); u-blox M8 receiver description (UBX-13003221) for PUBX.
"""

import re
from typing import Any, Final, NamedTuple

from pynmeagps import (
    VALCKSUM,
    NMEAMessageError,
    NMEAParseError,
    NMEAReader,
    NMEAStreamError,
    NMEATypeError,
)

from drivers.gnss.fix import FixType, Place
from drivers.line import FrameError

_FAULTS = (
    *(NMEAMessageError, NMEAParseError, NMEAStreamError, NMEATypeError),
    *(ValueError, LookupError, AttributeError, TypeError, ArithmeticError),
)
_CLOCK = re.compile(r"(\d\d)(\d\d)(\d\d)(?:\.(\d{1,9}))?")
_DATE = re.compile(r"(\d\d)(\d\d)(\d\d)")
_LEAP = re.compile(r"(\d{1,2})(D?)")
_CENTURY = 80  # GPS began in 1980: 80 to 99 are of that century
_METRES_MAX = 1e7
SATELLITES_MAX = 4  # of one GSV sentence

Clock = tuple[int, int, int, int]  # hour, minute, second (60 in a leap second), ns
Day = tuple[int, int, int]  # year, month, day


class Sentence(NamedTuple):
    """What one sentence says; None or empty where it says nothing of it."""

    address: str  # GNRMC, PUBX00
    stamped: bool  # it is of one instant, though that may be unknown
    clock: Clock | None = None
    day: Day | None = None
    valid: bool | None = None
    fix_type: FixType | None = None
    manual: bool = False
    simulated: bool = False
    place: Place | None = None
    height_mm: int | None = None  # above the ellipsoid
    horizontal_mm: int | None = None
    vertical_mm: int | None = None
    used: int | None = None
    tracked: tuple[tuple[str, int, int], ...] = ()  # talker, satellite, C/N0
    gps_utc_s: int | None = None
    leap_learnt: bool | None = None


def read(raw: bytes) -> Sentence | None:
    """One sentence; None for one that is not read here. Raises FrameError."""
    address = raw[1 : raw.index(b",")].decode("ascii")
    form = address[-3:]
    if address == "PUBX":
        form = "PUBX" + raw[6:8].decode("ascii")
    read_form = _FORMS.get(form)
    if read_form is None or raw[:1] != b"$" or (address[0] == "P" and address != "PUBX"):
        return None
    try:
        said = NMEAReader.parse(raw, validate=VALCKSUM)
        if said is None:
            return None
        name = form if address == "PUBX" else address
        return read_form(name, said, list(said.payload))
    except _FAULTS as fault:
        raise FrameError("shape", f"{address}: {fault}") from fault


# RMC posMode, GNS posMode; GGA quality.
_POSITION_MODES = {"E": FixType.DEAD_RECKONING, "N": FixType.NONE}
_MANUAL, _SIMULATED = ("M", 7), ("S", 8)
_DEAD_RECKONING = 6


def _rmc(address: str, said: Any, fields: list[str]) -> Sentence:
    mode = getattr(said, "posMode", "") or ""
    return Sentence(
        address, True, _clock(fields[0]), _day(fields[8]),
        valid=said.status == "A" and mode != "N",
        fix_type=_POSITION_MODES.get(mode),
        manual=mode in _MANUAL, simulated=mode in _SIMULATED,
        place=_place(said),
    )  # fmt: skip


def _zda(address: str, said: Any, fields: list[str]) -> Sentence:
    day = None
    if all(fields[at] for at in (1, 2, 3)):
        day = (int(fields[3]), int(fields[2]), int(fields[1]))
    return Sentence(address, True, _clock(fields[0]), day)


def _gga(address: str, said: Any, fields: list[str]) -> Sentence:
    quality = said.quality if isinstance(said.quality, int) else 0
    fix_type = FixType.DEAD_RECKONING if quality == _DEAD_RECKONING else None
    return Sentence(
        address, True, _clock(fields[0]),
        valid=quality > 0, fix_type=FixType.NONE if not quality else fix_type,
        manual=quality in _MANUAL, simulated=quality in _SIMULATED,
        place=_place(said), height_mm=_height(said), used=_count(said.numSV),
    )  # fmt: skip


def _gns(address: str, said: Any, fields: list[str]) -> Sentence:
    modes = set(said.posMode)
    valid = bool(modes - {"N"})
    return Sentence(
        address, True, _clock(fields[0]),
        valid=valid, fix_type=None if valid else FixType.NONE,
        manual="M" in modes, simulated="S" in modes,
        place=_place(said), height_mm=_height(said), used=_count(said.numSV),
    )  # fmt: skip


def _gst(address: str, said: Any, fields: list[str]) -> Sentence:
    north, east, up = (_mm(part) for part in (said.stdLat, said.stdLong, said.stdAlt))
    horizontal = None
    if north is not None and east is not None:
        horizontal = round((north**2 + east**2) ** 0.5)
    return Sentence(
        address, True, _clock(fields[0]), horizontal_mm=horizontal, vertical_mm=up
    )  # fmt: skip


def _gsa(address: str, said: Any, fields: list[str]) -> Sentence:
    types = {1: FixType.NONE, 2: FixType.PLANE, 3: FixType.SPACE}
    return Sentence(address, False, fix_type=types.get(said.navMode))


def _gsv(address: str, said: Any, fields: list[str]) -> Sentence:
    tracked = []
    for at in range(1, SATELLITES_MAX + 1):
        satellite = getattr(said, f"svid_{at:02}", None)
        level = getattr(said, f"cno_{at:02}", None)
        if isinstance(satellite, int) and isinstance(level, int) and level > 0:
            tracked.append((address[:2], satellite, level))
    return Sentence(address, False, tracked=tuple(tracked))


# PUBX,00 navStat: no fix, dead reckoning, two and three dimensions (D: differential), combined,
# time only.
_NAV_STATES = {
    "NF": FixType.NONE, "DR": FixType.DEAD_RECKONING, "G2": FixType.PLANE, "D2": FixType.PLANE,
    "G3": FixType.SPACE, "D3": FixType.SPACE, "RK": FixType.COMBINED, "TT": FixType.TIME,
}  # fmt: skip


def _pubx00(address: str, said: Any, fields: list[str]) -> Sentence:
    fix_type = _NAV_STATES.get(said.navStat)
    return Sentence(
        address, True, _clock(fields[1]),
        valid=fix_type not in (None, FixType.NONE), fix_type=fix_type,
        place=_place(said), height_mm=_mm(said.altRef),
        horizontal_mm=_mm(said.hAcc), vertical_mm=_mm(said.vAcc), used=_count(said.numSVs),
    )  # fmt: skip


def _pubx04(address: str, said: Any, fields: list[str]) -> Sentence:
    leap = _LEAP.fullmatch(fields[6])
    return Sentence(
        address, True, _clock(fields[1]), _day(fields[2]),
        gps_utc_s=int(leap[1]) if leap else None,
        leap_learnt=not leap[2] if leap else None,
    )  # fmt: skip


_FORMS: Final = {
    "RMC": _rmc, "ZDA": _zda, "GGA": _gga, "GNS": _gns, "GST": _gst, "GSA": _gsa, "GSV": _gsv,
    "PUBX00": _pubx00, "PUBX04": _pubx04,
}  # fmt: skip


def _clock(text: str) -> Clock | None:
    """hhmmss.ss; None when empty. Raises FrameError."""
    if not text:
        return None
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise FrameError("shape", f"{text[:20]!r} is no time of day")
    return int(found[1]), int(found[2]), int(found[3]), int((found[4] or "").ljust(9, "0"))


def _day(text: str) -> Day | None:
    """ddmmyy; None when empty. Raises FrameError."""
    if not text:
        return None
    found = _DATE.fullmatch(text)
    if found is None:
        raise FrameError("shape", f"{text[:20]!r} is no date")
    year = int(found[3])
    return (1900 if year >= _CENTURY else 2000) + year, int(found[2]), int(found[1])


def _place(said: Any) -> Place | None:
    """None where there is none. Raises FrameError."""
    latitude, longitude = said.lat, said.lon
    if not isinstance(latitude, float) or not isinstance(longitude, float):
        return None
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise FrameError("shape", f"no place on Earth: {latitude}, {longitude}")
    return Place(round(latitude * 10**7), round(longitude * 10**7), None, None, None)


def _height(said: Any) -> int | None:
    """Above the ellipsoid: above mean sea level, and the geoid's height there."""
    above, geoid = _mm(said.alt), _mm(said.sep)
    return above + geoid if above is not None and geoid is not None else None


def _mm(metres: object) -> int | None:
    if isinstance(metres, int | float) and abs(metres) < _METRES_MAX:
        return round(metres * 1000)
    return None


def _count(number: object) -> int | None:
    return number if isinstance(number, int) and 0 <= number <= 255 else None
