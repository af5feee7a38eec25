"""Which stretch of time an hour is, as markets count them: by its end, on a clock that is told.

1. Hour ending HE01 of a day is from 00:00 to 01:00 on that clock, HE24 ends the day. The clock is a
   fixed time ahead of UTC (PREVAILING markets name CST or CDT so), or a zone of the tz database:
   America/Chicago is that of ERCOT and SPP, America/Mexico_City of most of CENACE.
2. A day on a zone's clock has 23 hours in spring and 25 in autumn. By the CLOCK, HE03 is then
   missing, and HE02 there twice, the second one marked by *; counted THROUGH, there are HE01 to
   HE23, or to HE25. Which of both a market does is data.
3. Intervals have MINUTES, count from midnight of that clock, and are half open: [from, to).
4. In ns TAI: an hour with a leap second has 3,601 s, and what is cut into hours is cut so.

Clock and numbering are data: of a claim, of a tariff, of who asks; never of this machine's zone.
What a zone's clock shows is the tz database's that is installed: it gives names to people, and
nothing that is signed rests on it.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from evidence.leap import BUILT_IN, NS

MINUTES = (5, 15, 30, 60)
OFFSET_MIN_MAX = 14 * 60  # Line Islands; the least is -12 h
CLOCK, THROUGH = "clock", "through"
AGAIN = "*"  # of what the clock shows a second time


class Stretch(NamedTuple):
    """From one instant until before another, ns TAI."""

    begins: int
    ends: int

    @property
    def hours(self) -> float:
        return (self.ends - self.begins) / 3_600_000_000_000


class Convention(NamedTuple):
    """How a market counts. `minutes`: of an interval; `ahead_min`: of UTC: -360 for CST; `zone`: by
    whose rules instead, empty: no one's; `numbered`: CLOCK or THROUGH."""

    minutes: int = 60
    ahead_min: int = 0
    zone: str = ""
    numbered: str = CLOCK

    def check(self) -> "Convention":
        """Raises ValueError with what is wrong."""
        if self.minutes not in MINUTES:
            raise ValueError(f"an interval of {self.minutes} min; expected one of {MINUTES}")
        if abs(self.ahead_min) > OFFSET_MIN_MAX:
            raise ValueError(f"a clock {self.ahead_min} min ahead of UTC")
        if self.numbered not in (CLOCK, THROUGH):
            raise ValueError(f"hours numbered by {self.numbered!r}; expected {CLOCK} or {THROUGH}")
        self._clock()
        return self

    def day(self, day: date) -> Stretch:
        """From midnight to midnight. Raises ValueError."""
        return Stretch(*(BUILT_IN.tai_ns(self._midnight_s(one)) for one in (day, _after(day))))

    def ending(self, day: date, number: int) -> Stretch:
        """The interval of a day with this number, from 1, counted through: HE07 is `ending(day,
        7)`. Raises ValueError."""
        midnight_s = self._midnight_s(day)
        most = (self._midnight_s(_after(day)) - midnight_s) // 60 // self.minutes
        if not 1 <= number <= most:
            raise ValueError(f"interval {number} of a day of {most}")
        edges = (midnight_s + 60 * self.minutes * at for at in (number - 1, number))
        return Stretch(*(BUILT_IN.tai_ns(edge) for edge in edges))

    def label(self, stretch: Stretch) -> str:
        """Its end on that clock: 2021-02-15 HE07, or 2021-02-15 06:15 of a shorter one; empty for
        what is no interval of this convention, which has no such name."""
        begins_ns, ends_ns = map(BUILT_IN.utc_ns, stretch)
        if ends_ns - begins_ns != 60 * self.minutes * NS or ends_ns % (60 * NS):
            return ""
        ends_s = ends_ns // NS
        # What has just ended: 24:00 is of the day that it ends, and where the clock goes back HE02
        # ends at 01:00.
        ended = datetime.fromtimestamp(ends_s - 60, UTC).astimezone(self._clock())
        again = AGAIN if self._is_again(ended) else ""
        if self.minutes == 60 and ended.minute == 59 and not ended.second:
            number, mark = ended.hour + 1, again
            if self.numbered == THROUGH:
                number, mark = (ends_s - self._midnight_s(ended.date())) // 3600, ""
            return f"{ended:%Y-%m-%d} HE{number:02d}{mark}"
        shown = ended.replace(tzinfo=None, fold=0) + timedelta(minutes=1)
        at = "24:00" if shown.date() != ended.date() else f"{shown:%H:%M}"
        return f"{ended:%Y-%m-%d} {at}{again}"

    def _midnight_s(self, day: date) -> int:
        """The count, as Unix does, at which a day begins. Raises ValueError."""
        try:
            local = datetime(day.year, day.month, day.day, tzinfo=self._clock())
            return round(local.timestamp())
        except OverflowError as fault:
            raise ValueError(f"{day} is in no calendar of that clock") from fault

    def _is_again(self, local: datetime) -> bool:
        return bool(local.fold) and local.utcoffset() != local.replace(fold=0).utcoffset()

    def _clock(self) -> tzinfo:
        """Raises ValueError."""
        if not self.zone:
            return timezone(timedelta(minutes=self.ahead_min))
        try:
            return ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as fault:
            raise ValueError(
                f"no rules of a time zone {self.zone[:40]!r} are here: install tzdata, or name the"
                " offset, such as UTC-06:00"
            ) from fault


def clock(text: str) -> Convention:
    """A clock as people name it: UTC, UTC-06:00, or a zone. Raises ValueError."""
    sign, ahead = text[3:4], text[4:]
    if text == "UTC":
        return Convention()
    if text[:3] == "UTC" and sign in ("+", "-") and len(ahead) == 5 and ahead[2] == ":":
        hours, minutes = ahead[:2], ahead[3:]
        if (hours + minutes).isascii() and (hours + minutes).isdigit() and int(minutes) < 60:
            whole = int(hours) * 60 + int(minutes)
            return Convention(ahead_min=-whole if sign == "-" else whole).check()
    return Convention(zone=text).check()


def cut(begins: int, ends: int, every_ns: int) -> Iterator[Stretch]:
    """A stretch in parts of so much by UTC, the last one as long as what is left: whoever cuts
    hours gets hours, though one of them has a leap second."""
    utc = BUILT_IN.utc_ns(begins)
    while begins < ends:
        utc += every_ns
        after = max(BUILT_IN.tai_ns(*divmod(utc, NS)), begins + 1)
        yield Stretch(begins, min(after, ends))
        begins = after


def whole_parts(stretch: Stretch, every_ns: int) -> list[Stretch]:
    """The parts that a stretch falls into without a rest; none where there is one."""
    parts = list(cut(*stretch, every_ns))
    last = next(cut(parts[-1].begins, parts[-1].begins + 2 * every_ns, every_ns)) if parts else None
    return parts if last is not None and last.ends == stretch.ends else []


def _after(day: date) -> date:
    """Raises ValueError."""
    try:
        return day + timedelta(days=1)
    except OverflowError as fault:
        raise ValueError(f"{day} is the last day of the calendar") from fault
