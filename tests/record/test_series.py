"""What leaves hold of a channel: in order of time, decoded, each with its class as at a size of the
tree; and which leaves to ask."""

from collections.abc import Iterable, Iterator

import pytest

from drivers.c37118.wire import Layout
from evidence.code import Class, Reason
from record.known import Known
from record.leaf import Leaves
from record.lookup import NotFoundError
from record.series import Series, Wanted, collected, series
from record.store import StoreError
from tests.record.authority import Book
from tests.record.gateway import (
    BUS,
    NANOSECONDS,
    OTHER_BUS,
    START,
    Gateway,
    GatewayRun,
    frame,
)
from tests.record.upstream import AUTHORITY, BOTH, Upstream

PERIOD = NANOSECONDS // 60
V0 = Wanted(node=BUS, quantity="voltage", part="magnitude")
UNCHECKED = (Class.PLACE_UNCHECKED, Reason.NO_RECEIVER)
MAGNITUDE = 1.0  # what `frame` gives V0 beyond the number of its frame


@pytest.fixture
def line(upstream: Upstream, gateway: Gateway, cfg: bytes) -> GatewayRun:
    """A run that describes V0 at BUS, and nothing else."""
    found = gateway.start()
    upstream.send(found.statement, found.describe(1, cfg, channels=((0, "V0"),)))
    return found


def fill(run: GatewayRun, layout: Layout, numbers: Iterable[int]) -> bytes:
    """A batch with a sample of each of these numbers, 60 a second."""
    for number in numbers:
        run.observe(1, frame(layout, number), START + number * PERIOD)
    return run.cut()


def asked(upstream: Upstream, leaves: list[int], wanted: Wanted = V0, size: int = 0) -> Series:
    store = upstream.store
    return series(store, Known(store), leaves, size or store.size(), wanted)


def grades(found: Series) -> list[tuple[int, int]]:
    return [(one.klass, one.reason) for one in found]


@BOTH
def test_samples_come_in_order_of_time_whatever_the_order_of_the_log(
    upstream: Upstream, line: GatewayRun, layout: Layout
):
    batches = [fill(line, layout, range(first, first + 5)) for first in (0, 5, 10)]
    leaves = [upstream.push(batches[at]).idx for at in (2, 0, 1)]
    found = list(asked(upstream, leaves))
    assert [one.tai for one in found] == [START + number * PERIOD for number in range(15)]
    assert [one.value for one in found] == [number + MAGNITUDE for number in range(15)]
    assert {one.bound for one in found} == {1000}
    assert [(one.idx, one.place) for one in found[3:7]] == [
        *((leaves[1], 3), (leaves[1], 4)),
        *((leaves[2], 0), (leaves[2], 1)),
    ]
    assert {one.origin.run.credential.subject for one in found} == {"gw-1"}


def test_a_phasor_is_one_number_or_its_parts(upstream: Upstream, line: GatewayRun, layout: Layout):
    leaf = upstream.push(fill(line, layout, [3])).idx
    told = {}
    for part in ("", "magnitude", "angle", "real", "imaginary"):
        (one,) = asked(upstream, [leaf], V0._replace(part=part))
        told[part] = one.value
    assert (told["magnitude"], told["angle"]) == (4.0, 5.0)
    whole = told[""]
    assert isinstance(whole, complex)
    assert (whole.real, whole.imag) == (told["real"], told["imaginary"])
    assert abs(whole) == pytest.approx(4.0)


def test_what_was_found_later_is_in_the_class_only_from_its_place_on(
    upstream: Upstream, line: GatewayRun, layout: Layout
):
    for number in range(6):
        gone = [(0, "V0")] if number in (2, 3) else []
        line.observe(1, frame(layout, number, without=gone), START + number * PERIOD)
    leaf = upstream.push(line.cut()).idx
    before = upstream.store.size()
    upstream.appraise()
    after = upstream.store.size()
    assert grades(asked(upstream, [leaf], size=before)) == [UNCHECKED] * 6
    invalid = (Class.DATA_INVALID, Reason.VALUE_INVALID)
    found = asked(upstream, [leaf], size=after)
    assert grades(found) == [UNCHECKED] * 2 + [invalid] * 2 + [UNCHECKED] * 2
    assert [one.value for one in found][1:4] == [2.0, None, None]
    beside = asked(upstream, [leaf], Wanted(node=BUS, quantity="frequency"), after)
    assert grades(beside) == [UNCHECKED] * 6  # the finding is about V0 alone
    assert grades(asked(upstream, [leaf], size=before)) == [UNCHECKED] * 6


def test_a_twin_is_given_once_and_doubted_from_when_the_log_knows(
    upstream: Upstream, gateway: Gateway, cfg: bytes, layout: Layout
):
    run = gateway.start()
    upstream.send(run.statement, run.describe(1, cfg, channels=((0, "V0"),)))
    state = (run.lines[1].seq, run.lines[1].prev, run.number, run.previous)
    first = upstream.push(fill(run, layout, range(3))).idx
    alone = upstream.store.size()
    run.lines[1].seq, run.lines[1].prev, run.number, run.previous = state
    run.observe(1, frame(layout, 0), START)
    run.observe(1, frame(layout, 50), START + PERIOD)
    second = upstream.push(run.cut()).idx
    assert grades(asked(upstream, [first], size=alone)) == [UNCHECKED] * 3
    found = asked(upstream, [first, second])
    assert len(found) == 3
    twin = (Class.KEY_DOUBTFUL, Reason.TWIN)
    assert grades(found)[1] == twin


def test_a_word_that_vouches_counts_from_its_place_on(
    upstream: Upstream, gateway: Gateway, line: GatewayRun, layout: Layout
):
    book = Book(AUTHORITY)
    upstream.send(book.open(), book.revoke(gateway.device.public))
    late = fill(line, layout, range(4))
    leaf = upstream.push(late).idx
    doubted = upstream.store.size()
    upstream.send(book.vouch(line, 0, late))
    revoked = (Class.KEY_DOUBTFUL, Reason.CREDENTIAL_REVOKED)
    assert grades(asked(upstream, [leaf], size=doubted)) == [revoked] * 4
    assert grades(asked(upstream, [leaf])) == [UNCHECKED] * 4
    assert grades(asked(upstream, [leaf], size=doubted)) == [revoked] * 4


def test_one_way_through_gives_several_channels(
    upstream: Upstream, line: GatewayRun, layout: Layout
):
    leaf = upstream.push(fill(line, layout, range(4))).idx
    elsewhere = Wanted(node=OTHER_BUS, quantity="voltage")
    another = V0._replace(issuer="Utility B")
    frequency = Wanted(node=BUS, quantity="frequency")
    store = upstream.store
    wanted = [V0, elsewhere, another, frequency]
    found = collected(store, Known(store), [leaf], store.size(), wanted)
    assert [len(one) for one in found] == [4, 0, 0, 4]


def test_a_leaf_that_is_no_batch_below_the_size_is_refused_by_name(
    upstream: Upstream, line: GatewayRun, layout: Layout
):
    size = upstream.store.size()
    leaf = upstream.push(fill(line, layout, range(2))).idx
    for idx, upto in ((leaf, size), (0, size), (10**9, size + 1)):
        with pytest.raises(NotFoundError, match=f"entry {idx} is no batch"):
            asked(upstream, [idx], size=upto)


def test_a_body_that_is_damaged_is_no_odd_value(
    upstream: Upstream, line: GatewayRun, layout: Layout
):
    leaf = upstream.push(fill(line, layout, range(2))).idx
    upstream.store._db.execute("UPDATE body SET bytes = substr(bytes, 1, 99)")
    with pytest.raises(StoreError, match=f"entry {leaf}"):
        asked(upstream, [leaf])


def test_an_instant_that_no_clock_counts_is_of_no_time(
    upstream: Upstream, line: GatewayRun, layout: Layout
):
    line.observe(1, frame(layout, 1), 2**64 - 1, heard=0)
    line.observe(1, frame(layout, 2), START, bound=2**64 - 1)
    leaf = upstream.push(line.cut()).idx
    (one,) = asked(upstream, [leaf])
    assert one.tai == START
    assert one.klass >= Class.TIME_DOUBTFUL


def sought(
    upstream: Upstream, wanted: Wanted, seconds: tuple[int, int], size: int = 0
) -> list[int]:
    store = upstream.store
    begins, ends = (START + second * NANOSECONDS for second in seconds)
    return Leaves(store, Known(store), size or store.size()).of([wanted], begins, ends)


def minutes(upstream: Upstream, run: GatewayRun, layout: Layout, count: int) -> Iterator[int]:
    """The leaves of batches that begin a minute apart."""
    for minute in range(count):
        batch = fill(run, layout, range(minute * 3600, minute * 3600 + 3))
        yield upstream.push(batch).idx


@BOTH
def test_leaves_are_found_by_place_issuer_time_and_size(
    upstream: Upstream, line: GatewayRun, layout: Layout
):
    leaves = list(minutes(upstream, line, layout, 6))
    assert sought(upstream, V0, (0, 600)) == leaves
    # Batches a minute apart: the one before and the one after may reach into the time.
    assert sought(upstream, V0, (110, 130)) == leaves[2:4]
    assert sought(upstream, V0, (0, 600), size=leaves[3]) == leaves[:3]
    assert sought(upstream, V0._replace(node=OTHER_BUS), (0, 600)) == []
    assert sought(upstream, V0._replace(issuer="Utility B"), (0, 600)) == []
    assert sought(upstream, V0._replace(quantity="current"), (0, 600)) == []
    day = 86_400
    assert sought(upstream, V0, (9 * day, 9 * day + 60)) == []


def test_leaves_are_found_where_a_stream_changed_its_channels(
    upstream: Upstream, line: GatewayRun, layout: Layout, cfg: bytes
):
    first = upstream.push(fill(line, layout, range(3))).idx
    upstream.send(line.describe(1, cfg, channels=((0, "V0"),), node=None))
    upstream.push(fill(line, layout, range(60, 63)))
    upstream.send(line.describe(1, cfg, channels=((0, "V0"),)))
    last = upstream.push(fill(line, layout, range(120, 123))).idx
    assert sought(upstream, V0, (0, 10)) == [first, last]
