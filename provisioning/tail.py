"""The newest of what a running agent sealed, read from its spool beside it: the Setups and Frames
that its drivers brought, a little later than they did.

1. Read only (agent.archive), and PIECES_MAX commits a read: an agent that seals faster than we read
   is never held up by us, and we pass over what we missed.
2. What was not measured (holes, fixes, verdicts, events) is passed over.
3. Nothing is verified: who looks at a gateway's own spool on that gateway asks what its devices
   say, not whether somebody forged it.

What the agent holds in memory under `durability = "spill"` comes here when it is written.
"""

from collections.abc import Iterator
from pathlib import Path

from agent.archive import Archive, ArchiveError, Part
from drivers import line
from drivers.line import Frame, Instant, Setup
from evidence import cbor, cose, descriptor, disclosure, observation, position, shape
from evidence.code import SILENT, Kind
from evidence.descriptor import Descriptor
from evidence.refusal import EvidenceError

PIECES_MAX = 200  # 10 s of commits of 50 ms
BEGIN_PIECES = 40  # read at first: 2 s of them, so that there is something at once
Heard = tuple[str, Setup | Frame]  # of a source


class Tail:
    """What was sealed since it was read last. Raises SpoolError, ArchiveError."""

    def __init__(self, spool: Path) -> None:
        self._archive = Archive(spool)
        self._after = max(self._archive.newest() - BEGIN_PIECES, 0)
        self._known: dict[bytes, tuple[str, Setup] | None] = {}  # by descriptor
        self._ruling: dict[tuple[str, str], bytes] = {}

    def close(self) -> None:
        self._archive.close()

    def read(self) -> list[Heard]:
        """In the order in which it was sealed."""
        newest = self._archive.newest()
        first = max(self._after + 1, newest - PIECES_MAX)
        found: list[Heard] = []
        try:
            for part in self._archive.parts(first, newest):
                found.extend(self._part(part))
        except EvidenceError as fault:
            raise ArchiveError(str(fault)) from fault
        self._after = newest
        return found

    def _part(self, part: Part) -> Iterator[Heard]:
        if part.descriptor not in self._known:
            self._known[part.descriptor] = self._described(part.descriptor)
        known = self._known[part.descriptor]
        if known is None:
            return
        source, setup = known
        if self._ruling.get((source, setup.key)) != part.descriptor:
            self._ruling[source, setup.key] = part.descriptor
            yield source, setup
        at = 0
        while at < len(part.links):
            sample, _, at = observation.read_at(part.links, at)
            if sample.kind not in SILENT:
                heard = Instant(sample.tai + sample.heard, sample.heard_bound)
                stamped = (sample.tai, sample.bound, sample.source, sample.flags, heard)
                yield source, Frame(setup.key, sample.kind, sample.raw, *stamped)

    def _described(self, name: bytes) -> tuple[str, Setup] | None:
        """Whose stream a descriptor is of, and its Setup; None where that is nobody's.

        Raises ArchiveError, EvidenceError.
        """
        statement = self._archive.statement(name)
        if statement is None:
            return None
        says = descriptor.read(cose.read(statement.encoded).payload)
        pairs = disclosure.read_pairs(cbor.decode(statement.disclosures))
        told = disclosure.match(pairs, says.digests)
        if says.source not in told or says.kind in SILENT or says.kind not in set(Kind):
            return None
        source, key = shape.array(cbor.decode(told[says.source]), "source", 2)
        configuration = told.get(says.configuration, b"") if says.configuration else b""
        blocks = tuple(_block(says, told, number) for number in range(len(says.blocks)))
        setup = Setup(shape.text(key, "key"), says.kind, configuration, says.rate, blocks)
        return shape.text(source, "source"), setup


def _block(says: Descriptor, told: dict[bytes, bytes], number: int) -> line.Block:
    block = says.blocks[number]
    channels = tuple(
        line.Channel(_text(told.get(one.name)), one.quantity, one.unit)
        for one in says.channels
        if one.block == number
    )
    where = told.get(block.position) if block.position is not None else None
    return line.Block(
        *(_text(told.get(block.station)), block.idcode, block.service_class),
        *(block.window_us, block.group_delay_us, channels),
        None if where is None else position.read(where),
    )


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode("utf-8", "replace")
