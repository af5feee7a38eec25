"""The rate of a board's line: changed where both ends hear each other there, and found again."""

import asyncio
import os
import time
import tty
from collections.abc import Callable
from pathlib import Path

from drivers import registry
from drivers.line import Frame, Source
from drivers.mcu.driver import McuDriver
from drivers.mcu.rate import ASK_NS, ASKS_MAX, LOOK_NS, LOST_NS, TRY_NS, Rate, Step
from evidence.code import Kind
from evidence.leap import NS
from firmware_bridge import frame as board
from firmware_bridge.link import BAUD_TRIAL_US, START_BAUD
from hil.devices.board import Board, Line, TunedCable
from tests.drivers.scenario import Clock

FAST = 460_800
# Until a board that was reset at a fast rate is greeted again: silence, two looks, a HELLO; and
# what a busy machine takes to start it.
FOUND_S = (LOST_NS + 2 * LOOK_NS) / NS + 0.5 + 5.0


def boot_of(items: list[Frame]) -> int:
    """Of the last frame of the board's among them."""
    return max(
        (board.Fields(one.raw).boot for one in items if one.kind == Kind.MCU_INFO), default=0
    )


def test_both_ends_change_and_a_board_reset_at_the_fast_rate_is_found_again(tmp_path: Path):
    tap, far = os.openpty()
    tty.setraw(far)
    one = Board(tmp_path, [Line(os.ttyname(far), "raw")], baud=START_BAUD, tuned=True)
    cable = one.cable
    assert isinstance(cable, TunedCable)
    (tmp_path / "k").write_text(one.key.hex())
    (tmp_path / "k").chmod(0o600)
    options = {"path": one.link, "board": one.public.hex(), "key": "k", "taps": ["raw"]}
    made = registry.open_driver(Source("relay", "mcu+serial", options, str(tmp_path)), Clock())
    assert isinstance(made, McuDriver)

    async def until(holds: Callable[[list[Frame]], bool]) -> None:
        heard: list[Frame] = []
        while not holds(heard):
            os.write(tap, b"a device speaks")
            heard += [item for item in await made.read() if isinstance(item, Frame)]

    async def play() -> None:
        async with asyncio.timeout(30):
            await made.open()
            await until(lambda heard: bool(heard) and cable.bauds == [FAST, FAST])
            # At that rate, and beyond every trial of the board's:
            ends_s = time.monotonic() + BAUD_TRIAL_US / 1e6 + 0.1
            await until(lambda heard: bool(heard) and time.monotonic() > ends_s)
            assert cable.bauds == [FAST, FAST] and not made.counts["rate_given_up"]
            one.reset()
            async with asyncio.timeout(FOUND_S):
                await until(lambda heard: boot_of(heard) == 2)
            await until(lambda heard: bool(heard) and cable.bauds == [FAST, FAST])
        await made.close()

    try:
        with one:
            asyncio.run(play())
    finally:
        os.close(tap)
        os.close(far)


def turned(one: Rate, now_ns: int, greeted: bool = True, agreed: int | None = None) -> Step:
    return one.turn(now_ns, greeted, now_ns, agreed)


def test_a_board_that_does_not_answer_at_the_new_rate_is_fallen_back_to():
    one, now = Rate(FAST), 10 * NS
    assert turned(one, now, greeted=False) == Step()
    assert turned(one, now) == Step(propose=True)
    assert turned(one, now + 1) == Step()
    assert turned(one, now + ASK_NS) == Step(propose=True)  # it was lost
    now += ASK_NS + 1
    assert turned(one, now, agreed=FAST) == Step(change=True, propose=True) and one.now == FAST
    assert turned(one, now + TRY_NS) == Step(propose=True)
    assert turned(one, now + TRY_NS + 1) == Step(change=True, again=True)
    assert one.now == START_BAUD and one.given_up
    # Nothing is said there any more, whatever happens: the board would stay.
    for at in range(10):
        assert turned(one, now + 3 * NS + at * LOOK_NS, greeted=at % 2 == 0) == Step()
    assert TRY_NS < BAUD_TRIAL_US * 1000 and one.now == START_BAUD


def test_a_rate_is_given_up_for_good_however_long_the_line_was_quiet_before():
    one, heard, now = Rate(FAST), 10 * NS, 11 * NS
    one.turn(now, True, heard, None)
    assert one.turn(now + 1, True, heard, FAST).change and one.now == FAST
    now += 1 + TRY_NS
    assert now - heard > LOST_NS and one.turn(now, True, heard, None) == Step(propose=True)
    assert one.turn(now + 1, True, heard, None) == Step(change=True, again=True) and one.given_up


def test_a_board_that_never_agrees_stays_where_it_is_and_is_not_asked_for_ever():
    one = Rate(FAST)
    said = [turned(one, at * ASK_NS).propose for at in range(1, 3 * ASKS_MAX)]
    assert said.count(True) == ASKS_MAX and one.given_up and one.now == START_BAUD


def test_a_board_is_looked_for_at_both_rates_and_where_it_is_it_stays():
    one, places = Rate(FAST), []
    for at in range(5):
        turned(one, at * (LOOK_NS + 1), greeted=False)
        places.append(one.now)
    assert places == [START_BAUD, FAST, START_BAUD, FAST, START_BAUD]
    turned(one, 5 * (LOOK_NS + 1), greeted=False)
    assert one.now == FAST  # a gateway that starts finds a board that had one a moment ago
    assert turned(one, 6 * NS) == Step()
    assert one.turn(9 * NS, True, 9 * NS - LOST_NS - 1, None) == Step(again=True)
    assert START_BAUD == 115_200
