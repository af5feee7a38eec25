"""Simulated sources of time whose errors the simulation knows: what a kernel's pulse, a receiver's
serial line, ptp4l and chronyd tell of a simulated machine; and the servo that follows them.

1. Each tells what the real one tells, before any opinion is made of it: the kernel's file, a Fix,
   pmc's figures, chronyc's. `lost`: what it tells without signal.
2. Errors are those that real parts have, bias included, drawn once a source or once a sample.

- Pulse: u-blox state 30 ns RMS of a time pulse (ZED-F9P) and some ns (F9T); an antenna cable that
  is off by some metres. The kernel's stamp comes 6.0 to 8.6 us after the edge in 98 %, 6.9 us in
  the mean (pps-gpio on a BeagleBone against a timer's capture: blog.dan.drown.org), or 1 us after
  it with a tenth of that scatter on a FAST machine, which stands for none that was measured; and
  once in a thousand far later, behind another interrupt.
- Serial: first bytes some tens of ms after the epoch, with a deviation of some ms and a ramp as the
  solution takes longer (M. Sims, time-nuts 2016-07: the messages of twenty receivers).
- PTP, stamped in software: some 10 us from the wire to the stamp on reception, some us on sending,
  so that the mean path delay is mostly the stack, and a third to a half of it is asymmetric. What
  ptp4l settles at is off by that, whatever its offset says. Its noise is about 0.3 us
  (lists.ntp.org, SO_TIMESTAMPING 2012: raw offsets); the grandmaster is within the 100 ns that it
  states.
- NTP: a server of stratum 1 behind 20 ms of network, of which up to a fifth is asymmetric, with
  queues; polls of 64 s; skew and dispersion as chronyd makes them.

It moves nobody's clock but the simulated machine's.
"""

import random
from typing import NamedTuple

from drivers.gnss.fix import Doubt, Fix, FixType, Leap, Mode, Speech, Suspicion
from drivers.line import Instant
from drivers.timekeeper.chrony import LeapStatus, Tracking
from drivers.timekeeper.pmc import (
    Current,
    Default,
    Parent,
    Port,
    PortState,
    Ptp,
    TimeProperties,
    TimeStatus,
)
from evidence.leap import NS
from hil.sim.oscillator import Machine

TAI_UTC_S = 37
GRANDMASTER = "001122.fffe.334455"


class Interrupt(NamedTuple):
    """How late a machine stamps an edge, ns: at least, and the scale of what comes on top."""

    least_ns: float
    scale_ns: float


BEAGLEBONE = Interrupt(5_900.0, 600.0)
FAST = Interrupt(900.0, 60.0)


class Pulse:
    """A receiver's pulse on a pin of the machine."""

    def __init__(self, chance: random.Random, interrupt: Interrupt) -> None:
        self.lost = False
        self.ahead_ns = 0.0  # of the machine at the last edge, as its stamp has it
        self._chance, self._interrupt = chance, interrupt
        self._cable_ns = chance.uniform(-30.0, 30.0)
        self._sequence = 0

    def second(self, machine: Machine, utc_s: int) -> bytes | None:
        """What the kernel's file holds then; None: as before."""
        if self.lost:
            return None
        chance = self._chance
        late_ns = self._interrupt.least_ns + chance.gammavariate(1.5, self._interrupt.scale_ns)
        if chance.random() < 0.001:
            late_ns += chance.expovariate(1 / 20_000.0)
        edge_ns = self._cable_ns + chance.gauss(0.0, 15.0)
        self.ahead_ns = machine.wall_at(0.0) + edge_ns + late_ns
        self._sequence += 1
        second, ns = divmod(utc_s * NS + round(self.ahead_ns), NS)
        return b"%d.%09d#%d\n" % (second, ns, self._sequence)


class Line:
    """A receiver's serial line."""

    def __init__(self, chance: random.Random) -> None:
        self.lost = False
        self.after_s = 0.0  # in truth: from the epoch to its first byte
        self._chance = chance

    def second(self, at_s: int) -> None:
        ramp_ms = 12.0 * ((at_s % 700) / 700)
        self.after_s = (45.0 + ramp_ms + abs(self._chance.gauss(0.0, 6.0))) / 1000

    def fix(self, tai: int, heard_tai: int) -> Fix:
        """The epoch of an instant."""
        return Fix(
            Instant(heard_tai, None), Speech.UBX, b"", None if self.lost else tai, None,
            None if self.lost else 25 + self._chance.randrange(15),
            FixType.NONE if self.lost else FixType.SPACE, Mode.NAVIGATION, None,
            Leap(TAI_UTC_S, True), Suspicion.NONE, Suspicion.NONE, None, None, None,
            frozenset({Doubt.NO_FIX}) if self.lost else frozenset(), 0,
        )  # fmt: skip


class Slave:
    """ptp4l, stamped in software on the machine's own clock."""

    def __init__(self, chance: random.Random) -> None:
        self.lost = False
        self.offset_ns = 0
        self._chance = chance
        self._into_s = chance.uniform(0.1, 0.35)  # when a Sync comes in
        self._wire_ns = chance.uniform(600.0, 6_000.0)  # a switch or two that know no PTP
        self._rx_ns = chance.uniform(8_000.0, 20_000.0)
        self._tx_ns = chance.uniform(2_000.0, 5_000.0)
        self._master_ns = chance.uniform(-60.0, 60.0)
        self._delay_ns = 0.0
        self._ingress_ns = 0

    def second(self, machine: Machine, utc_s: int) -> None:
        if self.lost:
            return
        chance = self._chance
        there = self._wire_ns + self._rx_ns + chance.gammavariate(2.0, 150.0)
        back = self._wire_ns + self._tx_ns + chance.gammavariate(2.0, 100.0)
        measured = (there + back) / 2
        self._delay_ns += (measured - self._delay_ns) * (0.1 if self._delay_ns else 1.0)
        wall = machine.wall_at(self._into_s)
        self.offset_ns = round(wall + self._master_ns + there - self._delay_ns)
        self._ingress_ns = utc_s * NS + round(self._into_s * NS + wall)

    def ptp(self) -> Ptp:
        """What pmc prints."""
        state = PortState.LISTENING if self.lost else PortState.SLAVE
        return Ptp(
            TimeStatus(self.offset_ns, self._ingress_ns, not self.lost, GRANDMASTER),
            Parent(f"{GRANDMASTER}-1", GRANDMASTER, 6, 0x21, 0x4E5D),
            TimeProperties(TAI_UTC_S, True, False, False, True, True, True, 0x20),
            Current(1, self.offset_ns, round(self._delay_ns)),
            Default("aabbcc.fffe.ddeeff", 0, 255),
            (Port("aabbcc.fffe.ddeeff-1", state, 1, 3, 0, 1, 0, 0),),
            "SOFTWARE",
        )


class Daemon:
    """chronyd with one server."""

    POLL_S = 64
    SLEW_S = 16  # it takes off that part of what is left each second

    def __init__(self, chance: random.Random) -> None:
        self.lost = False
        self._chance = chance
        self._asymmetry = chance.uniform(-0.2, 0.2)
        self.left_ns = 0.0  # of what the last update found: not slewed away yet
        self._updated_s: int | None = None
        self._root_delay_ns = 0
        self._spread_ns = 400_000.0

    def second(self, machine: Machine, utc_s: int) -> float | None:
        """The offset that an update finds, when there is one."""
        self.left_ns -= self.left_ns / self.SLEW_S
        if self.lost or (self._updated_s is not None and utc_s % self.POLL_S):
            return None
        chance = self._chance
        there, back = (chance.expovariate(1 / 300_000.0) for _ in range(2))
        self._root_delay_ns = round(20_000_000.0 + there + back)
        off = self._asymmetry * 20_000_000.0 / 2 + (there - back) / 2
        found = machine.wall_at(0.4) + off
        self._spread_ns += 0.1 * (abs(found) - self._spread_ns)
        self.left_ns, self._updated_s = found, utc_s
        return found

    def tracking(self, utc_s: int) -> Tracking | None:
        """What chronyc prints; None before the first update."""
        if self._updated_s is None:
            return None
        skew_ppb = max(round(self._spread_ns / (8 * self.POLL_S) * 2), 10)
        # Root dispersion grows by skew and maxclockerror.
        grown_ns = (utc_s - self._updated_s) * (skew_ppb + 1_000)
        return Tracking(
            *("C0A80001", "192.168.0.1", 2, self._updated_s * NS, round(self.left_ns), 0, 0),
            *(0, skew_ppb, self._root_delay_ns, 1_000_000 + round(self._spread_ns) + grown_ns),
            *(self.POLL_S, LeapStatus.NORMAL),
        )


class Servo:
    """A proportional and integral servo, as ptp4l's: `kp` and `ki` of one second."""

    def __init__(self, kp: float, ki: float, ppb: float) -> None:
        self._kp, self._ki = kp, ki
        self._integral_ppb = ppb

    def update(self, machine: Machine, offset_ns: float) -> None:
        self._integral_ppb -= self._ki * offset_ns
        machine.corrected_ppb = self._integral_ppb - self._kp * offset_ns

    def slew(self, machine: Machine, found_ns: float | None, left_ns: float, slew_s: int) -> None:
        """As chronyd does it: the frequency by what an update found, and what is left, evenly."""
        self._integral_ppb -= self._ki * (found_ns or 0.0)
        machine.corrected_ppb = self._integral_ppb - left_ns / slew_s
