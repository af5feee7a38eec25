"""Exports made item by item, right, or wrong where asked: of one gateway in memory, each receipt
of a log that has nothing else in it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from evidence import cose, merkle
from evidence.anchor import Anchors
from evidence.code import Kind, Reason, Typ
from evidence.export import Item, Loose, Opening, Passed, Sealed, Stated, Writer
from evidence.gap import Gap
from evidence.head import Range
from evidence.key import Ed25519Key
from evidence.leap import NS
from evidence.receipt import Receipt, Refusal
from evidence.refusal import EvidenceError
from evidence.tally import Tally
from evidence.verifier import verify
from tests.record.gateway import START, Gateway, GatewayRun, Statement, id_of
from tests.record.upstream import AUTHORITIES, AUTHORITY, LOG

ANCHORS = Anchors(LOG.public, AUTHORITIES)
OPENING = Opening(START, START + 3600 * NS, None, "test")
PERIOD = NS // 50


class Story:
    """One gateway's run, and the items that tell it."""

    def __init__(self, gateway: Gateway | None = None, after: GatewayRun | None = None) -> None:
        self.gateway = gateway or Gateway("gw-1", AUTHORITY)
        self.run = self.gateway.start(after)
        self.number = 0
        self.items: list[Item] = []
        if after is None:
            self.state(self.gateway.statement)
        self.state(self.run.statement)

    def state(self, statement: Statement) -> None:
        self.items.append(Stated(statement.encoded, statement.pairs))

    def describe(self, *streams: int, **changes: Any) -> None:
        for stream in streams:
            self.state(self.run.describe(stream, b"cfg", **changes))

    def observe(self, stream: int, count: int = 2) -> None:
        for _ in range(count):
            self.number += 1
            at = START + self.number * PERIOD
            self.run.observe(stream, b"frame %d" % self.number, tai=at)

    def state_gap(self, stream: int, gap: Gap) -> None:
        self.run.observe(stream, gap.raw(), kind=int(Kind.GAP), tai=gap.last)

    def cut(
        self,
        answer: Callable[[bytes], bytes | None] = lambda _: None,
        more: Sequence[GatewayRun] = (),
        **changes: Any,
    ) -> Sealed:
        whole = self.run.cut(more, **changes)
        head = cose.read_at(whole, 0)[0].encoded
        item = Sealed(head, answer(head), whole[len(head) :])
        self.items.append(item)
        return item

    def batch(self, *streams: int, receipt: bool = True) -> Sealed:
        """Two observations of each stream, under a head."""
        for stream in streams:
            self.observe(stream)
        return self.cut(receipted if receipt else lambda _: None)


def receipted(head: bytes, log: Ed25519Key = LOG, entry: bytes | None = None) -> bytes:
    """The receipt of a head that stands alone in its log."""
    leaf = merkle.leaf_hash(entry or head)
    found = Receipt(id_of(entry or head), 0, 1, leaf, (), ())
    return cose.sign(Typ.RECEIPT, found.payload(), log)


def refused(head: bytes) -> bytes:
    found = Refusal(id_of(head), Reason.CLONE, "not so", START)
    return cose.sign(Typ.REFUSAL, found.payload(), LOG)


def whole() -> Story:
    """All that an export can hold, small; its trees are apart, as each receipt's log has one."""
    story = Story()
    story.describe(1)
    story.observe(1)
    story.cut(receipted)
    story.observe(1, 1)
    story.cut(refused)
    story.items.append(Passed(story.run.name, 2, 3))
    story.run.number = 4
    for _ in range(2):
        story.observe(1, 1)
        story.cut()
    return story


def loose(story: Story, stream: int) -> Loose:
    """What a stream has that no head covers."""
    line = story.run.lines[stream]
    first, prev = line.first
    part = Range(stream, line.descriptor, first, line.seq - 1, prev, line.prev)
    item = Loose((part,), b"".join(line.pending))
    line.pending = []
    return item


def everything() -> list[Item]:
    story = whole()
    story.observe(1, 1)
    return [*story.items, loose(story, 1)]


def written(items: Sequence[Item], opening: Opening = OPENING) -> bytes:
    parts: list[bytes] = []
    writer = Writer(parts.append, opening)
    for item in items:
        writer.add(item)
    writer.close()
    return b"".join(parts)


def checked(
    items: Sequence[Item], opening: Opening = OPENING, every: bool = False, **changes: Any
) -> tuple[list[str], Tally]:
    reasons: list[str] = []
    anchors = replace(ANCHORS, **changes)
    return reasons, verify([written(items, opening)], anchors, every, reasons.append)


def found(data: bytes, every: bool = False) -> list[str]:
    """The reasons why these bytes do not hold."""
    reasons: list[str] = []
    try:
        verify([data], ANCHORS, every, reasons.append)
    except EvidenceError as fault:
        return [f"no export: {fault}"]
    return reasons
