"""The agent's account on a socket beside its spool, and who is not answered."""

import asyncio
import contextlib
import gc
import json
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from agent import status
from agent.health import Health
from tests.agent.server import run


@contextlib.asynccontextmanager
async def answering(
    spool: Path, report: Callable[[], dict[str, Any]]
) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(status.serve(spool, report))
    try:
        end = asyncio.get_running_loop().time() + 20
        while not (spool.parent / f"{spool.name}.sock").exists():
            assert not task.done() and asyncio.get_running_loop().time() < end
            await asyncio.sleep(0.005)
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_account_is_what_the_agent_says_each_time(tmp_path: Path) -> None:
    async def play() -> None:
        health = Health()
        health.source("pmu-a").heard = 3
        health.bad_frame("pmu-a", "crc", "CHK is 1, not 2", b"\xaa\x01", 7)
        async with answering(tmp_path / "spool.db", health.report):
            told = await asyncio.to_thread(status.ask, tmp_path / "spool.db")
            assert told == health.report()
            health.sealed = 8
            assert (await asyncio.to_thread(status.ask, tmp_path / "spool.db"))["sealed"] == 8

    run(play)


def test_only_the_owner_may_ask_and_nothing_is_left(tmp_path: Path) -> None:
    async def play() -> None:
        path = tmp_path / "spool.db.sock"
        open_before = len(os.listdir("/proc/self/fd"))
        async with answering(tmp_path / "spool.db", dict):
            await asyncio.sleep(0.02)
            assert path.stat().st_mode & 0o777 == 0o600
        assert not path.exists()
        await asyncio.sleep(0)
        assert len(os.listdir("/proc/self/fd")) == open_before

    run(play)


def test_folder_with_a_path_longer_than_a_socket_may_have(tmp_path: Path) -> None:
    async def play() -> None:
        folder = tmp_path.joinpath(*["a folder of some length"] * 10)
        folder.mkdir(parents=True)
        assert len(str(folder)) > 108
        async with answering(folder / "spool.db", lambda: {"run": "1"}):
            assert await asyncio.to_thread(status.ask, folder / "spool.db") == {"run": "1"}

    run(play)


def test_socket_of_a_killed_agent_is_taken_over(tmp_path: Path) -> None:
    async def play() -> None:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(tmp_path / "spool.db.sock"))
        with pytest.raises(ConnectionRefusedError):
            status.ask(tmp_path / "spool.db")
        task = asyncio.create_task(status.serve(tmp_path / "spool.db", lambda: {"run": "2"}))
        try:
            async with asyncio.timeout(20):
                while True:
                    with contextlib.suppress(OSError):
                        told = await asyncio.to_thread(status.ask, tmp_path / "spool.db")
                        break
                    await asyncio.sleep(0.01)
            assert told == {"run": "2"}
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    run(play)


def test_who_goes_away_or_never_reads_holds_up_nobody(tmp_path: Path) -> None:
    async def play() -> None:
        long = {"text": "x" * 2_000_000}  # more than a socket's buffer
        async with answering(tmp_path / "spool.db", lambda: long) as task:
            path = str(tmp_path / "spool.db.sock")
            _, gone = await asyncio.open_unix_connection(path)
            gone.transport.abort()
            _, silent = await asyncio.open_unix_connection(path)
            assert await asyncio.to_thread(status.ask, tmp_path / "spool.db") == long
            assert not task.done()
            silent.transport.abort()

    run(play)


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        status.ask(tmp_path / "spool.db")
    with pytest.raises(FileNotFoundError):
        status.ask(tmp_path / "nowhere" / "spool.db")


@pytest.mark.parametrize(
    "said", [b"", b"not JSON", b"\xff\xfe", b"x" * (status.STATUS_BYTES_MAX + 9)]
)
def test_what_is_no_account_is_a_value_error(tmp_path: Path, said: bytes) -> None:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "spool.db.sock"))
    server.listen(1)
    server.settimeout(20)

    def serve() -> None:
        line, _ = server.accept()
        with line, contextlib.suppress(OSError):
            line.sendall(said)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with pytest.raises(ValueError):
            status.ask(tmp_path / "spool.db")
    finally:
        thread.join(20)
        server.close()


def test_agent_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "ASK_S", 0.1)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "spool.db.sock"))
        server.listen(1)
        with pytest.raises(TimeoutError):
            status.ask(tmp_path / "spool.db")


def test_account_is_json_whatever_a_peer_sent() -> None:
    health = Health()
    health.bad_frame("pmu-a", "crc", "b\udc80d \x00", bytes(range(256)), 7)
    json.dumps(health.report()).encode()


def test_who_asks_and_does_not_read_keeps_nobody_else_waiting_for_long(tmp_path: Path) -> None:
    async def play() -> None:
        long = {"bad_frames": "." * (1 << 20)}
        async with answering(tmp_path / "spool.db", lambda: long):
            with socket.socket(socket.AF_UNIX) as mute:
                mute.connect(str(tmp_path / "spool.db.sock"))
                assert await asyncio.to_thread(status.ask, tmp_path / "spool.db") == long

    run(play)


def test_being_asked_leaves_no_garbage_that_only_a_collection_takes(tmp_path: Path) -> None:
    """The agent collects rarely: at two questions a second it grew by half a MiB in ten minutes."""

    async def play() -> None:
        async with answering(tmp_path / "spool.db", lambda: {"run": "1"}):
            await asyncio.to_thread(status.ask, tmp_path / "spool.db")
            gc.collect()
            gc.disable()
            try:
                for _ in range(20):
                    await asyncio.to_thread(status.ask, tmp_path / "spool.db")
                assert gc.collect() < 20
            finally:
                gc.enable()

    run(play)
