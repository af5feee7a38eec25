"""chrony's word: its report read, and a real chronyd asked through a chronyc that is kept running.

Nobody's clock is ever set: chronyd runs with -x.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.clock import SystemClock
from agent.timing import child, chrony
from agent.timing.chrony import Chrony
from agent.timing.opinion import Opinion
from agent.timing.oscillator import CLASSES, DEFAULT
from agent.timing.timekeeping import Timekeeping
from agent.timing.uri import ChronyOptions
from drivers.timekeeper.chrony import tracking
from evidence.code import TimeSource
from evidence.leap import BUILT_IN, NS
from tests.agent.machine import Machine
from tests.drivers.receiver_peer import running, runs
from tests.drivers.timekeeper_peer import CHRONY, Feed, Find

WAIT_S = 30.0
REPORT = (
    b"47505300,GPS,1,1795404241.727918138,-0.000100000,0.250000000,0.000000000,"
    b"-1.500,-0.002,0.040,0.001000001,0.000001422,1.0,Normal"
)


def said(report: bytes) -> Opinion:
    return chrony.opinion("chrony:", tracking(report), 7)


def test_a_report_is_the_documented_maximum():
    found = said(REPORT)
    assert found.offset_ns == 100_000, "ahead"
    assert found.error_ns == 500_000 + 1_422 + chrony.ROUNDING_NS
    assert found.error_ns == sum(term.ns for term in found.terms)
    assert found.growth_ppb == 42 + 1_000
    assert (found.source, found.at_ns, found.locked) == (TimeSource.GNSS, 7, True)
    assert not found.leap_pending


@pytest.mark.parametrize(
    ("refid", "stratum", "source"),
    [
        (b"50505330,PPS0", b"1", TimeSource.GNSS),
        (b"50545030,PTP0", b"1", TimeSource.PTP),
        (b"49524947,IRIG", b"1", TimeSource.IRIG),
        (b"50484330,PHC0", b"1", TimeSource.UNKNOWN),
        (b"534F4330,SOC0", b"1", TimeSource.UNKNOWN),
        (b"C0000201,192.0.2.1", b"2", TimeSource.NTP),
        (b"47505300,71.80.83.0", b"2", TimeSource.NTP),  # an address that spells GPS
    ],
)
def test_reference_id_names_the_source_at_stratum_1_only(
    refid: bytes, stratum: bytes, source: TimeSource
):
    assert said(REPORT.replace(b"47505300,GPS,1", refid + b"," + stratum)).source is source


@pytest.mark.parametrize(
    ("report", "fault"),
    [
        (REPORT.replace(b"Normal", b"Not synchronised"), "not synchronised"),
        (REPORT.replace(b"47505300,GPS,1", b"7F7F0101,,10"), "own clock"),
    ],
)
def test_without_a_source_it_vouches_for_nothing(report: bytes, fault: str):
    found = said(report)
    assert found.error_ns is None
    assert fault in found.fault


def test_leap_seconds_are_announced():
    found = said(REPORT.replace(b"Normal", b"Insert second"))
    assert found.leap_pending
    assert found.error_ns is not None


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def laid(folder: Path, text: str) -> Path:
    """A chronyd's configuration; chronyd wants its folder to itself."""
    folder.chmod(0o700)
    file = folder / "conf"
    file.write_text(text)
    return file


async def once(options: ChronyOptions, clock: SystemClock) -> Opinion:
    keeper = Chrony("chrony:", options, clock)
    try:
        return await keeper.ask()
    finally:
        await keeper.close()


@runs
async def test_near_a_leap_second_nothing_is_believed(tmp_path: Path):
    """Through it: chronyd may or may not have counted it yet."""
    machine = Machine(real=(1_483_228_800 - 5) * NS, leap_at_s=1_483_228_800)
    clock = SystemClock(BUILT_IN, machine)
    program = script(tmp_path / "chronyc", f"while read -r x; do echo '{REPORT.decode()}'; done")
    keeper = Chrony("chrony:", ChronyOptions(chronyc=program), clock)
    faults = []
    for _ in range(10):
        faults.append((await keeper.ask()).fault)
        machine.run(NS)
    await keeper.close()
    during = "a leap second is in progress"
    assert faults == ["", "", "", *[during] * 6, ""]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("while read -r x; do echo 506 Cannot talk to daemon; done", "506 Cannot talk"),
        ("while read -r x; do printf '\\377\\n'; done", "no tracking report"),
        ("while read -r x; do echo; done", "no tracking report"),
        ("exec sleep 20", "does not answer within"),
        ("yes", "says more than"),
    ],
)
@runs
async def test_chronyc_that_says_something_else_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, fault: str
):
    monkeypatch.setattr(child, "ASK_S", 0.3 if "sleep" in text else 10.0)
    program = await asyncio.to_thread(script, tmp_path / "chronyc", text)
    found = await once(ChronyOptions(chronyc=program), SystemClock(BUILT_IN))
    assert found.error_ns is None
    assert fault in found.fault or (text == "yes" and "no tracking report" in found.fault)


ERROR_NS = 9_000_000  # where a chronyd that is fed by hand settles


@runs
async def test_a_real_chronyd_that_is_fed_lost_and_back(tmp_path: Path, program: Find):
    """A reference clock that the test feeds: this machine is 3 ms slow, and then right."""
    file = await asyncio.to_thread(laid, tmp_path, CHRONY.format(folder=tmp_path))
    argv = [str(program("chronyd")), "-x", "-d", "-u", "root", "-f", str(file)]
    options = ChronyOptions(str(program("chronyc")), str(tmp_path / "cmd.sock"))
    clock = SystemClock(BUILT_IN)
    keeper = Chrony("chrony:", options, clock)
    keeping = Timekeeping(clock, CLASSES[DEFAULT], [keeper])

    async def until(wanted: Callable[[Opinion], bool]) -> Opinion:
        async with asyncio.timeout(WAIT_S):
            while True:
                feed.tell()
                await keeping.renew()
                ruling = keeping.ruling
                if ruling is not None and wanted(ruling.judged[0].opinion):
                    return ruling.judged[0].opinion
                await asyncio.sleep(0.25)

    with Feed(tmp_path / "ref.sock") as feed:
        async with running("chronyd", argv, tmp_path):
            found = await until(lambda said: "not synchronised" in said.fault)
            assert clock.now().bound is None
            feed.offset_ns = 3_000_000
            # Its first estimate may be worth little: it takes a few samples to know the frequency.
            found = await until(lambda said: said.error_ns is not None and said.error_ns < ERROR_NS)
            assert found.source is TimeSource.GNSS
            assert found.offset_ns is not None and found.error_ns is not None
            assert abs(found.offset_ns + 3_000_000) < max(200_000, found.error_ns)
            bound = clock.now().bound
            assert bound is not None and 2_800_000 < bound < 13_000_000
            assert clock.source is TimeSource.GNSS
        gone = await until(lambda said: bool(said.fault))
        assert gone.error_ns is None and "chronyc" in gone.fault
        async with running("chronyd again", argv, tmp_path):
            await until(lambda said: "not synchronised" in said.fault)
    await keeping.close()


@runs
async def test_a_real_chronyd_that_follows_nothing(tmp_path: Path, program: Find):
    """`local stratum 10` reports leap status Normal and a root dispersion of 0."""
    text = CHRONY.format(folder=tmp_path).partition("\n")[2] + "local stratum 10\n"
    file = await asyncio.to_thread(laid, tmp_path, text)
    argv = [str(program("chronyd")), "-x", "-d", "-u", "root", "-f", str(file)]
    options = ChronyOptions(str(program("chronyc")), str(tmp_path / "cmd.sock"))
    keeper = Chrony("chrony:", options, SystemClock(BUILT_IN))
    async with running("chronyd", argv, tmp_path), asyncio.timeout(WAIT_S):
        for _ in range(100):
            found = await keeper.ask()
            if "own clock" in found.fault:
                break
            await asyncio.sleep(0.1)
        assert "own clock" in found.fault and found.error_ns is None
    await keeper.close()


@runs
async def test_a_real_chronyc_without_a_daemon_is_named(tmp_path: Path, program: Find):
    options = ChronyOptions(str(program("chronyc")), str(tmp_path / "none"))
    found = await once(options, SystemClock(BUILT_IN))
    assert "Could not open connection to daemon" in found.fault
