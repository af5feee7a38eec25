"""The line under the uplink's HTTP: how it is marked, and how long a slow one is waited for."""

import asyncio
import socket
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer

import pytest

from agent import http
from agent.http import Answer, Client
from tests.agent.server import OK, TIMEOUT_S, request_of, run, says, serving
from tests.agent.test_http import ask, refused


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


def test_answer_is_waited_for_as_long_as_a_slow_line_takes_the_question(
    monkeypatch: pytest.MonkeyPatch,
):
    """The record says nothing before it has the whole of a batch."""
    monkeypatch.setattr(http, "SILENCE_S", 0.2)
    monkeypatch.setattr(http, "SLOWEST_BYTES_S", 50_000)

    async def slow(reader: Reader, writer: Writer) -> None:
        await request_of(reader)
        await asyncio.sleep(0.6)
        writer.write(OK)

    assert ask(slow, body=bytes(50_000)) == Answer(200, b"hello")
    assert refused(slow).cause == "timeout"


def test_line_that_carries_nothing_is_given_up_by_the_kernel():
    async def play() -> None:
        async with serving(says(OK)) as seen:
            client = Client(f"http://127.0.0.1:{seen.port}")
            await client.request("GET", "/", None, TIMEOUT_S)
            line = client._idle[0]._writer.get_extra_info("socket")
            waits_ms = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            assert waits_ms == http.SILENCE_S * 1000
            await client.close()

    run(play)
