"""Faults between a broker and the record: workers that die, brokers that go, another record."""

import asyncio
import os
import shutil
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import nats
import pytest
import trustme
from nats.js import api

from drivers.c37118.wire import Layout
from evidence import queue
from evidence.config import ConfigError
from hil.broker import Tls, program_of, single
from record import config
from record.broker import IN_HAND_MAX
from record.store import open_reader
from tests.record.asker import (
    REGION,
    WAIT_S,
    Behind,
    Record,
    asking,
    batches,
    children,
    gateway_now,
    placed,
    stopped,
    until,
    until_asleep,
    write_record,
)
from tests.record.gateway import id_of

MANY = 120  # more than workers have in hand


def receipts(place: Behind) -> dict[bytes, bytes]:
    store = open_reader(place.record.store, live=True)
    try:
        return {entry.subject: entry.receipt for entry in store.entries()}
    finally:
        store.close()


async def until_full(place: Behind, workers: int) -> None:
    """Waits until so many workers have as much in hand that none asks for more."""
    js, stream = place.asker.library.jetstream(), queue.stream(REGION)
    (consumer,) = await js.consumers_info(stream)
    async with asyncio.timeout(WAIT_S):
        while (consumer.num_ack_pending or 0) < workers * (IN_HAND_MAX // 2 + 1):
            await asyncio.sleep(0.02)
            consumer = await js.consumer_info(stream, consumer.name)


def test_committed_and_dead_before_it_answered(tmp_path: Path, cfg: bytes, layout: Layout):
    """Whoever asks again, and what comes again by itself, get the receipt that was given."""

    async def play() -> None:
        async with placed(tmp_path, workers=2) as place:
            asker = place.asker
            run = await asker.begin(cfg, gateway_now())
            sequencer = place.record.children[0].pid
            workers = children(sequencer)
            assert len(workers) == 2
            many = batches(run, layout, MANY)
            with ExitStack() as still:
                with stopped(sequencer):  # what is handed over waits at its door
                    names = [await asker.put_batch(batch) for batch in many]
                    await until_full(place, len(workers))
                    await until_asleep(*workers)
                    still.enter_context(stopped(*workers))
                # What was handed over is committed; nobody is told.
                await until(lambda: len(receipts(place)) > 3)
                for pid in workers:
                    os.kill(pid, signal.SIGKILL)
            await asker.library.flush()
            committed = receipts(place)
            silent = [
                (name, batch)
                for name, batch in zip(names, many, strict=True)
                if id_of(batch) in committed and name not in asker.told
            ]
            assert silent, "everything that was committed was answered"
            for _, batch in silent:  # as a gateway does it, for want of a receipt
                told = await asker.push(batch)
                assert told.body[0] == committed[id_of(batch)]
            await until(lambda: all(name in asker.told for name in names), 30)
            for name, batch in silent:
                assert asker.told[name][0].body[0] == committed[id_of(batch)]
            assert len(receipts(place)) == MANY + 3
            said = place.record.children[0].said()
            assert "worker 0 ended with -9" in said and "worker 1 ended with -9" in said
            assert await place.record.children[0].end(WAIT_S) == 0
            assert place.record.verified()

    asyncio.run(asyncio.wait_for(play(), 58))


def test_dead_record_leaves_no_workers(tmp_path: Path):
    async def play() -> None:
        async with placed(tmp_path, workers=2) as place:
            workers = children(place.record.children[0].pid)
            os.kill(place.record.children[0].pid, signal.SIGKILL)
            await until(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() for pid in workers))

    asyncio.run(asyncio.wait_for(play(), 50))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_broker_that_goes_and_comes(tmp_path: Path, cfg: bytes, layout: Layout, how: int):
    """A broker that stands still is given up, too: a worker lives as long as its line."""

    async def play() -> None:
        async with placed(tmp_path) as place:
            run = await place.asker.begin(cfg, gateway_now())
            many = batches(run, layout, 2)
            assert (await place.asker.push(many[0])).status == 200
            await place.asker.library.close()
            record = place.record.children[0]
            os.kill(program_of(place.broker).pid, how)
            await until(lambda: "worker 0 ended" in record.said(), 30)
            place.broker.kill()
            await place.broker.start()
            await until(lambda: record.said().count("pulls requests") == 2, 40)
            async with asking(place.broker.url) as again:
                assert (await again.push(many[1])).status == 200
            assert await record.end(WAIT_S) == 0

    asyncio.run(asyncio.wait_for(play(), 58))


def test_record_waits_for_its_broker(tmp_path: Path, cfg: bytes):
    """Over HTTP it answers meanwhile."""

    async def play() -> None:
        broker = single(tmp_path / "broker")
        (tmp_path / "record").mkdir()
        text = "processes = 1"
        record = Record(write_record(tmp_path / "record", broker.url, text), tmp_path)
        try:
            child = await record.start(0)
            await until(lambda: "worker 0 ended" in child.said())
            await broker.start()
            await until(lambda: "pulls requests" in child.said())
            async with asking(broker.url) as asker:
                await asker.begin(cfg, gateway_now())
            assert await child.end(WAIT_S) == 0
        finally:
            record.kill()
            broker.kill()

    asyncio.run(asyncio.wait_for(play(), 50))


def test_another_record_at_the_same_stream_is_refused(tmp_path: Path):
    async def play() -> None:
        async with placed(tmp_path) as place:
            other = tmp_path / "other"
            other.mkdir()
            file = write_record(other, place.broker.url, "processes = 1", seed=b"another log")
            second = Record(file, other)
            try:
                child = await second.start(0)
                await until(lambda: "worker 0 ended" in child.said())
                assert "multiple non-filtered consumers" in child.said()
                assert "pulls requests" not in child.said()
            finally:
                second.kill()

    asyncio.run(asyncio.wait_for(play(), 50))


def test_stream_of_another_kind_is_not_used(tmp_path: Path):
    """One that drops the oldest, say, or keeps all for ever."""

    async def play() -> None:
        broker = single(tmp_path / "broker")
        (tmp_path / "record").mkdir()
        record = Record(write_record(tmp_path / "record", broker.url, "processes = 1"), tmp_path)
        try:
            await broker.start()
            library = await nats.connect(broker.url)
            made = api.StreamConfig(name=queue.stream(REGION), subjects=[queue.asks(REGION)])
            await library.jetstream().add_stream(made)
            await library.close()
            child = await record.start(0)
            await until(lambda: "has retention limits, not workqueue" in child.said())
        finally:
            record.kill()
            broker.kill()

    asyncio.run(asyncio.wait_for(play(), 50))


def papers(folder: Path, ca: trustme.CA, name: str) -> tuple[Path, Path]:
    issued = ca.issue_cert(name)
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    return certificate, key


def test_tls_with_client_certificates(tmp_path: Path):
    async def play() -> None:
        ca, folder = trustme.CA(), tmp_path / "record"
        folder.mkdir()
        ca.cert_pem.write_to_path(folder / "ca.pem")
        trustme.CA().cert_pem.write_to_path(folder / "other.pem")
        tls = Tls(*papers(tmp_path, ca, "127.0.0.1"), folder / "ca.pem")
        papers(folder, ca, "record.example")
        broker = single(tmp_path / "broker", "", tls)
        names = 'certificate = "record.example.pem"\nkey = "record.example.key"\nprocesses = 1\n'
        file = write_record(folder, broker.url, f'ca = "ca.pem"\n{names}')
        record = Record(file, tmp_path)
        try:
            await broker.start()
            child = await record.start()
            assert await child.end(WAIT_S) == 0
            for text, said in (
                (f'ca = "other.pem"\n{names}', "certificate verify failed"),
                ('ca = "ca.pem"\nprocesses = 1\n', ""),  # the broker wants one, and hangs up
            ):
                shutil.rmtree(folder.parent / "again", ignore_errors=True)
                (folder.parent / "again").mkdir()
                other = write_record(folder.parent / "again", broker.url, text)
                for path in folder.glob("*.pem"):
                    shutil.copy(path, other.parent)
                shutil.copy(folder / "record.example.key", other.parent)
                wrong = Record(other, other.parent)
                refused = await wrong.start(0)
                await until(lambda child=refused: "worker 0 ended" in child.said())
                assert said in refused.said()
                assert "pulls requests" not in refused.said()
                wrong.kill()
        finally:
            record.kill()
            broker.kill()

    asyncio.run(asyncio.wait_for(play(), 50))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('url = "nats://192.0.2.7"\nregion = "west"', "not loopback"),
        ('url = "https://127.0.0.1"\nregion = "west"', "expected tls://HOST"),
        ('url = "tls://a,nats://127.0.0.1"\nregion = "west"', "mixes"),
        ('url = "tls://user:word@a"\nregion = "west"', "nothing else"),
        ('url = "tls://a:70000"\nregion = "west"', "nats.url"),
        ('url = "tls://a"\nregion = "We.st"', "nats.region"),
        ('url = "tls://a"\nregion = "west"\nprocesses = 0', "processes"),
        ('url = "tls://a"\nregion = "west"\nreplicas = 2', "replicas"),
        ('url = "tls://a"\nregion = "west"\ndomain = "a.b"', "nats.domain"),
        ('url = "nats://127.0.0.1"\nregion = "west"\nca = "ca.pem"', "not tls"),
        ('url = "tls://a"\nregion = "west"\nreplica = 3', "did you mean 'replicas'"),
    ],
)
def test_wrong_tables_are_refused(tmp_path: Path, table: str, words: str):
    file = write_record(tmp_path, "nats://127.0.0.1")
    text: Any = file.read_text().partition("[nats]")[0]
    file.write_text(f"{text}[nats]\n{table}\n")
    with pytest.raises(ConfigError, match=words):
        config.read_record(file)
