"""The log as it is published: its tree signed at an interval, cosigned by witnesses, and kept once
the quorum is there.

1. What is signed is committed, so no two notes of this log contradict each other, whatever fails
   after.
2. A witness that is away, slow or wrong holds up nothing but its own cosignature: each has a task
   of its own, that offers the newest note and waits longer after each failure.
3. Published is the largest tree whose note the quorum cosigned; a cosignature that comes later is
   added to the note. Until then the one before stays, and its age is said.
4. The next tree is signed once the last one has its quorum, or QUORUM_S later: offered a new one
   whenever they are free, slow witnesses would each cosign trees of their own, and none together.
5. The log's key signs in the desk's working thread, one thing at a time, and never in the loop.

It runs beside the desk: nothing that is admitted waits for it.
"""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping

import aiohttp

from evidence.refusal import EvidenceError
from evidence.tlog import policy
from evidence.tlog.note import Line, Note
from record.database import StoreError
from record.offer import OFFER_S, ForkError, Offer, OfferError
from record.publishing import Publishing
from record.schema import NoteRow
from record.shelf import published

AGAIN_S, AGAIN_S_MAX = 1.0, 60.0  # after a failure, and after many
PENDING_MAX = 64  # notes that wait for a quorum: ten minutes of them
QUORUM_S = OFFER_S  # for the quorum of one tree; longer than that no answer is awaited
LINE_S = 60.0  # how often its state is logged while the quorum is missing
Signed = Callable[[str], Awaitable[tuple[int, Note] | None]]
log = logging.getLogger("gridseal.record.publisher")


class Publisher:
    """Publishes one log. `size()`: of the log; `signed`: it as a note; `keep`: the note, for ever;
    `proof`: from a smaller tree to a larger. `start` and `close` belong to one loop."""

    def __init__(
        self,
        told: Publishing,
        size: Callable[[], int],
        signed: Signed,
        keep: Callable[[NoteRow], Awaitable[None]],
        proof: Callable[[int, int], Awaitable[tuple[bytes, ...]]],
    ) -> None:
        self._told, self._size, self._proof = told, size, proof
        self._sign, self._keep = signed, keep
        self._pending: dict[int, Note] = {}  # by size, rising
        self._newest: tuple[int, Note] | None = None
        self._signed_s = 0.0  # when, by the loop's clock
        self._had: Mapping[str, int] = {}  # who cosigned the note that it began with
        self._grown = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None
        self.published = 0  # entries; 0: nothing yet
        self.faults: dict[str, str] = {}  # of witnesses, by name

    def start(self, last: NoteRow | None = None) -> None:
        """Goes on after the note that was kept last. Raises StoreError."""
        if last is not None:
            self._restore(last)
        self._session = aiohttp.ClientSession()
        offers = {
            name: Offer(
                *(self._told.urls[name], holder.key, self._proof, self._last_of(name)),
                self._told.trusts.get(name, True),
            )
            for name, holder in self._told.policy.witnesses.items()
        }
        runs = [self._publish(), *(self._offer(*each) for each in offers.items())]
        self._tasks = [asyncio.create_task(each) for each in runs]
        for task in self._tasks:
            task.add_done_callback(_ended)

    async def close(self) -> None:
        """Idempotent."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def _restore(self, last: NoteRow) -> None:
        """One under another name, or with a cosignature that does not hold, is left as it is."""
        signed = published(last)
        if not signed.text.startswith(f"{self._told.log.name}\n"):
            return
        try:
            self._had = policy.cosigners(self._told.policy, signed)
        except EvidenceError as fault:
            log.error("the note of %s entries: %s", last.size, fault)
            return
        self._newest = last.size, signed
        self._pending[last.size] = signed
        if self._told.policy.satisfied(self._had):
            self.published = last.size

    def _last_of(self, name: str) -> tuple[int, Note] | None:
        """The note that it begins with, if this witness cosigned it."""
        return self._newest if name in self._had else None

    async def _publish(self) -> None:
        """Signs the tree whenever it has grown."""
        loop = asyncio.get_running_loop()
        said = loop.time()
        while True:
            newest = 0 if self._newest is None else self._newest[0]
            waits = newest > self.published and loop.time() < self._signed_s + QUORUM_S
            if self._size() > newest and not waits:
                self._signed_s = loop.time()
                try:
                    await self._sign_next()
                except StoreError as fault:
                    self._newest = None  # signed anew
                    log.warning("the log is not published: %s", fault)
            if self.published < self._size() and loop.time() - said > LINE_S:
                said = loop.time()
                log.warning("%s", self.line())
            await asyncio.sleep(self._told.every_s)

    async def _sign_next(self) -> None:
        found = await self._sign(self._told.log.name)
        if found is None:
            return
        self._newest = found
        size, signed = found
        self._pending[size] = signed
        while len(self._pending) > PENDING_MAX:
            del self._pending[next(iter(self._pending))]
        await self._add(size, [])
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    async def _offer(self, name: str, offer: Offer) -> None:
        """Has one witness cosign the newest note, and the next one once there is one."""
        last, wait_s = self._last_of(name), AGAIN_S
        done = 0 if last is None else last[0]
        while True:
            grown = self._grown
            if self._newest is None or self._newest[0] <= done or self._session is None:
                await grown.wait()
                continue
            size, signed = self._newest
            try:
                lines = await offer.cosigned(self._session, size, signed)
                await self._add(size, lines)
            except (OfferError, StoreError) as fault:
                self._failed(name, fault)
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, AGAIN_S_MAX)
                continue
            done, wait_s = size, AGAIN_S
            if self.faults.pop(name, None) is not None:
                log.warning("witness %s cosigns again", name)

    def _failed(self, name: str, fault: Exception) -> None:
        """Said once, until it cosigns again or fails otherwise."""
        if self.faults.get(name) != str(fault):
            say = log.error if isinstance(fault, ForkError) else log.warning
            say("witness %s does not cosign: %s", name, fault)
        self.faults[name] = str(fault)

    async def _add(self, size: int, lines: list[Line]) -> None:
        """Adds cosignatures to a note, and publishes it when they are enough. Raises StoreError."""
        signed = self._pending.get(size)
        if signed is None:
            return
        signed = self._pending[size] = signed.with_lines(lines)
        enough = self._told.policy.satisfied(policy.cosigners(self._told.policy, signed))
        if not enough or size < self.published:
            return
        encoded = signed.encode()
        await self._keep(NoteRow(size, encoded, hashlib.sha256(encoded).digest()))
        self.published = max(size, self.published)
        for older in [each for each in self._pending if each < self.published]:
            del self._pending[older]

    def line(self) -> str:
        """Its state, for people and for whatever counts."""
        told = f"published {self.published} of {self._size()} entries"
        away = "; ".join(f"{name}: {fault}" for name, fault in sorted(self.faults.items()))
        count, all_ = self._told.least, len(self._told.policy.witnesses)
        return f"{told}, a quorum of {count} of {all_} witnesses{'; ' if away else ''}{away}"


def _ended(task: asyncio.Task[None]) -> None:
    """A bug in it ends nothing else, and must not be silent."""
    if not task.cancelled() and task.exception() is not None:
        log.error("the log is not published any more: a bug", exc_info=task.exception())
