"""The boards whose frames a record holds, and what their own signed heads say of them: the part of
`verify` that looks behind the gateway.

1. A board is known by the key that the descriptor of its own stream names; its frames are those of
   all streams of that source, and are found by their kinds.
2. Only batches with such streams are read. The frames of one batch are put in the board's order;
   batches come in the log's.

It checks no tag: the record does not have the pairing's key, and needs none.
"""

from collections.abc import Iterator
from typing import NamedTuple

from drivers.mcu.wire import BOARD, PUBLIC_BYTES
from evidence import cbor, cose, observation
from evidence.code import Kind, Reason, Typ
from evidence.head import Range
from evidence.head import read as read_head
from evidence.refusal import EvidenceError
from record.board import Chain, ordered
from record.database import NotARecordError, Place, StoreError
from record.known import Known, KnownDescriptor
from record.store import Store, open_reader

KINDS = frozenset({Kind.MCU_C37118, Kind.MCU_INFO})
REASONS_MAX = 100  # lines; a record with more has no need of them
_DIGITS = 16  # of a board's key, for people

Source = tuple[bytes, str]  # a gateway's device, and its source


class Boards(NamedTuple):
    """What was found: of each board a line, and why something does not hold."""

    told: list[str]
    reasons: list[str]


class _Stream(NamedTuple):
    """Of a descriptor: whose stream it rules. `public`: where it is the board's own."""

    source: Source
    public: bytes | None


class Walk:
    """One reading of one record."""

    def __init__(self, store: Store) -> None:
        self._store, self._known = store, Known(store)
        self._streams: dict[bytes, _Stream] = {}
        self._publics: dict[Source, bytes] = {}  # by source: the board that is there now
        self._chains: dict[bytes, Chain] = {}
        self._names: dict[bytes, str] = {}  # of boards, for people
        self._reasons: list[str] = []

    def run(self) -> Boards:
        """Raises StoreError, EvidenceError for a record that cannot be read."""
        for entry in self._store.entries():
            if entry.typ == Typ.DESCRIPTOR and entry.name is not None:
                self._descriptor(entry.name)
            elif entry.typ == Typ.HEAD and self._streams:
                ranges = read_head(cose.read(entry.encoded).payload).ranges
                if any(part.descriptor in self._streams for part in ranges):
                    self._batch(entry.idx, ranges)
        for chain in self._chains.values():
            chain.finish()
        told = [_words(self._names[public], chain) for public, chain in self._chains.items()]
        return Boards(told, self._reasons)

    def _descriptor(self, name: bytes) -> None:
        known = self._known.descriptor(name)
        words = _source_of(known) if known and known.descriptor.kind in KINDS else ()
        if known is None or len(words) != 2:
            return
        public = known.configuration if words[1] == BOARD else None
        source = (known.run.device, words[0])
        self._streams[name] = _Stream(source, public)
        if public is not None and len(public) == PUBLIC_BYTES and public not in self._names:
            of = f"{known.run.credential.subject}/{words[0]}"
            self._names[public] = f"board {public.hex()[:_DIGITS]} ({of})"

    def _batch(self, idx: int, ranges: tuple[Range, ...]) -> None:
        body = self._store.body(idx)
        if body is None:
            raise StoreError(f"the body of entry {idx} is missing")
        found: dict[Source, list[bytes]] = {}
        at = 0
        for part in ranges:
            stream = self._streams.get(part.descriptor)
            if stream is not None and stream.public in self._names:
                self._publics[stream.source] = stream.public or b""
            for _ in range(part.count):
                sample, _, at = observation.read_at(body, at)
                if stream is not None and sample.kind in KINDS:
                    found.setdefault(stream.source, []).append(sample.raw)
        for source, raws in found.items():
            self._take(source, raws)

    def _take(self, source: Source, raws: list[bytes]) -> None:
        public = self._publics.get(source)
        if public is None:
            self._say(f"source {source[1]!r}", Reason.BOARD_FRAME, "no descriptor names its board")
            return
        chain = self._chains.get(public)
        if chain is None:
            name = self._names[public]
            chain = Chain(public, lambda reason, text: self._say(name, reason, text))
            self._chains[public] = chain
        for raw in ordered(raws):
            chain.take(raw)

    def _say(self, name: str, reason: Reason, text: str) -> None:
        line = f"{name}: {reason.name.lower()}: {text}"
        if len(self._reasons) < REASONS_MAX and line not in self._reasons:
            self._reasons.append(line)


def check(place: Place) -> Boards:
    """All boards of a record. Raises NotARecordError where there is none."""
    try:
        store = open_reader(place)
    except StoreError as fault:
        raise NotARecordError(f"{place}: {fault}") from fault
    try:
        store.snapshot()
        return Walk(store).run()
    except (StoreError, EvidenceError) as fault:
        return Boards([], [f"boards: {fault}"])
    finally:
        store.close()


def _source_of(known: KnownDescriptor) -> tuple[str, ...]:
    """The source and the key that a descriptor discloses."""
    try:
        words = cbor.decode(known.told.get(known.descriptor.source, b""))
    except EvidenceError:
        return ()
    told = words if type(words) is tuple else ()
    return told if all(type(word) is str for word in told) else ()


def _words(name: str, chain: Chain) -> str:
    of = chain.counts
    parts: Iterator[str] = (
        f"{count:,} {what}"
        for count, what in (
            (of.refuted, "frames that are not the board's"),
            (of.open, "under no head"),
            (of.missing, f"missing in {of.holes} hole{'s' * (of.holes != 1)}"),
            (of.repeated, "sealed again"),
        )
        if count
    )
    return ", ".join([f"{name}: {of.covered:,} frames under heads that it signed", *parts])
