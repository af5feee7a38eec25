"""A mirror: that it has all of a log before it says so, whatever is served and wherever it is
killed. The log is files behind a server of files.
"""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from drivers.c37118.wire import Layout
from evidence import cbor, cose
from evidence.code import Reason
from evidence.key import Ed25519Key
from evidence.refusal import EvidenceError
from evidence.tlog import checkpoint, cosignature, note, policy, tile
from evidence.tlog.note import COSIGNATURE, Verifier
from evidence.tlog.tile import Tile
from record.database import StoreError
from record.witness.mirror import nth
from record.witness.source import SourceError
from tests.record.gateway import Gateway, frame, id_of
from tests.record.upstream import AUTHORITY
from tests.record.witness.rig import MIRRORS_KEY, NAME, Rig
from tests.record.witness.shown import NOW, NS, StaticLog
from tests.record.witness.watched import LOGS_KEY, ORIGIN, ROOT, WAIT_S


def test_it_has_all_of_it_before_it_says_so(rig: Rig):
    """Over the edges of tiles: what it shows is byte for byte what the log shows."""
    sizes = (1, 255, 256, 257, 300, 515)
    for size in sizes:
        more = size - len(rig.log.entries)
        assert rig.follow(more) == more and rig.pull() == 0
        shown = note.read(rig.copy.published() or b"")
        assert cosignature.times(shown, MIRRORS_KEY)
        assert checkpoint.check(shown.encode(), [LOGS_KEY])[1].root == rig.log.root()
        assert rig.whole() == []
        for one in tile.tiles(size):
            assert (rig.copy.folder / one.path()).read_bytes() == rig.log.read(one.path())
    assert not (rig.copy.folder / "tile/0/000.p").exists()  # the full one is there
    stated = [rig.copy.read(f"v1/checkpoints/{size}") for size in (0, *sizes[:-1])]
    assert len(stated) == len(sizes)


def test_observations_are_taken_with_their_head_or_not_at_all(rig: Rig, cfg: bytes, layout: Layout):
    run = Gateway("gw-1", AUTHORITY).start()
    described = run.describe(1, cfg)
    for number in range(3):
        run.observe(1, frame(layout, number))
    batch = run.cut()
    head = cose.read_at(batch, 0)[0].encoded
    observations = batch[len(head) :]
    rig.log.commit(run.statement.encoded, described.encoded, head)
    rig.log.show()
    with pytest.raises(SourceError, match="is not there"):
        rig.pull()
    rig.log.bodies[id_of(batch)] = observations[:-1] + bytes([observations[-1] ^ 1])
    rig.log.show()
    rig.refuses(Reason.ROOT, "of entry 2")
    rig.log.bodies[id_of(batch)] = observations + observations
    rig.log.show()
    rig.refuses(Reason.COUNT, "6 observations")
    rig.log.bodies[id_of(batch)] = b"\xff" * 20
    rig.log.show()
    rig.refuses(Reason.ENCODING)
    rig.log.bodies[id_of(batch)] = observations
    rig.log.show()
    assert rig.pull() == 3
    name = id_of(batch).hex()
    assert rig.copy.read(f"v1/body/{name[:2]}/{name[2:4]}/{name}") == observations
    assert rig.whole() == []


def test_new_entries_must_lead_to_the_root(rig: Rig):
    rig.follow(5)
    rig.log.grow(3)
    rig.log.show()
    rig.log.spoil("tile/entries/000.p/8", -1)
    rig.refuses(Reason.INCLUSION)
    assert rig.held() == 5 and rig.found() == []  # the server's doing: the log signed nothing wrong
    rig.log.spoil("tile/entries/000.p/8", -1)
    assert rig.pull() == 3


def test_tiles_must_lead_to_the_root(rig: Rig):
    rig.follow(5)
    rig.log.grow(3)
    rig.log.show()
    rig.log.spoil("tile/0/000.p/8", 7)
    rig.refuses(Reason.ROOT, "do not lead to the root that it signed")
    assert rig.found() == []


def test_what_is_no_answer_is_refused_and_nothing_is_taken(rig: Rig):
    rig.follow(3)
    before = rig.copy.published()
    rig.log.grow(2)
    rig.log.show()
    stated = rig.log.stated(5, NOW)
    stranger = StaticLog(rig.log.folder, Ed25519Key(b"s" * 32))
    stranger.grow(5)
    hashes, bundle = rig.log.read("tile/0/000.p/5"), rig.log.read("tile/entries/000.p/5")
    forged = stated[:-1] + bytes([stated[-1] ^ 1])
    times = (5, [5], [b"x"], [stated[:-1]], [forged], [stranger.stated(5, NOW)], [stated, stated])
    wrong = {
        "checkpoint": (b"", b"\xff", stranger.note(), rig.log.note().replace(b"5", b"6", 1)),
        "v1/checkpoints/3": (b"", b"\xff", *map(cbor.encode, times)),
        "tile/0/000.p/5": (b"", hashes[:-1], bytes(33 * 32)),
        "tile/entries/000.p/5": (b"", bundle + b"\0", b"\xff\xff"),
    }
    for path, contents in wrong.items():
        good = rig.log.read(path)
        for data in contents:
            rig.log.put(path, data)
            with pytest.raises((EvidenceError, SourceError)):
                rig.pull()
            assert (rig.held(), rig.copy.published(), rig.found()) == (3, before, [])
        rig.log.put(path, good)
    assert rig.pull() == 2


def test_an_answer_is_bounded(rig: Rig):
    rig.log.put("checkpoint", b"x" * (note.NOTE_BYTES_MAX + 1))
    with pytest.raises(SourceError, match=f"over {note.NOTE_BYTES_MAX} bytes"):
        rig.pull()


def test_without_the_witnesses_that_are_asked_for_it_takes_nothing(rig: Rig):
    key = Ed25519Key(b"w" * 32)
    other = Verifier("w.example/1", COSIGNATURE, key.public)
    rig.policy = policy.read(f"witness w {other.vkey()}\nquorum w\n".encode())
    rig.log.grow(5)
    rig.log.show()
    rig.refuses(Reason.WITNESS, "quorum w is not reached")
    signed = note.read(rig.log.note())
    line = cosignature.sign(signed.text, other.name, key, NOW // NS)
    rig.log.put("checkpoint", signed.with_lines([line]).encode())
    assert rig.pull() == 5
    shown = note.read(rig.copy.published() or b"")
    assert {one.name for one in shown.lines} == {ORIGIN, other.name, NAME}


def test_a_copy_that_lost_a_byte_is_named_and_not_signed_for(rig: Rig, base: tuple[Path, str]):
    rig.follow(300)
    for path, words in (
        ("tile/entries/000", "tile/entries/000: entry 1 is not what tile/0/000 has"),
        ("tile/0/000", "tile/entries/000: entry 0 is not what tile/0/000 has"),
        ("tile/1/000.p/1", "tile/1/000.p/1: byte 12 is another than before"),
        ("checkpoint", "checkpoint: "),
        ("v1/checkpoints/0", "v1/checkpoints/0: "),
    ):
        at = rig.copy.folder / path
        good = at.read_bytes()
        at.write_bytes(good[:12] + bytes([good[12] ^ 1]) + good[13:])
        assert any(words in line for line in rig.whole()), rig.whole()
        if path.startswith("tile/1"):  # at the edge of the tree: seen at once, and not the log's
            with pytest.raises(StoreError, match="the copy is damaged; --check says where"):
                rig.pull()
            assert rig.found() == []
        at.write_bytes(good)
    assert rig.whole() == []
    (rig.copy.folder / "tile/1/000.p/1").unlink()
    assert any("is missing in the copy" in line for line in rig.whole())
    rig.log.grow(1)
    rig.log.show()
    with pytest.raises(StoreError):
        rig.pull()


@pytest.mark.parametrize("where", ["checked", "persisted"])
def test_a_crash_anywhere_leaves_a_copy_that_goes_on(rig: Rig, where: str):
    """Killed when the tree is verified and on the disk, before it is signed for; and when that is
    durable, before it is shown."""
    rig.follow(5)
    rig.log.grow(300)
    rig.log.show()
    rig.state.close()
    typed = [str(rig._store), rig._url, str(rig.copy.folder.parent), where]
    done = subprocess.run(
        [sys.executable, "-c", CRASHES, *typed], cwd=ROOT, timeout=WAIT_S, check=False
    )
    assert done.returncode == -signal.SIGKILL
    rig.restart()
    assert rig.held() == (5 if where == "checked" else 305)
    assert checkpoint.check(rig.copy.published() or b"", [LOGS_KEY])[1].size == 5
    assert rig.whole() == []
    rig.pull()
    assert rig.held() == 305 and rig.whole() == []
    assert checkpoint.check(rig.copy.published() or b"", [LOGS_KEY])[1].size == 305


CRASHES = """
import asyncio, os, signal, sys
from pathlib import Path
from evidence.key import Ed25519Key
from record.witness import source, state
from record.witness.copy import Copy
from record.witness.mirror import Mirror, Watched
from record.witness.witness import Cosigner
from tests.record.witness.watched import LOGS_KEY, ORIGIN

store, url, folder, where = sys.argv[1:]
KEY = Ed25519Key(b"M" * 32)

class Dying:
    public = KEY.public
    def sign(self, message):
        if where == "checked":
            os.kill(os.getpid(), signal.SIGKILL)
        return KEY.sign(message)

class DyingCopy(Copy):
    def publish(self, data):
        os.kill(os.getpid(), signal.SIGKILL)

async def once():
    kept = state.open_state(Path(store), KEY.public.raw, "mirror.example/1")
    by = Cosigner("mirror.example/1", Dying(), kept, lambda: 1790000000 * 10**9)
    async with source.opened(url, None) as asked:
        watched = Watched(ORIGIN, [LOGS_KEY], 60 * 10**9)
        await Mirror(by, watched, asked, DyingCopy(Path(folder), ORIGIN)).pull()

asyncio.run(once())
"""


def test_every_tile_of_a_tree_is_asked_again_in_turn():
    for size in (0, 1, 256, 257, 70_000):
        found: list[Tile] = []
        while (one := nth(size, len(found))) is not None:
            found.append(one)
        assert sorted(found, key=str) == sorted(tile.tiles(size), key=str)
