"""An evaluation that says another value than its own leaves come to, and what leans on it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from evidence.code import Matter, Step
from evidence.joint.decision import Decision
from evidence.joint.handoff import Request, Taken
from evidence.joint.record import Record
from record.cli import main
from record.handoff import evaluate
from record.handoff.evaluate import NAMED_MAX, Effort, evaluation_of
from record.handoff.otherwise import leaning, told
from record.known import Known
from record.store import open_reader
from tests.evidence.joint.sharing import EAST, WEST, founders_text, handoff_parts, name_of
from tests.record.gateway import START
from tests.record.handoff.conftest import FALSE, MS, TRUE, Filled, begin, measure, said, say, volts
from tests.record.test_audit import anchors_text

Printed = pytest.CaptureFixture[str]
AT = START + 800 * MS
LOW = volts("volts < 20 for 500 ms at bus North")  # it was not


class Lied(NamedTuple):
    """A record in which East Pool says `true` of what is false, and what was built on it."""

    path: Path
    anchors: Path
    lie: Record
    asks: Record
    taken: Record
    shed: Record
    aside: Record


@pytest.fixture(scope="module")
def lied(tmp_path_factory: pytest.TempPathFactory) -> Lied:
    folder = tmp_path_factory.mktemp("otherwise")
    path, anchors = folder / "record.db", folder / "anchors.toml"
    anchors.write_text(anchors_text() + founders_text())
    upstream, run = begin(path)
    leaves = measure(upstream, run)
    found = evaluation_of(upstream.store, Known(upstream.store), LOW, AT, leaves)
    assert found.found == FALSE
    lie = say(upstream, replace(found, found=TRUE).record(EAST, AT))
    parts = {"parts": handoff_parts(WEST, EAST)}
    body = Request("North Tie", (LOW,), (), 500 * MS).body()
    asks = say(upstream, said(Matter.HANDOFF, EAST, body, name_of(lie), **parts))
    body = Taken(Step.ACCEPTED, name_of(asks), name_of(asks), "agreed").body()
    taken = say(upstream, said(Matter.HANDOFF, WEST, body, name_of(asks), **parts), EAST)
    outage = Decision(None, "rotating outages", 1000.0, "under-voltage").body()
    shed = say(upstream, said(Matter.LOAD_SHED, EAST, outage, name_of(taken)), WEST)
    aside = say(upstream, said(Matter.LOAD_SHED, WEST, outage, footprints=("WEST",)))
    upstream.close()
    return Lied(path, anchors, lie, asks, taken, shed, aside)


def test_verify_names_who_said_otherwise_and_what_leans_on_it(lied: Lied, capsys: Printed):
    assert main(["verify", str(lied.path), "--anchors", str(lied.anchors)]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert f": evaluated_otherwise: evaluation {name_of(lied.lie).hex()[:16]} of {EAST}: " in line
    assert "true, and false when evaluated again; on it lean: entry " in line
    for what in ("handoff requested of East", "handoff accepted of West", "load_shed of East"):
        assert what in line
    assert line.count("entry ") == 4  # the other load shed leans on nothing


def test_an_evaluation_that_holds_is_no_reason(filled: Filled, lied: Lied, capsys: Printed):
    assert main(["verify", str(filled.path), "--anchors", str(lied.anchors)]) == 0
    assert "each evaluation over its leaves" in capsys.readouterr().out


def test_check_names_what_leans_on_it(lied: Lied, capsys: Printed):
    assert main(["evaluate", str(lied.path), "--check", "--json"]) == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert row["reason"] == "evaluated_otherwise"
    names = [name_of(one).hex() for one in (lied.asks, lied.taken, lied.shed)]
    assert [one["record"] for one in row["leaning"]] == names
    assert main(["evaluate", str(lied.path), "--check"]) == 1
    assert "; on it lean: entry " in capsys.readouterr().out


def test_a_lineage_shows_the_flag_on_all_that_leans(lied: Lied, capsys: Printed):
    assert main(["lineage", str(lied.path), name_of(lied.shed).hex(), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["lineage"]
    flags = {row["name"]: row["flags"] for row in rows if row["is"] == "record"}
    for one in (lied.shed, lied.taken, lied.asks, lied.lie):
        assert "evaluated_otherwise" in flags[name_of(one).hex()]
    assert flags[name_of(lied.taken).hex()] == ["evaluated_otherwise"]  # the log flags nothing
    assert main(["lineage", str(lied.path), name_of(lied.aside).hex(), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["lineage"]
    assert row["flags"] == ["unfounded"]


def test_a_line_names_so_many_and_counts_the_rest(lied: Lied):
    store = open_reader(lied.path)
    found = leaning(store, name_of(lied.lie))
    store.close()
    line = told(found * NAMED_MAX)
    assert (line.count("entry "), line[-13:]) == (NAMED_MAX, f"; and {2 * NAMED_MAX} more")
    assert told([]) == ""


def test_what_would_take_long_is_told_and_every_is_every(
    lied: Lied, capsys: Printed, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(evaluate, "EFFORT_MAX", 1)
    asked = ["verify", str(lied.path), "--anchors", str(lied.anchors)]
    assert main(asked) == 0
    said = capsys.readouterr().out
    assert "not evaluated again, for it would take long: entries " in said
    assert "(--every: all)" in said and "each evaluation" not in said
    assert main([*asked, "--every"]) == 1
    assert "evaluated_otherwise" in capsys.readouterr().out
    assert main(["evaluate", str(lied.path), "--check"]) == 1
    capsys.readouterr()
    assert main(["lineage", str(lied.path), name_of(lied.shed).hex()]) == 0
    said = capsys.readouterr().out
    assert "not evaluated again, for it would take long: entries " in said
    assert "evaluated_otherwise" not in said


def test_who_names_much_uses_up_its_own_share(lied: Lied, monkeypatch: pytest.MonkeyPatch):
    store = open_reader(lied.path)
    row = next(row for row in store.joints() if row.matter == Matter.EVALUATION)
    _, of, says = evaluate.said_in(store, row.idx)
    store.close()
    cost = len(says.leaves.indexes) * 2  # volts < 20, held: what they are made of is more
    monkeypatch.setattr(evaluate, "EFFORT_MAX", 4 * cost)
    effort = Effort()
    mine = [effort.spend(at, of, says) for at in range(40)]
    assert mine[0] and not mine[-1]
    assert effort.spend(40, replace(of, author=WEST), says)
    assert effort.skipped == [at for at, could in enumerate(mine) if not could]
    assert effort.told().endswith(f" and {len(effort.skipped) - NAMED_MAX} more")
