"""From a decision in a record to its observations, and from an observation to what rests on it."""

import json
from pathlib import Path

import pytest

from evidence.code import Matter
from evidence.joint.decision import Decision
from evidence.joint.record import Observed
from record.cli import main
from tests.evidence.joint.sharing import founders_text, name_of
from tests.record.handoff.conftest import Filled, Writing, said, say
from tests.record.test_audit import anchors_text

Printed = pytest.CaptureFixture[str]


def typed(*words: object) -> int:
    return main([str(word) for word in ("lineage", *words)])


def test_a_load_shed_leads_to_what_was_measured(filled: Filled, capsys: Printed):
    assert typed(filled.path, name_of(filled.shed).hex()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("load_shed ")
    assert lines[0].endswith("joint: rotating outages, 1000 MW: under-voltage")
    assert [line.split()[0] for line in lines[1:5]] == ["handoff", "handoff", "evaluation", "10"]
    assert "requested: North Tie (stands: accepted; with West Balancing)" in lines[2]
    assert "joint: true: volts at bus North < 60.5 for 500 ms" in lines[3]
    assert lines[5].endswith("as above")


def test_a_trip_leads_to_the_record_of_its_sequence_of_events(filled: Filled, capsys: Printed):
    batch = filled.trip.batch.hex()
    for name in (f"{batch}/0", "gw-1/relay/1"):
        assert typed(filled.path, name, "--json") == 0
        told = json.loads(capsys.readouterr().out)
        (seen,) = told["lineage"]
        assert (seen["kind"], seen["sample"], seen["name"]) == (
            "goose",
            "gw-1/relay/1",
            f"{batch}/0",
        )
        (by,) = told["named_by"]
        assert (by["matter"], by["name"]) == ("relay_operation", name_of(filled.operation).hex())
        assert by["says"].startswith("52-1 (00010203-")
    assert typed(filled.path, name_of(filled.operation).hex()[:12]) == 0
    assert "\n  goose gw-1/relay/1, 2026-09-21" in capsys.readouterr().out


def test_a_load_shed_that_rests_on_nothing_is_named(filled: Filled, capsys: Printed):
    name = name_of(filled.bare).hex()
    assert typed(filled.path, name) == 0
    told = capsys.readouterr().out
    assert "joint, unfounded: rotating" in told
    assert told.endswith(f"names nothing that it rests on: {name}\n")


def test_what_is_missing_is_named_and_exit_1(writing: Writing, capsys: Printed):
    entry = writing.upstream.store.entry(writing.leaves[0])
    assert entry is not None
    beyond, gone = Observed(entry.subject, 6), Observed(b"\x01" * 32, 0)
    body = Decision(None, "rotating outages", None, "").body()
    parents = (b"\x02" * 32, gone, beyond, Observed(entry.subject, 5))
    shed = say(writing.upstream, said(Matter.LOAD_SHED, "West Balancing", body, *parents))
    assert typed(writing.path, name_of(shed).hex()) == 1
    missing = [line for line in capsys.readouterr().out.splitlines() if line[:8] == "missing:"]
    assert missing == [
        f"missing: {'02' * 32}",
        f"missing: {'01' * 32}/0",
        f"missing: {entry.subject.hex()}/6",
    ]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("ff" * 32, "nothing here is called ffff"),
        ("ff" * 32 + "/0", "nothing here is called ffff"),
        ("0123456789", "0 records have a name that begins with 0123456789"),
        ("nonsense", "names no sample"),
        ("gw-1/relay/99", "no seq 99"),
    ],
)
def test_what_is_not_there_is_one_line(filled: Filled, name: str, told: str, capsys: Printed):
    assert typed(filled.path, name) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


def test_the_whole_record_holds_when_it_is_run_again(filled: Filled, tmp_path: Path):
    """Flags, steps and states are found again by the audit."""
    anchors = tmp_path / "anchors.toml"
    anchors.write_text(anchors_text() + founders_text())
    assert main(["verify", str(filled.path), "--anchors", str(anchors)]) == 0
