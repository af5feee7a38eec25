"""`timeline.html`: what happened, for people: one file, without script and without anything from
elsewhere.

1. All text goes through `escaped`; what it may load is nothing (record.reconstruct.frame).
2. Beside what is claimed stands between which instants the log had it. Claims about one thing stand
   side by side, and none is preferred; figures that differ by more than they were rounded are
   marked.
3. A table shows ROWS_MAX rows at most, and says how many there are: all are in timeline.csv. It
   takes half of what is left of PAGE_BYTES_MAX at most, and says where it ends for that.

It judges nothing: states and verdicts are the records' own.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from evidence import instant
from evidence.code import Matter
from evidence.joint import claim, handoff
from evidence.joint.handoff import Request
from record.reconstruct import frame, picture, timeline
from record.reconstruct import said as records_of
from record.reconstruct.file import File
from record.reconstruct.gathering import Stream
from record.reconstruct.material import Material
from record.reconstruct.plot import Mark, escaped
from record.reconstruct.said import Said
from record.reconstruct.timeline import Row
from record.reconstruct.words import bounded, gateway, named, spaced

ROWS_MAX = 1000  # of one table
CLAIMS_A_TABLE = 4  # side by side: what a printed page has room for
PAGE_BYTES_MAX = 2_000_000  # what a browser on any desk opens at once, and mail carries
STYLE = """
.requested { fill: #e6edf4 } .accepted { fill: #bcd3e8 } .active { fill: #7fb0da }
.joint { color: #1d5c25 } .disputed, .differs { color: #8f1a12; font-weight: 600 }
.at { white-space: nowrap } @media print { .at { white-space: normal } }
"""
_ROW_END = b"</tr>"
_NO_ROOM = "There is more than a page has room for: all rows are in timeline.csv."
_MARKED = (
    *(Matter.RELAY_OPERATION, Matter.LOAD_SHED, Matter.CURTAILMENT, Matter.DC_TIE_EMERGENCY),
)


def document(material: Material) -> Iterator[File]:
    """Raises StoreError, EvidenceError."""
    yield File("timeline.html", _chunks(material))


def _chunks(material: Material) -> Iterator[bytes]:
    scope = material.held.scope
    title = f"{scope.seam or 'The record'}, {_span(scope.begins, scope.ends)}"
    head = f"{frame.head(title, STYLE)}{_about(material)}\n".encode()
    yield head
    left = PAGE_BYTES_MAX - len(head)
    for part in _parts(material):
        data = fitted(part.encode(), left // 2) + b"\n"
        left -= len(data)
        yield data
    yield frame.FOOT.encode()


def fitted(part: bytes, most: int) -> bytes:
    """A part of a page: of tables so many bytes at most, and a word that there is more. Plots have
    a bound of their own, in points (record.reconstruct.picture)."""
    if len(part) <= most or b"<table" not in part:
        return part
    end = part.rfind(_ROW_END, 0, max(most, 0))
    if end < 0:
        return f'<p class="note">{_NO_ROOM}</p>'.encode()
    rest = f'</tbody></table></div><p class="note">{_NO_ROOM}</p>'
    return part[: end + len(_ROW_END)] + rest.encode()


def _parts(material: Material) -> Iterator[str]:
    scope = material.held.scope
    every = list(records_of.records(material.held))
    some = [
        one
        for one in every
        if (one.record.begins < scope.ends and one.record.ends > scope.begins)
        or scope.begins <= one.by < scope.ends
    ]
    marks = [
        Mark(one.record.begins, spaced(one.record.matter.name))
        for one in some
        if one.record.matter in _MARKED and scope.begins <= one.record.begins < scope.ends
    ]
    yield "<h2>What was measured</h2>"
    yield from picture.sketches(material, marks)
    yield _streams(material.gathered.streams.values())
    residuals = list(picture.residuals(material, some))
    if residuals:
        yield "<h2>What both sides come to</h2>"
        yield from residuals
    yield _claims(some)
    bars = picture.handoffs(material, some)
    if bars:
        yield f"<h2>Handoffs</h2>\n{bars}"
        yield _handoffs(some)
    yield _records(some)
    yield _gaps(material)
    yield _timeline(timeline.rows(material))


def _about(material: Material) -> str:
    scope, held = material.held.scope, material.held
    withheld = f" Withheld: {', '.join(scope.withheld)}." if scope.withheld else ""
    beyond = ""
    if material.gathered.beyond:
        beyond = f" {material.gathered.beyond} gaps, events or changes are not told here."
    text = (
        f"Made from a log of {scope.size} entries, as it stood at"
        f" {instant.words(held.clock(scope.size - 1))} by its own clock. Times are UTC. What is"
        " claimed is its author's word; when the log had it is the log's, and its witnesses'."
        " Whether a record is joint says that it is signed by every authority the policy names,"
        f" and nothing more.{withheld}{beyond}"
    )
    return f'<p class="note">{escaped(text)}</p>'


def _streams(streams: Iterable[Stream]) -> str:
    rows = []
    for one in streams:
        if not sum(one.counts.values()):
            continue
        classes = ", ".join(
            f"{spaced(klass.name)}: {count}" for klass, count in sorted(one.counts.items())
        )
        rows.append(
            [
                *(escaped(gateway(one.known)), escaped(named(one.known))),
                str(sum(one.counts.values())),
                *(_when(one.first, one.last), escaped(bounded(one.bound))),
                *(escaped(classes), f"{one.indexes[0]} to {one.indexes[1]}"),
            ]
        )
    names = ("gateway", "stream", "samples", "measured", "bound, at most", "worth", "leaves")
    return _table("Streams", names, rows, "Samples within the interval, and what they are worth.")


def _claims(some: Sequence[Said]) -> str:
    """Side by side, where they are about one thing."""
    topics: dict[tuple[str, ...], list[Said]] = {}
    for one in some:
        if one.record.matter == Matter.CLAIM:
            topics.setdefault((*one.record.elements, *one.record.footprints), []).append(one)
    parts = []
    for topic, claims in sorted(topics.items()):
        claims.sort(key=lambda one: (claim.read(one.record.body).text, one.record.begins, one.idx))
        differ, moved = _differing(claims), _moved(claims)
        told = "Figures marked differ by more than they were rounded." if differ else ""
        told += " Times marked differ, of the same words." if moved else ""
        for first in range(0, len(claims), CLAIMS_A_TABLE):
            some_of = claims[first : first + CLAIMS_A_TABLE]
            title = (", ".join(topic) or "of no element") + (", continued" if first else "")
            parts.append(_side_by_side(title, some_of, differ, moved, told))
    return "\n".join(["<h2>Claims, side by side</h2>", *parts]) if parts else ""


def _side_by_side(
    title: str, claims: Sequence[Said], differ: frozenset[str], moved: frozenset[int], told: str
) -> str:
    rows = [
        ["claimed for", *(_marked(_when_of(one), one.idx in moved) for one in claims)],
        ["in the log", *(_logged(one) for one in claims)],
        ["what", *(_claimed(one, differ) for one in claims)],
        ["where it was said", *(escaped(claim.read(one.record.body).source) for one in claims)],
        ["worth", *(_state(one) for one in claims)],
        ["leaf", *(str(one.idx) for one in claims)],
    ]
    return _table(title, ("", *(one.record.author for one in claims)), rows, told, "h3")


def _when_of(one: Said) -> str:
    return _when(one.record.begins, one.record.ends)


def _marked(told: str, differs: bool) -> str:
    """HTML, and that it differs."""
    return f'<span class="differs">{told} (differs)</span>' if differs else told


def _moved(claims: Sequence[Said]) -> frozenset[int]:
    """Leaves of claims that say in the same words that something was at other times."""
    times: dict[str, set[tuple[int, int]]] = {}
    for one in claims:
        span = (one.record.begins, one.record.ends)
        times.setdefault(claim.read(one.record.body).text, set()).add(span)
    several = {text for text, spans in times.items() if text and len(spans) > 1}
    return frozenset(one.idx for one in claims if claim.read(one.record.body).text in several)


def _claimed(one: Said, differ: frozenset[str]) -> str:
    says = claim.read(one.record.body)
    figures = [
        _marked(
            escaped(f"{item.name} {records_of.number(item.value)} {item.unit}".rstrip()),
            item.name in differ,
        )
        for item in says.figures
    ]
    return "<br>".join(filter(None, (escaped(says.text), *figures)))


def _differing(claims: Sequence[Said]) -> frozenset[str]:
    """Names of figures of which two claims about overlapping times say other values."""
    found: set[str] = set()
    rows = [(one.record, item) for one in claims for item in claim.read(one.record.body).figures]
    for at, (of, item) in enumerate(rows[:ROWS_MAX]):
        for other_of, other in rows[at + 1 : ROWS_MAX]:
            same = (item.name, item.unit) == (other.name, other.unit)
            overlap = of.begins < other_of.ends and other_of.begins < of.ends
            room = ((item.rounded or 0.0) + (other.rounded or 0.0)) / 2
            if same and overlap and abs(item.value - other.value) > room:
                found.add(item.name)
    return frozenset(found)


def _handoffs(some: Sequence[Said]) -> str:
    rows = []
    for one in some:
        if one.record.matter != Matter.HANDOFF:
            continue
        says = handoff.read(one.record.body)
        text = says.scope if isinstance(says, Request) else says.text
        parts = ", ".join(f"{spaced(part.name)} {name}" for part, name in one.record.parts)
        rows.append(
            [
                *(_when(one.record.begins, one.record.ends), _logged(one)),
                *(escaped(spaced(says.step.name)), escaped(one.record.author), escaped(parts)),
                *(escaped(text), _state(one), str(one.idx)),
            ]
        )
    names = ("claimed", "in the log", "step", "by", "between", "scope", "worth", "leaf")
    return _table("Steps of handoffs", names, rows, level="h3")


def _records(some: Sequence[Said]) -> str:
    rows = [
        [
            *(_when(one.record.begins, one.record.ends), _logged(one)),
            *(escaped(spaced(one.record.matter.name)), escaped(one.record.author)),
            escaped(records_of.text_of(one.record)),
            *(_state(one), escaped(records_of.parties(one.worth.signed))),
            escaped(
                "; ".join(
                    f"{word}: {records_of.parties(needs)}"
                    for word, needs in (
                        ("missing", one.worth.missing),
                        ("dissent", one.worth.dissent),
                    )
                    if needs
                )
            ),
            *(escaped(", ".join(spaced(flag.name) for flag in one.flags)), str(one.idx)),
        ]
        for one in some
    ]
    names = (
        *("claimed", "in the log", "matter", "by", "what", "worth", "signed"),
        *("not signed", "flags", "leaf"),
    )
    return _table("Records, and who signed", names, rows)


def _gaps(material: Material) -> str:
    counts: Counter[tuple[str, str, str]] = Counter()
    samples: Counter[tuple[str, str, str]] = Counter()
    unknown: set[tuple[str, str, str]] = set()
    for one in material.gathered.holes:
        key = (gateway(one.known), named(one.known), spaced(one.gap.cause.name))
        counts[key] += 1
        samples[key] += one.gap.count or 0
        if one.gap.count is None:
            unknown.add(key)
    rows = [
        [
            *map(escaped, key),
            str(count),
            f"{samples[key]}{' and an unknown number' if key in unknown else ''}",
        ]
        for key, count in sorted(counts.items())
    ]
    names = ("gateway", "stream", "cause", "gaps", "samples missing")
    return _table("Gaps, by cause", names, rows, "As gateways stated them, signed.")


def _timeline(rows: Sequence[Row]) -> str:
    cells = []
    for row in rows[:ROWS_MAX]:
        bound = "" if row.bound is None else f"<br>within {escaped(bounded(row.bound))}"
        state = f" ({escaped(row.state)})" if row.state else ""
        cells.append(
            [
                _when(row.begins, row.ends) + bound,
                _between(row.after, row.by),
                escaped(row.what) + state,
                *(escaped(row.who), escaped(row.about), escaped(row.text), escaped(row.leaf)),
            ]
        )
    names = ("claimed", "in the log", "what", "by", "about", "text", "leaf")
    return _table("Everything, in order", names, cells, _more(len(rows)))


def _more(count: int) -> str:
    if count <= ROWS_MAX:
        return "The same rows are in timeline.csv."
    return f"The first {ROWS_MAX} of {count} rows; all are in timeline.csv."


def _state(one: Said) -> str:
    word = spaced(one.state.name)
    return f'<span class="{word}">{word}</span>'


def _logged(one: Said) -> str:
    return _between(one.after, one.by)


def _between(after: int | None, by: int | None) -> str:
    if by is None:
        return ""
    if after is None:
        return f"by {_at(by)}"
    return f"after {_at(after)}, by {_at(by)}"


def _at(tai: int) -> str:
    """An instant as HTML, in one piece."""
    return f'<span class="at">{escaped(instant.words(tai))}</span>'


def _when(begins: int, ends: int) -> str:
    return _at(begins) if begins == ends else f"{_at(begins)} to {_at(ends)}"


def _span(begins: int, ends: int) -> str:
    if begins == ends:
        return instant.words(begins)
    return f"{instant.words(begins)} to {instant.words(ends)}"


def _table(
    title: str,
    names: Sequence[str],
    rows: Sequence[Sequence[str]],
    note: str = "",
    level: str = "h2",
) -> str:
    """Cells are HTML; title, names and note are text."""
    if not rows:
        return ""
    if len(rows) > ROWS_MAX:
        note = f"{note} The first {ROWS_MAX} of {len(rows)}."
    told = frame.table(title, names, rows[:ROWS_MAX], note or f"{len(rows)} rows.")
    return f"<{level}>{escaped(title)}</{level}>\n{told}"
