"""The boards of a record, an export or a bundle, and what their own signed heads say of their
frames: the part of a check that looks behind the gateway.

1. A board is known by the key that the descriptor of its own stream names, whenever in the run that
   came; its frames are those of all streams of that source, and are found by their kinds. A run in
   which its stream says nothing is of the board before; a source that never names one is told.
   Where the anchors name boards, it must be one of them.
2. Batches are to be taken as the gateway sealed them. The frames of one are put in the board's
   order.
3. A part of an archive may begin amid a boot: what came before it is not missing.
4. A board of the anchors signs heads: where it is heard for HEAD_DUE_NS without one, a gateway may
   have taken them out, and that is a fault. Not where something of it is withheld, or of a part
   where frames are not in it.

It checks no tag: nobody but the gateway has the pairing's key, or needs it. It opens nothing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import NamedTuple, Protocol

from evidence import cbor, cose, credential, descriptor, disclosure, observation, run
from evidence.board import frame
from evidence.board.chain import Chain, Fault, ordered
from evidence.code import OF_BOARDS, Reason, Typ
from evidence.descriptor import Descriptor
from evidence.export import Pairs
from evidence.head import Range
from evidence.leap import NS
from evidence.observation import Sample
from evidence.refusal import EvidenceError
from evidence.tapped import chained

REASONS_MAX = 100  # lines; a record with more has no need of them
# A board signs a head each 240 s at the least (firmware_bridge/firmware/settings.py,
# HEAD_SECONDS_MAX). One may be lost with the link, so it is the second that is due, and what the
# slowest board needs to sign it.
HEAD_EVERY_NS = 240 * NS
HEAD_DUE_NS = 2 * HEAD_EVERY_NS + 120 * NS
_DIGITS = 16  # of a board's key, for people
_NAME_MAX = 160  # characters of a gateway and its source

Source = tuple[bytes, str]  # a gateway's device, and its source


class Piece(NamedTuple):
    """Observations of a batch under one descriptor; where they begin in its body."""

    descriptor: bytes
    many: int
    at: int


class Watch(Protocol):
    """Whoever must know which observations what is found is of."""

    def met(self, public: bytes, sample: Sample, descriptor: bytes) -> None:
        """The next observation of a board's."""

    def found(self, public: bytes, fault: Fault) -> None: ...


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

    def __init__(
        self, named: Mapping[bytes, str], part: bool = False, watch: Watch | None = None
    ) -> None:
        """`named`: boards of the anchors, by key; `part`: of an archive, which may begin
        anywhere."""
        self._named, self._part, self._watch = named, part, watch
        self._called: dict[bytes, str] = {}  # whose a credential is, and a run, by its name
        self._hidden = 0  # descriptors of boards that do not disclose whose
        self._withheld: Counter[Source] = Counter()  # observations
        self._due: dict[bytes, _Due] = {}
        self._streams: dict[bytes, _Stream] = {}
        self._subjects: dict[Source, str] = {}  # as people call them
        self._publics: dict[_Stream, bytes] = {}  # the board of a source in a run
        self._first: dict[Source, bytes] = {}  # the board that was named first
        self._last: dict[Source, bytes] = {}  # the board of the run before
        self._unnamed: Counter[Source] = Counter()  # frames of boards that nobody names
        self._chains: dict[bytes, Chain] = {}
        self._names: dict[bytes, str] = {}  # of boards, for people
        self._reasons: list[str] = []

    def describe(
        self, name: bytes, of: Descriptor, told: Mapping[bytes, bytes], device: bytes, subject: str
    ) -> None:
        """A descriptor, by its name, and what it hides, by digest."""
        if of.kind not in OF_BOARDS:
            return
        words = source_of(told.get(of.source, b""))
        if not words:
            self._hidden += 1
            return
        source = (device, words[0])
        stream = self._streams[name] = _Stream(source, of.run)
        called = self._subjects[source] = _shown(f"{subject}/{words[0]}")
        public = told.get(of.configuration or b"", b"") if words[1] == frame.BOARD else b""
        if len(public) != frame.PUBLIC_BYTES:
            return
        self._names.setdefault(
            public, f"board {self._named.get(public) or public.hex()[:_DIGITS]} ({called})"
        )
        self._first.setdefault(source, public)
        if self._publics.setdefault(stream, public) != public:
            self._say(called, Fault(Reason.BOARD_FRAME, "names two boards in one run"))
        if self._named and public not in self._named:
            text = f"no board of the anchors' has {public.hex()}"
            self._say(called, Fault(Reason.BOARD_UNKNOWN, text))

    def state(self, message: cose.Sign1, pairs: Pairs | None) -> None:
        """A statement of a file that is one gateway's, in place of `describe`. Raises
        EvidenceError."""
        if message.typ == Typ.CREDENTIAL:
            self._called[message.name] = credential.read(message.payload).subject
        elif message.typ == Typ.RUN:
            under = run.read(message.payload).credential
            self._called[message.name] = self._called.get(under, "")
        elif message.typ == Typ.DESCRIPTOR:
            of = descriptor.read(message.payload)
            told = disclosure.match(pairs or (), of.digests)
            self.describe(message.name, of, told, b"", self._called.get(of.run, ""))

    @property
    def devices(self) -> set[bytes]:
        """Those that have boards."""
        return {stream.source[0] for stream in self._streams.values()}

    def has(self, ranges: Iterable[Range]) -> bool:
        """Whether any of these is of a board."""
        return any(part.descriptor in self._streams for part in ranges)

    def withhold(self, part: Range, many: int) -> None:
        """So many observations of a range are not shown."""
        stream = self._streams.get(part.descriptor)
        if stream is not None and many:
            self._withheld[stream.source] += many

    def take(self, pieces: Iterable[Piece], body: bytes) -> None:
        """A batch, as far as it is there. Raises EvidenceError."""
        taken: dict[bytes, list[tuple[bytes, Sample]]] = {}
        for piece in pieces:
            stream = self._streams.get(piece.descriptor)
            if stream is None:
                continue
            at, found = piece.at, []
            for _ in range(piece.many):
                sample, _, at = observation.read_at(body, at)
                if sample.kind in OF_BOARDS:
                    found.append(sample)
            public = self._public(stream)
            if public is None:
                self._unnamed[stream.source] += len(found)
                continue
            if self._watch is not None:
                for sample in found:
                    self._watch.met(public, sample, piece.descriptor)
            taken.setdefault(public, []).extend(
                (chained(sample.kind, sample.raw), sample) for sample in found
            )
        for public, samples in taken.items():
            for raw, sample in ordered(samples):
                self._follow(public, raw, sample)

    def end(self) -> Boards:
        """Nothing more comes."""
        for chain in self._chains.values():
            chain.finish()
        withheld: Counter[bytes] = Counter()
        for source, count in self._withheld.items():
            withheld[self._last.get(source) or self._first.get(source) or b""] += count
        told = [
            _words(self._names[public], chain, withheld[public])
            for public, chain in self._chains.items()
        ]
        for source, count in self._unnamed.items():
            text = f"{count:,} frames of a board whose key no descriptor names"
            told.append(f"{self._subjects[source]}: {text}")
            if self._named and not self._part:
                self._say(self._subjects[source], Fault(Reason.BOARD_UNKNOWN, text))
        if self._hidden:
            told.append(f"{self._hidden} descriptors of boards do not tell whose: none is followed")
        return Boards(told, self._reasons)

    def _follow(self, public: bytes, raw: bytes, sample: Sample) -> None:
        """One frame of a board's, in its observation: a copy of another may stand behind it."""
        chain = self._chain(public)
        heads, holes = chain.counts.heads, chain.counts.holes
        chain.take(raw)
        if len(sample.raw) > len(raw):
            chain.compare(sample.raw[len(raw) :])
        if public not in self._named or self._withheld:
            return
        due = self._due.get(public)
        if due is None:
            due = self._due[public] = _Due()
        holds = chain.counts.heads > heads or (self._part and chain.counts.holes > holes)
        waited = due.hear(sample.tai + sample.heard, holds)
        if waited is not None:
            text = f"heard for {waited // NS} s up to frame {_seq(raw)} without a head"
            self._say(self._names[public], Fault(Reason.BOARD_HEADLESS, text))

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
            chain = Chain(public, partial(self._found, public), self._part)
            self._chains[public] = chain
        return chain

    def _found(self, public: bytes, fault: Fault) -> None:
        if self._watch is not None:
            self._watch.found(public, fault)
        self._say(self._names[public], fault)

    def _say(self, name: str, fault: Fault) -> None:
        line = f"{name}: {fault.reason.name.lower()}: {fault.words()}"
        if len(self._reasons) < REASONS_MAX and line not in self._reasons:
            self._reasons.append(line)


class _Due:
    """How long a board has been heard since its last head."""

    __slots__ = ("_last", "_said", "_since")

    def __init__(self) -> None:
        self._since = self._last = 0
        self._said = False

    def hear(self, at: int, holds: bool) -> int | None:
        """A frame, heard at this instant. `holds`: one is with it. How long there was none, ns,
        where one is due: once for each time that they stay away.

        A pause as long as what lies between two heads begins anew: they may have been lost in it.
        """
        apart = not 0 <= at - self._last <= HEAD_EVERY_NS
        self._last = at
        if holds or apart:
            self._since, self._said = at, False
        if self._said or at - self._since <= HEAD_DUE_NS:
            return None
        self._said = True
        return at - self._since


def pieces(ranges: Iterable[Range], body: bytes) -> Iterator[Piece]:
    """Of a whole batch that was read strictly before."""
    links, at = observation.split(body), 0
    for part in ranges:
        start = at
        for _ in range(part.count):
            at += len(next(links))
        yield Piece(part.descriptor, part.count, start)


def source_of(told: bytes) -> tuple[str, str] | None:
    """The source and the key that a descriptor discloses."""
    try:
        words = cbor.decode(told)
    except EvidenceError:
        return None
    if type(words) is not tuple or len(words) != 2:
        return None
    source, key = words
    return (source, key) if type(source) is str and type(key) is str else None


def _shown(name: str) -> str:
    """A gateway's word, for people: as it is where all of it can be seen."""
    return name[:_NAME_MAX] if name.isprintable() else ascii(name[:_NAME_MAX])


def _seq(raw: bytes) -> int:
    return int.from_bytes(raw[8:12], "big")


def _words(name: str, chain: Chain, withheld: int) -> str:
    of = chain.counts
    which = f" ({'; '.join(of.named)}{'; ...' * (of.holes > len(of.named))})"
    parts: Iterator[str] = (
        f"{count:,} {what}"
        for count, what in (
            (of.refuted, "frames that are not the board's"),
            (of.open, "under no head"),
            (of.missing, f"missing in {of.holes} hole{'s' * (of.holes != 1)}{which}"),
            (withheld, "withheld"),
            (of.repeated, "sealed again"),
            (of.late, "too late to be checked"),
        )
        if count
    )
    return ", ".join([f"{name}: {of.covered:,} frames under heads that it signed", *parts])
