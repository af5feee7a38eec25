"""What the two ends of a branch come to, by the record's own settlement (record.settle), over the
record that a play left.

1. A side is a PMU's: its authority is that of the gateway that hears it, its mRIDs are those of
   that gateway's plan (hil.live.terminal).
2. Each interval is settled by itself, from the first whole second of the seam's `begins_s` on, as
   long as all of it was played.
3. Nobody says the settlement to the record: it is computed, and is a fact.
4. An interval of which the record lacks what it names, or has what is none, is no fact: that it is
   not settled is a problem in words, once a seam, and the others are settled.

It judges nothing.
"""

from collections.abc import Iterator
from contextlib import closing

from evidence.code import SeamKind
from evidence.joint import seam
from evidence.leap import NS
from evidence.refusal import EvidenceError
from hil.fact import Fact, Words
from hil.live import terminal
from hil.live.play import Play
from hil.live.sheet import Seam
from hil.report.style import many
from record.absence import NotFoundError
from record.known import Known
from record.settle import job, told
from record.settle.agreed import InForce
from record.settle.interval import Stretch
from record.settle.job import Settled
from record.store import open_reader

UNSAID = bytes(32)  # the name of a seam that no record says


def facts(play: Play, problems: list[str]) -> Iterator[Fact]:
    """Of all seams; what cannot be settled goes to the problems. Raises StoreError, EvidenceError
    (of a credential), ConfigError, OSError."""
    there = {one.name for one in play.cast.devices} - play.stage.absent.keys()
    with closing(open_reader(play.stage.store)) as store:
        known, size = Known(store), store.size()
        for row in play.of.seam:
            if not set(row.sides) <= there:
                continue
            of = InForce(UNSAID, _seam(play, row))
            wrong = []
            for stretch in _stretches(play, row):
                try:
                    asked = job.proposed(store, known, of, stretch, size)
                    found = job.settled(store, known, asked)
                except (EvidenceError, NotFoundError) as fault:
                    wrong.append(str(fault))
                    continue
                yield _fact(row, found)
            if wrong:
                count = many(len(wrong), "interval")
                problems.append(f"seam {row.name}: {count} cannot be settled: {wrong[0]}")


def _fact(row: Seam, found: Settled) -> Fact:
    like = found.outcome.disagreement
    words: dict[str, Words] = {
        "what": "seam",
        "seam": row.name,
        "verdict": found.outcome.verdict.name.lower(),
        "disagreement": "" if like is None else like.name.lower(),
        "text": told.line(told.told(found)),
    }
    return Fact(words, *found.job.stretch)


def _stretches(play: Play, row: Seam) -> Iterator[Stretch]:
    begins = play.began + round(play.timeline.played_s(row.begins_s) * NS)
    begins = -(-begins // NS) * NS
    ends = min(play.ended, play.began + round(play.played_s * NS))
    while begins + row.every_s * NS <= ends:
        yield Stretch(begins, begins + row.every_s * NS)
        begins += row.every_s * NS


def _seam(play: Play, row: Seam) -> seam.Seam:
    devices = {one.name: one for one in play.cast.devices}
    sides = []
    for name in row.sides:
        end = terminal.end_of(play.stage.folder / devices[name].gateway, devices[name])
        of = (end.authority, end.authority, end.node, end.terminal)
        sides.append(seam.Side(*of, row.kv, row.amperes))
    line = seam.Line(row.line.r_ohm, row.line.x_ohm, row.line.b_siemens, row.line.km)
    return seam.Seam(row.name, SeamKind.LINE, (sides[0], sides[1]), line)
