"""When something arrived, by the gateway's clock, from the stamp that the kernel took.

1. A stamp (SO_TIMESTAMPNS) is CLOCK_REALTIME as it was on arrival: what waited in a socket while
   the loop was busy is not heard late for that.
2. The clock's bound holds now. Since then the kernel may have slewed it, SLEW_PPM at most: that
   much is added.
3. A stamp from after now, or from longer ago than STALE_NS, means that the clock was set in
   between: then nobody knows better than now.

It asks no clock.
"""

from drivers.line import Instant
from evidence.leap import NS, LeapTable

SLEW_PPM = 500  # adjtimex(2): the kernel slews no faster
STALE_NS = 3600 * NS  # longer than any process is stopped and goes on hearing


def arrival(stamp_ns: int | None, now: Instant, table: LeapTable) -> Instant:
    """The instant of a kernel's stamp (ns of CLOCK_REALTIME), or `now` where there is none.

    `table`: by which the clock made TAI of CLOCK_REALTIME.
    """
    if stamp_ns is None:
        return now
    age_ns = table.utc_ns(now.tai) - stamp_ns
    if not 0 <= age_ns <= STALE_NS:
        return now
    bound = now.bound
    if bound is not None:
        bound += -(-age_ns * SLEW_PPM // 1_000_000)
    return Instant(now.tai - age_ns, bound)
