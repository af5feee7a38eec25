"""Many bodies at once: together they stay below their bound for as long as answering takes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from record import service
from record.question import Said
from tests.record.asker import until
from tests.record.test_service import Client, over_http


def test_bodies_count_until_they_are_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(service, "PENDING_BYTES_MAX", 3000)

    async def what(client: Client) -> None:
        slow = asyncio.Event()

        async def answered(*_: object) -> Said:
            await slow.wait()
            return Said(200, b"done", text=True)

        monkeypatch.setattr("record.question.answered", answered)
        asked = [asyncio.create_task(client.post("/v1/statement", bytes(1000))) for _ in range(6)]
        await until(lambda: sum(one.done() for one in asked) == 3)  # those that are refused
        slow.set()
        assert sorted([(await one)[0] for one in asked]) == [200] * 3 + [503] * 3

    over_http(tmp_path / "record.db", what)


def test_who_announces_much_and_sends_little_keeps_nobody_out(tmp_path: Path):
    async def what(client: Client) -> None:
        parts = urlsplit(client.url)
        head = f"POST /v1/statement HTTP/1.1\r\nHost: x\r\nContent-Length: {8 << 20}\r\n\r\nx"
        lines = [await asyncio.open_connection(parts.hostname, parts.port) for _ in range(12)]
        for _, writer in lines:
            writer.write(head.encode())
            await writer.drain()
        await asyncio.sleep(0.2)
        assert (await client.post("/v1/statement", bytes(1000)))[0] == 400
        for _, writer in lines:
            writer.transport.abort()

    over_http(tmp_path / "record.db", what)


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_too_long_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, announced: bool
):
    monkeypatch.setattr(service, "BODY_BYTES_MAX", 1000)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(1001):
            yield b"x"

    async def what(client: Client) -> None:
        body = bytes(1001) if announced else chunks()
        async with client.session.post(f"{client.url}/v1/statement", data=body) as answer:
            assert answer.status == 413

    over_http(tmp_path / "record.db", what)


@pytest.mark.parametrize(
    "path", [f"receipt/{'00' * 32}", f"device/{'00' * 8}/heads", "checkpoint?size=0"]
)
def test_too_many_questions_at_once_are_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
):
    """Whoever asks needs no key: what is asked waits for the thread that admits, too."""

    async def what(client: Client) -> None:
        for most, status in ((0, (503,)), (1, (200, 404))):
            monkeypatch.setattr("record.desk.WAITING_MAX", most)
            async with client.session.get(f"{client.url}/v1/{path}") as answer:
                assert answer.status in status

    over_http(tmp_path / "record.db", what)
