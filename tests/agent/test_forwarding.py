"""Which batch goes when: live before the backlog, nothing left behind, within the cap."""

import asyncio

import pytest

from agent import uplink
from agent.schema import DamageError, SpoolError
from tests.agent.server import TIMEOUT_S, run
from tests.agent.upstream import Keeper, Record, forwarding, until


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink, "BACKOFF_S", (0.01, 0.02))
    monkeypatch.setattr(uplink, "RETRY_S", 0.1)
    monkeypatch.setattr(uplink, "TIMEOUT_S", TIMEOUT_S)


def test_batch_that_the_disk_could_not_read_once_is_offered_later() -> None:
    async def play() -> None:
        record, keeper = Record(), Keeper(2)
        read = keeper.spool.batch
        failed: list[int] = []

        def batch(row: int) -> tuple[bytes, bytes]:
            if not failed:
                failed.append(row)
                raise SpoolError("spool.db: the spool is not open")
            return read(row)

        keeper.spool.batch = batch  # type: ignore[method-assign]
        async with forwarding(record, keeper):
            await until(lambda: len(keeper.answers) == 2)

    run(play)


def test_batch_cut_now_is_receipted_before_a_backlog_that_takes_long() -> None:
    async def play() -> None:
        record, keeper = Record(), Keeper(60)
        order: list[int] = []

        async def batch(row: int, size: int) -> bytes:
            await asyncio.sleep(0.02)
            order.append(row)
            return record.good(row, size)

        record.batch = batch  # type: ignore[assignment]
        async with forwarding(record, keeper, in_flight=4):
            for row in range(101, 106):
                await until(lambda: len(keeper.answers) > 4 * (row - 100))  # noqa: B023
                keeper.spool.rows.append(row)
                keeper.offered.set()
                before = len(order)
                await until(lambda: row in keeper.answers)  # noqa: B023
                assert len(order) - before < 12, "it waits for what is under way, and no more"
            assert len(keeper.answers) < 60
            await until(lambda: len(keeper.answers) == 65)
            backlog = [row for row in order if row <= 60]
            assert all(abs(row - at) < 5 for at, row in enumerate(backlog, 1)), "oldest first"

    run(play)


def test_outage_leaves_what_piled_up_to_the_backlog_and_loses_none_of_it() -> None:
    async def play() -> None:
        record, keeper, down = Record(), Keeper(0), [True]
        order: list[int] = []

        async def batch(row: int, size: int) -> bytes:
            if down:
                return b""
            await asyncio.sleep(0.02)
            if not order:  # the first that gets through; at the same time another is cut
                keeper.spool.rows.append(150)
                keeper.offered.set()
            order.append(row)
            return record.good(row, size)

        record.batch = batch  # type: ignore[assignment]
        async with forwarding(record, keeper, in_flight=4):
            for row in range(1, 81):
                keeper.spool.rows.append(row)
                keeper.offered.set()
                await asyncio.sleep(0.002)
            assert keeper.answers == {} and keeper.behind, "fuller batches serve better now"
            down.clear()
            await until(lambda: 150 in keeper.answers)
            assert order.index(150) < 9, "what is under way, and nothing that piled up"
            await until(lambda: not keeper.behind)
            await until(lambda: len(keeper.answers) == 81)

    run(play)


def test_first_batch_that_gets_through_wakes_those_that_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The link is back: nobody sits out a wait that began while it was down."""
    monkeypatch.setattr(uplink, "BACKOFF_S", (60.0, 60.0))

    async def play() -> None:
        record, keeper, down = Record(), Keeper(4), [True]
        record.batch = lambda row, size: b"" if down else record.good(row, size)
        async with forwarding(record, keeper, in_flight=5):
            await until(lambda: sum("/batch/" in path for path in record.asked) == 4)
            await asyncio.sleep(0.05)
            down.clear()
            keeper.spool.rows.append(5)
            keeper.offered.set()  # the slot that is left takes it
            await until(lambda: len(keeper.answers) == 5)

    run(play)


def test_batch_that_the_disk_lost_is_said_once_and_holds_up_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def play() -> None:
        record, keeper = Record(), Keeper(30)
        read, looks = keeper.spool.batch, []

        def batch(row: int) -> tuple[bytes, bytes]:
            if row in (5, 6):
                looks.append(row)
                raise SpoolError(f"spool.db: piece {row}: 3 links where 7 to 12 should be")
            return read(row)

        keeper.spool.batch = batch  # type: ignore[method-assign]
        async with forwarding(record, keeper, in_flight=2) as health:
            await until(lambda: len(keeper.answers) == 28 and len(looks) >= 4)
            await asyncio.sleep(0.5)  # five rounds
            assert len(looks) == 4, "twice each, as the disk may just have been opened again"
            assert caplog.text.count("piece 5: 3 links") == 1
            assert health.unread == 2 and health.record == "up"

    run(play)


def test_batch_that_is_not_what_was_written_is_told_once_and_holds_up_nothing() -> None:
    async def play() -> None:
        record, keeper = Record(), Keeper(30)
        read = keeper.spool.batch

        def batch(row: int) -> tuple[bytes, bytes]:
            if row == 5:
                raise DamageError("spool.db: piece 5: is not what was written")
            return read(row)

        keeper.spool.batch = batch  # type: ignore[method-assign]
        async with forwarding(record, keeper, in_flight=2):
            await until(lambda: len(keeper.answers) == 29)
            await asyncio.sleep(0.5)  # five rounds
            assert keeper.relief.unread == [5], "whoever states it is told once"

    run(play)


def test_cap_is_kept_on_the_wire() -> None:
    async def play() -> None:
        record, keeper = Record(), Keeper(60)
        read = keeper.spool.batch
        keeper.spool.batch = lambda row: (read(row)[0] + bytes(5000), read(row)[1])  # type: ignore[method-assign]
        async with forwarding(record, keeper, in_flight=4, max_kbps=800):
            await until(lambda: bool(keeper.answers))
            begun = asyncio.get_running_loop().time()
            await until(lambda: len(keeper.answers) > 40)
            took = asyncio.get_running_loop().time() - begun
            assert 1.3 < took < 6, "40 of them are 200,000 bytes: two seconds"

    run(play)


def test_live_batch_is_not_held_up_by_what_a_backlog_owes_to_the_cap() -> None:
    """The backlog has eight seconds to pay for its first batch, whose receipt must be asked for
    again, as a live one came between; who waits for the same lock must not wait for that."""

    async def play() -> None:
        record, keeper = Record(), Keeper(3)
        read, asked = keeper.spool.batch, asyncio.Event()
        long = {1, 2, 3}
        keeper.spool.batch = lambda row: (  # type: ignore[method-assign]
            read(row)[0] + bytes(200_000 if row in long else 0),
            read(row)[1],
        )

        async def batch(row: int, size: int) -> bytes:
            said = record.good(row, size)
            if row == 1:
                asked.set()
                await until(lambda: 101 in keeper.answers)
            return said

        record.batch = batch  # type: ignore[assignment]
        async with forwarding(record, keeper, in_flight=4, max_kbps=800, backlog_share=25):
            await asked.wait()
            begun = asyncio.get_running_loop().time()
            for row in (101, 102, 103):
                keeper.spool.rows.append(row)
                keeper.offered.set()
                await until(lambda: row in keeper.answers)  # noqa: B023
            assert asyncio.get_running_loop().time() - begun < 3
            await until(lambda: 1 in keeper.answers)

    run(play)
