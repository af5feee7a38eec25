"""`python -m record.worker FILE NUMBER`: one of the processes that pull a region's requests and
check its batches, started by record.crew with a socket as its standard input.

1. It reads the record and never writes it. A batch that may enter goes to the sequencer's process
   with its verdict; all else, refusals included, goes there as it came: nothing is signed here.
2. It lives as long as its broker and its socket do, and ends when either is gone; another is
   started. So it has nothing to mend, and the death of the record ends it.
3. What is in its hands when it ends was not acknowledged, and comes again.

It ignores SIGTERM and SIGINT: who started it says when to end, by a word or by its own end.
"""

import asyncio
import logging
import os
import random
import signal
import socket
import sys
from pathlib import Path
from typing import NoReturn

from evidence.config import ConfigError
from evidence.refusal import EvidenceError
from record import config, question, verdict
from record.admit import Admitter
from record.broker import Broker, BrokerError, Request
from record.cli import now
from record.config import RecordConfig
from record.database import StoreError
from record.desk import settle_collector
from record.known import Known, MissingError
from record.pipe import END, Ask, Checked, Pipe, PipeError
from record.question import BODY_BYTES_MAX, Said
from record.store import Store, open_reader

END_S = 5.0  # for what is under way
ENDED, LOST, CANNOT = 0, 1, 2
log = logging.getLogger("gridseal.record.worker")


class Checker:
    """Checks batches against one record, by a connection of its own."""

    def __init__(self, store: Store, found: RecordConfig) -> None:
        self._store = store
        authorities = found.anchors.authorities
        self._admitter = Admitter(Known(store), authorities, random.random, found.every)

    def question(self, method: str, target: str, body: bytes) -> Ask | Checked:
        """What the sequencer's process is asked: to give a batch its place, or all the rest."""
        named = question.batch_of(method, target)
        if named is not None:
            try:
                if self._store.entry_of(named[0]) is None:
                    found = self._admitter.batch(body, named[0], now())
                    return Checked(*named, body, verdict.encode(found))
            except (EvidenceError, MissingError, StoreError):
                pass  # it is for the desk to say so, and to sign it
        return Ask(method, target, body)


class Worker:
    """Requests from the broker, through the checker, to the sequencer's process, and back."""

    def __init__(self, checker: Checker, broker: Broker, pipe: Pipe) -> None:
        self._checker, self._broker, self._pipe = checker, broker, pipe
        self._waiting: dict[int, Request] = {}

    async def run(self) -> int:
        """Until one of its two lines ends, or it is told to end; its exit status."""
        works = (self._broker.run(), self._broker.lost(), self._check(), self._listen())
        tasks = [asyncio.ensure_future(work) for work in works]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # only listening ends without a fault: it was told to
            for task in tasks[:-1]:
                task.cancel()
            async with asyncio.timeout(END_S):
                await self._broker.give_back()
                while self._waiting:
                    await self._reply()
        except TimeoutError:
            log.warning("%d requests were not answered in time", len(self._waiting))
        except (BrokerError, PipeError) as fault:
            log.warning("%s", fault)
            return LOST
        finally:
            for task in tasks:
                task.cancel()
        return ENDED

    async def _check(self) -> None:
        number = END
        while True:
            request = await self._broker.asked.get()
            if len(request.body) > BODY_BYTES_MAX:  # it would fit no frame
                await self._broker.answer(request, Said(413, b"a longer body than any is\n"))
                continue
            number += 1
            self._waiting[number] = request
            what = self._checker.question(request.method, request.target, request.body)
            await self._pipe.tell(number, what)
            await asyncio.sleep(0)  # answers go out between two batches

    async def _listen(self) -> None:
        """Answers what was asked, until told to end. Raises BrokerError, PipeError."""
        while await self._reply():
            pass

    async def _reply(self) -> bool:
        """Answers one; False for the word to end."""
        reply = await self._pipe.replied()
        request = self._waiting.pop(reply.number, None)
        if request is not None:
            await self._broker.answer(request, Said(reply.status, reply.body))
        return reply.number != END


async def _run(file: Path, number: int) -> int:
    found = config.read_record(file)
    if found.region is None:
        raise ConfigError(str(file), "nats", "is absent")
    pipe = await Pipe.over(socket.socket(fileno=sys.stdin.fileno()))
    store = open_reader(found.store, live=True)
    broker = Broker(found.region, found.anchors.log_key.kid, number)
    server = await broker.open()
    log.info("pulls requests of region %s from %s", found.region.name, server)
    settle_collector()
    status = await Worker(Checker(store, found), broker, pipe).run()
    if status == ENDED:
        await asyncio.wait({asyncio.ensure_future(broker.close())}, timeout=END_S)
    return status


async def _live(file: Path, number: int) -> NoReturn:
    """A worker's life. It ends at once: the library's tasks may wait for a broker that reads
    nothing, and there is nothing here to be written."""
    try:
        status = await _run(file, number)
    except (BrokerError, ConfigError, PipeError, StoreError, OSError) as fault:
        log.warning("%s", fault)
        status = CANNOT
    logging.shutdown()
    os._exit(status)


def main() -> NoReturn:
    """The program."""
    for ignored in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ignored, signal.SIG_IGN)
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asyncio.run(_live(Path(sys.argv[1]), int(sys.argv[2])))
    raise SystemExit(CANNOT)


if __name__ == "__main__":
    main()
