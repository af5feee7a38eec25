"""`gridseal-agent clock`, as it is typed: by a running agent, and by itself where none runs."""

import contextlib
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from agent import status
from agent.timing import face
from agent.timing.opinion import Judged, Opinion, Ruling
from evidence.code import Flag, TimeSource
from evidence.leap import BUILT_IN, NS
from evidence.verdict import State, Term
from tests.agent.conftest import Folder

ROOT = Path(__file__).resolve().parents[2]
CLOCK = [sys.executable, "-m", "agent.cli", "clock"]
WAIT_S = 40.0


def typed(folder: Folder, *words: str) -> tuple[int, str, str]:
    """Exit code, and what was said on both outputs."""
    argv = [*CLOCK, "--config", str(folder.gateway), *words]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S)
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


@contextlib.contextmanager
def agent(folder: Folder) -> Iterator["subprocess.Popen[str]"]:
    """The gateway's agent, running."""
    argv = [sys.executable, "-m", "agent.cli", "run", "--config", str(folder.gateway)]
    argv += ["--log", "error"]
    process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and "runs" in process.stdout.readline()
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(WAIT_S)
        finally:
            process.kill()
            if process.stdout is not None:
                process.stdout.close()


def pulse(folder: Folder) -> None:
    """A pulse beside the kernel, of which there is no device."""
    folder.change("gateway.toml", '["kernel:"]', '["kernel:", "pps:/none?accuracy_ns=9&name=pin"]')


def test_the_running_agent_is_asked(folder: Folder) -> None:
    pulse(folder)
    with agent(folder):
        code, out, err = typed(folder, "--json")
        told = json.loads(out)
        assert err == ""
        assert code == (1 if told["bound_ns"] is None else 0)
        assert [one["name"] for one in told["sources"]] == ["kernel", "pin"]
        assert told["sources"][1]["words"] == "/none/assert: No such file or directory"
        assert told["table"]["tai_utc_s"] == 37 and told["utc"].startswith("20")
        code, words, _ = typed(folder)
        assert "kernel" in words and "/none/assert: No such file" in words
        assert "TAI - UTC 37 s" in words


def test_watched_it_says_an_object_a_second_until_told_to_stop(folder: Folder) -> None:
    with agent(folder):
        argv = [*CLOCK, "--config", str(folder.gateway), "--watch", "--json"]
        watch = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        try:
            assert watch.stdout is not None
            told = [json.loads(watch.stdout.readline()) for _ in range(3)]
            watch.send_signal(signal.SIGINT)
            assert watch.wait(WAIT_S) == 0
        finally:
            watch.kill()
            if watch.stdout is not None:
                watch.stdout.close()
    apart = [b["tai"] - a["tai"] for a, b in pairwise(told)]
    assert all(NS // 2 < one < 10 * NS for one in apart)


def test_in_a_terminal_it_is_a_block_that_renews_itself(folder: Folder) -> None:
    with agent(folder):
        near, far = pty.openpty()
        argv = [*CLOCK, "--config", str(folder.gateway), "--watch"]
        size = {"COLUMNS": "60", "LINES": "12"}
        watch = subprocess.Popen(argv, cwd=ROOT, stdout=far, stderr=far, env=os.environ | size)
        os.close(far)
        said, end = b"", time.monotonic() + WAIT_S
        try:
            while said.count(b"\x1b[J") < 2 and time.monotonic() < end:
                said += os.read(near, 65536)
            watch.send_signal(signal.SIGINT)
            assert watch.wait(WAIT_S) == 0
        finally:
            watch.kill()
            os.close(near)
    rows = said.decode().split("\x1b[J")[1].splitlines()
    assert rows[0].startswith("clock ") and max(map(len, rows)) < 75


def test_where_no_agent_runs_the_sources_are_asked_from_here(folder: Folder) -> None:
    pulse(folder)
    code, out, err = typed(folder, "--json")
    told = json.loads(out)
    assert err == "gridseal-agent: no agent runs here: its sources are asked, for 10 s\n"
    assert code == (1 if told["bound_ns"] is None else 0)
    assert told["sources"][1]["words"] == "/none/assert: No such file or directory"
    assert not (folder.path / "spool.db").exists(), "nothing is kept"


def test_a_receiver_that_is_not_there_is_named(folder: Folder) -> None:
    folder.change("gateway.toml", '["kernel:"]', '["kernel:", "nmea:///none/tty?name=roof"]')
    _, out, err = typed(folder, "--json")
    assert err.count("roof: /none/tty: not there") == 1
    roof = next(one for one in json.loads(out)["sources"] if one["name"] == "roof")
    assert (roof["state"], roof["words"]) == ("no_word", "not heard yet")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b'{"run": "x"}', "says nothing of its clock"),
        (b"garbage", "no agent answers for spool.db"),
        (b"", "no agent answers for spool.db"),
        (b"[1]", "what answers is no agent"),
    ],
)
def test_what_answers_and_is_no_agent_is_named(folder: Folder, answer: bytes, says: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        folder_fd = os.open(folder.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            server.bind(status._socket_path(folder_fd, folder.path / "spool.db"))
        finally:
            os.close(folder_fd)
        server.listen()
        argv = [*CLOCK, "--config", str(folder.gateway)]
        asker = subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        server.settimeout(WAIT_S)
        line, _ = server.accept()
        with line:
            line.sendall(answer)
        _, err = asker.communicate(timeout=WAIT_S)
    assert asker.returncode == 1
    assert says in err and err.count("\n") == 1


@pytest.mark.parametrize("words", [["--wtach"], ["now"], ["--json=1"]])
def test_a_wrong_argument_gives_one_line(folder: Folder, words: list[str]) -> None:
    code, out, err = typed(folder, *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("gridseal-agent")


def test_a_wrong_source_of_time_names_its_line(folder: Folder) -> None:
    line = folder.change("gateway.toml", '"kernel:"', '"ptp:/run/p?domian=0"')
    code, _, err = typed(folder)
    assert code == 2
    assert f"gateway.toml:{line}: clock.sources[0]: domian: unknown; did you mean 'domain'?" in err


# --- in words


def ruling(**other: Any) -> Ruling:
    gps = Opinion(
        *("roof", TimeSource.GNSS, 9 * NS, 40, 60, 0, (Term("receiver", 60),)),
        locked=True,
        traceable=True,
        note="ubx, navigation, 12 satellites",
    )
    ntp = Opinion("chrony", TimeSource.NTP, 9 * NS, -2_000_000, 500_000, 42, ())
    judged = (Judged(gps, State.CHOSEN, ""), Judged(ntp, State.APART, "contradicts roof by 2 ms"))
    made = Ruling(
        *(10 * NS, 100, 500, TimeSource.GNSS, int(Flag.LOCKED | Flag.TRACEABLE), "roof"),
        *("the least bound of 2", (Term("offset", 40), Term("receiver", 60)), None, judged, 37),
    )
    return made._replace(**other)


def words(one: Ruling | None, now_ns: int = 10 * NS) -> str:
    tai = BUILT_IN.tai_ns(1_795_400_000)
    told = face.told(one, now_ns, tai, "xo", BUILT_IN)
    json.dumps(told, allow_nan=False)
    return "\n".join(face.rows(told))


def test_a_technician_reads_bound_source_reason_and_terms():
    said = words(ruling())
    assert "clock     within 100 ns, by roof (gnss): the least bound of 2" in said
    assert "= offset 40 ns + receiver 60 ns" in said
    assert "+40 ns" in said and "-2.00 ms" in said
    assert "chosen, locked, traceable" in said and "12 satellites" in said
    assert "APART: contradicts roof by 2 ms" in said


def test_what_it_has_grown_by_since_the_ruling_is_a_term():
    told = face.told(ruling(), 12 * NS, BUILT_IN.tai_ns(1_795_400_000), "xo", BUILT_IN)
    assert told["bound_ns"] == 100 + 1_000 == sum(one["ns"] for one in told["terms"])


def test_holdover_doubt_and_leap_seconds_are_said():
    flags = int(Flag.HOLDOVER | Flag.CLOCK_DOUBTED | Flag.LEAP)
    said = words(ruling(flags=flags, held_from_ns=4 * NS, tai_utc_s=38))
    assert "carried by the oscillator (xo) for 6 s" in said
    assert "DOUBTED   chrony: a contradiction; the bound spans it" in said
    assert "TAI - UTC 37 s by the table, 38 s by the sources; LEAP SECOND announced" in said


def test_without_a_bound_it_says_what_is_missing():
    assert "clock     NOT KNOWN: no source of time was asked yet" in words(None)
    assert "NOT KNOWN: roof: no fix" in words(ruling(bound_ns=None, why="roof: no fix", terms=()))


def test_a_leap_table_that_ends_is_said_in_time():
    for left_s, text in ((20 * 86_400, "the table ends in 20 days"), (-1, "HAS EXPIRED")):
        tai = BUILT_IN.tai_ns(BUILT_IN.expires_s - left_s)
        told = face.told(ruling(), 10 * NS, tai, "xo", BUILT_IN)
        assert text in "\n".join(face.rows(told))
