"""One exchange of Modbus RTU as a board heard it pass: how it is sealed, and how it is read.

1. `raw` is the board's whole frame that completes the exchange and, where the request was a frame
   of its own, a copy of that one behind it: what a response answers it does not say itself, and
   the copy lets whoever has this sample alone read it. The request's frame is sealed for itself in
   its port's stream; the chain counts it there and here the first one alone (evidence.tapped).
2. Both are of one port and one boot, the request before its answer. What is inside is decoded and
   judged by drivers.modbus, under the same encoding of points.
3. Whatever the bytes, the only exception is FrameError.

It pairs nothing (bus.py does), and checks no tag.
"""

from drivers.line import FrameError
from drivers.mcu.wire import fields
from drivers.modbus import wire as modbus
from drivers.modbus.adu import RTU_REQUEST_BYTES, Framing
from drivers.modbus.exchange import Exchange
from drivers.values import WHOLE, Compiled, Judge, Values, Verdict
from evidence.code import Class, Kind, Reason
from evidence.tapped import chained
from firmware_bridge import frame as board


def exchange(raw: bytes) -> Exchange:
    """The request and the response inside, without their instants: those are the sample's. Raises
    FrameError.
    """
    own = chained(Kind.MCU_MODBUS, raw)
    found = [fields(own)]
    if len(own) < len(raw):
        asked = fields(raw[len(own) :])
        if (asked.port, asked.boot) != (found[0].port, found[0].boot) or asked.seq >= found[0].seq:
            raise FrameError("board_frame", "its request is not one before it on its port")
        found.insert(0, asked)
    if any(one.kind != board.TAPPED for one in found):
        raise FrameError("board_kind", "an exchange of frames that are no device's")
    octets = b"".join(one.body for one in found)
    request, response = octets[:RTU_REQUEST_BYTES], octets[RTU_REQUEST_BYTES:]
    return Exchange(Framing.RTU, 0, 0, request, response)


class _Inside:
    """What the protocol's judge says of the exchange."""

    slices = WHOLE

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    def __call__(self, marks: tuple[bytes, ...]) -> list[Verdict]:
        try:
            raw = exchange(marks[0] if marks else b"").raw()
        except FrameError:
            return [(Class.DATA_INVALID, Reason.MALFORMED)]
        return self._judge((raw,))


def compiled(configuration: bytes) -> Compiled:
    """What decodes and judges the exchanges of a block. Raises FrameError."""
    inner = modbus.compiled(configuration)

    def inside(raw: bytes) -> Values:
        return inner.decode(exchange(raw).raw())

    def words(raw: bytes) -> str:
        try:
            return inner.words(exchange(raw).raw())
        except FrameError:
            return ""

    return inner._replace(decode=inside, judge=_Inside(inner.judge), words=words)
