"""What came of a play: facts, read from its record and from what was refused on the way.

1. A fact is some words under names: what kind of thing it is (`what`), and what is known of it. Who
   judges compares words; nothing here says what should be.
2. Records, their states and flags are the record's own; a mark and a topic are the script's.
3. An instant is ns TAI. Facts of an interval have `begins` and `ends`.

It changes nothing, and reads no bundle: whoever makes one adds what came of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from evidence.code import Class, Matter, Reason, Truth
from evidence.joint import claim, evaluation, handoff, settlement
from evidence.joint.handoff import Taken
from evidence.joint.record import Record
from evidence.joint.state import Case, Docket, Standing, standing
from evidence.trust import Authorities
from hil.fact import Fact, Words
from hil.scenario.play import Told
from record.joint import Shelf, case_of
from record.store import Store


@dataclass(frozen=True, slots=True)
class Said(Fact):
    """A record, as a fact: with the record itself, and where it stands in the log."""

    record: Record | None = None
    case: Case | None = None
    standing: Standing | None = None
    name: bytes = b""
    told: Told | None = None


@dataclass(slots=True)
class Facts:
    """All facts of a play."""

    all: list[Fact] = field(default_factory=list)

    def said(self, matter: Matter) -> list[Said]:
        """The records of one matter, in the order of the log."""
        found = [one for one in self.all if isinstance(one, Said)]
        return [one for one in found if one.record and one.record.matter == matter]

    def add(self, what: str, **words: Words) -> None:
        self.all.append(Fact({"what": what, **words}))


def collected(
    store: Store,
    authorities: Authorities,
    told: dict[str, Told],
    refusals: list[tuple[str, str]],
    now: int,
) -> Facts:
    """The facts of a record as it stands. Raises StoreError, EvidenceError."""
    facts = Facts()
    by_name = {one.name: (key, one) for key, one in told.items()}
    docket = Docket(authorities.values(), Shelf(store))
    size = store.size()
    for row in store.joints():
        facts.all.append(_said(store, docket, case_of(row), size, now, by_name))
    for (klass, reason), count in store.tallies().items():
        words: dict[str, Words] = {
            "what": "observations",
            "class": Class(klass).name.lower(),
            "reason": Reason(reason).name.lower() if reason else "",
        }
        facts.all.append(Fact(words, count=count))
    for of, why in refusals:
        facts.add("refused", of=of, reason=why)
    return facts


def _said(
    store: Store,
    docket: Docket,
    case: Case,
    size: int,
    now: int,
    by_name: dict[bytes, tuple[str, Told]],
) -> Said:
    shelf = Shelf(store)
    found = shelf.record(case.name)
    if found is None:
        raise LookupError(f"record {case.name.hex()} is in no entry")
    worth = standing(case, shelf.words(case.name), size, now, docket.registry)
    key, told = by_name.get(case.name, ("", None))
    words: dict[str, Words] = {
        "what": case.matter.name.lower(),
        "name": key,
        "author": case.author,
        "state": worth.state.name.lower(),
        "flags": tuple(flag.name.lower() for flag in case.flags),
        "elements": found.elements,
        "notified": tuple(case.notified),
        "mark": told.mark if told else "",
        "topic": told.topic if told else "",
    }
    words |= dict(_of_matter(found))
    return Said(words, found.begins, found.ends, 1, found, case, worth, case.name, told)


def _of_matter(of: Record) -> Iterator[tuple[str, Words]]:
    """What a body says that expectations ask for."""
    if of.matter == Matter.SETTLEMENT:
        found = settlement.read(of.body)
        yield "verdict", found.verdict.name.lower()
        yield "why", found.why
        if found.disagreement is not None:
            yield "disagreement", found.disagreement.name.lower()
    elif of.matter == Matter.EVALUATION:
        yield "truth", Truth(evaluation.read(of.body).found.truth).name.lower()
    elif of.matter == Matter.HANDOFF:
        says = handoff.read(of.body)
        yield "step", says.step.name.lower()
        if isinstance(says, Taken):
            yield "text", says.text
    elif of.matter == Matter.CLAIM:
        yield "text", claim.read(of.body).text
