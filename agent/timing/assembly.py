"""The sources of time that a gateway was told of, put together: one row a kind.

Nothing is loaded for a kind that nobody configured.
"""

from collections.abc import Callable

from agent.clock import SystemClock
from agent.config import Gateway
from agent.timing.kernel import Kernel
from agent.timing.opinion import Ruling, TimeKeeper
from agent.timing.oscillator import CLASSES, DEFAULT
from agent.timing.timekeeping import Timekeeping
from agent.timing.uri import Told


def timekeeping(
    gateway: Gateway, clock: SystemClock, tell: Callable[[Ruling], None] | None = None
) -> Timekeeping:
    """The gateway's own."""
    keepers = [_keeper(one, clock) for one in gateway.timekeepers]
    return Timekeeping(clock, CLASSES[gateway.file.clock.oscillator], keepers, (), tell)


def by_kernel(clock: SystemClock) -> Timekeeping:
    """What goes without configuration: this machine's own kernel is asked."""
    return Timekeeping(clock, CLASSES[DEFAULT], [Kernel("kernel:", clock)])


def _keeper(told: Told, clock: SystemClock) -> TimeKeeper:
    return Kernel(told.name, clock)
