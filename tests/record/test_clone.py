"""A run that is heard after its successor began: cloned, whatever came first; and what is none."""

from typing import Any

import pytest

from drivers.c37118.wire import Layout
from evidence.code import Cause, Class, Reason
from tests.record.gateway import NANOSECONDS, START, Gateway, GatewayRun, frame
from tests.record.upstream import AUTHORITY, BOTH, Upstream, classes

pytestmark = BOTH
UNCHECKED = (Class.PLACE_UNCHECKED, Reason.NO_RECEIVER)
CLONE = (Class.KEY_DOUBTFUL, Reason.CLONE)
BEGAN = START + 100 * NANOSECONDS
MS = 1_000_000


def heard(run: GatewayRun, layout: Layout, tai: int, **changes: Any) -> bytes:
    """A batch of one frame of stream 1, heard at an instant."""
    run.observe(1, frame(layout, run.lines[1].seq), tai=tai - 20 * MS, heard=20 * MS, **changes)
    return run.cut()


def reasons(entry: Any) -> set[Any]:
    return {row[3:] for row in classes(entry)}


def found(upstream: Upstream) -> dict[bytes, tuple[int, int]]:
    """What findings say of whole runs."""
    rows = upstream.findings()
    assert all(row[1:5] == (None,) * 4 for row in rows)
    assert len({row.run for row in rows}) == len(rows)
    return {row.run: row[5:7] for row in rows}


@pytest.mark.parametrize("later_first", [True, False])
def test_run_heard_after_its_successor_began_went_on_elsewhere(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout,
    later_first: bool,
):  # fmt: skip
    upstream.push(heard(run, layout, START))
    later = gateway.start(run, started=BEGAN, bound=3 * MS)
    late = heard(run, layout, BEGAN + 6 * MS, heard_bound=2 * MS)
    if later_first:
        upstream.start(later, cfg, 1)
        assert reasons(upstream.push(late)) == {CLONE}
    else:
        assert reasons(upstream.push(late)) == {UNCHECKED}  # nothing speaks against it yet
        upstream.start(later, cfg, 1)
    assert found(upstream) == {run.name: CLONE, later.name: CLONE}
    assert reasons(upstream.push(heard(later, layout, BEGAN + NANOSECONDS))) == {CLONE}
    assert reasons(upstream.push(heard(run, layout, BEGAN + NANOSECONDS))) == {CLONE}
    assert len(upstream.findings()) == 2  # said once


@pytest.mark.parametrize("later_first", [True, False])
@pytest.mark.parametrize(
    ("past", "bounds"),
    [
        (-NANOSECONDS, (0, 0)),  # its backlog drains later
        (5 * MS, (3 * MS, 2 * MS)),  # within both bounds
        (NANOSECONDS, (None, 0)),  # nobody can say when the one began
        (NANOSECONDS, (0, None)),  # or when the other was heard
        (NANOSECONDS, (0, 1 << 64)),
    ],
)
def test_what_proves_nothing_is_no_clone(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout,
    past: int, bounds: tuple[int | None, int | None], later_first: bool,
):  # fmt: skip
    later = gateway.start(run, started=BEGAN, bound=bounds[0])
    bound = None if bounds[1] is None else min(bounds[1], (1 << 64) - 1)
    batch = heard(run, layout, BEGAN + past, heard_bound=bound)
    if later_first:
        upstream.start(later, cfg, 1)
    assert reasons(upstream.push(batch)) == {UNCHECKED}
    if not later_first:
        upstream.start(later, cfg, 1)
    assert not upstream.findings()


@pytest.mark.parametrize("later_first", [True, False])
def test_clock_that_was_set_back_makes_no_clone(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout,
    later_first: bool,
):  # fmt: skip
    """What the later run says it continues was on its disk when it began."""
    batch = heard(run, layout, BEGAN + 3600 * NANOSECONDS)
    later = gateway.start(run, started=BEGAN, cause=Cause.SNAPSHOT)
    if later_first:
        upstream.start(later, cfg, 1)
    upstream.push(batch)
    if not later_first:
        upstream.start(later, cfg, 1)
    assert not upstream.findings()


def test_stretch_that_only_begins_before_what_was_continued_is_late(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout
):
    run.observe(1, frame(layout, 0), tai=START)
    later = gateway.start(run, started=BEGAN)
    upstream.start(later, cfg, 1)
    assert reasons(upstream.push(heard(run, layout, BEGAN + NANOSECONDS))) == {CLONE}
    assert found(upstream) == {run.name: CLONE, later.name: CLONE}


def test_lateness_is_seen_behind_a_descriptor_and_in_any_stream(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout
):
    upstream.send(run.describe(2, cfg))
    later = gateway.start(run, started=BEGAN)
    run.observe(2, frame(layout, 0), tai=BEGAN + NANOSECONDS)
    upstream.push(run.cut())
    upstream.send(run.describe(2, cfg))
    upstream.push(heard(run, layout, START))
    upstream.start(later, cfg, 1)
    assert found(upstream) == {run.name: CLONE, later.name: CLONE}


def test_run_that_comes_after_its_successor_is_judged_all_the_same(
    upstream: Upstream, gateway: Gateway, cfg: bytes, layout: Layout
):
    run = gateway.start()
    first = run.describe(1, cfg)
    later = gateway.start(run, started=BEGAN)
    upstream.send(later.statement, run.statement, first)
    assert reasons(upstream.push(heard(run, layout, BEGAN + NANOSECONDS))) == {CLONE}
    assert found(upstream) == {run.name: CLONE, later.name: CLONE}


def test_late_batch_and_successor_in_one_commit(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, layout: Layout
):
    later = gateway.start(run, started=BEGAN)
    late = heard(run, layout, BEGAN + NANOSECONDS)
    upstream.commit_together([late], [later.statement])
    assert found(upstream) == {run.name: CLONE, later.name: CLONE}


def test_another_devices_successor_says_nothing(
    upstream: Upstream, run: GatewayRun, layout: Layout
):
    stranger = Gateway("gw-2", AUTHORITY)
    upstream.send(stranger.statement, stranger.start(run, started=BEGAN).statement)
    assert reasons(upstream.push(heard(run, layout, BEGAN + NANOSECONDS))) == {UNCHECKED}
    assert not upstream.findings()


def test_clones_are_remembered(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout
):
    later = gateway.start(run, started=BEGAN)
    upstream.start(later, cfg, 1)
    upstream.push(heard(run, layout, BEGAN + NANOSECONDS))
    upstream.sequencer.restore()
    assert reasons(upstream.push(heard(run, layout, START))) == {CLONE}
    assert len(upstream.findings()) == 2
