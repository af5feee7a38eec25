"""A spool as an agent leaves it, with receipts, and exports of it: what tests of both sides share.

1. Everything is the shipped code: keeper, spool, admission and log; time is the test's.
2. Two runs: the first whole and receipted, the second with a reconfiguration, a hole, a batch that
   waits for its receipt, and observations that no head covers, as after a power cut.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.archive import Archive
from agent.cli import main
from agent.commit import State
from agent.export import Export, Selection, Written
from agent.spool import Spool
from evidence import export, instant
from evidence.export import Damaged, Item, Opening, Stated
from evidence.leap import NS
from evidence.verifier import verify
from tests.agent.keeping import WAIT_S, end, hear
from tests.agent.site import PERIOD, START, Agent, Record, Site, frame, setup

OTHER = "pmu-b"  # a second source
ALL = Selection(START - 3600 * NS, START + 3600 * NS)
STREAMS = {0: "gateway/own", 1: "pmu/7", 2: "pmu-b/8"}


async def beat(agent: Agent, first: int, last: int) -> None:
    """Both streams measure, a commit every five periods."""
    for number in range(first, last + 1, 5):
        until = min(number + 4, last)
        agent.time.go(-(until - number + 1) * PERIOD)
        hear_other(agent, number, until)
        agent.time.go((until - number + 1) * PERIOD)
        hear(agent, number, until)
        await agent.keeper.commit()


def hear_other(agent: Agent, first: int, last: int) -> None:
    agent.hear(*(frame(number, "8") for number in range(first, last + 1)), source=OTHER)
    agent.time.go((last - first + 1) * PERIOD)


def receipts(site: Site, record: Record) -> list[tuple[int, bytes, int, int]]:
    """The record takes all that waits on the closed spool."""
    spool = Spool(site.spool)
    found = record.take(spool)
    spool.close()
    return found


def fill(site: Site, record: Record) -> None:
    """See the header."""
    answers: list[tuple[int, bytes, int, int]] = []

    async def first() -> None:
        agent = site.agent()
        await agent.keeper.start()
        agent.hear(setup(cfg=b"old"))
        agent.hear(setup("8"), source=OTHER)
        await beat(agent, 0, 39)
        await end(agent)

    async def second() -> None:
        agent = site.agent()
        site.time.go(NS)
        await agent.keeper.start()
        for row, receipt, count, size in answers:
            agent.keeper.answer(row, State.RECEIPTED, receipt, count, size)
        agent.hear(setup(cfg=b"old"))
        agent.hear(setup("8"), source=OTHER)
        await beat(agent, 90, 104)
        agent.hear(setup(cfg=b"new"))
        agent.time.go(10 * PERIOD)
        await beat(agent, 115, 139)  # after a hole
        await agent.keeper._signatures.settle()
        await agent.keeper.commit()
        await beat(agent, 140, 140)
        while not agent.keeper._open_batch.open:
            await beat(agent, 141, 141)
        await agent.crash()

    go(first())
    answers += receipts(site, record)
    go(second())


def go(work: object) -> None:
    asyncio.run(asyncio.wait_for(work, WAIT_S))  # type: ignore[arg-type]


def exported(site: Site, selection: Selection = ALL) -> bytes:
    """The export as bytes, and that nothing of it was damaged."""
    data, written, said = export_of(site.spool, selection)
    assert (written.damaged, said) == (0, [])
    return data


def export_of(spool: Path, selection: Selection = ALL) -> tuple[bytes, Written, list[str]]:
    archive, said, parts = Archive(spool), list[str](), list[bytes]()
    try:
        written = Export(archive, selection, said.append).write(parts.append)
    finally:
        archive.close()
    return b"".join(parts), written, said


def typed(site: Site, *more: str, chosen: Sequence[int] = (ALL.first, ALL.end)) -> int:
    """`gridseal-agent export` as it is typed, over these instants; its exit code."""
    first, last = (instant.words(tai) for tai in chosen)
    config = str(site.folder / "gateway.toml")
    return main(["export", "--config", config, "--from", first, "--to", last, *more])


def items(data: bytes) -> list[Item]:
    found = [item for item in export.read([data]) if not isinstance(item, Opening)]
    assert not any(isinstance(item, Damaged) for item in found)
    return found  # type: ignore[return-value]


def kinds(data: bytes) -> str:
    return "".join(type(item).__name__[0] for item in items(data) if not isinstance(item, Stated))


def verified(site: Site, data: bytes, every: bool = True) -> tuple[list[str], Any]:
    reasons: list[str] = []
    tally = verify([data], site.gateway().anchors, every, reasons.append)
    return reasons, tally
