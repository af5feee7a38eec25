"""The sources of time that a gateway was told of, put together: one row a kind. What reads a kind
is loaded where there is one.

It opens nothing and runs nothing: each source does, when it is asked first.
"""

from collections.abc import Callable, Mapping

from agent.clock import SystemClock
from agent.config import Sketch
from agent.timing.kernel import Kernel
from agent.timing.opinion import Ruling, TimeKeeper
from agent.timing.oscillator import CLASSES, DEFAULT
from agent.timing.receiver import Receiver
from agent.timing.timekeeping import Timekeeping
from agent.timing.uri import ChronyOptions, KernelOptions, PpsOptions, PtpOptions, Told
from drivers import registry
from drivers.line import Source


def timekeeping(
    gateway: Sketch, clock: SystemClock, tell: Callable[[Ruling], None] | None = None
) -> Timekeeping:
    """The gateway's own."""
    heard = {
        source.name: Receiver(source.name, _latency_ns(source), clock)
        for source in gateway.sources
        if source.scheme in registry.RECEIVERS
    }
    keepers = [_keeper(one, clock, heard) for one in gateway.timekeepers]
    oscillator = CLASSES[gateway.file.clock.oscillator]
    return Timekeeping(clock, oscillator, keepers, heard.values(), tell)


def by_kernel(clock: SystemClock) -> Timekeeping:
    """What goes without configuration: this machine's own kernel is asked."""
    return Timekeeping(clock, CLASSES[DEFAULT], [Kernel("kernel", clock)])


def _latency_ns(source: Source) -> int:
    latency_ms: int = registry.options_of(source).latency_ms
    return latency_ms * 1_000_000


def _keeper(told: Told, clock: SystemClock, heard: Mapping[str, Receiver]) -> TimeKeeper:
    name, options = told.name, told.options
    match options:
        case ChronyOptions():
            from agent.timing.chrony import Chrony

            return Chrony(name, options, clock)
        case PtpOptions():
            from agent.timing.ptp import PtpKeeper

            return PtpKeeper(name, options, clock)
        case PpsOptions():
            from agent.timing.pps import PpsKeeper

            return PpsKeeper(name, options, clock, heard.get(options.receiver))
        case KernelOptions():
            return Kernel(name, clock)
