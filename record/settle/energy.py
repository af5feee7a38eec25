"""What one side of a seam counted of energy over a stretch of time, from its revenue meters or from
what it claims.

1. A side's place is one terminal: energy into the equipment and out of it, each by a register of
   that direction, or both by one that counts down as well. One direction alone says nothing: what
   flowed back is not known.
2. Several registers of one direction are several meters of one flow, or one meter that several
   gateways ask: they count once. The one that may be least off speaks; another that differs by more
   than both may be off contradicts it, and so the side contradicts itself. So do a net and its two
   directions, where a side has all three.
3. A meter's class is data (the channel's accuracy in the descriptor): where it is not stated nobody
   knows what the count is worth. A figure whose last digit is STEP_SHARE_MAX of what the equipment
   can carry in the stretch says nothing: else whoever rounds enough agrees with everybody.
4. Transformers before a meter count where its descriptor states them, beside the meter's class; it
   holds for the whole of the metering where it does not.
5. Of a register that counts down as well what went by is what it turned, up and down, as far as
   its readings show it: a flow that turned about lost twice.
6. A claim (evidence.joint.claim) may be a side: a net, as it was published, off by half of what it
   was rounded to. Nothing vouches for it, and the settlement says so.

It compares no sides.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from drivers.line import FrameError
from drivers.modbus.point import FLOATS, INTEGERS, UNSIGNED, Point, read_block
from evidence import instrument
from evidence.code import Kind
from evidence.descriptor import Channel
from evidence.joint.claim import NET_ENERGY, Claim
from evidence.joint.measure import Term
from evidence.joint.seam import Side
from record.lookup import name_of
from record.series import Origin, Series, Wanted
from record.settle import meter
from record.settle.interval import Stretch
from record.settle.register import UNITS, Register, Transformer, Trouble

INTO, OUT = 1, -1  # evidence.credential.DIRECTIONS
TRANSFORMER = "transformer"  # in the source of a term
_WORDS = {INTO: "into", OUT: "out of"}
LOAD_LEAST = 1e-3  # of a transformer's rated current: below it, as there
TENS = range(10, -11, -1)  # powers of ten that a step may be: SunSpec's scale factors
STEP_SHARE_MAX = 0.1  # as register.HOLES has it of what lies between two readings
# Those whose channels are points of a map. The count of a board's pulse is none: it begins again at
# each boot, wherever it was, and no range of its registers explains that.
POINTED = frozenset({Kind.MODBUS, Kind.MCU_MODBUS})
_Key = tuple[object, ...]  # what tells a register
_BITS = {"f32": 24, "f64": 53}  # of a significand, IEEE 754-2019 3.6, Table 3.5


class Flow(NamedTuple):
    """What flowed into and out of the equipment at a side, MWh; and what their difference may be
    off. `aside`: samples that were not fit to be settled."""

    into: float
    out: float
    terms: tuple[Term, ...]
    aside: int = 0
    claimed: bool = False

    @property
    def net(self) -> float:
        return self.into - self.out


class _Told(NamedTuple):
    """What one register says of a stretch."""

    register: Register
    mwh: float
    turned: float
    terms: tuple[Term, ...]

    @property
    def off(self) -> float:
        return sum(term.amount for term in self.terms)


@dataclass(frozen=True, slots=True)
class Metered:
    """The registers of one side."""

    side: Side
    registers: tuple[Register, ...]

    @property
    def rated_mw(self) -> float:
        return math.sqrt(3.0) * self.side.rated_kv * self.side.rated_a / 1000.0

    @property
    def aside(self) -> int:
        return sum(one.aside for one in self.registers)

    def flow(self, stretch: Stretch) -> Flow | Trouble:
        """What flowed in a stretch, or why nobody can say."""
        fit = [one for one in self.registers if one.direction]
        if not fit:
            why = "has no direction" if self.registers else "is not there"
            return Trouble(f"a register of energy {why} at its terminal", not self.registers)
        net = self._one([one for one in fit if one.signed], stretch)
        into, out = (
            self._one([one for one in fit if one.direction == way and not one.signed], stretch)
            for way in (INTO, OUT)
        )
        troubles = [one for one in (net, into, out) if isinstance(one, Trouble)]
        for trouble in troubles:
            if trouble.contradicts:
                return trouble
        if isinstance(into, _Told) and isinstance(out, _Told):
            flow = Flow(into.mwh, out.mwh, (*into.terms, *out.terms), self.aside)
            return _against(net, flow) or flow if isinstance(net, _Told) else flow
        if isinstance(net, _Told):
            return _of_net(net, self.aside)
        if troubles:
            return troubles[0]
        way = _WORDS[INTO if into is None else OUT]
        return Trouble(f"no register counts what flows {way} it")

    def _one(self, registers: Sequence[Register], stretch: Stretch) -> _Told | Trouble | None:
        """What several registers of one flow say; None where there are none."""
        found: list[_Told] = []
        troubles: list[Trouble] = []
        for register in registers:
            told = self._told(register, stretch)
            if isinstance(told, Trouble):
                troubles.append(told)
            else:
                found.append(told)
        # A register that was reset, or has two values, speaks against the side, too.
        troubles.sort(key=lambda one: not one.contradicts)
        doubtful = [one for one in troubles if not one.missing]
        if doubtful or not found:
            return next(iter((*doubtful, *troubles)), None)
        found.sort(key=lambda one: (one.off, one.register.name))
        first, *others = found
        for one in others:
            if abs(one.mwh - first.mwh) > one.off + first.off:
                names = f"{first.register.name} and {one.register.name}"
                text = f"{names} differ by {abs(one.mwh - first.mwh):.3f} MWh"
                return Trouble(text, contradicts=True)
        return first

    def _told(self, register: Register, stretch: Stretch) -> _Told | Trouble:
        if not meter.is_known(register.accuracy):
            said = register.accuracy or "no"
            return Trouble(f"{register.name}: {said} class of a meter is stated", True)
        energy = register.energy(stretch, self.rated_mw)
        if isinstance(energy, Trouble):
            return energy
        if not register.step * register.factor <= STEP_SHARE_MAX * self.rated_mw * stretch.hours:
            digit = f"of {register.step * register.factor:g} MWh"
            if math.isinf(register.step):
                digit = "is not known while it stands at 0, and"
            text = f"{register.name}: its last digit {digit} is too coarse for {stretch.hours:g} h"
            return Trouble(text, True)
        mwh = energy.turned
        off = meter.error_mwh(register.accuracy, mwh, stretch.hours, self.rated_mw)
        terms = [
            Term(f"{register.name}: class {register.accuracy}", off),
            Term(f"{register.name}: step", energy.step),
            Term(f"{register.name}: between readings", energy.edges),
        ]
        load = mwh / stretch.hours / self.rated_mw
        for one in register.transformers:
            share = _share(one, load * self.side.rated_a)
            if share is None:
                return Trouble(
                    f"{register.name}: class {one.accuracy} promises nothing at {load:.0%}"
                )
            terms.append(Term(f"{register.name}: {one.quantity} {TRANSFORMER}", share * mwh))
        told = tuple(term for term in terms if term.amount)
        return _Told(register, energy.mwh, mwh, told)


def _of_net(net: _Told, aside: int) -> Flow:
    """What flowed by a register that counts both ways."""
    mwh, turned = net.mwh * net.register.direction, max(net.turned, abs(net.mwh))
    return Flow((turned + mwh) / 2.0, (turned - mwh) / 2.0, net.terms, aside)


def _against(net: _Told, flow: Flow) -> Trouble | None:
    """Where a net contradicts both directions."""
    apart = abs(net.mwh * net.register.direction - flow.net)
    if apart <= net.off + sum(term.amount for term in flow.terms):
        return None
    text = f"{net.register.name} and its two directions differ by {apart:.3f} MWh"
    return Trouble(text, contradicts=True)


def claimed(claim: Claim) -> Flow | Trouble:
    """What a side claims."""
    figure = claim.figure(NET_ENERGY)
    if figure is None or figure.unit != "MWh":
        return Trouble(f"the claim has no figure {NET_ENERGY!r} in MWh", True)
    if figure.rounded is None:
        return Trouble("the claim does not state what its figure was rounded to")
    terms = (Term("claim: rounded", figure.rounded / 2.0),)
    return Flow(max(figure.value, 0.0), max(-figure.value, 0.0), terms, claimed=True)


def wanted(side: Side) -> Wanted:
    """The registers of a side: only what gateways of its own authority measured at its place."""
    return Wanted(node=side.node, terminal=side.terminal, units=UNITS, issuer=side.authority)


def metered(side: Side, series: Series) -> Metered | Trouble:
    """The registers in a series. A side without a terminal has one where one alone is there."""
    found: dict[_Key, Register] = {}
    terminals: set[bytes | None] = set()
    keys: dict[int, tuple[Origin, _Key]] = {}  # by identity: a point map is dear
    for one in series:
        if id(one.origin) not in keys:
            keys[id(one.origin)] = one.origin, _key(one.origin)
        key = keys[id(one.origin)][1]
        register = found.get(key)
        if register is None:
            register = found[key] = _register(one.origin)
        if one.origin.channel is not None:
            terminals.add(one.origin.known.descriptor.channels[one.origin.channel].terminal)
        register.add(one.tai, one.bound, one.klass, one.value)
    if len(terminals) > 1:
        return Trouble(f"registers of {len(terminals)} terminals: the seam has to name one")
    for register in found.values():
        register.settle()
    _steps({key: origin for origin, key in keys.values()}, found)
    return Metered(side, tuple(sorted(found.values(), key=lambda one: one.name)))


def _key(origin: Origin) -> _Key:
    """What tells a register: its device's source, its name, and how it is read. A gateway that was
    started again goes on with it."""
    point, channel = _point(origin), _channel(origin)
    return (
        *(origin.run.device, name_of(origin.known), origin.name),
        *(channel.unit, channel.direction, channel.accuracy),
        *((point.type, point.scale, point.offset, point.exponent) if point else ()),
    )


def _register(origin: Origin) -> Register:
    point, channel = _point(origin), _channel(origin)
    name = f"{origin.run.credential.subject}/{name_of(origin.known)} {origin.name}"
    made = Register(name, channel.unit, channel.direction, channel.accuracy)
    made.transformers = _transformers(origin)
    if point is None:
        return made
    scale = abs(float(point.scale))
    if point.type in INTEGERS:
        made.range = 2.0 ** (16 * point.size) * scale
        made.step, made.dials = scale, True
        made.signed = point.type not in UNSIGNED
        if point.exponent is not None:  # known from its values alone: see `_step`
            made.range, made.step = made.range / scale, 0.0
    elif point.type in FLOATS:
        made.step = 0.0
    return made


def _transformers(origin: Origin) -> tuple[Transformer, ...]:
    """Those whose values the meter tells beside: the same ones make its energy."""
    own = _channel(origin)
    found = {
        Transformer(row.quantity, row.accuracy, row.ratio[0] if row.ratio else None)
        for row in origin.known.descriptor.channels
        if row.quantity in ("voltage", "current")
        and row.accuracy
        and (row.node, row.terminal) == (own.node, own.terminal)
    }
    return tuple(sorted(found, key=str))


def _share(one: Transformer, amps: float) -> float | None:
    """What a transformer adds to what an energy may be off, as a share of it: what the phasor may
    be off, which at a power factor of 1 is more than its part in phase."""
    load = 1.0
    if one.quantity == "current" and one.primary is not None:
        load = max(amps / one.primary, LOAD_LEAST)
    return instrument.share_off(one.accuracy, one.quantity, load)


def _channel(origin: Origin) -> Channel:
    return origin.known.descriptor.channels[origin.channel or 0]


def _point(origin: Origin) -> Point | None:
    """The point of the map that a channel is; None of another protocol."""
    if origin.known.descriptor.kind not in POINTED:
        return None
    try:
        block = read_block(origin.known.configuration or b"")
    except FrameError:
        return None
    return next((one for one in block.points if one.name == origin.name), None)


def _steps(origins: Mapping[_Key, Origin], found: Mapping[_Key, Register]) -> None:
    """The steps that no map states: of a float what its significand leaves, and of an integer with
    an exponent the power of ten that its values are multiples of. One that stands at 0 has the step
    of those beside it, which the same exponent rules; alone, it is not known."""
    shared: dict[_Key, float] = {}
    unknown: list[tuple[_Key, Register]] = []
    for key, origin in origins.items():
        register, point = found[key], _point(origin)
        if point is None or register.step != 0.0:
            continue
        step = _step(one.value for one in register.counts)
        if point.type in FLOATS:
            largest = max((abs(one.value) for one in register.counts), default=0.0)
            scale = abs(float(point.scale))
            ulp = scale * 2.0 ** (math.frexp(largest / scale)[1] - _BITS[point.type])
            register.step = max(step or 0.0, ulp)
            continue
        group: _Key = (origin.run.device, name_of(origin.known), point.exponent, float(point.scale))
        if step is None:
            unknown.append((group, register))
        else:
            _set_step(register, step)
            shared[group] = min(shared.get(group, step), step)
    for group, register in unknown:
        _set_step(register, shared.get(group, math.inf))


def _set_step(register: Register, step: float) -> None:
    register.step = step
    if register.range is not None:
        register.range *= step


def _step(values: Iterable[float]) -> float | None:
    """The greatest power of ten of which all values are multiples; None where all are 0."""
    every = set(values) - {0.0}
    if not every:
        return None
    for power in TENS:
        step = 10.0**power if power >= 0 else 1.0 / 10.0**-power
        if all(abs(value / step) >= 0.5 and _is_whole(value / step) for value in every):
            return step
    return 10.0 ** TENS[-1]


def _is_whole(number: float) -> bool:
    return abs(number - round(number)) < 1e-6
