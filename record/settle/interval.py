"""Which stretch of time an hour is, as markets count them: by its end, on a clock that is a fixed
time ahead of UTC.

1. Hour ending HE01 of a day is from 00:00 to 01:00 on that clock, HE24 ends the day. A clock that
   changes in spring and autumn has two offsets: who says "prevailing" names the one that holds, and
   so an hour is never missing and never there twice.
2. Intervals have MINUTES, count from midnight of that clock, and are half open: [from, to).
3. In ns TAI: an hour with a leap second has 3,601 s.

The offset is data: of a claim, of a tariff, never of this machine's zone.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from evidence.leap import BUILT_IN

MINUTES = (5, 15, 30, 60)
OFFSET_MIN_MAX = 14 * 60  # Line Islands; the least is -12 h
_DAY_S = 86_400
_EPOCH = date(1970, 1, 1)


class Stretch(NamedTuple):
    """From one instant until before another, ns TAI."""

    begins: int
    ends: int

    @property
    def hours(self) -> float:
        return (self.ends - self.begins) / 3_600_000_000_000


class Convention(NamedTuple):
    """How a market counts. `minutes`: of an interval; `ahead_min`: of UTC: -360 for CST."""

    minutes: int = 60
    ahead_min: int = 0

    def check(self) -> "Convention":
        """Raises ValueError with what is wrong."""
        if self.minutes not in MINUTES:
            raise ValueError(f"an interval of {self.minutes} min; expected one of {MINUTES}")
        if abs(self.ahead_min) > OFFSET_MIN_MAX:
            raise ValueError(f"a clock {self.ahead_min} min ahead of UTC")
        return self

    def ending(self, day: date, number: int) -> Stretch:
        """The interval of a day with this number, from 1: HE07 is `ending(day, 7)`. Raises
        ValueError."""
        most = _DAY_S // 60 // self.minutes
        if not 1 <= number <= most:
            raise ValueError(f"interval {number} of a day of {most}")
        midnight_s = (day - _EPOCH).days * _DAY_S - self.ahead_min * 60
        edges = (midnight_s + 60 * self.minutes * at for at in (number - 1, number))
        return Stretch(*(BUILT_IN.tai_ns(edge) for edge in edges))

    def label(self, stretch: Stretch) -> str:
        """Its end on that clock: 2021-02-15 HE07, or 2021-02-15 06:15 of a shorter one."""
        local = self._local(stretch.ends)
        ended = local - timedelta(minutes=1)  # 24:00 is of the day that it ends
        if self.minutes == 60 and not local.minute and not local.second:
            return f"{ended:%Y-%m-%d} HE{ended.hour + 1:02d}"
        at = "24:00" if ended.date() != local.date() else f"{local:%H:%M}"
        return f"{ended:%Y-%m-%d} {at}"

    def _local(self, tai: int) -> datetime:
        utc_s = BUILT_IN.utc_ns(tai) // 1_000_000_000
        return datetime.fromtimestamp(utc_s + self.ahead_min * 60, UTC)


def cut(begins: int, ends: int, every_ns: int) -> Iterator[Stretch]:
    """A stretch in parts of so much, the last one as long as what is left."""
    while begins < ends:
        yield Stretch(begins, min(begins + every_ns, ends))
        begins += every_ns
