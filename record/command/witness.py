"""`gridseal-record witness`: cosigns checkpoints of logs that are not its own.

`--show` says what it remembers, and exits 1 where that accuses a log; `--new` makes the memory of a
key that never signed.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import signal
from pathlib import Path

from drivers.keystore.uri import open_signer
from evidence.config import ConfigError
from evidence.tlog.note import Verifier
from record.witness import config, show, state
from record.witness.config import WitnessConfig
from record.witness.witness import Cosigner, Witness

NAME = "gridseal-record"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=Path("witness.toml"), metavar="FILE")
    parser.add_argument("--listen", metavar="HOST:PORT", help="instead of the configured one")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--new", action="store_true", help="make the memory first, for a key that never signed"
    )
    which.add_argument("--show", action="store_true", help="what it remembers, and end")
    show_arguments(parser)


def show_arguments(parser: argparse.ArgumentParser) -> None:
    """What goes with --show, of a witness and of a mirror."""
    parser.add_argument("--json", action="store_true", help="with --show: as one JSON object")
    parser.add_argument(
        "--forks", type=Path, metavar="FOLDER", help="with --show: what proves each fork, to verify"
    )


def check_show(asked: argparse.Namespace) -> None:
    """Raises ConfigError for what goes with --show alone."""
    if not asked.show and (asked.json or asked.forks):
        raise ConfigError("--json" if asked.json else "--forks", "", "goes with --show")


def run(asked: argparse.Namespace) -> int:
    check_show(asked)
    found = config.read_witness(asked.config, asked.listen)
    if asked.show:
        return told(found.store, asked.json, asked.forks)
    signer = open_signer(found.key, found.folder, often=True)
    logs = [key for keys in found.logs.values() for key in keys]
    me = config.own(found.file, "witness", found.name, signer.public, [*logs, *found.others])
    if asked.new:
        state.make(found.store, signer.public.raw, found.name)
    kept = state.open_state(found.store, signer.public.raw, found.name)
    try:
        witness = Witness(Cosigner(found.name, signer, kept, asked.now), found.logs)
        return asyncio.run(_serve(witness, found, me))
    finally:
        kept.close()


def told(store: Path, as_json: bool, folder: Path | None = None) -> int:
    """Prints a memory, and writes its forks into a folder; 1 where it accuses a log. Raises
    StoreError, OSError."""
    kept = state.open_reader(store)
    try:
        found = show.summary(kept)
        forks = [] if folder is None else list(show.forks(kept))
    finally:
        kept.close()
    for data in forks:
        name = f"fork-{hashlib.sha256(data).hexdigest()[:16]}.cbor"
        (folder or Path()).mkdir(parents=True, exist_ok=True)
        ((folder or Path()) / name).write_bytes(data)
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(found) if as_json else show.shown(found))
    return int(show.accused(found))


async def _serve(witness: Witness, found: WitnessConfig, me: Verifier) -> int:
    from record.witness.door import Door, start

    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    door = Door(witness.add_checkpoint)
    try:
        runner, address = await start(door.app(), found.door)
        try:
            print(f"{NAME} witness listens on {address}, as {me.vkey()}", flush=True)
            await ended.wait()
        finally:
            await runner.cleanup()
    finally:
        door.close()
    return 0
