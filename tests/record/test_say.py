"""`say`, `countersign`, `records`: from a file that a person writes to a record that both signed,
over TLS, to the program as it is started."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from drivers.keystore import file as keystore
from evidence import instant
from evidence.code import Matter, Part, Step
from evidence.config import ConfigError
from evidence.joint import decision, handoff, record, seam
from evidence.leap import NS
from record import draft
from record.cli import main, now
from tests.evidence.joint.sharing import SHIPPED, TIE, hour_of
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


def test_a_seam_is_drafted_as_it_is_signed(folder: Path):
    found = draft.read(folder / "seam.toml", NAMES["west"])
    assert (found.matter, found.author) == (Matter.SEAM, NAMES["west"])
    assert found.body == TIE.body()
    assert found.ends - found.begins == 3600 * NS
    star = SEAM.replace(
        'kind = "dc_tie"\ndc = { fixed_loss_mw = 2, loss_share = 0.015 }', "kind = 'sum'"
    )
    halves = star.split("rated_a")
    one, other = (f"branches = ['{mrid}']\nrated_a" for mrid in (uuid.UUID(int=7), "ab" * 16))
    (folder / "star.toml").write_text(f"{halves[0]}{one}{halves[1]}{other}{halves[2]}")
    sides = seam.read(draft.read(folder / "star.toml", NAMES["west"]).body).sides
    assert [side.branches for side in sides] == [(bytes(15) + b"\x07",), (b"\xab" * 16,)]


def test_json_says_the_same_as_toml(tmp_path: Path):
    path = tmp_path / "hour.json"
    value = {
        "matter": "dc_tie_emergency", "author": "West", "parts": {"owner": "West"},
        "from": "2026-11-26T08:00:00.25Z", "to": "2026-11-26T08:00:00.5Z",
        "footprints": ["WEST"], "elements": ["tie 2", "line 1"],
        "parents": ["11" * 32, f"{'22' * 32}/17"], "body": [4, None, None, 2.5, None, "", ""],
    }  # fmt: skip
    path.write_text(json.dumps(value))
    found = draft.read(path, None)
    assert found.parts == ((Part.OWNER, "West"),)
    assert found.elements == ("line 1", "tie 2")
    assert found.parents == (b"\x11" * 32, record.Observed(b"\x22" * 32, 17))
    assert found.ends - found.begins == NS // 4
    assert record.read(found.payload()) == found
    assert found.body == bytes.fromhex("8704f6f6fb4004000000000000f66060")
    table = {"act": "restored", "ramp_mw_min": 2.5, "reason": ""}
    del value["body"]
    path.write_text(json.dumps(value | {"dc_tie_emergency": table}))
    assert draft.read(path, None) == found


def test_a_transformer_between_two_sides_is_drafted_with_its_taps(tmp_path: Path):
    tap = "tap = { ratio = 0.4, low = -8, neutral = 0, high = 8, step_percent = -1.25 }"
    line = f"line = {{ r_ohm = 0.2, x_ohm = 6, b_siemens = 0 }}\n{tap}"
    path = tmp_path / "tap.toml"
    dc = "dc = { fixed_loss_mw = 2, loss_share = 0.015 }"
    path.write_text(SEAM.replace("dc_tie", "line").replace(dc, line))
    found = seam.read(draft.read(path, NAMES["west"]).body)
    assert found.tap == seam.Tap(0.4, -8, 0, 8, -1.25)
    path.write_text(path.read_text().replace("low = -8", "low = -800"))
    with pytest.raises(ConfigError, match="low"):
        draft.read(path, NAMES["west"])


def test_a_trip_is_drafted_with_its_events(tmp_path: Path):
    path = tmp_path / "trip.toml"
    path.write_text(TRIP)
    found = decision.read_operation(draft.read(path, "West").body)
    assert (found.equipment, found.mw) == (b"\x05" * 16, 87.0)
    assert found.events == (
        decision.Event(0, instant.read("2026-11-26T08:10:00.004Z"), "86 trips"),
    )


def test_a_handoff_is_drafted_with_its_condition(tmp_path: Path):
    path = tmp_path / "asks.toml"
    path.write_text(ASKS)
    asks = handoff.read(draft.read(path, "West").body)
    assert isinstance(asks, handoff.Request)
    assert asks.limits == (handoff.Limit("import", 600.0, "MW"),)
    (condition,) = asks.conditions
    assert "freq_hz" in condition.text and condition.reach == 60 * NS
    taken = tmp_path / "takes.toml"
    taken.write_text(
        f'matter = "handoff"\n{INTERVAL}[handoff]\nstep = "accepted"\n'
        f'request = "{"11" * 32}"\nbefore = "{"22" * 32}"\n'
    )
    accepted = handoff.read(draft.read(taken, "East").body)
    assert accepted == handoff.Taken(Step.ACCEPTED, b"\x11" * 32, b"\x22" * 32, "")


TRIP = f"""
matter = "relay_operation"
parts = {{ owner = "West" }}
parents = ["{"22" * 32}/17"]
{INTERVAL}
[relay_operation]
name = "line 1"
equipment = "05050505-0505-0505-0505-050505050505"
mw = 87
reason = "phase A to ground"
[[relay_operation.event]]
parent = 0
at = "2026-11-26T08:10:00.004Z"
text = "86 trips"
"""
ASKS = f"""
matter = "handoff"
parts = {{ releasing = "West", accepting = "East" }}
{INTERVAL}
[handoff]
step = "requested"
scope = "dispatch of the tie"
fresh_s = 300
[[handoff.limit]]
name = "import"
value = 600
unit = "MW"
[[handoff.condition]]
text = 'freq_hz < 59.4 for 60 s at bus "North 345"'
[[handoff.condition.quantity]]
name = "freq_hz"
place = "bus"
label = "North 345"
mrid = "05050505050505050505050505050505"
quantity = "frequency"
unit = "Hz"
hole_ms = 100
"""
CLAIM = f"""
matter = "claim"
author = "West"
{INTERVAL}
[claim]
text = "the tie carried 600 MW"
figure = [{{ name = "net energy out", unit = "MWh", value = 600 }}]
"""
REGISTRY = f"""
matter = "registry"
author = "West"
{INTERVAL}
[registry]
name = "Roof Hub"
roles = ["DER_AGGREGATOR"]
[[registry.key]]
key = "{"ab" * 32}"
from = 2026-11-26T08:00:00Z
"""


@pytest.mark.parametrize(
    ("text", "was", "by", "said"),
    [
        (CLAIM, "claim", "clam", "did you mean 'claim'?"),
        (CLAIM, "figure", "figures", "claim.figures: unknown; did you mean 'figure'?"),
        (CLAIM, "600 }", "600, unti = 1 }", "claim.figure[0].unti: unknown"),
        (CLAIM, "2026-11-26T09:00:00Z", "2026-11-26", "to: found datetime.date"),
        (CLAIM, "2026-11-26T09:00:00Z", "2026-11-26T07:00:00Z", "later than from"),
        (CLAIM, "2026-11-26T09:00:00Z", "0001-01-01T00:00:00+14:00", "to: found '0001-01-01"),
        (CLAIM, 'author = "West"', "", "author: missing; or say it by --author"),
        (CLAIM, 'author = "West"', 'author = "West"\nparents = ["11"]', "64 hex digits"),
        (CLAIM, 'author = "West"', 'author = "West"\nparts = { ownr = "x" }', "parts.ownr"),
        (CLAIM, "[claim]", "[clam]", "claim: missing"),
        (REGISTRY, "DER_AGGREGATOR", "DER", "registry.roles: 'DER' is unknown"),
        (REGISTRY, "abab", "ab", "registry.key[0].key"),
        (REGISTRY, 'name = "Roof Hub"', "", "registry.name: missing"),
        (SEAM, "dc_tie", "line", "line is None"),
        (SEAM, "0101-0101", "0101-01", "node is"),
        ("matter = 1", "", "", "matter: found 1; expected a text"),
        ("x = [", "", "", "not TOML"),
    ],
)
def test_a_draft_that_says_something_else_is_named(
    tmp_path: Path, text: str, was: str, by: str, said: str
):
    path = tmp_path / "draft.toml"
    author = "West" if text == SEAM else None
    path.write_text(text.replace(was, by, 1) if was else text)
    with pytest.raises(ConfigError) as caught:
        draft.read(path, author)
    assert said in str(caught.value)
