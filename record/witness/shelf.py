"""A mirror's door: its copies, read-only, as any server of files could show them.

    GET /<SHA-256 of the origin>/checkpoint, /tile/..., /v1/body/<subject>, /v1/checkpoints/<size>

1. Nothing is asked of a file's name but what the patterns here allow: a digest, a tile, a number.
2. What never changes says so to caches; the checkpoint is asked for again.
3. A file that is not there is 404; what is being copied (`.pending`) is not shown.

It verifies nothing: what is in its place was verified before, and whoever reads it has the
signatures.
"""

import asyncio
import re
from pathlib import Path

from aiohttp import web

from evidence.refusal import EvidenceError
from evidence.tlog import tile
from record.shelf import CBOR, FOR_EVER, NOT_LONG, OCTETS, TEXT
from record.witness.copy import CHECKPOINT, body_path, times_path

_PATH = re.compile(r"/([0-9a-f]{64})/(.{1,100})")
_BODY = re.compile(r"v1/body/([0-9a-f]{64})")
_TIMES = re.compile(r"v1/checkpoints/(0|[1-9][0-9]{0,17})")


def place(path: str) -> tuple[str, str, str] | None:
    """The file of what is asked, its media type and how long it may be kept; None: there is no such
    thing."""
    if path == CHECKPOINT:
        return path, TEXT, NOT_LONG
    if found := _BODY.fullmatch(path):
        return body_path(bytes.fromhex(found[1])), OCTETS, FOR_EVER
    if found := _TIMES.fullmatch(path):
        return times_path(int(found[1])), CBOR, FOR_EVER
    try:
        return tile.read_path(path).path(), OCTETS, FOR_EVER
    except EvidenceError:
        return None


class Shelf:
    """The handler over a folder of copies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/{path:.*}", self.show)
        return app

    async def show(self, request: web.Request) -> web.StreamResponse:
        """One question."""
        found = _PATH.fullmatch(request.rel_url.raw_path)  # another spelling is another name
        named = None if found is None else place(found[2])
        if found is None or named is None:
            raise web.HTTPNotFound(text="no such place\n")
        path, kind, cache = named
        at = self._folder / found[1] / path
        if not await asyncio.to_thread(at.is_file):
            raise web.HTTPNotFound(text="it is not there\n")
        return web.FileResponse(at, headers={"Content-Type": kind, "Cache-Control": cache})
