"""What the utility types, and what it is told: open, revoke, vouch, list, show; by a token too."""

import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.keystore import file as keyfile
from evidence import anchor
from evidence.book import Revoked, Vouched
from evidence.code import Revocation
from evidence.key import Ed25519Key
from hil.loopback import free_port
from provisioning.authority import folder
from provisioning.cli import main
from tests.drivers import keyring
from tests.provisioning.authority.desk import Asker, Desk, desk

Said = pytest.CaptureFixture[str]
WAIT_S = 40.0


@pytest.fixture
def at(tmp_path: Path, capsys: Said) -> Desk:
    """Two gateways, by this machine's clock."""
    now_s = int(time.time())
    found = desk(tmp_path / "utility", now_s - 60)
    found.answer(Asker().file(now_s - 50), now_s - 50)
    found.answer(Asker("gw-8", 2).file(now_s - 40), now_s - 40, days=10)
    return found


def said(capsys: Said) -> dict[str, object]:
    told: dict[str, object] = json.loads(capsys.readouterr().out)
    return told


def test_init_opens_a_book_and_says_whom_to_believe(tmp_path: Path, capsys: Said) -> None:
    place = tmp_path / "utility"
    asked = ["authority", "init", str(place), "--name", "Ätna", "--root", "file:root.key"]
    assert main([*asked, "--dry-run"]) == 0 and not place.exists()
    assert main(asked) == 0
    out, err = capsys.readouterr()
    root = keyfile.read(place / "root.key").public
    assert root.fingerprint in out and root.raw.hex() in out and err == ""
    of = folder.read(place)
    assert (of.book.issuer, of.book.root, of.book.lines[-1].entry.number) == ("Ätna", root, 0)
    private = [path.name for path in place.iterdir() if path.stat().st_mode & 0o077 == 0]
    assert sorted(private) == ["door.key", "issued.cbor", "root.key", "tls-ca.key"]
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    assert main(asked) == 2
    assert "authority's folder already" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before


def test_init_takes_keys_that_are_there_and_adds_itself_to_the_anchors(
    tmp_path: Path, capsys: Said
) -> None:
    place = tmp_path / "utility"
    place.mkdir()
    root = keyfile.create(place / "root.key").public
    log = Ed25519Key(b"L" * 32).public
    (tmp_path / "anchors.toml").write_text(f'[log]\nname = "log"\nkey = "{log.raw.hex()}"\n')
    asked = ["authority", "init", str(place), "--name", "Utility A", "--root", "file:root.key"]
    more = ["--no-tls", "--record-url", "https://record.example", "--json"]
    assert main([*asked, *more, "--anchors", str(tmp_path / "anchors.toml")]) == 2
    assert "exists already" in capsys.readouterr().err
    more += ["--existing", "--anchors", str(tmp_path / "anchors.toml")]
    assert main([*asked, *more]) == 0
    assert said(capsys)["root_key"] == root.raw.hex()
    found = anchor.read((place / "anchors.toml").read_text(), "anchors.toml")
    assert [(one.name, one.key) for one in found.authorities.values()] == [("Utility A", root)]
    assert found.log_key == log


def test_an_init_that_a_power_cut_ended_goes_on(tmp_path: Path) -> None:
    """The root key was made, and nothing else."""
    place = tmp_path / "utility"
    place.mkdir()
    root = keyfile.create(place / "root.key").public
    asked = ["authority", "init", str(place), "--name", "Utility A", "--root", "file:root.key"]
    assert main(asked) == 2
    assert main([*asked, "--existing"]) == 0
    of = folder.read(place)
    assert of.book.root == root and (place / "tls-ca.key").exists() and of.file.tls is not None


def test_the_root_key_lives_in_a_token(
    tmp_path: Path, program: Callable[[str], Path], capsys: Said
) -> None:
    """SoftHSM2: opened, a request answered, revoked; each by a signature of the token's."""
    place = tmp_path / "utility"
    with keyring.token(tmp_path / "token", program) as token:
        uri = token.uri("root")
        asked = ["authority", "init", str(place), "--name", "Utility A", "--no-tls"]
        assert main([*asked, "--root", uri]) == 0
        root = folder.read(place).book.root
        request, answer = tmp_path / "request.gse", tmp_path / "answer.gse"
        request.write_bytes(Asker().file(int(time.time())))
        at = ["--authority", str(place), "--yes"]
        assert main(["authority", "issue", str(request), "--out", str(answer), *at]) == 0
        assert main(["authority", "revoke", "gw-7", "--why", "lost", *at]) == 0
        of = folder.read(place)
        assert [line.entry.number for line in of.book.lines] == [0, 1, 2]
        assert root.fingerprint in capsys.readouterr().out
        token.take_away()
        assert main(["authority", "revoke", "gw-7", "--why", "lost", *at]) == 2
        assert main(["authority", "list", "--authority", str(place)]) == 0  # needs no key
        token.bring_back()
    assert not [path for path in place.iterdir() if path.suffix == ".key"]


def test_a_root_key_under_a_passphrase(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    place, secret = tmp_path / "utility", tmp_path / "passphrase"
    secret.write_text("correct horse battery staple\n")
    secret.chmod(0o600)
    sealed = f"?passphrase-source=file:{secret}"
    asked = ["authority", "init", str(place), "--name", "Utility A"]
    asked += ["--root", f"file:root.key{sealed}", "--tls-key", f"file:tls-ca.key{sealed}"]
    assert main(asked) == 0
    for name in ("root.key", "tls-ca.key"):
        assert "SEALED KEY" in (place / name).read_text()
        assert (place / name).stat().st_mode & 0o777 == 0o600
    request = tmp_path / "request.gse"
    request.write_bytes(Asker().file(int(time.time()), tls=Asker().csr()))
    at = ["--authority", str(place), "--out", str(tmp_path / "answer.gse"), "--yes"]
    assert main(["authority", "issue", str(request), *at]) == 0
    secret.write_text("another one\n")
    assert main(["authority", "revoke", "gw-7", "--why", "lost", *at[:2], "--yes"]) == 2
    out, err = capfd.readouterr()
    assert "is not opened by this passphrase" in err
    assert "battery" not in out + err
    assert len(folder.read(place).book.lines) == 2


def test_another_key_in_the_place_of_the_root_is_noticed(at: Desk, capsys: Said) -> None:
    (at.place / "root.key").unlink()
    keyfile.create(at.place / "root.key")
    asked = ["authority", "revoke", "gw-7", "--why", "lost", "--yes"]
    assert main([*asked, "--authority", str(at.place)]) == 2
    assert "another key than the book's" in capsys.readouterr().err
    assert len(at.read().book.lines) == 3


# --- revoke and vouch


def test_a_gateways_key_is_revoked_and_the_book_says_why(at: Desk, capsys: Said) -> None:
    asked = ["authority", "revoke", "gw-7", "--why", "stolen", "--text", "van broken into"]
    asked += ["--authority", str(at.place)]
    assert main([*asked, "--dry-run"]) == 0
    assert main(asked) == 2  # nobody is there to say yes
    assert len(at.read().book.lines) == 3
    capsys.readouterr()
    assert main([*asked, "--yes", "--json"]) == 0
    told = said(capsys)
    key = Asker().key.public.fingerprint
    assert (told["key"], told["entry"]) == (key, 3)
    what = at.read().book.lines[-1].entry.what
    assert what == Revoked(bytes.fromhex(key), Revocation.STOLEN, "van broken into")
    assert main([*asked, "--yes"]) == 2
    assert "revoked_already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("key", "reason"),
    [("gw-9", "unknown_name"), ("0" * 64, "unknown_name"), ("ab", "unknown_name")],
)
def test_a_key_that_nobody_has_is_not_revoked(
    at: Desk, capsys: Said, key: str, reason: str
) -> None:
    asked = ["authority", "revoke", key, "--why", "lost", "--yes", "--authority", str(at.place)]
    assert main(asked) == 2
    assert capsys.readouterr().err.startswith(reason)


def test_a_gateways_keys_before_go_with_the_one_in_use(at: Desk, capsys: Said) -> None:
    """They stay at the device, and whoever steals it has them too."""
    first, second = Asker(), Asker(seed=3)
    now_s = int(time.time())
    at.answer(first.rotated(3, at.read().rows[0].name, now_s)[1], now_s)
    end = ["--why", "stolen", "--yes", "--json", "--authority", str(at.place)]
    mark = second.key.public.fingerprint
    assert main(["authority", "revoke", mark, "--dry-run", *end]) == 0
    assert said(capsys)["left"] == [first.key.public.fingerprint]
    assert main(["authority", "revoke", "gw-7", *end]) == 0
    told = said(capsys)
    assert told["keys"] == [mark, first.key.public.fingerprint] and told["left"] == []
    whats = [line.entry.what for line in at.read().book.lines[-2:]]
    assert [isinstance(one, Revoked) and one.key.hex() for one in whats] == told["keys"]
    assert main(["authority", "revoke", "gw-7", *end]) == 2
    assert "revoked_already" in capsys.readouterr().err


def test_a_part_of_a_fingerprint_will_do(at: Desk) -> None:
    key = Asker("gw-8", 2).key.public.fingerprint
    asked = ["authority", "revoke", key[:16].upper(), "--why", "retired", "--yes"]
    assert main([*asked, "--authority", str(at.place)]) == 0
    what = at.read().book.lines[-1].entry.what
    assert isinstance(what, Revoked) and what.key.hex() == key


def test_a_head_is_vouched_for(at: Desk, capsys: Said) -> None:
    run, head = "a" * 64, "b" * 64
    asked = ["authority", "vouch", run, "17", head, "--text", "disk read at the workshop"]
    asked += ["--authority", str(at.place), "--yes"]
    assert main([*asked, "--record", f"http://127.0.0.1:{free_port()}"]) == 2
    assert "--unchecked" in capsys.readouterr().err and len(at.read().book.lines) == 3
    asked.append("--unchecked")
    assert main(asked) == 0
    what = at.read().book.lines[-1].entry.what
    wanted = Vouched(bytes.fromhex(run), 17, bytes.fromhex(head), "disk read at the workshop")
    assert what == wanted
    capsys.readouterr()
    assert main([*asked[:2], "a" * 63, *asked[3:]]) == 2
    assert "RUN: expected 64 hex digits" in capsys.readouterr().err


def test_whoever_sits_there_is_asked(at: Desk) -> None:
    """A terminal: no changes nothing, yes revokes."""
    for typed, lines in ((b"no\n", 3), (b"yes\n", 4)):
        leader, follower = pty.openpty()
        argv = [sys.executable, "-m", "provisioning.cli", "authority", "revoke", "gw-7"]
        argv[1:3] = ["-c", "import sys; from provisioning.cli import main; sys.exit(main())"]
        argv += ["--why", "lost", "--authority", str(at.place)]
        running = subprocess.Popen(
            argv, stdin=follower, stdout=follower, stderr=follower, cwd=Path(__file__).parents[3]
        )
        os.close(follower)
        os.write(leader, typed)
        text = b""
        try:
            while part := os.read(leader, 4096):
                text += part
        except OSError:
            pass  # it has ended
        os.close(leader)
        assert running.wait(WAIT_S) == (0 if lines == 4 else 2), text
        assert b"Revoke it? Type yes" in text
        assert len(at.read().book.lines) == lines


# --- list and show


def test_list_says_how_each_credential_stands(at: Desk, capsys: Said) -> None:
    asked = ["authority", "list", "--authority", str(at.place)]
    assert main(asked) == 0
    out = capsys.readouterr().out
    assert re.search(r"gw-7 +gateway +live, 364 days left +", out)
    assert re.search(r"gw-8 +gateway +live, 9 days left: renew it +", out)
    yes = ["--authority", str(at.place), "--yes"]
    assert main(["authority", "revoke", "gw-7", "--why", "lost", *yes]) == 0
    capsys.readouterr()
    assert main([*asked, "--json"]) == 0
    told = said(capsys)
    rows = told["credentials"]
    assert isinstance(rows, list)
    assert [(row["gateway"], row["state"]) for row in rows] == [
        ("gw-7", "revoked"),
        ("gw-8", "live"),
    ]
    assert rows[0]["by"] == "lost, entry 3" and told["entries"] == 4
    assert 9 * 86_400 < rows[1]["expires_in_s"] < 10 * 86_400


def test_show_says_the_book_in_words_and_checks_it(at: Desk, tmp_path: Path, capsys: Said) -> None:
    book = at.place / "book.cbor"
    assert main(["authority", "show", str(book)]) == 0
    out = capsys.readouterr().out
    assert "opened by Utility A" in out and "for gw-7" in out and "asked by" in out
    assert "Every one of the 3 entries holds." in out and "compare it" in out
    anchors = ["--anchors", str(at.place / "anchors.toml")]
    assert main(["authority", "show", str(at.place), *anchors, "--json"]) == 0
    told = said(capsys)
    assert told["holds"] is True and told["root"] == at.root.public.fingerprint
    copy = tmp_path / "copy.cbor"
    copy.write_bytes(book.read_bytes()[:-10])
    assert main(["authority", "show", str(copy)]) == 1
    assert "of one that was never whole" in capsys.readouterr().out
    damaged = bytearray(book.read_bytes())
    damaged[-1] ^= 1
    copy.write_bytes(damaged)
    assert main(["authority", "show", str(copy), "--json"]) == 1
    told = said(capsys)
    assert told["holds"] is False and "entry 2 does not hold: signature" in str(told["faults"])
    copy.write_bytes(b"rubbish")
    assert main(["authority", "show", str(copy)]) == 2
    stranger = tmp_path / "anchors.toml"
    stranger.write_text((at.place / "anchors.toml").read_text().replace("Utility A", "B"))
    assert main(["authority", "show", str(book), "--anchors", str(stranger)]) == 1


def test_entries_left_out_or_exchanged_are_found(at: Desk, tmp_path: Path, capsys: Said) -> None:
    lines = [line.encoded for line in at.read().book.lines]
    for others in ([lines[0], lines[2]], [lines[0], lines[2], lines[1]], lines[1:]):
        copy = tmp_path / "copy.cbor"
        copy.write_bytes(b"".join(others))
        assert main(["authority", "show", str(copy)]) in (1, 2)
        out, err = capsys.readouterr()
        assert "book_chain" in out + err


def test_no_private_key_is_printed_or_in_the_book(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "utility"
    main(["authority", "init", str(place), "--name", "Utility A", "--root", "file:root.key"])
    at = ["--authority", str(place)]
    for command in (["list", *at], ["list", *at, "--json"], ["show", str(place)]):
        assert main(["authority", *command]) == 0
    main(["authority", "show", str(place / "root.key")])
    out, err = capfd.readouterr()
    told = (out + err).encode() + (place / "book.cbor").read_bytes()
    told += (place / "issued.cbor").read_bytes() + (place / "authority.toml").read_bytes()
    for path in place.glob("*.key"):
        body = path.read_text().splitlines()[1]
        assert body[20:].encode() not in told and body[:40].encode() not in told


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["isue"], "did you mean 'issue'"),
        (["list", "--jsn"], "did you mean '--json'"),
        (["list", "--authority", "nowhere"], "nowhere"),
        (["revoke", "x", "--why", "bored"], "invalid choice"),
        (["invite", "--gateway", "g", "--at", "h:1", "--valid", "soon"], "minutes, hours or days"),
    ],
)
def test_what_is_typed_wrongly_is_one_line(
    at: Desk, capsys: Said, monkeypatch: pytest.MonkeyPatch, argv: list[str], words: str
) -> None:
    monkeypatch.chdir(at.place)
    assert main(["authority", *argv]) == 2
    err = capsys.readouterr().err
    assert words in err and err.count("\n") == 1


def test_help_lists_the_commands(capsys: Said) -> None:
    assert main(["authority", "--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("issue", "renew", "revoke", "publish", "invite"))
    assert main(["authority"]) == 2
