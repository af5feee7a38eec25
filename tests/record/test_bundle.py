"""`reconstruct` and `verify` of a bundle, by the program and by the lone verifier: the record is
gone, only the bundle's folder and the anchors are there.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from evidence import export, instant, observation
from evidence.bundle import manifest
from evidence.bundle.manifest import Row
from evidence.export import Opening, Sealed, Veiled
from evidence.leap import NS
from evidence.merkle import leaf_hash
from record.cli import main
from tests.record.bundling import OTHER, RELAY, Seam, fill
from tests.record.gateway import START, key
from tests.record.judge import Judge

MUTATIONS = 10_000


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with bundles and the anchors, and nothing else; the record is gone."""
    folder = tmp_path_factory.mktemp("bundles")
    store = fill(folder)
    for name, more in (
        ("whole", ()),
        ("again", ()),
        ("redacted", ("--withhold", "gw-1/relay", "--withhold", "names")),
    ):
        assert reconstruct(store, folder / name, *more) == 0
    for path in folder.glob("record.db*"):
        path.unlink()
    yield folder


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    found = Judge(tmp_path_factory.mktemp("judge") / "own")
    yield found
    found.close()


def reconstruct(store: Path, out: Path, *more: str, first: int = 1, last: int = 6) -> int:
    begins, ends = (instant.words(START + second * NS) for second in (first, last))
    anchors = str(store.parent / "anchors.toml")
    argv = ["reconstruct", str(store), "--anchors", anchors, "--from", begins, "--to", ends]
    return main([*argv, "--out", str(out), *more])


def files(bundle: Path) -> list[Path]:
    return [path for path in bundle.rglob("*") if path.is_file()]


def verify(path: Path, anchors: Path, *more: str) -> int:
    return main(["verify", str(path), "--anchors", str(anchors), *more])


def sealed_anew(bundle: Path) -> None:
    """The manifest of what is there now, as whoever forges a bundle writes it."""
    (bundle / manifest.PATH).unlink()
    rows = []
    for path in files(bundle):
        data = path.read_bytes()
        name = path.relative_to(bundle).as_posix()
        rows.append(Row(name, len(data), hashlib.sha256(data).digest()))
    (bundle / manifest.PATH).write_bytes(manifest.write(rows))


def device(bundle: Path, gateway: str = "gw-1") -> Path:
    """The file of a gateway."""
    for path in sorted((bundle / "devices").iterdir()):
        if gateway.encode() in path.read_bytes():
            return path
    raise AssertionError(gateway)


def rewritten(path: Path, change: Callable[[list[export.Item]], None]) -> None:
    """An export of other items."""
    opening, *items = export.read([path.read_bytes()])
    assert isinstance(opening, Opening)
    change(items)  # type: ignore[arg-type]
    out: list[bytes] = []
    writer = export.Writer(out.append, opening)
    for item in items:
        writer.add(item)  # type: ignore[arg-type]
    writer.close()
    path.write_bytes(b"".join(out))


# --- what holds -----------------------------------------------------------------------------------


def test_it_holds_and_is_told_once_the_record_is_gone(bundles: Path, capsys):
    assert verify(bundles / "whole", bundles / "anchors.toml", "--every") == 0
    told = capsys.readouterr().out
    for words in (
        "asked for  2026-09-21T14:13:21Z until before 2026-09-21T14:13:26Z",
        "27 entries in one tree; 14 batches by its own signature",
        "gateway    gw-1 of Utility A: 7 batches",
        "stream 1   421 observations (pmu/1), 2026-09-21T14:13:20Z to",
        "gaps       not_heard: 1, which count 1 samples",
        "whole      each entry of the log up to 27 is in it",
    ):
        assert words in told
    assert "open " not in told
    assert told.endswith("whole: everything holds\n")


def test_twice_the_same_bytes(bundles: Path):
    whole, again = (
        {path.relative_to(bundles / name): path.read_bytes() for path in files(bundles / name)}
        for name in ("whole", "again")
    )
    assert len(whole) == 9 and whole == again


def test_the_lone_verifier_needs_python_and_pynacl_alone(judge: Judge, bundles: Path):
    assert {"nacl", "evidence"} <= set(judge.modules)
    assert not {"msgspec", "apsw", "sqlalchemy", "drivers"} & set(judge.modules)
    assert "cbor2" not in [path.name for path in judge.packages.iterdir()]  # evidence.plain is
    for name in ("whole", "redacted"):
        code, told = judge.main(bundles / name, "--anchors", bundles / "anchors.toml", "--every")
        assert code == 0, told
        assert "not again  documents are the files that the manifest names" in told
    assert judge.main(bundles / "whole")[0] == 3
    assert judge.main(bundles, "--anchors", bundles / "anchors.toml")[0] == 2
    assert judge.main(bundles / "whole", "--anchors", bundles / "whole" / "tree.bin")[0] == 2


def test_the_lone_verifier_is_the_same_whenever_it_is_made(tmp_path: Path, judge: Judge, capsys):
    assert main(["verifier", "--out", str(tmp_path / "verify.py")]) == 0
    assert (tmp_path / "verify.py").read_bytes() == judge.file.read_bytes()
    digest = hashlib.sha256(judge.file.read_bytes()).hexdigest()
    assert capsys.readouterr().out == f"{digest}  {tmp_path / 'verify.py'}\n"


# --- what is withheld -----------------------------------------------------------------------------


def test_what_is_withheld_is_told_and_still_proved(bundles: Path, capsys):
    assert verify(bundles / "redacted", bundles / "anchors.toml", "--every") == 0
    told = capsys.readouterr().out
    assert "stream 2   0 observations; 7 withheld" in told
    assert "withheld   gw-1/relay, by the word of who made the bundle" in told
    assert "salted hashes stand in" in told and "pmu/1" not in told


def test_no_guess_of_a_withheld_state_can_be_tried(bundles: Path):
    """A state of one bit, and an attacker who knows all else: every field of each observation, as
    the whole bundle has it, its descriptor, its key. Of what he can make out of either state
    nothing gives a hash that stands anywhere in the redacted bundle."""
    opened, held = device(bundles / "whole"), device(bundles / "redacted")
    hidden = set()
    for item in export.read([held.read_bytes()]):
        if isinstance(item, Veiled):
            hidden |= {item.leaves[at : at + 32] for at in range(0, len(item.leaves), 32)}
    assert len(hidden) == 7
    redacted = b"".join(path.read_bytes() for path in bundles.glob("redacted/**/*.*"))
    tried = met = 0
    for item in export.read([opened.read_bytes()]):
        for link in observation.split(item.body or b"") if isinstance(item, Sealed) else ():
            sample, message, _ = observation.read_at(link, 0)
            if sample.stream != RELAY:
                continue
            met += leaf_hash(link) in hidden
            for state in (b"\x00", b"\x01"):
                guess = sample._replace(raw=state)
                for signer in (key("guess"), key("authority"), OTHER):
                    sealed = observation.content(guess) + observation.SIGNATURE_HEAD
                    forged = link[: link.index(message.payload) - 2] + sealed
                    forged += signer.sign(observation.content(guess))
                    for data in (forged, forged[:-64], observation.content(guess), state):
                        for digest in (leaf_hash(data), hashlib.sha256(data).digest()):
                            tried += 1
                            assert digest not in redacted
                assert observation.content(guess)[2:] not in redacted
    assert met == 7 and tried > 300


def test_a_withheld_observation_cannot_be_exchanged_or_left_out(
    bundles: Path, tmp_path: Path, judge: Judge
):
    def drop(items: list[export.Item]) -> None:
        at = next(n for n, one in enumerate(items) if isinstance(one, Veiled))
        one = items[at]
        assert isinstance(one, Veiled)
        items[at] = one._replace(leaves=bytes(len(one.leaves)))

    shutil.copytree(bundles / "redacted", tmp_path / "bad")
    rewritten(device(tmp_path / "bad"), drop)
    sealed_anew(tmp_path / "bad")
    code, told = judge.main(tmp_path / "bad", "--anchors", bundles / "anchors.toml")
    assert code == 1 and "does not end with the leaf" in told


# --- what does not hold ---------------------------------------------------------------------------


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
    "a path that leads out": (_traversal, "no file of a bundle stands at '../outside'"),
    "an absolute path": (_absolute, "no file of a bundle stands at '/etc/passwd'"),
    "a size beyond all": (_bomb, "the manifest says"),
    "another form of the manifest": (_other_order, "in another form than its own"),
    "a batch left out": (_batch_left_out, "is not in this file, and no statement in it says why"),
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
    assert "kid: signed by key" in capsys.readouterr().out
    assert judge.main(tmp_path / "bundle", "--anchors", bundles / "anchors.toml")[0] == 1
    assert main(["verify", str(tmp_path / "bundle")]) == 3
    assert "a bundle names none of its own" in capsys.readouterr().out


def test_each_byte_counts(tmp_path: Path, judge: Judge):
    """Ten thousand changes of one byte, anywhere in a bundle, one after another: all are found by
    a copy of the lone verifier that lies outside of it."""
    seam = Seam(tmp_path, rate=1, gateways=1)
    seam.go(2)
    seam.close()
    (tmp_path / "anchors.toml").write_text(seam.anchors())
    assert reconstruct(seam.place, tmp_path / "small", first=0, last=2) == 0
    anchors = tmp_path / "anchors.toml"
    assert judge.main(tmp_path / "small", "--anchors", anchors)[0] == 0
    asked = {"bundle": str(tmp_path / "small"), "anchors": str(anchors), "seed": 1}
    assert judge.passed(**asked, count=MUTATIONS) == []
    assert judge.main(tmp_path / "small", "--anchors", anchors)[0] == 0


def test_what_cannot_be_made_is_one_line(bundles: Path, tmp_path: Path, capsys):
    store = fill(tmp_path, seconds=1, rate=2)
    there = tmp_path / "there"
    there.mkdir()
    for out, more, words in (
        (there, (), "is there already"),
        (tmp_path / "a", ("--seam", "north"), "no seam 'north' is in force; in force: none"),
        (tmp_path / "a", ("--withhold", "gw-9/pmu"), "nothing in the bundle is gw-9/pmu"),
        (tmp_path / "a", ("--withhold", "others"), "goes with --seam"),
        (tmp_path / "a", ("--withhold", "odd"), "names no stream"),
    ):
        assert reconstruct(store, out, *more) == 2
        out_text, err = capsys.readouterr()
        assert (out_text, err.count("\n"), words in err) == ("", 1, True), err
    assert reconstruct(store, tmp_path / "a", first=3, last=2) == 2
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["there"]
