"""What happened, row by row: records and words about them, gaps, events and changes of state, what
authorities did to keys; as `timeline.csv`, and for the page.

1. Rows stand in the order of the instants that they claim; of one instant by the place in the log.
   Beside the claimed instant stand its bound and between which instants the log had it.
2. Each row names its leaf: the place in the log and, of an observation, its place in the batch.
3. Of everything within the interval that was asked for; records count by the interval that they are
   about, and where that is another, by when the log had them.
"""

from collections.abc import Iterator
from typing import NamedTuple

from evidence import instant
from evidence.code import Act, Cause
from record.reconstruct import said, table
from record.reconstruct.file import File
from record.reconstruct.gathering import Happening, Hole
from record.reconstruct.material import Material
from record.reconstruct.said import Said, Word
from record.reconstruct.switching import Change
from record.reconstruct.words import gateway, named, spaced

NAMES = (
    *("claimed from (UTC)", "claimed to (UTC)", "bound (ns)", "not in the log by (UTC)"),
    *("in the log by (UTC)", "what", "who", "about", "text", "state", "signed", "dissent"),
    *("missing", "flags", "leaf"),
)


class Row(NamedTuple):
    """One row. `begins`, `ends`: as claimed, ns TAI; `ends` is `begins` of what is an instant."""

    begins: int
    ends: int
    bound: int | None
    after: int | None
    by: int | None
    what: str
    who: str
    about: str
    text: str
    idx: int
    place: int | None = None
    state: str = ""
    signed: str = ""
    dissent: str = ""
    missing: str = ""
    flags: str = ""

    @property
    def leaf(self) -> str:
        return str(self.idx) if self.place is None else f"{self.idx}/{self.place}"

    def cells(self) -> tuple[str, ...]:
        after = "" if self.after is None else instant.words(self.after)
        return (
            instant.words(self.begins),
            "" if self.ends == self.begins else instant.words(self.ends),
            "" if self.bound is None else str(self.bound),
            after,
            "" if self.by is None else instant.words(self.by),
            *(self.what, self.who, self.about, self.text, self.state, self.signed, self.dissent),
            *(self.missing, self.flags, self.leaf),
        )


def document(material: Material) -> Iterator[File]:
    """The rows as CSV. Raises StoreError, EvidenceError."""
    cells = (row.cells() for row in rows(material))
    yield File("timeline.csv", table.chunks(NAMES, cells))


def rows(material: Material) -> list[Row]:
    """All rows. Raises StoreError, EvidenceError."""
    found = [*_said(material), *_seen(material), *_kept(material), *_begun(material)]
    return sorted(found, key=lambda row: (row.begins, row.idx, row.place or 0, row.what, row.about))


def _said(material: Material) -> Iterator[Row]:
    held = material.held
    about: dict[bytes, Said] = {}
    for one in said.records(held):
        about[one.name] = one
        if _within(material, one.record.begins, one.record.ends, one.by):
            yield of_record(one)
    for word in said.words(held):
        of = about.get(word.said.record)
        spans = (of.record.begins, of.record.ends) if of else (word.by, word.by)
        if _within(material, *spans, word.by):
            yield _of_word(word, of)


def of_record(one: Said) -> Row:
    """A record. Raises EvidenceError."""
    says, worth = one.record, one.worth
    return Row(
        *(says.begins, says.ends, None, one.after, one.by, spaced(says.matter.name)),
        *(says.author, ", ".join((*says.elements, *says.footprints)), said.text_of(says)),
        one.idx,
        state=spaced(worth.state.name),
        signed=said.parties(worth.signed),
        dissent=said.parties(worth.dissent),
        missing=said.parties(worth.missing),
        flags=", ".join(spaced(flag.name) for flag in one.flags),
    )


def _of_word(word: Word, of: Said | None) -> Row:
    about = f"record {word.said.record.hex()[:16]}"
    if of is not None:
        about = f"{spaced(of.record.matter.name)} of {of.record.author}, entry {of.idx}"
    # A word claims no instant: it stands where the log had it.
    return Row(
        *(word.by, word.by, None, word.after, word.by, spaced(word.said.word.name)),
        *(word.said.author, about, word.said.text, word.idx),
    )


def _within(material: Material, begins: int, ends: int, by: int) -> bool:
    scope = material.held.scope
    if begins < scope.ends and ends > scope.begins:
        return True
    return scope.begins <= by < scope.ends


def _seen(material: Material) -> Iterator[Row]:
    gathered = material.gathered
    for hole in gathered.holes:
        yield _of_hole(material, hole)
    for happening in gathered.happenings:
        yield _of_happening(material, happening)
    for change in gathered.changes:
        yield _of_change(material, change)


def _of_hole(material: Material, hole: Hole) -> Row:
    gap, clock = hole.gap, material.held.clock
    count = "nobody can know how many" if gap.count is None else f"{gap.count} samples"
    return Row(
        *(gap.first, gap.last, None, clock.before(hole.idx), clock(hole.idx), "gap"),
        *(gateway(hole.known), named(hole.known), f"{spaced(gap.cause.name)}: {count}"),
        *(hole.idx, hole.place),
    )


def _of_happening(material: Material, one: Happening) -> Row:
    noticed, clock = one.noticed, material.held.clock
    times = f" ({noticed.count} times)" if noticed.count > 1 else ""
    check = "" if noticed.check is None else f" {spaced(noticed.check.name)}"
    text = f"{spaced(noticed.event.name)}{check}{times}: {noticed.text}".rstrip(": ")
    return Row(
        *(noticed.first, noticed.last, None, clock.before(one.idx), clock(one.idx), "event"),
        *(gateway(one.known), named(one.known), text, one.idx, one.place),
    )


def _of_change(material: Material, one: Change) -> Row:
    clock = material.held.clock
    text = f"{one.state}" + (f", was {one.was}" if one.was else ", found")
    about = f"{one.stream} {one.device}".strip()
    return Row(
        *(one.tai, one.tai, one.bound, clock.before(one.idx), clock(one.idx), "change"),
        *(one.gateway, about, text, one.idx, one.place),
        flags=one.quality,
    )


def _kept(material: Material) -> Iterator[Row]:
    """What authorities did to keys, where the log had it within the interval."""
    held = material.held
    for row in held.store.books():
        by = held.clock(row.idx)
        if row.act != Act.ISSUED and held.scope.begins <= by < held.scope.ends:
            yield Row(
                *(by, by, None, held.clock.before(row.idx), by, "book", row.issuer.decode()),
                *(f"key or statement {row.what.hex()[:16]}", spaced(Act(row.act).name), row.idx),
            )


def _begun(material: Material) -> Iterator[Row]:
    """Runs that began within the interval."""
    held = material.held
    streams = material.gathered.streams.values()
    for known in {stream.known.run.name: stream.known for stream in streams}.values():
        run = known.run
        begins = run.run.started
        if held.scope.begins <= begins < held.scope.ends:
            yield Row(
                *(begins, begins, run.run.bound, held.clock.before(run.id), held.clock(run.id)),
                *("run", gateway(known), run.name.hex()[:16]),
                *(spaced(Cause(run.run.cause).name), run.id),
            )
