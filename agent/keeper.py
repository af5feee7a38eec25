"""Keeps what was sealed: commits it, cuts batches, and begins a new run when one is due.

1. What was sealed and is not durable is held as frames too. After a failed commit the spool is
   opened again, and only frames that are not on it are sealed anew, in a new run that says so.
2. A new run begins at every start, after a failed commit, when this machine seems to have been
   asleep or copied, when the record is ahead of this disk, and every RUN_S.
3. At most SEALED_BYTES_MAX wait for a commit, and PENDING bytes for the record: whoever reads lines
   waits for `room`.

It knows no line and no network. The spool is called in one thread, the device key in another, never
in the loop.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol, TypeVar

from agent.config import Gateway
from agent.cutter import BACKLOG_OBSERVATIONS, Cutter, Limits
from agent.health import Health
from agent.hearing import NOTHING, Hearing
from agent.schema import SpoolError
from agent.sealer import SOFTWARE, Sealer, Statement, Stretch, statement
from agent.spool import Commit, Found, Kept, Spool, State
from drivers.line import Clock
from evidence import cose
from evidence.code import Cause, Typ
from evidence.key import Signer
from evidence.run import Reached, Run

SEALED_BYTES_MAX = (
    8 << 20
)  # sealed and not durable: some 25,000 observations, a disk that hangs for a while
RUN_NS = 86_400 * 1_000_000_000  # a run lasts a day at most
REOPEN_S = (0.1, 5.0)  # first and longest wait before a failed spool is opened again
SIGN_S = 5.0  # how long an ending agent waits for the device key
T = TypeVar("T")
log = logging.getLogger("gridseal.keeper")


class RunClock(Clock, Protocol):
    """The gateway's clock, and one for durations."""

    def monotonic_ns(self) -> int: ...


class Watch(Protocol):
    """Says when this machine slept or was copied since the last call."""

    def jumped(self) -> str | None: ...


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
        self._gateway, self._hearing, self._clock, self._watch = gateway, hearing, clock, watch
        self._device, self._random, self._health = device, random, health
        self._disk = ThreadPoolExecutor(1, "spool")
        self._key_store = ThreadPoolExecutor(1, "key-store")
        self._signing: set[asyncio.Task[None]] = set()
        self._signed: list[Statement] = []
        self._answers: list[tuple[int, State, bytes]] = []
        self._reached: tuple[Reached, ...] = ()
        self._spool: Spool | None = None
        self._sealer: Sealer | None = None
        self._cutter: Cutter | None = None
        self._piece_id = self._run_ends = 0
        self._due: Cause | None = None
        self._committing: tuple[Stretch, ...] = ()  # of the commit under way
        self._run = b""
        self.kept = Kept(0, b"")
        self._runs: set[bytes] = set()
        self._found: dict[
            tuple[int, bytes], int
        ] = {}  # stream, run -> seq that the disk had at the start
        self._idle = asyncio.Event()  # set while nothing waits for the record
        self.room = asyncio.Event()  # set while lines may be read
        self.offered = asyncio.Event()  # set when batches wait that were not there before

    async def start(self) -> None:
        """Opens the spool and begins a run. Raises SpoolError."""
        found = await self._open()
        self.kept = found.kept
        await self._begin(found, Cause.RESTART if found.run else Cause.FIRST_START, uncertain=False)

    async def keep(self) -> None:
        """Commits every commit_ms, until cancelled; a failing disk is opened again for ever."""
        period = self._gateway.file.spool.commit_ms / 1000
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + period, loop.time())
            await asyncio.sleep(due - loop.time())
            try:
                await self._tick()
            except SpoolError as fault:
                await self._recover(fault)

    def turn(self, cause: Cause) -> None:
        """Begins a new run at the next commit."""
        self._due = self._due or cause

    async def end_run(self) -> None:
        """Seals no more, and puts all that was sealed under a last head. Raises SpoolError."""
        await self._sign_all()
        await self.commit(last=True)
        self._hearing.detach()
        if self._sealer is not None:
            self._sealer.stop()
            self._sealer = None

    async def answered(self, most_s: float) -> None:
        """Waits until the record has answered for all that waits, or for that long."""
        try:
            await asyncio.wait_for(self._idle.wait(), most_s)
        except TimeoutError:
            log.info("%d observations wait on disk for their receipts", self._health.waiting)

    async def close(self) -> None:
        """Makes the last answers durable, says that the agent ended, and lets go of the spool.

        Raises SpoolError.
        """
        try:
            if self._spool is not None:
                await self.commit(ends=True)
                await self.on_disk(self._spool.close)
        finally:
            self._spool = None
            self._disk.shutdown()
            self._key_store.shutdown(wait=False)

    def answer(self, row: int, state: State, encoded: bytes, count: int, size: int) -> None:
        """What the record said of a batch; the next commit makes it durable."""
        self._answers.append((row, state, encoded))
        self._health.waiting -= count
        self._health.waiting_bytes -= size
        if state == State.RECEIPTED:
            self._health.receipted += count
        else:
            self._health.refused += count
        self._give_room()

    def believe(self, kept: Kept) -> None:
        """The record's tree head that is kept from now on."""
        self.kept = kept
        self._health.tree_size = kept.size

    def knows(self, stream: int, run: bytes, seq: int) -> bool:
        """Whether a link that the record has can be one of this disk.

        If not, the disk was rolled back.
        """
        return run in self._runs and seq <= self._found.get((stream, run), seq)

    async def on_disk(self, call: Callable[[], T]) -> T:
        """Runs a call of the spool in its thread."""
        return await asyncio.get_running_loop().run_in_executor(self._disk, call)

    @property
    def spool(self) -> Spool:
        if self._spool is None:
            raise SpoolError("the spool is not open")
        return self._spool

    # Runs

    async def _open(self) -> Found:
        self._spool = await self.on_disk(
            partial(Spool, self._gateway.path(self._gateway.file.spool.path))
        )
        return await self.on_disk(self._spool.find)

    async def _begin(self, found: Found, cause: Cause, uncertain: bool) -> None:
        """Begins a run on what the spool holds.

        Pieces without a head are cut in it, unsigned runs signed.
        """
        self._piece_id, self._reached = found.next_piece, found.reached
        self._runs |= found.runs | {item.run for item in found.reached}
        self._found = {(item.stream, item.run): item.seq for item in found.reached}
        self._health.waiting, self._health.waiting_bytes = found.waiting, found.waiting_size
        lost = (
            (found.taken, max(found.taken, self._clock.now().tai))
            if found.taken is not None
            else None
        )
        sealer = await self._new_run(
            found.run, cause, uncertain, lost if cause == Cause.RESTART else None
        )
        self._hearing.attach(sealer, found.streams)
        for left in found.left:
            self._open_batch.add(left.id, left.stretches, left.observations, left.size, 0)
        for payload in found.unsigned:
            if payload != sealer.payload:
                self._sign_later(payload)
        self.offered.set()

    async def _new_run(
        self, before: bytes | None, cause: Cause, uncertain: bool, lost: tuple[int, int] | None
    ) -> Sealer:
        """A run whose payload is durable. Raises SpoolError."""
        now = self._clock.now()
        name = self._gateway.credential.name
        zeros = (
            bytes(32),
            bytes(64),
        )  # the sealer's own to fill: its key, and the proof that it has it
        beginning = Run(
            name,
            zeros[0],
            now.tai,
            now.bound,
            cause,
            before,
            uncertain,
            lost,
            self._reached,
            SOFTWARE,
            zeros[1],
        )
        sealer = Sealer(beginning, self._device.public, self._random(32))
        nothing = NOTHING._replace(reached=self._reached)
        await self.on_disk(
            partial(
                self.spool.append,
                Commit(self._piece_id, now.tai, sealer.name, nothing, begins=sealer.payload),
            )
        )
        self._piece_id += 1
        uplink = self._gateway.file.uplink
        self._sealer, self._run = sealer, sealer.name
        self._cutter = Cutter(sealer.name, Limits(uplink.batch_ms * 1_000_000, uplink.batch_bytes))
        self._run_ends = self._clock.monotonic_ns() + RUN_NS
        self._health.run = sealer.name.hex()
        self._runs.add(sealer.name)
        self._sign_later(sealer.payload)
        self._give_room()
        log.info("run %s begins: %s", sealer.name.hex()[:16], cause.name.lower())
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
        await self.commit(last=True)
        ended = self._sealer
        sealer = await self._new_run(self._run, cause, False, None)
        unsent = self._hearing.detach()
        self._hearing.attach(sealer)
        self._hearing.again(unsent.stretches, {})
        if ended is not None:
            ended.stop()

    def _sign_later(self, payload: bytes) -> None:
        task = asyncio.get_running_loop().create_task(self._sign(payload))
        self._signing.add(task)
        task.add_done_callback(self._signing.discard)

    async def _sign(self, payload: bytes) -> None:
        """Has the device key sign a run; its batches wait for that, sealing does not."""
        loop = asyncio.get_running_loop()
        encoded = await loop.run_in_executor(
            self._key_store, partial(cose.sign, Typ.RUN, payload, self._device)
        )
        self._signed.append(statement(Typ.RUN, payload, encoded, ()))

    async def _sign_all(self) -> None:
        if self._signing:
            await asyncio.wait(set(self._signing), timeout=SIGN_S)

    # Commits

    async def _tick(self) -> None:
        jump = self._watch.jumped()
        if jump is not None:
            log.warning("this machine slept or was copied: %s", jump)
            self.turn(Cause.SNAPSHOT)
        elif self._clock.monotonic_ns() >= self._run_ends:
            self.turn(Cause.DAILY)
        due, self._due = self._due, None
        if due is not None:
            await self._turn_run(due)
        else:
            await self.commit()

    async def commit(self, last: bool = False, ends: bool = False) -> None:
        """Makes durable what there is.

        `last`: under a head, since the run ends. Raises SpoolError.
        """
        now = self._clock.now().tai
        piece, new = self._hearing.take()
        if self._hearing.sealing:
            self._reached = piece.reached
        commit = Commit(
            self._piece_id,
            now,
            self._run,
            piece._replace(reached=self._reached),
            streams=new,
            ends=ends,
        )
        commit.keep_days = self._gateway.file.spool.keep_days
        commit.statements, self._signed = self._signed, []
        commit.answers, self._answers = self._answers, []
        commit.kept = self.kept if commit.answers else None
        cutter = self._open_batch
        cutter.add(
            commit.piece_id,
            piece.stretches,
            piece.observations,
            piece.size,
            self._clock.monotonic_ns(),
        )
        if self._sealer is not None and (
            last or cutter.due(self._clock.monotonic_ns(), self._backlog)
        ):
            commit.cut = cutter.cut(self._sealer.sign_head)
        if commit.empty:
            return
        self._committing = piece.stretches
        await self.on_disk(partial(self.spool.append, commit))
        self._committing = ()
        self._piece_id += 1
        self._durable(commit)

    @property
    def _backlog(self) -> bool:
        return self._health.waiting > BACKLOG_OBSERVATIONS

    def _durable(self, commit: Commit) -> None:
        now = self._clock.now().tai
        self._health.durable += commit.piece.observations
        add = self._health.latency.add
        for stretch in commit.piece.stretches:
            for frame in stretch.frames:
                add(now - frame.heard.tai)
        if commit.cut is not None:
            self._health.waiting += commit.cut.observations
            self._health.waiting_bytes += commit.cut.size
            self.offered.set()
        self._give_room()

    def _give_room(self) -> None:
        """Lines may be read while what waits is within its bounds."""
        if self._health.waiting > 0:
            self._idle.clear()
        else:
            self._idle.set()
        pending = self._health.waiting_bytes < self._gateway.file.spool.pending_bytes_max
        if pending and self._hearing.size < SEALED_BYTES_MAX:
            self.room.set()
        else:
            self.room.clear()

    def heard(self) -> None:
        """To be called after each hearing: closes the room when it is full."""
        if self._hearing.size >= SEALED_BYTES_MAX:
            self.room.clear()

    async def _recover(self, fault: SpoolError) -> None:
        """Opens the spool again for as long as it takes, and seals anew what is not on it."""
        log.error("the spool failed: %s", fault)
        absent = (*self._committing, *self._hearing.detach().stretches)
        run, wait_s = self._run, REOPEN_S[0]
        self._committing, self._answers = (), []
        while True:
            self._health.spool_fault = str(fault)
            try:
                if self._spool is not None:
                    await self.on_disk(self._spool.close)
                found = await self._open()
                await self._begin(found, Cause.COMMIT_FAILED, uncertain=True)
                break
            except SpoolError as again:
                fault = again
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, REOPEN_S[1])
        self._health.spool_fault = ""
        durable = {item.stream: item.seq for item in found.reached if item.run == run}
        self._hearing.again(absent, durable)
        log.warning("the spool is open again")
