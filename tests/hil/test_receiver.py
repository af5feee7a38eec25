"""The simulated receiver as a program: others start it, and set its plight while it runs."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from drivers.gnss.wire import Doubt, Epochs, Fix
from drivers.line import Instant
from hil.devices.pace import tai_now

WAIT_S = 20.0


@pytest.fixture
def program() -> Iterator["subprocess.Popen[bytes]"]:
    argv = [sys.executable, "-m", "hil.devices.receiver", "--tcp", "127.0.0.1:0", "--ubx"]
    argv += ["--rate", "5", "--plight", "--no-nmea", "--latitude", "-33.5", "--longitude", "151.25"]
    started = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield started
    finally:
        started.kill()
        started.communicate(timeout=WAIT_S)


def test_a_receiver_in_a_process_of_its_own(program: "subprocess.Popen[bytes]"):
    import socket

    assert program.stdout is not None and program.stdin is not None
    host, _, port = json.loads(program.stdout.readline())["tcp"].rpartition(":")
    epochs = Epochs()
    with socket.create_connection((host, int(port)), WAIT_S) as line:

        def next_fix(wanted: Doubt | None) -> Fix:
            until = time.monotonic() + WAIT_S
            while time.monotonic() < until:
                for item in epochs.feed(line.recv(65536), Instant(tai_now(), None)):
                    if isinstance(item, Fix) and (wanted in item.doubts or wanted is None):
                        return item
            raise AssertionError("no such fix")

        fix = next_fix(None)
        assert fix.time_counts and fix.place is not None
        assert abs(fix.place.latitude_e7 + 335_000_000) < 200
        assert abs(fix.place.longitude_e7 - 1_512_500_000) < 200
        assert 0 <= fix.heard.tai - (fix.tai or 0) < 5_000_000_000
        program.stdin.write(b'{"weeks_off": -1024}\n')
        program.stdin.flush()
        assert not next_fix(Doubt.WEEK_ROLLOVER).time_counts
        program.stdin.write(b'{"no_such": 1}\n')
        program.stdin.flush()
        assert "not a plight" in json.loads(program.stdout.readline())["refused"]
    program.terminate()
    counted = json.loads(program.stdout.readline())
    assert counted["epochs"] > 0 and counted["asked"] == 0
    assert program.wait(WAIT_S) == 0
