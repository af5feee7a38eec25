"""Keeps what was sealed: commits it, cuts batches, and begins a new run when one is due.

1. What was sealed and is not durable is held as frames too. After a failed commit the spool is
   opened again, and only frames that are not on it are sealed anew, in a new run that says so.
2. A new run begins at every start, after a failed commit, when this machine seems to have been
   asleep or copied, when the record is ahead of this disk, and every RUN_S.
3. One thing at a time is done with the run and the disk (`_turn`), and a commit once begun is seen
   through, even by who is told to stop.
4. What the record answered is kept until a commit with it is durable: it is not offered again.
5. What waits is bounded (agent.room): whoever reads lines waits for `room`.

It knows no line and no network. The spool is called in agent.disk's thread, the device key in
agent.signature's, never in the loop.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import TypeVar

from agent.answers import Answers, Told
from agent.beginning import Before, Due, commit_of, sealer_of
from agent.bookmark import Bookmarks
from agent.clock import RunClock, Watch
from agent.commit import KEEP_ALL_DAYS, Commit, Found, State
from agent.config import Gateway
from agent.cutter import Cut, Cutter, Limits
from agent.disk import Disk
from agent.health import Health
from agent.hearing import NOTHING, Hearing
from agent.relief import Relief
from agent.room import Room
from agent.schema import SpoolError
from agent.sealer import Sealer, Stretch
from agent.shelf import Shelf
from agent.signature import Signatures
from agent.spool import Spool
from evidence.code import Cause
from evidence.heads import StreamHead
from evidence.key import PublicKey, Signer
from evidence.run import Reached

REOPEN_S = (0.1, 5.0)  # first and longest wait before a failed spool is opened again
OWED_NS = 3 * 1_000_000_000  # how long holes across the start wait for the record's account
LOW_BYTES = 2 << 20  # given up at once on a disk that is nearly full
END_S = 5.0  # how long an ending agent waits for a disk that fails
T = TypeVar("T")
log = logging.getLogger("gridseal.keeper")


class Keeper:
    """The spool, and the run that fills it. `random(n)` gives n random bytes."""

    def __init__(
        self,
        gateway: Gateway,
        hearing: Hearing,
        clock: RunClock,
        watch: Watch,
        device: Signer,
        random: Callable[[int], bytes],
        health: Health,
    ) -> None:
        self._gateway, self._hearing, self._clock = gateway, hearing, clock
        self._device, self._random, self._health = device, random, health
        spool = gateway.file.spool
        shelf = Shelf(spool.spill_s * 1_000_000_000) if spool.durability == "spill" else None
        self._disk = Disk(gateway.path(spool.path), shelf)
        self._signatures = Signatures(device, health, gateway)
        self._turn = asyncio.Lock()
        self._sound = self._ended = False  # the disk holds what we think; the run was ended
        self._reached: tuple[Reached, ...] = ()
        self._sealer: Sealer | None = None
        self._cutter: Cutter | None = None
        self._piece_id = self._owed_until = 0
        self._due = Due(clock, watch)
        self._committing: tuple[Stretch, ...] = ()  # of the commit under way
        self._run = b""
        self.said = Answers(health)
        self.bookmarks = Bookmarks()
        self._runs: set[bytes] = set()
        self._ends: dict[int, bytes | None] = {}  # by stream: the run of its last link at the start
        # Stream, run: the seq that the disk had at the start.
        self._found: dict[tuple[int, bytes], int] = {}
        self._room = Room(spool.pending_bytes_max, health)
        self.relief = Relief(spool.when_full, hearing, health, self._disk, self.said.rows)
        self.offered = asyncio.Event()  # set when batches wait that were not there before
        self.behind = False  # set while live batches queue up: fuller ones go through faster

    async def start(self) -> None:
        """Opens the spool and begins a run. Raises SpoolError."""
        found = await self._disk.open()
        found.check_owner(self._device.public, self.keys_before)
        self.said.find(found)
        self.bookmarks.find(found.bookmarks)
        self._hearing.resume(found.came)
        late = found.run if found.late else None  # it has links there that are on no disk
        self._ends = dict.fromkeys(found.came, late)
        self._ends |= {item.stream: item.run for item in found.reached}
        cause = Cause.RESTART if found.run else Cause.FIRST_START
        await self._begin(found, cause, uncertain=found.late and not found.ended)
        self._owed_until = self._clock.monotonic_ns() + OWED_NS

    async def keep(self) -> None:
        """Commits every commit_ms, until cancelled; a failing disk is opened again for ever."""
        period = self._gateway.file.spool.commit_ms / 1000
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + period, loop.time())
            await asyncio.sleep(due - loop.time())
            async with self._turn:
                try:
                    await self._tick()
                except SpoolError as fault:
                    await self._recover(fault)

    def turn(self, cause: Cause) -> None:
        """Begins a new run at the next commit."""
        self._due.ask(cause)

    async def end_run(self) -> None:
        """Seals no more, and puts all that was sealed under a last head.

        Raises SpoolError when the disk takes nothing for END_S.
        """
        await self._signatures.settle()
        self.compared(())
        try:
            async with asyncio.timeout(END_S), self._turn:
                try:
                    await self._commit_all()
                except SpoolError as fault:
                    await self._recover(fault)
                    await self._commit_all()
                self._ended = True
        except TimeoutError as late:
            raise SpoolError(f"the disk took nothing: {self._health.spool_fault}") from late
        finally:
            self._hearing.detach()
            self._forget_key()

    def _forget_key(self) -> None:
        if self._sealer is not None:
            self._sealer.stop()
            self._sealer = None

    async def answered(self, most_s: float) -> None:
        """Waits until the record has answered for all that waits, or for that long."""
        try:
            async with asyncio.timeout(most_s):
                await self._room.idle.wait()
        except TimeoutError:
            log.info("%d observations wait on disk for their receipts", self._health.waiting)

    async def close(self) -> None:
        """Makes the last answers durable, says that the agent ended if all is on disk, and lets go
        of the spool. Whoever calls `keep` has cancelled it before. Raises SpoolError.
        """
        try:
            await self._signatures.settle()  # of a run that began while the last was to end
            async with self._turn:
                if self._sound:
                    await self._commit(ends=self._ended)
        finally:
            self._signatures.close()
            await self._disk.close()

    def compared(self, told: Iterable[StreamHead]) -> None:
        """The record says how far it has each stream, or was not asked in time: the holes across
        the start are stated. What it has of another run than the one in which this disk's last
        link was sealed says nothing of them: between the two lies a hole that only the disk knew.
        """
        self._owed_until = 0
        before = {
            head.stream: head.measured
            for head in told
            if head.measured is not None and head.run == self._ends.get(head.stream)
        }
        self._hearing.release(before)

    def answer(self, row: int, state: State, encoded: bytes, count: int, size: int) -> None:
        """What the record said of a batch; the next commit makes it durable. Said again before
        that, as when the disk hangs, it is no news.
        """
        if self.said.answer(Told(row, state, encoded, count, size)):
            self._health.answer(encoded, count, size, self._clock.now().tai)
            self._give_room()

    def knows(self, stream: int, run: bytes, seq: int) -> bool:
        """Whether a link that the record has can be of this disk: if not, that was rolled back."""
        return run in self._runs and seq <= self._found.get((stream, run), seq)

    async def on_disk(self, call: Callable[[], T]) -> T:
        """Runs a call of the spool in its thread."""
        return await self._disk.call(call)

    @property
    def keys_before(self) -> tuple[PublicKey, ...]:
        """Of this device, newest first."""
        return tuple(over.held.says.key for over in self._gateway.credential.before)

    @property
    def spool(self) -> Spool:
        return self._disk.spool

    # Runs

    async def _begin(self, found: Found, cause: Cause, uncertain: bool) -> None:
        """Begins a run on what the spool holds: cuts pieces without a head, has runs signed."""
        self._piece_id, self._reached = found.next_piece, found.reached
        self._runs |= found.runs | {item.run for item in found.reached}
        late = found.run if found.late else None  # the record may be ahead of it
        self._found = {(one.stream, one.run): one.seq for one in found.reached if one.run != late}
        await self.on_disk(partial(self.said.count, self.spool, found))
        await self.relief.recall()
        lost = None
        if cause == Cause.RESTART and found.taken is not None:
            lost = (found.taken, max(found.taken, self._clock.now().tai))
        sealer = await self._new_run(Before(cause, found.run, uncertain, lost, self._reached))
        for left in found.left:
            piece = (left.stretches, left.observations, left.size)
            if not self._open_batch.fits(*piece):
                await self._append(self._empty(self._open_batch.cut(sealer.sign_head)))
            self._open_batch.add(left.id, *piece, 0)
        self._hearing.attach(sealer, found.streams)
        self.relief.begin(found)
        for payload in found.unsigned:
            if payload != sealer.payload:
                self._signatures.ask(payload)
        self.offered.set()

    async def _new_run(self, before: Before) -> Sealer:
        """A run whose payload is durable. Raises SpoolError."""
        held, device, now = self._gateway.credential, self._device.public, self._clock.now()
        sealer = sealer_of(before, held, device, self._random(32), now)
        await self._append(commit_of(sealer, held, device, self._piece_id, now.tai))
        uplink = self._gateway.file.uplink
        self._sealer, self._run = sealer, sealer.name
        self._cutter = Cutter(sealer.name, Limits(uplink.batch_ms * 1_000_000, uplink.batch_bytes))
        self._due.began()
        self._health.run = sealer.name.hex()
        self._runs.add(sealer.name)
        self._signatures.ask(sealer.payload)
        self._give_room()
        log.info("run %s begins: %s", sealer.name.hex()[:16], before.cause.name.lower())
        return sealer

    @property
    def _open_batch(self) -> Cutter:
        if self._cutter is None:
            raise SpoolError("no run has begun")
        return self._cutter

    async def _turn_run(self, cause: Cause) -> None:
        """Ends the run with a last batch and begins the next.

        What is sealed in between is sealed anew in the next.
        """
        await self._commit_last()
        ended = self._sealer
        sealer = await self._new_run(Before(cause, self._run, False, None, self._reached))
        unsent = self._hearing.detach()
        self._hearing.attach(sealer)
        self._hearing.again(unsent.stretches, {})
        if ended is not None:
            ended.stop()

    # Commits

    async def _tick(self) -> None:
        if self._owed_until and self._clock.monotonic_ns() >= self._owed_until:
            self.compared(())
        self._hearing.watch(self._clock.monotonic_ns())
        due = self._due.take()
        needed = max(self._room.excess, LOW_BYTES if self._disk.low else 0)
        await self.relief.tend(needed)
        if due is not None and not self._ended:
            await self._turn_run(due)
        else:
            await self._commit()

    async def commit(self) -> None:
        """Makes durable what there is, now. Raises SpoolError."""
        async with self._turn:
            await self._commit()

    async def _commit_last(self) -> None:
        """Puts what there is under a last head, or two where one cannot hold it."""
        await self._commit(last=True)
        while self._open_batch.open and self._sealer is not None:
            await self._commit(last=True)

    async def _commit_all(self) -> None:
        """The same until nothing is left: a piece may not hold all that was sealed."""
        await self._commit_last()
        while self._hearing.size:
            await self._commit_last()

    async def _commit(self, last: bool = False, ends: bool = False) -> None:
        """Makes durable what there is; `last`: under a head. Raises SpoolError."""
        now = self._clock.now().tai
        piece, new = self._hearing.take()
        if self._hearing.sealing:
            self._reached = piece.reached
        piece = piece._replace(reached=self._reached)
        commit = Commit(self._piece_id, now, self._run, piece, streams=new, ends=ends)
        days = self._gateway.file.spool.keep_days
        commit.keep_days = KEEP_ALL_DAYS if self.said.doubted else days
        commit.statements = self._signatures.take()
        self.said.into(commit)
        if not self._hearing.size:  # this piece has all that was stated
            self.relief.join(commit)
            commit.bookmarks = self.bookmarks.taken() if self._hearing.sealing else {}
        self._committing = piece.stretches
        self._cut(commit, last)
        if not commit.empty or self._disk.low:
            await self._append(commit)

    def _cut(self, commit: Commit, last: bool) -> None:
        """Takes the commit's piece into the open batch, and cuts that when it is due."""
        cutter, sealer, now_ns = self._open_batch, self._sealer, self._clock.monotonic_ns()
        if sealer is None:
            return
        piece = (commit.piece.stretches, commit.piece.observations, commit.piece.size)
        if not cutter.fits(*piece):
            commit.cut = cutter.cut(sealer.sign_head)
        cutter.add(commit.piece_id, *piece, now_ns)
        if commit.cut is None and (last or cutter.due(now_ns, self.behind)):
            commit.cut = cutter.cut(sealer.sign_head)

    def _empty(self, cut: Cut | None) -> Commit:
        """A commit without observations."""
        nothing = NOTHING._replace(reached=self._reached)
        return Commit(self._piece_id, self._clock.now().tai, self._run, nothing, cut=cut)

    async def _append(self, commit: Commit) -> None:
        """Makes a commit durable. Raises SpoolError: then the disk holds nobody knows what."""
        self._sound = False
        await self._disk.append(commit, self._durable)

    def _durable(self, commit: Commit) -> None:
        self._sound = True
        self._committing = ()
        self._piece_id += 1
        self.said.durable(commit)
        self.relief.durable(commit)
        self.bookmarks.durable(commit.bookmarks)
        now = self._clock.now().tai
        self._health.durable += commit.piece.observations
        self._health.in_memory = self.spool.held
        for stretch in commit.piece.stretches:
            for heard, frames in groupby(stretch.frames, attrgetter("heard")):
                self._health.latency.add(now - heard.tai, len(list(frames)))
        if commit.cut is not None:
            self._health.waiting_batches += 1
            self._health.waiting += commit.cut.observations
            self._health.waiting_bytes += commit.cut.size
            self.offered.set()
        self._give_room()

    def _give_room(self) -> None:
        self._room.weigh(self._hearing.size, self._disk.low, self.relief.relieves)

    @property
    def room(self) -> asyncio.Event:
        """Set while lines may be read."""
        return self._room.open

    def heard(self) -> None:
        """To be called after each hearing: closes the room when it is full."""
        self._room.heard(self._hearing.size)

    async def _recover(self, fault: SpoolError) -> None:
        """Opens the spool again for as long as it takes, and seals anew what is not on it."""
        log.error("the spool failed: %s", fault)
        self._sound = False
        absent = (*self._committing, *self._hearing.detach().stretches)
        run, wait_s = self._run, REOPEN_S[0]
        self._committing = ()
        self._forget_key()
        self._give_room()  # lines are read on: what they say is counted
        while True:
            self._health.spool_fault = str(fault)
            try:
                found = await self._disk.open()
                await self._begin(found, Cause.COMMIT_FAILED, uncertain=True)
                break
            except SpoolError as again:
                fault = again
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, REOPEN_S[1])
        self._health.spool_fault = ""
        durable = {item.stream: item.seq for item in found.reached if item.run == run}
        room = self._disk.takes(sum(len(item.links) for item in absent))
        self._health.durable += self._hearing.again(absent, durable, room)
        log.warning("the spool is open again")
