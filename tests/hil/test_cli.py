"""`gridseal-hil` told something wrong: one line that helps, and exit 2."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from hil import cli
from hil.bench import BenchError
from hil.bench.process import first_told


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("dmo", "did you mean 'demo'"),
        ("bench latancy", "did you mean 'latency'"),
        ("bench", "required"),
        ("bench seal --streams 3", "takes no --streams"),
        ("bench latency --streams 0", "1 to 1000"),
        ("demo --second 3", "did you mean '--seconds'"),
        ("demo --seconds soon", "'soon'"),
        ("demo --seconds -1", "-1"),
        ("demo --seconds nan", "nan"),
        ("replay", "FILE"),
        ("replay one two", "'two' is one argument too many"),
        ("replay --jsn one", "did you mean '--json'"),
        ("faults --only agent-kil", "did you mean 'agent-kill'"),
        ("faults --only link-cut,clok-step", "did you mean 'clock-step'"),
        ("faults --only", "--only"),
        ("faults --seed now", "'now'"),
    ],
)
def test_a_wrong_argument_is_one_line_with_the_nearest(
    typed: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(typed.split()) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err and told.err.count("\n") == 1


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in ("demo", "replay", "bench", "faults"))


def test_a_missing_program_is_named_with_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hil.faults.need.shutil.which", lambda program, path: None)
    assert cli.main(["faults", "--only", "clock-step"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == (
        "gridseal-hil faults: clock-step: faketime is missing: apt-get install faketime\n"
    )


def test_a_benchmark_whose_programs_cannot_start_is_one_line() -> None:
    """As where the machine has no descriptors left."""
    command = [sys.executable, "-m", "hil.cli", "bench", "latency", "--seconds", "1"]
    limits = (resource.RLIMIT_NOFILE, (5, 5))
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False,
        preexec_fn=lambda: resource.setrlimit(*limits),
    )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stderr.startswith("gridseal-hil bench latency: ")
    assert "Too many open files" in ended.stderr and ended.stderr.count("\n") == 1


def test_a_program_that_ends_with_a_traceback_is_named_with_its_last_word(tmp_path: Path) -> None:
    said = tmp_path / "pmu.log"
    said.write_text("Traceback (most recent call last):\n  at\nOSError: in use\n")
    with pytest.raises(BenchError, match=r"pmu\.log: OSError: in use"):
        first_told(said)
