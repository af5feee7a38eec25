"""Whether there is enough on a bay to say anything of it: a voltage that is one, a current that is
more than what an idle line charges.

1. Too little is never a fault: a line out of service is no wrong line. It is never `ok` either.
2. What is enough is a share of what is nominal or rated; where the plan states neither, nobody can
   say of a current, and of a voltage only that it is there.
"""

from typing import NamedTuple

from evidence.siteplan import SitePlan
from provisioning.preflight import bay
from provisioning.preflight.bay import Course
from provisioning.preflight.phasor import BETWEEN, NEUTRAL

# Of nominal: a dead line beside a live one is lifted to a few percent, seldom to ten.
LIVE_SHARE_MIN = 0.2
# Of rated: below it a line's own charging turns the angle of the current, and classes of protective
# cores say nothing (IEC 61869-2 5.6).
LOAD_SHARE_MIN = 0.1
DEAD_V, DEAD_A = 1.0, 0.01  # without a reference: what a channel to which nothing is wired shows
ROOT_3 = 3**0.5


class Load(NamedTuple):
    """`share`: of nominal or rated, None where neither is stated; `needs`: why it is not enough."""

    share: float | None
    words: str
    needs: str


def voltage(course: Course, plan: SitePlan) -> Load:
    """How live a bus is."""
    value = course.magnitude()
    nominal = nominal_v(course, plan)
    words = f"{value / 1000:.2f} kV"
    if nominal is None:
        return Load(None, words, "" if value > DEAD_V else "a line in service")
    share = value / nominal
    words += f" ({share:.0%} of nominal)"
    return Load(share, words, "" if share >= LIVE_SHARE_MIN else "a line in service")


def nominal_v(course: Course, plan: SitePlan) -> float | None:
    """What a channel of this bay has at nominal voltage, V; None where the plan does not say."""
    bus = bay.bus_of(course.last, plan)
    if bus is None or bus.nominal_kv is None:
        return None
    return bus.nominal_kv * 1000 / (1 if between(course) else ROOT_3)


def between(course: Course) -> bool:
    """Whether its voltages are between phases."""
    phases = course.last.phases
    return any(name in BETWEEN for name in phases) and not any(name in NEUTRAL for name in phases)


def current(course: Course) -> Load:
    """How loaded a terminal is."""
    value, rated = course.magnitude(), course.rated()
    words = f"{value:.1f} A"
    if value <= DEAD_A:
        return Load(0.0, words, "a line in service")
    if rated is None:
        stated = any(channel.ratio for channel in course.last.planned)
        needs = "rated (a ratio to 1 may be of turns)" if stated else "rated, or ratio,"
        return Load(None, words, f"{needs} of its channels in site.toml")
    share = value / rated
    words += f" ({share:.0%} of {rated:g} A)"
    needs = f"a load above {LOAD_SHARE_MIN:.0%} of rated" if share < LOAD_SHARE_MIN else ""
    return Load(share, words, needs)


def of(course: Course, plan: SitePlan) -> Load:
    if course.last.quantity == bay.VOLTAGE:
        return voltage(course, plan)
    return current(course)
