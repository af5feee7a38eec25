"""What two sides may differ by, from the whole chain of instruments and from the line between them:
each part with its source.

1. For each phase, of V2 - (A V1 - B I1) and of I2 - (A I1 - C V1), to first order in each error:
   PMUs and transformers at their actual voltages and currents, line constants, and what the law of
   one phase leaves out where phases are unlike (zero sequence).
2. The parts add up linearly, the worst case: a class is a limit and no deviation, errors of one
   make are alike, and whoever must not be accused wrongly is owed the bound. What is finer is
   learned (record.settle.standing).
3. All is a share of what the second side is rated for: V line to ground, A.
4. Where nobody promises anything of an instrument, GROSS_SHARE stands in, with the reason: beyond
   it two sides disagree; within it they do not agree by that.

It knows nobody's actual errors.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from evidence.joint.measure import Term
from record.settle.law import Law
from record.settle.side import PMU, TVE_AMPS_FROM, TVE_VOLTS_FROM, Instrument, Side
from record.settle.window import State, total

ABC = "ABC"
NOTHING = 1e-9  # of the rated: nobody divides by less
# |Z0 - Z1| / |Z1| of overhead lines: Z0 is 2 to 3.5 times Z1. |Y0 - Y1| is below |Y1|.
ZERO_SEQUENCE = 2.5
GROSS_SHARE = 0.1  # as far as any class goes at its limit: 10P at its accuracy limit current
WITHIN_SHARE = 0.05  # how far a steady value may move within a window
_ZERO = "zero sequence, of which the law of one phase knows nothing"
_Part = tuple[str, float]


class Allowed(NamedTuple):
    """A tolerance. `unpromised`: why nothing agrees by it, for people; empty: it does."""

    terms: tuple[Term, ...]
    unpromised: str = ""


class Weights(NamedTuple):
    """By how much each value enters a residual."""

    v1: float
    i1: float
    v2: float
    i2: float


def of_volts(law: Law) -> Weights:
    return Weights(abs(law.a), abs(law.b), 1.0, 0.0)


def of_amps(law: Law) -> Weights:
    return Weights(abs(law.c), abs(law.a), 0.0, 1.0)


def volts(law: Law, sides: tuple[Side, Side], state: State, phase: int) -> Allowed:
    """The tolerance of the voltage of a phase, shares of what the second side is rated for."""
    parts, why = _instruments(of_volts(law), sides, state, phase)
    if law.z:
        flow = total(state.i1)
        shunt = abs(law.z * law.y) / 2 * abs(state.v1[phase])
        series = abs(law.z * flow[phase])
        parts.append((_line("series impedance", law.z_share), law.z_share * (series + shunt)))
        parts.append((_line("charging", law.y_share), law.y_share * shunt))
        parts.append((_ZERO, ZERO_SEQUENCE * abs(law.z * sum(flow)) / 3))
    if law.tap_share:
        parts.append((law.tap, law.tap_share * abs(state.v2[phase])))
    return _shares(parts, sides[1].rated_v, why)


def amps(law: Law, sides: tuple[Side, Side], state: State, phase: int) -> Allowed:
    """The tolerance of the current of a phase, shares of what the second side is rated for."""
    parts, why = _instruments(of_amps(law), sides, state, phase)
    if law.z:
        shunt = abs(law.z * law.y) / 2 * abs(total(state.i1)[phase])
        charging = abs(law.y * state.v1[phase])
        parts.append((_line("series impedance", law.z_share), law.z_share * shunt))
        parts.append((_line("charging", law.y_share), law.y_share * (charging + shunt)))
        parts.append((_ZERO, abs(law.y * sum(state.v1)) / 3))
    if law.tap_share:
        parts.append((law.tap, law.tap_share * abs(total(state.i2)[phase])))
    return _shares(parts, sides[1].rated_a, why)


def _instruments(
    weights: Weights, sides: tuple[Side, Side], state: State, phase: int
) -> tuple[list[_Part], str]:
    parts: list[_Part] = []
    why = ""
    values = (
        ("first", sides[0], weights.v1, state.v1[phase], weights.i1, state.i1),
        ("second", sides[1], weights.v2, state.v2[phase], weights.i2, state.i2),
    )
    for name, side, by_volt, volt, by_amp, branches in values:
        pmu = 0.0
        if by_volt:
            size = abs(volt)
            pmu += by_volt * max(size, TVE_VOLTS_FROM * side.rated_v)
            share, told = _off(side.volts[phase], "voltage", size)
            why = why or (told and f"{name} side, voltage {ABC[phase]}: {told}")
            source = f"{name}: voltage transformer, {side.volts[phase].source('voltage')}"
            parts.append((source, by_volt * share))
        if by_amp:
            for flow, own in zip(branches, side.amps, strict=True):
                size = abs(flow[phase])
                pmu += by_amp * max(size, TVE_AMPS_FROM * own[phase].rated)
                share, told = _off(own[phase], "current", size)
                why = why or (told and f"{name} side, current {ABC[phase]}: {told}")
                source = f"{name}: current transformer, {own[phase].source('current')}"
                parts.append((source, by_amp * share))
        if pmu:
            parts.append((f"{name}: {PMU}", side.tve * pmu))
    return parts, why


def _off(own: Instrument, quantity: str, size: float) -> tuple[float, str]:
    """What a transformer may be off, V or A; and why nobody promises that. A class has steps: what
    it allows within a window is the widest that the window may have met.
    """
    size = max(size, NOTHING * own.rated)
    share = own.share_off(quantity, size)
    if share is None:
        told = f"{own.source(quantity)} promises no phasor at {size / own.rated:.0%} of its rating"
        return GROSS_SHARE * size, told
    for near in (1 - WITHIN_SHARE, 1 + WITHIN_SHARE):
        wider = own.share_off(quantity, near * size)
        if wider is not None and wider > share:
            share = wider
    return share * size, ""


@cache
def _line(what: str, share: float) -> str:
    return f"line: {what}, good to {100 * share:g} %"


def _shares(parts: Sequence[_Part], rated: float, why: str) -> Allowed:
    return Allowed(tuple([Term(source, amount / rated) for source, amount in parts]), why)
