"""`gridseal-provision discover` against simulated devices, each a program of its own: what it finds
is what `gridseal-agent listen` and gateway.toml take, and nothing is sent that no table holds
(tests/recorder fails a test in which something is).
"""

import fcntl
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent import config
from hil.devices import board
from hil.namespace import Namespace
from provisioning.cli import main
from provisioning.discover import pmu
from tests.drivers.cable import FAR, NEAR, net, publishing

__all__ = ["net"]
ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 60.0
SOURCE = "c37118+tcp://127.0.0.1:4712?idcode=7&name=pmu-a&bus=North"
Told = dict[str, Any]
# Run in a namespace: when, and how many packets an interface has received by then.
_COUNTS = """
import sys, time
while True:
    with open("/proc/net/dev") as file:
        (line,) = (one for one in file if one.strip().startswith(sys.argv[1] + ":"))
    print(time.monotonic(), line.split(":")[1].split()[1], flush=True)
    time.sleep(0.05)
"""


@contextmanager
def device(module: str, *words: str) -> Iterator[Told]:
    """A simulated device, from its first line on."""
    argv = [sys.executable, "-m", f"hil.devices.{module}", *words]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()
            process.communicate(timeout=WAIT_S)


def typed(*words: str, within: tuple[str, ...] = (), code: int = 0) -> Told:
    """What the program finds."""
    argv = [*within, sys.executable, "-m", "provisioning.cli", "discover", *words, "--json"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == code, done.stdout + done.stderr
    (line,) = done.stdout.splitlines()
    found: Told = json.loads(line)
    return found


def listened(url: str, within: tuple[str, ...] = (), count: int = 2) -> str:
    """What the agent's own command says of a proposal."""
    argv = [sys.executable, "-m", "agent.cli", "listen", url, "--count", str(count)]
    done = subprocess.run(
        [*within, *argv], cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    folder = tmp_path / "site"
    assert main(["init", str(folder), "--gateway", "gw-7", "--source", SOURCE]) == 0
    capsys.readouterr()
    return folder


def test_a_pmu_is_found_by_its_idcode(site: Path) -> None:
    with device("pmu", "--tcp", "127.0.0.1:0", "--idcode", "19", "--rate", "30") as told:
        address = told["pmus"][0]["tcp"]
        (one,) = typed("--host", address)["found"]
        assert one["url"] == f"c37118+tcp://{address}?idcode=19"
        facts = one["facts"]
        assert (facts["idcode"], facts["rate"]) == (19, [30, 1])
        assert facts["stations"] == ["SIM PMU"] and facts["second_connection"] is True
        assert any(channel.endswith("(voltage)") for channel in facts["channels"])
        assert "SIM PMU" in listened(one["url"])


def test_what_was_found_is_added_to_a_gateway_and_can_be_taken_back(site: Path) -> None:
    before = (site / "gateway.toml").read_text()
    with device("pmu", "--tcp", "127.0.0.1:0", "--idcode", "3", "--count", "2") as told:
        places = [one["tcp"] for one in told["pmus"]]
        words = [word for place in places for word in ("--host", place)]
        into = ("--into", str(site), "--bus", "North", "--idcode", "3,4")
        dry = typed(*words, *into, "--dry-run")
        assert len(dry["added"]) == 2 and not dry["done"]
        assert (site / "gateway.toml").read_text() == before
        assert typed(*words, *into)["done"]
        again = typed(*words, *into)
        assert not again["added"] and len(again["left_out"]) == 2
    found = config.load(site / "gateway.toml")
    assert [one.name for one in found.sources] == ["pmu-a", *dry["added"]]
    assert {one.options["idcode"] for one in found.sources[1:]} == {3, 4}
    for name in dry["added"]:
        stream = found.plan.stream_of(name)
        assert stream is not None and (stream.bus, stream.rate) == ("North", 60)
    assert main(["rollback", str(site)]) == 0
    assert (site / "gateway.toml").read_text() == before
    assert len(config.load(site / "gateway.toml").sources) == 1


def test_a_bus_that_is_not_in_the_plan_is_refused(site: Path) -> None:
    argv = ["discover", "--host", "127.0.0.1:1", "--into", str(site), "--bus", "Nroth"]
    assert main(argv) == 2


class Deaf:
    """Somebody who takes connections: of a PMU that hangs up, or of no PMU at all."""

    def __init__(self) -> None:
        self.line = socket.create_server(("127.0.0.1", 0))
        self.port = self.line.getsockname()[1]


def test_a_host_that_is_no_pmu_is_told(site: Path) -> None:
    deaf = Deaf()
    with deaf.line:
        (one,) = typed("--host", f"127.0.0.1:{deaf.port}", "--idcode", "1-3")["found"]
    assert one["url"] == "" and "no C37.118 configuration from 3 IDCODEs" in one["what"]
    (gone,) = typed("--host", f"127.0.0.1:{deaf.port}")["found"]
    assert "not reached" in gone["what"] and gone["url"] == ""


def test_a_host_that_hangs_up_on_each_is_not_said_to_have_been_asked_for_all() -> None:
    """Whoever reads that it has none of 40 looks elsewhere."""
    deaf = Deaf()

    def hang_up() -> None:
        while True:
            try:
                with deaf.line.accept()[0] as asker:
                    asker.recv(64)
            except OSError:
                return

    thread = threading.Thread(target=hang_up)
    thread.start()
    try:
        (one,) = typed("--host", f"127.0.0.1:{deaf.port}", "--idcode", "1-40")["found"]
    finally:
        deaf.line.shutdown(socket.SHUT_RDWR)
        deaf.line.close()
        thread.join(10)
    asked = re.search(r"from (\d+) IDCODEs of 40, then it hung up", one["what"])
    assert asked is not None and pmu.REOPENS_MAX <= int(asked[1]) < 40


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ((), "say where to look"),
        (("--host", "10.0.0.0/24"), "one host"),
        (("--host", "a:0"), "one host"),
        (("--host", "a", "--idcode", "0-5"), "written as"),
        (("--host", "a", "--idcode", "1-60000"), "written as"),
        (("--modbus", "modbus+tcp://a?units=0-300"), "units"),
        (("--modbus", "goose://eth0"), "modbus+rtu"),
        (("--serial", "--seconds", "1e9"), "--seconds"),
        (tuple(["--host", "x"] * 33), "at most 32"),
    ],
)
def test_what_is_typed_wrongly_is_refused_before_anything_is_sent(
    words: tuple[str, ...], fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["discover", *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and fault in err and err.count("\n") == 1


def test_units_on_a_modbus_host(tmp_path: Path, site: Path) -> None:
    words = ("--kind", "relay,sunspec", "--units", "2", "--unit", "4", "--tcp", "127.0.0.1:0")
    with device("modbus", *words) as told:
        address = told["tcp"]
        url = f"modbus+tcp://{address}?units=3-5&timeout_ms=1000"
        found = typed("--modbus", url, "--into", str(site))
        relay, meter = found["found"]
        assert relay["facts"] == {"unit": 4, "sunspec": False} and "point map" in relay["needs"]
        assert meter["facts"]["sunspec"] and 1 in meter["facts"]["models"]
        assert meter["url"] == f"modbus+tcp://{address}?unit=5&sunspec=true"
        assert len(found["added"]) == 1 and "point map" in found["left_out"][0]
        assert listened(meter["url"])
    added = config.load(site / "gateway.toml").sources[-1]
    assert (added.scheme, added.options["unit"]) == ("modbus+tcp", 5)


def test_units_on_a_modbus_line(tmp_path: Path) -> None:
    link = tmp_path / "line"
    words = ("--kind", "sunspec", "--unit", "3", "--pty", "--baud", "19200", "--link", str(link))
    with device("modbus", *words):
        url = f"modbus+rtu://{link}?baud=19200&units=3-4&timeout_ms=1500"
        (one,) = typed("--modbus", url)["found"]
        assert one["facts"]["unit"] == 3 and one["facts"]["sunspec"]
        assert "baud=19200" in one["url"] and "unit=3" in one["url"]


def test_a_line_without_anybody_says_so(tmp_path: Path) -> None:
    near, far = pty.openpty()
    try:
        tty.setraw(far)
        url = f"modbus+rtu://{os.ttyname(far)}?baud=19200&units=1-3&timeout_ms=100"
        (one,) = typed("--modbus", url)["found"]
        assert "none of 3 units answers" in one["what"]
    finally:
        os.close(near)
        os.close(far)


def test_a_serial_pmu_that_talks_is_heard_and_sent_nothing(asked_file: Path) -> None:
    before = asked_file.stat().st_size
    words = ("--pty", "--baud", "115200", "--idcode", "8", "--spontaneous", "--rate", "30")
    with device("pmu", *words) as told:
        path = told["pmus"][0]["pty"]
        (one,) = typed("--serial", path)["found"]
    assert one["kind"] == "c37118" and "idcode=8" in one["url"] and path in one["url"]
    assert asked_file.stat().st_size == before


def test_a_serial_pmu_that_is_silent_is_asked_only_when_told(asked_file: Path) -> None:
    before = asked_file.stat().st_size
    with device("pmu", "--pty", "--baud", "115200", "--idcode", "8") as told:
        path = told["pmus"][0]["pty"]
        (one,) = typed("--serial", path, "--seconds", "2")["found"]
        assert one["url"] == "" and "--ask" in one["what"]
        assert asked_file.stat().st_size == before
        (one,) = typed("--serial", path, "--ask", "--idcode", "6-9", "--seconds", "2")["found"]
        assert one["facts"]["idcode"] == 8 and one["facts"]["stations"] == ["SIM PMU"]
        assert "SIM PMU" in listened(one["url"])


def test_a_receiver_is_heard(asked_file: Path) -> None:
    before = asked_file.stat().st_size
    with device("receiver", "--pty") as told:
        (one,) = typed("--receiver", told["pty"])["found"]
        assert one["kind"] == "receiver" and one["url"].startswith(f"nmea://{told['pty']}")
    with device("receiver", "--pty", "--ubx") as told:
        (one,) = typed("--receiver", told["pty"])["found"]
        assert one["url"].startswith(f"ublox://{told['pty']}?baud=")
    assert asked_file.stat().st_size == before


def test_it_needs_no_library_but_that_of_what_it_meets() -> None:
    """A gateway without any extra still finds what it can."""
    without = ("pyubx2", "pynmeagps", "pymodbus", "sunspec2", "rich", "aiohttp", "cryptography")
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({without!r}));"
        "from provisioning.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    with device("receiver", "--pty", "--ubx") as told:
        words = ["discover", "--receiver", told["pty"], "--modbus", "modbus+tcp://127.0.0.1:1"]
        argv = [sys.executable, "-c", code, *words, "--json"]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S)
    assert done.returncode == 0, done.stderr
    found = {one["kind"]: one for one in json.loads(done.stdout)["found"]}
    assert found["receiver"]["url"].startswith("ublox://")
    assert "the line failed" in found["modbus"]["what"]


def test_a_port_in_use_is_left_alone() -> None:
    with device("pmu", "--pty", "--spontaneous") as told:
        path = told["pmus"][0]["pty"]
        handle = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        fcntl.flock(handle, fcntl.LOCK_EX)  # as serial programs do
        try:
            (one,) = typed("--serial", path)["found"]
        finally:
            os.close(handle)
    assert "in use by PID" in one["what"] and one["url"] == ""


@contextmanager
def counting(net: Namespace) -> Iterator[list[tuple[float, int]]]:
    """What comes in meanwhile: it is there afterwards."""
    argv, found = [*net.within, sys.executable, "-c", _COUNTS, NEAR], list[tuple[float, int]]()
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield found
        finally:
            process.kill()
            said = process.communicate(timeout=WAIT_S)[0]
    lines = [line.split() for line in said.splitlines()[:-1]]
    found += [(float(at), int(packets)) for at, packets in lines]


def most_and_least(found: list[tuple[float, int]], seconds: float) -> tuple[int, int]:
    """Of what came in any time so long; a loaded publisher sends late, and then all at once."""
    ends = [
        (one, next((two for two in found if two[0] >= one[0] + seconds), None)) for one in found
    ]
    sums = [end[1] - begin[1] for begin, end in ends if end is not None]
    return max(sums), min(sums)


def test_goose_and_sampled_values_of_an_interface(net: Namespace) -> None:
    goose = ("--gocbref", "IED1LD0/LLN0$GO$gcb1", "--appid", "0x3001", "--vlan", "5")
    with (
        publishing(net, "hil.devices.goose", *goose, "--steady-ms", "200"),
        publishing(net, "hil.devices.sv", "--svid", "MU01", "--svid", "MU02", "--rate", "4000"),
    ):
        with counting(net) as counts:
            found = typed("--goose", NEAR, "--seconds", "3", within=tuple(net.within))["found"]
        by_url = {one["url"]: one for one in found}
        gcb = by_url[f"goose://{NEAR}?gocbref=IED1LD0%2FLLN0%24GO%24gcb1&appid=12289"]
        assert (gcb["facts"]["appid"], gcb["facts"]["vlan"]) == (0x3001, 5)
        assert gcb["facts"]["destination"].startswith("01-0C-CD-01")
        assert 2 < gcb["facts"]["frames_a_second"] < 20
        sampled = [one for one in found if one["kind"] == "sv"]
        assert {one["what"].split()[2].rstrip(":") for one in sampled} == {"MU01", "MU02"}
        most, least = (packets / 2 / 3 for packets in most_and_least(counts, 3))
        for one in sampled:  # of two streams, as many of each
            assert 0.6 * least < one["facts"]["samples_a_second"] < 1.1 * most
        assert listened(gcb["url"], tuple(net.within), count=1)
        assert listened(sampled[0]["url"], tuple(net.within))


def test_an_interface_that_is_not_there_does_not_end_the_search(net: Namespace) -> None:
    with publishing(net, "hil.devices.goose", "--steady-ms", "200"):
        words = ("--goose", NEAR, "--goose", "eth9", "--seconds", "2")
        told = typed(*words, within=tuple(net.within), code=1)
    assert len(told["found"]) == 1 and "no such interface" in told["faults"][0]
    assert FAR != NEAR


def test_ctrl_c_gives_what_was_found() -> None:
    with device("pmu", "--tcp", "127.0.0.1:0", "--idcode", "2") as told:
        near, far = pty.openpty()
        tty.setraw(far)
        words = ["--host", told["pmus"][0]["tcp"], "--serial", os.ttyname(far), "--seconds", "60"]
        argv = [sys.executable, "-m", "provisioning.cli", "discover", *words]
        with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            said = []
            for line in process.stdout:
                said.append(line)
                if line.startswith("found at 127"):
                    break
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            rest, _ = process.communicate(timeout=WAIT_S)
        os.close(near)
        os.close(far)
    assert process.returncode == 1
    assert "stopped" in rest and "?idcode=2'" in rest
    assert any("listening" in line or "asking" in line for line in said)


def test_a_board_says_which_it_is_when_it_is_asked(tmp_path: Path) -> None:
    tap, far = os.openpty()
    try:
        with board.Board(tmp_path, [board.Line(os.ttyname(far))]) as one:
            (found,) = typed("--serial", one.link, "--ask", "--seconds", "2")["found"]
            name = one.public[:8].hex()
            assert (found["kind"], found["facts"]["board"]) == ("board", name)
            assert found["url"] == f"mcu+serial://{one.link}"
            assert "its public key" in found["needs"]
            one.stop()
            (tmp_path / "keys.json").unlink()
            one.start()
            (found,) = typed("--serial", one.link, "--ask", "--seconds", "2")["found"]
            assert (found["kind"], found["facts"]["board"]) == ("board", None)
            assert "a board, unpaired, firmware " in found["what"]
            assert f"board pair {one.link} " in found["needs"]
    finally:
        os.close(tap)
        os.close(far)
