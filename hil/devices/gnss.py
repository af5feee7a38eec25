"""What a simulated GNSS receiver says of one instant: from a truth and a plight to UBX messages, by
pyubx2, and NMEA sentences.

1. Pure: the same truth, plight, seed and instant give the same bytes.
2. A plight is everything that can be wrong with a receiver, its antenna or its sky. Whatever of it
   the receiver cannot know it does not say: a pulled receiver flags nothing by itself, a receiver
   in fixed mode does not see that it was moved.
3. Figures are those of a timing receiver of generation 9 with a good sky.

It opens nothing, and reads no clock.
"""

import math
import random
from dataclasses import dataclass, field
from datetime import date
from functools import reduce
from operator import xor
from typing import NamedTuple

from pyubx2 import GET, UBXMessage

from evidence.leap import BUILT_IN, NS, LeapTable

GPS_EPOCH_TAI_S = 315_964_800 + 19  # 1980-01-06 00:00:00 UTC, when TAI - UTC was 19 s
WEEK_S = 604_800
METRES_A_DEGREE = 111_320.0
ACCURACY_NS = 22  # tAcc with a good sky
ANNOUNCED_S = 180 * 86_400  # GPS announces a leap second half a year before
DRIFT_NS = 400  # a second, of the receiver's crystal after its fix is lost: 0.4 ppm
NOISE_M = 0.3  # of a position, one sigma, in both directions
HORIZONTAL_MM, VERTICAL_MM = 900, 1_300
SYSTEMS = (("GP", 0), ("GL", 6), ("GA", 2), ("GB", 3))  # NMEA's talker, UBX's gnssId
GEOID_M = 47.2


@dataclass(frozen=True, slots=True)
class Truth:
    """Where the antenna really is, and what it can see."""

    latitude: float = 46.9480
    longitude: float = 7.4474
    height_m: float = 600.0  # above the ellipsoid
    satellites: int = 20
    cn0_dbhz: int = 44
    seed: int = 1


@dataclass(slots=True)
class Plight:
    """What is wrong, or special, from now on. Tests and faults set it while the receiver runs."""

    lost: bool = False  # no fix: an antenna that was cut, a tunnel
    lost_s: int = 0  # for how long already: tAcc grows
    pull_m: tuple[float, float] = (0.0, 0.0)  # spoofed: north, east
    pull_ns: int = 0  # spoofed: of the instant that it claims
    drift_ns: int = 0  # added to pull_ns an epoch: pulled slowly
    drift_m: tuple[float, float] = (0.0, 0.0)  # added to pull_m an epoch
    spoofing: int = 1  # what the receiver says of it: 0 unknown, 1 none, 2 indicated, 3 several
    jamming: int = 1  # 0 unknown, 1 none, 2 warning, 3 critical
    cn0_drop_db: int = 0
    satellites: int | None = None  # how many are left
    moved_m: tuple[float, float, float] = (0.0, 0.0, 0.0)  # the antenna: north, east, up
    held: bool = False  # fixed mode: the programmed point is told, time alone is solved for
    survey: bool = False  # surveying itself in
    weeks_off: int = 0  # -1024: a rollover that it does not know of
    unset: bool = False  # cold, without almanac or clock: 2000-01-01 and on, unresolved
    leap_wrong_s: int = 0  # added to the leap seconds that it counts with
    leap_firmware: bool = False  # these are the ones it was built with
    leap_change: int = 0  # announced: 1, -1
    leap_in_s: int = 0
    antenna: int = 2  # 0 init, 1 unknown, 2 ok, 3 short, 4 open
    pulse_unlocked: bool = False
    simulated: bool = False  # NMEA quality 8
    repeats: bool = False  # the last epoch again, and again
    bad_checks: bool = False
    truncated: bool = False  # messages break off in the middle
    silent: bool = False


class Moment(NamedTuple):
    """One instant as the receiver claims it."""

    tai: int
    week: int
    tow_ms: int
    day: tuple[int, int, int]
    clock: tuple[int, int, int]  # hour, minute, second (60 in a leap second)
    ns: int
    leap_s: int  # GPS - UTC


class Position(NamedTuple):
    """One position as the receiver claims it."""

    latitude: float
    longitude: float
    height_m: float


@dataclass(frozen=True, slots=True)
class Sky:
    """A truth under a plight: everything that is said of an instant."""

    truth: Truth
    plight: Plight
    table: LeapTable = field(default=BUILT_IN)

    def moment(self, tai: int) -> Moment:
        """What the receiver takes for the time at `tai`."""
        plight = self.plight
        said = tai + plight.pull_ns + plight.weeks_off * WEEK_S * NS
        if plight.unset:  # its counter runs from the beginning of 2000, TAI - UTC 32 s
            said = (946_684_800 + 32) * NS + tai % (WEEK_S * NS)
        since = said - GPS_EPOCH_TAI_S * NS
        shown = said - plight.leap_wrong_s * NS
        day, clock, ns = _utc(shown, self.table)
        leap_s = self.table.offset_s(self.table.utc_ns(said) // NS) - 19 + plight.leap_wrong_s
        week, tow_ns = divmod(since, WEEK_S * NS)
        return Moment(said, week, tow_ns // 1_000_000, day, clock, ns, leap_s)

    def position(self, tai: int) -> Position:
        """What the receiver takes for its place."""
        truth, plight = self.truth, self.plight
        chance = random.Random(truth.seed * 1_000_003 + tai // 1_000_000)
        north, east, up = (chance.gauss(0.0, NOISE_M) for _ in range(3))
        if plight.held:
            north = east = up = 0.0
        else:
            north += plight.pull_m[0] + plight.moved_m[0]
            east += plight.pull_m[1] + plight.moved_m[1]
            up += plight.moved_m[2]
        narrow = math.cos(math.radians(truth.latitude))
        return Position(
            truth.latitude + north / METRES_A_DEGREE,
            truth.longitude + east / METRES_A_DEGREE / narrow,
            truth.height_m + up,
        )

    def levels(self, tai: int) -> list[tuple[int, int, int]]:
        """(system, satellite, C/N0) of what is tracked; the system by its place in SYSTEMS."""
        plight, truth = self.plight, self.truth
        count = truth.satellites if plight.satellites is None else plight.satellites
        chance = random.Random(truth.seed)
        found = []
        for at in range(count):
            level = truth.cn0_dbhz + chance.randint(-8, 3) - plight.cn0_drop_db
            found.append((at % len(SYSTEMS), 1 + at // len(SYSTEMS), max(level, 0)))
        return found

    def ok(self) -> bool:
        return not self.plight.lost and not self.plight.unset

    def accuracy_ns(self) -> int:
        if self.plight.unset:
            return 4_294_967_295
        return ACCURACY_NS + (self.plight.lost_s * DRIFT_NS if self.plight.lost else 0)


def _utc(tai: int, table: LeapTable) -> tuple[tuple[int, int, int], tuple[int, int, int], int]:
    """Date, time of day and ns, the second 60 in an inserted leap second."""
    count, ns = divmod(table.utc_ns(tai), NS)
    inserted = table.tai_ns(count, ns) != tai
    day, second = divmod(count, 86_400)
    return (
        _civil(day),
        (second // 3600, second // 60 % 60, second % 60 + inserted),
        ns,
    )


def _civil(day: int) -> tuple[int, int, int]:
    """Days since 1970 as a date of the Gregorian calendar."""
    found = date.fromordinal(date(1970, 1, 1).toordinal() + day)
    return found.year, found.month, found.day


# --- UBX


def pvt(sky: Sky, tai: int) -> bytes:
    """NAV-PVT."""
    at, place, plight = sky.moment(tai), sky.position(tai), sky.plight
    ok, known = sky.ok(), not plight.unset
    fix_type = 0 if not ok else 5 if plight.held else 3
    (year, month, day), (hour, minute, second) = at.day, at.clock
    return _ubx(
        "NAV", "NAV-PVT", iTOW=at.tow_ms,
        year=year, month=month, day=day, hour=hour, min=minute, second=second, nano=at.ns,
        validDate=known, validTime=known, fullyResolved=known,
        confirmedAvai=1, confirmedDate=known, confirmedTime=known,
        tAcc=sky.accuracy_ns(), fixType=fix_type, gnssFixOk=ok,
        numSV=len(sky.levels(tai)) if ok else 0,
        lat=round(place.latitude, 7), lon=round(place.longitude, 7),
        height=round(place.height_m * 1000), hMSL=round((place.height_m - GEOID_M) * 1000),
        hAcc=HORIZONTAL_MM if ok else 2**32 - 1, vAcc=VERTICAL_MM if ok else 2**32 - 1,
        invalidLlh=not ok,
    )  # fmt: skip


def status(sky: Sky, tai: int) -> bytes:
    """NAV-STATUS."""
    at, ok = sky.moment(tai), sky.ok()
    return _ubx(
        "NAV", "NAV-STATUS", iTOW=at.tow_ms, gpsFix=(5 if sky.plight.held else 3) if ok else 0,
        gpsFixOk=ok, wknSet=not sky.plight.unset, towSet=not sky.plight.unset,
        spoofDetState=sky.plight.spoofing,
    )  # fmt: skip


def sat(sky: Sky, tai: int) -> bytes:
    """NAV-SAT."""
    said: dict[str, int] = {}
    levels = sky.levels(tai)
    for number, (system, satellite, level) in enumerate(levels, 1):
        said |= {
            f"gnssId_{number:02}": SYSTEMS[system][1], f"svId_{number:02}": satellite,
            f"cno_{number:02}": level, f"elev_{number:02}": 40, f"azim_{number:02}": 90,
            f"qualityInd_{number:02}": 7, f"svUsed_{number:02}": int(sky.ok() and level > 20),
        }  # fmt: skip
    itow = sky.moment(tai).tow_ms
    return _ubx("NAV", "NAV-SAT", iTOW=itow, version=1, numSvs=len(levels), **said)


def timels(sky: Sky, tai: int) -> bytes:
    """NAV-TIMELS."""
    at, plight = sky.moment(tai), sky.plight
    change, left_s = plight.leap_change, plight.leap_in_s
    if not change:
        change, left_s = _announced(sky.table, at.tai)
    announced = change != 0
    return _ubx(
        "NAV", "NAV-TIMELS", iTOW=at.tow_ms, srcOfCurrLs=0 if plight.leap_firmware else 2,
        currLs=at.leap_s, srcOfLsChange=2 if announced else 0, lsChange=change,
        timeToLsEvent=left_s, validCurrLs=1, validTimeToLsEvent=int(announced),
    )  # fmt: skip


def _announced(table: LeapTable, tai: int) -> tuple[int, int]:
    """The leap second that the almanac announces, and in how many seconds it is."""
    for at in range(1, len(table.starts_s)):
        change = table.offsets_s[at] - table.offsets_s[at - 1]
        left_s = table.starts_s[at] + table.offsets_s[at - 1] - tai // NS
        if 0 < left_s <= ANNOUNCED_S:
            return change, left_s
    return 0, 0


def tp(sky: Sky, tai: int) -> bytes:
    """TIM-TP, of the pulse of the next second as the receiver takes it."""
    said = sky.moment(tai).tai
    week, tow_ns = divmod(said - said % NS + NS - GPS_EPOCH_TAI_S * NS, WEEK_S * NS)
    chance = random.Random(sky.truth.seed + tai // NS)
    return _ubx(
        "TIM", "TIM-TP", towMS=tow_ns // 1_000_000, week=week, qErr=chance.randint(-4000, 4000),
        timeBase=0, utc=1, raim=2, qErrInvalid=int(not sky.ok()),
        TpNotLocked=int(sky.plight.pulse_unlocked),
    )  # fmt: skip


def rf(sky: Sky, tai: int) -> bytes:
    """MON-RF, of the two blocks of an F9."""
    said: dict[str, int] = {}
    for block in (1, 2):
        said |= {
            f"blockId_{block:02}": block - 1, f"jammingState_{block:02}": sky.plight.jamming,
            f"antStatus_{block:02}": sky.plight.antenna, f"antPower_{block:02}": 1,
            f"noisePerMS_{block:02}": 90 + 40 * max(sky.plight.jamming - 1, 0),
            f"agcCnt_{block:02}": 5000 - 1500 * max(sky.plight.jamming - 1, 0),
            f"jamInd_{block:02}": 10 + 80 * max(sky.plight.jamming - 1, 0),
        }  # fmt: skip
    return _ubx("MON", "MON-RF", version=0, nBlocks=2, **said)


def sig(sky: Sky, tai: int) -> bytes:
    """SEC-SIG, version 1."""
    return _ubx(
        "SEC", "SEC-SIG", version=1, jamDetEnabled=1, jammingState=sky.plight.jamming,
        spfDetEnabled=1, spoofingState=sky.plight.spoofing,
    )  # fmt: skip


def svin(sky: Sky, tai: int) -> bytes:
    """NAV-SVIN."""
    itow, plight = sky.moment(tai).tow_ms, sky.plight
    return _ubx("NAV", "NAV-SVIN", iTOW=itow, active=plight.survey, valid=plight.held)


def eoe(sky: Sky, tai: int) -> bytes:
    """NAV-EOE."""
    return _ubx("NAV", "NAV-EOE", iTOW=sky.moment(tai).tow_ms)


def _ubx(group: str, name: str, **said: int | float) -> bytes:
    return bytes(UBXMessage(group, name, GET, **said).serialize())


# --- NMEA


def sentences(sky: Sky, tai: int) -> list[bytes]:
    """RMC, GGA, GSA, GSV, GST and ZDA of an instant."""
    at, place, ok = sky.moment(tai), sky.position(tai), sky.ok()
    clock = "{:02}{:02}{:02}".format(*at.clock) + f".{at.ns // 10_000_000:02}"
    year, month, day = at.day
    where = _where(place) if ok else ",,,"
    levels = sky.levels(tai)
    mode = "N" if not ok else "S" if sky.plight.simulated else "A"
    quality = 0 if not ok else 8 if sky.plight.simulated else 1
    height = f"{place.height_m - GEOID_M:.1f},M,{GEOID_M},M" if ok else ",,,"
    out = [
        f"GNRMC,{clock},{'A' if ok else 'V'},{where},0.01,,"
        f"{day:02}{month:02}{year % 100:02},,,{mode},V",
        f"GNGGA,{clock},{where},{quality},{min(len(levels), 12) if ok else 0:02},0.7,{height},,",
        f"GNGSA,A,{3 if ok else 1}" + 12 * "," + ",1.2,0.7,1.0,1",
    ]
    for at_system, (talker, _) in enumerate(SYSTEMS):
        mine = [row for row in levels if row[0] == at_system]
        groups = [mine[first : first + 4] for first in range(0, len(mine), 4)] or [[]]
        for number, group in enumerate(groups, 1):
            rows = "".join(f",{satellite},40,090,{level}" for _, satellite, level in group)
            out.append(f"{talker}GSV,{len(groups)},{number},{len(mine):02}{rows},1")
    if ok:
        out.append(f"GNGST,{clock},15,,,,0.6,0.6,{VERTICAL_MM / 1000}")
    out.append(f"GNZDA,{clock},{day:02},{month:02},{year:04},00,00")
    return [sentence(text) for text in out]


def sentence(text: str) -> bytes:
    """An NMEA sentence around its fields."""
    body = text.encode("ascii")
    return b"$%s*%02X\r\n" % (body, reduce(xor, body, 0))


def _where(place: Position) -> str:
    parts = []
    for degrees, width, signs in ((place.latitude, 2, "NS"), (place.longitude, 3, "EW")):
        whole, rest = divmod(round(abs(degrees) * 60 * 10**5), 60 * 10**5)
        minutes = f"{rest // 10**5:02}.{rest % 10**5:05}"
        parts.append(f"{whole:0{width}}{minutes},{signs[degrees < 0]}")
    return ",".join(parts)
