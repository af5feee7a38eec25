"""A device of a scenario as it stands in the plant: what the plant asks of whatever plays it.

1. It is opened, then started; it has an address that a gateway is told, and acts by name that a
   scenario may ask for while it runs. `cut` and `silence` every one of them has.
2. `sent` is told of each data frame as it goes out, for those kinds whose frames are accounted for.
3. An act that cannot be done is refused by ValueError, in words; nothing is half done.
4. What ends a device while it runs is told (`broke`), be it a grid that did not hold or a bug:
   none falls silent by itself.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from evidence.leap import BUILT_IN, NS, LeapTable
from hil.devices.pace import tai_now
from hil.devices.watch import PENDING_S, Watch
from hil.measurand import Measurand

Act = Callable[..., Awaitable[None] | None]
Broke = Callable[[BaseException], None]
Sent = Callable[[int, int, int], None]  # IDCODE, ns TAI, ns by which its clock is wrong


class Date(NamedTuple):
    """The date of a play: so far ahead of this machine's, with leap seconds by `table`, which
    devices announce `pending_s` before."""

    ahead_s: int = 0
    table: LeapTable = BUILT_IN
    pending_s: int = PENDING_S


TODAY = Date()


@dataclass(frozen=True, slots=True)
class Asked:
    """What the plant is asked to make. `number`: of the device, from 1; `bus`: the grid's number of
    what it measures; `delay_us`: until its instrument has an estimate; `cable`: the interface it
    sends on, where it has one, and `far`: the gateway's end; `environment`: of programs that share
    the gateway's clock; `date`: of the play."""

    name: str
    kind: str
    number: int
    bus: int
    settings: Any
    grid: Measurand
    folder: Path
    sent: Sent
    broke: Broke
    delay_us: int = 0
    cable: str = ""
    far: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    date: Date = TODAY

    def watch(self, off_ns: int = 0) -> Watch:
        """A clock of its own, at that date, and wrong by so much."""
        date = self.date
        return Watch(tai_now, date.table, date.ahead_s * NS, off_ns, date.pending_s)


def running(asked: Asked, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    """A device's own work, in the running loop: invariant 4."""

    def ended(task: "asyncio.Task[None]") -> None:
        fault = None if task.cancelled() else task.exception()
        if fault is not None:
            asked.broke(fault)

    task = asyncio.get_running_loop().create_task(work)
    task.add_done_callback(ended)
    return task


class Stand(Protocol):
    """One device. Made by its module's `make(asked)`."""

    acts: Mapping[str, Act]

    async def open(self) -> dict[str, Any]:
        """Its address, as hil.live.kind reads it. Raises OSError."""
        ...

    def start(self) -> None:
        """It measures from the next instant on."""
        ...

    def silence(self) -> None:
        """It says no more of the grid; what it sent leaves its lines."""
        ...

    def cut(self, is_cut: bool) -> None:
        """Its cable is pulled, or plugged in again."""
        ...

    async def close(self) -> None: ...

    def report(self) -> dict[str, Any]:
        """What it counted."""
        ...
