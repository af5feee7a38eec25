"""`gridseal-record mirror`: keeps a full copy of a log, serves it, and cosigns what it has.

It pulls until it is ended. `--once` pulls once; `--check` reads the whole copy and asks nobody;
`--show` says what it remembers. Each exits 1 where the log or the copy does not hold.
"""

import argparse
import asyncio
import logging
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.keystore.uri import KeyStoreError, open_signer
from evidence.config import ConfigError
from evidence.refusal import EvidenceError
from record.command.witness import check_show, show_arguments, told
from record.database import StoreError
from record.witness import check, config, show, state
from record.witness.config import MirrorConfig
from record.witness.copy import Copy, origin_hash
from record.witness.state import State
from record.witness.witness import Cosigner

if TYPE_CHECKING:
    from record.witness.mirror import Mirror

NAME = "gridseal-record"
log = logging.getLogger("gridseal.record.mirror")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=Path("mirror.toml"), metavar="FILE")
    parser.add_argument("--listen", metavar="HOST:PORT", help="instead of the configured one")
    parser.add_argument(
        "--new", action="store_true", help="make the memory first, for a key that never signed"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--once", action="store_true", help="pull once, serve nothing, and end")
    which.add_argument("--check", action="store_true", help="check the whole copy, and end")
    which.add_argument("--show", action="store_true", help="what it remembers, and end")
    show_arguments(parser)


def run(asked: argparse.Namespace) -> int:
    check_show(asked)
    if asked.new and (asked.show or asked.check):
        raise ConfigError("--new", "", "goes with a mirror that pulls")
    found = config.read_mirror(asked.config, asked.listen)
    if asked.show:
        return told(found.store, asked.json, asked.forks)
    if asked.check:
        return _check(found)
    signer = open_signer(found.key, found.folder, often=True)
    config.own(found.file, "mirror", found.name, signer.public, [found.log, *found.others])
    if asked.new:
        state.make(found.store, signer.public.raw, found.name)
    kept = state.open_state(found.store, signer.public.raw, found.name)
    by = Cosigner(found.name, signer, kept, asked.now)
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        return asyncio.run(_once(by, found) if asked.once else _serve(by, found))
    finally:
        kept.close()


def _check(found: MirrorConfig) -> int:
    """The copy against the tree that was cosigned last."""
    kept = state.open_reader(found.store)
    try:
        held = kept.held(found.origin)
    finally:
        kept.close()
    if held is None:
        raise StoreError(f"{found.store}: nothing of {found.origin} was copied yet")
    faults = check.faults(Copy(found.copies, found.origin), held, [found.log])
    for line in faults:
        print(line)
    if not faults:
        print(f"{found.copies}: all {held.size} entries of {found.origin} are there")
    return int(bool(faults))


async def _once(by: Cosigner, found: MirrorConfig) -> int:
    from record.witness import source
    from record.witness.mirror import Mirror, Watched

    watched = Watched(found.origin, [found.log], found.late_ns, found.policy)
    async with source.opened(found.url, found.ca) as asked:
        mirror = Mirror(by, watched, asked, Copy(found.copies, found.origin))
        try:
            more = await mirror.pull()
        except source.SourceError as fault:
            raise StoreError(str(fault)) from fault
        except EvidenceError as fault:
            print(f"{found.origin}: {fault}")
            return 1
    print(f"{found.origin}: {more} entries more")
    return int(_accused(by.state))


def _accused(kept: State) -> bool:
    return show.accused(show.summary(kept))


async def _serve(by: Cosigner, found: MirrorConfig) -> int:
    from record.witness import source
    from record.witness.door import start
    from record.witness.mirror import Mirror, Watched
    from record.witness.shelf import Shelf

    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    watched = Watched(found.origin, [found.log], found.late_ns, found.policy)
    runner, address = await start(Shelf(found.copies).app(), found.door)
    try:
        async with source.opened(found.url, found.ca) as asked:
            mirror = Mirror(by, watched, asked, Copy(found.copies, found.origin))
            print(f"{NAME} mirror listens on {address}/{origin_hash(found.origin)}", flush=True)
            pulling = asyncio.create_task(_pull(mirror, found.pull_s))
            waiting = asyncio.create_task(ended.wait())
            await asyncio.wait((pulling, waiting), return_when=asyncio.FIRST_COMPLETED)
            if pulling.done():
                pulling.result()  # a bug: never silent
            pulling.cancel()
            await asyncio.gather(pulling, return_exceptions=True)
    finally:
        await runner.cleanup()
    return 0


async def _pull(mirror: "Mirror", every_s: int) -> None:
    """For ever. What goes wrong is said once, until it goes right or otherwise wrong."""
    from record.witness.source import SourceError

    said = ""
    while True:
        try:
            more = await mirror.pull()
            if more or said:
                log.info("%d entries more", more)
            said = ""
        except (EvidenceError, SourceError, StoreError, KeyStoreError) as fault:
            if str(fault) != said:
                level = logging.ERROR if isinstance(fault, EvidenceError) else logging.WARNING
                log.log(level, "%s", fault)
            said = str(fault)
        await asyncio.sleep(every_s)
