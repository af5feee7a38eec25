"""A whole gateway's sources through an inserted second: kernel, receiver and pulse, at that very
second and on both sides of it."""

import asyncio
from pathlib import Path

import pytest

from agent.clock import Jump, SystemClock
from agent.timing.kernel import Kernel
from agent.timing.oscillator import CLASSES
from agent.timing.pps import PpsKeeper
from agent.timing.receiver import Receiver
from agent.timing.timekeeping import Timekeeping
from agent.timing.uri import PpsOptions
from drivers.gnss.session import Session, Terms
from drivers.gnss.wire import Fix
from evidence.code import Flag
from evidence.leap import BUILT_IN, NS, LeapTable
from evidence.verdict import State
from hil.devices.receiver import Receiver as Device
from tests.agent.machine import TIME_INS, Machine

MS = 1_000_000
LEAP_S = 1_798_761_600  # 2027-01-01: a second is inserted before it
LEAPING = LeapTable((*BUILT_IN.starts_s, LEAP_S), (*BUILT_IN.offsets_s, 38), BUILT_IN.expires_s)
BEFORE_S, AFTER_S = 20, 12
DURING = "a leap second is in progress"


@pytest.mark.parametrize("late_ns", [0, 4 * MS], ids=["in time", "a tick late"])
def test_every_second_around_it_is_bounded_and_nobody_is_contradicted(
    tmp_path: Path, late_ns: int
) -> None:
    start_s = LEAP_S - BEFORE_S
    machine = Machine(real=start_s * NS, state=TIME_INS, leap_at_s=LEAP_S, late_ns=late_ns)
    clock = SystemClock(LEAPING, machine)
    device, session = Device(ubx=True, nmea=False, table=LEAPING), Session(Terms(NS), LEAPING)
    device.plight.leap_change = 1
    receiver = Receiver("gps", 200 * MS, clock)
    pulse = PpsKeeper("pps:", PpsOptions(str(tmp_path), receiver="gps"), clock, receiver)
    kernel, jump = Kernel("kernel:", clock), Jump(clock)
    keeping = Timekeeping(clock, CLASSES["tcxo"], [kernel, pulse], [receiver])
    true = LEAPING.tai_ns(start_s)
    pending: list[bool] = []
    silent: list[bool] = []
    for second in range(BEFORE_S + AFTER_S):
        edge_s, edge_ns = divmod(machine.realtime_ns(), NS)
        (tmp_path / "assert").write_text(f"{edge_s}.{edge_ns:09}#{second + 1}\n")
        machine.run(80 * MS)
        device.plight.leap_in_s = BEFORE_S - second
        heard = session.feed(device.epoch(true), clock.now())
        machine.run(60 * MS)
        for fix in [*heard, *session.settle(clock.now())]:
            if isinstance(fix, Fix):
                assert fix.tai == true and not fix.doubts, second
                keeping.hear("gps", fix)
        machine.run(360 * MS)
        asyncio.run(keeping.renew())
        now, ruling = clock.now(), keeping.ruling
        assert ruling is not None and jump.jumped() is None
        if second >= 5:
            assert now.bound is not None, (second, ruling.why)
            assert abs(now.tai - (true + NS // 2)) <= now.bound < 100_000_000, second
        assert State.APART not in [one.state for one in ruling.judged], second
        assert not Flag(ruling.flags) & (Flag.CLOCK_DOUBTED | Flag.SPOOF_SUSPECTED), second
        pending.append(bool(Flag(ruling.flags) & Flag.LEAP))
        silent.append(asyncio.run(pulse.ask()).fault == DURING)
        machine.run(NS // 2)
        true += NS
    assert all(pending[5 : BEFORE_S + 1]) and not any(pending[BEFORE_S + 4 :])
    assert silent[BEFORE_S] and sum(silent) <= 6
    assert clock.now().tai == true and machine.realtime_ns() == (LEAP_S + AFTER_S - 1) * NS
