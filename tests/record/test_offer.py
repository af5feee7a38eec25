"""A witness that answers wrongly, over a real socket."""

import asyncio
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from evidence.config import ConfigError
from evidence.key import Ed25519Key
from evidence.tlog import checkpoint, note
from evidence.tlog.checkpoint import Checkpoint
from evidence.tlog.note import COSIGNATURE, Verifier
from evidence.trust import Anchors
from record import publishing
from record.config import TlsFiles
from record.offer import ForkError, Offer, OfferError
from record.publishing import LogTable, Publishing, WitnessTable
from record.witness import config, state
from record.witness.door import Door, start
from record.witness.witness import Cosigner, Witness
from tests.record.test_service import WAIT_S
from tests.record.upstream import LOG
from tests.record.witness.watched import HONEST, KEY, LOGS_KEY, NAME, NOW, ORIGIN

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


def test_a_witness_is_believed_by_the_authority_that_the_record_names(tmp_path: Path):
    """Its certificate is of an authority of its own. Another's, or none, is no answer."""
    for name in ("ours", "other"):
        one = trustme.CA()
        one.cert_pem.write_to_path(tmp_path / f"{name}.pem")
        if name == "ours":
            one.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
                tmp_path / "door.pem"
            )
    (tmp_path / "none.pem").write_text("none")
    key = Verifier(NAME, COSIGNATURE, KEY.public)

    def told(url: str, ca: str) -> Publishing:
        rows = [WitnessTable(url, key.vkey(), ca)]
        anchors = Anchors(LOG.public, {}, "log.example")
        return publishing.checked(LogTable(), rows, anchors, "record.toml", tmp_path)

    async def proof(old: int, size: int) -> tuple[bytes, ...]:
        return HONEST.proof(old, size)

    async def offered() -> None:
        path = tmp_path / "witness.db"
        state.make(path, KEY.public.raw, NAME)
        kept = state.open_state(path, KEY.public.raw, NAME)
        by = Cosigner(NAME, KEY, kept, lambda: NOW)
        door = Door(Witness(by, {ORIGIN: [LOGS_KEY]}).add_checkpoint)
        tls = TlsFiles(tmp_path / "door.pem", tmp_path / "door.pem", None)
        runner, url = await start(door.app(), config.Door("127.0.0.1", 0, tls))
        try:
            async with aiohttp.ClientSession() as session:
                signed = note.read(HONEST.note(5))
                for ca in ("", "other.pem"):
                    trust = told(url, ca).trusts.get(NAME, True)
                    with pytest.raises(OfferError, match="CERTIFICATE_VERIFY_FAILED"):
                        await Offer(url, key, proof, None, trust).cosigned(session, 5, signed)
                trust = told(url, "ours.pem").trusts[NAME]
                assert await Offer(url, key, proof, None, trust).cosigned(session, 5, signed)
        finally:
            await runner.cleanup()
            door.close()
            kept.close()

    asyncio.run(asyncio.wait_for(offered(), WAIT_S))
    for ca, url in (("none.pem", "https://w"), ("away.pem", "https://w"), ("ours.pem", "http://w")):
        with pytest.raises(ConfigError, match=r"witness\[0\].ca"):
            told(url, ca)
