"""A receiver's epochs as opinions, and a pulse whose second they tell.

The receiver is the bench's, read by the shipped driver's session; the pulse is a file as the kernel
writes it: no such device was at hand.
"""

import asyncio
import random
from pathlib import Path

import pytest

from agent.clock import SystemClock
from agent.timing.kernel import Kernel
from agent.timing.opinion import Opinion
from agent.timing.oscillator import CLASSES, DEFAULT
from agent.timing.pps import PpsKeeper
from agent.timing.receiver import SILENT_NS, UNSTATED_NS, Receiver
from agent.timing.timekeeping import Timekeeping
from agent.timing.uri import PULSE_LATENCY_NS, PpsOptions
from drivers.gnss.fix import Fix
from drivers.gnss.session import Session, Terms
from evidence.code import Flag, TimeSource
from evidence.leap import BUILT_IN, NS
from hil.devices.receiver import Receiver as Device
from tests.agent.machine import Machine

SEED = 20_261_126
MS = 1_000_000
START_S = 1_795_400_000  # 2026-11-23
LATENCY_NS = 200 * MS
LATE_NS = 80 * MS  # how late the device tells


class Site:
    """A machine `ahead_ns` of true time, a receiver on its line, a pulse on its pin."""

    def __init__(self, folder: Path, ubx: bool = True, **pulse: object) -> None:
        self.device = Device(ubx=ubx, nmea=not ubx)
        self.ahead_ns, self.second = 0, START_S  # true, UTC
        self.machine = Machine(real=START_S * NS)
        self.clock = SystemClock(BUILT_IN, self.machine)
        self.session = Session(Terms(NS))
        self.receiver = Receiver("gps", LATENCY_NS, self.clock)
        self.folder, self.sequence, self.cable_ns = folder, 0, 0
        options = PpsOptions(str(folder), receiver="gps", **pulse)  # type: ignore[arg-type]
        self.pps = PpsKeeper("pps:", options, self.clock, self.receiver)
        oscillator = CLASSES[DEFAULT]
        self.keeping = Timekeeping(self.clock, oscillator, [self.pps], [self.receiver])

    def pass_ns(self, ns: int) -> None:
        self.machine.run(ns)

    def fixes(self, raw: bytes) -> list[Fix]:
        heard = self.clock.now()
        found = [one for one in self.session.feed(raw, heard) if isinstance(one, Fix)]
        self.pass_ns(60 * MS)
        settled = self.session.settle(self.clock.now())
        return found + [one for one in settled if isinstance(one, Fix)]

    def tick(self, pulse: bool = True, jitter_ns: int = 0, epoch: bool = True) -> Opinion:
        """One true second: its pulse, its epoch LATE_NS after it, and a ruling at its half."""
        self.second += 1
        if pulse:
            self.edge(jitter_ns)
        self._at(self.second * NS + LATE_NS)
        if epoch:
            self.epoch()
        self._at(self.second * NS + NS // 2)
        asyncio.run(self.keeping.renew())
        return self.receiver.opinion(self.machine.mono)

    def asked(self, after_ms: int, epoch: bool) -> None:
        """One true second, in which the sources are asked so long after its pulse."""
        self.second += 1
        self._at(self.second * NS)
        self.edge(0)
        if after_ms * MS > LATE_NS:
            self._at(self.second * NS + LATE_NS)
            if epoch:
                self.epoch()
        self._at(self.second * NS + after_ms * MS)
        asyncio.run(self.keeping.renew())
        if after_ms * MS < LATE_NS:
            self._at(self.second * NS + LATE_NS)
            if epoch:
                self.epoch()

    def edge(self, jitter_ns: int) -> None:
        self.sequence += 1
        edge_ns = self.second * NS + self.ahead_ns + self.cable_ns + jitter_ns
        seconds, ns = divmod(edge_ns, NS)
        text = f"{seconds}.{ns:09}#{self.sequence}\n"
        (self.folder / "assert").write_text(text)

    def epoch(self) -> None:
        for fix in self.fixes(self.device.epoch(BUILT_IN.tai_ns(self.second))):
            self.keeping.hear("gps", fix)

    def _at(self, true_ns: int) -> None:
        self.pass_ns(true_ns + self.ahead_ns - self.machine.real)

    def pulse(self) -> Opinion:
        return asyncio.run(self.pps.ask())


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def jittered(site: Site, seconds: int = 12) -> None:
    chance = random.Random(SEED)
    for _ in range(seconds):
        site.tick(jitter_ns=chance.randint(-1000, 1000))


def test_an_epoch_is_heard_late_by_half_the_latency_more_or_less(site: Site):
    found = site.tick()
    assert found.offset_ns == LATE_NS - LATENCY_NS // 2
    assert found.error_ns == sum(term.ns for term in found.terms)
    assert found.error_ns is not None and abs(found.offset_ns) <= found.error_ns
    assert (found.source, found.locked, found.traceable) == (TimeSource.GNSS, True, True)
    assert found.tai_utc_s == 37 and "satellites" in found.note
    fix = site.receiver.fix
    assert fix is not None and fix.accuracy_ns is not None
    stated = {term.name: term.ns for term in found.terms}
    assert stated == {"latency / 2": LATENCY_NS // 2, "receiver": 3 * fix.accuracy_ns}


def test_the_true_offset_lies_in_what_is_said(site: Site):
    site.ahead_ns = 300 * MS
    site.machine.real += site.ahead_ns
    found = site.tick()
    assert found.offset_ns is not None and found.error_ns is not None
    assert abs(found.offset_ns - 300 * MS) <= found.error_ns


def test_nmea_states_no_accuracy_and_has_a_maximum_all_the_same(tmp_path: Path):
    site = Site(tmp_path, ubx=False)
    found = site.tick()
    stated = {term.name: term.ns for term in found.terms}
    assert stated["receiver, not stated"] == UNSTATED_NS


def test_a_receiver_that_loses_its_fix_or_falls_silent_says_so(site: Site):
    site.tick()
    site.device.plight.lost = True
    for _ in range(3):
        lost = site.tick()
    assert lost.error_ns is None and "no fix" in lost.fault
    site.device.plight.lost = False
    assert site.tick().error_ns is not None
    site.tick(epoch=False)
    site.pass_ns(SILENT_NS)
    silent = site.receiver.opinion(site.machine.mono)
    assert silent.error_ns is None and "nothing heard for" in silent.fault


def test_a_receiver_that_repeats_its_last_fix_vouches_for_nothing(site: Site):
    site.tick()
    site.device.plight.repeats = True
    repeated = site.tick()
    assert repeated.error_ns is None and "repeated" in repeated.fault


def test_a_receiver_that_suspects_spoofing_is_suspect(site: Site):
    assert not site.tick().suspect
    site.device.plight.spoofing = 2
    assert site.tick().suspect
    assert site.keeping.ruling is not None
    assert site.keeping.ruling.judged[1].words == "says that it may be deceived"


def test_before_it_is_heard_it_says_so(site: Site):
    assert site.receiver.opinion(site.machine.mono).fault == "not heard yet"


# --- the pulse


def test_a_pulse_is_known_by_the_epoch_after_it(site: Site):
    site.ahead_ns = 40_000
    site.machine.real += site.ahead_ns
    jittered(site, 20)
    found = site.pulse()
    assert found.offset_ns is not None and found.error_ns is not None
    assert abs(found.offset_ns - 40_000) <= found.error_ns < 20_000
    assert found.error_ns == sum(term.ns for term in found.terms)
    assert (found.source, found.locked) == (TimeSource.GNSS, True)
    stamped_ns = found.offset_ns + PULSE_LATENCY_NS // 2 - 40_000
    assert found.at_ns == site.machine.mono - NS // 2 + stamped_ns
    ruling = site.keeping.ruling
    assert ruling is not None and ruling.chosen == "pps:"
    bound = site.clock.now().bound
    assert bound is not None and 39_000 <= bound < 70_000
    assert ruling.flags & Flag.LOCKED


def test_the_cables_delay_is_taken_off(tmp_path: Path):
    site = Site(tmp_path, delay_ns=250)
    site.cable_ns = 250
    jittered(site)
    found = site.pulse()
    assert found.offset_ns is not None
    assert abs(found.offset_ns + PULSE_LATENCY_NS // 2) <= 1_000


def test_the_grain_of_the_receivers_pulse_is_in_the_error(site: Site):
    jittered(site)
    fix = site.receiver.fix
    assert fix is not None and fix.pulse is not None and fix.pulse.error_ps is not None
    stated = {term.name: term.ns for term in site.pulse().terms}
    assert stated["grain of the pulse"] == -(-abs(fix.pulse.error_ps) // 1000)


def test_a_pulse_of_nmea_needs_an_accuracy_to_be_of_use(tmp_path: Path):
    site = Site(tmp_path, ubx=False)
    jittered(site)
    plain = site.pulse().error_ns
    assert plain is not None and plain >= UNSTATED_NS
    stated = Site(tmp_path, ubx=False, accuracy_ns=500)
    jittered(stated)
    error_ns = stated.pulse().error_ns
    assert error_ns is not None and error_ns < 20_000


@pytest.mark.parametrize(("plight", "fault"), [("lost", "not locked"), ("repeats", "not locked")])
def test_a_pulse_of_a_receiver_without_time_vouches_for_nothing(
    site: Site, plight: str, fault: str
):
    jittered(site)
    setattr(site.device.plight, plight, True)
    for _ in range(3):
        site.tick()
    found = site.pulse()
    assert found.error_ns is None
    assert fault in found.fault


def test_a_pulse_that_stops_and_comes_back(site: Site):
    jittered(site)
    for _ in range(4):
        site.tick(pulse=False)
    assert site.pulse().fault == "no pulse for 4 s"
    site.tick()
    assert site.pulse().error_ns is not None


def test_a_pulse_whose_second_nobody_tells_vouches_for_nothing(site: Site):
    jittered(site)
    for _ in range(7):
        site.tick(epoch=False)
    assert "does not say which second" in site.pulse().fault


def test_a_jump_of_the_pulse_does_not_excuse_itself(site: Site):
    jittered(site)
    before = site.pulse().error_ns
    site.tick(jitter_ns=2 * MS)
    after = site.pulse()
    assert after.offset_ns is not None and after.offset_ns > 1_900_000
    assert before is not None and after.error_ns is not None and after.error_ns < 2 * before


def test_an_edge_that_waited_for_another_interrupt_is_passed_over(site: Site):
    jittered(site)
    site.tick(jitter_ns=90_000)
    late = site.pulse()
    assert late.offset_ns is not None and abs(late.offset_ns) < 10_000
    assert late.at_ns < site.machine.mono - NS
    site.tick()
    assert site.pulse().at_ns > site.machine.mono - NS


def test_edges_that_stay_late_are_a_jump_a_second_later(site: Site):
    jittered(site)
    for _ in range(2):
        site.tick(jitter_ns=90_000)
    jumped = site.pulse()
    assert jumped.offset_ns is not None and jumped.offset_ns > 80_000


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (None, "No such file"),
        (b"", "no pulse yet"),
        (b"0.000000000#0\n", "no pulse yet"),
        (b"\xff\xfe garbage", "no pulse: "),
        (b"1795400000.5#3\n", "no pulse: "),
        (b"9" * 5000, "no pulse: "),
    ],
)
def test_a_pulse_that_is_none_is_named(site: Site, text: bytes | None, fault: str):
    if text is not None:
        (site.folder / "assert").write_bytes(text)
    found = site.pulse()
    assert found.error_ns is None
    assert fault in found.fault


def test_a_pulse_alone_counts_seconds_by_the_clock_while_that_is_known(tmp_path: Path):
    """An IRIG clock's pulse, beside a daemon that is good to some ms; then after a step of an hour,
    which the pulse cannot see.
    """
    machine = Machine(real=START_S * NS)
    clock = SystemClock(BUILT_IN, machine)
    options = PpsOptions(str(tmp_path), accuracy_ns=1_000, source="irig")
    keeper = PpsKeeper("pps:", options, clock, None)
    keeping = Timekeeping(clock, CLASSES[DEFAULT], [keeper, Kernel("kernel:", clock)])

    def tick(at: int) -> Opinion:
        machine.maxerror_us = 3_000 + at % 2
        seconds = machine.real // NS
        (tmp_path / "assert").write_text(f"{seconds}.000003000#{at + 1}\n")
        machine.run(NS // 2)
        asyncio.run(keeping.renew())
        machine.run(NS // 2)
        assert keeping.ruling is not None
        return keeping.ruling.judged[0].opinion

    assert "which second" in tick(0).fault
    for at in range(1, 25):
        found = tick(at)
    assert found.offset_ns == 3_000 - PULSE_LATENCY_NS // 2 and found.error_ns is not None
    assert found.source is TimeSource.IRIG
    assert (clock.now().bound or NS) < 20_000
    machine.real += 3600 * NS
    for at in range(25, 33):
        found = tick(at)
        bound = clock.now().bound
        assert bound is None or bound >= 3599 * NS
    assert found.error_ns is None


@pytest.mark.parametrize("epochs", [True, False])
@pytest.mark.parametrize("asked_ms", [20, 990])
@pytest.mark.parametrize("by_ms", [-3000, -700, 700])
def test_what_was_stamped_before_a_step_says_nothing_of_the_clock_after_it(
    site: Site, by_ms: int, asked_ms: int, epochs: bool
):
    """Somebody set the clock: neither an edge of before it counts after it, nor an epoch."""
    jittered(site)
    site.machine.real += by_ms * MS
    site.ahead_ns += by_ms * MS
    for _ in range(4):
        site.asked(asked_ms, epochs)
        assert site.keeping.ruling is not None
        for said, _, words, *_ in site.keeping.ruling.judged:
            if said.error_ns is not None and said.offset_ns is not None:
                assert abs(said.offset_ns - site.ahead_ns) <= said.error_ns + MS, words
        bound = site.clock.now().bound
        assert bound is None or bound >= abs(site.ahead_ns)
