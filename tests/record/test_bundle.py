"""`reconstruct` and `verify` of a bundle, by the program and by the lone verifier: the record is
gone, only the bundle's folder and the anchors are there.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from evidence import export, observation
from evidence.export import Sealed, Veiled
from evidence.merkle import leaf_hash
from record.cli import main
from tests.record.bundling import (
    OTHER,
    RELAY,
    device,
    files,
    fill,
    reconstruct,
    rewritten,
    sealed_anew,
    verify,
)
from tests.record.gateway import key
from tests.record.judge import Judge


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
    assert len(whole) == 22 and whole == again


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


def test_the_lone_verifier_says_what_it_needs(judge: Judge, bundles: Path):
    """Where PyNaCl is not there it answers 2: it was not checked, and not: it does not hold."""
    argv = [sys.executable, "-I", "-S", str(judge.file), str(bundles / "whole")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    told = "verify.py: it needs Python 3.11 or later, and PyNaCl\n"
    assert (done.returncode, done.stderr) == (2, told)


def test_a_bundle_of_nothing_says_so(tmp_path: Path, capsys):
    store = fill(tmp_path, seconds=1, rate=2)
    assert reconstruct(store, tmp_path / "empty", first=-9, last=-8) == 0
    assert verify(tmp_path / "empty", tmp_path / "anchors.toml") == 0
    assert "open       no observations are in it" in capsys.readouterr().out


# --- what is withheld -----------------------------------------------------------------------------


def test_what_is_withheld_is_told_and_still_proved(bundles: Path, capsys):
    assert verify(bundles / "redacted", bundles / "anchors.toml", "--every") == 0
    told = capsys.readouterr().out
    assert "stream 2   0 observations; 7 withheld" in told
    assert "withheld   gw-1/relay, by the word of who made the bundle" in told
    assert "open       stream 2: nothing in it shows what there is beyond its end" in told
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
