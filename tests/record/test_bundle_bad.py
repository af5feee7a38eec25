"""Bundles that do not hold: refused by the program and by the lone verifier, in the same words."""

import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evidence import anchor, cbor, export
from evidence.bundle import manifest, verifier
from evidence.export import Sealed
from record.cli import main
from record.reconstruct import check, folder
from tests.record.bundling import (
    Seam,
    device,
    files,
    fill,
    reconstruct,
    rewritten,
    sealed_anew,
    verify,
)
from tests.record.judge import Judge

MUTATIONS = 10_000
FORGED = 60  # of each file
CLOSING = 39  # bytes of a closing of less than 24 items, in an export


def _removed(path: Path) -> None:
    (path / "clock.bin").unlink()


def _removed_and_sealed(path: Path) -> None:
    (path / "clock.bin").unlink()
    sealed_anew(path)


def _device_removed_and_sealed(path: Path) -> None:
    device(path).unlink()
    sealed_anew(path)


def _added(path: Path) -> None:
    (path / "notes.txt").write_text("and more")


def _added_and_sealed(path: Path) -> None:
    (path / "notes.txt").write_text("and more")
    sealed_anew(path)


def _renamed(path: Path) -> None:
    (path / "tree.bin").rename(path / "TREE.bin")


def _truncated(path: Path) -> None:
    os.truncate(device(path), device(path).stat().st_size - 1)


def _longer(path: Path) -> None:
    with (path / "tree.bin").open("ab") as file:
        file.write(b"\0")


def _sparse(path: Path) -> None:
    os.truncate(path / "clock.bin", 1 << 40)


def _link(path: Path) -> None:
    shutil.move(path / "clock.bin", path.parent / "clock.bin")
    (path / "clock.bin").symlink_to(path.parent / "clock.bin")


def _linked_folder(path: Path) -> None:
    shutil.move(path / "devices", path.parent / "elsewhere")
    (path / "devices").symlink_to(path.parent / "elsewhere")


def _pipe(path: Path) -> None:
    (path / "clock.bin").unlink()
    os.mkfifo(path / "clock.bin")


def _device_file(path: Path) -> None:
    (path / "clock.bin").unlink()
    os.mknod(path / "clock.bin", stat.S_IFCHR | 0o600, os.makedev(1, 5))  # zero: without an end


def _piped_manifest(path: Path) -> None:
    (path / manifest.PATH).unlink()
    os.mkfifo(path / manifest.PATH)


def _holed(path: Path) -> None:
    """A terabyte of which nothing is written, and a manifest that says so."""
    target = path / "documents" / "timeline.csv"
    os.truncate(target, 1 << 40)
    rows = [
        row._replace(size=1 << 40) if row.path == "documents/timeline.csv" else row
        for row in manifest.read((path / manifest.PATH).read_bytes())
    ]
    (path / manifest.PATH).write_bytes(manifest.write(rows))


def _manifested(path: Path, old: bytes, new: bytes) -> None:
    data = (path / manifest.PATH).read_bytes()
    assert old in data
    (path / manifest.PATH).write_bytes(data.replace(old, new, 1))


def _traversal(path: Path) -> None:
    (path.parent / "outside").write_bytes((path / "clock.bin").read_bytes())
    _manifested(path, b'"clock.bin"', b'"../outside"')


def _absolute(path: Path) -> None:
    _manifested(path, b'"clock.bin"', b'"/etc/passwd"')


def _bomb(path: Path) -> None:
    _manifested(path, b'"size":', b'"size":9')


def _other_order(path: Path) -> None:
    _manifested(path, b'{"files"', b'{ "files"')


def _batch_left_out(path: Path) -> None:
    def drop(items: list[export.Item]) -> None:
        at = [number for number, item in enumerate(items) if isinstance(item, Sealed)][2]
        del items[at]

    rewritten(device(path), drop)
    sealed_anew(path)


def _batch_replayed(path: Path) -> None:
    """At the end of what its gateway says, with the receipt that it has."""

    def replay(items: list[export.Item]) -> None:
        sealed = [item for item in items if isinstance(item, Sealed)]
        items.insert(items.index(sealed[-1]) + 1, sealed[0])

    rewritten(device(path), replay)
    sealed_anew(path)


def _aside(path: Path, batch: Sealed) -> None:
    """Puts the head of a batch among what is only counted."""
    with (path / "rest.bin").open("ab") as file:
        file.write(cbor.bytes_head(len(batch.head)) + batch.head)


def _batch_set_aside(path: Path) -> None:
    def drop(items: list[export.Item]) -> None:
        at = [number for number, item in enumerate(items) if isinstance(item, Sealed)][1]
        item = items.pop(at)
        assert isinstance(item, Sealed)
        _aside(path, item)

    rewritten(device(path), drop)
    sealed_anew(path)


def _receipts_swapped(path: Path) -> None:
    def swap(items: list[export.Item]) -> None:
        one, other = [number for number, item in enumerate(items) if isinstance(item, Sealed)][:2]
        first, second = items[one], items[other]
        assert isinstance(first, Sealed) and isinstance(second, Sealed)
        items[one] = first._replace(answer=second.answer)
        items[other] = second._replace(answer=first.answer)

    rewritten(device(path), swap)
    sealed_anew(path)


def _other_interval(path: Path) -> None:
    data = json.loads((path / "scope.json").read_bytes())
    data["begins"] = str(int(data["begins"]) - 1)
    (path / "scope.json").write_text(json.dumps(data, sort_keys=True, separators=(",", ":")))
    sealed_anew(path)


BAD = {
    "removed": (_removed, "clock.bin is not there"),
    "removed and sealed": (_removed_and_sealed, "clock.bin is not there"),
    "a device removed and sealed": (_device_removed_and_sealed, "proves what is not there"),
    "added": (_added, "notes.txt: bundle: stands beside"),
    "added and sealed": (_added_and_sealed, "notes.txt: bundle: no file of a bundle"),
    "renamed": (_renamed, "tree.bin: bundle: is missing"),
    "truncated": (_truncated, "the manifest says"),
    "longer": (_longer, "the manifest says"),
    "sparse": (_sparse, "1099511627776 bytes, the manifest says"),
    "a link": (_link, "clock.bin is neither a file nor a folder"),
    "a linked folder": (_linked_folder, "devices is neither a file nor a folder"),
    "a pipe": (_pipe, "clock.bin is neither a file nor a folder"),
    "a device": (_device_file, "clock.bin is neither a file nor a folder"),
    "a manifest that is a pipe": (_piped_manifest, "manifest.json is neither a file nor a folder"),
    "a file of holes": (_holed, "documents/timeline.csv has holes"),
    "a path that leads out": (_traversal, "no file of a bundle stands at '../outside'"),
    "an absolute path": (_absolute, "no file of a bundle stands at '/etc/passwd'"),
    "a size beyond all": (_bomb, "the manifest says"),
    "another form of the manifest": (_other_order, "in another form than its own"),
    "a batch left out": (_batch_left_out, "is not in this file, and no statement in it says why"),
    "a batch replayed": (_batch_replayed, "head_chain: batch 0 where "),
    "a batch set aside": (_batch_set_aside, "rest.bin: head_chain: batch 1 of run"),
    "receipts swapped": (_receipts_swapped, "other_subject: a receipt for"),
    "another interval": (_other_interval, "of another interval than the bundle"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_hold_is_refused_by_both(
    name: str, bundles: Path, tmp_path: Path, judge: Judge, capsys
):
    change, words = BAD[name]
    shutil.copytree(bundles / "whole", tmp_path / "bad")
    change(tmp_path / "bad")
    code, told = judge.main(tmp_path / "bad", "--anchors", bundles / "anchors.toml")
    assert (code, words in told) == (1, True), told
    assert verify(tmp_path / "bad", bundles / "anchors.toml") == 1
    own = capsys.readouterr()
    assert own.err == "" and words in own.out
    lines = [line for line in told.splitlines() if not line.startswith("not again")]
    assert own.out.splitlines() == lines
    assert not re.search(r"has (\d+) of \1 entries|other 0 entries", told)


@pytest.mark.parametrize("what", ["files", "folders", "folders in folders"])
def test_a_crowded_folder_is_refused_before_it_is_listed(
    bundles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys, what: str
):
    shutil.copytree(bundles / "whole", tmp_path / "bad")
    listed, scandir = 0, os.scandir

    def counted(path: Path) -> Iterator[os.DirEntry[str]]:
        nonlocal listed
        for entry in scandir(path):
            listed += 1
            yield entry

    @contextlib.contextmanager
    def scanned(path: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
        yield counted(path)

    monkeypatch.setattr(folder, "ENTRIES_MAX", 60)
    for at in range(400):
        where = tmp_path / "bad" / (f"{at % 7}" if what == "folders in folders" else "")
        where.mkdir(exist_ok=True)
        (where / f"x{at}").touch() if what == "files" else (where / f"x{at}").mkdir()
    monkeypatch.setattr(os, "scandir", scanned)
    assert verify(tmp_path / "bad", bundles / "anchors.toml") == 1
    assert "is one of more than 65536 files" in capsys.readouterr().out
    assert listed < 70


def test_a_bundle_that_brings_its_own_anchors_is_not_believed(
    tmp_path: Path, bundles: Path, judge: Judge, capsys
):
    """Everything in it is signed anew by others, and holds by the anchors that it brings."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    store = fill(theirs, "stranger")
    assert reconstruct(store, tmp_path / "bundle") == 0
    assert verify(tmp_path / "bundle", theirs / "anchors.toml") == 0
    shutil.copy(theirs / "anchors.toml", tmp_path / "bundle" / "anchors.toml")
    sealed_anew(tmp_path / "bundle")
    capsys.readouterr()
    assert verify(tmp_path / "bundle", bundles / "anchors.toml") == 1
    told = capsys.readouterr().out
    assert "kid: signed by key" in told and "(checkpoint.cose, by the log's key" in told
    assert judge.main(tmp_path / "bundle", "--anchors", bundles / "anchors.toml")[0] == 1
    assert main(["verify", str(tmp_path / "bundle")]) == 3
    assert "a bundle names none of its own" in capsys.readouterr().out


def test_a_device_in_two_files_is_refused(tmp_path: Path, judge: Judge, capsys):
    """Each is a chain without a hole, and what was between them is set aside. It takes a credential
    anew, for no statement may be there twice."""
    pair = Seam(tmp_path, rate=2, gateways=1)
    pair.go(2)
    gateway = pair.gateways[0]
    gateway._grant(replace(gateway.credential, expires_s=gateway.credential.expires_s + 1))
    pair.send(gateway.statement)
    pair.restart()
    pair.go(2)
    pair.close()
    (tmp_path / "anchors.toml").write_text(pair.anchors())
    bad = tmp_path / "bad"
    assert reconstruct(pair.place, bad, first=0, last=4) == 0
    assert verify(bad, tmp_path / "anchors.toml") == 0
    path = device(bad)
    opening, *items = export.read([path.read_bytes()])
    is_new = [getattr(item, "encoded", b"") == gateway.statement.encoded for item in items]
    at = is_new.index(True)
    before = items[at - 1]
    assert isinstance(before, Sealed)
    _aside(bad, before)
    shutil.copy(path, other := path.with_name("f" * 32 + ".gsx"))
    rewritten(path, lambda items: items.__delitem__(slice(at - 1, None)))
    rewritten(other, lambda items: items.__delitem__(slice(0, at)))
    sealed_anew(bad)
    capsys.readouterr()
    assert verify(bad, tmp_path / "anchors.toml") == 1
    told = capsys.readouterr().out
    assert "of a device that has another file" in told and told.endswith(
        "does not hold: 1 reason\n"
    )
    assert judge.main(bad, "--anchors", tmp_path / "anchors.toml")[0] == 1


def test_a_short_log_of_which_something_is_left_out_is_refused(
    tmp_path: Path, judge: Judge, monkeypatch, capsys
):
    """Each entry in it is proved, and whoever made it left the others out: a dissent, perhaps."""
    store = fill(tmp_path, seconds=1, rate=2)
    monkeypatch.setattr(verifier, "WHOLE_MAX", 0)
    assert reconstruct(store, tmp_path / "some", first=0, last=2) == 0
    monkeypatch.undo()
    assert not (tmp_path / "some" / "rest.bin").exists()
    assert verify(tmp_path / "some", tmp_path / "anchors.toml") == 1
    assert " of 19 entries; of so short a log all go in" in capsys.readouterr().out
    assert judge.main(tmp_path / "some", "--anchors", tmp_path / "anchors.toml")[0] == 1


@pytest.mark.timeout(240)  # some 8 s, alone on two cores
def test_each_byte_counts(tmp_path: Path, judge: Judge):
    """Ten thousand changes of one byte, anywhere in a bundle, one after another: all are found by
    a copy of the lone verifier that lies outside of it. Two of those do half of them each."""
    seam = Seam(tmp_path, rate=1, gateways=1)
    seam.go(2)
    seam.close()
    (tmp_path / "anchors.toml").write_text(seam.anchors())
    assert reconstruct(seam.place, tmp_path / "small", first=0, last=2) == 0
    anchors = tmp_path / "anchors.toml"
    assert judge.main(tmp_path / "small", "--anchors", anchors)[0] == 0
    shutil.copytree(tmp_path / "small", tmp_path / "copy")
    other = Judge(tmp_path / "other")
    try:
        for seed, (by, name) in enumerate(((judge, "small"), (other, "copy")), 1):
            asked = {"bundle": str(tmp_path / name), "anchors": str(anchors), "seed": seed}
            by.mutate(**asked, count=MUTATIONS // 2)
        assert judge.passed() == [] and other.passed() == []
    finally:
        other.close()
    assert judge.main(tmp_path / "small", "--anchors", anchors)[0] == 0


def test_a_byte_that_is_changed_by_whoever_writes_all_digests_anew_is_found(tmp_path: Path):
    """No digest helps here: signatures, chains, roots and the tree do."""
    seam = Seam(tmp_path, rate=1, gateways=1)
    seam.go(2)
    seam.close()
    (tmp_path / "anchors.toml").write_text(seam.anchors())
    anchors = anchor.read(seam.anchors(), "anchors.toml")
    bundle = tmp_path / "small"
    assert reconstruct(seam.place, bundle, first=0, last=2) == 0
    rng = random.Random(2)
    for path in files(bundle):
        if path.suffix == ".json" or "documents" in path.parts:  # no evidence
            continue
        data = path.read_bytes()
        for _ in range(FORGED):
            bad = bytearray(data)
            begin, end = (0, len(bad))
            if path.suffix == ".gsx":  # the opening is the maker's own word
                begin, end = 1 + bad[1] if bad[0] == 0x58 else 64, len(bad) - CLOSING
            if begin == end:
                continue
            bad[rng.randrange(begin + 1, end)] ^= rng.randrange(1, 256)
            if path.suffix == ".gsx":
                bad[-32:] = hashlib.sha256(bad[:-CLOSING]).digest()
            path.write_bytes(bad)
            sealed_anew(bundle)
            assert check.check(bundle, anchors, True, lambda _: None).reasons, path
        path.write_bytes(data)
    sealed_anew(bundle)
    assert check.check(bundle, anchors, True, lambda _: None).reasons == 0
