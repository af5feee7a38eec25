"""The boards whose frames a record holds, and what their own signed heads say of them: the part of
`verify` that looks behind the gateway.

1. A board is known by the key that the descriptor of its own stream names, whenever in the run that
   came; its frames are those of all streams of that source, and are found by their kinds. A run in
   which its stream says nothing is of the board before; a source that never names one is told.
   Where the anchors name boards, it must be one of them.
2. Only batches of devices with such streams are read. They are taken as the gateway sealed them,
   run after run, by number, and not as the log has them: a backlog comes after what is live. The
   frames of one batch are put in the board's order.

It checks no tag: the record does not have the pairing's key, and needs none.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from drivers.mcu.wire import BOARD, PUBLIC_BYTES
from evidence import cbor, cose, observation
from evidence.code import Kind, Reason, Typ
from evidence.head import read as read_head
from evidence.refusal import EvidenceError
from evidence.trust import Anchors
from record.board import Chain, ordered
from record.database import NotARecordError, Place, StoreError
from record.known import Known, KnownDescriptor
from record.schema import INT_MAX, RunRow
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
    """Of a descriptor: whose stream it rules, and in which run (by its id)."""

    source: Source
    run: int


class Walk:
    """One reading of one record."""

    def __init__(self, store: Store, named: Mapping[bytes, str]) -> None:
        """`named`: boards by key, as the anchors have them; nothing: nobody was told of any."""
        self._store, self._known, self._named = store, Known(store), named
        self._streams: dict[bytes, _Stream] = {}
        self._subjects: dict[Source, str] = {}  # as people call them
        self._publics: dict[_Stream, bytes] = {}  # the board of a source in a run
        self._first: dict[Source, bytes] = {}  # the board that was named first
        self._last: dict[Source, bytes] = {}  # the board of the run before
        self._unnamed: dict[Source, int] = {}  # frames of boards that nobody names
        self._chains: dict[bytes, Chain] = {}
        self._names: dict[bytes, str] = {}  # of boards, for people
        self._reasons: list[str] = []

    def run(self) -> Boards:
        """Raises StoreError, EvidenceError for a record that cannot be read."""
        for entry in self._store.entries():
            if entry.typ == Typ.DESCRIPTOR and entry.name is not None:
                self._descriptor(entry.name)
        devices = {stream.source[0] for stream in self._streams.values()}
        for row in in_order(self._store.runs()):
            if row.device in devices:
                for head in self._store.heads_up(row.id, 0, INT_MAX):
                    self._batch(head.idx)
        for chain in self._chains.values():
            chain.finish()
        told = [_words(self._names[public], chain) for public, chain in self._chains.items()]
        told += [
            f"{self._subjects[source]}: {count:,} frames of a board whose key no descriptor names"
            for source, count in self._unnamed.items()
        ]
        return Boards(told, self._reasons)

    def _descriptor(self, name: bytes) -> None:
        known = self._known.descriptor(name)
        words = _source_of(known) if known and known.descriptor.kind in KINDS else ()
        if known is None or len(words) != 2:
            return
        source = (known.run.device, words[0])
        stream = self._streams[name] = _Stream(source, known.run.id)
        subject = self._subjects[source] = f"{known.run.credential.subject}/{words[0]}"
        public = known.configuration if words[1] == BOARD else None
        if public is None or len(public) != PUBLIC_BYTES:
            return
        called = self._named.get(public) or public.hex()[:_DIGITS]
        self._names.setdefault(public, f"board {called} ({subject})")
        if self._named and public not in self._named:
            self._say(subject, Reason.BOARD_UNKNOWN, f"no board of the anchors' has {public.hex()}")
        self._first.setdefault(source, public)
        if self._publics.setdefault(stream, public) != public:
            self._say(subject, Reason.BOARD_FRAME, "names two boards in one run")

    def _batch(self, idx: int) -> None:
        entry = self._store.entry(idx)
        if entry is None:
            raise StoreError(f"entry {idx} is missing")
        ranges = read_head(cose.read(entry.encoded).payload).ranges
        if not any(part.descriptor in self._streams for part in ranges):
            return
        body = self._store.body(idx)
        if body is None:
            raise StoreError(f"the body of entry {idx} is missing")
        found: dict[_Stream, list[bytes]] = {}
        at = 0
        for part in ranges:
            stream = self._streams.get(part.descriptor)
            for _ in range(part.count):
                sample, _, at = observation.read_at(body, at)
                if stream is not None and sample.kind in KINDS:
                    found.setdefault(stream, []).append(sample.raw)
        taken: dict[bytes, list[bytes]] = {}
        for of, raws in found.items():
            public = self._public(of)
            if public is None:
                self._unnamed[of.source] = self._unnamed.get(of.source, 0) + len(raws)
            else:
                taken.setdefault(public, []).extend(raws)
        for public, raws in taken.items():
            for raw in ordered(raws):
                self._chain(public).take(raw)

    def _public(self, stream: _Stream) -> bytes | None:
        """The key of the board that was there."""
        source = stream.source
        public = self._publics.get(stream) or self._last.get(source) or self._first.get(source)
        if public is not None:
            self._last[source] = public
        return public

    def _chain(self, public: bytes) -> Chain:
        chain = self._chains.get(public)
        if chain is None:
            name = self._names[public]
            chain = Chain(public, lambda reason, text: self._say(name, reason, text))
            self._chains[public] = chain
        return chain

    def _say(self, name: str, reason: Reason, text: str) -> None:
        line = f"{name}: {reason.name.lower()}: {text}"
        if len(self._reasons) < REASONS_MAX and line not in self._reasons:
            self._reasons.append(line)


def check(place: Place, anchors: Anchors) -> Boards:
    """All boards of a record. Raises NotARecordError where there is none."""
    try:
        store = open_reader(place)
    except StoreError as fault:
        raise NotARecordError(f"{place}: {fault}") from fault
    try:
        store.snapshot()
        return Walk(store, anchors.boards).run()
    except (StoreError, EvidenceError) as fault:
        return Boards([], [f"boards: {fault}"])
    finally:
        store.close()


def in_order(rows: Iterable[RunRow]) -> Iterator[RunRow]:
    """By when they began, as far as they say so; but each after the one that it continues."""
    waiting = {row.name: row for row in sorted(rows, key=lambda row: (row.began or 0, row.id))}
    for name in [*waiting]:
        line: list[RunRow] = []
        before: bytes | None = name
        while before is not None and (row := waiting.pop(before, None)) is not None:
            line.append(row)
            before = row.predecessor
        yield from reversed(line)


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
            (of.late, "too late to be checked"),
        )
        if count
    )
    return ", ".join([f"{name}: {of.covered:,} frames under heads that it signed", *parts])
