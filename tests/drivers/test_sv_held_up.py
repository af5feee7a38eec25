"""A driver of Sampled Values that was held up, with whoever sends or without: time is told by
hand.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

import pytest

from drivers import registry
from drivers.line import Frame, Instant, LinkError, Source
from drivers.sv.block import decode_block
from drivers.sv.driver import TICK_S, SvDriver
from evidence.leap import BUILT_IN, NS
from tests.drivers.sv import T0, stream

HELD_UP_S = 0.8
Heard = Sequence[tuple[bytes, Instant, int]]


class Hand:
    """The machine's clock, and an interface: how long each wait for it takes, and what comes."""

    table = BUILT_IN

    def __init__(self, *waits: tuple[float, Heard]) -> None:
        self.now_s = 0.0
        self.waits = deque(waits)

    def now(self) -> Instant:
        return Instant(T0 + round(self.now_s * NS), 1000)

    async def take(self) -> Heard:
        wait_s, heard = self.waits.popleft()
        self.now_s += wait_s
        if not heard:
            raise TimeoutError
        return heard

    def untaken(self) -> bool:
        return False

    def dropped(self) -> int:
        return 0

    def close(self) -> None:
        pass


def sizes(monkeypatch: pytest.MonkeyPatch, hand: Hand, many: int, **options: object) -> list[int]:
    """How many frames are in each of so many blocks, of 120 where they are whole."""
    monkeypatch.setattr("drivers.sv.driver.Capture", lambda interest, clock: hand)
    given = {"interface": "eth0", "rate": 4800} | options
    made = registry.open_driver(Source("bus", "sv", given), hand)
    assert isinstance(made, SvDriver)

    async def hear() -> list[int]:
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: hand.now_s)
        await made.open()
        found: list[int] = []
        while len(found) < many:
            items = await made.read()
            found += [len(decode_block(item.raw)) for item in items if isinstance(item, Frame)]
        return found

    return asyncio.run(hear())


BEGUN = (0.0125, stream(range(60)))
NOTHING: tuple[float, Heard] = (TICK_S, [])


@pytest.mark.parametrize("before", [60, 90], ids=["nothing", "what had come before"])
def test_a_block_in_which_all_stood_still_is_whole(monkeypatch: pytest.MonkeyPatch, before: int):
    """The publisher, in a machine that is held up as well, goes on a little after us."""
    held_up = (HELD_UP_S, stream(range(60, before)))
    hand = Hand(BEGUN, held_up, (TICK_S / 2, stream(range(before, 240))), *[NOTHING] * 3)
    assert sizes(monkeypatch, hand, 2) == [120, 120]


@pytest.mark.parametrize("waits", [[], [(HELD_UP_S, [])]], ids=["in time", "held up"])
def test_what_waits_for_frames_that_do_not_come_is_let_go(
    monkeypatch: pytest.MonkeyPatch, waits: list[tuple[float, Heard]]
):
    hand = Hand(BEGUN, *waits, *[NOTHING] * 3)
    assert sizes(monkeypatch, hand, 1) == [60]


def test_what_we_were_held_up_is_nobodys_silence(monkeypatch: pytest.MonkeyPatch):
    rest = (TICK_S / 2, stream(range(60, 240)))
    hand = Hand(BEGUN, (HELD_UP_S, []), rest, *[NOTHING] * 4)
    with pytest.raises(LinkError, match=r"no Sampled Values for 0\.[34] s"):
        sizes(monkeypatch, hand, 3, silence_s=0.3)
    assert len(hand.waits) <= 1
