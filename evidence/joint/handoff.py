"""A handoff of authority, one step a record of matter HANDOFF, each naming the step before.

    request = [1, scope: text, [*8 predicate], [*16 [name: text, limit: float, unit: text]],
               fresh: uint, [6*6 [1*8 part]], expires: tai / null]
    step = [2..7, request: hash, before: hash, text]

    requested -> accepted -> active -> returned
              -> refused
    from each of requested, accepted and active also -> expired, -> revoked

1. Who releases and who accepts stands in the parts of the request; each step has the same parts,
   footprints and elements as its request. `before` is one of its parents.
2. Who may take each step after the request is stated in it, by part, for steps 2 to 7. Nobody
   accepts or refuses what itself requested. Whose signatures it takes beside is the policy's; as
   that is shipped, of REVOKED nobody's: whoever may take it does so alone, and at once.
3. A step follows one that is joint; expired and revoked may follow one that is pending. What has
   been followed is followed by nothing else, unless that was disputed or expired unsigned.
4. From `expires` on, by the log's clock, a handoff is EXPIRED whether or not somebody says so, and
   no other step can be taken; before it nobody may say so.
5. Requested, accepted and active are flagged where a condition is not known to be true then:
   CONDITION_FALSE, CONDITION_OPEN. It is known by an EVALUATION of that very predicate that the
   step, or one before it, names as a parent, asked from `fresh` before the step's begin until its
   end, and joint; the latest that was asked rules; of several at one instant that differ, none.
6. Requested, accepted and active touch no footprint that neither side has: two alone hand nothing
   of a third's over.
7. Whether an evaluation holds is found by evaluating again, by anyone: a step is flagged by what
   the evaluation says.

Where a handoff stands at a place of the log is evidence.joint.custody's. Nothing here acts on
anything: it says who said what.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

from evidence import cbor, shape
from evidence.code import Matter, Part, Reason, Step, Truth
from evidence.joint import evaluation, grammar
from evidence.joint.before import Before, Looked
from evidence.joint.predicate import Predicate
from evidence.joint.record import TAI_MAX, Record
from evidence.merkle import HASH_BYTES
from evidence.refusal import EvidenceError

CONDITIONS_MAX = 8
LIMITS_MAX = 16
STEPS_MAX = 8  # of one handoff: the longest way has four, and none returns
FOLLOWS = {
    Step.REQUESTED: (Step.ACCEPTED, Step.REFUSED, Step.EXPIRED, Step.REVOKED),
    Step.ACCEPTED: (Step.ACTIVE, Step.EXPIRED, Step.REVOKED),
    Step.ACTIVE: (Step.RETURNED, Step.EXPIRED, Step.REVOKED),
}
LATER = tuple(step for step in Step if step != Step.REQUESTED)
CONDITIONED = (Step.REQUESTED, Step.ACCEPTED, Step.ACTIVE)
_ENDING = (Step.EXPIRED, Step.REVOKED)
# Unless a request says otherwise: who takes authority over says that it is so, and gives it back;
# who lent it takes it away.
TAKERS = {
    Step.ACCEPTED: (Part.RELEASING, Part.ACCEPTING),
    Step.REFUSED: (Part.RELEASING, Part.ACCEPTING),
    Step.ACTIVE: (Part.ACCEPTING,),
    Step.RETURNED: (Part.ACCEPTING,),
    Step.EXPIRED: (Part.RELEASING, Part.ACCEPTING),
    Step.REVOKED: (Part.RELEASING,),
}


class Limit(NamedTuple):
    """Within which the authority is used, such as ("import", 600.0, "MW")."""

    name: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for. `takers`: of steps 2 to 7; `expires`: None where it does not by itself."""

    scope: str
    conditions: tuple[Predicate, ...]
    limits: tuple[Limit, ...]
    fresh: int
    takers: tuple[tuple[Part, ...], ...] = tuple(TAKERS[step] for step in LATER)
    expires: int | None = None
    step: Step = Step.REQUESTED

    def body(self) -> bytes:
        """Raises EvidenceError where `read` would."""
        return _checked(
            [
                *(int(self.step), self.scope, [one.array() for one in self.conditions]),
                *([list(one) for one in self.limits], self.fresh),
                *([[int(part) for part in parts] for parts in self.takers], self.expires),
            ]
        )


@dataclass(frozen=True, slots=True)
class Taken:
    """A later step. `request`, `before`: records by name; `text`: why, for people."""

    step: Step
    request: bytes
    before: bytes
    text: str

    def body(self) -> bytes:
        """Raises EvidenceError where `read` would."""
        return _checked([int(self.step), self.request, self.before, self.text])


def read(body: bytes) -> Request | Taken:
    """The step in a body. Raises EvidenceError."""
    value = shape.array(cbor.decode(body), "handoff")
    if not value or shape.uint(value[0], "step") not in list(Step):
        shape.fail("step", value[:1], "a step of a handoff")
    step = Step(value[0])
    if step == Step.REQUESTED:
        return _request(shape.array(value, "handoff", 7))
    shape.array(value, "handoff", 4)
    return Taken(
        *(step, shape.blob(value[1], "request", HASH_BYTES)),
        *(shape.blob(value[2], "before", HASH_BYTES), shape.text(value[3], "text")),
    )


def _request(value: Sequence[Any]) -> Request:
    limits = shape.array(value[3], "limits")
    conditions = shape.array(value[2], "conditions")
    if len(limits) > LIMITS_MAX or len(conditions) > CONDITIONS_MAX:
        counted = f"at most {CONDITIONS_MAX} conditions, {LIMITS_MAX} limits"
        shape.fail("handoff", (len(conditions), len(limits)), counted)
    return Request(
        shape.text(value[1], "scope"),
        tuple(grammar.read(one) for one in conditions),
        tuple(_limit(one) for one in limits),
        shape.uint(value[4], "fresh", TAI_MAX),
        tuple(_takers(one) for one in shape.array(value[5], "takers", len(LATER))),
        shape.optional(value[6], shape.uint, "expires", TAI_MAX),
    )


def _limit(value: Any) -> Limit:
    name, limit, unit = shape.array(value, "limit", 3)
    if type(limit) is not float:
        shape.fail("limit", limit, "a number in binary64")
    return Limit(shape.text(name, "limit"), limit, shape.text(unit, "unit"))


def _takers(value: Any) -> tuple[Part, ...]:
    rows = shape.array(value, "takers")
    known = [int(part) for part in Part]
    if not rows or any(shape.uint(row, "taker") not in known for row in rows):
        shape.fail("takers", rows, "parts of authorities, one at least")
    if list(rows) != sorted(set(rows)):
        shape.fail("takers", rows, "rising, each once")
    return tuple(Part(row) for row in rows)


def _checked(value: list[Any]) -> bytes:
    encoded = cbor.encode(value)
    read(encoded)
    return encoded


# --- where it is logged ---------------------------------------------------------------------------


def look(record: Record, touches: frozenset[str], before: Before) -> Looked:
    """A step, where it is logged: what is flagged of it. Raises EvidenceError(STEP, PARTY, PARENT,
    FOOTPRINT), as what refuses it."""
    says = read(record.body)
    if isinstance(says, Request):
        _check_parties(record)
        if says.expires is not None and says.expires <= before.tai:
            _out_of_order("it had expired before it was requested")
        path = [record]
        request = says
    else:
        path = [record, *_path(says, record, before)]
        request = _requested(path[-1])
        _check_order(says, path, request, before)
    if says.step in CONDITIONED:
        _check_reach(record, touches, before)
    return Looked(says.step, tuple(_flags(request, path, says.step, before)))


def _check_parties(record: Record) -> None:
    parties = record.who(Part.RELEASING), record.who(Part.ACCEPTING)
    if None in parties or parties[0] == parties[1]:
        raise EvidenceError(Reason.PARTY, "a handoff has one who releases and another who accepts")
    if record.author not in parties:
        raise EvidenceError(Reason.PARTY, f"{record.author!r} neither releases nor accepts")


def _check_reach(record: Record, touches: frozenset[str], before: Before) -> None:
    """Rule 6."""
    names = (record.who(Part.RELEASING), record.who(Part.ACCEPTING))
    own = frozenset[str]().union(*(before.registry.footprints(name) for name in names if name))
    if not touches <= own:
        text = f"neither side has {', '.join(sorted(touches - own))}"
        raise EvidenceError(Reason.FOOTPRINT, text)


def _path(says: Taken, record: Record, before: Before) -> Iterator[Record]:
    """The steps before, the latest first, to the request."""
    name = says.before
    if name not in record.parents:
        raise EvidenceError(
            Reason.PARENT, f"the step before, {name.hex()[:16]}, is no parent of it"
        )
    for _ in range(STEPS_MAX):
        found = before.record(name)
        if found is None or found.matter != Matter.HANDOFF:
            raise EvidenceError(Reason.PARENT, f"the step before, {name.hex()[:16]}, is not here")
        yield found
        of = read(found.body)
        if isinstance(of, Request):
            if name != says.request:
                _out_of_order("a step of another handoff")
            return
        name = of.before
    _out_of_order(f"more than {STEPS_MAX} steps")


def _requested(record: Record) -> Request:
    found = read(record.body)
    if not isinstance(found, Request):
        _out_of_order("it does not begin with a request")
    return found


def _check_order(says: Taken, path: Sequence[Record], request: Request, before: Before) -> None:
    record, last, first = path[0], read(path[1].body).step, path[-1]
    if says.step not in FOLLOWS.get(last, ()):
        _out_of_order(f"{says.step.name.lower()} does not follow {last.name.lower()}")
    same = (record.parts, record.footprints, record.elements)
    if same != (first.parts, first.footprints, first.elements):
        raise EvidenceError(Reason.PARTY, "other parts, footprints or elements than its request's")
    takers = [first.who(part) for part in request.takers[LATER.index(says.step)]]
    answers = says.step in (Step.ACCEPTED, Step.REFUSED)
    if record.author not in takers or (answers and record.author == first.author):
        text = f"{record.author!r} may not take the step {says.step.name.lower()}"
        raise EvidenceError(Reason.PARTY, text)
    if says.step not in _ENDING and not before.is_joint(says.before):
        _out_of_order(f"what is before it, {last.name.lower()}, is not joint")
    if before.is_gone(says.before):
        _out_of_order(f"what is before it, {last.name.lower()}, is disputed or expired")
    for child in before.steps(says.before):
        other = before.record(child)
        if other is not None and not before.is_gone(child):
            after = read(other.body)
            if isinstance(after, Taken) and after.before == says.before:
                _out_of_order(f"{last.name.lower()} is followed by {after.step.name.lower()}")
    over = request.expires is not None and before.tai >= request.expires
    if over != (says.step == Step.EXPIRED):
        _out_of_order("it has expired" if over else "it has not expired yet")


def _flags(
    request: Request, path: Sequence[Record], step: Step, before: Before
) -> Iterator[Reason]:
    if step not in CONDITIONED:
        return
    truths = {_known(one, path, request.fresh, before) for one in request.conditions}
    if Truth.FALSE in truths:
        yield Reason.CONDITION_FALSE
    if Truth.UNDETERMINED in truths:
        yield Reason.CONDITION_OPEN


def _known(condition: Predicate, path: Sequence[Record], fresh: int, before: Before) -> Truth:
    """Rule 5."""
    found: dict[int, set[Truth]] = {}
    begins, ends = path[0].begins - fresh, path[0].ends
    for name in {parent for step in path for parent in step.parents if isinstance(parent, bytes)}:
        record = before.record(name)
        if record is None or record.matter != Matter.EVALUATION:
            continue
        if not begins <= record.ends <= ends or not before.is_joint(name):
            continue
        says = evaluation.read(record.body)
        if says.predicate == condition:
            found.setdefault(record.ends, set()).add(says.found.truth)
    truths = found[max(found)] if found else set()
    return truths.pop() if len(truths) == 1 else Truth.UNDETERMINED


def _out_of_order(text: str) -> NoReturn:
    raise EvidenceError(Reason.STEP, text)
