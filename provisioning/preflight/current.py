"""Currents: whether a CT looks the way that the plan says, and whether its ratio is the plan's.

1. A direction is seen against something that does not come through the same CT: MW that somebody
   reads elsewhere, or the other branches of the bus. Power computed from the device's own voltages
   says how much and which way it measures, and no more.
2. One phase reversed shows in the device alone: its power has another sign than the others'.
3. Below a tenth of rated current, or without a direction in the plan, nobody can tell; nor of CTs
   in delta, which turn and scale what they measure.
4. MW that somebody read is an amount too, of all three phases. A roll of currents against voltages
   turns power by a third: what fits the reading as well when turned back may be one.
5. A sum stays a sum when all of its CTs are wrong by one factor: one of them has to be known
   otherwise, as with directions.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

from provisioning.preflight import bay, bus, kirchhoff, load, phasor, sequence
from provisioning.preflight.bay import Bay, Course
from provisioning.preflight.kirchhoff import Sum
from provisioning.preflight.outcome import Outcome, Word, cannot_tell, fault, ok
from provisioning.preflight.pair import ROLL_WITHIN, THIRD, Pair, pair
from provisioning.preflight.scene import Scene

DIRECTION, RATIO = "ct-direction", "ct-ratio"
MEGA = 1e6
# Active over apparent power: with less, the sign of the MW is that of an angle of some degrees.
ACTIVE_SHARE_MIN = 0.1
# Degrees between the powers of two phases: honest loads differ by some tens; a reversed CT by 180.
APART_MIN = 120.0
# Of the mean of the others: what is left in a phase that a load between the others leaves alone.
ODD_SHARE_MIN = 0.25
# Of what was read elsewhere: an instrument of 2.5 %, some minutes earlier, and no wrong ratio.
READING_SHARE_MAX = 0.3
TURN = "turn the CT's secondary around (S1, S2), or correct direction in site.toml"
ELSEWHERE = (
    "MW as read elsewhere: --reading {}=MW, positive from the bus into the line or equipment"
)
VOLTAGES = "voltages of its bus in the same device, live, in sequence and not rolled"
UNROLLED = (
    "a load of more active power, or second sources on bus and terminal: currents rolled against"
    " voltages (by {:+.0f} degrees) would fit as well"
)
COMMON = "{}; one of the bus is enough: a sum does not show what all of its CTs have alike"
TAP = "look at the ratio: device setting, plate, and the tap that is wired"
WYE = "its line's currents: CTs in delta turn and scale them (wiring in site.toml)"
STATED = "direction of its channels, and their terminal, in site.toml"
PLATE = "ratio of its channels in site.toml, as the plate says"


def _sum(scene: Scene, mine: Course) -> Sum:
    """Of its bus, with this one in it: of two devices on one terminal each has its own."""
    return kirchhoff.of_bus(scene.plan, mine.last.bus, [mine, *scene.currents])


def names(scene: Scene, course: Course) -> list[str]:
    """By which a bay is called where somebody read its MW: SOURCE/BAY, SOURCE/TERMINAL, and SOURCE
    alone where it has no other.
    """
    last = course.last
    alone = [one for one in scene.currents if one.last.source == last.source] == [course]
    terminal = [f"{last.source}/{last.terminal}"] if last.terminal else []
    return [last.of, *terminal, *([last.source] if alone else [])]


def reading_of(scene: Scene, course: Course) -> float | None:
    """MW that somebody read of it."""
    read = scene.readings
    return next((read[name] for name in names(scene, course) if name in read), None)


def directions(scene: Scene) -> Iterator[Outcome]:
    for course in scene.currents:
        yield _direction(scene, course)


def _direction(scene: Scene, mine: Course) -> Outcome:
    of, what = mine.of, load.current(mine)
    if what.needs or mine.delta():
        return cannot_tell(DIRECTION, of, what.words, what.needs or WYE)
    per_phase = _powers(scene, mine)
    odd = _odd(per_phase)
    if odd:
        figure = f"phase {odd} measures against the others: {_words(per_phase)}"
        return fault(DIRECTION, of, figure, f"turn the CT of phase {odd} around (S1, S2)")
    if mine.last.whole() is not None and not sequence.good(mine, scene.plan):
        return cannot_tell(DIRECTION, of, what.words, "a right sequence of its currents first")
    sense = mine.sense()
    if not sense:
        return cannot_tell(DIRECTION, of, f"{what.words}, {_words(per_phase)}", STATED)
    read = reading_of(scene, mine)
    if read is not None:
        return _read(scene, mine, per_phase, read, what.words)
    second = _second(scene, mine)
    if second is not None and second.timed and second.rolled and second.off <= ROLL_WITHIN:
        figure = f"{second.rolled * THIRD:+.0f} degrees from {second.other.of} in all phases"
        todo = "A, B, C of one of them are B, C, A of the other: relabel or rewire it"
        return fault(DIRECTION, of, figure, todo)
    if second is not None and _contradicts(second, sense):
        figure = f"it looks the other way than {second.other.of}, on the same terminal"
        return fault(DIRECTION, of, figure, f"{TURN}, of the one that is wrong")
    return _summed(scene, mine, _sum(scene, mine), f"{what.words}, {_words(per_phase)}")


def _contradicts(second: Pair, sense: int) -> bool:
    """Whether one of two on a terminal looks another way than the plan says of both."""
    other = second.other.sense()
    return second.timed and other != 0 and second.opposite() == (other == sense)


def _read(
    scene: Scene, mine: Course, per_phase: Mapping[str, complex], read: float, what: str
) -> Outcome:
    of = mine.of
    if not per_phase:
        return cannot_tell(DIRECTION, of, what, VOLTAGES)
    power = mine.sense() * sum(per_phase.values())
    figure = f"{power.real / MEGA:+.1f} MW into it measured, {read:+.1f} MW read; {what}"
    if abs(power.real) < ACTIVE_SHARE_MIN * abs(power) or not read:
        needs = f"a load of which {ACTIVE_SHARE_MIN:.0%} is active power"
        return cannot_tell(DIRECTION, of, figure, needs)
    if (power.real > 0) == (read > 0):
        turn = _rolled(power, read * MEGA) if _three(per_phase) else 0
        if turn and not _unrolled(scene, mine):
            return cannot_tell(DIRECTION, of, figure, UNROLLED.format(turn * THIRD))
        return ok(DIRECTION, of, figure)
    return fault(DIRECTION, of, figure, f"{TURN}; is it rolled against the voltages?")


def _three(per_phase: Mapping[str, complex]) -> bool:
    """Whether it is the power of all three phases."""
    return len(per_phase) == len(phasor.NEUTRAL) or "1" in per_phase


def _rolled(power: complex, read: float) -> int:
    """By how many thirds of a turn currents may be ahead, as what was read has it; 0: by none."""
    turns = {1: phasor.TURN, -1: phasor.TURN.conjugate()}
    return next((at for at, turn in turns.items() if _near(power * turn, read)), 0)


def _near(power: complex, read: float) -> bool:
    """Whether the active power is what was read."""
    return abs(power.real - read) <= READING_SHARE_MAX * abs(read)


def _unrolled(scene: Scene, mine: Course) -> bool:
    """Whether second sources, on the bus and on the terminal, rule a roll out."""
    second = _second(scene, mine)
    volts = [one for one in scene.voltages if _beside(one, mine.last)]
    if second is None or not second.timed or second.rolled or second.off > ROLL_WITHIN:
        return False
    return any(bus.alike(scene, one) for one in volts)


def _summed(scene: Scene, mine: Course, found: Sum, what: str) -> Outcome:
    of, at_bus = mine.of, mine.last.bus
    reading = ELSEWHERE.format(of)
    if found.needs or mine not in found.branches:
        return cannot_tell(DIRECTION, of, what, f"{reading}; or {found.needs or 'its terminal'}")
    at = found.branches.index(mine)
    figure = f"{found.left:.1%} of the currents of {at_bus!r} are left; {_limit()}; {what}"
    wrong = found.reversed()
    if at in wrong:
        others = [found.branches[one].of for one in wrong if one != at]
        either = f" (or {', '.join(others)}: one of them)" if others else ""
        return fault(DIRECTION, of, f"{figure}; nothing with it reversed{either}", TURN)
    if not found.holds():
        return cannot_tell(DIRECTION, of, figure, f"{reading}; or a bus sum that holds")
    if not found.sees_sign(at):
        needs = f"{reading}: it is too small beside the others to show in their sum"
        return cannot_tell(DIRECTION, of, figure, needs)
    # Rule 3 of kirchhoff: one of them has to be known otherwise.
    known = [one.of for one in found.branches if _agrees(scene, one)]
    if known:
        return ok(DIRECTION, of, f"{figure}, and {known[0]} looks as it was read")
    needs = f"{reading}; one of the bus is enough: the sum shows that all look alike"
    return cannot_tell(DIRECTION, of, figure, needs)


def _agrees(scene: Scene, course: Course) -> bool:
    """Whether what was read of a branch goes the way that it measures."""
    return reading_of(scene, course) is not None and _direction(scene, course).word is Word.OK


def ratios(scene: Scene) -> Iterator[Outcome]:
    for course in scene.currents:
        yield _ratio(scene, course)


def _ratio(scene: Scene, mine: Course) -> Outcome:
    of, what = mine.of, load.current(mine)
    if what.needs or mine.delta():
        return cannot_tell(RATIO, of, what.words, what.needs or WYE)
    figure = what.words
    second, found = _second(scene, mine), _sum(scene, mine)
    if second is not None:
        figure += f"; {second.worst():.3f} of {second.other.of}, {second.allowed.share:.1%} may be"
        if second.spread() > second.allowed.share:
            return fault(RATIO, of, figure, TAP)
    needs = f"a second source on its terminal, or the sum of its bus ({found.needs})"
    summed = not found.needs and mine in found.branches
    if summed:
        at = found.branches.index(mine)
        figure += f"; {found.left:.1%} of the currents of {mine.last.bus!r} are left; {_limit()}"
        wrong = found.scaled()
        if at in wrong and not found.reversed():
            others = [found.branches[one].of for one in wrong if one != at]
            either = f" (or {', '.join(others)}: one of them)" if others else ""
            figure += f"; nothing with it {abs(found.factors[at]):.2f} times{either}"
            return fault(RATIO, of, figure, TAP)
        needs = "a second source on its terminal, or a bus sum in which it is not small, and holds"
        summed = found.holds() and found.sees_factor(at) <= 0.5
        figure += f", an error from {found.sees_factor(at):.0%} on would show" if summed else ""
    if second is None:
        misread = _misread(scene, mine)
        if misread:
            return fault(RATIO, of, f"{figure}; {misread}", TAP)
        if not summed:
            return cannot_tell(RATIO, of, figure, needs)
        if not any(_amount_known(scene, one) for one in found.branches):  # rule 5
            return cannot_tell(RATIO, of, figure, COMMON.format(ELSEWHERE.format(of)))
    if not mine.ratio_known():
        return cannot_tell(RATIO, of, figure, PLATE)
    return ok(RATIO, of, figure)


def _second(scene: Scene, mine: Course) -> Pair | None:
    """It with another source on the same terminal; with the one that is most alike."""
    terminal = mine.last.terminal.lower()
    found = [
        pair(mine, one, scene.plan)
        for one in scene.currents
        if terminal
        and one.last.terminal.lower() == terminal
        and one.last.source != mine.last.source
        and not load.current(one).needs
        and not one.delta()
    ]
    several = [one for one in found if one is not None]
    return min(several, key=lambda one: one.spread(), default=None)


def _amount_known(scene: Scene, course: Course) -> bool:
    """Whether a current is as much as a second source, or what was read, has it."""
    second = _second(scene, course)
    if second is not None:
        return second.spread() <= second.allowed.share
    power = _comparable(scene, course)
    return bool(power) and not _misread(scene, course)


def _misread(scene: Scene, mine: Course) -> str:
    """That what was read elsewhere is another amount, in words; empty where it is none."""
    read, power = reading_of(scene, mine) or 0.0, _comparable(scene, mine)
    signed = mine.sense() * power
    if not power or _near(abs(power.real), abs(read) * MEGA) or _rolled(signed, read * MEGA):
        return ""
    measured, limit = abs(power.real) / MEGA, f"limit {READING_SHARE_MAX:.0%}"
    return f"{measured:.1f} MW measured where {abs(read):.1f} were read ({limit})"


def _comparable(scene: Scene, mine: Course) -> complex:
    """The power of all three phases, VA, where an amount that was read can be held against it; 0
    where it cannot.
    """
    per_phase = _powers(scene, mine)
    power = sum(per_phase.values())
    volts = [one for one in scene.voltages if _beside(one, mine.last)]
    if not _three(per_phase) or abs(power.real) < ACTIVE_SHARE_MIN * abs(power):
        return 0j
    nominal = all(bus.at_nominal(scene, one) for one in volts)  # else it may be the voltage's ratio
    return power if nominal and reading_of(scene, mine) else 0j


def _beside(course: Course, one: Bay) -> bool:
    """Whether it is of the same device and bus."""
    return course.last.source == one.source and course.last.bus == one.bus


def _powers(scene: Scene, mine: Course) -> dict[str, complex]:
    """Power of each phase, VA, as the device measures it, the mean of all instants: by voltages of
    its bus in the same device. With less than three phases, of those that there are.
    """
    found: dict[str, list[complex]] = {}
    for one in mine.bays:
        volts = _volts(scene, one)
        amps = dict(one.phases)
        if volts is None:
            continue
        pairs = [name for name in phasor.NEUTRAL if name in volts and name in amps]
        if not pairs and "1" in volts and "1" in amps:
            found.setdefault("1", []).append(3 * volts["1"] * amps["1"].conjugate())
        for name in pairs:
            found.setdefault(name, []).append(volts[name] * amps[name].conjugate())
    return {name: phasor.mean(values) for name, values in found.items()}


def _volts(scene: Scene, one: Bay) -> dict[str, complex] | None:
    """Phase to neutral, of its bus and device, at the same instant."""
    for course in scene.voltages:
        if not _beside(course, one):
            continue
        at = next((two for two in course.bays if two.tai == one.tai), None)
        if at is None or load.voltage(course, scene.plan).needs:
            continue
        if not sequence.good(course, scene.plan) and course.last.whole() is not None:
            continue
        if bus.rolled(scene, course):
            continue
        whole = at.whole()
        rotation = bay.rotation(at, scene.plan) or "ABC"
        if whole is None:
            return dict(at.phases)
        three = phasor.to_neutral(whole)
        told = dict(zip(phasor.NEUTRAL, three, strict=True))
        return told | {"1": phasor.components(three, rotation).positive}
    return None


def _odd(per_phase: Mapping[str, complex]) -> str:
    """The one phase whose power looks the other way than those of both others."""
    names = list(per_phase)
    if len(names) != len(phasor.NEUTRAL) or not all(per_phase.values()):
        return ""
    for name in names:
        others: Sequence[complex] = [per_phase[one] for one in names if one != name]
        near = phasor.apart(others[0], others[1]) < 180 - APART_MIN
        little = abs(per_phase[name]) < ODD_SHARE_MIN * phasor.average([abs(one) for one in others])
        if (
            near
            and not little
            and all(phasor.apart(per_phase[name], one) > APART_MIN for one in others)
        ):
            return name
    return ""


def _words(per_phase: Mapping[str, complex]) -> str:
    if not per_phase:
        return "no voltages beside it"
    parts = [f"{name} {power.real / MEGA:+.2f}" for name, power in per_phase.items()]
    total = sum(per_phase.values())
    angle = math.degrees(math.atan2(total.imag, total.real))
    return f"{total.real / MEGA:+.2f} MW measured ({', '.join(parts)}; angle {angle:.0f})"


def _limit() -> str:
    return f"limit {kirchhoff.LEFT_SHARE_MAX:.0%}"
