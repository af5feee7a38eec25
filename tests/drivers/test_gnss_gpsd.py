"""A receiver behind a real gpsd: its own bytes come through, what gpsd guesses does not count."""

import asyncio
import contextlib
import time
from pathlib import Path

import pytest

from drivers.gnss.check import ubx
from drivers.gnss.wire import Doubt, Epochs, Fix, Mode, Speech, Suspicion
from drivers.line import Instant, LinkError
from evidence.code import Flag
from evidence.leap import BUILT_IN
from hil.devices.receiver import Receiver
from tests.drivers.receiver_peer import (
    RATE,
    WAIT_S,
    free_port,
    gpsd,
    gpsfake,
    listening,
    opened_again,
    runs,
    source,
)


@runs
async def test_ubx_through_gpsd(tmp_path: Path):
    """The receiver's accuracy, not gpsd's constant; its spoofing state, which gpsd drops."""
    receiver, port = Receiver(ubx=True, nmea=False), free_port()
    async with (
        source(receiver) as url,
        gpsd(tmp_path, port, url),
        listening("gpsd", host="127.0.0.1", port=port, fix_s=1) as heard,
    ):
        fix = await heard.fix(lambda fix: fix.speech is Speech.UBX and fix.pulse is not None)
        assert fix.bound_ns == 66 and fix.doubts == frozenset()
        receiver.plight.spoofing = 2
        begun = time.monotonic()
        fix = await heard.fix(lambda fix: fix.spoofing is Suspicion.INDICATED)
        assert time.monotonic() - begun < 2
        receiver.plight.moved_m = (50.0, 0.0, 0.0)
        await heard.fix(lambda fix: fix.place is not None and moved(fix))
        await heard.until(lambda: bool(heard.sealed()[-1].flags & Flag.SPOOF_SUSPECTED))
    assert set(receiver.asked) <= {ubx((0x0A, 0x04))}  # which gpsd asks by itself
    frame = heard.sealed()[-1]
    assert b'"class"' not in frame.raw and frame.raw.startswith(b"\xb5\x62")
    assert [bad.fault for bad in heard.frames if bad.fault is not None] == []


def moved(fix: Fix) -> bool:
    return fix.place is not None and fix.place.latitude_e7 - 469_480_000 > 4_000


@runs
async def test_both_languages_through_gpsd(tmp_path: Path):
    receiver, port = Receiver(ubx=True, nmea=True), free_port()
    async with (
        source(receiver) as url,
        gpsd(tmp_path, port, url),
        listening("gpsd", host="127.0.0.1", port=port) as heard,
    ):
        await heard.fix(lambda fix: fix.speech is Speech.UBX and fix.time_counts)
        seen = len(heard.fixes)
        await heard.until(lambda: len(heard.fixes) > seen + 2 * RATE)
    assert {fix.speech for fix in heard.fixes[seen:]} == {Speech.UBX}


@runs
async def test_nmea_through_gpsd(tmp_path: Path):
    receiver, port = Receiver(ubx=False, nmea=True), free_port()
    async with (
        source(receiver, rate=2) as url,
        gpsd(tmp_path, port, url),
        listening("gpsd", host="127.0.0.1", port=port) as heard,
    ):
        fix = await heard.fix(lambda fix: fix.speech is Speech.NMEA and fix.mode is Mode.NAVIGATION)
        assert fix.time_counts and fix.bound_ns is None
        assert fix.place is not None and fix.place.horizontal_mm == 849


@runs
async def test_gpsd_restarts(tmp_path: Path):
    """Its end is a LinkError, after all that came before; opened again, all is as it was."""
    receiver, port = Receiver(ubx=True, nmea=False), free_port()
    async with source(receiver) as url, contextlib.AsyncExitStack() as first:
        await first.enter_async_context(gpsd(tmp_path, port, url))
        async with listening("gpsd", host="127.0.0.1", port=port) as heard:
            await heard.fix(lambda fix: fix.time_counts)
            await first.aclose()
            with pytest.raises(LinkError, match="closed by the peer"):
                await heard.until(lambda: False)
            with pytest.raises(LinkError, match="Connection refused"):
                await heard.driver.open()
            async with gpsd(tmp_path, port, url):
                await opened_again(heard)
                fix = await heard.fix(lambda fix: fix.time_counts)
    assert fix.bound_ns == 66


@runs
async def test_what_is_wrong_with_a_gpsd_is_said(tmp_path: Path):
    port = free_port()
    with pytest.raises(LinkError, match="Connection refused"):
        async with listening("gpsd", host="127.0.0.1", port=port):
            pass
    async with (
        gpsd(tmp_path, port),
        listening("gpsd", host="127.0.0.1", port=port, silence_s=0.5) as heard,
    ):
        with pytest.raises(LinkError, match="gpsd reads no receiver"):
            await heard.until(lambda: False)
    async with source(Receiver(ubx=False, nmea=False)) as url:
        host, _, other = url.removeprefix("tcp://").rpartition(":")
        async with listening("gpsd", host=host, port=int(other), silence_s=0.5) as heard:
            with pytest.raises(LinkError, match="this is no gpsd"):
                await heard.until(lambda: False)


@runs
async def test_one_receiver_of_several(tmp_path: Path):
    """Named by the daemon's own name for it; another name is told what there is."""
    far, near, port = Receiver(ubx=True, nmea=False), Receiver(ubx=True, nmea=False), free_port()
    far.plight.spoofing = 3
    async with source(far) as one, source(near) as other, gpsd(tmp_path, port, one, other):
        address = {"host": "127.0.0.1", "port": port}
        async with listening("gpsd", device=other, **address) as heard:
            await heard.fix(lambda fix: fix.time_counts)
            await heard.until(lambda: len(heard.fixes) > RATE)
            assert {fix.spoofing for fix in heard.fixes} == {Suspicion.NONE}


@runs
async def test_logs_of_real_receivers_through_gpsfake(tmp_path: Path, captures: Path):
    """gpsfake plays a u-blox's log of 2021 into a gpsd of its own."""
    port, log = free_port(), captures / "nmea" / "pygpsdata-nmea4.log"
    async with (
        gpsfake(tmp_path, port, log),
        listening("gpsd", host="127.0.0.1", port=port, silence_s=10.0) as heard,
        asyncio.timeout(WAIT_S),
    ):
        while not any(map(_as_recorded, heard.fixes)):
            try:
                await heard.until(lambda: any(map(_as_recorded, heard.fixes)))
            except LinkError:
                await opened_again(heard)
    fix = next(filter(_as_recorded, heard.fixes))
    assert not fix.time_counts and fix.bound_ns is None


def _as_recorded(fix: Fix) -> bool:
    said = str(fix.utc) == "2021-03-06T10:36:07+0ns" and Doubt.PAST in fix.doubts
    return said and fix.place is not None and fix.place[:2] == (534_506_570, -22_404_103)


# --- the daemon's own words, where there is nothing else

NOW = Instant(BUILT_IN.tai_ns(1_795_651_200), None)
TPV = (
    b'{"class":"TPV","device":"/dev/ttyS0","mode":3,"time":"2026-11-26T00:00:00.000Z",'
    b'"ept":0.005,"lat":46.948,"lon":7.4474,"altHAE":600.1,"epx":2.1,"epy":2.1,"leapseconds":18}\r\n'
)
SKY = b'{"class":"SKY","satellites":[{"PRN":5,"gnssid":0,"ss":41.0,"used":true}]}\r\n'


def test_what_gpsd_says_by_itself_has_no_accuracy():
    """`ept` is a constant, and `epx` a rule of thumb."""
    found = Epochs(through_gpsd=True).feed(SKY + TPV, NOW)
    assert len(found) == 1
    fix = found[0]
    assert isinstance(fix, Fix)
    assert fix.speech is Speech.GPSD and fix.time_counts
    assert fix.tai == NOW.tai
    assert fix.accuracy_ns is None and fix.bound_ns is None
    assert fix.place == (469_480_000, 74_474_000, 600_100, None, None) and not fix.place_counts
    assert fix.leap.tai_utc_s == 37
    assert fix.signals is not None and fix.signals.used == 1
    assert fix.raw == SKY + TPV


@pytest.mark.parametrize(
    ("change", "doubts"),
    [
        ((b'"mode":3', b'"mode":1'), {Doubt.NO_FIX}),
        ((b'"mode":3', b'"mode":3,"status":8'), {Doubt.SIMULATED}),
        ((b"2026-11-26", b"2007-04-12"), {Doubt.WEEK_ROLLOVER}),
        ((b"2026-11-26", b"1980-01-06"), {Doubt.CLOCK_UNSET}),
        ((b"2026-11-26", b"2026-02-30"), {Doubt.DATE_INVALID, Doubt.NO_TIME}),
    ],
)
def test_what_is_wrong_with_it_is_named(change: tuple[bytes, bytes], doubts: set[Doubt]):
    fix = Epochs(through_gpsd=True).feed(TPV.replace(*change), NOW)[0]
    assert isinstance(fix, Fix)
    assert fix.doubts == doubts
