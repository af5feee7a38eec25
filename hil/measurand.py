"""What simulated devices measure, whatever is behind it: the closed-form grid of hil/grid.py, or a
power system (hil/power).

1. A device knows a bus by a number and itself by another, and asks for an instant (ns TAI).
2. The same question has the same answer, whatever was asked before.
3. One that has none raises one of FAULTS: a system that collapsed (hil.power.demand.VoltageError),
   an instant too far from what was computed.

It is a form, and does nothing.
"""

from typing import Final, Protocol

from hil.grid import Reading

FAULTS: Final = (ArithmeticError, ValueError)


class Terms(Protocol):
    """What a device must agree with."""

    @property
    def nominal_hz(self) -> int:
        """50 or 60."""
        ...


class Measurand(Protocol):
    """What stands at numbered buses. Raises ValueError for a bus that is not there."""

    @property
    def plan(self) -> Terms:
        """On what terms."""
        ...

    def truth(self, tai_ns: int, bus: int) -> Reading:
        """What is there."""
        ...

    def measured(self, tai_ns: int, bus: int, device: int) -> Reading:
        """What this device's instruments say of it."""
        ...
