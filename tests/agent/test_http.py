"""The uplink's HTTP against real servers that behave badly, over loopback."""

import asyncio
import contextlib
import re
import socket
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer

import pytest

from agent import http
from agent.http import RESPONSE_BYTES_MAX, Client, Tls
from agent.transport import Answer, UplinkError
from evidence.config import ConfigError
from tests.agent.server import OK, TIMEOUT_S, Serve, request_of, run, says, serving


def ask(serve: Serve, *, timeout_s: float = TIMEOUT_S, body: bytes | None = b"ask") -> Answer:
    """One POST to a server of our own."""

    async def play() -> Answer:
        async with serving(serve) as seen:
            client = Client(f"http://127.0.0.1:{seen.port}")
            try:
                return await client.request("POST", "/v1/batch", body, timeout_s)
            finally:
                await client.close()

    return asyncio.run(asyncio.wait_for(play(), 20))


def refused(serve: Serve, *, timeout_s: float = TIMEOUT_S) -> UplinkError:
    with pytest.raises(UplinkError) as caught:
        ask(serve, timeout_s=timeout_s)
    assert str(caught.value).startswith("127.0.0.1:")
    return caught.value


def test_request_is_what_the_record_expects():
    heard: list[bytes] = []

    async def serve(reader: Reader, writer: Writer) -> None:
        heard.append(await reader.read(65536))  # head and body in one segment
        writer.write(OK)

    assert ask(serve, body=b"\x00\xff body") == Answer(200, b"hello")
    head, body = heard[0].split(b"\r\n\r\n")
    assert body == b"\x00\xff body"
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /v1/batch HTTP/1.1"
    assert re.fullmatch(rb"host: 127\.0\.0\.1:\d+", lines[1])
    assert {b"content-type: application/cbor", b"content-length: 7"} <= set(lines)


def test_address_may_have_a_path_and_get_has_no_body():
    async def play() -> None:
        async def serve(reader: Reader, writer: Writer) -> None:
            seen.requests.append(await request_of(reader))
            writer.write(OK)

        async with serving(serve) as seen:
            client = Client(f"http://localhost:{seen.port}/record/")
            await client.request("GET", "/v1/checkpoint?size=3", None, TIMEOUT_S)
            await client.close()
        assert seen.requests[0].startswith(b"GET /record/v1/checkpoint?size=3 HTTP/1.1\r\n")
        assert b"content" not in seen.requests[0]

    run(play)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Answer(200, b"")),
        (b"HTTP/1.1 503 Later\r\ncontent-length: 2\r\n\r\nno", Answer(503, b"no")),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
            b"3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nx: y\r\n\r\n",
            Answer(200, b"hello"),
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\n\r\n" + OK, Answer(200, b"hello")),
        (b"HTTP/1.1 301 Moved\r\nlocation: /\r\ncontent-length: 0\r\n\r\n", Answer(301, b"")),
        (b"HTTP/1.1 204 Nothing\r\n\r\n", Answer(204, b"")),
    ],
)
def test_whole_answers(answer: bytes, expected: Answer):
    assert ask(says(answer)) == expected


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_answer_that_ends_with_the_connection(version: bytes):
    assert ask(says(b"HTTP/" + version + b" 200 OK\r\n\r\nhello", times=1)).body == b"hello"


def test_answer_that_comes_a_byte_at_a_time():
    async def drip(reader: Reader, writer: Writer) -> None:
        await request_of(reader)
        for byte in OK:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    assert ask(drip) == Answer(200, b"hello")


def test_drip_that_never_ends_is_bounded_by_the_whole():
    async def drip(reader: Reader, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    fault = refused(drip, timeout_s=0.3)
    assert fault.cause == "timeout"
    assert "no whole answer within 0.3 s" in str(fault)


def test_silence_is_bounded_before_the_whole(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http, "SILENCE_S", 0.1)
    fault = refused(says(OK, pause_s=5))
    assert fault.cause == "timeout"
    assert "silent for 0.1 s" in str(fault)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"\x00\xff\xfe\r\n\r\n",
        b"HTTP/1.1 two hundred\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000,
        b"HTTP/1.1 101 Switching\r\n\r\n",
    ],
)
def test_garbage_is_named(answer: bytes):
    assert refused(says(answer)).cause == "garbage"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200",
        OK[:-1],
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel",
    ],
)
def test_half_an_answer_is_a_reset(answer: bytes):
    fault = refused(says(answer, times=1))
    assert fault.cause == "reset"


def test_reset_by_the_peer_is_named():
    async def reset(reader: Reader, writer: Writer) -> None:
        await reader.read(1)
        line = writer.get_extra_info("socket")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    assert refused(reset).cause == "reset"


@pytest.mark.parametrize("framing", [b"content-length: %d", b"transfer-encoding: chunked", b"a: b"])
def test_answer_too_large_is_given_up(framing: bytes):
    size = RESPONSE_BYTES_MAX + 1
    if b"%d" in framing:
        framing = framing % size

    async def serve(reader: Reader, writer: Writer) -> None:
        await request_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
        while True:
            chunk = b"z" * 32768
            writer.write(b"8000\r\n" + chunk + b"\r\n" if b"chunked" in framing else chunk)
            await writer.drain()

    assert refused(serve).cause == "too_large"


def test_largest_answer_is_taken():
    body = b"z" * RESPONSE_BYTES_MAX
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body)
    assert ask(says(head + body)).body == body


def test_answer_before_the_whole_request_is_heard():
    """413 while a large body is still on its way."""

    async def serve(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too large\r\ncontent-length: 0\r\n\r\n")
        await asyncio.sleep(5)

    assert ask(serve, body=bytes(16 << 20)).status == 413


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_nobody_there_is_refused(host: str):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        client = Client(f"http://{host}:{free.getsockname()[1]}")
        with pytest.raises(UplinkError, match="connection refused") as caught:
            asyncio.run(client.request("GET", "/", None, TIMEOUT_S))
    assert caught.value.cause == "refused"


def test_name_that_nobody_knows_is_named(monkeypatch: pytest.MonkeyPatch):
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    client = Client("https://record.example", Tls())
    with pytest.raises(UplinkError, match=r"record\.example:443: record\.example: Name") as caught:
        asyncio.run(client.request("GET", "/", None, TIMEOUT_S))
    assert caught.value.cause == "name"


def test_connecting_is_bounded(monkeypatch: pytest.MonkeyPatch):
    """A listener with a full backlog drops SYNs."""
    monkeypatch.setattr(http, "CONNECT_S", 0.2)
    with socket.socket() as listener, contextlib.ExitStack() as queue:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = queue.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        client = Client(f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(UplinkError, match="no connection within") as caught:
            asyncio.run(client.request("GET", "/", None, TIMEOUT_S))
    assert caught.value.cause == "timeout"


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://record.example:8443", "this machine only"),
        ("http://10.0.0.1", "this machine only"),
        ("http://127.0.0.1.example", "this machine only"),
        ("http://[::2]", "this machine only"),
        ("http://localhost.example", "this machine only"),
        ("ftp://127.0.0.1", "must be https"),
        ("127.0.0.1:8443", "must be https"),
        ("https://", "must be https"),
        ("https://user:word@record.example", "nothing else"),
        ("https://record.example/?x=1", "nothing else"),
        ("https://record.example:99999", "is no address"),
        ("https://[::1", "is no address"),
        (f"https://{'a' * 64}.example", "is no address"),
        ("https://..", "is no address"),
    ],
)
def test_addresses_that_are_refused(url: str, fault: str):
    with pytest.raises(ConfigError, match=fault):
        Client(url)


@pytest.mark.parametrize("url", ["http://127.9.9.9", "http://[::1]:80/", "http://LOCALHOST:1"])
def test_addresses_of_this_machine(url: str):
    Client(url)


def test_path_that_is_none_is_our_own_mistake():
    with pytest.raises(ValueError, match="GET"):
        asyncio.run(Client("http://127.0.0.1:1").request("GET", "/a b\r\nx: y", None, 1.0))
