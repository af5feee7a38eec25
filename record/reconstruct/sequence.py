"""The sequence of events, `sequence-of-events.csv`: changes of state that GOOSE brought, what
gateways noticed of those streams, and the rows of relay operations that their owners signed.

1. The first six columns are those of NERC PRC-002-2, Attachment 2 (Date, Time, Local Time Code,
   Substation, Device, State), comma separated, in the order of the instants. Those after them are
   ours: quality, bound, bus, source, who, when the log had it, leaf. PRC-002-2 R10 asks clocks to
   be within 2 ms of UTC: whether this one was, its bound tells.
2. Instants are UTC, and the Local Time Code is 0. Where and when daylight saving was kept is
   nothing that a record knows.
3. A device is what its gateway or the author of the operation calls it. A state that a relay
   reports and one that an owner states are told as they come, each from its own source.
4. A row that an owner signed names the leaf of the observation that it was seen in, and the row of
   that observation the leaves of the records that name it: so a trip leads to its record, and back.

It judges no operation, and says nothing about anybody's compliance.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from evidence import instant
from evidence.code import Kind, Matter
from evidence.joint import decision
from evidence.joint.record import Observed
from record.reconstruct import said, table
from record.reconstruct.file import File
from record.reconstruct.material import Material
from record.reconstruct.said import Said
from record.reconstruct.words import gateway, named, spaced, uuid

NAMES = (
    *("Date", "Time", "Local Time Code", "Substation", "Device", "State", "Quality"),
    *("Bound (ns)", "Bus", "Source", "By", "In the log by (UTC)", "Leaf"),
    *("Seen in (leaf)", "Named by (leaf)"),
)


class Row(NamedTuple):
    """One row, at its instant, ns TAI."""

    tai: int
    idx: int
    place: int | None
    substation: str
    device: str
    state: str
    quality: str
    bound: int | None
    bus: str
    source: str
    by: str
    logged: int
    seen: str = ""
    named: str = ""

    def cells(self) -> tuple[str, ...]:
        day, _, time = instant.words(self.tai).rstrip("Z").partition("T")
        whole, _, part = time.partition(".")
        return (
            f"{day[5:7]}/{day[8:10]}/{day[:4]}",
            f"{whole}.{part.ljust(9, '0')}",
            *("0", self.substation, self.device, self.state, self.quality),
            "" if self.bound is None else str(self.bound),
            *(self.bus, self.source, self.by, instant.words(self.logged)),
            str(self.idx) if self.place is None else f"{self.idx}/{self.place}",
            *(self.seen, self.named),
        )


def document(material: Material) -> Iterator[File]:
    """Raises StoreError, EvidenceError."""
    operations = [
        one for one in said.records(material.held) if one.record.matter == Matter.RELAY_OPERATION
    ]
    found = [
        *_changes(material, operations),
        *_noticed(material),
        *_operations(material, operations),
    ]
    found.sort(key=lambda row: (row.tai, row.idx, row.place or 0))  # else as they stand in a frame
    yield File("sequence-of-events.csv", table.chunks(NAMES, (row.cells() for row in found)))


def _changes(material: Material, operations: Sequence[Said]) -> Iterator[Row]:
    clock = material.held.clock
    naming: dict[str, list[str]] = {}
    for of in operations:
        for parent in of.record.parents:
            if isinstance(parent, Observed):
                naming.setdefault(_leaf(material, parent), []).append(str(of.idx))
    for one in material.gathered.changes:
        state = one.state if one.was else f"{one.state} (found)"
        device = f"{one.stream} {one.device}".strip()
        yield Row(
            *(one.tai, one.idx, one.place, one.gateway, device, state, one.quality),
            *(one.bound, one.bus, "GOOSE", one.gateway, clock(one.idx)),
            named=" ".join(naming.get(f"{one.idx}/{one.place}", ())),
        )


def _noticed(material: Material) -> Iterator[Row]:
    clock = material.held.clock
    for one in material.gathered.happenings:
        if one.known.descriptor.kind == Kind.GOOSE:
            noticed = one.noticed
            state = f"{spaced(noticed.event.name)}: {noticed.text}".rstrip(": ")
            yield Row(
                *(noticed.first, one.idx, one.place, one.known.run.credential.subject),
                *(named(one.known), state, ""),
                None,
                *("", "gateway", gateway(one.known)),
                clock(one.idx),
            )


def _operations(material: Material, operations: Sequence[Said]) -> Iterator[Row]:
    scope = material.held.scope
    for one in operations:
        says = decision.read_operation(one.record.body)
        substation = ", ".join(one.record.elements)
        for event in says.events or ():
            if scope.begins <= event.tai < scope.ends:
                yield Row(
                    *(event.tai, one.idx, None, substation, says.name, event.text),
                    spaced(one.state.name),
                    None,
                    *(uuid(says.equipment), "record", one.record.author, one.by),
                    seen=_leaf(material, one.record.parents[event.parent]),
                )


def _leaf(material: Material, parent: bytes | Observed) -> str:
    """The place of an observation that a record names; by its batch where the bundle has not it."""
    if not isinstance(parent, Observed):
        return ""  # evidence.joint.decision lets none into a log
    entry = material.held.store.entry_of(parent.batch)
    batch = f"batch {parent.batch.hex()}" if entry is None else str(entry.idx)
    return f"{batch}/{parent.place}"
