"""Looking at the record while a trial runs: until all is well, until a cross-check trips, until it
has cleared.

1. What is waited for is in the record's file; how it is judged stands elsewhere and is read anew.
2. Every wait is bounded. What does not come is left to the judge, but for the calm before a fault:
   without it there is no trial.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection

from evidence.code import Check, Class
from evidence.leap import NS
from evidence.refusal import EvidenceError
from hil.devices.pace import tai_now
from hil.faults.course import Course
from hil.faults.doubt import Told
from hil.faults.gateway import GatewayError
from hil.faults.rig import GATEWAY_NAME, Rig
from record.store import StoreError

LOOK_S = 0.1
CALM_S, CALM_MOST_S = 2.0, 45.0  # a receiver, chronyd and ptp4l take ten seconds


class Lookout:
    """On one rig."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._course = Course(rig.store, GATEWAY_NAME)

    async def calm(self) -> None:
        """Until every stream has settled for a while, with its place checked where a receiver is.

        Raises GatewayError.
        """
        placed = self._rig.gear is not None and self._rig.gear.outfit.receiver > 0
        lines = len(self._rig.lines) + (self._rig.gear is not None and self._rig.gear.outfit.meter)

        def well() -> bool:
            since = tai_now() - round(CALM_S * NS)
            late = [
                one for one in self._course.told(None, self._rig.true_ns) if one.arrived >= since
            ]
            return len({one.line for one in late}) == lines and all(
                one.klass == Class.SETTLEABLE or (not placed and one.settles()) for one in late
            )

        if not await self._until(well, CALM_MOST_S):
            raise GatewayError(f"all is not well in {CALM_MOST_S:g} s: {self._last()}")
        self._rig.calm = tai_now() - round(CALM_S * NS)

    async def tripped(self, checks: Collection[Check], most_s: float) -> bool:
        """Until one of these trips, from now on."""
        return await self._changed(checks, True, most_s)

    async def cleared(self, checks: Collection[Check], most_s: float) -> bool:
        """Until none of those that tripped stands any more."""
        return await self._until(lambda: not self.stands(checks), most_s)

    def stands(self, checks: Collection[Check]) -> bool:
        """Whether one of these stands, by what was read last."""
        standing: dict[tuple[Check, str | None], bool] = {}
        for change, _ in self._course.changes:
            if change.check in checks:
                standing[change.check, change.line] = change.tripped
        return any(standing.values())

    async def _changed(self, checks: Collection[Check], tripped: bool, most_s: float) -> bool:
        before = len(self._course.changes)

        def found() -> bool:
            late = self._course.changes[before:]
            return any(one.check in checks and one.tripped is tripped for one, _ in late)

        return await self._until(found, most_s)

    async def _until(self, holds: Callable[[], bool], most_s: float) -> bool:
        loop = asyncio.get_running_loop()
        until = loop.time() + most_s
        while loop.time() < until:
            # It may be just being started, or not written to yet.
            with contextlib.suppress(StoreError, EvidenceError):
                self._course.look()
                if holds():
                    self._course.close()
                    return True
            await asyncio.sleep(LOOK_S)
        self._course.close()
        return False

    def _last(self) -> str:
        """What each stream was classed last, and the checks that changed last."""
        last: dict[str, Told] = {
            one.line: one for one in self._course.told(None, self._rig.true_ns)
        }
        classes = [
            f"{line}: {Class(one.klass).name.lower()}/{one.reason}" for line, one in last.items()
        ]
        checks = [
            f"{'' if change.tripped else 'not '}{change.check.name.lower()}: {text}"
            for change, text in self._course.changes[-4:]
        ]
        return "; ".join([*classes, *checks]) or "nothing is in the record"
