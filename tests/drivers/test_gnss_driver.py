"""A receiver on a serial line: what it is asked, what is kept of it, what happens to the line."""

import asyncio
import contextlib
import subprocess
import sys
import time

import pytest

from drivers import asks, registry
from drivers.gnss.check import ubx
from drivers.gnss.wire import FIX_BYTES_MAX, Doubt, Epochs, Fix, Mode, Speech, Suspicion
from drivers.line import LinkError, Source
from drivers.url import source
from evidence.code import Flag, Kind, TimeSource
from evidence.config import ConfigError
from hil.devices.pace import tai_now
from hil.devices.receiver import VERSION, Pty, Receiver
from hil.devices.unit import Instant
from tests.conftest import ROOT
from tests.drivers.receiver_peer import DRIVERS, NS, RATE, Clock, listening, on_line, runs


@runs
async def test_a_receiver_as_it_comes_is_asked_for_what_is_read():
    """It tells NMEA and no UBX by itself. It is asked for rates in RAM, and for nothing else."""
    receiver = Receiver()
    with on_line(receiver) as (_, path):
        async with listening("ublox", path=path) as heard:
            assert heard.setups[0].configuration == VERSION
            assert heard.setups[0].kind == Kind.FIX
            fix = await heard.fix(lambda fix: fix.speech is Speech.UBX and fix.pulse is not None)
            await heard.until(lambda: bool(heard.sealed()))
    assert fix.bound_ns == 66 and fix.doubts == frozenset()
    assert len(heard.setups) == 1
    assert receiver.rates == {key: 10 if key in SELDOM else 1 for key in receiver.rates}
    names = [asks.UBX_POLLS.get((*raw[2:4], raw[6:-2]), "rates") for raw in receiver.asked]
    assert names == ["poll MON-VER", "rates", "poll CFG-TMODE-MODE"]
    frame = next(frame for frame in heard.sealed() if not frame.flags & Flag.AGENT_STAMPED)
    assert (frame.kind, frame.source) == (Kind.FIX, TimeSource.GNSS)
    assert frame.bound == 66
    assert frame.tai % (NS // RATE) == 0


SELDOM = {(0x01, 0x26), (0x01, 0x3B)}


@runs
async def test_an_older_receiver_is_asked_the_older_way():
    receiver = Receiver()
    receiver.old = True
    with on_line(receiver) as (_, path):
        older = VERSION[6:-2].replace(b"PROTVER=29.20", b"PROTVER=18.00")
        receiver.version = ubx((0x0A, 0x04), older)
        async with listening("ublox", path=path) as heard:
            await heard.fix(lambda fix: fix.speech is Speech.UBX)
    assert {raw[2:4] for raw in receiver.asked} == {
        b"\x0a\x04",
        b"\x06\x01",
        b"\x06\x3d",
        b"\x06\x71",
    }


@runs
async def test_nothing_is_asked_where_nothing_may_be():
    for scheme, options in (("ublox", {"asks": "none"}), ("nmea", {})):
        receiver = Receiver()
        with on_line(receiver) as (_, path):
            async with listening(scheme, path=path, **options) as heard:
                fix = await heard.fix(lambda fix: True)
        assert fix.speech is Speech.NMEA and receiver.asked == []


@runs
async def test_what_is_kept():
    """A frame every fix period, and one at once when the state changes; all good bytes, whole."""
    receiver = Receiver(ubx=True, nmea=False)
    with on_line(receiver) as (_, path):
        async with listening("ublox", path=path, fix_s=2) as heard:
            await heard.until(lambda: len(heard.sealed()) >= 2)
            first = len(heard.sealed())
            receiver.plight.spoofing = 3
            begun = time.monotonic()
            fix = await heard.fix(lambda fix: fix.spoofing is Suspicion.AFFIRMED)
            assert time.monotonic() - begun < 2
            await heard.until(lambda: bool(heard.sealed()[-1].flags & Flag.SPOOF_SUSPECTED))
            assert len(heard.sealed()) - first <= 2
            await heard.until(lambda: len(heard.sealed()) >= first + 2)
    assert fix.time_counts
    for frame in heard.sealed():
        assert 0 < len(frame.raw) <= FIX_BYTES_MAX
        epochs = Epochs()
        again = [item for item in epochs.feed(frame.raw, frame.heard) if isinstance(item, Fix)]
        assert again and again[-1].tai == frame.tai  # what is sealed says what it was stamped by
        assert not epochs.flush(frame.heard)
    stamps = [fix.tai for fix in heard.fixes]
    assert stamps == sorted(set(filter(None, stamps)))


@runs
async def test_a_flickering_receiver_does_not_fill_the_disk():
    receiver = Receiver(ubx=True, nmea=False)
    with on_line(receiver, rate=20) as (_, path):
        async with listening("ublox", path=path, fix_s=3600) as heard:
            for turn in range(40):
                receiver.plight.antenna = 2 + turn % 2
                seen = len(heard.fixes)
                while len(heard.fixes) == seen:
                    await heard.fix(lambda fix: True)
    assert len(heard.fixes) >= 40
    assert len(heard.sealed()) <= 12


@runs
async def test_loss_of_the_fix_is_told_at_once_and_its_return():
    receiver = Receiver()
    with on_line(receiver) as (_, path):
        async with listening("ublox", path=path) as heard:
            await heard.fix(lambda fix: fix.time_counts)
            receiver.plight.lost = True
            begun = time.monotonic()
            fix = await heard.fix(lambda fix: Doubt.NO_FIX in fix.doubts)
            assert time.monotonic() - begun < 2
            assert fix.bound_ns is None
            receiver.plight.lost = False
            await heard.fix(lambda fix: fix.time_counts)


@runs
async def test_a_timing_receiver_is_known_as_one():
    """By its fix, and by its configuration while it has none."""
    receiver = Receiver()
    receiver.plight.held = receiver.plight.lost = True
    with on_line(receiver) as (_, path):
        async with listening("ublox", path=path) as heard:
            fix = await heard.fix(lambda fix: fix.speech is Speech.UBX)
            assert fix.mode is Mode.FIXED and not fix.time_counts


@runs
async def test_after_a_loss_of_power_it_is_asked_again():
    """Rates live in RAM. NMEA is heard in the meantime."""
    receiver = Receiver()
    with on_line(receiver) as (_, path):
        async with listening("ublox", path=path) as heard:
            await heard.fix(lambda fix: fix.speech is Speech.UBX)
            receiver.lose_power()
            await heard.fix(lambda fix: fix.speech is Speech.NMEA)
            # Three seconds of patience: much less than until it would be asked anyway.
            fix = await heard.fix(lambda fix: fix.speech is Speech.UBX, 8.0)
    assert fix.bound_ns == 66


@runs
async def test_a_silent_receiver_and_a_line_that_is_gone():
    receiver = Receiver()
    with on_line(receiver) as (pty, path):
        async with listening("ublox", path=path, silence_s=0.5) as heard:
            await heard.fix(lambda fix: True)
            receiver.plight.silent = True
            with pytest.raises(LinkError, match="no epoch for"):
                await heard.until(lambda: False)
            receiver.plight.silent = False
            heard.setups += await heard.driver.open()
            await heard.fix(lambda fix: True)
            pty.close()
            with pytest.raises(LinkError):
                await heard.until(lambda: False)


def held_up() -> None:
    """The whole loop, for longer than a silence."""
    time.sleep(0.7)


@runs
async def test_the_time_that_we_were_held_up_is_nobodys_silence():
    receiver = Receiver()
    with on_line(receiver) as (_, path):
        async with listening("ublox", path=path, silence_s=0.5) as heard:
            await heard.fix(lambda fix: True)
            receiver.plight.silent = True
            # Nothing of it waits to be read. This, and until the next look and the next epoch, is
            # less than its silence, whatever the phase of either.
            with contextlib.suppress(TimeoutError):
                await heard.until(lambda: False, 0.05)
            held_up()
            await asyncio.sleep(0.01)
            receiver.plight.silent = False
            seen = len(heard.fixes)
            await heard.until(lambda: len(heard.fixes) > seen)


@runs
async def test_bad_bytes_are_frames_with_a_fault():
    """Counted and kept in the ring by whoever reads, and never sealed."""
    receiver = Receiver(ubx=True, nmea=True)
    with on_line(receiver) as (_, path):
        async with listening("ublox", path=path) as heard:
            await heard.fix(lambda fix: True)
            receiver.plight.bad_checks = True
            await heard.until(lambda: len(heard.frames) - len(heard.sealed()) > 5)
            receiver.plight.bad_checks = False
            fix = await heard.fix(lambda fix: fix.faults > 0)
            assert fix.time_counts
    faults = {frame.fault.fault for frame in heard.frames if frame.fault is not None}
    # Within a damaged message an octet of the time of day may be a $, and then no sentence.
    assert "check_word" in faults and faults <= {"check_word", "shape"}


@runs
async def test_a_reader_that_is_cancelled_loses_nothing():
    """Told by hand: of a receiver that is paced, a machine that stands still leaves epochs out."""
    receiver = Receiver(ubx=True, nmea=False)
    pty = Pty(receiver)
    path = pty.open()
    first = tai_now() // NS * NS
    given = [first + number * NS // 20 for number in range(60)]
    loop = asyncio.get_running_loop()
    try:
        async with listening("ublox", path=path) as heard:
            for number, tai in enumerate(given):
                # Before it is given up, in the same moment, and after.
                loop.call_later(number % 16 / 1000, receiver.tick, Instant(tai, 0, number % 20))
                while len(heard.fixes) <= number:
                    with contextlib.suppress(TimeoutError):
                        await heard.until(lambda: False, 0.013)
    finally:
        pty.close()
    assert [fix.tai for fix in heard.fixes] == given


def test_what_is_refused_before_anything_is_opened():
    for scheme, options, named in (
        ("ublox", {}, "path"),
        ("ublox", {"path": "/dev/ttyS0", "bauds": 9600}, "bauds"),
        ("ublox", {"path": "/dev/ttyS0", "fix_s": 0}, "fix_s"),
        ("nmea", {"path": "/dev/ttyS0", "asks": "full"}, "asks"),
        ("gpsd", {"host": "localhost", "device": 'x"}'}, "device"),
    ):
        with pytest.raises(ConfigError, match=named):
            DRIVERS[scheme](Source("bench", scheme, options), Clock())


@pytest.mark.parametrize(
    ("url", "options"),
    [
        (
            "ublox:///dev/ttyACM0?baud=9600&fix_s=1",
            {"path": "/dev/ttyACM0", "baud": 9600, "fix_s": 1},
        ),
        ("nmea:///dev/ttyS1", {"path": "/dev/ttyS1"}),
        (
            "gpsd://localhost:2948/dev/ttyACM0",
            {"host": "localhost", "port": 2948, "device": "/dev/ttyACM0"},
        ),
        ("gpsd://127.0.0.1", {"host": "127.0.0.1"}),
    ],
)
def test_as_typed_on_one_line(url: str, options: dict[str, object]):
    made = source(url)
    assert made.options == options
    driver = registry.open_driver(made, Clock())
    assert driver.expected() == (FIX_BYTES_MAX, (1, options.get("fix_s", 10)))


def test_a_gateway_without_the_libraries_is_told_so():
    """They are an extra: a gateway without a receiver does not carry them."""
    code = (
        "import sys; sys.modules['pyubx2'] = None\n"
        "from drivers import registry, url\n"
        "from evidence.config import ConfigError\n"
        "try:\n    registry.open_driver(url.source('gpsd://localhost'), None)\n"
        "except ConfigError as fault:\n    print(fault)\n"
    )
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    assert "'gpsd' needs pyubx2, which is not installed: gridseal[gnss] brings it" in done.stdout


@runs
async def test_a_fix_is_told_before_the_frame_that_carries_it():
    receiver = Receiver(ubx=True, nmea=False)
    with on_line(receiver) as (_, path):
        async with listening("ublox", path=path) as heard:
            order: list[str] = []
            heard.driver.tell = lambda fix: order.append("fix")
            while len(order) < 2:
                for _ in await heard.driver.read():
                    order.append("frame")
                await asyncio.sleep(0)
    assert order[0] == "fix"
