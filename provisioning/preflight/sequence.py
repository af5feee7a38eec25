"""Phase sequence: whether three single-phase phasors turn as the site plan says.

1. Positive, negative and zero sequence are computed here, from the single phases: a positive
   sequence that the device computed itself hides what was wired wrongly.
2. Where they do not fit, what would make them fit is looked for: two phases swapped, one reversed.
   Only what does is named: of an open delta that is either of its two.
3. Voltages are shifted, and turn as they should, where the neutral of a star is open: that shows in
   zero sequence alone.
4. A roll (A for B, B for C, C for A) turns as it should: it is not seen here (bus.py).
"""

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from evidence.siteplan import SitePlan
from provisioning.preflight import bay, load, phasor
from provisioning.preflight.bay import Course
from provisioning.preflight.load import Load
from provisioning.preflight.outcome import Outcome, cannot_tell, fault, ok
from provisioning.preflight.scene import Scene

CHECK = "sequence"
# Negative over positive. Voltages of a sound grid stay below 2 % (EN 50160 4.2.4; IEC 61000-3-13
# plans less); transformers and PMU may add 3 % and 1 %. Currents follow loads, of which one phase
# may be without a third; a CT reversed makes it 2, two swapped more still.
SHARE_MAX = {bay.VOLTAGE: 0.10, bay.CURRENT: 0.40}
# Zero over positive, of voltages: a neutral point that is not solidly earthed wanders by a tenth;
# an open neutral floats further, and so does it in an earth fault. Currents follow loads.
ZERO_SHARE_MAX = 0.20
# Of the mean of the others: a phase that has less is missing. A load may leave one nearly alone.
MISSING_SHARE = {bay.VOLTAGE: 0.5, bay.CURRENT: 0.05}
NEEDS_THREE = "three single-phase phasors (or two between phases)"
NEEDS_NOMINAL = "nominal_kv of the bus in site.toml: nobody knows whether the line is in service"
NEEDS_ROTATION = "rotation of the site, ABC or ACB, in site.toml"


class Means(NamedTuple):
    """Magnitudes of the components, over some seconds."""

    zero: float
    positive: float
    negative: float

    def share(self) -> float:
        """Negative over positive."""
        return self.negative / self.positive if self.positive else math.inf

    def shifted(self) -> bool:
        """Whether voltages have more zero sequence than a sound grid."""
        return self.zero > ZERO_SHARE_MAX * self.positive


class Guess(NamedTuple):
    """What may be wrong, and what the sequences would be without it."""

    words: str
    todo: str
    share: float


def check(scene: Scene) -> Iterator[Outcome]:
    for course in scene.courses:
        last = course.last
        if course.single() and len(last.phases) == 1 and not last.twice:
            continue  # there is no sequence in one phase
        yield _of(course, scene.plan)


def good(course: Course, plan: SitePlan) -> bool:
    """Whether its phases turn as they should, as far as others need to know."""
    stated = bay.rotation(course.last, plan)
    shares = [_share(course, one) for one in ([stated] if stated else phasor.LAGS)]
    return min(shares) <= SHARE_MAX[course.last.quantity]


def sound(course: Course, plan: SitePlan) -> bool:
    """Whether its phases turn as they should, and stand about their neutral point."""
    found = means(course, bay.rotation(course.last, plan) or "ABC")
    return found is not None and good(course, plan) and not found.shifted()


def means(course: Course, rotation: str) -> Means | None:
    """None where there are no three phases."""
    several = [
        phasor.components(whole.three, rotation)
        for one in course.bays
        if (whole := one.whole()) is not None
    ]
    if not several:
        return None
    zero = phasor.average([abs(one.zero) for one in several])
    positive = phasor.average([abs(one.positive) for one in several])
    return Means(zero, positive, phasor.average([abs(one.negative) for one in several]))


def _of(course: Course, plan: SitePlan) -> Outcome:
    last = course.last
    what = load.of(course, plan)
    if last.twice:
        figure = f"two channels are phase {', '.join(last.twice)}"
        needs = "terminal of each channel in site.toml, or phase as it is wired"
        return cannot_tell(CHECK, last.of, figure, needs)
    if last.whole() is None:
        only = "positive sequence only" if "1" in last.phases else "fewer than three phases"
        return cannot_tell(CHECK, last.of, f"{only}, {what.words}", NEEDS_THREE)
    if what.needs:
        return cannot_tell(CHECK, last.of, what.words, what.needs)
    rotation = bay.rotation(last, plan)
    if rotation is None:
        measured = min(phasor.LAGS, key=lambda one: _share(course, one))
        figure = f"it turns {measured}; {what.words}"
        return cannot_tell(CHECK, last.of, figure, NEEDS_ROTATION)
    return _judged(course, rotation, what)


def _judged(course: Course, rotation: str, what: Load) -> Outcome:
    found = means(course, rotation)
    of, quantity = course.of, course.last.quantity
    if found is None:
        return cannot_tell(CHECK, of, what.words, NEEDS_THREE)
    share, limit = found.share(), SHARE_MAX[quantity]
    unit = "V" if quantity == bay.VOLTAGE else "A"
    figure = (
        f"{rotation}: positive {_size(found.positive)} {unit},"
        f" negative {_size(found.negative)} {unit} ({_percent(share)}; limit {limit:.0%}),"
        f" zero {_size(found.zero)} {unit}"
    )
    if share <= limit:
        if quantity == bay.VOLTAGE and found.shifted():
            return _shifted(course, figure)
        return ok(CHECK, of, figure)
    guess = min(_guesses(course, rotation), key=lambda one: one.share)
    if guess.share <= limit:
        return fault(CHECK, of, f"{guess.words}; {figure}", guess.todo)
    if what.share is None:
        return cannot_tell(CHECK, of, figure, NEEDS_NOMINAL)
    missing = _missing(course.last.phases, MISSING_SHARE[quantity])
    if missing:
        todo = "look at its fuse, miniature breaker and terminals"
        return fault(CHECK, of, f"phase {missing} has no {quantity}; {figure}", todo)
    if quantity == bay.CURRENT:
        return cannot_tell(CHECK, of, figure, "a load that all three phases share")
    todo = "look at wiring and ratio of each phase: no single mistake explains it"
    return fault(CHECK, of, f"the phases do not fit; {figure}", todo)


def _shifted(course: Course, figure: str) -> Outcome:
    """Rule 3."""
    figure += f" (limit {ZERO_SHARE_MAX:.0%} of positive)"
    if load.between(course):
        todo = "look at what each channel is: three voltages between phases add up to nothing"
        return fault(CHECK, course.of, f"they do not add up; {figure}", todo)
    todo = (
        "look at the neutral of the voltage transformers and at the device; an earth fault in a"
        " grid that is not solidly earthed looks the same"
    )
    return fault(CHECK, course.of, f"voltages to neutral are shifted; {figure}", todo)


def _guesses(course: Course, rotation: str) -> Iterator[Guess]:
    other = "ACB" if rotation == "ABC" else "ABC"
    swap = f"swap two phases at the device, or is the rotation {other} here?"
    yield Guess(f"two phases are swapped: it turns {other}", swap, _share(course, other))
    names = [name for name in course.last.phases if name in phasor.SINGLE]
    for name in names:
        share = _share(course, rotation, name)
        if len(names) < len(phasor.NEUTRAL):  # the third is made of both: either explains it
            name = " or ".join(names)
        todo = f"turn the two wires of phase {name} around"
        yield Guess(f"phase {name} is reversed", todo, share)


def _share(course: Course, rotation: str, reverse: str = "") -> float:
    """Negative over positive, as it would be."""
    told = Course(tuple(one._replace(phases=_reversed(one.phases, reverse)) for one in course.bays))
    found = means(told, rotation)
    return found.share() if found is not None else math.inf


def _reversed(phases: Mapping[str, complex], name: str) -> dict[str, complex]:
    return {one: -value if one == name else value for one, value in phases.items()}


def _missing(phases: Mapping[str, complex], share: float) -> str:
    """The one phase that has less than this share of the others."""
    single = {name: abs(value) for name, value in phases.items() if name in phasor.NEUTRAL}
    if len(single) < len(phasor.NEUTRAL):
        return ""
    least = min(single, key=lambda name: single[name])
    others = [value for name, value in single.items() if name != least]
    return least if single[least] < share * phasor.average(others) else ""


def _percent(share: float) -> str:
    return f"{share:.1%}" if share < 10 else f"{share:.0f} times"


def _size(value: float) -> str:
    """In four digits, as people write a number."""
    return f"{value:.0f}" if value >= 1000 else f"{value:.4g}"
