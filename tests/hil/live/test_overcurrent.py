"""The protection of a simulated breaker: what it trips for, and that a plant that is held up while
a fault lasts misses none.
"""

from collections.abc import Callable

import pytest

from evidence.leap import NS
from hil.live.stand.goose import LOOK_NS, MS, Overcurrent

BEGINS, PICKUP_A, TRIP_MS = 1_000 * NS, 400.0, 20


def fault(*stretches: tuple[int, int]) -> Callable[[int], float]:
    """Amperes at an instant, where a fault lasts from so many ms to so many."""

    def amps(at: int) -> float:
        ms = (at - BEGINS) / MS
        return 2000.0 if any(begins <= ms < ends for begins, ends in stretches) else 100.0

    return amps


def tripped_ms(amps: Callable[[int], float], looks_ms: range | list[int]) -> int | None:
    """The look at which it trips."""
    relay = Overcurrent(PICKUP_A, TRIP_MS, BEGINS)
    return next((ms for ms in looks_ms if relay.trips(BEGINS + ms * MS, amps)), None)


def test_a_fault_trips_once_it_lasted_for_so_long():
    assert tripped_ms(fault((40, 123)), range(0, 200, 4)) == 60
    assert tripped_ms(fault((40, 56)), range(0, 200, 4)) is None
    assert tripped_ms(fault((40, 56), (64, 80)), range(0, 200, 4)) is None  # not without a break


@pytest.mark.parametrize("held_up_ms", [40, 100, 150, 1000])
def test_what_passed_while_the_plant_was_held_up_is_looked_at(held_up_ms: int):
    amps = fault((40, 123))
    later = [*range(0, 45, 4), 44 + held_up_ms, 48 + held_up_ms]
    assert tripped_ms(amps, later) == 44 + held_up_ms


def test_a_clock_that_was_set_is_no_time_that_passed():
    relay = Overcurrent(PICKUP_A, TRIP_MS, BEGINS)
    amps = fault((-10_000_000, 10_000_000))
    assert not relay.trips(BEGINS + LOOK_NS, amps)
    assert not relay.trips(BEGINS + 3600 * NS, amps)
    assert not relay.trips(BEGINS, amps)
    assert relay.trips(BEGINS + TRIP_MS * MS, amps)
