"""`authority serve`: answers gateways that were invited, until it is told to end (SIGTERM, Ctrl-C).

The root key is open meanwhile: the machine that runs this is one that may issue credentials, and
only while gateways are expected.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from provisioning.argument import Now, Parser, only
from provisioning.authority import folder, inviting, issue
from provisioning.authority.issue import Keys
from provisioning.key import asker
from provisioning.placement import PlacementError
from provisioning.terminal import Terminal


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `authority serve`."""
    about = "Answers gateways that were invited, over HTTPS."
    parser = Parser(prog="gridseal-provision authority serve", description=about,
                    allow_abbrev=False)  # fmt: skip
    add = parser.add_argument
    told = "the authority's folder; default: the working folder"
    add("--authority", type=Path, metavar="DIR", default=Path(), help=told)
    add("--listen", metavar="HOST:PORT", required=True, help="port 0: any free one")
    asked = only(parser, argv)
    host, port = inviting.address(asked.listen)
    inviting.door_certificate(folder.read(asked.authority))
    keys = issue.open_keys(asked.authority, asker(), often=True)
    form = "%(asctime)s %(levelname)s %(message)s"
    logging.basicConfig(level=logging.INFO, format=form)
    try:
        asyncio.run(_serve(asked.authority, keys, host, port, now))
    except OSError as fault:
        raise PlacementError(f"{asked.listen}: {fault.strerror or fault}") from fault
    return 0


async def _serve(place: Path, keys: Keys, host: str, port: int, now: Now) -> None:
    from provisioning.authority import door

    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, ended.set)
    context = door.tls_context(place)
    handler = door.Door(place, keys, now, os.urandom)
    async with door.opened(handler, host, port, context) as address:
        Terminal().say(f"gridseal-provision authority listens on https://{address}")
        sys.stdout.flush()  # whoever started it waits for this line
        await ended.wait()
