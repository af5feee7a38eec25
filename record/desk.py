"""The record without its door: takes encoded statements and batches, answers with receipts,
refusals, wishes.

1. Two threads beside the loop. One works: it checks what comes, by a connection that only reads,
   and appends it, by the one that writes. The other waits for the disk, so that checking goes on
   while a commit is synced; Python code in both would only take turns.
2. Group commit: what is admitted while a commit runs, or within GROUP_S of the first, shares the
   next one.
3. What waits is bounded by number, what is to be written and what is only asked each; beyond it
   the answer is BusyError, "later".
4. A refusal is answered once its exhibit is kept, or found to be one too many. Values that are
   missing beside a statement, or are not its own, leave no exhibit: nobody signed for them. What
   the sequencer refuses is refused like what the check does.
5. What is signed of an id is of bytes with that hash. A head that is in the log has its receipt,
   whatever comes behind it now.
6. While the store of the log key is away, what needs a signature is answered "later".

It knows no HTTP.
"""

import asyncio
import gc
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, TypeVar

from evidence import checkpoint, cose, head, receipt
from evidence.anchor import Authorities
from evidence.code import Reason, Typ
from evidence.heads import Heads
from evidence.key import Signer
from evidence.refusal import EvidenceError
from evidence.tlog.note import Note
from record import signature, verdict
from record.admit import Admitter, DisclosureError
from record.appraisal import Readings
from record.database import Place, StoreError
from record.exhibit import exhibit_of
from record.idle import ended, look
from record.known import Known
from record.log import Log, consistency, stored_node
from record.reach import heads_of
from record.round import ENTRIES_MAX, Round
from record.schema import Entry, Exhibit, NoteRow
from record.sequencer import Appraised, Item, Placed, Sequencer
from record.store import open_reader, open_writer

GROUP_S = 0.002  # how long a commit waits for company: little against an fsync on real disks
GROUP_MAX = 8  # batches of one commit
# Requests admitted or being checked, 64 gateways with 4 in flight; and as many that only ask.
WAITING_MAX = 256
Pairs = Sequence[tuple[bytes, bytes]]
T = TypeVar("T")


class BusyError(Exception):
    """Too much waits; the same again later."""


class NotTheBatchError(Exception):
    """Bytes without a head, or with another than that of the id they were sent under."""


class Answer(NamedTuple):
    """A receipt, and the proof between its tree and the one that the asker has."""

    receipt: bytes
    consistency: tuple[bytes, ...]


class RefusedError(Exception):
    """`refusal`: signed."""

    def __init__(self, refusal: bytes, reason: Reason) -> None:
        super().__init__(reason.name.lower())
        self.refusal = refusal


class _Waiting(NamedTuple):
    """What the next commit takes: an item, something to keep, or what was found of earlier ones."""

    item: Item | None
    kept: Exhibit | NoteRow | None
    kept_size: int
    answer: asyncio.Future[Answer | None]
    appraised: Appraised | None = None


class Desk:
    """One record. `now()`: ns TAI; `random()`: a float in [0, 1). `appraise_s`: how often it looks
    at the values of what it admitted; None: never. Not `durable`: see record.store.open_writer."""

    def __init__(
        self,
        place: Place,
        signer: Signer,
        authorities: Authorities,
        now: Callable[[], int],
        random: Callable[[], float],
        every: bool = False,
        appraise_s: float | None = None,
        durable: bool = True,
    ) -> None:
        self._durable = durable
        self._appraise_s = appraise_s
        self._looking: asyncio.Task[None] | None = None
        self.place, self._signer, self._now = place, signer, now
        self._authorities, self._random, self._every = authorities, random, every
        self._working = ThreadPoolExecutor(1, "working")
        self._syncing = ThreadPoolExecutor(1, "syncing")
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._group: list[_Waiting] = []
        self._busy = self._asked = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.size = 0

    async def open(self) -> None:
        """Opens or makes the store. Raises StoreError."""
        await self._in(self._working, self._open_writer)
        await self._in(self._working, self._open_reader)
        self._task = asyncio.create_task(self._sequence())
        self._task.add_done_callback(self._stopped)
        if self._appraise_s is not None:
            self._looking = asyncio.create_task(look(self, self._appraise_s))
            self._looking.add_done_callback(ended)

    async def close(self) -> None:
        """Commits what was admitted, and closes."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        if self._task is not None:
            await self._idle.wait()
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            # A note, or what a round found, may be in the middle of its commit: nobody waits there.
            await self._in(self._working, self._syncing.shutdown)
            await self._in(self._working, self._reader.close)
            await self._in(self._working, self._store.close)
        self._working.shutdown()
        self._syncing.shutdown()

    # --- what may be asked --------------------------------------------------------------------

    async def statement(self, encoded: bytes, pairs: Pairs, kept_size: int) -> Answer:
        """Raises RefusedError, MissingError, BusyError, StoreError, ValueError for a size not
        reached.
        """
        subject = hashlib.sha256(encoded).digest()
        check = partial(self._check_statement, encoded, pairs)
        return await self._admit(subject, encoded, kept_size, check)

    async def batch(self, encoded: bytes, batch_id: bytes, kept_size: int) -> Answer:
        """As `statement`. Raises NotTheBatchError too."""
        check = partial(self._check_batch, encoded, batch_id)
        return await self._admit(batch_id, encoded, kept_size, check)

    async def checked(
        self, encoded: bytes, batch_id: bytes, kept_size: int, found: bytes
    ) -> Answer:
        """As `batch`, for one that a worker has checked, with its verdict (record.verdict)."""
        check = partial(self._check_verdict, encoded, batch_id, found)
        return await self._admit(batch_id, encoded, kept_size, check)

    async def receipt(self, subject: bytes, kept_size: int) -> Answer | None:
        """What was answered before. Raises BusyError, ValueError for a size not reached."""
        return await self._look(self._receipt, subject, kept_size)

    async def heads(self, kid: bytes) -> bytes:
        """The furthest link of each stream of a device, signed. Raises BusyError."""
        return await self._look(self._heads, kid)

    async def checkpoint(
        self, kept_size: int
    ) -> tuple[int, bytes, bytes | None, tuple[bytes, ...]]:
        """Size, root, the signed checkpoint (None while the log is empty), proof from the kept
        size. Raises BusyError.
        """
        return await self._look(self._checkpoint, kept_size)

    # --- what is published (record.publisher) -------------------------------------------------

    async def note(self, origin: str) -> tuple[int, Note] | None:
        """Size of the log as it stands, and its note, signed; None while it is empty. Raises
        StoreError."""
        return await self._in(self._working, signature.noted, self._reader, origin, self._signer)

    async def keep_note(self, row: NoteRow) -> None:
        """Raises StoreError."""
        await self._write(None, row, 0)

    # --- what was admitted, looked at again (record.idle) -------------------------------------

    async def begin_round(self) -> bool:
        return await self._in(self._working, self._begin_round)

    async def step_round(self) -> Appraised | None:
        return await self._in(self._working, self._round.step)

    async def end_round(self, found: Appraised) -> None:
        await self._write(None, None, 0, found)

    async def quiet(self) -> None:
        await self._idle.wait()

    def _begin_round(self) -> bool:
        start, size = self._sequencer.appraised, self._reader.size()
        upto = min(size, start + ENTRIES_MAX)
        self._round = Round(self._reader, self._readings, start, upto)
        return upto > start

    # --- in the working thread: checking ------------------------------------------------------

    def _open_reader(self) -> None:
        self._reader = open_reader(self.place, live=True)
        self._known = Known(self._reader)
        self._readings = Readings(self._known)
        how = (self._known, self._authorities, self._random, self._every)
        self._admitter = Admitter(*how, keys=self._sequencer.joint.key)  # in this same thread

    def _check_statement(self, encoded: bytes, pairs: Pairs) -> Item | Entry:
        found = self._reader.entry_of(hashlib.sha256(encoded).digest())
        return found or self._admitter.statement(encoded, pairs)

    def _check_batch(self, encoded: bytes, batch_id: bytes) -> Item | Entry:
        """Raises NotTheBatchError: nothing is signed under an id of bytes that are not its own."""
        try:
            message = cose.stated(cose.read_at(encoded, 0)[0], Typ.HEAD)
        except EvidenceError as fault:
            raise NotTheBatchError(f"no head: {fault}") from fault
        if head.batch_id(message.encoded) != batch_id:
            raise NotTheBatchError("the head is not that of this id")
        found = self._reader.entry_of(batch_id)  # whatever the body: that of the head is here
        return found or self._admitter.batch(encoded, batch_id, self._now())

    def _check_verdict(self, encoded: bytes, batch_id: bytes, found: bytes) -> Item | Entry:
        kept = self._reader.entry_of(batch_id)
        return kept or verdict.rebuilt(self._known, encoded, batch_id, found)

    def _answer(self, entry: Entry, kept_size: int) -> Answer:
        size = receipt.read(cose.read(entry.receipt).payload).size
        fetch = partial(stored_node, self._reader)
        return Answer(entry.receipt, consistency(kept_size, size, self._reader.size(), fetch))

    def _receipt(self, subject: bytes, kept_size: int) -> Answer | None:
        entry = self._reader.entry_of(subject)
        return None if entry is None else self._answer(entry, kept_size)

    def _heads(self, kid: bytes) -> bytes:
        self._reader.snapshot()
        try:
            found = heads_of(self._reader, kid)
            told = Heads(kid, self._reader.size(), self._now(), found)
        finally:
            self._reader.rollback()
        return self._sign(Typ.HEADS, told.payload())

    def _checkpoint(self, kept_size: int) -> tuple[int, bytes, bytes | None, tuple[bytes, ...]]:
        size, fetch = self._reader.size(), partial(stored_node, self._reader)
        signed = self._reader.checkpoint(size)
        if signed is None:
            return 0, Log(self._reader).root(), None, consistency(kept_size, 0, size, fetch)
        root = checkpoint.read(cose.read(signed).payload).root
        return size, root, signed, consistency(kept_size, size, size, fetch)

    # --- in the working thread: appending -----------------------------------------------------

    def _open_writer(self) -> None:
        store = open_writer(self.place, self._durable)
        try:
            signature.own(store, self._signer.public)
            self._log = Log(store)
            self._sequencer = Sequencer(store, self._log, self._sign, authorities=self._authorities)
        except StoreError:
            store.close()
            raise
        self._store = store
        self.size = self._log.size

    def _sign(self, typ: Typ, payload: bytes) -> bytes:
        return signature.signed(typ, payload, self._signer)

    def _append(self, group: Sequence[_Waiting]) -> list[Answer | Exception | None]:
        items = [waiting.item for waiting in group if waiting.item is not None]
        kept = [waiting.kept for waiting in group if waiting.kept is not None]
        appraised = next((one.appraised for one in group if one.appraised is not None), None)
        placed = iter(self._sequencer.append(items, self._now(), kept, appraised))
        return [
            None if waiting.item is None else self._placed(next(placed), waiting.kept_size)
            for waiting in group
        ]

    def _placed(self, found: Placed, kept_size: int) -> Answer | Exception:
        if not isinstance(found, Entry):
            return found
        size = receipt.read(cose.read(found.receipt).payload).size
        return Answer(found.receipt, self._log.consistency(kept_size, size))

    # --- in the loop --------------------------------------------------------------------------

    async def _admit(
        self, subject: bytes, encoded: bytes, kept_size: int, check: Callable[[], Item | Entry]
    ) -> Answer:
        if kept_size > self.size:
            raise ValueError(f"the log has {self.size} entries, not {kept_size}")
        if self._busy >= WAITING_MAX:
            raise BusyError(f"{self._busy} requests wait")
        self._busy += 1
        self._idle.clear()
        try:
            try:
                found = await self._in(self._working, check)
                if isinstance(found, Entry):
                    return await self._in(self._working, self._answer, found, kept_size)
                answer = await self._write(found, None, kept_size)
            except EvidenceError as fault:
                refusal = receipt.Refusal(subject, fault.reason, fault.text[:1000], self._now())
                signed = await self._in(self._working, self._sign, Typ.REFUSAL, refusal.payload())
                # What a stranger sent beside a good statement is nobody's exhibit.
                if not isinstance(fault, DisclosureError):
                    device = await self._in(self._working, self._admitter.device_of, encoded)
                    await self._write(None, exhibit_of(device, signed, encoded), 0)
                raise RefusedError(signed, fault.reason) from fault
            if answer is None:
                raise StoreError("no answer from the sequencer")
            return answer
        finally:
            self._busy -= 1
            if not self._busy:
                self._idle.set()

    async def _write(
        self,
        item: Item | None,
        kept: Exhibit | NoteRow | None,
        kept_size: int,
        appraised: Appraised | None = None,
    ) -> Answer | None:
        future: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        if self._task is None or self._task.done():
            raise StoreError("nobody writes any more")
        self._queue.put_nowait(_Waiting(item, kept, kept_size, future, appraised))
        return await future

    def _stopped(self, _: asyncio.Task[None]) -> None:
        """Nobody waits for a sequencer that is gone."""
        while not self._queue.empty():
            self._group.append(self._queue.get_nowait())
        for waiting in self._group:
            if not waiting.answer.done():
                waiting.answer.set_exception(StoreError("nobody writes any more"))

    async def _sequence(self) -> None:
        """Commits group after group."""
        while True:
            group = self._group = [await self._queue.get()]
            if self._busy > 1 and self._queue.qsize() < GROUP_MAX - 1:
                await asyncio.sleep(GROUP_S)
            while len(group) < GROUP_MAX and not self._queue.empty():
                group.append(self._queue.get_nowait())
            try:
                answers = await self._in(self._working, self._append, group)
                await self._in(self._syncing, self._sequencer.finish)
            except StoreError as fault:
                for waiting in group:
                    if not waiting.answer.done():
                        waiting.answer.set_exception(fault)
                continue
            self.size = self._log.size
            for waiting, answer in zip(group, answers, strict=True):
                if waiting.answer.done():
                    continue
                if isinstance(answer, Exception):
                    waiting.answer.set_exception(answer)
                else:
                    waiting.answer.set_result(answer)

    async def _look(self, what: Callable[..., T], *values: object) -> T:
        if self._asked >= WAITING_MAX:
            raise BusyError(f"{self._asked} questions wait")
        self._asked += 1
        try:
            return await self._in(self._working, what, *values)
        finally:
            self._asked -= 1

    async def _in(self, where: ThreadPoolExecutor, what: Callable[..., T], *values: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(where, what, *values)


def settle_collector() -> None:
    """Nearly all that a record makes lives as long as one request, and has no cycles: the collector
    looks for them seldom, and never among what is there when this is called."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
