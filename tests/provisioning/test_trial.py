"""`gridseal-provision test-mode` where no agent answers as it should: what is written, and that
nobody is told to inject. With an agent: tests/scenario/test_trial.py.
"""

import json
import os
import socket
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent import declared, trial
from evidence.config import ConfigError
from evidence.leap import NS
from provisioning import trial as mode
from provisioning.argument import UsageError
from provisioning.cli import main
from provisioning.placement import PlacementError
from provisioning.trial import Moment, begun, ended, span, text_of

SOURCE = "c37118+tcp://127.0.0.1:4712?idcode=7&name=pmu-a&bus=North"
NOON = Moment(1_790_000_000 * NS, "a-boot", 100 * NS)
HOUR = 3600 * NS
WORDS = ("--stream", "pmu-a", "--reason", "injection", "--by", "A. Tester")


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    folder = tmp_path / "site"
    assert main(["init", str(folder), "--source", SOURCE]) == 0
    capsys.readouterr()
    return folder


def later(ns: int) -> Moment:
    return NOON._replace(utc_ns=NOON.utc_ns + ns, boot_ns=NOON.boot_ns + ns)


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def test_without_an_agent_it_is_declared_and_not_on(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["test-mode", "start", str(site), *WORDS, "--max", "90min"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("DO NOT INJECT YET: no agent runs")
    (one,) = declared.load(site / trial.FILE)
    assert (one.row.source, one.row.reason, one.row.by) == ("pmu-a", "injection", "A. Tester")
    assert one.until - one.since == 90 * 60 * NS and one.row.boot == trial.boot_id()
    assert main(["test-mode", "stop", str(site), "--stream", "pmu-a", "--json"]) == 0
    assert told(capsys)["off"]
    (one,) = declared.load(site / trial.FILE)
    assert one.stopped is not None
    assert main(["test-mode", "stop", str(site), "--stream", "pmu-a"]) == 2
    assert "no test of 'pmu-a' goes on" in capsys.readouterr().err


@pytest.mark.parametrize(
    "account",
    [
        {"tests": [], "tests_fault": ""},
        {},
        {"tests": [], "tests_fault": "no TOML"},
        {"tests": [{"source": "pmu-a", "state": "on"}], "tests_fault": ""},
        {"tests": [7], "tests_fault": ""},
    ],
    ids=["not yet", "older", "cannot read", "another version", "no words"],
)
def test_an_agent_that_does_not_say_so_is_not_believed(
    site: Path,
    account: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Somebody else on the agent's socket: it answers, and never with the flag."""
    monkeypatch.setattr(mode, "ACK_S", 0.5)
    path = site / "spool.db.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def answer() -> None:
            while True:
                try:
                    with server.accept()[0] as asker:
                        asker.sendall(json.dumps(account).encode())
                except OSError:
                    return

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            assert main(["test-mode", "start", str(site), *WORDS, "--json"]) == 1
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10)
    found = told(capsys)
    assert not found["on"] and found["why"]


def test_whoever_tests_is_told_which_sources_are_in_no_test(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is injected may be heard by another source as well, and would settle there."""
    for name in ("pmu-b", "pmu-c"):
        with (site / "gateway.toml").open("a") as file:
            file.write(f'\n[[source]]\nname = "{name}"\nscheme = "c37118+tcp"\n')
            file.write('options = {host = "127.0.0.1", idcode = 8}\n')
        with (site / "site.toml").open("a") as file:
            file.write(f'\n[[stream]]\nsource = "{name}"\nbus = "North"\n')
    assert main(["test-mode", "start", str(site), *WORDS, "--json"]) == 1
    assert told(capsys)["not_in_test"] == ["pmu-b", "pmu-c"]
    argv = ["test-mode", "start", str(site), "--stream", "pmu-b", *WORDS[2:]]
    assert main(argv) == 1
    assert "In no test: pmu-c. What hears the same device" in capsys.readouterr().out


def test_dry_run_writes_nothing(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test-mode", "start", str(site), *WORDS, "--dry-run"]) == 0
    assert 'source = "pmu-a"' in capsys.readouterr().out
    assert not (site / trial.FILE).exists()


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("--stream", "pmu-b", "--reason", "x"), "did you mean 'pmu-a'"),
        (("--stream", "pmu-a", "--reason", ""), "--reason"),
        (("--stream", "pmu-a", "--reason", "a\x1b[2J"), "--reason"),
        (("--stream", "pmu-a", "--reason", "x" * 201), "--reason"),
        (("--stream", "pmu-a", "--reason", "x", "--by", "b" * 65), "--by"),
        (("--stream", "pmu-a", "--reason", "x", "--max", "5h"), "4h at most"),
        (("--stream", "pmu-a", "--reason", "x", "--max", "0h"), "4h at most"),
        (("--stream", "pmu-a", "--reason", "x", "--max", "soon"), "4h at most"),
    ],
)
def test_what_is_typed_wrongly_is_refused(
    site: Path, words: tuple[str, ...], fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["test-mode", "start", str(site), *words]) == 2
    assert fault in capsys.readouterr().err and not (site / trial.FILE).exists()


def test_a_file_that_cannot_be_read_is_not_written_over(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (site / trial.FILE).write_text("[[test]")
    assert main(["test-mode", "start", str(site), *WORDS]) == 2
    assert "not TOML" in capsys.readouterr().err
    assert (site / trial.FILE).read_text() == "[[test]"


def test_spans() -> None:
    assert (span("4h"), span("90min"), span("45m"), span("1s")) == (
        *(4 * HOUR, 90 * 60 * NS),
        *(45 * 60 * NS, NS),
    )
    for wrong in ("4", "-1h", "1.5h", "14401s", "1d", ""):
        with pytest.raises(UsageError):
            span(wrong)


def test_a_second_test_takes_over_and_what_is_old_is_forgotten() -> None:
    rows = declared.read(text_of(begun((), "pmu-a", "first", "A", HOUR, NOON)))
    rows = declared.read(text_of(begun(rows, "pmu-a", "second", "B", HOUR, later(HOUR // 2))))
    assert [one.row.reason for one in rows] == ["first", "second"]
    assert rows[0].stopped == rows[1].since
    rows = declared.read(text_of(begun(rows, "pmu-b", "third", "C", HOUR, later(2 * HOUR))))
    assert [one.row.reason for one in rows] == ["first", "second", "third"]
    assert [bool(one.row.stopped) for one in rows] == [True, True, False]
    rows = declared.read(text_of(ended(rows, "pmu-b", later(26 * HOUR))))
    assert [one.row.reason for one in rows] == ["third"], "ended by itself, a day has not passed"


def test_a_test_that_goes_on_is_never_forgotten_for_those_that_are_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(declared, "ROWS_MAX", 8)
    rows = declared.read(text_of(begun((), "pmu-a", "goes on", "A", HOUR, NOON)))
    for at in range(declared.ROWS_MAX + 10):
        rows = declared.read(text_of(begun(rows, "pmu-b", str(at), "B", HOUR, later(at * NS))))
    assert len(rows) == declared.ROWS_MAX
    assert (rows[0].row.reason, rows[0].stopped) == ("goes on", None)
    assert rows[-1].row.reason == str(declared.ROWS_MAX + 9)


def test_more_tests_at_once_than_the_file_holds_are_refused(site: Path) -> None:
    (one,) = begun((), "pmu", "x", "A", HOUR, NOON)
    several = [msgspec.structs.replace(one, source=f"pmu-{at}") for at in range(declared.ROWS_MAX)]
    mode.write(site, lambda rows: several)
    with pytest.raises(ConfigError):
        mode.write(site, lambda rows: begun(rows, "one more", "x", "A", HOUR, NOON))
    assert len(declared.load(site / trial.FILE)) == declared.ROWS_MAX


def test_a_stop_is_never_before_its_beginning() -> None:
    rows = declared.read(text_of(begun((), "pmu-a", "first", "A", HOUR, NOON)))
    back = NOON._replace(utc_ns=NOON.utc_ns - 5 * HOUR)
    (one,) = declared.read(text_of(ended(rows, "pmu-a", back)))
    assert one.stopped == one.since


def test_a_power_cut_leaves_the_file_as_it_was_or_as_it_is_to_be(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin(reason: str) -> None:
        mode.write(site, lambda rows: begun(rows, "pmu-a", reason, "A", HOUR, NOON))

    begin("first")
    before = (site / trial.FILE).read_bytes()

    def gone(*_: object) -> None:
        raise OSError(5, "power cut")

    with monkeypatch.context() as cut:
        cut.setattr(os, "rename", gone)
        with pytest.raises(PlacementError):
            begin("second")
    assert (site / trial.FILE).read_bytes() == before
    begin("third")
    assert [one.row.reason for one in declared.load(site / trial.FILE)] == ["first", "third"]
