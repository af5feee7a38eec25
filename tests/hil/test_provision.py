"""From nothing to the first receipted sample, as `make demo-provision` does it; who types it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hil import provision, typist
from hil.child import ChildError
from tests.hil.demo.rig import children

WAIT_S = 240.0  # a machine that does other things too


@pytest.mark.timeout(WAIT_S + 30)
def test_twelve_answers_and_a_minute_from_nothing_to_the_first_receipt(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    done = subprocess.run(
        [sys.executable, "-m", "hil.cli", "provision", "--json", "--keep", str(folder)],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    print(done.stderr)  # the figures
    told = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0, done.stderr
    assert told["reasons"] == []
    assert told["answers"] <= 12
    assert told["seconds"] < 60.0
    assert [one["name"] for one in told["steps"]] == [
        *("new", "plan ask", "discover", "enrol online", "preflight", "report", "agent"),
    ]
    # One PMU may say what it is only after the first batch was cut.
    assert told["receipt"]["samples"] > 0 and told["receipt"]["streams"] in (1, 2)
    assert told["pmus"] == 2
    assert told["receipt"]["entry"] < told["receipt"]["size"]
    assert (folder / "hand-over.pdf").read_bytes().startswith(b"%PDF")
    assert str(folder) not in processes()


def processes() -> str:
    """The command lines of all that runs."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return "\n".join(found)


def test_a_question_that_nobody_expected_is_not_answered(tmp_path: Path) -> None:
    with pytest.raises(ChildError, match="nobody expected: 'Name of this gateway'"):
        typist.run(["new", str(tmp_path / "gw")], [("the moon", "no")])
    assert not (tmp_path / "gw").exists()


def test_what_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typist, "COMMAND_S", 3.0)
    begun = time.monotonic()
    with pytest.raises(ChildError, match="not done in 3 s"):
        typist.run(["serve", str(tmp_path / "gw"), "--listen", "127.0.0.1:0"])
    assert time.monotonic() - begun < 30
    assert not [pid for pid in children(os.getpid()) if str(tmp_path) in cmdline(pid)]


def cmdline(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def test_a_command_that_fails_ends_the_walk_with_its_words(tmp_path: Path) -> None:
    bench = provision.Bench(tmp_path, print)
    with pytest.raises(ChildError, match=r"report ended with 2: .*gateway\.toml"):
        bench._do("report", ["report", str(tmp_path), "--out", str(tmp_path / "x.pdf")])
    assert bench.walk.steps == []
