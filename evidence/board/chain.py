"""What a board's own signatures say of the frames that gateways sealed: one chain, checked.

1. Within a boot, frames are linked by hashes from the board's key on; a HEAD frame names the link
   after an earlier one, signed by the board. Frames up to it are the board's own, whoever else has
   the key of their tags: a gateway that makes one up, changes one or leaves one out is found.
2. After a hole nobody can tell the link, until a signed head names one: what stands between is
   under no head, and is counted so, as what comes after the last head is.
3. A frame that was sealed twice is one frame; two of one number are a fault. One whose number is
   long past, or whose boot, is compared with nothing, and counted so: a ring has no such frames.
4. Memory is bounded: REORDER_MAX frames wait for one that is late; HELD_MAX links wait for a head,
   and of RAWS_MAX frames the octets are kept, so that a chain can be taken up again from a head.

It knows nothing of what was tapped.
"""

import hashlib
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

from evidence.board import frame
from evidence.code import ALG_ED25519, Reason
from evidence.key import PublicKey
from evidence.refusal import EvidenceError

REORDER_MAX = 1024  # frames, before the one they wait for counts as missing
HELD_MAX = 500_000  # without a head over them: an hour of two ports, and 16 MB of links
RAWS_MAX = 2048  # while a head is being signed, which takes seconds: half a minute of a port
RECENT_MAX = 2048  # of whose content is known, should one come again: twice a board's ring
BOOTS_MAX = 2  # of one board that are open at one time: they follow each other; the lowest closes
HOLES_NAMED_MAX = 4  # of one board, for people
_ORDER_BYTES = 8
T = TypeVar("T")


class Fault(NamedTuple):
    """What does not hold. `frames`: of its boot, from one number to another; none where what was
    sealed is no frame. `head`: the number of the head that shows it."""

    reason: Reason
    text: str
    boot: int = 0
    frames: tuple[int, int] | None = None
    head: int | None = None

    def words(self) -> str:
        return self.text if self.frames is None else f"boot {self.boot}, {self.text}"


Say = Callable[[Fault], None]


class Counts:
    """Of one board, in frames; `holes` in stretches of them, of which the first are `named`;
    `heads`: that it signed."""

    __slots__ = (
        *("covered", "heads", "holes", "late", "missing"),
        *("named", "open", "refuted", "repeated"),
    )

    def __init__(self) -> None:
        self.covered = self.open = self.missing = self.holes = 0
        self.refuted = self.repeated = self.late = self.heads = 0
        self.named: list[str] = []


class Chain:
    """The frames of one board, as they come; `say` is told what does not hold."""

    def __init__(self, public: bytes, say: Say, part: bool = False) -> None:
        """`part`: before the first frame of a boot none is missing."""
        self.counts, self._part = Counts(), part
        self._public, self._say = PublicKey(ALG_ED25519, public), say
        self._boots: dict[int, _Boot] = {}
        self._closed = -1  # no boot up to this one is opened again

    def take(self, raw: bytes) -> None:
        """One frame, in whatever order it was sealed."""
        try:
            fields = frame.read(raw)
        except EvidenceError as fault:
            self._say(Fault(fault.reason, fault.text))
            return
        boot = self._boots.get(fields.boot)
        if boot is None:
            if fields.boot <= self._closed:
                self.counts.late += 1
                return
            if len(self._boots) == BOOTS_MAX:
                self._closed = min(self._boots)
                self._boots.pop(self._closed).finish()
            boot = _Boot(fields.boot, self._public, self.counts, self._say, self._part)
            self._boots[fields.boot] = boot
        boot.take(fields.seq, raw)

    def compare(self, raw: bytes) -> None:
        """A copy of an earlier frame, beside another: it must be that frame, if that is known."""
        try:
            fields = frame.read(raw)
        except EvidenceError as fault:
            self._say(Fault(fault.reason, f"a copy beside a frame: {fault.text}"))
            return
        boot = self._boots.get(fields.boot)
        if boot is not None:
            boot.compare(fields.seq, raw)

    def finish(self) -> None:
        """Nothing more comes."""
        for boot in self._boots.values():
            boot.finish()
        self._boots.clear()


class _Boot:
    """One boot of a board. Held are its frames from `_first` to before `_next`: under no head yet.

    `_link`: after the last of them; None where nobody knows. `_links`: after each, then.
    """

    def __init__(
        self, number: int, public: PublicKey, counts: Counts, say: Say, part: bool
    ) -> None:
        self._from_anywhere = part  # nothing has come yet, and it may begin anywhere
        self._number, self._public, self._counts, self._tell = number, public, counts, say
        self._first = self._next = 0
        self._link: bytes | None = frame.link_before(public.raw, number)
        self._links = bytearray()
        self._raws: deque[bytes] = deque(maxlen=RAWS_MAX)  # the last that were taken
        self._waiting: dict[int, bytes] = {}
        self._recent: OrderedDict[int, bytes] = OrderedDict()

    def take(self, seq: int, raw: bytes) -> None:
        digest = hashlib.sha256(raw).digest()
        before = self._recent.get(seq)
        if before is not None:
            self._counts.repeated += 1
            if before != digest:
                text = f"frame {seq}: sealed with two contents"
                self._say(Reason.BOARD_TWIN, text, (seq, seq))
            return
        if seq < self._next:
            self._counts.late += 1
            return
        self._recent[seq] = digest
        if len(self._recent) > RECENT_MAX:
            self._recent.popitem(last=False)
        self._waiting[seq] = raw
        self._go_on()
        if len(self._waiting) > REORDER_MAX:
            self._skip()

    def compare(self, seq: int, raw: bytes) -> None:
        before = self._recent.get(seq)
        if before is not None and before != hashlib.sha256(raw).digest():
            self._say(Reason.BOARD_TWIN, f"frame {seq}: a copy has another content", (seq, seq))

    def finish(self) -> None:
        while self._waiting:
            self._skip()
        self._counts.open += self._drop(self._next)

    def _go_on(self) -> None:
        while (raw := self._waiting.pop(self._next, None)) is not None:
            self._next, self._from_anywhere = self._next + 1, False
            self._raws.append(raw)
            if self._link is not None:
                self._link = frame.link_after(self._link, raw)
                self._links += self._link
            if self._next - self._first > HELD_MAX:
                self._counts.open += self._drop(self._first + HELD_MAX // 2)
            fields = frame.read(raw)
            if fields.kind == frame.HEAD:
                self._head(fields)

    def _skip(self) -> None:
        """What is waited for does not come: a hole."""
        first = min(self._waiting)
        if not self._from_anywhere:
            self._miss(self._next, first - 1)
        self._counts.open += self._drop(self._next)
        self._first = self._next = first
        self._link = None
        self._raws.clear()
        self._go_on()

    def _miss(self, first: int, last: int) -> None:
        counts = self._counts
        counts.holes += 1
        counts.missing += last - first + 1
        if len(counts.named) < HOLES_NAMED_MAX:
            what = f"frames {first} to {last}" if last > first else f"frame {first}"
            counts.named.append(f"boot {self._number}, {what}")

    def _head(self, fields: frame.Fields) -> None:
        """A signed link: what it covers, and what it shows not to be the board's."""
        place, at = f"head in frame {fields.seq}", fields.seq
        try:
            head = frame.read_head(fields)
        except EvidenceError as fault:
            self._say(fault.reason, f"{place}: {fault.text}", (at, at), at)
            return
        if not frame.is_signed(head, self._public, self._number):
            text = f"{place}: not signed by the board"
            self._say(Reason.BOARD_SIGNATURE, text, (self._first, at), at)
            return
        if head.seq >= at:
            text = f"{place}: over frame {head.seq}, which is not before it"
            self._say(Reason.BOARD_LINK, text, (self._first, at), at)
            return
        self._counts.heads += 1
        if self._link is None:
            if head.seq >= self._first - 1:
                self._counts.open += self._drop(head.seq + 1)
                self._resume(head.link)
        elif head.seq >= self._first:
            self._hold(head, place, at)

    def _hold(self, head: frame.Signed, place: str, at: int) -> None:
        """The frames that are held against the head over them."""
        start = (head.seq - self._first) * frame.LINK_BYTES
        if self._links[start : start + frame.LINK_BYTES] == head.link:
            self._counts.covered += self._drop(head.seq + 1)
            return
        frames = (self._first, head.seq)
        text = f"frames {self._first} to {head.seq} are not those that the board chained"
        self._say(Reason.BOARD_LINK, f"{place}: {text}", frames, at)
        self._counts.refuted += self._drop(head.seq + 1)
        self._resume(head.link)

    def _drop(self, upto: int) -> int:
        """Holds nothing below this number any more; how many that were."""
        many = max(upto - self._first, 0)
        del self._links[: many * frame.LINK_BYTES]
        self._first += many
        return many

    def _resume(self, link: bytes) -> None:
        """The link before the first held frame is known: from there on all are."""
        self._links.clear()
        many = self._next - self._first
        if many > len(self._raws):
            self._counts.open += self._drop(self._next)
            self._link = None
            return
        for raw in list(self._raws)[len(self._raws) - many :]:
            link = frame.link_after(link, raw)
            self._links += link
        self._link = link

    def _say(
        self, reason: Reason, text: str, frames: tuple[int, int], head: int | None = None
    ) -> None:
        self._tell(Fault(reason, text, self._number, frames, head))


def ordered(raws: list[tuple[bytes, T]]) -> Iterator[tuple[bytes, T]]:
    """By boot and number, as far as they say any: what is no frame comes as it is."""
    yield from sorted(raws, key=lambda one: one[0][4 : 4 + _ORDER_BYTES])
