"""Whose turn it is: live batches first, the backlog at its share, and nobody is starved."""

import asyncio
import random

import pytest

from agent import turn as turns_
from agent.commit import Waiting
from agent.turn import LIVE_MAX, Turn, Turns
from tests.agent.server import run


def batch(row: int) -> Waiting:
    return Waiting(row, bytes(32), bytes(32), 10, 100)


def backlog(*rows: int) -> list[tuple[Waiting, int]]:
    return [(batch(row), 3) for row in rows]


async def taken(lanes: Turns) -> Turn | None:
    """Who has the next free slot, if anybody may have it."""
    task = asyncio.create_task(lanes.take())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return None


def test_batch_cut_now_goes_before_hours_of_backlog() -> None:
    async def play() -> None:
        lanes = Turns(4, 50)
        lanes.add_backlog(backlog(*range(1, 65)))
        lanes.add_live(batch(100), 3)
        turn = await taken(lanes)
        assert turn is not None and turn.live and turn.batch.row == 100

    run(play)


@pytest.mark.parametrize(
    ("slots", "share", "own"), [(4, 50, 2), (4, 1, 1), (4, 99, 3), (8, 25, 2), (2, 90, 1)]
)
def test_backlog_has_its_share_of_slots_while_live_batches_come(
    slots: int, share: int, own: int
) -> None:
    async def play() -> None:
        lanes = Turns(slots, share)
        lanes.add_live(batch(1000), 3)
        first = await taken(lanes)
        assert first is not None and first.live
        lanes.add_backlog(backlog(*range(1, 65)))
        turns = [await taken(lanes) for _ in range(slots)]
        assert [turn.live for turn in turns if turn] == [False] * own
        lanes.add_live(batch(1001), 3)  # there is a slot left for it
        turn = await taken(lanes)
        assert turn is not None and turn.live

    run(play)


def test_backlog_has_all_slots_once_no_live_batch_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns_, "CALM_S", 0.05)

    async def play() -> None:
        lanes = Turns(4, 25)
        lanes.add_live(batch(1000), 3)
        first = await lanes.take()
        lanes.done(first, 0.0)
        lanes.add_backlog(backlog(*range(1, 9)))
        turns = [await asyncio.wait_for(lanes.take(), 20) for _ in range(4)]
        assert [turn.batch.row for turn in turns] == [1, 2, 3, 4]  # and oldest first

    run(play)


@pytest.mark.parametrize(("slots", "share"), [(1, 10), (1, 50), (1, 90), (4, 25), (4, 75)])
def test_backlog_gets_its_share_though_live_alone_fills_the_line(slots: int, share: int) -> None:
    async def play() -> None:
        lanes, chance, row = Turns(slots, share), random.Random(1), 1000
        busy: list[Turn] = []
        seen = [0, 0]
        old = iter(range(1, 1000))
        for _ in range(400):
            while not lanes.behind:
                row += 1
                lanes.add_live(batch(row), 3)
            if lanes.hungry.is_set():
                lanes.add_backlog(backlog(*(next(old) for _ in range(8))))
            if len(busy) == slots:
                lanes.done(busy.pop(chance.randrange(slots)), 0.0)
            turn = await taken(lanes)
            assert turn is not None
            busy.append(turn)
            seen[turn.live] += 1
        assert abs(seen[False] * 100 / sum(seen) - share) < 6

    run(play)


def test_live_batches_that_pile_up_are_left_to_the_backlog_oldest_first() -> None:
    async def play() -> None:
        lanes = Turns(2, 50)
        for row in range(1, LIVE_MAX + 4):
            lanes.add_live(batch(row), 3)
            assert lanes.behind == (row >= turns_.BEHIND)
        assert lanes.more.is_set()
        assert [lanes.holds(batch(row)) for row in (1, 2, 3, 4)] == [False, False, False, True]
        turn = await taken(lanes)
        assert turn is not None and turn.batch.row == 4

    run(play)


def test_batch_in_hand_is_known_until_it_has_settled() -> None:
    async def play() -> None:
        lanes = Turns(1, 50)
        lanes.add_backlog(backlog(7))
        turn = await lanes.take()
        lanes.done(turn, 0.1)
        await asyncio.sleep(0)
        assert lanes.holds(batch(7)) and lanes.under_way == 0
        await asyncio.sleep(0.2)
        assert not lanes.holds(batch(7))

    run(play)


def test_batch_that_waits_again_is_not_held_for_its_old_answer() -> None:
    async def play() -> None:
        lanes = Turns(2, 50)
        lanes.add_backlog(backlog(7, 8))
        turn, other = await lanes.take(), await lanes.take()
        lanes.done(turn, 0.1)
        lanes.anew()
        assert not lanes.holds(batch(7)) and lanes.holds(batch(8)) and lanes.more.is_set()
        lanes.add_backlog(backlog(7))
        await asyncio.sleep(0.2)
        assert lanes.holds(batch(7)), "the old answer's time says nothing of the new turn"
        lanes.done(other, 0.0)

    run(play)


def test_slots_that_wait_lose_no_batch() -> None:
    """Many wait at once; every batch is taken by one of them, whoever is cancelled between."""

    async def play() -> None:
        lanes = Turns(8, 50)
        got: list[int] = []

        async def slot() -> None:
            while True:
                turn = await lanes.take()
                got.append(turn.batch.row)
                await asyncio.sleep(0)
                lanes.done(turn, 60.0)

        tasks = [asyncio.create_task(slot()) for _ in range(8)]
        for row in range(1, 101):
            lanes.add_live(batch(row), 3)
            if row % 10 == 0:
                lanes.add_backlog(backlog(1000 + row))
                await asyncio.sleep(0.001)
            if row == 50:
                tasks.pop().cancel()
        async with asyncio.timeout(10):
            while len(got) < 110:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)  # and nothing twice
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert sorted(got) == [*range(1, 101), *range(1010, 1101, 10)]

    run(play)
