"""A record in PostgreSQL, where that is another thing than a file: a real server that is killed,
restarted, taken over, misconfigured; and an audit over the wire.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import LargeBinary

from drivers.c37118.wire import Layout
from hil.postgresql import Server
from record import postgresql, schema
from record.cli import main
from record.database import NotARecordError, StoreError
from record.schema import SCHEMA_VERSION
from record.store import open_reader, open_writer
from tests.evidence.joint.sharing import founders_text
from tests.record.conftest import DATABASE
from tests.record.gateway import GatewayRun, frame
from tests.record.test_audit import anchors_text, fill
from tests.record.test_service import WAIT_S, Client, begin, served
from tests.record.upstream import Upstream, classes

IN_DATABASE = pytest.mark.parametrize("place", ["postgresql"], indirect=True)
pytestmark = IN_DATABASE
SECRET = "do-not-tell"


@pytest.fixture
def anchors(tmp_path: Path) -> str:
    path = tmp_path / "anchors.toml"
    path.write_text(anchors_text() + founders_text())
    return str(path)


@pytest.fixture
def sql(place: str) -> Iterator[Any]:
    """Statements of whoever else can reach the database."""
    with psycopg.connect(place, autocommit=True, connect_timeout=10) as db:
        yield db.execute


def verify(place: str, anchors: str) -> int:
    return main(["verify", place, "--anchors", anchors])


# --- audit ----------------------------------------------------------------------------------------


def test_every_column_is_watched(place: str, anchors: str, sql: Any):
    """One value changed in any column of the last row, the last row taken away, a row too many."""
    fill(place)
    assert verify(place, anchors) == 0
    unseen = []
    for name, table in schema.TABLES.items():
        keys = ", ".join(f'"{column.name}"' for column in table.primary_key)
        row = f"ctid = (SELECT ctid FROM {name} ORDER BY ({keys}) DESC LIMIT 1)"
        for column in table.columns:
            field = f'"{column.name}"'
            (old,) = sql(f"SELECT {field} FROM {name} WHERE {row}").fetchone()
            new = other(old, isinstance(column.type, LargeBinary))
            at = sql(
                f"UPDATE {name} SET {field} = %s WHERE {row} RETURNING ctid", (new,)
            ).fetchone()
            if verify(place, anchors) != 1:
                unseen.append((name, column.name))
            sql(f"UPDATE {name} SET {field} = %s WHERE ctid = %s::tid", (old, *at))
        if name not in ("exhibit", "note"):  # outside of the log: who was told of it has it
            taken = sql(f"DELETE FROM {name} WHERE {row} RETURNING *").fetchall()
            if verify(place, anchors) != 1:
                unseen.append((name, "a row"))
            for gone in taken:
                sql(f"INSERT INTO {name} VALUES ({', '.join(['%s'] * len(gone))})", gone)
    assert not unseen
    assert verify(place, anchors) == 0


def other(value: Any, binary: bool) -> Any:
    if value is None or value == b"":
        return b"other" if binary else 7
    if isinstance(value, str):
        return value + "s"
    return value + 1 if isinstance(value, int) else value[:-1] + bytes((value[-1] ^ 1,))


@pytest.mark.parametrize(
    ("change", "back"),
    [
        ("CREATE TABLE other (a int)", "DROP TABLE other"),
        ("CREATE VIEW other AS SELECT 1", "DROP VIEW other"),
        ("ALTER TABLE tally ADD COLUMN other int", "ALTER TABLE tally DROP COLUMN other"),
        ("DROP INDEX run_device", "CREATE INDEX run_device ON run (device)"),
    ],
)
def test_other_tables_are_noticed(place: str, anchors: str, sql: Any, change: str, back: str):
    fill(place)
    sql(change)
    try:
        assert verify(place, anchors) == 1
    finally:
        sql(back)
    assert verify(place, anchors) == 0


def test_what_is_no_record_is_named(
    place: str, anchors: str, sql: Any, database: Server, capsys: pytest.CaptureFixture[str]
):
    empty = database.create_database("empty")
    nowhere = f"postgresql://record@127.0.0.1:{database.port}/nowhere"
    closed = "postgresql://record@127.0.0.1:1/record"
    said = {
        empty: "not a record's", nowhere: "does not exist", closed: "refused",
        "postgresql://record@127.0.0.1/record?hots=x": "not the URL of a PostgreSQL database",
    }  # fmt: skip
    for url, words in said.items():
        assert verify(url, anchors) == 2
        err = capsys.readouterr().err
        assert words in err and err.count("\n") == 1
    open_writer(place).close()
    sql(f"COMMENT ON TABLE meta IS '{postgresql.MARK} 9'")
    try:
        with pytest.raises(NotARecordError, match="of version 9; this reads"):
            open_writer(place)
    finally:
        sql(f"COMMENT ON TABLE meta IS '{postgresql.MARK} {SCHEMA_VERSION}'")
    with psycopg.connect(empty, autocommit=True) as db:
        db.execute("CREATE TABLE other (a int)")
    with pytest.raises(NotARecordError, match="a database, but not a record's"):
        open_writer(empty)


def test_show_reads_a_database(place: str, capsys: pytest.CaptureFixture[str]):
    fill(place)
    assert main(["show", place]) == 0
    assert "observations  16" in capsys.readouterr().out


# --- who may write, and with what -----------------------------------------------------------------


def test_server_that_syncs_nothing_is_refused(place: str, database: Server):
    database.stop()
    database.start(fsync="off")
    try:
        with pytest.raises(StoreError, match="fsync is off"):
            open_writer(place)
    finally:
        database.stop()
        database.start()
    open_writer(place).close()


def test_commits_wait_for_the_disk_whatever_the_database_is_set_to(place: str, sql: Any):
    open_writer(place).close()
    sql(f"ALTER DATABASE {DATABASE} SET synchronous_commit = off")
    try:
        writer = postgresql.PostgreSql(place, writes=True)
        assert list(writer.execute("SHOW synchronous_commit")) == [("on",)]
        writer.close()
    finally:
        sql(f"ALTER DATABASE {DATABASE} RESET synchronous_commit")


def test_reader_cannot_write(place: str, upstream: Upstream):
    reader = open_reader(place)
    with pytest.raises(StoreError, match="read-only"):
        reader.set_log_key(bytes(32))
    reader.close()


def test_password_comes_from_a_file_and_is_never_told(
    place: str, database: Server, sql: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    fill(place)
    sql(f"CREATE ROLE guarded LOGIN PASSWORD '{SECRET}' SUPERUSER")
    rules = database.folder / "data" / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"host all guarded 127.0.0.1/32 scram-sha-256\n{before}")
    sql("SELECT pg_reload_conf()")
    url = place.replace("record@", "guarded@")
    secret = tmp_path / "password"
    try:
        assert main(["show", url]) == 2
        monkeypatch.setenv("PGPASSFILE", str(secret))
        for password, status in ((f"{SECRET}-not", 2), (SECRET, 0)):
            secret.write_text(f"127.0.0.1:*:*:guarded:{password}\n")
            secret.chmod(0o600)
            assert main(["show", url]) == status
        for hidden in (
            place.replace("record@", f"guarded:{SECRET}@"),
            f"{place}?password={SECRET}",
            f"postgresql://[guarded:{SECRET}@127.0.0.1/record",
        ):
            assert main(["show", hidden]) == 2
            with pytest.raises(StoreError, match="must not hold a password"):
                open_reader(hidden)
        told = capsys.readouterr()
        assert "password authentication failed" in told.err
        assert SECRET not in told.err + told.out
    finally:
        rules.write_text(before)
        sql("SELECT pg_reload_conf()")
        sql("DROP ROLE guarded")


# --- a session that is lost -----------------------------------------------------------------------


def push(upstream: Upstream, run: GatewayRun, layout: Layout, number: int) -> bytes:
    """One more batch, which the record takes."""
    run.observe(1, frame(layout, number))
    batch = run.cut()
    assert len(classes(upstream.push(batch))) == 1
    return batch


def test_server_that_was_restarted_is_gone_on_with(
    upstream: Upstream, run: GatewayRun, layout: Layout, database: Server, place: str, anchors: str
):
    first = push(upstream, run, layout, 0)
    size = upstream.log.size
    database.stop()
    for _ in range(2):
        with pytest.raises(StoreError):
            upstream.push(first)
    database.start()
    with contextlib.suppress(StoreError):  # the attempt that finds the session gone
        upstream.push(first)
    assert upstream.push(first).idx == size - 1
    assert upstream.log.size == size
    push(upstream, run, layout, 1)
    assert not upstream.findings()
    assert verify(place, anchors) == 0


def test_reader_has_its_session_again_at_once(place: str, upstream: Upstream, database: Server):
    reader = open_reader(place)
    database.stop()
    with pytest.raises(StoreError, match=r"terminating|closed"):
        reader.size()
    with pytest.raises(StoreError, match="refused"):
        reader.size()
    database.start()
    assert reader.size() == 0
    reader.snapshot()
    database.stop()
    database.start()
    for _ in range(2):  # never another session, and another state, within one reading
        with pytest.raises(StoreError):
            reader.size()
    reader.rollback()
    assert reader.size() == 0
    reader.close()
    with pytest.raises(StoreError, match="closed"):
        reader.size()


def test_commit_of_a_transaction_in_which_something_failed_is_a_fault(upstream: Upstream):
    upstream.store.begin()
    with pytest.raises(StoreError, match="duplicate key"):
        upstream.store.set_log_key(bytes(32))
    with pytest.raises(StoreError, match="COMMIT became ROLLBACK"):
        upstream.store.commit()
    upstream.store.rollback()


def test_who_lost_the_lock_does_not_write_beside_who_has_it(
    upstream: Upstream, run: GatewayRun, layout: Layout, sql: Any, place: str, monkeypatch: Any
):
    push(upstream, run, layout, 0)
    sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    until_nobody_writes(sql)
    taken = open_writer(place)
    with monkeypatch.context() as patched:
        patched.setattr(postgresql, "LOCK_MS", 200)
        with pytest.raises(StoreError):
            push(upstream, run, layout, 1)
        with pytest.raises(StoreError, match="open in another process"):
            push(upstream, run, layout, 2)
    taken.close()
    until_nobody_writes(sql)
    push(upstream, run, layout, 3)


def until_nobody_writes(sql: Any) -> None:
    """A session that has ended has its lock until its server is done with it."""
    held = (
        "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database"
        " WHERE locktype = 'advisory' AND datname = current_database()"
    )
    deadline = time.monotonic() + WAIT_S
    while sql(held).fetchone() != (0,):
        assert time.monotonic() < deadline, "the lock is still held"
        time.sleep(0.01)


def test_log_that_became_shorter_is_not_continued(
    upstream: Upstream, run: GatewayRun, layout: Layout, database: Server
):
    """As when another server takes over that had not got the last commits."""
    push(upstream, run, layout, 0)
    database.clear(DATABASE)
    for _ in range(3):
        with pytest.raises(StoreError):
            upstream.sequencer.commit([], 1)
    with pytest.raises(StoreError, match="the store has 0 entries; 4 were answered for"):
        upstream.sequencer.commit([], 1)


def test_server_killed_in_the_middle_holds_what_was_answered_for(
    place: str, database: Server, cfg: bytes, layout: Layout
):
    """kill -9 of the server, and its restart, beneath a record that stays."""
    answered: dict[bytes, bytes] = {}

    async def offer(client: Client, batch: bytes) -> None:
        """As a gateway does: again, until it is answered for."""
        while batch not in answered:
            status, answer = await client.push(batch)
            if status == 200:
                answered[batch] = answer[0]
            else:
                assert status == 503
                await asyncio.sleep(0.05)

    async def play() -> None:
        async with served(place) as client:
            _, run = await begin(client, cfg)
            batches = []
            for number in range(200):
                run.observe(1, frame(layout, number))
                batches.append(run.cut())
            tasks = [asyncio.create_task(offer(client, batch)) for batch in batches]
            finished = asyncio.as_completed(tasks)
            for _ in range(20):
                await next(finished)
            database.kill()
            before = dict(answered)
            assert len(before) < len(batches)
            database.start()  # of this thread: with a thread that ends a server would end
            await asyncio.gather(*tasks)
            for batch in batches:
                status, answer = await client.push(batch)
                assert (status, answer[0]) == (200, answered[batch])

    asyncio.run(asyncio.wait_for(play(), 2 * WAIT_S))
    store = open_reader(place)
    assert (store.batches(), sum(store.tallies().values())) == (200, 200)
    assert not list(store.findings())
    store.close()
