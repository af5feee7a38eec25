"""Receivers behind a real gpsd, and logs of real receivers: what the real agent makes of them."""

import asyncio
import contextlib
import os
import tty
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from drivers.url import Option
from evidence.code import Check, Flag
from hil.devices.pace import tai_now
from hil.devices.receiver import Receiver
from hil.loopback import free_port
from tests.drivers.receiver_peer import gpsd, gpsfake, runs, source
from tests.scenario.witnessing import TRUTH, site

FAST = 0.05  # seconds between two epochs of a log: a test need not take as long as it was


def daemon(port: int, **options: Option) -> tuple[str, dict[str, Option]]:
    return "gpsd", {"host": "127.0.0.1", "port": port, **options}


@runs
async def test_ubx_through_a_gpsd_that_restarts(tmp_path: Path) -> None:
    receiver, port = Receiver(TRUTH, ubx=True, nmea=False), free_port()
    async with source(receiver, 1) as url, contextlib.AsyncExitStack() as first:
        await first.enter_async_context(gpsd(tmp_path, port, url))
        async with site(tmp_path, {"gnss": daemon(port)}) as there:
            await there.place("checked")
            receiver.plight.spoofing = 2
            await there.finds(Check.SPOOFING, "the receiver sees signs of spoofing", 3.0)
            receiver.plight.spoofing = 1
            await first.aclose()
            told = await there.finds(Check.FIX_LOST, "gnss: no epoch any more")
            assert told["place"]["state"] == "unchecked"
            assert told["time"]["chosen"] != "gnss"
            await there.until(lambda told: told["sources"]["gnss"]["state"] == "down")
            async with gpsd(tmp_path, port, url):
                await there.place("checked")
                back = tai_now()
                await there.calm()
                held = await there.end()
    assert Flag.PLACE_CHECKED in held.marks(back, tai_now())


@runs
async def test_nmea_through_gpsd_states_no_accuracy_of_time_and_checks_the_place(
    tmp_path: Path,
) -> None:
    receiver, port = Receiver(TRUTH, ubx=False, nmea=True), free_port()
    async with (
        source(receiver, 1) as url,
        gpsd(tmp_path, port, url),
        site(tmp_path, {"gnss": daemon(port)}) as there,
    ):
        told = await there.place("checked")
        assert told["receivers"]["gnss"]["bound_ns"] is None
        receiver.plight.moved_m = (0.0, 50.0, 0.0)
        await there.place("doubted", 15.0)
        await there.end()


@runs
async def test_a_log_through_gpsfake_is_of_the_past_and_vouches_for_nothing(
    tmp_path: Path, captures: Path
) -> None:
    log, port = captures / "nmea" / "pygpsdata-nmea4.log", free_port()
    async with (
        gpsfake(tmp_path, port, log),
        site(tmp_path, {"gnss": daemon(port, silence_s=10.0)}) as there,
    ):
        told = await there.finds(Check.FIX_DOUBTED, "past: before this program was written")
        assert told["time"]["chosen"] != "gnss" and told["place"]["state"] == "unchecked"
        assert "gnss: " in await there.words()
        held = await there.end()
    assert held.marks(0, tai_now()) == {Flag(0)}


@contextlib.asynccontextmanager
async def replayed(lines: Sequence[bytes]) -> AsyncIterator[str]:
    """A log said again and again on a pseudo-terminal: where an RMC begins, an epoch does."""
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)

    async def say() -> None:
        while True:
            for line in lines:
                if b"RMC" in line[:6]:
                    await asyncio.sleep(1.0)
                with contextlib.suppress(BlockingIOError):
                    os.write(master, line)
                await asyncio.sleep(FAST)

    saying = asyncio.create_task(say())
    try:
        yield os.ttyname(slave)
    finally:
        saying.cancel()
        await asyncio.gather(saying, return_exceptions=True)
        os.close(master)
        os.close(slave)


def logs() -> list[str]:
    """What is recorded of NMEA; more may lie there than was here."""
    named = os.environ.get("GRIDSEAL_CAPTURES")
    folder = Path(named) if named else Path(__file__).parents[2].parent / "shared" / "captures"
    return sorted(path.name for path in (folder / "nmea").glob("*.log")) or ["absent.log"]


@pytest.mark.parametrize("name", logs())
def test_a_log_of_a_real_receiver_vouches_for_nothing_and_says_why(
    tmp_path: Path, captures: Path, name: str
) -> None:
    """Recorded long ago, elsewhere, with bad checksums, or without a fix: each is named."""

    lines = (captures / "nmea" / name).read_bytes().splitlines(keepends=True)

    @runs
    async def play() -> None:
        async with (
            replayed(lines) as path,
            site(tmp_path, {"gnss": ("nmea", {"path": path})}) as there,
        ):
            told = await there.until(
                lambda told: any(one["check"].startswith("fix_") for one in told["checks"])
            )
            assert told["place"]["state"] == "unchecked"
            assert told["time"]["chosen"] != "gnss"
            words = await there.words()
            assert "FIX LOST for " in words or "FIX DOUBTED for " in words
            held = await there.end()
        assert held.marks(0, tai_now()) == {Flag(0)}

    play()
