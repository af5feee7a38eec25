"""Whether what this gateway seals reaches the record, and comes back receipted: tried with one
observation that is flagged TEST, by the agent's own parts.

1. While an agent runs, the next of its batches with a receipt is the proof; nothing is added. The
   receipt is checked as the agent does: signed by the log's key, of this batch, in its tree.
2. Where none runs, one is run here for some seconds, without its lines: on the gateway's own spool,
   under its lock, in a run that continues the one before and is continued by the next. To the
   record it is a start like any other: there is no second chain, no clone and no rollback.
3. All that such a run seals is flagged TEST, from its first link on: the record classes it `test`
   (of a bench: `simulated`), and what it says of that is compared.
4. It says one event (TRIED), in the gateway's own stream: a sample of a device would leave a hole
   on either side of it.
5. Only whom the spool belongs to may do this: a spool made by another user is one that the agent
   cannot open.

What the record does not answer in time stays on the disk, and the agent sends it.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import NamedTuple

from agent import cli, status
from agent.archive import Archive, ArchiveError, BatchRow
from agent.clock import Jump, SystemClock
from agent.config import Gateway
from agent.description import OWN_KEY, OWN_SOURCE
from agent.health import Health
from agent.hearing import Hearing
from agent.keeper import Keeper
from agent.moment import Moment
from agent.schema import SpoolError
from agent.signature import device_key
from agent.spool import Spool
from agent.uplink import Uplink
from evidence import cose, descriptor, head, receipt
from evidence.code import Class, Event, Flag, Kind, Typ
from evidence.config import ConfigError
from evidence.event import Noticed
from evidence.head import Range, batch_id
from evidence.key import PublicKey
from evidence.receipt import Receipt
from evidence.refusal import EvidenceError
from provisioning.preflight.outcome import Outcome, cannot_tell, fault, ok

CHECK = "test-observation"
POLL_S = 0.1
# A commit, a batch, three statements and an answer take a second; a bad line some more.
ANSWER_S = 30.0
DRAIN_S = 3.0
PAGE = 64
TEXT = "pre-flight tries whether this reaches the record"
LOOK = "see what the record says: its log, and gridseal-agent status here"


class _Receipted(NamedTuple):
    """A batch that was answered for. `place`: stream and seq of the event in it."""

    head: bytes
    answer: bytes
    place: tuple[int, int] | None = None


async def check(
    gateway: Gateway, clock: SystemClock, random: Callable[[int], bytes], agent: bool
) -> Outcome:
    """`agent`: one runs, and has the spool."""
    if agent:
        return await _beside(gateway)
    folder = gateway.path(gateway.file.spool.path).parent
    try:
        owner = folder.stat().st_uid
        if owner != os.geteuid():
            figure = f"the spool's folder belongs to user {owner}"
            return cannot_tell(CHECK, "", figure, "to be run as that user, or an agent that runs")
        return await _tried(gateway, clock, random)
    except (SpoolError, ConfigError, OSError) as wrong:
        return fault(CHECK, "", f"could not be sealed: {wrong}", "see disk and device-key")


async def runs(gateway: Gateway) -> bool:
    """Whether an agent has the spool."""
    try:
        await asyncio.to_thread(status.ask, gateway.path(gateway.file.spool.path))
    except (OSError, ValueError):
        return False
    return True


# --- an agent runs


async def _beside(gateway: Gateway) -> Outcome:
    """The first batch that is cut from now on, once it is answered for."""
    loop = asyncio.get_running_loop()
    spool = gateway.path(gateway.file.spool.path)
    # It may have nothing to say but what it concludes of time and place, every so often.
    patience_s = gateway.file.clock.verdict_s + ANSWER_S
    until = loop.time() + patience_s
    try:
        with contextlib.closing(Archive(spool)) as archive:
            after = archive.newest()
            while loop.time() < until:
                row = archive.batch_from(after + 1)
                if row is not None:
                    found = _answered(archive, row)
                    if found is not None:
                        return _judged(gateway, found, None)
                await asyncio.sleep(POLL_S)
    except (SpoolError, ArchiveError) as wrong:
        return cannot_tell(CHECK, "", str(wrong), "a spool that this user may read")
    said = await asyncio.to_thread(_said, gateway)
    figure = f"no batch of the agent was receipted within {patience_s:.0f} s: {said}"
    return fault(CHECK, "", figure, LOOK)


def _answered(archive: Archive, row: BatchRow) -> _Receipted | None:
    encoded, answer = archive.head(row)
    return None if answer is None else _Receipted(encoded, answer)


def _said(gateway: Gateway) -> str:
    try:
        told = status.ask(gateway.path(gateway.file.spool.path))
    except (OSError, ValueError) as gone:
        return str(gone)
    return str(told.get("record") or told.get("key_fault") or "it says nothing of the record")


# --- none runs


async def _tried(gateway: Gateway, clock: SystemClock, random: Callable[[int], bytes]) -> Outcome:
    """Raises SpoolError, ConfigError."""
    device = await asyncio.to_thread(device_key, gateway, False)
    health = Health()
    hearing = Hearing(gateway.plan, clock, random, health)
    hearing.moment = Moment(int(Flag.TEST))  # rule 3
    keeper = Keeper(gateway, hearing, clock, Jump(clock), device, random, health)
    client = cli.transport(gateway, device.public)
    settings = gateway.file.uplink
    log_key = gateway.anchors.log_key
    uplink = Uplink(client, log_key, device.public, keeper, random, health, settings)
    await keeper.start()
    before = await keeper.on_disk(lambda: keeper.spool.newest())
    tasks = [asyncio.ensure_future(keeper.keep()), asyncio.ensure_future(uplink.run())]
    try:
        now = clock.now().tai
        hearing.say(Kind.EVENT, Noticed(Event.TRIED, now, now, 1, TEXT).raw())
        place = (hearing.numbers[OWN_SOURCE, OWN_KEY], before)
        found = await _until_answered(keeper, health, place)
        await keeper.end_run()
        await keeper.answered(DRAIN_S)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await client.close()
        await keeper.close()
    if found is None:
        why = health.key_fault or health.record or "the record did not answer"
        figure = f"sealed and on disk, and not receipted within {ANSWER_S:.0f} s: {why}"
        return fault(CHECK, "", figure, LOOK)
    bench = gateway.credential.says.role == "bench"
    return _judged(gateway, found, Class.SIMULATED if bench else Class.TEST)


async def _until_answered(
    keeper: Keeper, health: Health, place: tuple[int, int]
) -> _Receipted | None:
    """The batch that has the event, once the record answered for it; None where it does not in
    time. `place`: the stream, and the row of the last batch before.
    """

    def look() -> _Receipted | None:
        """In the spool's thread."""
        stream, after = place
        for batch, answer in keeper.spool.receipted(after, PAGE):
            _, encoded = keeper.spool.batch(batch.row)
            mine = _range(keeper.spool, encoded, stream, health.run)
            if mine is not None:
                return _Receipted(encoded, answer, (stream, mine.last_seq))
        return None

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ANSWER_S):
            while not health.refused:
                await asyncio.sleep(POLL_S)
                if health.receipted and (found := await keeper.on_disk(look)) is not None:
                    return found
    return None


def _range(spool: Spool, encoded: bytes, stream: int, run: str) -> Range | None:
    """Of this stream and run, in a head; what an earlier run left may stand beside it."""
    for one in head.read(cose.read_statement(encoded, Typ.HEAD).payload).ranges:
        stated = spool.statement(one.descriptor) if one.stream == stream else None
        if stated is None:
            continue
        if descriptor.read(cose.read(stated.encoded).payload).run.hex() == run:
            return one
    return None


# --- what the record says


def _judged(gateway: Gateway, found: _Receipted, wanted: Class | None) -> Outcome:
    """`wanted`: the class that the observation must have; None: any."""
    try:
        said = _read(found.head, found.answer, gateway.anchors.log_key)
    except EvidenceError as wrong:
        return fault(CHECK, "", f"the record's answer does not hold: {wrong}", LOOK)
    figure = f"entry {said.index} of {said.size} in the record"
    if wanted is None or found.place is None:
        return ok(CHECK, "", f"{figure}: a batch of the agent that runs, receipted")
    stream, seq = found.place
    classes = [
        Class(one.klass)
        for one in said.classed
        if one.stream == stream and one.first_seq <= seq <= one.last_seq
    ]
    if wanted not in classes:
        named = ", ".join(one.name.lower() for one in classes) or Class.SETTLEABLE.name.lower()
        figure = f"{figure}, classed {named}; expected: {wanted.name.lower()}"
        return fault(CHECK, "", figure, "the record does not keep tests apart: tell its operator")
    return ok(CHECK, "", f"{figure}, receipted, classed {wanted.name.lower()}")


def _read(encoded: bytes, answer: bytes, log_key: PublicKey) -> Receipt:
    """Raises EvidenceError, also for a refusal."""
    message = cose.read_statement(answer, Typ.RECEIPT)
    cose.check(message, log_key)
    said = receipt.read(message.payload)
    said.check(encoded, batch_id(encoded))
    return said
