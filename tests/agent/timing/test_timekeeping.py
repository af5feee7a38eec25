"""The loop over all sources: who is slow, who speaks of a clock that was set since, and what the
kernel's account comes to.

The clocks are a machine's that the test moves by hand; what decides is the shipped code.
"""

import asyncio
import time
from collections.abc import Iterator

import pytest

from agent.clock import SystemClock
from agent.timing import kernel, timekeeping
from agent.timing.assembly import by_kernel
from agent.timing.kernel import KERNEL_GROWTH_PPB, UNSTATED_NS, Kernel
from agent.timing.opinion import Opinion, Ruling, TimeKeeper
from agent.timing.oscillator import CLASSES, DEFAULT
from agent.timing.timekeeping import Timekeeping
from evidence.code import Flag, TimeSource
from evidence.leap import BUILT_IN, NS
from evidence.verdict import State
from tests.agent.machine import NOON, STA_UNSYNC, TIME_ERROR, TIME_OK, Machine

MIDNIGHT_S = 1_483_228_800


class Gateway:
    """A machine, its clock, and the loop over its sources."""

    def __init__(self, machine: Machine, *keepers: "Slow") -> None:
        self.machine, self.clock = machine, SystemClock(BUILT_IN, machine)
        self.told: list[Ruling] = []
        sources: list[TimeKeeper] = [Kernel("kernel:", self.clock), *keepers]
        oscillator = CLASSES[DEFAULT]
        self.keeping = Timekeeping(self.clock, oscillator, sources, (), self.told.append)

    def rule(self) -> Ruling:
        asyncio.run(self.keeping.renew())
        return self.told[-1]

    def run(self, seconds: int, growth_us: int = 500) -> None:
        """Time passes, with a ruling each second; nobody corrects the clock meanwhile."""
        for _ in range(seconds):
            self.machine.run(NS)
            self.machine.maxerror_us += growth_us
            self.rule()


class Slow:
    """A source that answers when the test lets it."""

    def __init__(self, name: str = "slow:") -> None:
        self.name, self.asked = name, 0
        self.free = asyncio.Event()
        self.free.set()
        self.word = Opinion(name, TimeSource.PTP, 1_000 * NS, 0, 500, 0, (), locked=True, mark=1)

    async def ask(self) -> Opinion:
        self.asked += 1
        await self.free.wait()
        return self.word

    async def close(self) -> None:
        self.free.set()


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    yield Gateway(Machine(maxerror_us=250, offset_ns=-3_000))


def test_kernel_gives_its_maximum_error_and_the_offset_left(gateway: Gateway):
    ruling = gateway.rule()
    assert gateway.clock.now() == (NOON + 37 * NS, 253_000)
    assert (gateway.clock.source, gateway.clock.fault) == (TimeSource.NTP, "")
    assert ruling.growth_ppb == KERNEL_GROWTH_PPB
    assert (ruling.chosen, ruling.bound_ns) == ("kernel:", sum(term.ns for term in ruling.terms))
    (judged,) = ruling.judged
    assert judged.opinion.offset_ns == 3_000, "what is still to be taken off is ahead"


@pytest.mark.parametrize(
    ("state", "status"), [(TIME_ERROR, STA_UNSYNC), (TIME_ERROR, 0), (TIME_OK, STA_UNSYNC)]
)
def test_unsynchronised_kernel_vouches_for_nothing(state: int, status: int):
    gateway = Gateway(Machine(state=state, status=status))
    gateway.rule()
    assert gateway.clock.now().bound is None
    assert "not synchronised" in gateway.clock.fault
    gateway.machine.state = gateway.machine.status = TIME_OK
    gateway.rule()
    assert gateway.clock.now().bound == 100_000


def test_daemon_that_states_no_error_is_not_taken_at_its_word():
    """systemd-timesyncd writes 0 into maxerror and esterror."""
    gateway = Gateway(Machine(maxerror_us=0, esterror_us=0))
    gateway.rule()
    assert gateway.clock.now().bound == UNSTATED_NS


def test_kernel_that_does_not_answer_is_named(gateway: Gateway):
    gateway.rule()
    gateway.machine.broken = True
    gateway.run(1)
    (judged,) = gateway.told[-1].judged
    assert judged.state is State.NO_WORD
    assert judged.opinion.fault == "adjtimex: Operation not permitted"


def test_kernel_that_was_told_tai_says_so():
    machine = Machine()
    timex = machine.adjtimex()._replace(tai_utc_s=37)
    assert kernel.opinion("kernel:", timex, 0).tai_utc_s == 37
    assert kernel.opinion("kernel:", machine.adjtimex(), 0).tai_utc_s is None


def test_a_step_ends_the_kernels_word_until_a_correction(gateway: Gateway):
    gateway.rule()
    gateway.run(3)
    gateway.machine.real += 5 * NS
    assert (gateway.clock.now().bound or 0) >= 5 * NS, "at once, before anybody is asked"
    gateway.run(1)
    assert gateway.told[-1].judged[0].opinion.fault == timekeeping.STEPPED
    bound = gateway.clock.now().bound
    assert bound is None or bound >= 5 * NS
    gateway.run(20)  # the kernel's own growth is no correction
    bound = gateway.clock.now().bound
    assert bound is None or bound >= 5 * NS
    gateway.machine.real -= 5 * NS  # the daemon steps it back, and says so
    gateway.run(1)
    gateway.machine.maxerror_us = 90
    gateway.run(1, growth_us=0)
    gateway.machine.maxerror_us = 80
    gateway.run(1, growth_us=0)
    bound = gateway.clock.now().bound
    assert bound is not None and bound < 200_000
    assert gateway.told[-1].judged[0].state is State.CHOSEN


def test_first_synchronisation_by_a_step_is_believed():
    gateway = Gateway(Machine(state=TIME_ERROR, status=STA_UNSYNC, maxerror_us=16_000_000))
    gateway.rule()
    machine = gateway.machine
    machine.real += 3600 * NS
    machine.state, machine.status, machine.maxerror_us = TIME_OK, 0, 700
    gateway.run(1, growth_us=0)
    assert gateway.clock.now() == (NOON + 3601 * NS + 37 * NS, 700_000)


def test_unsynchronised_since_a_step_and_synchronised_anew_is_believed(gateway: Gateway):
    gateway.rule()
    machine = gateway.machine
    machine.real += 3600 * NS
    gateway.run(1)
    machine.state, machine.status, machine.maxerror_us = TIME_ERROR, STA_UNSYNC, 16_000_000
    gateway.run(1)
    assert gateway.told[-1].judged[0].opinion.fault == "the kernel's clock is not synchronised"
    machine.real -= 3600 * NS
    machine.state, machine.status, machine.maxerror_us = TIME_OK, 0, 700
    gateway.run(1, growth_us=0)
    assert gateway.told[-1].judged[0].opinion.fault == ""
    assert gateway.clock.now().bound is not None


def test_a_leap_second_is_no_step_and_is_said_while_it_lasts():
    machine = Machine(real=(MIDNIGHT_S - 5) * NS, state=1, leap_at_s=MIDNIGHT_S)
    gateway = Gateway(machine)
    first = gateway.rule()
    assert first.flags & Flag.LEAP
    for step in range(1, 100):
        machine.run(100_000_000)
        tai = gateway.clock.now().tai
        assert tai == (MIDNIGHT_S - 5 + 36) * NS + step * 100_000_000
        machine.maxerror_us = 100 + step % 2
        ruling = gateway.rule()
        assert ruling.judged[0].opinion.fault == ""
        assert ruling.bound_ns is not None
        assert 0 <= ruling.bound_ns - machine.maxerror_us * 1000 < 1_000
        inside = machine.real < (MIDNIGHT_S + 1) * NS
        assert bool(ruling.flags & Flag.LEAP) == inside


def test_a_source_that_hangs_holds_up_nobody():
    slow = Slow()
    slow.free.clear()
    gateway = Gateway(Machine(), slow)

    async def play() -> float:
        begun = time.monotonic()
        await gateway.keeping.renew()
        await gateway.keeping.renew()
        took = time.monotonic() - begun
        await gateway.keeping.close()
        return took

    assert asyncio.run(play()) < 2.0
    assert slow.asked == 1, "it is not asked again while it owes an answer"
    assert gateway.clock.now().bound == 100_000
    assert gateway.told[-1].judged[1].opinion.fault == "has not answered yet"


def test_a_source_that_stops_answering_ages_and_is_named():
    slow = Slow()
    gateway = Gateway(Machine(), slow)

    async def play() -> None:
        await gateway.keeping.renew()
        assert gateway.told[-1].chosen == "slow:"
        slow.free.clear()
        for _ in range(3):
            gateway.machine.run(NS)
            await gateway.keeping.renew()
        assert gateway.told[-1].judged[1].opinion.error_ns == 500, "its last word, aging"
        gateway.machine.run(2 * NS)
        await gateway.keeping.renew()
        assert gateway.told[-1].judged[1].opinion.fault == "no answer for 5 s"
        slow.free.set()
        await asyncio.sleep(0.1)
        slow.word = slow.word._replace(at_ns=gateway.machine.mono, mark=2)
        await gateway.keeping.renew()
        await gateway.keeping.renew()
        assert gateway.told[-1].judged[1].opinion.fault == ""
        await gateway.keeping.close()

    asyncio.run(play())


def test_watch_asks_each_second_and_ends_when_cancelled(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(timekeeping, "PERIOD_S", 0.01)
    machine = Machine(state=TIME_ERROR)
    clock = SystemClock(BUILT_IN, machine)

    async def play() -> None:
        watching = asyncio.create_task(by_kernel(clock).watch())
        await asyncio.sleep(0.05)
        assert clock.now().bound is None
        machine.state = TIME_OK
        async with asyncio.timeout(10):
            while clock.now().bound is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert clock.now().bound == 100_000
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching

    asyncio.run(play())


def test_the_real_kernel_is_asked():
    clock = SystemClock(BUILT_IN)
    asyncio.run(by_kernel(clock).renew())
    vouched = kernel.opinion("", clock.adjtimex(), 0).error_ns is not None
    assert (clock.now().bound is not None) == vouched
