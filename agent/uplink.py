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
5. Live batches go first, and the backlog has its share (agent.turn); both within the cap that the
   operator set (agent.pace). All batches found at the start are backlog.
6. Where what the record says does not hold with the tree kept last, agent.lineage looks whether its
   log was rolled back; while that is open nothing is sent.

It holds at most `in_flight` batches' bytes in memory. It signs nothing and writes no disk.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from agent.commit import Kept, State, Waiting
from agent.config import HANDOVERS_MAX, UplinkSection
from agent.health import Health
from agent.keeper import Keeper
from agent.lineage import ANSWER, BUSY, Lineage, unwell
from agent.pace import Pace
from agent.schema import DamageError, GoneError, SpoolError
from agent.transport import SLOWEST_BYTES_S, Answer, Transport, UplinkError
from agent.turn import Turns
from evidence import cbor, cose, merkle, receipt, shape
from evidence.code import Reason, Typ
from evidence.head import batch_id
from evidence.key import PublicKey
from evidence.refusal import EvidenceError

BACKOFF_S = (0.2, 30.0)  # first and longest wait
TIMEOUT_S = 30.0  # of one exchange: a backlog batch over a slow line
LIST_MAX = 64  # batches looked up at once
TRIES_MAX = 3  # of one batch, while the record answers: then others have their turn
PASSES_MAX = 16  # one after another: then it is the record, and each more waits longer
RETRY_S = 10.0  # between two looks at what was passed over
UNREAD_S = 300.0  # between two looks at a batch that the disk did not give twice
UNREAD_MAX = 1024  # such batches that are told apart
SETTLE_S = 30.0  # an answered batch is durable as such by then: a commit takes ms
WANTED_MAX = 1024  # statements asked for in one answer
# Credential, run, descriptor: each may ask for the one before; and a rotation and the credential
# before it, for each key before.
SUPPLY_DEPTH_MAX = 4 + 2 * HANDOVERS_MAX
ANSWERED, PASSED, LEFT = "answered", "passed", "left"  # how an offer ends
PROBES = ("name", "refused", "unreachable")  # causes of UplinkError: it cost some packets
PROBE_S = 5.0  # longest wait then: a record that is there again is soon seen, and all are woken
UNSENT = (*PROBES, "tls")  # no request was sent
NS = 1_000_000_000
log = logging.getLogger("gridseal.uplink")


class Offer(NamedTuple):
    """A batch on its way: its bytes, and its encoded head."""

    batch: Waiting
    encoded: bytes
    head: bytes
    live: bool


class Uplink:
    """The way to one record. `random(n)` gives n random bytes, for jitter."""

    def __init__(
        self,
        client: Transport,
        log_key: PublicKey,
        device: PublicKey,
        keeper: Keeper,
        random: Callable[[int], bytes],
        health: Health,
        settings: UplinkSection,
    ) -> None:
        self._client, self._log_key = client, log_key
        self._keeper, self._random, self._health = keeper, random, health
        self._slots, share = settings.in_flight, settings.backlog_share
        self._turns = Turns(self._slots, share)
        self._pace = Pace(settings.max_kbps, share, _monotonic_ns)
        self._newest = 0  # the last row that was looked up as live
        self._tried = 0  # the last row of the backlog that was ever offered
        self._unread: set[int] = set()  # rows that the disk did not give
        self._up = asyncio.Event()  # set for a moment whenever a batch goes through
        self._passed = ""  # why the last batch was passed over; empty when none is
        self._passes = 0  # one after another
        self._away = False  # whether nobody answered, the last time
        self._said = ""  # the fault that was logged last; empty once a batch went through
        self._proving = asyncio.Lock()
        self._supplying = asyncio.Lock()
        ask = partial(self._ask, live=True)
        self._lineage = Lineage(ask, log_key, device, keeper, health, self._proving)

    async def run(self) -> None:
        """Offers what waits, until cancelled."""
        await self._begin()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._lineage.compare_heads())
            group.create_task(self._list())
            group.create_task(self._look_back())
            group.create_task(self._lineage.watch(self._turns.anew))
            for _ in range(self._slots):
                group.create_task(self._offer())

    async def _begin(self) -> None:
        """What was cut until now is backlog."""
        while True:
            try:
                self._newest = await self._keeper.on_disk(lambda: self._keeper.spool.newest())
                return
            except SpoolError:
                await asyncio.sleep(BACKOFF_S[0])  # the keeper opens it again

    async def _list(self) -> None:
        """Puts batches into the live lane as they are cut."""
        while True:
            await self._keeper.offered.wait()
            self._keeper.offered.clear()
            while True:
                try:
                    found = await self._keeper.on_disk(partial(self._waiting, self._newest))
                except SpoolError:
                    break  # the keeper opens it again, and offers
                for batch in found:
                    self._newest = batch.row
                    self._turns.add_live(batch, TRIES_MAX)
                self._keeper.behind = self._turns.behind
                if len(found) < LIST_MAX:
                    break

    async def _look_back(self) -> None:
        """Puts what else waits into the backlog's lane, oldest first, again and again.

        What was passed over or could not be read comes up with it, for one try a round. A round
        begins every RETRY_S, and sooner when there is more than there was.
        """
        cursor = 0
        while True:
            await self._turns.hungry.wait()
            try:
                found = await self._keeper.on_disk(partial(self._waiting, cursor))
            except SpoolError:
                await self._rest(self._turns.more, RETRY_S)  # the keeper opens it again
                continue
            old = [one for one in found if one.row <= self._newest and not self._turns.holds(one)]
            whole = len(found) == LIST_MAX
            if not old and not cursor and not whole:
                self._passed = ""
            self._turns.add_backlog((one, TRIES_MAX if one.row > self._tried else 1) for one in old)
            self._tried = max(self._tried, *(one.row for one in old), 0)
            cursor = found[-1].row if whole else 0
            if not cursor:
                await self._rest(self._turns.more, RETRY_S)
                self._turns.more.clear()

    async def _rest(self, event: asyncio.Event, most_s: float) -> bool:
        """Waits for an event, or that long: then False."""
        # Not wait_for: before Python 3.12 it can lose a cancellation, and the agent its end.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most_s):
                return await event.wait()
        return False

    async def _offer(self) -> None:
        while True:
            turn = await self._turns.take()
            self._keeper.behind = self._turns.behind
            self._health.in_flight = self._turns.under_way
            settle_s = 0.0
            under_way = self._keeper.relief.under_way
            under_way.add(turn.batch.row)
            try:
                if self._keeper.relief.goes(turn.batch.row):
                    raise GoneError(f"batch {turn.batch.row} is given up")
                read = await self._keeper.on_disk(partial(self._keeper.spool.batch, turn.batch.row))
                self._unread.discard(turn.batch.row)
                self._health.unread = len(self._unread)
                offer = Offer(turn.batch, *read, turn.live)
                outcome = await self._until_answered(offer, turn.tries)
                if outcome == PASSED:
                    self._passes += 1
                    await asyncio.sleep(self._pace_s())
                elif outcome == ANSWERED:
                    settle_s, self._passes = SETTLE_S, 0
                if outcome == LEFT or (outcome == ANSWERED and turn.tries < TRIES_MAX):
                    self._turns.more.set()
            except DamageError:
                self._keeper.relief.damaged(turn.batch.row)
                settle_s = SETTLE_S
            except GoneError:
                self._unread.discard(turn.batch.row)  # given up in the meantime, and stated
            except SpoolError as fault:
                settle_s = self._cannot_read(turn.batch, fault)
            finally:
                under_way.discard(turn.batch.row)
                self._turns.done(turn, settle_s)
                self._health.in_flight = self._turns.under_way

    def _cannot_read(self, batch: Waiting, fault: SpoolError) -> float:
        """Says it once. How long to leave it alone: at first the disk may just have been opened."""
        if batch.row in self._unread:
            return UNREAD_S
        if len(self._unread) < UNREAD_MAX:
            self._unread.add(batch.row)
            self._health.unread = len(self._unread)
            log.error("batch %s cannot be offered: %s", batch.id.hex()[:16], fault)
        return 0.0

    def _pace_s(self) -> float:
        """How long a slot rests after a batch was passed over."""
        return min(BACKOFF_S[0] * 2.0 ** min(self._passes // PASSES_MAX, 16), BACKOFF_S[1])

    def _waiting(self, after: int) -> list[Waiting]:
        return self._keeper.spool.waiting(after, LIST_MAX)

    async def _until_answered(self, offer: Offer, tries: int) -> str:
        """Offers a batch until it is ANSWERED for.

        PASSED, over: so many tries long the record did not take it. LEFT: it was live when the link
        was lost, and the link is back: newer ones have its slot.
        """
        was_live = offer.live
        tries = tries if self._passes < PASSES_MAX else 1
        wait_s = BACKOFF_S[0]
        while True:
            await self._lineage.sure.wait()
            cause = ANSWER
            try:
                if await self._push(offer):
                    self._well()
                    return ANSWERED
                fault = "the record asks for statements"
            except EvidenceError as why:
                fault = str(why)
                self._lineage.doubted.set()
            except UplinkError as why:
                fault, cause = str(why), why.cause
                if cause == ANSWER:
                    self._lineage.doubted.set()
            if fault != self._said:  # once, not with every batch and try: a record may be away long
                log.warning("batch %s: %s", offer.batch.id.hex()[:16], fault)
            self._health.record = self._said = fault
            tries -= cause == ANSWER
            if tries <= 0:
                self._passed = fault
                return PASSED
            wait = wait_s * (0.5 + self._random(1)[0] / 256)
            if cause in (ANSWER, BUSY):
                await asyncio.sleep(wait)
            else:  # nobody answers: the first that gets through says so to all
                self._away = True
                if await self._rest(self._up, wait) and was_live:
                    return LEFT
                offer = offer._replace(live=False)
            wait_s = min(wait_s * 2, PROBE_S if cause in PROBES else BACKOFF_S[1])

    def _well(self) -> None:
        """A batch was answered for."""
        if self._away:  # what was cut before the last is backlog: what is cut now does not wait
            self._away = False
            self._turns.leave(1)
            self._keeper.behind = self._turns.behind
        self._said = ""
        self._health.record = f"up; passed over: {self._passed}" if self._passed else "up"
        self._up.set()  # wakes who waits, and nobody who comes later
        self._up.clear()

    async def _ask(self, method: str, path: str, body: bytes | None, live: bool) -> Answer:
        """One exchange, within the cap. Raises UplinkError."""
        size = len(body or b"")
        if body is None:  # others wait for what is asked here: it is paid for, and not held up
            self._pace.pay(size, live)
        else:
            await self._pace.spend(size, live)
        whole_s = TIMEOUT_S + size / SLOWEST_BYTES_S
        try:
            return await self._client.request(method, path, body, whole_s)
        except UplinkError as fault:
            if fault.cause in UNSENT:
                self._pace.refund(size, live)
            raise

    async def _push(self, offer: Offer) -> bool:
        """One attempt.

        True when the batch was answered for, by receipt or refusal. Raises UplinkError,
        EvidenceError.
        """
        for _ in range(SUPPLY_DEPTH_MAX):
            base = self._keeper.said.kept
            path = f"/v1/batch/{offer.batch.id.hex()}?size={base.size}"
            answer = await self._ask("POST", path, offer.encoded, offer.live)
            if answer.status == 200:
                await self._believe(offer, base, answer)
                return True
            if answer.status == 422:
                self._set_aside(offer, answer)
                return True
            if answer.status != 409:
                raise unwell(answer, "")
            async with self._supplying:
                if not await self._supply(answer, SUPPLY_DEPTH_MAX, offer.live):
                    return False
        raise UplinkError("the record keeps asking for statements that it was given")

    async def _supply(self, answer: Answer, depth: int, live: bool) -> bool:
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
            posted = await self._ask("POST", "/v1/statement?size=0", body, live)
            if posted.status == 409 and not await self._supply(posted, depth - 1, live):
                return False
            if posted.status == 409:
                posted = await self._ask("POST", "/v1/statement?size=0", body, live)
            if posted.status == 422:
                raise UplinkError(f"the record refuses a statement: {self._refusal(posted).text}")
            if posted.status != 200:
                raise unwell(posted, " to a statement")
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
                if base == self._keeper.said.kept:
                    break
                # Another receipt was kept meanwhile: this one must be proved against that.
                base = self._keeper.said.kept
                path = f"/v1/receipt/{offer.batch.id.hex()}?size={base.size}"
                answer = await self._ask("GET", path, None, offer.live)
                if answer.status != 200:
                    raise unwell(answer, " for a receipt that it gave")
            if signed.size > base.size:
                self._keeper.said.believe(Kept(signed.size, signed.root))
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


def _monotonic_ns() -> int:
    return round(asyncio.get_running_loop().time() * NS)
