"""What a demo's record has, read from its file while it is written: from that alone, and by nothing
that the page is made of.

1. `since` is an index of the log: what came before a button was pressed proves nothing of it.
2. Classes are those of the receipts, as the record signed them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from drivers import decode
from evidence import cose, event, gap, head, receipt, run
from evidence.code import SILENT, Cause, Check, Class, Event, Kind, Typ
from evidence.event import Noticed
from evidence.gap import Gap
from evidence.head import Head
from evidence.observation import Sample
from evidence.receipt import Classed, Refusal
from hil.faults.step import steps
from record.known import Known, KnownDescriptor
from record.lookup import name_of
from record.store import Store, open_reader


class Found(NamedTuple):
    """One observation of a device."""

    sample: Sample
    known: KnownDescriptor
    klass: Class


class Refused(NamedTuple):
    """A batch that the record refused: its head as it was offered, and what was answered."""

    batch_id: bytes
    says: Head
    refusal: Refusal


@contextmanager
def opened(path: Path) -> Iterator[Store]:
    reader = open_reader(path, live=True)
    try:
        yield reader
    finally:
        reader.close()


def size(path: Path) -> int:
    """Entries of the log."""
    with opened(path) as store:
        return store.size()


def found(path: Path, who: str, since: int) -> Iterator[Found]:
    """What a device sent, or a gateway has in any of its streams, by their names."""
    with opened(path) as store:
        known = Known(store)
        for step in steps(store, since):
            if not step.parts:
                continue
            classed = receipt.read(cose.read(step.entry.receipt).payload).classed
            for part, samples in step.parts:
                of = known.descriptor(part.descriptor)
                assert of is not None
                if who in (name_of(of).partition("/")[0], of.run.credential.subject):
                    for sample, _, _ in samples:
                        yield Found(sample, of, _class_of(sample, classed))


def said(path: Path, who: str, name: str, since: int) -> list[object]:
    """All that a device said of one of its values, by the name that its maker gave it."""
    values: list[object] = []
    for sample, known, _ in _measured(path, who, since):
        frames = decode.compiled(sample.kind, known.configuration or b"")
        row = frames.decode(sample.raw)
        values += [one for slot, one in zip(frames.slots, row, strict=True) if slot.name == name]
    return values


def classes(path: Path, who: str, since: int) -> set[Class]:
    """Of what a device measured."""
    return {one.klass for one in _measured(path, who, since)}


def instants(path: Path, who: str, begins: int, ends: int, since: int) -> list[int]:
    """Those between two of which a device's frames are there, ns TAI, rising."""
    every = (one.sample.tai for one in _measured(path, who, since))
    return sorted(tai for tai in every if begins <= tai <= ends)


def gaps(path: Path, who: str, since: int) -> list[Gap]:
    return [gap.read(raw) for raw in _raws(path, who, Kind.GAP, since)]


def events(path: Path, gateway: str, since: int) -> list[Noticed]:
    return [event.read(raw) for raw in _raws(path, gateway, Kind.EVENT, since)]


def tripped(path: Path, gateway: str, since: int) -> dict[Check, str]:
    """The last words of each cross-check of a gateway that found a contradiction."""
    told = events(path, gateway, since)
    return {one.check: one.text for one in told if one.check and one.event is Event.CHECK_TRIPPED}


def batches(path: Path, of: bytes, number: int) -> list[int]:
    """Entries of the log that are this batch of this run: one, or two contents for one place."""
    with opened(path) as store:
        every = [one for one in store.entries() if one.typ == Typ.HEAD]
    heads = [(one.idx, head.read(cose.read(one.encoded).payload)) for one in every]
    return [idx for idx, one in heads if (one.run, one.number) == (of, number)]


def runs(path: Path, since: int) -> list[Cause]:
    """Why each began."""
    with opened(path) as store:
        every = [one for one in store.entries(since) if one.typ == Typ.RUN]
    return [run.read(cose.read(one.encoded).payload).cause for one in every]


def refused(path: Path) -> list[Refused]:
    """Batches: the record keeps what it refused beside its log."""
    rows = []
    with opened(path) as store:
        for one in store.exhibits():
            message, _ = cose.read_at(one.content, 0)
            if message.typ == Typ.HEAD:
                refusal = receipt.read_refusal(cose.read(one.refusal).payload)
                says = head.read(message.payload)
                rows.append(Refused(head.batch_id(message.encoded), says, refusal))
    return rows


def _measured(path: Path, who: str, since: int) -> Iterator[Found]:
    return (one for one in found(path, who, since) if one.sample.kind not in SILENT)


def _raws(path: Path, who: str, kind: Kind, since: int) -> list[bytes]:
    return [one.sample.raw for one in found(path, who, since) if one.sample.kind == kind]


def _class_of(sample: Sample, classed: tuple[Classed, ...]) -> Class:
    for row in classed:
        if row.stream == sample.stream and row.first_seq <= sample.seq <= row.last_seq:
            return Class(row.klass)
    return Class.SETTLEABLE
