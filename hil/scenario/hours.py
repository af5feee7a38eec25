"""What is settled and what is published interval by interval, as acts of a play.

1. A settlement is computed over the record as it stands then, by the record's own code
   (record.settle.job), and said by an authority as a record that the other side signs.
2. The interchange of an hour is the published figure, with what it was rounded to: its sign,
   EIA-930's, is said as a direction. It is for both ties together, as it was published.
3. Only intervals that lie whole in the part that is played are settled; they are counted from the
   scenario's beginning.
"""

from collections.abc import Iterator
from functools import partial

from evidence.code import Exchange, Matter, Reason
from evidence.joint.interchange import Interchange
from evidence.joint.record import Record
from evidence.leap import NS
from hil.scenario import sheet
from hil.scenario.figures import HOUR_NS, Hours, tai_of
from hil.scenario.marks import names
from hil.scenario.play import Play
from record.lookup import NotFoundError
from record.settle import agreed, job
from record.settle.interval import Stretch, cut
from record.settle.learning import Lessons
from record.settle.standing import LearnError


def put_settlement(play: Play, row: sheet.Settlement) -> None:
    for stretch in _stretches(play, row.every_s * NS):
        for seam in row.seams:
            at = stretch.ends + row.after_s * NS
            play.at(at, partial(_settle, row=row, seam=seam, stretch=stretch))


def put_learning(play: Play, row: sheet.Learning) -> None:
    """Of one that does not lie in the part whole, nothing."""
    begins, ends = tai_of(row.begins), tai_of(row.ends)
    if play.part.begins <= begins and ends <= play.part.ends:
        stretches = list(cut(begins, ends, row.every_s * NS))
        play.at(ends + row.after_s * NS, partial(_learn, row=row, stretches=stretches))


def put_interchange(play: Play, row: sheet.Interchange, hours: Hours) -> None:
    for stretch in _stretches(play, HOUR_NS):
        at = stretch.ends + row.after_s * NS
        value = hours.of(row.column, stretch.begins)
        play.at(at, partial(_exchange, row=row, stretch=stretch, value=value))


def _stretches(play: Play, every_ns: int) -> Iterator[Stretch]:
    origin = tai_of(play.script.scenario.begins)
    first = -(-(play.part.begins - origin) // every_ns)
    begins = origin + first * every_ns
    while begins + every_ns <= play.part.ends:
        yield Stretch(begins, begins + every_ns)
        begins += every_ns


async def _settle(play: Play, row: sheet.Settlement, seam: str, stretch: Stretch) -> None:
    store, known, size = play.reader.store, play.reader.known, play.reader.size
    key = f"{row.name} of {seam} until {play.clock(stretch.ends)}"
    try:
        of = agreed.seam_called(store, seam, size)
    except NotFoundError:
        play.archive.refusals.append((key, Reason.SEAM_UNKNOWN.name.lower()))
        return
    found = job.settled(store, known, job.proposed(store, known, of, stretch, size))
    await play.tell(key, found.record(row.author), row.assent, topic=row.name)


async def _learn(play: Play, row: sheet.Learning, stretches: list[Stretch]) -> None:
    store, known, size = play.reader.store, play.reader.known, play.reader.size
    try:
        of = agreed.seam_called(store, row.seam, size)
        lessons = Lessons()
        for stretch in stretches:
            proposed = job.proposed(store, known, of, stretch, size)
            lessons.add(job.settled(store, known, proposed))
        record = lessons.record(store, row.author)
    except (NotFoundError, LearnError) as fault:
        play.archive.refusals.append((row.name, str(fault)))
        return
    await play.tell(row.name, record, row.assent, topic=row.name)


async def _exchange(play: Play, row: sheet.Interchange, stretch: Stretch, value: int) -> None:
    source, sink = (row.exporter, row.importer) if value >= 0 else (row.importer, row.exporter)
    energy = float(abs(value))
    body = Interchange(Exchange.ACTUAL, source, sink, energy, row.rounded, (), row.source)
    record = Record(
        *(Matter.INTERCHANGE, row.author, (), names(row.elements), (), *stretch, ()),
        body.body(),
    )
    key = f"{row.name} until {play.clock(stretch.ends)}"
    await play.tell(key, record, row.assent, "published", row.name)
