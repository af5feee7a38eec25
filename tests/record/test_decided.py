"""Clones, of which the authority decides which is genuine: by the heads of one run that it vouches
for. Until then neither settles, and of two that it vouches for neither does."""

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from drivers.c37118.wire import Layout
from evidence.code import Class, Reason
from evidence.leap import NS
from tests.record.authority import Book
from tests.record.gateway import START, Gateway, GatewayRun
from tests.record.test_revocation import (
    CLONE,
    LATER,
    REVOKED,
    TWIN,
    UNCHECKED,
    heard,
    reasons,
    revoke,
    verified,
    worth,
)
from tests.record.test_thief import stolen
from tests.record.upstream import AUTHORITY, BOTH, Upstream

pytestmark = BOTH


def opened(upstream: Upstream) -> Book:
    book = Book(AUTHORITY)
    upstream.send(book.open())
    return book


def test_one_of_two_clones_is_vouched_for(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout, place: Any,
    tmp_path: Path,
):  # fmt: skip
    """What it sealed before the other came, and after; up to the head that was named."""
    honest, thief, book = gateway.start(run), stolen(gateway, run), opened(upstream)
    upstream.start(honest, cfg, 1)
    batches = [heard(honest, layout, second) for second in (10, 20, 30)]
    upstream.push(batches[0])
    upstream.start(thief, cfg, 1)
    upstream.push(heard(thief, layout, 15))
    for batch in batches[1:]:
        assert reasons(upstream.push(batch)) == {CLONE}
    assert [worth(upstream, honest, seq).now for seq in (1, 2, 3)] == [CLONE] * 3
    upstream.send(book.vouch(honest, 1, batches[1]))
    assert [worth(upstream, honest, seq).now for seq in (1, 2, 3)] == [UNCHECKED, UNCHECKED, CLONE]
    assert [worth(upstream, honest, seq).vouched is None for seq in (1, 2, 3)] == [
        *(False, False, True)
    ]
    assert worth(upstream, thief, 1).now == CLONE
    assert verified(upstream, place, tmp_path)


def test_who_vouches_for_both_has_decided_nothing(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout
):
    """It lifts the revocation of each, and a clone of neither; a word for what is not here is
    none."""
    one, other = gateway.start(run), stolen(gateway, run)
    first, second = Gateway("gw-1", AUTHORITY), revoke(upstream, gateway)
    assert first.statement.name == gateway.statement.name
    upstream.start(one, cfg, 1)
    upstream.start(other, cfg, 1)
    batches = heard(one, layout, 10), heard(other, layout, 15)
    for batch in batches:
        assert reasons(upstream.push(batch, now=LATER)) == {CLONE}
    void = heard(other, layout, 16)  # never sent
    upstream.send(second.vouch(one, 0, batches[0]), second.vouch(other, 1, void), now=LATER)
    assert (worth(upstream, one, 1).now, worth(upstream, other, 1).now) == (UNCHECKED, CLONE)
    upstream.send(second.vouch(other, 0, batches[1]), now=LATER)
    for run_ in (one, other):
        found = worth(upstream, run_, 1)
        assert (found.now, found.vouched) == (CLONE, None)


def test_a_twin_in_a_cloned_run_stays_one(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout
):
    honest, book = gateway.start(run), opened(upstream)
    upstream.start(honest, cfg, 1)
    line = honest.lines[1]
    seq, prev = line.seq, line.prev
    first = heard(honest, layout, 10)
    line.seq, line.prev = seq, prev
    second = heard(honest, layout, 11)
    upstream.start(stolen(gateway, run), cfg, 1)
    for batch in (first, second):
        upstream.push(batch)
    upstream.send(book.vouch(honest, 1, second))
    assert worth(upstream, honest, seq).now == TWIN


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_a_thief_who_knows_the_last_run_does_not_keep_a_backlog_from_being_vouched_for(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout,
    order: tuple[int, ...], place: Any, tmp_path: Path,
):  # fmt: skip
    """In whatever order come what the honest one sealed and what the thief says of it: a run
    beside it, one after it that it seems to outlive, one with another end than it had."""
    honest = gateway.start(run, started=START + 2 * NS)
    described = honest.describe(1, cfg)
    batches = [heard(honest, layout, second) for second in (10, 20)]
    (reached,) = honest.reached()
    false = reached._replace(seq=1, leaf=b"\1" * 32)
    thieves = (
        stolen(gateway, run, "beside"),
        stolen(gateway, honest, "after", started=START + 11 * NS, reached=()),
        stolen(gateway, honest, "another end", started=START + 41 * NS, reached=(false,)),
    )
    book = revoke(upstream, gateway)
    for at in order:
        if at:
            upstream.start(thieves[at - 1], cfg, 1)
            upstream.push(heard(thieves[at - 1], layout, 50), now=LATER)
        else:
            upstream.send(honest.statement, described, now=LATER)
            for batch in batches:
                found = reasons(upstream.push(batch, now=LATER))
                assert found in ({REVOKED}, {CLONE})
    upstream.send(book.vouch(honest, 1, batches[1]), now=LATER)
    assert [worth(upstream, honest, seq).now for seq in (1, 2)] == [UNCHECKED] * 2
    assert worth(upstream, thieves[0], 1).now == CLONE
    assert all(worth(upstream, one, 1).now in (CLONE, REVOKED) for one in thieves)
    upstream.sequencer.restore()
    assert verified(upstream, place, tmp_path)


def test_a_broken_chain_of_heads_in_a_cloned_run_stays_one(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout
):
    honest, book = gateway.start(run), opened(upstream)
    upstream.start(honest, cfg, 1)
    upstream.start(stolen(gateway, run), cfg, 1)
    upstream.push(heard(honest, layout, 10))
    honest.previous = b"\1" * 32
    last = heard(honest, layout, 11)
    assert reasons(upstream.push(last)) == {(Class.KEY_DOUBTFUL, Reason.HEAD_CHAIN)}
    upstream.send(book.vouch(honest, 1, last))
    assert worth(upstream, honest, 2).now == (Class.KEY_DOUBTFUL, Reason.HEAD_CHAIN)
