"""`gridseal-record settle`: what two sides of a seam come to over a record, interval by interval;
or again what settlements that were said came to.

Exit 0 when it was settled, whatever the verdicts; 1 when a settlement that was said comes to
something else, or one that is said now is not taken.
"""

import argparse
import contextlib
import getpass
import json
import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from drivers.keystore.uri import open_signer
from evidence import cose, instant
from evidence.code import Matter, Reason, SeamKind, Typ
from evidence.config import ConfigError
from evidence.joint.record import ENTRY_BYTES_MAX, Record
from evidence.leap import NS
from evidence.refusal import EvidenceError
from record import config, posting
from record.config import STORE
from record.known import Known
from record.lookup import NotFoundError
from record.settle import agreed, neighbour
from record.settle.agreed import InForce
from record.settle.choice import left_out
from record.settle.integral import beside
from record.settle.interval import CLOCK, MINUTES, THROUGH, Convention, Stretch, clock, cut
from record.settle.job import (
    LEAVES_BYTES_MAX,
    Job,
    Settled,
    gathered,
    leaves_bytes,
    named,
    proposed,
    settled,
)
from record.settle.learning import Lessons
from record.settle.neighbour import Beside
from record.settle.standing import LearnError
from record.settle.told import WIDTH, line, lines, told
from record.store import Store, open_reader

DOES_NOT_HOLD = 1
PHASORS_NS = 900 * NS  # however long the whole is
INTERVALS_MAX = 10_000  # of one run: more than a year by the hour
# What an interval is settled by whose leaves an entry of the log cannot hold, the longest that is
# shorter: a market's own first.
_FINER_S = (86_400, 3600, 900, 300, 60, 10, 1)
_SPAN = re.compile(r"(\d{1,6})(s|m|h|d)", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("store", metavar="STORE", help=STORE)
    add("--seam", metavar="NAME", help="the seam, as its record names it")
    add("--from", dest="begins", metavar="INSTANT", help=f"such as {instant.EXAMPLE}")
    add("--to", dest="ends", metavar="INSTANT", help="up to before then")
    add("--day", metavar="DATE", help="instead: a day of that clock, such as 2026-11-01")
    add(
        "--clock",
        metavar="CLOCK",
        help="name intervals by their end on it, as HE07: UTC-06:00, America/Chicago",
    )
    add(
        "--numbered",
        choices=(CLOCK, THROUGH),
        default=CLOCK,
        help="where it goes back: HE02 and HE02*, or on to HE25",
    )
    add(
        "--every",
        metavar="SPAN",
        help="in intervals of 1h, 15m, 10s; else a tie in one, phasors by 15m",
    )
    add("--size", type=int, metavar="N", help="as the log was when it had N entries; else as it is")
    add("--check", action="store_true", help="settle again what settlements in the record say")
    add("--alone", action="store_true", help="ask no seam that shares a bus with it")
    add("--pmu", action="store_true", help="a tie: integrate PMUs beside the meters, as a check")
    add("--learn", action="store_true", help="say the standing residual that they come to, too")
    add("--key", metavar="URI", help="sign and send each as a record: file:authority.key")
    add("--author", metavar="AUTHORITY", help="with --key: whose it is")
    posting.arguments(parser)
    add("--json", action="store_true", help="one JSON object a line")


def run(asked: argparse.Namespace) -> int:
    _check_asked(asked)
    store = open_reader(config.place(asked.store))
    try:
        store.snapshot()
        with contextlib.suppress(BrokenPipeError):
            if asked.check:
                return _check(store, asked)
            return _settle(store, asked)
    finally:
        store.close()
    return 0


def _check_asked(asked: argparse.Namespace) -> None:
    """Raises ConfigError."""
    if asked.day is not None and (asked.begins, asked.ends) != (None, None):
        raise ConfigError("--day, --from, --to", "", "say the day, or both ends")
    if asked.day is not None and asked.clock is None:
        raise ConfigError("--day, --clock", "", "go together: whose day")
    dated = asked.day is not None or None not in (asked.begins, asked.ends)
    if not asked.check and (asked.seam is None or not dated):
        raise ConfigError("--seam, --from, --to", "", "say all three; or --check")
    together = (asked.key, asked.author, asked.record)
    if any(together) and not all(together):
        raise ConfigError("--key, --author, --record", "", "go together: who says it, and where to")
    if asked.learn and asked.check:
        raise ConfigError("--learn, --check", "", "say one of them")


# --- settling -------------------------------------------------------------------------------------


def _settle(store: Store, asked: argparse.Namespace) -> int:
    known, size = Known(store), _size(store, asked.size)
    of = agreed.seam_called(store, asked.seam, size)
    convention = _convention(asked)
    lessons = Lessons()
    payloads: list[bytes] = []
    for stretch in _stretches(asked, convention, of.seam.kind):
        for job in _jobs(store, known, of, stretch, size, whole=asked.key is None):
            one = _shown(store, known, job, asked, convention)
            if asked.author is not None:
                payloads.append(_payload(one.record(asked.author)))
            if asked.learn:
                lessons.add(one)
    if asked.learn:
        payloads.append(_payload(_learned(store, lessons, asked, of)))
    return _sent(asked, payloads) if asked.key is not None else 0


def _jobs(
    store: Store, known: Known, of: InForce, stretch: Stretch, size: int, whole: bool
) -> Iterator[Job]:
    """A stretch to be settled; in parts where the leaves are more than an entry holds, unless
    nothing is to be logged (`whole`)."""
    job = proposed(store, known, of, stretch, size)
    finer = [second * NS for second in _FINER_S if second * NS < stretch.ends - stretch.begins]
    if whole or leaves_bytes(job) <= LEAVES_BYTES_MAX or not finer:
        yield job
        return
    for part in cut(*stretch, finer[0]):
        yield from _jobs(store, known, of, part, size, whole)


def _shown(
    store: Store,
    known: Known,
    job: Job,
    asked: argparse.Namespace,
    convention: Convention | None,
) -> Settled:
    """Settles one, and says what came of it."""
    own = None
    if not asked.alone and neighbour.has_any(store, job.of, job.leaves[0].tree_size):
        own = tuple(gathered(store, known, job, at) for at in (0, 1))
    reads = neighbour.Reads(job, own) if own is not None else None
    one = settled(store, known, job, reads)
    row = told(one)
    if convention is not None:
        row["interval"] = _label(convention, job.stretch) or None
    checks = list(beside(store, known, job)) if asked.pmu else []
    if checks:
        row["pmu"] = [each._asdict() for each in checks]
    near = None if reads is None else neighbour.beside(store, known, one, reads)
    row["beside"] = near and _told_beside(near)
    if asked.json:
        print(json.dumps(row))
    else:
        more = [f"{each.side}: {each.text}" for each in checks]
        print("\n".join(lines(row, [*more, *(near.lines if near else ())])))
    return one


def _told_beside(near: Beside) -> dict[str, object]:
    found = near.suspicion
    return {
        "seams": {name: verdict.name.lower() for name, verdict in near.verdicts.items()},
        "wrong": found.wrong,
        "explanations": found.explanations,
        "accomplices": found.accomplices,
        "alone": found.alone,
        "left_out": near.left_out,
    }


def _learned(store: Store, lessons: Lessons, asked: argparse.Namespace, of: InForce) -> Record:
    author = asked.author or of.seam.sides[0].authority
    try:
        made = lessons.record(store, author)
    except LearnError as fault:
        raise NotFoundError(f"nothing to learn: {fault}") from fault
    if not asked.json:
        print(f"standing residual: {cose.name(made.payload()).hex()}")
        if lessons.left_out:
            print(
                f"  learned from {instant.words(made.begins)} on: the leaves of the"
                f" {lessons.left_out} before are more than an entry of the log holds"
            )
    return made


def _convention(asked: argparse.Namespace) -> Convention | None:
    """How intervals are named. Raises NotFoundError."""
    if asked.clock is None:
        return None
    try:
        return clock(asked.clock)._replace(numbered=asked.numbered)
    except ValueError as fault:
        raise NotFoundError(f"--clock: {fault}") from fault


def _label(convention: Convention, stretch: Stretch) -> str:
    """Its name, by as many minutes as it has: a part of an hour that an entry does not hold is no
    hour. Empty: no market's interval is so long."""
    names = (convention._replace(minutes=one).label(stretch) for one in MINUTES)
    return next(filter(None, names), "")


def _day(asked: argparse.Namespace, convention: Convention) -> Stretch:
    """Raises NotFoundError."""
    try:
        return convention.day(date.fromisoformat(asked.day))
    except ValueError as fault:
        raise NotFoundError(f"--day: {asked.day[:40]!r}: {fault}") from fault


def _stretches(
    asked: argparse.Namespace, convention: Convention | None, kind: SeamKind
) -> Iterator[Stretch]:
    """Raises NotFoundError."""
    if asked.day is not None and convention is not None:
        begins, ends = _day(asked, convention)
        return cut(begins, ends, _span(asked.every or "1h"))
    edges = []
    for what, text in (("--from", asked.begins), ("--to", asked.ends)):
        try:
            edges.append(instant.read(text))
        except ValueError as fault:
            raise NotFoundError(f"{what}: {fault}") from fault
    begins, ends = edges
    if begins >= ends:
        raise NotFoundError("--to: expected an instant later than --from")
    every = _span(asked.every) if asked.every is not None else ends - begins
    if asked.every is None and kind != SeamKind.DC_TIE:
        every = min(every, PHASORS_NS)
    if (ends - begins) // every >= INTERVALS_MAX:
        raise NotFoundError(f"--every: more than {INTERVALS_MAX} intervals")
    return cut(begins, ends, every)


def _span(text: str) -> int:
    found = _SPAN.fullmatch(text)
    if found is None or int(found[1]) == 0:
        raise NotFoundError(f"--every: {text!r} is no span; expected one such as 1h, 15m or 10s")
    return int(found[1]) * _SECONDS[found[2]] * NS


def _size(store: Store, size: int | None) -> int:
    there = store.size()
    if size is None:
        return there
    if not 0 < size <= there:
        raise NotFoundError(f"--size: the log has {there} entries, not {size}")
    return size


def _payload(one: Record) -> bytes:
    """Raises EvidenceError(TOO_LONG) as soon as one is, and before any is sent."""
    payload = one.payload()
    if len(payload) > ENTRY_BYTES_MAX - 256:  # with header and signature
        raise EvidenceError(
            Reason.TOO_LONG,
            f"what is to be said from {instant.words(one.begins)} on takes {len(payload)} bytes,"
            " more than an entry of the log has",
        )
    return payload


def _sent(asked: argparse.Namespace, payloads: Sequence[bytes]) -> int:
    """Signs and sends."""
    door = posting.door(asked)
    signer = open_signer(asked.key, Path(), getpass.getpass if sys.stdin.isatty() else None)
    statements = [cose.sign(Typ.RECORD, payload, signer) for payload in payloads]
    answers = posting.posted(door, statements)
    for payload, answer in zip(payloads, answers, strict=False):
        place = f"entry {answer.index}" if answer.index is not None else "not taken"
        row = {"name": cose.name(payload).hex(), "entry": answer.index, "text": answer.text}
        more = f": {answer.text}" if answer.text else ""
        print(json.dumps(row) if asked.json else f"{row['name']}  {place}{more}")
    whole = len(answers) == len(statements) and all(one.index is not None for one in answers)
    return 0 if whole else DOES_NOT_HOLD


# --- again ----------------------------------------------------------------------------------------


def _check(store: Store, asked: argparse.Namespace) -> int:
    known, wrong = Known(store), 0
    size = _size(store, asked.size)
    for row, says in agreed.records(store, Matter.SETTLEMENT, size):
        if asked.seam is not None and says.elements != (asked.seam,):
            continue
        reason = _differs(store, known, row.idx, says)
        wrong += bool(reason)
        told_of = {
            "entry": row.idx, "name": row.name.hex(), "author": says.author,
            "from": instant.words(says.begins), "to": instant.words(says.ends), "reason": reason,
        }  # fmt: skip
        what = f"does not hold: {reason}" if reason else "holds"
        words = f"entry {row.idx}, {says.author}, {told_of['from']} to {told_of['to']}: {what}"
        print(
            json.dumps(told_of)
            if asked.json
            else textwrap.fill(words, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
        )
    return DOES_NOT_HOLD if wrong else 0


def _differs(store: Store, known: Known, idx: int, says: Record) -> str:
    """What a settlement comes to that is not what it says, or what it should not have been computed
    from; empty where it holds."""
    try:
        job = named(store, says)
        if any(side.tree_size > idx for side in job.leaves):
            return "it is over a larger tree than it stands in"
        found = settled(store, known, job)
        made = found.record(says.author)
    except (NotFoundError, EvidenceError) as fault:
        return str(fault)
    if made.payload() == says.payload():
        return left_out(store, known, job)
    if (made.elements, made.parents) != (says.elements, says.parents):
        return "its seam or its claims are not those that it names elsewhere"
    return f"settled again: {line(told(found))}"
