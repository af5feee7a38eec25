"""A simulated receiver and who hears it, a second a step, without a line between them."""

import dataclasses

from drivers.gnss.wire import Bad, Epochs, Fix
from drivers.line import Instant
from evidence.leap import BUILT_IN, NS, LeapTable
from hil.devices.gnss import Plight
from hil.devices.receiver import Receiver

START = BUILT_IN.tai_ns(1_795_651_200)  # 2026-11-26 00:00:00 UTC
LATER_NS = 60_000_000  # of what is heard after its instant


class Line:
    """A receiver and who hears it, a second a step."""

    def __init__(
        self,
        ubx: bool = True,
        nmea: bool = False,
        tai: int = START,
        table: LeapTable = BUILT_IN,
        known: LeapTable | None = None,
    ) -> None:
        self.receiver = Receiver(ubx=ubx, nmea=nmea, table=table)
        self.epochs = Epochs(known or table)
        self.tai = tai
        self.bad: list[Bad] = []

    def step(self, **plight: object) -> Fix:
        """The next second, under a plight; the one Fix that comes of it."""
        found = self.steps(**plight)
        assert len(found) == 1
        return found[0]

    def steps(self, **plight: object) -> list[Fix]:
        for name, value in plight.items():
            setattr(self.receiver.plight, name, value)
        heard = Instant(self.tai + LATER_NS, 1_000_000)
        items = self.epochs.feed(self.receiver.epoch(self.tai), heard)
        items += self.epochs.settle(heard)
        self.tai += NS
        self.bad += [item for item in items if isinstance(item, Bad)]
        return [item for item in items if isinstance(item, Fix)]

    def clear(self) -> None:
        """All is well again, but for the place in time."""
        for one in dataclasses.fields(Plight):
            setattr(self.receiver.plight, one.name, getattr(Plight(), one.name))
