"""What a record does when nobody asks it anything: it looks at the values of what it admitted.

1. A round (record.round) begins every so often, and goes on, batch by batch, while no request
   waits. Under requests without end it goes on all the same, a batch every BUSY_S: what is found
   comes late, and admission pays a hundredth.
2. What fails is said and tried again at the next time: nothing that was answered depends on it. A
   bug ends the looking, and is said too.
"""

import asyncio
import logging
from typing import Protocol

from record.sequencer import Appraised
from record.store import StoreError

BUSY_S = 0.5  # a batch takes some ms
log = logging.getLogger("gridseal.record.idle")


class Looked(Protocol):
    """The record, as far as it is looked at: record.desk."""

    async def begin_round(self) -> bool:
        """Whether there is anything to look at. Raises StoreError."""

    async def step_round(self) -> Appraised | None:
        """Raises StoreError."""

    async def end_round(self, found: Appraised) -> None:
        """Raises StoreError."""

    async def quiet(self) -> None:
        """Returns when no request waits."""


async def look(record: Looked, every_s: float) -> None:
    """Until it is cancelled."""
    while True:
        await asyncio.sleep(every_s)
        try:
            while await record.begin_round():
                await record.end_round(await _round(record))
        except StoreError as fault:
            log.warning("values are not looked at: %s", fault)


def ended(looking: asyncio.Task[None]) -> None:
    """For whoever began it: a bug in it ends nothing else, and must not be silent."""
    if not looking.cancelled() and looking.exception() is not None:
        log.error("values are not looked at any more: a bug", exc_info=looking.exception())


async def _round(record: Looked) -> Appraised:
    while True:
        try:
            async with asyncio.timeout(BUSY_S):
                await record.quiet()
        except TimeoutError:
            pass
        found = await record.step_round()
        if found is not None:
            return found
