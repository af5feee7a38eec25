"""One stream: the blocks that its frames fill, and what was heard twice.

1. A block is the samples from a multiple of its span on, by smpCnt, so that anybody can tell which
   samples belong into it. It is closed when the next one has GRACE_NS of frames: what another LAN
   brings a little later still finds its place. What comes later yet makes blocks of its own, closed
   with the next that is in time.
2. A frame of the same smpCnt and the same payload as one heard TWICE_NS ago, twice that at most, is
   that frame heard twice, by PRP, by HSR or by a mirror port, and is not kept. One of another
   payload is kept, beside the first, and counted.
3. Where the rate is not known, a block is what arrives within BLOCK_NS.
4. Memory is bounded: three open blocks, and the frames of two times TWICE_NS.

It reads no clock: time comes in with the frames.
"""

from collections import Counter

from drivers.ethernet.frame import parse
from drivers.line import Block, Channel, Frame, Instant, Setup
from drivers.sv.block import BLOCK_BYTES_MAX, HEAD_BYTES, LENGTH_BYTES, encode_block
from drivers.sv.counter import span_of
from drivers.sv.dataset import QUALITY, Configuration, Dataset, encode_configuration
from drivers.sv.layout import Layout
from drivers.sv.stamp import First, Vouched, stamp
from evidence.code import Kind
from evidence.leap import NS, LeapTable

TWICE_NS = 400_000_000  # IEC 62439-3 4.1.10.3: how long a node remembers what it has heard
RECENT_MAX = 32_768  # frames that are remembered: twice what TWICE_NS of any rate here brings
GRACE_NS = 3_000_000  # how much later another LAN may bring a frame; 9-2LE allows as much in all
BLOCK_NS = 25_000_000  # where there is no counter to go by
LATE_SHARE = 4  # blocks behind by less than this part of a second are late, not a second ahead
RELEARN_NS = 60 * NS  # a stream of unknown rate may have become one that can be known
# By so much the counter may jump ahead of the arrivals, or the rate is not what it was taken for.
AHEAD_NS_MAX = 100_000_000
SV = int(Kind.SV)

Item = Frame | Setup


class _Open:
    """A block that is not closed yet."""

    __slots__ = ("due", "first", "frames", "index", "size", "synchs")

    def __init__(self, index: int, first: First) -> None:
        self.index, self.first, self.due = index, first, first.smp_cnt
        self.frames: list[bytes] = []
        self.synchs: set[int] = set()
        self.size = HEAD_BYTES


class Stream:
    """One identity of drivers.sv.layout, of one rate and one data set. `rate` 0: not known."""

    def __init__(
        self, key: str, layout: Layout, rate: int, datasets: tuple[Dataset, ...],
        vouched: Vouched, table: LeapTable, counts: Counter[str],
    ) -> None:  # fmt: skip
        self.key, self.rate, self.datasets = key, rate, datasets
        self.heard = Instant(0, None)  # the last frame
        self._appid = layout.identity.appid
        self.samples = layout.samples
        self._refr_tm = layout.places[0].at_refr_tm
        self._vouched, self._table, self._counts = vouched, table, counts
        self._span = span_of(rate, layout.samples, layout.size, BLOCK_BYTES_MAX) if rate else 0
        self._blocks = rate // self._span if rate else 0  # a second
        self._grace = GRACE_NS * rate // (NS * layout.samples) + 1 if rate else 1
        self._open: _Open | None = None
        self._ahead: _Open | None = None
        self._late: _Open | None = None
        self._recent: dict[int, bytes] = {}
        self._before: dict[int, bytes] = {}
        self._turned = 0  # when `_recent` was begun
        self._closed = 0  # blocks
        self._since = 0  # the first frame

    def setup(self) -> Setup:
        """What rules this stream from now on."""
        configuration = Configuration(self.rate, self._span, self.datasets)
        blocks = tuple(_block(each, self._appid) for each in self.datasets)
        rate = (self._blocks, 1) if self._blocks else (0, 0)
        return Setup(self.key, SV, encode_configuration(configuration), rate, blocks)

    def add(
        self, raw: bytes, layout: Layout, heard: Instant, out: list[Item], sure: bool = False
    ) -> bool:
        """One frame; whatever block that closes goes to `out`.

        False, and nothing is done, when the counter contradicts the rate, or when it is time to
        learn one; never when `sure`.
        """
        fields = layout.read(raw)
        count: int = fields[0]
        if abs(heard.tai - self._turned) >= TWICE_NS or len(self._recent) >= RECENT_MAX:
            self._forget(heard)
        known = self._recent.get(count) or self._before.get(count)
        if known is not None and self._again(known, raw, layout):
            return True
        block = self._open
        if self._span:
            index = count // self._span
            if (
                block is None
                or block.index != index
                # A stream that was away may come back into the same block of another second.
                or heard.tai - block.first.heard.tai > NS // 2
            ):
                if not sure and self._contradicts(index, heard):
                    return False
                block = self._turn(index, self._first(count, raw, heard), out)
        elif not sure and self._since and heard.tai - self._since > RELEARN_NS:
            return False
        elif block is None or heard.tai - block.first.heard.tai >= BLOCK_NS:
            block = self._begin(0, self._first(count, raw, heard), out)
        self._since = self._since or heard.tai
        self.heard, self._recent[count] = heard, raw
        self._put(block, fields, raw)
        if block.size + LENGTH_BYTES + len(raw) > BLOCK_BYTES_MAX:
            self.flush(out)  # more than its samples: something repeats them with other contents
        return True

    def flush(self, out: list[Item], ended: bool = True) -> None:
        """Nothing more is expected of the blocks that are open. `ended`: nor of the stream, so that
        what would have come later is not missing.
        """
        self._close_late(out)
        for block in (self._open, self._ahead):
            if block is not None and block.frames:
                self._close(block, out, ended and block is (self._ahead or self._open))
        self._open = self._ahead = None

    # --- one frame

    def _put(self, block: _Open, fields: tuple[int, ...], raw: bytes) -> None:
        count = fields[0]
        if count < block.due:
            self._counts["reordered"] += 1
        else:
            block.due = count + self.samples
        block.frames.append(raw)
        block.size += LENGTH_BYTES + len(raw)
        if len(fields) == 2:
            block.synchs.add(fields[1] or 0)
        else:
            block.synchs.update(synch or 0 for synch in fields[1::2])

    def _forget(self, heard: Instant) -> None:
        """What was heard TWICE_NS ago and longer, and all where nothing was heard for a while.

        A second later the same counts come again, and their contents may be the same, too.
        """
        goes_on = abs(heard.tai - self.heard.tai) < TWICE_NS // 4
        self._before = self._recent if goes_on else {}
        self._recent, self._turned = {}, heard.tai

    def _again(self, known: bytes, raw: bytes, layout: Layout) -> bool:
        """Whether this frame is the known one, heard twice."""
        if len(known) == layout.size:
            before = known[layout.payload]
        else:  # with other tags, or with a trailer
            start = parse(known).start
            before = known[start : start + int.from_bytes(known[start + 2 : start + 4])]
        if before == raw[layout.payload]:
            self._counts["heard_twice"] += 1
            return True
        self._counts["smp_cnt_repeated"] += 1
        return False

    def _first(self, count: int, raw: bytes, heard: Instant) -> First:
        at = self._refr_tm
        return First(count, heard, raw[at : at + 8] if at is not None else None)

    # --- blocks

    def _contradicts(self, index: int, heard: Instant) -> bool:
        """Whether the rate cannot be what it was taken for."""
        if index >= self._blocks:
            return True
        if self._open is None:
            return False
        step = (index - self._open.index) % self._blocks
        if step <= 1 or self._is_late(step):
            return False
        ahead_ns = step * NS // self._blocks - (heard.tai - self.heard.tai)
        return ahead_ns > AHEAD_NS_MAX

    def _is_late(self, step: int) -> bool:
        return step > self._blocks - self._blocks // LATE_SHARE

    def _turn(self, index: int, first: First, out: list[Item]) -> _Open:
        """The block of a frame that is not of the open one."""
        block, ahead = self._open, self._ahead
        elapsed = first.heard.tai - block.first.heard.tai if block is not None else NS
        if block is None or elapsed > NS // 2:
            return self._begin(index, first, out)
        step = (index - block.index) % self._blocks
        if step == 1:
            if ahead is None:
                ahead = self._ahead = _Open(index, first)
            if len(ahead.frames) + 1 >= self._grace:
                self._close_late(out)
                self._close(block, out)
                self._open, self._ahead = ahead, None
            return ahead
        if self._is_late(step):
            self._counts["late"] += 1
            if self._late is None or self._late.index != index:
                self._close_late(out)
                self._late = _Open(index, first)
            return self._late
        return self._begin(index, first, out)

    def _begin(self, index: int, first: First, out: list[Item]) -> _Open:
        self.flush(out, ended=False)
        self._open = _Open(index, first)
        return self._open

    def _close(self, block: _Open, out: list[Item], ended: bool = False) -> None:
        self._seal(block, out)
        whole = min(block.due - block.index * self._span, self._span) if ended else self._span
        lacking = whole - len(block.frames) * self.samples
        if lacking > 0 and self._closed:  # the first one is of when this gateway began to hear
            self._counts["samples_missing"] += lacking
        self._closed += 1

    def _close_late(self, out: list[Item]) -> None:
        """What is not in it was counted when its own block was closed."""
        if self._late is not None:
            self._seal(self._late, out)
            self._late = None

    def _seal(self, block: _Open, out: list[Item]) -> None:
        start = block.index * self._span
        found = stamp(block.first, self.rate, start, block.synchs, self._vouched, self._table)
        raw, heard = encode_block(block.frames), block.first.heard
        tai, bound, source, flags = found
        out.append(Frame(self.key, SV, raw, tai, bound, source, flags, heard))


def _block(dataset: Dataset, appid: int) -> Block:
    members = dataset.members or ()
    channels = tuple(
        Channel(each.name, each.quantity, each.unit) for each in members if each.part != QUALITY
    )
    return Block(dataset.sv_id, appid, "", None, None, channels)
