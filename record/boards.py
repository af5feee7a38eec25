"""The boards of a record or of an export, and what their own signed heads say of their frames: the
part of `verify` that looks behind the gateway.

1. A board is known by the key that the descriptor of its own stream names, whenever in the run that
   came; its frames are those of all streams of that source, and are found by their kinds. A run in
   which its stream says nothing is of the board before; a source that never names one is told.
   Where the anchors name boards, it must be one of them.
2. Batches are to be taken as the gateway sealed them. The frames of one are put in the board's
   order.
3. A part of an archive may begin amid a boot: what came before it is not missing.

It checks no tag: nobody but the gateway has the pairing's key, or needs it. It opens nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from drivers.mcu.wire import BOARD, PUBLIC_BYTES
from evidence import cbor, observation
from evidence.code import OF_BOARDS, Reason
from evidence.descriptor import Descriptor
from evidence.head import Range
from evidence.refusal import EvidenceError
from evidence.tapped import chained
from evidence.trust import Anchors
from record.board import Chain, ordered

REASONS_MAX = 100  # lines; a record with more has no need of them
_DIGITS = 16  # of a board's key, for people

Source = tuple[bytes, str]  # a gateway's device, and its source


class Boards(NamedTuple):
    """What was found: of each board a line, and why something does not hold."""

    told: list[str]
    reasons: list[str]


class _Stream(NamedTuple):
    """Of a descriptor: whose stream it rules, and in which run (by its name)."""

    source: Source
    run: bytes


class Walk:
    """One reading: first of all descriptors, then of the batches."""

    def __init__(self, anchors: Anchors, part: bool = False) -> None:
        """`part`: of an archive, which may begin anywhere."""
        self._named, self._part = anchors.boards, part
        self._streams: dict[bytes, _Stream] = {}
        self._subjects: dict[Source, str] = {}  # as people call them
        self._publics: dict[_Stream, bytes] = {}  # the board of a source in a run
        self._first: dict[Source, bytes] = {}  # the board that was named first
        self._last: dict[Source, bytes] = {}  # the board of the run before
        self._unnamed: dict[Source, int] = {}  # frames of boards that nobody names
        self._chains: dict[bytes, Chain] = {}
        self._names: dict[bytes, str] = {}  # of boards, for people
        self._reasons: list[str] = []

    def describe(
        self, name: bytes, of: Descriptor, told: Mapping[bytes, bytes], device: bytes, subject: str
    ) -> None:
        """A descriptor, by its name, and what it hides, by digest."""
        words = _words_of(told.get(of.source, b"")) if of.kind in OF_BOARDS else ()
        if len(words) != 2:
            return
        source = (device, words[0])
        stream = self._streams[name] = _Stream(source, of.run)
        called = self._subjects[source] = f"{subject}/{words[0]}"
        public = told.get(of.configuration or b"", b"") if words[1] == BOARD else b""
        if len(public) != PUBLIC_BYTES:
            return
        self._names.setdefault(
            public, f"board {self._named.get(public) or public.hex()[:_DIGITS]} ({called})"
        )
        self._first.setdefault(source, public)
        if self._publics.setdefault(stream, public) != public:
            self._say(called, Reason.BOARD_FRAME, "names two boards in one run")
        if self._named and public not in self._named:
            self._say(called, Reason.BOARD_UNKNOWN, f"no board of the anchors' has {public.hex()}")

    @property
    def devices(self) -> set[bytes]:
        """Those that have boards."""
        return {stream.source[0] for stream in self._streams.values()}

    def has(self, ranges: Iterable[Range]) -> bool:
        """Whether any of these is of a board."""
        return any(part.descriptor in self._streams for part in ranges)

    def take(self, ranges: Iterable[Range], body: bytes) -> None:
        """A batch. Raises EvidenceError."""
        found: dict[_Stream, list[bytes]] = {}
        at = 0
        for part in ranges:
            stream = self._streams.get(part.descriptor)
            for _ in range(part.count):
                sample, _, at = observation.read_at(body, at)
                if stream is not None and sample.kind in OF_BOARDS:
                    found.setdefault(stream, []).append(chained(sample.kind, sample.raw))
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

    def end(self) -> Boards:
        """Nothing more comes."""
        for chain in self._chains.values():
            chain.finish()
        told = [_words(self._names[public], chain) for public, chain in self._chains.items()]
        told += [
            f"{self._subjects[source]}: {count:,} frames of a board whose key no descriptor names"
            for source, count in self._unnamed.items()
        ]
        return Boards(told, self._reasons)

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
            say = partial(self._say, name)
            chain = Chain(public, say, self._part)
            self._chains[public] = chain
        return chain

    def _say(self, name: str, reason: Reason, text: str) -> None:
        line = f"{name}: {reason.name.lower()}: {text}"
        if len(self._reasons) < REASONS_MAX and line not in self._reasons:
            self._reasons.append(line)


def _words_of(told: bytes) -> tuple[str, ...]:
    """The source and the key that a descriptor discloses."""
    try:
        words = cbor.decode(told)
    except EvidenceError:
        return ()
    found = words if type(words) is tuple else ()
    return found if all(type(word) is str for word in found) else ()


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
