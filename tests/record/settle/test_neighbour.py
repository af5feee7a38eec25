"""Who else measures at the buses of a seam is found by the log, and finds what two ends cannot."""

import cmath
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evidence import instant
from evidence.code import Agreement
from evidence.joint.seam import Seam, Side
from record.cli import main
from record.known import Known
from record.settle import job, neighbour
from record.settle.job import Job
from record.store import Store
from tests.evidence.joint.sharing import EAST, STATE, WEST, says_seam
from tests.record.settle.border import BUS, LINE, SIDES, TIE, Pmu, Shared
from tests.record.settle.test_job import I2, STRETCH, V1, V2, fill, flows, settle

HERE = SIDES[0]  # the bus that all stand at; the other end of the line is elsewhere
EAST_HERE = replace(HERE, footprint="EAST", authority=EAST)
STATE_HERE = replace(HERE, footprint="EAST", authority=STATE)
THIRD = replace(BUS, name="Third", sides=(HERE, EAST_HERE))
FOURTH = replace(BUS, name="Fourth", sides=(HERE, STATE_HERE))
BOTH_OF_THEM = replace(BUS, name="Two", sides=(replace(STATE_HERE, footprint="WEST"), EAST_HERE))
NODES = {side.node: side.node.hex()[:8] for side in SIDES}


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Shared]:
    found = Shared(tmp_path / "record.db", LINE, TIE)
    # One flow that both ends invent: at the first 3 degrees more than there are.
    turned = V1 * cmath.exp(0.06j)
    one, other = flows(turned, V2)
    fill(Pmu(found, LINE.sides[0]), turned, one)
    fill(Pmu(found, LINE.sides[1]), V2, -other)
    yield found
    found.upstream.close()


def stands(shared: Shared, side: Side, *seams: Seam) -> None:
    fill(Pmu(shared, side), V1, I2)
    for of in seams:
        shared.agree(says_seam(of), EAST)


def at(authority: str, node: bytes = HERE.node) -> str:
    return f"{authority} at {node.hex()[:8]}"


def found(shared: Shared) -> neighbour.Beside | None:
    of = settle(shared, LINE)
    assert of.outcome.verdict == Agreement.AGREED, of.outcome.why
    return neighbour.beside(shared.store, shared.known(), of)


def test_two_colluding_ends_agree_and_nobody_finds_it(shared: Shared):
    assert found(shared) is None


def test_two_that_no_neighbour_bears_out_are_told_so(shared: Shared):
    """A third shares the bus, and measured nothing."""
    shared.agree(says_seam(THIRD), EAST)
    near = found(shared)
    assert near is not None
    assert near.verdicts == {"Third": Agreement.NOT_COMPARABLE}
    pair = ", ".join(sorted((at(WEST), at(EAST, SIDES[1].node))))
    assert list(near.lines)[1:] == [f"no neighbour bears this out: {pair}"]


def test_a_third_disputes_one_of_them_and_a_fourth_says_which(shared: Shared):
    stands(shared, EAST_HERE, THIRD)
    near = found(shared)
    assert near is not None
    assert near.verdicts == {"Third": Agreement.DISPUTED}
    assert near.suspicion.explanations == ((at(EAST),), (at(WEST),))
    assert "nobody can say which" in "".join(near.lines)
    stands(shared, STATE_HERE, FOURTH, BOTH_OF_THEM)
    near = found(shared)
    assert near is not None
    assert near.suspicion.wrong == (at(WEST),)
    assert near.suspicion.accomplices == (at(EAST, SIDES[1].node),)


def test_what_is_suspected_stands_beside_the_verdict(
    shared: Shared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    stands(shared, EAST_HERE, THIRD)
    stands(shared, STATE_HERE, FOURTH, BOTH_OF_THEM)
    asked = ["settle", str(tmp_path / "record.db"), "--seam", LINE.name]
    asked += ["--from", instant.words(STRETCH.begins), "--to", instant.words(STRETCH.ends)]
    assert main(asked) == 0
    shown = capsys.readouterr().out.splitlines()
    assert " agreed " in shown[0]
    # Whoever is disputed by the other side's gateways at its own bus is told first.
    assert shown[1:] == [
        "  other_side: gw-3 of East Pool at the first side's node",
        "  beside it, Fourth: disputed",
        "  beside it, Third: disputed",
        "  beside it, Two: agreed",
        f"  suspected: {at(WEST)}",
        f"  agreed with whoever is suspected: {at(EAST, SIDES[1].node)}",
    ]
    assert main([*asked, "--json"]) == 0
    (row,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert row["beside"]["wrong"] == [at(WEST)]
    assert row["beside"]["alone"] == []
    assert main([*asked, "--alone"]) == 0
    assert "beside it" not in capsys.readouterr().out


def test_a_side_that_neighbours_share_is_read_once(shared: Shared, monkeypatch: pytest.MonkeyPatch):
    """Three seams at one bus have six sides, and there are three that measure and the other end."""
    stands(shared, EAST_HERE, THIRD)
    stands(shared, STATE_HERE, FOURTH)
    of, read = settle(shared, LINE), []
    real = job.gathered

    def counting(store: Store, known: Known, asked: Job, at: int) -> job.Read:
        read.append((asked.of.seam.name, at))
        return real(store, known, asked, at)

    monkeypatch.setattr(neighbour, "gathered", counting)
    own = [real(shared.store, shared.known(), of.job, at) for at in (0, 1)]
    near = neighbour.beside(shared.store, shared.known(), of, neighbour.Reads(of.job, own))
    assert near == neighbour.beside(shared.store, shared.known(), of)
    assert ("Third", 1) in read and ("Fourth", 1) in read
    assert ("Third", 0) not in read and ("Fourth", 0) not in read


def test_no_more_neighbours_are_settled_than_are_stated(shared: Shared):
    for number in range(neighbour.NEIGHBOURS_MAX + 2):
        shared.agree(says_seam(replace(THIRD, name=f"Bus {number}")), EAST)
    near, left_out = neighbour.neighbours(shared.store, settle(shared, LINE).job.of, shared.size)
    assert (len(near), left_out) == (neighbour.NEIGHBOURS_MAX, 2)
    tie = settle(shared, TIE).job.of
    assert neighbour.neighbours(shared.store, tie, shared.size) == ([], 0)
