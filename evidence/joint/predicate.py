"""A predicate: a condition of a handoff, in a small total language; its tree, its one spelling, and
the table that says what its names measure.

    predicate = [text, [1*16 quantity]]
    quantity = [name, kind, label, mrid, quantity: uint, phase: uint, part: uint, unit, issuer,
                hole: uint .gt 0]

    freq_hz < 59.4 for 60 s at bus X

1. Nothing in it repeats, recurses or waits: a predicate is a tree of NODES_MAX nodes at most, over
   windows of stated length, so it ends whatever is asked of it.
2. What is signed has one spelling, `text`: that which `spelled` gives back. `read` refuses another.
3. Each name in the text, with its place, is a row of the table, and each row is in the text. `hole`
   is the longest that two samples of it may be apart, ns, before between them nothing is known.
4. A unit is compared and carried, never converted: what is bound in V is asked in V. A bare number
   takes the unit that it meets.
5. The parts of a phasor that need an arc tangent or a cosine where the device gives the other form
   are for who reads samples to leave out: see `trace`.

How text becomes a tree is evidence.joint.grammar's; what it comes to is evidence.joint.truth's.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NoReturn

from evidence import shape
from evidence.code import Reason
from evidence.refusal import EvidenceError

NODES_MAX = 64  # a condition that a person can read aloud has fewer than 20
TEXT_MAX = 1024  # characters; 64 nodes with names and places of common length
QUANTITIES_MAX = 16
LABEL_MAX = 64  # characters
WINDOW_NS_MAX = (
    24 * 3600 * 1_000_000_000
)  # a day: schedules and conditions of a handoff are shorter
MRID_BYTES = 16  # a CIM mRID is a UUID
# evidence.descriptor's QUANTITIES and PHASES, by their place there.
QUANTITIES, PHASES = 8, 11
PLACES = ("bus", "terminal")
PARTS = ("", "magnitude", "angle", "real", "imaginary")
UNITS = (
    *("%", "A", "GW", "Hz", "Hz/s", "MVA", "MW", "MWh", "Mvar", "V", "VA", "W", "deg", "kA"),
    *("kV", "kVA", "kW", "kWh", "kvar", "pu", "rad", "var"),
)
KEYWORDS = frozenset(
    {"and", "at", "bus", "for", "max", "mean", "min", "not", "or", "over", "sqrt", "terminal"}
)
NAME = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)
_BARE = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_WHOLE_NS = (("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1))


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is measured: one of PLACES, and what people call it."""

    kind: str
    label: str


@dataclass(frozen=True, slots=True)
class Number:
    """A constant, binary64, not negative. `unit`: one of UNITS; empty: it takes what it meets."""

    value: float
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Name:
    """A quantity at a place. `position`: where in a text, for faults alone."""

    name: str
    place: Place
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Window:
    """min, max or mean of one quantity's samples over the last `ns`."""

    of: str
    name: Name
    ns: int


@dataclass(frozen=True, slots=True)
class Minus:
    one: "Term"


@dataclass(frozen=True, slots=True)
class Root:
    """Its square root."""

    one: "Term"


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`sign`: + - * /"""

    sign: str
    one: "Term"
    other: "Term"


Term = Number | Name | Window | Minus | Root | Arithmetic


@dataclass(frozen=True, slots=True)
class Compare:
    """`sign`: < <= > >= == !="""

    sign: str
    one: Term
    other: Term


@dataclass(frozen=True, slots=True)
class Not:
    one: "Claim"


@dataclass(frozen=True, slots=True)
class Both:
    """`word`: and, or."""

    word: str
    one: "Claim"
    other: "Claim"


@dataclass(frozen=True, slots=True)
class Held:
    """`one` throughout the last `ns`; no window is in it."""

    one: "Claim"
    ns: int


Claim = Compare | Not | Both | Held
Node = Term | Claim
_TERMS = (Number, Name, Window, Minus, Root, Arithmetic)


def is_term(node: Node) -> bool:
    """Whether it is a number, and no truth."""
    return isinstance(node, _TERMS)


def parts_of(node: Node) -> tuple[Node, ...]:
    """The nodes directly beneath, from left to right."""
    if isinstance(node, Arithmetic | Compare | Both):
        return node.one, node.other
    if isinstance(node, Minus | Root | Not | Held):
        return (node.one,)
    return (node.name,) if isinstance(node, Window) else ()


def nodes(node: Node) -> Iterator[Node]:
    """It and all beneath, from left to right."""
    yield node
    for part in parts_of(node):
        yield from nodes(part)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A row of the table. `quantity`, `phase`, `part`: places in evidence.descriptor's tuples and
    in PARTS; `issuer`: whose credential its gateways have, empty: whoever's."""

    name: str
    place: Place
    mrid: bytes
    quantity: int
    phase: int
    part: int
    unit: str
    issuer: str
    hole: int

    def row(self) -> list[object]:
        return [
            *(self.name, PLACES.index(self.place.kind), self.place.label, self.mrid),
            *(self.quantity, self.phase, self.part, self.unit, self.issuer, self.hole),
        ]


@dataclass(frozen=True, slots=True)
class Predicate:
    """A condition and its table, checked. `evidence.joint.grammar.predicate` makes one of text."""

    claim: Claim
    quantities: tuple[Quantity, ...]

    def __post_init__(self) -> None:
        """Raises EvidenceError(PREDICATE)."""
        if not self.quantities or len(self.quantities) > QUANTITIES_MAX:
            refuse(f"it has {len(self.quantities)} quantities, not 1 to {QUANTITIES_MAX}")
        rows = [(one.name, one.place) for one in self.quantities]
        if len(set(rows)) != len(rows):
            refuse("a name is in its table twice")
        used = {(one.name, one.place) for one in nodes(self.claim) if isinstance(one, Name)}
        for name, place in rows:
            if (name, place) not in used:
                refuse(f"{name} at {place.kind} {place.label} is in its table, and not in its text")
        for name, place in sorted(used - set(rows), key=str):
            refuse(f"{name} at {place.kind} {place.label} is in its text, and not in its table")
        _unit(self.claim, {(one.name, one.place): one.unit for one in self.quantities})
        if len(self.text) > TEXT_MAX:
            refuse(f"its text has {len(self.text)} characters; at most {TEXT_MAX}")

    @property
    def text(self) -> str:
        return spelled(self.claim)

    @property
    def reach(self) -> int:
        """How far back it looks, ns: its longest window, 1 where it has none."""
        windows = (one.ns for one in nodes(self.claim) if isinstance(one, Held | Window))
        return max(windows, default=1)

    def array(self) -> list[object]:
        """As it stands in a payload."""
        return [self.text, [one.row() for one in self.quantities]]


def read_quantity(value: Any) -> Quantity:
    """A row of the table. Raises EvidenceError."""
    row = shape.array(value, "quantity", 10)
    name, label = shape.text(row[0], "name"), shape.text(row[2], "label")
    if not NAME.fullmatch(name) or name in KEYWORDS:
        refuse(f"{name[:40]!r} is no name of a quantity: small letters, digits and _, 32 at most")
    if not label.isprintable() or '"' in label or not 0 < len(label) <= LABEL_MAX:
        refuse(f"{label[:40]!r} is no label of a place")
    unit, hole = shape.text(row[7], "unit"), shape.uint(row[9], "hole", WINDOW_NS_MAX)
    if unit not in ("", *UNITS):
        refuse(f"{unit[:40]!r} is no unit; there are: {', '.join(UNITS)}")
    if hole == 0:
        refuse(f"the longest hole of {name} is 0 ns: nothing would ever be known")
    return Quantity(
        name=name,
        place=Place(PLACES[shape.uint(row[1], "kind", len(PLACES) - 1)], label),
        mrid=shape.blob(row[3], "mRID", MRID_BYTES),
        quantity=shape.uint(row[4], "quantity", QUANTITIES - 1),
        phase=shape.uint(row[5], "phase", PHASES - 1),
        part=shape.uint(row[6], "part", len(PARTS) - 1),
        unit=unit,
        issuer=shape.text(row[8], "issuer"),
        hole=hole,
    )


# --- its one spelling -----------------------------------------------------------------------------


def spelled(node: Node) -> str:
    """The one text of a tree."""
    match node:
        case Number(value, unit):
            return f"{_decimal(value)} {unit}".rstrip()
        case Name(name, place):
            bare = _BARE.fullmatch(place.label) and place.label not in KEYWORDS
            label = place.label if bare else f'"{place.label}"'
            return f"{name} at {place.kind} {label}"
        case Window(of, name, ns):
            return f"{of}({spelled(name)} over {duration(ns)})"
        case Root(one):
            return f"sqrt({spelled(one)})"
        case Minus(one):
            return f"-{_within(one, isinstance(one, Arithmetic | Minus))}"
        case Not(one):
            return f"not ({spelled(one)})"
        case Held(one, ns):
            return f"{_within(one, not isinstance(one, Compare))} for {duration(ns)}"
    return _two(node)


def _two(node: Node) -> str:
    """Operators take from the left: only a right side of the same strength needs its brackets."""
    if isinstance(node, Compare):
        return f"{spelled(node.one)} {node.sign} {spelled(node.other)}"
    if isinstance(node, Both):
        ors = node.word == "and"
        one = _within(node.one, ors and _is_or(node.one))
        return f"{one} {node.word} {_within(node.other, isinstance(node.other, Both))}"
    if not isinstance(node, Arithmetic):
        raise TypeError(f"{type(node).__name__} is no node")
    strong = node.sign in "*/"
    one = _within(node.one, strong and _is_sum(node.one))
    other = isinstance(node.other, Arithmetic) and (strong or _is_sum(node.other))
    return f"{one} {node.sign} {_within(node.other, other)}"


def _within(node: Node, brackets: bool) -> str:
    return f"({spelled(node)})" if brackets else spelled(node)


def _is_or(node: Node) -> bool:
    return isinstance(node, Both) and node.word == "or"


def _is_sum(node: Node) -> bool:
    return isinstance(node, Arithmetic) and node.sign in "+-"


def _decimal(value: float) -> str:
    """The fewest digits that read back as the same binary64, without an exponent."""
    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def duration(ns: int) -> str:
    """In the greatest of s, ms, us and ns of which it has a whole number."""
    unit, size = next(one for one in _WHOLE_NS if ns % one[1] == 0)
    return f"{ns // size} {unit}"


# --- units ----------------------------------------------------------------------------------------

_Unit = dict[str, int]  # unit -> power


def _unit(node: Node, table: dict[tuple[str, Place], str]) -> _Unit | None:
    """The unit of a term, None of a bare number and of a claim. Raises EvidenceError(PREDICATE)."""
    match node:
        case Number(_, unit):
            return {unit: 1} if unit else None
        case Name(name, place):
            return {table[name, place]: 1} if table[name, place] else None
        case Root(one):
            return _root(node, _unit(one, table))
        case Arithmetic("*" | "/" as sign, one, other):
            return _product(_unit(one, table), _unit(other, table), 1 if sign == "*" else -1)
        case Arithmetic(_, one, other) | Compare(_, one, other):
            left, right = _unit(one, table), _unit(other, table)
            if left is not None and right is not None and left != right:
                refuse(f"{_said(left)} and {_said(right)} in {spelled(node)[:80]}")
            return None if isinstance(node, Compare) else right if left is None else left
    found = [_unit(part, table) for part in parts_of(node)]
    return found[0] if is_term(node) else None


def _product(one: _Unit | None, other: _Unit | None, power: int) -> _Unit | None:
    if one is None and other is None:
        return None
    found = dict(one or {})
    for unit, times in (other or {}).items():
        found[unit] = found.get(unit, 0) + power * times
    return {unit: times for unit, times in found.items() if times}


def _root(node: Node, of: _Unit | None) -> _Unit | None:
    if of is None:
        return None
    if any(times % 2 for times in of.values()):
        refuse(f"no unit is the root of {_said(of)} in {spelled(node)[:80]}")
    return {unit: times // 2 for unit, times in of.items()}


def _said(unit: _Unit) -> str:
    return (
        " ".join(f"{name}^{power}" if power != 1 else name for name, power in unit.items()) or "1"
    )


def refuse(text: str) -> NoReturn:
    raise EvidenceError(Reason.PREDICATE, text)
