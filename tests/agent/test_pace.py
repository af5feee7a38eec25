"""The cap on what is sent: kept over any time, live first, and the backlog never starved."""

import asyncio

import pytest

from agent.pace import BURST_NS, HEAD_BYTES, Pace
from tests.agent.server import run

NS = 1_000_000_000
BIG, SMALL = 180_000, 9_000  # a batch of a backlog; a live one


class Time:
    """A clock that goes on only while somebody sleeps."""

    def __init__(self) -> None:
        self.ns = 5 * NS
        self._real = asyncio.sleep

    def __call__(self) -> int:
        return self.ns

    async def sleep(self, seconds: float) -> None:
        self.ns += round(seconds * NS)
        await self._real(0)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    found = Time()
    monkeypatch.setattr(asyncio, "sleep", found.sleep)
    return found


def test_without_a_cap_nobody_waits(time: Time) -> None:
    async def play() -> None:
        way = Pace(0, 50, time)
        for _ in range(100):
            await way.spend(BIG, live=False)
        assert time.ns == 5 * NS

    run(play)


@pytest.mark.parametrize("live", [True, False])
def test_one_lane_alone_has_the_whole_rate_and_no_more(time: Time, live: bool) -> None:
    async def play() -> None:
        way, begun = Pace(800, 30, time), time.ns  # 100,000 bytes a second
        for _ in range(200):
            await way.spend(SMALL, live)
        took, whole = time.ns - begun, 200 * (SMALL + HEAD_BYTES) * NS // 100_000
        assert whole - BURST_NS - NS // 5 <= took <= whole * 1.02

    run(play)


@pytest.mark.parametrize("share", [10, 50, 90])
def test_two_that_want_all_have_it_by_the_share(time: Time, share: int) -> None:
    async def play() -> None:
        way, sent = Pace(800, share, time), [0, 0]
        begun, end = time.ns, time.ns + 600 * NS

        async def lane(live: bool, size: int) -> None:
            while time.ns < end:
                await way.spend(size, live)
                sent[live] += size + HEAD_BYTES

        await asyncio.gather(lane(True, SMALL), lane(False, BIG))
        assert abs(sent[False] * 100 / sum(sent) - share) < 3
        assert (
            sum(sent) <= 100_000 * (time.ns - begun + BURST_NS) // NS + BIG + SMALL + 2 * HEAD_BYTES
        )

    run(play)


def test_live_batch_waits_for_nothing_that_the_backlog_sent(time: Time) -> None:
    """Live ones use a third of the rate, the backlog has the rest, and all of it."""

    async def play() -> None:
        way, waits, sent = Pace(800, 50, time), [], 0
        end = time.ns + 300 * NS

        async def backlog() -> None:
            nonlocal sent
            while time.ns < end:
                await way.spend(BIG, live=False)
                sent += BIG + HEAD_BYTES

        async def live() -> None:
            due = time.ns
            while time.ns < end:
                due += NS // 4
                while time.ns < due:
                    await time.sleep(0.002)
                asked = time.ns
                await way.spend(SMALL, live=True)
                waits.append(time.ns - asked)

        await asyncio.gather(live(), backlog())
        assert max(waits) < NS // 10
        left = 100_000 - 4 * (SMALL + HEAD_BYTES)
        assert 0.93 * left * 300 < sent < 1.02 * left * 300 + BIG

    run(play)


def test_cap_holds_over_any_stretch_of_time(time: Time) -> None:
    async def play() -> None:
        way, log = Pace(400, 50, time), []

        async def lane(live: bool, size: int, pause_s: float) -> None:
            for _ in range(60):
                await way.spend(size, live)
                log.append((time.ns, size + HEAD_BYTES))
                await time.sleep(pause_s)

        await asyncio.gather(lane(True, SMALL, 0.4), lane(False, BIG, 0.0))
        log.sort()
        for first in range(0, len(log), 7):
            total = 0
            for at, size in log[first:]:
                total += size
                allowed = 50_000 * (at - log[first][0] + BURST_NS) // NS + BIG + SMALL
                assert total <= allowed + 4 * HEAD_BYTES

    run(play)


def test_who_is_cancelled_while_waiting_pays_nothing(time: Time) -> None:
    async def play() -> None:
        way = Pace(8, 50, time)
        await way.spend(BIG, live=True)
        waiting = asyncio.create_task(way.spend(SMALL, live=True))
        await time._real(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        begun = time.ns
        await way.spend(SMALL, live=True)
        assert time.ns - begun <= (BIG + HEAD_BYTES) * NS // 1000

    run(play)


@pytest.mark.parametrize("live", [True, False])
def test_what_never_left_is_not_paid_for(time: Time, live: bool) -> None:
    async def play() -> None:
        way, begun = Pace(8, 50, time), time.ns
        for _ in range(50):
            await way.spend(SMALL, live)
            way.refund(SMALL, live)
        assert time.ns - begun < NS

    run(play)
