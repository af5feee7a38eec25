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

It reads no store (see boarded.py), and knows nothing of what was tapped.
"""

import hashlib
import struct
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator

from evidence.code import ALG_ED25519, Reason
from evidence.key import PublicKey
from firmware_bridge import frame

REORDER_MAX = 1024  # frames, before the one they wait for counts as missing
HELD_MAX = 500_000  # without a head over them: an hour of two ports, and 16 MB of links
RAWS_MAX = 2048  # while a head is being signed, which takes seconds: half a minute of a port
RECENT_MAX = 2048  # of whose content is known, should one come again: twice a board's ring
BOOTS_MAX = 2  # of one board that are open at one time: they follow each other; the lowest closes
_ORDER_BYTES = 8

Say = Callable[[Reason, str], None]


class Counts:
    """Of one board, in frames; `holes` in stretches of them."""

    __slots__ = ("covered", "holes", "late", "missing", "open", "refuted", "repeated")

    def __init__(self) -> None:
        self.covered = self.open = self.missing = self.holes = 0
        self.refuted = self.repeated = self.late = 0


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
            fields = frame.Fields(raw)
        except frame.FrameError as fault:
            self._say(Reason.BOARD_FRAME, str(fault))
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
                self._say(Reason.BOARD_TWIN, f"frame {seq}: sealed with two contents")
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
            fields = frame.Fields(raw)
            if fields.kind == frame.HEAD:
                self._head(fields)

    def _skip(self) -> None:
        """What is waited for does not come: a hole."""
        first = min(self._waiting)
        if not self._from_anywhere:
            self._counts.holes += 1
            self._counts.missing += first - self._next
        self._counts.open += self._drop(self._next)
        self._first = self._next = first
        self._link = None
        self._raws.clear()
        self._go_on()

    def _head(self, fields: frame.Fields) -> None:
        """A signed link: what it covers, and what it shows not to be the board's."""
        place = f"head in frame {fields.seq}"
        if len(fields.body) != struct.calcsize(frame.HEAD_BODY):
            self._say(Reason.BOARD_FRAME, f"{place}: not as long as a head")
            return
        seq, link, signature = struct.unpack(frame.HEAD_BODY, fields.body)
        message = frame.head_message(self._public.raw, self._number, seq, link)
        if not self._public.verify(message, signature):
            self._say(Reason.BOARD_SIGNATURE, f"{place}: not signed by the board")
        elif seq >= fields.seq:
            self._say(Reason.BOARD_LINK, f"{place}: over frame {seq}, which is not before it")
        elif self._link is None:
            if seq >= self._first - 1:
                self._counts.open += self._drop(seq + 1)
                self._resume(link)
        elif seq >= self._first:
            at = (seq - self._first) * frame.LINK_BYTES
            if self._links[at : at + frame.LINK_BYTES] == link:
                self._counts.covered += self._drop(seq + 1)
                return
            text = f"frames {self._first} to {seq} are not those that the board chained"
            self._say(Reason.BOARD_LINK, f"{place}: {text}")
            self._counts.refuted += self._drop(seq + 1)
            self._resume(link)

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

    def _say(self, reason: Reason, text: str) -> None:
        self._tell(reason, f"boot {self._number}, {text}")


def ordered(raws: list[bytes]) -> Iterator[bytes]:
    """By boot and number, as far as they say any: what is no frame comes as it is."""
    yield from sorted(raws, key=lambda raw: raw[4 : 4 + _ORDER_BYTES])
