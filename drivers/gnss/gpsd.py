"""A line of gpsd's JSON, as facts: for receivers that speak neither UBX nor NMEA, and for what only
the daemon knows.

1. Believed as a claim: TPV's time, position and mode, SKY's satellites. Not believed: `ept`, a
   constant of 5 ms in gpsd 3.22 whatever the receiver says; `eph`, `epv` and their kin, which the
   daemon works out by rules of its own. A Fix said by gpsd alone states no accuracy.
2. gpsd mends week rollovers and leap seconds by what it was built with. Where the receiver's own
   bytes are there, they rule.
3. Whatever the bytes, the only exception is FrameError. Unknown classes and members are passed
   over.

gpsd_json(5) of 3.22 to 3.26.
"""

import re
from typing import Annotated, NamedTuple

import msgspec

from drivers.gnss.fix import FixType, Place, Signals, Utc
from drivers.gnss.ubx import signals
from drivers.line import FrameError

SATELLITES_MAX = 255
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z")

Metres = Annotated[float, msgspec.Meta(ge=-1e7, le=1e7)]


class Position(NamedTuple):
    """TPV."""

    utc: Utc | None
    fix_type: FixType
    simulated: bool
    place: Place | None
    gps_utc_s: int | None


class Sky(NamedTuple):
    """SKY."""

    signals: Signals


class Devices(NamedTuple):
    """DEVICES: which receivers the daemon reads."""

    paths: tuple[str, ...]


class Release(NamedTuple):
    """VERSION."""

    release: str


class Complaint(NamedTuple):
    """ERROR, or a DEVICE that is gone."""

    text: str


Fact = Position | Sky | Devices | Release | Complaint


class _Line(msgspec.Struct):
    word: str = msgspec.field(name="class")


class _Tpv(msgspec.Struct):
    mode: int = 0
    time: str = ""
    status: int = 0
    lat: Annotated[float, msgspec.Meta(ge=-90, le=90)] | None = None
    lon: Annotated[float, msgspec.Meta(ge=-180, le=180)] | None = None
    altHAE: Metres | None = None
    leapseconds: Annotated[int, msgspec.Meta(ge=0, le=99)] | None = None


class _Satellite(msgspec.Struct):
    gnssid: int = 0
    ss: Annotated[float, msgspec.Meta(ge=0, le=255)] = 0.0
    used: bool = False


class _Sky(msgspec.Struct):
    satellites: Annotated[list[_Satellite], msgspec.Meta(max_length=SATELLITES_MAX)] = []


class _Device(msgspec.Struct):
    path: str = ""
    # gpsd 3.22 writes a time here, and 0 when it lets the device go
    activated: str | float = ""


class _Devices(msgspec.Struct):
    devices: list[_Device] = []


class _Version(msgspec.Struct):
    release: str = ""


class _Error(msgspec.Struct):
    message: str = ""


def read(raw: bytes) -> Fact | None:
    """One line; None for a class that is not read here. Raises FrameError."""
    try:
        word = msgspec.json.decode(raw, type=_Line).word
        if word == "TPV":
            return _position(msgspec.json.decode(raw, type=_Tpv))
        if word == "SKY":
            return _sky(msgspec.json.decode(raw, type=_Sky))
        if word == "DEVICES":
            found = msgspec.json.decode(raw, type=_Devices).devices
            return Devices(tuple(device.path for device in found))
        if word == "DEVICE":
            device = msgspec.json.decode(raw, type=_Device)
            return Complaint(f"{device.path} is gone") if device.activated == 0 else None
        if word == "VERSION":
            return Release(msgspec.json.decode(raw, type=_Version).release)
        if word == "ERROR":
            return Complaint(msgspec.json.decode(raw, type=_Error).message)
    except (msgspec.DecodeError, ValueError, RecursionError) as fault:
        raise FrameError("shape", f"a line of gpsd: {str(fault)[:200]}") from fault
    return None


# TPV mode: 0 not known, 1 none, 2 and 3 dimensions. status: 5 and 6 dead reckoning, 7 surveyed-in
# (time), 8 simulated.
_MODES = {2: FixType.PLANE, 3: FixType.SPACE}
_STATES = {5: FixType.DEAD_RECKONING, 6: FixType.COMBINED, 7: FixType.TIME}
_SIMULATED = 8


def _position(said: _Tpv) -> Position:
    fix_type = _MODES.get(said.mode, FixType.NONE)
    if fix_type:
        fix_type = _STATES.get(said.status, fix_type)
    place = None
    if said.lat is not None and said.lon is not None:
        height = round(said.altHAE * 1000) if said.altHAE is not None else None
        place = Place(round(said.lat * 10**7), round(said.lon * 10**7), height, None, None)
    simulated = said.status == _SIMULATED
    return Position(_utc(said.time), fix_type, simulated, place, said.leapseconds)


def _sky(said: _Sky) -> Sky:
    heard = [(one.gnssid, round(one.ss), one.used) for one in said.satellites if one.ss >= 1]
    return Sky(signals(heard, sum(one.used for one in said.satellites)))


def _utc(text: str) -> Utc | None:
    if not text:
        return None
    found = _TIME.fullmatch(text)
    if found is None:
        raise FrameError("shape", f"{text[:40]!r} is no time")
    year, month, day, hour, minute, second = (int(found[at]) for at in range(1, 7))
    ns = int((found[7] or "").ljust(9, "0"))
    return Utc(year, month, day, hour, minute, second, ns)
