"""ptp4l's word: as linuxptp prints it and bent, and two real ones on a cable."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from statistics import median

import pytest

from agent.clock import SystemClock
from agent.timing import child
from agent.timing.opinion import Opinion, Ruling
from agent.timing.oscillator import CLASSES, DEFAULT
from agent.timing.ptp import NETWORK_NS, Moment, PtpKeeper, opinion
from agent.timing.spread import NEEDED
from agent.timing.timekeeping import Timekeeping
from agent.timing.uri import PtpOptions
from drivers.timekeeper import pmc
from evidence.code import Flag, TimeSource
from evidence.leap import BUILT_IN, NS
from tests.agent.machine import Machine
from tests.drivers.receiver_peer import runs
from tests.drivers.timekeeper_peer import MASTER, SLAVE, TRACEABLE, Find, cable, ptp4l, told
from tests.drivers.vector import ROOT

__all__ = ["cable"]  # a fixture

ANSWER = (ROOT / "timekeeper" / "pmc_slave.txt").read_bytes()
INGRESS_NS = 1_795_650_000_000_000_421  # of that answer
MONO_NS = 5_000 * NS
# Half a second after that Sync, on a machine whose UTC it is.
SYSTEM = Moment(MONO_NS, INGRESS_NS + 37 * NS + NS // 2, 37, False)
PHC = Moment(MONO_NS, INGRESS_NS + NS // 2, 37, False)  # whose TAI it is
SPREAD_NS = 400
PLAIN = PtpOptions()
WAIT_S = 40.0
SYNCS = 8  # one a second


def said(
    *changes: tuple[bytes, bytes],
    now: Moment = SYSTEM,
    options: PtpOptions = PLAIN,
    spread_ns: int | None = SPREAD_NS,
) -> Opinion:
    raw = ANSWER
    for old, new in changes:
        assert old in raw
        raw = raw.replace(old, new)
    return opinion("ptp:", pmc.read(raw), now, options, spread_ns)


def terms(found: Opinion) -> dict[str, int]:
    return {term.name: term.ns for term in found.terms}


E2E = (
    (b"delayMechanism          2", b"delayMechanism 1"),
    (b"peerMeanPathDelay       1321", b"peerMeanPathDelay       0"),
)


def test_a_slave_by_software_stamps_measures_this_machines_clock():
    found = said()
    assert (found.offset_ns, found.source) == (133, TimeSource.PTP)
    assert found.at_ns == MONO_NS - NS // 2, "when the last Sync came in"
    assert found.error_ns == sum(term.ns for term in found.terms)
    assert terms(found)["grandmaster"] == 100
    assert terms(found)["scatter"] == SPREAD_NS
    assert (found.locked, found.traceable, found.tai_utc_s) == (True, True, 37)
    assert "class 6" in found.note and "IEC/IEEE 61850-9-3" in found.note


def test_the_paths_asymmetry_is_at_most_the_whole_mean_delay():
    """All of it in one direction: (d - 0) / 2 off, where the mean is (d + 0) / 2."""
    found = said((b"meanPathDelay    1321", b"meanPathDelay    4000"), *E2E)
    assert terms(found)["path"] == 4000
    assert "network" not in terms(found), "end to end, all of the path is measured"


def test_with_peer_delay_the_links_before_the_last_have_the_profiles_figure():
    peer = (b"meanPathDelay    1321", b"meanPathDelay    0")
    assert terms(said(peer)) == {
        "grandmaster": 100,
        "path": 1321,
        "scatter": SPREAD_NS,
        "network": NETWORK_NS,
    }
    stated = said(peer, options=PtpOptions(network_ns=150))
    assert terms(stated)["network"] == 150


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ((b"gmPresent                  true", b"gmPresent  false"), "no grandmaster is followed"),
        ((b"SLAVE", b"LISTENING"), "no grandmaster is followed"),
        ((b"ingress_time               1795650000000000421", b"ingress_time 0"), "no Sync"),
        ((b"gm.ClockClass                         6", b"gm.ClockClass  187"), "class 187"),
        ((b"timeTraceable         1", b"timeTraceable 0"), "not traceable"),
        ((b"ptpTimescale          1", b"ptpTimescale 0"), "timescale of its own"),
        ((b"currentUtcOffsetValid 1", b"currentUtcOffsetValid 0"), "does not vouch for TAI - UTC"),
        ((b"gm.ClockAccuracy                      0x21", b"gm.ClockAccuracy 0xfe"), "how accurate"),
    ],
)
def test_what_is_not_said_is_not_vouched_for(change: tuple[bytes, bytes], fault: str):
    found = said(change)
    assert found.error_ns is None
    assert fault in found.fault


def test_an_accuracy_that_the_grandmaster_does_not_state_the_site_may():
    unknown = (b"gm.ClockAccuracy                      0x21", b"gm.ClockAccuracy 0xfe")
    found = said(unknown, options=PtpOptions(accuracy_ns=300))
    assert terms(found)["grandmaster"] == 300


def test_a_sync_that_is_repeated_grows_old_and_then_counts_for_nothing():
    for late_s, fault in ((2, ""), (4, "no Sync for 4 s"), (400, "no Sync for 400 s")):
        found = said(now=SYSTEM._replace(tai_ns=SYSTEM.tai_ns + late_s * NS - NS // 2))
        assert found.fault == fault
        assert found.at_ns == MONO_NS - late_s * NS
        assert found.locked is (not fault)


def test_a_utc_offset_of_another_second_shows_in_the_offset():
    """ptp4l compares by the grandmaster's, this machine by its table."""
    found = said((b"currentUtcOffset      37", b"currentUtcOffset      38"))
    assert found.offset_ns == 133 - NS
    assert found.tai_utc_s == 38


def test_near_a_leap_second_nothing_is_believed():
    assert said(now=SYSTEM._replace(leap_near=True)).fault == "a leap second is in progress"
    announced, none = said(), said((b"leap61                1", b"leap61                0"))
    assert announced.leap_pending and announced.error_ns is not None
    assert not none.leap_pending


BY_NIC = (b"timestamping            SOFTWARE", b"timestamping            HARDWARE")
UNSAID = (
    (b"GET PORT_PROPERTIES_NP", b""),
    (b"MANAGEMENT PORT_PROPERTIES_NP", b"MANAGEMENT OTHER_NP"),
)


def test_which_clock_it_measures_it_says_or_the_site_does():
    assert said().error_ns is not None
    assert "does not say which clock" in said(*UNSAID).fault
    assert said(*UNSAID, options=PtpOptions(clock="system")).error_ns == said().error_ns
    assert "NIC's clock" in said(*UNSAID, now=PHC, options=PtpOptions(clock="phc")).fault


def test_a_nics_clock_says_nothing_of_this_machines_unless_the_site_does():
    found = said(BY_NIC, now=PHC)
    assert found.error_ns is None and "phc2sys" in found.fault
    options = PtpOptions(phc2sys_ns=2_000)
    stated = said(BY_NIC, now=PHC, options=options)
    assert terms(stated)["phc2sys"] == 2_000
    assert stated.error_ns == sum(term.ns for term in stated.terms)
    assert (stated.offset_ns, stated.at_ns) == (133, MONO_NS - NS // 2)
    # By a PHC the grandmaster's UTC does not enter.
    plain = (b"currentUtcOffsetValid 1", b"currentUtcOffsetValid 0")
    assert said(plain, BY_NIC, now=PHC, options=options).error_ns == stated.error_ns


def test_a_phc2sys_that_makes_this_machines_clock_count_tai_is_not_taken_for_software_stamps():
    """`phc2sys -O 0`: the NIC's clock and this machine's are alike, and this one is 37 s ahead."""
    assert said(BY_NIC, now=SYSTEM).error_ns is None


FIELDS = {
    "grandmaster": b"5af3e9.fffe.e072d1",
    "told_by": b"gmIdentity                 5af3e9",
    "lost": b"gmPresent                  true",
}


class Site:
    """A machine whose hands a test moves, and a pmc that says what it is told."""

    def __init__(self, folder: Path) -> None:
        self.machine = Machine(real=INGRESS_NS)
        self.file = folder / "answer"
        program = script(folder / "pmc", f"while read -r x; do cat {self.file}; done")
        clock = SystemClock(BUILT_IN, self.machine)
        self.keeper = PtpKeeper("ptp:", PtpOptions(pmc=program), clock)

    async def second(self, ingress_s: int, **more: bytes) -> Opinion:
        """One second goes by, and ptp4l's last Sync came in then."""
        self.machine.run(NS)
        raw = ANSWER.replace(b"%d" % INGRESS_NS, b"%d" % (INGRESS_NS + ingress_s * NS))
        for name, value in more.items():
            assert FIELDS[name] in raw
            raw = raw.replace(FIELDS[name], value)
        self.file.write_bytes(raw)
        return await self.keeper.ask()


@runs
async def test_a_new_grandmaster_or_one_that_was_lost_is_believed_by_offsets_of_its_own(
    tmp_path: Path,
):
    """Until ptp4l has the path again, it tells the last offset of before with each new Sync."""
    site = Site(tmp_path)
    few = [False] * (NEEDED - 1) + [True]
    assert [(await site.second(at)).error_ns is not None for at in range(NEEDED)] == few
    mixed = await site.second(NEEDED, told_by=b"gmIdentity                 001122")
    assert mixed.fault == "its grandmaster changes"
    other = b"001122.fffe.334455"
    course = [await site.second(20 + at, grandmaster=other) for at in range(NEEDED)]
    assert [one.error_ns is not None for one in course] == few
    assert (await site.second(30, lost=b"gmPresent false")).error_ns is None
    assert "too few" in (await site.second(31, grandmaster=other)).fault
    await site.keeper.close()


@runs
async def test_a_sync_from_before_the_clock_was_set_back_is_no_newer_for_that(tmp_path: Path):
    site = Site(tmp_path)
    for at in range(NEEDED):
        found = await site.second(at)
    site.machine.real -= 700_000_000
    assert (await site.second(NEEDED - 1)).mark == found.mark == found.at_ns
    await site.keeper.close()


def test_until_the_scatter_is_known_nothing_is_vouched_for():
    assert "too few" in said(spread_ns=None).fault


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("exec sleep 20", "does not answer within"),
        ("yes", "says more than"),
        ("exit 1", "ends"),
        ("while read -r x y; do printf '\\tx seq 0 RESPONSE MANAGEMENT %s \\n' $y; done", "answer"),
        ("while read -r x; do printf '\\tx MANAGEMENT_ERROR_STATUS \\n'; done", "does not answer"),
    ],
)
@runs
async def test_pmc_that_says_something_else_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, fault: str
):
    monkeypatch.setattr(child, "ASK_S", 0.3 if "sleep" in text else 10.0)
    program = await asyncio.to_thread(script, tmp_path / "pmc", text)
    keeper = PtpKeeper("ptp:", PtpOptions(pmc=program), SystemClock(BUILT_IN))
    found = await keeper.ask()
    await keeper.close()
    assert found.error_ns is None
    assert fault in found.fault


@runs
async def test_a_real_pmc_without_ptp4l_is_named(
    tmp_path: Path, program: Find, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(child, "ASK_S", 1.0)
    monkeypatch.setattr(child, "LEAVE_S", 10.0)
    where = PtpOptions(
        path=str(tmp_path / "none"), pmc=str(program("pmc")), reply=str(tmp_path / "reply")
    )
    keeper = PtpKeeper("ptp:", where, SystemClock(BUILT_IN))
    found = await keeper.ask()
    assert found.error_ns is None and "does not answer" in found.fault
    await keeper.close()
    assert not await asyncio.to_thread((tmp_path / "reply").exists), "pmc ended by itself"


@runs
async def test_real_ptp4l_whose_master_serves_utc_as_tai_and_is_lost(
    tmp_path: Path, program: Find, cable: tuple[str, str]
):
    """By software stamps a ptp4l serves its machine's UTC. One that was told to call it TAI is 37 s
    behind, as a grandmaster is that was set up wrongly; found to the microseconds.
    """
    near, far = cable
    clock = SystemClock(BUILT_IN)
    options = PtpOptions(
        path=str(tmp_path / "slave.sock"),
        pmc=str(program("pmc")),
        reply=str(tmp_path / "reply"),
    )
    keeping = Timekeeping(clock, CLASSES[DEFAULT], [PtpKeeper("ptp:", options, clock)])

    async def until(wanted: Callable[[Opinion], bool]) -> Ruling:
        async with asyncio.timeout(WAIT_S):
            while True:
                await keeping.renew()
                if keeping.ruling is not None and wanted(keeping.ruling.judged[0].opinion):
                    return keeping.ruling
                await asyncio.sleep(0.5)

    async with ptp4l(program, tmp_path, "slave", far, SLAVE):
        await until(lambda said: said.fault == "no grandmaster is followed")
        async with ptp4l(program, tmp_path, "master", near, MASTER):
            await until(lambda said: "timescale of its own" in said.fault)
            await told(program, tmp_path, "master", TRACEABLE)
            ruling = await until(lambda said: said.error_ns is not None)
            found = ruling.judged[0].opinion
            assert found.offset_ns is not None and found.error_ns is not None
            assert abs(found.offset_ns - 37 * NS) < 5_000_000
            assert 100 < found.error_ns < 5_000_000
            assert found.leap_pending and found.tai_utc_s == 37
            assert "measures this machine's clock" in found.note
            bound = clock.now().bound
            assert bound is not None and bound >= 36 * NS
            assert clock.source is TimeSource.PTP
        await until(lambda said: bool(said.fault))
        assert keeping.ruling is not None
        assert keeping.ruling.judged[0].opinion.error_ns is None
    await until(lambda said: "pmc" in said.fault)
    await keeping.close()


@contextlib.asynccontextmanager
async def grandmaster(find: Find, space: str) -> AsyncIterator[Callable[[str], None]]:
    """The bench's, which serves TAI by this machine's clock; tell it what it says by JSON."""
    argv = [str(find("ip")), "netns", "exec", space, sys.executable]
    process = await asyncio.create_subprocess_exec(
        *(*argv, "-m", "hil.devices.grandmaster", "--interface", "ptp0", "--told"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    pipe = process.stdin
    assert pipe is not None
    try:
        yield lambda said: pipe.write(said.encode() + b"\n")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        async with asyncio.timeout(10):
            await process.wait()


def true_of_most(words: list[tuple[int, int]]) -> None:
    """The truth is 0. One Sync may have been stamped late, as where the machine is held up between
    two stamps; all of them are not.
    """
    within = sum(abs(offset) <= error for offset, error in words)
    assert within >= len(words) - 1, words
    offset, error = (median(each) for each in zip(*words, strict=True))
    assert abs(offset) <= error, words


@runs
async def test_a_real_ptp4l_behind_a_grandmaster_of_tai_and_what_it_then_claims(
    tmp_path: Path, program: Find, cable: tuple[str, str]
):
    """Both ends are stamped by this machine's clock, so that the true offset is 0; then one that
    serves a time 300 ms behind, and jumps there.
    """
    near, far = cable
    clock = SystemClock(BUILT_IN)
    options = PtpOptions(
        path=str(tmp_path / "slave.sock"),
        pmc=str(program("pmc")),
        reply=str(tmp_path / "reply"),
    )
    keeping = Timekeeping(clock, CLASSES[DEFAULT], [PtpKeeper("ptp", options, clock)])

    async def until(wanted: Callable[[Ruling], bool]) -> Ruling:
        async with asyncio.timeout(WAIT_S):
            while True:
                await keeping.renew()
                if keeping.ruling is not None and wanted(keeping.ruling):
                    return keeping.ruling
                await asyncio.sleep(0.5)

    async with ptp4l(program, tmp_path, "slave", far, SLAVE), grandmaster(program, near) as tell:
        words: dict[int, tuple[int, int]] = {}  # of so many Syncs: offset and error

        def told_often(one: Ruling) -> bool:
            found = one.judged[0].opinion
            if found.offset_ns is not None and found.error_ns is not None:
                words.setdefault(found.mark, (found.offset_ns, found.error_ns))
            return one.bound_ns is not None and len(words) >= SYNCS

        ruling = await until(told_often)
        true_of_most(list(words.values()))
        found = ruling.judged[0].opinion
        assert ruling.bound_ns is not None and ruling.bound_ns < 20_000_000
        assert (ruling.chosen, found.traceable, clock.source) == ("ptp", True, TimeSource.PTP)
        tell('{"ahead_ns": -300000000}')
        ruling = await until(lambda one: bool(one.flags & Flag.CLOCK_DOUBTED))
        bound = clock.now().bound
        assert bound is not None and bound >= 295_000_000, "what can be vouched for spans both"
        assert "jumped" in ruling.judged[0].words
        tell('{"ahead_ns": 0, "clock_class": 187}')
        await until(lambda one: "class 187" in one.judged[0].opinion.fault)
    await keeping.close()
