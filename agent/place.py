"""Where the antenna is, as one receiver measures it, against where it was surveyed.

1. A position counts that was measured just now, by a receiver that nothing suggests to be deceived.
   A timing receiver at its fixed point tells what it was told: of that nothing is concluded. One
   that states no accuracy (NMEA without GST, gpsd without UBX) is taken for UNSTATED_MM: it checks
   no place, and yet one that is in another town is found elsewhere.
2. It is where it should be within three times the combined sigma of survey and receiver, and 10 m;
   level and height each by their own. One epoch beyond that takes back for AGAIN_NS that it was
   checked; beyond it for TRIP_NS it is doubted, and within four fifths of it for CLEAR_NS it is not
   any more. Who goes away again within AGAIN_NS was away all the time, whatever it said between: a
   lie that is told every other second, a move with a bad cable.
3. What was doubted stays so while nothing is measured: who moves an antenna may cut its cable next.
4. Distances are evidence.position's: chords of the ellipsoid, too short by 1 mm at 10 km, and by
   one part in 1,500 at a height of 4 km. The receiver's digits (11 mm) and errors are far larger.

It asks no clock, and asks nobody for a position.
"""

import math
from typing import NamedTuple

from drivers.gnss import fix as gnss
from drivers.gnss.fix import PLACELESS, Doubt, Fix, Mode
from evidence import position
from evidence.leap import NS
from evidence.position import Position
from evidence.siteplan import Survey
from evidence.verdict import PlaceState

MARGIN_MM = round(position.ROOM_M * 1000)
# A check that lets an antenna go further than across the yard is none.
ALLOWED_MM_MAX = 100_000
TRIP_NS = 5 * NS  # one wild epoch is none; a receiver at one epoch a second has said it six times
AGAIN_NS = 5 * NS
CLEAR_NS = 10 * NS
CLEAR_FIFTHS = 4  # of five: what trips at 13 m clears at 10
# One sigma of who states none. GPS itself gives some 15 m, 95 %, at its worst (SPS Performance
# Standard, 5th edition); half a sky between walls is worse.
UNSTATED_MM = 100_000
UNSTATED = "it does not say how accurate its position is"
GEOID_MM_MAX = 110_000  # sea level lies so far from the ellipsoid at the most (EGM96)


class Apart(NamedTuple):
    """How far a position is from the survey, and how far it may be; mm."""

    level: int
    level_allowed: int
    height: int | None  # positive: above. None: the receiver does not say how accurate it is
    height_allowed: int
    guess: str = ""  # what may be wrong with the survey

    def within(self, fifths: int = 5) -> bool:
        """Whether it is where it should be, or well so."""
        high = self.height is not None and 5 * abs(self.height) > fifths * self.height_allowed
        return 5 * self.level <= fifths * self.level_allowed and not high

    def worst(self) -> tuple[int, int]:
        """Distance and allowance, of what is nearer to its limit."""
        high = abs(self.height or 0)
        if high * self.level_allowed > self.level * self.height_allowed:
            return high, self.height_allowed
        return self.level, self.level_allowed

    def words(self) -> str:
        parts = [f"{_metres(self.level)} from the survey, {_metres(self.level_allowed)} may be"]
        if self.height is not None:
            way = "above" if self.height >= 0 else "below"
            high, may = _metres(abs(self.height)), _metres(self.height_allowed)
            parts.append(f"{high} {way} it, {may} may be")
            only_height = self.level <= self.level_allowed and not self.within()
            if only_height and abs(self.height) <= GEOID_MM_MAX:
                parts.append("is the survey's altitude one above sea level?")
        if self.guess:
            parts.append(f"is it {self.guess} in the survey?")
        return "; ".join(parts)


class Found(NamedTuple):
    """What is concluded of one receiver, or of all; mm."""

    state: PlaceState
    distance_mm: int | None
    allowed_mm: int | None
    words: str


def apart(survey: Survey, place: gnss.Place) -> Apart:
    """A position against the survey."""
    accuracy_mm = UNSTATED_MM if place.horizontal_mm is None else place.horizontal_mm
    here = Position(place.latitude_e7 / 1e7, place.longitude_e7 / 1e7)
    level = round(position.distance_m(survey.place(), here) * 1000)
    level_allowed = _allowed(survey, accuracy_mm)
    height = None
    if place.height_mm is not None and place.vertical_mm is not None:
        height = place.height_mm - round(survey.altitude_m * 1000)
    return Apart(
        *(level, level_allowed, height, _allowed(survey, place.vertical_mm or 0)),
        position.guess(survey.place(), here) if level > level_allowed else "",
    )


def _allowed(survey: Survey, accuracy_mm: int) -> int:
    sigma_mm = math.hypot(survey.accuracy_m * 1000, accuracy_mm)
    return math.ceil(position.SIGMAS * sigma_mm) + MARGIN_MM


def _metres(mm: int) -> str:
    return position.length(mm / 1000)


class Watch:
    """One receiver. Instants are ns of the clock of durations."""

    def __init__(self, survey: Survey | None) -> None:
        self._survey = survey
        self._apart: Apart | None = None  # at the last epoch; None: nothing was measured then
        self._why = "no position yet"  # nothing is concluded
        self._doubted: Apart | None = None  # as it was found last
        self._outside_ns: int | None = None  # since when it is beyond, and was not within for good
        self._beyond_ns = 0  # when it was last
        self._inside_ns: int | None = None  # since when it is well within
        self._trusted = self._stated = False

    def hear(self, fix: Fix, at_ns: int, trusted: bool) -> None:
        """An epoch. `trusted`: nothing suggests that the receiver is deceived."""
        self._trusted = trusted
        self._apart, self._why = None, self._unmeasured(fix)
        if self._why or self._survey is None or fix.place is None:
            self._not_outside(at_ns)
            self._inside_ns = None
            return
        found = self._apart = apart(self._survey, fix.place)
        self._stated = fix.place.horizontal_mm is not None
        well = trusted and found.within(CLEAR_FIFTHS)
        self._inside_ns = _since(self._inside_ns, at_ns) if well else None
        if not found.within():
            self._outside_ns, self._beyond_ns = _since(self._outside_ns, at_ns), at_ns
            if self._doubted or at_ns - self._outside_ns >= TRIP_NS:
                self._doubted = found
            return
        self._not_outside(at_ns)
        if self._inside_ns is not None and at_ns - self._inside_ns >= CLEAR_NS:
            self._doubted = None

    def lost(self, why: str, at_ns: int) -> None:
        """There is no epoch any more."""
        self._apart, self._why = None, why
        self._not_outside(at_ns)
        self._inside_ns = None

    def _not_outside(self, at_ns: int) -> None:
        if at_ns - self._beyond_ns >= AGAIN_NS:
            self._outside_ns = None

    def found(self) -> Found:
        """What is concluded now."""
        if self._doubted is not None:
            return Found(PlaceState.DOUBTED, *self._doubted.worst(), self._doubted.words())
        if self._apart is None:
            return Found(PlaceState.UNCHECKED, None, None, self._why)
        worst, words = self._apart.worst(), self._apart.words()
        if not self._apart.within():
            return Found(PlaceState.UNCHECKED, *worst, words)
        if self._outside_ns is not None:
            return Found(PlaceState.UNCHECKED, *worst, f"{words}; and beyond that just now")
        if not self._trusted:
            return Found(PlaceState.UNCHECKED, *worst, f"{words}; but it may be deceived")
        if not self._stated:
            return Found(PlaceState.UNCHECKED, *worst, f"{words}: {UNSTATED}")
        if self._apart.level_allowed > ALLOWED_MM_MAX:
            return Found(PlaceState.UNCHECKED, *worst, f"{words}: too coarse to notice a move")
        return Found(PlaceState.CHECKED, *worst, words)

    def _unmeasured(self, fix: Fix) -> str:
        """Why the position of an epoch says nothing; empty where it counts."""
        if self._survey is None:
            return "the site plan has no survey"
        if fix.doubts & {Doubt.NO_FIX, Doubt.POSITION_INVALID} or fix.place is None:
            return "no fix"
        if fix.mode is Mode.FIXED:
            return "in fixed mode it tells the point that it was given, wherever it stands"
        if fix.mode is Mode.SURVEY:
            return "it surveys itself in"
        if fix.mode is not Mode.NAVIGATION or fix.doubts & PLACELESS:
            return "nothing shows that its position is measured"
        return "" if fix.time_counts else "it does not know what time it is"


def _since(before_ns: int | None, at_ns: int) -> int:
    return at_ns if before_ns is None else before_ns
