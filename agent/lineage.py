"""Whether record and disk are still those that know each other, and what is done if they are not.

1. A log that is shorter than the tree kept last, or cannot be proved to continue it, was rolled
   back (a backup was restored), or is shown differently to different people. It is taken for that
   only when LOOKS looks, LOOK_S apart, find the same, each under a checkpoint that the log's key
   signed. A log without entries has signed nothing, and can take nothing away.
2. Then all that this disk still holds is offered again, but for batches whose receipts are proved
   to be in the new tree. Until that is done nothing is freed.
3. The tree kept from then on is the new one; the old one stays beside it for good, with a receipt
   of it and the new checkpoint: the log's key signed both, and everybody can see it.
4. After FORKS_MAX no further one is followed: a record that forgets so often is nobody's.
5. A record that has of this device what this disk never had shows that the disk was rolled back.

It believes no receipt: agent.uplink does. While a log is in doubt `sure` is not set.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from agent.commit import Fork, Kept, Waiting
from agent.health import Health
from agent.keeper import Keeper
from agent.schema import SpoolError
from agent.transport import Answer, UplinkError
from evidence import cbor, checkpoint, cose, heads, merkle, receipt, shape
from evidence.code import Cause, Reason, Typ
from evidence.heads import StreamHead
from evidence.key import PublicKey
from evidence.receipt import Receipt
from evidence.refusal import EvidenceError

LOOKS = 3
LOOK_S = 3.0  # a record that has just been restored may be stopped again, and restored better
PAGE = 64  # receipts looked at together
FORKS_MAX = 64
HEADS_S = (0.2, 30.0)  # first and longest wait before the device's heads are asked for again
ANSWER, BUSY = "answer", "busy"  # causes of UplinkError: this one's answer; the whole record's
SAID_MAX = 160  # characters of what a record says beside its status
BUSY_STATUS = 429  # and 500 and above: the record has no time, or is not well
Ask = Callable[[str, str, bytes | None], Awaitable[Answer]]
log = logging.getLogger("gridseal.lineage")


class Seen(NamedTuple):
    """A tree that does not continue the kept one, and its checkpoint (empty for an empty log)."""

    tree: Kept
    signed: bytes


class _Held(NamedTuple):
    """Receipts of trees up to `until` hold; those of trees from `lost` on do not."""

    until: int
    lost: int


class Lineage:
    """The log of one record, over time. `proving` is held while the kept tree may change."""

    def __init__(
        self,
        ask: Ask,
        log_key: PublicKey,
        device: PublicKey,
        keeper: Keeper,
        health: Health,
        proving: asyncio.Lock,
    ) -> None:
        self._ask, self._log_key, self._device = ask, log_key, device
        self._keeper, self._health = keeper, health
        self._proving = proving
        self.doubted = asyncio.Event()  # set by who was told what does not hold
        self.sure = asyncio.Event()
        self.sure.set()

    async def watch(self, again: Callable[[], None]) -> None:
        """Looks when in doubt, until cancelled; `again` is called when more waits than before."""
        while True:
            await self.doubted.wait()
            try:
                seen = await self._judge()
                if seen is not None:
                    await self._follow(seen)
                    again()
            except (UplinkError, EvidenceError, SpoolError) as fault:
                log.info("the record's log could not be looked at: %s", fault)
            finally:
                self._keeper.said.doubted = False
                self.sure.set()
            await asyncio.sleep(LOOK_S)
            self.doubted.clear()

    async def _judge(self) -> Seen | None:
        """The log as it is now, if it is another than ours. Raises UplinkError, EvidenceError."""
        for look in range(LOOKS):
            seen = await self._look()
            if seen is None:
                return None
            self.sure.clear()
            self._keeper.said.doubted = True
            if look == 0:
                log.error("the record's log %s", self._words(seen))
            self._health.record = f"its log {self._words(seen)}"
            await asyncio.sleep(LOOK_S)
        if self._keeper.said.forks >= FORKS_MAX:
            log.error("the record was rolled back %s times: not followed any more", FORKS_MAX)
            return None
        return seen

    def _words(self, seen: Seen) -> str:
        kept = self._keeper.said.kept
        if seen.tree.size < kept.size:
            return f"was rolled back from {kept.size} to {seen.tree.size} entries"
        return f"of {seen.tree.size} entries does not continue that of {kept.size}"

    async def _look(self) -> Seen | None:
        """None where the log continues ours. Raises UplinkError, EvidenceError."""
        kept = self._keeper.said.kept
        answer = await self._ask("GET", f"/v1/checkpoint?size={kept.size}", None)
        if answer.status == 400:  # it has no such size
            answer = await self._ask("GET", "/v1/checkpoint?size=0", None)
        if answer.status != 200:
            raise unwell(answer, " for its checkpoint")
        size, _, signed, proof = shape.array(cbor.decode(answer.body), "checkpoint", 4)
        if kept != self._keeper.said.kept:
            return None  # a receipt held meanwhile
        if signed is None and size == 0:
            empty = Kept(0, merkle.EMPTY_ROOT)
            return Seen(empty, b"") if kept.size else None
        message = cose.read_statement(shape.blob(signed, "checkpoint"), Typ.CHECKPOINT)
        cose.check(message, self._log_key)
        found = checkpoint.read(message.payload)
        tree = Kept(found.size, found.root)
        if tree.size < kept.size or not _continues(kept, tree, proof):
            return Seen(tree, message.encoded)
        return None

    async def _follow(self, seen: Seen) -> None:
        """Offers again what the new tree does not hold, and keeps that tree.

        Raises UplinkError, EvidenceError, SpoolError: then it begins anew another time.
        """
        said = self._keeper.said
        async with self._proving:
            old, cursor, exhibit = said.kept, 0, (0, b"")
            held = _Held(0, seen.tree.size + 1)
            await said.settled()
            while page := await self._page(cursor):
                read = [(batch, encoded, _read(encoded)) for batch, encoded in page]
                held = await self._narrow([found for _, _, found in read], seen.tree, held)
                for batch, encoded, found in read:
                    if found.size <= old.size:
                        exhibit = max(exhibit, (found.size, encoded))
                    if found.size > held.until:
                        said.reopen(batch, encoded)
                cursor = page[-1][0].row
                await said.settled()
            said.fork(Fork(0, old, exhibit[1], seen.tree, seen.signed))
            await said.settled()
        log.error(
            "the record was rolled back from %s to %s entries: what is held is offered again",
            old.size,
            seen.tree.size,
        )

    async def _page(self, after: int) -> list[tuple[Waiting, bytes]]:
        spool = self._keeper.spool
        return await self._keeper.on_disk(lambda: spool.receipted(after, PAGE))

    async def _narrow(self, receipts: list[Receipt], tree: Kept, held: _Held) -> _Held:
        """Which of these receipts the new tree holds.

        One proof does for many: each was proved in one line with the others, so that where one
        holds, those of smaller trees do, and where one does not, those of larger ones do not.
        """
        left = sorted(receipts, key=lambda found: found.size)
        at = len(left) - 1
        while left := [found for found in left if held.until < found.size < held.lost]:
            probe = left[min(at, len(left) - 1)]
            if await self._in(tree, probe):
                held = _Held(probe.size, held.lost)
            else:
                held = _Held(held.until, probe.size)
            at = len(left) // 2
        return held

    async def _in(self, tree: Kept, given: Receipt) -> bool:
        """Whether the record proves that the tree of a receipt is the beginning of this one."""
        path = f"/v1/receipt/{given.subject.hex()}?size={tree.size}"
        answer = await self._ask("GET", path, None)
        if answer.status == 404:
            return False
        if answer.status != 200:
            raise unwell(answer, " for a receipt that it gave")
        _, proof = shape.array(cbor.decode(answer.body), "answer", 2)
        return _continues(Kept(given.size, given.root), tree, proof)

    async def compare_heads(self) -> None:
        """Asks until the record has said, signed, what it has of this device."""
        wait_s = HEADS_S[0]
        while True:
            try:
                told = await self._heads(self._device)
                for key in self._keeper.keys_before:
                    # It may not have heard yet that they are of one device.
                    told = told or await self._heads(key)
                self._judge_heads(told)
                return
            except (UplinkError, EvidenceError) as fault:
                self._health.record = str(fault)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, HEADS_S[1])

    async def _heads(self, device: PublicKey) -> tuple[StreamHead, ...]:
        """What the record has of a key's device. Raises UplinkError; EvidenceError for what is not
        its word on us.
        """
        answer = await self._ask("GET", f"/v1/device/{device.kid.hex()}/heads", None)
        if answer.status != 200:  # unsigned: whoever says that it has none is not the record
            raise unwell(answer, " for what it has of this device")
        message = cose.read_statement(answer.body, Typ.HEADS)
        cose.check(message, self._log_key)
        told = heads.read(message.payload)
        if told.kid != device.kid:
            raise EvidenceError(Reason.OTHER_SUBJECT, f"heads of device {told.kid.hex()}")
        return told.heads

    def _judge_heads(self, told: tuple[StreamHead, ...]) -> None:
        """A run or a link that this disk does not know means that it was rolled back."""
        self._keeper.compared(told)
        for head in told:
            if not self._keeper.knows(head.stream, head.run, head.seq):
                log.error(
                    "the record has seq %s of stream %s, which this disk never had: rolled back",
                    *(head.seq, head.stream),
                )
                self._keeper.turn(Cause.ROLLBACK)
                return


def unwell(answer: Answer, to: str) -> UplinkError:
    """The fault of a status that answers for nothing."""
    whole = answer.status == BUSY_STATUS or answer.status >= 500
    said = answer.body[:SAID_MAX].decode("ascii", "replace") if answer.status == 400 else ""
    why = "".join(sign for sign in said if sign.isprintable())
    text = f"the record answers {answer.status}{to}" + (f": {why}" if why else "")
    return UplinkError(text, BUSY if whole else ANSWER)


def _continues(old: Kept, new: Kept, proof: object) -> bool:
    try:
        hashes = [
            shape.blob(item, "proof hash", merkle.HASH_BYTES)
            for item in shape.array(proof, "proof")
        ]
        merkle.check_consistency(old.size, old.root, new.size, new.root, hashes)
    except EvidenceError:
        return False
    return True


def _read(encoded: bytes) -> Receipt:
    return receipt.read(cose.read_statement(encoded, Typ.RECEIPT).payload)
