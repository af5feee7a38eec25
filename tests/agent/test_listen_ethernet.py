"""`gridseal-agent listen` on an interface: GOOSE and Sampled Values that simulated publishers send
over a cable of the test's own."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hil.faults.need import NAMESPACES, have
from hil.namespace import Namespace
from tests.conftest import absent

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 30.0
NEAR, FAR = "eth0", "eth1"


@pytest.fixture
def net() -> Iterator[Namespace]:
    if not have(("ip", "nsenter", NAMESPACES)):
        absent("namespaces and iproute2", "run as root")
    with Namespace() as made:
        made.cable()
        yield made


@contextmanager
def published(net: Namespace, module: str, *words: str) -> Iterator[None]:
    """A publisher at the far end of the cable."""
    argv = [sys.executable, "-m", f"hil.devices.{module}", "--interface", FAR, *words]
    with net.inside():
        process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(WAIT_S)


def typed(net: Namespace, *words: str) -> tuple[int, str, str]:
    argv = [sys.executable, "-m", "agent.cli", "listen", *words]
    with net.inside():
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def test_goose_that_nobody_described(net: Namespace) -> None:
    with published(net, "goose", "--gocbref", "IED1LD0/LLN0$GO$gcb1", "--appid", "0x3001"):
        url = f"goose://{NEAR}?gocbref=IED1LD0/LLN0$GO$gcb1&appid=0x3001"
        code, out, err = typed(net, url, "--count", "1")
    assert (code, err) == (0, "")
    assert "gocbRef=IED1LD0/LLN0$GO$gcb1: goose, no rate stated" in out
    assert re.search(r"Z gocbRef=\S+ event: state_found, stNum \d+ sqNum \d+, \d+ bytes", out)
    assert re.search(r"Z gocbRef=IED1LD0/LLN0\$GO\$gcb1 \[.*\] .*(item )?1 ", out)


def test_a_terminal_shows_a_state_that_does_not_change(net: Namespace) -> None:
    """Nothing follows it but retransmissions; the block has it all the same, and counts them."""
    near, far = pty.openpty()
    argv = [sys.executable, "-m", "agent.cli", "listen", f"goose://{NEAR}"]
    with published(net, "goose", "--steady-ms", "200"), net.inside():
        process = subprocess.Popen(argv, cwd=ROOT, stdout=far, stderr=far)
        os.close(far)
        try:
            shown = ""
            end = time.monotonic() + WAIT_S
            while not re.search(r"item 1 .*noticed: .*\b[3-9] repeated", shown, re.S):
                assert time.monotonic() < end, shown
                if select.select([near], [], [], 0.2)[0]:
                    shown += os.read(near, 65536).decode()
            process.send_signal(signal.SIGINT)
            assert process.wait(WAIT_S) == 0
        finally:
            process.kill()
            os.close(near)


def test_sampled_values_by_the_block(net: Namespace) -> None:
    with published(net, "sv", "--svid", "MU01"):
        code, out, err = typed(net, f"sv://{NEAR}?svid=MU01", "--count", "20", "--json")
    assert (code, err) == (0, "")
    objects = [json.loads(line) for line in out.splitlines()]
    (stream,) = (one for one in objects if one["what"] == "stream")
    assert stream["key"] == "MU01" and stream["rate"] == [40, 1]
    names = [one["name"] for one in stream["blocks"][0]["channels"]]
    assert names == ["IA", "IB", "IC", "IN", "VA", "VB", "VC", "VN"]
    frames = [one for one in objects if one["what"] == "frame"]
    assert len(frames) == 20
    whole = [one for one in frames if len(one["values"]["VA"]["value"]) == 120]
    assert len(whole) >= 15  # the first block is of when we began to hear
    assert whole[0]["values"]["VA"]["unit"] == "V"
    assert objects[-1]["faults"] == {} and objects[-1]["what"] == "summary"


def test_an_interface_that_is_not_there(net: Namespace) -> None:
    code, _, err = typed(net, "goose://gs-none", "--timeout", "1")
    assert code == 1 and "gs-none" in err and "could not be opened" in err


def test_a_silent_interface_is_a_hint(net: Namespace) -> None:
    code, _, err = typed(net, f"goose://{NEAR}", "--timeout", "1")
    assert code == 1 and "does the switch hand the group and the VLAN on to this interface?" in err
