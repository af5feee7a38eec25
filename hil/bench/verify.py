"""How checking batches scales over processes; with --broker, the whole way beside it.

1. Alone: each process does what a worker of the record does between pulling and acknowledging:
   looks the id up, checks the batch (strict reading, links, leaves, root, the head's signature,
   classes), and hands it with its verdict to the sequencer's process, which takes it apart again
   as it would before it appends. Nothing is appended, and there is no broker.
2. Processes run before they are counted, over a stretch of time in which all of them work; one and
   two take turns, and the middle of the turns is told. The sequencer's process runs beside them in
   both, so two cores have three processes to carry in the second.
3. With a broker: nats-server, the record with its database and two workers, and whoever publishes,
   all on the same cores, until every batch is answered after its commit; once over an SQLite file,
   once over PostgreSQL where that is there. The bare client's rate is that of 64 KiB messages into
   a stream of one replica, acknowledged, BARE_IN_FLIGHT at a time.
"""

import asyncio
import contextlib
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from drivers.keystore import file as keyfile
from evidence import cbor, shape
from evidence.anchor import Authority
from evidence.key import Ed25519Key
from hil import postgresql
from hil.bench import BenchError
from hil.bench.admit import LOG_SEED, open_record
from hil.bench.sealed import Site, batches, id_of, seal
from hil.broker import Server, single
from hil.child import Child, ChildError
from record import config, verdict
from record.known import Known
from record.pipe import Checked, Pipe, PipeError
from record.store import open_reader
from record.worker import Checker

STORE = "record.db"
BATCH = 600  # observations, as a backlog is cut
TURNS, TURN_S = 5, 1.0  # at most; each of so many seconds at least: starting one takes as long
READY_S = 60.0  # two interpreters that start on a machine that does other work
WARM = 8  # batches of each process before it is counted: readers have learned their layouts
BARE_BYTES, BARE_IN_FLIGHT = 64 * 1024, 16
BARE_S = 2.0
BROKER_OBSERVATIONS = 120_000
IN_FLIGHT = 32  # batches: what 8 gateways have under way
ANSWERED_S = 120.0


def measure(seconds: float = 12.0, broker: bool = False) -> dict[str, Any]:
    """The figures of `gridseal-hil bench verify`."""
    with tempfile.TemporaryDirectory(prefix="gridseal-bench-") as name:
        folder = Path(name)
        site = seal()
        _write(folder, site, batches(site, BATCH))
        rates: dict[int, list[float]] = {1: [], 2: []}
        shares: dict[int, list[float]] = {1: [], 2: []}
        turns = min(max(int(seconds / TURN_S), 1), TURNS)
        for _ in range(turns):
            for processes in rates:
                rate, share = asyncio.run(_alone(folder, processes, seconds / turns / 2))
                rates[processes].append(rate)
                shares[processes].append(share)
    one, two = (round(statistics.median(rates[processes])) for processes in (1, 2))
    figures: dict[str, Any] = {
        "ratio": round(two / one, 2),
        "one_per_s": one,
        "two_per_s": two,
        "turns": {str(many): [round(rate) for rate in found] for many, found in rates.items()},
        "sequencer_share": {
            str(many): round(statistics.median(found), 2) for many, found in shares.items()
        },
        "batch": BATCH,
    }
    if broker:
        try:
            figures["broker"] = _behind_broker()
        except BenchError as fault:
            figures |= {"broker": None, "reasons": [str(fault)]}
    return figures


# --- alone ----------------------------------------------------------------------------------------


def _write(folder: Path, site: Site, cut: Sequence[bytes]) -> None:
    """A record that knows the gateway, its configuration, and the batches in a file."""
    store, _, _ = open_record(folder / STORE, site, False)
    store.close()
    _configure(folder, site, STORE, "")
    (folder / "batches").write_bytes(cbor.encode(list(cut)))


def _configure(folder: Path, site: Site, store: str, more: str) -> None:
    log = Ed25519Key(LOG_SEED)
    keyfile.create(folder / "log.key", lambda _: LOG_SEED)
    authority = Authority("bench", site.authority.public)
    (folder / "anchors.toml").write_text(
        f'[log]\nname = "bench"\nkey = "{log.public.raw.hex()}"\n'
        f'[[authority]]\nname = "{authority.name}"\nkey = "{authority.key.raw.hex()}"\n'
    )
    text = f'[record]\nlisten = "127.0.0.1:0"\nstore = "{store}"\n{more}'
    (folder / "record.toml").write_text(text)


async def _alone(folder: Path, processes: int, seconds: float) -> tuple[float, float]:
    """Observations a second, and how much of a core the sequencer's process took."""
    pipes, children = [], []
    try:
        for number in range(processes):
            ours, theirs = socket.socketpair()
            log = folder / f"{processes}-{number}.log"
            with theirs:
                os.set_inheritable(theirs.fileno(), True)
                child = await asyncio.create_subprocess_exec(
                    sys.executable, "-P", "-m", "hil.bench.verify", str(folder),
                    stdin=theirs.fileno(), stdout=asyncio.subprocess.DEVNULL,
                    stderr=log.open("wb"),
                )  # fmt: skip
            children.append(child)
            pipes.append(await Pipe.over(ours))
        return await _counted(folder, pipes, seconds)
    except (PipeError, TimeoutError) as fault:
        why = str(fault) or f"no {WARM} batches within {READY_S:g} s"
        raise BenchError(f"a process of {processes} did not work: {why}") from fault
    finally:
        for pipe in pipes:
            pipe.close()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()


async def _counted(folder: Path, pipes: Sequence[Pipe], seconds: float) -> tuple[float, float]:
    counts = [0] * len(pipes)
    warm = [0] * len(pipes)
    store = open_reader(folder / STORE, live=True)
    known = Known(store)

    async def take(at: int) -> None:
        while True:
            _, what = await pipes[at].told()
            if not isinstance(what, Checked):
                raise PipeError("a batch was not found good")
            found = verdict.rebuilt(known, what.body, what.batch_id, what.verdict)
            counts[at] += found.head.count
            warm[at] += 1

    tasks = [asyncio.create_task(take(at)) for at in range(len(pipes))]
    try:
        async with asyncio.timeout(READY_S):
            while min(warm) < WARM:
                await asyncio.sleep(0.01)
                _check(tasks)
        before, at, spent = sum(counts), time.perf_counter(), time.process_time()
        await asyncio.sleep(seconds)
        _check(tasks)
        passed = time.perf_counter() - at
        return (sum(counts) - before) / passed, (time.process_time() - spent) / passed
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        store.close()


def _check(tasks: Sequence["asyncio.Task[None]"]) -> None:
    for task in tasks:
        if task.done():
            task.result()


async def _work(folder: Path) -> None:
    """What a process does until nobody reads any more."""
    pipe = await Pipe.over(socket.socket(fileno=sys.stdin.fileno()))
    found = config.read_record(folder / "record.toml")
    checker = Checker(open_reader(found.store, live=True), found)
    cut = [shape.blob(one, "batch") for one in cbor.decode((folder / "batches").read_bytes())]
    targets = [f"/v1/batch/{id_of(one).hex()}?size=0" for one in cut]
    number = 0
    with contextlib.suppress(PipeError):
        while True:
            for one, target in zip(cut, targets, strict=True):
                number += 1
                await pipe.tell(number, checker.question("POST", target, one))


# --- behind a broker ------------------------------------------------------------------------------


def _behind_broker() -> dict[str, Any]:
    site = seal(BROKER_OBSERVATIONS)
    cut = batches(site, BATCH)
    with (
        tempfile.TemporaryDirectory(prefix="gridseal-bench-") as name,
        contextlib.ExitStack() as on,
    ):
        folder = Path(name)
        places: dict[str, str | None] = {"sqlite": None, "postgresql": None}
        try:
            places["sqlite"] = str(folder / "sqlite" / STORE)
            if (postgresql.PROGRAMS / "postgres").exists():
                database = on.enter_context(postgresql.server())
                places["postgresql"] = database.create_database("bench")
            return asyncio.run(_whole(folder, site, cut, places))
        except (ChildError, TimeoutError, OSError, postgresql.ServerError) as fault:
            why = str(fault) or f"no answer within {ANSWERED_S:g} s"
            raise BenchError(f"with a broker: {why}") from fault


async def _whole(
    folder: Path, site: Site, cut: Sequence[bytes], places: dict[str, str | None]
) -> dict[str, Any]:
    """Each database in turn behind one broker; None where a database is not there."""
    figures: dict[str, Any] = {}
    server = single(folder / "broker")
    try:
        await server.start()
        serial, several = await _bare(server, 1), await _bare(server, BARE_IN_FLIGHT)
        for name, place in places.items():
            figures[name] = None
            if place is None:
                continue
            (folder / name).mkdir()
            store, _, _ = open_record(config.place(place), site, False)
            store.close()
            table = f'[nats]\nurl = "{server.url}"\nregion = "{name}"\n'
            _configure(folder / name, site, place, table)
            async with _serving(folder / name):
                passed = await _answered(server, name, cut)
            figures[name] = {
                "samples_per_s": round(BROKER_OBSERVATIONS / passed),
                "batches_per_s": round(len(cut) / passed, 1),
                "bytes_per_s": round(sum(map(len, cut)) / passed),
            }
    finally:
        server.kill()
    return {
        **figures,
        "bare_64k_per_s": round(several),
        "bare_64k_serial_per_s": round(serial),
        "bare_bytes_per_s": round(several * BARE_BYTES),
    }


@contextlib.asynccontextmanager
async def _serving(folder: Path) -> AsyncIterator[None]:
    arguments = ["serve", "--config", str(folder / "record.toml")]
    record = Child("record", "record.cli", arguments, folder / "record.log")
    try:
        for _ in range(round(READY_S / 0.05)):
            if record.said().count("pulls requests") == 2:
                break
            record.check()
            await asyncio.sleep(0.05)
        yield
    finally:
        await record.end(READY_S)


async def _bare(server: Server, in_flight: int) -> float:
    """Messages a second that the bare client publishes, acknowledged."""
    import nats
    from nats.js import api

    library = await nats.connect(server.url)
    try:
        js = library.jetstream()
        await js.add_stream(api.StreamConfig(name="bare", subjects=["bare"], max_bytes=64 << 20))
        body, count = os.urandom(BARE_BYTES), 0
        until = time.perf_counter() + BARE_S

        async def publish() -> None:
            nonlocal count
            while time.perf_counter() < until:
                await js.publish("bare", body, 10.0)
                count += 1

        at = time.perf_counter()
        await asyncio.gather(*(publish() for _ in range(in_flight)))
        passed = time.perf_counter() - at
        await js.delete_stream("bare")
    finally:
        await library.close()
    return count / passed


async def _answered(server: Server, region: str, cut: Sequence[bytes]) -> float:
    """Seconds until every batch is answered with its receipt."""
    from agent.nats import Client

    clients = [
        Client(server.url, region, bytes(7) + bytes((at,)), os.urandom, connections=4)
        for at in range(IN_FLIGHT // 4)
    ]
    left = iter(cut)

    async def ask(client: Client) -> None:
        for batch in left:
            target = f"/v1/batch/{id_of(batch).hex()}?size=0"
            answer = await client.request("POST", target, batch, 30.0)
            if answer.status != 200:
                raise BenchError(f"the record answers {answer.status}: {answer.body[:80]!r}")

    at = time.perf_counter()
    async with asyncio.timeout(ANSWERED_S):
        await asyncio.gather(*(ask(client) for client in clients for _ in range(4)))
    passed = time.perf_counter() - at
    for client in clients:
        await client.close()
    return passed


if __name__ == "__main__":
    asyncio.run(_work(Path(sys.argv[1])))
