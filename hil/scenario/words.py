"""What facts of a play in simulated time there are, by `what`, and what a scenario's script expects
of them: what picks nothing, or comes to the same whatever is played, is refused (hil.words).

1. Facts are hil.scenario.fact's and hil.scenario.report's. One of a record has the words that all
   have, and those of its matter. What the script says nothing of, nothing comes of.
2. Names are those of the script: of authorities, and of what records are about (`topic`).
3. Only records have instants. What is asked of an interval is asked where the scenario has it, and
   by the hour where it has one.

It reads rows.
"""

from collections.abc import Iterator, Mapping, Set
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from evidence.code import Agreement, Class, Disagreement, Matter, Reason, Step, Truth
from evidence.joint.case import State
from hil import words
from hil.scenario import sheet
from hil.scenario.figures import HOUR_NS, tai_of
from hil.script import EXPECTED, Faults
from hil.words import ANY, Sort, Values, listed, names

if TYPE_CHECKING:
    from hil.scenario.script import Script

CHECKED_BY = ("gridseal-record verify", "verify.py")  # a bundle, each way
_RECORD: Mapping[str, Values] = {
    "name": ANY,
    "author": ANY,
    "state": names(State),
    "flags": names(Reason),
    "elements": ANY,
    "notified": ANY,
    "mark": get_args(sheet.Mark),
    "topic": ANY,
}
_EMPTY = frozenset({"name", "flags", "elements", "notified", "mark", "topic"})
_SAYS: Mapping[Matter, Mapping[str, Values]] = {
    Matter.SETTLEMENT: {
        "verdict": names(Agreement),
        "why": ANY,
        "disagreement": names(Disagreement),
    },
    Matter.EVALUATION: {"truth": names(Truth)},
    Matter.HANDOFF: {"step": names(Step), "text": ANY},
    Matter.CLAIM: {"text": ANY},
}
_WHOLE: Mapping[str, Sort] = {
    "observations": Sort(
        {"class": names(Class), "reason": names(Reason)}, False, frozenset({"reason"})
    ),
    "refused": Sort({"of": ANY, "reason": ANY}, False),
    "bundle": Sort(
        {"by": CHECKED_BY, "verified": ("yes", "no"), "why": ANY}, False, frozenset({"why"})
    ),
    "published": Sort({"cosigned": ("all", "not all"), "why": ANY}, False, frozenset({"why"})),
    "mirror": Sort({"has": ("all", "not all"), "why": ANY}, False, frozenset({"why"})),
}
FACTS: Mapping[str, Sort] = {
    **{
        matter.name.lower(): Sort(
            {**_RECORD, **_SAYS.get(matter, {})}, empty=_EMPTY | {"why", "text"}
        )
        for matter in Matter
    },
    **_WHOLE,
}


def faults(of: "Script") -> Faults:
    """What is wrong with each expectation, and where."""
    sorts = _named(of)
    made = _made(of)
    for array in EXPECTED:
        for at, row in enumerate(getattr(of, array)):
            where = (*words.unpicked(row.where, sorts, any_sort=True), *_unmade(row, made))
            yield from (((array, at, "where"), why) for why in where)
            asked = (*words.uncounted(array, row), *_asked(array, row, of))
            yield from (((array, at, key), why) for key, why in asked)


def _named(of: "Script") -> Mapping[str, Sort]:
    """The table, with the names of a script."""
    authorities = tuple(one.name for one in of.authority)
    about = (
        *(one.topic for one in of.claim),
        *(one.name for one in of.handoff),
        *(one.name for one in of.settlement),
        *(one.name for one in of.learning),
        *(one.name for one in of.interchange),
    )
    known = {"author": authorities, "notified": authorities, "topic": tuple(dict.fromkeys(about))}
    return {
        what: replace(
            sort,
            words={name: known.get(name) or values for name, values in sort.words.items()},
        )
        for what, sort in FACTS.items()
    }


def _made(of: "Script") -> Set[str]:
    """Of what there is a fact, once a script was played."""
    some: Mapping[str, object] = {
        "policy": True,
        "registry": any(not one.founder for one in of.authority),
        "seam": of.seam,
        "settlement": of.settlement,
        "interchange": of.interchange,
        "handoff": of.handoff,
        "evaluation": of.handoff,
        "claim": of.claim,
        "standing_residual": of.learning,
        "observations": of.device,
        "refused": True,
        "bundle": True,
        "published": True,
        "mirror": of.scenario.mirror,
    }
    return {what for what, rows in some.items() if rows} | {one.matter for one in of.order}


def _unmade(row: sheet.Expect, made: Set[str]) -> Iterator[str]:
    for what in listed(row.where.get("what")):
        if what in FACTS and what not in made:
            yield f"nothing in this script makes a fact of {what}: {', '.join(sorted(made))} do"


def _asked(array: str, row: sheet.Expect, of: "Script") -> Iterator[tuple[str, str]]:
    """What is asked of no instant, of no part, or of no hour."""
    bounds = [name for name in ("begins", "ends") if getattr(row, name) is not None]
    for what in listed(row.where.get("what")):
        if bounds and what in FACTS and not FACTS[what].dated:
            yield bounds[0], f"{what} is of all that was played: it has no instants"
    head = of.scenario
    begins, ends = row.begins or head.begins, row.ends or head.ends
    for name, at in (("begins", begins), ("ends", ends)):
        if not tai_of(head.begins) <= tai_of(at) <= tai_of(head.ends):
            yield name, f"{at.isoformat()} is not within the scenario: no part of it is asked"
    if tai_of(begins) >= tai_of(ends):
        yield bounds[0], "not later than it begins"
    if row.every_hour and array == "never":
        yield "every_hour", "of what must never be there is none, in any hour"
    elif row.every_hour and tai_of(ends) - tai_of(begins) < HOUR_NS:
        yield "every_hour", "there is no whole hour between its beginning and its end"
