"""What a gateway writes to its disk for each byte that it keeps, and what that means for flash.

1. PMUS PMUs at RATE frames a second of FRAME_BYTES, through the shipped Hearing, Keeper and Spool,
   as fast as it goes: the clock is the benchmark's. Frames are heard as they would be, LATER_NS
   after their instant, however long a commit waits for others. Every batch gets its receipt with
   the next commit, and is freed FREE_AFTER_PIECES commits later.
2. Written is the kernel's account of this process (/proc/self/io, write_bytes); kept are the
   observations as encoded. What comes before the spool reuses what it freed is not counted.
3. Years are an estimate: an 8 GB eMMC of CYCLES erase cycles, evenly worn, that itself writes no
   more than it is told.
"""

import asyncio
import dataclasses
import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from agent import config
from agent.commit import State
from agent.config import Gateway
from agent.health import Health
from agent.hearing import Hearing
from agent.keeper import Keeper
from drivers.keystore.uri import open_signer
from drivers.line import Frame, Instant, Setup
from evidence.code import Flag, Kind, TimeSource
from evidence.leap import BUILT_IN, NS
from hil.bench.process import written_bytes
from hil.bench.seal import in_order
from hil.bench.site import make_site
from provisioning.source import SourceRequest

PMUS, RATE, FRAME_BYTES = 10, 60, 126
OVERHEAD_BYTES = 154  # of an observation: `gridseal-hil bench seal`
LATER_NS = 10_000_000  # less than a period: heard before the commit that they are in
COMMIT_MS = (50, 250, 1000)
WARM_S, MEASURED_S = 90, 180  # of the benchmark's own clock
RECEIPT_BYTES = 600  # of a log of a million entries
START_S = 1_790_000_000
FLASH_BYTES, CYCLES, DAYS_A_YEAR = 8_000_000_000, 3000, 365.25
DAY_S = 86_400


class Clock:
    """It stands still until it is moved."""

    table = BUILT_IN

    def __init__(self) -> None:
        self.tai, self.mono = BUILT_IN.tai_ns(START_S), 1

    def now(self) -> Instant:
        return Instant(self.tai, 1000)

    def monotonic_ns(self) -> int:
        return self.mono

    def jumped(self) -> None:
        return None

    def go(self, ns: int) -> None:
        self.tai, self.mono = self.tai + ns, self.mono + ns


def measure() -> dict[str, Any]:
    """The figures of `gridseal-hil bench flash`."""
    always = {str(ms): _figures("always", ms) for ms in COMMIT_MS}
    return {"always": always, "spill": _figures("spill", COMMIT_MS[0]), "pmus": PMUS}


def _figures(durability: str, commit_ms: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="gridseal-bench-") as folder:
        written, kept = asyncio.run(_play(Path(folder), durability, commit_ms))
    a_day = written / MEASURED_S * DAY_S
    return {
        "written_per_byte_kept": round(written / kept, 3),
        "gigabytes_a_day": round(a_day / 1e9, 2),
        "years_8gb_emmc": round(FLASH_BYTES * CYCLES / max(a_day, 1) / DAYS_A_YEAR, 1),
    }


async def _play(folder: Path, durability: str, commit_ms: int) -> tuple[int, int]:
    gateway, clock, health = _gateway(folder, durability, commit_ms), Clock(), Health()
    hearing = Hearing(gateway.plan, clock, os.urandom, health)
    device = open_signer(gateway.file.gateway.key, gateway.folder)
    keeper = Keeper(gateway, hearing, clock, clock, device, os.urandom, health)
    await keeper.start()
    for number in range(PMUS):
        hearing.hear(f"pmu-{number}", [Setup("1", int(Kind.C37118), b"", (RATE, 1), ())])
    own, answered, frames, written, kept = health.sealed, 0, 0, 0, 0
    steps = (WARM_S + MEASURED_S) * 1000 // commit_ms
    for step in range(steps):
        if step == WARM_S * 1000 // commit_ms:
            written, kept = written_bytes(), _kept(health)
        clock.go(commit_ms * 1_000_000)
        until = (step + 1) * commit_ms * RATE // 1000
        for number in range(PMUS):
            hearing.hear(f"pmu-{number}", [_frame(at) for at in range(frames, until)])
        frames = until
        await keeper.commit()
        answered = await _answer(keeper, answered)
    in_order(health, own + PMUS * frames)
    written, kept = written_bytes() - written, _kept(health) - kept
    await keeper.end_run()
    await keeper.close()
    return written, kept


def _kept(health: Health) -> int:
    return health.sealed * (FRAME_BYTES + OVERHEAD_BYTES)


async def _answer(keeper: Keeper, after: int) -> int:
    """Every batch that waits gets a receipt; the row of the last."""
    spool = keeper.spool
    for batch in await keeper.on_disk(partial(spool.waiting, after, 64)):
        receipt = os.urandom(RECEIPT_BYTES)
        keeper.answer(batch.row, State.RECEIPTED, receipt, batch.observations, batch.size)
        after = batch.row
    return after


def _gateway(folder: Path, durability: str, commit_ms: int) -> Gateway:
    options: dict[str, str | int | bool] = {"host": "127.0.0.1", "port": 4712, "idcode": 1}
    sources = [
        SourceRequest(f"pmu-{number}", "c37118+tcp", options, "Bus 1") for number in range(PMUS)
    ]
    found = config.load(make_site(folder, sources))
    spool = replace(found.file.spool, keep_days=0, durability=durability, commit_ms=commit_ms)
    return dataclasses.replace(found, file=replace(found.file, spool=spool))


def _frame(number: int) -> Frame:
    tai = BUILT_IN.tai_ns(START_S) + number * NS // RATE
    raw, flags = os.urandom(FRAME_BYTES), int(Flag.LOCKED)
    heard = Instant(tai + LATER_NS, 1000)
    return Frame("1", int(Kind.C37118), raw, tai, 1000, int(TimeSource.GNSS), flags, heard)
