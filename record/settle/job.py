"""One settlement: from the leaves that are named to what the two sides come to. The same leaves at
the same size of the tree give the same bytes, whoever asks, and whenever.

1. `proposed` finds leaves, claims and the standing residual in a record; `named` takes those that a
   SETTLEMENT record names. What then comes out depends on the job and the leaves alone.
2. A DC tie settles by energy, and whatever else by phasors (record.settle.outcome).
3. What a gateway of the other side's authority claims to measure at a side's node is OTHER_SIDE: it
   is told, and does not count. At a bus both sides measure the one node, and nobody does.
4. Gateways that tell different things of one PMU make it DISPUTED, whatever the rest comes to.
5. A side of a tie that has no registers may be a claim of its authority over that very interval; it
   is a parent of the record.

It writes nothing.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import NamedTuple

from evidence import cbor
from evidence.code import Agreement, Disagreement, Matter, Reason, SeamKind
from evidence.joint import claim as claims
from evidence.joint import settlement
from evidence.joint.leaf import Leaves
from evidence.joint.measure import Measure, Term, total
from evidence.joint.record import NAME_BYTES_MAX, Record
from evidence.joint.settlement import Counts, Settlement
from evidence.leap import NS
from evidence.shape import TEXT_BYTES_MAX
from record import leaf
from record.known import Known
from record.lookup import NotFoundError
from record.series import ALWAYS, Series, Wanted, collected, passing
from record.settle import agreed, energy, law, outcome, switchgear, tie
from record.settle import standing as standings
from record.settle.agreed import Claimed, InForce
from record.settle.clock import Clocks
from record.settle.interval import Stretch
from record.settle.law import LawError
from record.settle.measured import Gathered, Measured, told_by, wanted
from record.settle.outcome import Outcome
from record.settle.register import MINUTE_NS, Trouble
from record.settle.side import Side
from record.settle.standing import Standing
from record.store import Store

SIDES = ("first", "second")
# Of one settlement: two PMUs at 60/s take 200 MiB by then. An hour with a leap second is one.
PHASORS_NS_MAX = 60 * MINUTE_NS + NS
# Of an entry's 65,535: measures with their terms, and words, have the rest (a sum of 28 branches
# takes 20,000).
LEAVES_BYTES_MAX = 36_000
WORDS_BYTES_MAX = 18_000  # of all terms; beyond, each tolerance has NAMED_MAX of them
NAMED_MAX, NAMED_BYTES_MAX = 6, 96
Told = tuple[Claimed | None, Claimed | None]


class Job(NamedTuple):
    """What is to be settled, from what. `claims`: of a side that measures nothing."""

    of: InForce
    stretch: Stretch
    leaves: tuple[Leaves, Leaves]
    claims: Told = (None, None)
    standing: Standing | None = None


class Settled(NamedTuple):
    """What came of it. `sides`: of phasors, for whoever learns from them."""

    job: Job
    outcome: Outcome
    sides: tuple[Side, Side] | None = None

    @property
    def body(self) -> Settlement:
        standing = self.job.standing
        # A standing residual is named where a change was judged against it.
        judged = any(one.change is not None for one in self.outcome.measures)
        return Settlement(
            self.job.of.name,
            self.job.leaves,
            self.outcome.verdict,
            self.outcome.measures,
            self.outcome.counts,
            self.outcome.disagreement,
            self.outcome.why,
            standing.name if standing is not None and judged else None,
        )

    def record(self, author: str) -> Record:
        """The record that says so. Raises EvidenceError where it is none, as with leaves beyond
        what an entry of the log holds."""
        parents = tuple(one[0] for one in self.job.claims if one is not None)
        return Record(
            Matter.SETTLEMENT, author, (), (self.job.of.seam.name,), (), *self.job.stretch,
            tuple(dict.fromkeys(parents)), self.body.body(),
        )  # fmt: skip


def leaves_bytes(job: Job) -> int:
    """What the leaves of a job take in a record."""
    return sum(len(cbor.encode(side.array())) for side in job.leaves)


def proposed(store: Store, known: Known, of: InForce, stretch: Stretch, size: int) -> Job:
    """A job over what a record holds. Raises StoreError."""
    finder = leaf.Leaves(store, known, size)
    sides = []
    for at in (0, 1):
        sought = sought_of(of, at)
        sides.append(Leaves(size, tuple(finder.of(sought, *stretch))))
    leaves = (sides[0], sides[1])
    if of.seam.kind != SeamKind.DC_TIE:
        return Job(of, stretch, leaves, standing=agreed.standing_of(store, of, size))
    there = agreed.claims_of(store, of, *stretch, size)
    told = [None if side.indexes else said for side, said in zip(leaves, there, strict=True)]
    return Job(of, stretch, leaves, (told[0], told[1]))


def named(store: Store, says: Record) -> Job:
    """The job that a SETTLEMENT record names. Raises NotFoundError, EvidenceError."""
    body = settlement.read(says.body)
    one, other = (side.tree_size for side in body.leaves)
    of = agreed.in_force(store, body.seam, agreed.seam_of(store, body.seam), (one, other))
    standing = None
    if body.standing is not None:
        standing = standings.of(agreed.residual_of(store, body.standing), body.standing)
    told: list[Claimed | None] = [None, None]
    for parent in says.parents:
        if isinstance(parent, bytes):
            claim = agreed.record_of(store, parent, Matter.CLAIM)
            if (claim.begins, claim.ends) != (says.begins, says.ends):
                raise NotFoundError(f"claim {parent.hex()[:16]} is over another interval")
            place = agreed.place_of(store, parent)
            for at in (0, 1):
                if of.speaks(at, claim.author, place):
                    told[at] = parent, claims.read(claim.body)
    stretch = Stretch(says.begins, says.ends)
    return Job(of, stretch, body.leaves, (told[0], told[1]), standing)


class Read(NamedTuple):
    """What was read of a side, and which gateways of the other side claim to measure there."""

    own: Gathered
    others: frozenset[str]


Reads = Callable[[Store, Known, Job, int], Read]


def settled(store: Store, known: Known, job: Job, held: Reads | None = None) -> Settled:
    """What the sides come to; `held`: what gives what `gathered` does, where somebody has it.
    Raises NotFoundError for leaves that are not there, StoreError."""
    length = job.stretch.ends - job.stretch.begins
    if job.of.seam.kind != SeamKind.DC_TIE and length > PHASORS_NS_MAX:
        why = f"phasors of more than {PHASORS_NS_MAX // MINUTE_NS} min at once: settle by intervals"
        return Settled(job, Outcome(Agreement.NOT_COMPARABLE, Counts(0, 0, 0, 0), why=why))
    others: tuple[str, ...]
    if job.of.seam.kind == SeamKind.DC_TIE:
        series = [_series(store, known, job, at) for at in (0, 1)]
        found = Settled(job, _by_energy(job, series))
        others = tuple(
            _told_of_others(job.of, at, _names(series[at][_count(job.of, at) :])) for at in (0, 1)
        )
    else:
        sides = tuple((held or gathered)(store, known, job, at) for at in (0, 1))
        found = _by_phasors(job, [one.own for one in sides])
        others = tuple(_told_of_others(job.of, at, one.others) for at, one in enumerate(sides))
    why = "; ".join(filter(None, (found.outcome.why, *others)))
    measures = tuple(map(_plain_measure, found.outcome.measures))
    if sum(map(_words, measures)) > WORDS_BYTES_MAX:
        measures = tuple(map(_summed_up, measures))
    plain = replace(found.outcome, why=_plain(why, TEXT_BYTES_MAX), measures=measures)
    return found._replace(outcome=plain)


def _plain_measure(one: Measure) -> Measure:
    terms = tuple([term._replace(source=_plain(term.source, NAME_BYTES_MAX)) for term in one.terms])
    return one if terms == one.terms else replace(one, terms=terms)


def _words(one: Measure) -> int:
    """Bytes of what the terms of a measure are called."""
    terms = (*one.terms, *(one.change.terms if one.change else ()))
    return sum(len(term.source.encode()) for term in terms)


def _summed_up(one: Measure) -> Measure:
    """A measure of so many instruments that an entry of the log does not hold each by its name: its
    largest terms, and the rest as one."""
    change = one.change and replace(one.change, terms=_largest(one.change.terms))
    return replace(one, terms=_largest(one.terms), change=change)


def _largest(terms: tuple[Term, ...]) -> tuple[Term, ...]:
    if len(terms) <= NAMED_MAX:
        return terms
    least = sorted(range(len(terms)), key=lambda at: (-terms[at].amount, at))[NAMED_MAX - 1 :]
    named = [term for at, term in enumerate(terms) if at not in least]
    rest = total([terms[at] for at in sorted(least)])
    named = [term._replace(source=_plain(term.source, NAMED_BYTES_MAX)) for term in named]
    return (*named, Term(f"{len(least)} smaller ones", rest))


def _plain(text: str, most: int) -> str:
    """A text as a record takes it, and a terminal: names in it are those that a technician typed,
    in whatever script and length, and nobody's name keeps a settlement from being said."""
    found = text.strip() if text.isprintable() else ascii(text.strip())
    if len(found.encode()) <= most:
        return found
    return found.encode()[: most - 3].decode(errors="ignore").rstrip() + "..."


def _series(store: Store, known: Known, job: Job, at: int) -> list[Series]:
    sought = sought_of(job.of, at)
    leaves = job.leaves[at]
    # Registers are read about the edges, too.
    return collected(store, known, leaves.indexes, leaves.tree_size, sought, ALWAYS)


def sought_of(of: InForce, at: int) -> tuple[Wanted, ...]:
    """What is read of a side: its own, then what others claim there."""
    return (*wanted_of(of, at), *_strangers(of, at))


def gathered(store: Store, known: Known, job: Job, at: int) -> Read:
    """A side of a seam by phasors, each leaf read once and none kept."""
    leaves, own = job.leaves[at], Gathered(job.of.seam.sides[at].node)
    others: set[str] = set()
    count = _count(job.of, at)
    sought = sought_of(job.of, at)
    for some in passing(store, known, leaves.indexes, leaves.tree_size, sought, job.stretch):
        others |= _names(some[count:])
        own.take(some[:count])
    return Read(own, frozenset(others))


def _count(of: InForce, at: int) -> int:
    return len(wanted_of(of, at))


def wanted_of(of: InForce, at: int) -> tuple[Wanted, ...]:
    side, kind = of.seam.sides[at], of.seam.kind
    found = (energy.wanted(side),) if kind == SeamKind.DC_TIE else wanted(side, kind)
    return tuple(one._replace(heirs=of.heirs[at]) for one in found)


def _strangers(of: InForce, at: int) -> tuple[Wanted, ...]:
    """Whatever the other side's gateways claim to measure at this one's node."""
    own, other = of.seam.sides[at], of.seam.sides[1 - at]
    names = {own.authority, *(name for name, _ in of.heirs[at])}
    if own.node == other.node or other.authority in names:
        return ()
    heirs = tuple(row for row in of.heirs[1 - at] if row[0] not in names)
    return tuple(one._replace(issuer=other.authority, heirs=heirs) for one in wanted_of(of, at))


def _names(series: Sequence[Series]) -> set[str]:
    """The gateways of which there are readings."""
    places = ((one, {row[-1] for row in one.rows()}) for one in series)
    return {one.origins[at].run.credential.subject for one, some in places for at in some}


def _told_of_others(of: InForce, at: int, names: AbstractSet[str]) -> str:
    """Which gateways of the other side claim a side's node; empty: none."""
    if not names:
        return ""
    reason, other = Reason.OTHER_SIDE.name.lower(), of.seam.sides[1 - at].authority
    return f"{reason}: {', '.join(sorted(names))} of {other} at the {SIDES[at]} side's node"


# --- by energy ------------------------------------------------------------------------------------


def _by_energy(job: Job, series: Sequence[Sequence[Series]]) -> Outcome:
    flows, intervals = zip(*(_flow_of(job, at, series[at]) for at in (0, 1)), strict=True)
    dc = job.of.seam.dc or tie.NO_LOSS
    minutes = 15 if job.stretch.ends - job.stretch.begins > 15 * MINUTE_NS else 5
    # A register that holds an hour says nothing of a quarter.
    return tie.settle(dc, (flows[0], flows[1]), job.stretch, max(minutes, *intervals))


def _flow_of(
    job: Job, at: int, series: Sequence[Series]
) -> tuple[Callable[[Stretch], energy.Flow | Trouble], int]:
    """What a side says of a stretch, and the longest interval, min, that a register of it holds."""
    told = job.claims[at]
    if told is not None:
        flow = energy.claimed(told[1])
        part = Trouble("a claim is of its whole interval", True)
        return (lambda stretch: flow if stretch == job.stretch else part), 0
    found = energy.metered(job.of.seam.sides[at], series[0])
    if isinstance(found, Trouble):
        trouble = found
        return (lambda _: trouble), 0
    return found.flow, max((one.minutes or 0 for one in found.registers), default=0)


# --- by phasors -----------------------------------------------------------------------------------


def _by_phasors(job: Job, gathered: Sequence[Gathered]) -> Settled:
    of = job.of.seam
    if _is_one_voice(job.of):
        why = f"{of.sides[0].authority} speaks for both sides of this bus: nobody confirms itself"
        return Settled(job, Outcome(Agreement.NOT_COMPARABLE, Counts(0, 0, 0, 0), why=why))
    sides = [told_by(of, at, gathered[at]) for at in (0, 1)]
    one, other = sides
    if isinstance(one, Trouble) or isinstance(other, Trouble):
        texts = [
            f"{name}: {side.text}"
            for name, side in zip(SIDES, sides, strict=True)
            if isinstance(side, Trouble)
        ]
        alone = [len(side.samples) if isinstance(side, Measured) else 0 for side in sides]
        counts = Counts(0, alone[0], alone[1], 0)
        return Settled(job, Outcome(Agreement.NOT_COMPARABLE, counts, why="; ".join(texts)))
    try:
        # `measured` is a Trouble without all the branches that the seam names.
        rule = law.of(of, complete=of.kind == SeamKind.SUM)
        both = one.side, other.side
        samples: switchgear.Samples = one.samples, other.samples
        if of.tap is not None:
            said = tuple(sorted((*one.taps, *other.taps)))
            rule, both, samples = switchgear.referred(
                of.tap, said, job.stretch, rule, both, samples
            )
    except LawError as fault:
        counts = Counts(0, len(one.samples), len(other.samples), 0)
        return Settled(job, Outcome(Agreement.NOT_COMPARABLE, counts, why=str(fault)))
    found = outcome.settle(rule, both, samples, job.standing, Clocks(rule, both))
    return Settled(job, _with_sides(found, (one, other)), both)


def _is_one_voice(of: InForce) -> bool:
    """Whether both sides of a bus would be the same samples."""
    one, other = of.seam.sides
    if of.seam.kind != SeamKind.BUS or one.node != other.node:
        return False
    names, others = (
        {side.authority, *(name for name, _ in heirs)}
        for side, heirs in zip(of.seam.sides, of.heirs, strict=True)
    )
    return bool(names & others)


def _with_sides(found: Outcome, sides: tuple[Measured, Measured]) -> Outcome:
    """What is known of the sides besides."""
    aside: Counter[str] = Counter()
    for side in sides:
        aside += side.aside
    told = [
        f"{name}: {text}" for name, side in zip(SIDES, sides, strict=True) for text in side.disputes
    ]
    verdict, like = found.verdict, found.disagreement
    if told:
        verdict, like = Agreement.DISPUTED, like or Disagreement.NOT_SEPARABLE
    if aside and verdict != Agreement.AGREED:
        told.append("set aside: " + ", ".join(f"{n} {why}" for why, n in sorted(aside.items())))
    why = "; ".join(filter(None, (found.why, *told)))
    return replace(found, verdict=verdict, disagreement=like, why=why)
