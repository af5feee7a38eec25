"""The spool on disks that fail: what it says is there is there after a power cut, what it need not
read it does not, and a full disk is no trap.
"""

import asyncio
import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.commit import Found, State
from agent.disk import RESERVE_BYTES
from agent.schema import SpoolError
from agent.spool import DAY_NS, SNAPSHOT_PIECES, Spool
from evidence.code import Kind
from tests.agent.keeping import gaps, go, keep, until
from tests.agent.power import Disk
from tests.agent.site import PERIOD, START, Record, Site, frame, setup
from tests.agent.test_sealer import begin
from tests.agent.test_spool import Writer
from tests.conftest import absent

DISK_BYTES = 26 << 20
FRAME_BYTES = 60_000
READ_BYTES_MAX = 1 << 20  # of a start and a commit, whatever waits


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "spool"
    folder.mkdir()
    found = Disk(folder)
    yield found
    found.end()


def opened(path: Path) -> tuple[Spool, Found]:
    """As the keeper does: again until the disk takes it."""
    for _ in range(10):
        try:
            spool = Spool(path)
            return spool, spool.find()
        except SpoolError as fault:
            last = fault
    raise last


def held(found: Found) -> int:
    return sum(left.observations for left in found.left)


@pytest.mark.parametrize("of", ["-wal", ".db"])
@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("what", ["fail_sync", "fail_write"])
def test_what_is_found_after_a_failure_survives_a_power_cut(
    disk: Disk, what: str, times: int, of: str
) -> None:
    path = disk.folder / "spool.db"
    writer = Writer(path, begin())
    writer.begin()
    writer.seal(count=2, cut=True)
    writer.seal(count=3)
    disk.of = of
    setattr(disk, what, times)
    expected = 3
    try:
        writer.seal(count=5)
        expected = 8  # only SQLite's log is written by a commit
    except SpoolError as fault:
        assert str(path) in str(fault)
    try:
        writer.spool.close()
    except SpoolError:
        pass  # the same disk
    spool, found = opened(path)
    there = held(found)
    assert there in (expected, 8)

    after = Writer.__new__(Writer)
    after.__dict__.update(writer.__dict__)
    after.spool, after.sealer, after.next = spool, begin(2), found.next_piece
    for write in (after.begin, after.seal):
        try:
            write()
        except SpoolError:
            break  # nothing was promised
        there += 2 * (write == after.seal)
    left = disk.cut()
    spool_after_cut, found = opened(left / "spool.db")
    assert held(found) >= there, "what was said to be durable is gone"
    assert found.waiting == 2
    spool_after_cut.close()
    disk.fail_sync = disk.fail_write = 0
    spool.close()


@pytest.mark.parametrize("answered", [False, True], ids=["waiting", "kept for days"])
def test_a_start_and_a_commit_read_little_whatever_is_there(disk: Disk, answered: bool) -> None:
    """GiB may lie there: a commit that looks through them would hold up the next, and a start."""
    path = disk.folder / "spool.db"
    writer = Writer(path, begin())
    writer.begin()
    for _ in range(400):
        writer.seal(count=100, cut=True)
    writer.spool.close()
    assert path.stat().st_size > 5 * READ_BYTES_MAX
    writer.spool = Spool(path)
    if answered:
        rows = [one.row for one in writer.spool.waiting(0, 1000)]
        writer.append(answers=[(row, State.RECEIPTED, b"receipt") for row in rows])
    writer.spool.close()
    disk.read = 0
    spool = Spool(path)
    found = spool.find()
    assert found.waiting == (0 if answered else 40_000)
    writer.spool, writer.sealer, writer.next = spool, begin(2), found.next_piece
    writer.begin()
    writer.next += SNAPSHOT_PIECES - writer.next % SNAPSHOT_PIECES
    writer.seal()
    assert disk.read < READ_BYTES_MAX
    spool.close()


def runs_of(writer: Writer) -> set[bytes]:
    return {row[0] for row in writer.spool.rows("SELECT name FROM run")}


def statements(writer: Writer) -> set[bytes]:
    return {row[0] for row in writer.spool.rows("SELECT run FROM statement")}


class Days:
    """Runs on one spool, each some days after the one before."""

    def __init__(self, path: Path) -> None:
        self._path, self._seed, self._taken = path, 0, START
        self.writer = self.turn()

    def turn(self, days: int = 0) -> Writer:
        self._seed += 1
        first = 1
        if days:
            first = self.writer.next + 200  # far enough from what may be freed
            self.writer.spool.close()
        self._taken += days * DAY_NS
        self.writer = Writer(self._path, begin(self._seed), first)
        self.writer.taken = self._taken
        self.writer.begin()
        return self.writer

    def names(self, column: str, table: str) -> set[bytes]:
        return {row[0] for row in self.writer.spool.rows(f"SELECT {column} FROM {table}")}


def test_statements_go_with_the_last_of_their_run(disk: Disk) -> None:
    """They stay while anything of the run waits, under its own heads or a later run's."""
    days = Days(disk.folder / "spool.db")
    one = days.writer
    one.seal(cut=True, streams=[(1, "pmu", "7")])
    one.seal()  # without a head: the next run's
    (left,) = one.spool.find().left
    two = days.turn(1)
    two.cutter.add(left.id, left.stretches, left.observations, left.size, 0)
    two.append(cut=True)
    three = days.turn(1)
    both = {one.sealer.name, two.sealer.name}
    assert days.names("name", "run") == {*both, three.sealer.name}
    assert days.names("run", "statement") == {one.sealer.name}
    first, second = [(row.row, State.RECEIPTED, b"receipt") for row in three.spool.waiting(0, 9)]
    three.append(answers=[first])
    four = days.turn(20)
    assert four.rows("batch") == 1
    assert days.names("name", "run") == {*both, four.sealer.name}
    assert days.names("run", "statement") == {one.sealer.name}, "what waits needs its descriptor"
    four.append(answers=[second])
    five = days.turn(20)
    assert five.rows("batch") == five.rows("piece") == five.rows("statement") == 0
    assert days.names("name", "run") == {five.sealer.name}
    assert five.spool.find().streams == {("pmu", "7"): 1}, "a number is never given again"
    five.spool.close()


@pytest.fixture
def small(site: Site) -> Iterator[Site]:
    """The site with its folder's spool on a disk of its own."""
    if os.geteuid() != 0:
        absent("the right to mount a small disk", "run the tests as root")
    place = site.folder / "disk"
    place.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs"]
    subprocess.run(["mount", *options, place], check=True, timeout=10)
    site.spool_changes = {"path": "disk/spool.db", "keep_days": 0}
    try:
        yield site
    finally:
        subprocess.run(["umount", "-l", place], check=True, timeout=10)


def test_a_full_disk_stops_the_reading_and_answers_free_it(small: Site) -> None:
    """Without a reserve the answers could not be written either, and it would stay full."""
    record = Record(small)
    agent = small.agent()
    number = 0

    def hear_while_there_is_room() -> None:
        nonlocal number
        if agent.keeper.room.is_set():
            agent.hear(*(frame(number + at, raw=bytes(FRAME_BYTES)) for at in range(10)))
            number += 10
            agent.time.go(PERIOD * 10)

    async def fill() -> None:
        agent.hear(setup())
        for _ in range(2000):
            if agent.health.disk_low:
                return
            hear_while_there_is_room()
            await asyncio.sleep(0.002)
        raise AssertionError("the disk is never low")

    async def work() -> None:
        for _ in range(3):
            await fill()
            assert not agent.keeper.room.is_set()
            assert agent.health.spool_fault == ""
            agent.time.go(10**10)  # what is open is cut
            await until(lambda: waiting() == 0)
            told = await agent.keeper.on_disk(lambda: record.take(agent.keeper.spool))
            for row, receipt, count, size in told:
                agent.keeper.answer(row, State.RECEIPTED, receipt, count, size)
            await until(agent.keeper.room.is_set)
            assert not agent.health.disk_low

    def waiting() -> int:
        """Observations that no head names yet."""
        return agent.health.sealed - agent.health.receipted - agent.health.waiting

    async def all_of_it() -> None:
        await agent.keeper.start()
        await keep(agent, work())

    go(all_of_it())
    record.close()
    assert number * FRAME_BYTES > DISK_BYTES - RESERVE_BYTES, "more than there was room for at once"


def test_on_a_disk_that_others_filled_it_is_said_what_is_not_kept(small: Site) -> None:
    place = small.folder / "disk"
    ballast, filler = place / "spool.db.ballast", place / "filler"
    agent = small.agent()

    def fill() -> None:
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(65536))
            except OSError as fault:
                assert fault.errno == errno.ENOSPC

    async def work() -> None:
        agent.hear(setup(), frame(0))
        await until(ballast.exists)
        fill()
        agent.hear(*(frame(1 + at, raw=bytes(FRAME_BYTES)) for at in range(100)))
        await until(lambda: agent.health.disk_low and agent.health.spool_fault == "")
        assert not ballast.exists(), "its space took the statements"
        assert not agent.keeper.room.is_set()
        filler.unlink()
        await until(agent.keeper.room.is_set)
        agent.hear(frame(200))
        await until(ballast.exists)

    async def all_of_it() -> None:
        await agent.keeper.start()
        await keep(agent, work())

    go(all_of_it())
    record, spool = Record(small), Spool(place / "spool.db")
    record.take(spool)
    spool.close()
    there = {one.tai for _, one in record.links[1] if one.kind == Kind.C37118}
    holes = [(one.first, one.last) for one in gaps(record, 1)]
    for number in (*range(101), 200):
        tai = START + number * PERIOD
        assert (tai in there) or any(low <= tai <= high for low, high in holes), number
    record.close()
