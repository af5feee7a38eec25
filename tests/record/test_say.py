"""`say`, `countersign`, `records`: from a file that a person writes to a record that both signed,
over TLS, to the program as it is started."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from drivers.keystore import file as keystore
from evidence import instant
from evidence.leap import NS
from record.cli import main, now
from tests.evidence.joint.sharing import SHIPPED, hour_of
from tests.record.test_program import served

NAMES = {"west": "West Balancing", "east": "East Pool", "state": "State Commission"}
ROLES = {"west": '["BA"]', "east": '["BA", "RC"]', "state": '["COMMISSION"]'}
PLACES = {"west": '["WEST"]', "east": '["EAST"]', "state": '["WEST", "EAST"]'}
INTERVAL = 'from = "2026-11-26T08:00:00Z"\nto = 2026-11-26T09:00:00Z\n'
ENERGY = 'kind = "actual"\nfrom = "WEST"\nto = "EAST"\nmwh = 120\n'
CUT = 'act = "curtailed"\nlimit_mw = 0\nreason = "load is shed"\n'
SEAM = f"""
matter = "seam"
{INTERVAL}
[seam]
name = "North Tie"
kind = "dc_tie"
dc = {{ fixed_loss_mw = 2, loss_share = 0.015 }}

[[seam.side]]
footprint = "WEST"
authority = "West Balancing"
node = "01010101-0101-0101-0101-010101010101"
terminal = "02020202020202020202020202020202"
rated_kv = 345
rated_a = 500

[[seam.side]]
footprint = "EAST"
authority = "East Pool"
node = "03030303030303030303030303030303"
terminal = "04040404040404040404040404040404"
rated_kv = 345.0
rated_a = 500.0
"""


def hour(matter: str = "interchange", body: str = ENERGY) -> str:
    """The last hour of the clock but one."""
    begins, ends = hour_of(now() - 7200 * NS)
    return (
        f'matter = "{matter}"\nelements = ["North Tie"]\n'
        f'from = "{instant.words(begins)}"\nto = "{instant.words(ends)}"\n[{matter}]\n{body}'
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everybody's keys and certificates, the record's files, and what is to be said."""
    found = tmp_path_factory.mktemp("saying")
    keys = {name: keystore.create(found / f"{name}.key").public for name in ("log", *NAMES)}
    rows = [
        f'[[authority]]\nname = "{NAMES[name]}"\nkey = "{keys[name].raw.hex()}"\n'
        f"roles = {ROLES[name]}\nfootprints = {PLACES[name]}\n"
        for name in NAMES
    ]
    log = f'[log]\nname = "shared"\nkey = "{keys["log"].raw.hex()}"\n'
    (found / "anchors.toml").write_text(log + "".join(rows))
    ca = trustme.CA()
    ca.cert_pem.write_to_path(found / "ca.pem")
    ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(found / "door.pem")
    ca.issue_cert("west.example").private_key_and_cert_chain_pem.write_to_path(found / "we.pem")
    (found / "record.toml").write_text(
        '[record]\nlisten = "127.0.0.1:0"\n'
        '[tls]\ncertificate = "door.pem"\nkey = "door.pem"\nclient_ca = "ca.pem"\n'
    )
    (found / "policy.toml").write_text(SHIPPED.read_text(encoding="utf-8"))
    (found / "first.toml").write_text(
        f'matter = "policy"\n{INTERVAL}[policy]\nfile = "policy.toml"\n'
    )
    (found / "seam.toml").write_text(SEAM)
    (found / "hour.toml").write_text(hour())
    (found / "emergency.toml").write_text(hour("dc_tie_emergency", CUT))
    return found


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with served(folder / "record.toml") as (_, address):
        yield address


def typed(folder: Path, url: str | None, who: str, *words: str) -> int:
    """A command of an authority, with its key and, where it sends, its certificate."""
    more = ["--key", f"file:{folder / who}.key", "--author", NAMES[who], "--json"]
    if url is not None:
        more += ["--record", url, "--ca", str(folder / "ca.pem")]
        more += ["--certificate", str(folder / "we.pem"), "--anchors", str(folder / "anchors.toml")]
    return main([*words, *more])


def told(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_from_a_file_to_a_joint_record(
    folder: Path, url: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    names = {}
    for what, others in (("first", ("east", "state")), ("seam", ("east",)), ("hour", ())):
        assert typed(folder, url, "west", "say", str(folder / f"{what}.toml")) == 0
        names[what] = told(capsys)["name"]
        for who in others:
            assert typed(folder, url, who, "countersign", names[what], "--assent") == 0
            told(capsys)
    store = str(folder / "record.db")
    assert main(["records", store, "--missing", NAMES["east"], "--json"]) == 0
    waiting = told(capsys)
    assert main(["records", store, "--notified", NAMES["state"], "--json"]) == 0
    assert capsys.readouterr().out == ""
    assert typed(folder, url, "west", "say", str(folder / "emergency.toml")) == 0
    emergency = told(capsys)["name"]
    assert main(["records", store, "--notified", NAMES["state"], "--json"]) == 0
    assert told(capsys)["name"] == emergency
    assert (waiting["name"], waiting["state"]) == (names["hour"], "pending")
    # Who is offline signs into a file, by the record's own, and another carries it there.
    out = tmp_path / "hour.cose"
    assert typed(folder, None, "west", "say", str(folder / "hour.toml"), "--out", str(out)) == 0
    assert told(capsys)["name"] == names["hour"]
    words = ("countersign", str(out), "--assent", "metered 120.1")
    assert typed(folder, url, "east", *words) == 0
    told(capsys)
    assert main(["records", store, names["hour"][:12], "--json"]) == 0
    found = told(capsys)
    assert (found["state"], found["missing"], found["elements"]) == ("joint", [], ["North Tie"])
    assert [(row["author"], row["text"]) for row in found["words"]] == [
        (NAMES["east"], "metered 120.1")
    ]
    assert typed(folder, url, "state", "countersign", names["hour"], "--dissent", "no") == 0
    told(capsys)
    assert main(["records", store, "--state", "joint"]) == 0
    assert "not asked, and not counted: State Commission (dissent)" in capsys.readouterr().out
    assert typed(folder, url, "east", "countersign", names["hour"], "--dissent", "reversed") == 0
    told(capsys)
    assert main(["records", store, "--state", "disputed"]) == 0
    line = capsys.readouterr().out
    assert names["hour"][:16] in line and "against it: East Pool (BA of EAST)" in line
    assert main(["records", store, names["hour"]]) == 0
    assert "dissent       East Pool, entry" in capsys.readouterr().out
    assert main(["verify", store, "--anchors", str(folder / "anchors.toml")]) == 0


def test_a_new_authority_agrees_to_be_listed_before_anybody_is_asked(
    folder: Path, url: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    """From a draft to a listing that both founders and the commission signed; and what a draft says
    that was changed after its key had agreed."""
    key = f"file:{tmp_path / 'third.key'}"
    public = keystore.create(tmp_path / "third.key").public
    path = tmp_path / "third.toml"
    listed = f'[[registry.key]]\nkey = "{public.raw.hex()}"\n'
    head = f'matter = "registry"\n{INTERVAL}[registry]\nname = "Third"\nroles = ["TO"]\n'
    path.write_text(head + listed)
    assert typed(folder, url, "west", "say", str(path)) == 1
    assert "refused: possession: key " in told(capsys)["text"]
    assert main(["possess", str(path), "--key", f"file:{folder / 'west.key'}"]) == 2
    assert "the key that --key names" in capsys.readouterr().err
    assert main(["possess", str(folder / "hour.toml"), "--key", key]) == 2
    assert "matter: found interchange; expected registry" in capsys.readouterr().err
    assert main(["possess", str(path), "--key", key]) == 0
    agreed = capsys.readouterr().out
    path.write_text(head.replace("TO", "BA") + listed + agreed)
    assert typed(folder, url, "west", "say", str(path)) == 2
    assert "did not sign this listing of 'Third'" in capsys.readouterr().err
    path.write_text(head + listed + agreed)
    assert typed(folder, url, "west", "say", str(path)) == 0
    name = told(capsys)["name"]
    for who in ("east", "state"):
        assert typed(folder, url, who, "countersign", name, "--assent") == 0
        told(capsys)
    assert main(["records", str(folder / "record.db"), name, "--json"]) == 0
    assert told(capsys)["state"] == "joint"
    assert (
        main(["verify", str(folder / "record.db"), "--anchors", str(folder / "anchors.toml")]) == 0
    )


def test_what_the_record_refuses_is_said_in_its_words(
    folder: Path, url: str, capsys: pytest.CaptureFixture[str]
):
    assert typed(folder, url, "state", "say", str(folder / "hour.toml")) == 1
    text = told(capsys)["text"]
    assert text.startswith("refused: role: ")
    assert "'State Commission' is no BA" in text or "no policy is in force" in text


def test_a_record_that_is_not_there_or_not_believed_is_said(
    folder: Path, url: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    draft_ = str(folder / "hour.toml")
    assert typed(folder, "https://127.0.0.1:1", "west", "say", draft_) == 1
    assert "Connect" in told(capsys)["text"]
    key = f"file:{folder / 'west'}.key"
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    common = ["say", draft_, "--key", key, "--author", NAMES["west"], "--json", "--record", url]
    assert main([*common, "--ca", str(other)]) == 1
    assert "certificate" in told(capsys)["text"].lower()
    wrong = tmp_path / "anchors.toml"
    text = (folder / "anchors.toml").read_text()
    log = keystore.read(folder / "log.key").public.raw.hex()
    wrong.write_text(text.replace(log, bytes(32).hex()[:-2] + "01"))
    ours = ["--ca", str(folder / "ca.pem"), "--certificate", str(folder / "we.pem")]
    assert main([*common, *ours, "--anchors", str(wrong)]) == 1
    assert "does not hold: kid" in told(capsys)["text"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["say", "{f}/hour.toml"], "where it goes"),
        (["say", "{f}/hour.toml", "--record", "http://example.com:8443"], "this machine only"),
        (["say", "{f}/hour.toml", "--record", "ftp://x"], "expected https://HOST:PORT"),
        (["say", "{f}/hour.toml", "--out", "{f}/hour.toml"], "is there already"),
        (["say", "{f}/none.toml", "--out", "{f}/x"], "No such file"),
        (["countersign", "zz", "--assent", "--out", "{f}/x"], "expected 64 hex digits"),
        (["countersign", "{f}/hour.toml", "--assent", "--out", "{f}/x"], "no COSE_Sign1"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    folder: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
):
    asked = [word.replace("{f}", str(folder)) for word in words]
    key = ["--key", f"file:{folder / 'west'}.key", "--author", NAMES["west"]]
    assert main([*asked, *key]) == 2
    shown = capsys.readouterr().err
    assert said in shown and shown.count("\n") == 1
    assert not (folder / "x").exists()


# --- drafts -----------------------------------------------------------------------------------
