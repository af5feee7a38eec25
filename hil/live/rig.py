"""What a play does with a place, whichever it has: brings it to the state that a scenario needs,
starts programs there, pulls cables, and takes it all down.

1. `prepare` leaves devices that are up and speak; one that is not is named with why, and the others
   are there all the same.
2. Every program started by it ends with it, at once, whatever state it is in (`close`).
3. What was sent is known for the frames of simulated devices alone: a real one keeps no account.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from hil.child import Child, Program
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


class Rig(Protocol):
    """One of them, for one play. `silent`: its devices fall silent when they are told so."""

    silent: bool

    async def prepare(self, of: Script, cast: Cast, record: Endpoint) -> Found:
        """Raises ChildError, ChamberError, RigError, OSError."""
        ...

    def start_child(
        self,
        name: str,
        module: str,
        arguments: Sequence[str],
        environment: Mapping[str, str] | None = None,
        told: bool = False,
    ) -> Child:
        """A program of ours, where the place's programs run."""
        ...

    def seen(self, path: Path) -> Path:
        """A path of its programs, as the bench reaches it."""
        ...

    async def disk(self, folder: Path, mib: int) -> None:
        """A disk of its own there. Raises ChamberError, RigError."""
        ...

    def clock(self, gateway: Gateway) -> dict[str, str]:
        """The environment of an agent that has a clock of its own. Raises OSError, NeedError."""
        ...

    def set_clock(self, gateway: str, offset_s: int) -> None:
        """That clock is off by so much from now on. Raises OSError."""
        ...

    async def tell(self, device: str | None, do: str, told: Mapping[str, Any]) -> int:
        """Asks a device, or the grid, to do something; when it did, ns TAI.

        Raises ChildError, RigError.
        """
        ...

    async def cut(self, name: str, is_cut: bool) -> None:
        """Raises ChildError, RigError, OSError."""
        ...

    async def silence(self) -> None:
        """No device says more of the grid, where they can be told so."""
        ...

    def claims(self, device: str) -> Iterator[tuple[int, int]] | None:
        """ns TAI of each frame that a device sent, and ns by which its clock was wrong; None where
        nobody wrote it down."""
        ...

    async def ended(self) -> dict[str, Any]:
        """The devices are done; what each counted."""
        ...

    def close(self) -> None:
        """At once. Idempotent."""
        ...


class Programs:
    """Those of a rig. `within`: what starts one where the place's programs run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.within: list[str] = []
        self._programs: list[Program] = []

    def start_child(
        self,
        name: str,
        module: str,
        arguments: Sequence[str],
        environment: Mapping[str, str] | None = None,
        told: bool = False,
        passed: Sequence[int] = (),
    ) -> Child:
        log = self.folder / f"{name}-{len(self._programs)}.log"
        child = Child(
            *(name, module, arguments, log),
            within=self.within,
            environment=environment,
            told=told,
            passed=passed,
        )
        self._programs.append(child)
        return child

    def kill(self) -> None:
        """All of them, the last one first. Idempotent."""
        for program in reversed(self._programs):
            program.kill()
