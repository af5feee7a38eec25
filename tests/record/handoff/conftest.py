"""One record for all tests of this folder: a PMU at North, a relay's GOOSE trip, what authorities
say of both, and what follows from it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from drivers.c37118.wire import Layout
from evidence.anchor import by_kid
from evidence.code import Kind, Matter, Part, Role, Step, Truth
from evidence.joint.decision import Decision, Event
from evidence.joint.grammar import predicate
from evidence.joint.handoff import Request, Taken
from evidence.joint.predicate import Place, Predicate, Quantity
from evidence.joint.record import Observed, Record
from evidence.joint.truth import Found
from record.handoff.evaluate import evaluation_of
from record.known import Known
from tests.evidence.joint.sharing import (
    EAST,
    FOUNDERS,
    STATE,
    WEST,
    handoff_parts,
    listing,
    lists,
    name_of,
    record,
    says_policy,
    says_seam,
    signed,
    word,
)
from tests.record.gateway import (
    BUS,
    NANOSECONDS,
    START,
    Gateway,
    GatewayRun,
    Statement,
    cfg_bytes,
    configuration,
    frame,
    id_of,
)
from tests.record.upstream import AUTHORITIES, AUTHORITY, Upstream

PERIOD = NANOSECONDS // 60
MS = 1_000_000
TRIPPED = bytes.fromhex("010ccd010001") + bytes(6) + bytes.fromhex("88b8000300080000000061" + "00")
CONDITION = """
text = "volts < 60.5 for 500 ms at bus North"

[[quantity]]
name = "volts"
bus = "North"
mrid = "00010203-0405-0607-0809-0a0b0c0d0e0f"
quantity = "voltage"
phase = "A"
part = "magnitude"
unit = "V"
issuer = "Utility A"
hole_ms = 20
"""


def volts(
    text: str = "volts < 60.5 for 500 ms at bus North", part: int = 1, **changes: Any
) -> Predicate:
    """Of the PMU's V0: 1 V at START, one more a sixtieth of a second."""
    row = Quantity(
        *("volts", Place("bus", "North"), BUS, 0, 1, part, "V", "Utility A", 20 * MS),
    )
    return predicate(text, [replace(row, **changes)])


class Filled(NamedTuple):
    """The record, and what is in it by name."""

    path: Path
    leaves: list[int]
    trip: Observed
    evaluation: Record
    request: Record
    shed: Record
    bare: Record
    operation: Record


def say(upstream: Upstream, of: Record, *others: str) -> Record:
    upstream.send(Statement(signed(of)), *(Statement(word(of, who)) for who in others))
    return of


def said(matter: Matter, author: str, body: bytes, *parents: Any, **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "footprints": ("EAST", "WEST"), "begins": START, "ends": START + NANOSECONDS,
        "parents": parents, "body": body,
    }  # fmt: skip
    return record(matter, author, **(fields | changes))


def measure(upstream: Upstream, run: GatewayRun) -> list[int]:
    """Ten batches of six samples: the first second of North."""
    layout, leaves = Layout(configuration()), []
    for first in range(0, 60, 6):
        for number in range(first, first + 6):
            run.observe(1, frame(layout, number), START + number * PERIOD)
        leaves.append(upstream.push(run.cut()).idx)
    return leaves


def decide(upstream: Upstream, path: Path, leaves: list[int], trip: Observed) -> Filled:
    at = START + 800 * MS
    found = evaluation_of(upstream.store, Known(upstream.store), volts(), at)
    evaluation = say(upstream, found.record(EAST, at))
    parts = {"parts": handoff_parts(WEST, EAST)}
    asks = Request("North Tie", (volts(),), (), 500 * MS).body()
    request = say(upstream, said(Matter.HANDOFF, EAST, asks, name_of(evaluation), **parts))
    taken = Taken(Step.ACCEPTED, name_of(request), name_of(request), "agreed").body()
    accepted = say(upstream, said(Matter.HANDOFF, WEST, taken, name_of(request), **parts), EAST)
    outage = Decision(None, "rotating outages", 1000.0, "under-voltage").body()
    shed = say(
        upstream,
        said(Matter.LOAD_SHED, EAST, outage, name_of(accepted), name_of(evaluation)),
        *(WEST,),
    )
    trips = Decision(BUS, "52-1", 210.0, "zone 1", (Event(0, START, "tripped"),)).body()
    owner = {"parts": ((Part.OWNER, "North Wires"),), "footprints": ("WEST",)}
    operation = say(upstream, said(Matter.RELAY_OPERATION, "North Wires", trips, trip, **owner))
    bare = say(upstream, said(Matter.LOAD_SHED, WEST, outage, footprints=("WEST",)))
    return Filled(path, leaves, trip, evaluation, request, shed, bare, operation)


def begin(path: Path) -> tuple[Upstream, GatewayRun]:
    """A record in which a policy rules, and a run of a gateway has begun."""
    upstream = Upstream(path, authorities=by_kid([*AUTHORITIES.values(), *FOUNDERS]))
    wires = listing("North Wires", Role.TO, at=("WEST",))
    for of, others in (
        (says_policy(), (EAST, STATE)), (says_seam(), (EAST,)), (lists(wires), (EAST, STATE)),
    ):  # fmt: skip
        say(upstream, of, *others)
    gateway = Gateway("gw-1", AUTHORITY)
    run = gateway.start()
    cfg = cfg_bytes(configuration())
    upstream.send(gateway.statement, run.statement, run.describe(1, cfg, channels=((0, "V0"),)))
    relay = run.describe(2, None, kind=Kind.GOOSE, source=("relay", ""))
    upstream.send(relay)
    return upstream, run


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    path = tmp_path_factory.mktemp("handoff") / "record.db"
    upstream, run = begin(path)
    leaves = measure(upstream, run)
    run.observe(2, TRIPPED, START)
    batch = run.cut()
    upstream.push(batch)
    found = decide(upstream, path, leaves, Observed(id_of(batch), 0))
    upstream.close()
    return found


class Writing(NamedTuple):
    """A record that is written."""

    path: Path
    upstream: Upstream
    run: GatewayRun
    leaves: list[int]

    def measured(self, *numbers: int, more: int = 0) -> int:
        """A batch with samples of these numbers, `more` V beyond what they are; its leaf."""
        layout = Layout(configuration())
        for number in numbers:
            raw = frame(layout, number + more)
            self.run.observe(1, raw, START + number * PERIOD)
        return self.upstream.push(self.run.cut()).idx


@pytest.fixture
def writing(tmp_path: Path) -> Iterator[Writing]:
    """A record of one's own, with North measured."""
    path = tmp_path / "record.db"
    upstream, run = begin(path)
    yield Writing(path, upstream, run, measure(upstream, run))
    upstream.close()


FALSE, TRUE = Found(Truth.FALSE), Found(Truth.TRUE)
