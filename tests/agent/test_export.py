"""What `gridseal-agent export` writes of a spool: while its agent runs, from a copy, from one that
is damaged; what it is asked in words, and what it answers.
"""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from agent import extract
from agent.archive import Archive, BatchRow
from agent.export import Selection
from agent.schema import SpoolError
from agent.spool import Spool
from evidence import cose, descriptor, export, head
from evidence.code import Typ
from evidence.export import Damaged, Item, Loose, Opening, Passed, Sealed, Stated
from evidence.leap import NS
from evidence.verifier import verify
from tests.agent.archiving import ALL, beat, end, export_of, exported, fill, go, typed
from tests.agent.site import PERIOD, START, Record, Site, setup

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 20


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with a spool that no test changes."""
    site = Site(tmp_path_factory.mktemp("filled") / "gateway")
    record = Record(site)
    fill(site, record)
    record.close()
    Spool(site.spool).close()  # brings SQLite's log in, so that one file is all
    yield site


@pytest.fixture
def copy(filled: Site, tmp_path: Path) -> Path:
    return Path(shutil.copy(filled.spool, tmp_path / "spool.db"))


def items(data: bytes) -> list[Item]:
    found = [item for item in export.read([data]) if not isinstance(item, Opening)]
    assert not any(isinstance(item, Damaged) for item in found)
    return found  # type: ignore[return-value]


def kinds(data: bytes) -> str:
    return "".join(type(item).__name__[0] for item in items(data) if not isinstance(item, Stated))


def verified(site: Site, data: bytes, every: bool = True) -> tuple[list[str], Any]:
    reasons: list[str] = []
    tally = verify([data], site.gateway().anchors, every, reasons.append)
    return reasons, tally


def instants(first: int, end: int) -> Selection:
    """From one measurement on and before another."""
    return Selection(START + first * PERIOD, START + end * PERIOD)


def test_all_of_it_is_written_and_holds(filled: Site) -> None:
    data = exported(filled)
    reasons, tally = verified(filled, data)
    assert reasons == []
    frames = 40 + 15 + 25 + 1
    assert tally.observations >= 2 * frames
    assert tally.receipted == 3 and tally.batches > 4 and tally.loose > 0
    assert [tally.streams[number].name for number in (1, 2)] == ["pmu/7", "pmu-b/8"]
    assert tally.gaps["not_heard"] == 2
    assert tally.passed == tally.open == 0
    assert len([one for one in items(data) if isinstance(one, Stated)]) == 8


def test_an_interval_is_whole_batches_that_touch_it(filled: Site) -> None:
    whole = [one for one in items(exported(filled)) if isinstance(one, Sealed)]
    data = exported(filled, instants(20, 22))
    reasons, tally = verified(filled, data)
    assert reasons == []
    (one,) = [item for item in items(data) if isinstance(item, Sealed)]
    assert one in whole[1:-1] and tally.receipted == 1
    seen = tally.streams[1]
    assert seen.first <= START + 20 * PERIOD < START + 22 * PERIOD <= seen.last + PERIOD
    # The ends: what begins with `first` is in, what begins with `end` is not.
    assert exported(filled, Selection(seen.last + 1, seen.last + 2)) != data
    assert kinds(exported(filled, Selection(seen.last, seen.last + 1))) == "S"
    assert kinds(exported(filled, Selection(seen.first - 1, seen.first))) in ("", "S")
    before = exported(filled, Selection(seen.first - 1, seen.first))
    assert one not in items(before)


def test_a_stream_brings_the_batches_that_it_is_in(tmp_path: Path) -> None:
    """And the edges of what came along are nobody's question."""
    site = Site(tmp_path / "gateway")

    async def work() -> None:
        agent = site.agent()
        await agent.keeper.start()
        agent.hear(setup())
        for number in range(10):
            if number in (3, 7):
                agent.hear(setup("8"), source="pmu-b")
                agent.hear(*_frames(number, "8"), source="pmu-b")
            agent.hear(*_frames(number, "7"))
            await agent.keeper.commit()
            await agent.keeper._commit_last()
        await end(agent)

    go(work())
    assert kinds(exported(site)) == "S" * 10
    data = exported(site, ALL._replace(streams=frozenset({2})))
    assert kinds(data) == "SPS"
    reasons, tally = verified(site, data)
    assert reasons == [] and tally.passed == 3
    one, _, two = [item for item in items(data) if not isinstance(item, Stated)]
    passed = Passed(head.read(cose.read(one.head).payload).run, 4, 6)  # type: ignore[union-attr]
    assert passed in items(data)
    # Without a batch of the stream itself, the word of who exported does not help.
    three = _story(site, 3)
    assert verified(site, three)[0]


def _frames(number: int, key: str) -> list[Any]:
    from tests.agent.site import frame

    return [frame(number, key)]


def _story(site: Site, lost: int) -> bytes:
    """The export of stream 2, as somebody would forge it who leaves one of its batches out."""
    from tests.evidence.exporting import written

    opening = Opening(ALL.first, ALL.end, (1,), "forged")
    found = items(exported(site, ALL._replace(streams=frozenset({1}))))
    sealed = [one for one in found if isinstance(one, Sealed)]
    at = found.index(sealed[lost])
    run = head.read(cose.read(sealed[lost].head).payload).run
    return written([*found[:at], Passed(run, lost, lost), *found[at + 1 :]], opening)


def test_without_disclosures_holds_and_tells_no_name(filled: Site) -> None:
    data = exported(filled, ALL._replace(disclosures=False))
    reasons, tally = verified(filled, data)
    assert reasons == [] and not tally.disclosed
    assert b"pmu" not in data.replace(b"pmu/7", b"") or b"pmu-b" not in data
    assert b"pmu-b" in exported(filled)


def test_a_running_agent_is_read_and_not_disturbed(tmp_path: Path) -> None:
    """Its spool is not written, its lock not touched; and it can open its spool anew meanwhile,
    for which SQLite must bring in its log."""
    site = Site(tmp_path / "gateway")

    async def work() -> None:
        agent = site.agent()
        await agent.keeper.start()
        agent.hear(setup())
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
    assert len(reasons) == 1 and f"batch {row.number}: could not be read where it was" in reasons[0]
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
        except (SpoolError, extract.ArchiveError) as fault:
            assert str(fault)
            continue
        assert len(said) == written.damaged
        tally = verified(filled, data)[1]
        assert written.damaged or tally.observations == complete, f"page at {at}"


def test_a_gateway_whose_clock_was_wrong_is_found(tmp_path: Path) -> None:
    """It started in another year, as one without a battery does; its PMUs did not."""
    site = Site(tmp_path / "gateway")

    async def work() -> None:
        agent = site.agent()
        site.time.tai -= 200 * 86_400 * NS
        await agent.keeper.start()
        agent.hear(setup())
        agent.hear(setup("8"), source="pmu-b")
        await beat(agent, 0, 59)
        await end(agent)

    go(work())
    data = exported(site, instants(30, 31))
    assert kinds(data) == "S"
    assert verified(site, data)[1].streams[1].first <= START + 30 * PERIOD


def test_what_comes_late_is_found_in_the_batch_that_holds_it(tmp_path: Path) -> None:
    """An instant inside a batch, though neither its first nor its last."""
    site = Site(tmp_path / "gateway")

    async def work() -> None:
        agent = site.agent()
        await agent.keeper.start()
        agent.hear(setup())
        late = [one for number in (50, 51, 10, 52) for one in _frames(number, "7")]
        agent.hear(*late)
        await agent.keeper._commit_last()
        await end(agent)

    go(work())
    assert kinds(exported(site, instants(10, 11))) == "S"
    assert kinds(exported(site, instants(11, 50))) == ""


def test_a_hole_that_reaches_into_the_interval_comes_with_it(filled: Site) -> None:
    data = exported(filled, instants(108, 110))
    reasons, tally = verified(filled, data)
    assert reasons == [] and tally.gaps["not_heard"] == 2


def test_a_descriptor_that_rules_nothing_keeps_the_chain_whole(tmp_path: Path) -> None:
    site = Site(tmp_path / "gateway")

    async def work() -> None:
        agent = site.agent()
        await agent.keeper.start()
        agent.hear(setup(), *_frames(0, "7"))
        await agent.keeper._commit_last()
        agent.hear(setup(cfg=b"one"), setup(cfg=b"two"), *_frames(1, "7"), setup(cfg=b"three"))
        await end(agent)
        again = site.agent()
        site.time.go(NS)
        await again.keeper.start()
        again.hear(setup(cfg=b"four"), *_frames(100, "7"))
        await end(again)

    go(work())
    data = exported(site)
    assert verified(site, data)[0] == []
    stated = [cose.read(one.encoded) for one in items(data) if isinstance(one, Stated)]
    places = [
        (found.stream, found.seq)
        for one in stated
        if one.typ == Typ.DESCRIPTOR
        for found in [descriptor.read(one.payload)]
        if found.stream == 1
    ]
    assert len(places) >= 3


def test_an_empty_run_and_an_empty_archive(tmp_path: Path, capsys: Any) -> None:
    site = Site(tmp_path / "gateway")

    async def work() -> None:
        agent = site.agent()
        await agent.keeper.start()
        await end(agent)

    go(work())
    out = tmp_path / "out"
    code = typed(site, "--out", str(out))
    err = capsys.readouterr().err
    assert code == 1 and not out.exists()
    assert "no file was written" in err or "nothing of it is in the archive" in err


def test_loose_pieces_are_under_no_head(filled: Site) -> None:
    loose = [one for one in items(exported(filled)) if isinstance(one, Loose)]
    assert loose and all(part.descriptor for one in loose for part in one.ranges)


# --- in words ---------------------------------------------------------------------------------


def test_typed(filled: Site, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "export"
    assert typed(filled, "--out", str(out)) == 0
    told, err = capsys.readouterr()
    assert err == "" and told.startswith(f"{out}: ")
    assert "observations of 2 streams" in told and "without a receipt yet" in told
    assert out.read_bytes() == exported(filled)
    assert stat.S_IMODE(out.stat().st_mode) & 0o111 == 0
    assert list(tmp_path.iterdir()) == [out]
    assert typed(filled, "--out", str(out)) == 2
    assert "is there already" in capsys.readouterr().err
    spool = tmp_path / "copy.db"
    shutil.copy(filled.spool, spool)
    assert typed(filled, "--spool", str(spool), "--out", str(tmp_path / "two")) == 0
    assert (tmp_path / "two").read_bytes() == out.read_bytes()


def test_typed_to_standard_output(filled: Site) -> None:
    command = [
        sys.executable, "-m", "agent.cli", "export", "--spool", str(filled.spool),
        "--from", "2026-09-21T00:00:00Z", "--to", "2026-09-22T00:00:00.5Z",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=WAIT_S, check=False)
    assert done.returncode == 0 and b"standard output: " in done.stderr
    assert verified(filled, done.stdout)[0] == []


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--stream", "pmu/7"), ""),
        (("--stream", "pmu", "--stream", "pmu-b/8"), ""),
        (("--stream", "pmu/8"), "'pmu/8' is unknown; did you mean"),
        (("--stream", "nothing"), "'nothing' is unknown; known: gateway"),
        (("--from", "yesterday"), "--from: 'yesterday' is no instant in UTC, such as 2026-"),
        (("--to", "2026-11-25T10:00:00+01:00"), "--to: '2026-11-25T10:00:00+01:00' is no instant"),
        (("--from", "2026-02-30T10:00:00Z"), "is in no calendar"),
        (("--from", "2026-11-25T10:00:60Z"), "no minute then had a second 60"),
        (("--from", "2027-11-25T10:00:00Z"), "--to: is not after --from"),
    ],
)
def test_words_are_checked(
    filled: Site, tmp_path: Path, capsys: Any, more: tuple[str, ...], words: str
) -> None:
    code = typed(filled, "--out", str(tmp_path / "out"), *more)
    err = capsys.readouterr().err
    assert (code, err.count("\n")) == ((2, 1) if words else (0, 0))
    assert words in err and (tmp_path / "out").exists() == (not words)


def test_nothing_there_says_what_there_is(filled: Site, tmp_path: Path, capsys: Any) -> None:
    day = ("--from", "2026-09-20T00:00:00Z", "--to", "2026-09-21T00:00:00Z")
    assert typed(filled, "--out", str(tmp_path / "out"), *day) == 1
    err = capsys.readouterr().err
    assert "committed from 2026-09-21T14:13:20" in err
    assert not list(tmp_path.iterdir())


def test_a_damaged_archive_is_exit_1_and_written(copy: Path, filled: Site, capsys: Any) -> None:
    row = second(copy)
    change(copy, "UPDATE piece SET links = x'00' WHERE id = ?", row.id)
    out = copy.parent / "out"
    assert typed(filled, "--spool", str(copy), "--out", str(out)) == 1
    told, err = capsys.readouterr()
    assert err.startswith("gridseal-agent: damaged: batch ") and "1 parts could not" in told
    assert out.exists()


def test_the_agents_disk_is_not_filled(
    filled: Site, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extract, "LEFT_BYTES", 1 << 60)
    assert typed(filled, "--out", str(filled.folder / "out")) == 1
    assert "which the agent needs: name a file on another by --out" in capsys.readouterr().err
    assert not list(filled.folder.glob("out*"))
