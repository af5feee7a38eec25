"""A record as a person writes it, made into what is signed; and what is wrong with it, by name."""

import json
import uuid
from pathlib import Path

import pytest

from evidence.code import Matter, Part, Step
from evidence.config import ConfigError
from evidence.joint import handoff, record, seam
from evidence.leap import NS
from record import draft
from tests.evidence.joint.sharing import TIE
from tests.record.test_say import INTERVAL, NAMES, SEAM


def test_a_seam_is_drafted_as_it_is_signed(tmp_path: Path):
    path = tmp_path / "seam.toml"
    path.write_text(SEAM)
    found = draft.read(path, NAMES["west"])
    assert (found.matter, found.author) == (Matter.SEAM, NAMES["west"])
    assert found.body == TIE.body()
    assert found.ends - found.begins == 3600 * NS
    star = SEAM.replace(
        'kind = "dc_tie"\ndc = { fixed_loss_mw = 2, loss_share = 0.015 }', "kind = 'sum'"
    )
    halves = star.split("rated_a")
    one, other = (f"branches = ['{mrid}']\nrated_a" for mrid in (uuid.UUID(int=7), "ab" * 16))
    (tmp_path / "star.toml").write_text(f"{halves[0]}{one}{halves[1]}{other}{halves[2]}")
    sides = seam.read(draft.read(tmp_path / "star.toml", NAMES["west"]).body).sides
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
