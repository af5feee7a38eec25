"""What a play does with a place, whichever it has: brings it to the state that a scenario needs,
starts programs there, pulls cables, and takes it all down.

1. `prepare` leaves devices that are up and speak; one that is not is named with why, and the others
   are there all the same.
2. Every program started by it ends with it, at once, whatever state it is in (`close`).
3. What was sent is known for the frames of simulated devices alone: a real one keeps no account.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from hil.child import Programs
from hil.faults.era import Era
from hil.live.place import Cast
from hil.live.script import Script
from hil.live.sheet import Gateway

Endpoint = tuple[str, int]


class RigError(Exception):
    """The place cannot be brought to the state that is needed. The text says what to do."""


@dataclass(slots=True)
class Found:
    """What is there once a place is prepared: addresses of devices, of each gateway where it finds
    the record, and why a device is not there."""

    devices: dict[str, dict[str, Any]] = field(default_factory=dict)
    uplinks: dict[str, Endpoint] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    begins: int = 0  # the grid's first instant, ns TAI
    era: Era | None = None  # the date that all of it is played at, if it is another


class Broken(NamedTuple):
    """A simulated device that measures no more. `device`: empty where nobody knows which; `at`: ns
    TAI; `grid`: since there is nothing left to measure, not by a bug."""

    device: str
    at: int
    grid: bool
    why: str


class Rig(Programs, ABC):
    """One of them, for one play; programs are started where the place's run. `silent`: its devices
    fall silent when they are told so."""

    silent: bool

    @abstractmethod
    async def prepare(self, of: Script, cast: Cast, record: Endpoint) -> Found:
        """Raises ChildError, ChamberError, RigError, OSError."""

    @abstractmethod
    def seen(self, path: Path) -> Path:
        """A path of its programs, as the bench reaches it."""

    @abstractmethod
    async def disk(self, folder: Path, mib: int) -> None:
        """A disk of its own there. Raises ChamberError, RigError."""

    @abstractmethod
    def clock(self, gateway: Gateway) -> dict[str, str]:
        """The environment of an agent that has a clock of its own. Raises OSError, NeedError."""

    @abstractmethod
    def set_clock(self, gateway: str, offset_s: int) -> None:
        """That clock is off by so much from now on. Raises OSError."""

    @abstractmethod
    async def tell(self, device: str | None, do: str, told: Mapping[str, Any]) -> int:
        """Asks a device, or the grid, to do something; when it did, ns TAI.

        Raises ChildError, RigError.
        """

    @abstractmethod
    async def cut(self, name: str, is_cut: bool) -> None:
        """Raises ChildError, RigError, OSError."""

    @abstractmethod
    async def silence(self) -> None:
        """No device says more of the grid, where they can be told so."""

    @abstractmethod
    def claims(self, device: str) -> Iterator[tuple[int, int]] | None:
        """ns TAI of each frame that a device sent, and ns by which its clock was wrong; None where
        nobody wrote it down."""

    @abstractmethod
    async def ended(self) -> dict[str, Any]:
        """The devices are done; what each counted."""

    @abstractmethod
    def broken(self) -> list[Broken]:
        """What broke until then, in order."""

    @abstractmethod
    def close(self) -> list[str]:
        """At once; what of the place may not be as it was before. Idempotent."""
