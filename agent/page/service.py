"""One connection after its question: the page, what it is made of, and who listens.

    GET /               the page
    GET /events         text/event-stream; ?every=MS between two of its events, EVERY_MS
    GET /status.json    the account as `status --json`, but for what agent.page.sheet leaves out
    GET /metrics        for Prometheus (agent.page.metrics)
    GET /static/NAME    style and scripts

1. A connection is for one question, which has ASK_S to come whole.
2. Who listens has one event under way and no queue: the next is made when that is gone, and who
   does not take one within SEND_S is dropped. So a slow reader gets fewer events, and none of them
   is old; the kernel holds SEND_BYTES at most. A slow machine makes fewer, too (REST).
3. No script, style, picture or connection but the page's own, and in nobody's frame
   (Content-Security-Policy); no answer is kept by anybody.

It opens no socket, and changes nothing.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

import h11

from agent.page import document, metrics
from agent.page.request import Asked, Reader, RefusedError
from agent.page.view import View

ASK_S = 3.0  # for a whole question: a tunnel over a modem takes a second
SEND_S = 2.0  # for one event, or one answer
LISTENERS_MAX = 8  # at once, of all who ask
STRANGERS_MAX = 6  # of them by an address: whoever shares the machine keeps no owner out
SEND_BYTES = 16 * 1024  # that the kernel holds of what is sent; it doubles that (socket(7))
READ_BYTES = 4096
LINGER_S, LINGER_BYTES = 0.5, 64 * 1024  # for what a peer says that is not heard any more
EVERY_MS = (50, 80, 10_000)  # least, default and most between two events: 12.5 a second
# Between two events it rests so many times as long as one takes to make: a sixteenth of a core at
# most for each who looks, however many streams there are and however slow the machine is.
REST = 16
DEARER = 1.05  # at once, at most: what another had the processor for is no measure
ACCOUNT_S = 1.0  # between two accounts of the agent
AGAIN_MS = 2000  # before a browser comes back
HTML, PLAIN = "text/html; charset=utf-8", "text/plain; charset=utf-8"
JSON, EVENTS = "application/json", "text/event-stream"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self';"
    " form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", POLICY),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Connection", "close"),
)
_STATIC = Path(__file__).parent / "static"
_KINDS = {
    "status.css": "text/css; charset=utf-8",
    "status.js": "text/javascript; charset=utf-8",
    "drawing.js": "text/javascript; charset=utf-8",
}


class Service:
    """Answers for one agent."""

    def __init__(self, view: View) -> None:
        self._view, self._listeners = view, 0
        self._strangers = self._dropped = 0

    @property
    def look(self) -> Callable[[str, Iterable[object]], None] | None:
        """To whom frames are shown; None while nobody looks."""
        return self._view.hear if self._listeners else None

    async def meet(self, line: socket.socket) -> None:
        """One connection, to its end; the caller closes it."""
        line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        reader = Reader()
        with contextlib.suppress(OSError, EOFError):  # who asked has gone: nothing is lost
            try:
                async with asyncio.timeout(ASK_S):
                    asked = await _question(line, reader)
                await self._answer(line, reader, asked)
            except RefusedError as fault:
                more = (("Allow", "GET"),) if fault.status == 405 else ()
                text = f"{fault}\n".encode("ascii", "backslashreplace")
                await _send(line, _whole(reader, fault.status, PLAIN, text, more))
            await _leave(line)

    async def _answer(self, line: socket.socket, reader: Reader, asked: Asked) -> None:
        """Raises RefusedError, OSError."""
        if asked.path == "/events":
            await self._tell(line, reader.http, _every_s(asked))
            return
        if asked.options:
            raise RefusedError(404, "only /events takes options")
        kind, body = self._made(asked.path)
        await _send(line, _whole(reader, 200, kind, body))

    def _made(self, path: str) -> tuple[str, bytes]:
        view = self._view
        if path == "/":
            return HTML, document.HTML
        if path == "/status.json":
            return JSON, view.report()
        if path == "/metrics":
            return metrics.MEDIA_TYPE, view.metrics(self._listeners, self._dropped)
        name = path.removeprefix("/static/")
        if name in _KINDS and name != path:
            return _KINDS[name], (_STATIC / name).read_bytes()
        raise RefusedError(404, "there is no such page")

    async def _tell(self, line: socket.socket, http: h11.Connection, every_s: float) -> None:
        """Events, until the peer has gone or is too slow. Raises RefusedError, OSError."""
        strange = line.family != socket.AF_UNIX
        if self._listeners >= LISTENERS_MAX or (strange and self._strangers >= STRANGERS_MAX):
            raise RefusedError(503, "as many listen already as may")
        self._listeners += 1
        self._strangers += strange
        try:
            head = http.send(h11.Response(status_code=200, headers=_heads(EVENTS))) or b""
            await _send(line, head + _chunk(http, b"retry: %d\n\n" % AGAIN_MS))
            await self._events(line, http, every_s)
        except TimeoutError:
            self._dropped += 1
            raise
        finally:
            self._listeners -= 1
            self._strangers -= strange
            if not self._listeners:
                self._view.forget()

    async def _events(self, line: socket.socket, http: h11.Connection, every_s: float) -> None:
        loop, view = asyncio.get_running_loop(), self._view
        due = account_due = loop.time()
        told, cost_s = -1, 1.0  # that there is no stream is said, too
        while True:
            begun, parts = loop.time(), []
            if (number := view.streams()) != told:
                parts.append(view.setup())
                told = number
            parts.append(view.live())
            if loop.time() + every_s / 2 >= account_due:
                parts.append(view.account())
                account_due = max(account_due + ACCOUNT_S, loop.time())
            cost_s = min(loop.time() - begun, cost_s * DEARER)
            await _send(line, _chunk(http, b"".join(parts)))
            due = max(due + every_s, begun + cost_s * REST, loop.time())
            await asyncio.sleep(due - loop.time())


async def _question(line: socket.socket, reader: Reader) -> Asked:
    """Raises RefusedError, OSError, EOFError."""
    loop = asyncio.get_running_loop()
    while True:
        asked = reader.receive(await loop.sock_recv(line, READ_BYTES))
        if asked is not None:
            return asked


def _every_s(asked: Asked) -> float:
    least, default, most = EVERY_MS
    text = asked.options.get("every", str(default))
    known = asked.options.keys() <= {"every"} and text.isascii() and text.isdigit()
    if not known or len(text) > len(str(most)) or not least <= int(text) <= most:
        raise RefusedError(400, f"expected: every, {least} to {most} ms")
    return int(text) / 1000


def _heads(kind: str, more: Iterable[tuple[str, str]] = ()) -> list[tuple[str, str]]:
    return [("Content-Type", kind), *HEADERS, *more]


def _whole(
    reader: Reader, status: int, kind: str, body: bytes, more: Iterable[tuple[str, str]] = ()
) -> bytes:
    """An answer, head and body. Nothing where the peer speaks no HTTP that could be answered."""
    http = reader.http
    if http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
        raise EOFError
    heads = _heads(kind, (("Content-Length", str(len(body))), *more))
    parts = () if reader.bare else (h11.Data(data=body),)
    events = (h11.Response(status_code=status, headers=heads), *parts, h11.EndOfMessage())
    return b"".join(http.send(event) or b"" for event in events)


def _chunk(http: h11.Connection, data: bytes) -> bytes:
    return http.send(h11.Data(data=data)) or b""


async def _send(line: socket.socket, data: bytes) -> None:
    """Raises OSError; TimeoutError where it is not taken within SEND_S."""
    async with asyncio.timeout(SEND_S):
        await asyncio.get_running_loop().sock_sendall(line, data)


async def _leave(line: socket.socket) -> None:
    """Lets the peer read to the end: what it still says would reset the connection (RFC 9112
    9.6).
    """
    loop, heard = asyncio.get_running_loop(), 0
    line.shutdown(socket.SHUT_WR)
    async with asyncio.timeout(LINGER_S):
        while heard < LINGER_BYTES and (data := await loop.sock_recv(line, READ_BYTES)):
            heard += len(data)
