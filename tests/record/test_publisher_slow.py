"""A quorum of witnesses that are all slower than the log grows, each in its own time."""

import asyncio
from itertools import count
from pathlib import Path

import pytest
from aiohttp import web

from evidence import merkle
from evidence.key import Ed25519Key
from evidence.tlog import checkpoint, submission
from evidence.tlog.checkpoint import Checkpoint
from evidence.tlog.note import COSIGNATURE, Note, Verifier
from evidence.tlog.policy import Group, Holder, Policy
from record.publisher import Publisher
from record.publishing import Publishing
from record.schema import NoteRow
from record.witness import state
from record.witness.witness import Cosigner, Witness
from tests.record.test_service import WAIT_S
from tests.record.witness.watched import LOG, LOGS_KEY, NOW, ORIGIN

SLOW_S = (0.11, 0.17, 0.23)  # to answer; the log grows every 10 ms


async def slow(witness: Witness, wait_s: float) -> tuple[web.AppRunner, str]:
    """A witness whose answers take their time; what to close, and its address."""

    async def add(request: web.Request) -> web.Response:
        said = witness.add_checkpoint(await request.read())
        await asyncio.sleep(wait_s)
        return web.Response(
            status=said.status, body=said.body, headers={"Content-Type": said.media}
        )

    app = web.Application()
    app.router.add_post(submission.PATH, add)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


def watching(folder: Path, at: int) -> tuple[Witness, Verifier]:
    name, key = f"w{at}.example", Ed25519Key(bytes([at]) * 32)
    state.make(folder / f"{name}.db", key.public.raw, name)
    kept = state.open_state(folder / f"{name}.db", key.public.raw, name)
    by = Cosigner(name, key, kept, lambda: NOW)
    return Witness(by, {ORIGIN: [LOGS_KEY]}), Verifier(name, COSIGNATURE, key.public)


@pytest.mark.parametrize("least", [2, 3])
def test_witnesses_that_are_slower_than_the_log_cosign_one_tree(tmp_path: Path, least: int):
    """Offered the newest whenever it is free, each would cosign trees of its own, and no tree would
    have its quorum."""

    async def published() -> list[int]:
        kept: list[int] = []
        sizes = count(1)
        watched = [watching(tmp_path, at) for at in range(len(SLOW_S))]
        opened = [await slow(one, wait_s) for (one, _), wait_s in zip(watched, SLOW_S, strict=True)]
        urls = {key.name: url for (_, key), (_, url) in zip(watched, opened, strict=True)}
        holders = {key.name: Holder(key) for _, key in watched}
        group = Group(least, tuple(holders))
        policy = Policy((Holder(LOGS_KEY),), holders, {"q": group}, "q")
        trees = merkle.Frontier(), dict[int, bytes]()

        async def signed(origin: str) -> tuple[int, Note]:
            size = next(sizes)
            trees[0].append(merkle.leaf_hash(b"%d" % size))
            return size, checkpoint.sign(Checkpoint(origin, size, trees[0].root()), LOG)

        enough = asyncio.Event()

        async def keep(row: NoteRow) -> None:
            kept.append(row.size)
            if len(set(kept)) == 3:
                enough.set()

        async def proof(old: int, size: int) -> tuple[bytes, ...]:
            def fetch(level: int, position: int) -> bytes:
                span = range(position << level, (position + 1) << level)
                return merkle.root([merkle.leaf_hash(b"%d" % (at + 1)) for at in span])

            return tuple(merkle.consistency_proof(old, size, fetch))

        told = Publishing(LOGS_KEY, 0.01, policy, urls)
        publisher = Publisher(told, lambda: 1 << 40, signed, keep, proof)
        publisher.start()
        try:
            await enough.wait()
        finally:
            await publisher.close()
            for runner, _ in opened:
                await runner.cleanup()
            for one, _ in watched:
                one.by.state.close()
        return kept

    sizes = asyncio.run(asyncio.wait_for(published(), WAIT_S))
    assert sizes == sorted(sizes)
