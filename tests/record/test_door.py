"""Many bodies at once: together they stay below their bound for as long as answering takes."""

import asyncio
from pathlib import Path

import pytest

from record import service
from record.question import Said
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
        await asyncio.sleep(0.5)
        slow.set()
        assert sorted([(await one)[0] for one in asked]) == [200] * 3 + [503] * 3

    over_http(tmp_path / "record.db", what)
