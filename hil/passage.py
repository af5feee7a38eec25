"""From what a driver says to what a record holds, in one process: heard, sealed, cut, admitted,
receipted, read back.

1. Every step is the shipped code: agent.hearing, agent.sealer, agent.cutter; record.admit,
   record.sequencer, record.store. Only the disk of the agent is left out, and the network.
2. What went in and what is read back from the record are told apart: each is hashed by itself,
   stream by stream, in order. They are equal, or `end` says where not.
3. Pieces are taken and batches cut by their size alone: by the clock of what is heard, a capture of
   hours would have a batch for each frame. A batch is gone from memory once it is admitted.

It opens no line, and keeps nothing: the record is a temporary file, and the folder is the caller's.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent import config
from agent.cutter import Cutter, Limits
from agent.health import Health
from agent.hearing import Hearing
from agent.sealer import SOFTWARE, Sealer, Stretch, statement
from drivers.keystore import file as keyfile
from drivers.keystore.uri import open_signer
from drivers.line import Frame, Instant, Setup
from evidence import cbor, cose, disclosure, head, observation, receipt
from evidence.anchor import Authority, by_kid
from evidence.code import Cause, Kind, Typ
from evidence.leap import BUILT_IN, NS
from evidence.refusal import EvidenceError
from evidence.run import Run
from provisioning.init import GATEWAY, LOG_KEY, InitRequest, initialise
from record import store
from record.admit import Admitter, NewStatement
from record.known import Known, MissingError
from record.log import Log
from record.sequencer import Item, Sequencer

PIECE_BYTES_MAX = 65_536  # sealed; some blocks of Sampled Values
# Frames of one piece: by far fewer ranges than a head can have, even if each had a new descriptor.
PIECE_FRAMES_MAX = 100
TAI_MAX = 1 << 62  # a capture may claim any time; what is signed is a 64-bit count

STATED = (Kind.GAP, Kind.EVENT)  # what no device sent
Items = Sequence[Frame | Setup]


@dataclass(slots=True)
class Outcome:
    """What became of the frames. Frames are those that were heard without a fault."""

    sealed: int = 0
    admitted: int = 0  # read back from the record
    receipted: int = 0  # in batches whose receipt holds
    refused: int = 0
    refusals: Counter[str] = field(default_factory=Counter)  # batches and statements, by reason
    holes: int = 0
    noticed: int = 0  # events, read back from the record
    batches: int = 0
    tree_size: int = 0
    unequal: list[str] = field(default_factory=list)  # streams that read back otherwise


class _Digests:
    """Frames of each stream, in order, as one hash and one count."""

    def __init__(self) -> None:
        self.counts: Counter[Any] = Counter()
        self._hashes: dict[Any, Any] = {}

    def add(self, stream: object, raw: bytes) -> None:
        known = self._hashes.get(stream)
        if known is None:
            known = self._hashes[stream] = hashlib.sha256()
        known.update(len(raw).to_bytes(4, "big") + raw)
        self.counts[stream] += 1

    def of(self, stream: object) -> bytes:
        known = self._hashes.get(stream)
        return b"" if known is None else known.digest()


class _HeardClock:
    """The instant of what is being heard. It never runs backwards, and vouches for nothing."""

    table = BUILT_IN

    def __init__(self) -> None:
        self.tai = 0

    def now(self) -> Instant:
        return Instant(self.tai, None)

    def monotonic_ns(self) -> int:
        return self.tai


class Passage:
    """One gateway and one record. `now()`: the record's clock, ns TAI; `random(n)`: n bytes."""

    def __init__(
        self, folder: Path, now: Callable[[], int], random: Callable[[int], bytes] = os.urandom
    ) -> None:
        asked = InitRequest(folder, gateway="replay", site="Replay", role="bench")
        made = initialise(asked, BUILT_IN.utc_ns(now()) // NS, random)
        gateway = config.load(folder / GATEWAY)
        uplink = gateway.file.uplink
        device = open_signer(gateway.file.gateway.key, folder)
        self._now = now
        self.outcome = Outcome()
        self._clock = _HeardClock()
        self._health = Health()
        self._hearing = Hearing(gateway.plan, self._clock, random, self._health)
        self._log_key = keyfile.read(folder / LOG_KEY)
        self._store = store.open_scratch()
        known = Known(self._store)
        trusted = by_kid([Authority(asked.authority, made.authority)])
        self._admitter = Admitter(known, trusted, lambda: 1.0)
        self._log = Log(self._store)
        self._sequencer = Sequencer(
            self._store, self._log, lambda typ, payload: cose.sign(typ, payload, self._log_key)
        )
        self._heard, self._kept = _Digests(), _Digests()
        self._names: dict[int, tuple[str, str]] = {}  # stream: source and key
        self._pending: dict[bytes, list[Stretch]] = {}  # the open batch, as the cutter has it
        self._frames = self._piece = self._pending_frames = 0
        credential = gateway.credential
        beginning = Run(
            credential.name, bytes(32), now(), None, Cause.FIRST_START, None, False, None, (),
            SOFTWARE, bytes(64),
        )  # fmt: skip
        self._sealer = Sealer(beginning, device.public, random(32))
        self._cutter = Cutter(
            self._sealer.name, Limits(uplink.batch_ms * 1_000_000, uplink.batch_bytes)
        )
        run = statement(
            Typ.RUN, self._sealer.payload, cose.sign(Typ.RUN, self._sealer.payload, device), ()
        )
        self._state(credential.encoded, credential.pairs)
        self._state(run.encoded, ())
        self._hearing.attach(self._sealer)

    # --- the agent's part

    def hear(self, source: str, items: Items, tai: int) -> None:
        """What a driver of this source gave at an instant."""
        self._clock.tai = max(self._clock.tai, min(tai, TAI_MAX))
        for at in range(0, len(items), PIECE_FRAMES_MAX):
            part = items[at : at + PIECE_FRAMES_MAX]
            for item in part:
                if isinstance(item, Frame) and item.fault is None and item.kind != Kind.GAP:
                    self._heard.add((source, item.key), item.raw)
            self._hearing.hear(source, part)
            self._frames += len(part)
            if self._frames >= PIECE_FRAMES_MAX or self._hearing.size >= PIECE_BYTES_MAX:
                self._take()

    def end(self) -> Outcome:
        """Admits what is left, reads everything back, and compares."""
        self._take()
        self._cut()
        self._sealer.stop()
        found = self.outcome
        found.holes = sum(self._health.gaps.values())
        found.tree_size = self._log.size
        for stream, kind, raw in self._read_back():
            self._kept.add(stream, raw)
            found.admitted += kind != Kind.EVENT
            found.noticed += kind == Kind.EVENT
        numbers = {name: number for number, name in self._names.items()}
        for name in self._heard.counts:
            if self._heard.of(name) != self._kept.of(numbers.get(name)):
                found.unequal.append(" ".join(name))
        return found

    def close(self) -> None:
        """Lets go of the record. Idempotent."""
        self._store.close()

    def _take(self) -> None:
        """One piece, as one commit of the agent makes durable."""
        piece, new = self._hearing.take()
        self._names |= {number: (source, key) for number, source, key in new}
        heard = (frame for stretch in piece.stretches for frame in stretch.frames)
        frames = sum(frame.kind not in STATED for frame in heard)
        self.outcome.sealed += frames
        self._pending_frames += frames
        self._frames = 0
        for item in piece.statements:
            pairs = disclosure.read_pairs(cbor.decode(item.disclosures))
            self._state(item.encoded, pairs)
        self._piece += 1
        self._cutter.add(self._piece, piece.stretches, piece.observations, piece.size, 0)
        for stretch in piece.stretches:
            self._pending.setdefault(stretch.descriptor, []).append(stretch)
        if self._cutter.due(0, backlog=False):
            self._cut()

    def _cut(self) -> None:
        cut = self._cutter.cut(self._sealer.sign_head)
        frames, self._pending_frames = self._pending_frames, 0
        pending, self._pending = self._pending, {}
        if cut is None:
            return
        links = [stretch.links for stretches in pending.values() for stretch in stretches]
        self._offer(b"".join((cut.head, *links)), cut.id, frames)

    # --- the record's part

    def _state(self, encoded: bytes, pairs: Sequence[tuple[bytes, bytes]]) -> None:
        try:
            new: NewStatement = self._admitter.statement(encoded, pairs)
        except (EvidenceError, MissingError) as fault:
            self.outcome.refusals[_reason(fault)] += 1
            return
        self._log_item(new, 0)

    def _offer(self, encoded: bytes, batch_id: bytes, frames: int) -> None:
        self.outcome.batches += 1
        try:
            new = self._admitter.batch(encoded, batch_id, self._now())
        except (EvidenceError, MissingError) as fault:
            self.outcome.refusals[_reason(fault)] += 1
            self.outcome.refused += frames
            return
        self._log_item(new, frames)

    def _log_item(self, item: Item, frames: int) -> None:
        """Admits for good, and believes the receipt as the agent does: signed, and proved."""
        (entry,) = self._sequencer.commit([item], self._now())
        message = cose.read_statement(entry.receipt, Typ.RECEIPT)
        cose.check(message, self._log_key.public)
        receipt.read(message.payload).check(item.encoded, item.subject)
        self.outcome.receipted += frames

    def _read_back(self) -> Iterator[tuple[int, int, bytes]]:
        """Stream, kind and raw of every frame and event that the record holds, in the order of the
        log.
        """
        for entry in self._store.entries():
            if entry.typ != Typ.HEAD:
                continue
            body, at = self._store.body(entry.idx) or b"", 0
            ranges = head.read(cose.read(entry.encoded).payload).ranges
            for _ in range(sum(part.count for part in ranges)):
                sample, _, at = observation.read_at(body, at)
                if sample.kind != Kind.GAP:
                    yield sample.stream, sample.kind, sample.raw


def _reason(fault: EvidenceError | MissingError) -> str:
    return fault.reason.name.lower() if isinstance(fault, EvidenceError) else "missing"
