"""What the log shows to anybody: tiles, entries, bodies, proofs, and checkpoints that witnesses
cosigned. The record and its witnesses are programs; what they say is recomputed here.
"""

import asyncio
import contextlib
import http.server
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from drivers.c37118.wire import Layout
from drivers.keystore import file as keystore
from evidence import merkle
from evidence.config import ConfigError
from evidence.key import Ed25519Key
from evidence.tlog import checkpoint, note, policy, proof, tile
from evidence.tlog.checkpoint import Checkpoint
from evidence.tlog.note import COSIGNATURE, ED25519, Verifier
from evidence.tlog.policy import Seen
from evidence.tlog.tile import ENTRIES, Tile, Tiles
from record import config
from record.cli import main
from record.database import Place
from record.offer import ForkError, Offer, OfferError
from record.store import open_reader
from tests.record.gateway import GatewayRun, cfg_bytes, configuration, frame, id_of
from tests.record.test_program import served as record_served
from tests.record.test_program import talk, verified, written
from tests.record.test_service import WAIT_S, Client, begin
from tests.record.upstream import BOTH, LOG
from tests.record.witness.watched import ask, served

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
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


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


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Public]:
    folder = tmp_path_factory.mktemp("public")
    place = folder / "record.db"
    written(folder)
    log, one, two = log_of(folder), key_of(folder / "w1", W1), key_of(folder / "w2", W2)
    with contextlib.ExitStack() as stack:
        at = stack.enter_context(witness(folder / "w1", log, W1))
        path = configured(folder, place, 1, (at, one), (nobody(), two))
        _, url = stack.enter_context(record_served(path))
        batches = push(url, [], BATCHES)
        seen = seen_by(url, log, BATCHES + 3, one)
        yield Public(folder, place, url, log, seen, batches)


# --- tiles ----------------------------------------------------------------------------------------


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


def test_every_tile_of_the_published_tree_is_served(public: Public):
    entries = entries_of(public.place)
    size = public.seen.checkpoint.size
    assert size == len(entries) == BATCHES + 3
    assert public.seen.checkpoint.root == merkle.root([merkle.leaf_hash(e) for e in entries])
    tiles = list(tile.tiles(size))
    assert [one.path() for one in tiles] == [
        *("tile/0/000", "tile/0/001.p/17", "tile/1/000.p/1"),
        *("tile/entries/000", "tile/entries/001.p/17"),
    ]
    answers = got(public.url, *(one.path() for one in tiles))
    for one, answer in zip(tiles, answers, strict=True):
        assert (answer.status, answer.body) == (200, expected(entries, one)), one
        assert answer.kind == "application/octet-stream"
        assert "immutable" in answer.cache and "max-age=31536000" in answer.cache
    # What a smaller tree had is served too, for who has its checkpoint.
    smaller = [Tile(0, 0, 7), Tile(ENTRIES, 1, 2), Tile(ENTRIES, 0, 255)]
    for one, answer in zip(smaller, got(public.url, *(t.path() for t in smaller)), strict=True):
        assert (answer.status, answer.body) == (200, expected(entries, one))


def test_proofs_follow_from_the_tiles_alone(public: Public):
    says, leaves = public.seen.checkpoint, [merkle.leaf_hash(e) for e in entries_of(public.place)]
    tree = Tiles(says.size, lambda one: get(public.url, one.path()).body)
    assert tree.root() == says.root
    for index in (0, 100, 255, 256, says.size - 1):
        merkle.check_inclusion(leaves[index], index, says.size, tree.inclusion(index), says.root)
    for first in (1, 200, 256, 270):
        root = merkle.root(leaves[:first])
        merkle.check_consistency(first, root, says.size, says.root, tree.consistency(first))


@pytest.mark.parametrize(
    "path",
    [
        *("tile/0/001", "tile/0/001.p/18", "tile/0/002.p/1", "tile/1/000", "tile/1/000.p/2"),
        *("tile/2/000.p/1", "tile/63/000", "tile/64/000", "tile/0/0", "tile/0/000.p/256"),
        *("tile/entries/001", "tile/entries/001.p/18", "tile/entry/000", "tile/", "tile"),
        *("tile/0/x999/x999/x999/x999/x999/x999/999", "tile/0/000/", "tile/0/000.p/0"),
    ],
)
def test_what_the_log_has_not_is_not_found_and_not_kept(public: Public, path: str):
    answer = get(public.url, path)
    assert answer.status == 404
    assert "immutable" not in answer.cache


def test_it_is_only_read(public: Public):
    for path in ("/checkpoint", "/tile/0/000", f"/v1/body/{'0' * 64}", f"/v1/proof/{'0' * 64}"):
        assert ask(public.url, "POST", path, b"x")[0] == 405


def test_the_checkpoint_is_asked_for_again(public: Public):
    answer = get(public.url, "checkpoint")
    assert (answer.kind, answer.cache) == ("text/plain; charset=utf-8", "no-cache")


# --- bodies and proofs ----------------------------------------------------------------------------


def test_observations_stand_beside_their_head(public: Public):
    batch = public.batches[5]
    body = get(public.url, f"v1/body/{id_of(batch).hex()}")
    assert body.status == 200 and batch.endswith(body.body) and "immutable" in body.cache
    head = batch[: -len(body.body)]
    assert merkle.leaf_hash(head) in [merkle.leaf_hash(e) for e in entries_of(public.place)]
    # A statement has none, and who asks wrongly is told so.
    assert get(public.url, f"v1/body/{'0' * 64}").status == 404
    assert get(public.url, f"v1/body/{id_of(batch).hex().upper()}").status == 404


def test_an_entry_is_proved_by_its_name(public: Public):
    one = key_of(public.folder / "w1", W1)
    trusted = policy.read(f"witness w {one.vkey()}\nquorum w\n".encode())
    for batch in (public.batches[0], public.batches[-1]):
        answer = get(public.url, f"v1/proof/{id_of(batch).hex()}")
        assert (answer.status, answer.cache) == (200, "no-cache")
        body = get(public.url, f"v1/body/{id_of(batch).hex()}").body
        leaf = merkle.leaf_hash(batch[: -len(body)])
        seen = proof.read(answer.body).check(leaf, trusted, [public.log])
        assert seen.checkpoint.size == BATCHES + 3
        assert abs(seen.witnessed["w"] - time.time()) < WAIT_S
    assert get(public.url, f"v1/proof/{'0' * 64}").status == 404


def test_show_says_until_when_it_is_published(public: Public, capsys: pytest.CaptureFixture[str]):
    assert main(["show", str(public.place)]) == 0
    told = capsys.readouterr().out
    assert f"published     {BATCHES + 3} of {BATCHES + 3} entries, up to date, cosigned by" in told
    assert W1 in told and public.log.vkey() in told
    assert main(["show", "--json", str(public.place)]) == 0
    found = json.loads(capsys.readouterr().out)["published"]
    assert (found["size"], found["behind"], [*found["cosigned"]]) == (BATCHES + 3, 0, [W1])


# --- proofs that leave the record -----------------------------------------------------------------


def prove(public: Public, out: Path) -> bytes:
    sample = ["--sample", "gw-1/1/7", "--out", str(out)]
    assert main(["prove", str(public.place), *sample]) == 0
    return out.read_bytes()


def anchored(public: Public, folder: Path, least: str = "w1") -> Path:
    """The record's anchors, with a witness policy in a file beside them."""
    one, two = (key_of(public.folder / name, key) for name, key in (("w1", W1), ("w2", W2)))
    (folder / "witnesses").write_text(
        f"witness w1 {one.vkey()}\nwitness w2 {two.vkey()}\ngroup both all w1 w2\nquorum {least}\n"
    )
    text = (public.folder / "anchors.toml").read_text()
    (folder / "anchors.toml").write_text(f'witness_policy = "witnesses"\n{text}')
    return folder / "anchors.toml"


def test_one_sample_is_proved_without_its_record(
    public: Public, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "sample.tlog-proof"
    prove(public, path)
    anchors = anchored(public, tmp_path)
    assert main(["verify", str(path), "--anchors", str(anchors)]) == 0
    told = capsys.readouterr().out
    assert "gw-1/1/7" in told and "cosigned by   w1" in told and "everything holds" in told
    assert main(["verify", str(path)]) == 3
    capsys.readouterr()
    assert main(["verify", str(path), "--anchors", str(anchored(public, tmp_path, "both"))]) == 1
    assert "does not hold: witness" in capsys.readouterr().out
    # Another log's anchors.
    anchors.write_text(anchors.read_text().replace(public.log.key.raw.hex(), LOG.public.raw.hex()))
    assert main(["verify", str(path), "--anchors", str(anchors)]) == 1
    assert "does not hold: signature" in capsys.readouterr().out


def test_no_byte_of_a_samples_proof_can_change(public: Public, tmp_path: Path):
    whole = prove(public, tmp_path / "whole")
    anchors = anchored(public, tmp_path)
    extra = proof.read(whole).extra or b""
    for at in range(0, len(extra), 53):
        changed = bytearray(extra)
        changed[at] ^= 1
        bad = proof.read(whole)
        (tmp_path / "bad").write_bytes(
            proof.Proof(bad.index, bad.hashes, bad.signed, bytes(changed)).encode()
        )
        assert main(["verify", str(tmp_path / "bad"), "--anchors", str(anchors)]) == 1, at


def test_a_sample_that_is_not_there_is_one_line(
    public: Public, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = ["--out", str(tmp_path / "x")]
    assert main(["prove", str(public.place), "--sample", "gw-1/1/99999", *out]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_an_entry_leaves_with_a_cose_receipt(
    public: Public, tmp_path: Path, oracle: Path, capsys: pytest.CaptureFixture[str]
):
    """Another implementation takes statement and receipt apart, and verifies them."""
    batch, anchors = public.batches[9], str(public.folder / "anchors.toml")
    which = ["--subject", id_of(batch).hex(), "--config", str(public.folder / "record.toml")]
    whole, bare = tmp_path / "whole.cose", tmp_path / "bare.cose"
    assert main(["cose", str(public.place), *which, "--out", str(whole)]) == 0
    assert main(["cose", str(public.place), *which, "--bare", "--out", str(bare)]) == 0
    assert main(["verify", str(whole), "--anchors", anchors]) == 0
    assert f"head {id_of(batch).hex()}" in capsys.readouterr().out
    asked = f"""
import sys
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from scitt_cose import extract_receipts, verify_receipt
key = Ed25519PublicKey.from_public_bytes(bytes.fromhex({public.log.key.raw.hex()!r})).public_bytes(
    ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo)
(receipt,) = extract_receipts(open({str(whole)!r}, "rb").read())
assert receipt == open({str(bare)!r}, "rb").read()
entry = {batch[: -len(get(public.url, f"v1/body/{id_of(batch).hex()}").body)].hex()!r}
found = verify_receipt(receipt, leaf_entry_hex=entry, log_public_key_pem=key)
print(found.ok, found.tree_size, found.root, found.issuer)
"""
    done = subprocess.run(
        [str(oracle), "-c", asked], capture_output=True, text=True, timeout=60, check=False
    )
    root = public.seen.checkpoint.root.hex()
    assert done.stdout == f"True {BATCHES + 3} {root} demo\n", done.stderr
    assert main(["cose", str(public.place), *which[2:], "--since", "9", "--out", str(bare)]) == 0
    assert main(["cose", str(public.place), *which[2:], "--since", "999", "--out", str(bare)]) == 2


# --- witnesses ------------------------------------------------------------------------------------


def test_a_witness_that_is_away_holds_up_nothing(tmp_path: Path):
    """Another's cosignatures go on without it. Once both are asked for, the checkpoint stays where
    it was, and admission does not; then it comes back."""
    place, runs = tmp_path / "record.db", list[GatewayRun]()
    written(tmp_path)
    log, one, two = log_of(tmp_path), key_of(tmp_path / "w1", W1), key_of(tmp_path / "w2", W2)
    away = nobody()
    with witness(tmp_path / "w1", log, W1) as at:
        both = ((at, one), (away, two))
        with record_served(configured(tmp_path, place, 1, *both)) as (process, url):
            push(url, runs, 3)
            assert seen_by(url, log, 6, one).checkpoint.size == 6
            process.terminate()
            _, err = process.communicate(timeout=WAIT_S)
            assert f"witness {W2} does not cosign: Client" in err and W1 not in err
        with record_served(configured(tmp_path, place, 2, *both)) as (_, url):
            assert get(url, "checkpoint").status == 200  # the last one, at once
            last = push(url, runs, 1)[0]
            assert checkpoint.read(note.read(get(url, "checkpoint").body).text).size == 6
            assert get(url, f"v1/proof/{id_of(last).hex()}").status == 503
            with witness(tmp_path / "w2", log, W2, away.removeprefix("http://")):
                assert seen_by(url, log, 7, one, two).checkpoint.size == 7
    assert verified(tmp_path, place) == 0


def test_a_record_that_was_set_back_is_found_by_its_witness(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """An owner who puts an earlier copy in place: its witness has seen more, and says so."""
    place, runs = tmp_path / "record.db", list[GatewayRun]()
    written(tmp_path)
    log, one = log_of(tmp_path), key_of(tmp_path / "w1", W1)
    with witness(tmp_path / "w1", log, W1) as at:
        path = configured(tmp_path, place, 1, (at, one))
        with record_served(path) as (process, url):
            push(url, runs, 2)
            seen_by(url, log, 5, one)
            process.terminate()
            process.communicate(timeout=WAIT_S)
        shutil.copy(place, tmp_path / "earlier.db")
        with record_served(path) as (process, url):
            push(url, runs, 2)
            seen_by(url, log, 7, one)
            process.terminate()
            process.communicate(timeout=WAIT_S)
        shutil.copy(tmp_path / "earlier.db", place)
        with record_served(path) as (process, url):
            runs[0].lines[1].seq -= 1  # another content in the place of the last
            push(url, runs, 1)
            deadline = time.monotonic() + WAIT_S
            told = ""
            assert process.stderr is not None
            while "has seen 7 entries of this log" not in told and time.monotonic() < deadline:
                told = process.stderr.readline()
            assert f"witness {W1} does not cosign: has seen 7 entries" in told
            assert checkpoint.read(note.read(get(url, "checkpoint").body).text).size == 5


@BOTH
def test_without_witnesses_the_log_is_published_by_itself(tmp_path: Path, place: Place):
    path = configured(tmp_path, place, 0)
    log = log_of(tmp_path)
    with record_served(path) as (process, url):
        assert get(url, "checkpoint").status == 404  # there is nothing to publish
        batch = push(url, [], 2)[0]
        seen = seen_by(url, log, 5)
        entries = entries_of(place)
        assert seen.checkpoint.root == merkle.root([merkle.leaf_hash(e) for e in entries])
        for one in tile.tiles(seen.checkpoint.size):
            assert get(url, one.path()).body == expected(entries, one)
        found = proof.read(get(url, f"v1/proof/{id_of(batch).hex()}").body)
        index = next(i for i, entry in enumerate(entries) if batch.startswith(entry))
        found.check(merkle.leaf_hash(entries[index]), policy.read(b"quorum none\n"), [log])
        process.terminate()
        assert process.communicate(timeout=WAIT_S) == ("", "")
    assert verified(tmp_path, place) == 0


# --- a witness that answers wrongly ---------------------------------------------------------------

TREE = checkpoint.sign(Checkpoint("log.example", 9, bytes(32)), LOG)
HOSTILE = Ed25519Key(b"h" * 32)


class Hostile(http.server.BaseHTTPRequestHandler):
    """Answers as it is told: status, media type, body."""

    answer: tuple[int, str, bytes] = (200, "", b"")
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, kind, body = self.answer
        self.send_response(status)
        self.send_header("Content-Type", kind or "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def hostile() -> Iterator[Callable[[int, str, bytes], str]]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()

    def answering(status: int, kind: str, body: bytes) -> str:
        Hostile.answer = (status, kind, body)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield answering
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "kind", "body", "fault", "words"),
    [
        (200, "", b"", OfferError, "no cosignature"),
        (200, "", b"\xff\xfe", OfferError, "not UTF-8"),
        (200, "", b"no line\n", OfferError, "no signature line"),
        (200, "", "\u2014 w.example AAAAAAAA\n".encode(), OfferError, "without a line of w"),
        (200, "", b"x" * 100_000, OfferError, "over 16384 bytes"),
        (500, "", b"out of\norder", OfferError, "answered 500: out of order"),
        (302, "", b"", OfferError, "answered 302"),
        (404, "", b"unknown", OfferError, "answered 404"),
        (409, "text/x.tlog.size", b"12\n", ForkError, "has seen 12 entries of this log"),
        (409, "text/x.tlog.size", b"-1\n", OfferError, "without a size"),
        (409, "text/x.tlog.size", b"9" * 40 + b"\n", OfferError, "without a size"),
        (409, "text/x.tlog.size", b"3\n", ForkError, "answered 409"),  # and again, and again
        (409, "text/plain", b"another root\n", ForkError, "answered 409: another root"),
        (422, "", b"proof\n", ForkError, "answered 422"),
    ],
)
def test_a_witness_that_answers_wrongly_cosigns_nothing(
    hostile: Any, status: int, kind: str, body: bytes, fault: type[OfferError], words: str
):
    async def proof_of(old: int, size: int) -> tuple[bytes, ...]:
        return ()

    async def offered() -> None:
        key = Verifier("w.example", COSIGNATURE, HOSTILE.public)
        async with aiohttp.ClientSession() as session:
            offer = Offer(hostile(status, kind, body), key, proof_of)
            await asyncio.wait_for(offer.cosigned(session, 9, TREE), WAIT_S)

    with pytest.raises(OfferError, match=words) as caught:
        asyncio.run(offered())
    assert type(caught.value) is fault
    assert "\n" not in str(caught.value)


# --- what it is told ------------------------------------------------------------------------------


def vkey(name: str, key: Ed25519Key, kind: int = COSIGNATURE) -> str:
    return Verifier(name, kind, key.public).vkey()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('[[witness]]\nurl = "http://w"\nvkey = "{log}"', "the key of the log; keys of log"),
        ('[[witness]]\nurl = "http://w"\nvkey = "{one}"\n' * 2, "the key of witness w1"),
        ('[[witness]]\nurl = "http://w"\nvkey = "{one}"\n'
         '[[witness]]\nurl = "http://w"\nvkey = "{same}"', "a second witness"),
        ('[[witness]]\nurl = "http://w"\nvkey = "{plain}"', "vkey of a cosigner"),
        ('[[witness]]\nurl = "http://w"\nvkey = "w1+00000000+AAAA"', "witness[0].vkey"),
        ('[[witness]]\nurl = "ftp://w"\nvkey = "{one}"', "expected http://"),
        ('[[witness]]\nurl = "http://u:p@w"\nvkey = "{one}"', "expected http://"),
        ('[[witness]]\nurl = "http://w:x"\nvkey = "{one}"', "expected http://"),
        ('[log]\nquorum = 1', "expected at most 0"),
        ('[log]\norigin = "two words"', "log.origin"),
        ('[log]\npublish_s = 0', "publish_s"),
        ('[log]\nqorum = 0', "did you mean 'quorum'"),
    ],
)  # fmt: skip
def test_keys_and_quorum_are_checked(tmp_path: Path, table: str, words: str):
    key = keystore.create(tmp_path / "log.key")
    made = {
        "log": Verifier("w0", COSIGNATURE, key.public).vkey(),
        "one": vkey("w1", HOSTILE), "same": vkey("w1", LOG), "plain": vkey("w1", LOG, ED25519),
    }  # fmt: skip
    for name, text in made.items():
        table = table.replace(f"{{{name}}}", text)
    with pytest.raises(ConfigError) as caught:
        config.read_record(written(tmp_path, table))
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert "u:p" not in str(caught.value)


def test_a_log_is_called_as_its_anchors_say(tmp_path: Path):
    path = written(tmp_path)
    assert config.read_record(path).publishing.log.name == "demo"
    anchors = tmp_path / "anchors.toml"
    anchors.write_text(anchors.read_text().replace('"demo"', '"The demo"'))
    found = config.read_record(path).publishing
    assert found.log.name == f"gridseal-log-{found.log.key.fingerprint[:32]}"
    path.write_text(path.read_text() + '[log]\norigin = "log.example/7"\n')
    assert config.read_record(path).publishing.log.name == "log.example/7"
    many = "".join(
        f'[[witness]]\nurl = "http://w"\nvkey = "{vkey(f"w{at}", Ed25519Key(bytes([at]) * 32))}"\n'
        for at in range(1, 5)
    )
    path.write_text(path.read_text() + many)
    assert config.read_record(path).publishing.least == 3  # of four
