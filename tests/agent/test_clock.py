"""The gateway's clock: what it claims, and when it claims nothing.

Steps, leap seconds and sleep are played by a machine of our own; the kernel is asked for real.
Nobody's clock is ever set.
"""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from agent.account import Timex, kernel_account

from agent import account, clock
from agent.clock import ACCOUNT_S_MAX, Jump, Linux, SystemClock, leap_table
from evidence import leap
from evidence.code import TimeSource
from evidence.config import ConfigError
from evidence.leap import BUILT_IN, NS, LeapTable

NOON = 1_700_000_000 * NS  # 2023-11-14, far from any leap second
MIDNIGHT_S = 1_483_228_800  # 2017-01-01: the last leap second was inserted just before
TIME_OK, TIME_INS, TIME_OOP, TIME_WAIT, TIME_ERROR = 0, 1, 3, 4, 5
STA_UNSYNC = 0x40


@dataclass
class Machine:
    """The clocks of a machine that a test moves by hand; a step of time only when told."""

    real: int = NOON
    mono: int = 1_000 * NS
    boot: int = 1_000 * NS
    state: int = TIME_OK
    status: int = 0
    offset_ns: int = 0
    maxerror_us: int = 100
    esterror_us: int = 10
    broken: bool = False
    leap_at_s: int = 0  # the kernel inserts a second before this count
    late_ns: int = 0  # how much later than due it does so, on CLOCK_REALTIME

    def run(self, ns: int) -> None:
        """Time passes, awake."""
        self.real += ns
        self.mono += ns
        self.boot += ns

    def realtime_ns(self) -> int:
        due = self.leap_at_s * NS
        if self.leap_at_s and self.real >= due + self.late_ns:
            return self.real - NS
        return self.real

    def monotonic_ns(self) -> int:
        return self.mono

    def boottime_ns(self) -> int:
        return self.boot

    def adjtimex(self) -> Timex:
        """As the kernel answers: before the late tick too, the right second and state."""
        if self.broken:
            raise PermissionError(1, "Operation not permitted")
        state, real = self.state, self.real
        if self.leap_at_s and real >= self.leap_at_s * NS:
            real -= NS
            state = TIME_OOP if real < self.leap_at_s * NS else TIME_WAIT
        return Timex(
            state, self.status, self.offset_ns, self.maxerror_us, self.esterror_us, real
        )  # fmt: skip


def kernel_clock(machine: Machine, table: LeapTable = BUILT_IN) -> SystemClock:
    made = SystemClock("kernel", table, machine)
    made.refresh()
    return made


def test_before_it_is_asked_nothing_is_vouched_for():
    made = SystemClock("kernel", BUILT_IN, Machine())
    assert made.now() == (NOON + 37 * NS, None)
    assert made.fault == "not asked yet"
    assert made.source is TimeSource.UNKNOWN


def test_synchronised_kernel_gives_its_maximum_error_and_the_offset_left():
    machine = Machine(maxerror_us=250, offset_ns=-3_000)
    made = kernel_clock(machine)
    assert made.now() == (NOON + 37 * NS, 253_000)
    assert (made.source, made.fault) == (TimeSource.NTP, "")


def test_bound_grows_by_500_ppm_and_ends():
    machine = Machine()
    made = kernel_clock(machine)
    machine.run(10 * NS)
    assert made.now().bound == 100_000 + 5_000_000
    machine.run((ACCOUNT_S_MAX - 10) * NS)
    assert made.now().bound is None
    assert "not asked" in made.fault


@pytest.mark.parametrize(
    ("state", "status"), [(TIME_ERROR, STA_UNSYNC), (TIME_ERROR, 0), (TIME_OK, STA_UNSYNC)]
)
def test_unsynchronised_kernel_has_no_bound_however_small_its_figures(state: int, status: int):
    machine = Machine(state=state, status=status)
    made = kernel_clock(machine)
    assert made.now().bound is None
    assert "not synchronised" in made.fault
    machine.state = machine.status = TIME_OK
    made.refresh()
    assert made.now().bound == 100_000


def test_daemon_that_states_no_error_is_not_taken_at_its_word():
    """systemd-timesyncd writes 0 into maxerror and esterror."""
    made = kernel_clock(Machine(maxerror_us=0, esterror_us=0))
    assert made.now().bound == account.UNSTATED_NS


def test_kernel_that_does_not_answer_is_named_and_its_last_word_ages():
    machine = Machine()
    made = kernel_clock(machine)
    machine.broken = True
    machine.run(20 * NS)
    made.refresh()
    assert made.now().bound == 100_000 + 10_000_000
    machine.run(60 * NS)
    made.refresh()
    assert made.now().bound is None
    assert "Operation not permitted" in made.fault


def test_step_of_the_wall_clock_shows_in_the_bound_at_once_and_then_ends_it():
    machine = Machine()
    made = kernel_clock(machine)
    machine.real += 5 * NS
    assert made.now() == (NOON + 42 * NS, 100_000 + 5 * NS)
    machine.maxerror_us += 8_000
    made.refresh()
    assert made.now().bound is None
    assert "stepped" in made.fault
    machine.run(16 * NS)
    machine.maxerror_us += 8_000  # the kernel's own growth is no correction
    made.refresh()
    assert made.now().bound is None
    machine.run(16 * NS)
    machine.maxerror_us = 90
    made.refresh()
    assert made.now().bound == 90_000


def test_first_synchronisation_by_a_step_is_believed():
    machine = Machine(state=TIME_ERROR, status=STA_UNSYNC, maxerror_us=16_000_000)
    made = kernel_clock(machine)
    machine.real += 3600 * NS
    machine.state, machine.status, machine.maxerror_us = TIME_OK, 0, 700
    made.refresh()
    assert made.now() == (NOON + 3637 * NS, 700_000)


def test_time_asleep_is_added_to_the_bound():
    machine = Machine()
    made = kernel_clock(machine)
    machine.real += 30 * NS
    machine.boot += 30 * NS
    bound = made.now().bound
    assert bound is not None
    assert bound >= 30 * NS


@pytest.mark.parametrize("late_ns", [0, 4_000_000])
def test_inserted_second_is_counted_once(late_ns: int):
    """Through the whole leap second TAI runs on by exactly what passes, and the bound stays."""
    machine = Machine(
        real=(MIDNIGHT_S - 20) * NS, state=TIME_INS, leap_at_s=MIDNIGHT_S, late_ns=late_ns
    )
    made = kernel_clock(machine)
    jump = Jump(made)
    first = made.now()
    assert first.tai == (MIDNIGHT_S - 20 + 36) * NS
    assert made.leap_pending
    for step in range(1, 3000):
        machine.run(10_000_000)
        instant = made.now()
        assert instant.tai == first.tai + step * 10_000_000
        assert instant.bound == 100_000 + step * 5_000
        assert jump.jumped() is None
        if step % 1025 == 0:  # the second time in the midst of the inserted second
            machine.maxerror_us = 100 + step * 5
            made.refresh()
            assert made.fault == ""
    assert made.now().tai == (MIDNIGHT_S - 20 + 36) * NS + 2999 * 10_000_000


def test_leap_second_that_the_kernel_misses_is_not_vouched_for():
    """The table counts it, the kernel does not: one second of doubt, then none of its word."""
    machine = Machine(real=(MIDNIGHT_S - 5) * NS)
    made = kernel_clock(machine)
    machine.run(6 * NS)
    bound = made.now().bound
    assert bound is not None
    assert bound >= NS
    machine.run(10 * NS)
    machine.maxerror_us += 8_000
    made.refresh()
    assert made.now().bound is None
    machine.real -= NS  # the daemon steps the second back, and says so
    machine.maxerror_us = 50
    made.refresh()
    machine.run(16 * NS)
    machine.maxerror_us = 40
    made.refresh()
    assert made.now().bound == 40_000


def test_leap_second_that_only_the_kernel_knows_is_not_vouched_for():
    machine = Machine(real=NOON - 5 * NS, leap_at_s=NOON // NS, state=TIME_INS)
    made = kernel_clock(machine)
    machine.run(6 * NS)
    bound = made.now().bound
    assert bound is not None
    assert bound >= NS


def test_past_the_tables_expiry_it_converts_and_vouches_for_nothing():
    machine = Machine(real=(BUILT_IN.expires_s - 3) * NS)
    made = kernel_clock(machine)
    assert made.now().bound == 100_000
    machine.run(4 * NS)
    assert made.now() == ((BUILT_IN.expires_s + 1 + 37) * NS, None)
    assert "expired" in made.fault
    made.refresh()
    assert made.now().bound is None


def test_before_the_first_row_nothing_is_vouched_for():
    made = kernel_clock(Machine(real=1_000 * NS))
    assert made.now().bound is None


def test_sleep_and_steps_are_jumps_and_a_leap_second_or_waiting_is_none():
    machine = Machine()
    jump = Jump(kernel_clock(machine))
    machine.run(3600 * NS)
    assert jump.jumped() is None
    machine.real += 700 * NS
    machine.boot += 700 * NS
    assert jump.jumped() == "the machine was suspended for 700000 ms"
    assert jump.jumped() is None
    machine.real -= NS
    assert jump.jumped() == "the wall clock was stepped by -1000 ms"
    machine.real += 1_000_000  # slewed by hand: below every daemon's step
    assert jump.jumped() is None


def test_real_clock_runs_and_has_not_jumped():
    made = SystemClock("kernel", BUILT_IN)
    jump = Jump(made)
    before = time.time_ns()
    tai = made.now().tai
    after = time.time_ns()
    assert BUILT_IN.tai_ns(*divmod(before, NS)) <= tai <= BUILT_IN.tai_ns(*divmod(after, NS))
    assert made.boottime_ns() >= made.monotonic_ns() - NS
    assert jump.jumped() is None


def test_real_kernel_is_asked_and_nothing_is_set():
    before = time.time_ns()
    first, second = Linux().adjtimex(), Linux().adjtimex()
    assert before - NS <= first.time_ns <= second.time_ns <= time.time_ns() + NS
    assert (first.state, first.status) == (second.state, second.status)
    assert 0 <= first.state <= 5
    assert first.maxerror_us >= 0
    made = SystemClock("kernel", BUILT_IN)
    made.refresh()
    # Whatever this machine is, the claim follows the kernel's.
    assert (made.now().bound is None) == (kernel_account(first).bound_ns is None)


def test_watch_asks_again_and_ends_when_cancelled(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(clock, "REFRESH_S", 0.01)
    machine = Machine(state=TIME_ERROR)
    made = SystemClock("kernel", BUILT_IN, machine)

    async def play() -> None:
        watching = asyncio.create_task(made.watch())
        await asyncio.sleep(0.05)
        assert made.now().bound is None
        machine.state = TIME_OK
        await asyncio.sleep(0.2)
        assert made.now().bound == 100_000
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching

    asyncio.run(play())


def listed(table: LeapTable, expires_s: int) -> str:
    """A leap-seconds.list of a table."""
    ntp = 2_208_988_800
    rows = zip(table.starts_s, table.offsets_s, strict=True)
    lines = [f"{start + ntp}\t{offset}\t# by a test" for start, offset in rows]
    return "\n".join(["# leap seconds", f"#@\t{expires_s + ntp}", *lines, ""])


def test_leap_list_that_vouches_longest_is_taken(tmp_path: Path):
    file = tmp_path / "leap-seconds.list"
    file.write_text(listed(BUILT_IN, BUILT_IN.expires_s + 1000))
    assert leap_table(file).expires_s == BUILT_IN.expires_s + 1000
    assert leap_table(None, file).expires_s == BUILT_IN.expires_s + 1000
    file.write_text(listed(BUILT_IN, BUILT_IN.expires_s - 1000))
    assert leap_table(file) is BUILT_IN
    assert leap_table(None, tmp_path / "none") is BUILT_IN
    assert leap_table(None).expires_s >= BUILT_IN.expires_s  # this machine's own


def test_leap_list_with_a_new_second_is_taken(tmp_path: Path):
    file = tmp_path / "leap-seconds.list"
    start = BUILT_IN.expires_s + 3 * 86400
    longer = LeapTable((*BUILT_IN.starts_s, start), (*BUILT_IN.offsets_s, 38), start + 10**7)
    file.write_text(listed(longer, longer.expires_s))
    assert leap_table(file) == longer
    made = kernel_clock(Machine(real=(start + 60) * NS), leap_table(file))
    assert made.now().tai == (start + 60 + 38) * NS


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (None, "cannot be read: No such file"),
        (b"\xff\xfe", "utf-8"),
        (b"# nothing\n", "no rows"),
        (b"x" * 300_000, "longer than"),
        (listed(leap.parse("#@ 4000000000\n2272060800 10\n"), 2 * 10**9).encode(), "contradicts"),
    ],
)
def test_leap_list_that_was_asked_for_must_be_one(tmp_path: Path, text: bytes | None, fault: str):
    file = tmp_path / "leap-seconds.list"
    if text is not None:
        file.write_bytes(text)
    with pytest.raises(ConfigError, match=fault) as caught:
        leap_table(file)
    assert str(file) in str(caught.value)
    assert leap_table(None, file) is BUILT_IN
