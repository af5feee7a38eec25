"""Bodies of records as a person writes them: what is said of ties, evaluations, and who may take a
step."""

from pathlib import Path

import pytest

from evidence import instant
from evidence.code import Open, Part, Truth
from evidence.config import ConfigError
from evidence.joint import decision, emergency, evaluation, handoff, interchange
from evidence.leap import NS
from record import draft
from tests.record.test_draft import ASKS
from tests.record.test_say import CUT, ENERGY, INTERVAL, hour

EVALUATED = f"""
matter = "evaluation"
from = "2026-11-26T07:59:00Z"
to = "2026-11-26T08:00:00Z"
[evaluation]
text = 'freq_hz < 59.4 for 60 s at bus "North 345"'
tree_size = 20
leaves = "3, 7-9"
root = "{"33" * 32}"
truth = "undetermined"
[[evaluation.quantity]]
name = "freq_hz"
place = "bus"
label = "North 345"
mrid = "01010101-0101-0101-0101-010101010101"
quantity = "frequency"
unit = "Hz"
hole_ms = 100
[[evaluation.cause]]
cause = "missing"
quantity = "freq_hz"
first = "2026-11-26T07:59:30Z"
end = "2026-11-26T07:59:31Z"
"""


def test_an_evaluation_is_drafted_as_it_is_said(tmp_path: Path):
    path = tmp_path / "evaluation.toml"
    path.write_text(EVALUATED)
    says = evaluation.read_record(draft.read(path, "West"))
    assert (says.leaves.tree_size, says.leaves.indexes) == (20, (3, 7, 8, 9))
    assert (says.found.truth, says.root) == (Truth.UNDETERMINED, b"\x33" * 32)
    (cause,) = says.found.causes
    assert (cause.cause, cause.row, cause.end - cause.first) == (Open.MISSING, 0, NS)
    for was, now_, told in (
        ("3, 7-9", "9-7", "leaves: found '9-7'"),
        ("3, 7-9", "0-99999999", "leaves: found '0-99999999'"),
        ('truth = "und', 'truth = "und-', "truth: 'und-etermined' is unknown"),
        ('quantity = "freq_hz"', 'quantity = "volts"', "quantity: 'volts' is unknown"),
        ("tree_size = 20", "tree_size = 9", "leaf is 9, not in a tree of 9"),
    ):
        path.write_text(EVALUATED.replace(was, now_))
        with pytest.raises(ConfigError) as caught:
            draft.read(path, "West")
        assert told in str(caught.value)


def test_a_request_says_who_may_take_which_step(tmp_path: Path):
    path = tmp_path / "asks.toml"
    table = '[handoff.takers]\nrevoked = ["releasing", "accepting"]\n'
    path.write_text(ASKS.replace("[[handoff.limit]]", f"{table}[[handoff.limit]]", 1))
    asks = handoff.read(draft.read(path, "West").body)
    assert isinstance(asks, handoff.Request)
    assert asks.takers[:5] == tuple(handoff.TAKERS.values())[:5]
    assert asks.takers[5] == (Part.RELEASING, Part.ACCEPTING)
    path.write_text(path.read_text().replace("revoked", "requested"))
    with pytest.raises(ConfigError):
        draft.read(path, "West")


def test_an_assistance_and_an_hour_are_drafted(tmp_path: Path):
    path = tmp_path / "tie.toml"
    eea = '[dc_tie_emergency.eea]\nfootprint = "WEST"\nlevel = 3\n'
    more = f'toward = "EAST"\nramp_mw_min = 10\nunder = "PP-98"\n{eea}'
    path.write_text(hour("dc_tie_emergency", CUT + more))
    says = emergency.read(draft.read(path, "West").body)
    assert says.told() == (
        "curtailed, toward EAST, at most 0 MW, 10 MW a minute, EEA 3 of WEST; load is shed; PP-98"
    )
    path.write_text(hour(body=f'{ENERGY}rounded = 1\ntags = ["b", "a"]\nsource = "meters"\n'))
    exchanged = interchange.read(draft.read(path, "West").body)
    assert (exchanged.tags, exchanged.rounded, exchanged.text) == (("a", "b"), 1.0, "meters")


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


def test_a_trip_is_drafted_with_its_events(tmp_path: Path):
    path = tmp_path / "trip.toml"
    path.write_text(TRIP)
    found = decision.read_operation(draft.read(path, "West").body)
    assert (found.equipment, found.mw) == (b"\x05" * 16, 87.0)
    assert found.events == (
        decision.Event(0, instant.read("2026-11-26T08:10:00.004Z"), "86 trips"),
    )
