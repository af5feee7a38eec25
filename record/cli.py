"""`gridseal-record serve | show | verify`: the record as people and scripts start it.

1. Exit 0: done; 1: what was checked does not hold; 2: cannot be done as asked; 3: verify was given
   no trust anchors.
2. What goes wrong is one line that says what to mend; never a traceback for a file or an argument.
3. `serve` says its address once it listens, and ends clean on SIGTERM and SIGINT.

The web library is loaded by `serve` alone.
"""

import argparse
import asyncio
import contextlib
import errno
import json
import random
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.keystore.uri import KeyStoreError, open_signer
from evidence import instant
from evidence.anchor import Anchors
from evidence.config import ConfigError
from evidence.leap import BUILT_IN, NS
from evidence.refusal import EvidenceError
from record import bundle, config
from record.audit import Audit
from record.desk import Desk, settle_collector
from record.known import Known
from record.lookup import EXAMPLE, Lookup, NotFoundError, Seen, read_name, read_stream
from record.sample import told
from record.show import shown, summary
from record.store import StoreError, open_reader
from record.words import lines

if TYPE_CHECKING:
    from record.crew import Crew

DONE, DOES_NOT_HOLD, CANNOT, NO_ANCHORS = 0, 1, 2, 3
NAME = "gridseal-record"
_CANNOT = (ConfigError, EvidenceError, KeyStoreError, NotFoundError, StoreError, OSError)
_STORE = "a file, such as record.db, or a URL: postgresql://USER@HOST/DATABASE"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    asked = _parser().parse_args(argv)
    try:
        status: int = asked.run(asked)
    except _CANNOT as fault:
        print(f"{NAME}: {fault}", file=sys.stderr)
        return CANNOT
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(NAME, description="The record that several utilities share.")
    commands = parser.add_subparsers(required=True, metavar="serve | show | verify")
    serve = commands.add_parser("serve", help="take batches, give receipts")
    serve.add_argument("--config", type=Path, default=Path("record.toml"), metavar="FILE")
    serve.add_argument("--listen", metavar="HOST:PORT", help="instead of the configured one")
    serve.set_defaults(run=_serve)
    show = commands.add_parser("show", help="what a record holds")
    show.add_argument("store", metavar="STORE", help=_STORE)
    show.add_argument("--json", action="store_true", help="as one JSON object")
    which = show.add_mutually_exclusive_group()
    which.add_argument(
        "--sample", metavar="GATEWAY/STREAM/SEQ[@RUN]", help=f"one sample, such as {EXAMPLE}"
    )
    which.add_argument("--at", metavar="INSTANT", help="with --stream: the first one from then on")
    show.add_argument("--stream", metavar="GATEWAY/STREAM", help="by name or number")
    show.set_defaults(run=_show)
    verify = commands.add_parser("verify", help="check all of a record, or an export, offline")
    verify.add_argument("store", metavar="STORE", help=f"{_STORE}; or an export's file")
    verify.add_argument("--anchors", type=Path, metavar="FILE", help="whom to believe")
    verify.add_argument("--every", action="store_true", help="each observation's own signature too")
    verify.set_defaults(run=_verify)
    return parser


def now() -> int:
    """The machine's clock, ns TAI."""
    second, ns = divmod(time.time_ns(), NS)
    return BUILT_IN.tai_ns(second, ns)


def _serve(asked: argparse.Namespace) -> int:
    found = config.read_record(asked.config, asked.listen)
    signer = open_signer(found.key, found.folder, often=True)
    if signer.public != found.anchors.log_key:
        raise ConfigError(
            str(asked.config), "record.key",
            f"found the key {signer.public.kid.hex()}; expected the one that the anchors name,"
            f" {found.anchors.log_key.kid.hex()}",
        )  # fmt: skip
    how = (found.every, found.appraise_s)
    desk = Desk(found.store, signer, found.anchors.authorities, now, random.random, *how)
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

    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    await desk.open()
    runner = None
    try:
        try:
            runner, address = await service.start(desk, found.host, found.port, found.tls)
        except OSError as fault:
            if fault.errno != errno.EADDRINUSE:
                raise
            text = (
                f"port {found.port} of {found.host} is in use; name another: --listen HOST:PORT"
                " (port 0: any free one)"
            )
            raise ConfigError("serve", "", text) from fault
        print(f"{NAME} listens on {address}, a log of {desk.size} entries", flush=True)
        if crew is not None:
            crew.start()
        await ended.wait()
    finally:
        if crew is not None:
            await crew.close()
        if runner is not None:
            await runner.cleanup()
        await desk.close()
    return DONE


def _show(asked: argparse.Namespace) -> int:
    if (asked.at is None) != (asked.stream is None):
        raise NotFoundError("--at INSTANT and --stream GATEWAY/STREAM go together")
    store = open_reader(config.place(asked.store))
    try:
        store.snapshot()
        if asked.sample is None and asked.at is None:
            found = summary(store)
            text = shown(found)
        else:
            known = Known(store)
            found = told(store, known, _seen(asked, Lookup(store, known)))
            text = "\n".join(lines(found))
    finally:
        store.close()
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(found) if asked.json else text)
    return DONE


def _seen(asked: argparse.Namespace, lookup: Lookup) -> Seen:
    """The sample that was asked for. Raises NotFoundError, StoreError."""
    if asked.sample is not None:
        return lookup.sample(read_name(asked.sample))
    try:
        tai = instant.read(asked.at)
    except ValueError as fault:
        raise NotFoundError(f"--at: {fault}") from fault
    return lookup.at(read_stream(asked.stream), tai)


def _verify(asked: argparse.Namespace) -> int:
    anchors = None if asked.anchors is None else config.read_anchors(asked.anchors)
    if bundle.is_export(Path(asked.store)):
        return _verify_export(Path(asked.store), anchors, asked.every)
    audit = Audit(config.place(asked.store), anchors, asked.every)
    if anchors is None:
        for line in audit.fingerprints():
            print(line)
        return NO_ANCHORS
    reasons = audit.run()
    for line in reasons:
        print(line)
    if reasons:
        return DOES_NOT_HOLD
    print(f"{asked.store}: everything holds: {audit.told()}")
    return DONE


def _verify_export(path: Path, anchors: Anchors | None, every: bool) -> int:
    if anchors is None:
        for line in bundle.fingerprints(path):
            print(line)
        return NO_ANCHORS
    checked = bundle.check(path, anchors, every, print)
    for line in checked.told:
        print(line)
    if checked.reasons:
        print(f"{path}: does not hold: {checked.reasons} reasons")
        return DOES_NOT_HOLD
    print(f"{path}: everything holds")
    return DONE


if __name__ == "__main__":
    sys.exit(main())
