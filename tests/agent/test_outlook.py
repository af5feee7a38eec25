"""What is foretold: when all is sent, when the disk is full, and when nobody can say."""

import asyncio
from collections import deque
from typing import Any

import pytest

from agent import account, outlook
from agent.commit import State
from agent.health import Health
from agent.outlook import Outlook, Sample, drain_in, full_in
from evidence.leap import NS
from tests.agent.keeping import go, hear, until
from tests.agent.site import Record, Site, setup

GIB = 1 << 30


def samples(*waiting: int, space: int = GIB, eaten: int = 0, answered: int = 1) -> Any:
    """Looks, ten seconds apart."""
    return deque(
        Sample(at * 10.0, space - at * eaten, count, at * answered, 1, 0)
        for at, count in enumerate(waiting)
    )


FULL = [
    ("not growing", samples(0, 0, 0, 0, 0, 0), None),
    ("gaining room", samples(0, 0, 0, 0, 0, 0, eaten=-5), None),
    ("too early to say", samples(0, 0, 0, eaten=1000), None),
    ("a megabyte in ten seconds", samples(*[0] * 6, space=105_000_000, eaten=1_000_000), 1000),
    ("full", samples(*[0] * 6, space=4_000_000, eaten=1_000_000), 0),
    ("what may wait comes first", samples(*(n * 1_000_000 for n in range(6))), 950),
]


@pytest.mark.parametrize(("name", "seen", "seconds"), FULL, ids=[row[0] for row in FULL])
def test_when_the_disk_is_full(name: str, seen: deque[Sample], seconds: int | None) -> None:
    assert full_in(seen, 100_000_000) == seconds


DRAIN = [
    ("nothing waits", samples(5, 4, 3, 2, 1, 0), 0, 0.0),
    ("it shrinks by one a second", samples(150, 140, 130, 120, 110, 100), 0, 100.0),
    ("it grows", samples(100, 110, 120, 130, 140, 150), 0, None),
    ("it grows though there is a cap", samples(100, 110, 120, 130, 140, 150), 900, None),
    ("it stands still", samples(100, 100, 100, 100, 100, 100), 0, None),
    ("too early to say", samples(150, 140, 130), 0, None),
    ("nobody answers", samples(100, 110, 120, 130, 140, 150, answered=0), 0, None),
    ("nobody answers, a cap", samples(100, 110, 120, 130, 140, 150, answered=0), 16, 10.0),
    ("a cap below what is sealed", samples(100, 200, 300, 400, 500, 600, answered=0), 9, None),
]


@pytest.mark.parametrize(("name", "seen", "cap", "seconds"), DRAIN, ids=[row[0] for row in DRAIN])
def test_when_all_is_sent(name: str, seen: deque[Sample], cap: int, seconds: float | None) -> None:
    assert drain_in(list(seen), cap) == seconds


def test_account_of_a_gateway_whose_record_is_away_and_comes_back(
    site: Site, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlook, "LOOK_S", 0.02)

    async def play() -> None:
        agent = site.agent()
        await agent.keeper.start()
        agent.hear(setup())
        health = agent.health
        watch = Outlook(site.gateway(), agent.keeper, site.time, health)
        task = asyncio.create_task(watch.watch())
        begun = site.time.tai
        for at in range(4):
            hear(agent, at * 50, at * 50 + 49)
            await agent.keeper.commit()
            site.time.go(NS)
            await agent.keeper.commit()
        await until(lambda: (health.oldest_age_s or 0) >= 7)
        told = health.report()
        assert told["queue"]["batches"] == 4 and told["queue"]["observations"] >= 200
        assert told["queue"]["bytes"] == told["waiting_bytes"] > 200 * 100
        assert begun <= told["oldest_unreceipted"]["tai"] <= begun + 2 * NS
        assert told["bytes_kept"] > told["queue"]["bytes"] and told["bytes_written"] > 0
        answers = await agent.keeper.on_disk(lambda: record.take(agent.keeper.spool))
        for row, receipt, count, size in answers:
            agent.keeper.answer(row, State.RECEIPTED, receipt, count, size)
        await agent.keeper.commit()
        await until(lambda: health.oldest is None)
        told = health.report()
        assert told["queue"] == {"batches": 0, "observations": 0, "bytes": 0}
        assert told["oldest_unreceipted"] is None and told["days_to_drain"] == 0
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await agent.keeper.close()

    go(play())


def _account(**changes: Any) -> str:
    health = Health()
    for name, value in changes.items():
        setattr(health, name, value)
    return account.words(health.report())


def test_account_in_words_for_a_technician() -> None:
    assert "0 batches, 0.0 MB; 0 under way; in step" in _account()
    behind = {"waiting_batches": 40_000, "waiting_bytes": 6_000_000_000, "oldest": 7}
    text = _account(**behind, oldest_age_s=190_000, in_flight=4, days_to_drain=1.5)
    assert "40000 batches, 6000.0 MB, the oldest for 2 d 4 h; 4 under way" in text
    assert "all sent in 1 d 12 h" in text
    assert "no end in sight" in _account(**behind, oldest_age_s=5)
    assert "full in 1 h 40 min" in _account(disk_full_s=6000)
    text = _account(bytes_kept=1_500_000, bytes_written=3_000_000)
    assert "1.5 MB kept, 3.0 MB written since the start; not filling up" in text
    fork = {"tai": 1, "from_size": 22, "to_size": 12}
    assert "RECORD ROLLED BACK from 22 to 12 entries: 90 offered again" in _account(
        forks=[fork], reopened=90
    )
    assert "DISK DAMAGED: 3 batches" in _account(unread=3)
