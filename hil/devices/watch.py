"""The clock of a simulated device: at another date than the machine's, or set wrong, as faults have
it.

1. What it shows is exact: the machine's instant, `ahead_ns` (another date) and `off_ns` (wrong).
2. `off_ns` may be set while the device runs, to zero again too: each setting is a turn of its own,
   as a device whose clock is set back says the same instants again.
3. Seconds are counted as C37.118.2-2011 6.2 counts them: an inserted second has the count of the
   midnight that follows it, and Leap Second Pending; from midnight on a day of Occurred.

It sets no clock of the machine's.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from drivers.c37118.stamp import LEAP_OCCURRED, LEAP_PENDING
from evidence import leap
from evidence.leap import BUILT_IN, NS, LeapTable

PENDING_S = 60  # before it, at most: C37.118.2-2011 Table 3
OCCURRED_S = 86_400  # after it: the same


class Watch:
    """One clock. `now`: the machine's, ns TAI."""

    def __init__(
        self,
        now: Callable[[], int],
        table: LeapTable = BUILT_IN,
        ahead_ns: int = 0,
        off_ns: int = 0,
        pending_s: int = PENDING_S,
    ) -> None:
        """`pending_s`: how long before it an inserted second is announced."""
        self.table, self.ahead_ns = table, ahead_ns
        self._pending_s = pending_s
        self._now = now
        self._offs = [off_ns]  # by turn
        # The inserted seconds, of TAI: each just before its new offset begins.
        rows = zip(table.starts_s[1:], table.offsets_s[1:], strict=True)
        self._inserted = tuple(start + offset - 1 for start, offset in rows)

    def now(self) -> int:
        """What it shows, ns TAI."""
        return self._now() + self.ahead_ns + self._offs[-1]

    @property
    def turn(self) -> int:
        return len(self._offs) - 1

    @property
    def off_ns(self) -> int:
        return self._offs[-1]

    def off_in(self, turn: int) -> int:
        """How wrong it was in a turn."""
        return self._offs[turn]

    def set(self, off_ns: int) -> None:
        """From now on it is wrong by that."""
        self._offs.append(off_ns)

    def second(self, tai_s: int) -> tuple[int, int]:
        """SOC of a second of TAI, and the leap bits of FRACSEC's top byte."""
        soc = self.table.utc_ns(tai_s * NS) // NS + (tai_s in self._inserted)
        if any(0 <= second - tai_s <= self._pending_s for second in self._inserted):
            return soc, LEAP_PENDING
        occurred = any(0 < tai_s - second <= OCCURRED_S for second in self._inserted)
        return soc, LEAP_OCCURRED if occurred else 0

    def inserted(self, tai_s: int) -> bool:
        """Whether this second of TAI was inserted."""
        return tai_s in self._inserted


def add_options(parser: argparse.ArgumentParser) -> None:
    """What a device's program is told of its clock."""
    parser.add_argument("--leaps", type=Path, help="a leap second list of another date")
    parser.add_argument("--ahead-s", type=int, default=0, help="that date, from this machine's")
    parser.add_argument(
        "--pending-s", type=int, default=PENDING_S, help="announces a leap second so long before"
    )
    parser.add_argument("--off-ns", type=int, default=0, help="how wrong its clock is")


def of(options: argparse.Namespace, now: Callable[[], int]) -> Watch:
    """The clock of a program's options. Raises OSError, ValueError."""
    table = BUILT_IN
    if options.leaps is not None:
        table = leap.parse(options.leaps.read_text(encoding="utf-8"))
    return Watch(now, table, options.ahead_s * NS, options.off_ns, options.pending_s)
