"""A seam: what two authorities share, and each meters from its own side. Body of a record of matter
SEAM.

    seam = [name, kind, side, side, line / null, dc / null, ? tap]
    side = [footprint, authority, node: mRID, terminal: mRID / null, kV, A, [* branch: mRID]]
    line = [r ohm, x ohm, b siemens, km / null]
    dc = [fixed loss MW, loss share]
    tap = [ratio, lowest, neutral, highest, step %]

1. What flows from the first side to the second is positive.
2. `authority` issues the credentials of the gateways that measure for a side: what another's
   gateway says is not that side's word.
3. A line's constants are those of the whole pi section between the nodes (CIM ACLineSegment r, x,
   bch); a DC tie loses its fixed part while it is blocked, too, and its share of what goes in.
4. `branches`, of a sum of currents and of nothing else: the terminals of the bus that a side
   measures. Both sides' together are all that the bus has, each once: Kirchhoff says nothing of
   some of them. They rise.
5. `tap`, of a line alone: a transformer without phase displacement at its second end, whose leakage
   is part of the line's constants, referred to the first side. Its ratio is the second side's
   voltage over the first's at the neutral position; a step up adds that much of it.
6. Ratings are what per cents are of: kV between phases, A of a phase (of a pole, of a DC tie).

It settles nothing: what the two sides come to is evidence.joint.settlement's.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from evidence import cbor, shape
from evidence.code import SeamKind
from evidence.joint.record import read_name

MRID_BYTES = 16  # a CIM mRID is a UUID
TAPS_MAX = 128  # of a changer: 17 to 35 are usual
_FIELDS = (6, 7)  # without a tap, with one
BRANCHES_MAX = 28  # of a side: a term each of both sides', with the PMUs', below TERMS_MAX


@dataclass(frozen=True, slots=True)
class Side:
    """One side. `node`: where it measures; `terminal`: the equipment's end, for currents;
    `branches`: of a sum, the ends that it has to measure, all of them."""

    footprint: str
    authority: str
    node: bytes
    terminal: bytes | None
    rated_kv: float
    rated_a: float
    branches: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """A pi section, whole. `b`: of both ends together; `km`: None where nobody states it."""

    r_ohm: float
    x_ohm: float
    b_siemens: float
    km: float | None


@dataclass(frozen=True, slots=True)
class Dc:
    """What a DC tie loses: a fixed part, and a share of what goes in."""

    fixed_loss_mw: float
    loss_share: float


@dataclass(frozen=True, slots=True)
class Tap:
    """A transformer with an on-load tap changer: its ratio at `neutral`, its positions, and what a
    step adds, in per cent of that ratio (negative: takes)."""

    ratio: float
    low: int
    neutral: int
    high: int
    step_percent: float

    def ratio_at(self, position: float) -> float:
        return self.ratio * (1 + self.step_percent / 100 * (position - self.neutral))


@dataclass(frozen=True, slots=True)
class Seam:
    """One seam, under the name that records have for it as an element."""

    name: str
    kind: SeamKind
    sides: tuple[Side, Side]
    line: Line | None = None
    dc: Dc | None = None
    tap: Tap | None = None

    @property
    def footprints(self) -> frozenset[str]:
        """What a record touches that names this seam among its elements."""
        return frozenset(side.footprint for side in self.sides)

    def body(self) -> bytes:
        """Raises EvidenceError where `read` would."""
        line, dc, tap = self.line, self.dc, self.tap
        fields = tap and [tap.ratio, tap.low, tap.neutral, tap.high, tap.step_percent]
        encoded = cbor.encode(
            [
                *(self.name, int(self.kind), *map(_side, self.sides)),
                line and [line.r_ohm, line.x_ohm, line.b_siemens, line.km],
                dc and [dc.fixed_loss_mw, dc.loss_share],
                *([fields] if fields else []),
            ]
        )
        read(encoded)
        return encoded


def read(body: bytes) -> Seam:
    """The seam in a body. Raises EvidenceError."""
    value = shape.array(cbor.decode(body), "seam")
    if len(value) not in _FIELDS:
        shape.fail("seam", len(value), "an array of 6, or of 7 with a tap")
    name, number, one, other, line, dc, *tap = value
    if shape.uint(number, "kind") not in list(SeamKind):
        shape.fail("kind", number, "a kind of seam")
    kind = SeamKind(number)
    if (line is not None) != (kind == SeamKind.LINE):
        shape.fail("line", line, "the constants of a line, and of nothing else")
    if (dc is not None) != (kind == SeamKind.DC_TIE):
        shape.fail("dc", dc, "the losses of a DC tie, and of nothing else")
    if tap and kind != SeamKind.LINE:
        shape.fail("tap", tap[0], "a transformer of a line, and of nothing else")
    sides = _read_side(one), _read_side(other)
    if sides[0].footprint == sides[1].footprint:
        shape.fail("footprint", sides[1].footprint, "another on each side")
    _check_branches(kind, sides)
    return Seam(
        read_name(name, "seam"),
        kind,
        sides,
        shape.optional(line, _read_line, "line"),
        shape.optional(dc, _read_dc, "dc"),
        _read_tap(tap[0], "tap") if tap else None,
    )


def figure(value: Any, field: str, least: float | None = None) -> float:
    """A binary64, finite by its encoding; of at least so much. Raises EvidenceError(SHAPE)."""
    if type(value) is not float or (least is not None and value < least):
        shape.fail(field, value, "a float" if least is None else f"a float of at least {least}")
    return value


def _rated(value: Any, field: str) -> float:
    if figure(value, field) <= 0.0:
        shape.fail(field, value, "a float above 0")
    return float(value)


def _side(side: Side) -> list[object]:
    return [
        *(side.footprint, side.authority, side.node, side.terminal, side.rated_kv, side.rated_a),
        side.branches,
    ]


def _read_side(value: Any) -> Side:
    footprint, authority, node, terminal, kv, amperes, branches = shape.array(value, "side", 7)
    return Side(
        read_name(footprint, "footprint"),
        read_name(authority, "authority"),
        shape.blob(node, "node", MRID_BYTES),
        shape.optional(terminal, shape.blob, "terminal", MRID_BYTES),
        _rated(kv, "rated kV"),
        _rated(amperes, "rated A"),
        _read_branches(branches),
    )


def _read_branches(value: Any) -> tuple[bytes, ...]:
    if len(shape.array(value, "branches")) > BRANCHES_MAX:
        shape.fail("branches", len(value), f"at most {BRANCHES_MAX}")
    found = tuple(shape.blob(item, "branch", MRID_BYTES) for item in value)
    if any(one >= after for one, after in pairwise(found)):
        shape.fail("branches", [one.hex() for one in found], "sorted, each once")
    return found


def _check_branches(kind: SeamKind, sides: tuple[Side, Side]) -> None:
    for side in sides:
        if bool(side.branches) != (kind == SeamKind.SUM):
            shape.fail(
                "branches", len(side.branches), "those of a sum, on both sides, and no other"
            )
    if both := set(sides[0].branches) & set(sides[1].branches):
        shape.fail("branches", min(both).hex(), "each on one side")


def _read_line(value: Any, field: str) -> Line:
    r, x, b, km = shape.array(value, field, 4)
    if figure(x, "x ohm") == 0.0:
        shape.fail("x ohm", x, "a float other than 0")
    return Line(
        figure(r, "r ohm", 0.0),
        x,
        figure(b, "b siemens", 0.0),
        shape.optional(km, _rated, "km"),
    )


def _read_tap(value: Any, field: str) -> Tap:
    ratio, low, neutral, high, step = shape.array(value, field, 5)
    made = Tap(
        _rated(ratio, "tap ratio"),
        shape.integer(low, "lowest tap"),
        shape.integer(neutral, "neutral tap"),
        shape.integer(high, "highest tap"),
        figure(step, "tap step"),
    )
    if not (low <= neutral <= high and low < high and high - low < TAPS_MAX):
        shape.fail("tap", (low, neutral, high), f"rising, of at most {TAPS_MAX} positions")
    if step == 0.0 or min(made.ratio_at(low), made.ratio_at(high)) <= 0.0:
        shape.fail("tap step", step, "other than 0, and a ratio above 0 at each position")
    return made


def _read_dc(value: Any, field: str) -> Dc:
    fixed, share = shape.array(value, field, 2)
    if figure(share, "loss share", 0.0) >= 1.0:
        shape.fail("loss share", share, "a float below 1")
    return Dc(figure(fixed, "fixed loss MW", 0.0), share)
