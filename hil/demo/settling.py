"""The desks of both authorities: what the ends of each seam come to, looked at every second and
settled every SETTLE_S, as records that one says and the other countersigns.

    python -m hil.demo.settling PLAN NUMBER

1. It is a process of its own, so that neither the record nor the page waits for what is computed
   here; each look rests REST times as long as it took.
2. What it finds goes as a line of JSON into the socket NUMBER: `look`, of each seam as
   record.page.live has it, with the log and who cosigned it; `said`, of a settlement, with what the
   record answered; `fault`, in words.
3. An interval is settled LATE_S after its end. One whose samples were missing is settled again once
   both sides have as many: AGAIN_EACH are looked at after each interval, for AGAIN_S, AGAIN_MAX at
   the most.
"""

import asyncio
import json
import socket
import sys
import time
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

from evidence.code import Disagreement
from evidence.leap import BUILT_IN, NS
from evidence.refusal import EvidenceError
from hil.demo.authority import Authorities
from hil.devices.pace import tai_now
from record import config as record_config
from record.known import Known
from record.lookup import NotFoundError
from record.page import live, published
from record.settle import agreed, job, told
from record.settle.agreed import InForce
from record.settle.interval import Stretch
from record.store import Store, StoreError, open_reader

SETTLE_S, LATE_S = 10, 2  # a batch takes a quarter of a second, and a busy machine longer
LOOK_S, REST = 1.0, 3.0
AGAIN_S, AGAIN_EACH, AGAIN_MAX = 600, 8, 128
Told = dict[str, Any]


class _Lacking(NamedTuple):
    """An interval of a seam whose samples were missing."""

    seam: str
    stretch: Stretch


class Settling:
    """Over one record. `plan`: what hil.demo.stage wrote."""

    def __init__(self, plan: dict[str, Any]) -> None:
        config = record_config.read_record(Path(plan["config"]))
        self._publishing = config.publishing
        folders = {name: Path(folder) for name, folder in plan["folders"].items()}
        self._authorities = Authorities(folders, plan["url"], config.anchors.log_key)
        self._store: Store = open_reader(Path(plan["store"]), live=True)
        self._known = Known(self._store)
        self._next = self._end_before(tai_now()) + SETTLE_S * NS
        self._lacking: deque[_Lacking] = deque(maxlen=AGAIN_MAX)

    def look(self) -> Told:
        """Each seam now, and the log. Raises StoreError, EvidenceError."""
        self._store.snapshot()
        try:
            size = self._store.size()
            last = published.last_of(self._store, size)
            tai = 0 if last is None else last.tai
            seams = [self._live(one, tai, size) for one in self._seams(size)]
            return {"seams": seams, "log": published.log_of(self._store, last, self._publishing)}
        finally:
            self._store.rollback()

    async def settle(self) -> AsyncIterator[Told]:
        """What is due, as it is said; nothing before. Raises StoreError, EvidenceError."""
        if tai_now() < self._next + LATE_S * NS:
            return
        stretch = Stretch(self._next - SETTLE_S * NS, self._next)
        self._next = max(self._next + SETTLE_S * NS, self._end_before(tai_now()))
        for settled in await asyncio.to_thread(self._settled, stretch):
            if _lacks(settled):
                self._lacking.append(_Lacking(settled.job.of.seam.name, stretch))
            yield await self._agreed(settled, again=False)
        for _ in range(min(AGAIN_EACH, len(self._lacking))):
            one = self._lacking[0]
            found = await asyncio.to_thread(self._settled, one.stretch, one.seam)
            whole = [settled for settled in found if _is_whole(settled)]
            for settled in whole:
                yield await self._agreed(settled, again=True)
            self._lacking.rotate(-1)
            if whole or one.stretch.ends < tai_now() - AGAIN_S * NS:
                self._lacking.pop()

    # --- inside

    async def _agreed(self, settled: job.Settled, *, again: bool) -> Told:
        """Said by one authority, countersigned by the other."""
        answers = await self._authorities.agree(settled.record(self._authorities.names[0]))
        row = told.told(settled)
        whole = len(answers) == len(self._authorities.names)
        wrong = [one.text for one in answers if one.index is None]
        return {
            **{name: row[name] for name in ("seam", "verdict", "disagreement", "why", "sides")},
            "from": row["from"], "to": row["to"], "line": told.line({**row, "why": ""}),
            "entry": answers[0].index, "joint": whole and not wrong, "text": "".join(wrong),
            "again": again,
        }  # fmt: skip

    def _seams(self, size: int) -> list[InForce]:
        return [one for _, one in sorted(agreed.seams(self._store, size).items())]

    def _live(self, of: InForce, tai: int, size: int) -> Told:
        try:
            return live.live(self._store, self._known, of, tai, size)
        except (EvidenceError, NotFoundError) as fault:
            return {"seam": of.seam.name, "fault": str(fault)}

    def _settled(self, stretch: Stretch, only: str = "") -> list[job.Settled]:
        self._store.snapshot()
        try:
            size = self._store.size()
            found = []
            for of in self._seams(size):
                if only and of.seam.name != only:
                    continue
                asked = job.proposed(self._store, self._known, of, stretch, size)
                found.append(job.settled(self._store, self._known, asked))
            return found
        finally:
            self._store.rollback()

    @staticmethod
    def _end_before(tai: int) -> int:
        """The last mark of ten seconds, by UTC."""
        utc_s = BUILT_IN.utc_ns(tai) // NS
        return BUILT_IN.tai_ns(utc_s // SETTLE_S * SETTLE_S)


def _lacks(settled: job.Settled) -> bool:
    """Whether one side has too little, or nothing at all."""
    counts = settled.outcome.counts
    if settled.outcome.disagreement == Disagreement.MISSING_DATA:
        return True
    return not counts.compared and 0 in (counts.first_alone, counts.second_alone)


def _is_whole(settled: job.Settled) -> bool:
    """Whether what was missing is there, to the last sample."""
    counts = settled.outcome.counts
    return not _lacks(settled) and counts.first_alone == counts.second_alone


async def _run(settling: Settling, to: socket.socket) -> None:
    _, writer = await asyncio.open_connection(sock=to)

    async def tell(**row: Any) -> None:
        writer.write(json.dumps(row).encode() + b"\n")
        await writer.drain()

    while True:
        begun = time.monotonic()
        try:
            await tell(look=await asyncio.to_thread(settling.look))
            async for row in settling.settle():
                await tell(said=row)
        except (StoreError, EvidenceError, NotFoundError) as fault:
            await tell(fault=str(fault))
        took_s = time.monotonic() - begun
        await asyncio.sleep(max(LOOK_S - took_s, REST * took_s))


def main() -> int:
    """0 once whoever listens is gone."""
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    try:
        asyncio.run(_run(Settling(plan), socket.socket(fileno=int(sys.argv[2]))))
    except (ConnectionError, KeyboardInterrupt):
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
