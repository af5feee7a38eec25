"""What an import found of one substation, and the site plan that it makes.

1. A bus of the plan is a ConnectivityNode at which something ends that is measured or settled: a
   busbar, line, transformer, machine, load, converter, voltage transformer. What lies only between
   switches is none; a terminal there is named, and its bus is not.
2. An mRID is the one that the file states, else a UUIDv5 (RFC 9562 5.5) in NAMESPACE of what it is
   and where it is named in the file: who imports again has the same again.
3. A bus is called by its voltage level and its own name; where two would be called alike, by the
   bay too, and then by the mRID. A line is called by its name, and by the mRID beside it where two
   have the same (parallel circuits, parts of one line, a LIN1 in each bay).
4. What the file does not say is not in the plan: nothing here has a default.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID, uuid5

from evidence.plant import At, Device, End, Equipment, Kind, Line
from evidence.siteplan import Bus, Site, SitePlan, Stream
from provisioning.plan.proposal import Proposal

# Drawn once, for this: a UUIDv4.
NAMESPACE = UUID("2f0e5c1a-6f0b-4f51-9d7e-0d6f3c6a8b42")
# What makes the node that it is at a bus (rule 1).
PLACES = frozenset(
    {"busbar", "transformer", "machine", "load", "shunt", "converter", "voltage-transformer"}
)


class Node(NamedTuple):
    """A ConnectivityNode of the substation. `key`: by which joints name it."""

    key: str
    mrid: str
    name: str
    level: str
    bay: str
    kv: float | None
    hz: float | None = None
    place: bool = False  # rule 1 holds for it: a busbar that is no equipment in the file


class Joint(NamedTuple):
    """A terminal, and the key of its node; empty: of none in this substation."""

    terminal: str
    node: str
    owner: str = ""


class Piece(NamedTuple):
    """An equipment. `place`: rule 1 holds for it whatever its kind, as for the end of a line whose
    other end the file does not have."""

    name: str
    mrid: str
    kind: Kind
    joints: tuple[Joint, ...]
    place: bool = False


class Span(NamedTuple):
    """A line or tie. r, x in ohm, b in S, length in km; None: not stated."""

    name: str
    mrid: str
    ends: tuple[Joint, Joint]
    tie: bool = False
    r: float | None = None
    x: float | None = None
    b: float | None = None
    length_km: float | None = None


@dataclass(slots=True)
class Found:
    """One substation of a file, and what the file says besides. `notes`: for people."""

    site: str
    hz: float | None = None
    nodes: list[Node] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    devices: list[Device] = field(default_factory=list)
    proposals: list[Proposal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def made_mrid(kind: str, path: str) -> str:
    """Rule 2."""
    return str(uuid5(NAMESPACE, f"{kind}:{path}"))


def plan(found: Found) -> SitePlan:
    """The site plan of what was found."""
    ends = [joint for span in found.spans for joint in span.ends]
    ends += [
        joint
        for piece in found.pieces
        if piece.place or piece.kind in PLACES
        for joint in piece.joints
    ]
    wanted = {joint.node for joint in ends}
    nodes = [node for node in found.nodes if node.place or node.key in wanted]
    names = _names(nodes)
    spans = _told_apart(found.spans)
    return SitePlan(
        site=Site(found.site, found.hz),
        bus=[
            Bus(names[node.key], node.mrid, node.kv, node.hz if node.hz != found.hz else None)
            for node in nodes
        ],
        stream=[Stream(proposal.name) for proposal in found.proposals],
        line=[_line(span, names) for span in spans if not span.tie],
        tie=[_line(span, names) for span in spans if span.tie],
        equipment=[_equipment(piece, names) for piece in found.pieces],
        device=list(found.devices),
    )


def single(names: Iterable[str], wanted: str, what: str) -> str:
    """The one that is wanted, or the only one. Raises LookupError with what to say."""
    known = list(names)
    if wanted and known.count(wanted) == 1:
        return wanted
    if not wanted and len(known) == 1:
        return known[0]
    told = ", ".join(repr(name) for name in known[:20]) or "none"
    if not wanted:
        raise LookupError(f"{len(known)} of them; say which by {what} NAME: {told}")
    raise LookupError(f"{wanted!r} is there {known.count(wanted)} times; there are {told}")


def _names(nodes: Sequence[Node]) -> dict[str, str]:
    """Rule 3, by key."""
    found = {node.key: _joined(node.level, node.name) for node in nodes}
    for more in (False, True):
        count = Counter(found.values())
        for node in nodes:
            if count[found[node.key]] > 1:
                last = node.mrid if more else ""
                found[node.key] = _joined(node.level, node.bay, node.name, last)
    return found


def _told_apart(spans: Sequence[Span]) -> list[Span]:
    """Rule 3, of lines."""
    count = Counter(span.name for span in spans)
    return [
        span._replace(name=_joined(span.name, span.mrid)) if count[span.name] > 1 else span
        for span in spans
    ]


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _line(span: Span, names: dict[str, str]) -> Line:
    first, last = (
        End(joint.terminal, names.get(joint.node, ""), joint.owner) for joint in span.ends
    )
    figures = (span.r, span.x, span.b)
    return Line(span.name, span.mrid, first, last, *figures, length_km=span.length_km)


def _equipment(piece: Piece, names: dict[str, str]) -> Equipment:
    places = [At(joint.terminal, names.get(joint.node, "")) for joint in piece.joints]
    return Equipment(piece.name, piece.mrid, piece.kind, places)
