"""`gridseal-record verify` and `show`: what holds, what was changed, what cannot be read."""

import hashlib
import json
import random
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import apsw
import pytest

from drivers.c37118.wire import Layout
from evidence import cose, receipt
from evidence.anchor import by_kid
from evidence.code import Reason, Role, Typ
from evidence.tlog import cosignature
from record import signature
from record.cli import main
from record.database import Place
from record.exhibit import exhibit_of
from record.schema import DERIVED, NoteRow
from record.store import Store, StoreError, open_reader
from tests.evidence.joint.sharing import (
    EAST,
    FOUNDERS,
    STATE,
    WEST,
    aggregation,
    founders_text,
    interchange,
    listing,
    lists,
    name_of,
    says_policy,
    says_seam,
    signed,
    word,
)
from tests.record.authority import Book
from tests.record.gateway import Gateway, Statement, cfg_bytes, configuration, frame
from tests.record.upstream import AUTHORITIES, AUTHORITY, LOG, NOW, STRANGER, Upstream

SHARING = by_kid([*AUTHORITIES.values(), *FOUNDERS])
EVIDENCE = ("meta", "entry", "body", "disclosure", "checkpoint", "note", "exhibit")


def anchors_text(log: Any = LOG, authority: Any = AUTHORITY) -> str:
    return (
        f'[log]\nname = "demo"\nkey = "{log.public.raw.hex()}"\n'
        f'[[authority]]\nname = "Utility A"\nkey = "{authority.public.raw.hex()}"\n'
    )


def fill(place: Place) -> None:
    """A record with all that one can hold: twins, clones, doubts, a rotation, a book that revokes a
    key and vouches for what came then, an exhibit; and what authorities share."""
    layout, cfg = Layout(configuration(3)), cfg_bytes(configuration(3))
    upstream = Upstream(place, authorities=SHARING)
    gateway = Gateway("gw-1", AUTHORITY)
    upstream.send(gateway.statement)
    run = gateway.start()
    upstream.start(run, cfg, 1, 2)
    for group in (1, 2, 3):
        batches = []
        for number in range(group):
            for stream in (1, 2):
                run.observe(stream, frame(layout, number, 0x2000 * (number % 2)))
            batches.append(run.cut())
        upstream.push_all(batches)
    run.lines[1].seq, run.lines[1].prev = 3, b"\1" * 32
    run.observe(1, frame(layout, 9))
    upstream.push(run.cut(previous=b"\1" * 32))
    for clone in (gateway.start(run), gateway.start(run)):
        upstream.start(clone, cfg, 1)
        clone.observe(1, frame(layout, 10))
        upstream.push(clone.cut())
    book = Book(AUTHORITY)
    upstream.send(book.open(), book.issue(gateway.statement), gateway.rotate(), gateway.statement)
    after = gateway.start()
    upstream.start(after, cfg, 1)
    upstream.send(book.revoke(gateway.device.public))
    after.observe(1, frame(layout, 20))
    last = after.cut()
    upstream.push(last)
    upstream.send(book.vouch(after, 0, last))
    share(upstream)
    refusal = receipt.Refusal(bytes(32), Reason.SIGNATURE, "not so", NOW)
    signed = cose.sign(Typ.REFUSAL, refusal.payload(), LOG)
    exhibit = exhibit_of(gateway.device.public.raw, signed, b"refused bytes")
    found = signature.noted(upstream.store, "log.example/demo", LOG)
    assert found is not None
    size, signed_note = found
    seen = cosignature.sign(signed_note.text, "witness.example", STRANGER, 1_800_000_000)
    encoded = signed_note.with_lines([seen]).encode()
    published = NoteRow(size, encoded, hashlib.sha256(encoded).digest())
    upstream.sequencer.commit([], NOW, [exhibit, published])
    upstream.close()


def share(upstream: Upstream) -> None:
    """A policy, a tie, an aggregator, what it sells; an hour that waits, and one that is joint."""
    hub = listing("Roof Hub", Role.DER_AGGREGATOR)
    one, other = interchange(), interchange(mwh=7.0, parents=(name_of(interchange()),))
    for of, others in (
        (says_policy(), (EAST, STATE)), (says_seam(), (EAST,)), (lists(hub), (EAST, STATE)),
        (one, (EAST,)), (other, ()), (aggregation(author="Roof Hub"), (WEST,)),
    ):  # fmt: skip
        upstream.send(Statement(signed(of)), *(Statement(word(of, who)) for who in others))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a record and its anchors."""
    folder = tmp_path_factory.mktemp("record")
    fill(folder / "record.db")
    (folder / "anchors.toml").write_text(anchors_text() + founders_text())
    return folder


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    for name in ("record.db", "anchors.toml"):
        shutil.copy(whole / name, tmp_path / name)
    return tmp_path


def verify(folder: Path, *more: str) -> int:
    return main(
        ["verify", str(folder / "record.db"), "--anchors", str(folder / "anchors.toml"), *more]
    )


def test_whole_record_holds(whole: Path, capsys: pytest.CaptureFixture[str]):
    before = (whole / "record.db").read_bytes()
    assert verify(whole) == 0
    told = capsys.readouterr().out
    assert "everything holds" in told
    assert "observations by their heads (--every: each one's own signature too)" in told
    assert verify(whole, "--every") == 0
    told = capsys.readouterr().out
    assert "everything holds" in told
    assert "each observation's own signature" in told
    assert "--every" not in told
    assert (whole / "record.db").read_bytes() == before
    assert sorted(path.name for path in whole.iterdir()) == [
        "anchors.toml", "record.db", "record.db.lock",
    ]  # fmt: skip


def test_record_that_is_being_written_can_be_verified(
    tmp_path: Path, upstream: Upstream, gateway: Gateway, cfg: bytes
):
    upstream.start(gateway.start(), cfg, 1)
    (tmp_path / "anchors.toml").write_text(anchors_text())
    assert verify(tmp_path) == 0


def test_every_column_of_every_table_is_watched(whole: Path, copy: Path):
    """One byte, or one number, changed in any column of a sampled row: exit 1, with a reason."""
    unseen = []
    picked = random.Random(7)
    for table in (*EVIDENCE, *DERIVED):
        rows, columns, key = described(whole / "record.db", table)
        assert rows, table
        for column in columns:
            shutil.copy(whole / "record.db", copy / "record.db")
            row = picked.choice(rows)
            if change(copy / "record.db", table, column, row, key, picked) and verify(copy) != 1:
                unseen.append((table, column, row))
    assert not unseen


def described(path: Path, table: str) -> tuple[list[Any], list[str], list[str]]:
    """The keys of a table's rows, its columns, and the columns of its key."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    info = list(db.execute(f"PRAGMA table_info({table})"))
    key = [row[1] for row in info if row[5]]
    rows = list(db.execute(f"SELECT {', '.join(key)} FROM {table}"))
    db.close()
    return rows, [row[1] for row in info], key


def change(
    path: Path, table: str, column: str, row: Any, key: list[str], picked: random.Random
) -> bool:
    """Changes one value a little; False where the database itself does not take it."""
    db = apsw.Connection(str(path))
    where = " AND ".join(f"{name} = ?" for name in key)
    value = next(iter(db.execute(f"SELECT {column} FROM {table} WHERE {where}", row)))[0]
    new: Any
    if isinstance(value, bytes) and value:
        at = picked.randrange(len(value))
        new = value[:at] + bytes((value[at] ^ 1 << picked.randrange(8),)) + value[at + 1 :]
    elif isinstance(value, str):
        new = value + "s"
    elif value is None or value == b"":
        new = b"\1" * 32
    else:
        new = value + 1
    try:
        db.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (new, *row))
    except apsw.ConstraintError:
        new = 10**9 if value is None or isinstance(value, int) else b"\2" * 32
        db.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (new, *row))
    db.close()
    return True


@pytest.mark.parametrize("table", [*EVIDENCE, *DERIVED])
@pytest.mark.parametrize(
    "what", ["DELETE FROM {table} WHERE {key} = (SELECT max({key}) FROM {table})"]
)
def test_rows_that_were_taken_away_are_missed(copy: Path, table: str, what: str):
    if table in ("exhibit", "note"):
        return  # outside of the log: what was refused, and what was published: who saw it has it
    db = apsw.Connection(str(copy / "record.db"))
    key = next(row[1] for row in db.execute(f"PRAGMA table_info({table})") if row[5])
    db.execute(what.format(table=table, key=key))
    db.close()
    assert verify(copy) == 1


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO body VALUES (999, x'00')",
        "INSERT INTO disclosure VALUES (999, x'80')",
        "INSERT INTO meta VALUES ('more', x'00')",
        "INSERT INTO tally VALUES (7, 1, 1)",
        "INSERT INTO checkpoint VALUES (999, x'00')",
        "INSERT INTO exhibit VALUES (x'00', x'', x'00', x'00', x'00')",
        "CREATE TABLE other (a)",
        "DROP INDEX run_device",
        "CREATE VIEW v AS SELECT 1",
    ],
)
def test_what_was_added_is_noticed(copy: Path, sql: str):
    db = apsw.Connection(str(copy / "record.db"))
    db.execute(sql)
    db.close()
    assert verify(copy) == 1


def test_no_damage_ends_in_a_traceback(whole: Path, copy: Path):
    """Bytes flipped anywhere in the file, page headers and schema included; the file cut short."""
    picked = random.Random(3)
    good = (whole / "record.db").read_bytes()
    ends = set()
    for turn in range(60):
        bad = bytearray(good)
        for _ in range(picked.choice((1, 8))):
            at = picked.randrange(200) if turn % 4 == 0 else picked.randrange(len(bad))
            bad[at] ^= 1 << picked.randrange(8)
        (copy / "record.db").write_bytes(
            bad[: picked.randrange(len(bad))] if turn % 7 == 0 else bad
        )
        ends.add(verify(copy))
        assert main(["show", str(copy / "record.db")]) in (0, 2)
        assert main(["records", str(copy / "record.db")]) in (0, 2)
        assert main(["verify", str(copy / "record.db")]) in (2, 3)
    assert ends <= {0, 1, 2}
    assert {1, 2} <= ends


def test_other_anchors_do_not_hold(copy: Path, capsys: pytest.CaptureFixture[str]):
    (copy / "anchors.toml").write_text(anchors_text(log=STRANGER))
    assert verify(copy) == 1
    assert "log key" in capsys.readouterr().out
    (copy / "anchors.toml").write_text(anchors_text(authority=STRANGER))
    assert verify(copy) == 1
    assert "entry 0: unknown_authority" in capsys.readouterr().out


def test_receipts_by_another_key_do_not_hold(copy: Path, capsys: pytest.CaptureFixture[str]):
    db = apsw.Connection(str(copy / "record.db"))
    found = next(iter(db.execute("SELECT receipt FROM entry WHERE idx = 3")))[0]
    forged = cose.sign(Typ.RECEIPT, cose.read(found).payload, STRANGER)
    db.execute("UPDATE entry SET receipt = ? WHERE idx = 3", (forged,))
    db.close()
    assert verify(copy) == 1
    assert "entry 3: receipt: kid" in capsys.readouterr().out


def test_without_anchors_it_shows_whom_to_compare(whole: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["verify", str(whole / "record.db")]) == 3
    out = capsys.readouterr().out
    assert LOG.public.fingerprint in out
    assert f"kid {AUTHORITY.public.kid.hex()} " in out
    assert "Utility A" in out


def test_what_is_no_record_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "anchors.toml").write_text(anchors_text())
    path = tmp_path / "record.db"
    told = []

    def tried() -> None:
        assert verify(tmp_path) == 2
        told.append(capsys.readouterr().err.strip())

    tried()
    path.write_bytes(b"")
    tried()
    path.write_bytes(b"garbage " * 4096)
    tried()
    path.unlink()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE t (a)")
    other.close()
    tried()
    path.unlink()
    Upstream(path).close()
    db = apsw.Connection(str(path))
    db.execute("PRAGMA user_version = 9")
    db.close()
    tried()
    path.unlink()
    path.mkdir()
    tried()
    expected = ["no such file", "not a record", "not a", "not a record", "version 9", "folder"]
    for line, words in zip(told, expected, strict=True):
        assert words in line and "\n" not in line


def test_wrong_arguments_are_explained(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    for argv in ([], ["frobnicate"], ["verify"], ["show", "--nope"]):
        with pytest.raises(SystemExit) as caught:
            main(argv)
        assert caught.value.code == 2
        err = capsys.readouterr().err
        assert "--help" in err and err.count("\n") == 1
    assert main(["verify", str(tmp_path / "x.db"), "--anchors", str(tmp_path / "none")]) == 2
    assert "none" in capsys.readouterr().err


def test_show_tells_what_is_there(whole: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["show", "--json", str(whole / "record.db")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["batches"] == 10
    assert found["observations"] == 16
    assert found["streams"] == 2
    assert found["devices"] == [
        {
            "kid": found["devices"][0]["kid"], "before": found["devices"][0]["before"],
            "runs": 4, "streams": 2,
        },
    ]  # fmt: skip
    assert len(found["devices"][0]["before"]) == 1
    (book,) = found["books"]
    assert (book["entries"], book["issued"], book["vouched"]) == (4, 1, 1)
    assert [row["why"] for row in book["revoked"]] == ["stolen"]
    assert found["classes"]["key_doubtful/credential_revoked"] == 1
    assert found["classes"]["key_doubtful/clone"] == 1
    assert found["findings"]["clone"] == 2
    assert found["refusals"] == {"signature": 1}
    assert found["exhibits"] == 1
    assert main(["show", str(whole / "record.db")]) == 0
    told = capsys.readouterr().out
    assert f"root          {found['root']}" in told
    assert "book          Utility A: 4 entries, 1 issued, 1 revoked, 1 vouched" in told
    assert f"revoked {book['revoked'][0]['key']} (stolen) since" in told


def test_streams_out_of_order_end_the_search(whole: Path, monkeypatch: pytest.MonkeyPatch):
    """A damaged tree once gave the same stream for ever."""
    store = open_reader(whole / "record.db")
    monkeypatch.setattr(Store, "_most", lambda *_: 1)
    with pytest.raises(StoreError, match="out of order"):
        list(store.streams(1))
    store.close()
