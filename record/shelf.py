"""What the log shows to anybody: the published checkpoint, tiles, bundles of entries, bodies and
proofs. C2SP tlog-tiles.

    GET /checkpoint                           the last note that was published
    GET /tile/<L>/<N>[.p/<W>]                 hashes
    GET /tile/entries/<N>[.p/<W>]             entries
    GET /v1/body/{subject}                    the observations of a batch, by its head's SHA-256
    GET /v1/checkpoints/{size}                the log's own (COSE) over more entries, [* bstr], 256
                                              at most, none beyond the published one: its times
    GET /v1/proof/{subject}                   a tlog-proof of an entry, in the published tree

1. A thread and a connection of its own read it: nothing here waits for what is admitted, nor does
   that wait for it.
2. Tiles come from the nodes of the store: one of level L is 256 nodes of level 8 L. What is there
   of the committed log is shown, also ahead of the published checkpoint, for a witness is offered
   that first; beyond the log it is 404.
3. A tile, a bundle and a body never change, and say so to caches; the checkpoint and what hangs on
   it are asked for again.
4. What waits is bounded by number, an answer by a bundle of the longest entries.

It decides nothing and checks nothing: who reads it has the checkpoint's signatures for that.
"""

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, TypeVar

from evidence import cbor, merkle
from evidence.code import Typ
from evidence.merkle import HASH_BYTES
from evidence.refusal import EvidenceError
from evidence.tlog import checkpoint, note, tile
from evidence.tlog.note import Note
from evidence.tlog.proof import Proof
from evidence.tlog.tile import ENTRIES, HEIGHT, Tile
from record.database import Place, StoreError
from record.log import consistency, stored_node
from record.schema import NoteRow
from record.store import Store, open_reader

WAITING_MAX = 128  # questions; the longest answers are some MiB each
OCTETS, TEXT = "application/octet-stream", "text/plain; charset=utf-8"
CBOR = "application/cbor"
FOR_EVER = "public, max-age=31536000, immutable"  # a year, as long as caches keep anything
NOT_LONG = "no-cache"  # kept, and asked for again
_TILE = re.compile(r"/(tile/.{1,60})")
_BODY = re.compile(r"/v1/body/([0-9a-f]{64})")
_TIMES = re.compile(r"/v1/checkpoints/(0|[1-9][0-9]{0,17})")
_PROOF = re.compile(r"/v1/proof/([0-9a-f]{64})")
T = TypeVar("T")


class Shown(NamedTuple):
    """A whole answer. `cache`: as Cache-Control says it; `more`: other headers."""

    status: int
    body: bytes
    kind: str = TEXT
    cache: str = "no-store"
    more: tuple[tuple[str, str], ...] = ()


class Shelf:
    """Over the record at one place. It opens it when first asked."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._reading = ThreadPoolExecutor(1, "reading")
        self._store: Store | None = None
        self._asked = 0

    async def close(self) -> None:
        """Idempotent."""
        if self._store is not None:
            await asyncio.get_running_loop().run_in_executor(self._reading, self._store.close)
            self._store = None
        self._reading.shutdown()

    async def answered(self, method: str, path: str) -> Shown | None:
        """None: nothing of the shelf is asked for."""
        for pattern, show in _SHOWN:
            found = pattern.fullmatch(path)
            if found is not None:
                if method != "GET":
                    return _words(405, f"{method} is not asked here")
                named = found[1] if found.re.groups else ""
                return await self._shown(partial(show, named))
        return None

    async def consistency(self, one: int, other: int) -> tuple[bytes, ...]:
        """The proof between two trees of the log. Raises StoreError, ValueError past its end."""
        return await self._in(lambda store: _consistency(store, one, other))

    async def last_note(self) -> NoteRow | None:
        """Raises StoreError."""
        return await self._in(Store.last_note)

    async def _shown(self, show: Callable[[Store], Shown]) -> Shown:
        if self._asked >= WAITING_MAX:
            return _words(503, f"{self._asked} questions wait")
        self._asked += 1
        try:
            return await self._in(show)
        except StoreError as fault:
            return _words(503, f"{fault}")
        finally:
            self._asked -= 1

    async def _in(self, what: Callable[[Store], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._reading, self._run, what)

    def _run(self, what: Callable[[Store], T]) -> T:
        if self._store is None:
            self._store = open_reader(self._place, live=True)
        return what(self._store)


def tile_of(store: Store, asked: Tile) -> bytes | None:
    """What a tile holds; None where the log does not reach that far. Raises StoreError."""
    if asked.width > tile.width(asked.level, asked.index, store.size()):
        return None
    first, last = asked.start, asked.start + asked.width - 1
    if asked.level == ENTRIES:
        entries = store.bundle(first, last)
        found, data = len(entries), _bundle(asked, entries)
    else:
        hashes = store.nodes(HEIGHT * asked.level, first, last)
        found, data = len(hashes), b"".join(hashes)
        if len(data) != HASH_BYTES * found:
            raise StoreError(f"{asked.path()}: a node of another length than a hash")
    if found != asked.width:
        raise StoreError(f"{asked.path()}: {found} of {asked.width} are there")
    return data


def proof_of(store: Store, subject: bytes, extra: bytes | None = None) -> Proof | None:
    """The proof of an entry in the last published tree; None where that does not reach it.

    Raises StoreError, LookupError where there is no such entry.
    """
    entry, row = store.entry_of(subject), store.last_note()
    if entry is None:
        raise LookupError(subject.hex())
    if row is None or entry.idx >= row.size:
        return None
    fetch = partial(stored_node, store)
    hashes = tuple(merkle.inclusion_proof(entry.idx, row.size, fetch))
    return Proof(entry.idx, hashes, row.encoded, extra)


def _bundle(asked: Tile, entries: list[bytes]) -> bytes:
    try:
        return tile.write_entries(entries)
    except EvidenceError as fault:
        raise StoreError(f"{asked.path()}: {fault}") from fault


def _consistency(store: Store, one: int, other: int) -> tuple[bytes, ...]:
    return consistency(one, other, store.size(), partial(stored_node, store))


def _checkpoint(_: str, store: Store) -> Shown:
    row = store.last_note()
    if row is None:
        return _words(404, "nothing is published yet")
    return Shown(200, row.encoded, TEXT, NOT_LONG)


def _tile(named: str, store: Store) -> Shown:
    try:
        asked = tile.read_path(named)
    except EvidenceError as fault:
        return _words(404, fault.text)
    data = tile_of(store, asked)
    if data is None:
        return _words(404, "the log does not reach so far")
    return Shown(200, data, OCTETS, FOR_EVER)


def _body(named: str, store: Store) -> Shown:
    entry = store.entry_of(bytes.fromhex(named))
    body = None if entry is None or entry.typ != Typ.HEAD else store.body(entry.idx)
    if body is None:
        return _words(404, "no such batch")
    return Shown(200, body, OCTETS, FOR_EVER)


def _times(named: str, store: Store) -> Shown:
    row = store.last_note()
    found = [] if row is None else store.checkpoints_after(int(named), row.size)
    return Shown(200, cbor.encode(found), CBOR, NOT_LONG)


def _proof(named: str, store: Store) -> Shown:
    try:
        found = proof_of(store, bytes.fromhex(named))
    except LookupError:
        return _words(404, "no such entry")
    if found is None:
        return _words(503, "it is not published yet")
    return Shown(200, found.encode(), TEXT, NOT_LONG)


def _words(status: int, text: str) -> Shown:
    return Shown(status, f"{text}\n".encode())


def published(row: NoteRow) -> Note:
    """The note that a store kept. Raises StoreError."""
    try:
        return note.read(row.encoded)
    except EvidenceError as fault:
        raise StoreError(f"note {row.size}: {fault}") from fault


def origin_of(row: NoteRow) -> str:
    """The name under which a note publishes the log. Raises StoreError."""
    try:
        return checkpoint.read(published(row).text).origin
    except EvidenceError as fault:
        raise StoreError(f"note {row.size}: {fault}") from fault


_SHOWN = (
    (re.compile(r"/checkpoint"), _checkpoint),
    (_TILE, _tile),
    (_BODY, _body),
    (_TIMES, _times),
    (_PROOF, _proof),
)
