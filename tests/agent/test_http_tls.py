"""The uplink's TLS against real servers: whom it believes, whom not, and who it says it is."""

import asyncio
import ssl
import subprocess
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from agent.http import Client, Tls
from agent.transport import Answer, UplinkError
from evidence.config import ConfigError
from tests.agent.server import OK, TIMEOUT_S, run, says, serving


@dataclass(frozen=True)
class Papers:
    """Certificates of one authority, as files; and of another, whom nobody knows."""

    ca: trustme.CA
    folder: Path

    def file(self, name: str, *blobs: trustme.Blob) -> Path:
        path = self.folder / name
        path.write_bytes(b"".join(blob.bytes() for blob in blobs))
        return path

    def server(self, host: str, *, clients: trustme.CA | None = None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(host).configure_cert(context)
        if clients is not None:
            clients.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


@pytest.fixture
def papers(tmp_path: Path) -> Papers:
    return Papers(trustme.CA(), tmp_path)


def ask_tls(context: ssl.SSLContext, tls: Tls, host: str = "localhost", times: int = 1) -> Answer:
    async def play() -> Answer:
        async with serving(says(OK), context) as seen:
            client = Client(f"https://{host}:{seen.port}", tls)
            try:
                for _ in range(times):
                    answer = await client.request("POST", "/", b"x", TIMEOUT_S)
                assert seen.connections == 1
                return answer
            finally:
                await client.close()

    return asyncio.run(asyncio.wait_for(play(), 20))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_tls_by_the_right_authority(papers: Papers, host: str):
    ca = papers.file("ca.pem", papers.ca.cert_pem)
    assert ask_tls(papers.server(host), Tls(ca), host, times=3).body == b"hello"


@pytest.mark.parametrize(
    ("served", "believed", "text"),
    [
        ("localhost", "stranger", "unable to get local issuer|self.signed"),
        ("localhost", "system", "unable to get local issuer|self.signed"),
        ("record.example", "right", "Hostname mismatch|not valid for 'localhost'"),
    ],
)
def test_tls_of_the_wrong_one_is_refused(papers: Papers, served: str, believed: str, text: str):
    authority = papers.ca if believed == "right" else trustme.CA()
    ca = None if believed == "system" else papers.file("ca.pem", authority.cert_pem)
    with pytest.raises(UplinkError, match=text) as caught:
        ask_tls(papers.server(served), Tls(ca))
    assert caught.value.cause == "tls"


def test_tls_with_a_certificate_of_our_own(papers: Papers):
    ours = trustme.CA()
    identity = ours.issue_cert("gateway.example")
    ca = papers.file("ca.pem", papers.ca.cert_pem)
    key = papers.file("key.pem", identity.private_key_pem)
    certificate = papers.file("certificate.pem", *identity.cert_chain_pems)
    both = papers.file("both.pem", identity.private_key_and_cert_chain_pem)
    context = papers.server("localhost", clients=ours)
    assert ask_tls(context, Tls(ca, certificate, key)).body == b"hello"
    assert ask_tls(context, Tls(ca, both)).body == b"hello"
    with pytest.raises(UplinkError) as caught:
        ask_tls(context, Tls(ca))
    assert caught.value.cause in ("tls", "reset")


def test_tls_with_a_peer_that_has_none_is_named(papers: Papers):
    async def play() -> None:
        async def serve(reader: Reader, writer: Writer) -> None:
            await reader.read(100)
            writer.write(b"HTTP/1.1 400 Bad\r\n\r\n")
            await writer.drain()

        async with serving(serve) as seen:
            client = Client(f"https://127.0.0.1:{seen.port}")
            with pytest.raises(UplinkError) as caught:
                await client.request("POST", "/", b"x", TIMEOUT_S)
            assert caught.value.cause == "tls"

    run(play)


def test_tls_files_that_are_none_are_named_and_no_password_is_asked_for(
    papers: Papers, program: Callable[[str], Path]
):
    missing, empty = papers.folder / "none.pem", papers.folder / "empty.pem"
    empty.write_bytes(b"nothing\n")
    ca = papers.file("ca.pem", papers.ca.cert_pem)
    cert = papers.file("cert.pem", papers.ca.issue_cert("gateway.example").cert_chain_pems[0])
    locked = papers.folder / "locked.pem"
    openssl = program("openssl")
    subprocess.run(
        [openssl, "genpkey", "-algorithm", "rsa", "-aes128", "-pass", "pass:x", "-out", locked],
        check=True, capture_output=True, timeout=20,
    )  # fmt: skip
    for tls, named in [
        (Tls(missing), missing), (Tls(empty), empty), (Tls(ca, missing), missing),
        (Tls(ca, empty), empty), (Tls(ca, cert, locked), cert), (Tls(ca, cert, ca), cert),
    ]:  # fmt: skip
        with pytest.raises(ConfigError) as caught:
            Client("https://record.example", tls)
        assert str(named) in str(caught.value)


def test_certificates_for_an_address_without_tls_are_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="not https"):
        Client("http://127.0.0.1", Tls(tmp_path / "ca.pem"))
