"""Offers batches to the record, believes only what it can check, and tells the keeper.

1. A batch is answered for when a receipt names its id, is signed by the log's key, proves the head
   in the record's tree, and that tree continues the one kept last. Nothing less frees anything, and
   nothing else is kept.
2. A signed refusal sets a batch aside as an exhibit; it never holds up the rest.
3. Everything else (no answer, garbage, 409, 429, 5xx) is tried again, with backoff and jitter, for
   ever and visibly. A batch that keeps failing while the record answers is passed over, so that it
   never holds up the rest, and offered again every RETRY_S. Where nothing goes through, as with a
   record that lost its log, batches are passed over ever more slowly: lines cost money.
4. Statements are sent when the record asks for them by name (409), never otherwise.

It holds at most `in_flight` batches in memory. It signs nothing and writes no disk.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from agent.commit import Kept, State, Waiting
from agent.health import Health
from agent.http import Answer, Client, UplinkError
from agent.keeper import Keeper
from agent.schema import DamageError, GoneError, SpoolError
from evidence import cbor, cose, merkle, receipt, shape
from evidence.code import Cause, Reason, Typ
from evidence.head import batch_id
from evidence.key import PublicKey
from evidence.refusal import EvidenceError

BACKOFF_S = (0.2, 30.0)  # first and longest wait
TIMEOUT_S = 30.0  # of one exchange: a backlog batch over a slow line
LIST_MAX = 64  # batches looked up at once
TRIES_MAX = 3  # of one batch, while the record answers: then others have their turn
PASSES_MAX = 16  # one after another: then it is the record, and each more waits longer
RETRY_S = 10.0  # between two looks at what was passed over
SETTLE_S = 30.0  # an answered batch is durable as such by then: a commit takes ms
WANTED_MAX = 1024  # statements asked for in one answer
SUPPLY_DEPTH_MAX = 4  # credential, run, descriptor: each may ask for the one before
ANSWER, BUSY = "answer", "busy"  # causes of UplinkError: this one's answer; the whole record's
SAID_MAX = 160  # characters of what a record says beside its status
BUSY_STATUS = 429  # and 500 and above: the record has no time, or is not well
log = logging.getLogger("gridseal.uplink")


class Offer(NamedTuple):
    """A batch on its way: its bytes, and its encoded head."""

    batch: Waiting
    encoded: bytes
    head: bytes


class Uplink:
    """The way to one record. `random(n)` gives n random bytes, for jitter."""

    def __init__(
        self,
        client: Client,
        log_key: PublicKey,
        device: PublicKey,
        keeper: Keeper,
        random: Callable[[int], bytes],
        health: Health,
    ) -> None:
        self._client, self._log_key, self._device = client, log_key, device
        self._keeper, self._random, self._health = keeper, random, health
        # With the tries that each has.
        self._queue: asyncio.Queue[tuple[Waiting, int]] = asyncio.Queue(LIST_MAX)
        self._after = 0  # the last row that was looked up
        self._held: set[int] = set()  # rows in the queue, under way, or answered a moment ago
        self._mended = asyncio.Event()  # what was passed over went through after all
        self._passed = ""  # why the last batch was passed over; empty when none is
        self._passes = 0  # one after another
        self._said = ""  # the fault that was logged last; empty once a batch went through
        self._proving = asyncio.Lock()
        self._supplying = asyncio.Lock()

    async def run(self, in_flight: int) -> None:
        """Offers what waits, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._compare_heads())
            group.create_task(self._list())
            group.create_task(self._look_again())
            for _ in range(in_flight):
                group.create_task(self._offer())

    async def _list(self) -> None:
        """Puts waiting batches into the queue, oldest first."""
        while True:
            await self._keeper.offered.wait()
            self._keeper.offered.clear()
            while True:
                try:
                    found = await self._keeper.on_disk(partial(self._waiting, self._after))
                except SpoolError:
                    break  # the keeper opens it again, and offers
                for batch in found:
                    self._after = batch.row
                    await self._put(batch, TRIES_MAX)
                if len(found) < LIST_MAX:
                    break

    async def _look_again(self) -> None:
        """Offers again, once each, what was passed over or could not be read.

        Some of it every RETRY_S, and more as soon as one goes through.
        """
        cursor = 0
        while True:
            # Not wait_for: before Python 3.12 it can lose a cancellation, and the agent its end.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_S):
                    await self._mended.wait()
            self._mended.clear()
            try:
                found = await self._keeper.on_disk(partial(self._waiting, cursor))
            except SpoolError:
                continue  # the keeper opens it again
            left = [batch for batch in found if batch.row <= self._after]
            again = [batch for batch in left if batch.row not in self._held]
            if not again and not cursor and len(left) < LIST_MAX:
                self._passed = ""
            cursor = left[-1].row if len(left) == LIST_MAX else 0
            for batch in again:
                await self._put(batch, 1)

    async def _put(self, batch: Waiting, tries: int) -> None:
        self._held.add(batch.row)
        await self._queue.put((batch, tries))

    async def _offer(self) -> None:
        while True:
            batch, tries = await self._queue.get()
            tries = tries if self._passes < PASSES_MAX else 1
            settle_s = 0.0
            under_way = self._keeper.relief.under_way
            under_way.add(batch.row)
            try:
                encoded, head = await self._keeper.on_disk(partial(self._read, batch.row))
                if await self._until_answered(Offer(batch, encoded, head), tries):
                    settle_s, self._passes = SETTLE_S, 0
                    if tries < TRIES_MAX:
                        self._mended.set()
                else:
                    self._passes += 1
                    await asyncio.sleep(self._pace_s())
            except DamageError:
                self._keeper.relief.damaged(batch.row)
            except GoneError:
                pass  # given up in the meantime, and stated
            except SpoolError as fault:
                log.error("batch %s cannot be offered: %s", batch.id.hex()[:16], fault)
            finally:
                under_way.discard(batch.row)
                loop = asyncio.get_running_loop()
                loop.call_later(settle_s, self._held.discard, batch.row)

    def _pace_s(self) -> float:
        """How long a slot rests after a batch was passed over."""
        return min(BACKOFF_S[0] * 2.0 ** min(self._passes // PASSES_MAX, 16), BACKOFF_S[1])

    def _waiting(self, after: int) -> list[Waiting]:
        return self._keeper.spool.waiting(after, LIST_MAX)

    def _read(self, row: int) -> tuple[bytes, bytes]:
        return self._keeper.spool.batch(row)

    async def _until_answered(self, offer: Offer, tries: int) -> bool:
        """Offers a batch until it is answered for.

        False when it is passed over: so many tries long the record answered, and did not take it.
        """
        wait_s = BACKOFF_S[0]
        while True:
            try:
                if await self._push(offer):
                    self._said = ""
                    self._health.record = (
                        f"up; passed over: {self._passed}" if self._passed else "up"
                    )
                    return True
                fault, own = "the record asks for statements", True
            except (UplinkError, EvidenceError) as cause:
                fault = str(cause)
                own = isinstance(cause, EvidenceError) or cause.cause == ANSWER
            if fault != self._said:  # once, not with every batch and try: a record may be away long
                log.warning("batch %s: %s", offer.batch.id.hex()[:16], fault)
            self._health.record = self._said = fault
            tries -= own
            if tries <= 0:
                self._passed = fault
                return False
            await asyncio.sleep(wait_s * (0.5 + self._random(1)[0] / 256))
            wait_s = min(wait_s * 2, BACKOFF_S[1])

    async def _push(self, offer: Offer) -> bool:
        """One attempt.

        True when the batch was answered for, by receipt or refusal. Raises UplinkError,
        EvidenceError.
        """
        for _ in range(SUPPLY_DEPTH_MAX):
            base = self._keeper.kept
            path = f"/v1/batch/{offer.batch.id.hex()}?size={base.size}"
            answer = await self._client.request("POST", path, offer.encoded, TIMEOUT_S)
            if answer.status == 200:
                await self._believe(offer, base, answer)
                return True
            if answer.status == 422:
                self._set_aside(offer, answer)
                return True
            if answer.status != 409:
                raise _unwell(answer, "")
            async with self._supplying:
                if not await self._supply(answer, SUPPLY_DEPTH_MAX):
                    return False
        raise UplinkError("the record keeps asking for statements that it was given")

    async def _supply(self, answer: Answer, depth: int) -> bool:
        """Sends the statements that an answer asks for.

        False while one is not to be had: its key has yet to sign.
        """
        if depth == 0:
            raise UplinkError("the record asks for statements in a circle")
        for item in shape.array(cbor.decode(answer.body), "wanted")[:WANTED_MAX]:
            _, name = shape.array(item, "wanted", 2)
            body = await self._statement(shape.blob(name, "name", merkle.HASH_BYTES))
            if body is None:
                return False
            posted = await self._client.request("POST", "/v1/statement?size=0", body, TIMEOUT_S)
            if posted.status == 409 and not await self._supply(posted, depth - 1):
                return False
            if posted.status == 409:
                posted = await self._client.request("POST", "/v1/statement?size=0", body, TIMEOUT_S)
            if posted.status == 422:
                raise UplinkError(f"the record refuses a statement: {self._refusal(posted).text}")
            if posted.status != 200:
                raise _unwell(posted, " to a statement")
        return True

    async def _statement(self, name: bytes) -> bytes | None:
        """A statement as it is sent: [statement, [[salt, value], ...]]."""
        try:
            found = await self._keeper.on_disk(lambda: self._keeper.spool.statement(name))
        except SpoolError:
            return None
        if found is None:
            return None
        return cbor.encode([found.encoded, cbor.decode(found.disclosures)])

    async def _believe(self, offer: Offer, base: Kept, answer: Answer) -> None:
        """Checks a receipt, and keeps it. Raises EvidenceError for one that does not hold."""
        async with self._proving:
            while True:
                encoded, signed = self._checked(offer, base, answer)
                if base == self._keeper.kept:
                    break
                # Another receipt was kept meanwhile: this one must be proved against that.
                base = self._keeper.kept
                path = f"/v1/receipt/{offer.batch.id.hex()}?size={base.size}"
                answer = await self._client.request("GET", path, None, TIMEOUT_S)
                if answer.status != 200:
                    raise _unwell(answer, " for a receipt that it gave")
            if signed.size > base.size:
                self._keeper.believe(Kept(signed.size, signed.root))
            batch = offer.batch
            self._keeper.answer(batch.row, State.RECEIPTED, encoded, batch.observations, batch.size)

    def _checked(self, offer: Offer, base: Kept, answer: Answer) -> tuple[bytes, receipt.Receipt]:
        encoded, proof = shape.array(cbor.decode(answer.body), "answer", 2)
        message = cose.read_statement(shape.blob(encoded, "receipt"), Typ.RECEIPT)
        cose.check(message, self._log_key)
        signed = receipt.read(message.payload)
        signed.check(offer.head, offer.batch.id)
        hashes = [
            shape.blob(item, "proof hash", merkle.HASH_BYTES)
            for item in shape.array(proof, "proof")
        ]
        old, new = sorted((base, Kept(signed.size, signed.root)), key=lambda kept: kept.size)
        merkle.check_consistency(old.size, old.root, new.size, new.root, hashes)
        return message.encoded, signed

    def _set_aside(self, offer: Offer, answer: Answer) -> None:
        refusal = self._refusal(answer)
        if refusal.subject != batch_id(offer.head):
            raise EvidenceError(Reason.OTHER_SUBJECT, "a refusal of another batch")
        batch = offer.batch
        log.error(
            "batch %s was refused: %s: %s",
            batch.id.hex()[:16],
            refusal.reason.name.lower(),
            refusal.text,
        )
        self._keeper.answer(batch.row, State.REFUSED, answer.body, batch.observations, batch.size)

    def _refusal(self, answer: Answer) -> receipt.Refusal:
        message = cose.read_statement(answer.body, Typ.REFUSAL)
        cose.check(message, self._log_key)
        return receipt.read_refusal(message.payload)

    async def _compare_heads(self) -> None:
        """Asks once what the record has of this device.

        A run that this disk does not know means it was rolled back.
        """
        wait_s = BACKOFF_S[0]
        while True:
            try:
                answer = await self._client.request(
                    "GET", f"/v1/device/{self._device.kid.hex()}/heads", None, TIMEOUT_S
                )
                if answer.status == 200:
                    self._judge_heads(cbor.decode(answer.body))
                    return
                if answer.status == 404:
                    return
            except (UplinkError, EvidenceError) as fault:
                self._health.record = str(fault)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, BACKOFF_S[1])

    def _judge_heads(self, heads: Any) -> None:
        for item in shape.array(heads, "heads"):
            parts = shape.array(item, "head", 4)
            stream, seq = shape.uint(parts[0], "stream"), shape.uint(parts[2], "seq")
            run = shape.blob(parts[1], "run", merkle.HASH_BYTES)
            if not self._keeper.knows(stream, run, seq):
                log.error(
                    "the record has seq %s of stream %s, which this disk never had: rolled back",
                    seq,
                    stream,
                )
                self._keeper.turn(Cause.ROLLBACK)
                return


def _unwell(answer: Answer, to: str) -> UplinkError:
    """The fault of a status that answers for nothing."""
    whole = answer.status == BUSY_STATUS or answer.status >= 500
    said = answer.body[:SAID_MAX].decode("ascii", "replace") if answer.status == 400 else ""
    why = "".join(sign for sign in said if sign.isprintable())
    text = f"the record answers {answer.status}{to}" + (f": {why}" if why else "")
    return UplinkError(text, BUSY if whole else ANSWER)
