"""From the messages of one epoch to its Fix, one function a language.

1. Pure: what was heard in, the Fix out. When an epoch is complete is for epoch.py.
2. What stands from earlier (leap seconds, the antenna, the satellites of a receiver that tells them
   every five seconds) comes in as what still counts, and as nothing when it is too old.
3. A receiver that speaks NMEA does not say whether its position is measured or held. One that
   moves, if only by the last digit, is measured: a held position does not.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from drivers.gnss import gpsd, ubx
from drivers.gnss.fix import (
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
from drivers.gnss.instant import (
    GPS_EPOCH_S,
    GPS_TAI_S,
    WEEK_NS,
    Claimed,
    age_doubts,
    by_gps,
    by_utc,
    by_week,
)
from drivers.gnss.nmea import Day, Sentence
from drivers.line import Instant
from evidence.leap import NS, LeapTable

MOVES_NS = 600 * NS  # for how long a position that moved counts as measured
WEEK_MS = WEEK_NS // 1_000_000
LEAP_EDGE_S = 2  # around a leap second a pulse counted in UTC may be either of two

Standing = dict[type, object]
T = TypeVar("T")


class Before(NamedTuple):
    """Of the epoch before, in the same language."""

    tai: int | None
    place: Place | None
    moved_tai: int  # when the position was last seen to move, by the gateway's clock; 0: never


class Heard(NamedTuple):
    """What is the same in every language."""

    heard: Instant
    raw: bytes
    faults: int
    before: Before
    table: LeapTable


_NOTHING = Claimed(None, None, frozenset())
_MEASURED = frozenset({FixType.PLANE, FixType.SPACE, FixType.COMBINED})


def of_ubx(epoch: Heard, pvt: ubx.Pvt, standing: Standing) -> Fix:
    """From NAV-PVT and what stands beside it."""
    doubts = set()
    if not pvt.ok or pvt.fix_type not in _MEASURED | {FixType.TIME}:
        doubts.add(Doubt.NO_FIX)
    if not pvt.resolved:
        doubts.add(Doubt.UNRESOLVED)
    claimed = by_gps(pvt.utc, pvt.itow_ms, epoch.table) if pvt.utc.month else _NOTHING
    leap = _leap_of(pvt, _of(standing, ubx.LeapSeconds), claimed)
    if leap.learnt is False:
        doubts.add(Doubt.LEAP_FIRMWARE)
    if pvt.place_invalid:
        doubts.add(Doubt.POSITION_INVALID)
    pulse = _pulse_of(_of(standing, ubx.TimePulse), leap)
    if pulse is not None and not pulse.locked:
        doubts.add(Doubt.PULSE_UNLOCKED)
    status, guard, rf = _of(standing, ubx.Status), _of(standing, Guard), _of(standing, Rf)
    satellites = _of(standing, ubx.Satellites)
    spoofing = max(
        status.spoofing if status else Suspicion.UNKNOWN,
        guard.spoofing if guard else Suspicion.UNKNOWN,
    )
    jamming = max(
        rf.jamming if rf else Suspicion.UNKNOWN,
        guard.jamming if guard else Suspicion.UNKNOWN,
    )
    signals = satellites.signals if satellites else None
    signals = signals or Signals(pvt.satellites, pvt.satellites, 0, None, None, None)
    mode = _mode_of(pvt, _of(standing, ubx.Survey), _of(standing, ubx.TimeMode))
    return Fix(
        epoch.heard, Speech.UBX, epoch.raw, claimed.tai, pvt.utc if pvt.utc.month else None,
        pvt.accuracy_ns, pvt.fix_type if pvt.ok else FixType.NONE, mode, pvt.place, leap,
        spoofing, jamming, signals, rf, pulse,
        frozenset(doubts | claimed.doubts | _since(claimed.tai, epoch)), epoch.faults,
    )  # fmt: skip


def _leap_of(pvt: ubx.Pvt, said: ubx.LeapSeconds | None, claimed: Claimed) -> Leap:
    """What NAV-TIMELS said, as of this epoch; else what the epoch itself shows."""
    if said is None or said.gps_utc_s is None:
        return Leap(claimed.tai_utc_s, None)
    in_s = said.in_s
    if in_s is not None:
        in_s -= (pvt.itow_ms - said.itow_ms) % WEEK_MS // 1000
    return Leap(said.gps_utc_s + GPS_TAI_S, said.learnt, said.change_s, in_s)


def _pulse_of(said: ubx.TimePulse | None, leap: Leap) -> Pulse | None:
    if said is None:
        return None
    tai = None
    if said.gps and not said.utc:
        tai = by_week(said.week, said.tow_ns)
    elif said.gps and leap.tai_utc_s is not None:
        edge = bool(leap.change_s) and leap.in_s is not None and abs(leap.in_s) <= LEAP_EDGE_S
        count_ns = GPS_EPOCH_S * NS + said.week * WEEK_NS + said.tow_ns
        tai = None if edge else count_ns + leap.tai_utc_s * NS
    return Pulse(tai, said.error_ps, said.locked, said.utc, said.raim)


def _mode_of(pvt: ubx.Pvt, survey: ubx.Survey | None, told: ubx.TimeMode | None) -> Mode:
    if survey is not None and survey.active:
        return Mode.SURVEY
    if pvt.fix_type is FixType.TIME:
        return Mode.FIXED
    if told is not None and told.mode in (Mode.FIXED, Mode.SURVEY):
        return told.mode
    return Mode.NAVIGATION if pvt.fix_type in _MEASURED else Mode.UNKNOWN


def of_nmea(epoch: Heard, said: Sequence[Sentence], standing: Standing) -> Fix:
    """From the sentences of one instant."""
    doubts = set()
    utc = _utc_of(said)
    claimed = by_utc(utc, epoch.table) if utc is not None else _NOTHING
    fix_type = _fix_type_of(said)
    if fix_type in (FixType.NONE, FixType.DEAD_RECKONING):
        doubts.add(Doubt.NO_FIX)
    if any(one.manual for one in said):
        doubts.add(Doubt.MANUAL)
    if any(one.simulated for one in said):
        doubts.add(Doubt.SIMULATED)
    gps_utc_s = _last([one.gps_utc_s for one in said])
    learnt = _last([one.leap_learnt for one in said])
    if learnt is False:
        doubts.add(Doubt.LEAP_FIRMWARE)
    if gps_utc_s is not None and _disagrees(gps_utc_s + GPS_TAI_S, claimed, epoch.table):
        doubts.add(Doubt.LEAP_DISAGREES)
    place = _place_of(said)
    return Fix(
        epoch.heard, Speech.NMEA, epoch.raw, claimed.tai, utc, None, fix_type,
        _mode_by_motion(fix_type, place, epoch), place,
        Leap(None if gps_utc_s is None else gps_utc_s + GPS_TAI_S, learnt),
        Suspicion.UNKNOWN, Suspicion.UNKNOWN, _signals_of(said, standing), None, None,
        frozenset(doubts | claimed.doubts | _since(claimed.tai, epoch)), epoch.faults,
    )  # fmt: skip


def _disagrees(tai_utc_s: int, claimed: Claimed, table: LeapTable) -> bool:
    """Whether the receiver counts other leap seconds than this machine; not near one of them."""
    if claimed.tai is None:
        return False
    count_s = table.utc_ns(claimed.tai) // NS
    near = any(table.inserted_at(count_s + after) for after in range(-1, 3))
    return table.known(count_s) and not near and tai_utc_s != table.offset_s(count_s)


def _utc_of(said: Sequence[Sentence]) -> Utc | None:
    clock = _last([one.clock for one in said])
    days: list[Day | None] = [one.day for one in said]
    whole = [one.day for one in said if one.address.endswith("ZDA") and one.day]
    day = whole[-1] if whole else _last(days)  # the one with four digits of the year
    return None if clock is None or day is None else Utc(*day, *clock)


def _fix_type_of(said: Sequence[Sentence]) -> FixType:
    if any(one.valid is False for one in said) or not any(one.valid for one in said):
        return FixType.NONE
    types = {one.fix_type for one in said if one.fix_type is not None}
    if FixType.DEAD_RECKONING in types:
        return FixType.DEAD_RECKONING
    if types:
        return max(types)
    high = any(one.height_mm is not None for one in said)
    return FixType.SPACE if high else FixType.PLANE


def _place_of(said: Sequence[Sentence]) -> Place | None:
    place = _last([one.place for one in said])
    if place is None:
        return None
    return place._replace(
        height_mm=_last([one.height_mm for one in said]),
        horizontal_mm=_last([one.horizontal_mm for one in said]),
        vertical_mm=_last([one.vertical_mm for one in said]),
    )


def _signals_of(said: Sequence[Sentence], standing: Standing) -> Signals | None:
    """Each satellite by its strongest signal; what was last said where this epoch says nothing."""
    used = _last([one.used for one in said])
    levels: dict[tuple[str, int], int] = {}
    for one in said:
        for system, satellite, level in one.tracked:
            levels[system, satellite] = max(level, levels.get((system, satellite), 0))
    if not any(one.address.endswith("GSV") for one in said):
        earlier = _of(standing, Signals)
        if earlier is not None:
            return earlier._replace(used=used)
        return None if used is None else Signals(used, used, 0, None, None, None)
    return ubx.signals([(key[0], level, False) for key, level in levels.items()], used)


def of_gpsd(epoch: Heard, said: gpsd.Position, standing: Standing) -> Fix:
    """From TPV, and SKY beside it."""
    doubts = set()
    claimed = by_utc(said.utc, epoch.table) if said.utc is not None else _NOTHING
    if said.fix_type in (FixType.NONE, FixType.DEAD_RECKONING):
        doubts.add(Doubt.NO_FIX)
    if said.simulated:
        doubts.add(Doubt.SIMULATED)
    sky = _of(standing, gpsd.Sky)
    leap_s = None if said.gps_utc_s is None else said.gps_utc_s + GPS_TAI_S
    mode = _mode_by_motion(said.fix_type, said.place, epoch)
    return Fix(
        epoch.heard, Speech.GPSD, epoch.raw, claimed.tai, said.utc, None, said.fix_type, mode,
        said.place, Leap(leap_s, None), Suspicion.UNKNOWN, Suspicion.UNKNOWN,
        sky.signals if sky else None, None, None,
        frozenset(doubts | claimed.doubts | _since(claimed.tai, epoch)), epoch.faults,
    )  # fmt: skip


def apart(one: Place | None, other: Place | None) -> bool:
    """Whether two positions differ, if only by the last digit."""
    if one is None or other is None:
        return False
    return (one.latitude_e7, one.longitude_e7) != (other.latitude_e7, other.longitude_e7)


def _mode_by_motion(fix_type: FixType, place: Place | None, epoch: Heard) -> Mode:
    if fix_type is FixType.TIME:
        return Mode.FIXED
    before = epoch.before
    moved = bool(before.moved_tai) and abs(epoch.heard.tai - before.moved_tai) < MOVES_NS
    moves = moved or apart(place, before.place)
    return Mode.NAVIGATION if moves and fix_type in _MEASURED else Mode.UNKNOWN


def _since(tai: int | None, epoch: Heard) -> frozenset[Doubt]:
    """What is wrong with an instant beside the last one, and beside the time at which it came."""
    if tai is None:
        return frozenset({Doubt.NO_TIME})
    doubts = age_doubts(tai, epoch.heard.tai)
    if epoch.before.tai is not None and tai <= epoch.before.tai:
        again = Doubt.REPEATED if tai == epoch.before.tai else Doubt.BACKWARDS
        return doubts | {again}
    return doubts


def _of(standing: Standing, kind: type[T]) -> T | None:
    found = standing.get(kind)
    return found if isinstance(found, kind) else None


def _last(said: Sequence[T | None]) -> T | None:
    """The last that is something."""
    return next((one for one in reversed(said) if one is not None), None)
