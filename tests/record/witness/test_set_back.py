"""A memory that is set back to an earlier copy: the witness's own cosignatures bring it forward,
the record shows it them, and a mirror sees it by its copy.
"""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from evidence.code import Reason
from evidence.tlog import cosignature, note
from evidence.tlog.note import COSIGNATURE, Line, Verifier
from evidence.tlog.submission import Submission
from record.database import StoreError
from record.offer import Offer
from record.witness import show, state
from record.witness.door import Door
from record.witness.witness import Cosigner, Witness
from tests.record.witness.rig import Rig
from tests.record.witness.watched import (
    FORKED,
    HONEST,
    KEY,
    LOGS_KEY,
    NAME,
    NOW,
    ORIGIN,
    WAIT_S,
    cosigned,
)

MINE = Verifier(NAME, COSIGNATURE, KEY.public)


def opened(path: Path) -> Witness:
    kept = state.open_state(path, KEY.public.raw, NAME)
    return Witness(Cosigner(NAME, KEY, kept, lambda: NOW), {ORIGIN: [LOGS_KEY]})


@pytest.fixture
def set_back(tmp_path: Path) -> Iterator[tuple[Witness, bytes]]:
    """A witness that remembers five entries, and its own cosignature over eight."""
    path = tmp_path / "witness.db"
    state.make(path, KEY.public.raw, NAME)
    witness = opened(path)
    assert witness.add_checkpoint(HONEST.body(0, 5)).status == 200
    shutil.copy(path, tmp_path / "backup.db")
    lines = witness.add_checkpoint(HONEST.body(5, 8)).body
    witness.by.state.close()
    shutil.copy(tmp_path / "backup.db", path)
    witness = opened(path)
    yield witness, cosigned(HONEST, 8, lines).encode()
    witness.by.state.close()


def standing(witness: Witness) -> list[tuple[Reason, str]]:
    kept = witness.by.state
    return [(one.reason, show.standing(kept, one)) for one in kept.exhibits()]


def test_its_own_cosignature_brings_a_memory_forward(set_back: tuple[Witness, bytes]):
    witness, shown = set_back
    answer = witness.add_checkpoint(Submission(5, FORKED.proof(5, 9), shown).encode())
    assert (answer.status, answer.body) == (409, b"8\n")
    assert standing(witness) == [(Reason.SET_BACK, show.FORGOT)]
    assert show.accused(show.summary(witness.by.state))
    assert witness.add_checkpoint(FORKED.body(5, 9)).status == 409
    assert witness.add_checkpoint(FORKED.body(8, 9)).status == 422
    assert witness.add_checkpoint(HONEST.body(8, 9)).status == 200


def test_nobody_else_brings_it_forward(set_back: tuple[Witness, bytes]):
    witness, shown = set_back
    (mine,) = MINE.lines_of(note.read(shown))
    spoiled = Line(mine.name, mine.id, mine.signature[:-1] + bytes([mine.signature[-1] ^ 1]))
    elsewhere = note.read(HONEST.note(9)).with_lines([mine])
    for other in (note.read(HONEST.note(8)).with_lines([spoiled]), elsewhere):
        body = Submission(2, (), other.encode()).encode()
        assert witness.add_checkpoint(body).body == b"5\n"
    assert standing(witness) == []


def test_the_record_shows_a_witness_what_it_cosigned(
    set_back: tuple[Witness, bytes], caplog: pytest.LogCaptureFixture
):
    witness, shown = set_back

    async def proof(old: int, size: int) -> tuple[bytes, ...]:
        return HONEST.proof(old, size)

    async def offered() -> list[Line]:
        door = Door(witness.add_checkpoint)
        runner = web.AppRunner(door.app())
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            async with aiohttp.ClientSession() as session:
                offer = Offer(url, MINE, proof, (8, note.read(shown)))
                return await offer.cosigned(session, 9, note.read(HONEST.note(9)))
        finally:
            await runner.cleanup()
            door.close()

    lines = asyncio.run(asyncio.wait_for(offered(), WAIT_S))
    assert cosignature.times(note.read(HONEST.note(9)).with_lines(lines), MINE)
    assert "has forgotten: it cosigned 8 entries of this log, and knows of 5" in caplog.text
    assert standing(witness) == [(Reason.SET_BACK, show.FORGOT)]


def test_a_mirror_that_was_set_back_signs_nothing(rig: Rig):
    rig.log.grow(5)
    rig.log.show()
    rig.pull()
    rig.state.close()
    shutil.copy(rig._store, rig._store.with_suffix(".backup"))
    rig.restart()
    rig.log.grow(3)
    rig.log.show()
    rig.pull()
    rig.state.close()
    shutil.copy(rig._store.with_suffix(".backup"), rig._store)
    rig.restart()
    before = rig.copy.published()
    with pytest.raises(StoreError, match="a tree of 8, the memory ends at 5: it was set back"):
        rig.pull()
    assert (rig.held(), rig.copy.published()) == (5, before)
