"""When simulated devices measure: exact instants of the UTC second, one timer for all that are in
step.

1. Instants are counted in whole numbers from TAI seconds, so they neither drift nor depend on how
   late a timer fired.
2. A program that was held up sends what it missed, late, up to BEHIND_NS_MAX; what is older is told
   to the device as missed.
3. The clock may step: instants are taken up again from where it then stands.
4. A device that cannot be given an instant, since what it measures has no answer there
   (hil.measurand.FAULTS), is paced no more, and whoever made the pace is told. The others go on.

This is the one place in the devices that reads the machine's clock: as the default of an argument,
and for when something was late.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from evidence.leap import BUILT_IN, NS
from hil.devices.unit import Instant
from hil.devices.watch import Watch
from hil.measurand import FAULTS

BEHIND_NS_MAX = 2 * NS  # as much as a PMU's own buffers would hold
LATE_NS = NS // 4  # two busy lanes of tests on two cores make it 0.1 s late
LATES_MAX = 256  # the last of them


def tai_now() -> int:
    """The machine's clock as ns TAI."""
    utc_ns = time.time_ns()
    return BUILT_IN.tai_ns(utc_ns // NS, utc_ns % NS)


class Device(Protocol):
    """What can be paced."""

    def tick(self, instant: Instant) -> None: ...
    def late(self, instants: int) -> None: ...


Broke = Callable[[Device, Exception], None]


def shown(device: Device, fault: Exception) -> None:
    """What is made of a device that broke where nobody else is told: the loop says it, with where
    it came from."""
    text = f"{type(device).__name__} measures no more: {fault}"
    asyncio.get_running_loop().call_exception_handler({"message": text, "exception": fault})


class _Group:
    """The devices of one rate and phase."""

    def __init__(self, rate: int, phase_ns: int) -> None:
        self.rate = rate
        self.phase_ns = phase_ns
        self.devices: list[Device] = []
        self.next = 0  # instants since 1970 TAI
        self.timer: asyncio.TimerHandle | None = None

    def due_ns(self) -> int:
        second, number = divmod(self.next, self.rate)
        return second * NS + number * NS // self.rate + self.phase_ns

    def seat(self, now_ns: int) -> None:
        """The next instant is the first whose time to be sent has not passed."""
        self.next = -((self.phase_ns - now_ns) * self.rate // NS)

    def instant(self, watch: Watch) -> Instant:
        second, number = divmod(self.next, self.rate)
        return Instant(second * NS + number * NS // self.rate, watch.second(second)[0], number)


class Pace:
    """Ticks devices at their rates. Add, start, stop; all in one asyncio loop."""

    def __init__(
        self,
        now: Callable[[], int] = tai_now,
        watch: Watch | None = None,
        broke: Broke = shown,
    ) -> None:
        """`watch`: of the devices; else theirs shows what `now` does. `broke`: invariant 4."""
        self._watch = watch or Watch(now)
        self._now = self._watch.now
        self._broke = broke
        # When something was caught up, ns TAI by the machine's clock, and how late that was.
        self.lates: deque[tuple[int, int]] = deque(maxlen=LATES_MAX)
        self._groups: dict[tuple[int, int], _Group] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, device: Device, rate: int, phase_us: int = 0) -> None:
        """A device of so many instants a second, each sent `phase_us` after it."""
        key = (rate, phase_us)
        if key not in self._groups:
            self._groups[key] = _Group(rate, phase_us * 1000)
            if self._loop is not None:
                self._begin(self._groups[key])
        self._groups[key].devices.append(device)

    def start(self) -> None:
        """From the next instant on. Call it inside the running loop. Idempotent."""
        if self._loop is not None:
            return
        self._loop = asyncio.get_running_loop()
        for group in self._groups.values():
            self._begin(group)

    def stop(self) -> None:
        """No tick after this. Idempotent."""
        self._loop = None
        for group in self._groups.values():
            if group.timer is not None:
                group.timer.cancel()

    def reset(self) -> None:
        """The devices' clock was set: nothing is caught up, and nothing waited for."""
        for group in self._groups.values():
            if group.timer is not None:
                group.timer.cancel()
            if self._loop is not None:
                self._begin(group)

    def _begin(self, group: _Group) -> None:
        group.seat(self._now())
        self._fire(group)

    def _fire(self, group: _Group) -> None:
        now_ns = self._now()
        behind_ns = now_ns - group.due_ns()
        if behind_ns > BEHIND_NS_MAX or behind_ns < -NS - NS // group.rate:
            missed = group.next
            group.seat(now_ns)
            for device in group.devices:
                device.late(max(group.next - missed, 0))
        elif behind_ns >= LATE_NS:
            self.lates.append((tai_now(), behind_ns))
        while group.due_ns() <= now_ns:
            instant = group.instant(self._watch)
            for device in tuple(group.devices):
                try:
                    device.tick(instant)
                except FAULTS as fault:
                    group.devices.remove(device)
                    self._broke(device, fault)
            group.next += 1
        if self._loop is not None:
            delay_s = (group.due_ns() - now_ns) / NS  # asyncio counts in float seconds
            group.timer = self._loop.call_later(delay_s, self._fire, group)
