"""The configuration of a GOOSE stream: the control block and its data set, names and types, as the
descriptor carries it and `decode` takes it.

    [1, gocbRef, datSet / null, goID / null, confRev / null, [[name, type, bType, members], ...]]

in the one CBOR encoding of evidence.cbor; the entries are in preorder, `members` counting the
entries right below each, so that depth costs no nesting.

1. It is made from an SCL file, by hand, or from a frame (`learned`: names are then "item 1",
   "item 2.1"). The same facts give the same bytes.
2. Names of members are whole and unique; what is below a member adds its own by a dot, or its
   number in brackets in an array.
3. A type is a word of drivers.goose.data.TYPES, or empty where nobody said; bType is that of the
   SCL file, or empty. `fits` takes one kind of number for the other, and one kind of string:
   devices differ from their files in that, and the octets say which it is.

It reads no SCL and no frame of a line. Raises only FrameError.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from drivers import ber
from drivers.goose.data import ARRAY, ENTRIES_MAX, STRUCTURE, TYPES, Node
from drivers.line import Channel, FrameError
from evidence import cbor
from evidence.refusal import EvidenceError

VERSION = 1
TEXT_MAX = 255  # characters of one name: an object reference has 129 (IEC 61850-7-2)
_CONSTRUCTED = (TYPES[ARRAY], TYPES[STRUCTURE])
# Types that one device has where another has its neighbour.
_FAMILIES = (
    frozenset(("integer", "unsigned", "bcd")),
    frozenset(("visible-string", "mMSString", "generalized-time")),
    frozenset(("bit-string", "booleanArray")),
)
_DIGITAL = frozenset(("boolean", "bit-string", "booleanArray"))
_ANALOG = frozenset(("integer", "unsigned", "floating-point", "bcd"))
_STATES = frozenset(("Enum", "Dbpos", "Tcmd"))
_NO_VALUES = frozenset(("Quality", "Timestamp", "EntryTime", "Check"))
_PARTS = {"Quality": "quality", "Timestamp": "time", "EntryTime": "time"}


class Member(NamedTuple):
    """One member of a data set, or what is below one. `name`: its own part."""

    name: str
    type: str = ""
    btype: str = ""
    members: tuple["Member", ...] = ()


class Leaf(NamedTuple):
    """One value of the data set: a slot (drivers.values.Slot)."""

    block: int
    name: str
    quantity: str
    part: str
    unit: str
    type: str
    btype: str


class DataSet(NamedTuple):
    """A control block as configured. None: nobody said, and any will do."""

    gocbRef: str
    datSet: str | None
    goID: str | None
    confRev: int | None
    members: tuple[Member, ...]

    def encode(self) -> bytes:
        """The configuration bytes."""
        entries = [
            [member.name, member.type, member.btype, len(member.members)]
            for member in _preorder(self.members)
        ]
        head = [VERSION, self.gocbRef, self.datSet, self.goID, self.confRev]
        return cbor.encode([*head, entries])

    def leaves(self) -> tuple[Leaf, ...]:
        """The values in the order of the wire, structures and arrays taken apart."""
        return tuple(_leaves(self.members, ""))

    def channels(self) -> tuple[Channel, ...]:
        """As a Setup tells them."""
        return tuple(Channel(leaf.name, leaf.quantity, leaf.unit) for leaf in self.leaves())


def decode_configuration(configuration: bytes) -> DataSet:
    """The data set of configuration bytes. Raises FrameError: no_configuration, configuration."""
    if not configuration:
        raise FrameError("no_configuration", "the stream's configuration is not known")
    try:
        found = cbor.decode(configuration)
    except EvidenceError as fault:
        raise FrameError("configuration", str(fault)) from fault
    if not isinstance(found, tuple) or len(found) != 6 or not _is_version(found[0]):
        raise FrameError("configuration", "not a GOOSE data set")
    _, reference, dat_set, go_id, revision, entries = found
    if revision is not None and not _is_number(revision, 1 << 32):
        raise FrameError("configuration", "confRev is no number of 32 bits")
    if not isinstance(entries, tuple) or len(entries) > ENTRIES_MAX:
        raise FrameError("configuration", f"no entries, or more than {ENTRIES_MAX}")
    members, used = _members(entries, 0, None, 0)
    if used != len(entries):
        raise FrameError("configuration", "entries that belong to none")
    return DataSet(
        _text(reference), _text_or_none(dat_set), _text_or_none(go_id), revision, members
    )


def learned(
    reference: str, dat_set: str, go_id: str | None, revision: int, nodes: Sequence[Node]
) -> DataSet:
    """What a frame says of itself."""
    members = tuple(Member(f"item {number}", *_shape(node)) for number, node in enumerate(nodes, 1))
    return DataSet(reference, dat_set, go_id, revision, members)


def fits(members: Sequence[Member], nodes: Sequence[Node]) -> bool:
    """Whether elements of a frame are what these members say."""
    return len(members) == len(nodes) and all(map(_fits, members, nodes))


def shape(nodes: Sequence[Node]) -> tuple[object, ...]:
    """The types of the elements: equal where names and types that fit one fit the other."""
    return tuple([(node.tag, shape(node.inside)) if node.inside else node.tag for node in nodes])


def flat(nodes: Sequence[Node]) -> Iterator[Node]:
    """The elements that have contents, in the order of `leaves`."""
    for node in nodes:
        if node.tag & ber.CONSTRUCTED:
            yield from flat(node.inside)
        else:
            yield node


def _fits(member: Member, node: Node) -> bool:
    there = TYPES[node.tag]
    if there in _CONSTRUCTED:
        known = member.type == there or (not member.type and bool(member.members))
        return known and fits(member.members, node.inside)
    if member.members or member.type in _CONSTRUCTED:
        return False
    if member.type in (there, ""):
        return True
    return any(member.type in family and there in family for family in _FAMILIES)


def _shape(node: Node) -> tuple[str, str, tuple[Member, ...]]:
    """Type, bType and members of what a frame has."""
    inside = tuple(
        Member(str(number), *_shape(inner)) for number, inner in enumerate(node.inside, 1)
    )
    return TYPES[node.tag], "", inside


def _preorder(members: Sequence[Member]) -> Iterator[Member]:
    for member in members:
        yield member
        yield from _preorder(member.members)


def _leaves(members: Sequence[Member], above: str, array: bool = False) -> Iterator[Leaf]:
    for member in members:
        name = f"{above}[{member.name}]" if array else f"{above}{'.' * bool(above)}{member.name}"
        if member.type in _CONSTRUCTED or member.members:
            yield from _leaves(member.members, name, member.type == TYPES[ARRAY])
        else:
            part = _PARTS.get(member.btype, "")
            yield Leaf(0, name, _quantity(member), part, "", member.type, member.btype)


def _quantity(member: Member) -> str:
    """A word of evidence.descriptor.QUANTITIES: what kind of value it is, as far as types tell."""
    if member.btype in _NO_VALUES:
        return "other"
    if member.type in _DIGITAL or member.btype in _STATES:
        return "digital"
    return "analog" if member.type in _ANALOG else "other"


def _members(
    entries: tuple[Any, ...], at: int, count: int | None, depth: int
) -> tuple[tuple[Member, ...], int]:
    """So many members from `at` on (None: all there are), and where the next ones begin."""
    found: list[Member] = []
    while at < len(entries) if count is None else len(found) < count:
        if at >= len(entries) or not isinstance(entries[at], tuple) or len(entries[at]) != 4:
            raise FrameError("configuration", f"entry {at} is missing or none")
        name, kind, btype, inside = entries[at]
        if not _is_number(inside, ENTRIES_MAX + 1):
            raise FrameError("configuration", f"entry {at} counts no members")
        if kind not in ("", *TYPES.values()):
            raise FrameError("configuration", f"entry {at} is of no type of data")
        below: tuple[Member, ...] = ()
        at += 1
        if inside:
            below, at = _members(entries, at, inside, ber.deeper(depth))
        found.append(Member(_text(name), kind, _text(btype), below))
    return tuple(found), at


def _is_version(value: Any) -> bool:
    """True and 1.0 are equal to 1, and other encodings."""
    return type(value) is int and value == VERSION


def _is_number(value: Any, beyond: int) -> bool:
    return type(value) is int and 0 <= value < beyond


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > TEXT_MAX:
        raise FrameError("configuration", f"{str(value)[:40]!r} is no name")
    return value


def _text_or_none(value: Any) -> str | None:
    return None if value is None else _text(value)
