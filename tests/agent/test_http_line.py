"""The line under the uplink's HTTP: how it is marked, and how long a slow one is waited for."""

import asyncio
import socket

import pytest

from agent import http
from agent.http import Client
from agent.transport import Answer, UplinkError
from tests.agent.server import OK, TIMEOUT_S, run, says, serving


@pytest.mark.parametrize(
    ("host", "level", "option"),
    [
        ("127.0.0.1", socket.IPPROTO_IP, socket.IP_TOS),
        ("::1", socket.IPPROTO_IPV6, socket.IPV6_TCLASS),
    ],
)
@pytest.mark.parametrize("dscp", [0, 10, 46])
def test_what_is_sent_bears_the_dscp(host: str, level: int, option: int, dscp: int):
    async def play() -> None:
        async with serving(says(OK), host=host) as seen:
            name = f"[{host}]" if ":" in host else host
            client = Client(f"http://{name}:{seen.port}", None, 1, dscp)
            await client.request("GET", "/", None, TIMEOUT_S)
            (connection,) = client._idle
            line = connection._writer.get_extra_info("socket")
            assert line.getsockopt(level, option) == dscp << 2
            await client.close()

    run(play)


async def _through_a_thin_line(reads: bool) -> Answer:
    """A question of 300,000 bytes to a peer that takes 20,000 at a time, or stops taking any."""
    loop = asyncio.get_running_loop()
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        listener.setblocking(False)

        async def peer() -> None:
            line, _ = await loop.sock_accept(listener)
            with line:
                heard = 0
                while heard < 300_000:
                    heard += len(await loop.sock_recv(line, 20_000))
                    await asyncio.sleep(0.1 if reads or heard < 60_000 else 60)
                await loop.sock_sendall(line, OK)

        task = asyncio.create_task(peer())
        client = Client(f"http://127.0.0.1:{listener.getsockname()[1]}")
        try:
            return await client.request("POST", "/", bytes(300_000), 2 * TIMEOUT_S)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await client.close()


def test_slow_line_is_waited_for_and_a_silent_one_is_not(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http, "SILENCE_S", 1.0)

    async def play() -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        assert await _through_a_thin_line(reads=True) == Answer(200, b"hello")
        assert loop.time() - begun > 1.2, "longer than silence may last"
        with pytest.raises(UplinkError, match=r"silent for 1 s") as caught:
            await _through_a_thin_line(reads=False)
        assert caught.value.cause == "timeout"

    run(play)
