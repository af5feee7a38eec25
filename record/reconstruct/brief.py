"""The fields of NERC's Brief Report, `brief-report.csv`: what the record says of each, with a leaf
reference, and which of them nobody said.

The fields are those of the ERO Event Analysis Process, Appendix C, Brief Report Template. Its
instructions number items 1, 4, 5, 6, 11 and 12, and say of 6 to 12 that they are of generation,
frequency, transmission facilities and load: so the last three stand at 7-10 (sources: README.md).
Items 2 and 3 stand between 1 and 4 in its form; what comes after 12 has names and no numbers here.

1. Several authorities say several things: each is a row of its own, with who said it, for which
   time, and what the record of it is worth. None is preferred, and nothing is added up.
2. What is measured is told as the least and the greatest that devices sent, and by which streams.
3. A field that nothing in the bundle speaks of is a row with no value, and says so. It is for
   whoever reports to fill: an entity's number, whom to call, causes, a category.

It is no report, and files nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from evidence import instant
from evidence.code import Matter
from evidence.joint import claim, decision
from record.reconstruct import picture, said, table
from record.reconstruct.file import File
from record.reconstruct.material import Material
from record.reconstruct.said import Said
from record.reconstruct.words import spaced

NAMES = ("Item", "Field", "Value", "Said by", "For (UTC)", "Worth", "Leaf")
NOBODY = "nobody said it in this bundle"


class Value(NamedTuple):
    """What is said of a field. `leaf`: of the log; several with a space between."""

    text: str
    who: str = ""
    when: str = ""
    worth: str = ""
    leaf: str = ""


Find = Callable[[Material, list[Said]], Iterable[Value]]


def document(material: Material) -> Iterator[File]:
    """Raises StoreError, EvidenceError."""
    scope = material.held.scope
    some = [
        one
        for one in said.records(material.held)
        if one.record.begins < scope.ends and one.record.ends > scope.begins
    ]
    yield File("brief-report.csv", table.chunks(NAMES, list(_rows(material, some))))


def _rows(material: Material, some: list[Said]) -> Iterator[tuple[str, ...]]:
    for item, name, find in FIELDS:
        values = list(find(material, some))
        for value in values:
            yield (item, name, *value)
        if not values:
            yield (item, name, "", "", "", NOBODY, "")


def _of(one: Said, text: str) -> Value:
    spans = f"{instant.words(one.record.begins)} to {instant.words(one.record.ends)}"
    flags = "".join(f", {spaced(flag.name)}" for flag in one.flags)
    return Value(text, one.record.author, spans, spaced(one.state.name) + flags, str(one.idx))


def _nobody(material: Material, some: list[Said]) -> Iterator[Value]:
    yield from ()


def _title(material: Material, some: list[Said]) -> Iterator[Value]:
    scope = material.held.scope
    day = instant.words(scope.begins)[:10].replace("-", "")
    yield Value(f"{day} {scope.seam or ''}".strip(), "what was asked for", leaf="scope.json")


def _date(material: Material, some: list[Said]) -> Iterator[Value]:
    text = instant.words(material.held.scope.begins)[:10]
    yield Value(text, "what was asked for", leaf="scope.json")


def _time(material: Material, some: list[Said]) -> Iterator[Value]:
    scope = material.held.scope
    spans = f"{instant.words(scope.begins)} to {instant.words(scope.ends)}"
    yield Value(f"{spans}, UTC", "what was asked for", leaf="scope.json")
    for one in some:
        if one.record.matter == Matter.RELAY_OPERATION:
            for row in (decision.read_operation(one.record.body).events or ())[:1]:
                yield _of(one, f"{instant.words(row.tai)}, UTC: {row.text}")


def _entities(material: Material, some: list[Said]) -> Iterator[Value]:
    leaves: dict[str, list[str]] = {}
    for one in some:
        leaves.setdefault(one.record.author, []).append(str(one.idx))
    for name, of in sorted(leaves.items()):
        yield Value(name, "authors of records; the NCR number: nobody", leaf=" ".join(of))


def _claims(material: Material, some: list[Said]) -> Iterator[Value]:
    for one in some:
        if one.record.matter == Matter.CLAIM and (text := claim.read(one.record.body).text):
            yield _of(one, text)


def _decided(*matters: Matter) -> Find:
    def find(material: Material, some: list[Said]) -> Iterator[Value]:
        for one in some:
            if one.record.matter in matters:
                yield _of(one, said.text_of(one.record))

    return find


def _frequency(material: Material, some: list[Said]) -> Iterator[Value]:
    scope = material.held.scope
    spans = f"{instant.words(scope.begins)} to {instant.words(scope.ends)}"
    for sketch in material.gathered.drawing.sketches():
        if sketch.quantity != "frequency":
            continue
        for line in sketch.lines:
            found = line.curve.range()
            if found is not None:
                low, high = (f"{value:.6g}" for value in found)
                spread = (material.gathered.streams[name].indexes for name in line.streams)
                leaves = " ".join(f"{first}-{last}" for first, last in dict.fromkeys(spread))
                text = f"least {low}, greatest {high} {sketch.unit}"
                marked = picture.told(material, line)
                yield Value(text, f"{marked}, measured", spans, "", leaves)


def _sequence(material: Material, some: list[Said]) -> Iterator[Value]:
    count = len(material.gathered.changes)
    if count or any(one.record.matter == Matter.RELAY_OPERATION for one in some):
        text = f"sequence-of-events.csv: {count} changes of state, and rows of relay operations"
        yield Value(text, "observations and records", leaf="each row has its own")


def _narrative(material: Material, some: list[Said]) -> Iterator[Value]:
    yield Value("timeline.html, timeline.csv", "this bundle", leaf="each row has its own")


FIELDS: tuple[tuple[str, str, Find], ...] = (
    ("", "Reported event title", _title),
    ("", "Event date", _date),
    ("", "Initial submittal date", _nobody),
    ("", "Subsequent submittal date; interim or final report", _nobody),
    ("1", "Entity name and NCR number", _entities),
    ("2", "Contact person, email, phone number", _nobody),
    ("3", "Date and time of disturbance, time zone", _time),
    ("4", "Brief description of event", _claims),
    ("5", "Proposed event categorization", _nobody),
    ("6", "Generation tripped off-line: MW (gross), units", _nobody),
    ("7-10", "Frequency", _frequency),
    ("7-10", "Transmission facilities tripped", _decided(Matter.RELAY_OPERATION)),
    ("7-10", "Demand tripped", _decided(Matter.LOAD_SHED)),
    (
        *("11", "Emergency actions required to maintain reliability of the BES"),
        _decided(Matter.DC_TIE_EMERGENCY, Matter.CURTAILMENT, Matter.DISPATCH, Matter.LOAD_SHED),
    ),
    ("12", "Total outage time, or estimate of pending restoration", _nobody),
    ("", "Sequence of events", _sequence),
    ("", "Causes and contributing factors", _nobody),
    ("", "Narrative", _narrative),
)
