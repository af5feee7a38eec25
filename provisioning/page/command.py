"""`gridseal-provision serve`, as it is typed: opens the page, and puts on the console what it takes
to reach it: address, fingerprint, code.

1. The console is the one place where the code stands. The QR code has the address with the
   fingerprint behind it, and no code: who photographs a screen from afar is not let in.
2. It ends with Ctrl-C, or SIGTERM, and leaves no key behind.
"""

import argparse
import asyncio
import io
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from provisioning.argument import Now, Parser, UsageError, only
from provisioning.page import address
from provisioning.page.address import Address
from provisioning.terminal import Terminal

GROUP = 8  # characters of the fingerprint in one group, as they are compared


def run(argv: Sequence[str], now: Now) -> int:
    """What was typed after `serve`. Raises UsageError."""
    asked = only(_parser(), argv)
    where = _address(asked)
    folder: Path = asked.folder
    if not folder.resolve().parent.is_dir() or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"{folder}: expected a folder, or one that can be made")
    asyncio.run(_serve(folder.resolve(), where, now, Terminal(asked.json)))
    return 0


def _parser() -> Parser:
    about = (
        "Opens the page for phone or laptop: the same steps as the command line, one after the"
        " other. It listens on this machine, or on the maintenance port only."
    )
    parser = Parser(prog="gridseal-provision serve", description=about, allow_abbrev=False)
    add = parser.add_argument
    add("folder", type=Path, metavar="DIR", help="the gateway's folder, there or to be made")
    where = parser.add_mutually_exclusive_group()
    told = f"where to listen; default: 127.0.0.1:{address.PORT}"
    where.add_argument("--listen", metavar="HOST:PORT", help=told)
    told = f"the maintenance port: listens at its address, port {address.PORT}, and on it alone"
    where.add_argument("--interface", metavar="IFACE", help=told)
    add("--json", action="store_true", help="what the console says, as JSON objects")
    return parser


def _address(asked: argparse.Namespace) -> Address:
    if asked.interface is not None:
        return address.of_interface(asked.interface)
    return address.listen(asked.listen or f"127.0.0.1:{address.PORT}")


async def _serve(folder: Path, where: Address, now: Now, out: Terminal) -> None:
    """Until it is told to end. Raises UsageError."""
    from provisioning.page import service

    heard = address.opened(where)
    url = where.url(heard.getsockname()[1])
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)

    def greet(shown: str, fingerprint: str) -> None:
        _greet(out, url, shown, fingerprint)

    def tell(code: str) -> None:
        out.say("", f"Code: {code}   (once, within 10 minutes)", style="head")
        out.object({"code": code.replace(" ", "")})
        sys.stdout.flush()

    running = await service.start(folder, where, heard, now, os.urandom, greet, tell, loop.time)
    try:
        await ended.wait()
    finally:
        await running.close()
    waits = " What was begun is finished first, within a minute." if running.desk.busy else ""
    out.say("", f"The page is closed.{waits}")
    sys.stdout.flush()


def _greet(out: Terminal, url: str, shown: str, fingerprint: str) -> None:
    """Where the page is, and by what it is known."""
    out.say(f"The page is at {url}", "", "SHA-256 fingerprint of its certificate:")
    out.say(*(f"  {shown[at : at + 48]}" for at in (0, 48)))
    out.say("Compare it with what the browser shows before you type the code.", "")
    if not out.objects and _prints_blocks():
        print(qr(f"{url}#sha256={fingerprint}"))
    out.say("Ctrl-C closes the page.")
    out.object({"url": url, "fingerprint": fingerprint})
    sys.stdout.flush()


def qr(text: str) -> str:
    """A QR code for a terminal: two rows of it in a line of text."""
    import segno

    drawn = io.StringIO()
    segno.make(text, error="m", micro=False).terminal(out=drawn, compact=True)
    return drawn.getvalue()


def _prints_blocks() -> bool:
    """Whether this console has the characters that the code is drawn with."""
    try:
        "\u2588\u2580\u2584".encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return False
    return True
