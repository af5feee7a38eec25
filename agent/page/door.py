"""Where the page is asked for: a socket beside the spool, always, and an address of this machine
where gateway.toml names one.

1. While nobody looks it costs a socket that is waited on: the page's code is loaded at the first
   question, and no frame is handed on (`look` is None).
2. Whatever happens here, the agent goes on: an address in use is told with what to do, and tried
   again; a bug is logged with its trace, and takes its one connection with it.
3. CONNECTIONS_MAX at each of the two, so that whoever shares the machine cannot keep its owner out.
   One more is told so, and closed. NEXT_S from one to the next: an answer takes milliseconds of the
   loop that seals, and nobody gets more than a part of it by asking.
4. The socket is the owner's alone, mode 0600, as the one of agent.status is.

It reads no question and gives no answer: agent.page.service does.
"""

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from agent import status
from agent.clock import RunClock
from agent.config import Gateway
from agent.health import Health
from agent.hearing import Hearing

if TYPE_CHECKING:
    from agent.page.address import Address
    from agent.page.service import Service

CONNECTIONS_MAX = 24  # at each: some browsers, each with six, and a Prometheus
NEXT_S = 0.02  # a browser asks for five things, and is there after a tenth of a second
AGAIN_S = 2.0  # before an address that is in use is tried again
FULL_S = 1.0  # before asking the system for a socket again
SUFFIX = ".page"
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
log = logging.getLogger("gridseal.page")
Look = Callable[[str, Iterable[object]], None]


class Inside(NamedTuple):
    """What of a running agent can be looked at. `report`: its account of itself, as status tells
    it."""

    gateway: Gateway
    hearing: Hearing
    clock: RunClock
    health: Health
    report: Callable[[], dict[str, Any]]


class Door:
    """Both sockets."""

    def __init__(self, inside: Inside) -> None:
        self._inside, self._gateway = inside, inside.gateway
        self._service: Service | None = None
        self.url, self.fault = "", ""

    def account(self) -> dict[str, Any]:
        """Where the page is, and why it is not; for status."""
        return {"url": self.url or None, "fault": self.fault or None}

    async def serve(self) -> None:
        """Answers until cancelled."""
        tasks = [self._beside_spool()]
        if self._gateway.file.page is not None:
            from agent.page import address

            tasks.append(self._at(address.read(self._gateway.file.page.listen)))
        await asyncio.gather(*tasks)

    async def _beside_spool(self) -> None:
        spool = self._gateway.path(self._gateway.file.spool.path)
        try:
            with status.listening(spool, SUFFIX) as server:
                await self._open(server)
        except OSError as fault:
            log.error("no socket of the page beside %s: %s", spool, fault.strerror)

    async def _at(self, where: "Address") -> None:
        """At an address of this machine; while it cannot be had, again and again."""
        while True:
            try:
                with _listening(where) as server:
                    self.url, self.fault = where.url(server.getsockname()[1]), ""
                    log.info("the page is at %s", self.url)
                    await self._open(server)
            except OSError as fault:
                self._tell(where, fault)
            self.url = ""
            await asyncio.sleep(AGAIN_S)

    def _tell(self, where: "Address", fault: OSError) -> None:
        """Once, what stands in the way of the page."""
        name = where.url(where.port).removeprefix("http://").removesuffix("/")
        words = f"no page at {name}: {fault.strerror}"
        if fault.errno == errno.EADDRINUSE:
            words = (
                f"no page: {name} is in use by another program (ss -ltnp names it);"
                " set [page] listen of gateway.toml to a free port"
            )
        if words != self.fault:
            self.fault = words
            log.error("%s. Sealing goes on, and it is tried again every %g s", words, AGAIN_S)

    async def _open(self, server: socket.socket) -> None:
        """Takes connections. By bare sockets: transports of asyncio are cycles of references, and
        those stay until the next collection, which is rare in the agent.
        """
        loop = asyncio.get_running_loop()
        tasks: set[asyncio.Task[None]] = set()
        try:
            while True:
                try:
                    line, _ = await loop.sock_accept(server)
                except OSError:  # no descriptor is left, for the time being
                    await asyncio.sleep(FULL_S)
                    continue
                if len(tasks) >= CONNECTIONS_MAX:
                    with line, contextlib.suppress(OSError):
                        line.send(_BUSY)
                else:
                    task = loop.create_task(self._meet(line))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                    task.add_done_callback(_ended)
                await asyncio.sleep(NEXT_S)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _meet(self, line: socket.socket) -> None:
        with line:
            if self._service is None:
                from agent.page.service import Service  # code that nobody needs until now
                from agent.page.view import View

                self._service = Service(View(self._inside))
            await self._service.meet(line)

    @property
    def look(self) -> Look | None:
        """To whom frames are shown; None while nobody looks."""
        return self._service.look if self._service is not None else None


def _ended(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (bug := task.exception()) is not None:
        log.error("a bug in the page", exc_info=bug)


@contextlib.contextmanager
def _listening(where: "Address") -> Iterator[socket.socket]:
    """Raises OSError."""
    with socket.socket(where.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as server:
        # An agent that starts anew is not kept out by connections of the one before (tcp(7)).
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((where.host, where.port))
        server.listen()
        yield server
