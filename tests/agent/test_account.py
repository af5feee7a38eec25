"""chrony's account of the clock: its report read, and a real chronyd asked.

Nobody's clock is ever set: chronyd runs with -x.
"""

import asyncio
import contextlib
import getpass
import os
import socket
import stat
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent import account
from agent.account import ClockError, chrony_account
from agent.clock import SystemClock
from evidence.code import TimeSource
from evidence.leap import BUILT_IN, NS

REPORT = (
    "47505300,GPS,1,1795404241.727918138,-0.000100000,0.250000000,0.000000000,"
    "-1.500,-0.002,0.040,0.001000001,0.000001422,1.0,Normal"
)


def test_chrony_report_is_the_documented_maximum():
    said = chrony_account(REPORT)
    assert said.bound_ns == 100_000 + 500_000 + 1_422 + account.CHRONY_ROUNDING_NS
    assert said.growth_ppb == 42 + 1_000 + 1
    assert said.source is TimeSource.GNSS
    assert not said.leap_pending


@pytest.mark.parametrize(
    ("refid", "stratum", "source"),
    [
        ("50505330,PPS0", "1", TimeSource.GNSS),
        ("50545030,PTP0", "1", TimeSource.PTP),
        ("49524947,IRIG", "1", TimeSource.IRIG),
        ("50484330,PHC0", "1", TimeSource.UNKNOWN),
        ("534F4330,SOC0", "1", TimeSource.UNKNOWN),
        ("C0000201,192.0.2.1", "2", TimeSource.NTP),
        ("47505300,71.80.83.0", "2", TimeSource.NTP),  # an address that spells GPS
    ],
)
def test_reference_id_names_the_source_at_stratum_1_only(
    refid: str, stratum: str, source: TimeSource
):
    said = chrony_account(REPORT.replace("47505300,GPS,1", f"{refid},{stratum}"))
    assert said.source is source


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (REPORT.replace("Normal", "Not synchronised"), "Not synchronised"),
        (REPORT.replace("Normal", "whatever comes next"), "whatever comes next"),
        (REPORT.replace("47505300,GPS,1", "7F7F0101,,10"), "own clock"),
    ],
)
def test_chrony_without_a_source_has_no_bound(line: str, fault: str):
    said = chrony_account(line)
    assert said.bound_ns is None
    assert fault in said.fault


def test_chrony_announces_leap_seconds():
    said = chrony_account(REPORT.replace("Normal", "Insert second"))
    assert said.leap_pending
    assert said.bound_ns is not None


@pytest.mark.parametrize(
    "line",
    [
        "", "506 Cannot talk to daemon", REPORT.rsplit(",", 1)[0],
        REPORT.replace("0.001000001", "NaN"), REPORT.replace("0.001000001", "1e3"),
        REPORT.replace("0.001000001", ""), REPORT.replace("47505300", "zz"),
        REPORT.replace("0.001000001", "9" * 5000), REPORT.replace(",", ";"),
    ],
)  # fmt: skip
def test_chrony_garbage_is_named(line: str):
    with pytest.raises(ClockError, match="chronyc says"):
        chrony_account(line)


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("echo 506 Cannot talk to daemon; exit 1", "506 Cannot talk"),
        ("echo broken pipe >&2; exit 3", "fails: broken pipe"),
        ("yes", "more than 4096 bytes"),
        ("exec sleep 20", "does not answer within"),
        ("printf '\\377\\n'", "no tracking report"),
    ],
)
def test_chronyc_that_misbehaves_is_named_and_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, fault: str
):
    monkeypatch.setattr(account, "CHRONYC_S", 0.3)
    program = script(tmp_path / "chronyc", text)
    made = SystemClock("chrony", BUILT_IN, chronyc=program)
    asyncio.run(asyncio.wait_for(made.renew(), 5))
    assert made.now().bound is None
    assert fault in made.fault


def test_chronyc_that_is_absent_is_named(tmp_path: Path):
    made = SystemClock("chrony", BUILT_IN, chronyc=str(tmp_path / "chronyc"))
    asyncio.run(made.renew())
    assert "does not start: No such file" in made.fault


Chronyd = Callable[[str], str]


@pytest.fixture
def chronyd(program: Callable[[str], Path], tmp_path: Path) -> Iterator[Chronyd]:
    """Starts a chronyd of our own that touches no clock, and gives its command socket."""
    path, asks = program("chronyd"), program("chronyc")
    tmp_path.chmod(0o700)
    command = tmp_path / "cmd"
    with contextlib.ExitStack() as ends:

        def start(conf: str) -> str:
            file = tmp_path / "conf"
            file.write_text(
                f"{conf}\nport 0\ncmdport 0\nbindcmdaddress {command}\npidfile {tmp_path}/pid\n"
            )
            daemon = subprocess.Popen(
                [path, "-x", "-d", "-U", "-u", getpass.getuser(), "-f", file],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            ends.callback(daemon.wait, 5)
            ends.callback(daemon.terminate)
            for _ in range(200):
                if command.exists():
                    return str(command)
                assert daemon.poll() is None, "chronyd ended"
                time.sleep(0.02)
            raise AssertionError("chronyd opens no socket")

        assert asks
        yield start


def test_real_chrony_that_follows_a_receiver(chronyd: Chronyd, tmp_path: Path):
    """A refclock fed by the test: 100 us off, with a delay of 1 ms."""
    fed = tmp_path / "ref"
    host = chronyd(f"refclock SOCK {fed} refid GPS poll 0 filter 1 delay 0.001")
    made = SystemClock("chrony", BUILT_IN, chronyc_host=host)
    asyncio.run(made.renew())
    assert made.now().bound is None
    assert made.fault == "chrony's clock: Not synchronised"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        for _ in range(60):
            seconds, ns = divmod(time.time_ns(), NS)
            # struct sock_sample: timeval, offset, pulse, leap, padding, magic "SOCK".
            sample = struct.pack("@qqdiiii", seconds, ns // 1000, 1e-4, 0, 0, 0, 0x534F434B)
            line.sendto(sample, os.fspath(fed))
            time.sleep(0.25)
            asyncio.run(made.renew())
            if made.fault == "":
                break
    bound = made.now().bound
    assert bound is not None, made.fault
    assert 600_000 <= bound < 5_000_000  # 100 us still to slew, and half the delay
    assert made.source is TimeSource.GNSS


def test_real_chrony_that_follows_nothing_has_no_bound(chronyd: Chronyd):
    """`local stratum 10` reports leap status Normal and a root dispersion of 0."""
    made = SystemClock("chrony", BUILT_IN, chronyc_host=chronyd("local stratum 10"))
    asyncio.run(made.renew())
    assert made.now().bound is None
    assert "own clock" in made.fault


def test_real_chronyc_without_a_daemon_is_named(program: Callable[[str], Path], tmp_path: Path):
    made = SystemClock(
        "chrony", BUILT_IN, chronyc=str(program("chronyc")), chronyc_host=str(tmp_path / "none")
    )
    asyncio.run(made.renew())
    assert made.now().bound is None
    assert "Could not open connection to daemon" in made.fault
