"""TAI - UTC: the one table, its expiry, and the way between the two scales in integer nanoseconds.

1. Signed instants are TAI, ns since 1970-01-01T00:00:00 TAI (the PTP epoch, IEEE 1588-2019 7.2.3).
   UTC lives at the edges.
2. Past its expiry the table still converts, and says `known = False`: whoever signs must say so
   too.

It reads no file and asks no clock.
"""

from bisect import bisect_right
from dataclasses import dataclass

NS = 1_000_000_000
_NTP_TO_UNIX_S = 2_208_988_800  # RFC 5905 6: the NTP era 0 starts 1900-01-01
LEAP_ROWS_MAX = 1000  # the real list has 28 rows; a longer one is not that list


@dataclass(frozen=True, slots=True)
class LeapTable:
    """Offsets TAI - UTC in s, each from its UTC second (Unix count) on; the table vouches until
    `expires_s` (Unix count)."""

    starts_s: tuple[int, ...]
    offsets_s: tuple[int, ...]
    expires_s: int

    def tai_ns(self, utc_s: int, ns: int = 0) -> int:
        """The TAI instant of a UTC second, counted as Unix does, and ns within it."""
        return (utc_s + self.offset_s(utc_s)) * NS + ns

    def offset_s(self, utc_s: int) -> int:
        """TAI - UTC in s at a UTC second."""
        if utc_s >= self.starts_s[-1]:
            return self.offsets_s[-1]
        return self.offsets_s[max(bisect_right(self.starts_s, utc_s) - 1, 0)]

    def utc_ns(self, tai_ns: int) -> int:
        """The Unix count, in ns, of a TAI instant.

        An inserted leap second repeats the count of the second before midnight.
        """
        for at in range(len(self.starts_s) - 1, 0, -1):
            # The leap second begins where the old offset reaches midnight's count.
            if tai_ns >= (self.starts_s[at] + self.offsets_s[at - 1]) * NS:
                return tai_ns - self.offsets_s[at] * NS
        return tai_ns - self.offsets_s[0] * NS

    def known(self, utc_s: int) -> bool:
        """Whether the table vouches for this second."""
        return self.starts_s[0] <= utc_s < self.expires_s

    def inserted_at(self, utc_s: int) -> bool:
        """Whether a leap second was inserted just before this UTC second."""
        at = bisect_right(self.starts_s, utc_s) - 1
        return at > 0 and self.starts_s[at] == utc_s


def parse(text: str) -> LeapTable:
    """Reads `leap-seconds.list` as IERS and IANA publish it. Raises ValueError naming the line."""
    starts: list[int] = []
    offsets: list[int] = []
    expires = 0
    for number, line in enumerate(text.splitlines(), 1):
        try:
            if line.startswith("#@"):
                expires = int(line[2:].split()[0]) - _NTP_TO_UNIX_S
            elif line.strip() and not line.startswith("#"):
                ntp, offset = line.split()[:2]
                starts.append(int(ntp) - _NTP_TO_UNIX_S)
                offsets.append(int(offset))
        except (ValueError, IndexError) as fault:
            raise ValueError(f"line {number} of the leap second list: {line[:60]!r}") from fault
        if len(starts) > LEAP_ROWS_MAX:
            raise ValueError(f"more than {LEAP_ROWS_MAX} rows in the leap second list")
    if not starts or not expires or starts != sorted(set(starts)):
        raise ValueError("the leap second list has no rows, no expiry (#@), or rows out of order")
    return LeapTable(tuple(starts), tuple(offsets), expires)


# IERS Bulletin C as in the IANA time zone database 2026f: no row since 2017, good until 2027-06-28.
_ROWS = (
    (63072000, 10), (78796800, 11), (94694400, 12), (126230400, 13), (157766400, 14),
    (189302400, 15), (220924800, 16), (252460800, 17), (283996800, 18), (315532800, 19),
    (362793600, 20), (394329600, 21), (425865600, 22), (489024000, 23), (567993600, 24),
    (631152000, 25), (662688000, 26), (709948800, 27), (741484800, 28), (773020800, 29),
    (820454400, 30), (867715200, 31), (915148800, 32), (1136073600, 33), (1230768000, 34),
    (1341100800, 35), (1435708800, 36), (1483228800, 37),
)  # fmt: skip
BUILT_IN = LeapTable(tuple(row[0] for row in _ROWS), tuple(row[1] for row in _ROWS), 1814140800)
