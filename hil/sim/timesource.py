"""Simulated sources of time whose errors the simulation knows, and the servos that follow them:
what a kernel's pulse, a receiver's serial line, ptp4l and chronyd tell of a simulated machine.

1. Each gives what the real one gives, before any opinion is made of it: an edge, an epoch and when
   it was heard, pmc's figures, chronyc's figures. `lost`: it gives what it gives without signal.
2. Errors are those that real parts have, bias included, drawn once a source or once a sample.

- Pulse: u-blox state 30 ns RMS of a time pulse (ZED-F9P) and some ns (F9T); an antenna cable that
  is off by some metres. The kernel's stamp comes 6.0 to 8.6 us after the edge in 98 %, 6.9 us in
  the mean (pps-gpio on a BeagleBone against a timer's capture: blog.dan.drown.org), and far later
  where interrupts were off.
- Serial: first bytes some tens of ms after the epoch, with a deviation of some ms and a wander as
  the solution takes longer (M. Sims, time-nuts 2016-07: last bytes of twenty receivers).
- PTP, stamped in software: tens of us from the driver to the stamp on reception, some us on
  sending, so that the mean path delay is mostly the stack, and a third to a half of it is
  asymmetric. What it settles at is off by that, whatever the offset says. Its noise is about 0.3 us
  (lists.ntp.org, SO_TIMESTAMPING 2012: raw offsets).
- NTP: a server of stratum 1 behind 20 ms of network, of which up to a fifth is asymmetric, with
  queues; polls of 64 s; skew and dispersion as chronyd reports them.

It moves nobody's clock but the simulated machine's.
"""

import random
from dataclasses import dataclass

from hil.sim.oscillator import Machine


@dataclass(slots=True)
class Pulse:
    """A receiver's pulse on a pin of the machine."""

    chance: random.Random
    lost: bool = False
    edge_ns: float | None = None  # the kernel's stamp less the true second, newest
    sequence: int = 0
    cable_ns: float = 0.0

    def __post_init__(self) -> None:
        self.cable_ns = self.chance.uniform(-30.0, 30.0)

    def second(self, machine: Machine) -> None:
        if self.lost:
            return
        chance = self.chance
        late_us = 5.9 + chance.gammavariate(1.5, 0.6)
        if chance.random() < 0.001:
            late_us += chance.expovariate(1 / 4.0)  # an interrupt came first
        edge = self.cable_ns + chance.gauss(0.0, 15.0)
        self.edge_ns = machine.wall_at(0.0) + edge + late_us * 1000
        self.sequence += 1


@dataclass(slots=True)
class Line:
    """A receiver's serial line, without its pulse."""

    chance: random.Random
    lost: bool = False
    heard_ns: float | None = None  # when the first byte came, less the epoch, by the machine
    after_s: float = 0.0  # in truth
    accuracy_ns: int = 25

    def second(self, machine: Machine, at_s: int) -> None:
        chance = self.chance
        ramp_ms = 12.0 * ((at_s % 700) / 700)
        self.after_s = (45.0 + ramp_ms + abs(chance.gauss(0.0, 6.0))) / 1000
        self.accuracy_ns = 25 + chance.randrange(15)
        self.heard_ns = self.after_s * 1e9 + machine.wall_at(self.after_s)


@dataclass(slots=True)
class Slave:
    """ptp4l, stamped in software on the machine's own clock."""

    chance: random.Random
    lost: bool = False
    offset_ns: int | None = None
    delay_ns: int = 0
    into_s: float = 0.3
    wire_ns: float = 0.0
    rx_ns: float = 0.0
    tx_ns: float = 0.0
    master_ns: float = 0.0
    _delay: float = 0.0

    def __post_init__(self) -> None:
        chance = self.chance
        self.wire_ns = chance.uniform(600.0, 6_000.0)  # a switch or two without support for PTP
        self.rx_ns = chance.uniform(8_000.0, 20_000.0)
        self.tx_ns = chance.uniform(2_000.0, 5_000.0)
        self.master_ns = chance.uniform(-60.0, 60.0)
        self.into_s = chance.uniform(0.1, 0.35)

    def second(self, machine: Machine) -> None:
        if self.lost:
            return
        chance = self.chance
        there = self.wire_ns + self.rx_ns + chance.gammavariate(2.0, 150.0)
        back = self.wire_ns + self.tx_ns + chance.gammavariate(2.0, 100.0)
        measured = (there + back) / 2
        self._delay = measured if not self._delay else self._delay * 0.9 + measured * 0.1
        behind = self.master_ns + there - self._delay
        self.offset_ns = round(machine.wall_at(self.into_s) + behind)
        self.delay_ns = round(self._delay)


@dataclass(slots=True)
class Daemon:
    """chronyd with one server."""

    chance: random.Random
    lost: bool = False
    offset_ns: float = 0.0  # of the machine, as the last update found it, less what is slewed since
    updated_s: int = -1
    root_delay_ns: int = 0
    skew_ppb: int = 2_000
    _dispersion: float = 0.0
    _asymmetry: float = 0.0
    _spread: float = 400_000.0

    POLL_S = 64

    def __post_init__(self) -> None:
        self._asymmetry = self.chance.uniform(-0.2, 0.2)

    def second(self, machine: Machine, at_s: int) -> float | None:
        """The offset that an update has found."""
        self.offset_ns *= 1 - 4 / self.POLL_S  # slewed away
        if self.lost or at_s % self.POLL_S:
            return None
        chance = self.chance
        queue = [chance.expovariate(1 / 300_000.0) for _ in range(2)]
        delay = 20_000_000.0 + sum(queue)
        off = self._asymmetry * 20_000_000.0 / 2 + (queue[0] - queue[1]) / 2
        found = machine.wall_at(0.4) + off
        self._spread += 0.1 * (abs(found) - self._spread)
        self.root_delay_ns = round(delay)
        self._dispersion = 1_000_000.0 + abs(self._spread)
        self.skew_ppb = max(round(self._spread / (8 * self.POLL_S) * 2), 10)
        self.offset_ns, self.updated_s = found, at_s
        return found

    def dispersion_ns(self, at_s: int) -> int:
        """As chronyd lets it grow: by skew and 1 ppm (maxclockerror)."""
        return round(self._dispersion + (at_s - self.updated_s) * (self.skew_ppb + 1_000))


class Servo:
    """A proportional and integral servo, as ptp4l's: `kp` and `ki` of one second."""

    def __init__(self, kp: float, ki: float, ppb: float) -> None:
        self._kp, self._ki = kp, ki
        self.integral_ppb = ppb

    def update(self, machine: Machine, offset_ns: float) -> None:
        self.integral_ppb -= self._ki * offset_ns
        machine.corrected_ppb = self.integral_ppb - self._kp * offset_ns
