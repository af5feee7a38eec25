"""What the log does with what was admitted: order, repetition, twins, clones, restarts."""

import random

import pytest

from drivers.c37118.wire import Layout
from evidence import merkle
from evidence.code import Class, Reason
from record import postgresql
from record.continuity import Continuity
from record.database import Place
from record.schema import Entry
from record.store import Store, StoreError, open_reader, open_writer
from tests.record.gateway import Gateway, GatewayRun, frame, id_of
from tests.record.upstream import AUTHORITY, BOTH, NOW, Upstream, classes, receipt_of

pytestmark = BOTH
UNCHECKED = (Class.PLACE_UNCHECKED, Reason.NO_RECEIVER)
TWIN = (Class.KEY_DOUBTFUL, Reason.TWIN)
CLONE = (Class.KEY_DOUBTFUL, Reason.CLONE)


def fill(run: GatewayRun, layout: Layout, first: int, count: int, stat: int = 0) -> bytes:
    """A batch of `count` frames of stream 1."""
    for number in range(first, first + count):
        run.observe(1, frame(layout, number, stat))
    return run.cut()


def fork(run: GatewayRun, seq: int, prev: bytes, number: int, previous: bytes) -> None:
    """Sets a run back: what a machine restored with its memory does."""
    run.lines[1].seq, run.lines[1].prev = seq, prev
    run.number, run.previous = number, previous


def test_same_bytes_same_receipt(upstream: Upstream, run: GatewayRun, layout: Layout):
    batch = fill(run, layout, 0, 3)
    first = upstream.push(batch)
    upstream.push(fill(run, layout, 3, 3))
    size = upstream.log.size
    assert upstream.push(batch) == first
    assert upstream.push_all([batch, batch]) == [first, first]
    assert upstream.log.size == size


def test_receipts_hold_and_trees_continue_each_other(
    upstream: Upstream, run: GatewayRun, layout: Layout
):
    entries: list[Entry] = []
    for group in (1, 3, 8, 2, 1):
        batches = [fill(run, layout, 60 * len(entries) + at, 1) for at in range(group)]
        entries += upstream.push_all(batches)
    receipts = [receipt_of(entry) for entry in entries]
    assert len({receipt.size for receipt in receipts}) == 5
    for old in receipts:
        for new in receipts:
            if old.size <= new.size:
                proof = upstream.log.consistency(new.size, old.size)
                merkle.check_consistency(old.size, old.root, new.size, new.root, proof)


@pytest.mark.parametrize("seed", range(5))
def test_order_of_arrival_does_not_matter(
    upstream: Upstream, run: GatewayRun, cfg: bytes, layout: Layout, seed: int
):
    batches = [fill(run, layout, 10 * at, 3) for at in range(12)]
    upstream.send(run.describe(1, cfg))
    batches += [fill(run, layout, 500 + 10 * at, 3) for at in range(3)]
    random.Random(seed).shuffle(batches)
    for batch in batches:
        assert {row[3:] for row in classes(upstream.push(batch))} == {UNCHECKED}
    assert not upstream.findings()


def test_two_contents_for_one_position_are_twins(
    upstream: Upstream, run: GatewayRun, layout: Layout
):
    upstream.push(fill(run, layout, 0, 2))
    line = run.lines[1]
    place = (line.seq, line.prev, run.number, run.previous)
    first = upstream.push(fill(run, layout, 2, 4))
    fork(run, *place)
    run.number += 7  # the numbers of heads shall not be what tells
    later = upstream.push(fill(run, layout, 2, 6, stat=0x0800))
    assert classes(later) == [(1, 3, 6, *TWIN), (1, 7, 8, *UNCHECKED)]
    (finding,) = upstream.findings()
    assert finding[:5] == (run.name, first.subject, 1, 3, 6)
    assert finding[5:] == (*TWIN, None)
    assert upstream.store.body(first.idx) and upstream.store.body(later.idx)


def test_twin_counts_from_where_the_contents_part(
    upstream: Upstream, run: GatewayRun, layout: Layout
):
    for number in range(3):
        run.observe(1, frame(layout, number))
    line = run.lines[1]
    place = (line.seq, line.prev, 9, bytes(32))
    kept = list(line.pending)
    run.observe(1, frame(layout, 3))
    upstream.push(run.cut())
    fork(run, *place)
    line.pending, line.first = kept, (1, line.first[1])
    run.observe(1, frame(layout, 3, 0x0800))
    later = upstream.push(run.cut())
    assert classes(later) == [(1, 1, 3, *UNCHECKED), (1, 4, 4, *TWIN)]
    assert [row[2:5] for row in upstream.findings()] == [(1, 4, 4)]


def test_same_content_under_another_head_is_no_twin(
    upstream: Upstream, run: GatewayRun, layout: Layout, monkeypatch: pytest.MonkeyPatch
):
    """Nor is it read again: who sends it a thousand times would have each read a thousand times."""
    monkeypatch.delattr(Continuity, "_leaves")
    for number in range(4):
        run.observe(1, frame(layout, number))
    pending, first = list(run.lines[1].pending), run.lines[1].first
    upstream.push(run.cut())
    run.lines[1].pending, run.lines[1].first = pending, first
    run.number = 5
    again = upstream.push(run.cut())
    assert classes(again) == [(1, 1, 4, *UNCHECKED)]
    assert not upstream.findings()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_edge_that_does_not_close_is_a_twin_seen_from_outside(
    upstream: Upstream, run: GatewayRun, layout: Layout, order: tuple[int, int]
):
    one = fill(run, layout, 0, 2)
    run.lines[1].prev = b"\1" * 32
    other = fill(run, layout, 2, 2)
    first = upstream.push((one, other)[order[0]])
    later = upstream.push((one, other)[order[1]])
    assert [row[3:] for row in classes(later)] == [TWIN]
    (finding,) = upstream.findings()
    assert finding.subject == first.subject
    assert (finding.klass, finding.reason) == TWIN


def test_descriptor_may_be_the_twin(
    upstream: Upstream, run: GatewayRun, cfg: bytes, layout: Layout
):
    upstream.push(fill(run, layout, 0, 3))
    line = run.lines[1]
    line.seq, line.prev = 2, b"\1" * 32
    (entry,) = upstream.send(run.describe(1, cfg))
    assert classes(entry) == [(1, 2, 2, *TWIN)]
    assert [row[2:5] for row in upstream.findings()] == [(1, 2, 2)]


def test_heads_that_do_not_chain_are_doubtful(upstream: Upstream, run: GatewayRun, layout: Layout):
    first = upstream.push(fill(run, layout, 0, 1))
    run.previous = b"\1" * 32
    later = upstream.push(fill(run, layout, 1, 1))
    assert [row[3:] for row in classes(later)] == [(Class.KEY_DOUBTFUL, Reason.HEAD_CHAIN)]
    (finding,) = upstream.findings()
    assert finding.subject == first.subject
    assert finding.reason == Reason.HEAD_CHAIN


def test_two_runs_after_one_are_clones(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout
):
    upstream.push(fill(run, layout, 0, 2))
    one, two = gateway.start(run), gateway.start(run)
    upstream.start(one, cfg, 1)
    assert classes(upstream.push(fill(one, layout, 2, 1))) == [(1, 1, 1, *UNCHECKED)]
    upstream.start(two, cfg, 1)
    findings = upstream.findings()
    assert {row.run for row in findings} == {one.name, two.name}
    assert {(row.klass, row.reason) for row in findings} == {CLONE}
    for clone in (one, two):
        assert classes(upstream.push(fill(clone, layout, 3, 1)))[0][3:] == CLONE


def test_another_devices_run_makes_no_clone_of_ours(
    upstream: Upstream, gateway: Gateway, run: GatewayRun
):
    stranger = Gateway("gw-2", AUTHORITY)
    upstream.send(stranger.statement, gateway.start(run).statement, stranger.start(run).statement)
    assert not upstream.findings()


@pytest.mark.parametrize("before", [True, False])
def test_another_device_makes_no_twin_of_our_links(
    upstream: Upstream, run: GatewayRun, layout: Layout, before: bool
):
    """Whatever it says that it continues, and whenever."""
    batch = fill(run, layout, 0, 4)
    stranger = Gateway("gw-2", AUTHORITY)
    lie = tuple(row._replace(leaf=b"\1" * 32) for row in run.reached())
    told = [stranger.statement, stranger.start(reached=lie).statement]
    if before:
        upstream.send(*told)
    assert {row[3:] for row in classes(upstream.push(batch))} == {UNCHECKED}
    if not before:
        upstream.send(*told)
    assert not upstream.findings()


def test_run_that_continues_another_content_is_found(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, layout: Layout
):
    first = upstream.push(fill(run, layout, 0, 4))
    reached = run.reached()[0]._replace(seq=2, leaf=b"\1" * 32)
    later = gateway.start(run, reached=(reached,))
    upstream.send(later.statement)
    (finding,) = upstream.findings()
    assert finding[:5] == (run.name, first.subject, 1, 2, 4)


def test_leftovers_that_a_later_run_does_not_continue_are_found(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, layout: Layout
):
    batch = fill(run, layout, 0, 4)
    reached = run.reached()[0]._replace(leaf=b"\1" * 32)
    later = gateway.start(run, reached=(reached,))
    upstream.send(later.statement)
    assert classes(upstream.push(batch)) == [(1, 1, 3, *UNCHECKED), (1, 4, 4, *TWIN)]
    assert [row.run for row in upstream.findings()] == [later.name]


def test_restart_in_the_middle_keeps_the_log(
    place: Place, gateway: Gateway, upstream: Upstream, run: GatewayRun, layout: Layout
):
    old = receipt_of(upstream.push(fill(run, layout, 0, 3)))
    line = run.lines[1]
    back = (line.seq, line.prev, 9, bytes(32))
    upstream.push(fill(run, layout, 3, 3))
    upstream.close()
    again = Upstream(place)
    try:
        new = receipt_of(again.push(fill(run, layout, 6, 3)))
        proof = again.log.consistency(old.size, new.size)
        merkle.check_consistency(old.size, old.root, new.size, new.root, proof)
        fork(run, *back)
        assert classes(again.push(fill(run, layout, 3, 2, 0x0800)))[0][3:] == TWIN
    finally:
        again.close()


def test_failed_commit_leaves_nothing(
    upstream: Upstream, run: GatewayRun, layout: Layout, monkeypatch: pytest.MonkeyPatch
):
    upstream.push(fill(run, layout, 0, 3))
    batch = fill(run, layout, 3, 3)
    root = upstream.log.root()

    def full(_: Store) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "commit", full)
        with pytest.raises(StoreError, match="full"):
            upstream.push(batch)
    assert upstream.log.root() == root
    assert classes(upstream.push(batch)) == [(1, 4, 6, *UNCHECKED)]
    assert not upstream.store.faults()


def test_another_log_in_its_place_is_not_continued(
    upstream: Upstream, run: GatewayRun, layout: Layout, monkeypatch: pytest.MonkeyPatch
):
    """As long or longer, as after a failover to a server that lagged and was written to since."""
    upstream.push(fill(run, layout, 0, 3))
    batch = fill(run, layout, 3, 3)

    def lost(store: Store) -> None:
        store.rollback()
        store._db.execute("UPDATE node SET hash = (SELECT subject FROM entry WHERE idx = 0)")
        raise StoreError("the connection was lost")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "commit", lost)
        with pytest.raises(StoreError, match="another than the 4 entries answered for"):
            upstream.push(batch)
    for _ in range(2):
        with pytest.raises(StoreError, match="another than"):
            upstream.push(batch)


def test_one_writer_at_a_time(place: Place, upstream: Upstream, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patched:
        patched.setattr(postgresql, "LOCK_MS", 200)
        with pytest.raises(StoreError, match="open in another process"):
            open_writer(place)
    upstream.close()  # whose lock its server may let go of a moment later
    open_writer(place).close()


def test_readers_see_whole_commits(
    place: Place, upstream: Upstream, run: GatewayRun, layout: Layout
):
    reader = open_reader(place, live=True)
    before = reader.size()
    reader.snapshot()
    assert reader.size() == before
    upstream.push(fill(run, layout, 0, 1))
    assert reader.size() == before
    reader.rollback()
    assert reader.size() == before + 1
    reader.close()


def test_two_heads_of_one_batch_number_are_told(
    upstream: Upstream, run: GatewayRun, layout: Layout
):
    first = fill(run, layout, 0, 1)
    run.number, run.previous = 0, bytes(32)
    second = fill(run, layout, 1, 1)
    upstream.push(first)
    assert [row[3:] for row in classes(upstream.push(second))] == [
        (Class.KEY_DOUBTFUL, Reason.HEAD_CHAIN)
    ]
    assert [row.subject for row in upstream.findings()] == [id_of(first)]


def test_counts_are_of_observations(upstream: Upstream, run: GatewayRun, layout: Layout):
    upstream.push(fill(run, layout, 0, 5))
    upstream.push(fill(run, layout, 5, 2, 0x2000))
    assert upstream.store.tallies() == {
        UNCHECKED: 5,
        (Class.TIME_DOUBTFUL, Reason.STAT_SYNC): 2,
    }
    assert NOW
