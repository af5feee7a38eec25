"""Modbus in bytes: the one name by which others know the protocol.

1. Bytes in, facts out: nothing here opens, waits, asks a clock or sends.
2. What is not an exchange of the block that its configuration states is a FrameError, whatever the
   bytes; an exchange that brought no answer is none: its values are None.
3. The verdict depends on the whole exchange: no answer is NOT_ANSWERED, a value that the device
   marks as none is POINT_INVALID, unless the map calls its point optional.

Which library sends the requests is no matter here: it decodes without.
"""

from drivers.line import FrameError
from drivers.modbus.adu import ANSWERED, Answer, Framing, Request, answer, read_request
from drivers.modbus.exchange import Exchange, read_exchange
from drivers.modbus.point import Block, Point, Stamp, read_block
from drivers.modbus.splitter import Bad, RtuSplitter, TcpSplitter, heads
from drivers.modbus.stream import rate, setup_of
from drivers.modbus.value import Layout, Slot
from drivers.values import WHOLE, Compiled, Verdict
from evidence.code import Class, Reason

# What relays and meters give are means over some cycles, renewed some times a second at best: an
# instant that is known to the second tells which of them it is.
BOUND_NS_MAX = 1_000_000_000

__all__ = [
    "BOUND_NS_MAX",
    "Answer",
    "Bad",
    "Block",
    "Exchange",
    "Framing",
    "Judge",
    "Layout",
    "Point",
    "Request",
    "RtuSplitter",
    "Slot",
    "Stamp",
    "TcpSplitter",
    "answer",
    "compiled",
    "heads",
    "outcome",
    "rate",
    "read_block",
    "read_exchange",
    "read_request",
    "setup_of",
]


class Judge:
    """What an exchange of this block is good for, by what came of it."""

    slices: tuple[tuple[int, int], ...] = WHOLE

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def __call__(self, marks: tuple[bytes, ...]) -> list[Verdict]:
        try:
            data = self._layout.data(read_exchange(marks[0] if marks else b""))
        except FrameError:
            return [(Class.DATA_INVALID, Reason.MALFORMED)]
        if data is None:
            return [(Class.DATA_INVALID, Reason.NOT_ANSWERED)]
        if not self._layout.whole(data):
            return [(Class.DATA_INVALID, Reason.POINT_INVALID)]
        return []


def compiled(configuration: bytes) -> Compiled:
    """The block of a stream, ready. Raises FrameError."""
    layout = Layout(read_block(configuration))
    told = (Judge(layout), BOUND_NS_MAX, unanswered)
    return Compiled(layout.decode, layout.slots, 0, rate(layout.block), *told)


def outcome(raw: bytes) -> str:
    """What came of an exchange, in words: answered, exception 2 (illegal data address), no answer.

    Raises FrameError for bytes that are no exchange of a read.
    """
    found = read_exchange(raw)
    request = read_request(found.framing, found.request)
    return answer(found.framing, found.request, request, found.response).text()


def unanswered(raw: bytes) -> str:
    """The outcome of an exchange that brought no values; empty of any other."""
    try:
        said = outcome(raw)
    except FrameError:
        return ""
    return "" if said == ANSWERED else said
