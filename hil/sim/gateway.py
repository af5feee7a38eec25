"""A simulated gateway's timekeeping: a machine, its sources lost and found again, whoever
disciplines its clock by the best of them, and what is shipped to bound it.

1. The opinions are those that agent/timing makes of what the sources tell, and the ruling its
   chooser's; nothing of it is played here but the asking.
2. A second: pulse, first byte of the epoch and Sync at their moments, the ruling in the middle,
   then the daemon's correction.

It compares nothing with the truth.
"""

import random
from collections.abc import Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from agent.timing import chrony, ptp
from agent.timing.choice import Chooser
from agent.timing.opinion import Opinion, Ruling
from agent.timing.oscillator import CLASSES
from agent.timing.pps import PpsKeeper
from agent.timing.receiver import Receiver
from agent.timing.spread import Spread
from agent.timing.uri import PULSE_LATENCY_NS, PpsOptions, PtpOptions
from drivers.line import Instant
from evidence.leap import BUILT_IN, NS
from hil.sim.oscillator import PARTS, Crystal, Lot, Machine
from hil.sim.timesource import (
    BEAGLEBONE,
    TAI_UTC_S,
    Daemon,
    Interrupt,
    Line,
    Pulse,
    Servo,
    Slave,
)

RULED_S = 0.5  # into a second
BEGIN_S = 1_795_651_200  # 2026-11-26, UTC
BOOT_S = BEGIN_S - 1_000
STAMPING_NS = 300  # as agent/timing/jitter.py measures it on machines at hand
LATENCY_NS = NS  # of a receiver's first byte: drivers/gnss/option.py
# How a daemon follows a source, of one second: ptp4l's own for software stamps; a pulse with the
# time constant of chronyd at its usual poll. Of NTP, of one poll.
_GAINS: Final = {
    "pulse": (0.05, 0.001), "ptp": (0.1, 0.001), "ntp": (0.0, 0.0008), "serial": (0.0, 0.0),
}  # fmt: skip
NAMES: Final = tuple(_GAINS)


class Hands:
    """The simulated machine's clock, as the sources' adapters ask for it."""

    table = BUILT_IN

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.at_s, self.into_s = 0, 0.0
        self.bound_ns: int | None = None

    def now(self) -> Instant:
        return Instant(self.tai_ns(), self.bound_ns)

    def tai_ns(self) -> int:
        wall_ns = round(self._machine.wall_at(self.into_s))
        return (BEGIN_S + TAI_UTC_S + self.at_s) * NS + round(self.into_s * NS) + wall_ns

    def monotonic_ns(self) -> int:
        return self.tai_ns() - (BOOT_S + TAI_UTC_S) * NS

    def raw_ns(self) -> int:
        raw_ns = round(self._machine.raw_at(self.into_s))
        return (self.at_s + 1_000) * NS + round(self.into_s * NS) + raw_ns

    def leap_near(self, within_s: int) -> bool:
        """None comes: leap seconds are tested where they happen."""
        return False


class Build(NamedTuple):
    """What a gateway is made of."""

    names: tuple[str, ...]  # which sources it asks, and is disciplined by
    oscillator: str
    lot: Lot
    interrupt: Interrupt = BEAGLEBONE
    latency_ns: int = PULSE_LATENCY_NS  # of its pulse, as its site states it


class Gateway:
    """`losses`: when each source is lost."""

    def __init__(
        self,
        build: Build,
        seed: int,
        folder: Path,
        losses: Mapping[str, Iterable[range]],
    ) -> None:
        chance = random.Random(seed)
        names, oscillator = build.names, build.oscillator
        self.machine = Machine(
            Crystal(PARTS[oscillator], random.Random(chance.random()), build.lot),
            chance.uniform(-3_000.0, 3_000.0),
        )
        self._names = names
        self._losses = {name: tuple(losses.get(name, ())) for name in self._names}
        self._chance = chance
        self._pulse, self._line = Pulse(chance, build.interrupt), Line(chance)
        self._slave, self._daemon = Slave(chance), Daemon(chance)
        self._hands = Hands(self.machine)
        self._receiver = Receiver("serial", LATENCY_NS, self._hands)
        # Kept open, since the text only ever grows; a file of its own each second costs more than
        # all the rest.
        self._file = (folder / "assert").open("wb", buffering=0)
        options = PpsOptions(str(folder), receiver="serial", latency_ns=build.latency_ns)
        self._pps = PpsKeeper("pulse", options, self._hands, self._receiver)
        self._spread = Spread()
        self._chooser = Chooser(CLASSES[oscillator], STAMPING_NS)
        self._servos: dict[str, Servo] = {}

    def second(self, at_s: int) -> Ruling:
        """Called once a second, in turn."""
        machine, utc_s = self.machine, BEGIN_S + at_s
        machine.second(at_s)
        if not self._servos:  # whoever disciplines it has done so for a while
            ppb = self._chance.uniform(-50.0, 50.0) - machine.raw_ppb
            machine.corrected_ppb = ppb
            self._servos = {name: Servo(*_GAINS[name], ppb) for name in self._names}
        for name, source in self._sources().items():
            source.lost = any(at_s in span for span in self._losses.get(name, ()))
        if "pulse" in self._names or "serial" in self._names:
            self._sky(at_s)
        if "ptp" in self._names:
            self._slave.second(machine, utc_s)
        found = self._daemon.second(machine, utc_s) if "ntp" in self._names else None
        self._at(at_s, RULED_S)
        ruling = self._rule()
        self._discipline(found)
        return ruling

    @property
    def blind(self) -> bool:
        """Whether all of its sources are lost."""
        sources = self._sources()
        return all(sources[name].lost for name in self._names)

    def close(self) -> None:
        self._file.close()

    def _sky(self, at_s: int) -> None:
        """A receiver whose pulse is cut off tells on."""
        utc_s = BEGIN_S + at_s
        text = self._pulse.second(self.machine, utc_s) if "pulse" in self._names else None
        if text is not None:
            self._file.seek(0)
            self._file.write(text)
        self._line.second(at_s)
        self._at(at_s, self._line.after_s)
        tai = (utc_s + TAI_UTC_S) * NS
        self._receiver.hear(self._line.fix(tai, self._hands.tai_ns()))

    def _sources(self) -> dict[str, Any]:
        return {
            "pulse": self._pulse, "serial": self._line, "ptp": self._slave, "ntp": self._daemon,
        }  # fmt: skip

    def _at(self, at_s: int, into_s: float) -> None:
        self._hands.at_s, self._hands.into_s = at_s, into_s

    def _rule(self) -> Ruling:
        hands = self._hands
        opinions = [made for name in self._names if (made := self._opinion(name)) is not None]
        # The three clocks are read one after the other.
        late_ns = self._chance.randrange(STAMPING_NS)
        raw_ns = hands.raw_ns() + late_ns
        ruling = self._chooser.rule(opinions, hands.monotonic_ns(), hands.tai_ns(), raw_ns)
        hands.bound_ns = ruling.bound_ns
        return ruling

    def _opinion(self, name: str) -> Opinion | None:
        hands = self._hands
        now_ns = hands.monotonic_ns()
        if name == "pulse":
            return _run(self._pps.ask())
        if name == "serial":
            return self._receiver.opinion(now_ns)
        if name == "ptp":
            if not self._slave.lost:
                self._spread.add(self._slave.offset_ns)
            moment = ptp.Moment(now_ns, hands.tai_ns(), TAI_UTC_S, False)
            return ptp.opinion(name, self._slave.ptp(), moment, PtpOptions(), self._spread.ns)
        tracking = self._daemon.tracking(BEGIN_S + hands.at_s)
        return None if tracking is None else chrony.opinion(name, tracking, now_ns)

    def _discipline(self, found: float | None) -> None:
        """By the best that is there."""
        if "pulse" in self._servos and not self._pulse.lost:
            self._servos["pulse"].update(self.machine, self._pulse.ahead_ns)
        elif "ptp" in self._servos and not self._slave.lost:
            self._servos["ptp"].update(self.machine, float(self._slave.offset_ns))
        elif "ntp" in self._servos:
            daemon = self._daemon
            self._servos["ntp"].slew(self.machine, found, daemon.left_ns, daemon.SLEW_S)


def _run(asking: Coroutine[Any, Any, Opinion]) -> Opinion:
    """An answer that waits for nothing."""
    try:
        asking.send(None)
    except StopIteration as end:
        found: Opinion = end.value
        return found
    raise RuntimeError("a file was waited for")
