"""Who accepts a connection and says nothing, or a byte now and then: whoever asks gives up in time,
and says whom. And what a mirror shows under names that no tile has.
"""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from evidence.tlog import note
from evidence.tlog.note import COSIGNATURE, Verifier
from record import offer
from record.offer import Offer, OfferError
from record.witness import config, door, source
from record.witness.shelf import Shelf
from record.witness.source import SourceError
from tests.record.public import no_tile_is_shown
from tests.record.witness.rig import Rig
from tests.record.witness.watched import HONEST, KEY, NAME, WAIT_S

SAID = {
    "nothing": b"",
    "a byte now and then": b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 400,
}


@pytest.fixture(params=SAID)
def stalled(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of somebody who answers so, to each."""
    ended = threading.Event()

    def drip(line: socket.socket) -> None:
        with line, contextlib.suppress(OSError):
            for byte in SAID[request.param]:
                line.sendall(bytes([byte]))
                if ended.wait(0.01):
                    return
            ended.wait(WAIT_S)

    def listen(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                lines.append(threading.Thread(target=drip, args=(listener.accept()[0],)))
                lines[-1].start()

    lines: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listening = threading.Thread(target=listen, args=(listener,))
        listening.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        for line in (listening, *lines):
            line.join(WAIT_S)


def test_a_mirror_gives_a_stalled_log_up(rig: Rig, stalled: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(source, "ANSWER_S", 0.5)
    rig.log.grow(3)
    rig.log.show()
    rig.pull()
    before, rig._url = rig.copy.published(), stalled
    begun = time.monotonic()
    with pytest.raises(SourceError, match=f"^{stalled}/checkpoint: did not answer within 0.5 s$"):
        rig.pull()
    assert time.monotonic() - begun < 5
    assert (rig.held(), rig.copy.published(), rig.found()) == (3, before, [])


def test_the_record_gives_a_stalled_witness_up(stalled: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(offer, "OFFER_S", 0.5)

    async def proof(old: int, size: int) -> tuple[bytes, ...]:
        return HONEST.proof(old, size)

    async def offered() -> None:
        async with aiohttp.ClientSession() as session:
            one = Offer(stalled, Verifier(NAME, COSIGNATURE, KEY.public), proof)
            await one.cosigned(session, 5, note.read(HONEST.note(5)))

    with pytest.raises(OfferError, match=r"^did not answer within 0.5 s$"):
        asyncio.run(asyncio.wait_for(offered(), WAIT_S))


def test_a_mirror_shows_a_tile_under_one_name(rig: Rig):
    rig.log.grow(300)
    rig.log.show()
    rig.pull()

    async def shown() -> None:
        folder: Path = rig.copy.folder
        where = config.Door("127.0.0.1", 0, None)
        runner, url = await door.start(Shelf(folder.parent).app(), where)
        try:
            await asyncio.to_thread(no_tile_is_shown, f"{url}/{folder.name}")
        finally:
            await runner.cleanup()

    asyncio.run(asyncio.wait_for(shown(), WAIT_S))
