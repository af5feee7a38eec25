"""`gridseal-hil fuzz`: every protocol holds, and what does not hold is found and made again."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers.line import FrameError
from hil import cli
from hil.fuzz import command, trial
from hil.fuzz.target import Piece, Target
from tests.conftest import ROOT

CASES = 2_000
RUN_S = 50.0  # 2,000 cases take one second; a machine may be loaded


def fuzz(*more: str) -> tuple[int, dict[str, Any], str]:
    """The command as a process of its own: its exit code, its figures, its reasons."""
    done = subprocess.run(
        [sys.executable, "-m", "hil.cli", "fuzz", "--json", *more],
        cwd=ROOT, capture_output=True, text=True, timeout=RUN_S, check=False,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout), done.stderr


@pytest.mark.parametrize("name", command.TARGETS)
def test_nothing_but_the_refusal_comes_out(captures: Path, name: str):
    code, figures, said = fuzz(
        "--only", name, "--cases", str(CASES), "--from", str(ROOT / "tests/vectors"),
        "--from", str(captures),
    )  # fmt: skip
    assert (code, said) == (0, "")
    assert figures[name]["cases"] == CASES
    assert figures[name]["failures"] == 0
    assert sum(figures[name]["refused"].values()) > CASES / 10


def target(reader: Callable[[bytes], object]) -> Target:
    return Target({"reader": reader}, FrameError, (bytes(range(40)),), lambda piece: False)


@pytest.fixture(autouse=True)
def watched() -> Iterator[None]:
    with trial.watched():
        yield


def careless(raw: bytes) -> int:
    """Believes a length."""
    if len(raw) < 8:
        raise FrameError("truncated", "")
    return raw[raw[4]]


def costly(raw: bytes) -> int:
    """Looks at every pair of bytes."""
    few = raw[:2_000]
    return sum(first == second for first in few for second in few) if len(raw) > 1_900 else 0


def greedy(raw: bytes) -> int:
    """Believes a count."""
    return len(bytearray(int.from_bytes(raw[:4], "big") >> 6))


def endless(raw: bytes) -> None:
    while raw[:1] == b"\xff":
        pass


@pytest.mark.parametrize(
    ("reader", "what"), [(careless, "IndexError"), (costly, "slow"), (greedy, "large")]
)
def test_a_reader_that_does_not_hold_is_found(reader: Callable[[bytes], object], what: str):
    seeds = (bytes(range(40)),)
    score = command.play(target(reader), seeds, range(200))
    assert score.failures
    assert all(what in failed["what"] for failed in score.failed)
    found = score.failed[0]
    again = command.play(target(reader), seeds, [found["seed"]])
    assert what in again.failed[0]["what"]
    assert again.failed[0]["hex"] == found["hex"]


def test_in_a_process_that_was_large_a_greedy_reader_is_found_too():
    large = bytearray(256 << 20)
    assert large.pop() == 0
    del large
    assert command.play(target(greedy), (bytes(range(40)),), range(200)).failures


def test_a_case_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trial, "STUCK_S", 0.2)
    assert trial.run(target(endless), b"\xff").wrong == "stuck: reader"
    assert trial.run(target(endless), b"\x00").wrong == ""


def test_a_failure_is_told_with_its_number_and_its_bytes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("hil.fuzz.c37118.target", lambda: target(careless))
    assert cli.main(["fuzz", "--only", "c37118", "--cases", "300", "--json"]) == 1
    told = capsys.readouterr()
    failed = json.loads(told.out)["c37118"]["failed"][0]
    assert f"gridseal-hil fuzz --only c37118 --seed {failed['seed']} --cases 1" in told.err
    assert failed["hex"] in told.err
    with pytest.raises(IndexError):
        careless(bytes.fromhex(failed["hex"]))


def test_a_reader_that_refuses_everything_shows_nothing(capsys: pytest.CaptureFixture[str]):
    def shut(raw: bytes) -> None:
        raise FrameError("shut", "")

    score = command.play(target(shut), (b"seed",), range(CASES))
    assert command._reasons("shut", target(shut), score) == [
        "shut: reader took no case: none shows anything of it"
    ]


def test_what_is_recorded_becomes_a_seed(tmp_path: Path):
    from hil.fuzz import corpus

    (tmp_path / "c37118").mkdir()
    (tmp_path / "c37118" / "one.hex").write_text("# by hand\naa01\n0203\n")
    (tmp_path / "c37118" / "none.hex").write_text("# by hand\nno hex\n")
    (tmp_path / "other.toml").write_text("a = 1\n")
    pieces = list(corpus.read([tmp_path]))
    assert pieces == [
        Piece("file", "c37118/one.hex", b"\xaa\x01\x02\x03"),
        Piece("file", f"{tmp_path.name}/other.toml", b"a = 1\n"),
    ]
    assert corpus.seeds("c37118", target(careless), pieces) == [
        bytes(range(40)), b"\xaa\x01\x02\x03"
    ]  # fmt: skip
