"""A PMU of a scenario: C37.118 frames of its own configuration, at any pace from 120 a second to
one in an hour.

1. What it measures is a hil.grid.Reading at an instant; how it is wired and how wrong its clock is
   lies between (hil.devices.wiring, hil.devices.profile.turned), and may change while it runs.
2. Another pace is another configuration: a CFG frame goes before the next data frame, as a PMU does
   that was set anew.
3. Its bytes go through the shipped driver's session, which makes Setups and Frames of them.

It keeps no time: whoever plays asks for each frame.
"""

from collections.abc import Callable
from dataclasses import replace

from drivers.c37118.session import Session, Terms
from drivers.c37118.wire import (
    Block,
    FrameType,
    Layout,
    Stamp,
    encode_configuration,
    encode_data,
)
from drivers.line import Frame, Instant, Setup
from evidence.leap import BUILT_IN, NS
from hil.devices.profile import Profile, turned
from hil.devices.unit import STAT_PMU_TQ_SHIFT
from hil.devices.wiring import Wiring
from hil.grid import Reading
from hil.scenario.gateway import CLOCK_BOUND_NS

PATH_NS = 40_000_000  # from the instant measured to the gateway
RATE_MAX = 120  # frames a second: C37.118.1a-2014 5.4.1 asks for 60, allows 120


class Pmu:
    """One PMU. `measure(tai)`: what stands at its bus."""

    def __init__(self, profile: Profile, measure: Callable[[int], Reading]) -> None:
        self._profile, self._measure = profile, measure
        self._session = Session(Terms(idcode=profile.idcode, commands=False))
        self._layout: Layout | None = None
        self.off_ns = 0  # how far its clock is ahead

    def wire(self, wiring: Wiring) -> None:
        """From the next frame on it is wired so; nothing of it is in its configuration."""
        self._profile = replace(self._profile, wiring=wiring)

    def pace(self, period_ns: int, tai: int) -> list[Frame | Setup]:
        """It was set to send one frame a period: the configuration that says so.

        Raises ValueError for a pace that C37.118 cannot state.
        """
        rate = rate_of(period_ns)
        self._profile = replace(self._profile, rate=max(rate, 1), stated_rate=rate)
        configuration = self._profile.configuration(FrameType.CFG2)
        self._layout = Layout(configuration)
        raw = encode_configuration(configuration, self._stamp(tai))
        return self._session.feed(raw, _heard(tai))

    def frame(self, tai: int) -> list[Frame | Setup]:
        """What it sends of an instant of the true time. Raises ValueError before a pace."""
        if self._layout is None:
            raise ValueError("a PMU has a pace before it sends")
        reading, profile = self._measure(tai - self.off_ns), self._profile
        if self.off_ns:
            reading = turned(reading, profile.nominal_hz, self.off_ns)
        stamp = self._stamp(tai)
        pairs, analogs = profile.values(reading, stamp.soc)
        stat = profile.pmu_tq << STAT_PMU_TQ_SHIFT
        block = Block(stat, pairs, reading.frequency_hz, reading.rocof_hz_s, analogs, [])
        return self._session.feed(encode_data(self._layout, stamp, [block]), _heard(tai))

    def _stamp(self, tai: int) -> Stamp:
        utc_ns, base = BUILT_IN.utc_ns(tai), self._profile.time_base
        return Stamp(utc_ns // NS, (utc_ns % NS * base + NS // 2) // NS, 0)


def rate_of(period_ns: int) -> int:
    """DATA_RATE as C37.118.2-2011 Table 8 has it: frames a second, or below 0 seconds a frame.

    Raises ValueError for a pace that is neither.
    """
    if period_ns > 0 and period_ns % NS == 0:
        return 1 if period_ns == NS else -(period_ns // NS)
    if 0 < period_ns < NS and NS % period_ns == 0 and NS // period_ns <= RATE_MAX:
        return NS // period_ns
    raise ValueError(f"{period_ns} ns: whole seconds, or a whole part of one, expected")


def _heard(tai: int) -> Instant:
    return Instant(tai + PATH_NS, CLOCK_BOUND_NS)
