"""A breaker in the plant that publishes its position by GOOSE, on an Ethernet cable of its own.

The data set: XCBR.Pos.stVal, a double point of IEC 61850-7-3 (01 open, 10 closed, 00 between),
its quality, its time; and whether protection tripped it. Protection looks at the currents of the
breaker's own point each LOOK_NS, as they stand there: it opens nothing in the grid.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from evidence.leap import NS
from hil.devices.ether import Addressing, Outlet
from hil.devices.goose import (
    ETHERTYPE,
    LEAP_SECONDS_KNOWN,
    QUALITY_10_BITS,
    GooseProfile,
    GoosePublisher,
    bit_string,
    boolean,
    utc_time,
)
from hil.devices.pace import BEHIND_NS_MAX, tai_now
from hil.live.stand.stand import Act, Asked, running

MS = 1_000_000
LOOK_NS = 4 * MS  # a quarter of a cycle at 60 Hz
GOOD = "0" * 13  # quality: IEC 61850-7-3 6.2
_POSITIONS = {"open": "01", "closed": "10", "between": "00"}


class Overcurrent:
    """Protection by one current: more than `pickup_a` at each look for `trip_ms`.

    A plant that was held up looks at what it missed, as its PMUs send it (hil.devices.pace).
    """

    def __init__(self, pickup_a: float, trip_ms: int, now: int) -> None:
        """Looks from `now` on, ns TAI."""
        self._pickup_a, self._trip_ns = pickup_a, trip_ms * MS
        self._since = 0
        self.next = now  # look

    def trips(self, now: int, amps: Callable[[int], float]) -> bool:
        """Whether it does at any look until now. `amps`: at an instant, A."""
        if not now - BEHIND_NS_MAX <= self.next <= now + LOOK_NS:  # the clock was set
            self.next, self._since = now, 0
        tripped = False
        while self.next <= now:
            if amps(self.next) <= self._pickup_a:
                self._since = 0
            else:
                self._since = self._since or self.next
                tripped = tripped or self.next - self._since >= self._trip_ns
            self.next += LOOK_NS
        return tripped


class GooseStand:
    """One of them."""

    def __init__(self, asked: Asked) -> None:
        of = asked.settings
        self._asked, self._cable = asked, asked.cable
        profile = GooseProfile(
            gocb_ref=of.gocbref,
            steady_ms=of.steady_ms,
            quality=LEAP_SECONDS_KNOWN | QUALITY_10_BITS,
            to=Addressing(ETHERTYPE, of.appid),
        )
        self._position, self._tripped = of.st_val, False
        self._closed_at = 0  # ns TAI
        self._publisher = GoosePublisher(profile, self._entries())
        self._outlet: Outlet | None = None
        self._running: asyncio.Task[None] | None = None
        self._protecting: asyncio.Task[None] | None = None
        self.acts: Mapping[str, Act] = {
            "trip": self._trip,
            "operate": self._operate,
            "storm": self._storm,
            "simulate": self._simulate,
        }
        self._storms: set[asyncio.Task[None]] = set()

    async def open(self) -> dict[str, Any]:
        self._outlet = Outlet(self._cable)
        return {}

    def start(self) -> None:
        if self._outlet is not None:
            self._running = running(self._asked, self._publisher.run(self._outlet))
            if self._asked.settings.pickup_a:
                self._protecting = running(self._asked, self._protect())

    def silence(self) -> None:
        for task in (self._running, self._protecting):
            if task is not None:
                task.cancel()
        self._running = self._protecting = None

    def cut(self, is_cut: bool) -> None:
        """The publisher goes on, and nothing of it goes out."""
        if self._outlet is not None:
            self._outlet.cut = is_cut

    async def close(self) -> None:
        self.silence()
        for task in tuple(self._storms):
            task.cancel()
        if self._outlet is not None:
            self._outlet.close()

    def report(self) -> dict[str, Any]:
        counts = dict(self._outlet.counts) if self._outlet else {}
        return {"sent": 0, **counts, "st_num": self._publisher.st_num}

    async def _protect(self) -> None:
        relay = Overcurrent(self._asked.settings.pickup_a, self._asked.settings.trip_ms, tai_now())
        while True:
            now = tai_now()
            if relay.trips(now, self._amps):
                self._trip()
            await asyncio.sleep((relay.next - now) / NS)

    def _amps(self, at: int) -> float:
        """What protection sees: of the largest phase, and nothing while its breaker is open."""
        if self._position != "closed" or at < self._closed_at:
            return 0.0
        return max(map(abs, self._asked.grid.truth(at, self._asked.bus).currents))

    # --- acts

    def _trip(self) -> None:
        """Protection opens the breaker."""
        self._tripped = True
        self._operate(False)

    def _operate(self, closed: bool) -> None:
        if closed and self._position != "closed":
            self._closed_at = tai_now()
        self._position = "closed" if closed else "open"
        self._tripped = self._tripped and not closed
        self._changed()

    def _simulate(self, simulation: bool = True) -> None:
        """The bit for simulated values (IEC 61850-8-1 Annex A)."""
        self._publisher.profile = replace(self._publisher.profile, simulation=simulation)
        self._changed()

    def _storm(self, changes: int, a_second: float) -> None:
        """The position changes so often, one after the other, as a loose contact has it."""
        task = running(self._asked, self._stormed(changes, a_second))
        self._storms.add(task)
        task.add_done_callback(self._storms.discard)

    async def _stormed(self, changes: int, a_second: float) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            for _ in range(changes):
                self._operate(self._position != "closed")
                await asyncio.sleep(1 / a_second)

    def _changed(self) -> None:
        self._publisher.change(self._entries())
        self._publisher.wake()

    def _entries(self) -> tuple[bytes, ...]:
        position = bit_string(_POSITIONS[self._position])
        return position, bit_string(GOOD), utc_time(tai_now()), boolean(self._tripped)


def make(asked: Asked) -> GooseStand:
    return GooseStand(asked)
