"""`gridseal-record serve`: takes batches and statements, gives receipts.

It says its address once it listens, and ends clean on SIGTERM and SIGINT. The web library is loaded
by this command alone.
"""

import argparse
import asyncio
import errno
import random
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.keystore.uri import open_signer
from evidence.config import ConfigError
from record import config
from record.desk import Desk, settle_collector

if TYPE_CHECKING:
    from record.crew import Crew

NAME = "gridseal-record"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=Path("record.toml"), metavar="FILE")
    parser.add_argument("--listen", metavar="HOST:PORT", help="instead of the configured one")


def run(asked: argparse.Namespace) -> int:
    found = config.read_record(asked.config, asked.listen)
    signer = open_signer(found.key, found.folder, often=True)
    if signer.public != found.anchors.log_key:
        raise ConfigError(
            str(asked.config), "record.key",
            f"found the key {signer.public.kid.hex()}; expected the one that the anchors name,"
            f" {found.anchors.log_key.kid.hex()}",
        )  # fmt: skip
    how = (found.every, found.appraise_s)
    desk = Desk(found.store, signer, found.anchors.authorities, asked.now, random.random, *how)
    settle_collector()
    crew = None
    if found.region is not None:
        crew = _crew(desk, asked.config, found.region.processes)
    return asyncio.run(_run(desk, found, crew))


def _crew(desk: Desk, file: Path, processes: int) -> "Crew":
    """The workers that a broker takes. Raises ConfigError."""
    import logging
    from importlib.util import find_spec

    from record.crew import Crew

    if find_spec("nats") is None:
        text = "takes the library nats-py, which is not installed: gridseal[nats] brings it"
        raise ConfigError(str(file), "nats", text)
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    return Crew(desk, file, processes)


async def _run(desk: Desk, found: config.RecordConfig, crew: "Crew | None") -> int:
    from record import service
    from record.page.answer import Page
    from record.publisher import Publisher
    from record.shelf import Shelf

    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    await desk.open()
    runner = None
    shelf = Shelf(desk.place)
    told = found.publishing
    page = Page(desk.place, told, loop.time)
    publisher = Publisher(told, lambda: desk.size, desk.note, desk.keep_note, shelf.consistency)
    try:
        try:
            where = (found.host, found.port, found.tls, shelf, page)
            runner, address = await service.start(desk, *where)
        except OSError as fault:
            if fault.errno != errno.EADDRINUSE:
                raise
            text = (
                f"port {found.port} of {found.host} is in use; name another: --listen HOST:PORT"
                " (port 0: any free one)"
            )
            raise ConfigError("serve", "", text) from fault
        print(f"{NAME} listens on {address}, a log of {desk.size} entries", flush=True)
        publisher.start(await shelf.last_note())
        if crew is not None:
            crew.start()
        await ended.wait()
    finally:
        if crew is not None:
            await crew.close()
        if runner is not None:
            await runner.cleanup()
        await publisher.close()
        await page.close()
        await shelf.close()
        await desk.close()
    return 0
