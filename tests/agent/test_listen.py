"""`gridseal-agent listen` as a technician types it, against simulated PMUs: what it shows, what it
counts, and how it ends."""

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from evidence import instant
from evidence.leap import NS
from hil.loopback import free_port

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 30.0
LISTEN = [sys.executable, "-m", "agent.cli", "listen"]


@contextmanager
def pmus(*words: str) -> Iterator[list[dict[str, Any]]]:
    """Simulated PMUs, and where they are."""
    argv = [sys.executable, "-m", "hil.devices.pmu", *words]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["pmus"]
        finally:
            process.terminate()
            process.communicate(timeout=WAIT_S)


def typed(*words: str, timeout_s: float = WAIT_S) -> tuple[int, str, str]:
    """Exit code, and what was said on both outputs."""
    done = subprocess.run(
        [*LISTEN, *words], cwd=ROOT, capture_output=True, text=True, timeout=timeout_s
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def started(argv: list[str]) -> "subprocess.Popen[str]":
    """A program that goes on by itself."""
    pipe = subprocess.PIPE
    return subprocess.Popen(argv, cwd=ROOT, stdout=pipe, stderr=pipe, text=True)


def objects(text: str, what: str) -> list[dict[str, Any]]:
    return [one for one in map(json.loads, text.splitlines()) if one["what"] == what]


def test_a_pmu_over_tcp_is_shown_with_names_units_and_rate() -> None:
    with pmus("--idcode", "7", "--station", "NORTH", "--analogs", "MW", "--digitals", "1") as found:
        url = f"c37118+tcp://{found[0]['tcp']}?idcode=7"
        code, out, err = typed(url, "--count", "150")  # what is late or early counts for little
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[1] == "idcode=7: c37118, 60 a second"
    assert lines[2].startswith("  NORTH (ID 7, class M): VA V, VB V, VC V, IA A")
    frames = [line for line in lines if " [locked,traceable] " in line]
    assert len(frames) == 150
    shown = re.compile(
        r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z idcode=7 \[locked,traceable\] STAT 0x0080  "
        r"VA \d+(\.\d+)? V at -?\d+\.\d{3} deg  .*FREQ (59|60)(\.\d+)? Hz  .*MW \d+"
    )
    assert all(shown.match(line) for line in frames)
    told = re.search(r"150 c37118, (\d+\.\d+) a second \(stated: 60 a second\)", lines[-1])
    assert told and 40 < float(told[1]) < 80
    assert lines[-1].endswith("faults: none")


def test_each_frame_is_an_object_with_values_by_name() -> None:
    with pmus("--idcode", "7", "--rate", "30") as found:
        url = f"c37118+tcp://{found[0]['tcp']}?idcode=7"
        code, out, _ = typed(url, "--count", "20", "--json")
    assert code == 0
    (stream,) = objects(out, "stream")
    assert stream["key"] == "idcode=7" and stream["rate"] == [30, 1]
    assert {"name": "VA", "quantity": "voltage", "unit": "V"} in stream["blocks"][0]["channels"]
    frames = [one for one in objects(out, "frame") if one["kind"] == "c37118"]
    assert len(frames) == 20
    for one in frames:
        late_ns = instant.read(one["arrived_utc"]) - instant.read(one["utc"])
        assert 0 < late_ns < 2_000_000_000
        assert one["bound_ns"] == 1000 and one["quality"] == ["locked", "traceable"]
        assert one["values"]["VA magnitude"]["unit"] == "V"
        assert 59 < one["values"]["FREQ"]["value"] < 61
    assert json.loads(out.splitlines()[-1])["what"] == "summary"
    (summary,) = objects(out, "summary")
    assert summary["frames"] == 20 and summary["faults"] == {}
    counted = summary["streams"]["idcode=7"]
    assert counted["frames"]["c37118"] == 20
    first, *_, last = (instant.read(one["arrived_utc"]) for one in frames)
    # All of them in one read, as of a PMU that was held up, have no rate.
    rate = round(19 * NS / (last - first), 3) if last > first else None
    assert counted["rate_measured"] == rate


def test_a_serial_line() -> None:
    with pmus("--pty", "--idcode", "8", "--rate", "30") as found:
        url = f"c37118+serial://{found[0]['pty']}?idcode=8"
        code, out, err = typed(url, "--count", "10")
    assert (code, err) == (0, "")
    assert out.splitlines()[1] == "idcode=8: c37118, 30 a second"


def test_ctrl_c_ends_with_the_summary() -> None:
    with pmus("--idcode", "7") as found:
        argv = [*LISTEN, f"c37118+tcp://{found[0]['tcp']}?idcode=7"]
        with started(argv) as process:
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    if "VA" in line and "deg" in line:
                        break
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=WAIT_S)
            finally:
                process.kill()
    assert process.returncode == 0 and err == ""
    assert re.match(r"idcode=7: .*\d+ c37118.*; faults: none", out.splitlines()[-1])


def test_a_line_that_breaks_is_opened_again_in_words() -> None:
    """A program stands between, and is gone for a moment."""
    port = free_port()
    with pmus("--idcode", "7", "--tcp", f"127.0.0.1:{port}"):
        argv = [*LISTEN, f"c37118+tcp://127.0.0.1:{port}?idcode=7", "--json"]
        process = started(argv)
        assert process.stdout is not None
        _until(process, "frame")
    try:
        told = _until(process, "line")
        assert "closed by the peer; trying again in 0.5 s" in told["text"]
        with pmus("--idcode", "7", "--tcp", f"127.0.0.1:{port}"):
            while _until(process, "line")["text"] != "open":
                pass
            _until(process, "frame")
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=WAIT_S)
    finally:
        process.kill()
        process.wait(WAIT_S)
    assert process.returncode == 0
    assert "gridseal-agent: closed by the peer; trying again in 0.5 s" in err
    (summary,) = objects(out, "summary")
    assert summary["opened"] == 2 and summary["trouble"]["closed by the peer"] == 1


def _until(process: "subprocess.Popen[str]", what: str) -> dict[str, Any]:
    """The next object of this sort."""
    assert process.stdout is not None
    for line in process.stdout:
        found: dict[str, Any] = json.loads(line)
        if found["what"] == what:
            return found
    raise AssertionError(f"it ended before there was a {what}")


def test_a_terminal_has_a_block_that_renews_itself() -> None:
    with pmus("--idcode", "7", "--station", "NORTH\x1b[2J") as found:
        near, far = pty.openpty()
        argv = [*LISTEN, f"c37118+tcp://{found[0]['tcp']}?idcode=7", "--count", "90"]
        size = {"COLUMNS": "80", "LINES": "12"}
        process = subprocess.Popen(argv, cwd=ROOT, stdout=far, stderr=far, env=os.environ | size)
        os.close(far)
        try:
            shown = _shown(near)
            assert process.wait(WAIT_S) == 0
        finally:
            process.kill()
            os.close(near)
    assert 2 <= shown.count("\x1b[10A\x1b[J") <= 12  # a second and a half, at most five a second
    assert "\x1b[2J" not in shown and r"NORTH\x1b[2J" in shown
    assert "... and " in shown and max(map(len, shown.splitlines())) < 140
    assert "90 c37118" in shown.splitlines()[-1]


def _shown(near: int) -> str:
    """All that comes to a terminal, until its other end is closed."""
    said, end = b"", time.monotonic() + WAIT_S
    while time.monotonic() < end:
        if not select.select([near], [], [], 0.2)[0]:
            continue
        try:
            data = os.read(near, 65536)
        except OSError:  # EIO: nobody has the other end any more
            break
        if not data:
            break
        said += data
    return said.decode()


def test_nobody_there_is_a_hint_and_exit_1() -> None:
    code, out, err = typed(f"c37118+tcp://127.0.0.1:{free_port()}?idcode=7", "--timeout", "1.2")
    assert code == 1
    first, *_, last = err.splitlines()
    assert ": Connection refused; " in first and first.endswith("trying again in 0.5 s")
    assert "could not be opened" in last
    assert "line: " in out


def test_a_pmu_under_another_idcode_is_a_hint() -> None:
    with pmus("--idcode", "9") as found:
        url = f"c37118+tcp://{found[0]['tcp']}?idcode=7&commands=none"
        code, _, err = typed(url, "--timeout", "1")
    assert code == 1
    assert "nothing was heard: is idcode the PMU's own, and does it send?" in err


def test_bytes_that_are_no_frames_are_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"c37118+tcp://127.0.0.1:{server.getsockname()[1]}?commands=none"
        argv = [*LISTEN, url, "--timeout", "2"]
        with started(argv) as process:
            server.settimeout(WAIT_S)
            line, _ = server.accept()
            with line:
                line.sendall(b"\x7f\xfe" * 400)
                out, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 1
    assert "FAULT sync" in out
    assert "something is sent, and no good frame in it" in err and "sync" in err


def test_fewer_than_were_asked_for_is_exit_1() -> None:
    """The count is not reached, since nothing more comes."""
    with pmus("--idcode", "7") as found:
        url = f"c37118+tcp://{found[0]['tcp']}?idcode=7"
        process = started([*LISTEN, url, "--count", "100000", "--timeout", "2", "--json"])
        _until(process, "frame")
    try:
        _, err = process.communicate(timeout=WAIT_S)
    finally:
        process.kill()
    assert process.returncode == 1
    assert re.search(r"\d+ of 100000 frames, then nothing new for 2 s", err)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["c37118+tpc://127.0.0.1?idcode=7"], "did you mean 'c37118+tcp'?"),
        (["c37118+tcp://127.0.0.1?idcod=7"], "idcod: unknown; did you mean 'idcode'?"),
        (["c37118+tcp://127.0.0.1"], 'missing: commands = "full" needs it'),
        (["127.0.0.1:4712"], "scheme"),
        (["c37118+tcp://127.0.0.1?idcode=7&configuration=no.hex"], "no.hex: No such file"),
        (["c37118+tcp://127.0.0.1?idcode=7", "--count", "0"], "'0'; 1 to"),
        (["c37118+tcp://127.0.0.1?idcode=7", "--count", "-3"], "--count"),
        (["c37118+tcp://127.0.0.1?idcode=7", "--timeout", "nan"], "'nan'; seconds above 0"),
        ([], "URL"),
    ],
)
def test_what_is_typed_wrongly_is_exit_2(words: list[str], says: str) -> None:
    code, out, err = typed(*words)
    assert (code, out) == (2, "") and says in err


def test_whoever_reads_may_go() -> None:
    with pmus("--idcode", "7") as found:
        argv = [*LISTEN, f"c37118+tcp://{found[0]['tcp']}?idcode=7"]
        with started(argv) as process:
            assert process.stdout is not None and process.stderr is not None
            process.stdout.readline()
            process.stdout.close()
            try:
                assert process.wait(WAIT_S) == 0
                assert process.stderr.read() == ""
            finally:
                process.kill()


RELAY = ROOT / "hil" / "devices" / "modbus" / "relay.toml"


@contextmanager
def relay(*words: str) -> Iterator[dict[str, Any]]:
    """A simulated Modbus relay, and where it is."""
    argv = [sys.executable, "-m", "hil.devices.modbus", "--kind", "relay", *words]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()
            process.communicate(timeout=WAIT_S)


@pytest.mark.parametrize("line", ["tcp", "rtu"])
def test_a_modbus_relay_by_its_map(line: str) -> None:
    with relay(*(["--pty"] if line == "rtu" else [])) as found:
        where = found["tcp"] if line == "tcp" else found["pty"] + "?parity=none"
        sign = "&" if "?" in where else "?"
        code, out, err = typed(f"modbus+{line}://{where}{sign}unit=1&map={RELAY}", "--count", "6")
    assert (code, err) == (0, "")
    assert "unit=1 discrete=0+3: modbus, 2 a second" in out
    assert re.search(r"breaker_closed true  breaker_open false", out)
    assert re.search(r"va \d+ V .* power \d+\.\d MW .* mode|mode .* va \d+ V .* power", out)


def test_a_unit_that_does_not_answer_is_not_heard() -> None:
    with relay() as found:
        url = f"modbus+tcp://{found['tcp']}?unit=9&map={RELAY}"
        code, out, err = typed(url, "--timeout", "2")
    assert code == 1
    said = "exception 11 (gateway target device failed to respond)"
    assert f"[agent_stamped,not_answered] {said}\n" in out
    assert re.search(rf"\d+ times asked, and not answered \({re.escape(said)}\): is unit", err)
