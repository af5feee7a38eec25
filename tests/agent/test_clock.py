"""The gateway's clock: what it claims under a ruling, and when it claims nothing.

Steps, leap seconds and sleep are played by a machine of our own; the kernel is asked for real.
Nobody's clock is ever set.
"""

import time
from pathlib import Path

import pytest

from agent.clock import RULING_S_MAX, Jump, Linux, SystemClock, leap_table
from agent.timing.opinion import Ruling
from evidence import leap
from evidence.code import Flag, TimeSource
from evidence.config import ConfigError
from evidence.leap import BUILT_IN, NS, LeapTable
from tests.agent.machine import NOON, TIME_INS, Machine

MIDNIGHT_S = 1_483_228_800  # 2017-01-01: the last leap second was inserted just before
GROWTH_PPB = 500_000


def ruling(at_ns: int, bound_ns: int | None = 100_000, flags: int = 0) -> Ruling:
    ntp = TimeSource.NTP
    why = "" if bound_ns is not None else "nothing vouches"
    return Ruling(at_ns, bound_ns, GROWTH_PPB, ntp, flags, "kernel:", why, (), None, ())


def ruled(machine: Machine, table: LeapTable = BUILT_IN) -> SystemClock:
    made = SystemClock(table, machine)
    made.rule(ruling(machine.mono))
    return made


def test_before_it_is_ruled_nothing_is_vouched_for():
    made = SystemClock(BUILT_IN, Machine())
    assert made.now() == (NOON + 37 * NS, None)
    assert made.fault == "not asked yet"
    assert made.source is TimeSource.UNKNOWN


def test_a_ruling_is_the_bound_and_the_source():
    machine = Machine()
    made = SystemClock(BUILT_IN, machine)
    made.rule(ruling(machine.mono, 253_000, int(Flag.LEAP)))
    assert made.now() == (NOON + 37 * NS, 253_000)
    assert (made.source, made.fault, made.leap_pending) == (TimeSource.NTP, "", True)
    made.rule(ruling(machine.mono, None))
    assert made.now() == (NOON + 37 * NS, None)
    assert (made.source, made.fault) == (TimeSource.UNKNOWN, "nothing vouches")
    assert not made.leap_pending


def test_bound_grows_as_the_ruling_says_and_ends():
    machine = Machine()
    made = ruled(machine)
    machine.run(10 * NS)
    assert made.now().bound == 100_000 + 5_000_000
    machine.run((RULING_S_MAX - 10) * NS)
    assert made.now().bound is None
    assert "not asked" in made.fault


def test_step_of_the_wall_clock_shows_in_the_bound_at_once():
    machine = Machine()
    made = ruled(machine)
    machine.real += 5 * NS
    assert made.now() == (NOON + 42 * NS, 100_000 + 5 * NS)
    made.rule(ruling(machine.mono), 37 * NS + NOON - machine.mono)
    assert made.now().bound == 100_000 + 5 * NS, "a ruling on a reading from before the step"
    made.rule(ruling(machine.mono))
    assert made.now().bound == 100_000


def test_time_asleep_is_added_to_the_bound():
    machine = Machine()
    made = ruled(machine)
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
    made = ruled(machine)
    jump = Jump(made)
    first = made.now()
    assert first.tai == (MIDNIGHT_S - 20 + 36) * NS
    since = 0
    for step in range(1, 3000):
        machine.run(10_000_000)
        instant = made.now()
        assert instant.tai == first.tai + step * 10_000_000
        assert instant.bound == 100_000 + (step - since) * 5_000
        assert jump.jumped() is None
        if step % 1025 == 0:  # the second time in the midst of the inserted second
            made.rule(ruling(machine.mono))
            since = step
            assert made.fault == ""
    assert made.now().tai == (MIDNIGHT_S - 20 + 36) * NS + 2999 * 10_000_000


def test_leap_second_that_the_kernel_misses_is_not_vouched_for():
    """The table counts it, the kernel does not: one second of doubt."""
    machine = Machine(real=(MIDNIGHT_S - 5) * NS)
    made = ruled(machine)
    machine.run(6 * NS)
    bound = made.now().bound
    assert bound is not None
    assert bound >= NS
    assert made.leap_near(2) and not made.leap_near(0)


def test_leap_second_that_only_the_kernel_knows_is_not_vouched_for():
    machine = Machine(real=NOON - 5 * NS, leap_at_s=NOON // NS, state=TIME_INS)
    made = ruled(machine)
    machine.run(6 * NS)
    bound = made.now().bound
    assert bound is not None
    assert bound >= NS


def test_a_leap_second_that_cannot_be_told_is_not_vouched_for():
    machine = Machine(real=(MIDNIGHT_S - 1) * NS)
    made = ruled(machine)
    machine.broken = True
    assert made.now().bound is None
    assert made.fault == "adjtimex: Operation not permitted"
    machine.broken = False
    machine.run(NS)
    made.rule(ruling(machine.mono))
    assert made.now().bound == 100_000
    assert made.fault == ""


def test_past_the_tables_expiry_it_converts_and_vouches_for_nothing():
    machine = Machine(real=(BUILT_IN.expires_s - 3) * NS)
    made = ruled(machine)
    assert made.now().bound == 100_000
    machine.run(4 * NS)
    assert made.now() == ((BUILT_IN.expires_s + 1 + 37) * NS, None)
    assert "expired" in made.fault
    made.rule(ruling(machine.mono))
    assert made.now().bound is None
    machine.real -= 100 * NS  # whoever set the clock far ahead sets it right
    made.rule(ruling(machine.mono))
    assert made.now().bound == 100_000


def test_before_the_first_row_nothing_is_vouched_for():
    made = ruled(Machine(real=1_000 * NS))
    assert made.now().bound is None


def test_sleep_and_steps_are_jumps_and_a_leap_second_or_waiting_is_none():
    machine = Machine()
    jump = Jump(ruled(machine))
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
    made = SystemClock(BUILT_IN)
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
    assert first.tai_utc_s in (0, 37)


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
    made = ruled(Machine(real=(start + 60) * NS), leap_table(file))
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
