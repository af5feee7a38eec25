"""How far two honest measurements of one thing may be apart: their transformers' classes, the PMUs'
own error, and their clocks.

1. Errors are added, not squared: all may lie to one side, and a technician is not sent for that.
2. A class that the site plan does not state is taken for a wide one of protective cores.
3. Figures of currents are those at a tenth of rated current, where classes are widest.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from evidence import siteplan
from evidence.leap import NS
from provisioning.preflight.bay import Bay

TVE = 0.01  # C37.118.1-2011 5.5.3: of a PMU, in magnitude or, alone, as an angle of 0.573 degrees
TVE_DEGREES = 0.573
FREQ_HZ = 0.005  # the same, Table 3: of the frequency by which an angle is carried on
MINUTES = 60.0


class Error(NamedTuple):
    """A share of the value, and degrees."""

    share: float
    degrees: float


# IEC 61869-3 5.6.301 and 5.6.302, at 80 % to 120 % of rated voltage; 3 states no angle: as 3P.
_VOLTAGE = {
    "0.1": Error(0.001, 5 / MINUTES),
    "0.2": Error(0.002, 10 / MINUTES),
    "0.5": Error(0.005, 20 / MINUTES),
    "1": Error(0.01, 40 / MINUTES),
    "3": Error(0.03, 120 / MINUTES),
    "3P": Error(0.03, 120 / MINUTES),
    "6P": Error(0.06, 240 / MINUTES),
}
# IEC 61869-2 5.6.201, at 5 % of rated current; 5.6.202 tells of protective cores at rated alone,
# and their magnetising current weighs three times as much at a tenth of it.
_CURRENT = {
    "0.1": Error(0.004, 15 / MINUTES),
    "0.2": Error(0.0075, 30 / MINUTES),
    "0.2S": Error(0.0035, 15 / MINUTES),
    "0.5": Error(0.015, 90 / MINUTES),
    "0.5S": Error(0.0075, 45 / MINUTES),
    "1": Error(0.03, 180 / MINUTES),
    "5P": Error(0.03, 180 / MINUTES),
    "10P": Error(0.05, 180 / MINUTES),
}
_WIDE = {"voltage": _VOLTAGE["3P"], "current": _CURRENT["10P"]}
_TABLES = {"voltage": _VOLTAGE, "current": _CURRENT}
_TAIL = re.compile(r" ?FS\d+|(?<=P)R?\d+$|\.0$", re.ASCII)


def of(bay: Bay) -> Error:
    """Of one bay: transformers and PMU."""
    table, wide = _TABLES[bay.quantity], _WIDE[bay.quantity]
    found = _classes(bay.planned, table, wide)
    share = max(error.share for error in found) + TVE
    return Error(share, max(error.degrees for error in found) + TVE_DEGREES)


def _classes(
    planned: Iterable[siteplan.Channel], table: dict[str, Error], wide: Error
) -> list[Error]:
    """Of each channel; of a core of two classes the wider one."""
    words = [word for channel in planned for word in channel.accuracy.split("/")]
    return [table.get(_TAIL.sub("", word.strip()), wide) for word in words] or [wide]


def between(one: Bay, two: Bay, frequency_hz: float) -> Error:
    """Of two bays: how far they may be apart, at these two instants, carried together by their own
    frequency.
    """
    mine, other = of(one), of(two)
    clocks_s = ((one.bound_ns or 0) + (two.bound_ns or 0)) / NS
    carried_s = abs(one.tai - two.tai) / NS
    turned = 360.0 * (frequency_hz * clocks_s + FREQ_HZ * carried_s)
    return Error(mine.share + other.share, mine.degrees + other.degrees + turned)
