"""`gridseal-hil replay FILE`: a capture as if it were heard now, every protocol in it through the
driver's own session, then sealed, admitted, read back and compared (hil.passage).

1. Which connections speak what is told by content (hil.replay.pick), whatever the ports; Ethernet
   frames by their EtherType.
2. Nothing is sent. Every good frame is sealed or counted by name; every bad one is a fault.
3. Whatever the bytes: counted, never a traceback. Connections, and what waits, are bounded.

Captures are untrusted; a file that cannot be read at all is CaptureError or OSError.
"""

import json
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Iterable, Sequence, Set
from pathlib import Path

from agent import hearing
from drivers.line import Frame, Instant
from evidence.leap import BUILT_IN, NS
from hil.capture import CaptureError, Chunk, EthernetFrame, Flow, parts
from hil.devices.pace import tai_now
from hil.passage import TAI_MAX, Passage
from hil.replay.account import Account
from hil.replay.c37118 import C37118
from hil.replay.goose import Goose
from hil.replay.ieee1344 import Ieee1344
from hil.replay.modbus import Modbus
from hil.replay.pick import Picker
from hil.replay.reader import Conversation, Heard, Item, Reader, Talk, Wire
from hil.replay.sv import Sv
from record.store import StoreError

FILE_BYTES_MAX = 1 << 30  # read whole: captures are looked at again and again
# Told apart in one replay, beside the gateway's own: later ones are counted by name.
STREAMS_MAX = hearing.STREAMS_MAX - 1
OPEN_MAX = 256  # connections with a session at one time; the longest silent is ended first


def readers() -> list[Reader]:
    """One a protocol, in the order in which connections are offered to them."""
    return [C37118(), Ieee1344(), Modbus(), Goose(), Sv()]


class Replay:
    """Feeds a capture into a passage. `passage.end()` is the caller's."""

    def __init__(self, passage: Passage, account: Account, now_tai: int) -> None:
        self._passage, self._account = passage, account
        self._now_tai = now_tai  # for bytes without a time
        self._open: OrderedDict[int, tuple[Talk, Conversation]] = OrderedDict()
        self._streams: dict[str, set[str]] = {}  # keys of each source
        self._count = 0  # of them
        self._heard = Instant(now_tai, None)
        self._talks = [one for one in account.readers if isinstance(one, Talk)]
        wires = [one for one in account.readers if isinstance(one, Wire)]
        self._wires = {kind: one for one in wires for kind in one.ethertypes}

    def run(self, data: bytes) -> None:
        """Everything in the capture. Raises CaptureError, before anything else, when it is none."""
        tally = self._account.tally
        picker = Picker(tally, self._talks)
        for part in parts(data, tally, self._wires.keys()):
            if isinstance(part, EthernetFrame):
                wire = self._wires[part.ethertype]
                wire.met = True
                self._pass(wire, wire.feed(part, self._at(part.ts_ns)))
                continue
            for reader, chunk in picker.pick(part):
                self._chunk(reader, chunk)
        for reader, chunk in picker.end():
            self._chunk(reader, chunk)
        while self._open:
            self._close(*self._open.popitem(last=False)[1])
        for wire in dict.fromkeys(self._wires.values()):
            self._pass(wire, wire.flush(self._heard))

    def _at(self, ts_ns: int) -> Instant:
        """The instant of a packet, and of what is heard from now on."""
        tai = self._now_tai
        if ts_ns > 0:
            tai = min(BUILT_IN.tai_ns(ts_ns // NS, ts_ns % NS), TAI_MAX)
        self._heard = Instant(tai, None)
        return self._heard

    def _chunk(self, reader: Talk, chunk: Chunk) -> None:
        reader.met = True
        conversation = self._conversation(reader, chunk.flow)
        items = conversation.feed(chunk, self._at(chunk.ts_ns))
        self._pass(reader, [(conversation.source, items)])

    def _conversation(self, reader: Talk, flow: Flow) -> Conversation:
        found = self._open.get(flow.number)
        if found is not None:
            self._open.move_to_end(flow.number)
            return found[1]
        if len(self._open) >= OPEN_MAX:
            self._close(*self._open.popitem(last=False)[1])
        self._account.connections += 1
        made = reader.open(flow)
        self._open[flow.number] = (reader, made)
        return made

    def _close(self, reader: Talk, conversation: Conversation) -> None:
        self._pass(reader, [(conversation.source, conversation.flush(self._heard))])
        reader.events.update(conversation.counts)

    def _pass(self, reader: Reader, heard: Iterable[Heard]) -> None:
        for source, items in heard:
            if not items:
                continue
            placed = self._placed(reader, source, items)
            reader.account(placed)
            self._passage.hear(source, placed, self._heard.tai)

    def _placed(self, reader: Reader, source: str, items: Sequence[Item]) -> Sequence[Item]:
        """What there is a stream for."""
        known: Set[str] = self._streams.get(source, frozenset())
        if known >= {item.key for item in items}:
            return items
        placed: list[Item] = []
        for item in items:
            fault = item.fault if isinstance(item, Frame) else None
            if fault is None and item.key not in self._streams.get(source, ()):
                if self._count >= STREAMS_MAX:
                    reader.unplace(item)
                    continue
                self._count += 1
                self._streams.setdefault(source, set()).add(item.key)
            placed.append(item)
        return placed


def replay(data: bytes) -> Account:
    """A capture's bytes, replayed. Raises CaptureError, and StoreError where the disk is full."""
    account = Account(readers())
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
    """0: all that was heard is accounted for, and what was sealed was admitted and read back; 1:
    not; 2: the file cannot be read.
    """
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
    print(json.dumps(account.report()) if as_json else account.words(not reasons))
    return 1 if reasons else 0
