"""A capture, as if it were heard now: its C37.118 connections through the driver's own session,
then sealed, admitted, read back and compared (hil.passage).

1. Which connections speak C37.118 is told by content (hil.pick), whatever the ports.
2. One splitter a direction, one Session a connection, any IDCODE, nothing sent. Every good frame of
   either direction is sealed; every bad one is a fault with its name.
3. Whatever the bytes: counted, never a traceback. Connections, and what waits, are bounded.

Captures are untrusted; a file that cannot be read at all is CaptureError or OSError.
"""

import json
import sys
import tempfile
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drivers.c37118.session import Item, Session, Terms
from drivers.c37118.wire import Bad, FrameType, Splitter, parse_header, whole
from drivers.line import Frame, Instant
from evidence.leap import BUILT_IN, NS
from hil.capture import CaptureError, Chunk, Flow, Tally, chunks
from hil.devices.pace import tai_now
from hil.passage import TAI_MAX, Outcome, Passage
from hil.pick import Picker
from record.store import StoreError

PROTOCOL = "c37118"
FILE_BYTES_MAX = 1 << 30  # read whole: captures are looked at again and again
# Told apart in one replay: each has a stream of its own in what is signed. Later ones are counted.
CONNECTIONS_MAX = 1024
OPEN_MAX = 256  # connections with a session at one time; the longest silent is ended first
TERMS = Terms(idcode=None, commands=False)
FAULT_NAMES_MAX = 64

_NAMES = {
    kind: kind.name.lower()
    for kind in (
        *(FrameType.DATA, FrameType.CFG1, FrameType.CFG2, FrameType.CFG3),
        *(FrameType.HEADER, FrameType.COMMAND),
    )
}


@dataclass(slots=True)
class Account:
    """What was in the capture, and what became of it."""

    tally: Tally = field(default_factory=Tally)
    frames: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)  # as a session counts them
    connections: int = 0
    outcome: Outcome = field(default_factory=Outcome)

    @property
    def heard(self) -> int:
        return sum(self.frames.values())

    def reasons(self) -> list[str]:
        """Why the replay does not hold; empty when it does."""
        found, heard = self.outcome, self.heard
        reasons = [f"{name}: reads back otherwise than it was heard" for name in found.unequal]
        if found.sealed != heard:
            reasons.append(f"{heard} frames heard, {found.sealed} sealed")
        if found.admitted != found.sealed:
            reasons.append(f"{found.sealed} frames sealed, {found.admitted} admitted")
        if found.receipted != found.admitted:
            reasons.append(f"{found.admitted} frames admitted, {found.receipted} receipted")
        for reason, count in found.refusals.items():
            reasons.append(f"refused: {reason} ({count})")
        if not heard and not self.faults:
            reasons.append("no C37.118 in this capture")
        return reasons

    def report(self) -> dict[str, Any]:
        found = self.outcome
        return {
            "protocol": PROTOCOL if self.connections else None,
            "frames": {name: self.frames[name] for name in _NAMES.values()},
            "faults": sum(self.faults.values()),
            "fault_names": dict(self.faults),
            "sealed": found.sealed,
            "admitted": found.admitted,
            "receipted": found.receipted,
            "refused": found.refused,
            "equal": not found.unequal,
            "holes": found.holes,
            "batches": found.batches,
            "connections": self.connections,
            "events": {name: count for name, count in self.events.items() if count},
            "capture": {
                "packets": self.tally.packets,
                "faults": dict(self.tally.faults),
                "other": dict(self.tally.other),
            },
        }


class _Conversation:
    """One connection: a splitter for each direction, one session for both."""

    __slots__ = ("session", "source", "splitters")

    def __init__(self, flow: Flow) -> None:
        self.session = Session(TERMS)
        self.splitters = (Splitter(), Splitter())
        ends = f"{flow.client} {flow.server}" if flow.client else "bytes"
        self.source = f"{flow.kind} {ends} #{flow.number}"

    def feed(self, chunk: Chunk, heard: Instant) -> list[Item]:
        if chunk.kind == "udp":
            return self.session.accept(_datagram(chunk.payload), heard)
        splitter = self.splitters[chunk.direction]
        lost = splitter.flush() if chunk.fresh else []  # nothing before goes on in it
        return self.session.accept(lost + splitter.feed(chunk.payload), heard)

    def flush(self, heard: Instant) -> list[Item]:
        left = [item for splitter in self.splitters for item in splitter.flush()]
        return self.session.accept(left, heard)


def _datagram(payload: bytes) -> list[bytes | Bad]:
    """One frame, good or bad; several only where the first says that it ends before the rest."""
    found = whole(payload)
    if isinstance(found, bytes) or int.from_bytes(payload[2:4], "big") >= len(payload):
        return [found]
    splitter = Splitter()
    return splitter.feed(payload) + splitter.flush()


class Replay:
    """Feeds a capture's connections into a passage. `passage.end()` is the caller's."""

    def __init__(self, passage: Passage, account: Account, now_tai: int) -> None:
        self._passage, self._account = passage, account
        self._now_tai = now_tai  # for bytes without a time
        self._open: OrderedDict[int, _Conversation] = OrderedDict()
        self._heard = Instant(now_tai, None)

    def run(self, data: bytes) -> None:
        """Everything in the capture. Raises CaptureError, before anything else, when it is none."""
        picker = Picker(self._account.tally)
        for chunk in chunks(data, self._account.tally):
            for picked in picker.pick(chunk):
                self._chunk(picked)
        for picked in picker.end():
            self._chunk(picked)
        for conversation in self._open.values():
            self._hear(conversation, conversation.flush(self._heard))
            self._account.events.update(conversation.session.counts)
        self._open.clear()

    def _chunk(self, chunk: Chunk) -> None:
        conversation = self._conversation(chunk.flow)
        if conversation is None:
            self._account.faults["connections"] += 1
            return
        tai = self._now_tai
        if chunk.ts_ns > 0:
            tai = min(BUILT_IN.tai_ns(chunk.ts_ns // NS, chunk.ts_ns % NS), TAI_MAX)
        self._heard = Instant(tai, None)
        self._hear(conversation, conversation.feed(chunk, self._heard))

    def _conversation(self, flow: Flow) -> _Conversation | None:
        found = self._open.get(flow.number)
        if found is not None:
            self._open.move_to_end(flow.number)
            return found
        if self._account.connections >= CONNECTIONS_MAX:
            return None
        if len(self._open) >= OPEN_MAX:
            _, oldest = self._open.popitem(last=False)
            self._hear(oldest, oldest.flush(self._heard))
            self._account.events.update(oldest.session.counts)
        self._account.connections += 1
        found = self._open[flow.number] = _Conversation(flow)
        return found

    def _hear(self, conversation: _Conversation, items: list[Item]) -> None:
        account = self._account
        for item in items:
            if not isinstance(item, Frame):
                continue
            if item.fault is None:
                account.frames[_NAMES[parse_header(item.raw).frame_type]] += 1
            elif item.fault.fault in account.faults or len(account.faults) < FAULT_NAMES_MAX:
                account.faults[item.fault.fault] += 1
            else:
                account.faults["other"] += 1
        self._passage.hear(conversation.source, items, self._heard.tai)


def replay(data: bytes) -> Account:
    """A capture's bytes, replayed. Raises CaptureError, and StoreError where the disk is full."""
    account = Account()
    now_tai = tai_now()
    with tempfile.TemporaryDirectory(prefix="gridseal-replay-") as folder:
        passage = Passage(Path(folder) / "site", tai_now)
        try:
            Replay(passage, account, now_tai).run(data)
            account.outcome = passage.end()
        finally:
            passage.close()
    return account


def main(path: Path, as_json: bool) -> int:
    """0: every frame was sealed, admitted and read back; 1: not; 2: the file cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            raise CaptureError("too_long", f"more than {FILE_BYTES_MAX} bytes")
        account = replay(data)
    except (OSError, CaptureError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else str(fault)
        print(f"gridseal-hil: {path}: {reason}", file=sys.stderr)
        return 2
    except StoreError as fault:
        print(f"gridseal-hil: {path}: {fault}", file=sys.stderr)
        return 1
    reasons = account.reasons()
    for reason in reasons:
        print(f"gridseal-hil: {path}: {reason}", file=sys.stderr)
    if as_json:
        print(json.dumps(account.report()))
    else:
        print(_words(account, not reasons))
    return 1 if reasons else 0


def _words(account: Account, holds: bool) -> str:
    found = account.outcome
    frames = ", ".join(f"{count} {name}" for name, count in account.frames.items()) or "none"
    faults = ", ".join(f"{count} {name}" for name, count in account.faults.items()) or "none"
    lines = [
        f"protocol   {PROTOCOL if account.connections else 'none that is known'}",
        f"frames     {frames}, of {account.connections} connections",
        f"faults     {faults}",
        f"sealed     {found.sealed}",
        f"admitted   {found.admitted} in {found.batches} batches, refused {found.refused}",
        f"stated     {found.holes} holes between frames",
    ]
    if account.tally.faults:
        damage = ", ".join(f"{count} {name}" for name, count in account.tally.faults.items())
        lines.append(f"capture    {damage}")
    if holds:
        lines.append("what the record holds is, frame by frame, what was captured")
    return "\n".join(lines)
