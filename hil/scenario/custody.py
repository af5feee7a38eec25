"""Handoffs of a script, as acts of a play: a condition evaluated over the record, and the steps
that rest on it.

1. A condition is evaluated over the leaves that the record has of its quantities then, at the
   record's size then, and said as a record of its own, before the step that it is a parent of. What
   it comes to is found, never written in the script: a step whose condition does not hold is said
   all the same, and the record flags it.
2. The steps that rest on a condition are those of evidence.joint.handoff.
3. Of each step both sides sign, as the record's policy asks; a request is one side's word.
"""

from functools import partial

from evidence.code import Matter, Part, Step
from evidence.config import fault_at
from evidence.descriptor import PHASES, QUANTITIES
from evidence.joint import grammar
from evidence.joint.handoff import CONDITIONED, Limit, Request, Taken
from evidence.joint.predicate import Place, Predicate, Quantity
from evidence.joint.record import Record
from evidence.leap import NS
from evidence.refusal import EvidenceError
from hil.scenario import script, sheet
from hil.scenario.cast import mrid
from hil.scenario.figures import tai_of
from hil.scenario.marks import INSTANT_NS, marked, names
from hil.scenario.play import Play, Told
from record.handoff.evaluate import evaluation_of

_UNITS = {"frequency": "Hz", "power": "MW"}


def put(play: Play, row: sheet.Handoff) -> None:
    """Puts the steps of an episode into a play; of one that begins before the part, none."""
    if not play.part.holds(tai_of(row.steps[0].at)):
        return
    for number, step in enumerate(row.steps):
        if play.part.holds(tai_of(step.at)):
            play.at(tai_of(step.at), partial(_step, row=row, number=number))


def check(of: script.Script, text: str, file: str) -> None:
    """Whether each condition can be read. Raises ConfigError."""
    for at, row in enumerate(of.handoff):
        try:
            condition(of, row)
        except EvidenceError as fault:
            raise fault_at(text, file, ("handoff", at, "condition"), fault.text) from fault


def condition(of: script.Script, row: sheet.Handoff) -> Predicate:
    """What an episode rests on. Raises EvidenceError."""
    quantities = [
        Quantity(
            name=one.name,
            place=Place("bus", one.bus),
            mrid=mrid(of.scenario.name, f"bus {one.bus}").bytes,
            quantity=QUANTITIES.index(one.measures),
            phase=PHASES.index(""),
            part=0,
            unit=_UNITS[one.measures],
            issuer=one.authority,
            hole=one.hole_s * NS,
        )
        for one in row.quantities
    ]
    return grammar.predicate(row.condition, quantities)


async def _step(play: Play, row: sheet.Handoff, number: int) -> None:
    step = row.steps[number]
    key, tai = f"{row.name}: {step.step}", tai_of(step.at)
    predicate, parents = condition(play.script, row), list[bytes]()
    if Step[step.step.upper()] in CONDITIONED:
        told = await _evaluated(play, row, predicate, tai, key)
        parents.append(told.name)
    if number == 0:
        body = _request(row, predicate, step.text)
    else:
        before = play.told[f"{row.name}: {row.steps[number - 1].step}"].name
        request = play.told[f"{row.name}: {row.steps[0].step}"].name
        parents.append(before)
        text = marked(step.text, row.mark)
        body = Taken(Step[step.step.upper()], request, before, text).body()
    parts = ((Part.RELEASING, row.releasing), (Part.ACCEPTING, row.accepting))
    record = Record(
        *(Matter.HANDOFF, step.by, names(row.footprints), names(row.elements), parts),
        *(tai, tai + INSTANT_NS, tuple(parents), body),
    )
    await play.tell(key, record, [row.releasing, row.accepting], row.mark, row.name)


def _request(row: sheet.Handoff, predicate: Predicate, text: str) -> bytes:
    scope = marked(" ".join(filter(None, (row.scope, text))), row.mark)
    limits = tuple(Limit(one.name, one.value, one.unit) for one in row.limits)
    expires = None if row.expires is None else tai_of(row.expires)
    return Request(scope, (predicate,), limits, row.fresh_s * NS, expires=expires).body()


async def _evaluated(
    play: Play, row: sheet.Handoff, predicate: Predicate, tai: int, key: str
) -> Told:
    found = evaluation_of(play.reader.store, play.reader.known, predicate, tai)
    record = found.record(row.evaluator, tai, row.footprints, row.elements)
    return await play.tell(f"{key}, condition", record, [], row.mark, row.name)
