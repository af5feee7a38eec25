"""A UBX message, as facts: by pyubx2, behind limits and names of our own.

    NAV-PVT      01 07  instant, position, accuracies, fix
    NAV-STATUS   01 03  spoofDetState
    NAV-SAT      01 35  satellites, C/N0
    NAV-TIMELS   01 26  leap seconds, and the next one
    NAV-EOE      01 61  the epoch is complete
    NAV-SVIN     01 3B  survey-in; TIM-SVIN (0D 04) of older receivers
    TIM-TP       0D 01  the time pulse
    MON-RF       0A 38  jamming, AGC, antenna; MON-HW (0A 09) of older ones
    SEC-SIG      27 09  jamming, spoofing
    MON-VER      0A 04  what it is
    CFG-VALGET   06 8B  CFG-TMODE-MODE; CFG-TMODE2, -TMODE3 (06 3D, 06 71) of older ones

1. Whole messages with their check word holding come in (splitter.py). What comes out is a record or
   None for a message that is not read here; the only exception is FrameError.
2. A message is read only at a length that its description gives it, and at most so often as it says
   itself: no library is shown bytes that lie about their number.
3. Figures beyond their range (a state of 5) are "unknown", never an error: firmware grows.

u-blox F9 HPG 1.32 (UBX-22008968), F9 TIM 2.20 (UBX-21048598), M10 SPG 5.10 (UBX-21035062), M8
(UBX-13003221): interface descriptions.
"""

import struct
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final, NamedTuple

from pyubx2 import (
    UBXMessageError,
    UBXParseError,
    UBXReader,
    UBXStreamError,
    UBXTypeError,
)

from drivers.gnss.fix import Antenna, FixType, Guard, Mode, Place, Rf, Signals, Suspicion, Utc
from drivers.line import FrameError

GPS_STANDARD = (0, 3)  # utcStandard: not known, USNO: kept in step with GPS
_FAULTS = (
    *(UBXMessageError, UBXParseError, UBXStreamError, UBXTypeError),
    *(ValueError, LookupError, AttributeError, TypeError, ArithmeticError, struct.error),
)


class Pvt(NamedTuple):
    """NAV-PVT."""

    itow_ms: int
    utc: Utc
    resolved: bool  # valid date and time, seconds fully resolved
    accuracy_ns: int | None
    fix_type: FixType
    ok: bool  # gnssFixOK: within the receiver's own limits of accuracy
    satellites: int
    place: Place
    place_invalid: bool


class Status(NamedTuple):
    """NAV-STATUS."""

    itow_ms: int
    spoofing: Suspicion


class LeapSeconds(NamedTuple):
    """NAV-TIMELS."""

    itow_ms: int
    gps_utc_s: int | None
    learnt: bool
    change_s: int
    in_s: int | None


class Satellites(NamedTuple):
    """NAV-SAT."""

    itow_ms: int
    signals: Signals


class Survey(NamedTuple):
    """NAV-SVIN, TIM-SVIN."""

    active: bool
    valid: bool


class TimePulse(NamedTuple):
    """TIM-TP."""

    week: int
    tow_ns: int
    error_ps: int | None
    locked: bool
    utc: bool  # time base
    gps: bool  # the time base is GPS, or UTC as GPS has it
    raim: int


class Version(NamedTuple):
    """MON-VER."""

    software: str
    hardware: str
    extensions: tuple[str, ...]

    def protocol(self) -> tuple[int, int]:
        """PROTVER; (0, 0) where it is not told."""
        for text in self.extensions:
            name, _, number = text.replace("=", " ").partition(" ")
            major, _, minor = number.strip().partition(".")
            if name == "PROTVER" and major.isdigit() and (not minor or minor.isdigit()):
                return int(major), int(minor or 0)
        return 0, 0


class TimeMode(NamedTuple):
    """CFG-TMODE-MODE, by CFG-VALGET, CFG-TMODE2 or CFG-TMODE3."""

    mode: Mode


class End(NamedTuple):
    """NAV-EOE."""

    itow_ms: int


Fact = (
    Pvt | Status | LeapSeconds | Satellites | Survey | TimePulse | Rf | Guard | Version | TimeMode
    | End
)  # fmt: skip


def read(raw: bytes) -> Fact | None:
    """One message; None for one that is not read here. Raises FrameError."""
    row = _ROWS.get((raw[2], raw[3]))
    if row is None:
        return None
    size = len(raw) - 8
    if size < row.bytes_min or (row.step and (size - row.bytes_min) % row.step):
        raise FrameError("size_mismatch", f"{row.name} of {size} bytes")
    if not row.step and size != row.bytes_min:
        raise FrameError("size_mismatch", f"{row.name} of {size} bytes")
    if row.count_at is not None and row.bytes_min + row.step * raw[6 + row.count_at] != size:
        raise FrameError("size_mismatch", f"{row.name}: {raw[6 + row.count_at]} in {size} bytes")
    try:
        return row.fact(UBXReader.parse(raw, validate=0) if row.parsed else raw)
    except _FAULTS as fault:
        raise FrameError("shape", f"{row.name}: {fault}") from fault


def _pvt(said: Any) -> Pvt:
    at = Utc(said.year, said.month, said.day, said.hour, said.min, said.second, said.nano)
    resolved = bool(said.validDate and said.validTime and said.fullyResolved)
    place = Place(
        *(round(said.lat * 10**7), round(said.lon * 10**7)),
        *(said.height, _known(said.hAcc), _known(said.vAcc)),
    )
    return Pvt(
        *(
            said.iTOW,
            at,
            resolved,
            _known(said.tAcc),
            _fix_type(said.fixType),
            bool(said.gnssFixOk),
        ),
        *(said.numSV, place, bool(said.invalidLlh)),
    )


def _status(said: Any) -> Status:
    return Status(said.iTOW, _suspicion(said.spoofDetState))


def _timels(said: Any) -> LeapSeconds:
    leap_s = said.currLs if said.validCurrLs else None
    # srcOfCurrLs: 0 firmware, 255 unknown; srcOfLsChange: 0 none.
    learnt = said.srcOfCurrLs not in (0, 255)
    if not said.validTimeToLsEvent or said.srcOfLsChange == 0:
        return LeapSeconds(said.iTOW, leap_s, learnt, 0, None)
    return LeapSeconds(said.iTOW, leap_s, learnt, said.lsChange, said.timeToLsEvent)


_SAT_SV = struct.Struct("<BxBxhhI")  # gnssId, svId, cno, elev, azim, prRes, flags
_SAT_USED = 1 << 3


def _sat(raw: bytes) -> Satellites:
    """By hand: the library takes 3 ms for 40 satellites, more than all the rest of an epoch."""
    heard = [
        (system, level, bool(flags & _SAT_USED))
        for system, level, _, _, flags in _SAT_SV.iter_unpack(raw[14:-2])
        if level
    ]
    itow_ms = int.from_bytes(raw[6:10], "little")
    return Satellites(itow_ms, signals(heard, sum(used for _, _, used in heard)))


def signals(heard: Sequence[tuple[Hashable, int, bool]], used: int | None) -> Signals:
    """From (system, C/N0, used) of what is tracked, and how many are used as it is said."""
    counted = [row for row in heard if row[2]] or heard
    levels = [level for _, level, _ in counted]
    systems = len({system for system, _, _ in counted})
    if not levels:
        return Signals(used, len(heard), systems, None, None, None)
    mean = round(sum(levels) / len(levels), 1)
    return Signals(used, len(heard), systems, mean, max(levels), max(levels) - min(levels))


def _svin(said: Any) -> Survey:
    return Survey(bool(said.active), bool(said.valid))


def _tp(said: Any) -> TimePulse:
    # towSubMS: 2^-32 ms; pyubx2 gives a float of ms, exact to far below a ps.
    tow_ns = said.towMS * 1_000_000 + round(said.towSubMS * 1e6)
    utc = bool(said.timeBase)
    gps = said.utcStandard in GPS_STANDARD if utc else said.timeRefGnss == 0
    error = None if said.qErrInvalid else said.qErr
    return TimePulse(said.week, tow_ns, error, not said.TpNotLocked, utc, gps, said.raim)


def _rf(said: Any) -> Rf:
    blocks = range(1, said.nBlocks + 1)
    if not blocks:
        raise FrameError("shape", "MON-RF of no block")
    return Rf(
        max(_suspicion(getattr(said, f"jammingState_{at:02}")) for at in blocks),
        max(getattr(said, f"jamInd_{at:02}") for at in blocks),
        min(getattr(said, f"agcCnt_{at:02}") for at in blocks),
        max(getattr(said, f"noisePerMS_{at:02}") for at in blocks),
        max(_antenna(getattr(said, f"antStatus_{at:02}")) for at in blocks),
    )


def _hw(said: Any) -> Rf:
    return Rf(
        *(_suspicion(said.jammingState), said.jamInd, said.agcCnt, said.noisePerMS),
        _antenna(said.aStatus),
    )


def _sig(said: Any) -> Guard:
    jamming = _suspicion(said.jammingState) if said.jamDetEnabled else Suspicion.UNKNOWN
    spoofing = _suspicion(said.spoofingState) if said.spfDetEnabled else Suspicion.UNKNOWN
    return Guard(jamming, spoofing)


def _ver(said: Any) -> Version:
    texts = [said.swVersion, said.hwVersion]
    for at in range(1, 1 + (len(said.payload) - 40) // 30):
        texts.append(getattr(said, f"extension_{at:02}"))
    plain = [_plain(text) for text in texts]
    return Version(plain[0], plain[1], tuple(plain[2:]))


def _plain(text: bytes | str) -> str:
    said = text.decode("ascii", "replace") if isinstance(text, bytes) else text
    return said.partition("\0")[0].strip()


_MODES = {0: Mode.NAVIGATION, 1: Mode.SURVEY, 2: Mode.FIXED}


def _valget(said: Any) -> TimeMode | None:
    mode = getattr(said, "CFG_TMODE_MODE", None)  # another item than the one that we ask for
    return None if mode is None else TimeMode(_MODES.get(mode, Mode.UNKNOWN))


def _tmode2(said: Any) -> TimeMode:
    return TimeMode(_MODES.get(said.timeMode, Mode.UNKNOWN))


def _tmode3(said: Any) -> TimeMode:
    return TimeMode(_MODES.get(said.rcvrMode, Mode.UNKNOWN))


def _known(accuracy: int) -> int | None:
    """The largest figure stands for none."""
    return accuracy if accuracy < 0xFFFF_FFFF else None


def _suspicion(state: int) -> Suspicion:
    return Suspicion(state) if 0 <= state <= Suspicion.AFFIRMED else Suspicion.UNKNOWN


def _fix_type(number: int) -> FixType:
    return FixType(number) if 0 <= number <= FixType.TIME else FixType.NONE


def _antenna(state: int) -> Antenna:
    return Antenna(state) if 0 <= state <= Antenna.OPEN else Antenna.UNKNOWN


class _Row(NamedTuple):
    """A message: its least length, what it grows by, where it says how often."""

    name: str
    bytes_min: int
    step: int
    count_at: int | None
    fact: Callable[[Any], Fact | None]
    parsed: bool = True  # by pyubx2; else it takes the bytes


_ROWS: Final = {
    (0x01, 0x03): _Row("NAV-STATUS", 16, 0, None, _status),
    (0x01, 0x07): _Row("NAV-PVT", 92, 0, None, _pvt),
    (0x01, 0x26): _Row("NAV-TIMELS", 24, 0, None, _timels),
    (0x01, 0x35): _Row("NAV-SAT", 8, 12, 5, _sat, parsed=False),
    (0x01, 0x3B): _Row("NAV-SVIN", 40, 0, None, _svin),
    (0x01, 0x61): _Row("NAV-EOE", 4, 0, None, lambda said: End(said.iTOW)),
    (0x06, 0x3D): _Row("CFG-TMODE2", 28, 0, None, _tmode2),
    (0x06, 0x71): _Row("CFG-TMODE3", 40, 0, None, _tmode3),
    (0x06, 0x8B): _Row("CFG-VALGET", 4, 1, None, _valget),
    (0x0A, 0x04): _Row("MON-VER", 40, 30, None, _ver),
    (0x0A, 0x09): _Row("MON-HW", 60, 0, None, _hw),
    (0x0A, 0x38): _Row("MON-RF", 4, 24, 1, _rf),
    (0x0D, 0x01): _Row("TIM-TP", 16, 0, None, _tp),
    (0x0D, 0x04): _Row("TIM-SVIN", 28, 0, None, _svin),
    (0x27, 0x09): _Row("SEC-SIG", 4, 4, None, _sig),
}
