"""A witness that answers wrongly, over a real socket."""

import asyncio
import http.server
import threading
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import pytest

from evidence.key import Ed25519Key
from evidence.tlog import checkpoint
from evidence.tlog.checkpoint import Checkpoint
from evidence.tlog.note import COSIGNATURE, Verifier
from record.offer import ForkError, Offer, OfferError
from tests.record.test_service import WAIT_S
from tests.record.upstream import LOG

TREE = checkpoint.sign(Checkpoint("log.example", 9, bytes(32)), LOG)
HOSTILE = Ed25519Key(b"h" * 32)


class Hostile(http.server.BaseHTTPRequestHandler):
    """Answers as it is told: status, media type, body."""

    answer: tuple[int, str, bytes] = (200, "", b"")
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, kind, body = self.answer
        self.send_response(status)
        self.send_header("Content-Type", kind or "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def hostile() -> Iterator[Callable[[int, str, bytes], str]]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()

    def answering(status: int, kind: str, body: bytes) -> str:
        Hostile.answer = (status, kind, body)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield answering
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "kind", "body", "fault", "words"),
    [
        (200, "", b"", OfferError, "no cosignature"),
        (200, "", b"\xff\xfe", OfferError, "not UTF-8"),
        (200, "", b"no line\n", OfferError, "no signature line"),
        (200, "", "\u2014 w.example AAAAAAAA\n".encode(), OfferError, "without a line of w"),
        (200, "", b"x" * 100_000, OfferError, "over 16384 bytes"),
        (500, "", b"out of\norder", OfferError, "answered 500: out of order"),
        (302, "", b"", OfferError, "answered 302"),
        (404, "", b"unknown", OfferError, "answered 404"),
        (409, "text/x.tlog.size", b"12\n", ForkError, "has seen 12 entries of this log"),
        (409, "text/x.tlog.size", b"-1\n", OfferError, "without a size"),
        (409, "text/x.tlog.size", b"9" * 40 + b"\n", OfferError, "without a size"),
        (409, "text/x.tlog.size", b"3\n", ForkError, "answered 409"),  # and again, and again
        (409, "text/plain", b"another root\n", ForkError, "answered 409: another root"),
        (422, "", b"proof\n", ForkError, "answered 422"),
    ],
)
def test_a_witness_that_answers_wrongly_cosigns_nothing(
    hostile: Any, status: int, kind: str, body: bytes, fault: type[OfferError], words: str
):
    async def proof_of(old: int, size: int) -> tuple[bytes, ...]:
        return ()

    async def offered() -> None:
        key = Verifier("w.example", COSIGNATURE, HOSTILE.public)
        async with aiohttp.ClientSession() as session:
            offer = Offer(hostile(status, kind, body), key, proof_of)
            await asyncio.wait_for(offer.cosigned(session, 9, TREE), WAIT_S)

    with pytest.raises(OfferError, match=words) as caught:
        asyncio.run(offered())
    assert type(caught.value) is fault
    assert "\n" not in str(caught.value)
