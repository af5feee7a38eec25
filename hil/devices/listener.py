"""Who listens at a port of simulated PMUs: one seat at each of them, one way to be told.

1. Several PMUs may share a port, as streams of a concentrator do: a command goes to the one whose
   IDCODE it names, and the first counts what is for none of them.
2. A listener sits at all of them or at none.

It knows no socket: how bytes go out is the port's.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from drivers.c37118.wire import Bad
from hil.devices.unit import Pmu

Told = Callable[[], None]


class Way(Protocol):
    """How a port reaches one listener."""

    def carry(self, raw: bytes, gone: Told | None) -> None:
        """Takes one frame to be sent; `gone` is called once all of it has gone."""

    def abort(self) -> None:
        """Hangs up, at once."""


class _Seat:
    """hil.devices.unit.Client: this listener, as one PMU knows it."""

    __slots__ = ("_pmu", "_way", "on")

    def __init__(self, pmu: Pmu, way: Way) -> None:
        self.on = False
        self._pmu, self._way = pmu, way

    def send(self, raw: bytes, key: int | None) -> None:
        pmu = self._pmu
        self._way.carry(raw, None if key is None else lambda: pmu.handed(key))

    def abort(self) -> None:
        self._way.abort()


class Listener:
    """One who listens."""

    __slots__ = ("_seats",)

    def __init__(self, pmus: Sequence[Pmu], way: Way) -> None:
        self._seats = {pmu: _Seat(pmu, way) for pmu in pmus}

    def sit(self) -> bool:
        """False: one of them has no seat left, and nothing is sent."""
        if all(pmu.attach(seat) for pmu, seat in self._seats.items()):
            return True
        self.rise()
        return False

    def rise(self) -> None:
        """Is gone. Idempotent."""
        for pmu, seat in self._seats.items():
            pmu.detach(seat)

    def hush(self) -> None:
        """Has not asked for data any more."""
        for seat in self._seats.values():
            seat.on = False

    def dropped(self) -> None:
        """Was too slow, as the first of them counts it."""
        next(iter(self._seats)).counts.dropped += 1

    def overrun(self) -> None:
        """A frame found the line full."""
        next(iter(self._seats)).counts.overrun += 1

    def heard(self, found: bytes | Bad) -> None:
        """What it said: a frame, or bytes that are none."""
        first = next(iter(self._seats))
        idcode = None if isinstance(found, Bad) else first.speech.idcode(found)
        pmu = next((one for one in self._seats if one.profile.idcode == idcode), None)
        pmu = pmu or first
        pmu.heard(self._seats[pmu], found)
