"""The page's server, on this machine alone: HTML, what renews itself, buttons.

    GET  /                  the page; ?sample=NAME with one sample
    GET  /events            server-sent events: now, slow, feed
    GET  /sample?name=NAME  all that is known of one sample, as a part of the page
    GET  /moment.json       one moment, for programs
    POST /do                a button, by name, with the page's token
    GET  /static/NAME

1. A moment is made into events once and given to all who look; who is slow gets the newest of each
   kind that he has not had, and nothing waits for him. LOOKING_MAX look at once.
2. `Host` must be this address or this machine's name for itself: a name elsewhere that leads here
   (DNS rebinding) is not answered. A button is pressed by a POST from this page by `Origin`, with
   the token that stands in it.
3. No script, style, picture or connection but the page's own (Content-Security-Policy).
"""

import asyncio
import hashlib
import hmac
import json
import secrets
import textwrap
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from aiohttp import web

from hil.demo import chain, layout, sample, view
from hil.demo.drawing import Circuit
from hil.demo.show import Show
from record.page.answer import HEADERS
from record.page.element import Html

HOST = "127.0.0.1"
LOOKING_MAX = 32
BODY_BYTES_MAX = 4096
WHY_CHARS = 15  # a line of the diagram, where a circuit has no measure to show
SLOW_EVERY = 10  # moments: seams and log are looked at once a second
_KINDS = {".css": "text/css", ".js": "text/javascript"}


class Page:
    """Over one show. `start`, and `close` at the end."""

    def __init__(self, show: Show, circuits: Sequence[Circuit], buses: tuple[str, str]) -> None:
        self._show, self._circuits, self._buses = show, circuits, buses
        self._token = secrets.token_urlsafe(24)
        self._static = _static()
        self._addresses = {
            name: f"static/{name}?v={hashlib.sha256(data).hexdigest()[:12]}"
            for name, data in self._static.items()
        }
        self._runner: web.AppRunner | None = None
        self._looking = 0
        self._made = (-1, -1, -1)  # moment, feed and panel, as they were made into events
        self._last: dict[str, bytes] = {}  # the newest event of each kind
        self._closing = asyncio.Event()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/"

    async def start(self, port: int) -> None:
        """Raises OSError."""
        app = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[self._guarded])
        app.router.add_get("/", self._document)
        app.router.add_get("/events", self._events)
        app.router.add_get("/sample", self._sample)
        app.router.add_get("/moment.json", self._moment)
        app.router.add_post("/do", self._do)
        app.router.add_get("/static/{name}", self._file)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Idempotent."""
        self._closing.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    # --- who may

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Any) -> web.StreamResponse:
        known = {f"{name}:{self.port}" for name in (HOST, "localhost")}
        if request.host not in known:
            return _words(403, "this address is asked by its own name")
        if request.method == "POST" and not await self._is_ours(request):
            return _words(403, "a button is pressed on this page")
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _is_ours(self, request: web.Request) -> bool:
        origin = request.headers.get("Origin", "")
        if origin != f"http://{request.host}":
            return False
        form = await request.post()
        token = form.get("token")
        return isinstance(token, str) and hmac.compare_digest(token.encode(), self._token.encode())

    # --- answers

    async def _document(self, request: web.Request) -> web.Response:
        name = request.query.get("sample", "")
        part = await self._known(name) if name else None
        show = self._show
        told = {
            "title": show.stage.of.live.title,
            "moment": show.moment,
            "slow": show.slow(),
            "feed": show.feed.told(),
        }
        text = layout.document(
            told, self._circuits, self._buses, self._addresses, self._token, part
        )
        return _html(text)

    async def _sample(self, request: web.Request) -> web.Response:
        return _html(await self._known(request.query.get("name", "")))

    async def _known(self, name: str) -> Html:
        stage = self._show.stage
        where = (stage.store, stage.publishing(), name, stage.url)
        return await asyncio.to_thread(sample.shown, *where)

    async def _moment(self, request: web.Request) -> web.Response:
        show = self._show
        told = {"moment": show.moment, "slow": show.slow(), "feed": show.feed.told()}
        return web.json_response(told, headers=_headers("no-store"))

    async def _do(self, request: web.Request) -> web.Response:
        form = await request.post()
        why = self._show.press(str(form.get("button", "")))
        if request.headers.get("Accept", "").startswith("application/json"):
            return web.json_response({"why_not": why}, headers=_headers("no-store"))
        raise web.HTTPSeeOther("/")

    async def _file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._static:
            return _words(404, "there is no such file")
        kind = _KINDS[name[name.rindex(".") :]]
        body = self._static[name]
        return web.Response(body=body, content_type=kind, headers=_headers("no-cache"))

    # --- what renews itself

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if self._looking >= LOOKING_MAX:
            return _words(503, f"{self._looking} look already")
        self._looking += 1
        headers = {**_headers("no-store"), "Content-Type": "text/event-stream"}
        answer = web.StreamResponse(headers=headers)
        had: dict[str, bytes] = {}
        try:
            await answer.prepare(request)
            while not self._closing.is_set():
                self._renew()
                new = [one for name, one in self._last.items() if had.get(name) is not one]
                had = dict(self._last)
                await answer.write(b"".join(new))
                await self._show.changed()
        except ConnectionError:
            pass  # it went away
        finally:
            self._looking -= 1
        return answer

    def _renew(self) -> None:
        """The events of this moment, once for all."""
        show = self._show
        count, feed, panel = self._made
        if show.count == count:
            return
        parts = {"now": _sent("now", self._now())}
        if show.feed.version != feed:
            lines = show.feed.told()
            told = {"html": layout.feed(lines), "newest": layout.newest(lines)}
            parts["feed"] = _sent("feed", told)
        if show.panel.version != panel or show.count % SLOW_EVERY == 0 or "slow" not in self._last:
            parts["slow"] = _sent("slow", self._slow())
        self._last |= parts
        self._made = (show.count, show.feed.version, show.panel.version)

    def _now(self) -> dict[str, Any]:
        moment = self._show.moment
        slow = self._show.slow()
        figures: dict[str, list[Any]] = {"record.published": [chain.published(moment, slow), True]}
        for one in moment.get("gateways", ()):
            figures |= chain.figures(one)
        return {**moment, "state": layout.state_line(moment), "figures": figures}

    def _slow(self) -> dict[str, Any]:
        slow = self._show.slow()
        return {
            "seams": [_seam(one) for one in slow["seams"]],
            "table": layout.seams(slow),
            "buttons": slow["buttons"],
        }


def _seam(one: Mapping[str, Any]) -> dict[str, str]:
    """What the diagram says of a seam."""
    told = {"seam": one["seam"], "verdict": "cannot be settled"}
    if "fault" not in one:
        told["verdict"] = one["verdict"].replace("_", " ")
    worst = layout.worst_of(one)
    lines = textwrap.wrap(view.why(one), WHY_CHARS, max_lines=2, placeholder=" \u2026")
    told |= dict(zip(("measure", "share"), [*lines, "", ""], strict=False))
    if worst is not None:
        size, most = (layout.amount(worst[key], worst["unit"]) for key in ("size", "tolerance"))
        told |= {"measure": worst["name"], "share": f"{size} of {most}"}
    return told


def _sent(name: str, told: Mapping[str, Any]) -> bytes:
    text = json.dumps(told, separators=(",", ":"))  # no line break is in JSON so written
    return f"event: {name}\ndata: {text}\n\n".encode()


def _static() -> Mapping[str, bytes]:
    folder = resources.files("hil.demo") / "static"
    found = {one.name: one.read_bytes() for one in folder.iterdir()}
    return {name: data for name, data in found.items() if name[name.rindex(".") :] in _KINDS}


def _headers(cache: str) -> dict[str, str]:
    return {**dict(HEADERS), "Cache-Control": cache}


def _html(text: Html) -> web.Response:
    headers = _headers("no-store")
    return web.Response(text=str(text), content_type="text/html", headers=headers)


def _words(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n", headers=_headers("no-store"))
