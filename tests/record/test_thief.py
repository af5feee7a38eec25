"""A thief who has the device key, and dates all that he makes before its revocation: nothing of it
settles, and nothing that the record had from the honest gateway changes."""

from typing import Any

import pytest

from drivers.c37118.wire import Layout
from evidence.code import Cause, Class, Reason
from evidence.leap import NS
from record.reach import heads_of
from tests.record.gateway import START, Gateway, GatewayRun
from tests.record.test_revocation import (
    CLONE,
    LATER,
    REVOKED,
    UNCHECKED,
    heard,
    reasons,
    refused,
    revoke,
    verified,
    worth,
)
from tests.record.upstream import BOTH, Upstream, classes

pytestmark = BOTH


@pytest.fixture(autouse=True)
def before_it_was_revoked(upstream: Upstream) -> None:
    upstream.now = START + 90 * NS


@pytest.fixture
def honest(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout
) -> GatewayRun:
    """The run that goes on after the first, with batches in the record."""
    upstream.push(heard(run, layout, 1))
    later = gateway.start(run, started=START + 2 * NS)
    upstream.start(later, cfg, 1)
    for second in range(10, 40, 10):
        upstream.push(heard(later, layout, second))
    return later


def stolen(gateway: Gateway, after: GatewayRun, name: str = "thief", **changes: Any) -> GatewayRun:
    """A thief's run, with a run key of its own, that claims to go on after this one."""
    fields = {
        "cause": Cause.RESTART, "predecessor": after.name, "reached": after.reached(),
        "started": START + 3 * NS,
    } | changes  # fmt: skip
    return GatewayRun(name, gateway.device, gateway.statement.name, **fields)


def test_a_thief_that_back_dates_settles_nothing_and_changes_nothing(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, honest: GatewayRun, cfg: bytes,
    layout: Layout, place: Any, tmp_path: Any,
):  # fmt: skip
    """All that is dated before the revocation and comes after it: beside a run of the honest one,
    after its last (before what it was heard to say), and with another end than it had."""
    receipts = {entry.idx: entry for entry in upstream.store.entries()}
    told = heads_of(upstream.store, gateway.device.public.kid)
    backlog = [heard(honest, layout, second) for second in (50, 60)]
    revoke(upstream, gateway)
    (reached,) = honest.reached()
    false, ahead = (reached._replace(seq=seq, leaf=b"\1" * 32) for seq in (2, 5))
    for thief in (
        stolen(gateway, run, "beside"),
        stolen(gateway, honest, "before its end", started=START + 11 * NS),
        stolen(gateway, honest, "another end", reached=(false,), started=START + 41 * NS),
        stolen(gateway, honest, "an end to come", reached=(ahead,), started=START + 61 * NS),
    ):
        upstream.start(thief, cfg, 1)
        for second in (42, 43):
            entry = upstream.push(heard(thief, layout, second), now=LATER)
            assert {row[3] for row in classes(entry)} == {Class.KEY_DOUBTFUL}
        assert refused(upstream, heard(thief, layout, 101)) == Reason.CREDENTIAL_REVOKED
    assert {idx: upstream.store.entry(idx) for idx in receipts} == receipts
    for seq in (1, 2, 3):
        assert worth(upstream, honest, seq).now == UNCHECKED
    assert worth(upstream, run, 1).now == UNCHECKED
    assert all(row.run not in (honest.name, run.name) for row in upstream.findings())
    # What was on its way is doubted for the key alone: its authority may vouch for it.
    assert [reasons(upstream.push(one, now=LATER)) for one in backlog] == [{REVOKED}] * 2
    assert heads_of(upstream.store, gateway.device.public.kid)[0].run == told[0].run
    upstream.sequencer.restore()
    assert verified(upstream, place, tmp_path)


def test_a_thief_before_the_revocation_is_a_clone_as_ever(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, honest: GatewayRun, cfg: bytes
):
    upstream.start(stolen(gateway, run), cfg, 1)
    assert worth(upstream, honest, 1).now == CLONE
    revoke(upstream, gateway)
    assert worth(upstream, honest, 1).now == CLONE
