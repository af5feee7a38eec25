"""A record with two seams in a file, beside what it takes to serve it: a line whose two ends are
measured until the log's clock stops, a tie whose meters are read, settlements, a handoff, and
records that wait or are disputed."""

import hashlib
from dataclasses import replace
from pathlib import Path

from drivers.keystore import file as keystore
from evidence.code import Matter, Step, Word
from evidence.credential import Terminal
from evidence.joint.handoff import Request, Taken
from evidence.joint.record import Record
from evidence.joint.seam import Side
from evidence.leap import NS
from record.settle.interval import Stretch
from tests.evidence.joint.sharing import (
    EAST,
    KEYS,
    WEST,
    founders_text,
    handoff_parts,
    interchange,
    name_of,
    record,
    signed,
    word,
)
from tests.record.chip import Chip
from tests.record.gateway import START, Gateway, GatewayRun, Statement
from tests.record.settle.border import HOUR, LINE, MINUTE, TIE, Pmu, Shared
from tests.record.settle.test_energy import GAINED, SENT, flowing, leaving
from tests.record.settle.test_job import I1, I2, V1, V2, fill, settle
from tests.record.upstream import LOG

ODD = '"><script>document.title = "taken"</script>'  # what a hostile authority calls something
OBSERVATION = "gw-1/pmu/1/50"  # the last of the line's first end
OF_A_CHIP = "gw-chip/pmu/1/50"  # of its second, whose device key is of P-256
LAST_S = 3600  # the log's clock stands an hour after START (tests.record.upstream)


def configured(folder: Path, more: str = "") -> Path:
    """Keys, anchors and record.toml; where that is."""
    path = folder / "log.key"
    path.write_bytes(keystore.encode(hashlib.sha256(b"log").digest()))
    path.chmod(0o600)
    text = f'[log]\nname = "demo"\nkey = "{LOG.public.raw.hex()}"\n{founders_text()}'
    (folder / "anchors.toml").write_text(text)
    found = folder / "record.toml"
    found.write_text(f'[record]\nlisten = "127.0.0.1:0"\n[log]\npublish_s = 0.05\n{more}')
    return found


def filled(folder: Path) -> None:
    """The record."""
    shared = Shared(folder / "record.db", LINE, TIE)
    fill(Pmu(shared, LINE.sides[0]), V1, I1, seconds=5, first=LAST_S - 5)
    run = _of_a_chip(shared, LINE.sides[1])
    fill(Pmu(shared, LINE.sides[1], run=run), V2, -I2, seconds=5, first=LAST_S - 5)
    shared.play(shared.meter(TIE.sides[0]), flowing(SENT))
    shared.play(shared.meter(TIE.sides[1]), _counting_less)
    _settlements(shared)
    _waiting(shared)
    _handoff(shared)
    shared.upstream.close()


def _counting_less(minute: float) -> tuple[float, ...]:
    """45 MWh fewer than there were, within the third quarter of the hour."""
    return 7, leaving(GAINED)(minute)[1] - round(4500 * min(max(minute - 30, 0), 10))


def _of_a_chip(shared: Shared, side: Side) -> GatewayRun:
    chip, place = Chip(), Terminal(side.terminal or b"", side.node, 1)
    made = Gateway(
        "gw-chip", KEYS[side.authority], issuer=side.authority, key=chip.public,
        buses=(side.node,), terminals=(place,),
    )  # fmt: skip
    made.device = chip  # type: ignore[assignment]
    run = made.start()
    shared.upstream.send(made.statement, run.statement)
    return run


def _settlements(shared: Shared) -> None:
    """One that holds over each quarter of an hour, signed by both, and one over nothing."""
    for quarter in range(4):
        begins = HOUR.begins + quarter * 15 * MINUTE
        says = settle(shared, TIE, Stretch(begins, begins + 15 * MINUTE)).record(WEST)
        shared.agree(says, EAST)
    nothing = settle(shared, TIE, Stretch(HOUR.ends + 60 * MINUTE, HOUR.ends + 75 * MINUTE))
    shared.say(nothing.record(EAST))
    seconds = Stretch(START + (LAST_S - 4) * NS, START + (LAST_S - 2) * NS)
    shared.say(settle(shared, LINE, seconds).record(WEST))


def _waiting(shared: Shared) -> None:
    shared.say(interchange(mwh=120.0))
    against = interchange(mwh=480.0, begins=START - 2 * HOUR_NS, ends=START - HOUR_NS)
    shared.say(against)
    shared.upstream.send(Statement(word(against, EAST, Word.DISSENT, "our meters say 120 MWh")))


HOUR_NS = 3600 * NS


def _handoff(shared: Shared) -> None:
    fields = {
        "parts": handoff_parts(WEST, EAST), "footprints": ("EAST", "WEST"),
        "begins": START + 1800 * NS, "ends": START + 1860 * NS,
    }  # fmt: skip
    asks = Request(f"North Tie {ODD}", (), (), NS).body()
    steps = [record(Matter.HANDOFF, EAST, body=asks, **fields)]
    _step(shared, steps[0], START + 1810 * NS, WEST)
    for step, author, at in (
        (Step.ACCEPTED, WEST, 2000), (Step.ACTIVE, EAST, 2400), (Step.RETURNED, EAST, 3300),
    ):  # fmt: skip
        before = steps[-1]
        body = Taken(step, name_of(steps[0]), name_of(before), "as agreed").body()
        steps.append(replace(before, author=author, body=body, parents=(name_of(before),)))
        _step(shared, steps[-1], START + at * NS, *({WEST, EAST} - {author}))
    waits = record(Matter.HANDOFF, WEST, body=Request("Tie 2", (), (), NS).body(), **fields)
    shared.say(waits)


def _step(shared: Shared, of: Record, now: int, *others: str) -> None:
    shared.upstream.send(Statement(signed(of)), now=now)
    for other in others:
        shared.upstream.send(Statement(word(of, other)), now=now)
