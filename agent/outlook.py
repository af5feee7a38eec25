"""What waits and what will come of it: the oldest batch without a receipt, when the disk is full,
how long the backlog takes.

1. A forecast is a straight line through what was seen lately: the disk over SAMPLES looks, the
   backlog over DRAIN_SAMPLES. Where nothing was seen long enough, or nothing moves, it is null.
2. What is young (STEP_NS) is no backlog: it is on its way.

Nothing here is needed to seal, keep or forward; it only tells.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from agent.config import Gateway
from agent.disk import RESERVE_BYTES
from agent.health import Health
from agent.keeper import Keeper
from agent.schema import SpoolError
from drivers.line import Clock

LOOK_S = 2.0
SAMPLES = 300  # ten minutes: a disk fills slowly, and SQLite's log comes and goes
DRAIN_SAMPLES = 30  # one minute: a link that came back is to be seen
SAMPLES_MIN = 5  # below ten seconds nothing is foretold
STEP_NS = 10_000_000_000
NS = 1_000_000_000
DAY_S = 86_400
_BYTES_S = 125  # of one kbit/s


class Sample(NamedTuple):
    """One look. `at`: s, by a clock that does not step; the rest in bytes."""

    at: float
    space: int  # that observations can still take
    waiting: int
    answered: int  # observations receipted or refused since the start
    oldest: int | None  # ns TAI
    used: int


class Outlook:
    """Looks at the spool now and then, and puts what it sees into the health."""

    def __init__(self, gateway: Gateway, keeper: Keeper, clock: Clock, health: Health) -> None:
        self._keeper, self._clock, self._health = keeper, clock, health
        self._pending_max = gateway.file.spool.pending_bytes_max
        self._cap = gateway.file.uplink.max_kbps * _BYTES_S
        self._samples: deque[Sample] = deque(maxlen=SAMPLES)

    async def watch(self) -> None:
        """Looks every LOOK_S, until cancelled."""
        while True:
            try:
                self._add(await self._keeper.on_disk(self._look(asyncio.get_running_loop().time())))
            except SpoolError:
                self._samples.clear()  # the keeper opens it again
            await asyncio.sleep(LOOK_S)

    def _look(self, at: float) -> Callable[[], Sample]:
        spool, health = self._keeper.spool, self._health
        waiting, answered = health.waiting_bytes, health.receipted + health.refused

        def look() -> Sample:
            space = spool.space() - RESERVE_BYTES
            return Sample(at, space, waiting, answered, spool.oldest(), spool.used())

        return look

    def _add(self, sample: Sample) -> None:
        self._samples.append(sample)
        health, now = self._health, self._clock.now().tai
        health.bytes_kept, health.oldest = sample.used, sample.oldest
        age = 0 if sample.oldest is None else max(now - sample.oldest, 0)
        health.oldest_age_s = None if sample.oldest is None else age // NS
        health.disk_full_s = full_in(self._samples, self._pending_max)
        seen = list(self._samples)[-DRAIN_SAMPLES:]
        drain_s = 0.0 if age < STEP_NS else drain_in(seen, self._cap)
        health.days_to_drain = None if drain_s is None else round(drain_s / DAY_S, 4)
        health.bytes_written = written()


def full_in(samples: deque[Sample], pending_max: int) -> int | None:
    """Seconds until no more observations are taken: the disk has no room, or too much waits."""
    first, last = samples[0], samples[-1]
    if len(samples) < SAMPLES_MIN:
        return None
    took = last.at - first.at
    eaten, queued = first.space - last.space, last.waiting - first.waiting
    ends = [
        max(left, 0) * took / grown
        for left, grown in ((last.space, eaten), (pending_max - last.waiting, queued))
        if grown > 0
    ]
    return round(min(ends)) if ends else None


def drain_in(samples: list[Sample], cap: int) -> float | None:
    """Seconds until nothing waits any more; None when it grows, or stands still.

    By what was seen; where nothing was answered, by what the cap (bytes/s, 0: none) will allow.
    """
    first, last = samples[0], samples[-1]
    if not last.waiting:
        return 0.0
    if len(samples) < SAMPLES_MIN:
        return None
    shrinks = (first.waiting - last.waiting) / (last.at - first.at)
    if last.answered == first.answered:
        shrinks = shrinks + cap if cap else 0.0
    return last.waiting / shrinks if shrinks > 0 else None


def written() -> int | None:
    """Bytes that this process had written to disk (proc(5)); None where nobody counts them."""
    try:
        with open("/proc/self/io", encoding="ascii") as file:
            counts = dict(line.split(": ") for line in file)
    except (OSError, ValueError):
        return None
    return int(counts.get("write_bytes", 0))
