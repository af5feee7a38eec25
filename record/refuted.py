"""Frames that a board's own signed heads show not to be the board's, found after admission: by
ranges of the observations that carry them, KEY_DOUBTFUL. What was heard of that device nobody
vouches for but the gateway, and it lied.

1. Of each run of the stretch its batches are followed from the head that is their ground to the
   head over them (record.ground), as `verify` follows all of a record.
2. What is found is told where the head, or a frame of it, lies in the stretch: in the round that
   has the last of them. A head may come long after its frames, and a backlog after the head.
3. A head that the board did not sign tells of the frames that it stands over, and of itself.
4. A range names the entries in which it begins, and in which the head is that shows its beginning.
   RANGES_MAX of one reason and stream of a run are told apart in a stretch, however many heads show
   them; then the last one takes in what follows.
5. FRAMES_MAX frames of a run are remembered with their place; of more, the last. What was told for
   one reason is not told again for it: a gateway may seal head after head that nobody signed.

Whom the anchors name as boards has no part in it: another record may name others.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from evidence.board import frame
from evidence.board.chain import Fault
from evidence.board.walk import Walk, pieces
from evidence.classification import Finding
from evidence.code import Class, Reason
from evidence.head import Head
from evidence.observation import Sample
from evidence.refusal import EvidenceError
from evidence.tapped import chained
from record.continuity import Doubt
from record.ground import Grounds, Place
from record.known import Known
from record.store import Store, StoreError

HEADS_STEP = 64  # heads of batches that are read in one step
RANGES_MAX = 64
FRAMES_MAX = 1 << 16  # 18 minutes of one port at 60 a second: 20 MB, while a run is followed
_TELLING = frozenset({Reason.BOARD_SIGNATURE, Reason.BOARD_LINK, Reason.BOARD_TWIN})


class _At(NamedTuple):
    """Where a frame was sealed."""

    run: bytes
    stream: int
    seq: int
    idx: int


class _Shown(NamedTuple):
    """The entries in which a frame is, and the head that refutes it."""

    idx: int
    head: int


_Of = tuple[bytes, int, Reason]  # a run, a stream of it, and why


class Refuted:
    """Of one stretch of a log. `meet` its heads, then `steps`, then `doubts`."""

    def __init__(self, store: Store, known: Known, start: int, upto: int) -> None:
        self._store, self._known, self._start = store, known, start
        self._grounds = Grounds(store, known, upto)
        self._met: dict[bytes, tuple[int, int]] = {}  # numbers of batches, by run
        self._told: defaultdict[_Of, dict[int, _Shown]] = defaultdict(dict)  # by seq

    def meet(self, head: Head) -> None:
        """A batch of the stretch, which has a board's frames."""
        low, high = self._met.get(head.run, (head.number, head.number))
        self._met[head.run] = min(low, head.number), max(high, head.number)

    def steps(self) -> Iterator[None]:
        """Follows them, a batch at a time. Raises StoreError."""
        for name, (low, high) in self._met.items():
            row = self._store.run(name)
            if row is None:
                raise StoreError(f"run {name.hex()[:16]} is missing")
            last = yield from self._grounds.forth(row, high)
            has_head = False
            for idx in self._grounds.batches((row, low), last):
                yield None
                has_head = any(said.over is not None for said in self._grounds.said(idx))
                if has_head:
                    break
            if has_head:
                first = yield from self._grounds.back(row, low)
                yield from self._follow(first, last)

    def doubts(self) -> list[Doubt]:
        """What was found."""
        found = []
        for (run, stream, reason), told in self._told.items():
            for begins, ends in _ranges(told):
                grade = (int(Class.KEY_DOUBTFUL), int(reason))
                finding = Finding(run, None, stream, begins, ends, *grade)
                shown = (self._subject(idx) for idx in told[begins])
                found.append(Doubt(finding, tuple(dict.fromkeys(shown))))
        return found

    def _follow(self, first: Place, last: Place) -> Iterator[None]:
        found = _Following(self._known)
        for at, idx in enumerate(self._grounds.batches(first, last)):
            for part in self._grounds.ranges(idx):
                found.describe(part.descriptor)
            if at % HEADS_STEP == 0:
                yield None
        for idx in self._grounds.batches(first, last):
            body = self._store.body(idx)
            if body is None:
                raise StoreError(f"the body of entry {idx} is missing")
            ranges = self._grounds.ranges(idx)
            if found.walk.has(ranges):
                found.idx = idx
                found.walk.take(pieces(ranges, body), body)
                yield None
        found.walk.end()
        for reason, head, places in found.faults:
            if max(place.idx for place in (head, *places)) >= self._start:
                self._tell(reason, head, places)

    def _tell(self, reason: Reason, head: _At, places: list[_At]) -> None:
        for one in places:
            told = self._told[one.run, one.stream, reason]
            told.setdefault(one.seq, _Shown(one.idx, head.idx))

    def _subject(self, idx: int) -> bytes:
        entry = self._store.entry(idx)
        if entry is None:
            raise StoreError(f"entry {idx} is missing")
        return entry.subject


def _ranges(seqs: Iterable[int]) -> list[tuple[int, int]]:
    """From one to another; RANGES_MAX at most."""
    found: list[tuple[int, int]] = []
    for seq in sorted(seqs):
        if found and (seq <= found[-1][1] + 1 or len(found) == RANGES_MAX):
            found[-1] = (found[-1][0], seq)
        else:
            found.append((seq, seq))
    return found


class _Following:
    """Some batches, followed; where each frame is, and what does not hold. `idx`: of the batch that
    is taken."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self.walk = Walk({}, part=True, watch=self)
        self.idx = 0
        self.faults: list[tuple[Reason, _At, list[_At]]] = []
        self._places: dict[tuple[bytes, int, int], list[_At]] = {}
        self._upto: dict[tuple[bytes, int, Reason], int] = {}  # a frame: what is before it was told
        self._described: dict[bytes, bytes] = {}  # names of descriptors: their runs'

    def describe(self, name: bytes) -> None:
        if name in self._described:
            return
        found = self._known.descriptor(name)
        if found is None:
            raise StoreError(f"descriptor {name.hex()[:16]} is missing")
        by = found.run
        self._described[name] = by.name
        self.walk.describe(name, found.descriptor, found.told, by.device, by.credential.subject)

    def met(self, public: bytes, sample: Sample, descriptor: bytes) -> None:
        try:
            fields = frame.read(chained(sample.kind, sample.raw))
        except EvidenceError:
            return  # a receipt says of it what it is
        at = _At(self._described[descriptor], sample.stream, sample.seq, self.idx)
        self._places.setdefault((public, fields.boot, fields.seq), []).append(at)
        if len(self._places) > FRAMES_MAX:
            del self._places[next(iter(self._places))]

    def found(self, public: bytes, fault: Fault) -> None:
        if fault.reason not in _TELLING or fault.frames is None:
            return
        first, last = fault.frames
        if fault.reason != Reason.BOARD_TWIN:
            of = (public, fault.boot, fault.reason)
            first = max(first, self._upto.get(of, 0))
            self._upto[of] = max(last + 1, first)
        first = max(first, last - FRAMES_MAX)
        places = [at for seq in range(first, last + 1) for at in self._at(public, fault.boot, seq)]
        shows = last if fault.head is None else fault.head
        heads = self._at(public, fault.boot, shows)
        if places and heads:
            self.faults.append((fault.reason, heads[-1], places))
        if fault.reason == Reason.BOARD_TWIN:
            del heads[:-1]  # the next of this number is told beside the last

    def _at(self, public: bytes, boot: int, seq: int) -> list[_At]:
        return self._places.get((public, boot, seq), [])
