"""The page's HTTP: who is let in, what is asked, and in what form it is answered.

1. Every answer has the same headers: no script, style, picture or connection but this server's own,
   no frame, no cache, no referrer. Where Host is no name of ours, nothing is answered (address.py).
2. Without a session there is the page to sign in, and the style and script, and nothing else. What
   changes anything is a POST with the session's form token, from a page of ours by Origin.
3. A form that was done is answered by a redirect, so that loading anew does nothing twice; one
   that was not taken is shown again, with what was filled in and why.
4. What a plain function refuses by name is told in its words. Anything else is a mistake of ours:
   it is told as one, and its trace goes to the console.

Steps know what they show; this file does not.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import resources

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from provisioning.page import layout
from provisioning.page.desk import Desk
from provisioning.page.element import Html, joined, tag
from provisioning.page.fault import REFUSED, words
from provisioning.page.session import Gate, RefusedError, Session, matches
from provisioning.page.step import Form, FormError, Standing, Step, Upload

BODY_BYTES_MAX = 65 * 1024 * 1024  # an SCL file of the length that its reader takes
CODE_BYTES_MAX = 4096  # of who is not let in yet: a code, and no more
FIELDS_MAX = 500  # a plan's questions are some dozens
STREAM_S = 300.0  # of one connection that renews a panel; the browser asks again
KEEPALIVE_S = 30.0
COOKIE = "__Host-gridseal"  # RFC 6265bis 4.1.3.2: Secure, whole host, no domain
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer, Origin of a form would be null
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SESSION = web.RequestKey("session", Session)
_KINDS = {"page.css": "text/css", "page.js": "text/javascript"}


class Page:
    """The application over one desk. `names`: what Host may say; `now_s`: by which codes and
    sessions end, monotonic.
    """

    def __init__(
        self,
        desk: Desk,
        gate: Gate,
        steps: Sequence[Step],
        names: frozenset[str],
        now_s: Callable[[], float],
    ) -> None:
        self._desk, self._gate, self._names, self._now_s = desk, gate, names, now_s
        self._steps = {step.name: step for step in steps}
        self._static = _static()
        self._addresses = {name: f"/static/{name}?v={tag_}" for name, (_, tag_) in
                           self._static.items()}  # fmt: skip
        self._ending = asyncio.Event()

    def app(self) -> web.Application:
        app = web.Application(
            client_max_size=BODY_BYTES_MAX, client_max_fields=FIELDS_MAX, middlewares=[self._guard]
        )
        app.on_response_prepare.append(_headed)
        app.on_shutdown.append(self._end)
        add = app.router.add_route
        add("GET", "/static/{name}", self._give_static)
        add("GET", "/sign-in", self._ask_code)
        add("POST", "/sign-in", self._take_code)
        add("POST", "/sign-out", self._sign_out)
        add("GET", "/", self._first)
        add("GET", "/step/{step}", self._show)
        add("GET", "/step/{step}/events", self._events)
        add("GET", "/step/{step}/file/{name}", self._download)
        add("POST", "/step/{step}/{act}", self._act)
        return app

    # --- who is let in

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if _host(request) not in self._names:
            text = "This page does not answer to that name. Use the address on the console.\n"
            return web.Response(status=421, text=text)
        path = request.path
        try:
            if path.startswith("/static/") or path == "/sign-in":
                return await handler(request)
            session = self._session(request)
            if session is None:
                return self._turned_away(request)
            request[SESSION] = session
            return await handler(request)
        except web.HTTPRequestEntityTooLarge:
            most = "a code is" if path == "/sign-in" else f"{BODY_BYTES_MAX >> 20} MiB"
            text = f"Longer than {most}: nothing was taken, nothing changed."
            return self._plain(413, "Too long", text)
        except (web.HTTPBadRequest, web.HTTPForbidden, web.HTTPInsufficientStorage) as fault:
            return self._plain(fault.status, "Not done", fault.text or fault.reason)
        except web.HTTPNotFound:
            return self._plain(404, "There is no such page", "Go back to the steps.")
        except web.HTTPMethodNotAllowed:
            return self._plain(405, "That cannot be done here", "Go back to the steps.")

    def _session(self, request: web.Request) -> Session | None:
        # What renews itself is no touch: a browser that was left open is signed out too.
        touched = not request.path.endswith("/events")
        return self._gate.known(request.cookies.get(COOKIE, ""), self._now_s(), touched=touched)

    def _turned_away(self, request: web.Request) -> web.Response:
        taken_over = self._gate.was_taken_over(request.cookies.get(COOKIE, ""))
        if request.path.endswith("/events"):
            return web.Response(status=204)  # HTML, 9.2: the browser does not ask again
        why = "taken-over" if taken_over else "ended" if COOKIE in request.cookies else ""
        raise web.HTTPSeeOther(f"/sign-in?why={why}" if why else "/sign-in")

    # --- signing in

    async def _ask_code(self, request: web.Request) -> web.Response:
        if self._session(request) is not None:
            raise web.HTTPSeeOther("/")
        wait_s = self._gate.offer(self._now_s())
        why = {
            "taken-over": "Another browser has signed in since. To go on here, type a new code.",
            "ended": "You were signed out, by the button or after an hour without a touch.",
        }.get(request.query.get("why", ""), "")
        if wait_s:
            why = f"After too many wrong tries there is no code yet. Wait {wait_s:.0f} seconds."
        return self._sign_in(why)

    async def _take_code(self, request: web.Request) -> web.Response:
        if not _of_ours(request):
            return self._plain(403, "Not from this page", "Open the page by its own address.")
        form = await _form(request.clone(client_max_size=CODE_BYTES_MAX))
        try:
            session = self._gate.enter(form.text("code"), self._now_s())
        except RefusedError as fault:
            return self._sign_in(str(fault), 403)
        onward = web.HTTPSeeOther("/")
        onward.set_cookie(COOKIE, session.cookie, secure=True, httponly=True,
                            samesite="Strict", path="/")  # fmt: skip
        raise onward

    def _sign_in(self, why: str, status: int = 200) -> web.Response:
        hint = "8 digits, on the console where the page was started. It holds for 10 minutes, once."
        form = tag(
            "form",
            layout.field("code", "Code", hint=hint, required=True, inputmode="numeric",
                         maxlength=16, autofocus=not why),
            layout.button("Sign in"),
            method="post", action="/sign-in", novalidate=True,
        )  # fmt: skip
        before = tag(
            "p",
            "Your browser warns of the certificate: it is this gateway's own. Compare its SHA-256"
            " fingerprint with the one on the console before you type anything.",
        )
        content = joined(layout.alert(why) if why else None, before, form)
        return self._html("Sign in", content, status=status)

    async def _sign_out(self, request: web.Request) -> web.Response:
        await self._checked(request)
        self._gate.leave()
        onward = web.HTTPSeeOther("/sign-in")
        onward.del_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Strict")
        raise onward

    async def _checked(self, request: web.Request) -> Form:
        """The form, if it is one of this session's. Raises HTTPForbidden."""
        form = await _form(request)
        if not _of_ours(request) or not matches(form.text("form"), request[SESSION]):
            text = "That form is of another session. Nothing was done: go on from the steps.\n"
            raise web.HTTPForbidden(text=text)
        return form

    # --- steps

    async def _first(self, request: web.Request) -> web.Response:
        """To the first step that is not done."""
        for step in self._steps.values():
            if step.standing(self._desk) is not Standing.DONE:
                raise web.HTTPSeeOther(f"/step/{step.name}")
        raise web.HTTPSeeOther(f"/step/{next(reversed(self._steps))}")

    def _step(self, request: web.Request) -> Step:
        step = self._steps.get(request.match_info["step"])
        if step is None:
            raise web.HTTPNotFound
        return step

    async def _show(self, request: web.Request) -> web.Response:
        session: Session = request[SESSION]
        said, session.said = session.said, []
        return await self._shown(request, self._step(request), Form(), said=said)

    async def _act(self, request: web.Request) -> web.Response:
        step, act = self._step(request), request.match_info["act"]
        form = await self._checked(request)
        try:
            done = await step.act(self._desk, act, form)
        except REFUSED as fault:
            return await self._shown(request, step, form, fault=fault)
        await self._desk.watch.close()  # the folder may have other sources now
        if done:
            request[SESSION].said.append(done)
        raise web.HTTPSeeOther(f"/step/{step.name}")

    async def _shown(
        self,
        request: web.Request,
        step: Step,
        form: Form,
        *,
        fault: Exception | None = None,
        said: Sequence[str] = (),
    ) -> web.Response:
        token = request[SESSION].form
        wrong = fault.field if isinstance(fault, FormError) else ""
        try:
            content = await step.show(self._desk, Form(form.texts, {}, token, wrong))
        except REFUSED as refused:
            content, fault = joined(), fault or refused
        first = layout.alert(*words(fault)) if fault else layout.said(*said) if said else None
        rows = [
            (one.name, one.title, str(one.standing(self._desk))) for one in self._steps.values()
        ]
        return self._html(
            step.title,
            joined(first, content, self._onward(step)),
            status=200 if fault is None else 422,
            nav=layout.steps(rows, step.name),
            foot=layout.foot(token, self._desk.title()),
            renew='id="panel"' in content and not form.texts,
        )

    def _onward(self, step: Step) -> Html | None:
        """To the step after one that is done."""
        names = list(self._steps)
        after = names[names.index(step.name) + 1 :]
        if not after or step.standing(self._desk) is not Standing.DONE:
            return None
        return layout.onward(after[0], self._steps[after[0]].title)

    async def _download(self, request: web.Request) -> web.Response:
        found = await self._step(request).download(self._desk, request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound
        how = "inline" if found.inline else "attachment"
        headers = {"Content-Disposition": f'{how}; filename="{found.name}"'}
        return web.Response(body=found.content, content_type=found.kind, headers=headers)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """What renews itself (HTML, 9.2: server-sent events)."""
        panel = self._step(request).panel(self._desk)
        if panel is None:
            return web.Response(status=204)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        until, before = self._now_s() + STREAM_S, ""
        try:
            async for shown, aloud in panel:
                told = _event("panel", shown)
                if aloud != before:
                    told += _event("heard", aloud)
                    before = aloud
                await response.write(told)
                if self._ending.is_set() or self._now_s() > until:
                    return response
                if self._session(request) is not request[SESSION]:
                    await response.write(_event("anew", ""))
                    return response
            await response.write(_event("anew", ""))
        except ConnectionError:
            pass  # the browser has gone
        return response

    async def _end(self, app: web.Application) -> None:
        self._ending.set()

    # --- what is answered

    async def _give_static(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._static:
            raise web.HTTPNotFound
        headers = {"Cache-Control": "private, max-age=3600"}  # the address changes with the content
        return web.Response(
            body=self._static[name][0], content_type=_KINDS[name], charset="utf-8", headers=headers
        )

    def _plain(self, status: int, title: str, text: str) -> web.Response:
        content = joined(layout.alert(text), tag("p", tag("a", "To the steps", href="/")))
        return self._html(title, content, status=status)

    def _html(
        self,
        title: str,
        content: Html,
        *,
        status: int = 200,
        nav: Html | None = None,
        foot: Html | None = None,
        renew: bool = False,
    ) -> web.Response:
        text = layout.document(
            title, content, statics=self._addresses, nav=nav, foot=foot, renew=renew
        )
        return web.Response(status=status, text=text, content_type="text/html", charset="utf-8")


async def _headed(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.popall(hdrs.SERVER, None)


async def _form(request: web.Request) -> Form:
    """What was sent. Raises HTTPRequestEntityTooLarge, HTTPBadRequest, HTTPInsufficientStorage."""
    texts: dict[str, str] = {}
    files: dict[str, list[Upload]] = {}
    try:
        sent = await request.post()
    except (ValueError, LookupError, HttpProcessingError) as fault:
        raise web.HTTPBadRequest(text="That is no form.\n") from fault
    except OSError as fault:  # a file on its way is kept in the folder for temporary files
        text = f"The file could not be taken: {fault.strerror}. Free some space, and send it again."
        raise web.HTTPInsufficientStorage(text=text) from fault
    for name, value in sent.items():
        if isinstance(value, str):
            texts[name] = f"{texts[name]}\n{value}" if name in texts else value
        elif isinstance(value, web.FileField):
            files.setdefault(name, []).append(Upload(value.filename, value.file.read()))
    return Form(texts, files)


def _of_ours(request: web.Request) -> bool:
    """Whether a page of this server sent it: browsers say where a form comes from."""
    origin = request.headers.get(hdrs.ORIGIN)
    return origin is None or origin == f"https://{request.headers.get(hdrs.HOST, '')}"


def _host(request: web.Request) -> str:
    """The name in Host, without the port."""
    host = request.headers.get(hdrs.HOST, "").lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _event(kind: str, text: str) -> bytes:
    lines = "".join(f"data: {line}\n" for line in text.splitlines() or [""])
    return f"event: {kind}\n{lines}\n".encode()


def _static() -> Mapping[str, tuple[bytes, str]]:
    """Style and script, and a mark of their content."""
    folder = resources.files("provisioning.page") / "static"
    found = {name: (folder / name).read_bytes() for name in _KINDS}
    return {name: (data, hashlib.sha256(data).hexdigest()[:12]) for name, data in found.items()}
