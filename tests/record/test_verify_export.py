"""`gridseal-record verify` on an export: the record is gone, only file and anchors are there."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from evidence import export
from evidence.export import Item, Opening, Sealed
from evidence.leap import NS
from record.cli import main
from tests.agent.archiving import exported, fill
from tests.agent.site import Record, Site
from tests.evidence.exporting import Story, written
from tests.record.gateway import START

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 50


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with an export and the anchors, and nothing else; the record is gone."""
    folder = tmp_path_factory.mktemp("whole")
    site = Site(folder / "gateway")
    record = Record(site)
    fill(site, record)
    (folder / "export").write_bytes(exported(site))
    shutil.copy(site.folder / "anchors.toml", folder)
    record.close()
    shutil.rmtree(site.folder)
    yield folder


def verify(folder: Path, name: str = "export", *more: str) -> int:
    return main(["verify", str(folder / name), "--anchors", str(folder / "anchors.toml"), *more])


def test_everything_holds_and_is_told(whole: Path, capsys: pytest.CaptureFixture[str]):
    assert verify(whole) == 0
    told, err = capsys.readouterr()
    assert err == ""
    for words in (
        "asked for  2026-09-21T13:13:20Z until before 2026-09-21T15:13:20Z, every stream",
        "each observation by its batch (--every: by its own signature)",
        "batches    5: 3 with a receipt of the log, 2 without",
        "observations under no head yet: by own signatures",
        "observations (pmu/7), 2026-09-21T14:13:20Z to 2026-09-21T14:13:2",
        "gaps       not_heard: 2, which count 20 samples",
        "class      simulated: 80, by the receipts",
        "not shown  that the trees of the receipts are one that grew",
    ):
        assert words in told
    assert told.endswith("export: everything holds\n")
    assert verify(whole, "export", "--every") == 0
    assert "each observation by its own signature" in capsys.readouterr().out
    assert sorted(path.name for path in whole.iterdir()) == ["anchors.toml", "export"]


def test_what_does_not_hold_is_exit_1_with_a_reason_a_line(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    shutil.copy(whole / "anchors.toml", tmp_path)
    data = (whole / "export").read_bytes()
    bad = bytearray(data)
    bad[len(bad) // 2] ^= 1
    for name, content in (("flipped", bytes(bad)), ("cut", data[:-1]), ("more", data + b"\0")):
        (tmp_path / name).write_bytes(content)
        assert verify(tmp_path, name) == 1
        told = capsys.readouterr().out.splitlines()
        assert re.search(r": does not hold: (1 reason|\d+ reasons)$", told[-1])
        assert any(line.startswith("file: encoding: ") for line in told)


def test_a_batch_left_out_is_exit_1(whole: Path, tmp_path: Path, capsys):
    shutil.copy(whole / "anchors.toml", tmp_path)
    opening, *items = export.read([(whole / "export").read_bytes()])
    assert isinstance(opening, Opening)
    at = [number for number, item in enumerate(items) if isinstance(item, Sealed)][1]
    kept: list[Item] = [*items[:at], *items[at + 1 :]]  # type: ignore[list-item]
    (tmp_path / "export").write_bytes(written(kept, opening))
    assert verify(tmp_path) == 1
    told = capsys.readouterr().out
    assert "batch 1 is not in this file, and no statement in it says why" in told
    assert "stream 1: seq " in told and "stream 2: seq " in told


def test_other_anchors_do_not_vouch(whole: Path, tmp_path: Path, capsys):
    shutil.copy(whole / "export", tmp_path)
    Site(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "anchors.toml", tmp_path)
    assert verify(tmp_path) == 1
    told = capsys.readouterr().out
    assert "unknown_authority: nobody knows key" in told
    assert "0 with a receipt" in told


def test_without_anchors_it_names_whom_to_compare(whole: Path, tmp_path: Path, capsys):
    assert main(["verify", str(whole / "export")]) == 3
    told = capsys.readouterr().out
    assert "authority  kid " in told and "'authority-1'" in told and "log        kid " in told
    (tmp_path / "cut").write_bytes((whole / "export").read_bytes()[:-9])
    assert main(["verify", str(tmp_path / "cut")]) == 3
    assert "and is damaged: encoding: the file ends" in capsys.readouterr().out


def test_what_is_neither_record_nor_export_is_exit_2(whole: Path, tmp_path: Path, capsys):
    shutil.copy(whole / "anchors.toml", tmp_path)
    data = (whole / "export").read_bytes()
    for name, content in (
        ("empty", b""), ("text", b"gridseal export, or so it says" * 9), ("cut", data[:40]),
        ("later", data.replace(b"gridseal export\x01", b"gridseal export\x02", 1)),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(content)
        assert verify(tmp_path, name) == 2, name
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert err.startswith("gridseal-record: ")
    assert verify(tmp_path, "absent") == 2


def test_a_long_export_is_checked_in_little_memory(tmp_path: Path):
    """60 MB in a process that may have no more than 60 MB beyond what it starts with."""
    story = Story()
    story.describe(1)
    path = tmp_path / "export"
    with path.open("wb") as file:
        writer = export.Writer(file.write, Opening(START, START + 3600 * NS, None, "test"))
        for number in range(60):
            for _ in range(16):
                story.run.observe(1, bytes(65_000), tai=START + number)
            story.cut()
            for item in story.items:
                writer.add(item)
            story.items = []
        writer.close()
    assert path.stat().st_size > 60_000_000
    from tests.record.test_audit import anchors_text

    (tmp_path / "anchors.toml").write_text(anchors_text())
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, "verify", str(path), "--anchors",
         str(tmp_path / "anchors.toml")],
        cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stderr) < 60_000, done.stderr


_MEASURED = """
import resource, sys
from record.cli import main
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
code = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, file=sys.stderr)
sys.exit(code)
"""
