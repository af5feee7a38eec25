"""How far the record has come with a device's streams, as it tells a gateway that comes back."""

from drivers.c37118.wire import Layout
from evidence import cbor
from evidence.code import Cause, Kind
from evidence.heads import StreamHead
from record import reach
from record.reach import heads_of
from tests.record.gateway import NANOSECONDS, START, Gateway, GatewayRun, frame
from tests.record.upstream import AUTHORITY, BOTH, Upstream

pytestmark = BOTH


def head(run: GatewayRun, stream: int, measured: int | None) -> StreamHead:
    line = run.lines[stream]
    return StreamHead(stream, run.name, line.seq - 1, line.prev, measured)


def told(upstream: Upstream, gateway: Gateway) -> tuple[StreamHead, ...]:
    return heads_of(upstream.store, gateway.device.public.kid)


def measure(run: GatewayRun, layout: Layout, stream: int, second: int) -> bytes:
    run.observe(stream, frame(layout, 60 * second), tai=START + second * NANOSECONDS)
    return run.cut()


def gap(run: GatewayRun, stream: int, second: int) -> bytes:
    raw = cbor.encode([int(Cause.NOT_HEARD), START, START + second * NANOSECONDS, None, None])
    run.observe(stream, raw, tai=START + second * NANOSECONDS, kind=int(Kind.GAP))
    return run.cut()


def test_each_stream_has_its_furthest_link_and_last_measurement(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout
):
    upstream.send(run.describe(4, cfg), run.describe(0, None, node=None, kind=int(Kind.EVENT)))
    for batch in (measure(run, layout, 1, 5), measure(run, layout, 4, 6), gap(run, 4, 9)):
        upstream.push(batch)
    run.observe(0, b"noticed")
    upstream.push(run.cut())
    assert told(upstream, gateway) == (
        head(run, 0, None),
        head(run, 1, START + 5 * NANOSECONDS),
        head(run, 4, START + 6 * NANOSECONDS),
    )


def test_backlog_does_not_make_an_earlier_run_the_latest(
    upstream: Upstream, gateway: Gateway, cfg: bytes, layout: Layout
):
    """Live first: the statement of the run before is asked for when its backlog comes."""
    run = gateway.start()
    describe, batch = run.describe(1, cfg), measure(run, layout, 1, 5)
    middle = gateway.start(run)
    middle_describe, middle_batch = middle.describe(1, cfg), measure(middle, layout, 1, 6)
    later = gateway.start(middle)
    upstream.start(later, cfg, 1)
    upstream.push(measure(later, layout, 1, 7))
    upstream.send(middle.statement, middle_describe)
    upstream.push(middle_batch)
    upstream.send(run.statement, describe)
    upstream.push(batch)
    assert told(upstream, gateway) == (head(later, 1, START + 7 * NANOSECONDS),)


def test_run_that_measured_nothing_yet_leaves_the_one_before_to_tell(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout
):
    upstream.push(measure(run, layout, 1, 5))
    later = gateway.start(run)
    upstream.start(later, cfg, 1)
    assert told(upstream, gateway) == (head(later, 1, START + 5 * NANOSECONDS),)
    upstream.push(gap(later, 1, 8))
    assert told(upstream, gateway) == (head(later, 1, START + 5 * NANOSECONDS),)
    upstream.push(measure(later, layout, 1, 9))
    assert told(upstream, gateway) == (head(later, 1, START + 9 * NANOSECONDS),)


def test_run_without_links_of_a_stream_is_passed_over(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout
):
    upstream.push(measure(run, layout, 1, 5))
    later = gateway.start(run)
    upstream.start(later, cfg, 2)
    assert [row[:2] for row in told(upstream, gateway)] == [(1, run.name), (2, later.name)]


def test_another_device_does_not_speak_for_this_one(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout
):
    upstream.push(measure(run, layout, 1, 5))
    stranger = Gateway("gw-2", AUTHORITY)
    upstream.send(stranger.statement)
    upstream.start(stranger.start(run), cfg, 1)
    assert told(upstream, gateway) == (head(run, 1, START + 5 * NANOSECONDS),)


def test_what_is_looked_at_is_bounded(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, monkeypatch
):
    monkeypatch.setattr(reach, "PAIRS_MAX", 2)
    monkeypatch.setattr(reach, "HEADS_MAX", 1)
    later = gateway.start(run)
    upstream.start(later, cfg, 2, 3)
    assert told(upstream, gateway) == (head(later, 3, None),)


def test_live_samples_vouch_for_nothing_while_older_ones_are_missing(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout
):
    batches = [measure(run, layout, 1, second) for second in (5, 6, 7, 8)]
    upstream.push(batches[0])
    upstream.push(batches[3])
    assert told(upstream, gateway) == (head(run, 1, START + 5 * NANOSECONDS),)
    upstream.push(batches[1])
    assert told(upstream, gateway) == (head(run, 1, START + 6 * NANOSECONDS),)
    upstream.push(batches[2])
    assert told(upstream, gateway) == (head(run, 1, START + 8 * NANOSECONDS),)


def test_a_later_run_vouches_for_nothing_that_the_one_before_lacks(
    upstream: Upstream, gateway: Gateway, run: GatewayRun, cfg: bytes, layout: Layout
):
    upstream.push(measure(run, layout, 1, 5))
    missing = measure(run, layout, 1, 6)
    later = gateway.start(run)
    upstream.start(later, cfg, 1)
    upstream.push(measure(later, layout, 1, 7))
    assert told(upstream, gateway) == (head(later, 1, START + 5 * NANOSECONDS),)
    upstream.push(missing)
    assert told(upstream, gateway) == (head(later, 1, START + 7 * NANOSECONDS),)
