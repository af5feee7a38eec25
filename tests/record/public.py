"""A published log over loopback: a record and its witnesses as programs, and whoever asks them."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp

from drivers.c37118.wire import Layout
from drivers.keystore import file as keystore
from evidence import merkle
from evidence.tlog import checkpoint, note, policy
from evidence.tlog.note import COSIGNATURE, ED25519, Verifier
from evidence.tlog.policy import Seen
from evidence.tlog.tile import ENTRIES, Tile
from hil.loopback import free_port
from record.database import Place
from record.store import open_reader
from tests.record.gateway import GatewayRun, cfg_bytes, configuration, frame
from tests.record.test_program import talk, written
from tests.record.test_service import WAIT_S, Client, begin
from tests.record.witness.watched import served

BATCHES = 270  # over a tile of 256 with what stands before them
LAYOUT, CFG = Layout(configuration()), cfg_bytes(configuration())
W1, W2 = "w1.example", "w2.example"


class Answer(NamedTuple):
    status: int
    body: bytes
    kind: str
    cache: str


async def _got(url: str, paths: list[str]) -> list[Answer]:
    async def one(session: aiohttp.ClientSession, path: str) -> Answer:
        async with session.get(f"{url}/{path}") as answer:
            kind, cache = (answer.headers.get(name, "") for name in ("Content-Type", CACHE))
            return Answer(answer.status, await answer.read(), kind, cache)

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WAIT_S)) as session:
        return [await one(session, path) for path in paths]


CACHE = "Cache-Control"


def got(url: str, *paths: str) -> list[Answer]:
    return asyncio.run(_got(url, list(paths)))


# Names that no tile has, in a log of 257 to 511 entries, as they are sent: nobody's client tidies.
NO_TILES = (
    "tile/0/x000/000", "tile/0/x001/000", "tile/0/x001/../000", "tile/0/../0/000", "tile/./0/000",
    "tile/0/0", "tile/0/00", "tile/0/0000", "tile/0/000/", "tile//0/000", "/tile/0/000",
    "tile/00/000", "tile/-1/000", "tile/2/000", "tile/8/000", "tile/64/000", "tile/0/002",
    "tile/0/X001/000", "TILE/0/000", "Tile/0/000", "tile/Entries/000", "tile/data/000",
    "tile/0/000.p", "tile/0/000.p/", "tile/0/000.p/0", "tile/0/000.p/00", "tile/0/000.p/256",
    "tile/0/000.p/257", "tile/0/000.p/-1", "tile/0/000.P/1", "tile/0/000.p/05", "tile/0/000.p/1/2",
    "tile/0/001.p/256", "tile/0/001", "tile/1/000", "tile/entries/001",
    "tile/0/%30%30%30", "tile/%30/000", "tile%2f0%2f000", "tile/0/x001/%2e%2e/000", "%74ile/0/000",
    "tile/0/000%00", "tile/0/000%0a", "tile/0/\u0660\u0660\u0660", "tile/0/000;x",
    "tile/0/" + "x999/" * 6 + "999", "tile/0/" + "x999/" * 7 + "999", "tile/0/" + "x001/" * 500,
    "tile/entries/../../checkpoint", "checkpoint/", "checkpoint%00", "v1/body/../../checkpoint",
)  # fmt: skip


def no_tile_is_shown(url: str) -> None:
    """Each is 404 or no question at all, and the place goes on answering."""
    place = urlsplit(url)
    for name in NO_TILES:
        head = f"GET {place.path}/{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        with socket.create_connection((place.hostname or "", place.port or 0), WAIT_S) as line:
            line.sendall(head.encode())
            status = line.makefile("rb").readline().split()[1]
        assert status in (b"404", b"400"), (name, status)
    assert get(url, "tile/0/000").status == 200


def get(url: str, path: str) -> Answer:
    return got(url, path)[0]


@contextlib.contextmanager
def witness(folder: Path, log: Verifier, name: str, listen: str = "127.0.0.1:0") -> Iterator[str]:
    """A witness of one log as a program; its address."""
    folder.mkdir(exist_ok=True)
    if not (folder / "witness.key").exists():
        keystore.create(folder / "witness.key")
    (folder / "witness.toml").write_text(
        f'[witness]\nname = "{name}"\nlisten = "{listen}"\n[[log]]\nvkey = "{log.vkey()}"\n'
    )
    with served("witness", folder / "witness.toml", "--new") as (_, url):
        yield url


def key_of(folder: Path, name: str) -> Verifier:
    folder.mkdir(exist_ok=True)
    path = folder / "witness.key"
    public = (keystore.read(path) if path.exists() else keystore.create(path)).public
    return Verifier(name, COSIGNATURE, public)


def log_of(folder: Path) -> Verifier:
    return Verifier("demo", ED25519, keystore.read(folder / "log.key").public)


def nobody() -> str:
    """An address where nobody answers."""
    return f"http://127.0.0.1:{free_port()}"


def configured(folder: Path, place: Place, quorum: int, *witnesses: tuple[str, Verifier]) -> Path:
    tables = "".join(
        f'[[witness]]\nurl = "{url}"\nvkey = "{key.vkey()}"\n' for url, key in witnesses
    )
    more = f'store = "{place}"\n[log]\npublish_s = 0.05\nquorum = {quorum}\n{tables}'
    return written(folder, more)


def seen_by(url: str, log: Verifier, size: int, *keys: Verifier) -> Seen:
    """The published checkpoint, once it has so many entries, cosigned by all of these."""
    text = "".join(f"witness {key.name} {key.vkey()}\n" for key in keys)
    names = " ".join(key.name for key in keys)
    text += f"group every all {names}\nquorum every\n" if keys else "quorum none\n"
    trusted, deadline = policy.read(text.encode()), time.monotonic() + WAIT_S
    while True:
        answer = get(url, "checkpoint")
        if answer.status == 200 and checkpoint.read(note.read(answer.body).text).size >= size:
            with contextlib.suppress(ValueError):
                return policy.check(trusted, answer.body, [log])
        assert time.monotonic() < deadline, answer
        time.sleep(0.02)


def push(url: str, runs: list[GatewayRun], count: int) -> list[bytes]:
    """So many batches of one observation each; begins a gateway where there is none."""
    batches: list[bytes] = []

    async def what(client: Client) -> None:
        if not runs:
            runs.append((await begin(client, CFG))[1])
        for _ in range(count):
            runs[0].observe(1, frame(LAYOUT, runs[0].lines[1].seq))
            batches.append(runs[0].cut())
        for status, _ in await asyncio.gather(*map(client.push, batches)):
            assert status == 200

    talk(url, what)
    return batches


class Public(NamedTuple):
    """A published log: one witness cosigns it, another is away."""

    folder: Path
    place: Path
    url: str
    log: Verifier
    seen: Seen
    batches: list[bytes]


def entries_of(place: Place) -> list[bytes]:
    store = open_reader(place, live=True)
    found = [entry.encoded for entry in store.entries()]
    store.close()
    return found


def expected(entries: list[bytes], asked: Tile) -> bytes:
    """As C2SP tlog-tiles says it, from the entries alone."""
    if asked.level == ENTRIES:
        mine = entries[asked.index * 256 :][: asked.width]
        return b"".join(len(entry).to_bytes(2, "big") + entry for entry in mine)
    leaves, step = [merkle.leaf_hash(entry) for entry in entries], 256**asked.level
    first = asked.index * 256
    return b"".join(
        merkle.root(leaves[(first + i) * step : (first + i + 1) * step]) for i in range(asked.width)
    )
