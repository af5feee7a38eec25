"""The page's answers: HTML, the same as JSON, the proof of one observation, style and scripts.

    GET /                              the page; ?seam=NAME, ?sample=GATEWAY/STREAM/SEQ to verify
    GET /page/now?seam=NAME            what of it renews itself
    GET /page/seam.json?seam=NAME      the same for programs
    GET /page/proof?sample=NAME        a tlog-proof, as `gridseal-record prove` writes it
    GET /page/static/NAME

1. A thread and a connection of its own read the record: nothing here waits for what is admitted,
   nor does that, or who asks for a checkpoint, wait for it.
2. An answer is made once and given to all who ask within FRESH_S, or within REST times as long as
   it took: however many browsers look, and however large the record is, the thread rests most of
   its time. What waits is bounded, as is what is kept.
3. No script, style, picture or connection but the page's own (Content-Security-Policy); nothing
   that is asked for is put in a page but as escaped text.

It changes nothing and knows no sessions: who may look is who may connect.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from typing import NamedTuple
from urllib.parse import parse_qs

from evidence.refusal import EvidenceError
from record.database import Place
from record.known import Known
from record.lookup import Lookup, NotFoundError, read_name
from record.page import layout
from record.page.state import Look, Told
from record.proving import sample_proof
from record.publishing import Publishing
from record.shelf import TEXT, Shown
from record.store import Store, StoreError, open_reader

WAITING_MAX = 128  # questions at once
KEPT_MAX = 64  # answers
FRESH_S, REST = 1.0, 3.0
QUERY_CHARS_MAX = 1024  # a seam's name, or an observation's
HTML, JSON = "text/html; charset=utf-8", "application/json"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = (
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_STATIC = "/page/static/"
Clock = Callable[[], float]


class _Kept(NamedTuple):
    """An answer, and until when it is given, s."""

    shown: Shown
    until: float


class Page:
    """Over the record at one place; it opens it when first asked. `now_s`: monotonic."""

    def __init__(self, place: Place, publishing: Publishing, now_s: Clock) -> None:
        self._place, self._publishing, self._now_s = place, publishing, now_s
        self._reading = ThreadPoolExecutor(1, "page")
        self._store: Store | None = None
        self._look: Look | None = None
        self._asked = 0
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._told: dict[str | None, tuple[Told, float]] = {}
        self._static = _static()
        self._addresses = {
            name: f"page/static/{name}?v={hashlib.sha256(data).hexdigest()[:12]}"
            for name, data in self._static.items()
        }

    async def close(self) -> None:
        """Idempotent."""
        if self._store is not None:
            await asyncio.get_running_loop().run_in_executor(self._reading, self._store.close)
            self._store = None
        self._reading.shutdown()

    async def answered(self, method: str, path_qs: str) -> Shown | None:
        """None: nothing of the page is asked for."""
        path, _, query = path_qs.partition("?")
        if path != "/" and not path.startswith("/page/"):
            return None
        if method not in ("GET", "HEAD"):
            return _words(405, f"{method} is not asked here")
        if path.startswith(_STATIC):
            return self._file(path.removeprefix(_STATIC))
        make = self._makers().get(path)
        if make is None:
            return _words(404, "there is no such page")
        if len(query) > QUERY_CHARS_MAX:
            return _words(414, "longer than any name")
        return await self._answer(path, query, make)

    def _makers(self) -> "Mapping[str, Callable[[Mapping[str, str]], Shown]]":
        return {
            "/": self._document,
            "/page/now": self._now,
            "/page/seam.json": self._json,
            "/page/proof": self._proof,
        }

    def _file(self, name: str) -> Shown:
        if name not in self._static:
            return _words(404, "there is no such file")
        kind = _KINDS[name[name.rindex(".") :]]
        # The address changes with the content; a script that another one loads is asked for again.
        return Shown(200, self._static[name], kind, "no-cache", HEADERS)

    async def _answer(
        self, path: str, query: str, make: Callable[[Mapping[str, str]], Shown]
    ) -> Shown:
        if self._asked >= WAITING_MAX:
            return _words(503, f"{self._asked} questions wait")
        self._asked += 1
        try:
            run = asyncio.get_running_loop().run_in_executor
            return await run(self._reading, self._run, path, query, make)
        finally:
            self._asked -= 1

    # --- in the thread ------------------------------------------------------------------------

    def _run(self, path: str, query: str, make: Callable[[Mapping[str, str]], Shown]) -> Shown:
        begun = self._now_s()
        kept = self._kept.get((path, query))
        if kept is not None and begun < kept.until:
            return kept.shown
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        try:
            shown = make(asked)
        except (StoreError, EvidenceError) as fault:
            shown = _words(503, f"the record cannot be read now: {fault}")
        except NotFoundError as fault:
            shown = _words(404, str(fault))
        while len(self._kept) >= KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        self._kept[path, query] = _Kept(shown, self._fresh_until(begun))
        return shown

    def _fresh_until(self, begun: float) -> float:
        done = self._now_s()
        return done + max(FRESH_S, REST * (done - begun))

    def _opened(self) -> tuple[Store, Look]:
        if self._store is None or self._look is None:
            self._store = open_reader(self._place, live=True)
            self._look = Look(self._store, self._publishing)
        return self._store, self._look

    def _state(self, asked: Mapping[str, str]) -> Told:
        """Shared by what is made of it."""
        name, begun = asked.get("seam"), self._now_s()
        found = self._told.get(name)
        if found is None or begun >= found[1]:
            told = self._opened()[1].told(name)
            self._told.pop(name, None)
            while len(self._told) >= KEPT_MAX:
                del self._told[next(iter(self._told))]
            self._told[name] = found = told, self._fresh_until(begun)
        return found[0]

    def _document(self, asked: Mapping[str, str]) -> Shown:
        text = layout.document(self._state(asked), self._addresses, asked.get("sample", ""))
        return Shown(200, text.encode(), HTML, "no-store", HEADERS)

    def _now(self, asked: Mapping[str, str]) -> Shown:
        return Shown(200, layout.now(self._state(asked)).encode(), HTML, "no-store", HEADERS)

    def _json(self, asked: Mapping[str, str]) -> Shown:
        text = json.dumps(self._state(asked), indent=1)
        return Shown(200, text.encode(), JSON, "no-store", HEADERS)

    def _proof(self, asked: Mapping[str, str]) -> Shown:
        store, _ = self._opened()
        seen = Lookup(store, Known(store)).sample(read_name(asked.get("sample", "")))
        return Shown(200, sample_proof(store, seen).encode(), TEXT, "no-store", HEADERS)


def _static() -> Mapping[str, bytes]:
    folder = resources.files("record.page") / "static"
    found = {one.name: one.read_bytes() for one in folder.iterdir()}
    return {name: data for name, data in found.items() if name[name.rindex(".") :] in _KINDS}


def _words(status: int, text: str) -> Shown:
    return Shown(status, f"{text}\n".encode(), more=HEADERS)
