"""The record over real sockets: HTTP, TLS, the program itself, and what it is told by its files."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from drivers.c37118.wire import Layout
from evidence import cbor, checkpoint, cose, heads, merkle, receipt
from evidence.anchor import Authorities
from evidence.code import Reason, Typ
from evidence.heads import Heads, StreamHead
from record import service
from record.cli import main
from record.config import TlsFiles
from record.database import Place
from record.desk import Desk
from record.known import alone
from record.store import Store, StoreError, open_reader
from tests.record.gateway import START, Gateway, GatewayRun, Statement, frame, id_of
from tests.record.upstream import AUTHORITIES, AUTHORITY, BOTH, LOG, NOW, STRANGER

pytestmark = BOTH
WAIT_S = 20


class Client:
    """What a gateway asks, and what it is answered: (status, decoded body or text)."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session, self.url = session, url

    async def post(self, path: str, body: bytes) -> tuple[int, Any]:
        async with self.session.post(self.url + path, data=body) as answer:
            return answer.status, await self._read(answer)

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.session.get(self.url + path) as answer:
            return answer.status, await self._read(answer)

    async def _read(self, answer: aiohttp.ClientResponse) -> Any:
        body = await answer.read()
        if answer.content_type != "application/cbor":
            return body.decode()
        return body if answer.status == 422 else cbor.decode(body)

    async def send(self, statement: Statement, size: int = 0) -> tuple[int, Any]:
        pairs = [list(pair) for pair in statement.pairs]
        return await self.post(
            f"/v1/statement?size={size}", cbor.encode([statement.encoded, pairs])
        )

    async def push(self, batch: bytes, size: int = 0) -> tuple[int, Any]:
        return await self.post(f"/v1/batch/{id_of(batch).hex()}?size={size}", batch)


@contextlib.asynccontextmanager
async def served(
    place: Place,
    tls: TlsFiles | None = None,
    trust: ssl.SSLContext | None = None,
    authorities: Authorities = AUTHORITIES,
) -> AsyncIterator[Client]:
    """A record on a free port, and a client of it."""
    desk = Desk(place, LOG, authorities, lambda: NOW, lambda: 1.0)
    await desk.open()
    runner, url = await service.start(desk, "127.0.0.1", 0, tls)
    timeout = aiohttp.ClientTimeout(total=WAIT_S)
    connector = aiohttp.TCPConnector(ssl=trust) if trust else None
    try:
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            yield Client(session, url)
    finally:
        await runner.cleanup()
        await desk.close()


def over_http(
    place: Place, what: Callable[[Client], Awaitable[None]], authorities: Authorities = AUTHORITIES
) -> None:
    async def run() -> None:
        async with served(place, authorities=authorities) as client:
            await what(client)

    asyncio.run(asyncio.wait_for(run(), WAIT_S))


def believed(answer: Any, encoded: bytes, subject: bytes) -> receipt.Receipt:
    """The receipt in an answer, checked as a gateway would."""
    message = cose.read_statement(answer[0], Typ.RECEIPT)
    cose.check(message, LOG.public)
    found = receipt.read(message.payload)
    found.check(encoded, subject)
    return found


async def begin(client: Client, cfg: bytes) -> tuple[Gateway, GatewayRun]:
    gateway = Gateway("gw-1", AUTHORITY)
    run = gateway.start()
    for statement in (gateway.statement, run.statement, run.describe(1, cfg)):
        status, _ = await client.send(statement)
        assert status == 200
    return gateway, run


def test_from_first_batch_to_receipt(place: Place, cfg: bytes, layout: Layout):
    """As a gateway does it: offer, be told what is missing, send that, offer again, believe."""

    async def what(client: Client) -> None:
        gateway = Gateway("gw-1", AUTHORITY)
        run = gateway.start()
        known = {s.name: s for s in (gateway.statement, run.statement, run.describe(1, cfg))}
        kept_size, kept_root = 0, merkle.EMPTY_ROOT
        for number in range(3):
            run.observe(1, frame(layout, number))
            batch = run.cut()
            status, answer = await client.push(batch, kept_size)
            for _ in range(9):
                if status != 409:
                    break
                for _, name in answer:
                    status, answer = await client.send(known[name])
                    if status == 409:
                        break
                else:
                    status, answer = await client.push(batch, kept_size)
            assert status == 200
            encoded = cose.read_at(batch, 0)[0].encoded
            found = believed(answer, encoded, id_of(batch))
            merkle.check_consistency(kept_size, kept_root, found.size, found.root, answer[1])
            kept_size, kept_root = found.size, found.root
            assert await client.push(batch) == (200, (answer[0], ()))
            again = await client.get(f"/v1/receipt/{id_of(batch).hex()}?size={kept_size}")
            assert again == (200, (answer[0], ()))
        await check_views(client, gateway, run, kept_size)

    over_http(place, what)


async def heads_of(client: Client, kid: str) -> Heads:
    """What the record says it has of a device, checked as a gateway would."""
    async with client.session.get(f"{client.url}/v1/device/{kid}/heads") as answer:
        assert answer.status == 200
        message = cose.read_statement(await answer.read(), Typ.HEADS)
    cose.check(message, LOG.public)
    return heads.read(message.payload)


async def check_views(client: Client, gateway: Gateway, run: GatewayRun, size: int) -> None:
    kid = gateway.device.public.kid.hex()
    line = run.lines[1]
    told = await heads_of(client, kid)
    assert told == Heads(gateway.device.public.kid, size, NOW, told.heads)
    assert told.heads == (StreamHead(1, run.name, line.seq - 1, line.prev, START),)
    assert (await heads_of(client, bytes(8).hex())).heads == ()
    status, (found, root, signed, proof) = await client.get("/v1/checkpoint?size=2")
    assert (status, found) == (200, size)
    message = cose.read_statement(signed, Typ.CHECKPOINT)
    cose.check(message, LOG.public)
    assert checkpoint.read(message.payload) == checkpoint.Checkpoint(size, root, NOW)
    assert len(proof) > 0


def test_empty_log_has_a_checkpoint(place: Place):
    async def what(client: Client) -> None:
        answer = await client.get("/v1/checkpoint?size=0")
        assert answer == (200, (0, merkle.EMPTY_ROOT, None, ()))

    over_http(place, what)


def test_refusals_are_signed_and_kept(
    place: Place, cfg: bytes, layout: Layout, capsys: pytest.CaptureFixture[str]
):
    async def what(client: Client) -> None:
        _, run = await begin(client, cfg)
        run.observe(1, frame(layout, 0))
        bad = bytearray(run.cut())
        batch_id = id_of(bytes(bad))
        bad[-1] ^= 1
        for _ in range(2):
            status, answer = await client.post(f"/v1/batch/{batch_id.hex()}?size=0", bytes(bad))
            message = cose.read_statement(answer, Typ.REFUSAL)
            cose.check(message, LOG.public)
            refusal = receipt.read_refusal(message.payload)
            assert (status, refusal.subject, refusal.reason) == (422, batch_id, Reason.RANGE)
        stranger = Gateway("gw-2", STRANGER).statement
        status, answer = await client.send(stranger)
        refusal = receipt.read_refusal(cose.read(answer).payload)
        assert status == 422
        assert refusal.subject == stranger.subject
        assert refusal.reason == Reason.UNKNOWN_AUTHORITY

    over_http(place, what)
    assert main(["show", "--json", str(place)]) == 0
    assert '"refusals": {"range": 1, "unknown_authority": 1}' in capsys.readouterr().out


def test_bare_statement_leaves_nothing_behind(
    place: Place, cfg: bytes, capsys: pytest.CaptureFixture[str]
):
    async def what(client: Client) -> None:
        _, run = await begin(client, cfg)
        whole = run.describe(2, cfg)
        status, answer = await client.send(Statement(whole.encoded))
        refusal = receipt.read_refusal(cose.read(answer).payload)
        assert (status, refusal.reason) == (422, Reason.SHAPE)
        assert (await client.get("/v1/checkpoint"))[1][0] == 3
        assert (await client.send(whole))[0] == 200

    over_http(place, what)
    assert main(["show", "--json", str(place)]) == 0
    assert '"exhibits": 0' in capsys.readouterr().out


def test_head_that_is_in_the_log_gets_its_receipt_whatever_follows(
    place: Place, cfg: bytes, layout: Layout
):
    async def what(client: Client) -> None:
        _, run = await begin(client, cfg)
        run.observe(1, frame(layout, 0))
        batch = run.cut()
        status, answer = await client.push(batch)
        assert status == 200
        only = cose.read_at(batch, 0)[0].encoded
        for again in (batch, only, only + b"garbage", batch[:-1]):
            assert await client.push(again) == (200, (answer[0], ()))

    over_http(place, what)


def test_exhibit_counts_against_who_signed_all_of_it(place: Place, cfg: bytes, layout: Layout):
    """Anyone can put another body behind a head that was seen."""

    async def what(client: Client) -> None:
        gateway, run = await begin(client, cfg)
        run.observe(1, frame(layout, 0))
        good = run.cut()
        assert (await client.push(good + b"garbage"))[0] == 422
        assert (await client.push(good[:-1] + bytes((good[-1] ^ 1,))))[0] == 422
        run.observe(1, frame(layout, 1), prev=bytes(32))
        wrong = run.cut()
        assert (await client.push(wrong))[0] == 422
        assert (await client.push(good))[0] == 200
        store = open_reader(place, live=True)
        found = [(row.device, row.content == wrong) for row in store.exhibits()]
        store.close()
        whose = alone(gateway.credential)
        assert sorted(found) == sorted([(b"", False), (b"", False), (whose, True)])

    over_http(place, what)


def test_what_is_kept_of_refusals_is_bounded(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("record.exhibit.EXHIBITS_MAX", 3)

    async def what(client: Client) -> None:
        for number in range(6):
            status, _ = await client.send(Statement(b"garbage %d" % number))
            assert status == 422

    over_http(place, what)
    assert main(["show", "--json", str(place)]) == 0
    assert '"exhibits": 3' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/statement", b"", 400),
        ("/v1/statement", b"\x81\x40", 400),
        ("/v1/statement", cbor.encode([b"", "none"]), 400),
        ("/v1/statement", cbor.encode([b"", []]), 422),
        ("/v1/batch/12", b"", 400),
        (f"/v1/batch/{'zz' * 32}", b"", 400),
        (f"/v1/batch/{'00' * 32}", b"", 400),
        (f"/v1/batch/{'00' * 32}", b"garbage", 400),
        (f"/v1/batch/{'00' * 32}", cose.sign(Typ.HEAD, b"\x80", STRANGER), 400),
        (f"/v1/batch/{'00' * 32}", cose.sign(Typ.RUN, b"\x80", STRANGER), 400),
        (f"/v1/batch/{'00' * 32}?size=-1", b"", 400),
        (f"/v1/batch/{'00' * 32}?size=1", b"", 400),  # a tree that this log never had
        (f"/v1/batch/{'00' * 32}?size={'9' * 30}", b"", 400),
        ("/v1/nothing", b"", 404),
    ],
)
def test_nonsense_gets_an_answer(place: Place, path: str, body: bytes, status: int):
    async def what(client: Client) -> None:
        found, _ = await client.post(path, body)
        assert found == status

    over_http(place, what)


def test_unknown_receipt_is_not_found(place: Place):
    async def what(client: Client) -> None:
        assert (await client.get(f"/v1/receipt/{'00' * 32}"))[0] == 404

    over_http(place, what)


def test_bodies_are_bounded(place: Place, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(service, "BODY_BYTES_MAX", 1000)

    async def what(client: Client) -> None:
        assert (await client.post(f"/v1/batch/{'00' * 32}", bytes(1001)))[0] == 413

    over_http(place, what)


def test_too_much_at_once_is_later(place: Place, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("record.desk.WAITING_MAX", 0)

    async def what(client: Client) -> None:
        assert (await client.post(f"/v1/batch/{'00' * 32}", b""))[0] == 503

    over_http(place, what)


def test_disk_that_takes_nothing_is_later(
    place: Place, cfg: bytes, layout: Layout, monkeypatch: pytest.MonkeyPatch
):
    async def what(client: Client) -> None:
        _, run = await begin(client, cfg)
        run.observe(1, frame(layout, 0))
        batch = run.cut()

        def full(_: Store) -> None:
            raise StoreError("the disk is full")

        with monkeypatch.context() as patched:
            patched.setattr(Store, "commit", full)
            assert (await client.push(batch))[0] == 503
        assert (await client.push(batch))[0] == 200

    over_http(place, what)


def test_many_at_once_share_commits(place: Place, cfg: bytes, layout: Layout):
    async def what(client: Client) -> None:
        _, run = await begin(client, cfg)
        batches = []
        for number in range(40):
            run.observe(1, frame(layout, number))
            batches.append(run.cut())
        answers = await asyncio.gather(*(client.push(batch) for batch in batches))
        assert {status for status, _ in answers} == {200}
        found = [
            believed(answer, cose.read_at(batch, 0)[0].encoded, id_of(batch))
            for (_, answer), batch in zip(answers, batches, strict=True)
        ]
        assert len({item.index for item in found}) == 40
        assert len({item.size for item in found}) < 40

    over_http(place, what)


def tls_files(folder: Path, ca: trustme.CA) -> TlsFiles:
    server = ca.issue_cert("127.0.0.1")
    server.private_key_pem.write_to_path(folder / "tls.key")
    server.cert_chain_pems[0].write_to_path(folder / "tls.crt")
    ca.cert_pem.write_to_path(folder / "ca.crt")
    return TlsFiles(folder / "tls.crt", folder / "tls.key", folder / "ca.crt")


def test_tls_with_client_certificates(tmp_path: Path, place: Place, cfg: bytes):
    ca, stranger = trustme.CA(), trustme.CA()
    files = tls_files(tmp_path, ca)
    trust = ssl.create_default_context()
    ca.configure_trust(trust)

    async def run() -> None:
        async with served(place, files, trust) as client:
            assert client.url.startswith("https://127.0.0.1:")
            with pytest.raises(aiohttp.ClientError):
                await client.get("/v1/checkpoint")
            stranger.issue_cert("gw").configure_cert(trust)
            with pytest.raises(aiohttp.ClientError):
                await client.get("/v1/checkpoint")
            ca.issue_cert("gw-1").configure_cert(trust)
            await begin(client, cfg)
            status, answer = await client.get("/v1/checkpoint")
            assert (status, answer[0]) == (200, 3)

    asyncio.run(asyncio.wait_for(run(), WAIT_S))
