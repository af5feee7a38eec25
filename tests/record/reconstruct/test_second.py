"""Two processes: the same bytes and words as one, faults by their names, nothing left behind."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from evidence import anchor
from evidence.code import Reason
from evidence.refusal import EvidenceError
from record.cli import main
from record.reconstruct import check, document, holding, second
from record.reconstruct.comtrade import Sheet
from record.reconstruct.drawing import Drawing
from record.reconstruct.second import Second
from record.schema import INT_MAX
from record.store import StoreError, open_reader
from tests.record.bundling import Seam, files, reconstruct, rewritten, sealed_anew

WAIT_S = 30.0


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of two gateways, one of which restarts within the interval."""
    folder = tmp_path_factory.mktemp("shared")
    seam = Seam(folder)
    seam.go(2, gap=True)
    seam.restart()
    seam.go(2)
    seam.close()
    (folder / "anchors.toml").write_text(seam.anchors())
    assert reconstruct(seam.place, folder / "bundle", first=0, last=4) == 0
    return folder


def _written(folder: Path, processes: int) -> dict[str, bytes]:
    anchors = anchor.read((folder / "anchors.toml").read_text(), "anchors.toml")
    held = holding.load(folder / "bundle", anchors)
    try:
        found = document.files(held, processes=processes)
        return {one.name: b"".join(one.chunks) for one in found}
    finally:
        held.store.close()


def test_documents_are_the_same_by_one_process_and_by_two(shared: Path):
    one, two = (_written(shared, processes) for processes in (1, 2))
    assert list(one) == list(two)
    assert [name for name in one if one[name] != two[name]] == []
    assert sum(name.endswith(".dat") and bool(data) for name, data in two.items()) >= 3


def test_a_gateway_with_one_core_writes_the_same_bundle(shared: Path, tmp_path: Path, capsys):
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        assert second.processes() == 1
        assert reconstruct(shared / "record.db", tmp_path / "bundle", first=0, last=4) == 0
    finally:
        os.sched_setaffinity(0, cores)
    for path in files(shared / "bundle"):
        assert (
            path.read_bytes()
            == (tmp_path / "bundle" / path.relative_to(shared / "bundle")).read_bytes()
        )


Change = Callable[[Path], None]


def _nothing(bundle: Path) -> None:
    pass


def _flipped(bundle: Path) -> None:
    """A byte of the last gateway's file, that is not the manifest's word any more."""
    path = sorted((bundle / "devices").iterdir())[-1]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _copied(bundle: Path) -> None:
    """What one gateway sealed stands in another's file, too."""
    one, other = sorted((bundle / "devices").iterdir())
    shutil.copy(one, other)
    sealed_anew(bundle)


def _left_out(bundle: Path) -> None:
    rewritten(sorted((bundle / "devices").iterdir())[0], lambda items: items.__delitem__(-2))
    sealed_anew(bundle)


@pytest.mark.parametrize("change", [_nothing, _flipped, _copied, _left_out])
def test_two_processes_check_a_bundle_in_the_same_words(
    change: Change, shared: Path, tmp_path: Path
):
    shutil.copytree(shared / "bundle", tmp_path / "bundle")
    change(tmp_path / "bundle")
    anchors = anchor.read((shared / "anchors.toml").read_text(), "anchors.toml")
    come: list[Sequence[Any]] = []

    def beside(jobs: Sequence[Callable[[], Any]]) -> Sequence[Any]:
        come.append(second.beside(jobs))
        return come[-1]

    words: list[list[str]] = [[], []]
    one = check.check(tmp_path / "bundle", anchors, True, words[0].append)
    two = check.check(tmp_path / "bundle", anchors, True, words[1].append, beside)
    assert words[0] == words[1]
    assert (one.reasons, one.told) == (two.reasons, two.told)
    assert one.found and two.found and one.found.documents == two.found.documents
    assert bool(one.reasons) == (change is not _nothing)
    assert len(come) == 1 and (None not in come[0]) == (change in (_nothing, _copied))


@pytest.mark.parametrize(
    "fault",
    [
        StoreError("the body of entry 7 is missing"),
        EvidenceError(Reason.BUNDLE, "devices/x.gsx is not what the manifest says"),
        OSError(errno.ENOSPC, "No space left on device", "spool"),
    ],
)
def test_a_fault_there_is_the_same_fault_here(fault: Exception):
    def work(messages: Iterator[bytes]) -> None:
        raise fault

    with pytest.raises(type(fault)) as found, Second("draws", work) as other:
        other.answer()
    assert str(found.value) == str(fault)


def test_one_that_is_killed_is_named_and_nothing_of_it_is_used():
    def work(messages: Iterator[bytes]) -> None:
        next(messages)
        os.kill(os.getpid(), signal.SIGKILL)

    with (
        pytest.raises(ChildProcessError, match="the process that draws ended by SIGKILL"),
        Second("draws", work) as other,
    ):
        for _ in range(10_000):  # more than the pipe holds
            other.tell(bytes(4096))


def test_it_is_told_all_and_answers_once():
    def work(messages: Iterator[bytes]) -> int:
        return sum(map(len, messages))

    with Second("counts", work) as other:
        for size in range(1, 2000):
            other.tell(bytes(size))
        assert other.answer() == sum(range(2000))


def test_who_gives_it_up_leaves_nothing_behind():
    def work(messages: Iterator[bytes]) -> None:
        time.sleep(WAIT_S)

    with pytest.raises(StoreError), Second("sleeps", work) as other:
        pid = other._pid
        raise StoreError("given up")
    assert not Path(f"/proc/{pid}").exists()


LISTENS = """
import os, signal
from record.reconstruct.second import Second
def work(messages):
    for message in messages:
        pass
with Second("listens", work) as other:
    print(other._pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
CHECKS = """
import os, signal, time
from record.reconstruct.second import beside
said, saying = os.pipe()
def here():
    print(os.read(said, 16).decode(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
def there():
    os.write(saying, str(os.getpid()).encode())
    time.sleep(600)
beside([here, there])
"""


@pytest.mark.parametrize("program", [LISTENS, CHECKS], ids=["listens", "checks"])
def test_it_does_not_outlive_who_started_it(program: str):
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        pid = int(first.stdout.readline())
        assert first.wait(WAIT_S) == -signal.SIGKILL
    until = time.monotonic() + WAIT_S
    try:
        while _lives(pid):
            assert time.monotonic() < until
            time.sleep(0.02)
    except AssertionError:
        os.kill(pid, signal.SIGKILL)
        raise


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_second_process_that_dies_is_one_line_and_leaves_no_bundle(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    first, rows = os.getpid(), Sheet.rows

    def die(*args: Any) -> bytes:
        if os.getpid() != first:
            os.kill(os.getpid(), signal.SIGKILL)
        return rows(*args)

    monkeypatch.setattr(Sheet, "rows", die)
    monkeypatch.setattr("record.command.reconstruct.processes", lambda: 2)
    assert reconstruct(shared / "record.db", tmp_path / "bundle", first=0, last=4) == 2
    told = capsys.readouterr().err
    assert told == "gridseal-record: the process that draws streams ended by SIGKILL\n"
    assert list(tmp_path.iterdir()) == []


def test_verify_holds_by_two(shared: Path, capsys):
    assert main(["verify", str(shared / "bundle"), "--anchors", str(shared / "anchors.toml")]) == 0
    assert "written again: the same bytes" in capsys.readouterr().out


def test_a_bundle_as_a_record_has_the_spans_of_the_record(shared: Path):
    """When each range was heard and measured, read without hashing a link."""
    anchors = anchor.read((shared / "anchors.toml").read_text(), "anchors.toml")
    held = holding.load(shared / "bundle", anchors)
    record = open_reader(shared / "record.db", live=False)
    try:
        for run in held.store.runs():
            for stream in held.store.streams(run.id):
                mine = held.store.spans_near(run.id, stream, 0, INT_MAX)
                assert mine and set(mine) <= set(record.spans_near(run.id, stream, 0, INT_MAX))
    finally:
        record.close()
        held.store.close()


def test_a_bundle_that_became_another_after_its_check_does_not_hold(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    """It holds as well, and is not the one of which the check told."""
    bundle = tmp_path / "bundle"
    shutil.copytree(shared / "bundle", bundle)
    assert reconstruct(shared / "record.db", tmp_path / "other", first=0, last=3) == 0
    load = holding.load

    def late(path: Path, *more: Any) -> holding.Holding:
        shutil.rmtree(path)
        (tmp_path / "other").rename(path)
        return load(path, *more)

    anchors = ["--anchors", str(shared / "anchors.toml")]
    monkeypatch.setattr(holding, "load", late)
    assert main(["verify", str(bundle), *anchors]) == 1
    monkeypatch.setattr(holding, "load", load)
    assert "changed while it was read: it is bundle " in capsys.readouterr().out
    assert main(["verify", str(bundle), *anchors]) == 0


@pytest.mark.parametrize("processes", [1, 2])
def test_a_full_disk_names_where_temporary_files_lie(
    shared: Path, monkeypatch: pytest.MonkeyPatch, processes: int
):
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: open("/dev/full", "w+b"))  # noqa: SIM115
    with pytest.raises(OSError, match=f"No space left on device: '{tempfile.gettempdir()}'"):
        _written(shared, processes)


def test_ctrl_c_is_no_traceback(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def stopped(*args: Any) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(Drawing, "pen", stopped)
    assert reconstruct(shared / "record.db", tmp_path / "bundle", first=0, last=4) == 130
    assert list(tmp_path.iterdir()) == []
