"""Satellites and strengths: what is a collapse, what is one transmitter, and what is neither."""

import pytest

from agent.signals import LEARN_EPOCHS, SignalWatch
from drivers.gnss.fix import Signals
from drivers.gnss.ubx import signals
from tests.drivers.receiver_line import Line


def sky(*levels: int) -> Signals:
    return signals([(at % 4, level, True) for at, level in enumerate(levels)], len(levels))


GOOD = sky(*(30 + at for at in range(16)))


def learnt() -> SignalWatch:
    watch = SignalWatch()
    for _ in range(LEARN_EPOCHS):
        watch.hear(GOOD, True)
    assert watch.level is not None and not watch.collapsed and not watch.alike
    return watch


def test_all_weaker_and_half_of_them_gone_is_a_collapse() -> None:
    watch = learnt()
    watch.hear(sky(*(22 + at for at in range(7))), True)
    assert "7 at 25 dB-Hz of 16 satellites at 38 dB-Hz" in watch.collapsed
    watch.hear(GOOD, True)
    assert not watch.collapsed


def test_all_gone_is_a_collapse() -> None:
    watch = learnt()
    watch.hear(Signals(0, 0, 0, None, None, None), False)
    assert watch.collapsed.startswith("none of 16")


def test_satellites_without_a_word_of_their_strength_are_no_collapse() -> None:
    """NAV-PVT, or GGA, alone: NAV-SAT and GSV come no more, as after a loss of power."""
    watch = SignalWatch()
    for _ in range(LEARN_EPOCHS):
        watch.hear(signals([(0, 30 + at % 16, at % 2 == 0) for at in range(28)], 14), True)
    assert watch.level is not None and watch.level.tracked == 28
    watch.hear(Signals(14, 14, 0, None, None, None), True)
    assert not watch.collapsed


def test_an_obstruction_takes_some_and_leaves_the_rest_as_strong() -> None:
    watch = learnt()
    for left in (12, 8, 6, 4):
        watch.hear(sky(*(32 + at for at in range(left))), True)
        assert not watch.collapsed, left


@pytest.mark.parametrize("weaker", [3, 5, 10])
def test_weaker_with_all_of_them_there_is_weather(weaker: int) -> None:
    watch = learnt()
    watch.hear(sky(*(30 - weaker + at for at in range(16))), True)
    assert not watch.collapsed


def test_what_changes_over_minutes_is_learnt() -> None:
    watch = learnt()
    for step in range(600):
        count, down = 16 - step // 60, step // 40
        watch.hear(sky(*(30 - down + at for at in range(count))), True)
        assert not watch.collapsed


def test_a_collapse_is_not_learnt() -> None:
    watch = learnt()
    for _ in range(3000):
        watch.hear(sky(20, 21, 22, 23), True)
    assert watch.collapsed


def test_before_anything_is_learnt_nothing_collapses() -> None:
    watch = SignalWatch()
    watch.hear(GOOD, True)
    watch.hear(sky(20, 21, 22), True)
    assert not watch.collapsed


def test_all_of_one_strength_are_one_transmitter() -> None:
    watch = learnt()
    played = sky(*[47, 48] * 6)
    for _ in range(4):
        watch.hear(played, True)
        assert not watch.alike
    watch.hear(played, True)
    assert "12 satellites all within 1 dB of 48 dB-Hz" in watch.alike
    watch.hear(GOOD, True)
    assert not watch.alike


@pytest.mark.parametrize(
    "seen",
    [sky(45, 46, 47), sky(*[24, 25] * 6), sky(*[40, 47] * 6), GOOD],
    ids=["few", "weak", "apart", "a sky"],
)
def test_what_a_sky_can_look_like_is_none(seen: Signals) -> None:
    watch = learnt()
    for _ in range(60):
        watch.hear(seen, True)
    assert not watch.alike


def test_a_receiver_that_does_not_say_is_not_judged() -> None:
    watch = learnt()
    for _ in range(100):
        watch.hear(None, True)
        watch.hear(Signals(9, 9, 0, None, None, None), True)
    assert not watch.collapsed and not watch.alike


@pytest.mark.parametrize("nmea", [False, True])
def test_a_receiver_that_is_jammed(nmea: bool) -> None:
    line, watch = Line(ubx=not nmea, nmea=nmea), SignalWatch()
    for _ in range(LEARN_EPOCHS):
        watch.hear(line.step().signals, True)
    assert not watch.collapsed and not watch.alike
    watch.hear(line.step(cn0_drop_db=18, satellites=7).signals, True)
    assert watch.collapsed
