"""The guard of a device's clock: a wrong one is found when it must be, and named; an honest one
never is, whatever its line does.
"""

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from agent.guard import CLEAN, WINDOW_NS
from drivers.line import Instant
from evidence.code import Cause, Check, Flag, Kind
from evidence.leap import BUILT_IN, NS
from tests.agent.arriving import MS, Line, changes, doubted, from_second, steady
from tests.agent.listening import begin, sealed
from tests.agent.site import START_S

# Each example is minutes of frames, so that shrinking one takes too long.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
HOUR, DAY, YEAR_2000_S = 3600 * NS, 86_400 * NS, 946_684_800
CYCLES = {50: 20 * MS, 60: 16_666_667}
CLEAR_S = (CLEAN + 1) * WINDOW_NS / NS


def utc(off_s: int) -> int:
    """TAI of a clock whose UTC is off by so much, less the true one."""
    return BUILT_IN.tai_ns(START_S + off_s) - BUILT_IN.tai_ns(START_S)


@pytest.mark.parametrize(
    ("off", "check", "words"),
    [
        (HOUR, Check.EARLY, "1 h ahead: local or daylight saving time"),
        (-5 * HOUR, Check.LATE, "5 h behind: local"),
        (18 * NS, Check.EARLY, "GPS time is given as UTC"),
        (37 * NS, Check.EARLY, "TAI, as PTP has it"),
        (NS, Check.EARLY, "a leap second was missed"),
        (-NS, Check.LATE, "a leap second is counted twice"),
        (DAY, Check.EARLY, "the day is off by one"),
        (utc(365 * 86_400), Check.EARLY, "its year is 2027"),
        (utc(-365 * 86_400), Check.LATE, "its year is 2025"),
        (utc(-1024 * 7 * 86_400), Check.LATE, "modulo 1024"),
        (utc(YEAR_2000_S - START_S), Check.LATE, "counts from 2000"),
        (NS // 2, Check.EARLY, "by no setting"),
        (50 * MS, Check.EARLY, "by no setting"),
    ],
)
@pytest.mark.parametrize("rate", [30, 60])
@pytest.mark.parametrize("fresh", [True, False], ids=["from the first frame on", "stepped"])
def test_a_wrong_clock_is_found_at_its_first_frame_and_named(
    off: int, check: Check, words: str, rate: int, fresh: bool
) -> None:
    line = Line(rate)
    before = 0 if fresh else 3
    line.run(before)
    line.run(3, off=steady(off))
    assert doubted(line.samples) == [*range(before * rate, line.number)]
    found = list(changes(line.samples))
    assert [one[:2] for one in found] == [(True, check)]
    assert words in found[0][2]


def test_a_device_that_comes_back_a_second_slow_is_found_at_its_first_frame() -> None:
    line = Line(30)
    line.run(5)
    line.number += 10 * 30
    line.reopen()
    back = line.number
    line.run(3, off=steady(-NS))
    assert doubted(line.samples)[0] == back


@pytest.mark.parametrize("rate", [10, 25, 30])
@pytest.mark.parametrize(("off", "words"), [(18, "GPS time"), (-1, "leap"), (-37, "TAI")])
def test_a_device_that_states_no_bound_is_named_too(rate: int, off: int, words: str) -> None:
    """As those of 2005, and all that leave PMU_TQ at 0."""
    line = Line(rate)
    line.run(40, off=steady(off * NS), bound=None)
    (found,) = changes(line.samples)
    assert words in found[2]


def test_what_is_found_stands_before_the_frame_that_showed_it() -> None:
    line = Line()
    line.run(1)
    line.run(1, off=steady(HOUR))
    kinds = [one.kind for one in line.samples]
    first = next(n for n, one in enumerate(line.samples) if one.raw == b"60")
    assert kinds[first - 2 : first] == [Kind.EVENT, Kind.GAP], "and the hole that it makes"


def test_a_clock_that_is_right_again_is_believed_some_seconds_later() -> None:
    line = Line()
    line.run(10, off=steady(NS))
    line.run(60)
    assert [one[:2] for one in changes(line.samples)] == [(True, Check.EARLY), (False, Check.EARLY)]
    assert 10 * 60 <= doubted(line.samples)[-1] < (10 + CLEAR_S) * 60


def test_a_clock_that_is_late_again_and_again_is_stated_a_bounded_number_of_times() -> None:
    line = Line()
    for _ in range(40):
        line.run(3, off=steady(NS))
        line.run(20)
    assert len(list(changes(line.samples))) <= 25


@pytest.mark.parametrize("hz", CYCLES)
@pytest.mark.parametrize("way", [1, -1], ids=["forward", "back"])
@pytest.mark.parametrize("rate", [10, 30, 60])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_step_of_one_cycle_is_found_within_a_minute(
    hz: int, way: int, rate: int, seed: int
) -> None:
    rng = random.Random(seed)
    jitter = [rng.randrange(4 * MS) for _ in range(10_000)]
    line = Line(rate)
    step = from_second(60, way * CYCLES[hz], rate)
    line.run(130, off=step, delay=lambda number: 25 * MS + jitter[number])
    first, *rest = changes(line.samples)
    assert first[:2] == (True, Check.ARRIVAL_STEPPED) and not rest
    assert "a cycle" in first[2] and (way > 0 or f"a cycle of {hz} Hz" in first[2])
    marked = doubted(line.samples)
    assert 60 * rate <= marked[0] <= (120 if way < 0 else 61) * rate
    assert marked == [*range(marked[0], line.number)], "and it stands for as long as it is off"


def test_a_step_is_over_when_arrivals_are_where_they_were() -> None:
    line = Line()
    line.run(200, off=from_second(60, 16_666_667, 60, until=100))
    tripped, cleared = changes(line.samples)
    assert (tripped[:2], cleared[:2]) == (
        (True, Check.ARRIVAL_STEPPED),
        (False, Check.ARRIVAL_STEPPED),
    )
    assert doubted(line.samples)[-1] < (100 + CLEAR_S) * 60


def test_of_a_step_the_device_may_say_that_it_had_lost_its_clock() -> None:
    line = Line()
    line.run(60)
    line.run(20, off=steady(16_666_667))
    line.run(20, off=steady(16_666_667), bound=None, flags=0)
    line.run(60, off=steady(16_666_667))
    assert [one[0] for one in changes(line.samples)] == [True, False]


@pytest.mark.parametrize("way", [1, -1], ids=["forward", "back"])
@pytest.mark.parametrize("lost_s", [7, 10, 13])
def test_a_clock_that_said_it_was_lost_may_be_set(way: int, lost_s: int) -> None:
    """A receiver that finds its satellites again: what was before says nothing of what is."""
    line = Line()
    line.run(60, off=steady(-way * 10 * MS))
    line.run(lost_s, off=steady(-way * 10 * MS), bound=None, flags=0)
    line.run(70, off=steady(way * 10 * MS))
    assert not list(changes(line.samples)) and not doubted(line.samples)


@pytest.mark.parametrize(
    "stream",
    [
        {"origin": "concentrator", "wait_ms": 100},
        {"path_ms": 25},
    ],
    ids=["a concentrator waits as it likes", "a path that may take a cycle longer"],
)
def test_where_the_line_may_do_the_same_a_cycle_says_nothing(stream: dict[str, Any]) -> None:
    line = Line(**stream)
    line.run(130, delay=lambda number: 40 * MS, off=from_second(60, 16_666_667, 60))
    assert not list(changes(line.samples))


def test_a_second_behind_a_concentrator_that_waits_longer_is_not_found_by_this() -> None:
    line = Line(origin="concentrator", wait_ms=1000)
    line.run(60, off=steady(-NS // 2))
    assert not list(changes(line.samples))


def test_a_slow_clock_behind_a_line_that_held_back_at_first_is_found_when_it_stays() -> None:
    """0.3 s at 60/s: within what a gateway that begins may take, and beyond 7/Fs."""
    line = Line()
    line.run(60, off=steady(-300 * MS))
    assert [one[:2] for one in changes(line.samples)] == [(True, Check.LATE)]
    assert 20 * 60 < doubted(line.samples)[0] < 45 * 60


def test_a_gateway_that_nothing_vouches_for_doubts_nobody() -> None:
    line = Line()
    line.run(60, gateway=steady(HOUR), heard_bound=steady_none)
    assert not list(changes(line.samples))
    line.run(10, off=steady(HOUR))
    assert doubted(line.samples)[0] == 60 * 60, "and as soon as something does, it is found"


def steady_none(number: int) -> None:
    return None


def test_a_gateway_whose_clock_is_stepped_doubts_nobody() -> None:
    """The bound has the step in it, until whoever disciplines the clock has corrected it."""
    line = Line()
    off = from_second(60, 80 * MS, 60, until=70)
    line.run(130, gateway=off, heard_bound=lambda number: 1000 + off(number))
    assert not list(changes(line.samples))


@pytest.mark.parametrize("way", [1, -1], ids=["ahead", "behind"])
@pytest.mark.parametrize("for_s", [0.5, 2, 10])
@pytest.mark.parametrize("rate", [10, 30, 60])
def test_a_gateway_whose_clock_is_corrected_at_once_doubts_nobody(
    way: int, for_s: float, rate: int
) -> None:
    """After holdover, as chrony does: by up to 83333 ppm, and the bound shrinks with it."""

    def ahead(number: int) -> int:
        left = 1 - max(number / rate - 60, 0) / for_s
        return round(way * 50 * MS * max(left, 0))

    line = Line(rate)
    line.run(130, gateway=ahead, heard_bound=lambda number: abs(ahead(number)) + 2 * MS)
    assert not list(changes(line.samples))


def test_what_a_gateways_own_step_made_look_wrong_is_forgotten_with_it() -> None:
    line = Line()
    line.run(60)
    line.run(20, off=steady(16_666_667))
    again = begin(2)
    again.run = replace(again.run, cause=Cause.SNAPSHOT)
    line.hearing.detach()
    line.hearing.attach(again)
    line.run(60, off=steady(16_666_667))
    assert [one[0] for one in changes(line.samples)][:2] == [True, False]


@pytest.mark.parametrize("kind", [Kind.GOOSE, Kind.MODBUS])
def test_what_may_be_old_is_only_wrong_in_the_future(kind: Kind) -> None:
    line = Line(10, kind)
    line.run(60, off=steady(-HOUR))
    assert not list(changes(line.samples))
    line.run(1, off=steady(HOUR))
    assert doubted(line.samples)[0] == 600


def test_what_the_gateway_stamped_is_not_the_devices_fault() -> None:
    line = Line()
    line.run(60, off=steady(HOUR), flags=int(Flag.AGENT_STAMPED))
    assert not list(changes(line.samples))


def test_a_frame_of_udp_that_comes_late_after_its_hole_is_only_late() -> None:
    line = Line()
    line.run(20)
    held, *after = line.frames(31)
    line.hearing.hear("pmu", after)
    late = Instant(after[-1].heard.tai, 1000)
    line.hearing.hear("pmu", [held._replace(heard=late)])
    found = sealed(line.hearing)
    assert found[0].kind == Kind.GAP, "its place was stated missing"
    assert found[-1].heard > 500 * MS and not list(changes(found)) and not doubted(found)


@settings(max_examples=15, phases=PHASES)
@given(
    rate=st.sampled_from([1, 10, 25, 30, 50, 60]),
    concentrator=st.booleans(),
    latency=st.floats(0, 0.99),
    jitter=st.floats(0, 0.3),
    stall=st.tuples(st.integers(20, 50), st.floats(0, 20)),
    bound=st.sampled_from([100, 1000, 10 * MS, None]),
    gateway=st.sampled_from([100, MS, 50 * MS, 200 * MS]),
    error=st.floats(-1, 1),
    slew=st.floats(-500, 500),
    seed=st.integers(0, 1 << 32),
)
@example(10, True, 0.9, 0.3, (20, 20.0), 1000, 50 * MS, 1.0, 0.0, 1)
@example(60, False, 0.99, 0.0, (30, 20.0), None, 100, 1.0, 0.0, 1)
@example(60, False, 0.2, 0.0, (30, 0.0), 1000, 50 * MS, -1.0, 500.0, 1)
def test_an_honest_device_is_never_doubted(
    rate: int,
    concentrator: bool,
    latency: float,
    jitter: float,
    stall: tuple[int, float],
    bound: int | None,
    gateway: int,
    error: float,
    slew: float,
    seed: int,
) -> None:
    """Its frames take as long as they may; its line stalls and brings all at once; the gateway's
    clock is as wrong as its bound, and slewed."""
    rng = random.Random(seed)
    plan: dict[str, Any] = (
        {"origin": "concentrator", "wait_ms": 1000} if concentrator else {"path_ms": 0}
    )
    line = Line(rate, **plan)
    most = 7 * NS // rate + (NS if concentrator else 0)
    spread = [rng.random() for _ in range(1000)]
    from_ns, for_ns = stall[0] * NS, round(stall[1] * NS)

    def delay(number: int) -> int:
        take = min(latency + jitter * spread[number % 1000], 1.0)
        true = line.measured(number) - line.measured(0)
        held = max(from_ns + for_ns - true, 0) if true >= from_ns else 0
        return max(round(most * take), held)

    def ahead(number: int) -> int:
        """Of the gateway's clock: slewed to and fro within its bound."""
        swing = gateway * error
        if slew:
            away = slew * 1000 * (number / rate)  # ppm of a second, in ns
            swing = max(-gateway, min(gateway, swing + away))
        return round(swing)

    off = round((bound or 0) * rng.uniform(-1, 1))
    said: dict[str, Any] = {"bound": bound, "heard_bound": steady(gateway), "gateway": ahead}
    line.run(70, off=steady(off), delay=delay, **said)
    line.reopen()
    line.run(10, off=steady(off), **said)
    assert not list(changes(line.samples))
    assert not doubted(line.samples)
