"""The demo as people start it: it accounts for every frame, and leaves nothing running, however it
ends."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from evidence.code import Kind
from hil.devices.pmu import Pmu, Profile
from hil.grid import Grid
from hil.ledger import Ledger
from hil.outcome import Outcome, Station

STAGES = ("heard", "sealed", "durable", "admitted", "receipted")
WAIT_S = 45.0  # a demo of some seconds, on a machine that does other things too


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "hil.cli", "demo", *arguments]


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """A demo that makes its temporary folder in this one."""
    return subprocess.Popen(
        command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
    )


def children(pid: int) -> set[int]:
    """The processes that this one has started and that still run."""
    found: set[int] = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="ascii").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.add(int(path.parent.name))
    return found


def program(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.05)


def both(pid: int) -> set[int]:
    """Agent and record, once both run."""
    found: set[int] = set()

    def there() -> bool:
        nonlocal found
        found = children(pid)
        names = " ".join(map(program, found))
        return "agent.cli" in names and "record.cli" in names

    until(there, "agent and record")
    return found


def hears(demo: subprocess.Popen[str]) -> None:
    """Returns when the demo shows that a PMU is heard."""
    assert demo.stderr is not None
    for line in demo.stderr:
        if re.search(r"\d Hz", line):
            return
    raise AssertionError("it ended before a PMU was heard")


def gone(pids: set[int]) -> bool:
    return not any("agent.cli" in program(pid) or "record.cli" in program(pid) for pid in pids)


def holds(said: dict[str, object]) -> None:
    """Every stage has every data frame that was sent."""
    assert said["sent"] != 0
    assert {stage: said[stage] for stage in STAGES} == dict.fromkeys(STAGES, said["sent"])
    assert said["refused"] == said["faults"] == said["verify"] == 0
    assert said["reasons"] == []


def test_every_frame_sent_is_receipted_and_the_record_verifies(tmp_path: Path) -> None:
    keep = tmp_path / "kept"
    done = subprocess.run(
        command("--seconds", "4", "--json", "--keep", str(keep)),
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    holds(said)
    # Two PMUs of 60/s for four seconds; a busy machine takes most of them to start.
    assert 60 < said["sent"] < 600
    assert said["total"]["heard"] > said["heard"]  # configuration frames are sealed too
    assert 0 < said["latency_ms"]["p50"] <= said["latency_ms"]["p99"]
    assert "everything holds" in done.stderr and "Hz" in done.stderr
    # What was kept verifies again, and not with one byte changed.
    site = keep / "site"
    verify = [sys.executable, "-m", "record.cli", "verify", str(site / "record.db")]
    anchors = ["--anchors", str(site / "anchors.toml")]
    assert subprocess.run([*verify, *anchors], timeout=WAIT_S, check=False).returncode == 0
    assert (site / "report.json").is_file()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "term"])
def test_told_to_stop_it_drains_and_sums_up(number: signal.Signals, tmp_path: Path) -> None:
    demo = started(tmp_path, "--json")
    try:
        begun = both(demo.pid)
        hears(demo)
        demo.send_signal(number)
        out, err = demo.communicate(timeout=WAIT_S)
    finally:
        demo.kill()
    assert demo.returncode == 0, err
    holds(json.loads(out.splitlines()[-1]))
    assert gone(begun)
    assert not list(tmp_path.iterdir())


def test_killed_outright_it_leaves_nothing_running(tmp_path: Path) -> None:
    demo = started(tmp_path)
    try:
        begun = both(demo.pid)
    finally:
        demo.kill()
        demo.communicate(timeout=WAIT_S)
    until(lambda: gone(begun), "the end of agent and record")


def test_an_agent_that_dies_is_a_reason_and_no_hang(tmp_path: Path) -> None:
    demo = started(tmp_path, "--json")
    try:
        begun = both(demo.pid)
        time.sleep(1.0)
        (agent,) = (pid for pid in begun if "agent.cli" in program(pid))
        os.kill(agent, signal.SIGKILL)
        out, err = demo.communicate(timeout=WAIT_S)
    finally:
        demo.kill()
    assert demo.returncode == 1
    said = json.loads(out.splitlines()[-1])
    assert any("the agent ended with -9" in reason for reason in said["reasons"])
    assert "the agent ended" in err
    assert gone(begun)


def test_a_folder_with_a_demo_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "gateway.toml").write_text("mine")
    done = subprocess.run(
        command("--seconds", "1", "--keep", str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode == 1
    assert "gateway.toml" in done.stdout and "Traceback" not in done.stderr
    assert (tmp_path / "site" / "gateway.toml").read_text() == "mine"


def judged(kept: list[int], **agent: int) -> list[str]:
    """The reasons of a demo whose PMU sent three frames, and whose record has these of them."""
    pmu = Pmu(Profile(idcode=7), Grid(), lambda: 0)
    for fracsec in (0, 1, 2):
        pmu.handed(1_790_000_000 << 24 | fracsec)
    ledger = Ledger(Path("nowhere"))
    ledger.kinds[int(Kind.C37118)] = ledger.data[7] = len(kept)
    ledger.instants[7] = {(1_790_000_000, fracsec) for fracsec in kept}
    account = dict.fromkeys(("heard", "sealed", "durable", "receipted"), len(kept)) | agent
    outcome = Outcome(sent=3, agent=account, verify=0)
    outcome.judge([Station(pmu, "pmu-a", "TCP", "Bus 1")], ledger)
    return outcome.reasons


def test_what_is_missing_or_wrong_is_a_reason() -> None:
    assert judged([0, 1, 2]) == []
    assert judged([0, 1]) == [
        "pmu-a: 3 data frames sent, 2 in the record",
        "pmu-a: 1 of the instants sent are not in the record",
    ]
    assert judged([0, 1, 5]) == ["pmu-a: 1 of the instants sent are not in the record"]
    assert judged([0, 1, 2], receipted=2) == ["2 links receipted, 3 admitted"]
    assert judged([0, 1, 2], refused=1, faults=2) == [
        "the agent counts 1 refused",
        "the agent counts 2 faults",
    ]
