"""Voltages of a bus against each other and against nominal: a roll, a wrong ratio, a bus that is
another one.

1. Two of a bus show that one is wrong, and not which; a third one tells. What agrees with any other
   on its bus is taken to be right.
2. With one source on a bus there is nothing to be seen of roll and place: that is said, never `ok`.
3. A ratio that the plan does not state is not `ok` by looking plausible: what is signed into the
   descriptor is what somebody read from a plate.
"""

from collections.abc import Iterator

from evidence.siteplan import SitePlan
from provisioning.preflight import bay, load, phasor, sequence
from provisioning.preflight.bay import Course
from provisioning.preflight.load import ROOT_3
from provisioning.preflight.outcome import Outcome, Word, cannot_tell, fault, ok
from provisioning.preflight.pair import ROLL_WITHIN, THIRD, Pair, pair
from provisioning.preflight.scene import Scene

# Of nominal, either way: buses are run within 10 % (IEC 60038), class 3P and PMU add 4 %. A ratio
# that is wrong by less (110 for 115) shows against a second source only.
NOMINAL_SHARE_MAX = 0.15
SECOND = "a second source on the bus"
CLOCKS = "both clocks locked, with a bound (see device-clock)"
RATIO = "ratio of its channels in site.toml, as the plate says"
TURNS = "a right sequence first"
# One phase from the mean of its three, either way: what sequence does not see is a tenth of it, and
# a tap of one phase is further off.
PHASE_SHARE_MAX = 0.15
# What A, B, C are there, by rotation and thirds of a turn ahead: in ABC it is C that leads A.
_ROLLS = {
    ("ABC", 1): "C, A, B",
    ("ABC", -1): "B, C, A",
    ("ACB", 1): "B, C, A",
    ("ACB", -1): "C, A, B",
}


def roll(scene: Scene) -> Iterator[Outcome]:
    for course in scene.voltages:
        yield _roll(scene, course)


def rolled(scene: Scene, course: Course) -> bool:
    """Whether it, or the only other one on its bus, is."""
    return _roll(scene, course).word is Word.FAULT


def alike(scene: Scene, course: Course) -> bool:
    """Whether another one on its bus agrees, phase by phase."""
    return _roll(scene, course).word is Word.OK


def at_nominal(scene: Scene, course: Course) -> bool:
    """Whether it is a voltage that its bus may be run at, as far as the plan says."""
    return not _far(load.voltage(course, scene.plan).share)


def _roll(scene: Scene, mine: Course) -> Outcome:
    check, of = "roll", mine.of
    what = load.voltage(mine, scene.plan)
    if what.needs:
        return cannot_tell(check, of, what.words, what.needs)
    timed = _timed(scene, mine)
    if isinstance(timed, str):
        return cannot_tell(check, of, what.words, timed)
    same = [one for one in timed if not one.rolled and one.off <= ROLL_WITHIN]
    if same:
        figure = f"{_angle(same[0])} from {same[0].other.of}; limit {ROLL_WITHIN:.0f} degrees"
        return ok(check, of, figure)
    rolled = [one for one in timed if one.rolled and one.off <= ROLL_WITHIN]
    if rolled:
        one = rolled[0]
        figure = f"{one.rolled * THIRD:+.0f} degrees from {one.other.of} in all phases"
        there = _ROLLS[bay.rotation(mine.last, scene.plan) or "ABC", one.rolled]
        todo = f"its A, B, C are {there} there: relabel or rewire the one that is wrong"
        return fault(check, of, figure, todo)
    figure = f"{_angle(timed[0])} from {timed[0].other.of}, which is neither"
    return cannot_tell(check, of, figure, "a second source that is at the same bus (see same-bus)")


def same_bus(scene: Scene) -> Iterator[Outcome]:
    for course in scene.voltages:
        if course.last.bus:
            yield _same_bus(scene, course)
        else:
            figure = "the plan puts it at no bus"
            yield cannot_tell("same-bus", course.of, figure, "its bus in site.toml")


def _same_bus(scene: Scene, mine: Course) -> Outcome:
    """Whether it agrees with another at its bus; a roll is left out of it (`roll` tells)."""
    check, of = "same-bus", mine.of
    what = load.voltage(mine, scene.plan)
    if what.needs:
        return cannot_tell(check, of, what.words, what.needs)
    timed = _timed(scene, mine)
    if isinstance(timed, str):
        return cannot_tell(check, of, what.words, timed)
    best = min(timed, key=lambda one: one.off / one.allowed.degrees)
    figure = (
        f"{best.off:.2f} degrees and {best.spread():.1%} from {best.other.of}; limits"
        f" {best.allowed.degrees:.1f} degrees and {best.allowed.share:.1%}"
    )
    if best.off <= best.allowed.degrees and best.spread() <= best.allowed.share:
        return ok(check, of, figure)
    if best.off <= best.allowed.degrees:
        return fault(check, of, figure, "look at the ratio of both (see pt-ratio)")
    elsewhere = _elsewhere(scene, mine)
    if elsewhere:
        figure += f"; it agrees with {elsewhere[0].other.of} at {elsewhere[0].other.last.bus!r}"
    todo = f"is it at {mine.last.bus!r}? Two buses may be swapped, at the device or in site.toml"
    return fault(check, of, figure, todo)


def _elsewhere(scene: Scene, mine: Course) -> list[Pair]:
    """Whom it agrees with at other buses."""
    others = [one for one in scene.voltages if one.last.bus and one.last.bus != mine.last.bus]
    found = [pair(mine, one, scene.plan) for one in others if one.last.source != mine.last.source]
    return [one for one in found if one is not None and one.alike()]


def pt_ratio(scene: Scene) -> Iterator[Outcome]:
    for course in scene.voltages:
        yield _pt_ratio(scene, course)


def _pt_ratio(scene: Scene, mine: Course) -> Outcome:
    check, of, plan = "pt-ratio", mine.of, scene.plan
    what = load.voltage(mine, plan)
    if what.needs:
        needs = f"{what.needs}: it is dead, or its ratio is wrong by far"
        return cannot_tell(check, of, what.words, needs)
    figure = what.words
    if what.share is not None:
        figure += f"; limits {1 - NOMINAL_SHARE_MAX:.0%} and {1 + NOMINAL_SHARE_MAX:.0%}"
        if _far(what.share):
            return fault(check, of, figure, _explained(plan, mine, what.share))
    odd = _odd(mine) if sequence.sound(mine, plan) else ""
    if odd:
        limit = f"of the mean of all; limit {PHASE_SHARE_MAX:.0%} either way"
        todo = "look at the ratio of each phase: device setting, plate, and the tap that is wired"
        return fault(check, of, f"{figure}; {odd} {limit}", todo)
    # Whose own voltage is far from nominal is no reference for others.
    pairs = [one for one in _pairs(scene, mine) if not _far(load.voltage(one.other, plan).share)]
    near = min(pairs, key=lambda one: one.spread(), default=None)
    if near is not None:
        figure += f"; {near.worst():.3f} of {near.other.of}, {near.allowed.share:.1%} may be"
        if near.spread() > near.allowed.share:
            todo = "look at the ratio of both: device setting, plate, and the tap that is wired"
            return fault(check, of, figure, todo)
    if what.share is None and near is None:
        needs = "nominal_kv of the bus in site.toml, or a second source on it"
        return cannot_tell(check, of, figure, needs)
    if not mine.ratio_known():
        return cannot_tell(check, of, figure, RATIO)
    return ok(check, of, figure)


def _far(share: float | None) -> bool:
    """Whether a voltage is none that its bus is run at."""
    return share is not None and abs(share - 1) > NOMINAL_SHARE_MAX


def _odd(mine: Course) -> str:
    """The phase that is far from the mean of its three, with its share, in words; empty where none
    is.
    """
    three = mine.last.whole()
    if three is None:
        return ""
    mean = phasor.average([abs(one) for one in three.three])
    name, share = max(
        ((name, abs(one) / mean) for name, one in zip(three.kind, three.three, strict=True)),
        key=lambda one: abs(one[1] - 1),
    )
    return f"phase {name} has {share:.0%}" if abs(share - 1) > PHASE_SHARE_MAX else ""


def _explained(plan: SitePlan, mine: Course, share: float) -> str:
    """What may be wrong where a voltage is so far from nominal."""
    for factor, words in (
        (ROOT_3, "is it between phases, and taken for phase to neutral?"),
        (1 / ROOT_3, "is it phase to neutral, and taken for what is between phases?"),
    ):
        if abs(share / factor - 1) <= NOMINAL_SHARE_MAX / 3:
            return f"{words} Else look at its ratio: device setting, plate, tap"
    mine_bus = bay.bus_of(mine.last, plan)
    nominal = mine_bus.nominal_kv if mine_bus is not None else None
    for bus in plan.bus:
        if bus is mine_bus or bus.nominal_kv is None or nominal is None:
            continue
        if abs(share * nominal / bus.nominal_kv - 1) <= NOMINAL_SHARE_MAX:
            at = f"it fits {bus.name!r} ({bus.nominal_kv:g} kV)"
            return f"{at}: are two buses swapped? Else look at its ratio"
    return "look at its ratio: device setting, plate, and the tap that is wired"


def _pairs(scene: Scene, mine: Course) -> list[Pair]:
    """It with each other one that is live at its bus."""
    bus = mine.last.bus
    others = [
        one
        for one in scene.voltages
        if bus
        and one.last.bus == bus
        and one.last.source != mine.last.source
        and not load.voltage(one, scene.plan).needs
    ]
    found = [pair(mine, one, scene.plan) for one in others]
    return [one for one in found if one is not None]


def _timed(scene: Scene, mine: Course) -> list[Pair] | str:
    """Those whose angles can be compared with its own; or what that would need."""
    pairs = _pairs(scene, mine)
    if not pairs:
        return SECOND
    if not _turns(scene, mine):
        return TURNS
    pairs = [one for one in pairs if _turns(scene, one.other)]
    if not pairs:
        return f"{SECOND} whose phases turn as planned"
    return [one for one in pairs if one.timed] or CLOCKS


def _turns(scene: Scene, course: Course) -> bool:
    return course.last.whole() is None or sequence.good(course, scene.plan)


def _angle(one: Pair) -> str:
    return f"{one.off:.1f} degrees"
