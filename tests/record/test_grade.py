"""How what enters is classed: flags, bounds, STAT, configuration, role."""

from typing import Any

import pytest

from drivers.c37118.wire import Layout
from evidence.code import Cause, Class, Flag, Kind, Reason
from evidence.gap import Gap
from tests.record.gateway import (
    LOCKED,
    NANOSECONDS,
    START,
    Gateway,
    GatewayRun,
    cfg_bytes,
    configuration,
    frame,
)
from tests.record.upstream import AUTHORITY, BOTH, Upstream, classes

UNCHECKED = (Class.PLACE_UNCHECKED, Reason.NO_RECEIVER)
EARLY = (Class.TIME_DOUBTFUL, Reason.ARRIVAL_EARLY)
TOO_LATE = (Class.TIME_DOUBTFUL, Reason.ARRIVAL_LATE)


@pytest.mark.parametrize(
    ("stat", "changes", "expected"),
    [
        (0, {}, UNCHECKED),
        (0x4000, {}, (Class.DATA_INVALID, Reason.STAT_DATA_ERROR)),
        (0xC000, {}, (Class.DATA_INVALID, Reason.STAT_DATA_ERROR)),
        (0x8000, {}, (Class.TEST, Reason.TEST_MODE)),
        (0x2000, {}, (Class.TIME_DOUBTFUL, Reason.STAT_SYNC)),
        (0x1000, {}, (Class.DATA_INVALID, Reason.STAT_SORTED_BY_ARRIVAL)),
        (0x0200, {}, (Class.DATA_INVALID, Reason.STAT_MODIFIED)),
        (0x2200, {}, (Class.DATA_INVALID, Reason.STAT_MODIFIED)),  # the worse one
        (0x0D9F, {}, UNCHECKED),  # trigger, configuration change, qualities: no fault of the data
        (0, {"bound": None}, (Class.TIME_DOUBTFUL, Reason.BOUND_UNKNOWN)),
        (0, {"bound": 10_000}, UNCHECKED),
        (0, {"bound": 26_500}, UNCHECKED),
        (0, {"bound": 26_501}, (Class.TIME_DOUBTFUL, Reason.BOUND_TOO_WIDE)),
        (0, {"bound": 10_000_000_000}, (Class.TIME_DOUBTFUL, Reason.BOUND_TOO_WIDE)),
        (0x4000, {"bound": 10_000_000_000}, (Class.DATA_INVALID, Reason.STAT_DATA_ERROR)),
        (
            *(0, {"flags": LOCKED | Flag.SPOOF_SUSPECTED}),
            (Class.TIME_DOUBTFUL, Reason.CLOCK_SUSPECTED),
        ),
        (
            *(0, {"flags": LOCKED | Flag.JAM_SUSPECTED}),
            (Class.TIME_DOUBTFUL, Reason.JAMMING_SUSPECTED),
        ),
        (
            *(0, {"flags": LOCKED | Flag.TIME_DOUBTED | Flag.PLACE_CHECKED}),
            (Class.TIME_DOUBTFUL, Reason.TIME_CONTRADICTED),
        ),
        # The gateway's clocks contradict each other: that is of what they stamped.
        (0, {"flags": LOCKED | Flag.CLOCK_DOUBTED}, UNCHECKED),
        (
            *(0, {"flags": Flag.CLOCK_DOUBTED | Flag.AGENT_STAMPED}),
            (Class.TIME_DOUBTFUL, Reason.CLOCKS_APART),
        ),
        (
            *(0, {"flags": LOCKED | Flag.PLACE_DOUBTED}),
            (Class.PLACE_DOUBTFUL, Reason.PLACE_CONTRADICTED),
        ),
        (
            *(0, {"flags": LOCKED | Flag.PLACE_DOUBTED | Flag.PLACE_CHECKED}),
            (Class.PLACE_DOUBTFUL, Reason.PLACE_CONTRADICTED),
        ),
        (
            *(0x2000, {"flags": LOCKED | Flag.PLACE_DOUBTED}),
            (Class.TIME_DOUBTFUL, Reason.STAT_SYNC),
        ),
        (
            *(0, {"flags": LOCKED | Flag.LEAP_UNKNOWN}),
            (Class.TIME_DOUBTFUL, Reason.BOUND_UNKNOWN),
        ),
        (0, {"flags": LOCKED | Flag.TEST}, (Class.TEST, Reason.TEST_MODE)),
        (0x4000, {"flags": LOCKED | Flag.SIMULATED}, (Class.SIMULATED, Reason.SIMULATION)),
    ],
)
def test_class_by_flags_bound_and_stat(
    upstream: Upstream,
    run: GatewayRun,
    layout: Layout,
    stat: int,
    changes: dict[str, Any],
    expected: tuple[Class, Reason],
):
    run.observe(1, frame(layout, 0, stat), **changes)
    assert classes(upstream.push(run.cut())) == [(1, 1, 1, *expected)]


# 60 frames a second, direct: 7/60 s, and what a path adds that nobody declared.
LATE = 116_666_666 + 600_000_000
BOUNDS = 1000 + 1_000_000  # the device's and the gateway's
YEAR = 365 * 86_400 * NANOSECONDS


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"heard": -BOUNDS}, UNCHECKED),
        ({"heard": -BOUNDS - 1}, EARLY),
        ({"heard": -NANOSECONDS}, EARLY),
        ({"heard": -YEAR}, EARLY),
        ({"heard": LATE + BOUNDS}, UNCHECKED),
        ({"heard": LATE + BOUNDS + 1}, TOO_LATE),
        ({"heard": NANOSECONDS}, TOO_LATE),  # a second slow, heard at once
        ({"heard": YEAR}, TOO_LATE),
        # Where one of the two clocks has no bound nobody can say.
        ({"heard": -YEAR, "heard_bound": None}, UNCHECKED),
        ({"heard": YEAR, "heard_bound": None}, UNCHECKED),
        ({"heard": YEAR, "bound": None}, (Class.TIME_DOUBTFUL, Reason.BOUND_UNKNOWN)),
        ({"heard": YEAR, "heard_bound": YEAR}, UNCHECKED),
        ({"heard": -YEAR, "kind": Kind.EVENT}, None),
    ],
)
def test_what_is_heard_guards_the_bound(
    upstream: Upstream,
    run: GatewayRun,
    layout: Layout,
    changes: dict[str, Any],
    expected: tuple[Class, Reason] | None,
):
    """In the record, whatever the gateway noticed: the flags say nothing here."""
    run.observe(1, frame(layout, 0), tai=START - changes["heard"], **changes)
    found = [] if expected is None else [(1, 1, 1, *expected)]
    assert classes(upstream.push(run.cut())) == found


@BOTH
def test_ranges_end_where_arrival_comes_back_into_its_window(
    upstream: Upstream, run: GatewayRun, layout: Layout
):
    for number in range(30):
        heard = -NANOSECONDS if 10 <= number < 20 else NANOSECONDS if number == 25 else 20_000_000
        run.observe(1, frame(layout, number), heard=heard, tai=START + number)
    assert classes(upstream.push(run.cut())) == [
        (1, 1, 10, *UNCHECKED),
        (1, 11, 20, *EARLY),
        (1, 21, 25, *UNCHECKED),
        (1, 26, 26, *TOO_LATE),
        (1, 27, 30, *UNCHECKED),
    ]


@pytest.mark.parametrize(
    ("described", "heard", "expected"),
    [
        ({"origin": "concentrator", "wait_ms": 2000}, 2_700_000_000, UNCHECKED),
        ({"origin": "concentrator", "wait_ms": 2000}, 2_800_000_000, TOO_LATE),
        ({"path_ms": 300}, 1_010_000_000, UNCHECKED),
        ({"path_ms": 300}, 1_030_000_000, TOO_LATE),
        ({"origin": "concentrator", "wait_ms": None}, 5_700_000_000, UNCHECKED),  # it does not say
        ({"origin": "concentrator", "wait_ms": None}, 5_800_000_000, TOO_LATE),
        ({"channels": ((1, "VA"),)}, 5_700_000_000, UNCHECKED),  # of two devices
        ({"rate": (10, 1)}, 1_300_000_000, UNCHECKED),
        ({"rate": (10, 1)}, 1_400_000_000, TOO_LATE),
        ({"rate": (1, 10)}, 70_000_000_000, UNCHECKED),
        ({"rate": (0, 0)}, 1_600_000_000, UNCHECKED),
        ({"rate": (0, 0)}, 1_700_000_000, TOO_LATE),
    ],
)
def test_how_late_is_too_late_follows_from_the_descriptor(
    upstream: Upstream,
    gateway: Gateway,
    cfg: bytes,
    layout: Layout,
    described: dict[str, Any],
    heard: int,
    expected: tuple[Class, Reason],
):
    run = gateway.start()
    upstream.send(run.statement, run.describe(1, cfg, **described))
    run.observe(1, frame(layout, 0), tai=START - heard, heard=heard)
    assert classes(upstream.push(run.cut())) == [(1, 1, 1, *expected)]


def test_a_place_that_is_checked_lets_a_sample_be_settleable(
    upstream: Upstream, run: GatewayRun, layout: Layout
):
    for number, more in enumerate([0, Flag.PLACE_CHECKED, Flag.PLACE_CHECKED, 0]):
        run.observe(1, frame(layout, number), flags=LOCKED | more)
    entry = upstream.push(run.cut())
    assert classes(entry) == [(1, 1, 1, *UNCHECKED), (1, 4, 4, *UNCHECKED)]
    assert upstream.store.tallies()[Class.SETTLEABLE, 0] == 2


def test_classes_go_by_stretches(upstream: Upstream, run: GatewayRun, layout: Layout):
    for number, stat in enumerate([0, 0x0040, 0x2000, 0x2040, 0]):
        run.observe(1, frame(layout, number, stat))
    assert classes(upstream.push(run.cut())) == [
        (1, 1, 2, *UNCHECKED),
        (1, 3, 4, Class.TIME_DOUBTFUL, Reason.STAT_SYNC),
        (1, 5, 5, *UNCHECKED),
    ]


def test_worst_block_of_a_frame_rules(upstream: Upstream, gateway: Gateway):
    shared = configuration(phasors=1, stations=3)
    run = gateway.start()
    upstream.start(run, cfg_bytes(shared), 1)
    found = Layout(shared)
    raw = bytearray(frame(found, 0))
    raw[found.stat_offsets[2]] = 0x40
    run.observe(1, bytes(raw))
    expected = (1, 1, 1, Class.DATA_INVALID, Reason.STAT_DATA_ERROR)
    assert classes(upstream.push(run.cut())) == [expected]


def test_bit_9_of_a_2005_frame_says_nothing(upstream: Upstream, gateway: Gateway):
    old = configuration(version=1)
    run = gateway.start()
    upstream.start(run, cfg_bytes(old), 1)
    run.observe(1, frame(Layout(old), 0, 0x0200))
    assert classes(upstream.push(run.cut())) == [(1, 1, 1, *UNCHECKED)]


@pytest.mark.parametrize("how", ["none", "unreadable", "another size", "kind"])
def test_frames_that_nobody_can_read_are_invalid(
    upstream: Upstream, gateway: Gateway, cfg: bytes, layout: Layout, how: str
):
    run = gateway.start()
    upstream.send(run.statement)
    told = {"none": None, "unreadable": b"no configuration"}.get(how, cfg)
    upstream.send(run.describe(1, told))
    raw = frame(Layout(configuration(phasors=3)) if how == "another size" else layout, 0)
    run.observe(1, raw, kind=99 if how == "kind" else Kind.C37118)
    expected = (1, 1, 1, Class.DATA_INVALID, Reason.NO_CONFIGURATION)
    assert classes(upstream.push(run.cut())) == [expected]


def test_a_data_frame_that_is_none_is_malformed(upstream: Upstream, run: GatewayRun, cfg: bytes):
    for raw in (cfg, b"", b"\xaa", b"something else"):
        run.observe(1, raw)
    expected = (1, 1, 4, Class.DATA_INVALID, Reason.MALFORMED)
    assert classes(upstream.push(run.cut())) == [expected]


def test_what_measures_nothing_is_not_listed(upstream: Upstream, run: GatewayRun, cfg: bytes):
    gap = Gap(Cause.NOT_HEARD, START, START + 1, None)
    run.observe(1, gap.raw(), kind=Kind.GAP, bound=None)
    run.observe(1, cfg, kind=Kind.C37118_INFO, bound=None)
    run.observe(1, b"", kind=Kind.EVENT, flags=Flag.SIMULATED)
    expected = [(1, 3, 3, Class.SIMULATED, Reason.SIMULATION)]
    assert classes(upstream.push(run.cut())) == expected


def test_all_of_a_bench_is_simulated(upstream: Upstream, cfg: bytes, layout: Layout):
    bench = Gateway("bench", AUTHORITY, role="bench")
    run = bench.start()
    upstream.send(bench.statement)
    upstream.start(run, cfg, 1)
    run.observe(1, frame(layout, 0, 0x8000))
    expected = [(1, 1, 1, Class.SIMULATED, Reason.SIMULATION)]
    assert classes(upstream.push(run.cut())) == expected
