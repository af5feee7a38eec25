"""A board's memory of sealed frames: a ring of stated size, from which nothing sealed is dropped.

1. A frame stays until it is kept elsewhere; one that does not fit is refused, and nothing else
   moves. That it was heard frees nothing: who heard it may lose it.
2. It is read by a cursor that can be set back, so that what was lost on the way is sent again.
3. A frame never wraps: it lies in one piece, before the end or at the start.

After it was made it allocates nothing but a view for each frame that is sent.
"""

from array import array

SIZE_MAX_BYTES = 0xFFFF  # offsets are kept in 16 bits: 64 KiB is what a board has to give
_SLOT_BYTES = 64  # a slot for each so many octets: shorter frames fill slots before octets


class Ring:
    """Frames by their seq, each one more than the one before it.

    `first`: the oldest kept. `heard`: the first that nobody said was heard. `cursor`: the next to
    send. `next`: the next to be put. `ahead`: octets of frames from `heard` to before `cursor`:
    under way.
    """

    __slots__ = (
        "_view",
        "_starts",
        "_lengths",
        "_end",
        "_sent",
        "first",
        "heard",
        "cursor",
        "next",
        "ahead",
    )

    def __init__(self, size: int, first: int = 0) -> None:
        """`size` in octets, at most 65,535."""
        if not _SLOT_BYTES <= size <= SIZE_MAX_BYTES:
            raise ValueError("a ring has 64 to 65,535 octets")
        self._view = memoryview(bytearray(size))
        slots = size // _SLOT_BYTES
        self._starts = array("H", bytes(2 * slots))
        self._lengths = array("H", bytes(2 * slots))
        self._end = 0  # where the newest frame ends
        self.first = self.heard = self.cursor = self.next = self._sent = first
        self.ahead = 0

    def fits(self, length: int) -> bool:
        """Whether a frame of so many octets would be kept: to be asked before one is sealed."""
        return self._room(length) >= 0

    def put(self, frame: memoryview) -> bool:
        """Keeps a frame as number `next`. False: there is no room, and nothing was kept."""
        start = self._room(len(frame))
        if start < 0:
            return False
        slot = self.next % len(self._starts)
        self._starts[slot], self._lengths[slot] = start, len(frame)
        self._end = start + len(frame)
        self._view[start : self._end] = frame
        self.next += 1
        return True

    def _room(self, length: int) -> int:
        """Where a frame of this length may start, or -1."""
        size, end = len(self._view), self._end
        if self.first == self.next:
            return 0 if length <= size else -1
        if self.next - self.first == len(self._starts):
            return -1
        oldest = self._starts[self.first % len(self._starts)]
        if end > oldest:
            if end + length <= size:
                return end
            return 0 if length <= oldest else -1
        return end if end + length <= oldest else -1

    def send(self) -> memoryview:
        """The frame at the cursor, which moves on; there is one while `cursor` is below `next`."""
        slot = self.cursor % len(self._starts)
        self.cursor += 1
        self._sent = max(self._sent, self.cursor)
        self.ahead += self._lengths[slot]
        start = self._starts[slot]
        return self._view[start : start + self._lengths[slot]]

    def hear(self, seq: int) -> None:
        """Every frame below `seq` was heard, as far as they were ever sent."""
        while self.heard < min(seq, self._sent):
            if self.heard == self.cursor:  # set back, and now heard to be there
                self.cursor += 1
            else:
                self.ahead -= self._lengths[self.heard % len(self._starts)]
            self.heard += 1

    def forget(self, seq: int) -> None:
        """Forgets every frame below `seq`, as far as they were heard."""
        self.first = max(self.first, min(seq, self.heard))

    def rewind(self, seq: int) -> None:
        """Sets the cursor back to `seq`, or to the oldest kept; never forward."""
        while self.cursor > seq and self.cursor > self.first:
            self.cursor -= 1
            if self.cursor < self.heard:
                self.heard = self.cursor
            else:
                self.ahead -= self._lengths[self.cursor % len(self._starts)]
