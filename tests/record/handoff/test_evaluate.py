"""A condition over a record: from the leaves that are named, the same for whoever asks again."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evidence.code import Open, Reason, Truth
from evidence.joint import evaluation
from evidence.joint import truth as truths
from evidence.joint.grammar import predicate
from evidence.joint.leaf import Leaves
from evidence.joint.predicate import Place
from evidence.joint.truth import Cause, Found
from evidence.refusal import EvidenceError
from record import draft, series
from record.cli import main
from record.handoff import evaluate
from record.handoff.evaluate import again, evaluated, evaluation_of
from record.known import Known
from record.log import Log
from record.lookup import NotFoundError
from record.store import Store, open_reader
from tests.evidence.joint.sharing import EAST, name_of
from tests.record.gateway import NANOSECONDS, OTHER_BUS, START
from tests.record.handoff.conftest import CONDITION, FALSE, MS, TRUE, Filled, Writing, say, volts

AT = START + 800 * MS


def found(store: Store, leaves: list[int], at: int = AT, **changes: Any) -> Found:
    return evaluated(store, Known(store), volts(**changes), leaves, store.size(), at)


def test_a_condition_is_evaluated_over_the_leaves_that_are_named(filled: Filled):
    store = open_reader(filled.path)
    assert found(store, filled.leaves) == TRUE
    assert found(store, filled.leaves, START + NANOSECONDS) == TRUE
    above = volts("volts < 60 for 500 ms at bus North")
    late = evaluated(store, Known(store), above, filled.leaves, store.size(), START + NANOSECONDS)
    assert late == FALSE  # the last of 60 is 60 V
    assert found(store, filled.leaves, text="volts < 20 for 500 ms at bus North") == FALSE
    without = [leaf for leaf in filled.leaves if leaf != filled.leaves[5]]
    missing = found(store, without)
    assert missing.truth == Truth.UNDETERMINED
    assert [one.cause for one in missing.causes] == [Open.MISSING]
    assert found(store, filled.leaves[::-1]) == found(store, [*filled.leaves, *filled.leaves])
    store.close()


@pytest.mark.parametrize(
    "changes",
    [
        {"mrid": OTHER_BUS}, {"issuer": "Utility B"}, {"phase": 2}, {"unit": "kV"},
        {"quantity": 1}, {"place": Place("terminal", "North")},
    ],
)  # fmt: skip
def test_another_channel_or_unit_is_not_there(filled: Filled, changes: dict[str, Any]):
    store = open_reader(filled.path)
    text = "volts >= 0 at terminal North" if "place" in changes else "volts >= 0 at bus North"
    causes = found(store, filled.leaves, text=text, **changes).causes
    assert [one.cause for one in causes] == [Open.MISSING]
    store.close()


def test_a_frequency_is_that_of_the_device_at_the_bus(filled: Filled):
    """No channel places it: the device that measures V0 at North does."""
    store = open_reader(filled.path)
    freq: dict[str, Any] = {"quantity": 2, "phase": 0, "part": 0, "unit": "Hz", "name": "freq_hz"}
    first = 25  # of 12 phasors, two values each, and STAT: FREQ of frame 0
    # Sample 48 is 32 ns before the instant, and known to 1 us: it may lie before or after.
    for last, truth in ((48, Truth.TRUE), (47, Truth.UNDETERMINED), (46, Truth.FALSE)):
        text = f"freq_hz < {first + last + 0.5} for 500 ms at bus North"
        assert found(store, filled.leaves, text=text, **freq).truth == truth
    store.close()


def test_a_part_that_would_take_a_cosine_is_not_there(filled: Filled):
    store = open_reader(filled.path)
    text = "volts > 0 at bus North"
    for part, unit, truth in ((1, "V", TRUE), (2, "rad", TRUE)):
        assert found(store, filled.leaves, text=text, part=part, unit=unit) == truth
    for part in (0, 3, 4):
        (cause,) = found(store, filled.leaves, text=text, part=part).causes
        assert cause.cause == Open.MISSING
    store.close()


@pytest.mark.parametrize("most", [5, 6, 7, 60, 90, 119, 120, 1000])
def test_no_more_samples_are_kept_than_count(
    filled: Filled, monkeypatch: pytest.MonkeyPatch, most: int
):
    """Leaves are read some at a time, and what comes to too many is the same as of all at once."""
    monkeypatch.setattr(truths, "SAMPLES_MAX", most)
    store = open_reader(filled.path)
    known, size, (row,) = Known(store), store.size(), volts().quantities
    asks = predicate("more + volts > -1 at bus North", [replace(row, name="more"), row])
    whole = evaluated(store, known, asks, filled.leaves, size, AT)
    assert (whole == TRUE) == (most >= 120)
    kept: list[int] = []

    def judged(of, samples, at):
        kept.append(sum(map(len, samples)))
        return truths.evaluate(of, samples, at)

    monkeypatch.setattr(evaluate, "SAMPLES_MAX", most)
    monkeypatch.setattr(series, "READINGS_MAX", 2)
    monkeypatch.setattr(evaluate, "judged", judged)
    assert evaluated(store, known, asks, filled.leaves, size, AT) == whole
    assert kept[0] <= most + 1
    store.close()


def test_the_leaves_are_found_where_none_are_named(filled: Filled):
    store = open_reader(filled.path)
    made = evaluation_of(store, Known(store), volts(), AT)
    assert set(filled.leaves[2:9]) <= set(made.leaves.indexes) <= set(filled.leaves)
    assert made.found == TRUE
    assert made.root == Log(store).root_at(made.leaves.tree_size)
    with pytest.raises(NotFoundError, match="no leaf holds"):
        evaluation_of(store, Known(store), volts(mrid=OTHER_BUS), AT)
    with pytest.raises(NotFoundError, match="is no batch"):
        evaluation_of(store, Known(store), volts(), AT, [0])
    with pytest.raises(NotFoundError, match="entries, not"):
        evaluation_of(store, Known(store), volts(), AT, size=store.size() + 1)
    store.close()


def test_what_is_found_later_changes_no_evaluation(writing: Writing):
    """A batch that turns out to have a twin is a new evaluation, at a greater size."""
    store, run = writing.upstream.store, writing.run
    line = run.lines[1]
    state = line.seq, line.prev, run.number, run.previous
    leaves = [*writing.leaves, writing.measured(*range(60, 66))]
    below = volts("volts < 100 for 500 ms at bus North")
    at = START + 1100 * MS
    before = evaluation_of(store, Known(store), below, at, leaves)
    say(writing.upstream, before.record(EAST, at))
    line.seq, line.prev, run.number, run.previous = state
    writing.measured(*range(60, 66), more=1)
    known, log = Known(store), Log(store)
    assert [one.reason for one in again(store, known, log)] == [None]
    after = evaluation_of(store, known, below, at, leaves)
    assert (before.found, after.found.truth) == (TRUE, Truth.UNDETERMINED)
    assert [one.cause for one in after.found.causes] == [Open.NOT_SETTLEABLE]
    say(writing.upstream, after.record(EAST, at))
    rows = list(again(store, Known(store), Log(store)))
    assert [one.says.found.truth for one in rows] == [Truth.TRUE, Truth.UNDETERMINED]
    assert [one.reason for one in rows] == [None, None]


def test_an_evaluation_that_does_not_hold_is_named(writing: Writing):
    upstream, leaves, store = writing.upstream, writing.leaves, writing.upstream.store
    true = evaluation_of(store, Known(store), volts(), AT, leaves)
    size = true.leaves.tree_size
    gone = (Cause(Open.MISSING, 0, 1, 2),)
    wrong = {
        Reason.EVALUATED_OTHERWISE: replace(true, found=FALSE),
        Reason.ROOT: replace(true, root=bytes(32)),
        Reason.PARENT: replace(true, leaves=Leaves(size, (0, *true.leaves.indexes))),
    }
    for one in wrong.values():
        say(upstream, one.record(EAST, AT))
    later = replace(true, leaves=Leaves(size + 100, true.leaves.indexes))
    with pytest.raises(EvidenceError) as caught:
        say(upstream, later.record(EAST, AT))
    assert caught.value.reason == Reason.TREE_SIZE
    say(upstream, replace(true, found=Found(Truth.UNDETERMINED, gone)).record(EAST, AT))
    rows = list(again(store, Known(store), Log(store)))
    assert [one.reason for one in rows] == [*wrong, Reason.EVALUATED_OTHERWISE]
    assert "false, and true when evaluated again" in rows[0].text


# --- as it is typed -------------------------------------------------------------------------------


def typed(*words: object) -> int:
    return main([str(word) for word in ("evaluate", *words)])


@pytest.fixture
def condition(tmp_path: Path) -> Path:
    path = tmp_path / "condition.toml"
    path.write_text(CONDITION)
    return path


def test_all_that_were_said_are_evaluated_again(filled: Filled, capsys: pytest.CaptureFixture[str]):
    assert typed(filled.path, "--check") == 0
    told = capsys.readouterr().out
    assert f"{name_of(filled.evaluation).hex()[:16]} by {EAST}: true: volts at bus North" in told
    assert told.endswith(": holds\n1 evaluations\n")
    assert typed(filled.path, "--check", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["truth"], row["reason"], row["causes"]) == ("true", None, [])


def test_one_that_does_not_hold_is_exit_1(writing: Writing, capsys: pytest.CaptureFixture[str]):
    upstream, leaves = writing.upstream, writing.leaves
    made = evaluation_of(upstream.store, Known(upstream.store), volts(), AT, leaves)
    say(upstream, replace(made, found=FALSE).record(EAST, AT))
    assert typed(writing.path, "--check") == 1
    assert "evaluated_otherwise: false, and true when evaluated again" in capsys.readouterr().out


def test_a_condition_is_typed_and_its_record_written(
    filled: Filled, condition: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "evaluation.json"
    at = "2026-09-21T14:13:20.8Z"
    assert typed(filled.path, condition, "--at", at, "--out", out) == 0
    assert capsys.readouterr().out.startswith("true: volts at bus North < 60.5 for 500 ms\nover ")
    says = draft.read(out, EAST)
    assert evaluation.read_record(says).predicate == volts()
    assert (says.author, says.ends) == (EAST, AT)
    leaves = f"{filled.leaves[0]}-{filled.leaves[4]},{filled.leaves[6]}"
    assert typed(filled.path, condition, "--at", at, "--leaves", leaves, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["truth"] == "undetermined"
    assert {one["cause"] for one in told["causes"]} == {"missing"}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("text = 5", "text: found 5; expected a text"),
        ('text = "volts < "', "line 1, column 9: 'the end' where a quantity"),
        ('unit = "furlong"', "'furlong' is no unit"),
        ('mrid = "1"', "quantity[0].mrid: found '1'; expected a UUID"),
        ('terminal = "T"', "quantity[0]: at bus and terminal; one of"),
        ("hole_ms = 0", "quantity[0].hole_ms: found 0; expected an integer from 1 to"),
        ('quantity = "volts"', "quantity[0].quantity: 'volts' is unknown; did you mean 'voltage'?"),
        ("hole_us = 1", "quantity[0].hole_us: "),
        ("[", "not TOML"),
    ],
)
def test_a_condition_that_cannot_be_read_is_one_line(
    filled: Filled, condition: Path, line: str, told: str, capsys: pytest.CaptureFixture[str]
):
    name = line.split(" ")[0]
    lines = [row for row in CONDITION.splitlines() if not row.startswith(f"{name} =")]
    at = 1 if name == "text" else len(lines)
    condition.write_text("\n".join([*lines[:at], line, *lines[at:]]))
    assert typed(filled.path, condition, "--at", "2026-09-21T14:13:20Z") == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "--at INSTANT: a condition is evaluated at one"),
        (["--at", "noon"], "--at: "),
        (["--at", "2026-09-21T14:13:20Z", "--leaves", "x"], "--leaves: 'x' is neither"),
        (["--at", "2026-09-21T14:13:20Z", "--leaves", "9-5"], "--leaves: '9-5' is no range"),
        (["--at", "2026-09-21T14:13:20Z", "--leaves", "0"], "entry 0 is no batch"),
        (["--at", "2026-09-21T14:13:20Z", "--size", "0"], "entries, not 0"),
    ],
)
def test_what_cannot_be_asked_is_one_line(
    filled: Filled, condition: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
):
    assert typed(filled.path, condition, *words) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1
