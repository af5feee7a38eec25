"""GOOSE: bytes in, facts out, and back. The one name by which others know the protocol.

    frame.py    Ethernet frame to message; APPID, Length, Reserved1, Reserved2   IEC 61850-8-1 C
    routed.py   R-GOOSE: one datagram                                            IEC 61850-90-5 11
    pdu.py      the message                                                      IEC 61850-8-1 A
    data.py     the typed entries of its data set                                IEC 61850-8-1 A
    dataset.py  names and types as the configuration has them
    layout.py   a configuration compiled; values
    judge.py    what a frame says against its values

1. None of these opens, waits, sleeps or asks a clock: no socket, serial, asyncio, time or
   threading.
2. Whatever the bytes, the only exception is FrameError; what a caller asks to be written and no
   frame can say is ValueError.
3. With no configuration the values are one: all entries as they came, structures as tuples.

It decides nothing about a sequence of frames: see state.py.
"""

from drivers.goose.data import TYPES, BinaryTime, UtcTime
from drivers.goose.dataset import DataSet, Leaf, Member, decode_configuration, learned
from drivers.goose.frame import Carried, Message, carry, decode_frame, encode_frame
from drivers.goose.judge import FrameJudge
from drivers.goose.layout import Layout
from drivers.goose.pdu import Pdu, decode_pdu, encode_data, encode_pdu
from drivers.goose.routed import UDP_PORT, Datagram, decode_datagram, is_routed
from drivers.values import Compiled, Values

__all__ = [
    "BOUND_NS_MAX", "TYPES", "UDP_PORT", "BinaryTime", "Carried", "DataSet", "Datagram", "Layout",
    "Leaf", "Member", "Message", "Pdu", "UtcTime", "carry", "compiled", "decode_configuration",
    "decode_datagram", "decode_frame", "decode_pdu", "encode_data", "encode_frame", "encode_pdu",
    "is_routed", "learned",
]  # fmt: skip

# IEC 61850-5 11.1.3, class T1: events are stamped to the millisecond.
BOUND_NS_MAX = 1_000_000
_ALL = (Leaf(0, "allData", "other", "", "", "", ""),)


def compiled(configuration: bytes) -> Compiled:
    """What decodes and judges frames under a data set. Raises FrameError."""
    if not configuration:
        return Compiled(_all, _ALL, 0, (0, 0), FrameJudge(None), BOUND_NS_MAX)
    layout = Layout(decode_configuration(configuration))
    return Compiled(layout.decode, layout.slots, 0, (0, 0), FrameJudge(layout), BOUND_NS_MAX)


def _all(raw: bytes) -> Values:
    return (decode_frame(raw).values,)
