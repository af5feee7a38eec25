"""The way through a broker over TLS: whom it believes, whom not, and which addresses are none."""

import asyncio
import os
import re
from pathlib import Path

import pytest
import trustme

from agent.http import Tls
from agent.nats import Client
from evidence.config import ConfigError
from hil.broker import Tls as ServerTls
from hil.broker import single
from tests.agent.server import run as bounded
from tests.agent.server import serving
from tests.agent.test_nats import KID, cause_of, client, play


def papers(folder: Path, ca: trustme.CA, name: str) -> tuple[Path, Path]:
    issued = ca.issue_cert(name)
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(key)
    return certificate, key


def test_tls_with_client_certificates(tmp_path: Path):
    async def what() -> None:
        ca = trustme.CA()
        authority = tmp_path / "ca.pem"
        ca.cert_pem.write_to_path(authority)
        ours = papers(tmp_path, ca, "gateway.example")
        broker = single(
            tmp_path / "b", "", ServerTls(*papers(tmp_path, ca, "127.0.0.1"), authority)
        )
        other = tmp_path / "other.pem"
        trustme.CA().cert_pem.write_to_path(other)
        try:
            await broker.start()
            for tls, cause in (
                (Tls(authority, *ours), "unreachable"),  # it got in: there is no stream
                (Tls(authority), "tls"),
                (Tls(other, *ours), "tls"),
            ):
                asking = client(broker.url, tls=tls)
                fault = await cause_of(asking)
                assert fault.cause in (cause, "reset") if cause == "tls" else cause, fault
                await asking.close()
            name = broker.url.replace("127.0.0.1", "localhost")
            fault = await cause_of(client(name, tls=Tls(authority, *ours)))
            assert fault.cause == "tls" and re.search("mismatch|not valid for", str(fault))
        finally:
            broker.kill()

    play(what)


def test_nothing_is_said_in_the_clear_where_tls_is_due(tmp_path: Path):
    """Whoever sits between may say that no TLS is wanted."""
    heard: list[bytes] = []

    async def what() -> None:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b'INFO {"max_payload": 1000000}\r\n')
            await writer.drain()
            heard.append(await reader.read(1000))

        async with serving(greet) as seen:
            asking = client(f"tls://127.0.0.1:{seen.port}")
            fault = await cause_of(asking)
            assert (fault.cause, "offers none" in str(fault)) == ("tls", True)
            await asking.close()

    bounded(what)
    assert heard == [b""]


@pytest.mark.parametrize(
    ("url", "region", "text"),
    [
        ("nats://192.0.2.1:4222", "west", "this machine only"),
        ("tls://", "west", "must be tls://HOST"),
        ("tls://host:0", "west", "must be tls://HOST"),
        ("tls://host:70000", "west", "no address"),
        ("tls://host/path", "west", "nothing else"),
        ("tls://user:secret@host", "west", "nothing else"),
        ("tls://host,nats://127.0.0.1", "west", "mixes"),
        ("nats://127.0.0.1", "", "record.region"),
        ("nats://127.0.0.1", "We.st", "record.region"),
    ],
)
def test_wrong_addresses_are_refused(url: str, region: str, text: str):
    with pytest.raises(ConfigError, match=text) as caught:
        Client(url, region, KID, os.urandom)
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigError, match="not tls"):
        Client("nats://127.0.0.1", "west", KID, os.urandom, Tls(Path("ca.pem")))
