"""The spool: what `append` returned from is there after the next start, and what is another's is
left alone.
"""

from pathlib import Path

import apsw
import pytest

from agent.commit import Commit, Kept, State
from agent.cutter import Cutter, Limits
from agent.schema import APPLICATION_ID, FORMAT, DamageError, SpoolError
from agent.sealer import Piece, Sealer, Statement
from agent.spool import DAY_NS, FREE_AFTER_PIECES, FREE_BATCHES_MAX, SNAPSHOT_PIECES, Spool
from evidence import batch
from evidence.code import Typ
from tests.agent.site import START
from tests.agent.test_sealer import begin, filled

NOTHING = Piece((), (), (), 0, 0)
KEEP_DAYS = 10


class Writer:
    """Fills a spool as the keeper does, one batch a piece."""

    def __init__(self, path: Path, sealer: Sealer, first: int = 1) -> None:
        self.spool, self.sealer, self.next = Spool(path), sealer, first
        self.cutter = Cutter(sealer.name, Limits(1, 1))
        self.taken = START
        self.number = 0

    def begin(self) -> None:
        self.append(begins=self.sealer.payload)

    def append(self, piece: Piece = NOTHING, cut: bool = False, **more: object) -> Commit:
        commit = Commit(self.next, self.taken, self.sealer.name, piece)
        commit.keep_days = KEEP_DAYS
        for name, value in more.items():
            setattr(commit, name, value)
        if piece.stretches:
            sizes = (piece.observations, piece.size)
            self.cutter.add(self.next, piece.stretches, *sizes, 0)
        if cut:
            commit.cut = self.cutter.cut(self.sealer.sign_head)
        self.spool.append(commit)
        self.next += 1
        return commit

    def seal(self, count: int = 2, cut: bool = False, **more: object) -> Commit:
        filled(self.sealer, 1, self.number, self.number + count - 1)
        self.number += count
        return self.append(self.sealer.take(), cut, **more)

    def rows(self, table: str) -> int:
        found = self.spool.rows(f"SELECT count(*) FROM {table}")
        return int(found[0][0])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.db"


def test_all_is_there_after_the_next_start(path: Path) -> None:
    sealer = begin()
    writer = Writer(path, sealer)
    writer.begin()
    writer.seal(streams=[(0, "gateway", "own"), (1, "pmu", "7")])
    writer.seal(cut=True)
    last = writer.seal()
    statement = last.piece.statements
    assert statement == ()
    writer.spool.close()

    spool = Spool(path)
    found = spool.find()
    assert found.streams == {("gateway", "own"): 0, ("pmu", "7"): 1}
    assert found.reached == sealer.reached()
    assert (found.run, found.runs) == (sealer.name, frozenset({sealer.name}))
    assert found.unsigned == (sealer.payload,)
    assert (found.next_piece, found.ended, found.taken) == (5, False, START)
    (left,) = found.left
    assert left.observations == 2
    assert [one._replace(frames=()) for one in last.piece.stretches] == list(left.stretches)
    (waiting,) = spool.waiting(0, 10)
    encoded, header = spool.batch(waiting.row)
    read = batch.read(encoded)
    assert (read.id, read.head.count) == (waiting.id, 4)
    assert encoded.startswith(header)
    assert (found.waiting, found.waiting_size) == (4, len(encoded))
    spool.close()


def test_a_signed_run_an_answer_and_a_tree_head_are_kept(path: Path) -> None:
    writer = Writer(path, begin())
    writer.begin()
    writer.seal(cut=True)
    name = writer.sealer.name
    signed = Statement(name, Typ.RUN, b"signed", b"\x80")
    row = writer.spool.waiting(0, 1)[0].row
    kept = Kept(7, b"\x07" * 32)
    writer.append(statements=[signed], answers=[(row, State.RECEIPTED, b"receipt")], kept=kept)
    writer.append(ends=True)
    writer.spool.close()

    spool = Spool(path)
    found = spool.find()
    assert (found.kept, found.unsigned, found.ended) == (kept, (), True)
    assert (found.waiting, spool.waiting(0, 10)) == (0, [])
    assert spool.statement(name) == signed
    assert spool.statement(bytes(32)) is None
    spool.close()


def test_reached_is_the_same_from_snapshot_and_from_pieces(path: Path) -> None:
    writer = Writer(path, begin())
    writer.begin()
    for _ in range(SNAPSHOT_PIECES + 3):
        writer.seal()
        spool = writer.spool
        assert spool.find().reached == writer.sealer.reached()
    spool.close()


def test_one_agent_a_spool(path: Path) -> None:
    first = Spool(path)
    with pytest.raises(SpoolError, match=f"{path}: another agent"):
        Spool(path)
    first.close()
    first.close()
    Spool(path).close()


def _foreign(path: Path) -> None:
    db = apsw.Connection(str(path))
    db.execute("CREATE TABLE theirs (a)")
    db.close()


def _newer(path: Path) -> None:
    Spool(path).close()
    db = apsw.Connection(str(path))
    assert db.pragma("application_id") == APPLICATION_ID
    db.pragma("user_version", FORMAT + 1)
    db.close()


def _garbage(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 64)


def _text(path: Path) -> None:
    path.write_text("not a database\n")


@pytest.mark.parametrize("make", [_foreign, _newer, _garbage, _text])
def test_what_is_not_ours_is_named_and_left_alone(path: Path, make: object) -> None:
    assert callable(make)
    make(path)
    before = path.read_bytes()
    with pytest.raises(SpoolError, match=str(path)):
        Spool(path)
    assert path.read_bytes() == before
    with pytest.raises(SpoolError, match=str(path)):  # and not for a lock left behind
        Spool(path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "spool.db"
    with pytest.raises(SpoolError, match=str(path)):
        Spool(path)


def test_a_commit_that_fails_leaves_nothing_of_itself(path: Path) -> None:
    writer = Writer(path, begin())
    writer.begin()
    writer.seal()
    writer.next -= 1  # a number that is taken
    with pytest.raises(SpoolError, match=str(path)):
        writer.seal(streams=[(5, "pmu", "new")])
    writer.spool.close()
    spool = Spool(path)
    assert spool.find().streams == {}
    assert sum(left.observations for left in spool.find().left) == 2
    spool.close()


def test_a_batch_with_a_lost_piece_is_not_offered(path: Path) -> None:
    writer = Writer(path, begin())
    writer.begin()
    writer.seal()
    writer.seal(cut=True)
    row = writer.spool.waiting(0, 1)[0].row
    writer.spool._db.execute("DELETE FROM piece WHERE id = 3")
    with pytest.raises(SpoolError, match=f"{path}: batch {row}"):
        writer.spool.batch(row)
    with pytest.raises(SpoolError, match=f"{path}: batch 99"):
        writer.spool.batch(99)
    writer.spool.close()


@pytest.mark.parametrize(
    "damage",
    [
        "parts = substr(parts, 1, length(parts) - 1)",
        "links = substr(links, 1, length(links) - 1)",
        # A bit of a row's header.
        "parts = 7",
        "links = 'text'",
        "taken = 'text'",
    ],
)
def test_a_damaged_piece_is_named(path: Path, damage: str) -> None:
    writer = Writer(path, begin())
    writer.begin()
    writer.seal(cut=True)
    writer.spool._db.execute(f"UPDATE piece SET {damage}")
    row = writer.spool.waiting(0, 1)[0].row
    if "taken" not in damage:
        with pytest.raises(DamageError, match=f"{path}: piece 2"):
            writer.spool.batch(row)
    assert writer.spool.find().damaged == ()  # it is under a head: stated when that is offered
    writer.spool.close()


def _aged(path: Path, batches: int) -> Writer:
    """Receipted batches, all old enough, and none freed yet."""
    writer = Writer(path, begin())
    writer.begin()
    for _ in range(batches):
        writer.seal(cut=True)
    rows = [one.row for one in writer.spool.waiting(0, 1000)]
    writer.append(answers=[(row, State.RECEIPTED, b"r") for row in rows])
    assert writer.rows("batch") == batches
    return writer


def _snapshot(writer: Writer, days: int) -> None:
    writer.taken = START + days * DAY_NS
    writer.next += SNAPSHOT_PIECES - writer.next % SNAPSHOT_PIECES
    writer.append(kept=Kept(1, bytes(32)))


def test_only_what_is_old_enough_is_freed(path: Path) -> None:
    writer = _aged(path, 5)
    writer.taken = START + KEEP_DAYS * DAY_NS - 1
    _snapshot(writer, KEEP_DAYS - 1)
    _snapshot(writer, KEEP_DAYS - 1)
    assert writer.rows("batch") == 5
    _snapshot(writer, KEEP_DAYS)
    assert (writer.rows("batch"), writer.rows("piece")) == (0, 0)
    writer.spool.close()


def test_what_was_just_written_is_not_freed(path: Path) -> None:
    writer = _aged(path, 5)  # pieces 2 to 6
    _snapshot(writer, 0)
    writer.spool.close()
    writer = Writer(path, begin(2), SNAPSHOT_PIECES)
    assert writer.rows("batch") == 5
    wanted = sum(piece > SNAPSHOT_PIECES - FREE_AFTER_PIECES for piece in range(2, 7))
    writer.next, writer.taken = SNAPSHOT_PIECES, START + 2 * KEEP_DAYS * DAY_NS
    writer.append(kept=Kept(1, bytes(32)))
    assert writer.rows("batch") == wanted == 2
    writer.spool.close()


def test_only_receipted_batches_are_freed(path: Path) -> None:
    writer = Writer(path, begin())
    writer.begin()
    for _ in range(4):
        writer.seal(cut=True)
    one, two, three, _ = [item.row for item in writer.spool.waiting(0, 10)]
    writer.append(answers=[(one, State.REFUSED, b"no"), (three, State.RECEIPTED, b"yes")])
    _snapshot(writer, 2 * KEEP_DAYS)
    _snapshot(writer, 2 * KEEP_DAYS)
    assert writer.rows("batch") == 3
    assert writer.spool.batch(one)
    assert writer.spool.batch(two)
    with pytest.raises(SpoolError, match="is gone"):
        writer.spool.batch(three)
    writer.spool.close()


def test_oldest_first_and_a_bounded_number_at_once(path: Path) -> None:
    writer = _aged(path, FREE_BATCHES_MAX + 3)
    _snapshot(writer, 2 * KEEP_DAYS)
    rows = [row[0] for row in writer.spool.rows("SELECT number FROM batch ORDER BY id")]
    assert rows == [FREE_BATCHES_MAX, FREE_BATCHES_MAX + 1, FREE_BATCHES_MAX + 2]
    _snapshot(writer, 2 * KEEP_DAYS)
    assert (writer.rows("batch"), writer.rows("piece")) == (0, 0)
    writer.spool.close()
