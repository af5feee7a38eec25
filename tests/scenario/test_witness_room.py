"""A disk that has no room for samples: lines are held back, the receiver is not."""

import asyncio
import dataclasses
import os
import time
from pathlib import Path

from msgspec.structs import replace

from agent import config, http
from agent.clock import SystemClock, leap_table
from agent.runner import Runner
from drivers.keystore.uri import open_signer
from evidence import gap
from evidence.code import Cause, Check, Flag, Kind
from evidence.leap import NS
from hil.devices.pace import tai_now
from provisioning.init import GATEWAY
from tests.drivers.receiver_peer import runs
from tests.scenario.witnessing import SURVEY, Site, receiver, ublox

PENDING_BYTES = 60_000  # less than a configuration may say: a test need not wait for a MiB


def runner_of(folder: Path) -> Runner:
    found = config.load(folder / GATEWAY)
    spool = replace(found.file.spool, pending_bytes_max=PENDING_BYTES)
    gateway = dataclasses.replace(found, file=replace(found.file, spool=spool))
    client = http.Client(gateway.file.record.url, None, 5, 0)
    device = open_signer(gateway.file.gateway.key, gateway.folder)
    return Runner(gateway, SystemClock(leap_table(None)), device, client, os.urandom)


@runs
async def test_a_receiver_is_heard_while_there_is_no_room_and_what_is_not_kept_is_stated(
    tmp_path: Path,
) -> None:
    there = Site(tmp_path)
    async with receiver() as (gnss, path):
        stop = asyncio.Event()
        try:
            await there.lay({"gnss": ublox(path, fix_s=1)}, SURVEY, "", 1)
            runner = runner_of(there.site)
            running = asyncio.create_task(runner.run(stop, lambda: None))
            await there.place("checked")
            await there.until(lambda told: told["waiting"] and told["sources"]["gnss"]["sealed"])
            full = await there.until(lambda told: told["unkept"] >= 2)
            closed = tai_now()
            assert full["sources"]["pmu"]["state"] == "up"
            gnss.plight.spoofing = 3
            begun = time.monotonic()
            told = await there.finds(Check.SPOOFING, "several signs")
            assert time.monotonic() - begun < 3
            assert told["receivers"]["gnss"]["age_s"] <= 1
            assert told["sources"]["pmu"]["heard"] - full["sources"]["pmu"]["heard"] <= 30
            gnss.plight.spoofing = 1
            await there.serve()
            opened = await there.until(lambda told: told["gaps"].get("not_kept", 0) >= 1)
            assert opened["unkept"] >= 2
            stop.set()
            await running
            held = await there.end()
        finally:
            there.close()
    holes = [
        gap.read(one.raw) for one in held.of(Kind.GAP) if one.stream == held.of(Kind.FIX)[0].stream
    ]
    kept = [one for one in holes if one.cause is Cause.NOT_KEPT]
    assert sum(one.count or 0 for one in kept) == opened["unkept"]
    assert any(one.first <= closed <= one.last + 3 * NS for one in kept)
    assert held.verdicts() and all(
        tai < closed + NS or tai > kept[0].last for tai, _ in held.verdicts()
    )
    assert Flag.PLACE_CHECKED in held.marks(closed - 2 * NS, tai_now())
