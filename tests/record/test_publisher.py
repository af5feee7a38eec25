"""A log published with witnesses that are there, away, back again, ahead of it."""

import shutil
import time
from pathlib import Path

import pytest

from drivers.keystore import file as keystore
from evidence import merkle
from evidence.config import ConfigError
from evidence.key import Ed25519Key
from evidence.tlog import checkpoint, note, policy, proof, tile
from evidence.tlog.note import COSIGNATURE, ED25519, Verifier
from record import config
from record.cli import main
from record.database import Place
from tests.record.gateway import GatewayRun, id_of
from tests.record.public import (
    W1,
    W2,
    configured,
    entries_of,
    expected,
    get,
    key_of,
    log_of,
    nobody,
    push,
    seen_by,
    witness,
)
from tests.record.test_program import served as record_served
from tests.record.test_program import verified, written
from tests.record.test_service import WAIT_S
from tests.record.upstream import BOTH, LOG


def test_a_witness_that_is_away_holds_up_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
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
        assert main(["show", str(place), "--config", str(tmp_path / "record.toml")]) == 0
        told = capsys.readouterr().out
        assert f"witness       {W1}: cosigned the published tree\n" in told
        assert f"witness       {W2}: AWAY: it cosigned none of the" in told
        with record_served(configured(tmp_path, place, 2, *both)) as (_, url):
            assert get(url, "checkpoint").status == 200  # the last one, at once
            last = push(url, runs, 1)[0]
            for _ in range(10):  # as many intervals, in which one of the two has cosigned
                assert checkpoint.read(note.read(get(url, "checkpoint").body).text).size == 6
                time.sleep(0.05)
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


OTHER = Ed25519Key(b"o" * 32)


def vkey(name: str, key: Ed25519Key, kind: int = COSIGNATURE) -> str:
    return Verifier(name, kind, key.public).vkey()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('[[witness]]\nurl = "http://w"\nvkey = "{log}"', "the key of the log; keys of log"),
        ('[[witness]]\nurl = "http://w"\nvkey = "{one}"\n' * 2, "the key of witness w1"),
        (
            '[[witness]]\nurl = "http://w"\nvkey = "{one}"\n'
            '[[witness]]\nurl = "http://w"\nvkey = "{same}"',
            "a second witness",
        ),
        ('[[witness]]\nurl = "http://w"\nvkey = "{plain}"', "vkey of a cosigner"),
        ('[[witness]]\nurl = "http://w"\nvkey = "w1+00000000+AAAA"', "witness[0].vkey"),
        ('[[witness]]\nurl = "ftp://w"\nvkey = "{one}"', "expected http://"),
        ('[[witness]]\nurl = "http://u:p@w"\nvkey = "{one}"', "expected http://"),
        ('[[witness]]\nurl = "http://w:x"\nvkey = "{one}"', "expected http://"),
        ("[log]\nquorum = 1", "expected at most 0"),
        ('[log]\norigin = "two words"', "log.origin"),
        ("[log]\npublish_s = 0", "publish_s"),
        ("[log]\nqorum = 0", "did you mean 'quorum'"),
    ],
)
def test_keys_and_quorum_are_checked(tmp_path: Path, table: str, words: str):
    key = keystore.create(tmp_path / "log.key")
    made = {
        "log": Verifier("w0", COSIGNATURE, key.public).vkey(),
        "one": vkey("w1", OTHER), "same": vkey("w1", LOG), "plain": vkey("w1", LOG, ED25519),
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
