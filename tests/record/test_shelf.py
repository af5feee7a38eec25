"""What the log shows to anybody, recomputed from its entries; and proofs that leave the record,
checked without it: tlog-proofs here, COSE Receipts by another implementation.
"""

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evidence import merkle
from evidence.tlog import policy, proof, tile
from evidence.tlog.tile import ENTRIES, Tile, Tiles
from record.cli import main
from tests.record.gateway import id_of
from tests.record.public import (
    BATCHES,
    W1,
    W2,
    Public,
    configured,
    entries_of,
    expected,
    get,
    got,
    key_of,
    log_of,
    no_tile_is_shown,
    nobody,
    push,
    seen_by,
    witness,
)
from tests.record.test_program import served as record_served
from tests.record.test_program import written
from tests.record.test_service import WAIT_S
from tests.record.upstream import LOG
from tests.record.witness.watched import ask


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


def test_a_name_has_one_spelling(public: Public):
    no_tile_is_shown(public.url)


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
