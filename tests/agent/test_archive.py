"""An archive is read beside its agent, from a copy, and around damage, and never written."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import apsw
import pytest

from agent.archive import Archive, ArchiveError, BatchRow
from agent.schema import SpoolError
from evidence import cose, head
from evidence.code import Typ
from evidence.export import Sealed
from tests.agent.archiving import (
    ALL,
    beat,
    export_of,
    exported,
    go,
    items,
    kinds,
    typed,
    verified,
)
from tests.agent.keeping import end, running
from tests.agent.site import Site, setup

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 20


@pytest.fixture
def copy(filled: Site, tmp_path: Path) -> Path:
    return Path(shutil.copy(filled.spool, tmp_path / "spool.db"))


def test_a_running_agent_is_read_and_not_disturbed(tmp_path: Path) -> None:
    """Its spool is not written, its lock not touched; and it can open its spool anew meanwhile,
    for which SQLite must bring in its log."""
    site = Site(tmp_path / "gateway")

    async def work() -> None:
        agent = await running(site)
        agent.hear(setup("8"), source="pmu-b")
        await beat(agent, 0, 19)
        await agent.keeper._signatures.settle()
        await agent.keeper.commit()
        before = {path.name: path.read_bytes() for path in site.spool.parent.glob("spool.db*")}
        data = exported(site)
        after = {path.name: path.read_bytes() for path in site.spool.parent.glob("spool.db*")}
        # SQLite's shared index has marks of readers in it; it is no part of what is kept.
        assert {k: v for k, v in before.items() if k != "spool.db-shm"} == {
            k: v for k, v in after.items() if k != "spool.db-shm"
        }
        assert verified(site, data)[0] == []
        archive = Archive(site.spool)
        assert archive.batch_from(0) is not None
        await agent.keeper._disk.open()
        await beat(agent, 20, 24)
        await agent.keeper.commit()
        assert archive.pieces_between(0, 1 << 40)[-1] > 1
        archive.close()
        await end(agent)

    go(work())
    assert verified(site, exported(site))[0] == []


def test_a_copy_needs_no_lock_and_leaves_nothing_beside_it(copy: Path, filled: Site) -> None:
    os.chmod(copy, 0o400)
    before = copy.read_bytes()
    data, written, said = export_of(copy, ALL)
    assert (written.damaged, said) == (0, [])
    assert data == exported(filled)
    assert copy.read_bytes() == before
    assert not (copy.parent / "spool.db.lock").exists()


def test_a_copy_where_nothing_can_be_written(filled: Site) -> None:
    """By somebody who may not write there, as on a disk that is mounted to be read only."""
    with tempfile.TemporaryDirectory() as folder:  # not pytest's own, which is closed to others
        os.chmod(folder, 0o755)
        path = shutil.copy(filled.spool, folder)
        done = subprocess.run(
            [sys.executable, "-c", _READ_ONLY, str(path)],
            cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S, check=False,
        )  # fmt: skip
        os.chmod(folder, 0o755)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == ["True", f"{path}: cannot be read where it is"]


_READ_ONLY = """
import os, sys
from pathlib import Path
from agent.archive import Archive
from agent.schema import SpoolError
path = Path(sys.argv[1])
os.chmod(path, 0o444)
os.chmod(path.parent, 0o555)
user = os.geteuid()
if not user:
    os.seteuid(65534)
print(Archive(path).batch_from(0) is not None)
if not user:
    os.seteuid(user)
os.chmod(path.parent, 0o755)
Path(f"{path}-wal").write_bytes(bytes(4096))
os.chmod(path.parent, 0o555)
if not user:
    os.seteuid(65534)
try:
    Archive(path)
except SpoolError as fault:
    print(str(fault).partition(": copy")[0])
"""


def test_what_is_no_spool_is_said(tmp_path: Path, copy: Path) -> None:
    with pytest.raises(SpoolError, match="there is no such file"):
        Archive(tmp_path / "absent.db")
    (tmp_path / "text").write_text("no database, though long enough to look for a header" * 9)
    with pytest.raises(SpoolError, match="not a database"):
        Archive(tmp_path / "text")
    apsw.Connection(str(tmp_path / "other.db")).execute("CREATE TABLE t (a)")
    with pytest.raises(SpoolError, match="is no spool"):
        Archive(tmp_path / "other.db")
    with apsw.Connection(str(copy)) as db:
        db.pragma("user_version", 99)
    with pytest.raises(SpoolError, match="spool format 99"):
        Archive(copy)


def second(copy: Path) -> BatchRow:
    """The second batch of the archive."""
    archive = Archive(copy)
    first = archive.batch_from(0)
    row = archive.batch_from(first.id + 1) if first else None
    archive.close()
    assert row is not None
    return row


def change(copy: Path, query: str, *values: Any) -> None:
    db = apsw.Connection(str(copy))
    db.execute(query, values)
    assert db.changes() > 0
    db.close()


@pytest.mark.parametrize(
    ("column", "value"), [("links", b"\x00"), ("parts", b"\x81\x01"), ("parts", "text"), ("", "")]
)
def test_a_damaged_piece_is_named_and_the_rest_is_written(
    copy: Path, filled: Site, column: str, value: Any
) -> None:
    row = second(copy)
    if column:
        change(copy, f"UPDATE piece SET {column} = ? WHERE id = ?", value, row.id)
    else:
        change(copy, "DELETE FROM piece WHERE id = ?", row.id)
    data, written, said = export_of(copy, ALL)
    assert written.damaged == len(said) == 1
    assert f"pieces {row.first} to {row.id}" in said[0]
    whole = exported(filled)
    assert kinds(data) == kinds(whole)  # by its head at least
    reasons, tally = verified(filled, data)
    assert tally.unread == 1 and len(reasons) == 2  # of each stream in it
    assert all("could not be read where it was kept" in reason for reason in reasons)
    missing = sum(
        part.count
        for one in items(data)
        if isinstance(one, Sealed) and one.body is None
        for part in head.read(cose.read(one.head).payload).ranges
    )
    assert tally.observations == verified(filled, whole)[1].observations - missing


def test_one_changed_byte_of_an_observation_is_seen(copy: Path) -> None:
    row = second(copy)
    links = next(iter(apsw.Connection(str(copy)).execute(
        "SELECT links FROM piece WHERE id = ?", (row.id,))))[0]  # fmt: skip
    bad = bytearray(links)
    bad[len(bad) // 2] ^= 1
    change(copy, "UPDATE piece SET links = ? WHERE id = ?", bytes(bad), row.id)
    _, written, said = export_of(copy, ALL)
    assert written.damaged == len(said) == 1 and f"batch {row.number} of run" in said[0]


def test_a_batch_of_which_nothing_is_left_is_missed_by_who_checks(copy: Path, filled: Site) -> None:
    row = second(copy)
    change(copy, "UPDATE batch SET head = x'00' WHERE id = ?", row.id)
    data, written, said = export_of(copy, ALL)
    assert written.damaged == 1 and f"batch {row.number} of run" in said[0]
    reasons, _ = verified(filled, data)
    assert any(f"batch {row.number} is not in this file" in reason for reason in reasons)


def test_a_statement_that_is_lost_is_named_once(copy: Path, filled: Site) -> None:
    db = apsw.Connection(str(copy))
    (name,) = next(iter(db.execute(
        "SELECT name FROM statement WHERE typ = ? LIMIT 1", (int(Typ.RUN),))))  # fmt: skip
    db.close()
    change(copy, "DELETE FROM statement WHERE name = ?", name)
    data, written, said = export_of(copy, ALL)
    assert written.damaged == 1 and f"statement {name.hex()[:16]}" in said[0]
    assert "the device key may not have signed it yet" in said[0]
    assert any("unknown_name" in reason for reason in verified(filled, data)[0])


def test_pages_that_cannot_be_read_are_named(copy: Path, filled: Site) -> None:
    """Bytes of the file itself, a page at a time: an export or words, and never a traceback."""
    size = copy.stat().st_size
    whole = copy.read_bytes()
    complete = verified(filled, exported(filled))[1].observations
    for at in range(4096, size, 4096):
        bad = bytearray(whole)
        bad[at : at + 4096] = b"\xff" * 4096
        copy.write_bytes(bytes(bad))
        try:
            data, written, said = export_of(copy, ALL)
        except (SpoolError, ArchiveError) as fault:
            assert str(fault)
            continue
        assert len(said) == written.damaged
        tally = verified(filled, data)[1]
        assert written.damaged or tally.observations == complete, f"page at {at}"


def test_a_damaged_archive_is_exit_1_and_written(copy: Path, filled: Site, capsys: Any) -> None:
    row = second(copy)
    change(copy, "UPDATE piece SET links = x'00' WHERE id = ?", row.id)
    out = copy.parent / "out"
    assert typed(filled, "--spool", str(copy), "--out", str(out)) == 1
    told, err = capsys.readouterr()
    assert err.startswith("gridseal-agent: damaged: batch ") and "1 parts could not" in told
    assert out.exists()
