"""What two sides of a tie come to by energy: what the second took out, less what the first put in
and the tie lost.

1. The tie loses its fixed part for as long as there is one, and its share of what goes in on either
   side (evidence.joint.seam.Dc); a bus loses nothing. Where no register of either side moved it was
   switched off, and lost nothing. Never is an angle compared across it.
2. The residual is what the second side gained less what the first leads to. It is AGREED within
   what the meters alone may be off (of a claim: what it was rounded to), AGREED_WITH_RESIDUAL
   within what transformers and the loss add to that; beyond it DISPUTED.
3. Where a stretch is missing or doubtful on a side nothing is filled in: it is NOT_COMPARABLE, and
   says for which parts it could be compared, and what they come to. Where a side contradicts
   itself it is DISPUTED: two words of one flow are no less than two of one phasor.
4. Which side stands first changes no residual: what both took in, less the loss, is the same.
5. A difference of energy has many causes and one number. It is told as POLARITY or SCALING where
   the second side, turned about or multiplied, is what the first leads to; else NOT_SEPARABLE.

It reads no record.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from evidence.code import Agreement, Disagreement
from evidence.joint.measure import TERMS_MAX, Measure, Term, total
from evidence.joint.seam import Dc
from evidence.joint.settlement import Counts
from record.settle.energy import TRANSFORMER, Flow
from record.settle.interval import Stretch, cut
from record.settle.outcome import Outcome
from record.settle.register import MINUTE_NS, Trouble

NAME, UNIT = "energy", "MWh"
NO_LOSS = Dc(0.0, 0.0)
LOSS_OFF = 0.05  # of the loss: what its constants may be off where nobody states better
# Multipliers that are forgotten, or applied twice: prefixes, and 3 and its root for the phases.
FACTORS = (10.0, 100.0, 1e3, 1e6, 3.0, 3.0**0.5)
_LOSS = "tie: loss"
_SIDES = ("first", "second")
FlowOf = Callable[[Stretch], Flow | Trouble]


@dataclass(frozen=True, slots=True)
class _Part:
    """A stretch that both sides tell of."""

    stretch: Stretch
    first: Flow
    second: Flow

    def loss(self, dc: Dc) -> float:
        """MWh."""
        went_in = self.first.into + self.second.into
        if not went_in + self.first.out + self.second.out:
            return 0.0
        return dc.fixed_loss_mw * self.stretch.hours + dc.loss_share * went_in

    def expected(self, dc: Dc) -> float:
        """What the second side should have gained, net."""
        return self.first.net - self.loss(dc)

    def residual(self, dc: Dc) -> float:
        return -self.second.net - self.expected(dc)


def settle(dc: Dc, sides: tuple[FlowOf, FlowOf], stretch: Stretch, minutes: int) -> Outcome:
    """What the sides come to; `minutes`: of the intervals that it is compared by where it cannot be
    as a whole."""
    first, second = (side(stretch) for side in sides)
    if isinstance(first, Flow) and isinstance(second, Flow):
        return _judged(dc, _Part(stretch, first, second))
    troubles = [
        f"{name}: {flow.text}"
        for name, flow in zip(_SIDES, (first, second), strict=True)
        if isinstance(flow, Trouble)
    ]
    found = _partial(dc, sides, list(cut(*stretch, minutes * MINUTE_NS)), "; ".join(troubles))
    if not any(isinstance(flow, Trouble) and flow.contradicts for flow in (first, second)):
        return found
    like = Disagreement.NOT_SEPARABLE
    return replace(found, verdict=Agreement.DISPUTED, disagreement=like)


def _judged(dc: Dc, part: _Part) -> Outcome:
    residual, terms = part.residual(dc), _terms(dc, [part])
    measure = _measure(terms, residual, abs(residual))
    counts = Counts(1, 0, 0, part.first.aside + part.second.aside)
    claims = [
        f"the {name} side is a claim"
        for name, flow in zip(_SIDES, (part.first, part.second), strict=True)
        if flow.claimed
    ]
    if abs(residual) > measure.tolerance:
        disagreement, like = _disagreement(dc, part, measure.tolerance)
        told = f"{residual:+.3f} MWh, where {measure.tolerance:.3f} are explained"
        why = "; ".join((told, *([like] if like else []), *claims))
        return Outcome(Agreement.DISPUTED, counts, (measure,), disagreement, why)
    meters = total([term for term in terms if not _is_beyond(term)])
    if abs(residual) <= meters:
        return Outcome(Agreement.AGREED, counts, (measure,), why="; ".join(claims))
    told = f"{residual:+.3f} MWh, beyond the {meters:.3f} that the meters alone may be off"
    why = "; ".join((told, *claims))
    return Outcome(Agreement.AGREED_WITH_RESIDUAL, counts, (measure,), why=why)


def _partial(
    dc: Dc, sides: tuple[FlowOf, FlowOf], stretches: Sequence[Stretch], why: str
) -> Outcome:
    """What can be told where not all can."""
    parts: list[_Part] = []
    alone = [0, 0]
    for stretch in stretches if len(stretches) > 1 else ():
        first, second = (side(stretch) for side in sides)
        if isinstance(first, Flow) and isinstance(second, Flow):
            parts.append(_Part(stretch, first, second))
        else:
            alone[0] += isinstance(first, Flow)
            alone[1] += isinstance(second, Flow)
    aside = max((part.first.aside + part.second.aside for part in parts), default=0)
    counts = Counts(len(parts), alone[0], alone[1], aside)
    if not parts:
        return Outcome(Agreement.NOT_COMPARABLE, counts, why=why)
    residuals = [part.residual(dc) for part in parts]
    measure = _measure(_terms(dc, parts), sum(residuals), max(map(abs, residuals)))
    told = f"partial: {len(parts)} of {len(stretches)} intervals could be compared; {why}"
    return Outcome(Agreement.NOT_COMPARABLE, counts, (measure,), why=told)


def _measure(terms: tuple[Term, ...], residual: float, largest: float) -> Measure:
    return Measure(NAME, UNIT, complex(residual, 0.0), 0.0, largest, terms)


def _terms(dc: Dc, parts: Sequence[_Part]) -> tuple[Term, ...]:
    """Of all parts together, by their source; those of one source are added up."""
    found: dict[str, float] = {}
    for part in parts:
        for name, flow in zip(_SIDES, (part.first, part.second), strict=True):
            for term in flow.terms:
                source = f"{name}: {term.source}"
                found[source] = found.get(source, 0.0) + term.amount
    loss = sum(part.loss(dc) for part in parts)
    found[f"{_LOSS}, good to {100 * LOSS_OFF:g} %"] = LOSS_OFF * loss
    rows = [Term(source, amount) for source, amount in found.items()]
    if len(rows) > TERMS_MAX:
        rest = rows[TERMS_MAX - 1 :]
        rows = [*rows[: TERMS_MAX - 1], Term("the rest", total(rest))]
    return tuple(rows)


def _is_beyond(term: Term) -> bool:
    """Whether a term is of something that no meter has to answer for."""
    return TRANSFORMER in term.source or term.source.startswith(_LOSS)


def _disagreement(dc: Dc, part: _Part, tolerance: float) -> tuple[Disagreement, str]:
    """What it looks like, and in words."""
    second = part.second

    def explains(into: float, out: float, room: float) -> bool:
        """Whether the second side would agree, had it counted that."""
        other = _Part(part.stretch, part.first, second._replace(into=into, out=out))
        return abs(other.residual(dc)) <= room

    if abs(second.net) > tolerance and explains(second.out, second.into, tolerance):
        return Disagreement.POLARITY, "one side counts the other way round"
    for factor in FACTORS:
        for times in (factor, 1.0 / factor):
            if abs(second.net) <= tolerance / max(times, 1.0):
                continue  # nothing times as much is still nothing
            if explains(second.into / times, second.out / times, tolerance):
                return (
                    Disagreement.SCALING,
                    f"the second side says {times:g} times what the first does",
                )
    return Disagreement.NOT_SEPARABLE, ""
