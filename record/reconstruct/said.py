"""The records of a bundle as documents tell them: what each says in words, what it is worth at the
bundle's size, and when the log had it.

1. When something was logged is between two instants of the log's clock: not in it by the checkpoint
   before, in it by the next. What its author claims stands beside, and is never put in its place.
2. What a record is worth is evidence.joint's, at the bundle's size and the log's clock there.

It judges nothing.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from evidence import cose
from evidence.code import Matter, Reason, Truth, Typ
from evidence.joint import (
    claim,
    countersignature,
    decision,
    emergency,
    evaluation,
    handoff,
    interchange,
    policy,
    registry,
    seam,
    settlement,
)
from evidence.joint.countersignature import Countersignature
from evidence.joint.record import Record
from evidence.joint.state import Docket, Standing, State, standing
from record.joint import Shelf, case_of
from record.reconstruct.holding import Holding
from record.reconstruct.words import spaced
from record.store import StoreError

RELATIVE = "1"  # the unit of what has none: a share
DECIDED = (Matter.DISPATCH, Matter.CURTAILMENT, Matter.LOAD_SHED, Matter.RELAY_OPERATION)


class Said(NamedTuple):
    """One record. `by`: when the log had it; `after`: when it had not, None where nothing shows."""

    name: bytes
    idx: int
    record: Record
    worth: Standing
    after: int | None
    by: int

    @property
    def state(self) -> State:
        return self.worth.state

    @property
    def flags(self) -> tuple[Reason, ...]:
        return self.worth.case.flags


class Word(NamedTuple):
    """One countersignature."""

    idx: int
    said: Countersignature
    after: int | None
    by: int


def records(held: Holding) -> Iterator[Said]:
    """In the order of the log. Raises StoreError, EvidenceError."""
    shelf = Shelf(held.store)
    docket = Docket(held.anchors.authorities.values(), shelf)
    size = held.scope.size
    now = held.clock(size - 1)
    for row in held.store.joints():
        case = case_of(row)
        found = shelf.record(case.name)
        if found is None:
            raise StoreError(f"entry {row.idx} is missing")
        worth = standing(case, shelf.words(case.name), size, now, docket.registry)
        yield Said(
            *(case.name, row.idx, found, worth, held.clock.before(row.idx), held.clock(row.idx))
        )


def words(held: Holding) -> Iterator[Word]:
    """Countersignatures, in the order of the log. Raises StoreError, EvidenceError."""
    for entry in held.store.entries():
        if entry.typ == Typ.COUNTERSIGNATURE:
            said = countersignature.read(cose.read(entry.encoded).payload)
            yield Word(entry.idx, said, held.clock.before(entry.idx), held.clock(entry.idx))


def text_of(of: Record) -> str:
    """What it says, for people. Raises EvidenceError."""
    teller = _TELLERS.get(of.matter)
    return "" if teller is None else teller(of)


def parties(needs: Sequence[object]) -> str:
    return ", ".join(str(getattr(need, "authority", need)) for need in needs)


# --- matter by matter -----------------------------------------------------------------------------


def _claim(of: Record) -> str:
    says = claim.read(of.body)
    figures = (f"{one.name} {number(one.value)} {one.unit}".strip() for one in says.figures)
    return "; ".join(filter(None, (says.text, *figures)))


def _decision(of: Record) -> str:
    operation = of.matter == Matter.RELAY_OPERATION
    says = (decision.read_operation if operation else decision.read)(of.body)
    amount = "" if says.mw is None else f"{number(says.mw)} MW"
    rows = "" if says.events is None else f"{len(says.events)} rows"
    return "; ".join(filter(None, (says.name, amount, says.reason, rows)))


def _handoff(of: Record) -> str:
    says = handoff.read(of.body)
    step = spaced(says.step.name)
    if not isinstance(says, handoff.Request):
        return "; ".join(filter(None, (step, says.text)))
    limits = [f"{one.name} {number(one.value)} {one.unit}" for one in says.limits]
    asked = [f"if {one.text}" for one in says.conditions]
    return "; ".join((step, says.scope, *asked, *limits))


def _evaluation(of: Record) -> str:
    says = evaluation.read(of.body)
    causes = sorted({spaced(one.cause.name) for one in says.found.causes})
    told = f" ({', '.join(causes)})" if causes else ""
    return f"{spaced(Truth(says.found.truth).name)}{told}: {says.predicate.text}"


def _settlement(of: Record) -> str:
    says = settlement.read(of.body)
    verdict = spaced(says.verdict.name)
    if says.disagreement is not None:
        verdict += f", {spaced(says.disagreement.name)}"
    measures = (
        f"{one.name} {number(abs(one.residual))} of {number(one.tolerance)}{_unit(one.unit)}"
        for one in says.measures
    )
    return "; ".join(filter(None, (verdict, says.why, *measures)))


def _unit(unit: str) -> str:
    return "" if unit == RELATIVE else f" {unit}"


def _seam(of: Record) -> str:
    says = seam.read(of.body)
    sides = " and ".join(f"{one.footprint} ({one.authority})" for one in says.sides)
    return f"{says.name}: {spaced(says.kind.name)} between {sides}"


def _policy(of: Record) -> str:
    return f"{len(policy.read(of.body).rules)} rules"


def _registry(of: Record) -> str:
    return registry.read(of.body).name


_TELLERS = {
    Matter.CLAIM: _claim,
    Matter.HANDOFF: _handoff,
    Matter.EVALUATION: _evaluation,
    Matter.SETTLEMENT: _settlement,
    Matter.SEAM: _seam,
    Matter.POLICY: _policy,
    Matter.REGISTRY: _registry,
    Matter.INTERCHANGE: lambda of: interchange.read(of.body).told(),
    Matter.DC_TIE_EMERGENCY: lambda of: emergency.read(of.body).told(),
    **dict.fromkeys(DECIDED, _decision),
}


def number(value: float) -> str:
    """A figure: nine digits, the same on every machine."""
    return f"{value:.9g}"
