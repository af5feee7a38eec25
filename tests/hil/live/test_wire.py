"""A TCP cable that is pulled: nothing passes, nobody is told, and what waited comes afterwards."""

import asyncio

from hil.live.wire import Wire

WAIT_S = 10.0
SILENCE_S = 0.3


async def _echo(near: asyncio.StreamReader, far: asyncio.StreamWriter) -> None:
    while data := await near.read(100):
        far.write(data)
    far.close()


async def _played() -> list[bytes]:
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    wire = Wire(*server.sockets[0].getsockname()[:2])
    host, port = await wire.open()
    heard = []
    near, far = await asyncio.open_connection(host, port)
    try:
        async with asyncio.timeout(WAIT_S):
            far.write(b"one")
            heard.append(await near.read(100))
            wire.cut(True)
            far.write(b"two")
            fresh, _ = await asyncio.open_connection(host, port)  # taken, and goes nowhere
            for reader in (near, fresh):
                try:
                    async with asyncio.timeout(SILENCE_S):
                        heard.append(await reader.read(100))
                except TimeoutError:
                    heard.append(b"-")
            wire.cut(False)
            heard.append(await near.read(100))
            server.close()
            far.close()
    finally:
        await wire.close()
    return heard


def test_what_is_said_while_it_is_pulled_comes_when_it_is_plugged_in_again():
    assert asyncio.run(_played()) == [b"one", b"-", b"-", b"two"]


async def _refused() -> bytes:
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    where = server.sockets[0].getsockname()[:2]
    server.close()
    await server.wait_closed()
    wire = Wire(*where)
    near, _ = await asyncio.open_connection(*await wire.open())
    try:
        async with asyncio.timeout(WAIT_S):
            return await near.read(100)
    except ConnectionResetError:
        return b""
    finally:
        await wire.close()


def test_where_nobody_listens_whoever_connects_is_hung_up_on():
    assert asyncio.run(_refused()) == b""
